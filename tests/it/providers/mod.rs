//! Every gateway against a double of its provider, over real sockets: whatever happens, at most
//! one payout an attempt.

mod adyen;
mod afterpay;
mod amounts;
mod begateway;
mod begateway_signature;
mod braintree;
mod cybersource;
mod documents;
pub mod http;
mod inbox;
mod localstripe;
mod matrix;
mod notices;
mod paypal;
mod reasons;
mod stripe;

use std::sync::Arc;

use refundry::testing::clock::ManualClock;
use refundry::testing::connections::breaker::Circuit;
use refundry::testing::gateways::Gateway;
use refundry_domain::ids::RefundId;
use refundry_domain::outcome::FailureCode;
use refundry_domain::refund::State;

use crate::harness::payouts::{Payouts, START};
use crate::harness::provider::{Fate, Mood, Provider, gateway};

/// A gateway, the double of its provider, and a worker with books.
struct Scene {
    provider: Provider,
    at: Payouts,
    name: String,
}

type Made = (Provider, Arc<dyn Gateway>);

async fn made(connector: &str, clock: &Arc<ManualClock>) -> Made {
    match connector {
        "stripe" => {
            let provider = Provider::start(stripe::Stripe).await;
            let base = format!("http://{}", provider.address);
            let secrets = [("api_key", "sk_test_1"), ("webhook_secret", "whsec_1")];
            (provider, gateway("stripe", clock, &[("base_url", &base)], &secrets))
        }
        "begateway" | "begateway card" => {
            let card = connector.ends_with("card");
            let provider = Provider::start(begateway::Begateway { card }).await;
            let base = format!("http://{}", provider.address);
            let api = if card { "card" } else { "beyag" };
            let settings = [("base_url", base.as_str()), ("shop_id", "361"), ("api", api)];
            (provider, gateway("begateway", clock, &settings, &[("shop_key", "secret")]))
        }
        "http" => {
            let provider = Provider::start(http::Http::default()).await;
            let url = format!("http://{}/refunds", provider.address);
            let secrets = [("secret", http::SECRET)];
            (provider, gateway("http", clock, &[("url", &url)], &secrets))
        }
        "paypal" => {
            let provider = Provider::start(paypal::Paypal::default()).await;
            let base = format!("http://{}", provider.address);
            let settings =
                [("base_url", base.as_str()), ("client_id", "app"), ("webhook_id", "wh_1")];
            (provider, gateway("paypal", clock, &settings, &[("client_secret", "secret")]))
        }
        "afterpay" => {
            let provider = Provider::start(afterpay::Afterpay).await;
            let base = format!("http://{}", provider.address);
            let settings = [("base_url", base.as_str()), ("merchant_id", "123")];
            (provider, gateway("afterpay", clock, &settings, &[("secret_key", "secret")]))
        }
        "braintree" => {
            let provider = Provider::start(braintree::Braintree).await;
            let base = format!("http://{}", provider.address);
            let settings = [("base_url", base.as_str()), ("public_key", "pub")];
            (provider, gateway("braintree", clock, &settings, &[("private_key", "priv")]))
        }
        "cybersource" => {
            let provider = Provider::start(cybersource::Cybersource).await;
            let base = format!("http://{}", provider.address);
            let settings =
                [("base_url", base.as_str()), ("merchant_id", "shop_1"), ("key_id", "key_1")];
            let secrets = [("shared_secret", cybersource::SECRET)];
            (provider, gateway("cybersource", clock, &settings, &secrets))
        }
        other => panic!("no double of {other}"),
    }
}

/// Every connector whose provider answers what became of a refund; a new one is added here. Adyen,
/// which only reports, has its own file.
const ALL: &[&str] = &[
    "afterpay",
    "begateway",
    "begateway card",
    "braintree",
    "cybersource",
    "http",
    "paypal",
    "stripe",
];
/// Afterpay decides at once and for good.
const DECIDES_LATER: &[&str] =
    &["begateway", "begateway card", "braintree", "cybersource", "http", "paypal", "stripe"];
/// Those that send notifications.
const NOTIFY: &[&str] = &["begateway", "begateway card", "http", "paypal", "stripe"];

fn carries_keys_out_once(connector: &str) -> bool {
    !["braintree", "cybersource"].contains(&connector)
}

impl Scene {
    async fn of(connector: &str) -> Scene {
        let clock = Arc::new(ManualClock::at(START));
        let (provider, gateway) = made(connector, &clock).await;
        let name = gateway.name().to_owned();
        let at = Payouts::with_clock(gateway, clock).await;
        Scene { provider, at, name }
    }

    fn circuit(&self) -> Option<Circuit> {
        self.at.connections.breakers.all().first().map(|(_, _, circuit)| *circuit)
    }

    /// A refund of 10.00, after the first round.
    async fn refund(&self) -> RefundId {
        let refund = self.at.refund(&self.name, "ch_1").await;
        self.at.pay.tick().await;
        refund
    }
}

