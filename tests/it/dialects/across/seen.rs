//! How each API makes a refund and shows one, and that they all show the same.

use std::sync::LazyLock;

use async_trait::async_trait;
use refundry_domain::refund::State;
use serde_json::{Value, json};

use super::map::word;
use super::stage::{AMOUNT, CURRENCY, PROVIDER_REFERENCE, Stage};
use crate::harness::site::{Answer, Ask, Site};
use crate::harness::whole::basic;

/// What an API says of a refund.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    /// With the decimals of the currency.
    pub amount: String,
    pub currency: String,
    /// In the API's own words.
    pub state: String,
    /// What the provider calls it, of an API that shows that.
    pub reference: Option<String>,
}

/// One public API, as its clients use it.
#[async_trait]
pub trait Voice: Send + Sync {
    fn name(&self) -> &'static str;

    /// Whether a refund that its clients ask for can come into the state.
    fn makes(&self, state: State) -> bool {
        state != State::Unconfirmed
    }

    /// Asks for a refund of [`AMOUNT`]; answers whether there is one now.
    async fn make(&self, stage: &Stage, proposed: bool) -> bool;

    /// Whether it has a place for this refund at all.
    async fn shows(&self, _stage: &Stage) -> bool {
        true
    }

    /// The refund as the API shows it.
    async fn show(&self, stage: &Stage) -> Answer;

    /// What that says.
    fn read(&self, answer: &Answer) -> Seen;

    /// Which part of the order it gives back, of an API that has words for that.
    fn kind(&self, _answer: &Answer) -> Option<String> {
        None
    }

    /// Why the refund failed, of an API that has words for that.
    fn reason(&self, _answer: &Answer) -> Option<String> {
        None
    }
}

/// In the order of their columns.
pub static VOICES: LazyLock<Vec<Box<dyn Voice>>> = LazyLock::new(|| {
    vec![
        Box::new(Native),
        Box::new(BeGateway),
        Box::new(DigitalRiver),
        Box::new(Fluent),
        Box::new(IdoSell),
        Box::new(ReturnGo),
    ]
});

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

fn some(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A JSON number of major units, as it was written.
fn figure(body: &[u8], name: &str) -> String {
    let body = std::str::from_utf8(body).unwrap();
    let (_, rest) = body.split_once(&format!("\"{name}\":")).unwrap_or_else(|| panic!("{body}"));
    rest.chars().take_while(|one| one.is_ascii_digit() || *one == '.').collect()
}

pub struct Native;

#[async_trait]
impl Voice for Native {
    fn name(&self) -> &'static str {
        "/v1"
    }

    fn makes(&self, _state: State) -> bool {
        true
    }

    async fn make(&self, stage: &Stage, proposed: bool) -> bool {
        let mut body = json!({"order": stage.order, "amount": AMOUNT,
                              "return": stage.return_id().await, "reason": "damaged"});
        if proposed {
            body["confirm"] = json!(false);
        }
        stage.site.post("/v1/refunds", body).once().send().await.status == 201
    }

    async fn show(&self, stage: &Stage) -> Answer {
        let refund = stage.refund.as_deref().unwrap();
        stage.site.get(&format!("/v1/refunds/{refund}")).send().await.expect(200)
    }

    fn read(&self, answer: &Answer) -> Seen {
        let refund = answer.json();
        Seen {
            amount: text(&refund["amount"]),
            currency: text(&refund["currency"]),
            state: text(&refund["state"]),
            reference: some(&refund["transactions"][0]["provider_reference"]),
        }
    }

    fn kind(&self, answer: &Answer) -> Option<String> {
        some(&answer.json()["kind"])
    }

    fn reason(&self, answer: &Answer) -> Option<String> {
        some(&answer.json()["failure"]["code"])
    }
}

pub struct BeGateway;

impl BeGateway {
    fn ask(site: &Site, method: &str, path: &str) -> Ask {
        Ask::new(site.address, method, path).header("authorization", &basic("1", &site.key))
    }
}

