//! Books and single rows, as they are in the database now.

use refundry_domain::book::Book;
use refundry_domain::changes::{Queue, Work};
use refundry_domain::command::Target;
use refundry_domain::ids::{MerchantId, OrderId, OrderRef, RefundId, ReturnId, TransactionId};
use refundry_domain::order::{Line, Order, Payment};
use refundry_domain::refund::{Refund, RefundTransaction};
use refundry_domain::refusal::Refusal;
use refundry_domain::returns::Return;
use rusqlite::{Connection, OptionalExtension, Params, Row};

use super::Fail;
use super::rows::{self, Head};
use crate::store::settle::Loaded;
use crate::store::{Movement, TransactionRow};

/// The book that the target is in, or the refusal that says it is not there.
pub fn target(
    conn: &Connection,
    merchant: MerchantId,
    target: &Target,
) -> Result<Result<Loaded, Refusal>, Fail> {
    let loaded = match target {
        Target::NewOrder => None,
        Target::Order(order) => match head(conn, merchant, order)? {
            Some(head) => Some(book(conn, merchant, head)?),
            None => None,
        },
        Target::Payment(id) => match order_of_payment(conn, merchant, *id)? {
            Some(order) => Some(of_order(conn, merchant, order)?),
            None => return Ok(Err(Refusal::UnknownTransaction)),
        },
        Target::Refund(id) => match refund(conn, merchant, *id)? {
            Some(refund) => Some(with_refund(conn, merchant, refund)?),
            None => return Ok(Err(Refusal::UnknownRefund)),
        },
        Target::Transaction(id) => match transaction(conn, merchant, *id)? {
            Some(TransactionRow { movement: Movement::Back(row), .. }) => {
                Some(with_transaction(conn, merchant, &row)?)
            }
            Some(TransactionRow { movement: Movement::In(_), .. }) | None => {
                return Ok(Err(Refusal::UnknownTransaction));
            }
        },
        Target::Return(id) => match return_of(conn, merchant, *id)? {
            Some(row) => Some(with_return(conn, merchant, row)?),
            None => return Ok(Err(Refusal::UnknownReturn)),
        },
    };
    Ok(loaded.ok_or(Refusal::UnknownOrder))
}

fn with_refund(conn: &Connection, merchant: MerchantId, refund: Refund) -> Result<Loaded, Fail> {
    let mut loaded = of_order(conn, merchant, refund.order)?;
    loaded.book.refund = Some(refund);
    Ok(loaded)
}

fn with_transaction(
    conn: &Connection,
    merchant: MerchantId,
    row: &RefundTransaction,
) -> Result<Loaded, Fail> {
    let found = refund(conn, merchant, row.refund)?;
    let refund = found.ok_or_else(|| missing("refund", row.refund.0))?;
    let mut loaded = with_refund(conn, merchant, refund)?;
    loaded.book.subject = Some(row.id);
    loaded.book.work = work(conn, merchant, Queue::Pay, row.id.0)?;
    Ok(loaded)
}

/// With this one return only: the command is about it and no other.
fn with_return(conn: &Connection, merchant: MerchantId, row: Return) -> Result<Loaded, Fail> {
    let mut loaded = of_order(conn, merchant, row.order)?;
    loaded.book.returns = vec![row];
    Ok(loaded)
}

fn of_order(conn: &Connection, merchant: MerchantId, order: OrderId) -> Result<Loaded, Fail> {
    let found = head(conn, merchant, &OrderRef::Id(order))?;
    book(conn, merchant, found.ok_or_else(|| missing("order", order.0))?)
}

/// A row names another that is not there.
pub fn missing(kind: &str, number: i64) -> Fail {
    Fail::Damaged(format!("{kind} {number} is named by another row and is not there"))
}

fn book(conn: &Connection, merchant: MerchantId, head: Head) -> Result<Loaded, Fail> {
    let order = head.order.id;
    let book = Book {
        lines: lines(conn, merchant, order)?,
        payments: payments(conn, merchant, order)?,
        returns: returns_of(conn, merchant, order)?,
        ..bare(head.order)
    };
    Ok(Loaded { book, last_event: head.last_event, last_refund: head.last_refund })
}

/// The order alone.
pub fn bare(order: Order) -> Book {
    Book {
        order,
        lines: Vec::new(),
        payments: Vec::new(),
        returns: Vec::new(),
        refund: None,
        subject: None,
        work: None,
        account: None,
        day: None,
    }
}

/// The order with its lines, payments and returns.
pub fn order(
    conn: &Connection,
    merchant: MerchantId,
    order: &OrderRef,
) -> Result<Option<Loaded>, Fail> {
    head(conn, merchant, order)?.map(|head| book(conn, merchant, head)).transpose()
}

pub fn head(
    conn: &Connection,
    merchant: MerchantId,
    order: &OrderRef,
) -> Result<Option<Head>, Fail> {
    let read = |row: &Row<'_>| rows::order(row, merchant);
    match order {
        OrderRef::Id(id) => one(
            conn,
            select!(ORDER, "orders WHERE merchant = ?1 AND number = ?2"),
            (merchant.0, id.0),
            read,
        ),
        OrderRef::Reference(reference) => one(
            conn,
            select!(ORDER, "orders WHERE merchant = ?1 AND reference = ?2"),
            (merchant.0, reference),
            read,
        ),
    }
}

fn lines(conn: &Connection, merchant: MerchantId, order: OrderId) -> Result<Vec<Line>, Fail> {
    let sql = select!(LINE, "lines WHERE merchant = ?1 AND order_number = ?2 ORDER BY position");
    many(conn, sql, (merchant.0, order.0), rows::line)
}

