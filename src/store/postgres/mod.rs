//! The books in a PostgreSQL database, which any number of processes may share.

mod admin;
mod batch;
pub mod bench;
mod connections;
mod copy;
mod credits;
mod days;
mod events;
mod fail;
mod feed;
mod hooks;
mod list;
mod load;
mod open;
mod page;
mod people;
mod pool;
mod queues;
mod reach;
mod reports;
mod rows;
mod seal;
mod shelf;
mod single;
mod statements;
mod tls;
mod together;
mod transactions;
mod vault;
mod wanted;
mod watch;
mod work;
mod write;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::Pool;
use refundry_domain::book::Book;
use refundry_domain::changes::{Queue, Work};
use refundry_domain::ids::{
    EndpointId, EventId, KeyId, MerchantId, OrderId, OrderRef, RefundId, ReturnId, Timestamp,
    TransactionId,
};
use refundry_domain::merchant::{Administration, Connection, Key, Merchant};
use refundry_domain::order::{Chain, Order};
use refundry_domain::refund::Refund;
use refundry_domain::returns::Return;
use refundry_domain::webhook::{Delivery, Endpoint};
use tokio::sync::Semaphore;

use self::batch::{Merchants, Settled};
pub use self::copy::PostgresSide;
use self::fail::Fail;
use self::feed::Horizon;
pub use self::open::OpenError;
use self::pool::Lent;
use self::queues::Queues;
use self::shelf::Shelf;
use self::watch::Watch;
use super::webhooks::{DeliveryFilter, DeliveryPage, Progress};
use super::{
    Administered, Event, EventFilter, Intent, KeyAndDigest, KeyUse, OrderFilter, Page,
    RefundFilter, ReturnFilter, SENT_BEFORE_MS, Seal, Slice, Standing, Store, StoreError,
    TransactionFilter, TransactionRow,
};

/// How the database is reached.
#[derive(Clone)]
pub struct Options {
    /// `postgres://user:password@host:port/database`, or `host=… dbname=…`.
    pub url: String,
    /// How many connections this process has at most.
    pub connections: usize,
    /// How long anything asked of the database may take, waiting for a connection included.
    pub timeout: Duration,
    /// Whether to begin new books when there are none.
    pub begin: bool,
}

impl Options {
    pub fn of(url: &str) -> Options {
        let timeout = Duration::from_secs(10);
        Options { url: url.to_owned(), connections: 16, timeout, begin: true }
    }
}

/// Of the connections, one in so many writes; the others answer questions.
const CONNECTIONS_A_LANE: usize = 4;

/// Books in one PostgreSQL database. Dropping it without [`Store::close`] is what a crash is:
/// nothing that was answered is lost.
pub struct PostgresStore {
    books: Arc<Books>,
}

struct Books {
    pool: Pool,
    timeout: Duration,
    instance: Arc<str>,
    /// Names this process among those that share the books.
    replica: i64,
    /// How many batches are carried out at once.
    lanes: usize,
    queues: Queues,
    /// How many commands about accounts are carried out at once.
    credits: Semaphore,
    merchants: Merchants,
    watch: Arc<Watch>,
    horizon: Horizon,
}

impl Books {
    fn new(
        pool: Pool,
        options: &Options,
        instance: Arc<str>,
        watch: Arc<Watch>,
        replica: i64,
    ) -> Books {
        let lanes = (options.connections / CONNECTIONS_A_LANE).max(1);
        Books {
            pool,
            timeout: options.timeout,
            instance,
            replica,
            lanes,
            queues: Queues::default(),
            credits: Semaphore::new(lanes),
            merchants: Merchants::default(),
            watch,
            horizon: Horizon::default(),
        }
    }

    fn is_open(&self) -> Result<(), Fail> {
        match self.watch.broken() {
            Some(why) => Err(Fail::Unavailable(why)),
            None => Ok(()),
        }
    }

    async fn known_merchant(&self, lent: &mut Lent, merchant: MerchantId) -> Result<(), Fail> {
        if self.merchants.lock().contains(&merchant.0) {
            return Ok(());
        }
        let found = admin::merchant(lent, merchant).await?;
        found.ok_or_else(|| Fail::Unavailable(format!("there is no merchant {merchant}")))?;
        self.merchants.lock().insert(merchant.0);
        Ok(())
    }

    /// Tells the anchor what was committed.
    fn committed(&self, merchant: MerchantId, shelf: &Shelf) {
        if let Some(event) = shelf.events.last() {
            self.watch.saw(Some((merchant.0, event.number, event.hash)), None);
        }
    }
}

impl PostgresStore {
    /// Opens the books in the database, or begins new ones, with one merchant, number 1. The
    /// directory holds this process's anchor; without one, nothing is compared and nothing kept.
    pub async fn open(
        options: &Options,
        dir: Option<&Path>,
    ) -> Result<Arc<PostgresStore>, OpenError> {
        let books = open::open(options, dir).await?;
        Ok(Arc::new(PostgresStore { books }))
    }

