//! Rows of this database as values of the domain.

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::fail::Fail;
use crate::store::encode;
use crate::store::rows::Columns;

/// Whether the database can hold the text at all. Where it cannot, no row has it.
pub fn storable(text: &str) -> bool {
    !text.contains('\0')
}

/// The columns of a row, one after the other.
pub struct Cells<'a> {
    row: &'a Row,
    next: usize,
}

impl<'a> Cells<'a> {
    pub fn of(row: &'a Row) -> Cells<'a> {
        Cells { row, next: 0 }
    }

    /// Begins at a later column.
    pub fn from(row: &'a Row, next: usize) -> Cells<'a> {
        Cells { row, next }
    }

    fn get<T: FromSql<'a>>(&mut self) -> Result<T, Fail> {
        let at = self.next;
        self.next += 1;
        self.row
            .try_get(at)
            .map_err(|error| encode::unreadable("a column", super::fail::causes(&error)).into())
    }
}

impl<'a> Columns<'a> for Cells<'a> {
    type Fail = Fail;

    fn skip(&mut self, columns: usize) {
        self.next += columns;
    }

    fn int(&mut self) -> Result<i64, Fail> {
        self.get()
    }

    fn some_int(&mut self) -> Result<Option<i64>, Fail> {
        self.get()
    }

    fn flag(&mut self) -> Result<bool, Fail> {
        self.get()
    }

    fn maybe_text(&mut self) -> Result<Option<&'a str>, Fail> {
        self.get()
    }

    fn peek_text(&mut self) -> Result<&'a str, Fail> {
        let text = self.get()?;
        self.next -= 1;
        Ok(text)
    }

    fn some_bytes(&mut self) -> Result<Option<Vec<u8>>, Fail> {
        self.get()
    }

    fn hash(&mut self) -> Result<[u8; 32], Fail> {
        let bytes: &[u8] = self.get()?;
        bytes.try_into().map_err(|_| encode::unreadable("a hash", bytes.len()).into())
    }
}

/// `SELECT` the columns of a list in `rows` from the rest of a query, as one text that is made
/// once.
macro_rules! select {
    ($columns:ident, $rest:expr) => {{
        static SQL: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
            format!("SELECT {} FROM {}", crate::store::rows::$columns, $rest)
        });
        SQL.as_str()
    }};
}
pub(super) use select;
