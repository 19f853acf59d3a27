//! Gateways connected over the API, from the first call to the money that moved.

use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use refundry::testing::App;
use refundry::testing::access::Caller;
use refundry::testing::clock::SystemClock;
use refundry::testing::config::{Config, Overrides};
use refundry::testing::connections::{Connections, Means, sealed};
use refundry::testing::gateways::Gateways;
use refundry::testing::workers::{Pay, Rules};
use refundry_domain::ids::MerchantId;
use refundry_domain::merchant::{Administration, ConnectionChange, Scope};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::harness::provider::{Fate, Mood, Provider, client, texts};
use crate::harness::site::{Ask, Site};
use crate::providers::http::{Http, SECRET, signature};

fn givex(url: &str) -> Value {
    json!({"name": "givex", "connector": "http", "settings": {"url": url},
        "secrets": {"secret": SECRET}})
}

#[tokio::test]
async fn a_gateway_is_connected_changed_and_never_shows_its_credentials() {
    let site = Site::start().await;
    let body = givex("https://shop.example/refunds");
    let dry = site.post("/v1/gateways?dry_run=true", body.clone()).send().await.expect(200).json();
    assert!(dry["id"].is_null());
    let made = site.post("/v1/gateways", body.clone()).send().await.expect(201).json();
    assert_eq!(made["notifications_path"], "/v1/gateways/givex/notifications");
    assert_eq!(made["can"]["be_asked"], true);
    assert!(!made.to_string().contains(SECRET));
    let again = site.post("/v1/gateways", body).send().await;
    again.expect_problem(409, "gateway_exists").at("/name");
    let id = made["id"].as_str().unwrap();
    for path in ["/v1/gateways/givex".to_owned(), format!("/v1/gateways/{id}")] {
        assert_eq!(site.get(&path).send().await.expect(200).json(), made);
    }
    let off = json!({"enabled": false});
    let changed = site.patch("/v1/gateways/givex", off).send().await.expect(200).json();
    assert_eq!((&changed["enabled"], &changed["settings"]), (&json!(false), &made["settings"]));
    // Credentials that are kept are not sent to another address.
    let mut moved = json!({"settings": {"url": "https://other.example/refunds"}});
    let refused = site.patch("/v1/gateways/givex", moved.clone()).send().await;
    refused.expect_problem(422, "field_invalid").at("/secrets");
    let same = json!({"settings": made["settings"]});
    site.patch("/v1/gateways/givex", same).send().await.expect(200);
    moved["secrets"] = json!({"secret": SECRET});
    let changed = site.patch("/v1/gateways/givex", moved).send().await.expect(200).json();
    assert_eq!(changed["settings"]["url"], "https://other.example/refunds");
    let list = site.get("/v1/gateways").send().await.expect(200).json();
    assert_eq!(list["data"], json!([changed]));
    // What is kept opens only with the master key.
    let (_, home) = site.stop().await;
    home.store.close().await;
    for entry in std::fs::read_dir(home.dir.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let found = bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
        assert!(!found, "the secret is on the disk in clear");
    }
}

#[tokio::test]
async fn what_cannot_be_connected_is_refused_by_name() {
    let site = Site::start().await;
    let url = "https://shop.example/refunds";
    for (change, at) in [
        (json!({"name": "sandbox"}), "/name"),
        (json!({"name": "Givex"}), "/name"),
        (json!({"name": ""}), "/name"),
        (json!({"connector": "nobody"}), "/connector"),
        (json!({"settings": {}}), "/settings/url"),
        (json!({"settings": {"url": "http://shop.example"}}), "/settings/url"),
        (json!({"settings": {"url": "https://user@shop.example"}}), "/settings/url"),
        (json!({"settings": {"url": url, "color": "red"}}), "/settings/color"),
        (json!({"secrets": {}}), "/secrets/secret"),
        (json!({"secrets": {"secret": "a\nb"}}), "/secrets/secret"),
        (json!({"secrets": {"secret": "c2hvcnQ="}}), ""),
    ] {
        let mut body = givex(url);
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = site.post("/v1/gateways", body).send().await;
        answer.expect_problem(422, "field_invalid").at(at);
    }
    assert_eq!(site.get("/v1/gateways").send().await.json()["data"], json!([]));
    let reader = site.make_key(refundry_domain::ids::MerchantId(1), &[Scope::Write], 1000).await;
    let asked = site.post("/v1/gateways", givex(url)).key(&reader).send().await;
    asked.expect_problem(403, "scope_missing");
}

