//! Adyen: answers every refund "received", and tells by notification what became of it.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use refundry::testing::clock::ManualClock;
use refundry::testing::gateways::{Gateway, Notice, Raw, Unheard};
use refundry_domain::ids::RefundId;
use refundry_domain::outcome::{FailureCode, Outcome};
use refundry_domain::refund::State;
use ring::hmac;
use serde_json::{Value, json};

use super::amounts::attempt;
use crate::harness::payouts::{Payouts, START};
use crate::harness::provider::{Books, Call, Kept, Mood, Provider, Said, Speech, gateway};

const HMAC_KEY: &str = "44782def547aaa06c910c43932b1eb0c71fc68d9d0c057550c48ec2acf6ba056";

/// Declines with this code.
struct Adyen(&'static str);

fn received(row: &Kept) -> Said {
    let value: i64 = row.amount.parse().unwrap();
    Said::Json(
        201,
        json!({"status": "received", "pspReference": row.id, "reference": row.key,
        "amount": {"value": value + i64::from(row.misstated), "currency": row.currency}}),
    )
}

impl Speech for Adyen {
    fn answer(&mut self, call: &Call, books: &mut Books) -> Said {
        if books.locked_out || call.header("x-api-key") != "AQE_1" {
            let error = json!({"status": 401, "errorCode": "000", "message": "Unauthorized"});
            return Said::Json(401, error);
        }
        let ask = call.json();
        assert_eq!(ask["merchantAccount"], "ShopECOM");
        if call.path == "/v71/paymentMethods" {
            return Said::Json(200, json!({"paymentMethods": []}));
        }
        let payment = call.path.strip_prefix("/v71/payments/").unwrap();
        let payment = payment.strip_suffix("/refunds").unwrap();
        let key = call.header("idempotency-key").to_owned();
        assert_eq!(ask["reference"], key);
        let amount = ask["amount"]["value"].as_i64().unwrap().to_string();
        let currency = ask["amount"]["currency"].as_str().unwrap();
        let declined = json!({"status": 422, "errorCode": self.0, "message": "as it is"});
        books.pay(&key, payment, (&amount, currency), Said::Json(422, declined), received)
    }
}

struct Scene {
    provider: Provider,
    gateway: Arc<dyn Gateway>,
    at: Payouts,
}

impl Scene {
    async fn open() -> Scene {
        Scene::declining("167").await
    }

    async fn declining(code: &'static str) -> Scene {
        let provider = Provider::start(Adyen(code)).await;
        let clock = Arc::new(ManualClock::at(START));
        let base = format!("http://{}", provider.address);
        let settings = [("base_url", base.as_str()), ("merchant_account", "ShopECOM")];
        let secrets = [("api_key", "AQE_1"), ("hmac_key", HMAC_KEY)];
        let gateway = gateway("adyen", &clock, &settings, &secrets);
        let at = Payouts::with_clock(gateway.clone(), clock).await;
        Scene { provider, gateway, at }
    }

    async fn refund(&self) -> RefundId {
        let refund = self.at.refund("adyen", "psp_1").await;
        self.at.pay.tick().await;
        refund
    }

    /// The provider tells; the worker takes it up.
    async fn tell(&self, refund: RefundId, event: &str, success: bool, value: i64) {
        let row = self.at.transaction(refund).await;
        let raw = raw(&[item(&row.key, event, success, value, "EUR")]);
        for notice in self.gateway.hear(&raw).await.unwrap() {
            let through = Some((self.at.merchant, "adyen".to_owned()));
            self.at.pay.notice(&Notice { through, ..notice }).await;
        }
    }
}

fn item(key: &str, event: &str, success: bool, value: i64, currency: &str) -> Value {
    let signed = format!("p-1:psp_1:ShopECOM:{key}:{value}:{currency}:{event}:{success}");
    let secret: Vec<u8> = (0..HMAC_KEY.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&HMAC_KEY[at..at + 2], 16).unwrap())
        .collect();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes());
    json!({"NotificationRequestItem": {
        "eventCode": event, "success": success.to_string(), "pspReference": "p-1",
        "originalReference": "psp_1", "merchantAccountCode": "ShopECOM",
        "merchantReference": key, "reason": if success { "" } else { "Insufficient balance" },
        "amount": {"value": value, "currency": currency},
        "additionalData": {"hmacSignature": STANDARD.encode(tag)},
    }})
}

