//! The secrets of an endpoint: sealed at rest, several while one takes over from another.

use refundry_domain::ids::{MerchantId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::access::reseal::endpoint_context;
use crate::access::seal::{SealError, Sealer};

/// How many secrets sign at the same time at most.
const MOST: usize = 5;

/// The newest first. Has no `Debug`, so that it cannot be logged.
#[derive(Clone, Serialize, Deserialize)]
pub struct Secrets(Vec<Secret>);

#[derive(Clone, Serialize, Deserialize)]
struct Secret {
    text: String,
    /// Milliseconds since 1970; the newest has no end.
    until: Option<i64>,
}

impl Secrets {
    pub fn new(text: String) -> Secrets {
        Secrets(vec![Secret { text, until: None }])
    }

    /// A new secret before the others, which sign until `until` at most.
    pub fn rotate(mut self, text: String, now: Timestamp, until: Timestamp) -> Secrets {
        self.0.retain(|secret| secret.until.is_none_or(|end| end > now.0));
        for secret in &mut self.0 {
            secret.until = Some(secret.until.map_or(until.0, |end| end.min(until.0)));
        }
        self.0.retain(|secret| secret.until.is_none_or(|end| end > now.0));
        self.0.insert(0, Secret { text, until: None });
        self.0.truncate(MOST);
        self
    }

    /// Those that sign now.
    pub fn living(&self, now: Timestamp) -> Vec<String> {
        let living = self.0.iter().filter(|secret| secret.until.is_none_or(|end| end > now.0));
        living.map(|secret| secret.text.clone()).collect()
    }

    /// Since when only the newest signs, if that is to come.
    pub fn settled_at(&self, now: Timestamp) -> Option<Timestamp> {
        let ends = self.0.iter().filter_map(|secret| secret.until);
        ends.max().filter(|end| *end > now.0).map(Timestamp)
    }

    pub fn seal(&self, sealer: &Sealer, merchant: MerchantId) -> Result<Vec<u8>, SealError> {
        let text = serde_json::to_vec(self).map_err(|_| SealError::CannotOpen)?;
        sealer.seal(&text, &endpoint_context(merchant))
    }

    pub fn open(
        sealed: &[u8],
        sealer: &Sealer,
        merchant: MerchantId,
    ) -> Result<Secrets, SealError> {
        let text = sealer.open(sealed, &endpoint_context(merchant))?;
        serde_json::from_slice(&text).map_err(|_| SealError::CannotOpen)
    }
}
