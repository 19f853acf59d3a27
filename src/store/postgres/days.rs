//! What a merchant has decided to give back on each of its days.

use refundry_domain::day::Day;
use refundry_domain::ids::MerchantId;

use super::fail::Fail;
use super::pool::{Lent, Step};
use super::rows::{Cells, select};
use super::statements::UPDATE_DAYS;
use super::write::{Columns, Rows, Statement};
use crate::store::{encode, rows};

/// Every day that something may count on has a row, so that it can be locked. Who makes it makes
/// others wait who want to, and they find it then.
pub const BEGIN: &str = "INSERT INTO daily_totals (merchant, day, refunds, amounts) \
    SELECT $1, day, 0, '{}' FROM unnest($2::text[]) AS new (day) ORDER BY day \
    ON CONFLICT DO NOTHING";

/// Locked after all orders and accounts, and in order of date, until the batch is committed: so what
/// counts on one day is decided one batch after the other.
pub fn locked() -> &'static str {
    select!(DAY, "daily_totals WHERE merchant = $1 AND day = ANY($2) ORDER BY day FOR UPDATE")
}

impl<'a> Rows<'a> {
    pub fn updated_days(&'a self) -> Option<Statement<'a>> {
        Columns::of(&self.days)
            .with(|row| row.date.as_str())
            .with(|row| i64::from(row.refunds))
            .with(|row| encode::sums(&row.amounts))
            .sql(&UPDATE_DAYS)
    }
}

pub async fn all(lent: &mut Lent, merchant: MerchantId) -> Result<Vec<Day>, Fail> {
    let sql = select!(DAY, "daily_totals WHERE merchant = $1 ORDER BY day");
    let found = lent.send(&[Step::Query(sql, vec![&merchant.0])]).await?;
    found.iter().flatten().map(|row| rows::day(&mut Cells::of(row))).collect()
}
