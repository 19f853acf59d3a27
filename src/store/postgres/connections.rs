//! The merchants' accounts at providers.

use refundry_domain::ids::{GatewayId, MerchantId};
use refundry_domain::merchant::{Connection, ConnectionChange};
use tokio_postgres::Row;

use super::admin::Change;
use super::fail::Fail;
use super::pool::{Lent, Params};
use super::rows::{Cells, select};
use super::single::many;
use crate::store::{Administered, encode, rows, settle};

pub async fn of(lent: &mut Lent, merchant: MerchantId) -> Result<Vec<Connection>, Fail> {
    let sql = select!(CONNECTION, "connections WHERE merchant = $1 ORDER BY name COLLATE \"C\"");
    many(lent, sql, vec![&merchant.0]).await?.iter().map(connection).collect()
}

pub async fn all(lent: &mut Lent) -> Result<Vec<Connection>, Fail> {
    let sql = select!(CONNECTION, "connections ORDER BY merchant, name COLLATE \"C\"");
    many(lent, sql, vec![]).await?.iter().map(connection).collect()
}

fn connection(row: &Row) -> Result<Connection, Fail> {
    rows::connection(&mut Cells::of(row))
}

impl Change<'_> {
    /// Makes a connection, or changes the one of this name. Without new credentials, it keeps its
    /// own.
    pub async fn set_connection(
        &mut self,
        merchant: MerchantId,
        name: &str,
        change: ConnectionChange,
    ) -> Result<Administered, Fail> {
        if self.begin(merchant).await?.is_none() {
            return Ok(Administered::Unknown);
        }
        let sql = select!(CONNECTION, "connections WHERE merchant = $1 AND name = $2");
        let found = self.run(sql, vec![&merchant.0, &change.name]).await?;
        let before = found.first().map(connection).transpose()?;
        let id = match &before {
            Some(row) => row.id,
            None => GatewayId(self.number().await?),
        };
        let at = self.by.at;
        let Some((row, data)) = settle::connection(id, merchant, before, change, at) else {
            return Ok(Administered::Unknown);
        };
        let sql = "INSERT INTO connections (merchant, name, number, connector, settings, sealed, \
            enabled, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
            ON CONFLICT (merchant, name) DO UPDATE SET connector = $4, settings = $5, \
            sealed = $6, enabled = $7, updated_at = $9";
        let settings = encode::texts(&row.settings);
        let params: Params<'_> = vec![
            &merchant.0,
            &row.name,
            &row.id.0,
            &row.connector,
            &settings,
            &row.sealed,
            &row.enabled,
            &row.created_at.0,
            &row.updated_at.0,
        ];
        self.run(sql, params).await?;
        self.event(merchant, name, ("gateway", row.id.0), &data).await?;
        Ok(Administered::Connection(row))
    }
}
