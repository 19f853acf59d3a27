//! Refunds counted by day.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use refundry_domain::day::Day;
use refundry_domain::ids::{EventId, MerchantId, RefundId, TransactionId};
use refundry_domain::report::Tally;
use tokio_postgres::Row;

use super::fail::Fail;
use super::pool::{Lent, Params, Step, ask};
use super::rows::{Cells, storable};
use super::single::many;
use super::{PostgresStore, days};
use crate::store::StoreError;
use crate::store::encode::read_settings;
use crate::store::reports::{
    CountFilter, CountRow, Counting, Piece, Progress, Reached, Reports, Told, counted, kept,
};
use crate::store::rows::Columns;

#[async_trait]
impl Reports for PostgresStore {
    async fn counting(&self, merchant: Option<MerchantId>) -> Result<Vec<Counting>, StoreError> {
        let mut lent = self.lent().await?;
        let sql = "SELECT m.number, m.settings, c.cursor, c.zone, \
            (SELECT coalesce(max(e.number), 0) FROM events e WHERE e.merchant = m.number) \
            FROM merchants m LEFT JOIN report_cursors c ON c.merchant = m.number \
            WHERE $1::bigint IS NULL OR m.number = $1 ORDER BY m.number";
        let merchant = merchant.map(|merchant| merchant.0);
        let found = many(&mut lent, sql, vec![&merchant]).await?;
        Ok(found.iter().map(counting).collect::<Result<_, _>>()?)
    }

    /// Behind the horizon: an event that is skipped here would never be counted.
    async fn to_count(
        &self,
        merchant: MerchantId,
        after: EventId,
        limit: u32,
    ) -> Result<Piece, StoreError> {
        self.may_write()?;
        let horizon = self.books.horizon.reach(&self.books).await?;
        let mut lent = self.lent().await?;
        Ok(piece(&mut lent, merchant, (after.0, horizon), limit).await?)
    }

