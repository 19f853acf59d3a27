//! What the workers and the housekeeping ask for, and what processes tell each other.

use std::collections::BTreeMap;

use refundry_domain::changes::{Queue, Work};
use refundry_domain::ids::{KeyId, MerchantId, Timestamp};
use tokio_postgres::Row;

use super::fail::Fail;
use super::pool::{Lent, Params, Step};
use super::rows::Cells;
use super::single::many;
use crate::store::{KeyUse, rows};

/// How long work that one process was shown is left to it, before it has a lease.
const OFFER_MS: i64 = 1_000;

/// Merchants take turns, so that the work of one leaves room for everybody else's.
const DUE: &str = "SELECT w.queue, w.subject, w.due, w.lease_worker, w.lease_until, w.merchant \
    FROM merchants m CROSS JOIN LATERAL (SELECT * FROM work WHERE merchant = m.number \
    AND queue = $1 AND due <= $2 AND (lease_until IS NULL OR lease_until <= $2) \
    ORDER BY due LIMIT $3) w \
    ORDER BY row_number() OVER (PARTITION BY w.merchant ORDER BY w.due), w.due LIMIT $3";

pub async fn due(
    lent: &mut Lent,
    queue: Queue,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<(MerchantId, Work)>, Fail> {
    let (name, limit) = (queue.name(), i64::from(limit));
    let found = lent.send(&[Step::Query(DUE, vec![&name, &now.0, &limit])]).await?;
    lent.cleared();
    work(&found.into_iter().next().unwrap_or_default())
}

/// Rows that another process is just taking are locked, and passed over; those that it was shown a
/// moment ago are left to it.
const OFFER: &str = "WITH picked AS (SELECT w.merchant, w.queue, w.subject FROM merchants m \
    CROSS JOIN LATERAL (SELECT merchant, queue, subject, due FROM work \
    WHERE merchant = m.number AND queue = $1 AND due <= $2 \
    AND (lease_until IS NULL OR lease_until <= $2) \
    AND (offered_to = $4 OR offered_until <= $2) \
    ORDER BY due LIMIT $3 FOR UPDATE SKIP LOCKED) w \
    ORDER BY row_number() OVER (PARTITION BY w.merchant ORDER BY w.due), w.due LIMIT $3), \
    offered AS (UPDATE work SET offered_to = $4, offered_until = $2 + $5 FROM picked \
    WHERE work.merchant = picked.merchant AND work.queue = picked.queue \
    AND work.subject = picked.subject RETURNING work.queue, work.subject, work.due, \
    work.lease_worker, work.lease_until, work.merchant) SELECT * FROM offered ORDER BY due";

pub async fn offer(
    lent: &mut Lent,
    replica: i64,
    queue: Queue,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<(MerchantId, Work)>, Fail> {
    let (name, limit) = (queue.name(), i64::from(limit));
    let params: Params<'_> = vec![&name, &now.0, &limit, &replica, &OFFER_MS];
    let found = lent.send(&[Step::Query(OFFER, params)]).await?;
    lent.cleared();
    work(&found.into_iter().next().unwrap_or_default())
}

fn work(found: &[Row]) -> Result<Vec<(MerchantId, Work)>, Fail> {
    found.iter().map(|row| rows::work(&mut Cells::of(row))).collect()
}

/// Answers are numbered roughly in the order of time, so a merchant's oldest come first.
pub async fn forget(lent: &mut Lent, before: Timestamp, limit: u32) -> Result<u64, Fail> {
    let sql = "WITH old AS (SELECT o.merchant, o.number FROM merchants m CROSS JOIN LATERAL \
        (SELECT merchant, number, answered_at FROM answers WHERE merchant = m.number \
        ORDER BY number LIMIT $2) o WHERE o.answered_at < $1 ORDER BY o.number LIMIT $2), \
        gone AS (DELETE FROM answers a USING old WHERE a.merchant = old.merchant \
        AND a.number = old.number RETURNING 1) SELECT count(*) FROM gone";
    let limit = i64::from(limit);
    let found = lent.send(&[Step::Query(sql, vec![&before.0, &limit])]).await?;
    lent.cleared();
    let count: i64 = found[0].first().map_or(0, |row| row.get(0));
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Has what was never sent, of all merchants, count as sent; see [`Store::accept`](crate::store::Store).
pub async fn count_as_sent(lent: &mut Lent, at: Timestamp) -> Result<(), Fail> {
    let merchants = many(lent, "SELECT number FROM merchants ORDER BY number", vec![]).await?;
    let merchants: Vec<i64> = merchants.iter().map(|row| row.get(0)).collect();
    let sql = "UPDATE transactions t SET sends = 1, first_sent_at = $2 FROM work w \
        WHERE t.merchant = $1 AND w.merchant = $1 AND w.queue = 'pay' AND t.number = w.subject \
        AND t.sends = 0 AND t.execution = 'automatic'";
    for merchant in &merchants {
        lent.send(&[Step::Query(sql, vec![merchant, &at.0])]).await?;
        lent.cleared();
    }
    Ok(())
}

/// What was told longer ago is of a process that is gone.
const USE_KNOWN_MS: i64 = 60_000;

const TELL_USE: &str = "INSERT INTO key_use (merchant, key, replica, requests, told_at, day, calls) \
    SELECT $1, key, $4, requests, $5, $6, calls \
    FROM unnest($2::bigint[], $3::bigint[], $7::bigint[]) AS u (key, requests, calls) \
    ORDER BY key ON CONFLICT (merchant, key, replica) \
    DO UPDATE SET requests = excluded.requests, told_at = excluded.told_at, \
    day = excluded.day, calls = excluded.calls";
/// What a process that is gone has let through today still counts for the day.
const HEAR_USE: &str = "SELECT key, replica, CASE WHEN told_at > $4 THEN requests END, calls, day \
    FROM key_use WHERE merchant = $1 AND key = ANY($2) AND replica <> $3 \
    AND (told_at > $4 OR day = $5)";

/// Tells and hears of each merchant's keys by itself.
pub async fn share_use(
    lent: &mut Lent,
    replica: i64,
    used: &[KeyUse],
    at: Timestamp,
) -> Result<Vec<KeyUse>, Fail> {
    let mut by_merchant: BTreeMap<i64, [Vec<i64>; 3]> = BTreeMap::new();
    for one in used {
        let columns = by_merchant.entry(one.merchant.0).or_default();
        let row = [one.key.0, one.requests.unwrap_or(0), one.calls];
        columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
    }
    let today = used.first().map_or(0, |one| one.day);
    let since = at.after_ms(-USE_KNOWN_MS).0;
    let mut steps = Vec::new();
    for (merchant, [keys, requests, calls]) in &by_merchant {
        let told: Params<'_> = vec![merchant, keys, requests, &replica, &at.0, &today, calls];
        steps.push(Step::Query(TELL_USE, told));
        steps.push(Step::Query(HEAR_USE, vec![merchant, keys, &replica, &since, &today]));
    }
    let found = lent.send(&steps).await?;
    lent.cleared();
    let mut heard = Vec::new();
    for (merchant, rows) in by_merchant.keys().zip(found.iter().skip(1).step_by(2)) {
        heard.extend(rows.iter().map(|row| KeyUse {
            merchant: MerchantId(*merchant),
            key: KeyId(row.get(0)),
            process: row.get(1),
            requests: row.get(2),
            calls: row.get(3),
            day: row.get(4),
        }));
    }
    Ok(heard)
}

/// Forgets processes that are long gone.
pub async fn forget_use(lent: &mut Lent, at: Timestamp) -> Result<(), Fail> {
    let before = at.after_ms(-60 * USE_KNOWN_MS).0;
    let sql = "DELETE FROM key_use WHERE told_at < $1";
    lent.send(&[Step::Query(sql, vec![&before])]).await?;
    lent.cleared();
    Ok(())
}
