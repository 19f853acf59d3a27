//! A customer's bank details on their way to the provider: it gets them, and nobody else.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::harness::provider::{Fate, Mood, Provider};
use crate::harness::receiver::Receiver;
use crate::harness::site::Ask;
use crate::harness::whole::{KEY, Whole};
use crate::providers::http::{Http, SECRET};
use crate::webhooks::until;

const IBAN: &str = "DE89370400440532013000";
const HOLDER: &str = "Zoë Lovelace";
const BIC: &str = "COBADEFFXXX";
/// What must stand nowhere: the details in letters and digits alone, without the country and check
/// digits too.
const SECRETS: [&str; 3] = ["370400440532013000", "zoëlovelace", "cobadeffxxx"];

/// A log that is kept.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whatever stands between the letters and digits of the details, they are found.
fn assert_silent(what: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let plain: String =
        text.chars().filter(|one| one.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    for secret in SECRETS {
        assert!(!plain.contains(secret), "{what} has {secret}");
    }
    assert!(!text.contains("Zo\\u00eb"), "{what} has the holder");
}

fn post(whole: &Whole, path: &str, body: &Value) -> Ask {
    whole.ask("POST", path).key(KEY).json(body)
}

async fn read(whole: &Whole, path: &str) -> Value {
    whole.ask("GET", path).key(KEY).send().await.expect(200).json()
}

/// A refund whose customer has said where it goes.
async fn refund(whole: &Whole) -> String {
    let body = json!({"currency": "EUR", "lines": [{"amount": "20.00"}], "payments": [
        {"provider": "http", "method": "voucher", "provider_reference": "v-1", "amount": "20.00"}]});
    let order = post(whole, "/v1/orders", &body).send().await.expect(201).id();
    let body = json!({"order": order, "amount": "12.50"});
    let refund = post(whole, "/v1/refunds", &body).once().send().await.expect(201).json();
    assert_eq!(refund["state"], "requires_information");
    let id = refund["id"].as_str().unwrap();
    let details = json!({"iban": IBAN, "account_holder": HOLDER, "bic": BIC});
    let given = post(whole, &format!("/v1/refunds/{id}/information"), &details);
    given.once().send().await.expect(200);
    id.to_owned()
}

async fn until_state(whole: &Whole, refund: &str, state: &str) -> Value {
    let path = format!("/v1/refunds/{refund}");
    until(state, || async { Some(read(whole, &path).await).filter(|row| row["state"] == state) })
        .await
}

fn check_files(folder: &Path) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            count += check_files(&path);
        } else {
            assert_silent(&path.display().to_string(), &std::fs::read(&path).unwrap());
            count += 1;
        }
    }
    count
}

/// Whoever reads a log, a webhook or a copy of the database would know where customers bank.
#[tokio::test]
async fn bank_details_reach_the_provider_and_nobody_else() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _here = tracing::subscriber::set_default(subscriber);
    let speech = Http::default();
    let accounts = speech.accounts.clone();
    let provider = Provider::start(speech).await;
    let receiver = Receiver::good().await;
    let whole = Whole::start(&[
        ("REFUNDRY_GATEWAYS_ALLOW_ADDRESSES", "127.0.0.0/8"),
        ("REFUNDRY_WEBHOOKS_ALLOW_ADDRESSES", "127.0.0.0/8"),
        ("REFUNDRY_WEBHOOKS_ALLOW_HTTP", "true"),
    ])
    .await;
    let gateway = json!({"name": "http", "connector": "http", "secrets": {"secret": SECRET},
        "settings": {"url": format!("http://{}/refunds", provider.address),
            "details_for": "card, voucher"}});
    post(&whole, "/v1/gateways", &gateway).send().await.expect(201);
    let endpoint = json!({"url": receiver.url()});
    post(&whole, "/v1/webhook_endpoints", &endpoint).send().await.expect(201);

    provider.will([Mood::Pend, Mood::Decline, Mood::BreakAfter]);
    let pending = refund(&whole).await;
    until_state(&whole, &pending, "processing").await;
    until("the first is sent", || async { (provider.calls() == 1).then_some(()) }).await;
    let declined = refund(&whole).await;
    let failed = until_state(&whole, &declined, "failed").await;
    assert!(failed["failure"]["message"].as_str().unwrap().contains("to … (…; …) of …, …, at …"));
    let broken = refund(&whole).await;
    until("the third is sent", || async { (provider.calls() == 3).then_some(()) }).await;
    provider.decide(Fate::Paid);
    for refund in [&pending, &broken] {
        let paid = until_state(&whole, refund, "succeeded").await;
        assert_eq!(paid["information"]["last4"], "3000", "{paid}");
    }
    let sent = accounts.lock().clone();
    let expected = json!({"iban": IBAN, "account_holder": HOLDER, "bic": BIC});
    assert!(sent.len() >= 3 && sent.iter().all(|account| *account == expected), "{sent:?}");

    for path in ["refunds", "transactions", "events", "orders", "webhook_endpoints", "gateways"] {
        let path = format!("/v1/{path}?limit=100");
        let answer = whole.ask("GET", &path).key(KEY).send().await.expect(200);
        assert_silent(&path, &answer.body);
    }
    let events = read(&whole, "/v1/events?limit=100").await.to_string();
    assert_eq!(events.matches("refund.details_purged").count(), 2);
    let purged = || async {
        let told = receiver.told();
        told.iter().any(|one| one.kind() == "refund.details_purged").then_some(())
    };
    until("webhooks tell of the end", purged).await;
    let deliveries = read(&whole, "/v1/deliveries?limit=100").await.to_string();
    assert_silent("the deliveries", deliveries.as_bytes());
    for told in receiver.told() {
        assert_silent("a webhook", &told.body);
    }
    let dir = whole.dir.path().to_owned();
    assert!(check_files(&dir) > 2);
    whole.stop().await;
    let log = log.0.lock().clone();
    assert!(String::from_utf8_lossy(&log).contains("a payout was declined"));
    assert_silent("the log", &log);
}
