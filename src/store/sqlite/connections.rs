//! The merchants' accounts at providers.

use refundry_domain::ids::{GatewayId, MerchantId};
use refundry_domain::merchant::{Connection, ConnectionChange};
use rusqlite::{Connection as Database, params};
use serde_json::json;

use super::admin::{self, By, event};
use super::commit::Batch;
use super::{Fail, load, rows};
use crate::store::{Administered, encode};

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
    let Some(sealed) =
        change.sealed.clone().or_else(|| before.as_ref().map(|row| row.sealed.clone()))
    else {
        return Ok(Administered::Unknown);
    };
    let row = Connection {
        id: match &before {
            Some(row) => row.id,
            None => GatewayId(batch.numbers.take()),
        },
        merchant,
        name: change.name,
        connector: change.connector,
        settings: change.settings,
        sealed,
        enabled: change.enabled,
        created_at: before.as_ref().map_or(by.at, |row| row.created_at),
        updated_at: by.at,
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
    let data = json!({
        "name": row.name,
        "connector": row.connector,
        "settings": row.settings,
        "enabled": row.enabled,
        "credentials_changed": change.sealed.is_some(),
    });
    let subject = ("gateway", row.id.0);
    event(conn, batch, merchant, by, "gateway.configured", subject, &data.to_string())?;
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
