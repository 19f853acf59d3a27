//! Copying books from one store to another, row by row, with a hash over each table on both sides.

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

/// A value of a column, the same in every database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    Null,
    /// Flags are 0 and 1.
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

pub type Row = Vec<Cell>;

/// A table of the books, and the columns that put its rows in order.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    pub name: &'static str,
    pub key: &'static [&'static str],
}

/// Everything but the installation's name and its next number.
pub const TABLES: [Table; 27] = [
    Table { name: "merchants", key: &["number"] },
    Table { name: "keys", key: &["merchant", "number"] },
    Table { name: "key_digests", key: &["merchant", "hash"] },
    Table { name: "spent_tokens", key: &["merchant", "digest"] },
    Table { name: "orders", key: &["merchant", "number"] },
    Table { name: "lines", key: &["merchant", "order_number", "position"] },
    Table { name: "transactions", key: &["merchant", "number"] },
    Table { name: "refunds", key: &["merchant", "number"] },
    Table { name: "returns", key: &["merchant", "number"] },
    Table { name: "credit_accounts", key: &["merchant", "number"] },
    Table { name: "credit_entries", key: &["merchant", "number"] },
    Table { name: "events", key: &["merchant", "number"] },
    Table { name: "seals", key: &["number"] },
    Table { name: "claims", key: &["merchant", "digest"] },
    Table { name: "customer_words", key: &["merchant", "word", "number"] },
    Table { name: "tracking", key: &["merchant", "tracking_id", "number"] },
    Table { name: "answers", key: &["merchant", "number"] },
    Table { name: "connections", key: &["merchant", "name"] },
    Table { name: "webhook_endpoints", key: &["merchant", "number"] },
    Table { name: "deliveries", key: &["merchant", "endpoint", "event"] },
    Table { name: "information_links", key: &["merchant", "refund"] },
    Table { name: "transfer_files", key: &["merchant", "number"] },
    Table { name: "transfers", key: &["merchant", "transaction_number"] },
    Table { name: "daily_totals", key: &["merchant", "day"] },
    Table { name: "report_cursors", key: &["merchant"] },
    Table {
        name: "report_days",
        key: &["merchant", "apart", "day", "currency", "provider", "reason", "counted", "detail"],
    },
    Table { name: "work", key: &["merchant", "queue", "subject"] },
];

/// Columns that mean something to processes that share books, and nothing to the books.
const PASSING: [&str; 2] = ["offered_to", "offered_until"];

#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error("{0}")]
    Failed(String),
    #[error("there are books in {0} already; copy into a new place")]
    NotEmpty(String),
    #[error("the table {0} has other columns on the two sides; use one build for both")]
    OtherColumns(&'static str),
    #[error(
        "the table {table} is not the same on both sides after copying; did a server write \
        meanwhile?"
    )]
    Differs { table: &'static str },
}

/// What both sides have to say of themselves besides their rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub instance: String,
    /// No row has this number or a higher one.
    pub next: i64,
}

/// Chunks of a table's rows, in order of its key.
pub type Chunks = mpsc::Receiver<Result<Vec<Row>, CopyError>>;

/// Books that are copied from or into. Nobody else may write them meanwhile.
#[async_trait]
pub trait Side: Send {
    async fn columns(&mut self, table: Table) -> Result<Vec<String>, CopyError>;
    async fn count(&mut self, table: Table) -> Result<u64, CopyError>;
    async fn identity(&mut self) -> Result<Identity, CopyError>;
    async fn read(&mut self, table: Table, columns: &[String]) -> Result<Chunks, CopyError>;
    /// Takes away what new books begin with.
    async fn clear(&mut self) -> Result<(), CopyError>;
    async fn write(
        &mut self,
        table: Table,
        columns: &[String],
        rows: Vec<Row>,
    ) -> Result<(), CopyError>;
    async fn take_identity(&mut self, identity: &Identity) -> Result<(), CopyError>;
}

/// What was copied of one table.
#[derive(Clone, Debug)]
pub struct Copied {
    pub table: &'static str,
    pub rows: u64,
    pub hash: [u8; 32],
}

/// Copies all tables and compares them afterwards; `step` is told of each chunk of rows, copied or
/// compared.
pub async fn copy(
    from: &mut dyn Side,
    to: &mut dyn Side,
    step: &mut (dyn FnMut(u64) + Send),
) -> Result<Vec<Copied>, CopyError> {
    to.clear().await?;
    let mut copied = Vec::new();
    for table in TABLES {
        let columns = common(from, to, table).await?;
        let mut chunks = from.read(table, &columns).await?;
        let mut sum = Sum::default();
        while let Some(rows) = chunks.recv().await {
            let rows = rows?;
            sum.add(&rows);
            step(count(&rows));
            to.write(table, &columns, rows).await?;
        }
        copied.push((table, columns, sum.end(table.name)));
    }
    let identity = from.identity().await?;
    to.take_identity(&identity).await?;
    let mut told = Vec::new();
    for (table, columns, was) in copied {
        let mut chunks = to.read(table, &columns).await?;
        let mut sum = Sum::default();
        while let Some(rows) = chunks.recv().await {
            let rows = rows?;
            sum.add(&rows);
            step(count(&rows));
        }
        let is = sum.end(table.name);
        if (is.rows, is.hash) != (was.rows, was.hash) {
            return Err(CopyError::Differs { table: table.name });
        }
        told.push(is);
    }
    Ok(told)
}

async fn common(
    from: &mut dyn Side,
    to: &mut dyn Side,
    table: Table,
) -> Result<Vec<String>, CopyError> {
    let lasting = |columns: Vec<String>| {
        let mut columns: Vec<String> =
            columns.into_iter().filter(|name| !PASSING.contains(&name.as_str())).collect();
        columns.sort_unstable();
        columns
    };
    let columns = lasting(from.columns(table).await?);
    if columns != lasting(to.columns(table).await?) {
        return Err(CopyError::OtherColumns(table.name));
    }
    Ok(columns)
}

fn count(rows: &[Row]) -> u64 {
    u64::try_from(rows.len()).unwrap_or(u64::MAX)
}

#[derive(Default)]
struct Sum {
    hash: Sha256,
    rows: u64,
}

impl Sum {
    /// Each value with its kind and length, so that no two tables have the same bytes.
    fn add(&mut self, rows: &[Row]) {
        for row in rows {
            self.rows += 1;
            for cell in row {
                match cell {
                    Cell::Null => self.hash.update([0]),
                    Cell::Int(value) => {
                        self.hash.update([1]);
                        self.hash.update(value.to_be_bytes());
                    }
                    Cell::Text(text) => self.bytes(2, text.as_bytes()),
                    Cell::Bytes(bytes) => self.bytes(3, bytes),
                }
            }
        }
    }

    fn bytes(&mut self, kind: u8, bytes: &[u8]) {
        self.hash.update([kind]);
        self.hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        self.hash.update(bytes);
    }

    fn end(self, table: &'static str) -> Copied {
        Copied { table, rows: self.rows, hash: self.hash.finalize().into() }
    }
}
