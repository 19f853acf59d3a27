//! Returns: made and viewed, as far as a client needs them to have one.

use serde_json::{Value, json};

use super::shop::{Shop, sample};

const RETURNS: &str = "/api/v4.1/return";

fn body() -> Value {
    json!({
        "returnRef": "RET-1", "orderRef": "1001", "retailerId": "1", "type": "CUSTOMER_RETURN",
        "customer": {"customerId": "197", "customerRef": "c-7", "email": "ada@example.com",
                     "firstName": "Ada", "lastName": "Lovelace", "mobile": "0400 000 000"},
        "fulfilmentChoice": {"preferredLocationRef": "loc-1", "other": [1, "2"]},
    })
}

#[tokio::test]
async fn a_return_is_made_and_viewed() {
    let shop = Shop::open().await;
    let order = shop.order_now().await["id"].as_str().unwrap()[4..].to_owned();
    for (path, name) in
        [(RETURNS, "RET-1"), ("/api/v4/return", "RET-2"), ("/fluent/api/v4.1/return", "RET/3 ü")]
    {
        let mut ask = body();
        ask["returnRef"] = json!(name);
        let answer = shop.post(path, &ask).send().await.expect(200).json();
        assert_eq!(answer, json!({"id": name}));
        let named = name.replace('/', "%2F").replace(' ', "%20").replace('ü', "%C3%BC");
        let shown = shop.get(&format!("{path}/{named}")).send().await.expect(200).json();
        let mut expected = ask;
        for (field, value) in [
            ("returnId", name),
            ("orderId", &order),
            ("createdOn", "2025-06-15T15:06:40.000+0000"),
            ("updatedOn", "2025-06-15T15:06:40.000+0000"),
        ] {
            expected[field] = json!(value);
        }
        assert_eq!(shown, expected);
        let path = format!("{path}/{named}/transaction");
        let mut transaction = sample();
        transaction["amount"] = json!(1);
        let number = shop.post(&path, &transaction).send().await.expect(200).id();
        let list = shop.get(&path).send().await.expect(200).json();
        assert_eq!(list["returnRef"], name);
        assert_eq!(list["transactions"][0]["transactionId"], number);
    }
}

#[tokio::test]
async fn types_and_the_order_by_its_id() {
    let shop = Shop::open().await;
    let order = shop.order_now().await["id"].as_str().unwrap()[4..].to_owned();
    for (index, kind) in ["CUSTOMER_RETURN", "CANCELLATION", "CANNOT_FULFIL"].iter().enumerate() {
        // Ids may come as numbers.
        let number: i64 = order.parse().unwrap();
        let ask = json!({"returnRef": index, "orderId": number, "retailerId": 1, "type": kind});
        shop.post(RETURNS, &ask).send().await.expect(200);
        let shown = shop.get(&format!("{RETURNS}/{index}")).send().await.expect(200).json();
        assert_eq!((&shown["type"], &shown["orderRef"]), (&json!(kind), &json!("1001")));
        assert!(shown.get("customer").is_none() && shown.get("fulfilmentChoice").is_none());
        let list = shop.get(&format!("{RETURNS}/{index}/transaction")).send().await.expect(200);
        assert_eq!(list.json()["returnType"], *kind);
    }
    let plain = json!({"returnRef": "plain", "orderRef": "1001"});
    shop.post(RETURNS, &plain).send().await.expect(200);
    let shown = shop.get(&format!("{RETURNS}/plain")).send().await.expect(200).json();
    assert_eq!(shown["type"], "CUSTOMER_RETURN");
}

#[tokio::test]
async fn the_same_return_again_is_the_same() {
    let shop = Shop::open().await;
    shop.order("1002").await;
    shop.post(RETURNS, &body()).send().await.expect(200);
    let events = shop.site.events().await;
    let again = shop.post(RETURNS, &body()).send().await.expect(200);
    assert_eq!(again.json(), json!({"id": "RET-1"}));
    assert_eq!(shop.site.events().await, events);
    for (field, value) in [("orderRef", "1002"), ("type", "CANCELLATION")] {
        let mut other = body();
        other[field] = json!(value);
        shop.refused(shop.post(RETURNS, &other), 400).await;
    }
}

#[tokio::test]
async fn a_return_that_cannot_be_made() {
    let shop = Shop::open().await;
    let with = |field: &str, value: Value| {
        let mut ask = body();
        ask[field] = value;
        ask
    };
    for (ask, status) in [
        (with("returnRef", Value::Null), 400),
        (with("returnRef", json!("")), 400),
        (with("returnRef", json!("r".repeat(201))), 400),
        (with("returnRef", json!({})), 400),
        (with("orderRef", Value::Null), 400),
        (with("orderRef", json!("9999")), 404),
        (json!({"returnRef": "x", "orderId": "9999"}), 404),
        (json!({"returnRef": "x", "orderId": "one"}), 404),
        (with("type", json!("RETURN")), 400),
        (with("retailerId", json!("2")), 403),
        (with("customer", json!([])), 400),
        (with("customer", json!({"email": 1})), 400),
        (with("fulfilmentChoice", json!("x".repeat(1_000))), 400),
        (with("customer", json!({"mobile": "4111 1111 1111 1111"})), 400),
        (json!([]), 400),
    ] {
        shop.refused(shop.post(RETURNS, &ask), status).await;
    }
    for path in ["RET-1", "16568", "%00", "..%2F16567"] {
        shop.refused(shop.get(&format!("{RETURNS}/{path}")), 404).await;
    }
}

#[tokio::test]
async fn returns_are_listed_newest_first_and_by_what_they_are_of() {
    let shop = Shop::open().await;
    shop.order("1002").await;
    for (reference, order) in [("a", "1001"), ("b", "1002"), ("c", "1002")] {
        let ask = json!({"returnRef": reference, "orderRef": order});
        shop.post(RETURNS, &ask).send().await.expect(200);
    }
    let b = shop.get(&format!("{RETURNS}/b")).send().await.expect(200).json();
    let order = b["orderId"].as_str().unwrap();
    for (query, expected, total) in [
        ("", &["c", "b", "a", "16567"][..], 4),
        ("?start=2&count=2", &["b", "a"], 4),
        ("?orderRef=1002", &["c", "b"], 2),
        (&format!("?orderId={order}&count=1"), &["c"], 2),
        ("?returnRef=a", &["a"], 1),
        ("?returnRef=a&orderRef=1002", &[], 0),
        ("?orderRef=9999", &[], 0),
        ("?orderId=x", &[], 0),
    ] {
        let list = shop.get(&format!("{RETURNS}{query}")).send().await.expect(200).json();
        let rows = list["results"].as_array().unwrap();
        let names: Vec<_> = rows.iter().map(|row| row["returnRef"].as_str().unwrap()).collect();
        assert_eq!(names, expected, "{query}");
        assert_eq!(list["total"], total, "{query}");
    }
    let list = shop.get(&format!("{RETURNS}?returnRef=b")).send().await.expect(200).json();
    assert_eq!(list["results"][0], b);
    shop.refused(shop.get(&format!("{RETURNS}?count=0")), 400).await;
}
