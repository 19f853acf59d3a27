//! A shop's past, imported: what a user would lose if a penny or a unit went astray here.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use refundry::testing::access::Caller;
use refundry::testing::clock::{Clock, SystemClock};
use refundry::testing::connections::Connections;
use refundry::testing::gateways::sandbox::Sandbox;
use refundry::testing::gateways::{Gateway, Gateways};
use refundry::testing::import::{FileProblem, Plan, Report, Stage, plan_of, replay};
use refundry::testing::ledger::Ledger;
use refundry::testing::store::sqlite::SqliteStore;
use refundry::testing::store::{OrderFilter, Page, RefundFilter, Store};
use refundry::testing::workers::{Expire, Pace, Pay, Rules, Seal, Tally, Workers};
use refundry_domain::ids::{MerchantId, OrderRef};
use tokio::sync::{Notify, mpsc};

const MERCHANT: MerchantId = MerchantId(1);

/// The books of a directory, with the sandbox paying out.
struct World {
    store: Arc<SqliteStore>,
    sandbox: Arc<Sandbox>,
    ledger: Arc<Ledger>,
    workers: Workers,
}

impl World {
    fn open(directory: &Path) -> World {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = SqliteStore::open(directory).unwrap();
        let (notify, notices) = mpsc::unbounded_channel();
        let sandbox = Arc::new(Sandbox::open(directory, clock.clone(), notify).unwrap());
        let gateways = Gateways::of([sandbox.clone() as Arc<dyn Gateway>]);
        let (ledger, hints) = Ledger::new(store.clone(), clock, gateways.abilities());
        let tally = Arc::new(Tally::default());
        let connections = Arc::new(Connections::built_in_only(gateways));
        let pay = Pay::new(ledger.clone(), connections, Rules::default(), 7, tally.clone());
        let pace = Pace {
            pay: Duration::from_millis(50),
            expire: Duration::from_secs(60),
            seal: Duration::from_secs(60),
            drain: Duration::from_secs(10),
        };
        let workers = Workers::start(
            Arc::new(pay),
            Expire::new(ledger.clone(), tally),
            Seal::new(ledger.clone(), 30),
            hints,
            notices,
            pace,
        );
        World { store, sandbox, ledger, workers }
    }

    async fn import(&self, plan: &Plan) -> Report {
        let caller = Caller::internal(MERCHANT, "import");
        replay(&self.ledger, &caller, plan, &|_, _, _| ()).await.unwrap()
    }

    /// Imports until so many commands are done, and drops everything that is under way.
    async fn import_some(&self, plan: &Plan, commands: u64) {
        let caller = Caller::internal(MERCHANT, "import");
        let enough = Notify::new();
        let progress = |stage: Stage, done: u64, _total: u64| {
            if stage == Stage::PayingOut || done >= commands {
                enough.notify_one();
            }
        };
        tokio::select! {
            biased;
            () = enough.notified() => {}
            report = replay(&self.ledger, &caller, plan, &progress) => {
                report.unwrap();
            }
        }
    }

    async fn close(self) {
        self.workers.stop().await;
        self.sandbox.close().await;
        self.store.close().await;
    }

    /// Everything that must be the same however the books came about: by the shop's number, the
    /// order's balances, its lines, and its refunds by the row that they were made of.
    async fn books(&self) -> BTreeMap<String, String> {
        let mut books = BTreeMap::new();
        let mut page = Page { after: None, before: None, limit: 100, oldest_first: true };
        loop {
            let slice = self.store.orders(MERCHANT, OrderFilter::default(), page).await.unwrap();
            for order in &slice.rows {
                books.insert(order.reference.clone(), self.book(&order.reference).await);
            }
            match slice.rows.last() {
                Some(last) if slice.more => page.after = Some(last.id.0),
                Some(_) | None => return books,
            }
        }
    }

