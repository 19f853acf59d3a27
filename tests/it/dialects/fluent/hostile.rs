//! Bad input: an error in this API's own shape, and nothing written.

use refundry_domain::merchant::Scope;
use serde_json::json;

use crate::dialects::amounts::none_of_them_is_one;

use super::shop::{Shop, TRANSACTIONS, changed, expect_error, sample, token_of};

#[tokio::test]
async fn no_amount_is_taken_that_is_not_exact_and_above_zero() {
    let shop = Shop::open().await;
    let own = [
        "1e-400",
        "100.001",
        "0.00",
        "null",
        "\" 1\"",
        "\"-0\"",
        "\"0.001\"",
        "\"1,5\"",
        "\"\\u0031\"",
    ];
    let digits = format!("\"{}\"", "9".repeat(200_000));
    let mut amounts = none_of_them_is_one();
    amounts.extend(own.map(str::to_owned).into_iter().chain([digits]));
    for kind in ["REFUND", "PAYMENT"] {
        let body = changed(&[("amount", json!("AMOUNT")), ("transactionType", json!(kind))]);
        let body = body.to_string();
        for amount in &amounts {
            let body = body.replace("\"AMOUNT\"", amount);
            let ask = shop.call("POST", TRANSACTIONS).raw("application/json", body);
            shop.refused(ask, 400).await;
        }
    }
}

#[tokio::test]
async fn a_field_that_is_missing_or_wrong_is_named() {
    let shop = Shop::open().await;
    let needed = [
        "amount",
        "currency",
        "paymentMethod",
        "paymentProvider",
        "transactionCode",
        "transactionRef",
        "transactionType",
    ];
    for field in needed {
        let mut without = sample();
        without.as_object_mut().unwrap().remove(field);
        for body in [without, changed(&[(field, json!(null))])] {
            let said = shop.refused(shop.post(TRANSACTIONS, &body), 400).await;
            assert_eq!(said, format!("{field} is compulsory."));
        }
    }
    let wrong = [
        ("currency", json!("AUS")),
        ("currency", json!("aud")),
        ("currency", json!(36)),
        ("currency", json!("")),
        ("paymentMethod", json!("creditcard")),
        ("paymentMethod", json!("PAYPAL'")),
        ("paymentProvider", json!("STRIPE")),
        ("paymentProvider", json!("")),
        ("cardType", json!("DISCOUNT")),
        ("transactionType", json!("MANUAL_REFUND")),
        ("transactionType", json!("refund")),
        ("transactionCode", json!("")),
        ("transactionCode", json!(true)),
        ("transactionRef", json!("")),
        ("transactionRef", json!(["123"])),
        ("transactionNote", json!(1)),
        ("transactionNote", json!("\u{7}")),
        ("transactionNote", json!("n".repeat(1_001))),
        ("transactionCode", json!("4111111111111111")),
        ("transactionRef", json!("4111 1111 1111 1111")),
        ("status", json!("PROCESSING")),
        ("status", json!("DECLINED")),
        ("status", json!("DONE")),
        ("status", json!(1)),
    ];
    for (field, value) in wrong {
        shop.refused(shop.post(TRANSACTIONS, &changed(&[(field, value)])), 400).await;
    }
    // What Fluent sets itself is passed over, like what nobody knows.
    let more = changed(&[
        ("amount", json!(1)),
        ("status", json!("APPROVED")),
        ("transactionId", json!("77")),
        ("orderId", json!("78")),
        ("createdOn", json!("x")),
        ("updatedOn", json!(null)),
        ("extra", json!({"a": [1, {}]})),
    ]);
    assert_ne!(shop.record(&more).await, "77");
}

#[tokio::test]
async fn a_body_that_is_no_object_is_refused() {
    let shop = Shop::open().await;
    let number = shop.record(&changed(&[("amount", json!(1))])).await;
    let one = format!("{TRANSACTIONS}/{number}");
    let twice = sample().to_string().replace("\"amount\":100", "\"amount\":100,\"amount\":1");
    assert_ne!(twice, sample().to_string());
    let bodies: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"\"x\"".to_vec(),
        b"{".to_vec(),
        b"{}{}".to_vec(),
        b"{'a':1}".to_vec(),
        b"transactionRef=1&amount=2".to_vec(),
        b"<transaction/>".to_vec(),
        vec![0xff, 0xfe, b'{', b'}'],
        twice.clone().into_bytes(),
        format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)).into_bytes(),
        format!("{{\"a\":{}1{}}}", "[".repeat(20), "]".repeat(20)).into_bytes(),
        vec![b' '; 300_000],
    ];
    for (method, path) in [("POST", TRANSACTIONS), ("POST", "/api/v4.1/return"), ("PUT", &one)] {
        for body in &bodies {
            if method == "PUT" && *body == twice.as_bytes() {
                continue;
            }
            let ask = shop.call(method, path).raw("application/json", body.clone());
            shop.refused(ask, 400).await;
        }
    }
    let twice = r#"{"status":"APPROVED","status":"APPROVED"}"#;
    shop.refused(shop.call("PUT", &one).raw("application/json", twice), 400).await;
    // The type of a body is not looked at: it is JSON or it is nothing.
    let ask = shop.put(&one, &json!({})).raw("text/plain", "{}");
    ask.send().await.expect(200);
}

