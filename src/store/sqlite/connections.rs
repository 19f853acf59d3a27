//! The merchants' accounts at providers.

use refundry_domain::ids::{GatewayId, MerchantId};
use refundry_domain::merchant::{Connection, ConnectionChange};
use rusqlite::{Connection as Database, params};

use super::admin::{self, By, event};
use super::commit::Batch;
use super::{Fail, load, rows};
use crate::store::{Administered, encode, settle};

/// Makes a connection, or changes the one of this name. Without new credentials, it keeps its own.
pub fn set(
    conn: &Database,
    batch: &mut Batch,
    merchant: MerchantId,
    by: &By,
    change: ConnectionChange,
) -> Result<Administered, Fail> {
    if admin::merchant(conn, merchant)?.is_none() {
        return Ok(Administered::Unknown);
    }
    let before = one(conn, merchant, &change.name)?;
    let id = match &before {
        Some(row) => row.id,
        None => GatewayId(batch.numbers.take()),
    };
    let Some((row, data)) = settle::connection(id, merchant, before, change, by.at) else {
        return Ok(Administered::Unknown);
    };
    let sql = "INSERT INTO connections (merchant, name, number, connector, settings, sealed, \
        enabled, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
        ON CONFLICT (merchant, name) DO UPDATE SET connector = ?4, settings = ?5, sealed = ?6, \
        enabled = ?7, updated_at = ?9";
    conn.prepare_cached(sql)?.execute(params![
        merchant.0,
        row.name,
        row.id.0,
        row.connector,
        encode::texts(&row.settings),
        row.sealed,
        row.enabled,
        row.created_at.0,
        row.updated_at.0,
    ])?;
    let subject = ("gateway", row.id.0);
    event(conn, batch, merchant, by, "gateway.configured", subject, &data)?;
    Ok(Administered::Connection(row))
}

fn one(conn: &Database, merchant: MerchantId, name: &str) -> Result<Option<Connection>, Fail> {
    let sql = select!(CONNECTION, "connections WHERE merchant = ?1 AND name = ?2");
    load::one(conn, sql, (merchant.0, name), rows::connection)
}

pub fn of(conn: &Database, merchant: MerchantId) -> Result<Vec<Connection>, Fail> {
    let sql = select!(CONNECTION, "connections WHERE merchant = ?1 ORDER BY name");
    load::many(conn, sql, [merchant.0], rows::connection)
}

pub fn all(conn: &Database) -> Result<Vec<Connection>, Fail> {
    let sql = select!(CONNECTION, "connections ORDER BY merchant, name");
    load::many(conn, sql, [], rows::connection)
}
