//! Reports and charts.

use std::time::Duration;

use refundry::testing::ledger::counting;
use serde_json::json;

use super::*;

const DAY: i64 = 24 * 60 * 60 * 1000;

async fn count(site: &Site) {
    counting::round(&*site.home.store, None, Duration::from_secs(60)).await.unwrap();
}

async fn paid(site: &Site, order: &str, amount: &str, reason: &str) {
    let body = json!({"order": order, "amount": amount, "to": "cash", "reason": reason});
    let refund = site.post("/v1/refunds", body).once().send().await.expect(201).json();
    let payout = refund["transactions"][0]["id"].as_str().unwrap().to_owned();
    let report = site.patch(&format!("/v1/transactions/{payout}"), json!({"state": "succeeded"}));
    report.send().await.expect(200);
}

#[tokio::test]
async fn a_report_is_a_table_a_chart_and_a_file() {
    let site = Site::start().await;
    let key = site.key.clone();
    let clerk = sign_in(&site, &key).await;
    let empty = clerk.page(&site, "/console/reports").await;
    assert!(empty.contains("No refunds in these days."), "{empty}");
    assert!(!clerk.page(&site, "/console").await.contains("The last 30 days"));

    let order = site.order("9000.00").await;
    paid(&site, &order, "1234.50", "defective").await;
    site.clock.advance_ms(2 * DAY);
    paid(&site, &order, "10.00", "=HYPERLINK(\"http://evil.example\")").await;
    count(&site).await;
    let clerk = sign_in(&site, &key).await;
    let page = clerk.page(&site, "/console/reports").await;
    assert!(page.contains("1,244.50\u{a0}USD") && page.contains("15 Jun 2025"), "{page}");
    assert_eq!(page.matches("<svg class=\"columns\"").count(), 2);
    assert!(!page.contains("style="), "the policy of contents allows no styles in the page");
    // The larger column is as high as the drawing.
    assert!(page.contains("y=\"0\" width=\"8\" height=\"100\""));
    let said = text(&clerk.get(&site, "/console/reports?format=csv").send().await.expect(200));
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines[0],
        "Day,Currency,Requested,Succeeded,Failed,Canceled,Reversed,Paid,Taken back,Refunded"
    );
    assert_eq!(lines[1], "2025-06-15,USD,1,1,0,0,0,1234.50,0.00,1234.50");
    assert_eq!(lines[2], "2025-06-17,USD,1,1,0,0,0,10.00,0.00,10.00");
    assert_eq!(lines.len(), 3);

    let reasons = clerk.get(&site, "/console/reports?by=reason&format=csv").send().await;
    let reasons = text(&reasons.expect(200));
    assert!(
        reasons.contains("\r\n\"'=HYPERLINK(\"\"http://evil.example\"\")\",USD,1,"),
        "{reasons}"
    );
    let reasons = clerk.page(&site, "/console/reports?by=reason").await;
    assert!(reasons.find(">defective<") < reasons.find(">=HYPERLINK("));
    let one = clerk.page(&site, "/console/reports?from=2025-06-17&to=2025-06-17").await;
    assert!(!one.contains("15 Jun 2025") && one.contains("17 Jun 2025"));
    let year = clerk.page(&site, "/console/reports?from=2024-07-01&to=2025-06-30").await;
    assert!(year.contains("Jun 2025") && year.contains("Refunds by month"));
    let none = clerk.page(&site, "/console/reports?reason=other").await;
    assert!(none.contains("No refunds in these days that match"));
    for (query, said) in [
        ("from=2025-06-30&to=2025-06-01", "a first day that is not after the last"),
        ("from=x", "A day is written as"),
        ("from=2020-01-01&to=2025-06-01", "366 days at most"),
    ] {
        let page = clerk.page(&site, &format!("/console/reports?{query}")).await;
        assert!(page.contains(said), "{query}");
    }
    for by in ["provider", "currency", "failure", "time", "month"] {
        clerk.page(&site, &format!("/console/reports?by={by}")).await;
    }
    let overview = clerk.page(&site, "/console").await;
    for said in ["The last 30 days", "Time to settle", "Why refunds failed", "Refunded by provider"]
    {
        assert!(overview.contains(said), "{said}");
    }
}