#[async_trait]
impl Voice for BeGateway {
    fn name(&self) -> &'static str {
        "beGateway"
    }

    async fn make(&self, stage: &Stage, _proposed: bool) -> bool {
        let parent = format!("1-{:010x}", stage.payment);
        let minor: i64 = AMOUNT.replace('.', "").parse().unwrap();
        let request = json!({"request": {"parent_uid": parent, "amount": minor,
                                         "reason": "customer request"}});
        let ask = BeGateway::ask(&stage.site, "POST", "/beyag/transactions/refunds");
        ask.json(&request).send().await.status.is_success()
    }

    async fn show(&self, stage: &Stage) -> Answer {
        // The codes came with version 3 of the card API, which shows the fields by themselves.
        let path = format!("/begateway/transactions/2-{:010x}", stage.transaction().await);
        let ask = BeGateway::ask(&stage.site, "GET", &path).header("x-api-version", "3");
        ask.send().await.expect(200)
    }

    fn read(&self, answer: &Answer) -> Seen {
        let shown = answer.json();
        let minor = shown["amount"].as_i64().unwrap();
        let inner = &shown["transaction"];
        Seen {
            amount: format!("{}.{:02}", minor / 100, minor % 100),
            currency: text(&shown["currency"]),
            state: text(&shown["status"]),
            reference: some(&inner["ref_id"]).or_else(|| some(&inner["refund"]["ref_id"])),
        }
    }

    fn reason(&self, answer: &Answer) -> Option<String> {
        some(&answer.json()["code"])
    }
}

pub struct DigitalRiver;

#[async_trait]
impl Voice for DigitalRiver {
    fn name(&self) -> &'static str {
        "Digital River"
    }

    async fn make(&self, stage: &Stage, _proposed: bool) -> bool {
        let amount: Value = serde_json::from_str(AMOUNT).unwrap();
        let body = json!({"orderId": stage.order, "currency": CURRENCY, "amount": amount});
        stage.site.post("/digitalriver/refunds", body).send().await.status == 201
    }

    async fn show(&self, stage: &Stage) -> Answer {
        let refund = stage.refund.as_deref().unwrap();
        stage.site.get(&format!("/digitalriver/refunds/{refund}")).send().await.expect(200)
    }

    fn read(&self, answer: &Answer) -> Seen {
        let shown = answer.json();
        Seen {
            amount: figure(&answer.body, "amount"),
            currency: text(&shown["currency"]),
            state: text(&shown["state"]),
            reference: None,
        }
    }

    fn kind(&self, answer: &Answer) -> Option<String> {
        some(&answer.json()["type"])
    }

    fn reason(&self, answer: &Answer) -> Option<String> {
        some(&answer.json()["failureReason"])
    }
}

pub struct Fluent;

impl Fluent {
    async fn ask(site: &Site, method: &str, path: &str) -> Ask {
        let form = format!("grant_type=client_credentials&client_id=1&client_secret={}", site.key);
        let token = Ask::new(site.address, "POST", "/oauth/token")
            .raw("application/x-www-form-urlencoded", form.into_bytes());
        let token = token.send().await.expect(200).json();
        Ask::new(site.address, method, path).key(token["access_token"].as_str().unwrap())
    }
}

#[async_trait]
impl Voice for Fluent {
    fn name(&self) -> &'static str {
        "Fluent"
    }

    /// Its clients record what was paid outside.
    fn makes(&self, state: State) -> bool {
        state == State::Succeeded
    }

    async fn make(&self, stage: &Stage, _proposed: bool) -> bool {
        let amount: Value = serde_json::from_str(AMOUNT).unwrap();
        let body = json!({"transactionRef": PROVIDER_REFERENCE, "transactionType": "REFUND",
            "amount": amount, "currency": CURRENCY, "paymentProvider": "PAYPAL",
            "paymentMethod": "PAYPAL", "transactionCode": 2344});
        let path = format!("/api/v4.1/return/R{}/transaction", stage.reference);
        let ask = Fluent::ask(&stage.site, "POST", &path).await;
        ask.json(&body).send().await.status == 200
    }

    /// It knows refunds of returns.
    async fn shows(&self, stage: &Stage) -> bool {
        stage.shown().await["return"].is_string()
    }

    async fn show(&self, stage: &Stage) -> Answer {
        let (of, number) = (&stage.reference, stage.transaction().await);
        let path = format!("/api/v4.1/return/R{of}/transaction/{number}");
        Fluent::ask(&stage.site, "GET", &path).await.send().await.expect(200)
    }

    fn read(&self, answer: &Answer) -> Seen {
        let shown = answer.json();
        Seen {
            amount: figure(&answer.body, "amount"),
            currency: text(&shown["currency"]),
            state: text(&shown["status"]),
            reference: some(&shown["transactionRef"]),
        }
    }
}

