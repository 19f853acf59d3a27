//! Webhook endpoints and what was delivered to them.

use refundry_domain::ids::{EndpointId, EventId, MerchantId, Timestamp};
use refundry_domain::webhook::{
    Delivery, DeliveryState, Endpoint, EndpointChange, EndpointState, NewEndpoint,
};
use rusqlite::{Connection, Row, params, params_from_iter};
use serde_json::json;

use super::Fail;
use super::admin::{self, By};
use super::commit::Batch;
use super::load;
use super::rows::Columns;
use crate::store::rows as shared;
use crate::store::webhooks::{
    self, Changed, DeliveryFilter, DeliveryPage, Progress, events, tries,
};
use crate::store::{Administered, Slice};

const SUBJECT: &str = "webhook_endpoint";

/// The endpoint, and who has its lease.
fn endpoint(row: &Row<'_>) -> Result<(Endpoint, Option<i64>), Fail> {
    shared::endpoint(&mut Columns::of(row))
}

fn delivery(row: &Row<'_>) -> Result<Delivery, Fail> {
    shared::delivery(&mut Columns::of(row))
}

pub fn endpoints(conn: &Connection, merchant: MerchantId) -> Result<Vec<Endpoint>, Fail> {
    let sql = select!(ENDPOINT, "webhook_endpoints WHERE merchant = ?1 ORDER BY number");
    load::many(conn, sql, [merchant.0], |row| Ok(endpoint(row)?.0))
}

/// Every endpoint that is told, with the worker that has its lease.
pub fn enabled(conn: &Connection) -> Result<Vec<(Endpoint, Option<i64>)>, Fail> {
    load::many(conn, select!(ENDPOINT, "webhook_endpoints WHERE state = 'enabled'"), [], endpoint)
}

/// Only one process has this database open, so a lease of another worker is that of a dead one.
pub fn claim(conn: &Connection, worker: i64, until: Timestamp) -> Result<(), Fail> {
    let sql = "UPDATE webhook_endpoints SET lease_worker = ?1, lease_until = ?2 \
        WHERE state = 'enabled' AND lease_worker IS NOT ?1";
    conn.prepare_cached(sql)?.execute((worker, until.0))?;
    Ok(())
}

pub fn create(
    conn: &Connection,
    batch: &mut Batch,
    merchant: MerchantId,
    by: &By,
    (name, new): (&str, NewEndpoint),
) -> Result<Administered, Fail> {
    if admin::merchant(conn, merchant)?.is_none() {
        return Ok(Administered::Unknown);
    }
    let id = batch.numbers.take();
    // What happened before it was made is not told, the making included.
    let cursor = batch.numbers.peek();
    let sql = "INSERT INTO webhook_endpoints (merchant, number, url, format, events, description, \
        state, secrets, cursor, revision, created_at, updated_at) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'enabled', ?7, ?8, 1, ?9, ?9)";
    conn.prepare_cached(sql)?.execute(params![
        merchant.0,
        id,
        new.url,
        new.format,
        events(&new.events),
        new.description,
        new.secrets,
        cursor,
        by.at.0,
    ])?;
    let data = json!({ "url": new.url, "format": new.format, "events": new.events });
    admin::event(conn, batch, merchant, by, name, (SUBJECT, id), &data.to_string())?;
    one(conn, merchant, EndpointId(id))
}

fn one(conn: &Connection, merchant: MerchantId, id: EndpointId) -> Result<Administered, Fail> {
    let sql = select!(
        ENDPOINT,
        "webhook_endpoints WHERE merchant = ?1 AND number = ?2 AND state <> 'deleted'"
    );
    let found = load::one(conn, sql, (merchant.0, id.0), endpoint)?;
    Ok(found.map_or(Administered::Unknown, |(endpoint, _)| Administered::Endpoint(endpoint)))
}