/// As many days and reasons as a page shows, each with something to say.
#[tokio::test]
async fn no_report_is_heavier_than_a_page_may_be() {
    const MOST: usize = 60_000;
    let site = Site::start().await;
    let order = site.order("900000.00").await;
    for number in 0..42 {
        for amount in ["1234.56", "7.00"] {
            paid(&site, &order, amount, &format!("a reason of some words {number:02}")).await;
        }
        let body = json!({"order": order, "amount": "3.00", "confirm": false});
        let refund = site.post("/v1/refunds", body).once().send().await.expect(201).id();
        let cancel = site.post(&format!("/v1/refunds/{refund}/cancel"), json!({}));
        cancel.once().send().await.expect(200);
        site.clock.advance_ms(DAY);
    }
    count(&site).await;
    let key = site.key.clone();
    let clerk = sign_in(&site, &key).await;
    for (path, rows) in [
        ("/console", 30),
        ("/console/reports?from=2025-06-16&to=2025-07-25", 40),
        ("/console/reports?from=2025-06-15&to=2025-07-26", 2),
        ("/console/reports?by=reason&from=2025-06-01&to=2025-07-26", 40),
    ] {
        let page = clerk.page(&site, path).await;
        assert!(page.len() < MOST, "{path}: {} bytes", page.len());
        assert!(page.matches("data-label=\"Requested\"").count() >= rows - 1, "{path}");
    }
}

/// A refund that its provider takes back goes below zero on the day of the reversal.
#[tokio::test]
async fn what_is_taken_back_is_drawn_below_zero() {
    let site = Site::start().await;
    let order = site.order("100.00").await;
    let refund = site.refund(&order, "40.00").await;
    let shown = site.get(&format!("/v1/refunds/{refund}")).send().await.expect(200).json();
    let payout = shown["transactions"][0]["id"].as_str().unwrap();
    let number: i64 = payout.strip_prefix("txn_").unwrap().parse().unwrap();
    let report = async |outcome| {
        use refundry_domain::command::{Command, Target};
        use refundry_domain::ids::TransactionId;
        use refundry_domain::outcome::{Report, Reporter};
        let report = Report { outcome, by: Reporter::Notification, look_again_ms: 0 };
        let caller = Caller::internal(MerchantId(1), "test");
        let target = Target::Transaction(TransactionId(number));
        site.ledger.carry_out(&caller, target, Command::Report(report), None, false).await.unwrap()
    };
    use refundry_domain::outcome::Outcome;
    report(Outcome::Done { reference: None, amount: None }).await;
    site.clock.advance_ms(DAY);
    report(Outcome::Reversed { message: "taken back".to_owned() }).await;
    count(&site).await;
    let clerk = sign_in(&site, &site.key).await;
    let page = clerk.page(&site, "/console/reports").await;
    assert!(page.contains("\u{2212}40.00\u{a0}USD"), "{page}");
    assert!(page.contains("<rect class=\"blocked\"") && page.contains("<rect class=\"zero\""));
    let said = text(&clerk.get(&site, "/console/reports?format=csv").send().await.expect(200));
    assert!(said.contains("2025-06-16,USD,0,0,0,0,1,0.00,40.00,-40.00"), "{said}");
}

/// Counts by the clocks of a zone that was given up are of no day that is asked for.
#[tokio::test]
async fn a_page_says_when_counting_goes_on() {
    let site = Site::start().await;
    let order = site.order("100.00").await;
    paid(&site, &order, "1.00", "defective").await;
    count(&site).await;
    let key = site.key.clone();
    let clerk = sign_in(&site, &key).await;
    assert!(!clerk.page(&site, "/console/reports").await.contains("Counting goes on"));
    let zone = json!({"time_zone": "Asia/Tokyo"});
    site.patch("/v1/settings", zone).send().await.expect(200);
    let page = clerk.page(&site, "/console/reports").await;
    assert!(page.contains("Counting goes on"), "{page}");
    count(&site).await;
    count(&site).await;
    let page = clerk.page(&site, "/console/reports").await;
    assert!(!page.contains("Counting goes on") && page.contains("16 Jun 2025"), "{page}");
}