    async fn counted_names(
        &self,
        merchant: MerchantId,
        days: Vec<String>,
    ) -> Result<Vec<(String, String, String)>, StoreError> {
        let mut lent = self.lent().await?;
        let sql = "SELECT DISTINCT day, provider, reason FROM report_days \
            WHERE merchant = $1 AND apart = 1 AND day = ANY($2)";
        let found = many(&mut lent, sql, vec![&merchant.0, &days]).await?;
        Ok(found.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
    }

    async fn add_counts(&self, progress: Arc<Vec<Progress>>) -> Result<usize, StoreError> {
        self.may_write()?;
        let mut lent = self.lent().await?;
        Ok(add(&mut lent, &progress).await?)
    }

    async fn counts(
        &self,
        merchant: MerchantId,
        filter: CountFilter,
    ) -> Result<Vec<CountRow>, StoreError> {
        let named = [&filter.provider, &filter.reason];
        if named.into_iter().flatten().any(|text| !storable(text)) {
            return Ok(Vec::new());
        }
        let mut lent = self.lent().await?;
        Ok(counts(&mut lent, merchant, &filter).await?)
    }

    async fn days(&self, merchant: MerchantId) -> Result<Vec<Day>, StoreError> {
        let mut lent = self.lent().await?;
        Ok(days::all(&mut lent, merchant).await?)
    }
}

fn counting(row: &Row) -> Result<Counting, Fail> {
    let mut cells = Cells::of(row);
    let merchant = MerchantId(cells.int()?);
    let settings = read_settings(cells.text()?)?;
    let (cursor, zone) = (cells.some_int()?, cells.some_text()?);
    Ok(Counting {
        merchant,
        reached: cursor.zip(zone).map(|(cursor, zone)| Reached { cursor: EventId(cursor), zone }),
        zone: settings.time_zone,
        newest: EventId(cells.int()?),
    })
}

async fn piece(
    lent: &mut Lent,
    merchant: MerchantId,
    (after, horizon): (i64, i64),
    limit: u32,
) -> Result<Piece, Fail> {
    // Written out, so that no plan is made for more rows than that.
    let sql = format!(
        "SELECT e.number, e.name, e.happened_at, e.data, e.subject, r.currency, r.reason, \
        r.created_at FROM (SELECT number, name, happened_at, subject, \
        CASE WHEN subject_kind = 'refund' THEN data END AS data FROM events \
        WHERE merchant = $1 AND number > $2 AND number <= $3 ORDER BY number LIMIT {limit}) e \
        LEFT JOIN refunds r ON e.data IS NOT NULL AND r.merchant = $1 AND r.number = e.subject \
        ORDER BY e.number"
    );
    let params: Params<'_> = vec![&merchant.0, &after, &horizon];
    let found = ask(lent, vec![Step::Query(&sql, params)]).await?;
    let mut piece = Piece::default();
    for row in &found[0] {
        let mut cells = Cells::of(row);
        piece.last = Some(EventId(cells.int()?));
        let (name, at) = (cells.text()?, cells.time()?);
        let data = cells.some_text()?;
        let refund = RefundId(cells.int()?);
        let (Some(data), Some(_)) = (data, row.get::<_, Option<&str>>(5)) else { continue };
        piece.told.push(Told {
            name: name.to_owned(),
            at,
            data,
            refund,
            currency: cells.currency()?,
            reason: cells.some_text()?,
            requested_at: cells.time()?,
        });
    }
    piece.payouts = payouts(lent, merchant, &piece.told).await?;
    Ok(piece)
}

async fn payouts(
    lent: &mut Lent,
    merchant: MerchantId,
    told: &[Told],
) -> Result<BTreeMap<RefundId, Vec<(TransactionId, String)>>, Fail> {
    let mut refunds: Vec<i64> = told.iter().map(|one| one.refund.0).collect();
    refunds.sort_unstable();
    refunds.dedup();
    let sql = "SELECT refund, number, provider FROM transactions \
        WHERE merchant = $1 AND refund = ANY($2) ORDER BY refund, number";
    let mut found: BTreeMap<RefundId, Vec<(TransactionId, String)>> = BTreeMap::new();
    for row in many(lent, sql, vec![&merchant.0, &refunds]).await? {
        let payout = (TransactionId(row.get(1)), row.get(2));
        found.entry(RefundId(row.get(0))).or_default().push(payout);
    }
    Ok(found)
}

/// What was counted, in the statement that moves the cursor, so that both are written or neither.
macro_rules! adding {
    ($moving:literal) => {
        concat!(
            "WITH moved AS (",
            $moving,
            " RETURNING merchant), put AS (INSERT INTO report_days (merchant, apart, day, \
            currency, provider, reason, counted, detail, times, amount) SELECT moved.merchant, u.* \
            FROM moved, unnest($6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[], \
            $11::text[], $12::text[], $13::bigint[], $14::bigint[]) AS u ON CONFLICT (merchant, \
            apart, day, currency, provider, reason, counted, detail) DO UPDATE SET \
            times = report_days.times + excluded.times, \
            amount = least(report_days.amount, 9223372036854775807 - excluded.amount) \
            + excluded.amount) SELECT count(*) FROM moved"
        )
    };
}

/// Nobody has counted before: $2 and $3 are not looked at.
const BEGIN: &str = adding!(
    "INSERT INTO report_cursors (merchant, cursor, zone, summed) \
    SELECT $1, $4, $5, $4 WHERE $2::bigint IS NULL AND $3::text IS NULL \
    ON CONFLICT (merchant) DO NOTHING"
);
const GO_ON: &str = adding!(
    "UPDATE report_cursors SET cursor = $4, zone = $5, summed = $4 \
    WHERE merchant = $1 AND cursor = $2 AND zone = $3"
);
/// In the same transaction, before anything is counted by another zone's clocks.
const CLEAR: &str = "DELETE FROM report_days d USING report_cursors c WHERE d.merchant = $1 \
    AND c.merchant = $1 AND c.cursor = $2 AND c.zone = $3";
const LOCK: &str = "SELECT 1 FROM report_cursors WHERE merchant = $1 FOR UPDATE";

/// Makes the sums of months anew, where somebody has counted who does not know of them.
macro_rules! summing {
    ($columns:literal, $by:literal) => {
        concat!(
            "INSERT INTO report_days (merchant, apart, day, currency, provider, reason, counted, \
            detail, times, amount) SELECT merchant, ",
            $columns,
            ", counted, detail, sum(times)::bigint, \
            least(sum(amount), 9223372036854775807)::bigint FROM report_days \
            WHERE merchant = $1 AND apart = 1 \
            AND (SELECT summed <> cursor FROM report_cursors WHERE merchant = $1) \
            GROUP BY merchant, substr(day, 1, 8), currency, ",
            $by,
            ", counted, detail"
        )
    };
}
const MEND: [&str; 4] = [
    "DELETE FROM report_days WHERE merchant = $1 AND apart > 1 \
    AND (SELECT summed <> cursor FROM report_cursors WHERE merchant = $1)",
    summing!("2, substr(day, 1, 8) || '01', currency, provider, ''", "provider"),
    summing!("3, substr(day, 1, 8) || '01', currency, '', reason", "reason"),
    "UPDATE report_cursors SET summed = cursor WHERE merchant = $1 AND summed <> cursor",
];

/// The columns of counts, each as a list.
#[derive(Default)]
struct Lists {
    cursor: Option<i64>,
    zone: Option<String>,
    apart: Vec<i64>,
    day: Vec<String>,
    currency: Vec<&'static str>,
    provider: Vec<String>,
    reason: Vec<String>,
    counted: Vec<&'static str>,
    detail: Vec<&'static str>,
    times: Vec<i64>,
    amount: Vec<i64>,
}

impl Lists {
    fn of(progress: &Progress) -> Lists {
        let mut lists = Lists {
            cursor: progress.from.as_ref().map(|from| from.cursor.0),
            zone: progress.from.as_ref().map(|from| from.zone.clone()),
            ..Lists::default()
        };
        for row in kept(&progress.counts) {
            let (counted, detail) = row.counted.names();
            lists.apart.push(row.apart);
            lists.day.push(row.day.into_owned());
            lists.currency.push(row.currency);
            lists.provider.push(row.provider.to_owned());
            lists.reason.push(row.reason.to_owned());
            lists.counted.push(counted);
            lists.detail.push(detail);
            lists.times.push(row.tally.times);
            lists.amount.push(row.tally.amount);
        }
        lists
    }
}

async fn add(lent: &mut Lent, progress: &[Progress]) -> Result<usize, Fail> {
    let mut written = 0;
    for one in progress {
        let lists = Lists::of(one);
        let (merchant, to) = (&one.merchant.0, &one.to);
        let params: Params<'_> = vec![
            merchant,
            &lists.cursor,
            &lists.zone,
            &to.cursor.0,
            &to.zone,
            &lists.apart,
            &lists.day,
            &lists.currency,
            &lists.provider,
            &lists.reason,
            &lists.counted,
            &lists.detail,
            &lists.times,
            &lists.amount,
        ];
        let sql = if one.from.is_some() { GO_ON } else { BEGIN };
        let mut steps = vec![Step::Plain("BEGIN"), Step::Query(LOCK, vec![merchant])];
        steps.extend(MEND.iter().map(|sql| Step::Query(sql, vec![merchant])));
        if one.from.as_ref().is_some_and(|from| from.zone != to.zone) {
            steps.push(Step::Query(CLEAR, vec![merchant, &lists.cursor, &lists.zone]));
        }
        let at = steps.len();
        steps.push(Step::Query(sql, params));
        steps.push(Step::Plain("COMMIT"));
        let found = lent.send(&steps).await?;
        lent.cleared();
        let moved = found.get(at).and_then(|rows| rows.first());
        written += usize::from(moved.is_some_and(|row| row.get::<_, i64>(0) > 0));
    }
    Ok(written)
}