#[test]
fn every_connector_has_a_double() {
    for connector in refundry::testing::gateways::connectors::ALL {
        let name = connector.name;
        assert!(ALL.contains(&name) || name == "adyen", "{name}");
        assert_eq!(connector.deduplicates, carries_keys_out_once(name), "{name}");
    }
}

#[tokio::test]
async fn a_refund_is_paid_once_and_its_name_is_kept() {
    for connector in ALL {
        let scene = Scene::of(connector).await;
        let refund = scene.refund().await;
        scene.at.settle().await;
        assert_eq!(scene.at.state(refund).await, State::Succeeded, "{connector}");
        assert_eq!(scene.provider.paid(), (1, 1), "{connector}");
        let row = scene.at.transaction(refund).await;
        assert_eq!(row.provider_reference.as_deref(), Some("p-1"), "{connector}");
        let second = scene.refund().await;
        assert_eq!(scene.at.state(second).await, State::Succeeded, "{connector}");
        assert_eq!(scene.provider.paid(), (2, 2), "{connector}: the second has a key of its own");
    }
}

#[tokio::test]
async fn a_decline_is_final_and_says_why() {
    for connector in ALL {
        let scene = Scene::of(connector).await;
        scene.provider.will([Mood::Decline]);
        let refund = scene.refund().await;
        let failed = scene.at.read(refund).await;
        assert_eq!(failed.state, State::Failed, "{connector}");
        let failure = failed.failure.unwrap();
        // Neither says whose funds or card it is.
        let silent = ["afterpay", "braintree"].contains(connector);
        let code = if silent { FailureCode::Declined } else { FailureCode::InsufficientFunds };
        assert_eq!(failure.code, code, "{connector}: {failure:?}");
        assert!(failure.message.len() > 5, "{connector}: {failure:?}");
        assert_eq!(scene.at.left(refund).await.get(), 10_000, "{connector}");
        scene.at.retry(refund).await.unwrap();
        scene.at.pay.tick().await;
        assert_eq!(scene.at.state(refund).await, State::Succeeded, "{connector}");
        assert_eq!(scene.provider.paid(), (1, 1), "{connector}");
    }
}

#[tokio::test]
async fn what_is_pending_is_followed_to_its_end() {
    for connector in DECIDES_LATER {
        for (fate, end) in [(Fate::Paid, State::Succeeded), (Fate::Declined, State::Failed)] {
            let scene = Scene::of(connector).await;
            scene.provider.will([Mood::Pend]);
            let refund = scene.refund().await;
            assert_eq!(scene.at.state(refund).await, State::Processing, "{connector}");
            scene.at.after(1_000).await;
            assert_eq!(scene.at.state(refund).await, State::Processing, "{connector}");
            scene.provider.decide(fate);
            scene.at.after(60_000).await;
            let ended = scene.at.read(refund).await;
            assert_eq!(ended.state, end, "{connector}");
            if fate == Fate::Declined {
                let code = ended.failure.unwrap().code;
                // Braintree gives no reason once it has taken a refund in.
                let silent = *connector == "braintree";
                let expected =
                    if silent { FailureCode::Declined } else { FailureCode::InsufficientFunds };
                assert_eq!(code, expected, "{connector}");
            }
            assert_eq!(scene.provider.calls(), 1, "{connector}");
        }
    }
}

/// Whatever hides the answer, the provider is asked before anything is sent again.
#[tokio::test]
async fn doubt_ends_in_exactly_one_payout() {
    for connector in ALL {
        for (mood, done) in [
            (Mood::HangBefore, false),
            (Mood::HangAfter, true),
            (Mood::BreakBefore, false),
            (Mood::BreakAfter, true),
            (Mood::ForbidAfter, true),
            (Mood::Garble, true),
        ] {
            let scene = Scene::of(connector).await;
            scene.provider.will([mood]);
            let refund = scene.refund().await;
            assert_eq!(scene.at.state(refund).await, State::Processing, "{connector} {mood:?}");
            assert_eq!(scene.at.left(refund).await.get(), 9_000, "{connector} {mood:?}");
            scene.at.settle().await;
            if !done && !carries_keys_out_once(connector) {
                // Nothing proves that it did not arrive, and sending it again could pay twice.
                let state = scene.at.state(refund).await;
                assert_eq!(state, State::NeedsAttention, "{connector} {mood:?}");
                assert_eq!(scene.provider.paid(), (0, 0), "{connector} {mood:?}");
                assert_eq!(scene.provider.calls(), 1, "{connector} {mood:?}");
                continue;
            }
            assert_eq!(scene.at.state(refund).await, State::Succeeded, "{connector} {mood:?}");
            assert_eq!(scene.provider.paid(), (1, 1), "{connector} {mood:?}");
            // PayPal finds a refund by its own name only, and is sent the same key again.
            let again = !done || *connector == "paypal";
            let calls = if again { 2 } else { 1 };
            assert_eq!(scene.provider.calls(), calls, "{connector} {mood:?}");
        }
    }
}

