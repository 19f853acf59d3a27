//! Seals over all events, and how the books stand to their anchor.

use refundry_domain::ids::{EventId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::Fail;
use super::admin::{self, By, FIRST};
use super::commit::Batch;
use super::load;
use super::rows;
use super::shelf::Shelf;
use super::writer::Writer;
use crate::store::anchor::{Found, Mark};
use crate::store::facts::{Sealing, Unlinked};
use crate::store::{SENT_BEFORE_MS, Seal, Standing, StoreError};

/// Adds a seal over the events that were committed since the last one, if there are any.
pub fn add(writer: &mut Writer, batch: &mut Batch, at: Timestamp) -> Result<Option<Seal>, Fail> {
    let (events, Some((_, last_event, _))) = (writer.unsealed, writer.mark.event) else {
        return Ok(None);
    };
    if events == 0 {
        return Ok(None);
    }
    let seal = Seal {
        number: batch.numbers.take(),
        last_event: EventId(last_event),
        events,
        digest: writer.sealing.clone().digest(),
        at,
    };
    let sql = "INSERT INTO seals (number, last_event, events, digest, sealed_at) \
        VALUES (?1, ?2, ?3, ?4, ?5)";
    writer.conn.prepare_cached(sql)?.execute(params![
        seal.number,
        seal.last_event.0,
        seal.events,
        seal.digest,
        seal.at.0
    ])?;
    writer.sealing = Sealing::after(&seal.digest);
    writer.unsealed = 0;
    writer.mark.seal = Some((seal.number, seal.digest));
    Ok(Some(seal))
}

pub fn all(conn: &Connection) -> Result<Vec<Seal>, Fail> {
    load::many(conn, select!(SEAL, "seals ORDER BY number"), [], rows::seal)
}

pub fn newest(conn: &Connection) -> Result<Option<Seal>, Fail> {
    load::one(conn, select!(SEAL, "seals ORDER BY number DESC LIMIT 1"), [], rows::seal)
}

/// Merchant, number and hash of the events of all merchants after one, in order of number, at
/// most `limit`.
pub fn hashes(
    conn: &Connection,
    after: i64,
    limit: u32,
) -> Result<Vec<(i64, i64, [u8; 32])>, Fail> {
    let merchants = load::many(conn, "SELECT number FROM merchants", [], |row| Ok(row.get(0)?))?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut found: Vec<(i64, i64, [u8; 32])> = Vec::new();
    for merchant in merchants {
        let merchant: i64 = merchant;
        // Beyond the last of a full list, nothing of another merchant can be among the first.
        let end = if found.len() >= limit { found[limit - 1].1 } else { i64::MAX };
        let sql = "SELECT number, hash FROM events WHERE merchant = ?1 AND number > ?2 \
            AND number < ?3 ORDER BY number LIMIT ?4";
        let rows = load::many(
            conn,
            sql,
            (merchant, after, end, i64::try_from(limit).unwrap_or(i64::MAX)),
            |row| Ok((merchant, row.get(0)?, row.get(1)?)),
        )?;
        found.extend(rows);
        found.sort_unstable_by_key(|(_, number, _)| *number);
        found.truncate(limit);
    }
    Ok(found)
}

/// The hash of an event, if it is there.
pub fn hash_of(conn: &Connection, merchant: i64, number: i64) -> Result<Option<[u8; 32]>, Fail> {
    let sql = "SELECT hash FROM events WHERE merchant = ?1 AND number = ?2";
    Ok(conn.prepare_cached(sql)?.query_row((merchant, number), |row| row.get(0)).optional()?)
}

/// Merchant, number and hash of the event with this number, whosever it is.
pub fn event_numbered(
    conn: &Connection,
    number: i64,
) -> Result<Option<(i64, i64, [u8; 32])>, Fail> {
    let merchants = load::many(conn, "SELECT number FROM merchants", [], |row| Ok(row.get(0)?))?;
    for merchant in merchants {
        if let Some(hash) = hash_of(conn, merchant, number)? {
            return Ok(Some((merchant, number, hash)));
        }
    }
    Ok(None)
}

/// What the anchor has seen and the books lack, if anything. `mark` is the end of the books.
pub fn behind(conn: &Connection, found: &Found, mark: &Mark) -> Result<Option<String>, Fail> {
    let seen = match found {
        Found::Nothing if mark.event.is_none() => return Ok(None),
        Found::Nothing => {
            return Ok(Some(
                "the anchor file beside the database is gone, so nobody can tell whether the \
                books are complete"
                    .to_owned(),
            ));
        }
        Found::Unreadable => {
            return Ok(Some(
                "the anchor file beside the database cannot be read, so nobody can tell whether \
                the books are complete"
                    .to_owned(),
            ));
        }
        Found::Mark(seen) => seen,
    };
    if let Some((merchant, number, hash)) = seen.event {
        let kept = hash_of(conn, merchant, number)?;
        if kept != Some(hash) {
            let how = if kept.is_some() { "says something else" } else { "is not there" };
            return Ok(Some(format!(
                "event {number} was in the books when they were last seen and {how} now"
            )));
        }
    }
    if let Some((number, digest)) = seen.seal {
        let kept =
            load::one(conn, "SELECT digest FROM seals WHERE number = ?1", [number], |row| {
                Ok(row.get::<_, [u8; 32]>(0)?)
            })?;
        if kept != Some(digest) {
            let how = if kept.is_some() { "says something else" } else { "is not there" };
            return Ok(Some(format!(
                "seal {number} was in the books when they were last seen and {how} now"
            )));
        }
    }
    Ok(None)
}

/// How many of the newest events are looked at when the books are opened.
const NEWEST: usize = 250;

/// The first of the newest events that does not follow from the one before it, if any.
pub fn altered(conn: &Connection, tail: &[(i64, i64, [u8; 32])]) -> Result<Option<String>, Fail> {
    let sql = select!(EVENT, "events WHERE merchant = ?1 AND number = ?2");
    for (merchant, number, _) in &tail[tail.len().saturating_sub(NEWEST)..] {
        let found = load::one(conn, sql, (merchant, number), rows::event)?;
        let (event, previous) = found.ok_or_else(|| load::missing("event", *number))?;
        let predecessor = match previous {
            0 => Some([0; 32]),
            _ => hash_of(conn, *merchant, previous)?,
        };
        if predecessor.is_none_or(|hash| Unlinked::of(&event).hash(&hash) != event.hash) {
            return Ok(Some(format!("event {number} is not what it was when it was written")));
        }
    }
    Ok(None)
}

/// Takes the books as they are for the truth: says so in an event, and tells the anchor.
pub fn accept(writer: &mut Writer, by: &By) -> Result<(), StoreError> {
    let Standing::Behind(why) = writer.standing.read().clone() else { return Ok(()) };
    let data = serde_json::json!({ "why": why }).to_string();
    writer.transaction(|writer, batch| {
        let subject = ("merchant", FIRST.0);
        let sql = "UPDATE transactions SET sends = 1, first_sent_at = ?1 WHERE sends = 0 \
            AND execution = 'automatic' AND (merchant, number) IN (SELECT merchant, subject \
            FROM work WHERE queue = 'pay' AND subject < \
            (SELECT value FROM state WHERE name = 'behind_from'))";
        writer.conn.execute(sql, [by.at.after_ms(-SENT_BEFORE_MS).0])?;
        writer.conn.execute("DELETE FROM state WHERE name = 'behind_from'", [])?;
        // The books that are kept beside the writer have it otherwise.
        batch.shelf = Shelf::default();
        admin::event(&writer.conn, batch, FIRST, by, "books.accepted", subject, &data)
    })?;
    *writer.standing.write() = Standing::Intact;
    writer.write_anchor();
    writer.anchor.sync().map_err(|error| StoreError::Unavailable(error.to_string()))
}
