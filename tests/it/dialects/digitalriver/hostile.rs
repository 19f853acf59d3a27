//! Bad input: an error in this API's own shape, and nothing written.

use serde_json::{Value, json};

use super::shop::{SKU, Shop, expect_error, id};
use crate::dialects::amounts::none_of_them_is_one;

struct Target {
    shop: Shop,
    order: String,
    events: usize,
}

impl Target {
    async fn new() -> Target {
        let shop = Shop::open().await;
        let order = shop.order("1001").await;
        shop.refund(json!({"orderId": order, "currency": "USD", "amount": 1})).await;
        let events = shop.site.events().await;
        Target { shop, order, events }
    }

    async fn refused(&self, path: &str, body: impl Into<Vec<u8>>) -> Value {
        let ask = self.shop.get(path).method("POST").raw("application/json", body.into());
        let answer = ask.send().await;
        assert!(answer.body.len() < 2_000, "the error repeats what was sent");
        let error = expect_error(answer, 400, "bad_request");
        assert_eq!(self.shop.site.events().await, self.events, "something was written");
        error
    }
}

#[tokio::test]
async fn no_amount_is_taken_that_is_not_exact() {
    let target = Target::new().await;
    for amount in none_of_them_is_one() {
        let order = &target.order;
        let forms = [
            format!("{{\"orderId\":\"{order}\",\"currency\":\"USD\",\"amount\":{amount}}}"),
            format!(
                "{{\"orderId\":\"{order}\",\"currency\":\"USD\",\"type\":\"shipping\",\"amount\":{amount}}}"
            ),
            format!(
                "{{\"orderId\":\"{order}\",\"currency\":\"USD\",\
                 \"items\":[{{\"skuId\":\"{SKU}\",\"amount\":{amount}}}]}}"
            ),
            format!(
                "{{\"orderId\":\"{order}\",\"currency\":\"USD\",\
                 \"items\":[[{{\"skuId\":\"{SKU}\",\"quantity\":{amount}}}]]}}"
            ),
        ];
        for form in &forms {
            target.refused("/refunds", form.as_bytes()).await;
        }
    }
    for percent in ["NaN", "1e400", "-0", "0", "-1", "100.0001", "0.00001", "\"x\"", "true"] {
        let body = format!(
            "{{\"orderId\":\"{}\",\"currency\":\"USD\",\"percent\":{percent}}}",
            target.order
        );
        target.refused("/refunds", body).await;
    }
}

#[tokio::test]
async fn what_is_no_request_is_said_to_be_none() {
    let target = Target::new().await;
    let order = &target.order;
    let lists = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    let deep = format!("{{\"orderId\":\"{order}\",\"currency\":\"USD\",\"items\":{lists}}}");
    let nested = format!("{{\"metadata\":{}1{}}}", "{\"a\":".repeat(20_000), "}".repeat(20_000));
    let twice =
        format!("{{\"orderId\":\"{order}\",\"currency\":\"USD\",\"amount\":1,\"amount\":2}}");
    let note = format!(
        "{{\"orderId\":\"{order}\",\"currency\":\"USD\",\"amount\":1,\
         \"metadata\":{{\"a\":1,\"a\":2}}}}"
    );
    let triple = format!(
        "{{\"orderId\":\"{order}\",\"currency\":\"USD\",\"items\":[[[{{\"skuId\":\"{SKU}\"}}]]]}}"
    );
    let unpaired = format!(
        "{{\"orderId\":\"{order}\",\"currency\":\"USD\",\"amount\":1,\"reason\":\"\\ud800\"}}"
    );
    let bodies = [
        "",
        "{",
        "null",
        "[]",
        "5",
        "\"text\"",
        "{}",
        "{\"orderId\":{}}",
        "{\"orderId\":true}",
        "{\"OrderId\":\"1001\"}",
        "amount=1",
        &deep,
        &nested,
        &twice,
        &note,
        &triple,
        &unpaired,
    ];
    for body in bodies {
        target.refused("/refunds", body).await;
    }
    target.refused("/refunds", vec![0xff, 0xfe, b'{', 0]).await;
    target.refused("/refunds", vec![b' '; 300 * 1024]).await;
    let card = json!({"orderId": order, "currency": "USD", "amount": 1,
                      "reason": "4111 1111 1111 1111"});
    let error = target.refused("/refunds", card.to_string()).await;
    assert!(!error.to_string().contains("4111"), "{error}");
    let items: Vec<Value> = (0..2_001).map(|_| json!({"skuId": SKU, "amount": 1})).collect();
    let many = json!({"orderId": order, "currency": "USD", "items": items});
    assert_eq!(target.refused("/refunds", many.to_string()).await["code"], "limit_exceeded");
    let currency = json!({"orderId": order, "currency": "x".repeat(5_000), "amount": 1});
    target.refused("/refunds", currency.to_string()).await;
    let key = json!({"orderId": order, "currency": "USD", "amount": 1});
    let key = target.shop.post("/refunds", key).under("a b").send().await;
    assert_eq!(expect_error(key, 400, "bad_request")["parameter"], "Idempotency-Key");
    assert_eq!(target.shop.site.events().await, target.events);
}

