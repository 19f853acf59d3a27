//! Endpoints as resources.

use serde_json::{Value, json};

use super::{Post, id, subscribe};
use crate::harness::receiver::Receiver;
use crate::harness::site::Site;

#[tokio::test]
async fn an_endpoint_is_made_changed_and_deleted() {
    let site = Site::start().await;
    let body = json!({
        "url": "http://127.0.0.1:9/hooks",
        "events": ["refund.succeeded", "refund.failed", "refund.succeeded"],
        "description": "the shop",
    });
    let made = site.post("/v1/webhook_endpoints", body).send().await.expect(201).json();
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
    assert_eq!(made["events"], json!(["refund.failed", "refund.succeeded"]));
    assert_eq!((&made["format"], &made["enabled"]), (&json!("native"), &json!(true)));
    let path = format!("/v1/webhook_endpoints/{}", id(&made));
    let shown = site.get(&path).send().await.expect(200).json();
    assert!(shown.get("secret").is_none(), "shown once: {shown}");
    let list = site.get("/v1/webhook_endpoints").send().await.expect(200).json();
    assert_eq!(list["data"], json!([shown]));
    let dry = site.patch(&format!("{path}?dry_run=true"), json!({"enabled": false}));
    assert_eq!(dry.send().await.expect(200).json()["enabled"], false);
    let events = site.events().await;
    let same = site.patch(&path, json!({"description": "the shop"})).send().await.expect(200);
    assert_eq!((same.json(), site.events().await), (shown, events), "nothing changed");
    let changed = json!({"url": "http://127.0.0.1:9/new", "events": [], "enabled": false});
    let changed = site.patch(&path, changed).send().await.expect(200).json();
    assert_eq!(changed["disabled_because"], "asked");
    assert_eq!(
        (&changed["url"], &changed["events"]),
        (&json!("http://127.0.0.1:9/new"), &json!([]))
    );
    site.ask("DELETE", &path).send().await.expect(200);
    site.get(&path).send().await.expect_problem(404, "webhook_endpoint_not_found");
    site.ask("DELETE", &path).send().await.expect_problem(404, "webhook_endpoint_not_found");
    let list = site.get("/v1/webhook_endpoints").send().await.expect(200).json();
    assert_eq!(list["data"], json!([]));
    let events = site.get("/v1/events?limit=3").send().await.json();
    let names: Vec<&Value> =
        events["data"].as_array().unwrap().iter().map(|event| &event["type"]).collect();
    assert_eq!(
        names,
        ["webhook_endpoint.deleted", "webhook_endpoint.updated", "webhook_endpoint.created"]
    );
    assert!(!events.to_string().contains("whsec_"), "no event has a secret");
}

#[tokio::test]
async fn what_cannot_be_told_is_refused_when_it_is_made() {
    let site = Site::start().await;
    let long = format!("https://shop.example/{}", "x".repeat(2_048));
    let secret = "whsec_c2hvcnQ=";
    for (field, value) in [
        ("url", json!("ftp://shop.example/")),
        ("url", json!("shop.example")),
        ("url", json!("/hooks")),
        ("url", json!("https://")),
        ("url", json!("https://ada:pw@shop.example/")),
        ("url", json!("https://shop.example/#top")),
        ("url", json!("http://10.0.0.1/")),
        ("url", json!("https://169.254.169.254/latest")),
        ("url", json!("https://[::ffff:127.0.0.1]/")),
        ("url", json!("https://[::1]/")),
        ("url", json!(long)),
        ("format", json!("morse")),
        ("secret", json!(secret)),
        ("description", json!("4111111111111111")),
    ] {
        let mut body = json!({"url": "https://shop.example/"});
        body[field] = value.clone();
        let answer = site.post("/v1/webhook_endpoints", body).send().await;
        println!("{field} {value}");
        answer.expect_problem(422, "field_invalid").at(&format!("/{field}"));
    }
    for name in ["refund.suceeded", "refunds.*", "", "refund.succeeded refund.failed"] {
        let body = json!({"url": "https://shop.example/", "events": ["*", name]});
        let answer = site.post("/v1/webhook_endpoints", body).send().await;
        answer.expect_problem(422, "field_invalid").at("/events/1");
    }
    let body = json!({"url": "https://shop.example/"});
    for _ in 0..50 {
        site.post("/v1/webhook_endpoints", body.clone()).send().await.expect(201);
    }
    let more = site.post("/v1/webhook_endpoints", body).send().await;
    more.expect_problem(409, "too_many_webhook_endpoints");
}

