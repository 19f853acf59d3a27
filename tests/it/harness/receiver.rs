//! An endpoint of a merchant's, that keeps what it is told and answers as it is bidden.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// One message that came.
#[derive(Clone, Debug)]
pub struct Told {
    /// With its query.
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Told {
    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The type of the event.
    pub fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }
}

/// How it answers.
#[derive(Clone, Debug)]
pub enum Reaction {
    Status(u16),
    With(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Nothing is ever said.
    Hang,
    /// The connection is closed before an answer.
    Drop,
    /// The head comes, and the body never ends.
    Drip,
}

type Answer = Box<dyn Fn(usize, &Told) -> Reaction + Send + Sync>;

pub struct Receiver {
    pub address: SocketAddr,
    told: Arc<Mutex<Vec<Told>>>,
    count: watch::Receiver<usize>,
    answer: Arc<Mutex<Answer>>,
}

impl Receiver {
    /// `answer` is given the number of the message, from 0.
    pub async fn start(
        answer: impl Fn(usize, &Told) -> Reaction + Send + Sync + 'static,
    ) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let (counter, count) = watch::channel(0);
        let answer: Arc<Mutex<Answer>> = Arc::new(Mutex::new(Box::new(answer)));
        let (kept, reacts, counter) = (told.clone(), answer.clone(), Arc::new(counter));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, reacts, counter) = (kept.clone(), reacts.clone(), counter.clone());
                let service = service_fn(move |request| {
                    react(request, kept.clone(), reacts.clone(), counter.clone())
                });
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        Receiver { address, told, count, answer }
    }

    pub async fn good() -> Receiver {
        Receiver::start(|_, _| Reaction::Status(200)).await
    }

    /// From now on it answers so.
    pub fn answer(&self, answer: impl Fn(usize, &Told) -> Reaction + Send + Sync + 'static) {
        *self.answer.lock() = Box::new(answer);
    }

    pub fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    pub fn told(&self) -> Vec<Told> {
        self.told.lock().clone()
    }

    /// Waits until so many messages have come, and answers all there are.
    pub async fn until(&self, count: usize) -> Vec<Told> {
        let mut seen = self.count.clone();
        let came =
            tokio::time::timeout(Duration::from_secs(30), seen.wait_for(|now| *now >= count));
        if came.await.is_err() {
            panic!("{count} messages did not come, but {}", self.told().len());
        }
        self.told()
    }
}

type Body = http_body_util::combinators::BoxBody<Bytes, std::convert::Infallible>;

async fn react(
    request: Request<Incoming>,
    told: Arc<Mutex<Vec<Told>>>,
    answer: Arc<Mutex<Answer>>,
    counter: Arc<watch::Sender<usize>>,
) -> Result<Response<Body>, std::io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let one = Told { path: parts.uri.to_string(), headers: parts.headers, body };
    let reaction = {
        let mut told = told.lock();
        let reaction = answer.lock()(told.len(), &one);
        told.push(one);
        counter.send_replace(told.len());
        reaction
    };
    let mut response = match reaction {
        Reaction::Status(_) => Response::new(Full::new(Bytes::new()).boxed()),
        Reaction::With(_, _, ref body) => Response::new(Full::new(body.clone().into()).boxed()),
        Reaction::Hang => std::future::pending().await,
        Reaction::Drop => return Err(std::io::Error::other("as bidden")),
        Reaction::Drip => Response::new(Dripping(false).boxed()),
    };
    if let Reaction::Status(status) | Reaction::With(status, _, _) = &reaction {
        *response.status_mut() = hyper::StatusCode::from_u16(*status).unwrap();
    }
    if let Reaction::With(_, headers, _) = reaction {
        for (name, value) in headers {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
    }
    Ok(response)
}

/// A body whose first byte comes, and nothing more.
struct Dripping(bool);

impl hyper::body::Body for Dripping {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        if self.0 {
            return std::task::Poll::Pending;
        }
        self.0 = true;
        let frame = hyper::body::Frame::data(Bytes::from_static(b"."));
        std::task::Poll::Ready(Some(Ok(frame)))
    }
}
