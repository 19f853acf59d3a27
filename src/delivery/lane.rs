//! The way to one endpoint: reads the feed on from its cursor, sends, and says what came of it.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use refundry_domain::ids::{EventId, MerchantId};
use refundry_domain::merchant::Administration;
use refundry_domain::webhook::{
    Delivery, DeliveryState, DisabledWhy, Endpoint, EndpointChange, EndpointState, PING, Try,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::Parts;
use super::queue::Queue;
use super::record::Note;
use super::schedule::{self, Mood};
use super::secrets::Secrets;
use super::send::{Done, NotNow, Target, Verdict, carry_out};
use crate::store::webhooks::{DeliveryFilter, DeliveryPage, Progress};
use crate::store::{Event, EventFilter, Page, StoreError};

/// How many events wait in memory, and how many may have failed, before no more are read.
const WINDOW: usize = 2_048;
const HELD_MOST: usize = 10_000;
const READ_AT_ONCE: u32 = 500;
/// How many are sent at the same time to an endpoint that is down.
const DOWN_CONCURRENCY: usize = 2;
/// The feed is not read more often than this, plus this much for each endpoint there is.
const READ_GAP: Duration = Duration::from_millis(10);
const READ_GAP_EACH: Duration = Duration::from_micros(200);
/// How long an endpoint that cannot be served is let be.
const TROUBLE: Duration = Duration::from_secs(30);
/// How far and for how long the cursor moves over events of no interest before that is written down.
const CURSOR_LAG: i64 = 1_000;
const CURSOR_WAIT: Duration = Duration::from_secs(1);

/// What a lane is told and whom it tells.
pub struct Lines {
    /// The endpoint as it is now.
    pub endpoint: watch::Receiver<Arc<Endpoint>>,
    pub stop: watch::Receiver<bool>,
    pub commits: watch::Receiver<u64>,
    pub recorder: mpsc::Sender<Note>,
}

pub struct Lane {
    parts: Arc<Parts>,
    lines: Lines,
    target: Arc<Target>,
    queue: Queue,
    mood: Mood,
    tries: JoinSet<Result<Done, NotNow>>,
    rows: Vec<Delivery>,
    /// The cursor that was written down last.
    told: EventId,
    told_at: Instant,
    /// When the feed is to be read again; `None` until something happens.
    read_at: Option<Instant>,
    read_last: Instant,
    lost: Arc<AtomicBool>,
    /// Nothing more is begun.
    closing: bool,
}

/// Serves an endpoint until it is told to stop, or the endpoint is another worker's.
pub async fn run(parts: Arc<Parts>, mut lines: Lines) {
    let endpoint = lines.endpoint.borrow_and_update().clone();
    let id = endpoint.id;
    let (mut told, mut stop) = (lines.endpoint.clone(), lines.stop.clone());
    match Lane::begin(parts, lines, endpoint).await {
        Ok(lane) => lane.work().await,
        Err(error) => {
            tracing::warn!(endpoint = %id, %error, "a webhook endpoint cannot be served");
            // It is begun anew when this ends.
            tokio::select! {
                _ = told.changed() => {}
                _ = stop.wait_for(|stop| *stop) => {}
                () = tokio::time::sleep(TROUBLE) => {}
            }
        }
    }
}

impl Lane {
    async fn begin(
        parts: Arc<Parts>,
        lines: Lines,
        endpoint: Arc<Endpoint>,
    ) -> Result<Lane, StoreError> {
        let pending = rows(&parts, &endpoint, EventId(0), &[DeliveryState::Pending]).await?;
        let ahead = rows(&parts, &endpoint, endpoint.cursor, &[]).await?;
        let ahead: HashSet<i64> = ahead.iter().map(|row| row.event.0).collect();
        let queue = Queue::resume(endpoint.id, endpoint.cursor, pending, ahead);
        let now = Instant::now();
        Ok(Lane {
            target: Arc::new(target(&parts, &endpoint)?),
            mood: Mood::of(endpoint.failing_since),
            told: endpoint.cursor,
            told_at: now,
            queue,
            parts,
            lines,
            tries: JoinSet::new(),
            rows: Vec::new(),
            read_at: Some(now),
            read_last: now,
            lost: Arc::new(AtomicBool::new(false)),
            closing: false,
        })
    }

    async fn work(mut self) {
        loop {
            if self.lost.load(Ordering::Relaxed) {
                return;
            }
            if !self.closing {
                self.read().await;
            }
            if !self.closing {
                self.launch();
            }
            self.tell().await;
            if self.closing && self.tries.is_empty() {
                // Whoever serves the endpoint next has to find all of it in the books.
                self.until_written().await;
                return;
            }
            self.wait().await;
        }
    }

    /// Reads the feed on, if it is time and there is room.
    async fn read(&mut self) {
        let now = Instant::now();
        if !self.has_room() || self.read_at.is_none_or(|at| at > now) {
            return;
        }
        // Before the books are asked, so that a commit meanwhile is seen afterwards.
        self.lines.commits.borrow_and_update();
        self.read_last = now;
        let page = Page {
            after: Some(self.queue.read()),
            before: None,
            limit: READ_AT_ONCE,
            oldest_first: true,
        };
        let merchant = self.target.endpoint.merchant;
        match self.parts.store.events(merchant, EventFilter::default(), page).await {
            Ok(slice) => {
                self.read_at = slice.more.then_some(now);
                let at = self.parts.clock.now();
                for event in slice.rows {
                    let changed = event.subject == self.target.endpoint.id.0 && event.name != PING;
                    let wanted = wants(&self.target, &event);
                    self.rows.extend(self.queue.take(event, wanted, at));
                    // What follows a change of the endpoint goes by that change, however soon.
                    if changed && let Err(error) = self.look_again().await {
                        tracing::warn!(%error, "a webhook endpoint is begun anew");
                        self.closing = true;
                        return;
                    }
                }
            }
            Err(error) => {
                tracing::warn!(%error, "events for a webhook cannot be read now");
                self.read_at = None;
            }
        }
    }

    /// Takes the endpoint as the books have it now.
    async fn look_again(&mut self) -> Result<(), StoreError> {
        let known = &self.target.endpoint;
        let all = self.parts.store.endpoints(known.merchant).await?;
        let found = all.into_iter().find(|endpoint| endpoint.id == known.id);
        match found.filter(|endpoint| endpoint.state == EndpointState::Enabled) {
            Some(endpoint) => self.target = Arc::new(target(&self.parts, &Arc::new(endpoint))?),
            None => self.closing = true,
        }
        Ok(())
    }

    /// Whether there is a use in reading more.
    fn has_room(&self) -> bool {
        self.queue.waiting() < WINDOW
            && self.queue.held() < HELD_MOST
            && !(self.mood.is_down() && self.queue.waiting() > 0)
    }

    /// Sends as much as may be under way at once.
    fn launch(&mut self) {
        let now = self.parts.clock.now();
        if !self.mood.may_send(now) {
            return;
        }
        while self.queue.flying() < self.most() {
            let may_begin = self.mood.may_begin(now, self.queue.flying() == 0);
            let Some(job) = self.queue.next(now, may_begin) else { return };
            let (parts, target) = (self.parts.clone(), self.target.clone());
            self.tries.spawn(async move { carry_out(&parts, &target, job).await });
        }
    }

    /// Hands over what is to be written down.
    async fn tell(&mut self) {
        let cursor = self.queue.cursor();
        let late = self.closing || self.told_at.elapsed() >= CURSOR_WAIT;
        let lag = cursor.0 - self.told.0;
        if self.rows.is_empty() && lag < if late { 1 } else { CURSOR_LAG } {
            return;
        }
        let progress = Progress {
            merchant: self.target.endpoint.merchant,
            endpoint: self.target.endpoint.id,
            cursor,
            failing_since: self.mood.failing_since,
            deliveries: distinct(std::mem::take(&mut self.rows)),
        };
        let lost = self.lost.clone();
        // Without a recorder the process ends.
        let _ = self.lines.recorder.send(Note::Lot { progress, lost }).await;
        (self.told, self.told_at) = (cursor, Instant::now());
    }

    async fn wait(&mut self) {
        let until = self.next_look();
        let lines = &mut self.lines;
        let open = !self.closing;
        let woken = tokio::select! {
            Some(ended) = self.tries.join_next(), if !self.tries.is_empty() => {
                Woken::Ended(Box::new(ended))
            }
            changed = lines.commits.changed(), if open && self.read_at.is_none() => {
                if changed.is_ok() { Woken::Commit } else { Woken::Stop }
            }
            changed = lines.endpoint.changed(), if open => {
                if changed.is_ok() { Woken::Endpoint } else { Woken::Stop }
            }
            _ = lines.stop.wait_for(|stop| *stop), if open => Woken::Stop,
            () = tokio::time::sleep(until) => Woken::Time,
        };
        match woken {
            Woken::Ended(ended) => {
                self.ended(*ended).await;
                while let Some(ended) = self.tries.try_join_next() {
                    self.ended(ended).await;
                }
            }
            Woken::Commit => {
                let each = READ_GAP_EACH.saturating_mul(self.parts.lanes());
                self.read_at = Some(self.read_last + READ_GAP + each);
            }
            Woken::Endpoint => self.renew().await,
            Woken::Stop => self.closing = true,
            Woken::Time => {
                if self.read_last.elapsed() >= self.parts.rules.look {
                    self.read_at.get_or_insert_with(Instant::now);
                }
            }
        }
    }

    /// How long nothing happens unless it is told to us.
    fn next_look(&self) -> Duration {
        let (look, now) = (self.parts.rules.look, self.parts.clock.now());
        let read_at = self.read_at.filter(|_| self.has_room());
        let read = read_at.map_or(look, |at| at.saturating_duration_since(Instant::now()));
        let next = look.min(read);
        // What is due and may not go yet must not keep us awake.
        if self.closing || !self.mood.may_send(now) || self.queue.flying() >= self.most() {
            return next.max(Duration::from_millis(5));
        }
        let due = self.queue.next_due().map_or(look, |due| {
            let ms = due.0.saturating_sub(now.0).max(1);
            Duration::from_millis(u64::try_from(ms).unwrap_or(1))
        });
        next.min(due).max(Duration::from_millis(1))
    }

    /// How many may be under way at once.
    fn most(&self) -> usize {
        if self.mood.is_down() { DOWN_CONCURRENCY } else { self.parts.rules.concurrency }
    }

    async fn ended(&mut self, ended: Ended) {
        match ended {
            Ok(Ok(done)) => self.judge(done).await,
            Ok(Err(NotNow { event, error })) => {
                tracing::warn!(%event, %error, "a webhook cannot be sent now");
                self.queue.put_back(event);
                let now = self.parts.clock.now();
                self.mood.pause(now, 1_000);
            }
            // A mistake of ours: the supervisor begins this lane anew.
            Err(broken) => {
                tracing::error!(%broken, "sending a webhook broke off");
                self.closing = true;
            }
        }
    }

    async fn judge(&mut self, done: Done) {
        let now = self.parts.clock.now();
        let (event, before) = (done.event, done.row);
        let had_row = before.is_some();
        let row = before.unwrap_or_else(|| Delivery {
            endpoint: self.target.endpoint.id,
            event: event.id,
            order: event.order,
            name: event.name.clone(),
            state: DeliveryState::Pending,
            due: now,
            round: 0,
            tries: Vec::new(),
            created_at: now,
            updated_at: now,
        });
        match done.verdict {
            Verdict::Unsaid if had_row => {
                let row = Delivery { state: DeliveryState::Failed, updated_at: now, ..row };
                self.rows.extend(self.queue.tried(row, now));
            }
            Verdict::Unsaid => self.queue.passed(event.id),
            Verdict::Tried { with, pause, gone } => self.tried(row, with, pause, gone).await,
        }
    }

    async fn tried(&mut self, mut row: Delivery, with: Try, pause: Option<i64>, gone: bool) {
        let now = self.parts.clock.now();
        let status = with.status;
        row.tries.push(with);
        row.round += 1;
        row.updated_at = now;
        if status.is_some_and(|status| (200..300).contains(&status)) {
            row.state = DeliveryState::Succeeded;
            self.mood.succeeded();
            self.parts.counts.succeeded.inc();
            self.rows.extend(self.queue.tried(row, now));
            return;
        }
        self.mood.failed(now);
        self.parts.counts.failed.inc();
        let quiet = pause.map(|ms| self.mood.pause(now, ms));
        match schedule::next(row.round, now) {
            Some(_) | None if status == Some(410) => row.state = DeliveryState::Failed,
            Some(due) => row.due = quiet.map_or(due, |quiet| quiet.max(due)),
            None => row.state = DeliveryState::Failed,
        }
        self.rows.extend(self.queue.tried(row, now));
        if gone {
            self.disable(DisabledWhy::Gone).await;
        } else if self.mood.is_hopeless(now) {
            self.disable(DisabledWhy::Failing).await;
        }
    }

    async fn disable(&mut self, why: DisabledWhy) {
        let endpoint = &self.target.endpoint;
        let change = EndpointChange::Disable(why);
        let change = Administration::ChangeEndpoint { endpoint: endpoint.id, change };
        let (merchant, now) = (endpoint.merchant, self.parts.clock.now());
        match self.parts.store.administer(merchant, "worker".into(), now, change).await {
            Ok(_) => {
                let why = why.name();
                tracing::warn!(endpoint = %endpoint.id, why, "a webhook endpoint is disabled");
                self.closing = true;
            }
            Err(error) => tracing::warn!(%error, "a webhook endpoint cannot be disabled now"),
        }
    }

    /// Waits until everything that was told is written down.
    async fn until_written(&self) {
        let (reply, written) = oneshot::channel();
        // Without a recorder the process ends.
        let _ = self.lines.recorder.send(Note::Barrier(reply)).await;
        let _ = written.await;
    }

    /// Takes up that the endpoint, its secrets or its pending rows were changed by somebody.
    async fn renew(&mut self) {
        let told = self.lines.endpoint.borrow_and_update().clone();
        // What the lane has looked up since by itself may be newer than what it is told late.
        let known = &self.target.endpoint;
        let endpoint = if told.revision < known.revision { known.clone() } else { told };
        self.tell().await;
        self.until_written().await;
        let pending = rows(&self.parts, &endpoint, EventId(0), &[DeliveryState::Pending]).await;
        match (pending, target(&self.parts, &endpoint)) {
            (Ok(pending), Ok(target)) => {
                self.target = Arc::new(target);
                self.queue.reload(pending);
            }
            (Err(error), _) | (_, Err(error)) => {
                tracing::warn!(endpoint = %endpoint.id, %error, "a webhook endpoint is begun anew");
                self.closing = true;
            }
        }
    }
}

type Ended = Result<Result<Done, NotNow>, tokio::task::JoinError>;

/// Why a lane goes on.
enum Woken {
    Ended(Box<Ended>),
    Commit,
    Endpoint,
    Stop,
    Time,
}

/// The last row of each event.
fn distinct(rows: Vec<Delivery>) -> Vec<Delivery> {
    let mut seen = HashSet::with_capacity(rows.len());
    let mut rows: Vec<_> = rows.into_iter().rev().filter(|row| seen.insert(row.event)).collect();
    rows.reverse();
    rows
}

/// Whether an endpoint is to be told of an event. A ping is for its subject alone.
fn wants(target: &Target, event: &Event) -> bool {
    if event.name == PING {
        return event.subject == target.endpoint.id.0;
    }
    target.format.wants(&target.endpoint.events, event)
}

fn target(parts: &Parts, endpoint: &Arc<Endpoint>) -> Result<Target, StoreError> {
    let wrong =
        |why: String| StoreError::Damaged(format!("webhook endpoint {}: {why}", endpoint.id));
    let format = parts.formats.named(&endpoint.format);
    let format =
        format.ok_or_else(|| wrong(format!("there is no format {:?}", endpoint.format)))?;
    let uri = endpoint.url.parse().map_err(|_| wrong("its address cannot be read".to_owned()))?;
    let merchant: MerchantId = endpoint.merchant;
    let secrets = Secrets::open(&endpoint.secrets, &parts.sealer, merchant);
    let secrets = secrets.map_err(|error| wrong(error.to_string()))?;
    Ok(Target { endpoint: endpoint.clone(), uri, format, secrets })
}

/// All rows of an endpoint after an event, oldest first.
async fn rows(
    parts: &Parts,
    endpoint: &Endpoint,
    after: EventId,
    states: &[DeliveryState],
) -> Result<Vec<Delivery>, StoreError> {
    let filter =
        DeliveryFilter { endpoint: Some(endpoint.id), event: None, states: states.to_vec() };
    let mut found: Vec<Delivery> = Vec::new();
    loop {
        let after = found.last().map_or(after, |row| row.event);
        let page = DeliveryPage {
            after: Some((after, endpoint.id)),
            before: None,
            limit: READ_AT_ONCE,
            oldest_first: true,
        };
        let slice = parts.store.deliveries(endpoint.merchant, filter.clone(), page).await?;
        found.extend(slice.rows);
        if !slice.more {
            return Ok(found);
        }
    }
}
