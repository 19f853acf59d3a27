//! Stripe once more, against a stand-in that nobody here wrote: localstripe keeps its own charges
//! and refunds. It knows no idempotency keys, so every repetition it took would be a payout; and it
//! has no limit of its own, so the one that is kept is ours.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use refundry::testing::clock::ManualClock;
use refundry::testing::gateways::{Attempt, Finding, Gateway};
use refundry::testing::outbound::Call;
use refundry_domain::ids::RefundId;
use refundry_domain::outcome::{FailureCode, Outcome};
use refundry_domain::refund::State;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::harness::payouts::{Payouts, START};
use crate::harness::provider::{client, gateway};

struct Localstripe {
    base: String,
    _process: Child,
}

impl Localstripe {
    /// Started, and installed on first use.
    async fn start() -> Localstripe {
        let free = TcpListener::bind("[::1]:0").await.unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/localstripe");
        let mut process = Command::new(script)
            .arg(port.to_string())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let up = async {
            let mut beat = tokio::time::interval(Duration::from_millis(50));
            loop {
                beat.tick().await;
                if let Some(status) = process.try_wait().unwrap() {
                    panic!("{script} ended: {status}");
                }
                if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(120), up).await.expect("localstripe is up");
        Localstripe { base: format!("http://127.0.0.1:{port}"), _process: process }
    }

    async fn call(&self, method: Method, path: &str, form: &str) -> Value {
        let uri = format!("{}{path}", self.base).parse().unwrap();
        let call = Call::new(method, uri, Duration::from_secs(10))
            .header(hyper::header::AUTHORIZATION, "Bearer sk_test_1");
        let call = if form.is_empty() {
            call
        } else {
            call.body("application/x-www-form-urlencoded", form.to_owned())
        };
        let reply = client().call(call).await.unwrap();
        assert!(reply.status.is_success(), "{path}: {:?}", reply.body);
        serde_json::from_slice(&reply.body).unwrap()
    }

    /// A paid charge, by its id.
    async fn charge(&self, amount: i64) -> String {
        let card = "type=card&card[number]=4242424242424242&card[exp_month]=12&card[exp_year]=2035&card[cvc]=123";
        let token = self.call(Method::POST, "/v1/payment_methods", card).await;
        let token = token["id"].as_str().unwrap();
        let form = format!("amount={amount}&currency=eur&source={token}");
        let charge = self.call(Method::POST, "/v1/charges", &form).await;
        charge["id"].as_str().unwrap().to_owned()
    }

    /// The amounts of a charge's refunds, by their ids.
    async fn refunds(&self, charge: &str) -> Vec<(String, i64)> {
        let path = format!("/v1/refunds?charge={charge}&limit=100");
        let list = self.call(Method::GET, &path, "").await;
        let rows = list["data"].as_array().unwrap().iter();
        rows.map(|row| (row["id"].as_str().unwrap().to_owned(), row["amount"].as_i64().unwrap()))
            .collect()
    }
}

#[tokio::test]
async fn localstripe_pays_parts_up_to_the_limit_and_is_asked_for_no_more() {
    let stripe = Localstripe::start().await;
    let clock = Arc::new(ManualClock::at(START));
    let gateway =
        gateway("stripe", &clock, &[("base_url", &stripe.base)], &[("api_key", "sk_test_1")]);
    assert_eq!(gateway.test().await, Ok(()));
    let at = Payouts::with_clock(gateway.clone(), clock).await;
    let charge = stripe.charge(10_000).await;
    let order = at.order(&[("stripe", "card", &charge, "100.00")]).await;
    let mut paid = Vec::new();
    for amount in ["40.00", "59.99", "0.01"] {
        let refund = at.request(order, amount).await.unwrap();
        at.pay.tick().await;
        assert_eq!(at.state(refund).await, State::Succeeded, "{amount}");
        paid.push(refund);
    }
    let beyond = at.request(order, "0.01").await.unwrap_err();
    assert_eq!(beyond.code(), "more_than_is_left");
    let refunds = stripe.refunds(&charge).await;
    assert_eq!(refunds.len(), 3);
    assert_eq!(refunds.iter().map(|(_, amount)| amount).sum::<i64>(), 10_000);
    check_lookups(&at, gateway.as_ref(), paid[0], &refunds).await;
    // What localstripe does not know, it refuses.
    let unknown = at.refund("stripe", "ch_nobody_knows").await;
    at.pay.tick().await;
    let failed = at.read(unknown).await;
    assert_eq!(failed.state, State::Failed);
    assert_eq!(failed.failure.unwrap().code, FailureCode::PaymentNotFound);
}

/// A refund is found by its own name, and without that by our key.
async fn check_lookups(
    at: &Payouts,
    gateway: &dyn Gateway,
    refund: RefundId,
    refunds: &[(String, i64)],
) {
    let row = at.transaction(refund).await;
    let reference = row.provider_reference.clone().unwrap();
    assert!(refunds.contains(&(reference.clone(), row.amount.get())));
    let payment = at.store.transaction(at.merchant, row.payment).await.unwrap().unwrap();
    let refundry::testing::store::Movement::In(payment) = payment.movement else { panic!() };
    let currency = refundry_domain::money::Currency::parse("EUR").unwrap();
    let mut attempt = Attempt {
        account: None,
        merchant: at.merchant,
        transaction: row.id,
        payment: row.payment,
        key: row.key.clone(),
        amount: refundry_domain::money::Money::new(row.amount, currency),
        method: row.method.clone(),
        payment_reference: payment.provider_reference,
        refund_reference: row.provider_reference.clone(),
        reason: None,
        paid: true,
    };
    let found =
        Finding::Found(Outcome::Done { reference: Some(reference), amount: Some(row.amount) });
    assert_eq!(gateway.ask(&attempt).await, found);
    attempt.refund_reference = None;
    assert_eq!(gateway.ask(&attempt).await, found);
    attempt.key.push('x');
    assert_eq!(gateway.ask(&attempt).await, Finding::Missing);
}