    async fn lent(&self) -> Result<Lent, StoreError> {
        if let Some(why) = self.books.watch.broken() {
            return Err(StoreError::Broken(why));
        }
        Ok(pool::lend(&self.books.pool, self.books.timeout).await?)
    }

    fn may_write(&self) -> Result<(), StoreError> {
        self.books.watch.broken().map_or(Ok(()), |why| Err(StoreError::Broken(why)))
    }
}

/// Asks over a connection of its own; `?` makes of a failure what it means for the asker.
macro_rules! asked {
    ($store:expr, $lent:ident => $question:expr) => {{
        let mut lent = $store.lent().await?;
        let $lent = &mut lent;
        Ok($question.await?)
    }};
}

#[async_trait]
impl Store for PostgresStore {
    async fn commit(&self, intent: Intent) -> Settled {
        self.may_write()?;
        batch::commit(&self.books, intent).await
    }

    async fn order(
        &self,
        merchant: MerchantId,
        order: OrderRef,
    ) -> Result<Option<Book>, StoreError> {
        asked!(self, lent => single::order(lent, merchant, &order))
    }

    async fn books(
        &self,
        merchant: MerchantId,
        orders: BTreeSet<OrderId>,
    ) -> Result<Vec<Book>, StoreError> {
        asked!(self, lent => single::books(lent, merchant, &orders))
    }

    async fn orders(
        &self,
        merchant: MerchantId,
        filter: OrderFilter,
        page: Page,
    ) -> Result<Slice<Order>, StoreError> {
        asked!(self, lent => list::orders(lent, merchant, &filter, page))
    }

    async fn refund(
        &self,
        merchant: MerchantId,
        refund: RefundId,
    ) -> Result<Option<Refund>, StoreError> {
        asked!(self, lent => single::refund(lent, merchant, refund))
    }

    async fn refunds(
        &self,
        merchant: MerchantId,
        filter: RefundFilter,
        page: Page,
    ) -> Result<Slice<Refund>, StoreError> {
        asked!(self, lent => list::refunds(lent, merchant, &filter, page))
    }

    async fn transaction(
        &self,
        merchant: MerchantId,
        transaction: TransactionId,
    ) -> Result<Option<TransactionRow>, StoreError> {
        asked!(self, lent => single::transaction(lent, merchant, transaction))
    }

    async fn transactions(
        &self,
        merchant: MerchantId,
        filter: TransactionFilter,
        page: Page,
    ) -> Result<Slice<TransactionRow>, StoreError> {
        asked!(self, lent => transactions::transactions(lent, merchant, &filter, page))
    }

    async fn transaction_by_key(
        &self,
        key: String,
    ) -> Result<Option<(MerchantId, TransactionId)>, StoreError> {
        asked!(self, lent => single::transaction_by_key(lent, &key))
    }

    async fn return_of(
        &self,
        merchant: MerchantId,
        return_id: ReturnId,
    ) -> Result<Option<Return>, StoreError> {
        asked!(self, lent => single::return_of(lent, merchant, return_id))
    }

    async fn returns(
        &self,
        merchant: MerchantId,
        filter: ReturnFilter,
        page: Page,
    ) -> Result<Slice<Return>, StoreError> {
        asked!(self, lent => list::returns(lent, merchant, &filter, page))
    }

    async fn events(
        &self,
        merchant: MerchantId,
        filter: EventFilter,
        page: Page,
    ) -> Result<Slice<Event>, StoreError> {
        if filter.order.is_none() && filter.subject.is_none() {
            self.may_write()?;
            let horizon = self.books.horizon.reach(&self.books).await?;
            return asked!(self, lent => events::feed(lent, merchant, &filter, page, horizon));
        }
        asked!(self, lent => events::of_chain(lent, merchant, &filter, page))
    }

