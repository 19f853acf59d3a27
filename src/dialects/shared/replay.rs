//! Same request, same answer: the idempotency key of a request, and what it is compared by.

use axum::http::HeaderMap;
use sha2::{Digest, Sha256};

use super::problem::{At, Code, Problem};
use crate::store::{Claim, Render};

/// The longest key.
const KEY_MOST: usize = 255;
const HEADER: &str = "Idempotency-Key";

/// What an operation says of idempotency keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRule {
    /// Reads have none; one that is sent is ignored.
    None,
    Optional,
    /// Money moves.
    Required,
    /// The answer holds a secret that is not kept, or the change repeats itself harmlessly.
    Refused,
}

/// A key and the fingerprint of its request.
#[derive(Clone, Debug)]
pub struct Once {
    key: String,
    fingerprint: [u8; 32],
}

impl Once {
    /// The claim of the request, whose kept answer `render` makes.
    pub fn claim<T>(self, render: Render<T>) -> Claim<T> {
        Claim { key: self.key, fingerprint: self.fingerprint, done_only: false, render }
    }

    /// As [`Once::claim`], and a refusal is not kept: the same request may be tried again.
    pub fn claim_when_done(self, render: Render) -> Claim {
        Claim { done_only: true, ..self.claim(render) }
    }

    pub fn new(key: &str, parts: [&[u8]; 4]) -> Once {
        let mut digest = Sha256::new();
        for part in parts {
            // The length before each part, so that no two requests run together into one text.
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        Once { key: key.to_owned(), fingerprint: digest.finalize().into() }
    }
}

/// The idempotency key in the header.
pub fn key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    if values.next().is_some() || !is_key(text) {
        return Err(invalid().at(At::Header(HEADER)));
    }
    Ok(Some(text))
}

/// From 1 to 255 visible ASCII characters.
pub fn is_key(text: &str) -> bool {
    (1..=KEY_MOST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

pub fn invalid() -> Problem {
    let detail = "An idempotency key is one text of 1 to 255 visible ASCII characters.";
    Problem::new(Code::IdempotencyKeyInvalid, detail)
}

pub fn required() -> Problem {
    let detail = "This moves money: send an Idempotency-Key, a new random one for each refund \
                  and the same one when you repeat the request.";
    Problem::new(Code::IdempotencyKeyRequired, detail).at(At::Header(HEADER))
}

pub fn unsupported() -> Problem {
    let detail =
        "This operation takes no Idempotency-Key field; in a bulk request each line has its own.";
    Problem::new(Code::IdempotencyKeyUnsupported, detail).at(At::Header(HEADER))
}

pub fn reused() -> Problem {
    let detail = "The idempotency key was used for another request, or its answer is no longer kept; \
                  take a new one.";
    Problem::new(Code::IdempotencyKeyReused, detail).at(At::Header(HEADER))
}
