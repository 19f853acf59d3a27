//! Single rows, and books, as they are now.

use std::collections::{BTreeMap, BTreeSet};

use refundry_domain::book::Book;
use refundry_domain::ids::{MerchantId, OrderId, OrderRef, RefundId, ReturnId, TransactionId};
use refundry_domain::order::{Line, Order, Payment};
use refundry_domain::refund::Refund;
use refundry_domain::returns::Return;
use tokio_postgres::Row;

use super::fail::Fail;
use super::list::back;
use super::load::{lines_sql, payments_sql, returns_sql};
use super::pool::{Lent, Params, Step, ask};
use super::rows::{Cells, select, storable};
use crate::store::rows::{self, Columns};
use crate::store::{Movement, TransactionRow};

/// The order with its lines, payments and returns, in one round trip.
pub async fn order(
    lent: &mut Lent,
    merchant: MerchantId,
    order: &OrderRef,
) -> Result<Option<Book>, Fail> {
    let sql = match order {
        OrderRef::Id(_) => BY_NUMBER,
        OrderRef::Reference(reference) if !storable(reference) => return Ok(None),
        OrderRef::Reference(_) => BY_REFERENCE,
    };
    let params = || -> Params<'_> {
        match order {
            OrderRef::Id(id) => vec![&merchant.0, &id.0],
            OrderRef::Reference(reference) => vec![&merchant.0, reference],
        }
    };
    let texts = texts(sql);
    let found = ask(lent, texts.iter().map(|sql| Step::Query(sql, params())).collect()).await?;
    book(&found, merchant)
}

/// The statements of an order's book; `sql` says its number.
pub fn texts(sql: &str) -> [String; 4] {
    [
        format!("SELECT {} FROM orders WHERE merchant = $1 AND number = {sql}", rows::ORDER),
        format!(
            "SELECT {} FROM lines WHERE merchant = $1 AND order_number = {sql} ORDER BY position",
            rows::LINE
        ),
        format!(
            "SELECT {} FROM transactions WHERE merchant = $1 AND order_number = {sql} \
            AND refund IS NULL ORDER BY number",
            rows::TRANSACTION
        ),
        format!(
            "SELECT {} FROM returns WHERE merchant = $1 AND order_number = {sql} ORDER BY number",
            rows::RETURN
        ),
    ]
}

/// The book, from the answers to [`texts`].
pub fn book(found: &[Vec<Row>], merchant: MerchantId) -> Result<Option<Book>, Fail> {
    let Some(head) = found[0].first() else { return Ok(None) };
    Ok(Some(Book {
        lines: found[1].iter().map(line).collect::<Result<_, _>>()?,
        payments: found[2].iter().map(payment).collect::<Result<_, _>>()?,
        returns: found[3].iter().map(return_row).collect::<Result<_, _>>()?,
        ..bare(rows::order(&mut Cells::of(head), merchant)?.order)
    }))
}

/// The books of these orders, in one round trip.
pub async fn books(
    lent: &mut Lent,
    merchant: MerchantId,
    orders: &BTreeSet<OrderId>,
) -> Result<Vec<Book>, Fail> {
    let numbers: Vec<i64> = orders.iter().map(|id| id.0).collect();
    let texts = [
        select!(ORDER, "orders WHERE merchant = $1 AND number = ANY($2)"),
        lines_sql(),
        payments_sql(),
        returns_sql(),
    ];
    let steps = texts.map(|sql| Step::Query(sql, vec![&merchant.0, &numbers]));
    let found = ask(lent, steps.into()).await?;
    let mut books = BTreeMap::new();
    for head in &found[0] {
        let order = rows::order(&mut Cells::of(head), merchant)?.order;
        books.insert(order.id.0, bare(order));
    }
    for row in &found[1] {
        let mut cells = Cells::of(row);
        let line = rows::line(&mut cells)?;
        if let Some(book) = books.get_mut(&cells.int()?) {
            book.lines.push(line);
        }
    }
    for row in &found[2] {
        let row = rows::transaction(&mut Cells::of(row))?;
        if let Some(book) = books.get_mut(&row.order.0) {
            book.payments.push(incoming(row)?);
        }
    }
    for row in &found[3] {
        let row = return_row(row)?;
        if let Some(book) = books.get_mut(&row.order.0) {
            book.returns.push(row);
        }
    }
    Ok(books.into_values().collect())
}

