//! Reports over HTTP.

use std::time::Duration;

use refundry::testing::ledger::counting;
use refundry_domain::ids::MerchantId;
use refundry_domain::merchant::Scope;
use serde_json::{Value, json};

use crate::harness::site::Site;

const DAY: i64 = 24 * 60 * 60 * 1000;

async fn count(site: &Site) {
    let round = counting::round(&*site.home.store, None, Duration::from_secs(60)).await.unwrap();
    assert!(!round.lost);
}

/// A refund in cash that somebody has paid, by its id.
async fn paid(site: &Site, order: &str, amount: &str, reason: Option<&str>) -> String {
    let body = json!({"order": order, "amount": amount, "to": "cash", "reason": reason});
    let refund = site.post("/v1/refunds", body).once().send().await.expect(201).json();
    let payout = refund["transactions"][0]["id"].as_str().unwrap().to_owned();
    let report = site.patch(&format!("/v1/transactions/{payout}"), json!({"state": "succeeded"}));
    report.send().await.expect(200);
    refund["id"].as_str().unwrap().to_owned()
}

async fn report(site: &Site, query: &str) -> Value {
    site.get(&format!("/v1/reports/refunds{query}")).send().await.expect(200).json()
}

#[tokio::test]
async fn a_report_says_what_happened_each_day() {
    let site = Site::start().await;
    let empty = report(&site, "").await;
    assert_eq!((&empty["data"], &empty["by"]), (&json!([]), &json!("day")));
    assert_eq!((&empty["from"], &empty["to"]), (&json!("2025-05-17"), &json!("2025-06-15")));
    assert_eq!((&empty["time_zone"], &empty["complete"]), (&json!("UTC"), &json!(false)));
    assert_eq!(empty["counted_to"], Value::Null);

    let order = site.order("100.00").await;
    paid(&site, &order, "10.01", Some("defective")).await;
    paid(&site, &order, "20.00", None).await;
    let body = json!({"order": order, "amount": "3.00", "confirm": false});
    let canceled = site.post("/v1/refunds", body).once().send().await.expect(201).id();
    site.clock.advance_ms(DAY);
    let cancel = site.post(&format!("/v1/refunds/{canceled}/cancel"), json!({}));
    cancel.once().send().await.expect(200);
    assert_eq!(report(&site, "").await["complete"], false);
    count(&site).await;

    let said = report(&site, "").await;
    assert_eq!(said["complete"], true);
    assert!(said["counted_to"].as_str().unwrap().starts_with("evt_"));
    let none = json!({"count": 0, "amount": "0.00"});
    let first = json!({
        "key": "2025-06-15", "currency": "USD", "refunded": "30.01",
        "paid": {"count": 2, "amount": "30.01"}, "taken_back": none,
        "requested": {"count": 3, "amount": "33.01"},
        "succeeded": {"count": 2, "amount": "30.01"},
        "failed": none, "canceled": none, "reversed": none,
    });
    assert_eq!(said["data"][0], first);
    assert_eq!(said["data"][1]["key"], "2025-06-16");
    assert_eq!(said["data"][1]["canceled"], json!({"count": 1, "amount": "3.00"}));
    assert_eq!(said["data"].as_array().unwrap().len(), 2);
    let one_day = report(&site, "?from=2025-06-16&to=2025-06-16").await;
    assert_eq!(one_day["data"].as_array().unwrap().len(), 1);

    let keys = |said: &Value| -> Vec<Value> {
        said["data"].as_array().unwrap().iter().map(|line| line["key"].clone()).collect()
    };
    let by_reason = report(&site, "?by=reason").await;
    assert_eq!(keys(&by_reason), [Value::Null, json!("defective")]);
    assert_eq!(by_reason["data"][1]["refunded"], "10.01");
    assert_eq!(keys(&report(&site, "?by=month").await), [json!("2025-06")]);
    assert_eq!(keys(&report(&site, "?by=provider").await), [json!("sandbox")]);
    assert_eq!(keys(&report(&site, "?by=currency").await), [json!("USD")]);
    assert_eq!(keys(&report(&site, "?by=time").await), [json!("minute")]);
    assert_eq!(keys(&report(&site, "?by=failure").await), Vec::<Value>::new());
    let defective = report(&site, "?by=currency&reason=defective&provider=sandbox").await;
    assert_eq!(defective["data"][0]["paid"], json!({"count": 1, "amount": "10.01"}));
    assert_eq!(report(&site, "?currency=EUR").await["data"], json!([]));
}

#[tokio::test]
async fn a_report_is_of_ones_own_refunds() {
    let site = Site::start().await;
    let order = site.order("100.00").await;
    paid(&site, &order, "10.00", Some("defective")).await;
    count(&site).await;
    let other = site.merchant("Other").await;
    let key = site.make_key(other, &[Scope::Read], 1_000).await;
    count(&site).await;
    for by in ["day", "month", "reason", "provider", "currency", "failure", "time"] {
        let path = format!("/v1/reports/refunds?by={by}");
        let said = site.get(&path).key(&key).send().await.expect(200).json();
        assert_eq!(said["data"], json!([]), "{by}");
        assert_eq!(said["complete"], true);
    }
    assert_ne!(other, MerchantId(1));
}

#[tokio::test]
async fn a_report_names_what_it_cannot_be_about() {
    let site = Site::start().await;
    for (query, field) in [
        ("from=yesterday", "from"),
        ("to=2025-02-30", "to"),
        ("from=2025-06-02&to=2025-06-01", "from"),
        ("from=2024-06-01&to=2025-06-02", "from"),
        ("by=customer", "by"),
        ("currency=usd", "currency"),
    ] {
        let answer = site.get(&format!("/v1/reports/refunds?{query}")).send().await;
        let body = answer.expect_problem(400, "query_invalid").json();
        assert_eq!(body["errors"][0]["parameter"], field, "{body}");
    }
    report(&site, "?from=2024-06-02&to=2025-06-02").await;
    report(&site, "?from=9999-12-01").await;
    report(&site, "?to=0001-01-05").await;
}