fn raw(items: &[Value]) -> Raw {
    let body = json!({"live": "false", "notificationItems": items}).to_string();
    Raw { headers: Default::default(), body: body.into(), at: START }
}

#[tokio::test]
async fn adyen_settles_by_notification_once() {
    let scene = Scene::open().await;
    let refund = scene.refund().await;
    assert_eq!(scene.at.state(refund).await, State::Processing);
    scene.at.settle().await;
    assert_eq!(scene.at.state(refund).await, State::Processing, "it goes on waiting");
    assert_eq!(scene.provider.calls(), 1, "and sends nothing meanwhile");
    scene.tell(refund, "REFUND", true, 1_000).await;
    let settled = scene.at.read(refund).await;
    assert_eq!(settled.state, State::Succeeded);
    scene.tell(refund, "REFUND", true, 1_000).await;
    assert_eq!(scene.at.read(refund).await, settled);
    assert_eq!(scene.provider.paid(), (1, 1));
}

#[tokio::test]
async fn adyen_declines_at_once_or_later() {
    let scene = Scene::open().await;
    scene.provider.will([Mood::Decline]);
    let at_once = scene.refund().await;
    let failure = scene.at.read(at_once).await.failure.unwrap();
    assert_eq!(failure.code, FailureCode::PaymentNotFound);
    assert!(failure.message.contains("167: as it is"), "{}", failure.message);
    let later = scene.refund().await;
    scene.tell(later, "REFUND", false, 1_000).await;
    let failed = scene.at.read(later).await;
    assert_eq!(failed.state, State::Failed);
    assert_eq!(failed.failure.unwrap().code, FailureCode::InsufficientFunds);
    assert_eq!(scene.at.left(later).await.get(), 10_000);
}

/// A no that the first send may have brought about, or that another account would say, is no word
/// on what became of the first.
#[tokio::test]
async fn adyen_declining_what_is_in_doubt_frees_nothing() {
    for (code, means) in
        [("167", FailureCode::PaymentNotFound), ("000", FailureCode::InvalidRequest)]
    {
        let scene = Scene::declining(code).await;
        scene.provider.will([Mood::Decline]);
        let told = scene.refund().await;
        assert_eq!(scene.at.read(told).await.failure.unwrap().code, means, "{code}");
        scene.provider.will([Mood::HangBefore, Mood::Decline]);
        let doubted = scene.refund().await;
        scene.at.after(1_000).await;
        assert_eq!(scene.provider.calls(), 3, "{code}: it is sent again");
        assert_eq!(scene.at.state(doubted).await, State::Processing, "{code}");
        assert_eq!(scene.at.left(doubted).await.get(), 9_000, "{code}");
    }
}

/// It cannot be asked, and carries a key out once: what is in doubt is sent again under its key.
#[tokio::test]
async fn adyen_is_sent_the_same_key_again_after_doubt() {
    for mood in
        [Mood::HangBefore, Mood::HangAfter, Mood::BreakAfter, Mood::ForbidAfter, Mood::Garble]
    {
        let scene = Scene::open().await;
        scene.provider.will([mood]);
        let refund = scene.refund().await;
        assert_eq!(scene.at.state(refund).await, State::Processing, "{mood:?}");
        scene.at.after(1_000).await;
        assert_eq!(scene.provider.calls(), 2, "{mood:?}");
        scene.at.settle().await;
        assert_eq!(scene.provider.calls(), 2, "{mood:?}");
        assert_eq!(scene.provider.paid(), (1, 1), "{mood:?}");
        scene.tell(refund, "REFUND", true, 1_000).await;
        assert_eq!(scene.at.state(refund).await, State::Succeeded, "{mood:?}");
    }
}

#[tokio::test]
async fn adyen_credentials_that_expire_in_doubt_free_nothing() {
    let scene = Scene::open().await;
    scene.provider.lock_out(true);
    let refused = scene.refund().await;
    let failure = scene.at.read(refused).await.failure.unwrap();
    assert_eq!(failure.code, FailureCode::InvalidRequest);
    assert!(scene.gateway.test().await.is_err());
    scene.provider.lock_out(false);
    assert_eq!(scene.gateway.test().await, Ok(()));
    scene.provider.will([Mood::HangAfter]);
    let refund = scene.refund().await;
    scene.provider.lock_out(true);
    scene.at.after(1_000).await;
    scene.at.after(60_000).await;
    assert_eq!(scene.at.state(refund).await, State::Processing);
    assert_eq!(scene.at.left(refund).await.get(), 9_000);
}

