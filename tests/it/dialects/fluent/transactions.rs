//! One transaction: recorded, viewed, updated, with the contract's own samples.

use serde_json::{Value, json};

use super::shop::{Shop, TRANSACTIONS, changed, sample};

/// The request as the contract prints it: without the comma after the code, it is not JSON.
const REQUEST: &str = r#"{
 "transactionRef" : "123",
 "transactionType" : "REFUND",
 "amount" : 100,
 "currency" : "AUD",
 "paymentProvider": "PAYPAL",
 "paymentMethod" : "PAYPAL",
 "cardType" : null,
 "transactionCode" : 2344
 "transactionNote" : "Huge Transaction"
}"#;

const VIEW: &str = r#"{
 "transactionId": "123",
 "transactionRef" : "123",
 "transactionType" : "REFUND",
 "transactionCode" : null,
 "amount" : 0.1,
 "currency" : "AUD",
 "paymentProvider": "PAYPAL",
 "paymentMethod" : "PAYPAL",
 "cardType" : null,
 "transactionNote" : "Huge Transaction",
 "createdOn" : "2016-07-20T00:40:34.845+0000",
 "status": "APPROVED"
}"#;

const UPDATE: &str = r#"{
 "transactionRef" : "123",
 "status" : "APPROVED",
 "paymentMethod" : "PAYPAL",
 "transactionNote" : "Huge Transaction"
}"#;

/// With what differs from one installation to another as the sample has it.
pub fn with_ids_of(mut shown: Value, sample: &Value) -> Value {
    for name in ["transactionId", "createdOn"] {
        assert!(shown[name].is_string(), "{shown}");
        shown[name] = sample[name].clone();
    }
    shown
}

#[tokio::test]
async fn the_contracts_request_is_recorded_once_it_is_json() {
    let shop = Shop::open().await;
    let verbatim = shop.call("POST", TRANSACTIONS).raw("application/json", REQUEST);
    shop.refused(verbatim, 400).await;
    let body = REQUEST.replace("2344\n", "2344,\n");
    let answer = shop.call("POST", TRANSACTIONS).raw("application/json", body).send().await;
    let answer = answer.expect(200);
    assert_eq!(answer.header("content-type"), "application/json");
    let number = answer.id();
    assert_eq!(answer.json(), json!({"id": number}));
    assert!(number.bytes().all(|byte| byte.is_ascii_digit()));
}

#[tokio::test]
async fn the_contracts_update_and_view_answer_as_it_says() {
    let shop = Shop::open().await;
    // Paid with PayPal by a platform that was told, and settled by the contract's update.
    let paypal = shop.order_now().await["payments"][0]["id"].clone();
    let refund =
        shop.refund(json!({"amount": 0.1, "payment": paypal, "execution": "notify"})).await;
    let id = refund["transactions"][0]["id"].as_str().unwrap();
    let number = id.strip_prefix("txn_").unwrap();
    let update = shop.call("PUT", &format!("{TRANSACTIONS}/{number}"));
    let answer = update.raw("application/json", UPDATE).send().await.expect(200);
    assert_eq!(answer.json(), json!({"id": number}));
    let sample: Value = serde_json::from_str(VIEW).unwrap();
    for path in [
        format!("{TRANSACTIONS}/{number}"),
        format!("/api/v4/return/16567/transaction/{number}"),
        format!("/fluent{TRANSACTIONS}/{number}"),
        format!("/fluent/api/v4/return/16567/transaction/{number}"),
    ] {
        let shown = shop.get(&path).send().await.expect(200).json();
        assert_eq!(with_ids_of(shown, &sample), sample);
    }
}

