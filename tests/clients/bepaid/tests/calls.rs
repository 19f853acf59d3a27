//! Every call of the client that is about giving money back, against a running server: its address
//! and a key of merchant 1, whose sandbox is on, stand in `REFUNDRY_ADDRESS` and `REFUNDRY_KEY`.

use std::env::var;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use bepaid::BepaidClient;
use bepaid::error::{ApiError, BepaidError};
use bepaid::types::{ApmRefundRequest, CreditCardRaw, PaymentRequest, RefundRequest};
use bepaid::webhook::{parse_webhook, verify_webhook_auth, verify_webhook_signature};
use serde_json::Value;

fn address() -> String {
    var("REFUNDRY_ADDRESS").expect("REFUNDRY_ADDRESS is set by tests/clients/run")
}

fn key() -> String {
    var("REFUNDRY_KEY").expect("REFUNDRY_KEY is set by tests/clients/run")
}

fn client(secret: &str) -> BepaidClient {
    let base = address();
    BepaidClient::with_urls("1", secret, &base, &base, &base, &base)
}

fn payment(tracking_id: &str, card: &str, told: Option<String>) -> PaymentRequest {
    PaymentRequest {
        amount: "1000".to_owned(),
        currency: "BYN".to_owned(),
        test: true,
        description: "A lamp".to_owned(),
        tracking_id: tracking_id.to_owned(),
        notification_url: told,
        credit_card: Some(CreditCardRaw {
            number: Some(card.to_owned()),
            verification_value: Some("123".to_owned()),
            holder: Some("Ada Byron".to_owned()),
            exp_month: Some(10),
            exp_year: Some(2030),
            save_card: None,
            token: None,
            skip_three_d_secure_verification: None,
            force_three_d_secure_verification: None,
            notification_url: None,
        }),
        expired_at: None,
        dynamic_billing_descriptor: None,
        language: None,
        verification_url: None,
        return_url: None,
        duplicate_check: None,
        billing_address: None,
        customer: None,
        additional_data: None,
        encrypted_data: None,
        fiscalization: None,
        custom_fields: None,
        encrypted_credit_card: None,
        three_d_secure: None,
        travel: None,
    }
}

const GOOD: &str = "4200000000000000";

fn refund(parent: &str, amount: i64) -> RefundRequest {
    RefundRequest {
        parent_uid: parent.to_owned(),
        amount,
        reason: "returned".to_owned(),
        tracking_id: None,
        additional_data: None,
        fiscalization: None,
    }
}

fn by_apm(parent: &str, amount: Option<i64>) -> ApmRefundRequest {
    ApmRefundRequest {
        parent_uid: parent.to_owned(),
        reason: "returned".to_owned(),
        amount,
        tracking_id: None,
        additional_data: None,
    }
}

#[track_caller]
fn no<T: std::fmt::Debug>(answer: Result<T, BepaidError>, status: u16, text: &str) -> ApiError {
    match answer {
        Err(BepaidError::Api(error)) => {
            assert_eq!(error.status, status, "{error:?}");
            assert!(error.message.contains(text), "{error:?}");
            *error
        }
        other => panic!("not refused: {text}: {other:?}"),
    }
}

