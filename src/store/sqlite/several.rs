//! Rows of several orders or refunds, with one statement a kind of row.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use refundry_domain::book::Book;
use refundry_domain::ids::{MerchantId, OrderId};
use refundry_domain::refund::Refund;
use rusqlite::{Connection, Row};

use super::Fail;
use super::load::{self, bare};
use super::rows;
use crate::store::Movement;

/// The numbers, as the statements take them.
fn list(numbers: impl Iterator<Item = i64>) -> String {
    let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
    format!("[{}]", numbers.join(","))
}

/// Reads the rows of these numbers, one after the other.
fn each(
    conn: &Connection,
    sql: &str,
    (merchant, numbers): (MerchantId, &str),
    mut read: impl FnMut(&Row<'_>) -> Result<(), Fail>,
) -> Result<(), Fail> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut found = statement.query((merchant.0, numbers))?;
    while let Some(row) = found.next()? {
        read(row)?;
    }
    Ok(())
}

/// The books of those of these orders that are there.
pub fn books(
    conn: &Connection,
    merchant: MerchantId,
    orders: &BTreeSet<OrderId>,
) -> Result<Vec<Book>, Fail> {
    if orders.is_empty() {
        return Ok(Vec::new());
    }
    let numbers = list(orders.iter().map(|order| order.0));
    let of = (merchant, numbers.as_str());
    let mut books = BTreeMap::new();
    let sql = select!(
        ORDER,
        "orders WHERE merchant = ?1 AND number IN (SELECT value FROM json_each(?2))"
    );
    each(conn, sql, of, |row| {
        let order = rows::order(row, merchant)?.order;
        books.insert(order.id, bare(order));
        Ok(())
    })?;
    each(conn, &LINES, of, |row| {
        if let Some(book) = books.get_mut(&OrderId(row.get("order_number")?)) {
            book.lines.push(rows::line(row)?);
        }
        Ok(())
    })?;
    let sql = select!(
        TRANSACTION,
        "transactions INDEXED BY payments_by_order WHERE merchant = ?1 \
        AND order_number IN (SELECT value FROM json_each(?2)) AND refund IS NULL ORDER BY number"
    );
    each(conn, sql, of, |row| {
        let row = rows::transaction(row)?;
        if let Some(book) = books.get_mut(&row.order) {
            book.payments.push(load::incoming(row)?);
        }
        Ok(())
    })?;
    let sql = select!(
        RETURN,
        "returns INDEXED BY returns_by_order WHERE merchant = ?1 \
        AND order_number IN (SELECT value FROM json_each(?2)) ORDER BY number"
    );
    each(conn, sql, of, |row| {
        let row = rows::return_of(row)?;
        if let Some(book) = books.get_mut(&row.order) {
            book.returns.push(row);
        }
        Ok(())
    })?;
    Ok(books.into_values().collect())
}

/// And each line's order.
static LINES: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {}, order_number FROM lines WHERE merchant = ?1 \
        AND order_number IN (SELECT value FROM json_each(?2)) ORDER BY order_number, position",
        rows::LINE
    )
});

/// Brings the refunds their transactions.
pub fn fill(conn: &Connection, merchant: MerchantId, refunds: &mut [Refund]) -> Result<(), Fail> {
    if let [only] = refunds {
        only.transactions = load::transactions_of(conn, merchant, only.id)?;
        return Ok(());
    }
    if refunds.is_empty() {
        return Ok(());
    }
    let places = refunds.iter().enumerate().map(|(place, refund)| (refund.id, place));
    let places: BTreeMap<_, _> = places.collect();
    let numbers = list(places.keys().map(|refund| refund.0));
    let sql = select!(
        TRANSACTION,
        "transactions INDEXED BY transactions_by_refund WHERE merchant = ?1 \
        AND refund IN (SELECT value FROM json_each(?2)) ORDER BY number"
    );
    each(conn, sql, (merchant, &numbers), |row| match rows::transaction(row)?.movement {
        Movement::Back(row) => {
            if let Some(place) = places.get(&row.refund) {
                refunds[*place].transactions.push(row);
            }
            Ok(())
        }
        Movement::In(payment) => Err(Fail::Damaged(format!("payment {} has a refund", payment.id))),
    })
}
