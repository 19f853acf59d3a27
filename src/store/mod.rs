//! Where the books are kept. Everything above speaks to the [`Store`] trait alone; what is special
//! about one database stays in its folder.

pub mod anchor;
pub mod copy;
pub mod credits;
mod encode;
pub mod facts;
mod fits;
mod migrations;
mod page;
mod people;
pub mod postgres;
mod query;
pub mod reports;
mod rows;
mod search;
mod settle;
pub mod sqlite;
pub mod together;
pub mod vault;
pub mod webhooks;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use refundry_domain::book::Book;
use refundry_domain::changes::{Queue, Work};
use refundry_domain::command::{Command, Target};
use refundry_domain::ids::{
    EndpointId, EventId, KeyId, MerchantId, OrderId, OrderRef, RefundId, ReturnId, Timestamp,
    TransactionId,
};
use refundry_domain::merchant::{Administration, Connection, Key, Merchant};
use refundry_domain::order::{Chain, Order};
use refundry_domain::policy::Policy;
use refundry_domain::refund::Refund;
use refundry_domain::refusal::Refusal;
use refundry_domain::returns::Return;
use refundry_domain::webhook::{Delivery, Endpoint};

pub use self::credits::Credits;
pub use self::query::{
    Bound, Comparison, EventFilter, Measured, Movement, OrderFilter, Page, RefundFilter,
    RefundSearch, ReturnFilter, Search, Slice, Sorted, TransactionFilter, TransactionKind,
    TransactionRow, Within,
};
use self::reports::Reports;
use self::together::Together;
use self::vault::Vault;
use self::webhooks::{DeliveryFilter, DeliveryPage, Progress};

/// How long ago what is open in books that were accepted counts as sent: longer than a provider's
/// memory of its key is trusted.
pub const SENT_BEFORE_MS: i64 = 24 * 60 * 60 * 1000;

/// One command on its way into the books.
#[derive(Clone)]
pub struct Intent {
    pub merchant: MerchantId,
    /// Who asks, such as `key:12`, `worker` or `import`.
    pub by: Arc<str>,
    pub at: Timestamp,
    pub target: Target,
    /// With a fit, as far as it is known without the book.
    pub command: Arc<Command>,
    pub fit: Option<Fit>,
    pub policy: Arc<Policy>,
    pub claim: Option<Claim>,
    /// Decide and answer, and write nothing.
    pub dry_run: bool,
}

/// Makes the command from the book that it is about, where only the book says all of it; so the book
/// need not be read beforehand. `None` when the two do not go together. It is of the same kind, and to
/// the same destination, as the intent's command. Pure: it may run again when a batch is repeated.
pub type Fit = Arc<dyn Fn(&Book) -> Option<Command> + Send + Sync>;

/// The promise to give the same answer to the same request.
#[derive(Clone)]
pub struct Claim<T = Book> {
    /// The caller's idempotency key.
    pub key: String,
    /// SHA-256 over what was asked; the key with another fingerprint is refused.
    pub fingerprint: [u8; 32],
    /// Only what was carried out is kept; after a refusal the key is free again. For keys that a
    /// caller cannot change, being what the request is about.
    pub done_only: bool,
    /// Makes the answer that is kept with the key, in the commit that carries out the command.
    /// Pure: it may run again when a batch is repeated.
    pub render: Render<T>,
}

pub type Render<T = Book> = fn(Result<&T, &Refusal>) -> Answer;

/// An answer as it goes over the wire and is kept for repetition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

/// What became of an intent. Whatever it says was on disk before it was said.
#[derive(Debug)]
pub enum Settlement<T = Book> {
    /// Carried out; `answer` when there was a claim.
    Done { book: Box<T>, answer: Option<Answer>, work: Vec<Work> },
    /// A rule said no, and nothing but the claim was written; not even that when the command has a
    /// fit and its book is not there.
    Refused { refusal: Refusal, answer: Option<Answer> },
    /// The command's fit found that it does not go with the book. Nothing was written, and no claim
    /// is kept.
    Unfit,
    /// The same request was answered before, so.
    Replayed(Answer),
    /// The key was used before: for another request, or so long ago that its answer is forgotten.
    KeyReused,
}

