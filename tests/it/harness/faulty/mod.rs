//! A store whose disk can be made to fail.

mod reports;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use refundry::testing::store::credits::{AccountFilter, CreditIntent, EntriesOf};
use refundry::testing::store::vault::{InformationLink, Sealed, SealedRow, TransferFile, Vault};
use refundry::testing::store::webhooks::{DeliveryFilter, DeliveryPage, Progress};
use refundry::testing::store::*;
use refundry_domain::book::Book;
use refundry_domain::changes::{Queue, Work};
use refundry_domain::credit::{Account, CreditBook, Entry};
use refundry_domain::ids::{
    AccountId, EndpointId, EventId, KeyId, MerchantId, OrderId, OrderRef, RefundId, ReturnId,
    Timestamp, TransactionId,
};
use refundry_domain::merchant::{Administration, Connection, Key, Merchant};
use refundry_domain::order::{Chain, Order};
use refundry_domain::refund::Refund;
use refundry_domain::returns::Return;
use refundry_domain::webhook::{Delivery, Endpoint};
use tokio::sync::RwLockWriteGuard;

use super::gate::Gate;
use super::turns::Turns;

/// Passes everything on until its disk is broken; from then on it takes no writes. Commits can be
/// made to wait, and lists of credit accounts, which every verification reads.
pub struct Faulty {
    pub inner: Arc<dyn Store>,
    broken: AtomicBool,
    commits: Gate,
    pub accounts: Gate,
    /// Of lists of orders.
    pub pages: Turns,
    loses_answers: AtomicBool,
}

impl Faulty {
    pub fn over(inner: Arc<dyn Store>) -> Arc<Faulty> {
        Arc::new(Faulty {
            inner,
            broken: AtomicBool::new(false),
            commits: Gate::new(),
            accounts: Gate::new(),
            pages: Turns::default(),
            loses_answers: AtomicBool::new(false),
        })
    }

    /// Commits wait until this is dropped.
    pub async fn hold_commits(&self) -> RwLockWriteGuard<'_, ()> {
        self.commits.hold().await
    }

    /// Looks until so many commits wait, bounded.
    pub async fn until_waiting(&self, count: usize) {
        self.commits.until_waiting(count).await;
    }

    pub fn break_disk(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }

    /// Writes what was counted, and does not say so.
    pub fn lose_answers(&self, loses: bool) {
        self.loses_answers.store(loses, Ordering::SeqCst);
    }

    fn fault(&self) -> Result<(), StoreError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(StoreError::Broken("the disk failed".to_owned()));
        }
        Ok(())
    }
}

#[async_trait]
impl Credits for Faulty {
    async fn move_credit(
        &self,
        intent: CreditIntent,
    ) -> Result<Settlement<CreditBook>, StoreError> {
        self.fault()?;
        self.inner.move_credit(intent).await
    }

    async fn credit_account(
        &self,
        merchant: MerchantId,
        account: AccountId,
    ) -> Result<Option<Account>, StoreError> {
        self.inner.credit_account(merchant, account).await
    }

    async fn credit_account_by_code(
        &self,
        merchant: MerchantId,
        digest: [u8; 32],
    ) -> Result<Option<Account>, StoreError> {
        self.inner.credit_account_by_code(merchant, digest).await
    }

    async fn credit_accounts(
        &self,
        merchant: MerchantId,
        filter: AccountFilter,
        page: Page,
    ) -> Result<Slice<Account>, StoreError> {
        self.accounts.pass().await;
        self.inner.credit_accounts(merchant, filter, page).await
    }

    async fn credit_entries(
        &self,
        merchant: MerchantId,
        of: EntriesOf,
        page: Page,
    ) -> Result<Slice<Entry>, StoreError> {
        self.inner.credit_entries(merchant, of, page).await
    }
}

#[async_trait]
impl Store for Faulty {
    async fn commit(&self, intent: Intent) -> Result<Settlement, StoreError> {
        self.fault()?;
        self.commits.pass().await;
        self.inner.commit(intent).await
    }

    async fn order(
        &self,
        merchant: MerchantId,
        order: OrderRef,
    ) -> Result<Option<Book>, StoreError> {
        self.inner.order(merchant, order).await
    }

