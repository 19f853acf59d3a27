//! A refund brought into any state of its life, by whoever begins it.

use refundry::testing::access::Caller;
use refundry::testing::ledger::Answered;
use refundry_domain::command::{Command, Target};
use refundry_domain::ids::{MerchantId, TransactionId};
use refundry_domain::outcome::{Failure, FailureCode, Outcome, Report, Reporter};
use refundry_domain::refund::State;
use serde_json::{Value, json};

use super::seen::Voice;
use crate::harness::site::Site;

/// An order with one payment and one return, and at most one refund.
pub struct Stage {
    pub site: Site,
    /// Of the order; its return has the same with `R` before it.
    pub reference: String,
    pub order: String,
    /// The number of the payment.
    pub payment: i64,
    /// As `/v1` names it.
    pub refund: Option<String>,
}

/// What every refund here is about.
pub const AMOUNT: &str = "10.25";
pub const CURRENCY: &str = "PLN";
/// What the provider calls the refund that it has paid.
pub const PROVIDER_REFERENCE: &str = "re_77";

fn number(id: &Value) -> i64 {
    id.as_str().unwrap().split_once('_').unwrap().1.parse().unwrap()
}

impl Stage {
    pub async fn set(site: Site, reference: &str, method: &str) -> Stage {
        let body = json!({
            "reference": reference, "currency": CURRENCY,
            "lines": [{"sku": "hat", "quantity": 2, "amount": "100.00"}],
            "payments": [{"provider": "sandbox", "method": method, "amount": "100.00"}],
        });
        let order = site.post("/v1/orders", body).send().await.expect(201).json();
        let body = json!({"order": order["id"], "kind": "return", "reference": format!("R{reference}"),
                          "items": [{"line": 1, "quantity": 1}]});
        site.post("/v1/returns", body).send().await.expect(201);
        Stage {
            site,
            reference: reference.to_owned(),
            payment: number(&order["payments"][0]["id"]),
            order: order["id"].as_str().unwrap().to_owned(),
            refund: None,
        }
    }

    /// An order half of which is of this kind, and a refund of that half.
    pub async fn of_kind(site: Site, kind: &str) -> Stage {
        let body = json!({
            "reference": kind, "currency": CURRENCY,
            "lines": [{"sku": "hat", "amount": "50.00"}, {"kind": kind, "amount": "50.00"}],
            "payments": [{"provider": "sandbox", "method": "card", "amount": "100.00"}],
        });
        let order = site.post("/v1/orders", body).send().await.expect(201).json();
        let body = json!({"order": order["id"], "kind": kind, "amount": "50.00"});
        let refund = site.post("/v1/refunds", body).once().send().await.expect(201).id();
        Stage {
            site,
            reference: kind.to_owned(),
            payment: number(&order["payments"][0]["id"]),
            order: order["id"].as_str().unwrap().to_owned(),
            refund: Some(refund),
        }
    }

    pub async fn return_id(&self) -> String {
        let path = format!("/v1/returns?reference=R{}", self.reference);
        let found = self.site.get(&path).send().await.expect(200).json();
        found["data"][0]["id"].as_str().unwrap().to_owned()
    }

    /// The refund as `/v1` shows it.
    pub async fn shown(&self) -> Value {
        let refund = self.refund.as_deref().expect("a refund was made");
        self.site.get(&format!("/v1/refunds/{refund}")).send().await.expect(200).json()
    }

    /// The number of the refund's transaction.
    pub async fn transaction(&self) -> i64 {
        number(&self.shown().await["transactions"][0]["id"])
    }

    /// Has the voice make the refund, and brings it into the state.
    pub async fn play(&mut self, maker: &dyn Voice, state: State) {
        let proposed = state == State::Unconfirmed;
        assert!(maker.make(self, proposed).await, "{} made no refund", maker.name());
        let path = format!("/v1/orders/{}/events?limit=100", self.order);
        let events = self.site.get(&path).send().await.expect(200).json();
        let mut made = events["data"].as_array().unwrap().iter();
        let made = made.find(|event| event["type"] == "refund.requested").expect("it was made");
        self.refund = Some(made["subject"].as_str().unwrap().to_owned());
        if !proposed && self.shown().await["state"] == "unconfirmed" {
            self.ask("confirm").await;
        }
        let waiting = Outcome::Waiting { reference: None, message: "no funds yet".to_owned() };
        let lost = Outcome::Unknown { message: "no answer".to_owned(), lost: true };
        let done = Outcome::Done { reference: Some(PROVIDER_REFERENCE.to_owned()), amount: None };
        if self.shown().await["state"] == state.name() {
            return;
        }
        match state {
            State::Unconfirmed | State::RequiresInformation | State::Pending => {}
            State::Processing => self.hear(waiting).await,
            State::NeedsAttention => self.hear(lost).await,
            State::Succeeded => self.hear(done).await,
            State::Failed => self.fail(FailureCode::Declined).await,
            State::Canceled => self.ask("cancel").await,
            State::Reversed => {
                self.hear(done).await;
                let message = "the bank sent it back".to_owned();
                self.told(Outcome::Reversed { message }, Reporter::Notification).await;
            }
        }
        assert_eq!(self.shown().await["state"], state.name());
    }

    pub async fn fail(&self, code: FailureCode) {
        self.hear(Outcome::Declined(Failure { code, message: "no".to_owned() })).await;
    }

    async fn ask(&self, verb: &str) {
        let path = format!("/v1/refunds/{}/{verb}", self.refund.as_deref().unwrap());
        self.site.post(&path, json!({})).once().send().await.expect(200);
    }

    /// A worker hands the refund to its provider, which answers this.
    async fn hear(&self, outcome: Outcome) {
        self.worker(Command::Start { worker: 1, lease_ms: 60_000 }).await;
        self.told(outcome, Reporter::Gateway).await;
    }

    async fn told(&self, outcome: Outcome, by: Reporter) {
        self.worker(Command::Report(Report { outcome, by, look_again_ms: 1000 })).await;
    }

    async fn worker(&self, command: Command) {
        let caller = Caller::internal(MerchantId(1), "worker");
        let target = Target::Transaction(TransactionId(self.transaction().await));
        let done = self.site.ledger.carry_out(&caller, target, command, None, false).await;
        assert!(matches!(done, Ok(Answered::Done { .. })), "{done:?}");
    }
}
