//! A PostgreSQL database as a side of a copy.

use std::collections::HashMap;

use async_trait::async_trait;
use deadpool_postgres::Pool;
use tokio::sync::mpsc;
use tokio_postgres::types::ToSql;

use super::fail::Fail;
use super::load::BLOCK;
use super::pool::{self, Lent, Params, SNAPSHOT, Step};
use super::{Options, PostgresStore};
use crate::store::copy::{Cell, Chunks, CopyError, Identity, Row, Side, TABLES, Table};

const CHUNK: &str = "2000";

pub struct PostgresSide {
    pool: Pool,
    options: Options,
    lent: Lent,
    /// The type of each column that was asked about.
    kinds: HashMap<(&'static str, String), String>,
}

impl From<Fail> for CopyError {
    fn from(fail: Fail) -> CopyError {
        CopyError::Failed(fail.to_string())
    }
}

impl PostgresSide {
    /// The books in the database; with `options.begin`, new ones when there are none.
    pub async fn open(options: &Options) -> Result<PostgresSide, CopyError> {
        let failed = |error: super::OpenError| CopyError::Failed(error.to_string());
        let store = PostgresStore::open(options, None).await.map_err(failed)?;
        let pool = store.books.pool.clone();
        let lent = pool::lend(&pool, options.timeout).await?;
        let (options, kinds) = (options.clone(), HashMap::new());
        Ok(PostgresSide { pool, options, lent, kinds })
    }

    async fn ask(
        &mut self,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Vec<tokio_postgres::Row>, CopyError> {
        let found = self.lent.send(&[Step::Query(sql, params)]).await?;
        self.lent.cleared();
        Ok(found.into_iter().next().unwrap_or_default())
    }
}

#[async_trait]
impl Side for PostgresSide {
    async fn columns(&mut self, table: Table) -> Result<Vec<String>, CopyError> {
        let sql = "SELECT column_name::text, data_type::text FROM information_schema.columns \
            WHERE table_schema = current_schema() AND table_name = $1";
        let found = self.ask(sql, vec![&table.name]).await?;
        let mut names = Vec::new();
        for row in found {
            let (name, kind): (String, String) = (row.get(0), row.get(1));
            self.kinds.insert((table.name, name.clone()), kind);
            names.push(name);
        }
        Ok(names)
    }

    async fn count(&mut self, table: Table) -> Result<u64, CopyError> {
        let found = self.ask(&format!("SELECT count(*) FROM {}", table.name), vec![]).await?;
        let count: i64 = found.first().map_or(0, |row| row.get(0));
        Ok(u64::try_from(count).unwrap_or(0))
    }

    async fn identity(&mut self) -> Result<Identity, CopyError> {
        let sql = "SELECT s.value, n.last_value, n.is_called FROM state s, numbers n \
            WHERE s.name = 'instance'";
        let found = self.ask(sql, vec![]).await?;
        let none = || CopyError::Failed("the installation has no name".to_owned());
        let row = found.first().ok_or_else(none)?;
        let (last, called): (i64, bool) = (row.get(1), row.get(2));
        Ok(Identity { instance: row.get(0), next: if called { last + BLOCK } else { last } })
    }

    async fn read(&mut self, table: Table, columns: &[String]) -> Result<Chunks, CopyError> {
        let kinds: Vec<String> = columns.iter().map(|name| self.kind(table, name)).collect();
        // Texts in order of their bytes, as the other side has them.
        let order = table.key.iter().map(|name| match self.kind(table, name).as_str() {
            "text" => format!("{name} COLLATE \"C\""),
            _ => (*name).to_owned(),
        });
        let order = order.collect::<Vec<_>>().join(", ");
        let declare = format!(
            "DECLARE copied NO SCROLL CURSOR FOR SELECT {} FROM {} ORDER BY {order}",
            columns.join(", "),
            table.name
        );
        let mut lent = pool::lend(&self.pool, self.options.timeout).await?;
        lent.send(&[Step::Plain(SNAPSHOT), Step::Plain(&declare)]).await?;
        let (sender, chunks) = mpsc::channel(2);
        tokio::spawn(async move {
            loop {
                let fetched = fetch(&mut lent, &kinds).await;
                let ended = fetched.as_ref().map_or(true, Vec::is_empty);
                let empty = fetched.as_ref().is_ok_and(Vec::is_empty);
                if (!empty && sender.send(fetched).await.is_err()) || ended {
                    return;
                }
            }
        });
        Ok(chunks)
    }

    async fn clear(&mut self) -> Result<(), CopyError> {
        for table in TABLES {
            if self.count(table).await? > u64::from(table.name == "merchants") {
                return Err(CopyError::NotEmpty("the database".to_owned()));
            }
        }
        self.ask("DELETE FROM merchants", vec![]).await?;
        Ok(())
    }

