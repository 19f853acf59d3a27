//! The embedded database: one thread that writes, readers beside it.

/// `SELECT` the columns of a list in `rows` from the rest of a query, as one text that is made
/// once.
macro_rules! select {
    ($columns:ident, $rest:expr) => {{
        static SQL: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
            format!("SELECT {} FROM {}", crate::store::sqlite::rows::$columns, $rest)
        });
        SQL.as_str()
    }};
}

mod admin;
mod backup;
mod checkpoint;
mod commit;
mod connections;
mod copy;
mod credits;
mod days;
mod events;
mod fail;
mod hooks;
mod list;
mod load;
mod open;
mod page;
mod people;
mod readers;
mod reports;
mod rows;
mod seal;
mod several;
mod shelf;
mod together;
mod transactions;
mod vault;
mod work;
mod write;
mod writer;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Sender, channel};

use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};
use refundry_domain::book::Book;
use refundry_domain::changes::{Queue, Work};
use refundry_domain::ids::{
    EndpointId, EventId, KeyId, MerchantId, OrderId, OrderRef, RefundId, ReturnId, Timestamp,
    TransactionId,
};
use refundry_domain::merchant::{self, Administration, Key, Merchant};
use refundry_domain::order::{Chain, Order};
use refundry_domain::refund::Refund;
use refundry_domain::returns::Return;
use refundry_domain::webhook::{Delivery, Endpoint};
use rusqlite::Connection;
use tokio::sync::oneshot;

pub use self::backup::backup;
pub use self::copy::SqliteSide;
use self::fail::Fail;
pub use self::open::{FILE, OpenError};
use self::readers::Readers;
use self::writer::{Health, Job, Settled, Writer};
use super::webhooks::{DeliveryFilter, DeliveryPage, Progress};
use super::{
    Administered, Event, EventFilter, Intent, KeyAndDigest, OrderFilter, Page, RefundFilter,
    ReturnFilter, Seal, Slice, Standing, Store, StoreError, TransactionFilter, TransactionRow,
};

/// Books in one SQLite database in a directory of its own. Dropping it without
/// [`Store::close`] is what a crash is: nothing that was answered is lost.
pub struct SqliteStore {
    instance: Arc<str>,
    jobs: Sender<Job>,
    readers: Readers,
    health: Arc<RwLock<Health>>,
    standing: Arc<RwLock<Standing>>,
    mover: Arc<checkpoint::Mover>,
    threads: Mutex<Vec<std::thread::JoinHandle<()>>>,
    /// Commands about accounts, which the next turn of the writer takes all at once.
    credits: credits::Waiting,
}

impl SqliteStore {
    /// Opens the books in `dir`, or begins new ones, with one merchant, number 1.
    pub fn open(dir: &Path) -> Result<Arc<SqliteStore>, OpenError> {
        let mut opened = open::open(dir)?;
        let health = Arc::new(RwLock::new(Health::Well));
        let standing = Arc::new(RwLock::new(opened.standing));
        let (jobs, waiting) = channel();
        let (chores, to_do) = channel();
        let settled = Arc::new(AtomicBool::new(false));
        let mover = Arc::new(checkpoint::Mover::new(health.clone()));
        let wal = checkpoint::Wal::of(&mut opened.conn, mover.clone())?;
        let readers = Readers::open(dir)?;
        let failed = |source| OpenError::Directory { path: dir.to_owned(), source };
        let (conn, moves) = (checkpoint::connect(dir)?, mover.clone());
        let handle = opened.anchor.handle().map_err(failed)?;
        let merchants = admin::merchants(&opened.conn)?;
        let writer = Writer {
            conn: opened.conn,
            instance: opened.instance.clone(),
            next: opened.next,
            merchants: merchants.iter().map(|merchant| merchant.id.0).collect(),
            anchor: opened.anchor,
            mark: opened.mark,
            sealing: opened.sealing,
            unsealed: opened.unsealed,
            shelf: shelf::Shelf::default(),
            health: health.clone(),
            standing: standing.clone(),
            chores,
            settled: settled.clone(),
            wal,
            _lock: opened.lock,
        };
        let named = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let threads = vec![
            named("store-writer").spawn(move || writer.run(&waiting)).map_err(failed)?,
            named("store-mover")
                .spawn(move || checkpoint::run(&conn, &moves, &handle, &to_do, &settled))
                .map_err(failed)?,
        ];
        Ok(Arc::new(SqliteStore {
            instance: opened.instance,
            jobs,
            readers,
            health,
            standing,
            mover,
            threads: Mutex::new(threads),
            credits: credits::Waiting::default(),
        }))
    }