fn bare(order: Order) -> Book {
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

const BY_NUMBER: &str = "$2";
const BY_REFERENCE: &str = "(SELECT number FROM orders WHERE merchant = $1 AND reference = $2)";

fn line(row: &Row) -> Result<Line, Fail> {
    rows::line(&mut Cells::of(row))
}

fn payment(row: &Row) -> Result<Payment, Fail> {
    incoming(rows::transaction(&mut Cells::of(row))?)
}

fn incoming(row: TransactionRow) -> Result<Payment, Fail> {
    match row.movement {
        Movement::In(payment) => Ok(payment),
        Movement::Back(row) => Err(Fail::Damaged(format!("transaction {} has no refund", row.id))),
    }
}

fn return_row(row: &Row) -> Result<Return, Fail> {
    rows::return_of(&mut Cells::of(row))
}

/// The refund with its transactions.
pub async fn refund(
    lent: &mut Lent,
    merchant: MerchantId,
    id: RefundId,
) -> Result<Option<Refund>, Fail> {
    let params = || -> Params<'_> { vec![&merchant.0, &id.0] };
    let transactions =
        select!(TRANSACTION, "transactions WHERE merchant = $1 AND refund = $2 ORDER BY number");
    let steps = vec![
        Step::Query(select!(REFUND, "refunds WHERE merchant = $1 AND number = $2"), params()),
        Step::Query(transactions, params()),
    ];
    let found = ask(lent, steps).await?;
    let Some(row) = found[0].first() else { return Ok(None) };
    let (mut refund, _) = rows::refund(&mut Cells::of(row))?;
    refund.transactions = found[1].iter().map(back).collect::<Result<_, _>>()?;
    Ok(Some(refund))
}

pub async fn transaction(
    lent: &mut Lent,
    merchant: MerchantId,
    id: TransactionId,
) -> Result<Option<TransactionRow>, Fail> {
    let sql = select!(TRANSACTION, "transactions WHERE merchant = $1 AND number = $2");
    let found = one(lent, sql, vec![&merchant.0, &id.0]).await?;
    found.map(|row| rows::transaction(&mut Cells::of(&row))).transpose()
}

/// A provider key ends in the merchant and the number of its transaction.
pub async fn transaction_by_key(
    lent: &mut Lent,
    key: &str,
) -> Result<Option<(MerchantId, TransactionId)>, Fail> {
    let mut ends = key.rsplitn(3, '-').map(str::parse::<i64>);
    let (Some(Ok(number)), Some(Ok(merchant))) = (ends.next(), ends.next()) else {
        return Ok(None);
    };
    if !storable(key) {
        return Ok(None);
    }
    let sql = "SELECT 1 FROM transactions WHERE merchant = $1 AND number = $2 \
        AND provider_key = $3";
    let found = one(lent, sql, vec![&merchant, &number, &key]).await?;
    Ok(found.map(|_| (MerchantId(merchant), TransactionId(number))))
}

pub async fn return_of(
    lent: &mut Lent,
    merchant: MerchantId,
    id: ReturnId,
) -> Result<Option<Return>, Fail> {
    let sql = select!(RETURN, "returns WHERE merchant = $1 AND number = $2");
    let found = one(lent, sql, vec![&merchant.0, &id.0]).await?;
    found.map(|row| return_row(&row)).transpose()
}

/// The first row, by a statement of its own.
pub async fn one(lent: &mut Lent, sql: &str, params: Params<'_>) -> Result<Option<Row>, Fail> {
    Ok(many(lent, sql, params).await?.into_iter().next())
}

pub async fn many(lent: &mut Lent, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Fail> {
    let answers = lent.send(&[Step::Query(sql, params)]).await?;
    lent.cleared();
    Ok(answers.into_iter().next().unwrap_or_default())
}
