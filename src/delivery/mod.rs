//! Telling others of events: which endpoints, what they are sent, when, and what came of it.
//!
//! Nothing is written when an event happens. Each endpoint has a cursor over the feed of events;
//! its lane reads on from there, sends, and moves the cursor in the commit that writes the
//! deliveries down. A crash in between repeats messages under the same ids, and skips none.

mod kept;
pub mod key_pair;
mod lane;
mod queue;
mod record;
mod schedule;
pub mod secrets;
mod send;
pub mod sign;
mod supervise;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hyper::Uri;
use refundry_domain::ids::Timestamp;
use refundry_domain::webhook::Endpoint;
use tokio::sync::watch;

use crate::access::seal::Sealer;
use crate::clock::Clock;
use crate::outbound::addresses::{Guarded, Network, may_call};
use crate::outbound::{Client, Limits, Resolve};
use crate::store::{Event, Store, StoreError};

/// What is sent about one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub content_type: &'static str,
    pub body: Bytes,
    /// Where it is sent instead of the endpoint's own address. The format sees to it that the host
    /// is the endpoint's, whose address was checked.
    pub to: Option<Uri>,
    /// What of the body is for the receiver alone: cut out of what is kept of its answer.
    pub hidden: Vec<String>,
}

impl Message {
    pub fn json(body: impl Into<Bytes>) -> Message {
        let hidden = Vec::new();
        Message { content_type: "application/json", body: body.into(), to: None, hidden }
    }
}

/// What a signature is made with.
pub struct Signing<'a> {
    /// The message's own id, the same however often it is sent.
    pub id: &'a str,
    /// When it is sent.
    pub at: Timestamp,
    /// The newest first; not empty.
    pub secrets: &'a [String],
}

/// One way to tell of events: its own bodies, its own signatures. `/v1` has one, and so may each
/// dialect.
#[async_trait]
pub trait Format: Send + Sync {
    /// As endpoints name it.
    fn name(&self) -> &'static str;

    /// Whether an endpoint can subscribe to this, in the format's own words.
    fn knows(&self, name: &str) -> bool;

    /// Whether an endpoint with these subscriptions is told of an event. None means all.
    fn wants(&self, subscribed: &[String], event: &Event) -> bool;

    /// What is sent about an event; `None` when the format has no word for it. It is made again
    /// for each try, so it must not depend on anything that changes, as far as it can.
    async fn message(
        &self,
        books: &dyn Store,
        event: &Event,
    ) -> Result<Option<Message>, StoreError>;

    /// As [`Format::message`], for a format in whose messages the endpoint or what it subscribed
    /// to stands.
    async fn message_to(
        &self,
        _endpoint: &Endpoint,
        books: &dyn Store,
        event: &Event,
    ) -> Result<Option<Message>, StoreError> {
        self.message(books, event).await
    }

    /// The header fields that say where the message comes from.
    fn sign(&self, message: &Message, signing: &Signing<'_>) -> Vec<(&'static str, String)>;

    /// A new secret; `None` when the system has no randomness to give.
    fn new_secret(&self) -> Option<String>;

    /// Whether a secret that the merchant brings can be signed with, or what was expected.
    fn takes_secret(&self, secret: &str) -> Result<(), &'static str>;

    /// What messages are checked with, for a format whose secret is a private key. Such a secret is
    /// never shown.
    fn public_key(&self, _secret: &str) -> Option<String> {
        None
    }
}

/// The formats there are.
#[derive(Clone, Default)]
pub struct Formats(Vec<Arc<dyn Format>>);

impl Formats {
    pub fn of(formats: Vec<Arc<dyn Format>>) -> Formats {
        Formats(formats)
    }

    pub fn named(&self, name: &str) -> Option<Arc<dyn Format>> {
        self.0.iter().find(|format| format.name() == name).cloned()
    }

    pub fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|format| format.name()).collect()
    }
}

/// Whether a subscription such as `refund.succeeded`, `refund.*` or `*` covers a type of event.
pub fn covers(subscription: &str, name: &str) -> bool {
    match subscription.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => subscription == name,
    }
}

/// Which addresses endpoints may have.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    pub allow_http: bool,
    pub allowed: Vec<Network>,
}

