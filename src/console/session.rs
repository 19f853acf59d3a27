//! Who is signed in: a sealed cookie. Every process that has the master key can read it, and none
//! has to keep or share anything; see docs/decisions/050.

use std::collections::HashMap;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use rand::TryRng;
use rand::rngs::SysRng;
use refundry_domain::ids::{KeyId, MerchantId, Timestamp};
use subtle::ConstantTimeEq;

use crate::access::seal::{SealError, Sealer};
use crate::access::token::{MARK, Mark};

pub const COOKIE: &str = "refundry_session";
/// What the cookie is sealed for.
const CONTEXT: &str = "console-session";
const TOKEN: usize = 16;

/// How long somebody stays signed in, and how.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Without looking at a page.
    pub idle_ms: i64,
    pub life_ms: i64,
    /// Browsers come over TLS, whatever a proxy says of a request.
    pub secure: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub merchant: MerchantId,
    pub key: KeyId,
    /// Of the secret that was given; the session ends when the key has another.
    pub mark: Mark,
    pub began: Timestamp,
    pub seen: Timestamp,
    /// What every form of this session has to bring back.
    token: [u8; TOKEN],
}

impl Session {
    /// # Errors
    /// When the system has no randomness to give.
    pub fn begin(
        merchant: MerchantId,
        key: KeyId,
        mark: Mark,
        now: Timestamp,
    ) -> Result<Session, rand::rngs::SysError> {
        let mut token = [0; TOKEN];
        SysRng.try_fill_bytes(&mut token)?;
        Ok(Session { merchant, key, mark, began: now, seen: now, token })
    }

    pub fn seal(&self, sealer: &Sealer) -> Result<String, SealError> {
        let mut bytes = Vec::with_capacity(4 * 8 + MARK + TOKEN);
        for number in [self.merchant.0, self.key.0, self.began.0, self.seen.0] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.mark);
        bytes.extend_from_slice(&self.token);
        Ok(URL_SAFE_NO_PAD.encode(sealer.seal(&bytes, CONTEXT)?))
    }

    /// `None` for what this installation has not sealed.
    pub fn open(text: &str, sealer: &Sealer) -> Option<Session> {
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let bytes = sealer.open(&sealed, CONTEXT).ok()?;
        let (numbers, rest) = bytes.split_at_checked(4 * 8)?;
        let (mark, token) = rest.split_at_checked(MARK)?;
        let mut numbers =
            numbers.chunks_exact(8).map(|eight| eight.try_into().map(i64::from_le_bytes));
        let mut next = || numbers.next()?.ok();
        Some(Session {
            merchant: MerchantId(next()?),
            key: KeyId(next()?),
            mark: mark.try_into().ok()?,
            began: Timestamp(next()?),
            seen: Timestamp(next()?),
            token: token.try_into().ok()?,
        })
    }

    pub fn lives(&self, now: Timestamp, rules: Rules) -> bool {
        now < self.seen.after_ms(rules.idle_ms) && now < self.began.after_ms(rules.life_ms)
    }

    /// As it is after a look at a page; `None` while that is not worth a new cookie.
    pub fn looked(&self, now: Timestamp, rules: Rules) -> Option<Session> {
        const PARTS: i64 = 30;
        let worth = now.0.saturating_sub(self.seen.0) > rules.idle_ms / PARTS;
        worth.then(|| Session { seen: now, ..self.clone() })
    }

    pub fn token(&self) -> String {
        hex(&self.token)
    }

    pub fn is_token(&self, given: &str) -> bool {
        bool::from(self.token().as_bytes().ct_eq(given.as_bytes()))
    }
}

/// A name for one sending of a form, so that the same one twice takes effect once.
///
/// # Errors
/// When the system has no randomness to give.
pub fn once() -> Result<String, rand::rngs::SysError> {
    let mut bytes = [0; TOKEN];
    SysRng.try_fill_bytes(&mut bytes)?;
    Ok(hex(&bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How often one address may try a key that is none, in a minute.
const WRONG_MOST: u32 = 10;
const WINDOW_MS: i64 = 60_000;
const ADDRESSES_MOST: usize = 10_000;

/// Wrong keys, by the address that tried them.
#[derive(Default)]
pub struct Throttle(Mutex<HashMap<IpAddr, (Timestamp, u32)>>);

impl Throttle {
    /// Whether this address may try now.
    pub fn admits(&self, from: IpAddr, now: Timestamp) -> bool {
        let tried = self.0.lock();
        tried.get(&from).is_none_or(|(since, count)| {
            *count < WRONG_MOST || now.0.saturating_sub(since.0) >= WINDOW_MS
        })
    }

    pub fn wrong(&self, from: IpAddr, now: Timestamp) {
        let mut tried = self.0.lock();
        if tried.len() >= ADDRESSES_MOST {
            tried.retain(|_, (since, _)| now.0.saturating_sub(since.0) < WINDOW_MS);
        }
        if tried.len() >= ADDRESSES_MOST {
            tried.clear();
        }
        let row = tried.entry(from).or_insert((now, 0));
        if now.0.saturating_sub(row.0.0) >= WINDOW_MS {
            *row = (now, 0);
        }
        row.1 += 1;
    }
}
