//! Webhooks: what endpoints are told, in which order, how often, and what they can never be.

mod addresses;
mod endpoints;
mod failures;
mod order;
mod redelivery;
mod signature;

use std::sync::Arc;
use std::time::Duration;

use refundry::testing::clock::Clock;
use refundry::testing::delivery::{Counter, Deliver, Ground, Rules};
use refundry::testing::outbound::{Resolve, SystemResolver};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::harness::receiver::Receiver;
use crate::harness::site::{Site, counter};

/// How long a receiver has to answer here.
pub const TIMEOUT: Duration = Duration::from_millis(300);
const HOUR_MS: i64 = 60 * 60 * 1000;

/// Deliveries at work; the site's clock is theirs.
pub struct Post {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Post {
    pub fn over(site: &Site) -> Post {
        Post::with(site, TIMEOUT, Arc::new(SystemResolver))
    }

    pub fn with(site: &Site, timeout: Duration, resolver: Arc<dyn Resolve>) -> Post {
        Post::begin(site, timeout, resolver, &counter(&site.links))
    }

    fn begin(
        site: &Site,
        timeout: Duration,
        resolver: Arc<dyn Resolve>,
        counter: &Counter,
    ) -> Post {
        let clock: Arc<dyn Clock> = site.clock.clone();
        let ground = Ground {
            store: site.home.store.clone(),
            clock,
            sealer: site.sealer.clone(),
            commits: site.ledger.commits(),
        };
        let rules = Rules {
            timeout,
            concurrency: 8,
            look: Duration::from_millis(10),
            lease_ms: 60_000,
            keep_ms: 90 * 24 * HOUR_MS,
            drain: Duration::from_secs(2),
        };
        let deliver = Deliver::new(ground, counter, rules, resolver, 7);
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(async move { deliver.run(stopped).await });
        Post { stop, task }
    }

    pub async fn stop(self) {
        self.stop.send_replace(true);
        let ended = tokio::time::timeout(Duration::from_secs(10), self.task).await;
        ended.expect("deliveries stop").unwrap();
    }
}

/// An endpoint for the receiver; answers what was said when it was made.
pub async fn subscribe(site: &Site, receiver: &Receiver, events: &[&str]) -> Value {
    let body = json!({"url": receiver.url(), "events": events});
    site.post("/v1/webhook_endpoints", body).send().await.expect(201).json()
}

pub fn id(endpoint: &Value) -> &str {
    endpoint["id"].as_str().unwrap()
}

/// The deliveries of a query, newest first.
pub async fn deliveries(site: &Site, query: &str) -> Vec<Value> {
    let path = format!("/v1/deliveries?limit=100&{query}");
    let list = site.get(&path).send().await.expect(200).json();
    list["data"].as_array().unwrap().clone()
}

/// Looks until it is so, bounded.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let waiting = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let bound = tokio::time::timeout(Duration::from_secs(30), waiting).await;
    bound.unwrap_or_else(|_| panic!("it never came to this: {what}"))
}

/// Waits until there is a delivery of the query, and it looks so.
pub async fn until_delivery(site: &Site, query: &str, so: impl Fn(&Value) -> bool) -> Value {
    until(query, || async { deliveries(site, query).await.into_iter().find(|row| so(row)) }).await
}

/// The endpoint once it looks so.
pub async fn until_endpoint(site: &Site, id: &str, so: impl Fn(&Value) -> bool) -> Value {
    let path = format!("/v1/webhook_endpoints/{id}");
    until(id, || async {
        Some(site.get(&path).send().await.expect(200).json()).filter(|row| so(row))
    })
    .await
}