    async fn book(&self, reference: &str) -> String {
        let named = OrderRef::Reference(reference.to_owned());
        let book = self.store.order(MERCHANT, named).await.unwrap().unwrap();
        let order = &book.order;
        let filter = RefundFilter { order: Some(order.id), ..RefundFilter::default() };
        let page = Page { after: None, before: None, limit: 100, oldest_first: true };
        let refunds = self.store.refunds(MERCHANT, filter, page).await.unwrap();
        let mut made: Vec<String> = refunds
            .rows
            .iter()
            .map(|r| format!("{:?} {:?} {:?} {:?}", r.metadata, r.state, r.refunded, r.parts))
            .collect();
        made.sort();
        format!(
            "{:?} {:?} {:?} {:?} {:?} {:?} {made:?}",
            order.customer,
            order.created_at,
            order.captured,
            order.held,
            order.refunded,
            book.lines
        )
    }
}

fn month() -> Plan {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/online-retail-2010-12.csv.gz");
    plan_of(File::open(file).unwrap()).unwrap()
}

const MONTH: &str = r#"{"orders":1559,"lines":41480,"gross":82374614,"cancellation_rows":690,"placed_in_full":299,"placed_in_part":2,"not_placed":389,"refunds":302,"refunded_units":3241,"refunded":814870,"unplaced_units":12677,"skipped":{"cancellation_without_customer":38,"sale_without_quantity":70,"without_price":203}}"#;

fn json(report: &Report) -> String {
    serde_json::to_string(report).unwrap()
}

