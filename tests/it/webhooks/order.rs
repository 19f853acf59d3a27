//! What comes, and in which order.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Post, deliveries, id, subscribe, until_delivery};
use crate::harness::receiver::{Reaction, Receiver};
use crate::harness::site::Site;

#[tokio::test]
async fn an_endpoint_is_told_what_the_feed_shows() {
    let site = Site::start().await;
    let before = site.order("10.00").await;
    let receiver = Receiver::good().await;
    let endpoint = subscribe(&site, &receiver, &[]).await;
    let post = Post::over(&site);
    let order = site.order("20.00").await;
    site.refund(&order, "1.00").await;
    let told = receiver.until(3).await;
    let list = site.get("/v1/events?limit=100&oldest_first=true").send().await.json();
    let feed: BTreeMap<String, Value> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| (event["id"].as_str().unwrap().to_owned(), event.clone()))
        .collect();
    assert_eq!(told.len(), 3, "nothing of what was before: {before}");
    for one in &told {
        assert_eq!(one.header("content-type"), "application/json");
        let mut body = one.json();
        let timestamp = body.as_object_mut().unwrap().remove("timestamp").unwrap();
        assert_eq!(timestamp, body["created_at"]);
        assert_eq!(body, feed[one.id()]);
    }
    let kinds: Vec<String> = told.iter().map(crate::harness::receiver::Told::kind).collect();
    assert_eq!(kinds, ["order.registered", "payment.recorded", "refund.requested"]);
    let query = format!("endpoint={}&state=succeeded", id(&endpoint));
    until_delivery(&site, &query, |row| row["type"] == "refund.requested").await;
    let rows = deliveries(&site, &query).await;
    assert_eq!(rows.len(), 3);
    for row in rows {
        let tries = row["tries"].as_array().unwrap();
        assert_eq!((tries.len(), &tries[0]["status"]), (1, &Value::from(200)), "{row}");
        assert!(row["next_try_at"].is_null());
        let shown = site.get(&format!("/v1/deliveries/{}", row["id"].as_str().unwrap()));
        assert_eq!(shown.send().await.expect(200).json(), row);
    }
    post.stop().await;
}

#[tokio::test]
async fn only_what_was_subscribed_to_comes() {
    let site = Site::start().await;
    let (all, some) = (Receiver::good().await, Receiver::good().await);
    subscribe(&site, &some, &["refund.*", "return.opened"]).await;
    subscribe(&site, &all, &["*"]).await;
    let post = Post::over(&site);
    let order = site.order("20.00").await;
    for _ in 0..3 {
        site.refund(&order, "1.00").await;
    }
    all.until(5).await;
    let told = some.until(3).await;
    assert!(told.iter().all(|one| one.kind() == "refund.requested"), "{told:?}");
    post.stop().await;
}

/// What follows the answer to a change goes by the change, however soon it happens.
#[tokio::test]
async fn a_subscription_counts_from_its_answer_on() {
    let site = Site::start().await;
    let receiver = Receiver::good().await;
    let endpoint = subscribe(&site, &receiver, &["return.opened"]).await;
    let path = format!("/v1/webhook_endpoints/{}", id(&endpoint));
    let post = Post::over(&site);
    for round in 1..=20 {
        site.patch(&path, json!({"events": ["order.registered"]})).send().await.expect(200);
        let order = site.order("1.00").await;
        let told = receiver.until(round).await;
        assert_eq!(told[round - 1].json()["subject"], order.as_str());
        site.patch(&path, json!({"events": ["return.opened"]})).send().await.expect(200);
    }
    post.stop().await;
}

/// A shop that books a refund's end before its beginning would be lost; one that is behind for one
/// order must not be behind for all.
#[tokio::test]
async fn an_order_waits_for_its_own_and_for_no_other() {
    let site = Site::start().await;
    let (first, second) = (site.order("20.00").await, site.order("20.00").await);
    let stubborn = first.clone();
    let receiver = Receiver::start(move |_, told| {
        let bad = told.json()["order"] == stubborn.as_str();
        Reaction::Status(if bad { 500 } else { 200 })
    })
    .await;
    let endpoint = subscribe(&site, &receiver, &["refund.requested"]).await;
    let post = Post::over(&site);
    let mut refunds = Vec::new();
    for _ in 0..3 {
        refunds.push(site.refund(&first, "1.00").await);
        site.refund(&second, "1.00").await;
    }
    receiver.until(4).await;
    // What waits behind the one that failed has rows of its own.
    let query = format!("endpoint={}&state=pending", id(&endpoint));
    super::until("three rows", || async {
        Some(deliveries(&site, &query).await).filter(|rows| rows.len() == 3)
    })
    .await;
    let of_first = |told: &[crate::harness::receiver::Told]| -> Vec<String> {
        let of = told.iter().filter(|one| one.json()["order"] == first.as_str());
        of.map(|one| one.json()["subject"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(of_first(&receiver.told()), [refunds[0].clone()], "later ones wait");
    receiver.answer(|_, _| Reaction::Status(204));
    site.clock.advance_ms(5_000);
    let told = receiver.until(7).await;
    let expected = [&refunds[0], &refunds[0], &refunds[1], &refunds[2]].map(String::clone);
    assert_eq!(of_first(&told), expected);
    post.stop().await;
}

/// A process that ends and one that begins leave no gap and repeat nothing that was written down.
#[tokio::test]
async fn a_new_process_goes_on_where_the_last_one_stopped() {
    let site = Site::start().await;
    let receiver = Receiver::good().await;
    subscribe(&site, &receiver, &["refund.requested"]).await;
    let order = site.order("100.00").await;
    let mut refunds = Vec::new();
    for round in 1..=4 {
        let post = Post::over(&site);
        for _ in 0..10 {
            refunds.push(site.refund(&order, "0.01").await);
        }
        if round % 2 == 0 {
            receiver.until(10 * round).await;
        }
        post.stop().await;
    }
    let told = receiver.until(40).await;
    let subjects: Vec<Value> = told.iter().map(|one| one.json()["subject"].clone()).collect();
    assert_eq!(subjects, refunds);
}

#[tokio::test]
async fn a_dead_endpoint_slows_no_other() {
    let site = Site::start().await;
    let dead = Receiver::start(|_, _| Reaction::Hang).await;
    let alive = Receiver::good().await;
    subscribe(&site, &dead, &["refund.requested"]).await;
    subscribe(&site, &alive, &["refund.requested"]).await;
    let post = Post::with(
        &site,
        std::time::Duration::from_secs(60),
        std::sync::Arc::new(refundry::testing::outbound::SystemResolver),
    );
    let mut orders = Vec::new();
    for _ in 0..20 {
        orders.push(site.order("10.00").await);
    }
    for order in &orders {
        site.refund(order, "1.00").await;
        site.refund(order, "1.00").await;
    }
    alive.until(40).await;
    assert!(dead.told().len() <= 8, "no more at once than may be: {}", dead.told().len());
    post.stop().await;
}
