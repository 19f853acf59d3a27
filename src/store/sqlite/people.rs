//! Customers' words, by which orders are found.

use refundry_domain::order::Order;
use rusqlite::Connection;

use super::Fail;
use crate::store::people::words;

pub fn insert(conn: &Connection, order: &Order) -> Result<(), Fail> {
    let customer = &order.customer;
    for word in words(customer.name.as_deref(), customer.email.as_deref()) {
        put(conn, order.merchant.0, order.id.0, &word)?;
    }
    Ok(())
}

fn put(conn: &Connection, merchant: i64, order: i64, word: &str) -> rusqlite::Result<usize> {
    let sql = "INSERT INTO customer_words (merchant, word, number) VALUES (?1, ?2, ?3)";
    conn.prepare_cached(sql)?.execute((merchant, word, order))
}

/// Of the orders that were there before the words were kept.
pub fn fill(conn: &Connection) -> rusqlite::Result<()> {
    let sql = "SELECT merchant, number, customer_name, customer_email FROM orders \
        WHERE customer_name IS NOT NULL OR customer_email IS NOT NULL";
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (merchant, order) = (row.get(0)?, row.get(1)?);
        let (name, email): (Option<String>, Option<String>) = (row.get(2)?, row.get(3)?);
        for word in words(name.as_deref(), email.as_deref()) {
            put(conn, merchant, order, &word)?;
        }
    }
    Ok(())
}