const ALLOWED: (&str, &str) = ("REFUNDRY_GATEWAYS_ALLOW_ADDRESSES", "127.0.0.0/8");

/// A whole server: its address, an admin key, and how to stop it.
pub struct Running {
    pub address: std::net::SocketAddr,
    key: String,
    stop: oneshot::Sender<()>,
    served: tokio::task::JoinHandle<()>,
}

impl Running {
    pub async fn start(data: &std::path::Path) -> Running {
        let overrides = Overrides { data: Some(data.to_owned()), ..Overrides::default() };
        // The provider's double stands beside the server.
        let variables = [
            ("REFUNDRY_PAYOUTS_LOOK_MS".to_owned(), "20".to_owned()),
            (ALLOWED.0.to_owned(), ALLOWED.1.to_owned()),
        ];
        let config = Config::layered(None, &variables, &overrides).unwrap();
        let app = App::open(config, Arc::new(SystemClock), 7).await.unwrap();
        let key = app.first_key().unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(app.serve(listener, async {
            let _ = stopped.await;
        }));
        Running { address, key, stop, served }
    }

    pub fn ask(&self, method: &str, path: &str) -> Ask {
        Ask::new(self.address, method, path).key(&self.key)
    }

    /// The same server, asked by another key.
    pub fn seen_by(self, key: &str) -> Running {
        Running { key: key.to_owned(), ..self }
    }

    /// A refund of 10.00 of a payment at this provider.
    pub async fn refund_at(&self, provider: &str) -> String {
        let order = json!({"currency": "EUR", "lines": [{"amount": "100.00"}],
            "payments": [{"provider": provider, "amount": "100.00", "provider_reference": "p_1"}]});
        let order = self.ask("POST", "/v1/orders").json(&order).send().await.expect(201).id();
        let body = json!({"order": order, "amount": "10.00"});
        self.ask("POST", "/v1/refunds").once().json(&body).send().await.expect(201).id()
    }

    pub async fn state(&self, refund: &str) -> Value {
        let path = format!("/v1/refunds/{refund}");
        self.ask("GET", &path).send().await.expect(200).json()["state"].take()
    }

    async fn refund(&self, reference: &str) -> String {
        let order = json!({"currency": "EUR", "lines": [{"amount": "100.00"}],
            "payments": [{"provider": "givex", "amount": "100.00", "provider_reference": reference}]});
        let order = self.ask("POST", "/v1/orders").json(&order).send().await.expect(201).id();
        let body = json!({"order": order, "amount": "10.00"});
        self.ask("POST", "/v1/refunds").once().json(&body).send().await.expect(201).id()
    }

    pub async fn until(&self, refund: &str, state: &str) -> Value {
        let path = format!("/v1/refunds/{refund}");
        let wait = async {
            let mut beat = tokio::time::interval(Duration::from_millis(20));
            loop {
                beat.tick().await;
                let shown = self.ask("GET", &path).send().await.expect(200).json();
                if shown["state"] == state {
                    return shown;
                }
            }
        };
        let reached = tokio::time::timeout(Duration::from_secs(30), wait).await;
        reached.unwrap_or_else(|_| panic!("{refund} never became {state}"))
    }

    pub async fn stop(self) {
        drop(self.stop);
        self.served.await.unwrap();
    }
}

fn refundry(data: &std::path::Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_refundry"));
    let (name, rest) = arguments.split_first().unwrap();
    command.env(ALLOWED.0, ALLOWED.1).arg(name).arg("--data").arg(data);
    command.args(rest).output().unwrap()
}