#[tokio::test]
async fn every_call_is_answered_as_the_client_expects() {
    let shop = client(&key());
    let paid = shop.create_payment(payment("crate-1", GOOD, None), Some("crate-payment-1")).await;
    let paid = paid.unwrap();
    assert_eq!(paid.status.as_deref(), Some("successful"), "{paid:?}");
    let again = shop.create_payment(payment("crate-1", GOOD, None), Some("crate-payment-1")).await;
    assert_eq!(again.unwrap().uid, paid.uid);

    let made = shop.refund(refund(&paid.uid, 300), Some("crate-refund-1")).await.unwrap();
    assert_eq!((made.status.as_deref(), made.amount), (Some("successful"), Some(300)), "{made:?}");
    assert_eq!(made.parent_uid.as_deref(), Some(paid.uid.as_str()));
    let again = shop.refund(refund(&paid.uid, 300), Some("crate-refund-1")).await.unwrap();
    assert_eq!(again.uid, made.uid);
    no(shop.refund(refund(&paid.uid, 300), None).await, 400, "Duplicate transaction");
    assert_eq!(shop.get_transaction(&made.uid).await.unwrap().amount, Some(300));
    let found = shop.get_transaction_by_tracking_id("crate-1").await.unwrap();
    assert_eq!(found.uid, paid.uid);

    let apm = shop.apm_refund(by_apm(&paid.uid, Some(200)), Some("crate-refund-2")).await.unwrap();
    assert_eq!((apm.status.as_deref(), apm.amount), (Some("successful"), Some(200)), "{apm:?}");
    let uid = apm.uid.clone().unwrap();
    assert_eq!(shop.get_apm_refund(&uid).await.unwrap().uid, apm.uid);
    let shown = shop.get_apm_transaction(&uid).await.unwrap();
    assert_eq!(shown.status.as_deref(), Some("successful"));
    let listed = shop.get_apm_transactions_by_tracking_id("crate-1").await.unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
    let rest = shop.apm_full_refund(&paid.uid, "returned", Some(500), None).await.unwrap();
    assert_eq!(rest.amount, Some(500));

    let error = no(shop.refund(refund(&paid.uid, 1), None).await, 400, "can't be greater than");
    assert_eq!(error.code.as_deref(), Some("E.1025"), "{error:?}");
    assert!(error.errors.is_some_and(|errors| errors["amount"][0].is_string()));
    no(shop.apm_refund(by_apm(&paid.uid, Some(1)), None).await, 422, "can't be greater than");
    no(shop.get_transaction("2-00000fffff").await, 404, "Record not found");
    let wrong = payment("crate-2", "4242424242424242", None);
    no(shop.create_payment(wrong, None).await, 400, "not a test card");

    let task = shop.create_payment_async(payment("crate-3", GOOD, None), None).await.unwrap();
    assert_eq!(task.status.as_deref(), Some("processing"), "{task:?}");
    let status = shop.get_async_status(&task.status_url.unwrap()).await.unwrap();
    assert_eq!(status.status.as_deref(), Some("completed"), "{status:?}");
    let result = shop.get_async_result(&status.response_url.unwrap()).await.unwrap();
    assert_eq!(result.status.as_deref(), Some("successful"));

    let stranger = client("rfk_wrong");
    no(stranger.get_transaction("1-0000000001").await, 401, "Unauthorized");
}

/// What the client checks of a notification holds for ours.
#[tokio::test]
async fn a_notification_is_what_the_client_takes_for_one() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let told = format!("http://{}/told", listener.local_addr().unwrap());
    let shop = client(&key());
    let paid = payment("crate-4", GOOD, Some(told));
    let paid = shop.create_payment(paid, None).await.unwrap();
    let (head, body) = tokio::task::spawn_blocking(move || hear(&listener)).await.unwrap();
    let field = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    assert!(verify_webhook_auth(&field("authorization").unwrap(), "1", &key()));
    let endpoints = format!("{}/v1/webhook_endpoints", address());
    let list = reqwest::Client::new().get(endpoints).bearer_auth(key()).send().await.unwrap();
    let list: Value = list.json().await.unwrap();
    let public = list["data"][0]["public_key"].as_str().unwrap();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines(public));
    let signature = field("content-signature").unwrap();
    assert!(verify_webhook_signature(&pem, &signature, &body).unwrap());
    let mut altered = body.clone();
    altered.push(b' ');
    assert!(!verify_webhook_signature(&pem, &signature, &altered).unwrap());
    let told = parse_webhook(std::str::from_utf8(&body).unwrap()).unwrap().transaction;
    assert_eq!((told.uid, told.status.as_str()), (paid.uid, "successful"));
    assert_eq!((told.tx_type.as_str(), told.amount), ("payment", Some(1000)));
}

fn lines(base64: &str) -> String {
    let lines: Vec<&str> =
        base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    lines.join("\n")
}

/// One request, answered with 200: its head and its body.
fn hear(listener: &TcpListener) -> (String, Vec<u8>) {
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut bytes = Vec::new();
    let mut some = [0; 4096];
    loop {
        let count = stream.read(&mut some).unwrap();
        assert!(count > 0, "the request ends before its time");
        bytes.extend_from_slice(&some[..count]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
        });
        let body = &bytes[end + 4..];
        if body.len() == length.unwrap_or(0) {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
            return (head, body.to_vec());
        }
    }
}
