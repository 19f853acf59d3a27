//! What the workers and the housekeeping ask for.

use refundry_domain::changes::{Queue, Work};
use refundry_domain::ids::{MerchantId, Timestamp};
use rusqlite::Connection;

use super::{Fail, load, rows};

pub fn due(
    conn: &Connection,
    queue: Queue,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<(MerchantId, Work)>, Fail> {
    // Merchants take turns, so that the work of one leaves room for everybody else's.
    let sql = select!(
        WORK,
        "(SELECT *, row_number() OVER (PARTITION BY merchant ORDER BY due) AS turn \
        FROM work INDEXED BY work_by_due WHERE queue = ?1 AND due <= ?2 \
        AND (lease_until IS NULL OR lease_until <= ?2)) ORDER BY turn, due LIMIT ?3"
    );
    load::many(conn, sql, (queue.name(), now.0, limit), rows::work)
}

/// Answers are numbered in the order of time, so the oldest come first.
pub fn forget(conn: &Connection, before: Timestamp, limit: u32) -> Result<u64, Fail> {
    let sql = "DELETE FROM answers WHERE number IN (SELECT number FROM (SELECT number, answered_at \
        FROM answers ORDER BY number LIMIT ?2) WHERE answered_at < ?1)";
    let forgotten = conn.prepare_cached(sql)?.execute((before.0, limit))?;
    Ok(u64::try_from(forgotten).unwrap_or(u64::MAX))
}

/// What a disk has to have left before writes are taken again, in bytes.
const ROOM_LEAST: u64 = 1024 * 1024;

/// Whether a disk that was full has room again. A log that failed to grow leaves room inside it for
/// a small write where the next one finds none, so the disk itself is asked.
pub fn room(conn: &Connection) -> Result<(), Fail> {
    if let Some(disk) = conn.path().and_then(|path| rustix::fs::statvfs(path).ok()) {
        let left = disk.f_bavail.saturating_mul(disk.f_frsize);
        if left < ROOM_LEAST {
            return Err(Fail::Full(format!("the disk has {left} bytes left")));
        }
    }
    Ok(())
}

/// Writes something that changes nothing, to see whether it can be written.
pub fn probe(conn: &Connection) -> Result<(), Fail> {
    room(conn)?;
    conn.execute("UPDATE state SET value = value WHERE name = 'next'", [])?;
    Ok(())
}
