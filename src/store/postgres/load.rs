//! What a batch needs to know, read in as few round trips as that takes.

use std::collections::BTreeSet;

use refundry_domain::changes::Queue;
use refundry_domain::ids::{MerchantId, Numbers};
use tokio_postgres::Row;

use super::credits::{self, HeldAccount};
use super::days;
use super::fail::Fail;
use super::pool::{Lent, Params, Step};
use super::rows::{Cells, select};
use super::shelf::{Belonging, Belongs, Held, HeldRefund, Kept, Shelf};
use super::wanted::Wanted;
use crate::store::rows::{self, Columns};
use crate::store::{Answer, Movement};

/// How many numbers one value of the sequence stands for.
pub const BLOCK: i64 = 8;

/// The orders that the targets belong to.
pub struct Found {
    orders: BTreeSet<i64>,
    /// Whether the transaction was begun to find them.
    begun: bool,
}

/// Finds the orders that the targets belong to, in the transaction that goes on with them. This
/// never changes, so nothing need be locked.
pub async fn resolve(
    lent: &mut Lent,
    merchant: MerchantId,
    wanted: &Wanted,
    shelf: &mut Shelf,
) -> Result<Found, Fail> {
    let mut orders = wanted.orders.clone();
    let references: Vec<&str> = wanted.references.iter().map(String::as_str).collect();
    let lists = BELONGING.map(|(kind, sql)| (kind, sql, wanted.of_kind(kind)));
    let lists: Vec<_> = lists.iter().filter(|(_, _, numbers)| !numbers.is_empty()).collect();
    let mut steps = vec![Step::Plain(BEGIN)];
    for (_, sql, numbers) in &lists {
        steps.push(Step::Query(sql, vec![&merchant.0, numbers]));
    }
    if !references.is_empty() {
        steps.push(Step::Query(ORDER_REFERENCES, vec![&merchant.0, &references]));
    }
    if steps.len() == 1 {
        return Ok(Found { orders, begun: false });
    }
    let mut found = lent.send(&steps).await?.into_iter().skip(1);
    for ((kind, _, _), rows) in lists.iter().zip(found.by_ref()) {
        for row in rows {
            let (number, order, refund): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
            orders.insert(order);
            shelf.belongs.insert(number, Belongs { kind: *kind, order, refund });
        }
    }
    for row in found.flatten() {
        let (reference, number): (String, i64) = (row.get(0), row.get(1));
        orders.insert(number);
        shelf.by_reference.insert(reference, number);
    }
    Ok(Found { orders, begun: true })
}

/// Of which order, and of which refund, rows are.
const BELONGING: [(Belonging, &str); 4] = [
    (
        Belonging::Payment,
        "SELECT number, order_number, 0::bigint FROM transactions \
        WHERE merchant = $1 AND number = ANY($2) AND refund IS NULL",
    ),
    (
        Belonging::Refund,
        "SELECT number, order_number, number FROM refunds \
        WHERE merchant = $1 AND number = ANY($2)",
    ),
    (
        Belonging::Transaction,
        "SELECT number, order_number, refund FROM transactions \
        WHERE merchant = $1 AND number = ANY($2) AND refund IS NOT NULL",
    ),
    (
        Belonging::Return,
        "SELECT number, order_number, 0::bigint FROM returns \
        WHERE merchant = $1 AND number = ANY($2)",
    ),
];

/// A transaction of one moment after another: each statement sees what was committed before it, so
/// the books are as they are once they are locked. Its statements find rows by their keys, whatever
/// is in the tables, so they are planned once a connection; and by indexes, though tables are small
/// when that happens.
pub const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; \
    SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off";

/// What to do about orders that another transaction has locked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Busy {
    /// Leave them out, so that the others need not wait.
    Skip,
    Wait,
}