/// What can be subscribed to is what the reference lists.
#[test]
fn every_type_of_event_is_documented_and_can_be_subscribed_to() {
    use refundry_domain::event::TYPES;
    let page = include_str!("../../../docs/reference/events.md");
    let mut documented = Vec::new();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    for names in rows {
        let mut family = String::new();
        for name in names.split('`').filter(|name| name.contains('.')) {
            if let Some((first, _)) = name.split_once('.').filter(|(first, _)| !first.is_empty()) {
                family = first.to_owned();
            }
            let (_, last) = name.split_once('.').unwrap();
            documented.push(format!("{family}.{last}"));
        }
    }
    let missing: Vec<_> =
        TYPES.iter().filter(|name| !documented.contains(&(**name).to_owned())).collect();
    assert!(missing.is_empty(), "docs/reference/events.md lacks {missing:?}");
    let unknown: Vec<_> =
        documented.iter().filter(|name| !TYPES.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "{unknown:?} cannot be subscribed to");
}

/// The books stay provable: every change of an endpoint is in the merchant's chain.
#[tokio::test]
async fn the_books_verify_with_endpoints_in_them() {
    use refundry::testing::ledger::verify::verify;
    let site = Site::start().await;
    let receiver = Receiver::good().await;
    let endpoint = subscribe(&site, &receiver, &[]).await;
    let gone = subscribe(&site, &receiver, &[]).await;
    let path = format!("/v1/webhook_endpoints/{}", id(&gone));
    site.ask("DELETE", &path).send().await.expect(200);
    let post = Post::over(&site);
    let order = site.order("5.00").await;
    site.refund(&order, "1.00").await;
    let path = format!("/v1/webhook_endpoints/{}/rotate_secret", id(&endpoint));
    site.post(&path, json!({})).send().await.expect(200);
    receiver.until(3).await;
    post.stop().await;
    let report = verify(site.home.store.as_ref(), &mut |_| {}).await.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

/// Who tries an endpoint out would wait for a message that never comes.
#[tokio::test]
async fn a_ping_is_told_in_every_format() {
    let site = Site::start().await;
    let receiver = Receiver::good().await;
    let post = Post::over(&site);
    let pinged = async |format: &str, events: Value, count: usize| {
        let body = json!({"url": receiver.url(), "format": format, "events": events});
        let made = site.post("/v1/webhook_endpoints", body).send().await.expect(201).json();
        let path = format!("/v1/webhook_endpoints/{}/ping", id(&made));
        let sent = site.post(&path, json!({})).send().await.expect(201).json();
        let told = receiver.until(count).await.remove(count - 1);
        assert_eq!(receiver.told().len(), count, "{format}");
        (made, sent["event"].as_str().unwrap().to_owned(), told)
    };
    let (_, event, told) = pinged("native", json!(["refund.failed"]), 1).await;
    assert_eq!(
        (told.kind().as_str(), &told.json()["id"]),
        ("webhook_endpoint.pinged", &json!(event))
    );

    let (_, event, told) = pinged("returngo", json!(["RMA_CREATED"]), 2).await;
    let body = told.json();
    assert_eq!((&body["eventName"], &body["eventId"]), (&json!("PING"), &json!(event)));
    assert!(body["transaction"].is_null() && !told.header("webhook-signature").is_empty());

    let (made, event, told) = pinged("digitalriver", json!(["refund.complete"]), 3).await;
    let body = told.json();
    let number = id(&made).trim_start_matches(|c: char| !c.is_ascii_digit());
    assert_eq!((&body["type"], &body["id"]), (&json!("webhook_endpoint.pinged"), &json!(event)));
    assert_eq!(body["data"]["object"]["id"], format!("wh_{number}"));
    assert_eq!(body["webhookIds"], json!([format!("wh_{number}")]));
    assert!(!told.header("digitalriver-signature").is_empty());

    let (_, event, told) = pinged("begateway", json!(["refund"]), 4).await;
    assert_eq!(told.json()["ping"]["id"], event);
    assert!(told.json().get("transaction").is_none());
    assert!(!told.header("content-signature").is_empty());
    post.stop().await;
}