/// The database cannot do it now. Nothing of the command was written, except after
/// [`StoreError::Broken`] and [`StoreError::Doubtful`], where it is not known.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// A write or an fsync failed; the store takes no writes until it is opened again.
    #[error("the store takes no more writes: {0}")]
    Broken(String),
    /// The connection to the database broke during the commit. The same request finds out by its
    /// claim, once the database is back.
    #[error("whether the store has carried it out is not known: {0}")]
    Doubtful(String),
    #[error("the store cannot answer now: {0}")]
    Unavailable(String),
    /// A row holds what no version of this program writes.
    #[error("the books are damaged: {0}")]
    Damaged(String),
}

/// An event as it is kept for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub id: EventId,
    pub merchant: MerchantId,
    /// The order whose chain it belongs to, or the credit account, by its number; events of the
    /// merchant itself have none. See [`Event::of_order`].
    pub order: Option<OrderId>,
    /// Its place in the chain, from 1.
    pub position: i64,
    pub name: String,
    /// What it is about, such as `refund`, and that row's number.
    pub subject_kind: String,
    pub subject: i64,
    pub at: Timestamp,
    pub by: String,
    /// A JSON object; see `store::facts`.
    pub data: String,
    /// SHA-256 over its predecessor's hash and everything above.
    pub hash: [u8; 32],
}

impl Event {
    /// The order that it is about, in whatever way.
    pub fn of_order(&self) -> Option<OrderId> {
        self.order.filter(|_| self.subject_kind != credits::SUBJECT)
    }
}

/// A digest over all events up to one, whatever order they belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    pub number: i64,
    /// The newest event that it covers, and how many it covers beyond the seal before it.
    pub last_event: EventId,
    pub events: i64,
    /// SHA-256 over the digest of the seal before it, and the number and hash of each event
    /// beyond that one, in order of number.
    pub digest: [u8; 32],
    pub at: Timestamp,
}

/// How many requests one process has let through under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUse {
    pub merchant: MerchantId,
    pub key: KeyId,
    /// Which process; of one's own it is not read.
    pub process: i64,
    /// Since it started; none of a process that has told nothing for a while.
    pub requests: Option<i64>,
    /// On the day of UTC with this number, of those whose number a day is limited.
    pub day: i64,
    pub calls: i64,
}

/// Whether the books are what they were when they were last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    Intact,
    /// They lack what the anchor outside the database has seen, or say something else. No money
    /// is sent until an operator decides.
    Behind(String),
}

/// What [`Store::administer`] made or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Administered {
    Merchant(Merchant),
    Key(Key),
    Endpoint(Endpoint),
    Connection(Connection),
    /// There is no such merchant, key or endpoint, or no credentials for a new connection.
    Unknown,
    /// Somebody else changed it meanwhile; nothing was written.
    Stale,
}

/// A key, and the sealed digest that is kept of its secret, if one is.
pub type KeyAndDigest = (Key, Option<Vec<u8>>);

/// A durable home of books.
///
/// Every method takes the merchant whose rows it may touch, or says why not. Another merchant's
/// rows are answered as if they were not there.
#[async_trait]
pub trait Store: Credits + Reports + Together + Vault {
    /// Loads the book, decides, writes and commits, together with whatever else is waiting.
    /// Commands on one order take effect one after the other, in the order in which they arrive.
    /// Answers once the commit is on disk.
    async fn commit(&self, intent: Intent) -> Result<Settlement, StoreError>;

