//! beGateway, row by row of its contract: `coverage`.

mod coverage;
mod notices;
mod outcomes;
mod payments;
mod refunds;
mod requests;

use serde_json::{Value, json};

use crate::harness::site::{Answer, Ask, Site};
use crate::harness::whole::basic;

/// A request of the first merchant's shop.
fn shop(site: &Site, method: &str, path: &str) -> Ask {
    Ask::new(site.address, method, path).header("authorization", &basic("1", &site.key))
}

fn post(site: &Site, path: &str, request: Value) -> Ask {
    shop(site, "POST", path).json(&json!({ "request": request }))
}

/// An order of one payment, and the payment's uid.
async fn parent(site: &Site, amount: &str) -> String {
    let order = site.order(amount).await;
    uid_of_payment(site, &order).await
}

async fn uid_of_payment(site: &Site, order: &str) -> String {
    let shown = site.get(&format!("/v1/orders/{order}")).send().await.expect(200).json();
    let id = shown["payments"][0]["id"].as_str().unwrap().trim_start_matches("txn_").to_owned();
    format!("1-{:010x}", id.parse::<i64>().unwrap())
}

/// An error body that every known client can read, with this at `field`.
#[track_caller]
fn refused(answer: Answer, status: u16, field: &str, text: &str) -> Value {
    let body = answer.expect(status).json();
    let message = body["message"].as_str().unwrap();
    assert!(!message.is_empty());
    assert!(body["errors"].is_object(), "{body}");
    assert_eq!(body["response"]["message"], body["message"]);
    assert_eq!(body["response"]["errors"], body["errors"]);
    let at = body["errors"].pointer(field).unwrap_or(&Value::Null);
    let said = at[0].as_str().or(at.as_str()).unwrap_or_default();
    assert!(said.contains(text), "{field} of {body} is {said:?}");
    body
}
