//! Everything sealed, sealed anew with the newest master key, so that older ones can go.

use refundry_domain::ids::{MerchantId, RefundId};

use super::bank::BankDetails;
use super::day_key;
use super::links;
use super::seal::{SealError, Sealer};
use crate::store::vault::{Sealed, SealedRow};
use crate::store::{Store, StoreError};

#[derive(Debug, thiserror::Error)]
pub enum ResealError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{what}: {error}")]
    Seal { what: String, error: SealError },
    #[error("{0} was changed meanwhile; stop all servers, and run this again")]
    Changed(String),
}

/// What a webhook endpoint's secrets are sealed for.
pub fn endpoint_context(merchant: MerchantId) -> String {
    format!("webhook-secrets/{merchant}")
}

/// Seals anew whatever of a kind needs another key than the newest; answers how many did. `files`
/// says what files of bank transfers are sealed for.
pub async fn kind(
    store: &dyn Store,
    sealer: &Sealer,
    kind: Sealed,
    files: fn(MerchantId) -> String,
) -> Result<usize, ResealError> {
    let mut count = 0;
    for row in store.sealed(kind).await? {
        let what = named(kind, &row);
        let sealed = |error| ResealError::Seal { what: what.clone(), error };
        let Some(bytes) = anew(sealer, kind, &row, files).map_err(sealed)? else { continue };
        if !store.reseal(kind, row, bytes).await? {
            return Err(ResealError::Changed(what));
        }
        count += 1;
    }
    Ok(count)
}

fn named(kind: Sealed, row: &SealedRow) -> String {
    let what = match kind {
        Sealed::Information => "the bank details of refund",
        Sealed::Endpoints => "the secrets of webhook endpoint",
        Sealed::Digests => "the digest of a key",
        Sealed::Links => "the link of refund",
        Sealed::Files => "the file of bank transfers",
    };
    format!("{what} {} of merchant {}", row.number, row.merchant)
}

fn anew(
    sealer: &Sealer,
    kind: Sealed,
    row: &SealedRow,
    files: fn(MerchantId) -> String,
) -> Result<Option<Vec<u8>>, SealError> {
    let (merchant, refund) = (row.merchant, RefundId(row.number));
    let context = match kind {
        Sealed::Information => {
            return BankDetails::resealed(&row.bytes, sealer, merchant, refund);
        }
        Sealed::Endpoints => endpoint_context(merchant),
        Sealed::Digests => day_key::context(merchant, &row.hash.unwrap_or_default()),
        Sealed::Links => links::context(merchant, refund),
        Sealed::Files => files(merchant),
    };
    // What was purged is empty.
    if row.bytes.is_empty() || sealer.is_newest(&row.bytes, &context) {
        return Ok(None);
    }
    let bytes = sealer.open(&row.bytes, &context)?;
    sealer.seal(&bytes, &context).map(Some)
}