#[tokio::test]
async fn addresses_and_methods_that_are_none() {
    let shop = Shop::open().await;
    let number = shop.record(&sample()).await;
    for (method, path) in [
        ("DELETE", format!("{TRANSACTIONS}/{number}")),
        ("POST", format!("{TRANSACTIONS}/{number}")),
        ("PATCH", format!("{TRANSACTIONS}/{number}")),
        ("PUT", TRANSACTIONS.to_owned()),
        ("DELETE", "/api/v4.1/return/16567".to_owned()),
        ("PUT", "/api/v4.1/return".to_owned()),
    ] {
        let answer = shop.call(method, &path).send().await;
        assert!(!answer.header("allow").is_empty());
        expect_error(answer, 405);
    }
    let numbers = [
        "0",
        "-1",
        "1",
        "999999",
        "99999999999999999999",
        "x",
        "%00",
        "1e2",
        "+7",
        &format!("0{number}"),
        &format!("{number}%20"),
        &format!("txn_{number}"),
    ];
    for wrong in numbers {
        let path = format!("{TRANSACTIONS}/{wrong}");
        shop.refused(shop.get(&path), 404).await;
        shop.refused(shop.put(&path, &json!({"status": "APPROVED"})), 404).await;
    }
    for wrong in ["16568", "%00", "16567%20", "ret_1", "%25", &"r".repeat(2_000)] {
        let path = format!("/api/v4.1/return/{wrong}/transaction");
        shop.refused(shop.get(&path), 404).await;
        shop.refused(shop.post(&path, &sample()), 404).await;
        shop.refused(shop.get(&format!("{path}/{number}")), 404).await;
    }
}

#[tokio::test]
async fn another_merchants_rows_are_not_there() {
    let shop = Shop::open().await;
    let number = shop.record(&sample()).await;
    let order = shop.order_now().await["id"].as_str().unwrap()[4..].to_owned();
    let other = shop.site.merchant("Another").await;
    let key = shop.site.make_key(other, &Scope::ALL, 1_000).await;
    let token = token_of(&shop.site, &other.to_string(), &key).await;
    let one = format!("{TRANSACTIONS}/{number}");
    for ask in [
        shop.get("/api/v4.1/return/16567"),
        shop.get(TRANSACTIONS),
        shop.post(TRANSACTIONS, &sample()),
        shop.get(&one),
        shop.put(&one, &json!({"transactionNote": "mine"})),
        shop.post("/api/v4.1/return", &json!({"returnRef": "x", "orderRef": "1001"})),
        shop.post("/api/v4.1/return", &json!({"returnRef": "x", "orderId": order})),
    ] {
        shop.refused(ask.key(&token), 404).await;
    }
    let list = shop.get("/api/v4.1/return").key(&token).send().await.expect(200).json();
    assert_eq!((&list["total"], &list["results"]), (&json!(0), &json!([])));
    // Under the same names, the other has its own.
    let theirs = json!({"reference": "1001", "currency": "AUD",
        "lines": [{"sku": "hat", "quantity": 1, "amount": "10.00"}],
        "payments": [{"provider": "paypal", "method": "paypal", "amount": "10.00"}]});
    shop.site.post("/v1/orders", theirs).key(&key).send().await.expect(201);
    let made = json!({"returnRef": "16567", "orderRef": "1001"});
    shop.post("/api/v4.1/return", &made).key(&token).send().await.expect(200);
    let list = shop.get(TRANSACTIONS).key(&token).send().await.expect(200).json();
    assert_eq!((&list["total"], &list["retailerId"]), (&json!(0), &json!(other.0)));
    shop.refused(shop.get(&one).key(&token), 404).await;
    shop.refused(shop.put(&one, &json!({})).key(&token), 404).await;
    let body = changed(&[("amount", json!(5))]);
    let own = shop.post(TRANSACTIONS, &body).key(&token).send().await.expect(200).id();
    assert_ne!(own, number);
    assert_eq!(shop.list().await.len(), 1);
}