    /// The order with its lines, payments and returns, without a refund.
    async fn order(
        &self,
        merchant: MerchantId,
        order: OrderRef,
    ) -> Result<Option<Book>, StoreError>;
    /// Those of these orders that are there, in no order, each once.
    async fn books(
        &self,
        merchant: MerchantId,
        orders: BTreeSet<OrderId>,
    ) -> Result<Vec<Book>, StoreError>;
    async fn orders(
        &self,
        merchant: MerchantId,
        filter: OrderFilter,
        page: Page,
    ) -> Result<Slice<Order>, StoreError>;
    /// The refund with its parts and transactions.
    async fn refund(
        &self,
        merchant: MerchantId,
        refund: RefundId,
    ) -> Result<Option<Refund>, StoreError>;
    /// The transactions of each refund are in it.
    async fn refunds(
        &self,
        merchant: MerchantId,
        filter: RefundFilter,
        page: Page,
    ) -> Result<Slice<Refund>, StoreError>;
    async fn transaction(
        &self,
        merchant: MerchantId,
        transaction: TransactionId,
    ) -> Result<Option<TransactionRow>, StoreError>;
    async fn transactions(
        &self,
        merchant: MerchantId,
        filter: TransactionFilter,
        page: Page,
    ) -> Result<Slice<TransactionRow>, StoreError>;
    /// Whose refund transaction has this provider key. Takes no merchant: a provider's
    /// notification names none.
    async fn transaction_by_key(
        &self,
        key: String,
    ) -> Result<Option<(MerchantId, TransactionId)>, StoreError>;
    async fn return_of(
        &self,
        merchant: MerchantId,
        return_id: ReturnId,
    ) -> Result<Option<Return>, StoreError>;
    async fn returns(
        &self,
        merchant: MerchantId,
        filter: ReturnFilter,
        page: Page,
    ) -> Result<Slice<Return>, StoreError>;
    async fn events(
        &self,
        merchant: MerchantId,
        filter: EventFilter,
        page: Page,
    ) -> Result<Slice<Event>, StoreError>;