pub struct IdoSell;

impl IdoSell {
    fn ask(site: &Site, method: &str, name: &str) -> Ask {
        let path = format!("/api/admin/v8/refunds/{name}");
        Ask::new(site.address, method, &path).header("x-api-key", &site.key)
    }
}

#[async_trait]
impl Voice for IdoSell {
    fn name(&self) -> &'static str {
        "IdoSell"
    }

    /// All of its refunds are confirmed by a second call.
    fn makes(&self, _state: State) -> bool {
        true
    }

    async fn make(&self, stage: &Stage, _proposed: bool) -> bool {
        let params = json!({"params": {"sourceId": stage.reference, "refundValue": AMOUNT,
                                       "refundCurrency": CURRENCY}});
        let ask = IdoSell::ask(&stage.site, "POST", "addAutomaticRefundForOrder");
        ask.json(&params).send().await.status == 200
    }

    async fn show(&self, stage: &Stage) -> Answer {
        // A refund of a return is found there, by its place among those of the return.
        let (kind, source) = match stage.shown().await["return"].is_string() {
            true => ("return", format!("R{}", stage.reference)),
            false => ("order", stage.reference.clone()),
        };
        let query = format!("sourceType={kind}&sourceId={source}&paymentId={source}-1");
        let path = format!("getRefundStatus?{query}");
        IdoSell::ask(&stage.site, "GET", &path).send().await.expect(200)
    }

    fn read(&self, answer: &Answer) -> Seen {
        let shown = &answer.json()["result"];
        Seen {
            amount: figure(&answer.body, "refundValue"),
            currency: text(&shown["refundCurrency"]),
            state: text(&shown["refundStatus"]),
            reference: some(&shown["refundExternalId"]),
        }
    }
}

pub struct ReturnGo;

#[async_trait]
impl Voice for ReturnGo {
    fn name(&self) -> &'static str {
        "ReturnGO"
    }

    /// Its clients look and report.
    fn makes(&self, _state: State) -> bool {
        false
    }

    async fn make(&self, _stage: &Stage, _proposed: bool) -> bool {
        unreachable!("it has no call that makes a refund")
    }

    async fn show(&self, stage: &Stage) -> Answer {
        let path = format!("/returngo/transactions?pagesize=10&ids={}", stage.transaction().await);
        let ask = Ask::new(stage.site.address, "GET", &path);
        ask.header("X-API-KEY", &stage.site.key).send().await.expect(200)
    }

    fn read(&self, answer: &Answer) -> Seen {
        let body = answer.json();
        let rows = body["transactions"].as_array().unwrap();
        assert_eq!(rows.len(), 1, "{body}");
        let text_of = std::str::from_utf8(&answer.body).unwrap();
        let (_, amounts) = text_of.split_once("\"amount\":").unwrap();
        Seen {
            amount: figure(amounts.as_bytes(), "amount"),
            currency: text(&rows[0]["amount"]["currency"]),
            state: text(&rows[0]["status"]),
            reference: some(&rows[0]["externalReferenceId"]),
        }
    }
}

#[tokio::test]
async fn a_refund_of_any_api_is_seen_in_all_in_every_state() {
    let mut site = Site::start().await;
    let mut orders = 1000;
    for maker in VOICES.iter() {
        for state in State::ALL.into_iter().filter(|state| maker.makes(*state)) {
            orders += 1;
            let method = if state == State::RequiresInformation { "voucher" } else { "card" };
            let mut stage = Stage::set(site, &orders.to_string(), method).await;
            stage.play(&**maker, state).await;
            for voice in VOICES.iter() {
                if !voice.shows(&stage).await {
                    assert_eq!(voice.name(), "Fluent");
                    continue;
                }
                let what = format!("{state:?}, made by {}, seen by {}", maker.name(), voice.name());
                let seen = voice.read(&voice.show(&stage).await);
                assert_eq!(seen.amount, AMOUNT, "{what}");
                assert_eq!(seen.currency, CURRENCY, "{what}");
                assert_eq!(seen.state, word(voice.name(), state), "{what}");
                let paid = matches!(state, State::Succeeded | State::Reversed);
                let named = paid && voice.name() != "Digital River";
                let reference = named.then(|| PROVIDER_REFERENCE.to_owned());
                assert_eq!(seen.reference, reference, "{what}");
            }
            site = stage.site;
        }
    }
}
