use std::time::Duration;

use refundry_domain::ids::MerchantId;
use refundry_domain::merchant::Scope;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{parent, post, refused, shop};
use crate::harness::faulty::Faulty;
use crate::harness::site::{Ask, Site};
use crate::harness::store::Home;
use crate::harness::whole::basic;
use crate::webhooks::until;

#[tokio::test]
async fn only_the_shop_itself_is_let_in() {
    let site = Site::start().await;
    let uid = parent(&site, "10.00").await;
    let reader = site.make_key(MerchantId(1), &[Scope::Read], 1000).await;
    let slow = site.make_key(MerchantId(1), &Scope::ALL, 1).await;
    let events = site.events().await;
    let request = json!({"request": {"parent_uid": uid, "reason": "r", "amount": 1}});
    let wrong = [
        basic("2", &site.key),
        basic("", &site.key),
        basic("1", "rfk_wrong"),
        basic("1", ""),
        format!("Bearer {}", site.key),
        "Basic !!!".to_owned(),
    ];
    for path in ["/beyag/transactions/refunds", "/transactions/refunds"] {
        for value in &wrong {
            let ask = Ask::new(site.address, "POST", path).json(&request);
            let answer = ask.header("authorization", value).send().await;
            assert!(answer.header("www-authenticate").starts_with("Basic"), "{value}");
            refused(answer, 401, "/system", "Unauthorized");
        }
        let answer = Ask::new(site.address, "POST", path).json(&request).send().await;
        refused(answer, 401, "/system", "Unauthorized");
        let ask = shop(&site, "POST", path).header("authorization", &basic("1", &reader));
        refused(ask.json(&request).send().await, 403, "/system", "scope write");
    }
    let ask = shop(&site, "GET", "/transactions/x").header("authorization", &basic("1", &slow));
    ask.clone().send().await.expect(404);
    ask.clone().send().await.expect(404);
    let answer = ask.send().await;
    assert_eq!(answer.header("retry-after"), "1");
    refused(answer, 429, "/system", "slow down");
    assert_eq!(site.events().await, events);
}

/// Another merchant's transactions are not there.
#[tokio::test]
async fn another_shops_transactions_do_not_exist() {
    let site = Site::start().await;
    let uid = parent(&site, "10.00").await;
    let request = json!({"parent_uid": uid, "reason": "r", "amount": 1, "tracking_id": "mine"});
    let made = post(&site, "/beyag/refunds", request.clone()).send().await.expect(200).json();
    let refund = made["transaction"]["uid"].as_str().unwrap();
    let other = site.merchant("Other").await;
    let key = site.make_key(other, &Scope::ALL, 1000).await;
    let as_other = |ask: Ask| ask.header("authorization", &basic(&other.to_string(), &key));
    let events = site.events().await;
    for id in [&uid, refund] {
        for path in ["/beyag/transactions", "/beyag/payments", "/beyag/refunds", "/transactions"] {
            let answer = as_other(shop(&site, "GET", &format!("{path}/{id}"))).send().await;
            let body = answer.expect(404).json();
            assert_eq!(body["errors"], json!({}));
        }
        let path = format!("/async/result/{id}");
        as_other(shop(&site, "GET", &path)).send().await.expect(404);
        let path = format!("/async/status/{id}");
        let status = as_other(shop(&site, "GET", &path)).send().await.expect(200).json();
        assert_eq!(status["status"], "unknown");
    }
    let list = as_other(shop(&site, "GET", "/beyag/transactions/tracking_id/mine")).send().await;
    assert_eq!(list.expect(200).json()["transactions"], json!([]));
    let answer = as_other(post(&site, "/beyag/refunds", request)).send().await;
    refused(answer, 422, "/parent_uid", "not found");
    assert_eq!(site.events().await, events);
}

#[tokio::test]
async fn the_same_request_is_carried_out_once() {
    let site = Site::start().await;
    let uid = parent(&site, "10.00").await;
    let of = |amount: i64| json!({"parent_uid": uid, "reason": "r", "amount": amount});
    let request = of(100);
    for (path, id) in [("/beyag/refunds", "req-1"), ("/transactions/refunds", "req-2")] {
        let request = of(if id == "req-1" { 100 } else { 200 });
        let ask = post(&site, path, request.clone()).header("ReQuEsTiD", id);
        let first = ask.clone().send().await.expect(200);
        let events = site.events().await;
        assert_eq!(first.header("idempotent-replayed"), "");
        let again = ask.clone().send().await.expect(200);
        assert_eq!(again.header("idempotent-replayed"), "true");
        assert_eq!(again.body, first.body);
        let other = json!({"parent_uid": uid, "reason": "r", "amount": 101});
        let reused = post(&site, path, other).header("requestid", id).send().await;
        refused(reused, 422, "/system", "used for another request");
        assert_eq!(site.events().await, events);
    }
    let more = json!({"parent_uid": uid, "reason": "r", "amount": 5000});
    let ask = post(&site, "/beyag/refunds", more).header("requestid", "req-3");
    let first = ask.clone().send().await.expect(422);
    let again = ask.send().await.expect(422);
    assert_eq!(again.body, first.body);
    assert_eq!(again.header("idempotent-replayed"), "true");
    for wrong in ["", "with space", &"x".repeat(256)] {
        let ask = post(&site, "/beyag/refunds", request.clone()).header("requestid", wrong);
        refused(ask.send().await, 400, "/system", "RequestID");
    }
}

