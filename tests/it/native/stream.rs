//! The change feed as it happens.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;
use refundry_domain::merchant::Scope;
use serde_json::{Value, json};

use crate::harness::site::Site;

struct Feed {
    body: Incoming,
    text: String,
}

impl Feed {
    fn of(response: Response<Incoming>) -> Feed {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Feed { body: response.into_body(), text: String::new() }
    }

    /// The next event; `None` when the stream ended.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                if let Some(data) = event.lines().find_map(|line| line.strip_prefix("data: ")) {
                    let value: Value = serde_json::from_str(data).unwrap();
                    let id = format!("id: {}", value["id"].as_str().unwrap());
                    assert!(event.lines().any(|line| line == id), "{event}");
                    return Some(value);
                }
                continue;
            }
            let frame = tokio::time::timeout(Duration::from_secs(30), self.body.frame()).await;
            let frame = frame.expect("something within 30 seconds")?.unwrap();
            self.text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
        }
    }
}

#[tokio::test]
async fn events_come_as_they_happen_and_from_where_the_client_was() {
    let site = Site::start().await;
    let order = site.order("20.00").await;
    let mut live = Feed::of(site.get("/v1/events/stream").open().await);
    let refund = site.refund(&order, "1.00").await;
    let event = live.next().await.unwrap();
    assert_eq!((&event["type"], &event["subject"]), (&json!("refund.requested"), &json!(refund)));

    let list = site.get("/v1/events?oldest_first=true&limit=100").send().await.json();
    let all: Vec<Value> = list["data"].as_array().unwrap().clone();
    for (index, event) in all.iter().enumerate() {
        let resumed = site.get("/v1/events/stream");
        let resumed = resumed.header("last-event-id", event["id"].as_str().unwrap());
        let mut resumed = Feed::of(resumed.open().await);
        for expected in &all[index + 1..] {
            assert_eq!(resumed.next().await.as_ref(), Some(expected));
        }
    }
    let first = all[0]["id"].as_str().unwrap();
    let path = format!("/v1/events/stream?after={first}&type=refund.requested");
    let mut some = Feed::of(site.get(&path).open().await);
    assert_eq!(some.next().await.unwrap()["type"], "refund.requested");
    let bad = site.get("/v1/events/stream").header("last-event-id", "12").send().await;
    bad.expect_problem(400, "header_invalid");
}

/// More events than one read of the books brings, with numbers one after the other.
#[tokio::test]
async fn a_long_history_comes_whole() {
    let site = Site::start().await;
    let first = site.order("1.00").await;
    let list = site.get(&format!("/v1/orders/{first}/events")).send().await.json();
    let start = list["data"][0]["id"].as_str().unwrap().to_owned();
    let payments = vec![json!({"provider": "sandbox", "amount": "1.00"}); 180];
    let body = json!({"currency": "USD", "payments": payments});
    site.post("/v1/orders", body).send().await.expect(201);
    let ask = site.get("/v1/events/stream").header("last-event-id", &start);
    let mut feed = Feed::of(ask.open().await);
    for position in 1..=181 {
        assert_eq!(feed.next().await.unwrap()["position"], position);
    }
}

/// Nothing is left out and nothing comes twice, however many write while a client comes and goes.
#[tokio::test]
async fn a_client_that_comes_again_misses_nothing() {
    let site = Site::start().await;
    let order = site.order("100.00").await;
    let newest = site.get("/v1/events?limit=1").send().await.json()["data"][0]["id"].clone();
    let mut last = newest.as_str().unwrap().to_owned();
    let writing = async {
        for _ in 0..60 {
            site.refund(&order, "0.01").await;
        }
    };
    let reading = async {
        let mut seen = Vec::new();
        while seen.len() < 60 {
            let ask = site.get("/v1/events/stream").header("last-event-id", &last);
            let mut feed = Feed::of(ask.open().await);
            for _ in 0..7.min(60 - seen.len()) {
                let event = feed.next().await.unwrap();
                last = event["id"].as_str().unwrap().to_owned();
                seen.push(event["subject"].as_str().unwrap().to_owned());
            }
        }
        seen
    };
    let ((), seen) = tokio::join!(writing, reading);
    let mut distinct = seen.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!((seen.len(), distinct.len()), (60, 60));
}

#[tokio::test]
async fn another_merchants_events_do_not_come() {
    let site = Site::start().await;
    let other = site.merchant("Other").await;
    let key = site.make_key(other, &refundry_domain::merchant::Scope::ALL, 100).await;
    let mut theirs = Feed::of(site.get("/v1/events/stream").key(&key).open().await);
    site.order("1.00").await;
    let body = json!({"currency": "USD"});
    let own = site.post("/v1/orders", body).key(&key).send().await.expect(201).id();
    assert_eq!(theirs.next().await.unwrap()["subject"], own);
}

#[tokio::test]
async fn a_stream_does_not_hold_up_the_end() {
    let mut site = Site::start().await;
    let mut feed = Feed::of(site.get("/v1/events/stream").open().await);
    site.begin_stop();
    assert_eq!(feed.next().await, None);
    let (drained, _) = site.stop().await;
    assert_eq!(drained, refundry::testing::http::server::Drained::Clean);
}

/// One merchant's streams would leave nobody else a place.
#[tokio::test]
async fn one_merchant_does_not_take_all_places() {
    let site = Site::start().await;
    let mut open = Vec::new();
    for _ in 0..200 {
        open.push(Feed::of(site.get("/v1/events/stream").open().await));
    }
    assert_eq!(site.get("/v1/events/stream").open().await.status(), 503);
    let other = site.merchant("other").await;
    let other = site.make_key(other, &[Scope::Read], 100).await;
    Feed::of(site.get("/v1/events/stream").key(&other).open().await);
}
