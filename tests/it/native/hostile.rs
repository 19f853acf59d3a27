//! Bad input: each is answered by a problem that names the place, and writes nothing.

use serde_json::json;

use crate::harness::site::{Answer, Site};

struct Target {
    site: Site,
    order: String,
    events: usize,
}

impl Target {
    async fn new() -> Target {
        let site = Site::start().await;
        let order = site.order("100.00").await;
        let events = site.events().await;
        Target { site, order, events }
    }

    /// Asks for a refund with a body of these bytes; `ORDER` in it is the order's id.
    async fn refund(&self, body: &str) -> Answer {
        let body = body.replace("ORDER", &format!("\"{}\"", self.order));
        self.bytes(body.into_bytes()).await
    }

    async fn bytes(&self, body: Vec<u8>) -> Answer {
        let ask = self.site.ask("POST", "/v1/refunds").raw("application/json", body);
        let answer = ask.once().send().await;
        assert_eq!(self.site.events().await, self.events, "something was written");
        answer
    }
}

/// An amount in every form that is none, and where it is refused.
#[tokio::test]
async fn no_amount_is_taken_that_is_not_exact() {
    let target = Target::new().await;
    let malformed =
        ["NaN", "Infinity", "-Infinity", "+1", "01", ".5", "1.", "1,5", "0x10", "1_000", "'1'"];
    for amount in malformed {
        let answer = target.refund(&format!(r#"{{"order":ORDER,"amount":{amount}}}"#)).await;
        answer.expect_problem(400, "json_malformed");
    }
    let no_number = [
        "1e400",
        "-1e400",
        "1e31",
        "\"1e400\"",
        "\"NaN\"",
        "\"\"",
        "\" 1\"",
        "\"1 \"",
        "\"+1\"",
        "\"1,50\"",
        "\"٣\"",
        "\"1e\"",
        "true",
        "[1]",
        "{\"a\":1}",
        "[[[[1]]]]",
        "\"\\u0031\"",
        "\"1\\n\"",
        "\"$1\"",
    ];
    for amount in no_number {
        let answer = target.refund(&format!(r#"{{"order":ORDER,"amount":{amount}}}"#)).await;
        answer.expect_problem(422, "field_invalid").at("/amount");
    }
    let digits = "9".repeat(200_000);
    let answer = target.refund(&format!(r#"{{"order":ORDER,"amount":{digits}}}"#)).await;
    assert!(answer.body.len() < 2_000, "the problem does not repeat what was sent");
    answer.expect_problem(422, "field_invalid").at("/amount");
    for (amount, code) in [
        ("0.001", "amount_too_precise"),
        ("1e-3", "amount_too_precise"),
        ("-0", "amount_not_positive"),
        ("0", "amount_not_positive"),
        ("\"0.00\"", "amount_not_positive"),
        ("-0.01", "amount_not_positive"),
        ("1e15", "amount_too_large"),
        ("99999999999999999999", "amount_too_large"),
        ("100.01", "more_than_is_left"),
    ] {
        let answer = target.refund(&format!(r#"{{"order":ORDER,"amount":{amount}}}"#)).await;
        answer.expect_problem(422, code).at("/amount");
    }
    for percent in ["0", "-1", "100.0001", "\"12.34567\"", "\"x\"", "1e30", "null, \"items\": 5"] {
        let answer = target.refund(&format!(r#"{{"order":ORDER,"percent":{percent}}}"#)).await;
        let pointer = if percent.contains("items") { "/items" } else { "/percent" };
        answer.expect_problem(422, "field_invalid").at(pointer);
    }
}

#[tokio::test]
async fn fields_are_known_given_once_and_of_their_type() {
    let target = Target::new().await;
    for (body, code, pointer) in [
        (r#"{"order":ORDER,"amount":1,"ammount":2}"#, "field_unknown", "/ammount"),
        (r#"{"order":ORDER,"amount":1,"amount":2}"#, "field_duplicate", "/amount"),
        (r#"{"amount":1}"#, "field_missing", "/order"),
        (r#"{"order":null,"amount":1}"#, "field_invalid", "/order"),
        (r#"{"order":ORDER}"#, "field_missing", "/amount"),
        (r#"{"order":ORDER,"amount":1,"percent":1}"#, "field_invalid", "/percent"),
        (r#"{"order":ORDER,"amount":1,"items":[]}"#, "field_invalid", "/items"),
        (r#"{"order":5,"amount":1}"#, "field_invalid", "/order"),
        (r#"{"order":"ref_1","amount":1}"#, "field_invalid", "/order"),
        (r#"{"order":"ord_01","amount":1}"#, "field_invalid", "/order"),
        (r#"{"order":"ord_99999999999999999999","amount":1}"#, "field_invalid", "/order"),
        (r#"{"order":{"reference":5},"amount":1}"#, "field_invalid", "/order/reference"),
        (r#"{"order":{"reference":"1","x":1},"amount":1}"#, "field_unknown", "/order/x"),
        (r#"{"order":{},"amount":1}"#, "field_missing", "/order/reference"),
        (r#"{"order":ORDER,"amount":1,"currency":"usd"}"#, "field_invalid", "/currency"),
        (r#"{"order":ORDER,"amount":1,"currency":"XAU"}"#, "field_invalid", "/currency"),
        (r#"{"order":ORDER,"percent":1,"currency":"USD"}"#, "field_invalid", "/currency"),
        (r#"{"order":ORDER,"amount":1,"to":"moon"}"#, "field_invalid", "/to"),
        (r#"{"order":ORDER,"amount":1,"confirm":"yes"}"#, "field_invalid", "/confirm"),
        (r#"{"order":ORDER,"amount":1,"metadata":{"a":1}}"#, "field_invalid", "/metadata/a"),
        (
            r#"{"order":ORDER,"amount":1,"metadata":{"a":"","a":""}}"#,
            "field_duplicate",
            "/metadata/a",
        ),
        (
            r#"{"order":ORDER,"amount":1,"metadata":{"a/~":"\u0000"}}"#,
            "text_control_character",
            "/metadata/a~1~0",
        ),
        (r#"{"order":ORDER,"amount":1,"metadata":[]}"#, "field_invalid", "/metadata"),
        (r#"{"order":ORDER,"items":[{"line":1},{"line":-1}]}"#, "field_invalid", "/items/1/line"),
        (r#"{"order":ORDER,"items":[{"line":1,"sku":"a"}]}"#, "field_invalid", "/items/0/sku"),
        (r#"{"order":ORDER,"items":[{}]}"#, "field_missing", "/items/0/line"),
        (
            r#"{"order":ORDER,"items":[{"line":1,"quantity":1,"amount":1}]}"#,
            "field_invalid",
            "/items/0/amount",
        ),
        (
            r#"{"order":ORDER,"items":[{"line":1,"quantity":1.5}]}"#,
            "field_invalid",
            "/items/0/quantity",
        ),
        (
            r#"{"order":ORDER,"items":[{"line":1,"quantity":4294967296}]}"#,
            "field_invalid",
            "/items/0/quantity",
        ),
        (
            r#"{"order":ORDER,"items":[{"line":1,"amount":"x"}]}"#,
            "field_invalid",
            "/items/0/amount",
        ),
        (r#"{"order":ORDER,"items":[{"lines":1}]}"#, "field_unknown", "/items/0/lines"),
        (r#"[]"#, "field_invalid", ""),
        (r#""refund""#, "field_invalid", ""),
        (r#"null"#, "field_invalid", ""),
    ] {
        let answer = target.refund(body).await;
        let said = answer.json();
        assert_eq!((&said["status"], &said["code"]), (&json!(422), &json!(code)), "{body}: {said}");
        assert_eq!(said["errors"][0]["pointer"], pointer, "{body}: {said}");
    }
}

#[tokio::test]
async fn what_is_no_json_is_refused_whatever_it_is() {
    let target = Target::new().await;
    let deep = |open: &str, count: usize| open.repeat(count).into_bytes();
    let mut invalid_utf8 = br#"{"order":"ord_1","amount":1,"note":""#.to_vec();
    invalid_utf8.extend([0xff, 0xfe, b'"', b'}']);
    let bodies = [
        b"".to_vec(),
        b"{".to_vec(),
        b"{}}".to_vec(),
        b"{\"order\":\"ord_1\"} {\"amount\":1}".to_vec(),
        b"order=ord_1&amount=1".to_vec(),
        vec![0; 100],
        b"\xef\xbb\xbf{}".to_vec(),
        invalid_utf8,
        br#"{"order":"ord_1","amount":1,"note":"\ud800"}"#.to_vec(),
        br#"{"order":"ord_1","amount":1,"note":"a
b"}"#
            .to_vec(),
    ];
    for body in bodies {
        let shown = String::from_utf8_lossy(&body).into_owned();
        let answer = target.bytes(body).await;
        assert_eq!(answer.status, 400, "{shown}: {:?}", answer.body);
        answer.expect_problem(400, "json_malformed");
    }
    for body in [deep("[", 17), deep("[", 100_000), deep("{\"order\":", 5_000)] {
        target.bytes(body).await.expect_problem(400, "json_too_deep");
    }
    let large = vec![b' '; 300 * 1024];
    target.bytes(large).await.expect_problem(413, "body_too_large");
    let huge = vec![b'['; 10 * 1024 * 1024];
    target.bytes(huge).await.expect_problem(413, "body_too_large");
}

#[tokio::test]
async fn a_body_says_what_it_is() {
    let target = Target::new().await;
    let body = format!(r#"{{"order":"{}","amount":1}}"#, target.order);
    for kind in ["text/plain", "application/xml", "application/x-www-form-urlencoded", "json", ""] {
        let ask = target.site.ask("POST", "/v1/refunds").raw(kind, body.clone()).once();
        ask.send().await.expect_problem(415, "unsupported_media_type");
    }
    let ask = target.site.ask("POST", "/v1/refunds").raw("x", body.clone()).without("content-type");
    ask.once().send().await.expect_problem(415, "unsupported_media_type");
    assert_eq!(target.site.events().await, target.events);
    let ask = target.site.ask("POST", "/v1/refunds").raw("Application/JSON; charset=utf-8", body);
    ask.once().send().await.expect(201);
}

#[tokio::test]
async fn a_query_is_known_and_of_its_form() {
    let target = Target::new().await;
    for (path, parameter) in [
        ("/v1/orders?limit=0", "limit"),
        ("/v1/orders?limit=101", "limit"),
        ("/v1/orders?limit=-1", "limit"),
        ("/v1/orders?limit=ten", "limit"),
        ("/v1/orders?limit=5&limit=6", "limit"),
        ("/v1/orders?after=5", "after"),
        ("/v1/orders?after=ref_5", "after"),
        ("/v1/orders?after=ord_-5", "after"),
        ("/v1/orders?after=ord_99999999999999999999", "after"),
        ("/v1/orders?after=ord_5&before=ord_6", "before"),
        ("/v1/orders?created_from=yesterday", "created_from"),
        ("/v1/orders?created_until=2025-13-01T00:00:00Z", "created_until"),
        ("/v1/orders?created_from=-009999-01-01T00:00:00Z", "created_from"),
        ("/v1/orders?customer=%00&surprise=%0a", "surprise"),
        ("/v1/refunds?state=paid", "state"),
        ("/v1/refunds?state=pending,", "state"),
        ("/v1/refunds?order=1", "order"),
        ("/v1/refunds?to=moon", "to"),
        ("/v1/transactions?kind=gift", "kind"),
        ("/v1/events?subject=x", "subject"),
        ("/v1/events?oldest_first=1", "oldest_first"),
        ("/v1/refunds?dry_run=true", "dry_run"),
    ] {
        let answer = target.site.get(path).send().await.expect_problem(400, "query_invalid");
        assert_eq!(answer.json()["errors"][0]["parameter"], parameter, "{path}");
    }
    let ask = target.site.post("/v1/refunds?dry_run=yes", json!({})).once();
    ask.send().await.expect_problem(400, "query_invalid");
    let odd = "/v1/orders?reference=%ff%fe'%22;--&customer=%F0%9F%92%B6";
    target.site.get(odd).send().await.expect(200);
    for path in ["/v1/orders/ord_%31", "/v1/orders/%2e%2e", "/v1/orders/ord_1%00", "/v1/orders/🦀"]
    {
        let Ok(path) = hyper::Uri::try_from(path) else { continue };
        let answer = target.site.get(&path.to_string()).send().await;
        assert_eq!(answer.status, 404, "{path}");
    }
}

/// Every text field of an order is looked at, and refused before anything is kept.
#[tokio::test]
async fn no_text_brings_in_a_card_number_or_a_control_character() {
    let target = Target::new().await;
    let order = json!({
        "reference": "r", "currency": "USD",
        "customer": {"reference": "c", "email": "e", "name": "n"},
        "lines": [{"sku": "s", "name": "n", "amount": "1"}],
        "payments": [{"provider": "p", "method": "m", "provider_reference": "r", "amount": "1"}],
        "metadata": {"k": "v"},
    });
    let pointers = [
        "/reference",
        "/customer/reference",
        "/customer/email",
        "/customer/name",
        "/lines/0/sku",
        "/lines/0/name",
        "/payments/0/provider",
        "/payments/0/method",
        "/payments/0/provider_reference",
        "/metadata/k",
    ];
    for pointer in pointers {
        for (text, code) in [
            ("4111111111111111", "card_number_refused"),
            ("card 5555-5555-5555-4444 ok", "card_number_refused"),
            ("a\u{0}b", "text_control_character"),
            ("\u{9b}31m", "text_control_character"),
        ] {
            let mut body = order.clone();
            *body.pointer_mut(pointer).unwrap() = json!(text);
            let answer = target.site.post("/v1/orders", body).send().await;
            let answer = answer.expect_problem(422, code).at(pointer);
            let said = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(!said.contains("4111") && !said.contains("5555"), "repeated: {said}");
        }
        let mut body = order.clone();
        *body.pointer_mut(pointer).unwrap() = json!("x".repeat(1001));
        let answer = target.site.post("/v1/orders", body).send().await;
        answer.expect_problem(422, "text_too_long").at(pointer);
    }
    let line = json!({"amount": "1"});
    let many = json!({"currency": "USD", "lines": vec![line; 2001]});
    let many = target.site.post("/v1/orders", many).send().await;
    many.expect_problem(422, "too_many").at("/lines");
    let late = json!({"currency": "USD", "created_at": "2099-01-01T00:00:00Z"});
    let late = target.site.post("/v1/orders", late).send().await;
    late.expect_problem(422, "time_in_future").at("/created_at");
    assert_eq!(target.site.events().await, target.events);
}