    async fn books(
        &self,
        merchant: MerchantId,
        orders: BTreeSet<OrderId>,
    ) -> Result<Vec<Book>, StoreError> {
        self.inner.books(merchant, orders).await
    }

    async fn orders(
        &self,
        merchant: MerchantId,
        filter: OrderFilter,
        page: Page,
    ) -> Result<Slice<Order>, StoreError> {
        let _turn = self.pages.take().await;
        self.inner.orders(merchant, filter, page).await
    }

    async fn refund(
        &self,
        merchant: MerchantId,
        refund: RefundId,
    ) -> Result<Option<Refund>, StoreError> {
        self.inner.refund(merchant, refund).await
    }

    async fn refunds(
        &self,
        merchant: MerchantId,
        filter: RefundFilter,
        page: Page,
    ) -> Result<Slice<Refund>, StoreError> {
        self.inner.refunds(merchant, filter, page).await
    }

    async fn transaction(
        &self,
        merchant: MerchantId,
        transaction: TransactionId,
    ) -> Result<Option<TransactionRow>, StoreError> {
        self.inner.transaction(merchant, transaction).await
    }

    async fn transactions(
        &self,
        merchant: MerchantId,
        filter: TransactionFilter,
        page: Page,
    ) -> Result<Slice<TransactionRow>, StoreError> {
        self.inner.transactions(merchant, filter, page).await
    }

    async fn transaction_by_key(
        &self,
        key: String,
    ) -> Result<Option<(MerchantId, TransactionId)>, StoreError> {
        self.inner.transaction_by_key(key).await
    }

    async fn return_of(
        &self,
        merchant: MerchantId,
        return_id: ReturnId,
    ) -> Result<Option<Return>, StoreError> {
        self.inner.return_of(merchant, return_id).await
    }

    async fn returns(
        &self,
        merchant: MerchantId,
        filter: ReturnFilter,
        page: Page,
    ) -> Result<Slice<Return>, StoreError> {
        self.inner.returns(merchant, filter, page).await
    }

    async fn events(
        &self,
        merchant: MerchantId,
        filter: EventFilter,
        page: Page,
    ) -> Result<Slice<Event>, StoreError> {
        self.inner.events(merchant, filter, page).await
    }

