//! The link under which a customer gives bank details. Whoever holds it says where the money goes,
//! so it is found by its digest, kept sealed, told to those who may write alone, and ends with the
//! refund's wait.

use std::sync::Arc;

use refundry_domain::ids::{MerchantId, RefundId, Timestamp};
use refundry_domain::refund::{Refund, State};

use super::seal::{SealError, Sealer};
use super::secret;
use crate::store::vault::InformationLink;
use crate::store::{Store, StoreError};

/// Where the page is, before the token.
pub const PATH: &str = "/bank-details/";

pub struct Links {
    store: Arc<dyn Store>,
    sealer: Arc<Sealer>,
    /// What customers reach this server under; empty when nobody has said.
    public_url: String,
}

/// Has no `Debug`, so that it cannot be logged.
pub struct Link {
    pub token: String,
    /// The whole address, or its path alone where the server's own is not configured.
    pub url: String,
    pub expires_at: Timestamp,
}

#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("the system has no randomness to give: {0}")]
    NoRandomness(#[from] rand::rngs::SysError),
}

impl Links {
    pub fn new(store: Arc<dyn Store>, sealer: Arc<Sealer>, public_url: &str) -> Links {
        Links { store, sealer, public_url: public_url.trim_end_matches('/').to_owned() }
    }

    pub fn sealer(&self) -> &Arc<Sealer> {
        &self.sealer
    }

    /// The refund's link, which is made when it is first asked for; none when the refund does not
    /// wait for bank details.
    pub async fn of(
        &self,
        merchant: MerchantId,
        refund: &Refund,
    ) -> Result<Option<Link>, LinkError> {
        let due = refund.information_due.filter(|_| refund.state == State::RequiresInformation);
        let Some(due) = due else { return Ok(None) };
        let kept = self.store.information_link(merchant, refund.id).await?;
        let kept = match kept.filter(|kept| kept.due == due) {
            Some(kept) => kept,
            None => {
                let token = secret::link_token()?;
                let sealed = self.sealer.seal(token.as_bytes(), &context(merchant, refund.id))?;
                let new = InformationLink { due, digest: secret::hash(&token), sealed };
                self.store.keep_information_link(merchant, refund.id, new).await?
            }
        };
        let token = self.sealer.open(&kept.sealed, &context(merchant, refund.id))?;
        let token = String::from_utf8(token).map_err(|_| SealError::CannotOpen)?;
        let url = format!("{}{PATH}{token}", self.public_url);
        Ok(Some(Link { token, url, expires_at: kept.due }))
    }
}

/// What a link's token is sealed for.
pub fn context(merchant: MerchantId, refund: RefundId) -> String {
    format!("information-link/{merchant}/{refund}")
}
