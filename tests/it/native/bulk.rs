//! Many lines in one request.

use serde_json::{Value, json};

use crate::harness::site::{Answer, Site};

async fn bulk(site: &Site, body: String) -> Answer {
    site.ask("POST", "/v1/bulk").raw("application/x-ndjson", body).send().await
}

fn answers(answer: Answer) -> Vec<Value> {
    let answer = answer.expect(200);
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn each_line_is_answered_in_its_place_and_stops_no_other() {
    let site = Site::start().await;
    let order = site.order("20.00").await;
    let refund = |key: &str, amount: &str| {
        json!({"idempotency_key": key, "refund": {"order": order, "amount": amount}}).to_string()
    };
    let lines = [
        refund("a", "1.00"),
        json!({"order": {"reference": "B-1", "currency": "USD"}}).to_string(),
        "not json".to_owned(),
        String::new(),
        refund("b", "99.00"),
        json!({"refund": {"order": order, "amount": "1.00"}}).to_string(),
        json!({"order": {"currency": "USD", "surprise": 1}}).to_string(),
        json!({"idempotency_key": "c", "refund": {"order": order, "amount": "0.001"}}).to_string(),
        "{}".to_owned(),
        json!({"idempotency_key": "a b", "order": {"currency": "USD"}}).to_string(),
        refund("d", "2.00"),
    ];
    let body = lines.join("\r\n");
    let all = answers(bulk(&site, body.clone()).await);
    let seen: Vec<(u64, u64, &str)> = all
        .iter()
        .map(|answer| {
            let code = answer["problem"]["code"].as_str().unwrap_or_default();
            (answer["line"].as_u64().unwrap(), answer["status"].as_u64().unwrap(), code)
        })
        .collect();
    let expected = [
        (1, 201, ""),
        (2, 201, ""),
        (3, 400, "json_malformed"),
        (5, 422, "more_than_is_left"),
        (6, 400, "idempotency_key_required"),
        (7, 422, "field_unknown"),
        (8, 422, "amount_too_precise"),
        (9, 422, "field_invalid"),
        (10, 400, "idempotency_key_invalid"),
        (11, 201, ""),
    ];
    assert_eq!(seen, expected);
    assert_eq!(all[0]["body"]["amount"], "1.00");
    assert_eq!(all[1]["body"]["reference"], "B-1");
    assert_eq!(all[5]["problem"]["errors"][0]["pointer"], "/order/surprise");

    let again = answers(bulk(&site, body).await);
    assert_eq!((&again[0]["replayed"], &again[0]["body"]), (&json!(true), &all[0]["body"]));
    assert_eq!(again[1]["problem"]["code"], "reference_taken");
    let held = site.get(&format!("/v1/orders/{order}")).send().await.json();
    assert_eq!(held["balances"]["held"], "3.00");
}

#[tokio::test]
async fn a_large_bulk_is_carried_out_while_it_is_read() {
    let site = Site::start().await;
    let order = site.order("10000.00").await;
    let mut body = String::new();
    for number in 0..3_000 {
        let line = json!({"idempotency_key": format!("k{number}"),
                          "refund": {"order": order, "amount": "1.00", "note": "x".repeat(500)}});
        body.push_str(&line.to_string());
        body.push('\n');
    }
    let all = answers(bulk(&site, body).await);
    assert_eq!(all.len(), 3_000);
    for (index, answer) in all.iter().enumerate() {
        assert_eq!(
            (answer["line"].as_u64(), &answer["status"]),
            (Some(index as u64 + 1), &json!(201))
        );
    }
    let held = site.get(&format!("/v1/orders/{order}")).send().await.json();
    assert_eq!(held["balances"]["held"], "3000.00");
}

#[tokio::test]
async fn limits_hold_and_a_dry_run_writes_nothing() {
    let site = Site::start().await;
    let order = site.order("20.00").await;
    let events = site.events().await;
    let long =
        format!("{{\"order\":{{\"currency\":\"USD\",\"reference\":\"{}\"}}}}", "x".repeat(300_000));
    let ok = json!({"refund": {"order": order, "amount": "1.00"}}).to_string();
    let ask = site.ask("POST", "/v1/bulk?dry_run=true");
    let ask = ask.raw("application/x-ndjson", format!("{long}\n{ok}\n{long}"));
    let all = answers(ask.send().await);
    let statuses: Vec<_> = all.iter().map(|answer| answer["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [413, 201, 413]);
    let endless = vec![b'\n'; 17 * 1024 * 1024];
    let ask = site.ask("POST", "/v1/bulk").raw("application/x-ndjson", endless);
    let all = answers(ask.send().await);
    assert_eq!(all[0]["problem"]["code"], "body_too_large");
    let ask = site.ask("POST", "/v1/bulk").raw("application/json", ok).send().await;
    ask.expect_problem(415, "unsupported_media_type");
    assert_eq!(site.events().await, events);
}
