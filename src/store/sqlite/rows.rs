//! Rows of this database as values of the domain.

use refundry_domain::changes::Work;
use refundry_domain::credit::{Account, Entry};
use refundry_domain::day::Day;
use refundry_domain::ids::MerchantId;
use refundry_domain::merchant::{Connection, Key, Merchant};
use refundry_domain::order::Line;
use refundry_domain::refund::Refund;
use refundry_domain::returns::Return;
use rusqlite::Row;

use super::Fail;
use crate::store::rows::{self as shared};
pub use crate::store::rows::{
    ACCOUNT, CONNECTION, DAY, ENDPOINT, ENTRY, EVENT, Head, KEY, LINE, MERCHANT, ORDER, REFUND,
    RETURN, SEAL, TRANSACTION, TRANSFER_FILE, WORK,
};
use crate::store::vault::TransferFile;
use crate::store::{Event, Seal, TransactionRow, credits, encode};

pub fn order(row: &Row<'_>, merchant: MerchantId) -> Result<Head, Fail> {
    shared::order(&mut Columns::of(row), merchant)
}

pub fn line(row: &Row<'_>) -> Result<Line, Fail> {
    shared::line(&mut Columns::of(row))
}

pub fn transaction(row: &Row<'_>) -> Result<TransactionRow, Fail> {
    shared::transaction(&mut Columns::of(row))
}

/// Without its transactions; and the number of the order's refund before it.
pub fn refund(row: &Row<'_>) -> Result<(Refund, i64), Fail> {
    shared::refund(&mut Columns::of(row))
}

pub fn transfer_file(row: &Row<'_>) -> Result<TransferFile, Fail> {
    shared::transfer_file(&mut Columns::of(row))
}

pub fn return_of(row: &Row<'_>) -> Result<Return, Fail> {
    shared::return_of(&mut Columns::of(row))
}

/// And the number of the event before it in its chain.
pub fn event(row: &Row<'_>) -> Result<(Event, i64), Fail> {
    shared::event(&mut Columns::of(row))
}

pub fn merchant(row: &Row<'_>) -> Result<Merchant, Fail> {
    shared::merchant(&mut Columns::of(row))
}

pub fn key(row: &Row<'_>) -> Result<Key, Fail> {
    shared::key(&mut Columns::of(row))
}

pub fn connection(row: &Row<'_>) -> Result<Connection, Fail> {
    shared::connection(&mut Columns::of(row))
}

pub fn work(row: &Row<'_>) -> Result<(MerchantId, Work), Fail> {
    shared::work(&mut Columns::of(row))
}

pub fn day(row: &Row<'_>) -> Result<Day, Fail> {
    shared::day(&mut Columns::of(row))
}

pub fn seal(row: &Row<'_>) -> Result<Seal, Fail> {
    shared::seal(&mut Columns::of(row))
}

pub fn account(row: &Row<'_>) -> Result<Account, Fail> {
    credits::account(&mut Columns::of(row))
}

pub fn entry(row: &Row<'_>) -> Result<Entry, Fail> {
    credits::entry(&mut Columns::of(row))
}

/// The columns of a row, one after the other.
pub(super) struct Columns<'a> {
    row: &'a Row<'a>,
    next: usize,
}

impl<'a> Columns<'a> {
    pub fn of(row: &'a Row<'a>) -> Columns<'a> {
        Columns { row, next: 0 }
    }

    fn at(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }
}

impl<'a> shared::Columns<'a> for Columns<'a> {
    type Fail = Fail;

    fn skip(&mut self, columns: usize) {
        self.next += columns;
    }

    fn int(&mut self) -> Result<i64, Fail> {
        let at = self.at();
        Ok(self.row.get(at)?)
    }

    fn some_int(&mut self) -> Result<Option<i64>, Fail> {
        let at = self.at();
        Ok(self.row.get(at)?)
    }

    fn flag(&mut self) -> Result<bool, Fail> {
        Ok(self.int()? != 0)
    }

    fn maybe_text(&mut self) -> Result<Option<&'a str>, Fail> {
        let at = self.at();
        let value = self.row.get_ref(at)?;
        value
            .as_str_or_null()
            .map_err(|_| encode::unreadable("a text column", "something else").into())
    }

    fn peek_text(&mut self) -> Result<&'a str, Fail> {
        let value = self.row.get_ref(self.next)?;
        value.as_str().map_err(|_| encode::unreadable("a text column", "something else").into())
    }

    fn some_bytes(&mut self) -> Result<Option<Vec<u8>>, Fail> {
        let at = self.at();
        Ok(self.row.get(at)?)
    }

    fn hash(&mut self) -> Result<[u8; 32], Fail> {
        let at = self.at();
        Ok(self.row.get(at)?)
    }
}
