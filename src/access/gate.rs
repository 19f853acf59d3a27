//! The way in: secret → key → [`Caller`], without asking the store for each request.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use refundry_domain::ids::{KeyId, MerchantId, Timestamp};
use refundry_domain::merchant::Key;
use subtle::ConstantTimeEq;

use super::Caller;
use super::day_key::{self, Digested};
use super::limits::{BURST_SECONDS, Days, Limit, Standing, day_of};
use super::seal::Sealer;
use super::secret::{self, SECRET_MOST};
use super::token::{self, Mark, Token, Use};
use crate::clock::Clock;
use crate::store::{KeyUse, Store, StoreError};

/// How long a key is believed before the store is asked again, so that a revocation through
/// another replica takes effect.
const KNOWN_TTL_MS: i64 = 5_000;
/// How many secrets, right and wrong, are remembered.
const REMEMBERED_MOST: usize = 20_000;
/// How many secrets that were never seen are looked up in a second; the rest wait. It bounds what
/// guessing can cost the store, and touches no key that is in use.
const LOOKUPS_PER_SECOND: u32 = 500;

pub struct Gate {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    known: RwLock<HashMap<Name, Remembered>>,
    limits: RwLock<HashMap<KeyId, (MerchantId, Arc<Limit>)>>,
    /// What other processes had let through when they were last heard of, by key and process.
    heard: Mutex<HashMap<(KeyId, i64), i64>>,
    lookups: Limit,
    /// Of keys whose requests are limited by the day.
    days: Days,
}

/// How somebody proves who they are. What is remembered of one way lets nobody in by another,
/// whatever bytes they send.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Way {
    Secret,
    Day,
    Session,
    Token,
}

/// What a proof is remembered under: a digest, so that no secret is kept.
type Name = (Way, [u8; 32]);

#[derive(Clone)]
struct Remembered {
    /// `None`: no key has this secret.
    admitted: Option<Arc<Admitted>>,
    read_at: Timestamp,
}

impl Remembered {
    fn is_fresh(&self, now: Timestamp) -> bool {
        (0..KNOWN_TTL_MS).contains(&(now.0 - self.read_at.0))
    }
}

/// A key that may ask.
pub struct Admitted {
    pub caller: Caller,
    limit: Arc<Limit>,
}

impl Admitted {
    /// Requests a second that the key may make in the long run.
    pub fn rate(&self) -> u32 {
        self.limit.rate.get()
    }
}

/// Why somebody is not let in.
#[derive(Debug)]
pub enum Denied {
    /// No key has this secret, or it was revoked.
    Unknown,
    /// Too many unknown secrets are being tried; in a second again.
    Busy,
    Store(StoreError),
}

impl Gate {
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Gate {
        Gate {
            lookups: Limit::new(LOOKUPS_PER_SECOND, clock.clone()),
            days: Days::default(),
            store,
            clock,
            known: RwLock::default(),
            limits: RwLock::default(),
            heard: Mutex::default(),
        }
    }

    /// Whose secret this is, and what is left of the key's quota after counting this request.
    pub async fn admit(&self, secret: &str) -> Result<(Arc<Admitted>, Standing), Denied> {
        if secret.len() > SECRET_MOST {
            return Err(Denied::Unknown);
        }
        let hash = secret::hash(secret);
        let admitted = self.find(hash).await?.ok_or(Denied::Unknown)?;
        let standing = admitted.limit.take();
        Ok((admitted, standing))
    }

    /// As [`Gate::admit`], by the key's number and its key of the day.
    pub async fn admit_by_day(
        &self,
        sealer: &Sealer,
        id: KeyId,
        given: &str,
    ) -> Result<(Arc<Admitted>, Standing), Denied> {
        if given.len() > SECRET_MOST {
            return Err(Denied::Unknown);
        }
        let name = (Way::Day, secret::hash(&format!("{id}:{given}")));
        let now = self.clock.now();
        let admitted = match self.recall(name, now)? {
            Some(known) => known,
            None => {
                let key = self.key_by_day(sealer, id, given, now).await?;
                self.learn(name, key.as_ref(), now)
            }
        };
        let admitted = admitted.ok_or(Denied::Unknown)?;
        let standing = admitted.limit.take();
        Ok((admitted, standing))
    }

