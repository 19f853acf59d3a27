//! Notifications: believed only with their signature, and then only a hint.

use refundry::testing::gateways::{Notice, Raw, Unheard};
use refundry_domain::ids::Timestamp;
use refundry_domain::refund::State;
use ring::hmac;
use serde_json::{Value, json};

use super::http::signature;
use super::{DECIDES_LATER, NOTIFY, Scene, made};
use crate::harness::payouts::START;
use crate::harness::provider::{Fate, Mood};

/// What the provider sends about a refund, signed as it does.
fn notification(connector: &str, key: &str, reference: &str, at: Timestamp) -> Raw {
    let seconds = (at.0 / 1000).to_string();
    let (body, headers): (Value, Vec<(&str, String)>) = match connector {
        "stripe" => {
            let refund = json!({"id": reference, "object": "refund",
                "metadata": {"refundry_key": key}});
            let body = json!({"type": "refund.updated", "data": {"object": refund}});
            let signed = hmac::Key::new(hmac::HMAC_SHA256, b"whsec_1");
            let tag = hmac::sign(&signed, format!("{seconds}.{body}").as_bytes());
            let tag: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            (body, vec![("stripe-signature", format!("t={seconds},v1=00ff,v1={tag}"))])
        }
        "begateway" | "begateway card" => {
            let row = json!({"uid": reference, "type": "refund", "status": "whatever",
                "tracking_id": key});
            let basic = "Basic MzYxOnNlY3JldA==".to_owned();
            (json!({"transaction": row}), vec![("authorization", basic)])
        }
        "paypal" => {
            let resource = json!({"id": reference, "custom_id": key});
            let body = json!({"resource_type": "refund", "resource": resource});
            // Its keys stay in this order, and PayPal sees the body as it was sent.
            let headers = vec![
                ("paypal-transmission-sig", "good".to_owned()),
                ("paypal-transmission-id", "t-1".to_owned()),
            ];
            (body, headers)
        }
        "http" => {
            let body = json!({"id": key});
            let tag = signature("msg_1", &seconds, &body.to_string());
            let headers = vec![
                ("webhook-id", "msg_1".to_owned()),
                ("webhook-timestamp", seconds),
                ("webhook-signature", format!("v1,AAAA {tag}")),
            ];
            (body, headers)
        }
        other => panic!("no notification of {other}"),
    };
    let mut raw = Raw { headers: Default::default(), body: body.to_string().into(), at };
    for (name, value) in headers {
        raw.headers.insert(
            hyper::header::HeaderName::from_bytes(name.as_bytes()).unwrap(),
            value.parse().unwrap(),
        );
    }
    raw
}

/// Those whose signature over the body is checked here; beGateway's shop is told by its
/// credentials, and PayPal checks its own.
fn signs_body(connector: &str) -> bool {
    !connector.starts_with("begateway") && connector != "paypal"
}

#[tokio::test]
async fn forged_altered_and_old_notifications_are_refused() {
    for connector in NOTIFY {
        let clock = std::sync::Arc::new(refundry::testing::clock::ManualClock::at(START));
        let (_provider, gateway) = made(connector, &clock).await;
        let raw = notification(connector, "k-1", "p-1", START);
        let heard: Vec<Notice> = gateway.hear(&raw).await.unwrap();
        assert_eq!(heard[0].key.as_deref(), Some("k-1"), "{connector}");
        let mut unsigned = raw.clone();
        unsigned.headers.clear();
        assert!(matches!(gateway.hear(&unsigned).await, Err(Unheard::Forged(_))), "{connector}");
        if signs_body(connector) {
            let mut altered = raw.clone();
            altered.body =
                String::from_utf8(raw.body.to_vec()).unwrap().replace("k-1", "k-2").into();
            let refused = gateway.hear(&altered).await;
            assert!(matches!(refused, Err(Unheard::Forged(_))), "{connector}");
            let mut old = raw.clone();
            old.at = START.after_ms(5 * 60 * 1000 + 1_000);
            assert!(matches!(gateway.hear(&old).await, Err(Unheard::Forged(_))), "{connector}");
        }
    }
}

#[tokio::test]
async fn a_notification_settles_what_is_pending_and_changes_nothing_twice() {
    for connector in NOTIFY {
        let scene = Scene::of(connector).await;
        scene.provider.will([Mood::Pend]);
        let refund = scene.refund().await;
        let row = scene.at.transaction(refund).await;
        let through = Some((scene.at.merchant, scene.name.clone()));
        let by_name = Notice {
            reference: row.provider_reference.clone(),
            through: through.clone(),
            ..Notice::default()
        };
        scene.at.pay.notice(&by_name).await;
        assert_eq!(scene.at.state(refund).await, State::Processing, "{connector}: a hint only");
        scene.provider.decide(Fate::Paid);
        // Of another connection it is no news.
        let elsewhere = Some((scene.at.merchant, "elsewhere".to_owned()));
        scene.at.pay.notice(&Notice { through: elsewhere, ..scene.at.notice(&row) }).await;
        assert_eq!(scene.at.state(refund).await, State::Processing, "{connector}");
        scene.at.pay.notice(&Notice { through: through.clone(), ..by_name.clone() }).await;
        let settled = scene.at.read(refund).await;
        assert_eq!(settled.state, State::Succeeded, "{connector}");
        scene.at.pay.notice(&Notice { through, ..scene.at.notice(&row) }).await;
        assert_eq!(scene.at.read(refund).await, settled, "{connector}");
        assert_eq!(scene.provider.paid(), (1, 1), "{connector}");
    }
}

#[tokio::test]
async fn what_is_taken_back_after_success_is_reversed() {
    for connector in DECIDES_LATER {
        let scene = Scene::of(connector).await;
        let refund = scene.refund().await;
        assert_eq!(scene.at.state(refund).await, State::Succeeded, "{connector}");
        scene.provider.decide(Fate::Returned);
        let row = scene.at.transaction(refund).await;
        scene.at.pay.notice(&scene.at.notice(&row)).await;
        assert_eq!(scene.at.state(refund).await, State::Reversed, "{connector}");
        assert_eq!(scene.at.left(refund).await.get(), 10_000, "{connector}");
    }
}
