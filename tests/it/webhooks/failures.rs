//! Receivers that fail, and when they are tried again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use refundry::testing::clock::Clock;
use serde_json::{Value, json};

use super::{HOUR_MS, Post, deliveries, id, subscribe, until, until_delivery, until_endpoint};
use crate::harness::receiver::{Reaction, Receiver};
use crate::harness::site::Site;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;

/// Ten tries over 75 hours, to the millisecond, and no eleventh.
#[tokio::test]
async fn the_whole_schedule_is_kept() {
    let site = Site::start().await;
    let receiver = Receiver::start(|_, _| Reaction::With(500, vec![], b"no".to_vec())).await;
    let endpoint = subscribe(&site, &receiver, &["order.registered"]).await;
    let post = Post::over(&site);
    site.order("1.00").await;
    let query = format!("endpoint={}", id(&endpoint));
    let waits = [
        5 * SECOND,
        5 * MINUTE,
        30 * MINUTE,
        2 * HOUR_MS,
        5 * HOUR_MS,
        10 * HOUR_MS,
        14 * HOUR_MS,
        20 * HOUR_MS,
        24 * HOUR_MS,
    ];
    for (index, wait) in waits.into_iter().enumerate() {
        let tried = |row: &Value| row["tries"].as_array().unwrap().len() == index + 1;
        let row = until_delivery(&site, &query, tried).await;
        let due = site.clock.now().after_ms(wait);
        let shown = jiff_of(&row["next_try_at"]);
        assert_eq!(shown, due.0, "after try {}: {row}", index + 1);
        site.clock.advance_ms(wait - 1);
        // Long enough for several looks; what is not due is not sent.
        quiet(&receiver, index + 1).await;
        site.clock.advance_ms(1);
        receiver.until(index + 2).await;
    }
    let row = until_delivery(&site, &query, |row| row["state"] == "failed").await;
    let tries = row["tries"].as_array().unwrap();
    assert_eq!(tries.len(), 10);
    assert!(tries.iter().all(|one| one["status"] == 500 && one["answer"] == "no"), "{row}");
    assert!(row["next_try_at"].is_null());
    let ids: Vec<String> = receiver.told().iter().map(|one| one.id().to_owned()).collect();
    assert!(ids.iter().all(|one| *one == ids[0]), "the same message: {ids:?}");
    let first = receiver.told()[0].header("webhook-timestamp").parse::<i64>().unwrap();
    let last = receiver.told()[9].header("webhook-timestamp").parse::<i64>().unwrap();
    assert_eq!(last - first, waits.iter().sum::<i64>() / 1000, "each try is signed anew");
    site.clock.advance_ms(100 * HOUR_MS);
    quiet(&receiver, 10).await;
    post.stop().await;
}