    /// As [`Gate::admit`], for somebody who has proved to have this key's secret before; `mark` is
    /// that of the secret then.
    pub async fn admit_session(
        &self,
        merchant: MerchantId,
        id: KeyId,
        mark: Mark,
    ) -> Result<(Arc<Admitted>, Standing), Denied> {
        let name = (Way::Session, secret::hash(&format!("{merchant}:{id}:{mark:?}")));
        let now = self.clock.now();
        let admitted = match self.recall(name, now)? {
            Some(known) => known,
            None => {
                let key = self.store.key(merchant, id).await.map_err(Denied::Store)?;
                let key = key.filter(|key| key.revoked_at.is_none() && token::mark(key) == mark);
                self.learn(name, key.as_ref(), now)
            }
        };
        let admitted = admitted.ok_or(Denied::Unknown)?;
        let standing = admitted.limit.take();
        Ok((admitted, standing))
    }

    async fn key_by_day(
        &self,
        sealer: &Sealer,
        id: KeyId,
        given: &str,
        now: Timestamp,
    ) -> Result<Option<Key>, Denied> {
        let found = self.store.key_with_digest(id).await.map_err(Denied::Store)?;
        let Some((key, Some(sealed))) = found else { return Ok(None) };
        let merchant = self.store.merchant(key.merchant).await.map_err(Denied::Store)?;
        let zone = merchant.map(|merchant| merchant.settings.time_zone).unwrap_or_default();
        let digested = Digested { hash: key.hash, sealed };
        let days = day_key::days_around(now, &zone);
        let proved = digested.proves(sealer, key.merchant, given, &days).unwrap_or_else(|error| {
            tracing::error!(key = %key.id, %error, "what is kept of a key cannot be opened");
            false
        });
        Ok(Some(key).filter(|key| proved && key.revoked_at.is_none()))
    }

    /// As [`Gate::admit`], by an access token.
    pub async fn admit_token(
        &self,
        sealer: &Sealer,
        text: &str,
    ) -> Result<(Arc<Admitted>, Standing), Denied> {
        let now = self.clock.now();
        let token = Token::open(sealer, text, Use::Access).filter(|token| token.expires > now);
        let admitted = self.of_token(token.ok_or(Denied::Unknown)?).await?;
        let standing = admitted.limit.take();
        Ok((admitted, standing))
    }

    /// Whose refresh token this is; nobody's when it has expired or its key has ended. Whether it
    /// was used is told by [`Gate::redeem`] alone.
    pub async fn whose_refresh(
        &self,
        sealer: &Sealer,
        text: &str,
    ) -> Result<Arc<Admitted>, Denied> {
        self.of_token(self.refresh_token(sealer, text)?).await
    }

    /// Uses a refresh token up. Of all who try, in whatever processes, one succeeds.
    pub async fn redeem(&self, sealer: &Sealer, text: &str) -> Result<(), Denied> {
        let token = self.refresh_token(sealer, text)?;
        let (digest, now) = (token::digest(text), self.clock.now());
        let spent = self.store.spend_token(token.merchant, digest, token.expires, now).await;
        if spent.map_err(Denied::Store)? { Ok(()) } else { Err(Denied::Unknown) }
    }

    fn refresh_token(&self, sealer: &Sealer, text: &str) -> Result<Token, Denied> {
        let now = self.clock.now();
        let token = Token::open(sealer, text, Use::Refresh).filter(|token| token.expires > now);
        token.ok_or(Denied::Unknown)
    }

    /// The key that tokens of a caller stand for.
    pub async fn key_of(&self, caller: &Caller) -> Result<Key, Denied> {
        let id = caller.key.ok_or(Denied::Unknown)?;
        let key = self.store.key(caller.merchant, id).await.map_err(Denied::Store)?;
        key.ok_or(Denied::Unknown)
    }

    /// Only who has the master key makes a token, so looking its key up needs no bound but the
    /// key's own.
    async fn of_token(&self, token: Token) -> Result<Arc<Admitted>, Denied> {
        let name = format!("{}:{}:{}", token.merchant, token.key, token.mark_text());
        let name = (Way::Token, secret::hash(&name));
        let now = self.clock.now();
        let known = self.known.read().get(&name).cloned();
        if let Some(known) = known.filter(|known| known.is_fresh(now)) {
            return known.admitted.ok_or(Denied::Unknown);
        }
        let key = self.store.key(token.merchant, token.key).await.map_err(Denied::Store)?;
        let key = key.filter(|key| token.is_of(key));
        self.learn(name, key.as_ref(), now).ok_or(Denied::Unknown)
    }

    /// Forgets what is remembered of keys, after one was made or revoked here.
    pub fn forget(&self) {
        self.known.write().clear();
    }

