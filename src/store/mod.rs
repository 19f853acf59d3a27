//! Where the books are kept. Everything above speaks to the [`Store`] trait alone; what is special
//! about one database stays in its folder.

pub mod anchor;
mod encode;
pub mod facts;
pub mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use refundry_domain::book::Book;
use refundry_domain::changes::{Queue, Work};
use refundry_domain::command::{Command, Target};
use refundry_domain::ids::{
    EventId, KeyId, MerchantId, OrderId, OrderRef, RefundId, ReturnId, Timestamp, TransactionId,
};
use refundry_domain::merchant::{Administration, Key, Merchant};
use refundry_domain::money::Currency;
use refundry_domain::order::{Chain, Order, Payment, PaymentKind};
use refundry_domain::policy::Policy;
use refundry_domain::refund::{
    Destination, Execution, Refund, RefundTransaction, State, TransactionState,
};
use refundry_domain::refusal::Refusal;
use refundry_domain::returns::{Return, ReturnKind, ReturnState};

/// One command on its way into the books.
#[derive(Clone)]
pub struct Intent {
    pub merchant: MerchantId,
    /// Who asks, such as `key:12`, `worker` or `import`.
    pub by: Arc<str>,
    pub at: Timestamp,
    pub target: Target,
    pub command: Arc<Command>,
    pub policy: Arc<Policy>,
    pub claim: Option<Claim>,
    /// Decide and answer, and write nothing.
    pub dry_run: bool,
}

/// The promise to give the same answer to the same request.
#[derive(Clone)]
pub struct Claim {
    /// The caller's idempotency key.
    pub key: String,
    /// SHA-256 over what was asked; the key with another fingerprint is refused.
    pub fingerprint: [u8; 32],
    /// Makes the answer that is kept with the key, in the commit that carries out the command.
    /// Pure: it may run again when a batch is repeated.
    pub render: Render,
}

pub type Render = fn(Result<&Book, &Refusal>) -> Answer;

/// An answer as it goes over the wire and is kept for repetition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

/// What became of an intent. Whatever it says was on disk before it was said.
#[derive(Debug)]
pub enum Settlement {
    /// Carried out; `answer` when there was a claim.
    Done { book: Box<Book>, answer: Option<Answer>, work: Vec<Work> },
    /// A rule said no, and nothing but the claim was written.
    Refused { refusal: Refusal, answer: Option<Answer> },
    /// The same request was answered before, so.
    Replayed(Answer),
    /// The key was used before: for another request, or so long ago that its answer is forgotten.
    KeyReused,
}

/// The database cannot do it now. Nothing of the command was written, except after
/// [`StoreError::Broken`], where it is not known.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// A write or an fsync failed; the store takes no writes until it is opened again.
    #[error("the store takes no more writes: {0}")]
    Broken(String),
    #[error("the store cannot answer now: {0}")]
    Unavailable(String),
    /// A row holds what no version of this program writes.
    #[error("the books are damaged: {0}")]
    Damaged(String),
}

/// Which part of a list is wanted; lists are newest first unless `oldest_first`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Only what follows the row of this number in the list's order.
    pub after: Option<i64>,
    /// Only what precedes it: the rows nearest to it, still in the list's order.
    pub before: Option<i64>,
    /// How many rows at most; at least 1.
    pub limit: u32,
    pub oldest_first: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice<T> {
    pub rows: Vec<T>,
    /// Whether the list goes on beyond these rows, in the direction that was paged.
    pub more: bool,
}

/// Fields that are given must all match; an empty list of values matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderFilter {
    pub reference: Option<String>,
    pub customer: Option<String>,
    /// One of the order's [`tracking_ids`](refundry_domain::order::tracking_ids).
    pub tracking_id: Option<String>,
    pub created_from: Option<Timestamp>,
    /// Exclusive.
    pub created_until: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefundFilter {
    pub states: Vec<State>,
    pub order: Option<OrderId>,
    pub return_id: Option<ReturnId>,
    pub execution: Option<Execution>,
    pub to: Option<Destination>,
    pub tracking_id: Option<String>,
    pub created_from: Option<Timestamp>,
    pub created_until: Option<Timestamp>,
}

/// The kind of any transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionKind {
    In(PaymentKind),
    Refund,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionFilter {
    pub kinds: Vec<TransactionKind>,
    /// Of refund transactions; payments have none and do not match when states are asked for.
    pub states: Vec<TransactionState>,
    pub order: Option<OrderId>,
    pub refund: Option<RefundId>,
    pub provider: Option<String>,
    pub provider_reference: Option<String>,
    pub created_from: Option<Timestamp>,
    pub created_until: Option<Timestamp>,
    pub search: Search,
}

/// What else a transaction can be looked for by: a list matches any of its values, an empty one
/// everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    pub numbers: Vec<i64>,
    pub orders: Vec<OrderId>,
    /// The return of the refund, or of the payment.
    pub returns: Vec<ReturnId>,
    /// Payments of these kinds, and refunds that go to these places.
    pub kinds: Vec<PaymentKind>,
    pub destinations: Vec<Destination>,
    /// Refund transactions in these states; with `payments_too`, payments besides.
    pub states: Vec<TransactionState>,
    pub payments_too: bool,
    /// What these providers carry out; with `outside_too`, what is carried out outside besides.
    pub providers: Vec<String>,
    pub outside_too: bool,
    /// Not created from the first moment until the second.
    pub created_except: Option<(Timestamp, Timestamp)>,
    pub updated_from: Option<Timestamp>,
    pub updated_until: Option<Timestamp>,
    pub updated_except: Option<(Timestamp, Timestamp)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReturnFilter {
    pub kind: Option<ReturnKind>,
    pub states: Vec<ReturnState>,
    pub order: Option<OrderId>,
    pub reference: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    pub order: Option<OrderId>,
    /// The number of the row that it is about.
    pub subject: Option<i64>,
    pub names: Vec<String>,
}

/// A transaction of either direction, with what is needed to show it by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionRow {
    pub order: OrderId,
    pub currency: Currency,
    pub movement: Movement,
}

impl TransactionRow {
    /// The transaction's own number.
    pub fn number(&self) -> i64 {
        match &self.movement {
            Movement::In(payment) => payment.id.0,
            Movement::Back(row) => row.id.0,
        }
    }

    /// Whether its provider is about to say what became of it.
    pub fn is_under_way(&self) -> bool {
        match &self.movement {
            Movement::In(_) => false,
            Movement::Back(row) => {
                let open = [TransactionState::Pending, TransactionState::Processing];
                row.execution == Execution::Automatic && open.contains(&row.state)
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Movement {
    In(Payment),
    Back(RefundTransaction),
}

/// An event as it is kept for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub id: EventId,
    pub merchant: MerchantId,
    /// The order whose chain it belongs to; events of the merchant itself have none.
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
    /// There is no such merchant or key.
    Unknown,
}

/// A durable home of books.
///
/// Every method takes the merchant whose rows it may touch, or says why not. Another merchant's
/// rows are answered as if they were not there.
#[async_trait]
pub trait Store: Send + Sync {
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

    /// Creates or changes a merchant or a key, with its event. `CreateMerchant` ignores `merchant`.
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
    /// Takes the books as they are for the truth from now on: an operator has decided.
    async fn accept(&self, by: Arc<str>, at: Timestamp) -> Result<(), StoreError>;
    /// Whether writes are taken, and if not, why.
    async fn ready(&self) -> Result<(), StoreError>;
    /// Waits until everything committed is in the main database file, and lets go of it.
    async fn close(&self);
}
