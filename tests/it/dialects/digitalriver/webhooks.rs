//! Events, and the webhooks that tell of them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use refundry_domain::ids::MerchantId;
use refundry_domain::merchant::Scope;
use refundry_domain::outcome::FailureCode;
use ring::hmac;
use serde_json::{Value, json};

use super::shop::{SKU, Shop, declined, expect_error, has, id};
use crate::harness::receiver::{Reaction, Receiver, Told};
use crate::webhooks::Post;

async fn hook(shop: &Shop, receiver: &Receiver, types: &[&str]) -> Value {
    let body = json!({"types": types, "address": receiver.url()});
    shop.post("/webhooks", body).send().await.expect(201).json()
}

/// As a merchant's own program checks it: the text before the first comma and space, and the
/// signature after it.
fn is_signed(told: &Told, secret: &str) -> bool {
    let header = told.header("digitalriver-signature");
    let mut parts = header.split(", ");
    let at = parts.next().unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let message = [at.as_bytes(), b".", &told.body].concat();
    let expected = STANDARD.encode(hmac::sign(&key, &message));
    parts.any(|signature| signature == expected)
}

#[tokio::test]
async fn a_webhook_is_registered_changed_and_deleted() {
    let shop = Shop::open().await;
    let body = json!({"types": ["refund.complete", "order.accepted", "refund.*"],
                      "address": "http://127.0.0.1:9/hooks", "apiVersion": "default",
                      "enabled": true, "transportType": "HTTP"});
    let made = shop.post("/webhooks", body).send().await.expect(201).json();
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.len() >= 32);
    has(
        &made,
        json!({"types": ["order.accepted", "refund.*", "refund.complete"], "enabled": true,
               "address": "http://127.0.0.1:9/hooks", "apiVersion": "default",
               "transportType": "HTTP", "createdTime": "2025-06-15T15:06:40Z"}),
    );
    let path = format!("/webhooks/{}", id(&made));
    let shown = shop.read(&path).await;
    assert!(shown.get("secret").is_none(), "it is shown once");
    assert_eq!(shop.read("/webhooks").await, json!([shown]), "a bare list");
    assert_eq!(shop.read("/webhooks?type=refund.complete").await, json!([shown]));
    assert_eq!(shop.read("/webhooks?types=customer.created").await, json!([]));
    let change = json!({"types": ["refund.failed"], "enabled": false});
    let changed = shop.get(&path).method("PATCH").json(&change).send().await.expect(200).json();
    has(&changed, json!({"types": ["refund.failed"], "enabled": false}));
    let off = json!({"types": ["*"], "address": "http://127.0.0.1:9/", "enabled": false});
    assert_eq!(shop.post("/webhooks", off).send().await.expect(201).json()["enabled"], false);
    let gone = shop.get(&path).method("DELETE").send().await.expect(204);
    assert!(gone.body.is_empty());
    expect_error(shop.get(&path).send().await, 404, "not_found");
    // Endpoints of other formats are none of this API's.
    let native = json!({"url": "http://127.0.0.1:9/"});
    let native = shop.post("/v1/webhook_endpoints", native).send().await.expect(201).json();
    let other = format!("/webhooks/{}", id(&native).replace("whe_", "wh_"));
    expect_error(shop.get(&other).send().await, 404, "not_found");
    assert_eq!(shop.read("/webhooks").await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_format_can_be_chosen_for_any_endpoint() {
    let shop = Shop::open().await;
    let receiver = Receiver::good().await;
    let secret = "a-token-of-our-own-0123456789";
    let body = json!({"url": receiver.url(), "format": "digitalriver",
                      "events": ["refund.complete"], "secret": secret});
    shop.post("/v1/webhook_endpoints", body).send().await.expect(201);
    let short = json!({"url": receiver.url(), "format": "digitalriver", "secret": "short"});
    shop.post("/v1/webhook_endpoints", short).send().await.expect_problem(422, "field_invalid");
    let order = shop.order("1001").await;
    let refund = shop.refund(json!({"orderId": order, "currency": "USD", "amount": 1})).await;
    let post = Post::over(&shop.site);
    shop.pay(&refund).await;
    let told = receiver.until(1).await.remove(0);
    post.stop().await;
    assert!(is_signed(&told, secret) && !is_signed(&told, "a-token-of-others-0123456789"));
    assert_eq!(told.kind(), "refund.complete");
}

#[tokio::test]
async fn a_refunds_life_is_told_in_the_words_of_this_api() {
    let shop = Shop::open().await;
    let receiver = Receiver::good().await;
    let made = hook(&shop, &receiver, &["refund.*", "return.*", "order.dispute*"]).await;
    let secret = made["secret"].as_str().unwrap();
    let order = shop.order("1001").await;
    let post = Post::over(&shop.site);
    let refund = shop.refund(json!({"orderId": order, "currency": "USD", "amount": 1})).await;
    receiver.until(1).await;
    shop.pay(&refund).await;
    let notes = json!({"metadata": {"seen": "yes"}});
    shop.post(&format!("/refunds/{}", id(&refund)), notes).send().await.expect(200);
    let failed = shop.refund(json!({"orderId": order, "currency": "USD", "amount": 2})).await;
    shop.hand_over(&failed).await;
    shop.learn(&failed, &declined(FailureCode::ExpiredOrCanceledCard)).await;
    let back = json!({"orderId": order, "items": [{"skuId": SKU, "quantity": 1}]});
    let back = shop.post("/returns", back).send().await.expect(201).json();
    let accept = shop.post(&format!("/returns/{}", id(&back)), json!({"state": "accepted"}));
    accept.send().await.expect(200);
    let shown = shop.read(&format!("/v1/orders/{order}")).await;
    for amount in [json!("1.00"), json!(null)] {
        let dispute = json!({"dispute": {"payment": shown["payments"][0]["id"], "amount": amount}});
        shop.site.patch(&format!("/v1/orders/{order}"), dispute).send().await.expect(200);
    }
    let voucher = shop.paid("1002", "USD", "5.00", "voucher").await;
    shop.refund(json!({"orderId": voucher, "currency": "USD", "amount": 5})).await;
    let told = receiver.until(11).await;
    post.stop().await;
    let mut kinds: Vec<String> = told.iter().map(Told::kind).collect();
    let last = kinds.iter().position(|kind| kind == "refund.pending_information").unwrap();
    kinds.remove(last);
    let expected = [
        "refund.pending",
        "refund.complete",
        "refund.updated",
        "refund.pending",
        "refund.failed",
        "return.created",
        "refund.pending",
        "return.accepted",
        "order.dispute",
        "order.dispute.resolved",
    ];
    assert_eq!(kinds, expected, "in order of what happened to the order");
    for one in &told {
        assert!(is_signed(one, secret), "{}", one.kind());
        let body = one.json();
        let names: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
        let fields =
            ["createdTime", "data", "digitalriverVersion", "id", "liveMode", "type", "webhookIds"];
        assert_eq!(names, fields);
        has(
            &body,
            json!({"webhookIds": [id(&made)], "digitalriverVersion": "2021-12-13",
                          "liveMode": false}),
        );
        let time = body["createdTime"].as_str().unwrap();
        assert_eq!(time, "2025-06-15T15:06:40.000000Z");
        let at = one.header("digitalriver-signature").split(", ").next().unwrap();
        assert_eq!(at, "2025-06-15T15:06:40.000Z");
        assert_eq!(one.header("content-type"), "application/json");
    }
    let object = |at: usize| told[at].json()["data"]["object"].clone();
    let find = |kind: &str| told.iter().position(|one| one.kind() == kind).unwrap();
    has(
        &object(find("refund.pending")),
        json!({"id": id(&refund), "state": "pending", "refundedAmount": 0.0}),
    );
    has(&object(find("refund.complete")), json!({"state": "succeeded", "refundedAmount": 1.0}));
    has(&object(find("refund.failed")), json!({"failureReason": "expired_or_canceled_card"}));
    let waiting = object(find("refund.pending_information"));
    has(
        &waiting,
        json!({"state": "pending_information", "expiresTime": "2025-07-15T15:06:40.000Z"}),
    );
    let token = waiting["tokenInformation"]["token"].as_str().unwrap();
    assert_eq!(token.len(), 43, "as the customer's page has it");
    let all = shop.site.get("/events").send().await.expect(200);
    assert!(!String::from_utf8_lossy(&all.body).contains(token), "not to who may read alone");
    has(&object(find("return.accepted")), json!({"id": id(&back), "state": "accepted"}));
    has(&object(find("order.dispute")), json!({"id": order}));
}

#[tokio::test]
async fn other_names_of_an_event_are_told_to_who_asks_for_them() {
    let shop = Shop::open().await;
    let cases: [(&str, &[&str]); 6] = [
        ("order.refunded", &["order.refunded"]),
        ("order.charge.refund.complete", &["order.charge.refund.complete"]),
        ("order.charge.refund.pending", &["order.charge.refund.pending"]),
        ("refund.succeeded", &["refund.succeeded"]),
        ("refund.created", &["refund.created"]),
        ("order.*", &["order.charge.refund.pending", "order.refunded"]),
    ];
    let mut receivers = Vec::new();
    for (subscription, _) in &cases {
        let receiver = Receiver::good().await;
        hook(&shop, &receiver, &[*subscription]).await;
        receivers.push(receiver);
    }
    let everything = Receiver::good().await;
    hook(&shop, &everything, &["*"]).await;
    let order = shop.order("1001").await;
    let refund = shop.refund(json!({"orderId": order, "currency": "USD", "amount": 1})).await;
    let post = Post::over(&shop.site);
    shop.pay(&refund).await;
    let told = everything.until(3).await;
    for ((_, names), receiver) in cases.iter().zip(&receivers) {
        let told = receiver.until(names.len()).await;
        assert_eq!(told.iter().map(Told::kind).collect::<Vec<_>>(), *names);
    }
    post.stop().await;
    let kinds: Vec<String> = told.iter().map(Told::kind).collect();
    let usual = ["refund.pending", "order.charge.refund.pending", "refund.complete"];
    assert_eq!(kinds, usual, "each event once, under its usual name");
    assert_eq!(everything.told().len(), 3);
    let object = |at: usize| receivers[at].told()[0].json()["data"]["object"].clone();
    has(&object(0), json!({"id": order, "refundedAmount": 1.0}));
    assert_eq!(object(0)["payment"]["charges"][0]["refunds"][0]["amount"], json!(1.0));
    has(&object(1), json!({"orderId": order, "refunded": true, "captured": true}));
    assert_eq!(object(2)["refunds"][0]["amount"], json!(1.0));
    has(&object(3), json!({"id": id(&refund), "state": "succeeded"}));
}

#[tokio::test]
async fn a_failed_try_is_repeated_with_a_new_time_and_signature() {
    let shop = Shop::open().await;
    let receiver =
        Receiver::start(|count, _| Reaction::Status(if count == 0 { 302 } else { 202 })).await;
    let made = hook(&shop, &receiver, &["refund.pending"]).await;
    let order = shop.order("1001").await;
    let post = Post::over(&shop.site);
    shop.refund(json!({"orderId": order, "currency": "USD", "amount": 1})).await;
    receiver.until(1).await;
    let path = format!("/v1/deliveries?endpoint={}", id(&made).replace("wh_", "whe_"));
    crate::webhooks::until("the try is written down", || async {
        let shown = shop.read(&path).await;
        shown["data"][0]["tries"].as_array().filter(|tries| !tries.is_empty()).map(|_| ())
    })
    .await;
    shop.site.clock.advance_ms(60 * 60 * 1000);
    let told = receiver.until(2).await;
    post.stop().await;
    assert_eq!(told[0].body, told[1].body);
    let headers: Vec<_> = told.iter().map(|one| one.header("digitalriver-signature")).collect();
    assert_ne!(headers[0], headers[1]);
    assert!(told.iter().all(|one| is_signed(one, made["secret"].as_str().unwrap())));
}

#[tokio::test]
async fn both_secrets_sign_while_one_takes_over() {
    let shop = Shop::open().await;
    let receiver = Receiver::good().await;
    let made = hook(&shop, &receiver, &["refund.pending"]).await;
    let native = id(&made).replace("wh_", "whe_");
    let path = format!("/v1/webhook_endpoints/{native}/rotate_secret");
    let rotated = shop.post(&path, json!({"expire_after_seconds": 3600})).send().await;
    let new = rotated.expect(200).json()["secret"].as_str().unwrap().to_owned();
    let order = shop.order("1001").await;
    let post = Post::over(&shop.site);
    shop.refund(json!({"orderId": order, "currency": "USD", "amount": 1})).await;
    let told = receiver.until(1).await.remove(0);
    post.stop().await;
    assert_eq!(told.header("digitalriver-signature").split(", ").count(), 3);
    assert!(is_signed(&told, &new) && is_signed(&told, made["secret"].as_str().unwrap()));
}

#[tokio::test]
async fn events_are_listed_for_thirty_days() {
    let shop = Shop::open().await;
    let order = shop.order("1001").await;
    let mut refunds = Vec::new();
    for _ in 0..3 {
        let body = json!({"orderId": order, "currency": "USD", "amount": 1});
        refunds.push(shop.refund(body).await);
    }
    shop.pay(&refunds[0]).await;
    let list = |query: &str| {
        let path = format!("/events?{query}");
        let shop = &shop;
        async move {
            let shown = shop.read(&path).await;
            let data = shown["data"].as_array().unwrap().clone();
            (data, shown["hasMore"].as_bool().unwrap())
        }
    };
    let kinds = |rows: &[Value]| -> Vec<String> {
        rows.iter().map(|row| row["type"].as_str().unwrap().to_owned()).collect()
    };
    let (all, more) = list("").await;
    let expected = [
        "refund.complete",
        "order.charge.refund.pending",
        "refund.pending",
        "refund.pending",
        "refund.pending",
    ];
    assert_eq!((kinds(&all), more), (expected.map(str::to_owned).to_vec(), false));
    let path = format!("/events/{}", id(&all[0]));
    assert_eq!(shop.read(&path).await, all[0]);
    has(&all[0], json!({"webhookIds": [], "digitalriverVersion": "2021-12-13"}));
    has(&all[0]["data"]["object"], json!({"id": id(&refunds[0]), "state": "succeeded"}));
    has(&all[4]["data"]["object"], json!({"id": id(&refunds[0]), "state": "pending"}));
    let (first, more) = list("limit=2").await;
    assert_eq!((first, more), (all[..2].to_vec(), true));
    let (next, more) = list(&format!("limit=2&startingAfter={}", id(&all[1]))).await;
    assert_eq!((next, more), (all[2..4].to_vec(), true));
    let (before, more) = list(&format!("limit=2&endingBefore={}", id(&all[4]))).await;
    assert_eq!((before, more), (all[2..4].to_vec(), true));
    assert_eq!(list("type=refund.*").await.0.len(), 4);
    assert_eq!(list("type=refund.complete").await.0, all[..1].to_vec());
    assert_eq!(
        list("types=refund.complete,order.charge.refund.pending").await.0,
        all[..2].to_vec()
    );
    assert_eq!(list("type=refund.pending_information").await.0, Vec::<Value>::new());
    assert_eq!(list("createdTime[gt]=2025-06-15T15:06:40Z").await.0, Vec::<Value>::new());
    assert_eq!(list("createdTime[lte]=2025-06-15T15:06:40Z").await.0.len(), 5);
    let reader = shop.site.make_key(MerchantId(1), &[Scope::Read], 1000).await;
    shop.get("/events").key(&reader).send().await.expect(200);
    shop.site.clock.advance_ms(30 * 24 * 60 * 60 * 1000 + 1);
    assert_eq!(list("").await, (Vec::new(), false));
    shop.get(&path).send().await.expect(200);
    // What is no event of this API has no place here.
    let native = shop.read("/v1/events?type=order.registered").await;
    let other = format!("/events/{}", id(&native["data"][0]));
    expect_error(shop.get(&other).send().await, 404, "not_found");
}