/// Connected, paid, told by notification, switched off; then tried and sealed anew without a
/// server.
#[tokio::test(flavor = "multi_thread")]
async fn money_moves_through_a_connected_gateway() {
    let home = tempfile::tempdir().unwrap();
    let provider = Provider::start(Http::default()).await;
    let running = Running::start(home.path()).await;
    let body = givex(&format!("http://{}/refunds", provider.address));
    // Its provider's name is the gateway's, and the double knows it as "http".
    let mut body = body;
    body["name"] = json!("http");
    running.ask("POST", "/v1/gateways").json(&body).send().await.expect(201);
    let path = "/v1/gateways/http/test";
    let tried = running.ask("POST", path).json(&json!({})).send().await.expect(200).json();
    assert_eq!(tried, json!({"works": true, "detail": null}));

    let order = json!({"currency": "EUR", "lines": [{"amount": "100.00"}],
        "payments": [{"provider": "http", "amount": "100.00", "provider_reference": "card-7"}]});
    let refund = async |amount: &str| {
        let order = running.ask("POST", "/v1/orders").json(&order).send().await.expect(201).id();
        let body = json!({"order": order, "amount": amount});
        running.ask("POST", "/v1/refunds").once().json(&body).send().await.expect(201).id()
    };
    let paid = refund("10.00").await;
    running.until(&paid, "succeeded").await;
    assert_eq!(provider.paid(), (1, 1));
    // Another provider's payment has no gateway, and others are told of it.
    let elsewhere = running.refund("card-8").await;
    assert_eq!(running.until(&elsewhere, "processing").await["execution"], "notify");

    // Long before the next look, a notification has it asked.
    provider.will([Mood::Pend]);
    let pending = refund("10.00").await;
    running.until(&pending, "processing").await;
    let kept = async {
        let mut beat = tokio::time::interval(Duration::from_millis(10));
        while provider.rows().len() < 2 {
            beat.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), kept).await.expect("it arrives");
    provider.decide(Fate::Paid);
    let key = provider.rows()[1].key.clone();
    let seconds = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs().to_string();
    let news = json!({"id": key}).to_string();
    let notice = Ask::new(running.address, "POST", "/v1/gateways/http/notifications")
        .header("webhook-id", "msg_1")
        .header("webhook-timestamp", &seconds)
        .raw("application/json", news.clone());
    notice.clone().send().await.expect_problem(401, "notification_refused");
    let signed = notice.header("webhook-signature", &signature("msg_1", &seconds, &news));
    signed.send().await.expect(200);
    running.until(&pending, "succeeded").await;

    let off = json!({"enabled": false});
    running.ask("PATCH", "/v1/gateways/http").json(&off).send().await.expect(200);
    let told = refund("10.00").await;
    assert_eq!(running.until(&told, "processing").await["execution"], "notify");
    running.stop().await;
    check_commands(home.path(), &provider);
}

fn check_commands(data: &std::path::Path, provider: &Provider) {
    let text = |output: &Output| String::from_utf8(output.stdout.clone()).unwrap();
    let list = refundry(data, &["gateways", "list"]);
    assert!(text(&list).contains("http  http  switched off"), "{}", text(&list));
    let tried = refundry(data, &["gateways", "test", "http"]);
    assert!(tried.status.success(), "{tried:?}");
    let before = std::fs::read_to_string(data.join("master.key")).unwrap();
    let rotated = refundry(data, &["master-key", "rotate"]);
    assert!(text(&rotated).starts_with("1 gateways' credentials were sealed"), "{rotated:?}");
    let after = std::fs::read_to_string(data.join("master.key")).unwrap();
    assert!(after.ends_with(before.trim()) && after.lines().count() == 2);
    // The new key alone is enough for the credentials.
    std::fs::write(data.join("master.key"), after.lines().next().unwrap()).unwrap();
    let tried = refundry(data, &["gateways", "test", "http"]);
    assert!(tried.status.success(), "{tried:?}");
    // The old one alone is not.
    std::fs::write(data.join("master.key"), &before).unwrap();
    let tried = refundry(data, &["gateways", "test", "http"]);
    assert_eq!(tried.status.code(), Some(1));
    assert!(text(&tried).contains("cannot be opened with this master key"), "{tried:?}");
    std::fs::write(data.join("master.key"), &after).unwrap();
    provider.lock_out(true);
    let tried = refundry(data, &["gateways", "test", "http", "--json"]);
    assert_eq!(tried.status.code(), Some(1));
    assert!(text(&tried).contains("\"works\":false"), "{tried:?}");
    let unknown = refundry(data, &["gateways", "test", "nobody"]);
    assert_eq!(unknown.status.code(), Some(2));
    let verified = refundry(data, &["verify"]);
    assert!(verified.status.success(), "{}", text(&verified));
}

