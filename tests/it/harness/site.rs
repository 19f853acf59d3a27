//! A server on a socket of its own, and a client that says exactly what it sends.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use refundry::testing::access::gate::Gate;
use refundry::testing::access::links::Links;
use refundry::testing::access::seal::Sealer;
use refundry::testing::access::{Caller, secret};
use refundry::testing::clock::{Clock, ManualClock};
use refundry::testing::connections::{Connections, Means};
use refundry::testing::console::Rules;
use refundry::testing::delivery::{Addresses, Counter, Counts};
use refundry::testing::dialects;
use refundry::testing::gateways::{Gateways, connectors};
use refundry::testing::http::server::{self, Drained};
use refundry::testing::http::site;
use refundry::testing::ledger::Ledger;
use refundry::testing::outbound::addresses::Network;
use refundry::testing::outbound::{Client, Limits, SystemResolver};
use refundry::testing::store::{Administered, Store};
use refundry::testing::workers::Pay;
use refundry_domain::ids::MerchantId;
use refundry_domain::merchant::{Administration, Scope};
use refundry_domain::policy::Abilities;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::payouts::rules;
use super::store::{Home, NOW};

/// A running server. Its clock stands; nothing but requests changes its books.
pub struct Site {
    pub home: Home,
    pub clock: Arc<ManualClock>,
    pub ledger: Arc<Ledger>,
    pub sealer: Arc<Sealer>,
    pub links: Arc<Links>,
    pub gate: Arc<Gate>,
    pub address: SocketAddr,
    /// A key of the first merchant with every scope.
    pub key: String,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<Drained>,
}

impl Site {
    pub async fn start() -> Site {
        let home = Home::new().await;
        let store = home.store.clone();
        Site::over(home, store).await
    }

    /// A server over another store than the home's own, such as one that fails.
    pub async fn over(home: Home, store: Arc<dyn Store>) -> Site {
        let clock = Arc::new(ManualClock::at(NOW));
        let voucher = vec!["voucher".to_owned()];
        let abilities = Abilities { methods_needing_information: voucher, ..Abilities::full() };
        let providers = BTreeMap::from([("sandbox".to_owned(), abilities)]);
        let time: Arc<dyn Clock> = clock.clone();
        let (ledger, _hints) = Ledger::new(store.clone(), time.clone(), providers);
        let sealer = Arc::new(Sealer::from_directory(home.dir.path()).unwrap());
        ledger.count_connections(connectors::abilities);
        let means = Means {
            store: store.clone(),
            sealer: sealer.clone(),
            client: Client::new(&Limits::default(), Arc::new(SystemResolver)),
            clock: time.clone(),
            timeout: Duration::from_secs(5),
        };
        let connections = Arc::new(Connections::new(Gateways::default(), means));
        let links = Arc::new(Links::new(store.clone(), sealer.clone(), "https://shop.example"));
        let pay = Pay::new(ledger.clone(), connections.clone(), rules(), 7, Arc::default());
        let mut site = site(
            ledger.clone(),
            store,
            time,
            links.clone(),
            connections,
            counter(&links),
            SESSIONS,
            Arc::new(pay),
        );
        let gate = site.gate.clone();
        // A handler with a bug in it.
        let bug = axum::routing::get(async || -> String { panic!("this is the bug") });
        site.router = site.router.route("/bug", bug);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(server::serve(listener, site, async {
            let _ = stopped.await;
        }));
        let key = String::new();
        let stop = Some(stop);
        let mut site =
            Site { home, clock, ledger, sealer, links, gate, address, key, stop, served };
        site.key = site.make_key(MerchantId(1), &Scope::ALL, 100_000).await;
        site
    }

    pub async fn merchant(&self, name: &str) -> MerchantId {
        let caller = Caller::internal(MerchantId(1), "test");
        let change = Administration::CreateMerchant { name: name.to_owned() };
        match self.ledger.administer(&caller, change).await.unwrap() {
            Administered::Merchant(merchant) => merchant.id,
            other => panic!("no merchant was made: {other:?}"),
        }
    }

    pub async fn make_key(&self, merchant: MerchantId, scopes: &[Scope], rate: u32) -> String {
        let secret = secret::generate().unwrap();
        let change = Administration::CreateKey {
            name: "test".to_owned(),
            scopes: scopes.to_vec(),
            hash: secret::hash(&secret),
            rate_per_second: rate,
        };
        let caller = Caller::internal(merchant, "test");
        self.ledger.administer(&caller, change).await.unwrap();
        secret
    }

    /// A request with the site's own key.
    pub fn ask(&self, method: &str, path: &str) -> Ask {
        Ask::new(self.address, method, path).key(&self.key)
    }

    pub fn get(&self, path: &str) -> Ask {
        self.ask("GET", path)
    }

    pub fn post(&self, path: &str, body: Value) -> Ask {
        self.ask("POST", path).json(&body)
    }