/// A provider that is too busy, or cannot be reached, has done nothing: no doubt, no question.
#[tokio::test]
async fn what_was_not_taken_waits_without_doubt() {
    for connector in ALL {
        let scene = Scene::of(connector).await;
        scene.provider.will([Mood::Busy]);
        let refund = scene.refund().await;
        assert_eq!(scene.at.state(refund).await, State::Processing, "{connector}");
        let row = scene.at.transaction(refund).await;
        assert_eq!((row.sends, row.first_sent_at), (0, None), "{connector}");
        scene.at.after(1_000).await;
        assert_eq!(scene.at.state(refund).await, State::Succeeded, "{connector}");
        assert_eq!(scene.provider.paid(), (1, 1), "{connector}");
    }
}

#[tokio::test]
async fn another_amount_is_an_alarm_and_no_settlement() {
    for connector in ALL {
        let scene = Scene::of(connector).await;
        scene.provider.will([Mood::Misstate]);
        let refund = scene.refund().await;
        scene.at.settle().await;
        assert_eq!(scene.at.state(refund).await, State::NeedsAttention, "{connector}");
        assert_eq!(scene.at.left(refund).await.get(), 9_000, "{connector}");
        assert_eq!(scene.provider.paid(), (1, 1), "{connector}");
        let message = scene.at.transaction(refund).await.message.unwrap();
        assert!(message.contains("1001"), "{connector}: {message}");
    }
}

#[tokio::test]
async fn expired_credentials_send_nothing_and_say_so() {
    for connector in ALL {
        let scene = Scene::of(connector).await;
        scene.provider.lock_out(true);
        let refund = scene.refund().await;
        let failed = scene.at.read(refund).await;
        assert_eq!(failed.state, State::Failed, "{connector}");
        assert_eq!(failed.failure.unwrap().code, FailureCode::InvalidRequest, "{connector}");
        assert_eq!(scene.provider.paid(), (0, 0), "{connector}");
        scene.provider.lock_out(false);
        scene.at.retry(refund).await.unwrap();
        scene.at.pay.tick().await;
        assert_eq!(scene.at.state(refund).await, State::Succeeded, "{connector}");
        assert_eq!(scene.provider.paid(), (1, 1), "{connector}");
    }
}

/// The first send may have been paid, so a provider that no longer takes the credentials has not
/// said no.
#[tokio::test]
async fn credentials_that_expire_in_doubt_free_nothing() {
    for connector in ALL {
        let scene = Scene::of(connector).await;
        scene.provider.will([Mood::HangAfter]);
        let refund = scene.refund().await;
        scene.provider.lock_out(true);
        scene.at.after(1_000).await;
        scene.at.after(60_000).await;
        assert_eq!(scene.at.state(refund).await, State::Processing, "{connector}");
        assert_eq!(scene.at.left(refund).await.get(), 9_000, "{connector}");
        scene.provider.lock_out(false);
        scene.at.settle().await;
        assert_eq!(scene.at.state(refund).await, State::Succeeded, "{connector}");
        assert_eq!(scene.provider.paid(), (1, 1), "{connector}");
    }
}

#[tokio::test]
async fn a_test_of_the_credentials_moves_nothing() {
    for connector in ALL {
        let clock = Arc::new(ManualClock::at(START));
        let (provider, gateway) = made(connector, &clock).await;
        assert_eq!(gateway.test().await, Ok(()), "{connector}");
        provider.lock_out(true);
        let why = gateway.test().await.unwrap_err();
        assert!(why.contains("401"), "{connector}: {why}");
        assert_eq!(provider.calls(), 0, "{connector}");
    }
}

/// A provider that does not answer is left alone for a while, then tried out with one call.
#[tokio::test]
async fn a_provider_that_fails_is_left_alone() {
    let scene = Scene::of("stripe").await;
    scene.provider.will([Mood::Busy; 5]);
    let mut refunds = Vec::new();
    for _ in 0..5 {
        refunds.push(scene.refund().await);
    }
    assert_eq!(scene.provider.calls(), 5);
    assert_eq!(scene.circuit(), Some(Circuit::Open));
    let held_back = scene.refund().await;
    assert_eq!(scene.provider.calls(), 5, "the sixth is not sent");
    let row = scene.at.transaction(held_back).await;
    assert_eq!((row.sends, row.first_sent_at), (0, None));
    // The trial fails, and it is left alone for longer.
    scene.provider.will([Mood::Busy]);
    scene.at.clock.advance_ms(2_000);
    scene.at.pay.tick().await;
    assert_eq!(scene.provider.calls(), 6, "one tries it out");
    assert_eq!(scene.circuit(), Some(Circuit::Open));
    scene.at.settle().await;
    assert_eq!(scene.circuit(), Some(Circuit::Closed));
    for refund in refunds.into_iter().chain([held_back]) {
        assert_eq!(scene.at.state(refund).await, State::Succeeded);
    }
    assert_eq!(scene.provider.paid(), (6, 6));
}