    async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, Fail> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.ask(question).await
    }

    /// Has the writer do something between its batches.
    async fn write<T: Send + 'static>(
        &self,
        task: impl FnOnce(&mut Writer) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job = Job::Alone(Box::new(move |writer| {
            // Whoever asked may have hung up; what was done stays done.
            let _ = reply.send(task(writer));
        }));
        self.jobs.send(job).map_err(|_| self.gone())?;
        answer.await.map_err(|_| self.gone())?
    }

    /// Why the writer does not answer.
    fn gone(&self) -> StoreError {
        match &*self.health.read() {
            Health::Broken(why) => StoreError::Broken(why.clone()),
            Health::Well | Health::Full(_) => StoreError::Broken("the store is closed".to_owned()),
        }
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // The directory is free once this returns. A writer that is gone needs no word.
        let _ = self.jobs.send(Job::Stop);
        self.readers.close();
        for thread in self.threads.lock().drain(..) {
            let _ = thread.join();
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn commit(&self, intent: Intent) -> Settled {
        let (reply, answer) = oneshot::channel();
        let job = Job::Commit { intent: Box::new(intent), reply };
        self.jobs.send(job).map_err(|_| self.gone())?;
        answer.await.map_err(|_| self.gone())?
    }

    async fn order(
        &self,
        merchant: MerchantId,
        order: OrderRef,
    ) -> Result<Option<Book>, StoreError> {
        self.read(move |conn| Ok(load::order(conn, merchant, &order)?.map(|loaded| loaded.book)))
            .await
    }

    async fn books(
        &self,
        merchant: MerchantId,
        orders: BTreeSet<OrderId>,
    ) -> Result<Vec<Book>, StoreError> {
        self.read(move |conn| several::books(conn, merchant, &orders)).await
    }

    async fn orders(
        &self,
        merchant: MerchantId,
        filter: OrderFilter,
        page: Page,
    ) -> Result<Slice<Order>, StoreError> {
        self.read(move |conn| list::orders(conn, merchant, &filter, page)).await
    }

    async fn refund(
        &self,
        merchant: MerchantId,
        refund: RefundId,
    ) -> Result<Option<Refund>, StoreError> {
        self.read(move |conn| load::refund(conn, merchant, refund)).await
    }

    async fn refunds(
        &self,
        merchant: MerchantId,
        filter: RefundFilter,
        page: Page,
    ) -> Result<Slice<Refund>, StoreError> {
        self.read(move |conn| list::refunds(conn, merchant, &filter, page)).await
    }

    async fn transaction(
        &self,
        merchant: MerchantId,
        transaction: TransactionId,
    ) -> Result<Option<TransactionRow>, StoreError> {
        self.read(move |conn| load::transaction(conn, merchant, transaction)).await
    }

    async fn transactions(
        &self,
        merchant: MerchantId,
        filter: TransactionFilter,
        page: Page,
    ) -> Result<Slice<TransactionRow>, StoreError> {
        self.read(move |conn| transactions::transactions(conn, merchant, &filter, page)).await
    }

    async fn transaction_by_key(
        &self,
        key: String,
    ) -> Result<Option<(MerchantId, TransactionId)>, StoreError> {
        self.read(move |conn| load::transaction_by_key(conn, &key)).await
    }

    async fn return_of(
        &self,
        merchant: MerchantId,
        return_id: ReturnId,
    ) -> Result<Option<Return>, StoreError> {
        self.read(move |conn| load::return_of(conn, merchant, return_id)).await
    }

    async fn returns(
        &self,
        merchant: MerchantId,
        filter: ReturnFilter,
        page: Page,
    ) -> Result<Slice<Return>, StoreError> {
        self.read(move |conn| list::returns(conn, merchant, &filter, page)).await
    }

    async fn events(
        &self,
        merchant: MerchantId,
        filter: EventFilter,
        page: Page,
    ) -> Result<Slice<Event>, StoreError> {
        self.read(move |conn| events::events(conn, merchant, &filter, page)).await
    }

    async fn due(
        &self,
        queue: Queue,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<(MerchantId, Work)>, StoreError> {
        self.readers.look(move |conn| work::due(conn, queue, now, limit)).await
    }

    async fn administer(
        &self,
        merchant: MerchantId,
        by: Arc<str>,
        at: Timestamp,
        change: Administration,
    ) -> Result<Administered, StoreError> {
        let by = admin::By { by, at };
        self.write(move |writer| {
            writer.transaction(|writer, batch| {
                admin::administer(writer, batch, merchant, &by, change)
            })
        })
        .await
    }

    async fn merchant(&self, merchant: MerchantId) -> Result<Option<Merchant>, StoreError> {
        self.read(move |conn| admin::merchant(conn, merchant)).await
    }

    async fn merchants(&self) -> Result<Vec<Merchant>, StoreError> {
        self.read(admin::merchants).await
    }

    async fn chain(&self, merchant: MerchantId) -> Result<Option<Chain>, StoreError> {
        self.read(move |conn| admin::chain(conn, merchant)).await
    }

    async fn keys(&self, merchant: MerchantId) -> Result<Vec<Key>, StoreError> {
        self.read(move |conn| admin::keys(conn, merchant)).await
    }

    async fn key_by_hash(&self, hash: [u8; 32]) -> Result<Option<Key>, StoreError> {
        self.read(move |conn| admin::key_by_hash(conn, hash)).await
    }

    async fn key(&self, merchant: MerchantId, key: KeyId) -> Result<Option<Key>, StoreError> {
        self.read(move |conn| admin::key(conn, merchant, key)).await
    }

    async fn connections(
        &self,
        merchant: MerchantId,
    ) -> Result<Vec<merchant::Connection>, StoreError> {
        self.read(move |conn| connections::of(conn, merchant)).await
    }

    async fn all_connections(&self) -> Result<Vec<merchant::Connection>, StoreError> {
        self.read(connections::all).await
    }

    async fn keep_digest(
        &self,
        merchant: MerchantId,
        hash: [u8; 32],
        sealed: Vec<u8>,
    ) -> Result<(), StoreError> {
        self.write(move |writer| {
            writer
                .transaction(|writer, _| admin::keep_digest(&writer.conn, merchant, hash, &sealed))
        })
        .await
    }

    async fn key_with_digest(&self, key: KeyId) -> Result<Option<KeyAndDigest>, StoreError> {
        self.read(move |conn| admin::key_with_digest(conn, key)).await
    }

    async fn spend_token(
        &self,
        merchant: MerchantId,
        digest: [u8; 32],
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(move |writer| {
            writer.transaction(|writer, _| {
                admin::spend_token(&writer.conn, merchant, digest, until, now)
            })
        })
        .await
    }

    fn instance(&self) -> Arc<str> {
        self.instance.clone()
    }

    async fn seal(&self, at: Timestamp) -> Result<Option<Seal>, StoreError> {
        self.write(move |writer| writer.transaction(|writer, batch| seal::add(writer, batch, at)))
            .await
    }

    async fn seals(&self) -> Result<Vec<Seal>, StoreError> {
        self.read(seal::all).await
    }

    async fn event_hashes(
        &self,
        after: EventId,
        limit: u32,
    ) -> Result<Vec<(EventId, [u8; 32])>, StoreError> {
        self.read(move |conn| {
            let found = seal::hashes(conn, after.0, limit)?;
            Ok(found.into_iter().map(|(_, number, hash)| (EventId(number), hash)).collect())
        })
        .await
    }

    async fn endpoints(&self, merchant: MerchantId) -> Result<Vec<Endpoint>, StoreError> {
        self.read(move |conn| hooks::endpoints(conn, merchant)).await
    }

    async fn claim_endpoints(
        &self,
        worker: i64,
        _now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Endpoint>, StoreError> {
        let enabled = self.read(hooks::enabled).await?;
        if enabled.iter().any(|(_, held_by)| *held_by != Some(worker)) {
            self.write(move |writer| {
                writer.transaction(|writer, _| hooks::claim(&writer.conn, worker, until))
            })
            .await?;
        }
        Ok(enabled.into_iter().map(|(endpoint, _)| endpoint).collect())
    }

    async fn record_deliveries(
        &self,
        worker: i64,
        progress: Arc<Vec<Progress>>,
    ) -> Result<Vec<EndpointId>, StoreError> {
        self.write(move |writer| {
            writer.transaction(|writer, _| hooks::record(&writer.conn, worker, &progress))
        })
        .await
    }

    async fn deliveries(
        &self,
        merchant: MerchantId,
        filter: DeliveryFilter,
        page: DeliveryPage,
    ) -> Result<Slice<Delivery>, StoreError> {
        self.read(move |conn| hooks::deliveries(conn, merchant, &filter, page)).await
    }

    async fn forget_deliveries(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.write(move |writer| {
            writer.transaction(|writer, _| hooks::forget(&writer.conn, before, limit))
        })
        .await
    }

    async fn forget_answers(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.write(move |writer| {
            writer.transaction(|writer, _| work::forget(&writer.conn, before, limit))
        })
        .await
    }

    fn standing(&self) -> Standing {
        self.standing.read().clone()
    }

    async fn accept(&self, by: Arc<str>, at: Timestamp) -> Result<(), StoreError> {
        let by = admin::By { by, at };
        self.write(move |writer| seal::accept(writer, &by)).await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        let health = self.health.read().clone();
        match health {
            Health::Well => Ok(()),
            Health::Broken(why) => Err(StoreError::Broken(why)),
            // Nobody may ask for a write while it is not ready, so this one finds out.
            Health::Full(_) => {
                self.write(|writer| writer.transaction(|writer, _| work::probe(&writer.conn))).await
            }
        }
    }

    async fn close(&self) {
        let mover = self.mover.clone();
        let closing = self.write(move |writer| {
            mover.checkpoint(&writer.conn, "TRUNCATE");
            if let Err(error) = writer.anchor.sync() {
                tracing::warn!(%error, "the anchor could not be synced");
            }
            Ok(())
        });
        // When the writer is gone already, there is nothing to be waited for.
        let _ = closing.await;
        *self.health.write() = Health::Broken("the store is closed".to_owned());
        let _ = self.jobs.send(Job::Stop);
        self.readers.close();
        let threads: Vec<_> = self.threads.lock().drain(..).collect();
        let ended = tokio::task::spawn_blocking(move || {
            for thread in threads {
                let _ = thread.join();
            }
        });
        let _ = ended.await;
    }
}