    async fn write(
        &mut self,
        table: Table,
        columns: &[String],
        rows: Vec<Row>,
    ) -> Result<(), CopyError> {
        let kinds: Vec<String> = columns.iter().map(|name| self.kind(table, name)).collect();
        let places = kinds.iter().enumerate().map(|(at, kind)| format!("${}::{kind}[]", at + 1));
        let sql = format!(
            "INSERT INTO {} ({1}) SELECT {1} FROM unnest({2}) AS new ({1})",
            table.name,
            columns.join(", "),
            places.collect::<Vec<_>>().join(", ")
        );
        let mut arrays = Vec::with_capacity(columns.len());
        for (at, kind) in kinds.iter().enumerate() {
            arrays.push(array(kind, rows.iter().map(|row| &row[at])));
        }
        let params: Params<'_> = arrays.iter().map(|array| array as &(dyn ToSql + Sync)).collect();
        self.ask(&sql, params).await?;
        Ok(())
    }

    async fn take_identity(&mut self, identity: &Identity) -> Result<(), CopyError> {
        let sql = "UPDATE state SET value = $1 WHERE name = 'instance'";
        self.ask(sql, vec![&identity.instance]).await?;
        self.ask("SELECT setval('numbers', $1, false)", vec![&identity.next]).await?;
        Ok(())
    }
}

impl PostgresSide {
    fn kind(&self, table: Table, column: &str) -> String {
        let known = self.kinds.get(&(table.name, column.to_owned()));
        known.cloned().unwrap_or_else(|| "text".to_owned())
    }
}

async fn fetch(lent: &mut Lent, kinds: &[String]) -> Result<Vec<Row>, CopyError> {
    let sql = format!("FETCH {CHUNK} FROM copied");
    let found = lent.send(&[Step::Once(&sql, vec![])]).await?;
    let found = found.into_iter().next().unwrap_or_default();
    let row = |row: &tokio_postgres::Row| {
        kinds.iter().enumerate().map(|(at, kind)| cell(row, at, kind)).collect::<Result<Row, _>>()
    };
    found.iter().map(row).collect()
}

fn cell(row: &tokio_postgres::Row, at: usize, kind: &str) -> Result<Cell, CopyError> {
    let got = match kind {
        "bigint" => row.try_get::<_, Option<i64>>(at).map(|value| value.map(Cell::Int)),
        "boolean" => row
            .try_get::<_, Option<bool>>(at)
            .map(|value| value.map(|value| Cell::Int(i64::from(value)))),
        "bytea" => row.try_get::<_, Option<Vec<u8>>>(at).map(|value| value.map(Cell::Bytes)),
        _ => row.try_get::<_, Option<String>>(at).map(|value| value.map(Cell::Text)),
    };
    let cell = got.map_err(|error| CopyError::Failed(super::fail::causes(&error)))?;
    Ok(cell.unwrap_or(Cell::Null))
}

/// A column's values as the array that its type needs; what does not fit becomes NULL, and shows
/// when both sides are compared.
fn array<'a>(kind: &str, cells: impl Iterator<Item = &'a Cell>) -> Array {
    let int = |cell: &Cell| if let Cell::Int(value) = cell { Some(*value) } else { None };
    match kind {
        "bigint" => Array::Ints(cells.map(int).collect()),
        "boolean" => Array::Flags(cells.map(|cell| int(cell).map(|value| value != 0)).collect()),
        "bytea" => Array::Bytes(
            cells
                .map(|cell| if let Cell::Bytes(bytes) = cell { Some(bytes.clone()) } else { None })
                .collect(),
        ),
        _ => Array::Texts(
            cells
                .map(|cell| if let Cell::Text(text) = cell { Some(text.clone()) } else { None })
                .collect(),
        ),
    }
}

#[derive(Debug)]
enum Array {
    Ints(Vec<Option<i64>>),
    Flags(Vec<Option<bool>>),
    Texts(Vec<Option<String>>),
    Bytes(Vec<Option<Vec<u8>>>),
}

impl ToSql for Array {
    fn to_sql(
        &self,
        kind: &tokio_postgres::types::Type,
        out: &mut bytes::BytesMut,
    ) -> Result<tokio_postgres::types::IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Array::Ints(values) => values.to_sql(kind, out),
            Array::Flags(values) => values.to_sql(kind, out),
            Array::Texts(values) => values.to_sql(kind, out),
            Array::Bytes(values) => values.to_sql(kind, out),
        }
    }

    fn accepts(_kind: &tokio_postgres::types::Type) -> bool {
        true
    }

    tokio_postgres::types::to_sql_checked!();
}
