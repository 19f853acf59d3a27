//! Notifications over a socket: none is answered before it is kept, and none is shown to others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::http::{Http, SECRET, signature};
use super::paypal::Paypal;
use crate::harness::provider::{Books, Call, Fate, Provider, Said, Speech};
use crate::harness::site::Ask;
use crate::native::gateways::Running;

async fn connect_http(running: &Running, provider: &Provider) {
    let body = json!({"name": "http", "connector": "http", "secrets": {"secret": SECRET},
        "settings": {"url": format!("http://{}/refunds", provider.address)}});
    running.ask("POST", "/v1/gateways").json(&body).send().await.expect(201);
}

async fn connect_paypal(running: &Running, provider: &Provider) {
    let base = format!("http://{}", provider.address);
    let body = json!({"name": "paypal", "connector": "paypal",
        "settings": {"base_url": base, "client_id": "app", "webhook_id": "wh_1"},
        "secrets": {"client_secret": "secret"}});
    running.ask("POST", "/v1/gateways").json(&body).send().await.expect(201);
}

/// Signed news of the newest refund that the double of `http` has carried out.
fn news(running: &Running, provider: &Provider) -> Ask {
    let seconds = UNIX_EPOCH.elapsed().unwrap().as_secs().to_string();
    let text = json!({"id": provider.rows().last().unwrap().key}).to_string();
    Ask::new(running.address, "POST", "/v1/gateways/http/notifications")
        .header("webhook-id", "msg_1")
        .header("webhook-timestamp", &seconds)
        .header("webhook-signature", &signature("msg_1", &seconds, &text))
        .raw("application/json", text)
}

/// PayPal's news of the newest refund that its double has carried out.
fn paypal_news(running: &Running, provider: &Provider) -> Ask {
    let row = provider.rows().last().unwrap().clone();
    let event = json!({"resource": {"id": row.id, "custom_id": row.key},
        "resource_type": "refund"});
    let text = event.to_string();
    Ask::new(running.address, "POST", "/v1/gateways/paypal/notifications")
        .header("paypal-transmission-sig", "good")
        .raw("application/json", text)
}

/// Another merchant of the same server.
async fn second_merchant(running: &Running) -> String {
    let made = running.ask("POST", "/v1/merchants").json(&json!({"name": "second"}));
    let merchant = made.send().await.expect(201).id();
    let scopes = json!(["read", "write", "approve", "admin"]);
    let body = json!({"name": "theirs", "scopes": scopes, "merchant": merchant});
    let key: Value = running.ask("POST", "/v1/keys").json(&body).send().await.expect(201).json();
    key["secret"].as_str().unwrap().to_owned()
}

/// A provider forgets what was answered 200: by then it has to be in the books.
#[tokio::test(flavor = "multi_thread")]
async fn news_is_accepted_when_it_is_kept_and_not_before() {
    let home = tempfile::tempdir().unwrap();
    let provider = Provider::start(Http::default()).await;
    let running = Running::start(home.path()).await;
    connect_http(&running, &provider).await;
    let refund = running.refund_at("http").await;
    running.until(&refund, "succeeded").await;
    provider.decide(Fate::Returned);
    provider.break_down(true);
    let refused = news(&running, &provider).send().await;
    refused.expect_problem(503, "unavailable");
    assert_eq!(running.state(&refund).await, "succeeded");
    provider.break_down(false);
    news(&running, &provider).send().await.expect(200);
    assert_eq!(running.state(&refund).await, "reversed", "it is there when the answer is");
    news(&running, &provider).send().await.expect(200);
    assert_eq!(running.state(&refund).await, "reversed");
    running.stop().await;
}

/// Both secrets fit; whose refund it is decides.
#[tokio::test(flavor = "multi_thread")]
async fn merchants_that_share_an_account_hear_each_of_their_own() {
    let home = tempfile::tempdir().unwrap();
    let provider = Provider::start(Http::default()).await;
    let running = Running::start(home.path()).await;
    connect_http(&running, &provider).await;
    let second = second_merchant(&running).await;
    let running = running.seen_by(&second);
    connect_http(&running, &provider).await;
    let refund = running.refund_at("http").await;
    running.until(&refund, "succeeded").await;
    provider.decide(Fate::Returned);
    news(&running, &provider).send().await.expect(200);
    assert_eq!(running.state(&refund).await, "reversed");
    running.stop().await;
}

/// Takes every notification for good, and counts them.
struct Nosy(Arc<AtomicUsize>);