    pub fn patch(&self, path: &str, body: Value) -> Ask {
        self.ask("PATCH", path).json(&body)
    }

    /// An order of one line of two units and one card payment, by its id.
    pub async fn order(&self, amount: &str) -> String {
        let body = serde_json::json!({
            "currency": "USD",
            "lines": [{"sku": "sku_1", "quantity": 2, "amount": amount}],
            "payments": [{"provider": "sandbox", "amount": amount}],
        });
        self.post("/v1/orders", body).send().await.expect(201).id()
    }

    /// A refund of an amount, by its id.
    pub async fn refund(&self, order: &str, amount: &str) -> String {
        let body = serde_json::json!({"order": order, "amount": amount});
        self.post("/v1/refunds", body).once().send().await.expect(201).id()
    }

    /// How many events the books have, of all merchants.
    pub async fn events(&self) -> usize {
        let all = self.home.store.event_hashes(refundry_domain::ids::EventId(0), 100_000);
        all.await.unwrap().len()
    }

    /// Tells the server to stop, and says how it ended.
    pub async fn stop(mut self) -> (Drained, Home) {
        drop(self.stop.take());
        let drained = tokio::time::timeout(Duration::from_secs(60), self.served).await;
        (drained.expect("the server stops within a minute").unwrap(), self.home)
    }

    /// Tells the server to stop and goes on.
    pub fn begin_stop(&mut self) {
        drop(self.stop.take());
    }
}

/// Half an hour of idleness, half a day in all.
pub const SESSIONS: Rules =
    Rules { idle_ms: 30 * 60 * 1000, life_ms: 12 * 60 * 60 * 1000, secure: false };

/// Webhooks to this machine only.
pub fn counter(links: &Arc<Links>) -> Counter {
    Counter {
        formats: dialects::formats(links),
        addresses: Addresses {
            allow_http: true,
            allowed: vec![Network::parse("127.0.0.0/8").unwrap()],
        },
        counts: Counts::default(),
    }
}

/// A request to be sent.
#[derive(Clone)]
pub struct Ask {
    address: SocketAddr,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Ask {
    pub fn new(address: SocketAddr, method: &str, path: &str) -> Ask {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        Ask { address, method, path: path.to_owned(), headers: Vec::new(), body: Bytes::new() }
    }

    /// The same request to another path; its query stays.
    pub fn at(mut self, path: &str) -> Ask {
        let query = self.path.split_once('?').map(|(_, query)| format!("?{query}"));
        self.path = format!("{path}{}", query.unwrap_or_default());
        self
    }

    /// The same request with another method.
    pub fn method(mut self, method: &str) -> Ask {
        self.method = Method::from_bytes(method.as_bytes()).unwrap();
        self
    }

    /// Adds a field, in place of one of the same name.
    pub fn header(mut self, name: &str, value: &str) -> Ask {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Ask {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    pub fn key(self, secret: &str) -> Ask {
        self.header("authorization", &format!("Bearer {secret}"))
    }

    /// Under an idempotency key of its own.
    pub fn once(self) -> Ask {
        let key = secret::generate().unwrap();
        self.under(&key)
    }

    pub fn under(self, key: &str) -> Ask {
        self.header("idempotency-key", key)
    }

    pub fn json(self, body: &Value) -> Ask {
        self.raw("application/json", body.to_string().into_bytes())
    }

    pub fn raw(mut self, kind: &str, body: impl Into<Bytes>) -> Ask {
        self.body = body.into();
        self.header("content-type", kind)
    }

    /// Sends it and waits for the head of the answer.
    pub async fn open(self) -> Response<Incoming> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder().method(self.method).uri(self.path);
        if !self.headers.iter().any(|(name, _)| name == "host") {
            request = request.header("host", self.address.to_string());
        }
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(self.body)).unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(30), sender.send_request(request));
        answer.await.expect("an answer within 30 seconds").unwrap()
    }

    pub async fn send(self) -> Answer {
        let response = self.open().await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: hyper::HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// This status, or the test fails and shows the answer.
    #[track_caller]
    pub fn expect(self, status: u16) -> Answer {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status.as_u16(), status, "{text}");
        self
    }

    /// A problem of this status and code, or the test fails and shows the answer.
    #[track_caller]
    pub fn expect_problem(self, status: u16, code: &str) -> Answer {
        let answer = self.expect(status);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let body = answer.json();
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status);
        assert_eq!(body["type"], format!("/docs/errors#{code}"));
        assert!(body["title"].as_str().is_some_and(|title| !title.is_empty()));
        assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
        answer
    }

    /// The problem names this place of the body.
    #[track_caller]
    pub fn at(self, pointer: &str) -> Answer {
        assert_eq!(self.json()["errors"][0]["pointer"], pointer, "{}", self.json());
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    #[track_caller]
    pub fn id(&self) -> String {
        self.json()["id"].as_str().unwrap().to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}
