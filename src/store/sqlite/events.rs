//! Lists of events: the feed of all, or what belongs to one chain.

use refundry_domain::ids::MerchantId;
use rusqlite::Connection;
use rusqlite::types::Value;

use super::page::Query;
use super::{Fail, load, rows};
use crate::store::page::of_rows;
use crate::store::{Event, EventFilter, Page, Slice};

pub fn events(
    conn: &Connection,
    merchant: MerchantId,
    filter: &EventFilter,
    page: Page,
) -> Result<Slice<Event>, Fail> {
    let start = match (filter.order, filter.subject) {
        (None, None) => return feed(conn, merchant, filter, page),
        (Some(order), _) => order_start(conn, merchant, order.0)?,
        (None, Some(subject)) => chain_of(conn, merchant, subject)?,
    };
    let mut all = match start {
        Some((order, last_event)) => chain(conn, merchant, order, last_event)?,
        None => Vec::new(),
    };
    all.retain(|event| {
        filter.subject.is_none_or(|subject| event.subject == subject)
            && (filter.names.is_empty() || filter.names.contains(&event.name))
    });
    Ok(of_rows(all, |event| event.id.0, page))
}

fn feed(
    conn: &Connection,
    merchant: MerchantId,
    filter: &EventFilter,
    page: Page,
) -> Result<Slice<Event>, Fail> {
    let mut query = Query::new(rows::EVENT, "events", merchant);
    if !filter.names.is_empty() {
        let names = serde_json::to_string(&filter.names).unwrap_or_default();
        query = query.when("name IN (SELECT value FROM json_each(", Some(Value::Text(names)));
        query = query.closed("))");
    }
    query.page(conn, page, |row| Ok(rows::event(row)?.0))
}

/// A chain's order, 0 for the merchant's own, and its newest event.
type Start = (i64, i64);

fn order_start(conn: &Connection, merchant: MerchantId, order: i64) -> Result<Option<Start>, Fail> {
    let sql = "SELECT number, last_event FROM orders WHERE merchant = ?1 AND number = ?2";
    load::one(conn, sql, (merchant.0, order), |row| Ok((row.get(0)?, row.get(1)?)))
}

/// The chain that a row's events are in, whatever the row is.
fn chain_of(conn: &Connection, merchant: MerchantId, subject: i64) -> Result<Option<Start>, Fail> {
    if let Some(start) = order_start(conn, merchant, subject)? {
        return Ok(Some(start));
    }
    let sql = "SELECT number, last_event FROM credit_accounts WHERE merchant = ?1 AND number = ?2";
    let account =
        load::one(conn, sql, (merchant.0, subject), |row| Ok((row.get(0)?, row.get(1)?)))?;
    if let Some(start) = account {
        return Ok(Some(start));
    }
    for sql in [
        "SELECT order_number FROM refunds WHERE merchant = ?1 AND number = ?2",
        "SELECT order_number FROM transactions WHERE merchant = ?1 AND number = ?2",
        "SELECT order_number FROM returns WHERE merchant = ?1 AND number = ?2",
    ] {
        let found = load::one(conn, sql, (merchant.0, subject), |row| Ok(row.get(0)?))?;
        if let Some(order) = found {
            return order_start(conn, merchant, order);
        }
    }
    let sql = "SELECT 0, last_event FROM merchants WHERE number = ?1";
    load::one(conn, sql, [merchant.0], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Newest first, from its newest event back to its first.
fn chain(
    conn: &Connection,
    merchant: MerchantId,
    order: i64,
    last_event: i64,
) -> Result<Vec<Event>, Fail> {
    let sql = select!(EVENT, "events WHERE merchant = ?1 AND number = ?2");
    let (mut found, mut next) = (Vec::new(), last_event);
    while next != 0 {
        let row = load::one(conn, sql, (merchant.0, next), rows::event)?;
        let (event, previous) = row.ok_or_else(|| load::missing("event", next))?;
        if event.order.map_or(0, |order| order.0) != order || previous >= next {
            let why = format!("event {next} is in a chain that is not its own");
            return Err(Fail::Damaged(why));
        }
        found.push(event);
        next = previous;
    }
    Ok(found)
}