    async fn due(
        &self,
        queue: Queue,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<(MerchantId, Work)>, StoreError> {
        asked!(self, lent => work::due(lent, queue, now, limit))
    }

    async fn offer(
        &self,
        queue: Queue,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<(MerchantId, Work)>, StoreError> {
        let replica = self.books.replica;
        asked!(self, lent => work::offer(lent, replica, queue, now, limit))
    }

    async fn administer(
        &self,
        merchant: MerchantId,
        by: Arc<str>,
        at: Timestamp,
        change: Administration,
    ) -> Result<Administered, StoreError> {
        self.may_write()?;
        let by = admin::By { by, at };
        Ok(admin::administer(&self.books, merchant, &by, change).await?)
    }

    async fn merchant(&self, merchant: MerchantId) -> Result<Option<Merchant>, StoreError> {
        asked!(self, lent => admin::merchant(lent, merchant))
    }

    async fn merchants(&self) -> Result<Vec<Merchant>, StoreError> {
        asked!(self, lent => admin::merchants(lent))
    }

    async fn chain(&self, merchant: MerchantId) -> Result<Option<Chain>, StoreError> {
        asked!(self, lent => admin::chain(lent, merchant))
    }

    async fn keys(&self, merchant: MerchantId) -> Result<Vec<Key>, StoreError> {
        asked!(self, lent => admin::keys(lent, merchant))
    }

    async fn key_by_hash(&self, hash: [u8; 32]) -> Result<Option<Key>, StoreError> {
        asked!(self, lent => admin::key_by_hash(lent, hash))
    }

    async fn key(&self, merchant: MerchantId, key: KeyId) -> Result<Option<Key>, StoreError> {
        asked!(self, lent => admin::key(lent, merchant, key))
    }

    async fn keep_digest(
        &self,
        merchant: MerchantId,
        hash: [u8; 32],
        sealed: Vec<u8>,
    ) -> Result<(), StoreError> {
        self.may_write()?;
        asked!(self, lent => admin::keep_digest(lent, merchant, hash, &sealed))
    }

    async fn key_with_digest(&self, key: KeyId) -> Result<Option<KeyAndDigest>, StoreError> {
        asked!(self, lent => admin::key_with_digest(lent, key))
    }

    async fn connections(&self, merchant: MerchantId) -> Result<Vec<Connection>, StoreError> {
        asked!(self, lent => connections::of(lent, merchant))
    }

    async fn all_connections(&self) -> Result<Vec<Connection>, StoreError> {
        asked!(self, lent => connections::all(lent))
    }

    async fn endpoints(&self, merchant: MerchantId) -> Result<Vec<Endpoint>, StoreError> {
        asked!(self, lent => hooks::endpoints(lent, merchant))
    }

    async fn claim_endpoints(
        &self,
        worker: i64,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Endpoint>, StoreError> {
        asked!(self, lent => hooks::claim(lent, worker, now, until))
    }

    async fn record_deliveries(
        &self,
        worker: i64,
        progress: Arc<Vec<Progress>>,
    ) -> Result<Vec<EndpointId>, StoreError> {
        self.may_write()?;
        asked!(self, lent => hooks::record(lent, worker, &progress))
    }

    async fn deliveries(
        &self,
        merchant: MerchantId,
        filter: DeliveryFilter,
        page: DeliveryPage,
    ) -> Result<Slice<Delivery>, StoreError> {
        asked!(self, lent => hooks::deliveries(lent, merchant, &filter, page))
    }

    async fn forget_deliveries(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        asked!(self, lent => hooks::forget(lent, before, limit))
    }

    async fn spend_token(
        &self,
        merchant: MerchantId,
        digest: [u8; 32],
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        asked!(self, lent => admin::spend_token(lent, merchant, digest, until, now))
    }

    fn instance(&self) -> Arc<str> {
        self.books.instance.clone()
    }

    async fn seal(&self, at: Timestamp) -> Result<Option<Seal>, StoreError> {
        self.may_write()?;
        Ok(seal::add(&self.books, at).await?)
    }

    async fn seals(&self) -> Result<Vec<Seal>, StoreError> {
        asked!(self, lent => seal::all(lent))
    }

    async fn event_hashes(
        &self,
        after: EventId,
        limit: u32,
    ) -> Result<Vec<(EventId, [u8; 32])>, StoreError> {
        asked!(self, lent => seal::hashes(lent, after.0, limit))
    }

    async fn share_use(&self, used: Vec<KeyUse>, at: Timestamp) -> Result<Vec<KeyUse>, StoreError> {
        let replica = self.books.replica;
        asked!(self, lent => work::share_use(lent, replica, &used, at))
    }

    async fn forget_answers(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let mut lent = self.lent().await?;
        work::forget_use(&mut lent, before).await?;
        Ok(work::forget(&mut lent, before, limit).await?)
    }

    fn standing(&self) -> Standing {
        self.books.watch.standing()
    }

    async fn accept(&self, by: Arc<str>, at: Timestamp) -> Result<(), StoreError> {
        let Standing::Behind(why) = self.standing() else { return Ok(()) };
        let data = serde_json::json!({ "why": why }).to_string();
        let by = admin::By { by, at };
        work::count_as_sent(&mut self.lent().await?, at.after_ms(-SENT_BEFORE_MS)).await?;
        admin::record(&self.books, &by, "books.accepted", &data).await?;
        self.books.watch.accepted();
        Ok(())
    }

    async fn ready(&self) -> Result<(), StoreError> {
        let sql = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean";
        let mut lent = self.lent().await?;
        let row = single::one(&mut lent, sql, vec![]).await?;
        if row.is_none_or(|row| row.get(0)) {
            let why = "the database that is connected takes no writes".to_owned();
            return Err(StoreError::Unavailable(why));
        }
        Ok(())
    }

    async fn close(&self) {
        self.books.watch.end("the store is closed");
        // What was begun is carried to its end, within the time that a batch may take.
        let deadline = tokio::time::Instant::now() + self.books.timeout;
        while self.books.queues.lanes() > 0 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.books.watch.sync();
        self.books.watch.let_go();
        self.books.pool.close();
    }
}
