//! Doubles of providers: each keeps its own books, counts the money that leaves, and misbehaves
//! when it is told to.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use refundry::testing::clock::ManualClock;
use refundry::testing::gateways::Gateway;
use refundry::testing::gateways::connectors::{self, Account, Texts};
use refundry::testing::outbound::{Client, Limits, SystemResolver};
use tokio::net::TcpListener;

/// How a provider takes the next refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Says no, for lack of funds.
    Decline,
    /// Takes it and decides later.
    Pend,
    /// Neither does it nor answers.
    HangBefore,
    /// Does it and does not answer.
    HangAfter,
    /// Answers 500 without having done it, and with.
    BreakBefore,
    BreakAfter,
    /// Does it, and something on the way back answers 403 in its place.
    ForbidAfter,
    /// Does it and answers half a sentence.
    Garble,
    /// Does it and says that it paid one unit more.
    Misstate,
    /// Too busy to take it.
    Busy,
}

/// A refund in a provider's books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub id: String,
    pub key: String,
    pub payment: String,
    /// As the provider writes it.
    pub amount: String,
    pub currency: String,
    pub fate: Fate,
    /// Its answer names another amount than it paid.
    pub misstated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Pending,
    Paid,
    Declined,
    /// Paid, and back again.
    Returned,
}

/// What a provider's own way of speaking has to read and write; the books are the same for all.
pub trait Speech: Send + 'static {
    /// The provider's answer to a call, which may change its books.
    fn answer(&mut self, call: &Call, books: &mut Books) -> Said;
}

pub struct Call {
    pub method: String,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Call {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub enum Said {
    Json(u16, serde_json::Value),
    Hang,
    Garbled,
}

#[derive(Default)]
pub struct Books {
    pub rows: Vec<Kept>,
    pub moods: VecDeque<Mood>,
    pub locked_out: bool,
    /// Answers nothing but 500.
    pub broken: bool,
    /// Every call to pay, with its key.
    pub calls: Vec<String>,
}

impl Books {
    /// A call to pay: what the provider does, and how it answers. `show` writes a row in the
    /// provider's words.
    pub fn pay(
        &mut self,
        key: &str,
        payment: &str,
        (amount, currency): (&str, &str),
        declined: Said,
        show: impl Fn(&Kept) -> Said,
    ) -> Said {
        self.calls.push(key.to_owned());
        if let Some(known) = self.rows.iter().find(|row| row.key == key) {
            assert_eq!((known.amount.as_str(), known.payment.as_str()), (amount, payment));
            return show(known);
        }
        let mood = self.moods.pop_front();
        match mood {
            Some(Mood::Decline) => return declined,
            Some(Mood::HangBefore) => return Said::Hang,
            Some(Mood::BreakBefore) => return Said::Json(500, serde_json::json!({})),
            Some(Mood::Busy) => return Said::Json(429, serde_json::json!({})),
            _ => {}
        }
        let row = Kept {
            id: format!("p-{}", self.rows.len() + 1),
            key: key.to_owned(),
            payment: payment.to_owned(),
            amount: amount.to_owned(),
            currency: currency.to_owned(),
            fate: if mood == Some(Mood::Pend) { Fate::Pending } else { Fate::Paid },
            misstated: mood == Some(Mood::Misstate),
        };
        self.rows.push(row.clone());
        match mood {
            Some(Mood::HangAfter) => Said::Hang,
            Some(Mood::BreakAfter) => Said::Json(500, serde_json::json!({})),
            Some(Mood::ForbidAfter) => Said::Json(403, serde_json::json!({"blocked": "outgoing"})),
            Some(Mood::Garble) => Said::Garbled,
            _ => show(&row),
        }
    }
}

/// A provider at an address of its own.
pub struct Provider {
    pub address: SocketAddr,
    books: Arc<Mutex<Books>>,
}

impl Provider {
    pub async fn start(speech: impl Speech) -> Provider {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let books = Arc::new(Mutex::new(Books::default()));
        let shared = Arc::new(Mutex::new(speech));
        let kept = books.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (speech, books) = (shared.clone(), kept.clone());
                let service =
                    service_fn(move |request| serve(speech.clone(), books.clone(), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Provider { address, books }
    }

    pub fn will(&self, moods: impl IntoIterator<Item = Mood>) {
        self.books.lock().moods.extend(moods);
    }

    pub fn lock_out(&self, out: bool) {
        self.books.lock().locked_out = out;
    }

    pub fn break_down(&self, broken: bool) {
        self.books.lock().broken = broken;
    }

    /// Decides everything that is pending, or takes back what was paid.
    pub fn decide(&self, fate: Fate) {
        for row in &mut self.books.lock().rows {
            row.fate = fate;
        }
    }

    pub fn rows(&self) -> Vec<Kept> {
        self.books.lock().rows.clone()
    }

    /// How often money left, and under how many keys.
    pub fn paid(&self) -> (usize, usize) {
        let books = self.books.lock();
        let paid = books.rows.iter().filter(|row| row.fate == Fate::Paid);
        let mut keys: BTreeMap<&str, usize> = BTreeMap::new();
        for row in paid {
            *keys.entry(&row.key).or_default() += 1;
        }
        (keys.values().sum(), keys.len())
    }

    pub fn calls(&self) -> usize {
        self.books.lock().calls.len()
    }
}

async fn serve(
    speech: Arc<Mutex<impl Speech>>,
    books: Arc<Mutex<Books>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return Ok(Response::default()) };
    let call = Call {
        method: parts.method.to_string(),
        path: parts.uri.path_and_query().unwrap().to_string(),
        headers: parts.headers,
        body: body.to_bytes(),
    };
    let said = {
        let mut books = books.lock();
        let broken = Said::Json(500, serde_json::json!({}));
        if books.broken { broken } else { speech.lock().answer(&call, &mut books) }
    };
    let (status, text) = match said {
        Said::Json(status, value) => (status, value.to_string()),
        Said::Garbled => (200, "{\"id\": \"p-".to_owned()),
        Said::Hang => std::future::pending().await,
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    Ok(response)
}

pub fn texts(pairs: &[(&str, &str)]) -> Texts {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A client whose calls may take as long as a test's worker waits.
pub fn client() -> Client {
    Client::new(&Limits::default(), Arc::new(SystemResolver))
}

/// The gateway of a connector, with these settings and secrets, under its own name.
pub fn gateway(
    connector: &str,
    clock: &Arc<ManualClock>,
    settings: &[(&str, &str)],
    secrets: &[(&str, &str)],
) -> Arc<dyn Gateway> {
    let known = connectors::named(connector).unwrap();
    let (settings, secrets) = (texts(settings), texts(secrets));
    known.check(&settings, Some(&secrets)).unwrap();
    let account = Account {
        name: connector.to_owned(),
        settings,
        secrets,
        client: client(),
        clock: clock.clone(),
        timeout: Duration::from_millis(300),
    };
    known.connect(&account).unwrap()
}
