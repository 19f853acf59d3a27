//! beGateway, row by row of its contract.
//!
//! | rows | covered in |
//! | --- | --- |
//! | authentication, headers in any case, version header, `RequestID` | `refunds`, `requests` |
//! | every path of a refund, query and list, singular and plural, with a slash | `refunds` |
//! | fields of a refund and of its answer, the published example | `refunds` |
//! | `amount` left out, several partial refunds, more than is left | `refunds` |
//! | statuses, declined and pending refunds, the asynchronous variant | `outcomes` |
//! | card: duplicate check, required amount, version 3 | `refunds`, `outcomes` |
//! | sandbox payments, test cards, `bogus`, ERIP, `order_id` | `payments` |
//! | error bodies, each status | `requests` |
//! | hosts, hosted checkout, client time-outs, mTLS | not ours: an operator's names and proxy |
//! | precheck, recover, confirm, proof, balance, currencies, DELETE | `requests`: refused as not supported |
//! | `expired`, `error`, `deleted`, `permanent`, `start`, `initial` | no refund is ever in them |
//! | notifications: address, body, statuses, signature, credentials, refusals | `notices` |
//! | renotify | `notices` |
//! | ERIP's 24 hours and 11 days | a rule of that provider, not of the books |
//! | how a key is kept after 24 hours | kept longer: tests of the store |

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
