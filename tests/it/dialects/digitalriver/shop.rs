//! A shop with orders, and the calls that a Digital River client makes of it.

use refundry::testing::access::Caller;
use refundry::testing::ledger::Answered;
use refundry_domain::command::{Command, Target};
use refundry_domain::ids::{MerchantId, TransactionId};
use refundry_domain::outcome::{Failure, FailureCode, Outcome, Report, Reporter};
use serde_json::{Value, json};

use crate::harness::site::{Answer, Ask, Site};

pub const SKU: &str = "sku_9234276173";

pub struct Shop {
    pub site: Site,
}

impl Shop {
    pub async fn open() -> Shop {
        Shop { site: Site::start().await }
    }

    /// Two products for 20.00 with 1.60 of tax, shipping for 6.00 with 0.48 of tax, a duty of 2.00
    /// and a fee of 0.50, paid by card: 30.58.
    pub async fn order(&self, reference: &str) -> String {
        let body = json!({
            "reference": reference, "currency": "USD",
            "customer": {"reference": "c-7", "email": "ada@example.com"},
            "lines": [
                {"sku": SKU, "name": "Hat", "quantity": 2, "amount": "20.00"},
                {"kind": "tax", "for_line": 1, "amount": "1.60"},
                {"kind": "shipping", "for_line": 1, "amount": "6.00"},
                {"kind": "tax", "for_line": 3, "amount": "0.48"},
                {"kind": "duty", "for_line": 1, "amount": "2.00"},
                {"kind": "fee", "for_line": 1, "amount": "0.50"},
            ],
            "payments": [{"provider": "sandbox", "method": "card", "amount": "30.58",
                          "provider_reference": "src_1"}],
            "metadata": {"channel": "web"},
        });
        self.site.post("/v1/orders", body).send().await.expect(201).id()
    }

    /// An order of one payment, by a method of its own.
    pub async fn paid(
        &self,
        reference: &str,
        currency: &str,
        amount: &str,
        method: &str,
    ) -> String {
        let body = json!({
            "reference": reference, "currency": currency,
            "lines": [{"sku": SKU, "amount": amount}],
            "payments": [{"provider": "sandbox", "method": method, "amount": amount}],
        });
        self.site.post("/v1/orders", body).send().await.expect(201).id()
    }

    /// An order that was paid on an invoice.
    pub async fn invoiced(&self, reference: &str, invoice: &str, amount: &str) -> String {
        let body = json!({
            "reference": reference, "currency": "USD",
            "lines": [{"sku": SKU, "amount": amount}],
            "payments": [{"kind": "invoice_payment", "provider": "sandbox", "amount": amount,
                          "provider_reference": invoice}],
        });
        self.site.post("/v1/orders", body).send().await.expect(201).id()
    }

    pub fn get(&self, path: &str) -> Ask {
        self.site.get(path)
    }

    pub fn post(&self, path: &str, body: Value) -> Ask {
        self.site.post(path, body)
    }

    pub async fn read(&self, path: &str) -> Value {
        self.get(path).send().await.expect(200).json()
    }

    /// A new refund, as it is answered.
    pub async fn refund(&self, body: Value) -> Value {
        self.post("/refunds", body).send().await.expect(201).json()
    }

    /// The refund is refused so, and nothing is written.
    pub async fn refused(&self, body: Value, code: &str, parameter: &str, message: &str) {
        let events = self.site.events().await;
        let answer = self.post("/refunds", body.clone()).send().await;
        let error = expect_error(answer, 400, "bad_request");
        assert_eq!(error["code"], code, "{body}: {error}");
        assert_eq!(error["parameter"], parameter, "{body}: {error}");
        if !message.is_empty() {
            assert_eq!(error["message"], message, "{body}");
        }
        assert_eq!(self.site.events().await, events, "{body} wrote something");
    }

    /// The transactions of a refund that are under way.
    async fn transactions(&self, refund: &Value) -> Vec<TransactionId> {
        let path = format!("/v1/refunds/{}", id(refund));
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
    pub async fn hand_over(&self, refund: &Value) {
        for row in self.transactions(refund).await {
            self.worker(row, Command::Start { worker: 1, lease_ms: 60_000 }).await;
        }
    }

    /// Its provider says what became of it.
    pub async fn learn(&self, refund: &Value, outcome: &Outcome) {
        for row in self.transactions(refund).await {
            let outcome = outcome.clone();
            let report = Report { outcome, by: Reporter::Gateway, look_again_ms: 1000 };
            self.worker(row, Command::Report(report)).await;
        }
    }

    /// Handed over and paid.
    pub async fn pay(&self, refund: &Value) {
        self.hand_over(refund).await;
        self.learn(refund, &paid()).await;
    }

    pub async fn again(&self, refund: &Value) -> Value {
        self.read(&format!("/refunds/{}", id(refund))).await
    }
}

pub fn id(object: &Value) -> &str {
    object["id"].as_str().unwrap()
}

pub fn paid() -> Outcome {
    Outcome::Done { reference: Some("re_1".to_owned()), amount: None }
}

pub fn declined(code: FailureCode) -> Outcome {
    Outcome::Declined(Failure { code, message: "The card is gone.".to_owned() })
}

/// An error of this API: its one entry.
#[track_caller]
pub fn expect_error(answer: Answer, status: u16, kind: &str) -> Value {
    let answer = answer.expect(status);
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(!answer.header("x-dr-requestid").is_empty());
    let body = answer.json();
    assert_eq!(body["type"], kind, "{body}");
    let errors = body["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{body}");
    assert!(errors[0]["message"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    errors[0].clone()
}

/// What an object has besides what is named, the rest as given.
#[track_caller]
pub fn has(object: &Value, expected: Value) {
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&object[name], value, "{name} of {object}");
    }
}
