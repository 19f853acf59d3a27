//! Tokens that APIs hand out and take in place of a key.

use std::sync::Arc;

use crate::access::gate::{Admitted, Denied};
use crate::access::limits::Standing;
use crate::access::token::{Token, Use};
use crate::store::StoreError;

use super::desk::Desk;

/// How long an access token works.
pub const ACCESS_SECONDS: i64 = 24 * 60 * 60;
/// How long a refresh token can be used.
const REFRESH_SECONDS: i64 = 30 * 24 * 60 * 60;

/// A pair for one key.
pub struct Tokens {
    pub access: String,
    pub refresh: String,
}

impl Desk {
    /// As [`Desk::admit_secret`], with an access token.
    pub async fn admit_token(&self, text: &str) -> Result<(Arc<Admitted>, Standing), Denied> {
        self.0.gate.admit_token(self.0.links.sealer(), text).await
    }

    /// Whose refresh token this is, which is not used up.
    pub async fn whose_refresh(&self, text: &str) -> Result<Arc<Admitted>, Denied> {
        self.0.gate.whose_refresh(self.0.links.sealer(), text).await
    }

    /// Uses a refresh token up; `Denied::Unknown` when it was before.
    pub async fn redeem(&self, text: &str) -> Result<(), Denied> {
        self.0.gate.redeem(self.0.links.sealer(), text).await
    }

    /// New tokens for the key of a caller.
    pub async fn tokens(&self, admitted: &Admitted) -> Result<Tokens, Denied> {
        let key = self.0.gate.key_of(&admitted.caller).await?;
        let seal = |seconds: i64, wanted: Use| {
            let token = Token::of(&key, self.0.ledger.now().after_ms(seconds * 1000));
            let sealed = token.seal(self.0.links.sealer(), wanted);
            sealed.map_err(|error| Denied::Store(StoreError::Unavailable(error.to_string())))
        };
        Ok(Tokens {
            access: seal(ACCESS_SECONDS, Use::Access)?,
            refresh: seal(REFRESH_SECONDS, Use::Refresh)?,
        })
    }
}
