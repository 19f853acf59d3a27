//! Writes down what became of tries: of all endpoints together, so that many share a commit.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use refundry_domain::ids::EndpointId;
use tokio::sync::{mpsc, oneshot};

use crate::store::webhooks::Progress;
use crate::store::{Store, StoreError};

/// How long the first of a commit waits for others. Until it is written, a crash makes us send
/// again; a commit for each would take the disk from the refunds.
const LINGER: Duration = Duration::from_millis(20);
const LOTS_MOST: usize = 1_024;
/// How long to wait when the books cannot be written.
const TROUBLE: Duration = Duration::from_millis(500);

pub enum Note {
    Lot {
        progress: Progress,
        /// Becomes true when the endpoint is another worker's now.
        lost: Arc<AtomicBool>,
    },
    /// Answered once everything before it is written.
    Barrier(oneshot::Sender<()>),
}

/// Works until nobody is left who could tell it anything.
pub async fn run(store: Arc<dyn Store>, worker: i64, mut notes: mpsc::Receiver<Note>) {
    let mut lots = Vec::with_capacity(LOTS_MOST);
    while notes.recv_many(&mut lots, LOTS_MOST).await > 0 {
        tokio::time::sleep(LINGER).await;
        while lots.len() < LOTS_MOST
            && let Ok(note) = notes.try_recv()
        {
            lots.push(note);
        }
        write(store.as_ref(), worker, lots.drain(..)).await;
    }
}

async fn write(store: &dyn Store, worker: i64, notes: impl Iterator<Item = Note>) {
    let mut progress: Vec<Progress> = Vec::new();
    let mut owners: HashMap<EndpointId, (usize, Arc<AtomicBool>)> = HashMap::new();
    let mut barriers = Vec::new();
    for note in notes {
        match note {
            Note::Lot { progress: one, lost } => match owners.get(&one.endpoint) {
                // What was said later stands.
                Some((at, _)) => {
                    let known = &mut progress[*at];
                    (known.cursor, known.failing_since) = (one.cursor, one.failing_since);
                    known.deliveries.extend(one.deliveries);
                }
                None => {
                    owners.insert(one.endpoint, (progress.len(), lost));
                    progress.push(one);
                }
            },
            Note::Barrier(reply) => barriers.push(reply),
        }
    }
    if !progress.is_empty() {
        let lost = until_written(store, worker, Arc::new(progress)).await;
        for (endpoint, (_, flag)) in owners {
            if lost.contains(&endpoint) {
                flag.store(true, Ordering::Relaxed);
            }
        }
    }
    for reply in barriers {
        // Whoever waited may be gone.
        let _ = reply.send(());
    }
}

async fn until_written(
    store: &dyn Store,
    worker: i64,
    progress: Arc<Vec<Progress>>,
) -> Vec<EndpointId> {
    loop {
        match store.record_deliveries(worker, progress.clone()).await {
            Ok(lost) => return lost,
            Err(StoreError::Damaged(why) | StoreError::Broken(why)) => {
                // It stays so; the events are read again after a restart.
                tracing::error!(why, "deliveries cannot be written down");
                return Vec::new();
            }
            Err(StoreError::Unavailable(why) | StoreError::Doubtful(why)) => {
                tracing::warn!(why, "deliveries cannot be written down now");
            }
        }
        tokio::time::sleep(TROUBLE).await;
    }
}
