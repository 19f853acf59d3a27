//! Seals over all events, and how the books stand to what was seen of them.

use refundry_domain::ids::{EventId, Timestamp};
use tokio_postgres::Row;

use super::fail::{Fail, missing};
use super::load::NUMBERS;
use super::pool::{Lent, Step};
use super::rows::{Cells, select};
use super::{Books, pool};
use crate::store::Seal;
use crate::store::anchor::Found;
use crate::store::facts::{Sealing, Unlinked};
use crate::store::rows;

/// How many events a seal covers at most.
const MOST_SEALED: i64 = 20_000;

/// Merchant, number and hash of the events of all merchants after one and up to another, in order
/// of number.
const HASHES: &str = "SELECT e.merchant, e.number, e.hash FROM merchants m CROSS JOIN LATERAL \
    (SELECT merchant, number, hash FROM events WHERE merchant = m.number AND number > $1 \
    AND number <= $2 ORDER BY number LIMIT $3) e ORDER BY e.number LIMIT $3";

/// Adds seals over the events that are final, until all are sealed; answers the last one.
pub async fn add(books: &Books, at: Timestamp) -> Result<Option<Seal>, Fail> {
    counted(books).await?;
    let horizon = books.horizon.reach(books).await?;
    let mut last = None;
    loop {
        let mut lent = pool::lend(&books.pool, books.timeout).await?;
        match one(&mut lent, horizon, at).await {
            Ok(Some(seal)) => {
                books.watch.saw(None, Some((seal.number, seal.digest)));
                books.watch.sync();
                let full = seal.events == MOST_SEALED;
                last = Some(seal);
                if !full {
                    return Ok(last);
                }
            }
            Ok(None) => return Ok(last),
            Err(fail) => {
                let _ = lent.roll_back().await;
                return Err(fail);
            }
        }
    }
}

/// Has the database count the rows of tables that have grown and were never counted: until it does
/// so by itself, which takes minutes, it plans as if they were empty and reads them whole.
async fn counted(books: &Books) -> Result<(), Fail> {
    let mut lent = pool::lend(&books.pool, books.timeout).await?;
    let sql = "SELECT oid::regclass::text FROM pg_class \
        WHERE relnamespace = to_regnamespace(current_schema()) AND relkind = 'r' \
        AND reltuples < 0 AND pg_relation_size(oid) >= 100 * 8192";
    let found = lent.send(&[Step::Query(sql, vec![])]).await?;
    for row in found.iter().flatten() {
        let table: &str = row.get(0);
        lent.send(&[Step::Plain(&format!("ANALYZE {table}"))]).await?;
    }
    lent.cleared();
    Ok(())
}

/// One after the other over all replicas: a seal covers the one before it.
async fn one(lent: &mut Lent, horizon: i64, at: Timestamp) -> Result<Option<Seal>, Fail> {
    let blocks = 1_i64;
    let steps = [
        Step::Plain("BEGIN ISOLATION LEVEL READ COMMITTED"),
        Step::Query("SELECT value FROM state WHERE name = 'instance' FOR UPDATE", vec![]),
        Step::Query(newest_sql(), vec![]),
        Step::Query(NUMBERS, vec![&blocks]),
    ];
    let answers = lent.send(&steps).await?;
    let newest = seal_of(&answers[2])?;
    let number: i64 = answers[3].first().map_or(0, |row| row.get(0));
    let (after, before) = newest.map_or((0, [0; 32]), |seal| (seal.last_event.0, seal.digest));
    let found = lent.send(&[Step::Query(HASHES, vec![&after, &horizon, &MOST_SEALED])]).await?;
    let found = found.into_iter().next().unwrap_or_default();
    let Some(last) = found.last() else {
        lent.roll_back().await?;
        return Ok(None);
    };
    let mut sealing = Sealing::after(&before);
    for row in &found {
        sealing.add(row.get(1), &hash(row, 2)?);
    }
    let seal = Seal {
        number,
        last_event: EventId(last.get(1)),
        events: i64::try_from(found.len()).unwrap_or(i64::MAX),
        digest: sealing.digest(),
        at,
    };
    let digest = &seal.digest[..];
    let insert = "INSERT INTO seals (number, last_event, events, digest, sealed_at) \
        VALUES ($1, $2, $3, $4, $5)";
    let steps = [
        Step::Query(
            insert,
            vec![&seal.number, &seal.last_event.0, &seal.events, &digest, &seal.at.0],
        ),
        Step::Plain("COMMIT"),
    ];
    lent.send(&steps).await?;
    lent.cleared();
    Ok(Some(seal))
}

fn newest_sql() -> &'static str {
    select!(SEAL, "seals ORDER BY number DESC LIMIT 1")
}

fn seal_of(rows: &[Row]) -> Result<Option<Seal>, Fail> {
    rows.first().map(|row| rows::seal(&mut Cells::of(row))).transpose()
}

fn hash(row: &Row, at: usize) -> Result<[u8; 32], Fail> {
    use crate::store::rows::Columns;
    Cells::from(row, at).hash()
}

