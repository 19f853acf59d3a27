//! A shop with an order, and the calls that an IdoSell client makes of it.

use refundry::testing::access::Caller;
use refundry::testing::ledger::Answered;
use refundry_domain::command::{Command, Target};
use refundry_domain::ids::{MerchantId, TransactionId};
use refundry_domain::outcome::{Failure, FailureCode, Outcome, Report, Reporter};
use serde_json::{Value, json};

use crate::harness::site::{Answer, Ask, Site};

pub struct Shop {
    pub site: Site,
}

impl Shop {
    /// A shop in Warsaw without orders.
    pub async fn open() -> Shop {
        let site = Site::start().await;
        let zone = json!({"time_zone": "Europe/Warsaw"});
        site.patch("/v1/settings", zone).send().await.expect(200);
        Shop { site }
    }

    /// A shop with the order 1001: two units of one product, 100.00 by card and 23.45 by transfer.
    pub async fn with_order() -> Shop {
        let shop = Shop::open().await;
        shop.order("1001").await;
        shop
    }

    pub async fn order(&self, reference: &str) -> Value {
        let body = json!({
            "reference": reference, "currency": "PLN",
            "lines": [{"sku": "hat", "quantity": 2, "amount": "100.00"},
                      {"kind": "shipping", "amount": "23.45"}],
            "payments": [
                {"provider": "sandbox", "method": "card", "amount": "100.00"},
                {"provider": "sandbox", "method": "blik", "amount": "23.45"},
            ],
        });
        self.site.post("/v1/orders", body).send().await.expect(201).json()
    }

    /// A return or complaint of units of the order's first line.
    pub async fn return_of(&self, order: &str, kind: &str, reference: &str, units: u32) {
        let body = json!({"order": {"reference": order}, "kind": kind, "reference": reference,
                          "items": [{"line": 1, "quantity": units}]});
        self.site.post("/v1/returns", body).send().await.expect(201);
    }

    pub async fn fulfil(&self, reference: &str) {
        let path = format!("/v1/orders?reference={reference}");
        let found = self.site.get(&path).send().await.expect(200).json();
        let id = found["data"][0]["id"].as_str().unwrap();
        let body = json!({"fulfilled": true});
        self.site.patch(&format!("/v1/orders/{id}"), body).send().await.expect(200);
    }

    /// A call over REST, with the key where this API has it.
    pub fn call(&self, method: &str, params: Value) -> Ask {
        rest(&self.site, method, &params).header("x-api-key", &self.site.key)
    }

    pub async fn ok(&self, method: &str, params: Value) -> Value {
        self.call(method, params).send().await.expect(200).json()
    }

    /// The answer is a fault with this code, said in both places.
    pub async fn fault(&self, method: &str, params: Value, code: u16) -> Value {
        let answer = self.call(method, params).send().await;
        expect_fault(answer, method, code)
    }

    /// A new automatic refund of the order, unconfirmed; answers its number.
    pub async fn automatic(&self, order: &str, value: &str) -> i64 {
        let params = json!({"sourceId": order, "refundValue": value, "refundCurrency": "PLN"});
        let done = self.ok("addAutomaticRefundForOrder", params).await;
        done["result"]["refundId"].as_i64().unwrap()
    }

    pub async fn status(&self, kind: &str, source: &str, payment: &str) -> Value {
        let params = json!({"sourceType": kind, "sourceId": source, "paymentId": payment});
        self.ok("getRefundStatus", params).await["result"].clone()
    }

    /// The transactions of a refund that are under way, as `/v1` shows them.
    async fn transactions(&self, refund: i64) -> Vec<TransactionId> {
        let path = format!("/v1/refunds/ref_{refund}");
        let shown = self.site.get(&path).send().await.expect(200).json();
        let rows = shown["transactions"].as_array().unwrap();
        let number = |row: &Value| row["id"].as_str().unwrap()[4..].parse().unwrap();
        let open = rows.iter().filter(|row| row["state"] != "canceled");
        open.map(|row| TransactionId(number(row))).collect()
    }

    async fn worker(&self, row: TransactionId, command: Command) {
        let caller = Caller::internal(MerchantId(1), "worker");
        let target = Target::Transaction(row);
        let done = self.site.ledger.carry_out(&caller, target, command, None, false).await;
        assert!(matches!(done, Ok(Answered::Done { .. })), "{done:?}");
    }

    /// A worker hands the refund to its provider.
    pub async fn hand_over(&self, refund: i64) {
        for row in self.transactions(refund).await {
            self.worker(row, Command::Start { worker: 1, lease_ms: 60_000 }).await;
        }
    }

    /// Its provider says what became of it.
    pub async fn learn(&self, refund: i64, outcome: &Outcome) {
        for row in self.transactions(refund).await {
            let outcome = outcome.clone();
            let report = Report { outcome, by: Reporter::Gateway, look_again_ms: 1000 };
            self.worker(row, Command::Report(report)).await;
        }
    }
}

pub fn paid(reference: &str) -> Outcome {
    Outcome::Done { reference: Some(reference.to_owned()), amount: None }
}

pub fn declined() -> Outcome {
    let message = "The card is gone.".to_owned();
    Outcome::Declined(Failure { code: FailureCode::Declined, message })
}

/// A call over REST of version 8, without a key.
pub fn rest(site: &Site, method: &str, params: &Value) -> Ask {
    let path = format!("/api/admin/v8/refunds/{method}");
    let ask = |verb: &str, path: &str| site.ask(verb, path).without("authorization");
    let verb = match method {
        "getPossibleAutoRefunds" | "getRefundStatus" | "retrieveRefundsList" => "GET",
        "updateRefund" | "confirmRefund" | "cancelRefund" => "PUT",
        _ => "POST",
    };
    if verb != "GET" {
        return ask(verb, &path).json(&json!({ "params": params }));
    }
    let pairs: Vec<String> = params
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, value)| !value.is_object())
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name}={text}"),
            other => format!("{name}={other}"),
        })
        .collect();
    ask(verb, &format!("{path}?{}", pairs.join("&")))
}

#[track_caller]
pub fn expect_fault(answer: Answer, method: &str, code: u16) -> Value {
    let body = answer.expect(207).json();
    let list = matches!(method, "getPossibleAutoRefunds" | "retrieveRefundsList");
    let inner = if list { &body["results"][0] } else { &body["result"] };
    assert_eq!(body["errors"]["faultCode"], code, "{method}: {body}");
    assert!(body["errors"]["faultString"].as_str().is_some_and(|text| !text.is_empty()));
    assert_eq!(inner, &body["errors"], "{method}");
    body
}

/// An error of HTTP, as this API tells it.
#[track_caller]
pub fn expect_error(answer: Answer, status: u16) -> String {
    let answer = answer.expect(status);
    assert_eq!(answer.header("content-type"), "application/json");
    let message = answer.json()["errors"]["message"].as_str().unwrap().to_owned();
    assert!(!message.is_empty() && !answer.header("x-error").is_empty());
    message
}