/// A merchant who switches a gateway off because it misbehaves would have it go on paying, or what it
/// was sent before would hang.
#[tokio::test]
async fn a_gateway_that_is_switched_off_is_sent_nothing_and_asked_about_what_it_has() {
    let site = Site::start().await;
    let provider = Provider::start(Http::default()).await;
    let url = format!("http://{}/refunds", provider.address);
    set_gateway(&site, &url, true).await;
    let pay = worker(&site);
    let refund = async |amount: &str| {
        let order = json!({"currency": "EUR", "lines": [{"amount": "100.00"}],
            "payments": [{"provider": "http", "amount": "100.00", "provider_reference": "card-7"}]});
        let order = site.post("/v1/orders", order).send().await.expect(201).id();
        site.refund(&order, amount).await
    };
    let state = async |refund: &str| {
        let shown = site.get(&format!("/v1/refunds/{refund}")).send().await.expect(200).json();
        shown["state"].as_str().unwrap().to_owned()
    };
    provider.will([Mood::HangAfter]);
    let sent = refund("10.00").await;
    pay.tick().await;
    assert_eq!((state(&sent).await, provider.calls()), ("processing".to_owned(), 1));
    let waiting = refund("5.00").await;
    set_gateway(&site, &url, false).await;
    site.clock.advance_ms(5_000);
    pay.tick().await;
    assert_eq!((provider.calls(), provider.paid()), (1, (1, 1)), "nothing is sent");
    assert_eq!(state(&sent).await, "succeeded", "it is asked about what it was sent");
    assert_eq!(state(&waiting).await, "processing");
    set_gateway(&site, &url, true).await;
    site.clock.advance_ms(60_000);
    pay.tick().await;
    assert_eq!((state(&waiting).await, provider.paid()), ("succeeded".to_owned(), (2, 2)));
}

/// The first merchant's gateway "http", as its row is from now on.
async fn set_gateway(site: &Site, url: &str, enabled: bool) {
    let secrets = texts(&[("secret", SECRET)]);
    let change = ConnectionChange {
        name: "http".to_owned(),
        connector: "http".to_owned(),
        settings: texts(&[("url", url)]),
        sealed: Some(sealed(&site.sealer, MerchantId(1), "http", &secrets).unwrap()),
        enabled,
    };
    let caller = Caller::internal(MerchantId(1), "test");
    site.ledger.administer(&caller, Administration::SetConnection(change)).await.unwrap();
}

/// A worker over the site's books, with what its merchants have connected.
fn worker(site: &Site) -> Pay {
    let timeout = Duration::from_millis(500);
    let means = Means {
        store: site.home.store.clone(),
        sealer: site.sealer.clone(),
        client: client(),
        clock: site.clock.clone(),
        timeout,
    };
    let connections = Arc::new(Connections::new(Gateways::default(), means));
    let rules = Rules { timeout, lease_ms: 60_000, concurrency: 0 };
    Pay::new(site.ledger.clone(), connections, rules, 1, Arc::default())
}

/// Only the account that a refund was sent through can say what became of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_in_use_is_not_pointed_at_another_account() {
    let home = tempfile::tempdir().unwrap();
    let (provider, other) =
        (Provider::start(Http::default()).await, Provider::start(Http::default()).await);
    let running = Running::start(home.path()).await;
    let mut body = givex(&format!("http://{}/refunds", provider.address));
    body["name"] = json!("http");
    running.ask("POST", "/v1/gateways").json(&body).send().await.expect(201);
    provider.will([Mood::Pend]);
    let refund = running.refund_at("http").await;
    running.until(&refund, "processing").await;
    let sent = async {
        let mut beat = tokio::time::interval(Duration::from_millis(10));
        while provider.rows().is_empty() {
            beat.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), sent).await.expect("it is sent");
    let moved = json!({"settings": {"url": format!("http://{}/refunds", other.address)},
        "secrets": {"secret": SECRET}});
    let patch =
        async |change: &Value| running.ask("PATCH", "/v1/gateways/http").json(change).send().await;
    patch(&moved).await.expect_problem(409, "gateway_in_use").at("/settings");
    // Other secrets of the same account are nobody's doubt.
    patch(&json!({"secrets": {"secret": SECRET}})).await.expect(200);
    provider.decide(Fate::Paid);
    running.until(&refund, "succeeded").await;
    patch(&moved).await.expect(200);
    let next = running.refund_at("http").await;
    running.until(&next, "succeeded").await;
    assert_eq!((provider.paid(), other.paid()), ((1, 1), (1, 1)));
    running.stop().await;
}