fn payments(conn: &Connection, merchant: MerchantId, order: OrderId) -> Result<Vec<Payment>, Fail> {
    let sql = select!(
        TRANSACTION,
        "transactions INDEXED BY payments_by_order \
        WHERE merchant = ?1 AND order_number = ?2 AND refund IS NULL ORDER BY number"
    );
    many(conn, sql, (merchant.0, order.0), |row| incoming(rows::transaction(row)?))
}

pub fn incoming(row: TransactionRow) -> Result<Payment, Fail> {
    match row.movement {
        Movement::In(payment) => Ok(payment),
        Movement::Back(row) => Err(Fail::Damaged(format!("transaction {} has no refund", row.id))),
    }
}

fn returns_of(
    conn: &Connection,
    merchant: MerchantId,
    order: OrderId,
) -> Result<Vec<Return>, Fail> {
    let sql = select!(
        RETURN,
        "returns INDEXED BY returns_by_order \
        WHERE merchant = ?1 AND order_number = ?2 ORDER BY number"
    );
    many(conn, sql, (merchant.0, order.0), rows::return_of)
}

/// The refund with its transactions.
pub fn refund(
    conn: &Connection,
    merchant: MerchantId,
    id: RefundId,
) -> Result<Option<Refund>, Fail> {
    Ok(refund_and_previous(conn, merchant, id.0)?.map(|(refund, _)| refund))
}

/// And the number of the order's refund before it.
pub fn refund_and_previous(
    conn: &Connection,
    merchant: MerchantId,
    number: i64,
) -> Result<Option<(Refund, i64)>, Fail> {
    let sql = select!(REFUND, "refunds WHERE merchant = ?1 AND number = ?2");
    let Some((mut refund, previous)) = one(conn, sql, (merchant.0, number), rows::refund)? else {
        return Ok(None);
    };
    refund.transactions = transactions_of(conn, merchant, refund.id)?;
    Ok(Some((refund, previous)))
}

pub fn transactions_of(
    conn: &Connection,
    merchant: MerchantId,
    refund: RefundId,
) -> Result<Vec<RefundTransaction>, Fail> {
    let sql = select!(
        TRANSACTION,
        "transactions INDEXED BY transactions_by_refund \
        WHERE merchant = ?1 AND refund = ?2 ORDER BY number"
    );
    many(conn, sql, (merchant.0, refund.0), |row| match rows::transaction(row)?.movement {
        Movement::Back(row) => Ok(row),
        Movement::In(payment) => Err(Fail::Damaged(format!("payment {} has a refund", payment.id))),
    })
}

pub fn transaction(
    conn: &Connection,
    merchant: MerchantId,
    id: TransactionId,
) -> Result<Option<TransactionRow>, Fail> {
    let sql = select!(TRANSACTION, "transactions WHERE merchant = ?1 AND number = ?2");
    one(conn, sql, (merchant.0, id.0), rows::transaction)
}

pub fn order_of_payment(
    conn: &Connection,
    merchant: MerchantId,
    id: TransactionId,
) -> Result<Option<OrderId>, Fail> {
    let sql = "SELECT order_number FROM transactions \
        WHERE merchant = ?1 AND number = ?2 AND refund IS NULL";
    one(conn, sql, (merchant.0, id.0), |row| Ok(OrderId(row.get(0)?)))
}

/// A provider key ends in the merchant and the number of its transaction.
pub fn transaction_by_key(
    conn: &Connection,
    key: &str,
) -> Result<Option<(MerchantId, TransactionId)>, Fail> {
    let mut ends = key.rsplitn(3, '-').map(str::parse);
    let (Some(Ok(number)), Some(Ok(merchant))) = (ends.next(), ends.next()) else {
        return Ok(None);
    };
    let sql = "SELECT provider_key FROM transactions WHERE merchant = ?1 AND number = ?2";
    let found: Option<Option<String>> = one(conn, sql, (merchant, number), |row| Ok(row.get(0)?))?;
    Ok((found.flatten().as_deref() == Some(key))
        .then_some((MerchantId(merchant), TransactionId(number))))
}

pub fn return_of(
    conn: &Connection,
    merchant: MerchantId,
    id: ReturnId,
) -> Result<Option<Return>, Fail> {
    let sql = select!(RETURN, "returns WHERE merchant = ?1 AND number = ?2");
    one(conn, sql, (merchant.0, id.0), rows::return_of)
}

fn work(
    conn: &Connection,
    merchant: MerchantId,
    queue: Queue,
    subject: i64,
) -> Result<Option<Work>, Fail> {
    let sql = select!(WORK, "work WHERE merchant = ?1 AND queue = ?2 AND subject = ?3");
    let found = one(conn, sql, (merchant.0, queue.name(), subject), rows::work)?;
    Ok(found.map(|(_, work)| work))
}

/// Whose order, or return, has the reference.
pub fn reference(
    conn: &Connection,
    merchant: MerchantId,
    table: Referenced,
    reference: &str,
) -> Result<Option<i64>, Fail> {
    let sql = match table {
        Referenced::Orders => "SELECT number FROM orders WHERE merchant = ?1 AND reference = ?2",
        Referenced::Returns => "SELECT number FROM returns WHERE merchant = ?1 AND reference = ?2",
    };
    let mut statement = conn.prepare_cached(sql)?;
    Ok(statement.query_row((merchant.0, reference), |row| row.get(0)).optional()?)
}

#[derive(Clone, Copy)]
pub enum Referenced {
    Orders,
    Returns,
}

pub fn one<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T, Fail>,
) -> Result<Option<T>, Fail> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(read).transpose()
}

pub fn many<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    read: impl Fn(&Row<'_>) -> Result<T, Fail>,
) -> Result<Vec<T>, Fail> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}