/// The figures are known from an independent count over the same rows.
#[tokio::test(flavor = "multi_thread")]
async fn the_month_comes_to_what_it_must_and_a_second_run_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let plan = month();
    let world = World::open(directory.path());
    let report = world.import(&plan).await;
    assert_eq!(json(&report), MONTH);
    assert_eq!(report.unpaid, 0);
    assert_eq!(report.unplaced.iter().map(|row| row.units).sum::<u64>(), report.unplaced_units);
    let books = world.books().await;
    assert_eq!(books.len(), 1559);
    world.close().await;

    let world = World::open(directory.path());
    assert_eq!(json(&world.import(&plan).await), MONTH);
    assert_eq!(world.books().await, books);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_cut_off_anywhere_goes_on_to_the_same_books() {
    let rows = shop();
    let plan = plan_of(rows.as_bytes()).unwrap();
    let whole = tempfile::tempdir().unwrap();
    let world = World::open(whole.path());
    let report = world.import(&plan).await;
    let books = world.books().await;
    world.close().await;
    let steps = u64::try_from(plan.steps.len()).unwrap();
    for commands in [1, 2, steps / 2, steps - 1, steps] {
        let directory = tempfile::tempdir().unwrap();
        for again in 0..2 {
            let world = World::open(directory.path());
            world.import_some(&plan, commands + again).await;
            world.close().await;
        }
        let world = World::open(directory.path());
        assert_eq!(world.import(&plan).await, report, "cut off after {commands} commands");
        assert_eq!(world.books().await, books, "cut off after {commands} commands");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_month_that_is_cut_off_in_the_middle_goes_on_to_the_same_books() {
    let directory = tempfile::tempdir().unwrap();
    let plan = month();
    for commands in [300, 900] {
        let world = World::open(directory.path());
        world.import_some(&plan, commands).await;
        world.close().await;
    }
    let world = World::open(directory.path());
    assert_eq!(json(&world.import(&plan).await), MONTH);
    assert_eq!(world.books().await.len(), 1559);
    world.close().await;
}

const HEADER: &str =
    "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";

/// Forty small orders and as many cancellations, so that cutting off hits both.
fn shop() -> String {
    let mut rows = HEADER.to_owned();
    for n in 0..40 {
        let minute = n % 60;
        rows.push_str(&format!("{},S,Cup,3,2011-01-01T10:{minute:02}:00,6.67,7,UK\n", 1000 + n));
        rows.push_str(&format!("C{},S,Cup,-2,2011-01-01T10:{minute:02}:00,6.67,7,UK\n", 5000 + n));
    }
    rows
}

async fn imported(rows: &str) -> (Report, BTreeMap<String, i64>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let plan = plan_of(format!("{HEADER}{rows}").as_bytes()).unwrap();
    let world = World::open(directory.path());
    let report = world.import(&plan).await;
    let page = Page { after: None, before: None, limit: 100, oldest_first: true };
    let orders = world.store.orders(MERCHANT, OrderFilter::default(), page).await.unwrap();
    let refunded = orders.rows.into_iter().map(|row| (row.reference, row.refunded.get())).collect();
    world.close().await;
    (report, refunded, directory)
}

/// 10.00 for three units: 3.33, then 3.34, then 3.33, never a penny more or less in all.
#[tokio::test]
async fn units_that_do_not_divide_give_exactly_the_amount_in_all() {
    let rows = "\
1,A,Cup,3,2011-01-01T10:00:00,3.3333,7,UK
C1,A,Cup,-1,2011-01-01T10:01:00,3.33,7,UK
C2,A,Cup,-1,2011-01-01T10:02:00,3.33,7,UK
C3,A,Cup,-1,2011-01-01T10:03:00,3.33,7,UK
";
    let (report, refunded, _keep) = imported(rows).await;
    assert_eq!((report.gross, report.refunds, report.refunded), (1000, 3, 1000));
    assert_eq!(refunded["1"], 1000);
}

/// Newest order first, by date and then by number; in an order, lines as they stand in the file;
/// what no order holds is not placed.
#[tokio::test]
async fn a_cancellation_goes_through_orders_and_lines_and_reports_what_is_left() {
    let rows = "\
9,A,Cup,1,2011-01-01T10:00:00,1.00,7,UK
10,A,Cup,2,2011-01-01T10:00:00,2.00,7,UK
10,B,Pot,1,2011-01-01T10:00:00,9.00,7,UK
10,A,Cup,1,2011-01-01T10:00:00,5.00,7,UK
11,A,Cup,4,2011-01-01T10:02:00,7.00,7,UK
12,A,Cup,4,2011-01-01T09:00:00,7.00,8,UK
C1,A,Cup,-4,2011-01-01T10:01:00,1.00,7,UK
C2,A,Cup,-6,2011-01-01T10:02:00,1.00,7,UK
C3,a,Cup,-1,2011-01-01T10:03:00,1.00,7,UK
";
    let (report, refunded, _keep) = imported(rows).await;
    // C1: 2 × 2.00 and 5.00 of order 10, then 1.00 of order 9. C2: all of 11, sold that minute.
    assert_eq!(refunded["10"], 900);
    assert_eq!(refunded["9"], 100);
    assert_eq!(refunded["11"], 2800);
    assert_eq!(refunded["12"], 0);
    assert_eq!((report.refunds, report.refunded_units, report.unplaced_units), (3, 8, 3));
    assert_eq!((report.placed_in_full, report.placed_in_part, report.not_placed), (1, 1, 1));
    let rows: Vec<(u32, u64)> = report.unplaced.iter().map(|row| (row.row, row.units)).collect();
    assert_eq!(rows, [(9, 2), (10, 1)]);
}

/// An invoice whose rows stand apart, and in two minutes, is one order, of its first minute.
#[tokio::test]
async fn an_invoice_is_one_order_wherever_its_rows_stand() {
    let rows = "\
1,A,\"Cup, red\",1,2011-01-01T10:01:00,1.00,7,UK
2,A,Cup,1,2011-01-01T10:00:00,1.00,7,UK
1,B,Pot,1,2011-01-01T10:00:00,4.00,7,UK
C1,B,Pot,-1,2011-01-01T10:00:00,4.00,7,UK
";
    let (report, refunded, _keep) = imported(rows).await;
    assert_eq!((report.orders, report.lines, report.gross), (2, 3, 600));
    assert_eq!(refunded["1"], 400);
}

#[tokio::test]
async fn rows_that_say_nothing_are_counted_by_reason() {
    let rows = "\
1,A,Cup,0,2011-01-01T10:00:00,0,7,UK
1,A,Cup,-3,2011-01-01T10:00:00,1.00,7,UK
1,A,Cup,3,2011-01-01T10:00:00,0,7,UK
1,A,Cup,1,2011-01-01T10:00:00,0.009,7,UK
1,A,Cup,10,2011-01-01T10:00:00,0.001,7,UK
A1,B,Debt,1,2011-01-01T10:00:00,-5.00,,UK
C1,A,Cup,-1,2011-01-01T10:00:00,1.00,,UK
C2,A,Cup,1,2011-01-01T10:00:00,1.00,7,UK
C3,A,Cup,-1,2011-01-01T10:00:00,0,7,UK
";
    let (report, refunded, _keep) = imported(rows).await;
    assert_eq!((report.orders, report.lines, report.gross), (1, 1, 1));
    assert_eq!(refunded["1"], 0);
    let skipped = serde_json::to_string(&report.skipped).unwrap();
    assert_eq!(
        skipped,
        r#"{"cancellation_other":2,"cancellation_without_customer":1,"other_invoice":1,"sale_without_quantity":2,"under_a_penny":1,"without_price":1}"#
    );
}

/// Two of two thousand units of a penny are worth nothing: no refund is of zero.
#[tokio::test]
async fn units_that_are_worth_nothing_are_not_placed() {
    let rows = "\
1,A,Pin,2000,2011-01-01T10:00:00,0.00001,7,UK
C1,A,Pin,-2,2011-01-01T10:01:00,0.01,7,UK
";
    let (report, _, _keep) = imported(rows).await;
    assert_eq!((report.gross, report.refunds, report.unplaced_units), (2, 0, 2));
}

fn problem(rows: &[u8]) -> String {
    match plan_of(rows) {
        Ok(_) => panic!("the rows are taken"),
        Err(problem) => problem.to_string(),
    }
}

#[test]
fn a_row_that_cannot_be_read_is_named_with_its_line_and_field() {
    let good = "1,A,Cup,3,2011-01-01T10:00:00,1.00,7,UK\n";
    let wrong = [
        ("1,A,Cup,3,2011-01-01T10:00:00,1.00,7\n", "line 3: 7 fields"),
        ("1,A,Cup,three,2011-01-01T10:00:00,1.00,7,UK\n", "line 3, Quantity: \"three\""),
        ("1,A,Cup,3,yesterday,1.00,7,UK\n", "line 3, InvoiceDate: \"yesterday\""),
        ("1,A,Cup,3,2011-01-01T10:00:00,1e2,7,UK\n", "line 3, UnitPrice: \"1e2\""),
        ("1,A,Cup,5000000000,2011-01-01T10:00:00,1,7,UK\n", "line 3, Quantity"),
    ];
    for (row, expected) in wrong {
        let said = problem(format!("{HEADER}{good}{row}").as_bytes());
        assert!(said.starts_with(expected), "{said}");
    }
    // A field over two lines moves the lines after it.
    let said =
        problem(format!("{HEADER}1,A,\"Cup\nred\",3,2011-01-01T10:00:00,1,7,UK\n1\n").as_bytes());
    assert!(said.starts_with("line 4: 1 fields"), "{said}");
    let said = problem(b"InvoiceNo,Price\n");
    assert!(said.starts_with("line 1: the header"), "{said}");
    let latin = [HEADER.as_bytes(), b"1,A,Caf\xe9,3,2011-01-01T10:00:00,1,7,UK\n"].concat();
    assert!(problem(&latin).starts_with("line 2: the row is not UTF-8"));
    assert!(problem(b"").contains("the file is empty"));
    let cut = [0x1f, 0x8b, 8, 0, 0];
    assert!(matches!(plan_of(&cut[..]), Err(FileProblem::Unreadable(_))));
}

/// Another file with the same invoices would be taken for imported, and what it says be lost.
#[tokio::test]
async fn an_invoice_with_other_content_is_named_and_not_taken() {
    let directory = tempfile::tempdir().unwrap();
    let rows = "1,A,Cup,3,2011-01-01T10:00:00,3.00,7,UK\n";
    let plan = |rows: &str| plan_of(format!("{HEADER}{rows}").as_bytes()).unwrap();
    let world = World::open(directory.path());
    world.import(&plan(rows)).await;
    let books = world.books().await;
    let caller = Caller::internal(MERCHANT, "import");
    for (was, is) in [("Cup,3", "Cup,4"), ("3.00", "3.01"), ("T10", "T11"), (",A,", ",B,")] {
        let other = plan(&rows.replace(was, is));
        let refused = replay(&world.ledger, &caller, &other, &|_, _, _| ()).await;
        let why = refused.err().map(|problem| problem.to_string()).unwrap_or_default();
        assert!(why.contains("invoice 1 was imported before with other content"), "{is}: {why}");
    }
    assert_eq!(world.books().await, books);
    world.close().await;
}