    /// Work that is due and that no living lease covers, oldest first, of all merchants: the
    /// workers serve them all.
    async fn due(
        &self,
        queue: Queue,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<(MerchantId, Work)>, StoreError>;

    /// Like [`Store::due`], for a worker of this process: what another process of the same books
    /// is just taking, or was shown a moment ago, is left to it.
    async fn offer(
        &self,
        queue: Queue,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<(MerchantId, Work)>, StoreError> {
        self.due(queue, now, limit).await
    }

    /// Creates or changes a merchant or what belongs to it, with its event. `CreateMerchant` ignores
    /// `merchant`.
    async fn administer(
        &self,
        merchant: MerchantId,
        by: Arc<str>,
        at: Timestamp,
        change: Administration,
    ) -> Result<Administered, StoreError>;
    async fn merchant(&self, merchant: MerchantId) -> Result<Option<Merchant>, StoreError>;
    /// All merchants, oldest first; for operators and for `verify`.
    async fn merchants(&self) -> Result<Vec<Merchant>, StoreError>;
    /// Where the merchant's own chain of events ends.
    async fn chain(&self, merchant: MerchantId) -> Result<Option<Chain>, StoreError>;
    async fn keys(&self, merchant: MerchantId) -> Result<Vec<Key>, StoreError>;
    /// The key whose secret has this SHA-256, whoever's it is: it says which merchant asks.
    async fn key_by_hash(&self, hash: [u8; 32]) -> Result<Option<Key>, StoreError>;
    async fn key(&self, merchant: MerchantId, key: KeyId) -> Result<Option<Key>, StoreError>;
    /// Keeps the sealed digest of a secret, by the SHA-256 that its key is found by; in place of
    /// the one that was kept.
    async fn keep_digest(
        &self,
        merchant: MerchantId,
        hash: [u8; 32],
        sealed: Vec<u8>,
    ) -> Result<(), StoreError>;
    /// The key of this number, whoever's it is, and the digest that is kept of its secret: it says
    /// which merchant asks.
    async fn key_with_digest(&self, key: KeyId) -> Result<Option<KeyAndDigest>, StoreError>;
    /// Uses up a token that works once, by its SHA-256; whether it was still there to be used.
    /// Of two who try at the same time, in whatever processes, one is told so. It is remembered
    /// until `until`, when the token has expired anyway; those of before `now` are forgotten.
    async fn spend_token(
        &self,
        merchant: MerchantId,
        digest: [u8; 32],
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Every webhook endpoint of the merchant, the deleted ones too, oldest first.
    async fn endpoints(&self, merchant: MerchantId) -> Result<Vec<Endpoint>, StoreError>;
    /// The enabled endpoints that are the worker's until `until`, of all merchants: those that it
    /// has already, and those that no living lease covers.
    async fn claim_endpoints(
        &self,
        worker: i64,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Endpoint>, StoreError>;
    /// Writes what became of tries and how far their endpoints are, all of it in one commit.
    /// Cursors never move back. Answers the endpoints that are not the worker's any more; nothing
    /// of theirs is written.
    async fn record_deliveries(
        &self,
        worker: i64,
        progress: Arc<Vec<Progress>>,
    ) -> Result<Vec<EndpointId>, StoreError>;
    /// Of endpoints that are not deleted.
    async fn deliveries(
        &self,
        merchant: MerchantId,
        filter: DeliveryFilter,
        page: DeliveryPage,
    ) -> Result<Slice<Delivery>, StoreError>;
    /// Forgets deliveries that ended before `before` and those of deleted endpoints, looking at
    /// the oldest `limit` of each endpoint. Of all merchants.
    async fn forget_deliveries(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError>;
    /// The merchant's accounts at providers, by name.
    async fn connections(&self, merchant: MerchantId) -> Result<Vec<Connection>, StoreError>;
    /// Those of all merchants: a notification names none, and the master key seals all.
    async fn all_connections(&self) -> Result<Vec<Connection>, StoreError>;
    /// Tells other processes of the same books how often keys were used here, and answers how
    /// often they were used there. A store of one process has nobody to tell.
    async fn share_use(
        &self,
        _used: Vec<KeyUse>,
        _at: Timestamp,
    ) -> Result<Vec<KeyUse>, StoreError> {
        Ok(Vec::new())
    }

    /// The installation's own name, random, made with the database.
    fn instance(&self) -> Arc<str>;
    /// Adds a seal over the events since the last one, if there are any. Of all merchants.
    async fn seal(&self, at: Timestamp) -> Result<Option<Seal>, StoreError>;
    async fn seals(&self) -> Result<Vec<Seal>, StoreError>;
    /// The number and hash of each event after `after`, in order of number, at most `limit`. Of
    /// all merchants; for checking seals.
    async fn event_hashes(
        &self,
        after: EventId,
        limit: u32,
    ) -> Result<Vec<(EventId, [u8; 32])>, StoreError>;
    /// Forgets kept answers older than `before`, at most `limit`; the keys stay. Of all merchants.
    async fn forget_answers(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError>;
    /// How the books compared with the anchor when they were opened.
    fn standing(&self) -> Standing;
    /// Takes the books as they are for the truth from now on: an operator has decided. What was open
    /// in them and never sent counts as sent a day ago ([`SENT_BEFORE_MS`]): after what these books
    /// know it may have been, so it is looked up and not sent as if for the first time. (SQLite
    /// leaves out what was asked for since the books were found behind, PostgreSQL does not know.)
    async fn accept(&self, by: Arc<str>, at: Timestamp) -> Result<(), StoreError>;
    /// Whether writes are taken, and if not, why.
    async fn ready(&self) -> Result<(), StoreError>;
    /// Waits until everything committed is in the main database file, and lets go of it.
    async fn close(&self);
}
