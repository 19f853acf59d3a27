//! Stores to test, and the commands that most tests begin with.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use refundry::testing::store::postgres::PostgresStore;
use refundry::testing::store::sqlite::SqliteStore;
use refundry::testing::store::{Answer, Claim, Intent, Page, Settlement, Store};
use refundry_domain::book::Book;
use refundry_domain::command::{Ask, Command, NewLine, NewOrder, NewPayment, Stated, Target, What};
use refundry_domain::ids::{MerchantId, OrderId, OrderRef, Timestamp};
use refundry_domain::money::{Currency, Exact};
use refundry_domain::order::{Customer, LineKind, Metadata, PaymentKind};
use refundry_domain::policy::{Abilities, Policy};
use refundry_domain::refund::Destination;
use refundry_domain::refusal::Refusal;

use super::cluster::{self, Database};

pub const MERCHANT: MerchantId = MerchantId(1);
pub const NOW: Timestamp = Timestamp(1_750_000_000_000);

/// A directory of its own, with a database of its own when the tests run on PostgreSQL; both are
/// gone when this is.
pub struct Directory {
    dir: tempfile::TempDir,
    database: Option<Database>,
}

impl Directory {
    pub async fn new() -> Directory {
        let database = if cluster::chosen() { Some(Database::new().await) } else { None };
        Directory { dir: tempfile::tempdir().unwrap(), database }
    }

    /// On SQLite, whatever the tests run on.
    pub fn on_sqlite() -> Directory {
        Directory { dir: tempfile::tempdir().unwrap(), database: None }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub async fn open(&self) -> Arc<dyn Store> {
        match &self.database {
            Some(database) => {
                PostgresStore::open(&database.options(), Some(self.path())).await.unwrap()
            }
            None => SqliteStore::open(self.path()).unwrap(),
        }
    }
}

/// A store on a directory of its own, which is gone when this is.
pub struct Home {
    pub store: Arc<dyn Store>,
    pub dir: Directory,
}

impl Home {
    pub async fn new() -> Home {
        let dir = Directory::new().await;
        let store = dir.open().await;
        Home { store, dir }
    }

    /// On SQLite, whatever the tests run on.
    pub fn on_sqlite() -> Home {
        let dir = Directory::on_sqlite();
        let store = SqliteStore::open(dir.path()).unwrap();
        Home { store, dir }
    }
}

pub fn policy() -> Arc<Policy> {
    let abilities =
        Abilities { methods_needing_information: vec!["voucher".to_owned()], ..Abilities::full() };
    Arc::new(Policy {
        providers: BTreeMap::from([("sandbox".to_owned(), abilities)]),
        information_expiry_ms: 86_400_000,
        ..Policy::default()
    })
}

pub fn usd() -> Currency {
    Currency::parse("USD").unwrap()
}

pub fn stated(amount: &str) -> Stated {
    Stated { figure: Exact::parse(amount).unwrap(), currency: None }
}

pub fn intent(target: Target, command: Command) -> Intent {
    Intent {
        merchant: MERCHANT,
        by: "key:2".into(),
        at: NOW,
        target,
        command: Arc::new(command),
        fit: None,
        policy: policy(),
        claim: None,
        dry_run: false,
    }
}

/// An answer that shows what it was made from.
pub fn render(outcome: Result<&Book, &Refusal>) -> Answer {
    match outcome {
        Ok(book) => Answer { status: 201, body: format!("{book:?}").into_bytes() },
        Err(refusal) => Answer { status: 422, body: refusal.code().as_bytes().to_vec() },
    }
}

pub fn claimed(mut intent: Intent, key: &str, fingerprint: u8) -> Intent {
    let fingerprint = [fingerprint; 32];
    intent.claim = Some(Claim { key: key.to_owned(), fingerprint, done_only: false, render });
    intent
}

pub fn line(kind: LineKind, quantity: u32, amount: &str) -> NewLine {
    NewLine {
        kind,
        for_line: None,
        sku: None,
        name: None,
        quantity,
        amount: Exact::parse(amount).unwrap(),
    }
}

pub fn payment(provider: &str, amount: &str) -> NewPayment {
    NewPayment {
        kind: PaymentKind::Payment,
        parent: None,
        return_id: None,
        provider: provider.to_owned(),
        method: "card".to_owned(),
        provider_reference: None,
        amount: stated(amount),
        metadata: Metadata::new(),
        created_at: None,
    }
}

/// One line and one payment of the amount.
pub fn new_order(amount: &str) -> NewOrder {
    NewOrder {
        reference: None,
        currency: usd(),
        customer: Customer::default(),
        lines: vec![line(LineKind::Product, 2, amount)],
        payments: vec![payment("sandbox", amount)],
        fulfilled: false,
        metadata: Metadata::new(),
        created_at: None,
    }
}

pub fn register(new: NewOrder) -> Intent {
    intent(Target::NewOrder, Command::RegisterOrder(new))
}

pub fn ask(what: What) -> Ask {
    Ask {
        what,
        kind: None,
        payment: None,
        return_id: None,
        to: Destination::OriginalPayment,
        execution: None,
        paid: None,
        confirm: None,
        may_approve: true,
        reason: None,
        note: None,
        metadata: Metadata::new(),
    }
}

pub fn refund(order: OrderId, amount: &str) -> Intent {
    let ask = ask(What::Amount(stated(amount)));
    intent(Target::Order(OrderRef::Id(order)), Command::RequestRefund(ask))
}

/// Carried out, or the test fails.
pub async fn done(store: &dyn Store, intent: Intent) -> Book {
    match store.commit(intent).await.unwrap() {
        Settlement::Done { book, .. } => *book,
        other => panic!("not carried out: {other:?}"),
    }
}

/// Refused, or the test fails.
pub async fn refused(store: &dyn Store, intent: Intent) -> Refusal {
    match store.commit(intent).await.unwrap() {
        Settlement::Refused { refusal, .. } => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

pub fn first(limit: u32) -> Page {
    Page { after: None, before: None, limit, oldest_first: false }
}

/// Everything of a list, newest first.
pub fn all() -> Page {
    first(1_000_000)
}