#[tokio::test]
async fn other_bodies_are_read_as_strictly() {
    let target = Target::new().await;
    let refunds = target.shop.read("/refunds").await;
    let refund = format!("/refunds/{}", id(&refunds["data"][0]));
    let order = format!("/orders/{}", target.order);
    for path in [refund.as_str(), order.as_str()] {
        for body in
            ["", "[]", "{\"state\":1}", "{\"metadata\":[1]}", "{\"metadata\":{},\"metadata\":{}}"]
        {
            target.refused(path, body).await;
        }
    }
    for body in [
        "{}",
        "{\"orderId\":\"1001\"}",
        "{\"orderId\":\"1001\",\"items\":[{}]}",
        "{\"orderId\":\"1001\",\"items\":[{\"skuId\":\"no\"}]}",
        "{\"orderId\":\"1001\",\"items\":[{\"itemId\":\"0\"}]}",
        "{\"orderId\":\"1001\",\"items\":[{\"itemId\":\"1\",\"quantity\":1.5}]}",
        "{\"orderId\":\"1001\",\"items\":[{\"itemId\":\"1\",\"amount\":1}]}",
    ] {
        target.refused("/returns", body).await;
    }
    for body in [
        "{}",
        "{\"types\":[],\"address\":\"http://127.0.0.1/\"}",
        "{\"types\":[\"a b\"],\"address\":\"http://127.0.0.1/\"}",
        "{\"types\":[\"*\"],\"address\":\"http://10.0.0.1/\"}",
        "{\"types\":[\"*\"],\"address\":\"file:///etc/passwd\"}",
        "{\"types\":[\"*\"],\"address\":\"http://127.0.0.1/\",\"transportType\":\"OAUTH\"}",
        "{\"types\":[\"*\"],\"address\":\"http://127.0.0.1/\",\"oauth\":{}}",
        "{\"types\":[\"*\"],\"address\":\"http://127.0.0.1/\",\"authentication\":{}}",
        "{\"types\":[\"*\"],\"address\":\"http://127.0.0.1/\",\"apiVersion\":\"next\"}",
    ] {
        target.refused("/webhooks", body).await;
    }
}

#[tokio::test]
async fn a_query_is_known_to_be_one() {
    let target = Target::new().await;
    for query in [
        "/refunds?limit=0",
        "/refunds?limit=101",
        "/refunds?limit=1e1",
        "/refunds?limit=1&limit=2",
        "/refunds?startingAfter=x",
        "/refunds?startingAfter=ref_999999",
        "/refunds?endingBefore=ref_0",
        "/refunds?state=created",
        "/refunds?createdTime=yesterday",
        "/refunds?createdTime[gte]=2025-13-01T00:00:00Z",
        "/refunds?amount=1e400",
        "/refunds?amount[lt]=NaN",
        "/refunds?colour=red",
        "/refunds?amount[near]=1",
        "/events?type=refund.complete&types=refund.failed",
        "/events?startingAfter=evt_999999",
        "/returns?state=open",
        "/refunds/ref_1?expand=1",
    ] {
        let answer = target.shop.get(query).send().await;
        let error = expect_error(answer, 400, "bad_request");
        assert_eq!(error["code"], "invalid_parameter", "{query}: {error}");
        assert!(error["parameter"].as_str().is_some_and(|name| !name.is_empty()), "{query}");
    }
    let types: Vec<String> = (0..20).map(|n| format!("a.b{n}")).collect();
    let many = target.shop.get(&format!("/events?types={}", types.join(","))).send().await;
    expect_error(many, 400, "bad_request");
    for harmless in [
        "/refunds?orderId=%00",
        "/refunds?skuId=%00",
        "/refunds?reason=%00",
        "/refunds?ids=x",
        "/refunds?failureReason=none",
        "/events?type=nothing.*",
    ] {
        let shown = target.shop.get(harmless).send().await.expect(200).json();
        assert_eq!(shown, json!({"hasMore": false, "data": []}), "{harmless}");
    }
    assert_eq!(target.shop.site.events().await, target.events);
}