#[tokio::test]
async fn a_refund_is_recorded_as_settled_with_all_it_came_with() {
    let shop = Shop::open().await;
    let body = changed(&[("amount", json!("59.90")), ("cardType", json!("INTERAC"))]);
    let number = shop.record(&body).await;
    let shown = shop.show(&number).await;
    let expected = json!({
        "transactionId": number, "transactionRef": "123", "transactionType": "REFUND",
        "transactionCode": "2344", "amount": 59.90, "currency": "AUD",
        "paymentProvider": "PAYPAL", "paymentMethod": "PAYPAL", "cardType": "INTERAC",
        "transactionNote": "Huge Transaction", "createdOn": "2025-06-15T15:06:40.000+0000",
        "status": "APPROVED",
    });
    assert_eq!(shown, expected);
    let answer = shop.get(&format!("{TRANSACTIONS}/{number}")).send().await.expect(200);
    assert!(String::from_utf8_lossy(&answer.body).contains("\"amount\":59.90,"));

    // It has taken place; nobody is asked to pay it, and the guard knows of it.
    let order = shop.order_now().await;
    assert_eq!(order["balances"]["refunded"], "59.90");
    assert_eq!(order["payments"][0]["refunded"], "59.90", "the one paid with PayPal");
    let refunds = shop.site.get("/v1/refunds").send().await.expect(200).json();
    let refund = &refunds["data"][0];
    assert_eq!((&refund["state"], &refund["execution"]), (&json!("succeeded"), &json!("manual")));
    assert_eq!(refund["return"], shop.return_id().await);
    assert_eq!(refund["note"], "Huge Transaction");
    assert_eq!(refund["transactions"][0]["provider_reference"], "123");
    assert_eq!(refund["transactions"][0]["id"], format!("txn_{number}"));
}

#[tokio::test]
async fn every_listed_word_is_taken_and_shown() {
    let shop = Shop::open().await;
    let mut reference = 0;
    let mut each = async |field: &str, words: &[&str]| {
        for word in words {
            reference += 1;
            let body = changed(&[
                ("transactionRef", json!(format!("r{reference}"))),
                ("amount", json!(0.01)),
                (field, json!(word)),
                ("transactionCode", json!(format!("c{reference}"))),
            ]);
            let shown = shop.show(&shop.record(&body).await).await;
            assert_eq!(shown[field], **word);
            assert_eq!(shown["status"], "APPROVED");
        }
    };
    each("paymentMethod", &["CREDITCARD", "PAYPAL", "GIFTVOUCHER", "CASH", "AFTERPAY"]).await;
    let providers = ["CYBERSOURCE", "GIVEX", "PAYPAL", "BRAINTREE", "AFTERPAY"];
    each("paymentProvider", &providers).await;
    let cards = [
        "MASTERCARD",
        "VISA",
        "AMEX",
        "DINERS",
        "DISCOVER",
        "UNIONPAY",
        "JCB",
        "MAESTRO",
        "INTERAC",
    ];
    each("cardType", &cards).await;
    each("transactionType", &["PAYMENT", "REFUND", "MANUAL REFUND"]).await;
    let payments = async |field: &str, words: &[&str], base: &str| {
        for word in words {
            let body = changed(&[
                ("transactionType", json!("PAYMENT")),
                ("transactionRef", json!(format!("{base}-{word}"))),
                ("transactionCode", json!(format!("{base}-{word}"))),
                ("amount", json!(0.01)),
                (field, json!(word)),
            ]);
            let shown = shop.show(&shop.record(&body).await).await;
            assert_eq!(shown[field], **word);
        }
    };
    let methods = ["CREDITCARD", "PAYPAL", "GIFTVOUCHER", "CASH", "AFTERPAY"];
    payments("paymentMethod", &methods, "m").await;
    payments("paymentProvider", &providers, "p").await;
    payments("cardType", &cards, "c").await;
}

#[tokio::test]
async fn a_payment_is_added_to_the_returns_order() {
    let shop = Shop::open().await;
    let body = json!({
        "transactionRef": "1442900790", "transactionType": "PAYMENT", "amount": 12.5,
        "currency": "AUD", "paymentProvider": "BRAINTREE", "paymentMethod": "CREDITCARD",
        "cardType": "VISA", "transactionCode": "080920151234", "transactionNote": "two\nlines",
    });
    let number = shop.record(&body).await;
    let shown = shop.show(&number).await;
    for (name, value) in body.as_object().unwrap() {
        assert_eq!(shown[name], *value, "{name}");
    }
    assert_eq!(shown["status"], "APPROVED");
    let order = shop.order_now().await;
    assert_eq!(order["balances"]["captured"], "172.40");
    let payment = &order["payments"][2];
    assert_eq!(payment["id"], format!("txn_{number}"));
    assert_eq!(payment["return"], shop.return_id().await);
    assert_eq!((&payment["provider"], &payment["method"]), (&json!("braintree"), &json!("card")));
    // What a refund of it has to name at the provider.
    assert_eq!(payment["provider_reference"], "080920151234");
    // What was paid so can be given back.
    let back = changed(&[
        ("amount", json!(12.5)),
        ("paymentProvider", json!("BRAINTREE")),
        ("paymentMethod", json!("CREDITCARD")),
    ]);
    shop.record(&back).await;
    assert_eq!(shop.order_now().await["payments"][2]["refunded"], "12.50");
}

