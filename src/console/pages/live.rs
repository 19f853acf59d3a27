//! That something happened, as it happens, for the script: it fetches the page again. Only types
//! and numbers are told; what they mean stands on the pages.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::console::visit::{Trouble, Visit};
use crate::dialects::shared::right::{Reads, Right};
use crate::store::{EventFilter, Page};

/// Another process may have committed something.
const POLL: Duration = Duration::from_secs(2);
/// After that, the browser comes again with its cookie.
const LIFE: Duration = Duration::from_secs(5 * 60);
const AT_ONCE: u32 = 50;

pub async fn stream(visit: Visit) -> Result<Response, Trouble> {
    let right: Right<Reads> = visit.right()?;
    let full = || Trouble::new(503, "Too many pages are open", "This one is not kept up to date.");
    let place = right.place_for_stream().ok_or_else(full)?;
    // The browser says what it heard last, the script what its page shows: what happened between
    // the page's drawing and this connection is told as well.
    let heard = visit.header("last-event-id").and_then(|id| id.parse().ok());
    let after: i64 = heard.or_else(|| visit.query.number("after")).or(visit.seen).unwrap_or(0);
    let began = Instant::now();
    let state = (right, after, place);
    let chunks = stream::unfold(state, move |(right, after, place)| async move {
        let (text, after) = next(&right, after, began, place.gap()).await?;
        Some((Ok::<_, Infallible>(Bytes::from(text)), (right, after, place)))
    });
    let hello = stream::iter([Ok(Bytes::from_static(b"retry: 3000\n\n"))]);
    let mut response = Response::new(Body::from_stream(hello.chain(chunks)));
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

/// What happened next, or that nothing did for a while; `None` ends the stream.
async fn next(
    right: &Right<Reads>,
    after: i64,
    began: Instant,
    gap: Duration,
) -> Option<(String, i64)> {
    let (mut commits, mut stopping) = (right.commits(), right.stopping());
    if *stopping.borrow() || began.elapsed() > LIFE {
        return None;
    }
    commits.borrow_and_update();
    let page = Page { after: Some(after), before: None, limit: AT_ONCE, oldest_first: true };
    let rows = right.events(EventFilter::default(), page).await.ok()?.rows;
    if let Some(last) = rows.last() {
        let number = last.id.0;
        return Some((format!("id: {number}\ndata: {}\n\n", last.name), number));
    }
    tokio::select! {
        _ = commits.changed() => tokio::time::sleep(gap).await,
        _ = stopping.changed() => return None,
        () = tokio::time::sleep(POLL) => {}
    }
    Some((":\n\n".to_owned(), after))
}
