//! Telling again, and telling at all on request.

use refundry::testing::clock::Clock;
use serde_json::{Value, json};

use super::{HOUR_MS, Post, deliveries, id, subscribe, until, until_delivery};
use crate::harness::receiver::{Reaction, Receiver};
use crate::harness::site::Site;

fn time(site: &Site) -> String {
    jiff::Timestamp::from_millisecond(site.clock.now().0).unwrap().to_string()
}

#[tokio::test]
async fn a_delivery_is_made_again_under_the_same_id() {
    let site = Site::start().await;
    let receiver = Receiver::good().await;
    let endpoint = subscribe(&site, &receiver, &["order.registered"]).await;
    let post = Post::over(&site);
    site.order("1.00").await;
    let query = format!("endpoint={}", id(&endpoint));
    let row = until_delivery(&site, &query, |row| row["state"] == "succeeded").await;
    let path = format!("/v1/deliveries/{}/redeliver", row["id"].as_str().unwrap());
    let dry = site.post(&format!("{path}?dry_run=true"), json!({})).send().await.expect(200);
    assert_eq!(dry.json()["state"], "pending");
    let events = site.events().await;
    site.post(&path, json!({})).send().await.expect(200);
    assert_eq!(site.events().await, events + 1, "who asked is in the books");
    let told = receiver.until(2).await;
    assert_eq!((told[0].id(), &told[0].body), (told[1].id(), &told[1].body));
    let twice = |row: &Value| row["tries"].as_array().unwrap().len() == 2;
    let row = until_delivery(&site, &query, twice).await;
    assert_eq!(row["state"], "succeeded");
    let none = site.post("/v1/deliveries/dlv_1_1/redeliver", json!({})).send().await;
    none.expect_problem(404, "delivery_not_found");
    post.stop().await;
}

/// An endpoint that is told everything is not told without end of its own redeliveries.
#[tokio::test]
async fn a_redelivery_is_not_part_of_itself() {
    let site = Site::start().await;
    let from = time(&site);
    let receiver = Receiver::good().await;
    let endpoint = subscribe(&site, &receiver, &[]).await;
    site.order("1.00").await;
    let before = site.events().await;
    let path = format!("/v1/webhook_endpoints/{}/redeliver", id(&endpoint));
    let answer = site.post(&path, json!({"from": from})).send().await.expect(200).json();
    assert_eq!(answer["count"], before, "every event there was");
    assert_eq!(site.events().await, before + 1);
}

/// After a day on which the receiver lost everything, all of that day, and nothing else.
#[tokio::test]
async fn a_time_is_told_again() {
    let site = Site::start().await;
    let old = site.order("1.00").await;
    site.clock.advance_ms(HOUR_MS);
    let from = time(&site);
    let receiver = Receiver::start(|_, _| Reaction::Status(410)).await;
    let endpoint = subscribe(&site, &receiver, &["refund.requested"]).await;
    let post = Post::over(&site);
    let order = site.order("1.00").await;
    let given_up = site.refund(&order, "0.01").await;
    super::until_endpoint(&site, id(&endpoint), |row| row["enabled"] == false).await;
    receiver.answer(|_, _| Reaction::Status(200));
    let path = format!("/v1/webhook_endpoints/{}", id(&endpoint));
    site.patch(&path, json!({"enabled": true})).send().await.expect(200);
    let well = site.refund(&order, "0.02").await;
    receiver.until(2).await;
    // What it did not subscribe to then, and does now.
    site.patch(&path, json!({"events": ["order.registered", "refund.requested"]}))
        .send()
        .await
        .expect(200);
    site.clock.advance_ms(HOUR_MS);
    let until_then = time(&site);
    site.clock.advance_ms(HOUR_MS);
    let late = site.order("1.00").await;
    receiver.until(3).await;
    let query = format!("endpoint={}&state=succeeded", id(&endpoint));
    until("two are delivered", || async {
        (deliveries(&site, &query).await.len() == 2).then_some(())
    })
    .await;
    let ask = json!({"from": from, "until": until_then});
    let again = format!("{path}/redeliver");
    let dry = site.post(&format!("{again}?dry_run=true"), ask.clone()).send().await.expect(200);
    assert_eq!(dry.json(), json!({"count": 2, "has_more": false, "next_from": null}));
    site.post(&again, ask.clone()).send().await.expect(200);
    let told = receiver.until(5).await;
    let mut subjects: Vec<String> =
        told[3..].iter().map(|one| one.json()["subject"].as_str().unwrap().to_owned()).collect();
    subjects.sort();
    let mut expected = [order.clone(), given_up.clone()];
    expected.sort();
    assert_eq!(subjects, expected, "not {well}, {late} or {old}");
    until("four are delivered", || async {
        (deliveries(&site, &query).await.len() == 4).then_some(())
    })
    .await;
    let none = site.post(&again, ask).send().await.expect(200).json();
    assert_eq!(none["count"], 0, "all of it is delivered by now");
    let all = json!({"from": from, "until": until_then, "delivered_too": true});
    assert_eq!(site.post(&again, all).send().await.expect(200).json()["count"], 3);
    receiver.until(8).await;
    let wrong = json!({"from": until_then, "until": from});
    let wrong = site.post(&again, wrong).send().await;
    wrong.expect_problem(422, "field_invalid").at("/until");
    post.stop().await;
}

#[tokio::test]
async fn a_ping_is_for_its_endpoint_alone() {
    let site = Site::start().await;
    let (receiver, other) = (Receiver::good().await, Receiver::good().await);
    let endpoint = subscribe(&site, &receiver, &["refund.failed"]).await;
    subscribe(&site, &other, &[]).await;
    let post = Post::over(&site);
    let path = format!("/v1/webhook_endpoints/{}/ping", id(&endpoint));
    let pinged = site.post(&path, json!({})).send().await.expect(201).json();
    let told = receiver.until(1).await;
    assert_eq!(told[0].kind(), "webhook_endpoint.pinged");
    assert_eq!(pinged["event"], told[0].id());
    let delivery = format!("/v1/deliveries/{}", pinged["delivery"].as_str().unwrap());
    until("the ping is written down", || async {
        let shown = site.get(&delivery).send().await;
        (shown.status == 200 && shown.json()["state"] == "succeeded").then_some(())
    })
    .await;
    site.order("1.00").await;
    let told = other.until(2).await;
    assert!(told.iter().all(|one| one.kind() != "webhook_endpoint.pinged"), "{told:?}");
    post.stop().await;
}