async fn counts(
    lent: &mut Lent,
    merchant: MerchantId,
    filter: &CountFilter,
) -> Result<Vec<CountRow>, Fail> {
    let (only, spans) = (filter.by.only(), filter.spans());
    let code = filter.currency.map(|currency| currency.code());
    let mut params: Params<'_> = vec![&merchant.0, &only, &code, &filter.provider, &filter.reason];
    let mut pieces = Vec::new();
    for span in &spans {
        let at = params.len() + 1;
        pieces.push(format!(
            "SELECT {key} AS what, currency, counted, detail, times, amount FROM report_days \
            WHERE merchant = $1 AND apart = ${at} AND day >= ${from} AND day <= ${to} \
            AND ($2::text IS NULL OR counted = $2) AND ($3::text IS NULL OR currency = $3) \
            AND ($4::text IS NULL OR provider = $4) AND ($5::text IS NULL OR reason = $5)",
            key = filter.by.sql(),
            from = at + 1,
            to = at + 2,
        ));
        params.push(&span.apart);
        params.push(&span.from);
        params.push(&span.to);
    }
    let sql = format!(
        "SELECT what, currency, counted, detail, sum(times)::bigint, \
        least(sum(amount), 9223372036854775807)::bigint FROM ({rows}) AS rows \
        GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
        rows = pieces.join(" UNION ALL "),
    );
    let found = many(lent, &sql, params).await?;
    let read = |row: &Row| -> Result<CountRow, Fail> {
        let mut cells = Cells::of(row);
        let key = cells.text()?.to_owned();
        let currency = cells.currency()?;
        let (name, detail) = (cells.text()?, cells.text()?);
        let counted = counted(name, detail)?;
        let tally = Tally { times: cells.int()?, amount: cells.int()? };
        Ok(CountRow { key, currency, counted, tally })
    };
    found.iter().map(read).collect()
}