pub fn change(
    conn: &Connection,
    batch: &mut Batch,
    merchant: MerchantId,
    by: &By,
    (name, id, change): (&str, EndpointId, EndpointChange),
) -> Result<Administered, Fail> {
    let Administered::Endpoint(mut endpoint) = one(conn, merchant, id)? else {
        return Ok(Administered::Unknown);
    };
    let (data, again) = match webhooks::change(&mut endpoint, change, by.at) {
        Changed::Nothing => return Ok(Administered::Endpoint(endpoint)),
        Changed::Stale => return Ok(Administered::Stale),
        Changed::Written { data, again } => (data, again),
    };
    redeliver(conn, &endpoint, &again, by.at)?;
    write(conn, &endpoint)?;
    admin::event(conn, batch, merchant, by, name, (SUBJECT, id.0), &data)?;
    Ok(Administered::Endpoint(endpoint))
}

fn write(conn: &Connection, endpoint: &Endpoint) -> Result<(), Fail> {
    let sql = "UPDATE webhook_endpoints SET url = ?3, events = ?4, description = ?5, state = ?6, \
        disabled_at = ?7, disabled_why = ?8, secrets = ?9, failing_since = ?10, revision = ?11, \
        updated_at = ?12, lease_worker = iif(?6 = 'deleted', NULL, lease_worker), \
        lease_until = iif(?6 = 'deleted', NULL, lease_until) WHERE merchant = ?1 AND number = ?2";
    conn.prepare_cached(sql)?.execute(params![
        endpoint.merchant.0,
        endpoint.id.0,
        endpoint.url,
        events(&endpoint.events),
        endpoint.description,
        endpoint.state.name(),
        endpoint.disabled.map(|(at, _)| at.0),
        endpoint.disabled.map(|(_, why)| why.name()),
        endpoint.secrets,
        endpoint.failing_since.map(|at| at.0),
        endpoint.revision,
        endpoint.updated_at.0,
    ])?;
    Ok(())
}

/// What the endpoint is not past yet comes anyway and is left alone.
fn redeliver(
    conn: &Connection,
    endpoint: &Endpoint,
    events: &[EventId],
    at: Timestamp,
) -> Result<(), Fail> {
    let sql = "INSERT INTO deliveries (merchant, endpoint, event, order_number, name, state, due, \
        round, tries, created_at, updated_at) \
        SELECT merchant, ?2, number, order_number, name, 'pending', ?4, 0, '[]', ?4, ?4 \
        FROM events WHERE merchant = ?1 AND number = ?3 AND number <= ?5 \
        ON CONFLICT (merchant, endpoint, event) DO UPDATE SET state = 'pending', due = ?4, \
        round = 0, updated_at = ?4";
    let mut statement = conn.prepare_cached(sql)?;
    for event in events {
        let (merchant, cursor) = (endpoint.merchant.0, endpoint.cursor.0);
        statement.execute((merchant, endpoint.id.0, event.0, at.0, cursor))?;
    }
    Ok(())
}

/// Answers the endpoints that are not the worker's; nothing of theirs is written.
pub fn record(
    conn: &Connection,
    worker: i64,
    progress: &[Progress],
) -> Result<Vec<EndpointId>, Fail> {
    let mut lost = Vec::new();
    for one in progress {
        let sql = "UPDATE webhook_endpoints SET cursor = max(cursor, ?4), failing_since = ?5 \
            WHERE merchant = ?1 AND number = ?2 AND lease_worker = ?3";
        let since = one.failing_since.map(|at| at.0);
        let (merchant, endpoint) = (one.merchant.0, one.endpoint.0);
        let held =
            conn.prepare_cached(sql)?.execute((merchant, endpoint, worker, one.cursor.0, since))?;
        if held == 0 {
            lost.push(one.endpoint);
            continue;
        }
        for row in &one.deliveries {
            put(conn, one.merchant, row)?;
        }
    }
    Ok(lost)
}