#[tokio::test]
async fn adyen_other_amounts_and_currencies_are_alarms() {
    let scene = Scene::open().await;
    scene.provider.will([Mood::Misstate]);
    let at_once = scene.refund().await;
    assert_eq!(scene.at.state(at_once).await, State::NeedsAttention);
    let later = scene.refund().await;
    scene.tell(later, "REFUND", true, 999).await;
    assert_eq!(scene.at.state(later).await, State::NeedsAttention);
    let other = scene.refund().await;
    let row = scene.at.transaction(other).await;
    for notice in
        scene.gateway.hear(&raw(&[item(&row.key, "REFUND", true, 1_000, "USD")])).await.unwrap()
    {
        let through = Some((scene.at.merchant, "adyen".to_owned()));
        scene.at.pay.notice(&Notice { through, ..notice }).await;
    }
    assert_eq!(scene.at.state(other).await, State::NeedsAttention);
    assert_eq!(scene.at.left(other).await.get(), 9_000);
}

#[tokio::test]
async fn adyen_takes_back_what_it_paid() {
    for event in ["REFUND_FAILED", "REFUNDED_REVERSED"] {
        let scene = Scene::open().await;
        let refund = scene.refund().await;
        scene.tell(refund, "REFUND", true, 1_000).await;
        assert_eq!(scene.at.state(refund).await, State::Succeeded, "{event}");
        scene.tell(refund, event, true, 1_000).await;
        assert_eq!(scene.at.state(refund).await, State::Reversed, "{event}");
        assert_eq!(scene.at.left(refund).await.get(), 10_000, "{event}");
    }
}

#[tokio::test]
async fn adyen_notifications_need_their_signature() {
    let scene = Scene::open().await;
    let good = item("k-1", "REFUND", true, 1_000, "EUR");
    assert_eq!(scene.gateway.hear(&raw(std::slice::from_ref(&good))).await.unwrap().len(), 1);
    let mut altered = good.clone();
    altered["NotificationRequestItem"]["amount"]["value"] = json!(2_000);
    let mut elsewhere = good.clone();
    elsewhere["NotificationRequestItem"]["merchantAccountCode"] = json!("OtherECOM");
    for items in [vec![], vec![altered.clone()], vec![good, altered], vec![elsewhere]] {
        let refused = scene.gateway.hear(&raw(&items)).await;
        assert!(matches!(refused, Err(Unheard::Forged(_))), "{items:?}");
    }
}

/// A notification that never comes is for a person in the end.
#[tokio::test]
async fn adyen_silence_needs_attention_after_two_weeks() {
    let scene = Scene::open().await;
    let refund = scene.refund().await;
    scene.at.after(1_000).await;
    scene.at.after(15 * 24 * 60 * 60 * 1000).await;
    assert_eq!(scene.at.state(refund).await, State::NeedsAttention);
    assert_eq!(scene.provider.calls(), 1);
    scene.tell(refund, "REFUND", true, 1_000).await;
    assert_eq!(scene.at.state(refund).await, State::Succeeded, "late news is news");
}

/// Adyen counts the decimals of four currencies its own way.
#[tokio::test]
async fn adyen_amounts_go_out_as_it_counts_them() {
    for (currency, amount, wire) in [
        ("EUR", "10.05", Some("1005")),
        ("CLP", "500", Some("50000")),
        ("ISK", "500", Some("50000")),
        ("CVE", "500.00", Some("500")),
        ("IDR", "500.50", None),
        ("KWD", "1.234", Some("1234")),
    ] {
        let scene = Scene::open().await;
        let outcome = scene.gateway.pay(&attempt(amount, currency)).await;
        match wire {
            Some(wire) => assert_eq!(scene.provider.rows()[0].amount, wire, "{currency}"),
            None => assert!(matches!(outcome, Outcome::Declined(_)), "{currency}: {outcome:?}"),
        }
    }
}
