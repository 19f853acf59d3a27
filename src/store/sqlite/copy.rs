//! The embedded database as a side of a copy.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, params_from_iter};
use tokio::sync::mpsc;

use super::open;
use crate::store::anchor;
use crate::store::copy::{Cell, Chunks, CopyError, Identity, Row, Side, TABLES, Table};

const CHUNK: usize = 2_000;

pub struct SqliteSide {
    conn: Connection,
    dir: PathBuf,
    /// No server runs on the directory meanwhile.
    _lock: std::fs::File,
}

impl From<rusqlite::Error> for CopyError {
    fn from(error: rusqlite::Error) -> CopyError {
        CopyError::Failed(error.to_string())
    }
}

impl SqliteSide {
    /// Books that are there and that nobody has open.
    pub fn open(dir: &Path) -> Result<SqliteSide, CopyError> {
        let failed = |error: &dyn std::fmt::Display| CopyError::Failed(error.to_string());
        let lock = anchor::lock(dir).map_err(|error| failed(&error))?;
        let lock = lock.ok_or_else(|| failed(&open::OpenError::InUse(dir.to_owned())))?;
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE;
        let conn = open::connect(dir, flags).map_err(|error| failed(&error))?;
        Ok(SqliteSide { conn, dir: dir.to_owned(), _lock: lock })
    }
}

#[async_trait]
impl Side for SqliteSide {
    async fn columns(&mut self, table: Table) -> Result<Vec<String>, CopyError> {
        let mut statement = self.conn.prepare("SELECT name FROM pragma_table_info(?1)")?;
        let names = statement.query_map([table.name], |row| row.get(0))?;
        Ok(names.collect::<Result<_, _>>()?)
    }

    async fn count(&mut self, table: Table) -> Result<u64, CopyError> {
        let sql = format!("SELECT count(*) FROM {}", table.name);
        let count: i64 = self.conn.query_row(&sql, [], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    async fn identity(&mut self) -> Result<Identity, CopyError> {
        let sql = "SELECT (SELECT value FROM state WHERE name = 'instance'), \
            (SELECT value FROM state WHERE name = 'next')";
        let read =
            |row: &rusqlite::Row<'_>| Ok(Identity { instance: row.get(0)?, next: row.get(1)? });
        Ok(self.conn.query_row(sql, [], read)?)
    }

    async fn read(&mut self, table: Table, columns: &[String]) -> Result<Chunks, CopyError> {
        let sql = format!(
            "SELECT {} FROM {} ORDER BY {}",
            columns.join(", "),
            table.name,
            table.key.join(", ")
        );
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE;
        let conn = open::connect(&self.dir, flags)
            .map_err(|error| CopyError::Failed(error.to_string()))?;
        let (sender, chunks) = mpsc::channel(2);
        std::thread::spawn(move || {
            if let Err(error) = send_all(&conn, &sql, &sender) {
                // When nobody listens any more, there is nobody to tell.
                let _ = sender.blocking_send(Err(error));
            }
        });
        Ok(chunks)
    }

    async fn clear(&mut self) -> Result<(), CopyError> {
        for table in TABLES {
            let full = self.count(table).await? > u64::from(table.name == "merchants");
            if full {
                return Err(CopyError::NotEmpty(self.dir.display().to_string()));
            }
        }
        self.conn.execute("DELETE FROM merchants", [])?;
        Ok(())
    }

    async fn write(
        &mut self,
        table: Table,
        columns: &[String],
        rows: Vec<Row>,
    ) -> Result<(), CopyError> {
        let places = vec!["?"; columns.len()].join(", ");
        let sql = format!("INSERT INTO {} ({}) VALUES ({places})", table.name, columns.join(", "));
        let transaction = self.conn.transaction()?;
        {
            let mut statement = transaction.prepare_cached(&sql)?;
            for row in rows {
                statement.execute(params_from_iter(row.into_iter().map(value)))?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    async fn take_identity(&mut self, identity: &Identity) -> Result<(), CopyError> {
        let sql = "UPDATE state SET value = ?2 WHERE name = ?1";
        self.conn.execute(sql, ("instance", &identity.instance))?;
        self.conn.execute(sql, ("next", identity.next))?;
        Ok(())
    }
}

type Sender = mpsc::Sender<Result<Vec<Row>, CopyError>>;

fn send_all(conn: &Connection, sql: &str, sender: &Sender) -> Result<(), CopyError> {
    let mut statement = conn.prepare(sql)?;
    let width = statement.column_count();
    let mut rows = statement.query([])?;
    let mut chunk = Vec::with_capacity(CHUNK);
    while let Some(row) = rows.next()? {
        let cells = (0..width).map(|at| Ok(cell(row.get_ref(at)?)));
        chunk.push(cells.collect::<Result<Row, CopyError>>()?);
        if chunk.len() == CHUNK && sender.blocking_send(Ok(std::mem::take(&mut chunk))).is_err() {
            return Ok(());
        }
    }
    if !chunk.is_empty() {
        let _ = sender.blocking_send(Ok(chunk));
    }
    Ok(())
}

fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        // No table of the books has real numbers; one would differ on the other side.
        ValueRef::Null | ValueRef::Real(_) => Cell::Null,
        ValueRef::Integer(value) => Cell::Int(value),
        ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_vec()),
    }
}

fn value(cell: Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Int(value) => Value::Integer(value),
        Cell::Text(text) => Value::Text(text),
        Cell::Bytes(bytes) => Value::Blob(bytes),
    }
}
