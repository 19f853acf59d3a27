//! The change feed as server-sent events: begins where the client was, and leaves nothing out.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use refundry_domain::ids::EventId;
use tokio::sync::watch;

use super::call::{Call, json};
use super::wire::records::EventView;
use super::wire::words::{expect_id, id};
use crate::dialects::shared::desk::Place;
use crate::dialects::shared::problem::{At, Code, Problem};
use crate::dialects::shared::right::{Reads, Right};
use crate::store::{Event, EventFilter, Page, StoreError};

/// How often a line is sent so that nobody in between takes the connection for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How often the books are asked although nothing was committed here: another process may have.
const POLL: Duration = Duration::from_secs(2);
/// How long a stream lives before the client has to come again with its key.
const LIFE: Duration = Duration::from_secs(60 * 60);
const EVENTS_AT_ONCE: u32 = 100;

struct Feed {
    right: Right<Reads>,
    filter: EventFilter,
    /// The last event that was sent.
    after: i64,
    commits: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    began: Instant,
    sent: Instant,
    place: Place,
}

pub async fn stream(right: Right<Reads>, call: Call) -> Result<Response, Problem> {
    let mut fields = call.fields()?;
    let from = fields.one("after", |text| expect_id::<EventId>(text).map(|id| id.0))?;
    let names = fields.take_all("type");
    fields.finish()?;
    let place = right.place_for_stream().ok_or_else(|| {
        Problem::new(Code::Unavailable, "Too many event streams are open; try again.")
            .retry_after(5)
    })?;
    let commits = right.commits();
    let after = match last_event(&call)?.or(from) {
        Some(after) => after,
        None => newest(&right).await?,
    };
    let now = Instant::now();
    let feed = Feed {
        filter: EventFilter { names, ..EventFilter::default() },
        after,
        commits,
        stopping: right.stopping(),
        right,
        began: now,
        sent: now,
        place,
    };
    let hello = stream::iter([Ok(Bytes::from_static(b"retry: 1000\n\n"))]);
    let chunks = stream::unfold(feed, |mut feed| async move {
        let chunk = feed.next().await?;
        feed.sent = Instant::now();
        Some((chunk, feed))
    });
    let mut response =
        Response::new(Body::from_stream(futures_util::StreamExt::chain(hello, chunks)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// Where a client that comes again was.
fn last_event(call: &Call) -> Result<Option<i64>, Problem> {
    let Some(value) = call.parts.headers.get("last-event-id") else { return Ok(None) };
    let number = value.to_str().ok().and_then(id::<EventId>);
    number.map(|id| Some(id.0)).ok_or_else(|| {
        Problem::new(Code::HeaderInvalid, "Expected the id of an event, such as evt_12.")
            .at(At::Header("Last-Event-ID"))
    })
}

async fn newest(right: &Right<Reads>) -> Result<i64, StoreError> {
    let page = Page { after: None, before: None, limit: 1, oldest_first: false };
    let slice = right.events(EventFilter::default(), page).await?;
    Ok(slice.rows.first().map_or(0, |event| event.id.0))
}

impl Feed {
    /// The next piece; `None` ends the stream, and the client comes again.
    async fn next(&mut self) -> Option<Result<Bytes, StoreError>> {
        loop {
            if *self.stopping.borrow() || self.began.elapsed() > LIFE {
                return None;
            }
            // Before the books are asked, so that a commit meanwhile is seen afterwards.
            self.commits.borrow_and_update();
            let page = Page {
                after: Some(self.after),
                before: None,
                limit: EVENTS_AT_ONCE,
                oldest_first: true,
            };
            match self.right.events(self.filter.clone(), page).await {
                Ok(slice) => {
                    if let Some(last) = slice.rows.last() {
                        self.after = last.id.0;
                        return Some(Ok(text(&slice.rows)));
                    }
                }
                Err(error) => return Some(Err(error)),
            }
            let quiet = HEARTBEAT.saturating_sub(self.sent.elapsed());
            tokio::select! {
                changed = self.commits.changed() => {
                    if changed.is_err() {
                        return None;
                    }
                    tokio::time::sleep(self.place.gap()).await;
                }
                stopped = self.stopping.changed() => if stopped.is_err() { return None },
                () = tokio::time::sleep(POLL.min(quiet)) => {
                    if self.sent.elapsed() >= HEARTBEAT {
                        return Some(Ok(Bytes::from_static(b":\n\n")));
                    }
                }
            }
        }
    }
}

fn text(events: &[Event]) -> Bytes {
    let mut out = Vec::with_capacity(512 * events.len());
    for event in events {
        let head = format!("id: evt_{}\nevent: {}\ndata: ", event.id, event.name);
        out.extend_from_slice(head.as_bytes());
        // Compact JSON has no line feed, so it is one line of data.
        out.extend_from_slice(&json(&EventView::of(event)));
        out.extend_from_slice(b"\n\n");
    }
    Bytes::from(out)
}