/// Begins the transaction when that has not happened, locks the orders in order of number, and reads
/// all that is needed, in one round trip. The numbers are drawn after the locks: an order's events
/// have rising numbers.
pub async fn load(
    lent: &mut Lent,
    merchant: MerchantId,
    wanted: &Wanted,
    found: Found,
    (blocks, busy): (i64, Busy),
    shelf: &mut Shelf,
) -> Result<Numbers, Fail> {
    let orders: Vec<i64> = found.orders.iter().copied().collect();
    let mut refunds: Vec<i64> = shelf.belongs.values().map(|belongs| belongs.refund).collect();
    refunds.retain(|number| *number != 0);
    refunds.sort_unstable();
    refunds.dedup();
    let subjects = wanted.of_kind(Belonging::Transaction);
    let digests: Vec<&[u8]> = wanted.digests.iter().map(|digest| &digest[..]).collect();
    let new_orders: Vec<&str> = wanted.new_orders.iter().map(String::as_str).collect();
    let new_returns: Vec<&str> = wanted.new_returns.iter().map(String::as_str).collect();
    let dates: Vec<&str> = wanted.days.iter().map(String::as_str).collect();
    let pay = Queue::Pay.name();

    let mut plan = Plan::default();
    if !found.begun {
        plan.kinds.push(Kind::Begin);
        plan.steps.push(Step::Plain(BEGIN));
    }
    let by_order = |sql| (sql, vec![&merchant.0 as _, &orders as _]);
    if !orders.is_empty() {
        plan.add(Kind::Orders, by_order(orders_sql(busy)));
        plan.add(Kind::Lines, by_order(lines_sql()));
        plan.add(Kind::Payments, by_order(payments_sql()));
        plan.add(Kind::Returns, by_order(returns_sql()));
    }
    if !refunds.is_empty() {
        plan.add(Kind::Refunds, (refunds_sql(), vec![&merchant.0, &refunds]));
        plan.add(Kind::Transactions, (transactions_sql(), vec![&merchant.0, &refunds]));
    }
    if !subjects.is_empty() {
        plan.add(Kind::Work, (work_sql(), vec![&merchant.0, &pay, &subjects]));
    }
    if wanted.credits {
        plan.add(Kind::Accounts, (accounts_sql(), vec![&merchant.0, &orders, &refunds]));
    }
    if !dates.is_empty() {
        plan.add(Kind::Begin, (days::BEGIN, vec![&merchant.0, &dates]));
        plan.add(Kind::Days, (days::locked(), vec![&merchant.0, &dates]));
    }
    if !digests.is_empty() {
        plan.add(Kind::Claims, (CLAIMS, vec![&merchant.0, &digests]));
    }
    if !new_orders.is_empty() {
        plan.add(Kind::OrderReferences, (ORDER_REFERENCES, vec![&merchant.0, &new_orders]));
    }
    if !new_returns.is_empty() {
        plan.add(Kind::ReturnReferences, (RETURN_REFERENCES, vec![&merchant.0, &new_returns]));
    }
    plan.add(Kind::Numbers, (NUMBERS, vec![&blocks]));
    let answers = lent.send(&plan.steps).await?;
    let mut numbers = Numbers::of_ranges([]);
    for (kind, rows) in plan.kinds.iter().zip(&answers) {
        if matches!(kind, Kind::Numbers) {
            numbers = ranges(rows);
        } else {
            read(kind, rows, merchant, shelf)?;
        }
    }
    if busy == Busy::Skip {
        shelf.busy = skipped(lent, merchant, &orders, shelf).await?;
    }
    Ok(numbers)
}

/// The orders that are there and were not locked.
async fn skipped(
    lent: &mut Lent,
    merchant: MerchantId,
    orders: &[i64],
    shelf: &Shelf,
) -> Result<BTreeSet<i64>, Fail> {
    let missing = orders.iter().filter(|number| !shelf.orders.contains_key(number));
    let missing: Vec<i64> = missing.copied().collect();
    if missing.is_empty() {
        return Ok(BTreeSet::new());
    }
    let sql = "SELECT number FROM orders WHERE merchant = $1 AND number = ANY($2)";
    let found = lent.send(&[Step::Query(sql, vec![&merchant.0, &missing])]).await?;
    Ok(found.iter().flatten().map(|row| row.get(0)).collect())
}

#[derive(Default)]
struct Plan<'a> {
    steps: Vec<Step<'a>>,
    kinds: Vec<Kind>,
}