impl Speech for Nosy {
    fn answer(&mut self, call: &Call, _books: &mut Books) -> Said {
        if call.path == "/v1/oauth2/token" {
            return Said::Json(200, json!({"access_token": "t", "expires_in": 32400}));
        }
        self.0.fetch_add(1, Ordering::SeqCst);
        Said::Json(200, json!({"verification_status": "SUCCESS"}))
    }
}

/// PayPal's check is made at an address that the merchant has set.
#[tokio::test(flavor = "multi_thread")]
async fn a_notification_is_shown_to_no_other_merchant() {
    let home = tempfile::tempdir().unwrap();
    let seen = Arc::new(AtomicUsize::new(0));
    let (nosy, provider) =
        (Provider::start(Nosy(seen.clone())).await, Provider::start(Paypal::default()).await);
    let running = Running::start(home.path()).await;
    connect_paypal(&running, &nosy).await;
    let second = second_merchant(&running).await;
    let running = running.seen_by(&second);
    connect_paypal(&running, &provider).await;
    let refund = running.refund_at("paypal").await;
    running.until(&refund, "succeeded").await;
    provider.decide(Fate::Returned);
    paypal_news(&running, &provider).send().await.expect(200);
    assert_eq!(running.state(&refund).await, "reversed");
    assert_eq!(seen.load(Ordering::SeqCst), 0, "nobody else saw it");
    running.stop().await;
}

/// Bodies that never come hold no place.
#[tokio::test(flavor = "multi_thread")]
async fn slow_senders_do_not_shut_the_door() {
    let home = tempfile::tempdir().unwrap();
    let provider = Provider::start(Http::default()).await;
    let running = Running::start(home.path()).await;
    connect_http(&running, &provider).await;
    let refund = running.refund_at("http").await;
    running.until(&refund, "succeeded").await;
    let mut slow = Vec::new();
    for _ in 0..80 {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let head = "POST /v1/gateways/http/notifications HTTP/1.1\r\nhost: x\r\n\
                    content-type: application/json\r\ncontent-length: 100\r\n\r\n{";
        stream.write_all(head.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    provider.decide(Fate::Returned);
    let told = tokio::time::timeout(Duration::from_secs(5), news(&running, &provider).send());
    told.await.expect("it is answered").expect(200);
    assert_eq!(running.state(&refund).await, "reversed");
    drop(slow);
    running.stop().await;
}

/// PayPal, as long as it need not check a notification: that it never ends.
struct Hanging {
    paypal: Paypal,
    seen: Arc<AtomicUsize>,
}

impl Speech for Hanging {
    fn answer(&mut self, call: &Call, books: &mut Books) -> Said {
        if call.path == "/v1/notifications/verify-webhook-signature" {
            self.seen.fetch_add(1, Ordering::SeqCst);
            return Said::Hang;
        }
        self.paypal.answer(call, books)
    }
}

/// Whoever hangs up leaves a check behind; there are so many of a gateway, and no more.
#[tokio::test(flavor = "multi_thread")]
async fn checks_that_hang_are_bounded_and_hold_up_no_other_gateway() {
    let home = tempfile::tempdir().unwrap();
    let seen = Arc::new(AtomicUsize::new(0));
    let paypal = Hanging { paypal: Paypal::default(), seen: seen.clone() };
    let (paypal, provider) =
        (Provider::start(paypal).await, Provider::start(Http::default()).await);
    let running = Running::start(home.path()).await;
    connect_paypal(&running, &paypal).await;
    connect_http(&running, &provider).await;
    for name in ["paypal", "http"] {
        let refund = running.refund_at(name).await;
        running.until(&refund, "succeeded").await;
    }
    let mut senders = JoinSet::new();
    for _ in 0..80 {
        let notice = paypal_news(&running, &paypal);
        senders.spawn(async move {
            notice.send().await.expect_problem(503, "unavailable");
        });
    }
    let refused = async {
        for _ in 0..16 {
            senders.join_next().await.unwrap().unwrap();
        }
        let mut beat = tokio::time::interval(Duration::from_millis(10));
        while seen.load(Ordering::SeqCst) < 64 {
            beat.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(7), refused).await.expect("no more than 64 wait");
    senders.shutdown().await;
    paypal_news(&running, &paypal).send().await.expect_problem(503, "unavailable");
    assert_eq!(seen.load(Ordering::SeqCst), 64);
    news(&running, &provider).send().await.expect(200);
    running.stop().await;
}
