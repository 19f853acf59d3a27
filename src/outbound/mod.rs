//! The one HTTP client, for everything that this program calls: gateways, webhooks. Bounded in
//! time and size, follows no redirect, and tells "certainly not sent" from "not known", since that
//! decides whether there is any doubt about money.

pub mod addresses;
mod dial;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use dial::Dial;
pub use dial::{Resolve, SystemResolver};

/// How this program names itself to others.
const AGENT: &str = concat!("refundry/", env!("CARGO_PKG_VERSION"));
/// The longest head of an answer.
const HEAD_MOST: usize = 64 * 1024;

/// The limits of a client.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How long finding, connecting and greeting a host may take, all together.
    pub connect: Duration,
    /// How many bytes of an answer's body are read at most.
    pub answer: usize,
    /// Whether the rest of a longer answer is left unread; else there is no usable answer.
    pub cut: bool,
    /// How long a connection is kept when it is not used.
    pub idle: Duration,
    /// How many of them are kept a host.
    pub idle_most: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connect: Duration::from_secs(10),
            answer: 1024 * 1024,
            cut: false,
            idle: Duration::from_secs(30),
            idle_most: 32,
        }
    }
}

/// A call to be made. The address is absolute, `http` or `https`.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// How long all of it may take, the reading of the answer included.
    pub deadline: Duration,
}

impl Call {
    pub fn new(method: Method, uri: Uri, deadline: Duration) -> Call {
        Call { method, uri, headers: HeaderMap::new(), body: Bytes::new(), deadline }
    }

    /// Adds a field. A value that no header can carry is left out, and the far side will say so:
    /// values that come from outside are checked where they come in.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Call {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// Adds a field that is never logged.
    #[must_use]
    pub fn secret(mut self, name: HeaderName, value: &str) -> Call {
        if let Ok(mut value) = HeaderValue::from_str(value) {
            value.set_sensitive(true);
            self.headers.insert(name, value);
        }
        self
    }

    #[must_use]
    pub fn body(mut self, kind: &'static str, body: impl Into<Bytes>) -> Call {
        self.headers.insert(hyper::header::CONTENT_TYPE, HeaderValue::from_static(kind));
        self.body = body.into();
        self
    }
}

/// A whole answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Why there is no whole answer. The texts name the host and nothing that was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Not one byte of the request has left: no such host, no connection, no trust, no time.
    #[error("nothing was sent: {0}")]
    NotSent(String),
    /// It has left, in part or as a whole; what the far side did with it is not known.
    #[error("no usable answer: {0}")]
    Unknown(String),
}

/// Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Client {
    inner: legacy::Client<Dial, Watched>,
    answer: usize,
    cut: bool,
}

impl Client {
    /// `resolver` is asked for the addresses of every host before each connection, numeric ones
    /// included, so it can refuse them.
    pub fn new(limits: &Limits, resolver: Arc<dyn Resolve>) -> Client {
        Client::trusting(limits, resolver, dial::public_roots())
    }

    /// As [`Client::new`], with other authorities than the public ones.
    pub fn trusting(
        limits: &Limits,
        resolver: Arc<dyn Resolve>,
        roots: rustls::RootCertStore,
    ) -> Client {
        let inner = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(limits.idle)
            .pool_max_idle_per_host(limits.idle_most)
            .http1_max_buf_size(HEAD_MOST)
            .build(Dial::new(limits.connect, resolver, roots));
        Client { inner, answer: limits.answer, cut: limits.cut }
    }

    /// Makes the call and reads the whole answer. A redirect is an answer like any other.
    pub async fn call(&self, call: Call) -> Result<Reply, Failure> {
        let touched = Arc::new(AtomicBool::new(false));
        let deadline = call.deadline;
        match tokio::time::timeout(deadline, self.exchange(call, &touched)).await {
            Ok(answered) => answered,
            Err(_) => {
                let why = format!("no answer in {} ms", deadline.as_millis());
                Err(doubt(&touched, false, why))
            }
        }
    }

    async fn exchange(&self, call: Call, touched: &Arc<AtomicBool>) -> Result<Reply, Failure> {
        let mut request = Request::builder().method(call.method).uri(call.uri);
        if let Some(headers) = request.headers_mut() {
            *headers = call.headers;
            headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
            if !call.body.is_empty() {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(call.body.len()));
            }
        }
        let body = Watched { inner: Full::new(call.body), touched: touched.clone() };
        // Without a body nothing tells when the request leaves; only a connection that was never
        // made is certain then.
        touched.store(body.is_end_stream(), Ordering::Release);
        let request =
            request.body(body).map_err(|error| Failure::NotSent(format!("bad call: {error}")))?;
        let response = match self.inner.request(request).await {
            Ok(response) => response,
            Err(error) => return Err(doubt(touched, error.is_connect(), said(&error))),
        };
        let (parts, body) = response.into_parts();
        if self.cut {
            let body = beginning(body, self.answer)
                .await
                .map_err(|error| Failure::Unknown(said(&error)))?;
            return Ok(Reply { status: parts.status, headers: parts.headers, body });
        }
        match Limited::new(body, self.answer).collect().await {
            Ok(body) => {
                let body = body.to_bytes();
                Ok(Reply { status: parts.status, headers: parts.headers, body })
            }
            Err(error) if error.is::<LengthLimitError>() => {
                Err(Failure::Unknown(format!("the answer is longer than {} bytes", self.answer)))
            }
            Err(error) => Err(Failure::Unknown(said(error.as_ref()))),
        }
    }
}

/// The first bytes of a body.
async fn beginning(mut body: Incoming, most: usize) -> Result<Bytes, hyper::Error> {
    let mut bytes = BytesMut::new();
    while bytes.len() < most
        && let Some(frame) = body.frame().await
    {
        if let Some(data) = frame?.data_ref() {
            bytes.extend_from_slice(&data[..data.len().min(most - bytes.len())]);
        }
    }
    Ok(bytes.freeze())
}

fn doubt(touched: &AtomicBool, unconnected: bool, why: String) -> Failure {
    if unconnected || !touched.load(Ordering::Acquire) {
        Failure::NotSent(why)
    } else {
        Failure::Unknown(why)
    }
}

/// An error with what caused it.
fn said(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

/// A body that notes when it is asked for. The head is flushed together with the body's first
/// bytes and never before it is asked for, so as long as nobody asked, nothing has left.
struct Watched {
    inner: Full<Bytes>,
    touched: Arc<AtomicBool>,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.touched.store(true, Ordering::Release);
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
