//! The way in: secret → key → [`Caller`], without asking the store for each request.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use refundry_domain::ids::{KeyId, Timestamp};
use refundry_domain::merchant::Key;
use subtle::ConstantTimeEq;

use super::Caller;
use super::limits::{Limit, Standing};
use super::secret::{self, SECRET_MOST};
use crate::clock::Clock;
use crate::store::{Store, StoreError};

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
    known: RwLock<HashMap<[u8; 32], Remembered>>,
    limits: RwLock<HashMap<KeyId, Arc<Limit>>>,
    lookups: Limit,
}

#[derive(Clone)]
struct Remembered {
    /// `None`: no key has this secret.
    admitted: Option<Arc<Admitted>>,
    read_at: Timestamp,
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
            store,
            clock,
            known: RwLock::default(),
            limits: RwLock::default(),
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

    /// Forgets what is remembered of keys, after one was made or revoked here.
    pub fn forget(&self) {
        self.known.write().clear();
    }

    async fn find(&self, hash: [u8; 32]) -> Result<Option<Arc<Admitted>>, Denied> {
        let now = self.clock.now();
        let remembered = self.known.read().get(&hash).cloned();
        match &remembered {
            Some(known) if (0..KNOWN_TTL_MS).contains(&(now.0 - known.read_at.0)) => {
                return Ok(known.admitted.clone());
            }
            Some(Remembered { admitted: Some(_), .. }) => {}
            Some(Remembered { admitted: None, .. }) | None => {
                if !self.lookups.take().allowed {
                    return Err(Denied::Busy);
                }
            }
        }
        let key = self.store.key_by_hash(hash).await.map_err(Denied::Store)?;
        // The database compares in its own time; this comparison is the one that counts.
        let key = key.filter(|key| bool::from(key.hash.ct_eq(&hash)) && key.revoked_at.is_none());
        let admitted = key.map(|key| Arc::new(self.admitted(&key)));
        self.remember(hash, Remembered { admitted: admitted.clone(), read_at: now });
        Ok(admitted)
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
        if let Some(limit) = limits.get(&key.id)
            && limit.rate.get() == key.rate_per_second.max(1)
        {
            return limit.clone();
        }
        let limit = Arc::new(Limit::new(key.rate_per_second, self.clock.clone()));
        limits.insert(key.id, limit.clone());
        limit
    }

    fn remember(&self, hash: [u8; 32], remembered: Remembered) {
        let mut known = self.known.write();
        if known.len() >= REMEMBERED_MOST {
            // Wrong guesses go first, so that guessing does not push keys in use out.
            known.retain(|_, entry| entry.admitted.is_some());
        }
        if known.len() >= REMEMBERED_MOST {
            known.clear();
        }
        known.insert(hash, remembered);
    }
}