/// The longest address of an endpoint.
const URL_MOST: usize = 2_048;

impl Addresses {
    /// Refuses an address that could never be told, in words for its owner. What a name leads to
    /// is checked again before each connection.
    pub fn check(&self, url: &str) -> Result<(), String> {
        let expected = "Expected an address such as https://shop.example/webhooks.";
        let uri: Uri = url.parse().map_err(|_| expected.to_owned())?;
        let authority = uri.authority().ok_or(expected)?;
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if self.allow_http => {}
            Some("http") => return Err("Expected https: this server tells nobody by http.".into()),
            Some(_) | None => return Err(expected.to_owned()),
        }
        if url.len() > URL_MOST {
            return Err("An address has at most 2048 characters.".to_owned());
        }
        if authority.as_str().contains('@') || url.contains('#') {
            return Err("An address has no user, password or fragment here.".to_owned());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(expected.to_owned());
        }
        match host.parse::<IpAddr>() {
            Ok(address) if !may_call(address, &self.allowed) => {
                Err(format!("{address} is not on the public internet, and is not called."))
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// What of webhooks the API needs.
#[derive(Clone, Default)]
pub struct Counter {
    pub formats: Formats,
    pub addresses: Addresses,
    pub counts: Counts,
}

/// How many tries there were in this process, by what came of them.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub succeeded: prometheus_client::metrics::counter::Counter,
    pub failed: prometheus_client::metrics::counter::Counter,
}

/// How deliveries are carried out.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How long an endpoint may take to answer.
    pub timeout: Duration,
    /// How many messages are on their way to one endpoint at the same time.
    pub concurrency: usize,
    /// How often the feed is read although nothing was committed here.
    pub look: Duration,
    pub lease_ms: i64,
    /// How long deliveries that ended are kept.
    pub keep_ms: i64,
    /// How long a stop waits for what is on its way.
    pub drain: Duration,
}

/// What all lanes share.
struct Parts {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    sealer: Arc<Sealer>,
    formats: Formats,
    client: Client,
    rules: Rules,
    counts: Counts,
    /// This process, as leases name it.
    worker: i64,
    lanes: AtomicU32,
}

impl Parts {
    /// How many endpoints are served here.
    fn lanes(&self) -> u32 {
        self.lanes.load(Ordering::Relaxed)
    }
}

/// Serves all endpoints that no other process serves.
pub struct Deliver {
    parts: Arc<Parts>,
    commits: watch::Receiver<u64>,
}

/// What [`Deliver`] stands on.
pub struct Ground {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub sealer: Arc<Sealer>,
    /// Ticks with every commit of this process.
    pub commits: watch::Receiver<u64>,
}

/// How much of an answer is read.
const ANSWER_READ: usize = 4 * 1024;
const CONNECT: Duration = Duration::from_secs(10);

impl Deliver {
    /// `resolver` finds the addresses of names; those that may not be called are left out of what
    /// it answers.
    pub fn new(
        ground: Ground,
        counter: &Counter,
        rules: Rules,
        resolver: Arc<dyn Resolve>,
        worker: i64,
    ) -> Deliver {
        let limits = Limits {
            connect: CONNECT.min(rules.timeout),
            answer: ANSWER_READ,
            cut: true,
            idle_most: rules.concurrency,
            ..Limits::default()
        };
        let guarded = Guarded::over(resolver, counter.addresses.allowed.clone());
        let parts = Parts {
            store: ground.store,
            clock: ground.clock,
            sealer: ground.sealer,
            formats: counter.formats.clone(),
            client: Client::new(&limits, Arc::new(guarded)),
            rules,
            counts: counter.counts.clone(),
            worker,
            lanes: AtomicU32::new(0),
        };
        Deliver { parts: Arc::new(parts), commits: ground.commits }
    }

    /// How long a stop may take.
    pub fn drain(&self) -> Duration {
        self.parts.rules.drain
    }

    /// Works until the stop, and a bounded time longer for what is on its way.
    pub async fn run(&self, stop: watch::Receiver<bool>) {
        supervise::run(self.parts.clone(), self.commits.clone(), stop).await;
    }
}
