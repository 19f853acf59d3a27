use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::site::Ask;
use crate::harness::whole::{KEY, Whole, basic};

fn shop(whole: &Whole, method: &str, path: &str) -> Ask {
    whole.ask(method, path).header("authorization", &basic("1", KEY))
}

fn post(whole: &Whole, path: &str, request: Value) -> Ask {
    shop(whole, "POST", path).json(&json!({ "request": request }))
}

/// A sandbox payment of 10.00, refunded as its name says, by its uid.
async fn paid(whole: &Whole, script: &str) -> String {
    let request = json!({"amount": 1000, "currency": "EUR", "description": "A lamp",
        "tracking_id": script, "credit_card": {"number": "4200000000000000"}});
    let made = post(whole, "/transactions/payments", request).send().await.expect(200).json();
    made["transaction"]["uid"].as_str().unwrap().to_owned()
}

async fn until_final(whole: &Whole, uid: &str) -> Value {
    for _ in 0..600 {
        let shown = shop(whole, "GET", &format!("/beyag/refunds/{uid}")).send().await.expect(200);
        let shown = shown.json()["transaction"].clone();
        if shown["status"] != "pending" {
            return shown;
        }
        tokio::time::timeout(Duration::from_millis(50), std::future::pending::<()>()).await.ok();
    }
    panic!("{uid} is still pending after half a minute");
}

/// The answer waits for the provider, and says what it said.
#[tokio::test]
async fn an_answer_says_what_became_of_the_refund() {
    let whole = Whole::start(&[("REFUNDRY_ANSWERS_WAIT_MS", "10000")]).await;
    let uid = paid(&whole, "lamp").await;
    let request = json!({"parent_uid": uid, "reason": "r", "amount": 100});
    let ask = post(&whole, "/beyag/transactions/refunds", request).header("requestid", "r-1");
    let done = ask.clone().send().await.expect(200);
    let refund = done.json()["transaction"].clone();
    assert_eq!(refund["status"], "successful");
    assert_eq!(refund["message"], "The operation was successfully processed");
    assert_eq!(refund["refund"]["status"], "successful");
    assert!(refund["refund"]["ref_id"].is_string() && refund["paid_at"].is_string());
    assert_eq!(ask.send().await.expect(200).body, done.body);

    let uid = paid(&whole, "sandbox_decline_insufficient_funds").await;
    let request = json!({"parent_uid": uid, "reason": "r", "amount": 100});
    let ask = post(&whole, "/transactions/refunds", request.clone());
    let refund = ask.clone().send().await.expect(200).json()["transaction"].clone();
    assert_eq!(refund["status"], "failed");
    assert_eq!(refund["refund"]["status"], "failed");
    assert_eq!(refund["refund"]["message"], refund["message"]);
    assert!(refund["paid_at"].is_null());
    // A definite no may be tried again at once, and in version 3 has its code.
    let flat = ask.header("x-api-version", "3").send().await.expect(200).json();
    assert_eq!(flat["status"], "failed");
    assert_eq!(flat["code"], "F.0114");
    assert_eq!(flat["transaction"]["uid"], flat["uid"]);
    assert_eq!(flat["transaction"]["status"], "failed");
    assert_eq!(flat["payment_method"]["type"], "credit_card");
    for name in ["rrn", "auth_code", "ref_id", "gateway_id"] {
        assert!(flat["transaction"].get(name).is_some(), "{name}");
    }
    whole.stop().await;
}

/// What is not finished is pending, in both variants, and ends.
#[tokio::test]
async fn what_takes_longer_is_pending_first() {
    let whole = Whole::start(&[("REFUNDRY_ANSWERS_WAIT_MS", "0")]).await;
    let uid = paid(&whole, "sandbox_pend_then_succeed_300ms").await;
    let request = json!({"parent_uid": uid, "reason": "r", "amount": 100,
        "duplicate_check": false});
    let made = post(&whole, "/beyag/refunds", request.clone()).send().await.expect(200).json();
    assert_eq!(made["transaction"]["status"], "pending");
    let ended = until_final(&whole, made["transaction"]["uid"].as_str().unwrap()).await;
    assert_eq!(ended["status"], "successful");

    for (path, later) in [
        ("/beyag/async/transactions/refunds", "/beyag/async"),
        ("/async/transactions/refund", "/async"),
    ] {
        let ask = post(&whole, path, request.clone()).header("requestid", path);
        let task = ask.clone().send().await.expect(200).json();
        assert_eq!(task["status"], "processing");
        let id = task["request_id"].as_str().unwrap();
        let (status, result) = (format!("{later}/status/{id}"), format!("{later}/result/{id}"));
        let origin = format!("http://{}", whole.address);
        assert_eq!(task["status_url"], format!("{origin}{status}"));
        assert_eq!(task["response_url"], format!("{origin}{result}"));
        let again = ask.send().await.expect(200).json();
        assert_eq!(again["request_id"], id);
        let open = shop(&whole, "GET", &result).send().await.expect(425).json();
        assert_eq!(open["status"], "processing");
        assert_eq!(open["status_url"], task["status_url"]);
        let ended = until_final(&whole, id).await;
        assert_eq!(ended["status"], "successful");
        let told = shop(&whole, "GET", &status).send().await.expect(200).json();
        assert_eq!(told["status"], "completed");
        let done = shop(&whole, "GET", &result).send().await.expect(200).json();
        assert_eq!(done["transaction"]["uid"], id);
    }
    shop(&whole, "GET", "/async/result/2-00000fffff").send().await.expect(404);
    whole.stop().await;
}
