//! Webhooks: registered as ReturnGO has it, told in its words, signed as Standard Webhooks has it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use refundry_domain::ids::MerchantId;
use refundry_domain::merchant::Scope;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{ask, order, put, refund};
use crate::harness::receiver::{Receiver, Told};
use crate::harness::site::{Ask, Site};
use crate::harness::whole::{KEY, Whole};
use crate::webhooks::Post;

const EVENTS: [&str; 4] =
    ["RMA_CREATED", "RMA_STATUS_UPDATED", "TRANSACTION_CREATED", "REFUND_CREATED"];

fn webhook(site: &Site, url: &str, event: &str) -> Ask {
    ask(site, "POST", "/webhook").json(&json!({"url": url, "eventName": event}))
}

/// HMAC-SHA256 by hand: RFC 2104.
fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let pad = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

#[track_caller]
fn check_signature(told: &Told, secret: &str) {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let body = String::from_utf8(told.body.to_vec()).unwrap();
    let signed = format!("{}.{}.{body}", told.id(), told.header("webhook-timestamp"));
    let expected = format!("v1,{}", STANDARD.encode(mac(&key, signed.as_bytes())));
    assert_eq!(told.header("webhook-signature"), expected);
    assert_eq!(told.id(), told.json()["eventId"]);
}

#[tokio::test]
async fn webhooks_are_registered_changed_and_deleted() {
    let site = Site::start().await;
    let url = "https://shop.example/hooks?key=abc";
    let list = async || ask(&site, "GET", "/webhooks").send().await.expect(200).json();
    assert_eq!(list().await, json!([]));
    let made = webhook(&site, url, "TRANSACTION_CREATED").send().await.expect(200).json();
    let id = made["id"].as_i64().unwrap();
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
    let row = json!({"id": id, "url": url, "eventName": "TRANSACTION_CREATED"});
    assert_eq!(list().await, json!([row]));
    let prefixed = ask(&site, "GET", "/returngo/webhooks").send().await.expect(200).json();
    assert_eq!(prefixed, json!([row]));
    // The same again is the same.
    let again = webhook(&site, url, "TRANSACTION_CREATED").send().await.expect(200).json();
    assert_eq!(again, row);
    let shown = site.get("/v1/webhook_endpoints").send().await.expect(200).json();
    assert_eq!(shown["data"][0]["format"], "returngo");
    assert_eq!(shown["data"][0]["events"], json!(["TRANSACTION_CREATED"]));
    // The path is Digital River's for who asks as its clients do, and each sees its own.
    let theirs = site.get("/webhooks").send().await.expect(200).json();
    assert!(!theirs.to_string().contains("shop.example"), "{theirs}");

    let path = format!("/webhook/{id}");
    let change = json!({"eventName": "REFUND_CREATED"});
    let changed = ask(&site, "PUT", &path).json(&change).send().await.expect(200).json();
    assert_eq!(changed, json!({"id": id, "url": url, "eventName": "REFUND_CREATED"}));
    let off = json!({"enabled": false});
    let endpoint = format!("/v1/webhook_endpoints/whe_{id}");
    site.patch(&endpoint, off).send().await.expect(200);
    let other = json!({"url": "https://shop.example/other"});
    let changed = ask(&site, "PUT", &path).json(&other).send().await.expect(200).json();
    assert_eq!(changed["url"], "https://shop.example/other");
    assert_eq!(site.get(&endpoint).send().await.expect(200).json()["enabled"], true);
    for event in ["SHIPMENT_CREATED", "SHIPMENT_STATUS_UPDATED", "SHIPMENT_TRACKER_STATUS_UPDATED"]
    {
        webhook(&site, url, event).send().await.expect(200);
    }
    assert_eq!(list().await.as_array().unwrap().len(), 4);
    let gone = ask(&site, "DELETE", &path).send().await.expect(200).json();
    assert_eq!(gone["id"], id);
    ask(&site, "DELETE", &path).send().await.expect(404);
    assert_eq!(list().await.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_wrong_registration_writes_nothing() {
    let site = Site::start().await;
    let url = "https://shop.example/hooks";
    let made = webhook(&site, url, "RMA_CREATED").send().await.expect(200).json();
    let path = format!("/webhook/{}", made["id"]);
    let native = json!({"url": url});
    let native = site.post("/v1/webhook_endpoints", native).send().await.expect(201).id();
    let native = format!("/webhook/{}", native.trim_start_matches("whe_"));
    let other = site.merchant("Other").await;
    let theirs = site.make_key(other, &Scope::ALL, 100).await;
    let writer = site.make_key(MerchantId(1), &[Scope::Read, Scope::Write], 100).await;
    let events = site.events().await;
    let good = json!({"url": url, "eventName": "RMA_CREATED"});
    for (method, path) in
        [("GET", "/webhooks"), ("POST", "/webhook"), ("PUT", &path), ("DELETE", &path)]
    {
        let ask = Ask::new(site.address, method, path).json(&good);
        for (key, status) in [("rfk_wrong", 401), (&writer, 403)] {
            let answer = ask.clone().header("x-api-key", key).send().await.expect(status);
            assert!(answer.json()["message"].is_string());
        }
        assert!(ask.clone().send().await.expect(401).json()["message"].is_string());
        let shop = ask.header("x-api-key", &site.key).header("x-shop-name", "nobody");
        shop.send().await.expect(403);
    }
    for (path, status) in [(path.as_str(), 404), (&native, 404), ("/webhook/x", 400)] {
        let key = if status == 404 && path != native { &theirs } else { &site.key };
        ask(&site, "PUT", path).header("x-api-key", key).json(&good).send().await.expect(status);
        ask(&site, "DELETE", path).header("x-api-key", key).send().await.expect(status);
    }
    for wrong in [
        json!({}),
        json!({"url": url}),
        json!({"eventName": "RMA_CREATED"}),
        json!({"url": url, "eventName": "rma_created"}),
        json!({"url": url, "eventName": "refund.*"}),
        json!({"url": "ftp://shop.example", "eventName": "RMA_CREATED"}),
        json!({"url": "https://192.168.0.1/", "eventName": "RMA_CREATED"}),
        json!({"url": url, "eventName": "RMA_CREATED", "secret": "mine"}),
        json!({"url": 7, "eventName": "RMA_CREATED"}),
        json!([]),
    ] {
        let answer = ask(&site, "POST", "/webhook").json(&wrong).send().await.expect(400);
        assert!(answer.json()["message"].is_string(), "{wrong}");
    }
    for raw in ["", "{", r#"{"url":"a","url":"b"}"#, &"[".repeat(9_000)] {
        let answer = ask(&site, "POST", "/webhook").raw("application/json", raw.to_owned());
        assert!(answer.send().await.expect(400).json()["message"].is_string());
    }
    ask(&site, "PATCH", &path).json(&good).send().await.expect(405);
    ask(&site, "POST", "/webhooks").json(&good).send().await.expect(405);
    assert_eq!(site.events().await, events);
}

/// The only message for a name, and its registration's secret.
fn of<'a>(told: &'a [Told], name: &str) -> Vec<&'a Told> {
    told.iter().filter(|one| one.json()["eventName"] == name).collect()
}

