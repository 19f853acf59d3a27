//! What is kept sealed for people outside: links to the page for bank details, and files of bank
//! transfers. And everything sealed, to be sealed anew under another master key.

use std::collections::BTreeMap;

use async_trait::async_trait;
use refundry_domain::ids::{MerchantId, RefundId, Timestamp, TransactionId};
use refundry_domain::money::{Currency, Minor};

use super::{Page, Slice, StoreError};

/// The way to the page where a customer gives bank details for one refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InformationLink {
    /// The refund's own, by which a link of an earlier wait is told from this one's.
    pub due: Timestamp,
    /// SHA-256 of the token.
    pub digest: [u8; 32],
    /// The token, under the master key.
    pub sealed: Vec<u8>,
}

/// A file of bank transfers that was written, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferFile {
    pub number: i64,
    pub message_id: String,
    pub transfers: u32,
    pub currency: Currency,
    pub total: Minor,
    pub made_by: String,
    pub created_at: Timestamp,
}

/// Where sealed bytes stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// Customers' bank details; the number is the refund's.
    Information,
    /// The secrets of webhook endpoints.
    Endpoints,
    /// What logins by a key of the day are checked against; the number is the key's.
    Digests,
    /// Links to the page for bank details; the number is the refund's.
    Links,
    /// Files of bank transfers.
    Files,
}

impl Sealed {
    pub const ALL: [Sealed; 5] =
        [Sealed::Information, Sealed::Endpoints, Sealed::Digests, Sealed::Links, Sealed::Files];

    /// The table, its column of sealed bytes and its number.
    pub(super) fn place(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Sealed::Information => ("refunds", "information", "number"),
            Sealed::Endpoints => ("webhook_endpoints", "secrets", "number"),
            Sealed::Digests => ("key_digests", "sealed", "hash"),
            Sealed::Links => ("information_links", "sealed", "refund"),
            Sealed::Files => ("transfer_files", "sealed", "number"),
        }
    }
}

/// Sealed bytes and whose they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedRow {
    pub merchant: MerchantId,
    /// A digest has none.
    pub number: i64,
    /// Of digests: the hash that the key is found by.
    pub hash: Option<[u8; 32]>,
    pub bytes: Vec<u8>,
}

#[async_trait]
pub trait Vault: Send + Sync {
    async fn information_link(
        &self,
        merchant: MerchantId,
        refund: RefundId,
    ) -> Result<Option<InformationLink>, StoreError>;
    /// Keeps a link, unless one of the same `due` is there already; answers which one is kept.
    async fn keep_information_link(
        &self,
        merchant: MerchantId,
        refund: RefundId,
        link: InformationLink,
    ) -> Result<InformationLink, StoreError>;
    /// Which refund the link of this digest is for, and its `due`. Takes no merchant: a customer
    /// names none.
    async fn link_by_digest(
        &self,
        digest: [u8; 32],
    ) -> Result<Option<(MerchantId, RefundId, Timestamp)>, StoreError>;
    /// Forgets links that ran out before `before`, of all merchants; answers how many.
    async fn forget_links(&self, before: Timestamp) -> Result<u64, StoreError>;

    async fn transfer_files(
        &self,
        merchant: MerchantId,
        page: Page,
    ) -> Result<Slice<TransferFile>, StoreError>;
    /// The file and its sealed bytes, which are empty once they were purged.
    async fn transfer_file(
        &self,
        merchant: MerchantId,
        number: i64,
    ) -> Result<Option<(TransferFile, Vec<u8>)>, StoreError>;
    /// Of these refund transactions, those that stand in a file, and in which.
    async fn transferred(
        &self,
        merchant: MerchantId,
        transactions: Vec<TransactionId>,
    ) -> Result<BTreeMap<TransactionId, i64>, StoreError>;
    /// Takes the bytes of files that were written before `before` away, of all merchants; answers
    /// how many.
    async fn purge_files(&self, before: Timestamp) -> Result<u64, StoreError>;

    /// Everything sealed of one kind, of all merchants.
    async fn sealed(&self, kind: Sealed) -> Result<Vec<SealedRow>, StoreError>;
    /// Puts other bytes in the place of these, when they are still there. Nobody else may write
    /// meanwhile; answers whether they were.
    async fn reseal(
        &self,
        kind: Sealed,
        row: SealedRow,
        bytes: Vec<u8>,
    ) -> Result<bool, StoreError>;
}
