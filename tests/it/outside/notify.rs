//! Notify-only refunds: told at once, reported back, and never forgotten; returns that close.

use std::sync::Arc;

use refundry::testing::access::Caller;
use refundry::testing::gateways::Gateways;
use refundry_domain::command::{Command, Target};
use refundry_domain::merchant::{Administration, Settings};
use refundry_domain::outcome::{Outcome, Report, Reporter};
use refundry_domain::policy::NotifyOnly;
use refundry_domain::refund::{State, TransactionState};
use serde_json::{Value, json};

use crate::harness::liar::Liar;
use crate::harness::payouts::Payouts;
use crate::harness::receiver::Receiver;
use crate::harness::site::Site;
use crate::webhooks::{Post, subscribe};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

async fn settle(site: &Site, settings: Value) -> Value {
    site.patch("/v1/settings", settings).send().await.expect(200).json()
}

async fn ask(site: &Site, body: Value) -> Value {
    site.post("/v1/refunds", body).once().send().await.expect(201).json()
}

/// A shop that pays by itself would find out late, or not from what it is told what to pay.
#[tokio::test]
async fn the_platform_is_told_at_once_acknowledges_and_reports() {
    let site = Site::start().await;
    let shown = settle(&site, json!({"notify_only": {"payment_method": true}})).await;
    let switches = json!({"payment_method": true, "gift_card": false, "store_credit": false});
    assert_eq!(shown["notify_only"], switches);
    let receiver = Receiver::good().await;
    subscribe(&site, &receiver, &["transaction.requested", "refund.succeeded"]).await;
    let post = Post::over(&site);
    let body = json!({"currency": "USD", "lines": [{"amount": "20.00"}], "payments": [
        {"provider": "sandbox", "method": "card", "amount": "20.00", "provider_reference": "ch_1"}]});
    let order = site.post("/v1/orders", body).send().await.expect(201).id();
    let refund = ask(&site, json!({"order": order, "amount": "4.00"})).await;
    assert_eq!((&refund["execution"], &refund["state"]), (&json!("notify"), &json!("processing")));
    let transaction = &refund["transactions"][0];
    assert_eq!(transaction["state"], "requested");
    let told = receiver.until(1).await.remove(0).json();
    assert_eq!(
        (&told["type"], &told["subject"]),
        (&json!("transaction.requested"), &transaction["id"])
    );
    let data = &told["data"];
    for (field, expected) in [
        ("amount", json!(400)),
        ("currency", json!("USD")),
        ("to", json!("original_payment")),
        ("provider", json!("sandbox")),
        ("method", json!("card")),
        ("payment_reference", json!("ch_1")),
    ] {
        assert_eq!(data[field], expected, "{field}");
    }

    let path = format!("/v1/transactions/{}", transaction["id"].as_str().unwrap());
    let report = async |body| site.patch(&path, body).send().await.expect(200).json();
    assert_eq!(report(json!({"state": "processing"})).await["state"], "processing");
    let paid = json!({"state": "succeeded", "provider_reference": "po_9"});
    let done = report(paid).await;
    assert_eq!(
        (&done["state"], &done["provider_reference"]),
        (&json!("succeeded"), &json!("po_9"))
    );
    assert_eq!(receiver.until(2).await[1].kind(), "refund.succeeded");
    let shown = site.get(&format!("/v1/refunds/{}", refund["id"].as_str().unwrap())).send().await;
    assert_eq!(shown.json()["refunded_amount"], "4.00");
    post.stop().await;
}

#[tokio::test]
async fn notify_only_is_forced_where_the_provider_has_no_gateway_and_a_switch_a_kind_elsewhere() {
    let site = Site::start().await;
    let body = json!({"currency": "USD", "lines": [{"amount": "20.00"}],
        "payments": [{"provider": "shop-x", "amount": "20.00"}]});
    let order = site.post("/v1/orders", body).send().await.expect(201).id();
    let refund = ask(&site, json!({"order": order, "amount": "1.00"})).await;
    assert_eq!(refund["execution"], "notify", "forced");
    let with = json!({"order": order, "amount": "1.00", "execution": "automatic"});
    let refused = site.post("/v1/refunds", with).once().send().await;
    refused.expect_problem(422, "execution_not_available").at("/execution");

    let order = site.order("20.00").await;
    let gift = json!({"order": order, "amount": "1.00", "to": "gift_card"});
    let shown = settle(&site, json!({"notify_only": {"gift_card": true}})).await;
    assert_eq!(shown["notify_only"]["payment_method"], false, "the other switches stay");
    let refund = ask(&site, gift).await;
    assert_eq!((&refund["execution"], &refund["to"]), (&json!("notify"), &json!("gift_card")));
    assert_eq!(
        ask(&site, json!({"order": order, "amount": "1.00"})).await["execution"],
        "automatic"
    );
    settle(&site, json!({"notify_only": {"payment_method": true}})).await;
    let refund = ask(&site, json!({"order": order, "amount": "1.00"})).await;
    assert_eq!(refund["execution"], "notify", "a change takes effect at once");
    let with = json!({"order": order, "amount": "1.00", "execution": "automatic"});
    let refused = site.post("/v1/refunds", with).once().send().await;
    refused.expect_problem(422, "execution_not_available");
    let proposed = format!("/v1/orders/{order}/refundable?amount=1.00");
    let split = site.get(&proposed).send().await.expect(200).json();
    assert_eq!(split["split"]["execution"], "notify", "as it is shown beforehand");
}