#[tokio::test]
async fn cash_and_vouchers_go_where_they_go() {
    let shop = Shop::open().await;
    for (method, to) in
        [("CASH", "cash"), ("GIFTVOUCHER", "gift_card"), ("PAYPAL", "original_payment")]
    {
        let body = changed(&[
            ("transactionRef", json!(method)),
            ("transactionType", json!("MANUAL REFUND")),
            ("paymentMethod", json!(method)),
            ("amount", json!(1)),
        ]);
        let number = shop.record(&body).await;
        assert_eq!(shop.show(&number).await["transactionType"], "MANUAL REFUND");
        let refunds = shop.site.get("/v1/refunds").send().await.expect(200).json();
        assert_eq!(refunds["data"][0]["to"], to, "{method}");
    }
}

#[tokio::test]
async fn what_is_divided_over_payments_is_one_transaction_here() {
    let shop = Shop::open().await;
    let body = changed(&[("amount", json!(150)), ("paymentProvider", json!("CYBERSOURCE"))]);
    let number = shop.record(&body).await;
    let shown = shop.show(&number).await;
    assert_eq!(
        (&shown["amount"], &shown["paymentProvider"]),
        (&json!(150.0), &json!("CYBERSOURCE"))
    );
    assert_eq!(shop.list().await, [shown]);
    let refunds = shop.site.get("/v1/refunds").send().await.expect(200).json();
    let rows = refunds["data"][0]["transactions"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    let other = rows[1]["id"].as_str().unwrap().strip_prefix("txn_").unwrap().to_owned();
    shop.refused(shop.get(&format!("{TRANSACTIONS}/{other}")), 404).await;
}

#[tokio::test]
async fn an_update_changes_what_is_known_of_a_transaction() {
    let shop = Shop::open().await;
    let refund = shop.record(&sample()).await;
    let body = changed(&[("transactionType", json!("PAYMENT")), ("amount", json!(1))]);
    let payment = shop.record(&body).await;
    for number in [&refund, &payment] {
        let path = format!("{TRANSACTIONS}/{number}");
        let before = shop.show(number).await;
        let update = json!({
            "transactionRef": format!("new {number}"), "paymentMethod": "AFTERPAY",
            "transactionNote": "another\nnote", "status": "APPROVED",
            // Not to be updated, and so passed over.
            "amount": 5, "transactionCode": "x", "cardType": "VISA",
        });
        let answer = shop.put(&path, &update).send().await.expect(200).json();
        assert_eq!(answer, json!({"id": number}));
        let mut expected = before;
        for name in ["transactionRef", "paymentMethod", "transactionNote"] {
            expected[name] = update[name].clone();
        }
        assert_eq!(shop.show(number).await, expected);
        // The same again, and nothing at all.
        let events = shop.site.events().await;
        shop.put(&path, &update).send().await.expect(200);
        shop.put(&path, &json!({})).send().await.expect(200);
        shop.put(&path, &json!({"transactionNote": null})).send().await.expect(200);
        assert_eq!(shop.site.events().await, events);
        assert_eq!(shop.show(number).await, expected);
    }
}

#[tokio::test]
async fn an_update_that_cannot_be_taken_changes_nothing() {
    let shop = Shop::open().await;
    let number = shop.record(&changed(&[("amount", json!(10))])).await;
    shop.record(&changed(&[("transactionRef", json!("7")), ("amount", json!(1))])).await;
    let path = format!("{TRANSACTIONS}/{number}");
    let before = shop.show(&number).await;
    for update in [
        json!({"status": "PROCESSING"}),
        json!({"status": "DECLINED", "transactionNote": "no"}),
        json!({"status": "approved"}),
        json!({"paymentMethod": "CHEQUE"}),
        json!({"paymentMethod": 1}),
        json!({"transactionRef": ""}),
        json!({"transactionRef": "7"}),
        json!({"transactionRef": "r".repeat(2_000)}),
        json!({"transactionNote": "4111 1111 1111 1111"}),
        json!({"transactionNote": "n".repeat(1_001)}),
        json!({"transactionNote": "\u{0}"}),
        json!([]),
    ] {
        shop.refused(shop.put(&path, &update), 400).await;
        assert_eq!(shop.show(&number).await, before, "{update}");
    }
}
