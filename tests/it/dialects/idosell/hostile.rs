//! Bad input over REST: an error in this API's own shape, and nothing written.

use serde_json::json;

use super::shop::{Shop, expect_error};
use crate::dialects::amounts::none_of_them_is_one;

struct Target {
    shop: Shop,
    events: usize,
}

impl Target {
    async fn new() -> Target {
        let shop = Shop::with_order().await;
        shop.automatic("1001", "10").await;
        let events = shop.site.events().await;
        Target { shop, events }
    }

    /// Sends bytes to a method; the answer is an error of HTTP with this status.
    async fn refused(&self, method: &str, body: impl Into<Vec<u8>>, status: u16) -> String {
        let ask = self.shop.call(method, json!({})).raw("application/json", body.into());
        let answer = ask.send().await;
        assert!(answer.body.len() < 2_000, "the error repeats what was sent");
        let message = expect_error(answer, status);
        assert_eq!(self.shop.site.events().await, self.events, "something was written");
        message
    }
}

#[tokio::test]
async fn no_amount_is_taken_that_is_not_exact() {
    let target = Target::new().await;
    for amount in none_of_them_is_one().into_iter().chain(["null".to_owned()]) {
        let manual = "\"sourceType\":\"order\",\"refundDetails\":{\"paymentSystem\":27}";
        for (method, rest) in [
            ("addAutomaticRefundForOrder", "\"paymentId\":1"),
            ("addManualRefund", manual),
            ("updateRefund", "\"sourceType\":\"order\",\"paymentId\":\"1001-1\""),
        ] {
            let body = format!(
                "{{\"params\":{{\"sourceId\":1001,\"refundCurrency\":\"PLN\",{rest},\
                 \"refundValue\":{amount}}}}}"
            );
            target.refused(method, body, 422).await;
        }
    }
}

#[tokio::test]
async fn what_is_no_call_is_said_to_be_none() {
    let target = Target::new().await;
    let deep = format!("{{\"params\":{}1{}}}", "[".repeat(50_000), "]".repeat(50_000));
    let deeper = format!("{{\"params\":{}1{}", "{\"a\":".repeat(20_000), "}".repeat(20_001));
    for body in [
        "",
        "{",
        "null",
        "[]",
        "5",
        "\"text\"",
        "{}",
        "{\"params\":5}",
        "{\"params\":\"x\"}",
        "{\"params\":[]}",
        "{\"params\":{}}",
        "{\"Params\":{}}",
        "params[sourceId]=1",
        "{\"params\":{\"sourceId\":1001,\"sourceId\":1002}}",
        "{\"params\":{\"sourceId\":1001},\"params\":{}}",
        "{\"params\":{\"sourceId\":1001,\"refundDetails\":{\"account\":\"1\",\"account\":\"2\"}}}",
        "{\"params\":{\"sourceId\":1.5,\"refundValue\":1}}",
        "{\"params\":{\"sourceId\":1e3,\"refundValue\":1}}",
        "{\"params\":{\"sourceId\":{},\"refundValue\":1}}",
        "{\"params\":{\"sourceId\":true,\"refundValue\":1}}",
        "{\"params\":{\"sourceId\":1001,\"refundValue\":1,\"paymentId\":[1]}}",
        &deep,
        &deeper,
    ] {
        target.refused("addAutomaticRefundForOrder", body, 422).await;
    }
    target.refused("addManualRefund", vec![0xff, 0xfe, b'{', 0], 422).await;
    let wide = format!("{{\"params\":{{\"sourceId\":\"{}\",\"refundValue\":1}}}}", "9".repeat(300));
    target.refused("addAutomaticRefundForOrder", wide, 422).await;
    target.refused("addAutomaticRefundForOrder", vec![b' '; 300 * 1024], 413).await;
    let card = json!({"params": {"sourceType": "order", "sourceId": 1001, "refundValue": 1,
        "refundDetails": {"paymentSystem": 5, "account": "4111 1111 1111 1111"}}});
    let message = target.refused("addManualRefund", card.to_string(), 422).await;
    assert!(!message.contains("4111"), "{message}");
    let key = target.shop.call("addManualRefund", json!({})).under("a b").send().await;
    expect_error(key, 422);
}

#[tokio::test]
async fn a_query_is_known_to_be_one() {
    let target = Target::new().await;
    let base = "/api/admin/v8/refunds/";
    for query in [
        "getRefundStatus?sourceType=order&sourceId=1001",
        "getRefundStatus?sourceType=order&paymentId=1",
        "getRefundStatus?sourceType=order&sourceId=1001&sourceId=1002&paymentId=1",
        "getRefundStatus?sourceType=order&sourceId=%ff%fe&paymentId=",
        "getRefundStatus?sourceType=order&sourceType=return&sourceId=1001&paymentId=1",
        "retrieveRefundsList?sourceType=all&resultsLimit=0",
        "retrieveRefundsList?sourceType=all&resultsLimit=101",
        "retrieveRefundsList?sourceType=all&resultsLimit=1e2",
        "retrieveRefundsList?sourceType=all&resultsPage=-1",
        "retrieveRefundsList?sourceType=all&resultsPage=x",
        "retrieveRefundsList?sourceType=all&resultsPage=99999999999",
    ] {
        expect_error(target.shop.site.get(&format!("{base}{query}")).send().await, 422);
    }
    let far = format!("{base}retrieveRefundsList?sourceType=all&resultsPage=4294967295");
    let shown = target.shop.site.get(&far).send().await.expect(200).json();
    assert_eq!(shown["results"], json!([]));
    assert_eq!(target.shop.site.events().await, target.events);
}