async fn silent(days: i64) -> (Arc<Liar>, Payouts) {
    let liar = Arc::new(Liar::new(true, true));
    let at = Payouts::over(liar.clone()).await;
    let settings = Settings {
        notify_only: NotifyOnly { payment_method: true, ..NotifyOnly::default() },
        report_within_ms: days * DAY_MS,
        ..Settings::default()
    };
    let change = Administration::ChangeMerchant { name: None, settings: Some(settings) };
    at.ledger.administer(&Caller::internal(at.merchant, "test"), change).await.unwrap();
    (liar, at)
}

/// A platform that lost the message would leave a customer without money, and nobody would know.
#[tokio::test]
async fn a_silent_platform_is_noticed_at_its_deadline_across_a_restart() {
    let (liar, at) = silent(2).await;
    let refund = at.refund("liar", "ch_1").await;
    assert_eq!(at.transaction(refund).await.state, TransactionState::Requested);
    at.clock.advance_ms(2 * DAY_MS - 1);
    at.expire.tick().await;
    assert_eq!(at.state(refund).await, State::Processing, "not before its time");
    let at = at.restarted_with(Gateways::of([liar.clone() as _]), || ()).await;
    at.clock.advance_ms(1);
    at.expire.tick().await;
    assert_eq!(at.state(refund).await, State::NeedsAttention);
    assert_eq!(at.left(refund).await.get(), 9_000, "its amount stays reserved");
    at.expire.tick().await;
    at.pay.tick().await;
    assert_eq!(liar.calls().len(), 0, "nothing is ever sent");
    let outcome = Outcome::Done { reference: None, amount: None };
    let late = Report { outcome, by: Reporter::Caller, look_again_ms: 0 };
    let target = Target::Transaction(at.transaction(refund).await.id);
    at.ask(target, Command::Report(late)).await.unwrap();
    assert_eq!(at.state(refund).await, State::Succeeded, "a late report still counts");
}

/// A platform that takes its time, and says so, would be bothered with questions.
#[tokio::test]
async fn a_word_from_the_platform_starts_its_deadline_anew() {
    let (_, at) = silent(2).await;
    let refund = at.refund("liar", "ch_1").await;
    for _ in 0..3 {
        at.clock.advance_ms(DAY_MS + DAY_MS / 2);
        at.expire.tick().await;
        let outcome = Outcome::Acknowledged { reference: None };
        let word = Report { outcome, by: Reporter::Caller, look_again_ms: 0 };
        let target = Target::Transaction(at.transaction(refund).await.id);
        at.ask(target, Command::Report(word)).await.unwrap();
    }
    assert_eq!(at.state(refund).await, State::Processing);
    at.clock.advance_ms(2 * DAY_MS);
    at.expire.tick().await;
    assert_eq!(at.state(refund).await, State::NeedsAttention);
}

/// A return that is paid for would stay in somebody's list for ever.
#[tokio::test]
async fn a_return_closes_by_itself_once_it_is_refunded() {
    let site = Site::start().await;
    assert_eq!(settle(&site, json!({})).await["auto_close"], false);
    for (on, expected) in [(false, "pending"), (true, "done")] {
        settle(&site, json!({"auto_close": on})).await;
        let order = site.order("20.00").await;
        let body = json!({"order": order, "items": [{"line": 1, "quantity": 1}]});
        let id = site.post("/v1/returns", body).send().await.expect(201).id();
        let body = json!({"order": order, "return": id, "items": [{"line": 1, "quantity": 1}],
            "execution": "notify"});
        let refund = ask(&site, body).await;
        let path =
            format!("/v1/transactions/{}", refund["transactions"][0]["id"].as_str().unwrap());
        site.patch(&path, json!({"state": "succeeded"})).send().await.expect(200);
        let shown = site.get(&format!("/v1/returns/{id}")).send().await.json();
        assert_eq!((&shown["state"], shown["closed_at"].is_string()), (&json!(expected), on));
    }
}
