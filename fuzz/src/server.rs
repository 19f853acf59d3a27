//! A whole server without its socket, and a shop in it that requests can be about.

use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use refundry::testing::App;
use refundry::testing::clock::SystemClock;
use refundry::testing::config::{Config, Overrides};
use serde_json::Value;
use sha1::{Digest, Sha1};
use tokio::runtime::Runtime;
use tower::ServiceExt;

const KEY: &str = "rfk_of_a_server_that_is_sent_anything";

pub struct Server {
    runtime: Runtime,
    router: Router,
    /// Kept going, and looked at by nobody.
    _app: Mutex<App>,
    /// The shop's order, with two payments, its return, and a refund that waits for bank details.
    pub order: String,
    pub row: String,
    pub waiting: String,
    /// A key that may ask as often as a fuzzer can.
    key: String,
    token: String,
    login: String,
}

/// How a request says who asks.
#[derive(Clone, Copy, Debug)]
pub enum Who {
    Bearer,
    Basic,
    ApiKey,
    Fluent,
    /// In the body, or nowhere.
    Nobody,
}

impl Server {
    /// With its data in the folder.
    pub fn start(folder: &Path) -> Server {
        let variables = [("REFUNDRY_ADMIN_KEY".to_owned(), KEY.to_owned())];
        let flags = Overrides { data: Some(folder.to_owned()), ..Overrides::default() };
        let config = Config::layered(None, &variables, &flags).expect("a configuration");
        let runtime = Runtime::new().expect("a runtime");
        let app = runtime.block_on(App::open(config, Arc::new(SystemClock), 7)).expect("a server");
        let mut server = Server {
            runtime,
            router: app.router(),
            _app: Mutex::new(app),
            order: String::new(),
            row: String::new(),
            waiting: String::new(),
            key: KEY.to_owned(),
            token: String::new(),
            login: String::new(),
        };
        server.furnish();
        server
    }

    fn furnish(&mut self) {
        let made = |server: &Server, path: &str, body: &str| -> Value {
            let (status, body) =
                server.send("POST", path, "application/json", Who::Bearer, body.to_owned());
            assert!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&body));
            serde_json::from_slice(&body).expect("JSON")
        };
        let id = |made: &Value| made["id"].as_str().expect("an id").to_owned();
        let body = r#"{"reference":"1001","currency":"PLN","customer":{"reference":"c-7"},
            "lines":[{"sku":"hat","quantity":2,"amount":"100000.00"},
            {"kind":"shipping","amount":"23.45"}],
            "payments":[{"provider":"sandbox","method":"card","amount":"100000.00"},
            {"provider":"sandbox","method":"blik","amount":"23.45"}]}"#;
        self.order = id(&made(self, "/v1/orders", body));
        let body = r#"{"order":{"reference":"1001"},"kind":"return","reference":"501",
            "items":[{"line":1,"quantity":1}]}"#;
        made(self, "/v1/returns", body);
        let body = r#"{"order":{"reference":"1001"},"amount":"5.00","execution":"notify"}"#;
        let told = made(self, "/v1/refunds", body);
        self.row = told["transactions"][0]["id"].as_str().expect("a transaction").to_owned();
        let (status, answer) = self.send(
            "PATCH",
            "/v1/settings",
            "application/json",
            Who::Bearer,
            r#"{"ask_bank_details":true}"#,
        );
        assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&answer));
        let body = r#"{"order":{"reference":"1001"},"amount":"5.00","to":"bank_transfer"}"#;
        self.waiting = id(&made(self, "/v1/refunds", body));
        let body = r#"{"name":"fuzz","scopes":["read","write","approve","admin"],
            "rate_per_second":100000}"#;
        let own = made(self, "/v1/keys", body);
        self.login = id(&own);
        self.key = own["secret"].as_str().expect("a secret").to_owned();
        let login = "/oauth/token?grant_type=client_credentials&client_id=1&client_secret=";
        let (status, body) =
            self.send("POST", &format!("{login}{}", self.key), "", Who::Nobody, "");
        assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
        let token: Value = serde_json::from_slice(&body).expect("a token");
        self.token = token["access_token"].as_str().expect("a token").to_owned();
    }

    /// What is answered. Whatever comes, the server finds nothing wrong with itself: that is
    /// looked at by the caller, since some APIs say so in other ways than by the status.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        who: Who,
        body: impl Into<Body>,
    ) -> (StatusCode, Vec<u8>) {
        let mut request = Request::builder().method(method).uri(path).header("host", "x");
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        request = match who {
            Who::Bearer => request.header("authorization", format!("Bearer {}", self.key)),
            Who::Basic => {
                let pair = STANDARD.encode(format!("1:{}", self.key));
                request.header("authorization", format!("Basic {pair}"))
            }
            Who::ApiKey => request.header("x-api-key", &self.key),
            Who::Fluent => request.header("authorization", format!("Bearer {}", self.token)),
            Who::Nobody => request,
        };
        static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        // What takes no key refuses one before it looks at the rest.
        let keyed = ["/v1/refunds", "/v1/orders", "/v1/returns"];
        if method == "POST" && keyed.iter().any(|part| path.starts_with(part)) {
            let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            request = request.header("idempotency-key", format!("key-{count}"));
        }
        let request = request.body(body.into()).expect("a request");
        self.runtime.block_on(async {
            let answer = self.router.clone().oneshot(request).await.expect("an answer");
            let status = answer.status();
            let body = answer.into_body().collect().await.expect("a body").to_bytes();
            (status, body.to_vec())
        })
    }

    /// The older IdoSell API's login of today, in XML.
    pub fn login(&self) -> String {
        let day = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y%m%d");
        let key = hex(&format!("{day}{}", hex(&self.key)));
        let login = &self.login;
        format!("<userLogin>{login}</userLogin><authenticateKey>{key}</authenticateKey>")
    }
}

fn hex(text: &str) -> String {
    Sha1::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
