//! The list of a return's transactions.

use serde_json::{Value, json};

use super::shop::{Shop, TRANSACTIONS, changed};
use super::transactions::with_ids_of;

const REQUEST: &str = r#"{
 "start":"1",
 "count":"10"
 }"#;

const RESPONSE: &str = r#"{
 "start": 1,
 "count": 100,
 "total": 1,
 "retailerId": 333,
 "returnRef": "1",
 "returnType": "CUSTOMER_RETURN",
 "returnId": 1,
 "transactions": [
 {
 "transactionId": "123",
 "transactionRef": "123",
 "transactionType": "PAYMENT",
 "transactionCode": null,
 "amount": 0.1,
 "currency": "AUD",
 "paymentProvider": "PAYPAL",
 "paymentMethod": "PAYPAL",
 "cardType": null,
 "transactionNote": "Huge Transaction",
 "createdOn": "2016-07-20T00:40:34.845+0000",
 "status": "APPROVED"
 }
 ]
}"#;

#[tokio::test]
async fn the_contracts_sample_answers_as_it_says() {
    let shop = Shop::open().await;
    let returned = shop.return_of("1001", "1").await;
    let order = shop.order_now().await["id"].as_str().unwrap().to_owned();
    let payment = json!({"provider": "paypal", "method": "paypal", "amount": "0.1", "return": returned,
        "provider_reference": "123", "metadata": {"fluent.transactionNote": "Huge Transaction"}});
    let path = format!("/v1/orders/{order}/payments");
    shop.site.post(&path, payment).once().send().await.expect(201);
    let path = "/api/v4.1/return/1/transaction";
    let mut expected: Value = serde_json::from_str(RESPONSE).unwrap();
    // Ids: of the merchant, and the return's own name, which may be any text.
    expected["retailerId"] = json!(1);
    expected["returnId"] = json!("1");
    let sampled = expected["transactions"][0].clone();
    let asked = shop.call("GET", path).raw("application/json", REQUEST);
    for (ask, count) in [(asked, 10), (shop.get(path), 100)] {
        expected["count"] = json!(count);
        let mut shown = ask.send().await.expect(200).json();
        shown["transactions"][0] = with_ids_of(shown["transactions"][0].clone(), &sampled);
        assert_eq!(shown, expected);
    }
}

#[tokio::test]
async fn start_and_count_say_which_part_oldest_first() {
    let shop = Shop::open().await;
    let mut numbers = Vec::new();
    for index in 0..7 {
        let reference = ("transactionRef", json!(format!("r{index}")));
        numbers.push(shop.record(&changed(&[reference, ("amount", json!(1))])).await);
    }
    let ids = |list: &Value| -> Vec<String> {
        let rows = list["transactions"].as_array().unwrap().iter();
        rows.map(|row| row["transactionId"].as_str().unwrap().to_owned()).collect()
    };
    for (query, body, from, until) in [
        ("", "", 0, 7),
        ("?start=1&count=10", "", 0, 7),
        ("?start=3&count=2", "", 2, 4),
        ("", r#"{"start":3,"count":2}"#, 2, 4),
        ("", r#"{"start":"3","count":"2","other":1}"#, 2, 4),
        ("?start=3", r#"{"start":1,"count":2}"#, 2, 4),
        ("?start=7", "", 6, 7),
        ("?start=8", "", 7, 7),
        ("?start=2147483647&count=5000", "", 7, 7),
        ("?retailerId=1&fields=all", "{}", 0, 7),
    ] {
        let mut ask = shop.get(&format!("{TRANSACTIONS}{query}"));
        if !body.is_empty() {
            ask = ask.raw("application/json", body);
        }
        let list = ask.send().await.expect(200).json();
        assert_eq!(ids(&list), numbers[from..until], "{query} {body}");
        assert_eq!(list["total"], 7);
    }
    for query in [
        "start=0",
        "start=-1",
        "start=x",
        "start=",
        "start=1.5",
        "start=%2B1",
        "count=0",
        "count=5001",
        "count=99999999999999999999",
        "start=2147483648",
        "start=1&start=2",
    ] {
        shop.refused(shop.get(&format!("{TRANSACTIONS}?{query}")), 400).await;
    }
    for body in [
        r#"{"start":0}"#,
        r#"{"count":5001}"#,
        "[]",
        "x",
        r#"{"start":{}}"#,
        r#"{"start":1,"start":2}"#,
        r#"{"count":1e2}"#,
    ] {
        shop.refused(shop.get(TRANSACTIONS).raw("application/json", body), 400).await;
    }
}

#[tokio::test]
async fn a_list_has_what_belongs_to_its_return() {
    let shop = Shop::open().await;
    let list = shop.get(TRANSACTIONS).send().await.expect(200).json();
    assert_eq!(
        list,
        json!({"start": 1, "count": 100, "total": 0, "retailerId": 1,
        "returnRef": "16567", "returnType": "CUSTOMER_RETURN", "returnId": "16567",
        "transactions": []}),
        "what the order was paid with is not the return's"
    );
    shop.return_of("1001", "other return/2").await;
    let number = shop.record(&changed(&[("amount", json!(10))])).await;
    let of_order = json!({"order": {"reference": "1001"}, "amount": "1.00"});
    shop.site.post("/v1/refunds", of_order).once().send().await.expect(201);
    let by_us = shop.refund(json!({"amount": "1.00"})).await;
    let ids: Vec<Value> =
        shop.list().await.iter().map(|row| row["transactionId"].clone()).collect();
    let ours = by_us["transactions"][0]["id"].as_str().unwrap().strip_prefix("txn_").unwrap();
    assert_eq!(ids, [json!(number), json!(ours)]);
    // The same type and reference in another return is another transaction.
    let other = "/api/v4.1/return/other%20return%2F2/transaction";
    let body = changed(&[("amount", json!(1))]);
    let elsewhere = shop.post(other, &body).send().await.expect(200).id();
    assert_ne!(elsewhere, number);
    let list = shop.get(other).send().await.expect(200).json();
    assert_eq!(list["returnId"], "other return/2");
    assert_eq!(list["transactions"][0]["transactionId"], elsewhere);
    for (path, number) in [(other, &number), (TRANSACTIONS, &elsewhere)] {
        shop.refused(shop.get(&format!("{path}/{number}")), 404).await;
        shop.refused(shop.put(&format!("{path}/{number}"), &json!({})), 404).await;
    }
}
