//! How far the events are final. Transactions commit out of the order of their numbers; whoever
//! follows the feed by number must not be shown an event while one with a smaller number may
//! still be committed.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use tokio_postgres::Row;

use super::fail::Fail;
use super::load::BLOCK;
use super::pool::{Lent, Step};
use super::{Books, pool};

/// How long a reader waits for the transactions that are under way.
const PATIENCE: Duration = Duration::from_secs(3);
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

const DRAWN: &str = "SELECT last_value, is_called FROM numbers";
/// Whoever has drawn a number keeps this lock on the sequence to the end of its transaction, which
/// is visible to others before the lock is let go of.
const DRAWING: &str = "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' \
    AND relation = 'numbers'::regclass AND mode = 'RowExclusiveLock' AND granted \
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// Every number up to here is committed or never will be.
#[derive(Default)]
pub struct Horizon(tokio::sync::Mutex<Reached>);

#[derive(Default)]
struct Reached {
    number: i64,
    /// When the look began that found it.
    looked: Option<Instant>,
    /// The last look gave up waiting.
    stuck: bool,
}

impl Horizon {
    /// Brings the horizon up to what is drawn now: reads how far numbers are drawn, then who is
    /// drawing, and waits until those have ended. Numbers that are drawn later are higher. When
    /// one of them takes too long, the horizon stays where it was.
    pub async fn reach(&self, books: &Books) -> Result<i64, Fail> {
        let asked = Instant::now();
        let mut reached = self.0.lock().await;
        if reached.looked.is_some_and(|looked| looked > asked) {
            return Ok(reached.number);
        }
        let began = Instant::now();
        let mut lent = pool::lend(&books.pool, books.timeout).await?;
        let found = lent.send(&[Step::Query(DRAWN, vec![]), Step::Query(DRAWING, vec![])]).await?;
        lent.cleared();
        let drawn = drawn(&found[0]);
        let mut drawing = names(&found[1]);
        let patience = if reached.stuck { LONGEST_PAUSE } else { PATIENCE };
        let mut pause = FIRST_PAUSE;
        while !drawing.is_empty() {
            if began.elapsed() > patience {
                if !reached.stuck {
                    tracing::warn!("a transaction holds the change feed back");
                }
                (reached.stuck, reached.looked) = (true, Some(began));
                return Ok(reached.number);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            let still = still_drawing(&mut lent).await?;
            drawing.retain(|name| still.contains(name));
        }
        *reached = Reached { number: reached.number.max(drawn), looked: Some(began), stuck: false };
        Ok(reached.number)
    }
}

async fn still_drawing(lent: &mut Lent) -> Result<HashSet<String>, Fail> {
    let found = lent.send(&[Step::Query(DRAWING, vec![])]).await?;
    lent.cleared();
    Ok(found.first().map(|rows| names(rows)).unwrap_or_default())
}

fn drawn(rows: &[Row]) -> i64 {
    let Some(row) = rows.first() else { return 0 };
    let (last, called): (i64, bool) = (row.get(0), row.get(1));
    if called { last + BLOCK - 1 } else { last - 1 }
}

fn names(rows: &[Row]) -> HashSet<String> {
    rows.iter().map(|row| row.get(0)).collect()
}