    /// Tells the other processes of the same books how often keys were used here, and takes what
    /// they let through from what may be asked here. Done every second, the rate of a key holds
    /// over all of them in the long run; see the operator's documentation.
    pub async fn share(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let today = day_of(now);
        let used: Vec<KeyUse> = self
            .limits
            .read()
            .iter()
            .map(|(key, (merchant, limit))| KeyUse {
                merchant: *merchant,
                key: *key,
                process: 0,
                requests: Some(i64::try_from(limit.used()).unwrap_or(i64::MAX)),
                day: today,
                calls: i64::from(self.days.here(*key, today)),
            })
            .collect();
        if used.is_empty() {
            return Ok(());
        }
        let mut elsewhere: HashMap<KeyId, i64> = HashMap::new();
        for told in self.store.share_use(used, now).await? {
            if told.day == today {
                *elsewhere.entry(told.key).or_default() += told.calls;
            }
            let Some(requests) = told.requests else { continue };
            // Of what one did before it was heard of, no more than a burst can be recent.
            let before = self.heard.lock().insert((told.key, told.process), requests);
            let more = u64::try_from(requests - before.unwrap_or(0)).unwrap_or(0);
            if let Some((_, limit)) = self.limits.read().get(&told.key) {
                let burst = u64::from(limit.rate.get()) * u64::from(BURST_SECONDS);
                limit.owe(if before.is_some() { more } else { more.min(burst) });
            }
        }
        for (key, calls) in elsewhere {
            self.days.hear(key, today, u32::try_from(calls).unwrap_or(u32::MAX));
        }
        Ok(())
    }

    /// Counts a request towards what the key may ask in a day; when that is used up, answers in how
    /// many seconds the next day begins. What other processes let through is known as in
    /// [`Gate::share`].
    pub fn count_today(&self, key: KeyId, most: u32) -> Result<(), u64> {
        self.days.take(key, most, self.clock.now())
    }

    async fn find(&self, hash: [u8; 32]) -> Result<Option<Arc<Admitted>>, Denied> {
        let (name, now) = ((Way::Secret, hash), self.clock.now());
        if let Some(known) = self.recall(name, now)? {
            return Ok(known);
        }
        let key = self.store.key_by_hash(hash).await.map_err(Denied::Store)?;
        // The database compares in its own time; this comparison is the one that counts.
        let key = key.filter(|key| bool::from(key.hash.ct_eq(&hash)) && key.revoked_at.is_none());
        Ok(self.learn(name, key.as_ref(), now))
    }

    /// What was learnt lately of a secret; nothing when the store has to be asked, which is
    /// counted for those that were never right.
    fn recall(&self, name: Name, now: Timestamp) -> Result<Option<Option<Arc<Admitted>>>, Denied> {
        let remembered = self.known.read().get(&name).cloned();
        match remembered {
            Some(known) if known.is_fresh(now) => {
                return Ok(Some(known.admitted));
            }
            Some(Remembered { admitted: Some(_), .. }) => {}
            Some(Remembered { admitted: None, .. }) | None => {
                if !self.lookups.take().allowed {
                    return Err(Denied::Busy);
                }
            }
        }
        Ok(None)
    }

    fn learn(&self, name: Name, key: Option<&Key>, now: Timestamp) -> Option<Arc<Admitted>> {
        let admitted = key.map(|key| Arc::new(self.admitted(key)));
        self.remember(name, Remembered { admitted: admitted.clone(), read_at: now });
        admitted
    }

    fn admitted(&self, key: &Key) -> Admitted {
        let caller = Caller {
            merchant: key.merchant,
            by: format!("key:{}", key.id).into(),
            key: Some(key.id),
            scopes: key.scopes.clone(),
        };
        Admitted { caller, limit: self.limit_of(key) }
    }

    /// The key's bucket, which outlives what is remembered of the key.
    fn limit_of(&self, key: &Key) -> Arc<Limit> {
        let mut limits = self.limits.write();
        if let Some((_, limit)) = limits.get(&key.id)
            && limit.rate.get() == key.rate_per_second.max(1)
        {
            return limit.clone();
        }
        let limit = Arc::new(Limit::new(key.rate_per_second, self.clock.clone()));
        limits.insert(key.id, (key.merchant, limit.clone()));
        limit
    }

    fn remember(&self, name: Name, remembered: Remembered) {
        let mut known = self.known.write();
        if known.len() >= REMEMBERED_MOST {
            // Wrong guesses go first, so that guessing does not push keys in use out.
            known.retain(|_, entry| entry.admitted.is_some());
        }
        if known.len() >= REMEMBERED_MOST {
            known.clear();
        }
        known.insert(name, remembered);
    }
}
