//! Refunds counted by day.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use refundry_domain::day::Day;
use refundry_domain::ids::{EventId, MerchantId, RefundId, Timestamp, TransactionId};
use refundry_domain::report::Tally;
use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use super::{Fail, SqliteStore, days, load};
use crate::store::encode::{currency, read_settings};
use crate::store::reports::{
    CountFilter, CountRow, Counting, Piece, Progress, Reached, Reports, Told, counted, kept,
};
use crate::store::{StoreError, facts};

#[async_trait]
impl Reports for SqliteStore {
    async fn counting(&self, merchant: Option<MerchantId>) -> Result<Vec<Counting>, StoreError> {
        self.read(move |conn| counting(conn, merchant)).await
    }

    async fn to_count(
        &self,
        merchant: MerchantId,
        after: EventId,
        limit: u32,
    ) -> Result<Piece, StoreError> {
        self.read(move |conn| piece(conn, merchant, after, limit)).await
    }

    async fn counted_names(
        &self,
        merchant: MerchantId,
        days: Vec<String>,
    ) -> Result<Vec<(String, String, String)>, StoreError> {
        self.read(move |conn| {
            let sql = "SELECT DISTINCT day, provider, reason FROM report_days \
                WHERE merchant = ?1 AND apart = 1 AND day IN (SELECT value FROM json_each(?2))";
            load::many(conn, sql, (merchant.0, facts::json(&days)), |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
        })
        .await
    }

    async fn add_counts(&self, progress: Arc<Vec<Progress>>) -> Result<usize, StoreError> {
        self.write(move |writer| {
            writer.transaction(|writer, _| {
                let mut written = 0;
                for one in progress.iter() {
                    written += usize::from(add(&writer.conn, one)?);
                }
                Ok(written)
            })
        })
        .await
    }

    async fn counts(
        &self,
        merchant: MerchantId,
        filter: CountFilter,
    ) -> Result<Vec<CountRow>, StoreError> {
        self.read(move |conn| counts(conn, merchant, &filter)).await
    }

    async fn days(&self, merchant: MerchantId) -> Result<Vec<Day>, StoreError> {
        self.read(move |conn| days::all(conn, merchant)).await
    }
}

fn counting(conn: &Connection, merchant: Option<MerchantId>) -> Result<Vec<Counting>, Fail> {
    let sql = "SELECT m.number, m.settings, c.cursor, c.zone, \
        (SELECT ifnull(max(e.number), 0) FROM events e WHERE e.merchant = m.number) \
        FROM merchants m LEFT JOIN report_cursors c ON c.merchant = m.number \
        WHERE ?1 IS NULL OR m.number = ?1 ORDER BY m.number";
    load::many(conn, sql, [merchant.map(|merchant| merchant.0)], |row| {
        let settings: String = row.get(1)?;
        let (cursor, zone): (Option<i64>, Option<String>) = (row.get(2)?, row.get(3)?);
        Ok(Counting {
            merchant: MerchantId(row.get(0)?),
            reached: cursor
                .zip(zone)
                .map(|(cursor, zone)| Reached { cursor: EventId(cursor), zone }),
            zone: read_settings(&settings)?.time_zone,
            newest: EventId(row.get(4)?),
        })
    })
}

fn piece(
    conn: &Connection,
    merchant: MerchantId,
    after: EventId,
    limit: u32,
) -> Result<Piece, Fail> {
    let sql = "SELECT e.number, e.name, e.happened_at, e.data, e.subject, r.currency, r.reason, \
        r.created_at FROM (SELECT number, name, happened_at, subject, \
        iif(subject_kind = 'refund', data, NULL) AS data FROM events \
        WHERE merchant = ?1 AND number > ?2 ORDER BY number LIMIT ?3) e \
        LEFT JOIN refunds r ON e.data IS NOT NULL AND r.merchant = ?1 AND r.number = e.subject \
        ORDER BY e.number";
    let rows = load::many(conn, sql, (merchant.0, after.0, limit), |row| {
        let number = EventId(row.get(0)?);
        let (Some(data), Some(code)) = (row.get(3)?, row.get::<_, Option<String>>(5)?) else {
            return Ok((number, None));
        };
        let told = Told {
            name: row.get(1)?,
            at: Timestamp(row.get(2)?),
            data,
            refund: RefundId(row.get(4)?),
            currency: currency(&code)?,
            reason: row.get(6)?,
            requested_at: Timestamp(row.get(7)?),
        };
        Ok((number, Some(told)))
    })?;
    let last = rows.last().map(|(number, _)| *number);
    let told: Vec<Told> = rows.into_iter().filter_map(|(_, told)| told).collect();
    let payouts = payouts(conn, merchant, &told)?;
    Ok(Piece { told, payouts, last })
}

fn payouts(
    conn: &Connection,
    merchant: MerchantId,
    told: &[Told],
) -> Result<BTreeMap<RefundId, Vec<(TransactionId, String)>>, Fail> {
    let sql = "SELECT number, provider FROM transactions INDEXED BY transactions_by_refund \
        WHERE merchant = ?1 AND refund = ?2 ORDER BY number";
    let mut found = BTreeMap::new();
    for one in told {
        if found.contains_key(&one.refund) {
            continue;
        }
        let rows = load::many(conn, sql, (merchant.0, one.refund.0), |row| {
            Ok((TransactionId(row.get(0)?), row.get(1)?))
        })?;
        found.insert(one.refund, rows);
    }
    Ok(found)
}

/// The sum of amounts, or the largest number when it is beyond that: `sum` fails then.
macro_rules! sum {
    () => {
        "CASE WHEN sum(amount >> 20) >= 8796093022207 THEN 9223372036854775807 \
        ELSE (sum(amount >> 20) << 20) + sum(amount & 1048575) END"
    };
}

/// Makes the sums of months anew where somebody has counted who does not know of them.
const MEND: [&str; 4] = [
    "DELETE FROM report_days WHERE merchant = ?1 AND apart > 1 \
    AND (SELECT summed <> cursor FROM report_cursors WHERE merchant = ?1)",
    concat!(
        "INSERT INTO report_days (merchant, apart, day, currency, provider, reason, counted, detail, \
        times, amount) SELECT merchant, 2, substr(day, 1, 8) || '01', currency, provider, '', \
        counted, detail, sum(times), ",
        sum!(),
        " FROM report_days WHERE merchant = ?1 AND apart = 1 \
        AND (SELECT summed <> cursor FROM report_cursors WHERE merchant = ?1) \
        GROUP BY merchant, substr(day, 1, 8), currency, provider, counted, detail"
    ),
    concat!(
        "INSERT INTO report_days (merchant, apart, day, currency, provider, reason, counted, detail, \
        times, amount) SELECT merchant, 3, substr(day, 1, 8) || '01', currency, '', reason, \
        counted, detail, sum(times), ",
        sum!(),
        " FROM report_days WHERE merchant = ?1 AND apart = 1 \
        AND (SELECT summed <> cursor FROM report_cursors WHERE merchant = ?1) \
        GROUP BY merchant, substr(day, 1, 8), currency, reason, counted, detail"
    ),
    "UPDATE report_cursors SET summed = cursor WHERE merchant = ?1 AND summed <> cursor",
];

/// Whether the cursor was where the counting began.
fn add(conn: &Connection, progress: &Progress) -> Result<bool, Fail> {
    let (merchant, to) = (progress.merchant.0, &progress.to);
    for sql in MEND {
        conn.prepare_cached(sql)?.execute([merchant])?;
    }
    let moved = match &progress.from {
        None => {
            let sql = "INSERT INTO report_cursors (merchant, cursor, zone, summed) VALUES (?1, ?2, ?3, ?2) \
                ON CONFLICT (merchant) DO NOTHING";
            conn.prepare_cached(sql)?.execute((merchant, to.cursor.0, &to.zone))?
        }
        Some(from) => {
            let sql = "UPDATE report_cursors SET cursor = ?4, zone = ?5, summed = ?4 \
                WHERE merchant = ?1 AND cursor = ?2 AND zone = ?3";
            let values = params![merchant, from.cursor.0, from.zone, to.cursor.0, to.zone];
            conn.prepare_cached(sql)?.execute(values)?
        }
    };
    if moved == 0 {
        return Ok(false);
    }
    if progress.from.as_ref().is_some_and(|from| from.zone != to.zone) {
        conn.prepare_cached("DELETE FROM report_days WHERE merchant = ?1")?.execute([merchant])?;
    }
    let sql = "INSERT INTO report_days (merchant, apart, day, currency, provider, reason, counted, \
        detail, times, amount) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
        ON CONFLICT (merchant, apart, day, currency, provider, reason, counted, detail) \
        DO UPDATE SET times = times + ?9, \
        amount = min(amount, 9223372036854775807 - ?10) + ?10";
    let mut statement = conn.prepare_cached(sql)?;
    for row in kept(&progress.counts) {
        let (counted, detail) = row.counted.names();
        statement.execute(params![
            merchant,
            row.apart,
            &*row.day,
            row.currency,
            row.provider,
            row.reason,
            counted,
            detail,
            row.tally.times,
            row.tally.amount,
        ])?;
    }
    Ok(true)
}

fn counts(
    conn: &Connection,
    merchant: MerchantId,
    filter: &CountFilter,
) -> Result<Vec<CountRow>, Fail> {
    let fields = [
        ("counted", filter.by.only().map(str::to_owned)),
        ("currency", filter.currency.map(|currency| currency.code().to_owned())),
        ("provider", filter.provider.clone()),
        ("reason", filter.reason.clone()),
    ];
    let (mut pieces, mut values) = (Vec::new(), Vec::new());
    for span in filter.spans() {
        let mut sql = format!(
            "SELECT {key} AS what, currency, counted, detail, times, amount FROM report_days \
            WHERE merchant = ? AND apart = ? AND day >= ? AND day <= ?",
            key = filter.by.sql(),
        );
        values.extend([Value::Integer(merchant.0), Value::Integer(span.apart)]);
        values.extend([Value::Text(span.from), Value::Text(span.to)]);
        for (field, value) in &fields {
            if let Some(value) = value {
                sql.push_str(&format!(" AND {field} = ?"));
                values.push(Value::Text(value.clone()));
            }
        }
        pieces.push(sql);
    }
    let sql = format!(
        "SELECT what, currency, counted, detail, sum(times), {sum} FROM ({rows}) \
        GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
        sum = sum!(),
        rows = pieces.join(" UNION ALL "),
    );
    load::many(conn, &sql, params_from_iter(values), |row| {
        let (code, name, detail): (String, String, String) =
            (row.get(1)?, row.get(2)?, row.get(3)?);
        Ok(CountRow {
            key: row.get(0)?,
            currency: currency(&code)?,
            counted: counted(&name, &detail)?,
            tally: Tally { times: row.get(4)?, amount: row.get(5)? },
        })
    })
}
