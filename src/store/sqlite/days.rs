//! What a merchant has decided to give back on each of its days.

use refundry_domain::day::Day;
use refundry_domain::ids::MerchantId;
use rusqlite::Connection;

use super::{Fail, load, rows};
use crate::store::encode;
use crate::store::{Intent, settle};

/// The day that the intent may count on, as it is so far.
pub fn wanted(conn: &Connection, intent: &Intent) -> Result<Option<Day>, Fail> {
    let Some(date) = settle::day(intent) else { return Ok(None) };
    let sql = select!(DAY, "daily_totals WHERE merchant = ?1 AND day = ?2");
    let found = load::one(conn, sql, (intent.merchant.0, &date), rows::day)?;
    Ok(Some(found.unwrap_or_else(|| Day::new(date))))
}

pub fn write(conn: &Connection, merchant: MerchantId, day: &Day) -> Result<(), Fail> {
    let sql = "INSERT INTO daily_totals (merchant, day, refunds, amounts) \
        VALUES (?1, ?2, ?3, ?4) ON CONFLICT (merchant, day) DO UPDATE \
        SET refunds = excluded.refunds, amounts = excluded.amounts";
    let row = (merchant.0, &day.date, day.refunds, encode::sums(&day.amounts));
    conn.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

pub fn all(conn: &Connection, merchant: MerchantId) -> Result<Vec<Day>, Fail> {
    let sql = select!(DAY, "daily_totals WHERE merchant = ?1 ORDER BY day");
    load::many(conn, sql, [merchant.0], rows::day)
}