/// The card API takes the same refund within half a minute for a repetition.
#[tokio::test]
async fn the_card_api_checks_for_duplicates() {
    let site = Site::start().await;
    let uid = parent(&site, "100.00").await;
    let request = json!({"parent_uid": uid, "reason": "r", "amount": 100});
    let ask = post(&site, "/transactions/refunds", request.clone());
    ask.clone().send().await.expect(200);
    let body = refused(ask.clone().send().await, 400, "/base", "Duplicate transaction");
    assert_eq!(body["message"], "Duplicate transaction");
    let named = ask.clone().header("requestid", "another").send().await;
    refused(named, 400, "/base", "Duplicate transaction");
    let other = json!({"parent_uid": uid, "reason": "r", "amount": 101});
    post(&site, "/transactions/refunds", other).send().await.expect(200);
    let wanted = json!({"parent_uid": uid, "reason": "r", "amount": 100, "duplicate_check": false});
    post(&site, "/transactions/refunds", wanted).send().await.expect(200);
    post(&site, "/beyag/refunds", request).send().await.expect(200);
    site.clock.advance_ms(30_001);
    ask.clone().send().await.expect(200);

    // Ten at once are one.
    let request = json!({"parent_uid": uid, "reason": "r", "amount": 333});
    let ask = post(&site, "/transactions/refunds", request);
    let all = (0..10).map(|_| tokio::spawn(ask.clone().send()));
    let mut made = 0;
    for answer in all.collect::<Vec<_>>() {
        made += u32::from(answer.await.unwrap().status == 200);
    }
    assert_eq!(made, 1);
}

/// Who hangs up and asks again is paid once: the first is at work until the ledger has answered.
#[tokio::test]
async fn who_hangs_up_has_no_duplicate() {
    let site = Site::start().await;
    let uid = parent(&site, "100.00").await;
    for amount in 1..=20 {
        let request = json!({"parent_uid": uid, "reason": "r", "amount": amount});
        let ask = post(&site, "/transactions/refunds", request);
        let sent = tokio::spawn(ask.clone().open());
        tokio::task::yield_now().await;
        sent.abort();
        let again = ask.send().await;
        assert!([200, 400].contains(&again.status.as_u16()), "{}", again.status);
    }
    let refunds = site.get("/v1/refunds?limit=100").send().await.expect(200).json();
    let rows = refunds["data"].as_array().unwrap();
    let mut amounts: Vec<&str> = rows.iter().map(|row| row["amount"].as_str().unwrap()).collect();
    amounts.sort_unstable();
    let made = amounts.len();
    amounts.dedup();
    assert_eq!(amounts.len(), made, "{amounts:?}");
}

/// Who hangs up while the ledger is at work, and asks again before it has answered, would be paid
/// twice: the first is not in the books yet.
#[tokio::test]
async fn who_hangs_up_before_the_commit_has_no_duplicate() {
    let home = Home::new().await;
    let store = Faulty::over(home.store.clone());
    let site = Site::over(home, store.clone()).await;
    let uid = parent(&site, "100.00").await;
    let request = json!({"parent_uid": uid, "reason": "r", "amount": 500});
    let ask = post(&site, "/transactions/refunds", request.clone());
    let held = store.hold_commits().await;
    let body = json!({ "request": request }).to_string();
    let mut line = TcpStream::connect(site.address).await.unwrap();
    let head = format!(
        "POST /transactions/refunds HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\n\
        content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        basic("1", &site.key),
        body.len()
    );
    line.write_all(head.as_bytes()).await.unwrap();
    store.until_waiting(1).await;
    // The server hangs up in turn once it has let go of the request.
    line.shutdown().await.unwrap();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(30), line.read_to_end(&mut rest)).await;
    assert_eq!(ended.expect("the server hangs up").unwrap(), 0, "nobody was answered");
    let again = tokio::time::timeout(Duration::from_secs(30), ask.clone().send()).await;
    let again = again.expect("it is answered while the first is at work");
    refused(again, 400, "/base", "Duplicate transaction");
    drop(held);
    store.until_waiting(0).await;
    let made = || async { site.get("/v1/refunds").send().await.expect(200).json()["data"].clone() };
    let made = until("the first is carried out", || async {
        Some(made().await).filter(|made| !made.as_array().unwrap().is_empty())
    })
    .await;
    assert_eq!(made.as_array().unwrap().len(), 1);
    refused(ask.send().await, 400, "/base", "Duplicate transaction");
}