#[tokio::test]
async fn each_event_is_told_in_its_own_words() {
    let site = Site::start().await;
    let receiver = Receiver::good().await;
    let mut secrets = Vec::new();
    for event in EVENTS {
        let url = format!("{}?{event}", receiver.url());
        let made = webhook(&site, &url, event).send().await.expect(200).json();
        secrets.push(made["secret"].as_str().unwrap().to_owned());
    }
    let post = Post::over(&site);
    let order = order(&site, "SO-1", "acme", "25.96").await;
    let body = json!({"order": order, "items": [{"line": 1, "quantity": 1}]});
    let returned = site.post("/v1/returns", body).send().await.expect(201).id();
    let approved = json!({"state": "approved"});
    site.patch(&format!("/v1/returns/{returned}"), approved).send().await.expect(200);
    let body = json!({"order": order, "amount": "5.90", "return": returned});
    let id = refund(&site, body).await;
    receiver.until(4).await;
    let row = async || {
        let path = format!("/transactions?pagesize=1&ids={id}");
        let list = ask(&site, "GET", &path).send().await.expect(200).json();
        list["transactions"][0].clone()
    };
    let requested = row().await;
    site.clock.advance_ms(60_000);
    let done = json!({"status": "Success", "externalReferenceId": "re_1"});
    put(&site, id, json!({"status": "Pending"})).await.send().await.expect(200);
    put(&site, id, done).await.send().await.expect(200);
    receiver.until(5).await;
    // A ping comes last, so nothing else is on its way then.
    let all = ask(&site, "GET", "/webhooks").send().await.expect(200).json();
    for hook in all.as_array().unwrap() {
        let path = format!("/v1/webhook_endpoints/whe_{}/ping", hook["id"]);
        site.post(&path, json!({})).send().await.expect(201);
    }
    let told = receiver.until(9).await;
    post.stop().await;
    assert_eq!((told.len(), of(&told, "PING").len()), (9, 4));
    let number = |id: &str| id.split('_').nth(1).unwrap().to_owned();
    let name = site.get("/v1/merchants/mer_1").send().await.expect(200).json()["name"].clone();
    for one in &told {
        let at = EVENTS.iter().position(|event| one.path.ends_with(event)).unwrap();
        check_signature(one, &secrets[at]);
        let body = one.json();
        let mut fields: Vec<&String> = body.as_object().unwrap().keys().collect();
        fields.sort();
        let expected =
            ["createdAt", "eventId", "eventName", "orderId", "rmaId", "shopName", "transaction"];
        assert_eq!(fields, expected);
        assert_eq!(body["shopName"], name);
        assert!(body["createdAt"].as_str().unwrap().ends_with("+00:00"));
        if body["eventName"] != "PING" {
            assert_eq!(body["eventName"], EVENTS[at]);
            assert_eq!(body["orderId"], number(&order).as_str());
        }
    }
    for event in ["RMA_CREATED", "RMA_STATUS_UPDATED"] {
        let [one] = of(&told, event)[..] else { panic!("{event} is told once") };
        assert_eq!(one.json()["rmaId"], number(&returned).as_str());
        assert_eq!(one.json()["transaction"], Value::Null);
    }
    let [paid, asked] = of(&told, "TRANSACTION_CREATED")[..] else { panic!("two transactions") };
    assert_eq!(paid.json()["transaction"]["type"], "PaymentCapture");
    assert_eq!(paid.json()["rmaId"], Value::Null);
    assert_eq!(asked.json()["transaction"], requested);
    assert_eq!(requested["status"], "Requested");
    assert_eq!(asked.json()["rmaId"], number(&returned).as_str());
    let [given] = of(&told, "REFUND_CREATED")[..] else { panic!("one refund") };
    assert_eq!(given.json()["transaction"], row().await);
    assert_eq!(given.json()["transaction"]["status"], "Success");
}