impl<'a> Plan<'a> {
    fn add(&mut self, kind: Kind, (sql, params): (&'a str, Params<'a>)) {
        self.kinds.push(kind);
        self.steps.push(Step::Query(sql, params));
    }
}

enum Kind {
    Begin,
    Orders,
    Lines,
    Payments,
    Returns,
    Refunds,
    Transactions,
    Work,
    Accounts,
    Days,
    Claims,
    OrderReferences,
    ReturnReferences,
    Numbers,
}

pub const NUMBERS: &str = "SELECT nextval('numbers') FROM generate_series(1, $1::bigint)";
pub const CLAIMS: &str = "SELECT c.digest, a.fingerprint, a.status, a.body FROM claims c \
    LEFT JOIN answers a ON a.merchant = c.merchant AND a.number = c.answer \
    WHERE c.merchant = $1 AND c.digest = ANY($2)";
const ORDER_REFERENCES: &str =
    "SELECT reference, number FROM orders WHERE merchant = $1 AND reference = ANY($2)";
const RETURN_REFERENCES: &str =
    "SELECT reference, number FROM returns WHERE merchant = $1 AND reference = ANY($2)";

fn orders_sql(busy: Busy) -> &'static str {
    match busy {
        Busy::Skip => select!(
            ORDER,
            "orders WHERE merchant = $1 AND number = ANY($2) ORDER BY number \
            FOR UPDATE SKIP LOCKED"
        ),
        Busy::Wait => select!(
            ORDER,
            "orders WHERE merchant = $1 AND number = ANY($2) ORDER BY number FOR UPDATE"
        ),
    }
}

/// The accounts of the orders' customers, and those of the refunds that are credited: of the orders
/// that this transaction has locked, and not of those that it leaves out, since who has these may
/// have their accounts too. They are locked after all orders, and in order of number, so that no
/// two batches wait in a circle.
fn accounts_sql() -> &'static str {
    static SQL: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        format!(
            "WITH kept AS (SELECT number, customer_reference, currency FROM orders \
            WHERE merchant = $1 AND number = ANY($2) ORDER BY number FOR UPDATE SKIP LOCKED) \
            SELECT {} FROM credit_accounts WHERE merchant = $1 AND number IN (\
            SELECT a.number FROM kept o JOIN credit_accounts a ON a.merchant = $1 \
            AND a.customer = o.customer_reference AND a.currency = o.currency \
            AND a.refund IS NULL UNION ALL \
            SELECT a.number FROM kept o JOIN refunds r ON r.merchant = $1 \
            AND r.order_number = o.number AND r.number = ANY($3) \
            JOIN credit_accounts a ON a.merchant = $1 AND a.refund = r.number) \
            ORDER BY number FOR UPDATE",
            rows::ACCOUNT
        )
    });
    &SQL
}

/// The order's number comes last.
pub fn lines_sql() -> &'static str {
    static SQL: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        format!(
            "SELECT {}, order_number FROM lines WHERE merchant = $1 AND order_number = ANY($2) \
            ORDER BY order_number, position",
            rows::LINE
        )
    });
    &SQL
}

pub fn payments_sql() -> &'static str {
    select!(
        TRANSACTION,
        "transactions WHERE merchant = $1 AND order_number = ANY($2) AND refund IS NULL \
        ORDER BY number"
    )
}

pub fn returns_sql() -> &'static str {
    select!(RETURN, "returns WHERE merchant = $1 AND order_number = ANY($2) ORDER BY number")
}

fn refunds_sql() -> &'static str {
    select!(REFUND, "refunds WHERE merchant = $1 AND number = ANY($2)")
}

fn transactions_sql() -> &'static str {
    select!(
        TRANSACTION,
        "transactions WHERE merchant = $1 AND refund = ANY($2) ORDER BY refund, number"
    )
}

fn work_sql() -> &'static str {
    select!(WORK, "work WHERE merchant = $1 AND queue = $2 AND subject = ANY($3)")
}

pub fn ranges(rows: &[Row]) -> Numbers {
    Numbers::of_ranges(rows.iter().map(|row| {
        let first: i64 = row.get(0);
        first..first + BLOCK
    }))
}