    async fn due(
        &self,
        queue: Queue,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<(MerchantId, Work)>, StoreError> {
        self.inner.due(queue, now, limit).await
    }

    async fn administer(
        &self,
        merchant: MerchantId,
        by: Arc<str>,
        at: Timestamp,
        change: Administration,
    ) -> Result<Administered, StoreError> {
        self.fault()?;
        self.inner.administer(merchant, by, at, change).await
    }

    async fn merchant(&self, merchant: MerchantId) -> Result<Option<Merchant>, StoreError> {
        self.inner.merchant(merchant).await
    }

    async fn merchants(&self) -> Result<Vec<Merchant>, StoreError> {
        self.inner.merchants().await
    }

    async fn chain(&self, merchant: MerchantId) -> Result<Option<Chain>, StoreError> {
        self.inner.chain(merchant).await
    }

    async fn keys(&self, merchant: MerchantId) -> Result<Vec<Key>, StoreError> {
        self.inner.keys(merchant).await
    }

    async fn key_by_hash(&self, hash: [u8; 32]) -> Result<Option<Key>, StoreError> {
        self.inner.key_by_hash(hash).await
    }

    async fn key(&self, merchant: MerchantId, key: KeyId) -> Result<Option<Key>, StoreError> {
        self.inner.key(merchant, key).await
    }

    async fn connections(&self, merchant: MerchantId) -> Result<Vec<Connection>, StoreError> {
        self.inner.connections(merchant).await
    }

    async fn all_connections(&self) -> Result<Vec<Connection>, StoreError> {
        self.inner.all_connections().await
    }

    async fn keep_digest(
        &self,
        merchant: MerchantId,
        hash: [u8; 32],
        sealed: Vec<u8>,
    ) -> Result<(), StoreError> {
        self.fault()?;
        self.inner.keep_digest(merchant, hash, sealed).await
    }

    async fn key_with_digest(&self, key: KeyId) -> Result<Option<KeyAndDigest>, StoreError> {
        self.inner.key_with_digest(key).await
    }

    async fn spend_token(
        &self,
        merchant: MerchantId,
        digest: [u8; 32],
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.fault()?;
        self.inner.spend_token(merchant, digest, until, now).await
    }

    fn instance(&self) -> Arc<str> {
        self.inner.instance()
    }

    async fn seal(&self, at: Timestamp) -> Result<Option<Seal>, StoreError> {
        self.inner.seal(at).await
    }

    async fn seals(&self) -> Result<Vec<Seal>, StoreError> {
        self.inner.seals().await
    }

    async fn event_hashes(
        &self,
        after: EventId,
        limit: u32,
    ) -> Result<Vec<(EventId, [u8; 32])>, StoreError> {
        self.inner.event_hashes(after, limit).await
    }

    async fn endpoints(&self, merchant: MerchantId) -> Result<Vec<Endpoint>, StoreError> {
        self.inner.endpoints(merchant).await
    }

    async fn claim_endpoints(
        &self,
        worker: i64,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Endpoint>, StoreError> {
        self.fault()?;
        self.inner.claim_endpoints(worker, now, until).await
    }

    async fn record_deliveries(
        &self,
        worker: i64,
        progress: Arc<Vec<Progress>>,
    ) -> Result<Vec<EndpointId>, StoreError> {
        self.fault()?;
        self.inner.record_deliveries(worker, progress).await
    }

    async fn deliveries(
        &self,
        merchant: MerchantId,
        filter: DeliveryFilter,
        page: DeliveryPage,
    ) -> Result<Slice<Delivery>, StoreError> {
        self.inner.deliveries(merchant, filter, page).await
    }

    async fn forget_deliveries(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.fault()?;
        self.inner.forget_deliveries(before, limit).await
    }

    async fn forget_answers(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.inner.forget_answers(before, limit).await
    }

    fn standing(&self) -> Standing {
        self.inner.standing()
    }

    async fn accept(&self, by: Arc<str>, at: Timestamp) -> Result<(), StoreError> {
        self.inner.accept(by, at).await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.fault()?;
        self.inner.ready().await
    }

    async fn close(&self) {
        self.inner.close().await
    }
}

#[async_trait]
impl Vault for Faulty {
    async fn information_link(
        &self,
        merchant: MerchantId,
        refund: RefundId,
    ) -> Result<Option<InformationLink>, StoreError> {
        self.inner.information_link(merchant, refund).await
    }

    async fn keep_information_link(
        &self,
        merchant: MerchantId,
        refund: RefundId,
        link: InformationLink,
    ) -> Result<InformationLink, StoreError> {
        self.fault()?;
        self.inner.keep_information_link(merchant, refund, link).await
    }

    async fn link_by_digest(
        &self,
        digest: [u8; 32],
    ) -> Result<Option<(MerchantId, RefundId, Timestamp)>, StoreError> {
        self.inner.link_by_digest(digest).await
    }

    async fn forget_links(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.fault()?;
        self.inner.forget_links(before).await
    }

    async fn transfer_files(
        &self,
        merchant: MerchantId,
        page: Page,
    ) -> Result<Slice<TransferFile>, StoreError> {
        self.inner.transfer_files(merchant, page).await
    }

    async fn transfer_file(
        &self,
        merchant: MerchantId,
        number: i64,
    ) -> Result<Option<(TransferFile, Vec<u8>)>, StoreError> {
        self.inner.transfer_file(merchant, number).await
    }

    async fn transferred(
        &self,
        merchant: MerchantId,
        transactions: Vec<TransactionId>,
    ) -> Result<BTreeMap<TransactionId, i64>, StoreError> {
        self.inner.transferred(merchant, transactions).await
    }

    async fn purge_files(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.fault()?;
        self.inner.purge_files(before).await
    }

    async fn sealed(&self, kind: Sealed) -> Result<Vec<SealedRow>, StoreError> {
        self.inner.sealed(kind).await
    }

    async fn reseal(
        &self,
        kind: Sealed,
        row: SealedRow,
        bytes: Vec<u8>,
    ) -> Result<bool, StoreError> {
        self.fault()?;
        self.inner.reseal(kind, row, bytes).await
    }
}