#[tokio::test]
async fn what_is_not_served_says_so() {
    let site = Site::start().await;
    for (method, path) in [
        ("POST", "/beyag/transactions/payment/precheck"),
        ("POST", "/beyag/transactions/payout/precheck"),
        ("POST", "/beyag/transactions/1-0000000001/recover"),
        ("POST", "/beyag/transactions/payouts"),
        ("DELETE", "/beyag/payments/1-0000000001"),
        ("POST", "/beyag/balance"),
        ("POST", "/beyag/currencies"),
        ("POST", "/transactions/authorizations"),
        ("POST", "/transactions/captures"),
        ("POST", "/transactions/voids"),
    ] {
        let answer = shop(&site, method, path).json(&json!({})).send().await;
        let body = refused(answer, 422, "/base", "not supported");
        assert!(body["errors"]["base"].is_string(), "{path}");
    }
    shop(&site, "GET", "/beyag/nowhere").send().await.expect(404);
    let answer = shop(&site, "PUT", "/transactions/refunds").json(&json!({})).send().await;
    assert!(answer.header("allow").contains("POST"));
    refused(answer, 405, "/system", "method");
}

/// Whatever comes is answered in the API's own shape, and nothing is written.
#[tokio::test]
async fn hostile_input_is_answered_and_writes_nothing() {
    let site = Site::start().await;
    let uid = parent(&site, "10.00").await;
    let events = site.events().await;
    let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    let with = |amount: &str| {
        format!(r#"{{"request":{{"parent_uid":"{uid}","reason":"r","amount":{amount}}}}}"#)
    };
    let mut bodies: Vec<String> = [
        "1e400",
        "-1e400",
        "NaN",
        "Infinity",
        "0.001",
        "0.5",
        "-0",
        "0",
        "-1",
        "\"\"",
        "\"x\"",
        "true",
        "[]",
        "{}",
        "1e30",
        "99999999999999999999999999999999",
        "1000000000000000",
        &deep,
    ]
    .iter()
    .map(|amount| with(amount))
    .collect();
    bodies.extend([
        String::new(),
        "{".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        "{}".to_owned(),
        r#"{"request":null}"#.to_owned(),
        r#"{"request":[]}"#.to_owned(),
        r#"{"request":{},"request":{}}"#.to_owned(),
        with("1,\"amount\":2"),
        with("1,\"tracking_id\":\"4111111111111111\""),
        with("1,\"tracking_id\":\"a\\u0000b\""),
        with(&format!("1,\"tracking_id\":\"{}\"", "x".repeat(1001))),
        with("1,\"tracking_id\":{}"),
        with("1,\"additional_data\":7"),
        format!("{}{}", with("1"), "x"),
        " ".repeat(300_000),
    ]);
    for body in bodies {
        for path in ["/beyag/refunds", "/transactions/refunds"] {
            let shown: String = body.chars().take(90).collect();
            let answer = shop(&site, "POST", path).raw("application/json", body.clone());
            let answer = answer.send().await;
            let status = answer.status.as_u16();
            assert!((400..500).contains(&status), "{path} {shown}: {status}");
            let told = answer.json();
            assert!(told["message"].is_string() && told["errors"].is_object(), "{shown}: {told}");
            assert_eq!(told["response"]["errors"], told["errors"]);
        }
    }
    let latin =
        shop(&site, "POST", "/beyag/refunds").raw("application/json", &b"{\"request\xff"[..]);
    latin.send().await.expect(400);
    for id in ["%ff", "1-000000000A", "1-0", "1--000000001", "1-ffffffffffffffff", "%2e%2e"] {
        let answer = shop(&site, "GET", &format!("/transactions/{id}")).send().await;
        assert_eq!(answer.expect(404).json()["message"], "Record not found", "{id}");
    }
    assert_eq!(site.events().await, events);
}

/// A client asks on at the addresses that it is told, so they are the ones it can reach.
#[tokio::test]
async fn addresses_are_those_that_the_client_called() {
    let site = Site::start().await;
    let uid = parent(&site, "10.00").await;
    for (prefix, told, scheme) in [
        ("", None, "http"),
        ("", Some("https"), "https"),
        ("/begateway", Some("http"), "http"),
        ("/begateway", Some("https"), "https"),
    ] {
        let request = json!({"parent_uid": uid, "reason": "r", "amount": 1});
        let ask = post(&site, &format!("{prefix}/beyag/async/refunds"), request);
        let ask = ask.header("host", "pay.example:8443");
        let ask = told.iter().fold(ask, |ask, told| ask.header("x-forwarded-proto", told));
        let task = ask.send().await.expect(200).json();
        let (id, base) = (&task["request_id"], format!("{scheme}://pay.example:8443{prefix}"));
        let id = id.as_str().unwrap();
        assert_eq!(task["status_url"], format!("{base}/beyag/async/status/{id}"));
        assert_eq!(task["response_url"], format!("{base}/beyag/async/result/{id}"));
    }
}