fn read(kind: &Kind, rows: &[Row], merchant: MerchantId, shelf: &mut Shelf) -> Result<(), Fail> {
    for row in rows {
        let mut cells = Cells::of(row);
        match kind {
            Kind::Begin | Kind::Numbers => {}
            Kind::Orders => {
                let head = rows::order(&mut cells, merchant)?;
                let held = Held::read(head.order, head.last_event, head.last_refund);
                shelf.orders.insert(held.order.id.0, held);
            }
            Kind::Lines => {
                let line = rows::line(&mut cells)?;
                if let Some(held) = shelf.orders.get_mut(&cells.int()?) {
                    held.lines.push(line);
                }
            }
            Kind::Payments => {
                let row = rows::transaction(&mut cells)?;
                let Movement::In(payment) = row.movement else {
                    return Err(Fail::Damaged(format!("transaction {} has no refund", row.order)));
                };
                if let Some(held) = shelf.orders.get_mut(&row.order.0) {
                    held.payments.push(payment);
                }
            }
            Kind::Returns => {
                let row = rows::return_of(&mut cells)?;
                if let Some(held) = shelf.orders.get_mut(&row.order.0) {
                    held.returns.push(row);
                }
            }
            Kind::Refunds => {
                let (refund, previous) = rows::refund(&mut cells)?;
                shelf.refunds.insert(refund.id.0, HeldRefund::read(refund, previous));
            }
            Kind::Transactions => {
                let row = rows::transaction(&mut cells)?;
                let number = row.number();
                let Movement::Back(back) = row.movement else {
                    return Err(Fail::Damaged(format!("payment {number} has a refund")));
                };
                if let Some(held) = shelf.refunds.get_mut(&back.refund.0) {
                    held.refund.transactions.push(back);
                }
            }
            Kind::Work => {
                let (_, work) = rows::work(&mut cells)?;
                shelf.work.insert((work.queue, work.subject), Some(work));
            }
            Kind::Accounts => {
                let account = credits::account(row)?;
                shelf.accounts.insert(account.id.0, HeldAccount { account, mark: None });
            }
            Kind::Days => {
                let day = rows::day(&mut cells)?;
                shelf.days.insert(day.date.clone(), (day, false));
            }
            Kind::Claims => {
                let digest: &[u8] = row.get(0);
                let digest = digest.try_into().map_err(|_| damaged("a claim's digest"))?;
                shelf.claims.insert(digest, kept(row)?);
            }
            Kind::OrderReferences => {
                shelf.order_references.insert(row.get(0), row.get(1));
            }
            Kind::ReturnReferences => {
                shelf.return_references.insert(row.get(0), row.get(1));
            }
        }
    }
    Ok(())
}

pub fn kept(row: &Row) -> Result<Kept, Fail> {
    let Some(fingerprint): Option<&[u8]> = row.get(1) else { return Ok(Kept { answer: None }) };
    let fingerprint = fingerprint.try_into().map_err(|_| damaged("a claim's fingerprint"))?;
    let (status, body): (i64, Vec<u8>) = (row.get(2), row.get(3));
    let status = u16::try_from(status).map_err(|_| damaged("an answer's status"))?;
    Ok(Kept { answer: Some((fingerprint, Answer { status, body })) })
}

fn damaged(what: &str) -> Fail {
    Fail::Damaged(format!("{what} is not what this program writes"))
}

/// Which of the numbers somebody has taken as a reference, of orders or of returns.
pub async fn digits_taken(
    lent: &mut Lent,
    merchant: MerchantId,
    numbers: &Numbers,
    count: i64,
) -> Result<BTreeSet<i64>, Fail> {
    let mut numbers = numbers.clone();
    let mut digits = Vec::new();
    for _ in 0..count {
        let number = numbers.take();
        if numbers.is_overdrawn() {
            break;
        }
        digits.push(number.to_string());
    }
    let steps = [
        Step::Query(ORDER_REFERENCES, vec![&merchant.0, &digits]),
        Step::Query(RETURN_REFERENCES, vec![&merchant.0, &digits]),
    ];
    let found = lent.send(&steps).await?;
    let taken = found.iter().flatten().filter_map(|row| row.get::<_, &str>(0).parse().ok());
    Ok(taken.collect())
}