/// What a gateway of ours pays is never told as something that somebody should pay.
#[tokio::test]
async fn what_is_paid_here_is_told_once_it_is_under_way() {
    let whole = Whole::start(&[
        ("REFUNDRY_WEBHOOKS_ALLOW_HTTP", "true"),
        ("REFUNDRY_WEBHOOKS_ALLOW_ADDRESSES", "127.0.0.1"),
    ])
    .await;
    let receiver = Receiver::good().await;
    for event in ["TRANSACTION_CREATED", "REFUND_CREATED"] {
        let body = json!({"url": receiver.url(), "eventName": event});
        let ask = whole.ask("POST", "/webhook").header("x-api-key", KEY).json(&body);
        ask.send().await.expect(200);
    }
    let body = json!({"currency": "USD", "payments": [{"provider": "sandbox", "amount": "10.00"}]});
    let order = whole.ask("POST", "/v1/orders").key(KEY).json(&body).send().await.expect(201).id();
    let body = json!({"order": order, "amount": "1.00"});
    whole.ask("POST", "/v1/refunds").key(KEY).once().json(&body).send().await.expect(201);
    let told = receiver.until(3).await;
    let [paid, begun] = of(&told, "TRANSACTION_CREATED")[..] else { panic!("{told:?}") };
    assert_eq!(paid.json()["transaction"]["processor"], "sandbox");
    assert_eq!(begun.json()["transaction"]["type"], "RefundToPaymentMethod");
    let status = begun.json()["transaction"]["status"].clone();
    assert!(status == "Pending" || status == "Success", "{status}");
    let [given] = of(&told, "REFUND_CREATED")[..] else { panic!("{told:?}") };
    assert_eq!(given.json()["transaction"]["status"], "Success");
    assert_eq!(given.json()["transaction"]["id"], begun.json()["transaction"]["id"]);
    whole.stop().await;
}