fn jiff_of(text: &Value) -> i64 {
    let text = text.as_str().unwrap();
    text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

/// Nothing more comes while the feed is looked at several times.
async fn quiet(receiver: &Receiver, count: usize) {
    tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    assert_eq!(receiver.told().len(), count);
}

#[tokio::test]
async fn whatever_goes_wrong_is_kept_and_tried_again() {
    let site = Site::start().await;
    let elsewhere = Receiver::good().await;
    let to = elsewhere.url();
    let receiver = Receiver::start(move |number, _| match number {
        0 => Reaction::With(302, vec![("location", to.clone())], Vec::new()),
        1 => Reaction::Hang,
        2 => Reaction::Drop,
        3 => Reaction::Drip,
        4 => Reaction::With(500, vec![], vec![b'x'; 100_000]),
        _ => Reaction::With(200, vec![], b"thanks".to_vec()),
    })
    .await;
    let endpoint = subscribe(&site, &receiver, &["order.registered"]).await;
    let post = Post::over(&site);
    site.order("1.00").await;
    let query = format!("endpoint={}", id(&endpoint));
    for count in 1..=5 {
        let tried = |row: &Value| row["tries"].as_array().unwrap().len() == count;
        until_delivery(&site, &query, tried).await;
        site.clock.advance_ms(24 * HOUR_MS / 4);
    }
    let row = until_delivery(&site, &query, |row| row["state"] == "succeeded").await;
    let tries = row["tries"].as_array().unwrap();
    let error = |index: usize| tries[index]["error"].as_str().unwrap_or_default();
    assert_eq!(tries[0]["status"], 302);
    assert!(error(0).contains("redirects are not followed"), "{row}");
    assert!(tries[1]["status"].is_null() && error(1).contains("300 ms"), "{row}");
    assert!(tries[2]["status"].is_null() && !error(2).is_empty(), "{row}");
    assert!(tries[3]["status"].is_null() && error(3).contains("300 ms"), "{row}");
    assert_eq!(
        (&tries[4]["status"], tries[4]["answer"].as_str().unwrap().len()),
        (&json!(500), 256)
    );
    assert_eq!((&tries[5]["status"], &tries[5]["answer"]), (&json!(200), &json!("thanks")));
    assert!(elsewhere.told().is_empty(), "a redirect leads nowhere");
    post.stop().await;
}

#[tokio::test]
async fn a_receiver_that_says_when_to_come_again_is_left_alone_until_then() {
    let site = Site::start().await;
    let answer = Arc::new(AtomicUsize::new(429));
    let says = answer.clone();
    let later = jiff::Timestamp::from_millisecond(site.clock.now().0 + 1_800 * SECOND).unwrap();
    let later = later.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let receiver = Receiver::start(move |_, _| match says.load(Ordering::SeqCst) {
        429 => Reaction::With(429, vec![("retry-after", "600".to_owned())], Vec::new()),
        503 => Reaction::With(503, vec![("retry-after", later.clone())], Vec::new()),
        _ => Reaction::Status(200),
    })
    .await;
    let endpoint = subscribe(&site, &receiver, &["order.registered"]).await;
    let post = Post::over(&site);
    site.order("1.00").await;
    receiver.until(1).await;
    let query = format!("endpoint={}", id(&endpoint));
    let row = until_delivery(&site, &query, |row| row["tries"][0]["status"] == 429).await;
    assert_eq!(jiff_of(&row["next_try_at"]), site.clock.now().0 + 600 * SECOND);
    site.order("2.00").await;
    site.clock.advance_ms(599 * SECOND);
    quiet(&receiver, 1).await;
    // The one that was told by a number of seconds, and the one that was not told yet.
    answer.store(503, Ordering::SeqCst);
    site.clock.advance_ms(SECOND);
    receiver.until(2).await;
    let asked = |row: &Value| row["tries"][1]["status"] == 503;
    let row = until_delivery(&site, &query, asked).await;
    assert_eq!(jiff_of(&row["next_try_at"]), site.clock.now().0 + 1_200 * SECOND);
    let came = receiver.told().len();
    answer.store(200, Ordering::SeqCst);
    site.clock.advance_ms(1_199 * SECOND);
    quiet(&receiver, came).await;
    site.clock.advance_ms(SECOND);
    let good = |rows: Vec<Value>| rows.iter().all(|row| row["state"] == "succeeded").then_some(());
    until("both are delivered", || async { good(deliveries(&site, &query).await) }).await;
    post.stop().await;
}

#[tokio::test]
async fn gone_is_gone_until_somebody_enables_it() {
    let site = Site::start().await;
    let receiver = Receiver::start(|_, _| Reaction::Status(410)).await;
    let witness = Receiver::good().await;
    let endpoint = subscribe(&site, &receiver, &["order.registered"]).await;
    subscribe(&site, &witness, &["webhook_endpoint.disabled"]).await;
    let post = Post::over(&site);
    site.order("1.00").await;
    let shown = until_endpoint(&site, id(&endpoint), |row| row["enabled"] == false).await;
    assert_eq!(shown["disabled_because"], "gone");
    let told = witness.until(1).await[0].json();
    assert_eq!((&told["subject"], &told["data"]["why"]), (&endpoint["id"], &json!("gone")));
    assert_eq!(told["by"], "worker");
    site.order("2.00").await;
    site.clock.advance_ms(HOUR_MS);
    quiet(&receiver, 1).await;
    let path = format!("/v1/webhook_endpoints/{}", id(&endpoint));
    let ping = site.post(&format!("{path}/ping"), json!({})).send().await;
    ping.expect_problem(409, "webhook_endpoint_disabled");
    receiver.answer(|_, _| Reaction::Status(200));
    let shown = site.patch(&path, json!({"enabled": true})).send().await.expect(200).json();
    assert_eq!((&shown["enabled"], &shown["disabled_at"]), (&json!(true), &Value::Null));
    let told = receiver.until(2).await;
    assert_eq!(told.len(), 2, "what happened meanwhile comes: {told:?}");
    assert_ne!(told[0].id(), told[1].id(), "what was refused for good does not");
    post.stop().await;
}

/// 120 hours without one success, however many events there were.
#[tokio::test]
async fn an_endpoint_that_fails_for_five_days_is_turned_off() {
    let site = Site::start().await;
    let receiver = Receiver::start(|_, _| Reaction::Status(503)).await;
    let endpoint = subscribe(&site, &receiver, &["order.registered"]).await;
    let post = Post::over(&site);
    let query = format!("endpoint={}", id(&endpoint));
    for hours in [0, 119] {
        site.clock.advance_ms(hours * HOUR_MS);
        let order = site.order("1.00").await;
        let tried = move |row: &Value| row["order"] == order.as_str() && !row["tries"][0].is_null();
        until_delivery(&site, &query, tried).await;
    }
    let shown = site.get(&format!("/v1/webhook_endpoints/{}", id(&endpoint))).send().await;
    assert_eq!(shown.expect(200).json()["enabled"], true, "119 hours are not enough");
    site.clock.advance_ms(HOUR_MS);
    let off = until_endpoint(&site, id(&endpoint), |row| row["enabled"] == false).await;
    assert_eq!(off["disabled_because"], "failing");
    let events = site.get("/v1/events?type=webhook_endpoint.disabled").send().await.json();
    assert_eq!(events["data"][0]["data"], json!({"why": "failing"}));
    post.stop().await;
}

/// Somebody who is down is not stormed, and is found when he is back.
#[tokio::test]
async fn an_endpoint_that_is_down_is_only_probed() {
    let site = Site::start().await;
    let receiver = Receiver::start(|_, _| Reaction::Status(500)).await;
    let endpoint = subscribe(&site, &receiver, &["order.registered"]).await;
    let post = Post::over(&site);
    for _ in 0..40 {
        site.order("1.00").await;
    }
    receiver.until(5).await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let stormed = receiver.told().len();
    assert!(stormed < 14, "{stormed} tries at an endpoint that fails");
    receiver.answer(|_, _| Reaction::Status(200));
    site.clock.advance_ms(30 * SECOND);
    let query = format!("endpoint={}&state=succeeded", id(&endpoint));
    until("all are delivered", || async {
        site.clock.advance_ms(SECOND);
        (deliveries(&site, &query).await.len() == 40).then_some(())
    })
    .await;
    post.stop().await;
}
