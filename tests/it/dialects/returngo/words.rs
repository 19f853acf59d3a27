//! The words of transactions, and what is no amount of one.

use serde_json::{Value, json};

use super::{ask, list, order, put, refund};
use crate::dialects::amounts::none_of_them_is_one;
use crate::harness::faulty::Faulty;
use crate::harness::site::Site;
use crate::harness::store::Home;

#[tokio::test]
async fn each_destination_and_kind_has_its_words() {
    let site = Site::start().await;
    let body = json!({"reference": "SO-1", "currency": "USD", "customer": {"reference": "c-7"},
        "lines": [{"sku": "sku_1", "quantity": 2, "amount": "100.00"}],
        "payments": [{"provider": "acme", "amount": "50.00"}]});
    let order = site.post("/v1/orders", body).send().await.expect(201).id();
    let pay = async |kind: &str, parent: Option<Value>| {
        let body = json!({"kind": kind, "provider": "acme", "amount": "5.00", "parent": parent});
        let path = format!("/v1/orders/{order}/payments");
        site.post(&path, body).send().await.expect(201).json()["id"].clone()
    };
    let authorization = pay("authorization", None).await;
    pay("capture", Some(authorization)).await;
    pay("invoice_payment", None).await;
    let shown = list(&site, "pagesize=500").await;
    let pair = |row: &Value| {
        let field = |name: &str| row[name].as_str().unwrap().to_owned();
        [field("type"), field("externalReferenceType")]
    };
    let payments: Vec<[String; 2]> = shown.iter().map(pair).collect();
    assert_eq!(
        payments,
        [
            ["PaymentCapture", "PlatformPaymentId"],
            ["PaymentAuthorization", "PlatformPaymentId"],
            ["PaymentCapture", "PlatformPaymentId"],
            ["InvoicePayment", "InvoicePaymentId"],
        ]
    );
    for (to, words) in [
        ("original_payment", ["RefundToPaymentMethod", "PlatformRefundId"]),
        ("store_credit", ["RefundToStoreCredit", "StoreCreditCode"]),
        ("customer_balance", ["RefundToStoreCredit", "StoreCreditCode"]),
        ("gift_card", ["RefundToGiftCard", "GiftCardCode"]),
        ("bank_transfer", ["RefundToBankAccount", "PlatformRefundId"]),
        ("cash", ["RefundToPaymentMethod", "PlatformRefundId"]),
        ("other", ["RefundToPaymentMethod", "PlatformRefundId"]),
    ] {
        let id = refund(&site, json!({"order": order, "amount": "1.00", "to": to})).await;
        let found = list(&site, &format!("pagesize=1&ids={id}")).await;
        assert_eq!(pair(&found[0]), words, "{to}");
        assert!(found[0]["bankAccountDetails"].is_null());
    }
}

#[tokio::test]
async fn no_amount_is_taken_that_is_not_the_transactions_own() {
    let site = Site::start().await;
    let order = order(&site, "SO-1", "acme", "100.00").await;
    let id = refund(&site, json!({"order": order, "amount": "1.00"})).await;
    let events = site.events().await;
    let others = ["1.01", "100", "\"1.001\"", "\"\\u0031\""].map(str::to_owned);
    for amount in none_of_them_is_one().into_iter().chain(others) {
        for name in ["amount", "shopAmount"] {
            let body = format!("{{\"status\":\"Success\",\"amount\":{{\"{name}\":{amount}}}}}");
            let ask =
                ask(&site, "PUT", &format!("/transaction/{id}")).raw("application/json", body);
            let answer = ask.send().await.expect(400);
            assert!(answer.json()["message"].is_string());
            assert!(answer.body.len() < 2_000, "the error repeats what was sent");
        }
    }
    for currency in ["EUR", "usd", "", "USDX"] {
        let body = json!({"status": "Success", "amount": {"amount": 1, "currency": currency}});
        put(&site, id, body).await.send().await.expect(400);
    }
    assert_eq!(site.events().await, events);
    // It is restated exactly, in any form of the same number.
    for amount in ["1", "1.0", "\"1.00\"", "1e0", "100e-2"] {
        let body = format!("{{\"amount\":{{\"amount\":{amount},\"shopAmount\":{amount}}}}}");
        let ask = ask(&site, "PUT", &format!("/transaction/{id}")).raw("application/json", body);
        ask.send().await.expect(200);
    }
}

#[tokio::test]
async fn a_store_that_takes_no_writes_is_a_fault_of_the_server() {
    let home = Home::new().await;
    let store = Faulty::over(home.store.clone());
    let site = Site::over(home, store.clone()).await;
    let order = order(&site, "SO-1", "acme", "100.00").await;
    let id = refund(&site, json!({"order": order, "amount": "1.00"})).await;
    store.break_disk();
    let answer = put(&site, id, json!({"status": "Success"})).await.send().await.expect(503);
    assert!(answer.json()["message"].is_string());
    assert!(!answer.header("retry-after").is_empty());
    // What is there is shown all the same.
    assert_eq!(list(&site, "pagesize=9").await.len(), 2);
}
