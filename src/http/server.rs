//! Connections: limits, time-outs, and an orderly end.

use std::any::Any;
use std::convert::Infallible;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request, Response};
use axum::response::IntoResponse;
use bytes::Bytes;
use futures_util::FutureExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;

use super::Site;
use super::metrics::Metrics;
use crate::dialects::Served;
use crate::dialects::shared::problem::{Code, Problem};

/// How long a client may take to send a request's head; an idle connection lives as long.
const HEAD_WAIT: Duration = Duration::from_secs(30);
/// How long an answer's head may take. Streams go on after theirs.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// How long requests may take to finish once the server stops.
const DRAIN_WAIT: Duration = Duration::from_secs(20);
/// A request has at most 100 headers: hyper's own limit, which costs no allocation.
const HEAD_BYTES_MOST: usize = 16 * 1024;
const BUFFER_MOST: usize = 64 * 1024;
const CONNECTIONS_MOST: usize = 10_000;
/// How long to wait when the system has no connection to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How the server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every request was answered.
    Clean,
    /// So many connections were cut after the bound. What their requests had committed stays.
    Cut(usize),
}

/// What every connection shares.
struct Shared {
    router: Router,
    metrics: Arc<Metrics>,
    ids: RequestIds,
}

/// Serves until `shutdown` is done, then takes no more connections, ends the streams, and waits
/// up to 20 seconds for what is being answered.
pub async fn serve(
    listener: TcpListener,
    site: Site,
    shutdown: impl Future<Output = ()>,
) -> Drained {
    let Site { router, metrics, gate: _, stop } = site;
    let shared = Arc::new(Shared { router, metrics, ids: RequestIds::new() });
    let places = Arc::new(Semaphore::new(CONNECTIONS_MOST));
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let place = places.clone().acquire_owned();
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = async { (place.await, listener.accept().await) } => match accepted {
                (Ok(place), Ok((stream, _))) => {
                    let connection = converse(stream, shared.clone(), stop.subscribe());
                    connections.spawn(async move {
                        connection.await;
                        drop(place);
                    });
                }
                (_, Err(error)) => pause(&error).await,
                (Err(_), Ok(_)) => break,
            },
        }
    }
    drop(listener);
    stop.send_replace(true);
    drain(connections).await
}

async fn pause(error: &io::Error) {
    // A connection that its client gave up is nothing; no more file handles is.
    if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        tracing::warn!(%error, "a connection could not be accepted");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

async fn drain(mut connections: JoinSet<()>) -> Drained {
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_WAIT, all).await.is_ok() {
        return Drained::Clean;
    }
    let cut = connections.len();
    tracing::warn!(connections = cut, "connections were cut because they did not end in time");
    connections.shutdown().await;
    Drained::Cut(cut)
}

async fn converse(stream: TcpStream, shared: Arc<Shared>, mut stopping: watch::Receiver<bool>) {
    // Answers are small and complete; waiting for more to send only delays them.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(shared.clone(), request));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT)
        .max_header_size(HEAD_BYTES_MOST)
        .max_buf_size(BUFFER_MOST);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let stopped = async {
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn answer(
    shared: Arc<Shared>,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let began = Instant::now();
    let id = shared.ids.of(&request);
    // Where a dialect answers with it in a field of its own.
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let method = method_name(request.method());
    let routed = shared.router.clone().oneshot(request.map(Body::new));
    let guarded = AssertUnwindSafe(tokio::time::timeout(ANSWER_WAIT, routed)).catch_unwind();
    let mut response = match guarded.await {
        Ok(Ok(Ok(response))) => response,
        Ok(Ok(Err(never))) => match never {},
        Ok(Err(_late)) => late(),
        Err(panic) => broken(panic.as_ref(), &id),
    };
    let status = response.status().as_u16();
    let route = response.extensions().get::<Served>().map_or("other", |served| served.0);
    let took = began.elapsed();
    shared.metrics.request(method, route, status, took);
    if status >= 500 {
        tracing::error!(request = ?id, method, route, status, ?took, "answered");
    } else {
        tracing::debug!(request = ?id, method, route, status, ?took, "answered");
    }
    response.headers_mut().insert(REQUEST_ID, id);
    Ok(response)
}

fn late() -> Response<Body> {
    let detail = "The answer took longer than 30 seconds; whether the request was carried out is \
                  not known. Repeat it with the same idempotency key.";
    Problem::new(Code::TimedOut, detail).retry_after(5).into_response()
}

fn broken(panic: &(dyn Any + Send), id: &HeaderValue) -> Response<Body> {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(request = ?id, panic = text.unwrap_or("(no text)"), "a handler panicked");
    let detail = "A fault of the server; whether the request was carried out is not known. \
                  Tell its operator the X-Request-Id.";
    Problem::new(Code::Internal, detail).into_response()
}

/// The method as a label; what is no usual one is not repeated.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Names of requests: the caller's own, or a random start and a count.
struct RequestIds {
    start: String,
    count: AtomicU64,
}

impl RequestIds {
    fn new() -> RequestIds {
        use rand::TryRng;
        let start = rand::rngs::SysRng.try_next_u64().unwrap_or_default();
        RequestIds { start: format!("{start:016x}"), count: AtomicU64::new(0) }
    }

    fn of(&self, request: &Request<Incoming>) -> HeaderValue {
        const MOST: usize = 128;
        let fits = |value: &&HeaderValue| {
            let bytes = value.as_bytes();
            (1..=MOST).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
        };
        if let Some(value) = request.headers().get(REQUEST_ID).filter(fits) {
            return value.clone();
        }
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let text = format!("{}-{count:x}", self.start);
        HeaderValue::from_maybe_shared(Bytes::from(text))
            .unwrap_or_else(|_| HeaderValue::from_static("unknown"))
    }
}
