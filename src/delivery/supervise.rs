//! Keeps one lane for each endpoint that is this process's to serve.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use refundry_domain::ids::EndpointId;
use refundry_domain::webhook::Endpoint;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::Parts;
use super::lane::{self, Lines};
use super::record::{self, Note};

/// How soon after a commit the endpoints are looked at, since it may have made one.
const LOOK_LEAST: Duration = Duration::from_millis(100);
const FORGET_EVERY: Duration = Duration::from_secs(10);
const FORGET_MOST: u32 = 5_000;
/// How many notes may wait to be written before lanes have to wait too.
const NOTES: usize = 1_024;

struct Served {
    endpoint: watch::Sender<Arc<Endpoint>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

pub async fn run(
    parts: Arc<Parts>,
    mut commits: watch::Receiver<u64>,
    mut stop: watch::Receiver<bool>,
) {
    let (recorder, notes) = mpsc::channel(NOTES);
    let recording = tokio::spawn(record::run(parts.store.clone(), parts.worker, notes));
    let mut lanes: HashMap<EndpointId, Served> = HashMap::new();
    let mut forgot = Instant::now();
    loop {
        commits.borrow_and_update();
        look(&parts, &mut lanes, &commits, &recorder).await;
        if forgot.elapsed() >= FORGET_EVERY {
            forget(&parts).await;
            forgot = Instant::now();
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            () = next_look(&parts, &mut commits) => {}
        }
    }
    drop(recorder);
    close(&parts, lanes).await;
    // All that could tell it anything are gone; it writes what it has.
    let _ = recording.await;
}

async fn next_look(parts: &Parts, commits: &mut watch::Receiver<u64>) {
    let least = tokio::time::sleep(LOOK_LEAST.min(parts.rules.look));
    let most = tokio::time::sleep(parts.rules.look);
    least.await;
    tokio::select! {
        changed = commits.changed() => if changed.is_err() { std::future::pending().await },
        () = most => {}
    }
}

async fn look(
    parts: &Arc<Parts>,
    lanes: &mut HashMap<EndpointId, Served>,
    commits: &watch::Receiver<u64>,
    recorder: &mpsc::Sender<Note>,
) {
    // One that has ended may begin anew, from the cursor that it left; until then, nobody else may
    // send to its endpoint. So this comes before the cursors are read.
    lanes.retain(|_, served| !served.task.is_finished());
    let now = parts.clock.now();
    let until = now.after_ms(parts.rules.lease_ms);
    let ours = match parts.store.claim_endpoints(parts.worker, now, until).await {
        Ok(ours) => ours,
        Err(error) => {
            tracing::warn!(%error, "webhook endpoints cannot be looked for now");
            return;
        }
    };
    for (id, served) in lanes.iter() {
        if !ours.iter().any(|endpoint| endpoint.id == *id) {
            served.stop.send_replace(true);
        }
    }
    for endpoint in ours {
        match lanes.get(&endpoint.id) {
            Some(served) => {
                served.endpoint.send_if_modified(|known| {
                    let changed = known.revision != endpoint.revision;
                    if changed {
                        *known = Arc::new(endpoint);
                    }
                    changed
                });
            }
            None => {
                lanes.insert(endpoint.id, begin(parts, endpoint, commits, recorder));
            }
        }
    }
    parts.lanes.store(u32::try_from(lanes.len()).unwrap_or(u32::MAX), Ordering::Relaxed);
}

fn begin(
    parts: &Arc<Parts>,
    endpoint: Endpoint,
    commits: &watch::Receiver<u64>,
    recorder: &mpsc::Sender<Note>,
) -> Served {
    let (endpoint, told) = watch::channel(Arc::new(endpoint));
    let (stop, stopped) = watch::channel(false);
    let lines = Lines {
        endpoint: told,
        stop: stopped,
        commits: commits.clone(),
        recorder: recorder.clone(),
    };
    Served { endpoint, stop, task: tokio::spawn(lane::run(parts.clone(), lines)) }
}

async fn forget(parts: &Parts) {
    let before = parts.clock.now().after_ms(-parts.rules.keep_ms);
    match parts.store.forget_deliveries(before, FORGET_MOST).await {
        Ok(0) => {}
        Ok(count) => tracing::debug!(count, "old deliveries are forgotten"),
        Err(error) => tracing::warn!(%error, "old deliveries cannot be forgotten now"),
    }
}

/// Lets what is on its way come to its end, within the bound.
async fn close(parts: &Parts, lanes: HashMap<EndpointId, Served>) {
    for served in lanes.values() {
        served.stop.send_replace(true);
    }
    let deadline = tokio::time::Instant::now() + parts.rules.drain;
    for (_, mut served) in lanes {
        if tokio::time::timeout_at(deadline, &mut served.task).await.is_err() {
            // It is sent again after the next start, under the same id.
            served.task.abort();
            let _ = served.task.await;
        }
    }
}