fn put(conn: &Connection, merchant: MerchantId, row: &Delivery) -> Result<(), Fail> {
    let sql = "INSERT INTO deliveries (merchant, endpoint, event, order_number, name, state, due, \
        round, tries, created_at, updated_at) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
        ON CONFLICT (merchant, endpoint, event) DO UPDATE SET state = ?6, due = ?7, round = ?8, \
        tries = ?9, updated_at = ?11";
    conn.prepare_cached(sql)?.execute(params![
        merchant.0,
        row.endpoint.0,
        row.event.0,
        row.order.map_or(0, |order| order.0),
        row.name,
        row.state.name(),
        row.due.0,
        row.round,
        tries(&row.tries),
        row.created_at.0,
        row.updated_at.0,
    ])?;
    Ok(())
}

/// The lists of the endpoints, each in order of event, as one.
pub fn deliveries(
    conn: &Connection,
    merchant: MerchantId,
    filter: &DeliveryFilter,
    page: DeliveryPage,
) -> Result<Slice<Delivery>, Fail> {
    let mut found = Vec::new();
    for endpoint in endpoints(conn, merchant)? {
        let asked = filter.endpoint.is_none_or(|id| id == endpoint.id);
        if asked && endpoint.state != EndpointState::Deleted {
            found.extend(list(conn, &endpoint, filter, page)?);
        }
    }
    Ok(webhooks::page_of(found, page))
}

/// What of one endpoint's list may be on the page, and one more.
fn list(
    conn: &Connection,
    endpoint: &Endpoint,
    filter: &DeliveryFilter,
    page: DeliveryPage,
) -> Result<Vec<Delivery>, Fail> {
    let (least, most) = webhooks::span(endpoint.id, filter, page);
    let mut sql = format!(
        "SELECT {} FROM deliveries WHERE merchant = ?1 AND endpoint = ?2 AND event >= ?3 \
        AND event <= ?4",
        shared::DELIVERY
    );
    let states: Vec<String> =
        filter.states.iter().map(|state| format!("state = '{}'", state.name())).collect();
    if !states.is_empty() {
        sql.push_str(&format!(" AND ({})", states.join(" OR ")));
        // So that the partial index serves where the few are among the many.
        if !filter.states.contains(&DeliveryState::Succeeded) {
            sql.push_str(" AND state <> 'succeeded'");
        }
    }
    let direction = if page.ascending() { "ASC" } else { "DESC" };
    sql.push_str(&format!(" ORDER BY event {direction} LIMIT ?5"));
    let limit = i64::from(page.limit) + 1;
    let values = [endpoint.merchant.0, endpoint.id.0, least, most, limit];
    load::many(conn, &sql, params_from_iter(values), delivery)
}

/// Forgets deliveries that ended before, and those of deleted endpoints, oldest first.
pub fn forget(conn: &Connection, before: Timestamp, limit: u32) -> Result<u64, Fail> {
    let sql = "SELECT merchant, number, state = 'deleted' FROM webhook_endpoints";
    let all = load::many(conn, sql, [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, bool>(2)?))
    })?;
    let sql = "DELETE FROM deliveries WHERE merchant = ?1 AND endpoint = ?2 AND event IN ( \
        SELECT event FROM (SELECT event, state, updated_at FROM deliveries \
            WHERE merchant = ?1 AND endpoint = ?2 ORDER BY event LIMIT ?4) \
        WHERE ?5 OR (state <> 'pending' AND updated_at < ?3))";
    let oldest = "SELECT created_at FROM deliveries WHERE merchant = ?1 AND endpoint = ?2 \
        ORDER BY event LIMIT 1";
    let mut forgotten = 0;
    for (merchant, endpoint, deleted) in all {
        let made: Option<i64> =
            load::one(conn, oldest, (merchant, endpoint), |row| Ok(row.get(0)?))?;
        if made.is_none_or(|made| made >= before.0 && !deleted) {
            continue;
        }
        let done =
            conn.prepare_cached(sql)?.execute((merchant, endpoint, before.0, limit, deleted))?;
        forgotten += u64::try_from(done).unwrap_or(u64::MAX);
    }
    Ok(forgotten)
}