pub async fn all(lent: &mut Lent) -> Result<Vec<Seal>, Fail> {
    let found = query(lent, select!(SEAL, "seals ORDER BY number"), vec![]).await?;
    found.iter().map(|row| rows::seal(&mut Cells::of(row))).collect()
}

/// The number and hash of each event after one, at most `limit`.
pub async fn hashes(
    lent: &mut Lent,
    after: i64,
    limit: u32,
) -> Result<Vec<(EventId, [u8; 32])>, Fail> {
    let limit = i64::from(limit);
    let found = query(lent, HASHES, vec![&after, &i64::MAX, &limit]).await?;
    found.iter().map(|row| Ok((EventId(row.get(1)), hash(row, 2)?))).collect()
}

async fn query(lent: &mut Lent, sql: &str, params: pool::Params<'_>) -> Result<Vec<Row>, Fail> {
    let answers = lent.send(&[Step::Query(sql, params)]).await?;
    lent.cleared();
    Ok(answers.into_iter().next().unwrap_or_default())
}

type SealMark = (i64, [u8; 32]);
type EventMark = (i64, i64, [u8; 32]);

/// The newest seal and the newest event.
pub async fn end(lent: &mut Lent) -> Result<(Option<SealMark>, Option<EventMark>), Fail> {
    let newest = seal_of(&query(lent, newest_sql(), vec![]).await?)?;
    let sql = "SELECT e.merchant, e.number, e.hash FROM merchants m CROSS JOIN LATERAL \
        (SELECT merchant, number, hash FROM events WHERE merchant = m.number \
        ORDER BY number DESC LIMIT 1) e ORDER BY e.number DESC LIMIT 1";
    let found = query(lent, sql, vec![]).await?;
    let event = match found.first() {
        Some(row) => Some((row.get(0), row.get(1), hash(row, 2)?)),
        None => None,
    };
    Ok((newest.map(|seal| (seal.number, seal.digest)), event))
}

async fn hash_of(lent: &mut Lent, merchant: i64, number: i64) -> Result<Option<[u8; 32]>, Fail> {
    let sql = "SELECT hash FROM events WHERE merchant = $1 AND number = $2";
    let found = query(lent, sql, vec![&merchant, &number]).await?;
    found.first().map(|row| hash(row, 0)).transpose()
}

/// What the anchor has seen and the books lack, if anything.
pub async fn behind(lent: &mut Lent, found: &Found) -> Result<Option<String>, Fail> {
    let seen = match found {
        Found::Nothing => return Ok(None),
        Found::Unreadable => {
            return Ok(Some(
                "the anchor file in the data directory cannot be read, so nobody can tell whether \
                the books are complete"
                    .to_owned(),
            ));
        }
        Found::Mark(seen) => seen,
    };
    let lacking = |what: &str, number: i64, there: bool| {
        let how = if there { "says something else" } else { "is not there" };
        Some(format!("{what} {number} was in the books when they were last seen and {how} now"))
    };
    if let Some((merchant, number, hash)) = seen.event {
        let kept = hash_of(lent, merchant, number).await?;
        if kept != Some(hash) {
            return Ok(lacking("event", number, kept.is_some()));
        }
    }
    if let Some((number, digest)) = seen.seal {
        let sql = "SELECT digest FROM seals WHERE number = $1";
        let found = query(lent, sql, vec![&number]).await?;
        let kept = found.first().map(|row| hash(row, 0)).transpose()?;
        if kept != Some(digest) {
            return Ok(lacking("seal", number, kept.is_some()));
        }
    }
    Ok(None)
}

/// How many of the newest events are looked at when the books are opened.
const NEWEST: i64 = 250;

/// The first of the newest events that does not follow from the one before it, if any.
pub async fn altered(lent: &mut Lent) -> Result<Option<String>, Fail> {
    let columns = rows::EVENT.split(", ").map(|name| format!("e.{name}"));
    let sql = format!(
        "SELECT {}, p.hash FROM merchants m CROSS JOIN LATERAL (SELECT * FROM events \
        WHERE merchant = m.number ORDER BY number DESC LIMIT $1) e LEFT JOIN events p \
        ON p.merchant = e.merchant AND p.number = e.previous ORDER BY e.number DESC LIMIT $1",
        columns.collect::<Vec<_>>().join(", ")
    );
    let found = query(lent, &sql, vec![&NEWEST]).await?;
    for row in found.iter().rev() {
        let mut cells = Cells::of(row);
        let (event, previous) = rows::event(&mut cells)?;
        let before: Option<&[u8]> = row.get(12);
        let predecessor = match (previous, before) {
            (0, _) => Some([0; 32]),
            (_, Some(hash)) => hash.try_into().ok(),
            (_, None) => None,
        };
        let number = event.id.0;
        if predecessor.is_none_or(|hash| Unlinked::of(&event).hash(&hash) != event.hash) {
            return Ok(Some(format!("event {number} is not what it was when it was written")));
        }
    }
    Ok(None)
}

/// The merchant's row, locked, from where its own chain goes on.
pub fn chain_end(rows: &[Row], merchant: i64) -> Result<(i64, [u8; 32], i64), Fail> {
    let row = rows.first().ok_or_else(|| missing("merchant", merchant))?;
    Ok((row.get(0), hash(row, 1)?, row.get(2)))
}
