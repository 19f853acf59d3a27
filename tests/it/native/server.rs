//! The server around the API: health, request ids, limits of connections, the end.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use refundry::testing::http::server::Drained;
use serde_json::json;
use tokio::task::spawn_blocking;

use crate::harness::faulty::Faulty;
use crate::harness::site::{Ask, Site};
use crate::harness::store::Home;

#[tokio::test]
async fn it_says_how_it_is() {
    let site = Site::start().await;
    let open = |path: &str| Ask::new(site.address, "GET", path);
    open("/healthz").send().await.expect(200);
    let ready = open("/readyz").send().await.expect(200).json();
    assert_eq!(ready, json!({"ready": true, "sending": "running"}));
    let order = site.order("20.00").await;
    site.refund(&order, "1.00").await;
    let more = json!({"order": order, "amount": "99"});
    site.post("/v1/refunds", more).once().send().await.expect(422);
    open(&format!("/v1/{order}/secret-path")).send().await.expect(404);
    let body = json!({"currency": "USD", "customer": {"reference": "c-7"},
        "lines": [{"amount": "20.00"}], "payments": [{"provider": "sandbox", "amount": "20.00"}]});
    let shopping = site.post("/v1/orders", body).send().await.expect(201).id();
    let credit = json!({"order": shopping, "amount": "5.00", "to": "store_credit"});
    site.post("/v1/refunds", credit).once().send().await.expect(201);
    let accounts = site.get("/v1/credit_accounts").send().await.expect(200).json();
    let account = accounts["data"][0]["id"].as_str().unwrap().to_owned();
    let spend = |amount: &str, key: &str| {
        let path = format!("/v1/credit_accounts/{account}/spend");
        site.post(&path, json!({"amount": amount})).under(key).send()
    };
    spend("2.00", "s1").await.expect(201);
    spend("2.00", "s1").await.expect(201);
    spend("9.00", "s2").await.expect(422);
    let metrics = open("/metrics").send().await.expect(200);
    let text = String::from_utf8(metrics.body.to_vec()).unwrap();
    for line in [
        "refundry_http_requests_total{method=\"POST\",route=\"/v1/refunds\",status=\"201\"} 2",
        "refundry_http_requests_total{method=\"POST\",route=\"/v1/refunds\",status=\"422\"} 1",
        "refundry_commands_total{verb=\"request_refund\",result=\"done\"} 2",
        "refundry_commands_total{verb=\"request_refund\",result=\"refused\"} 1",
        "refundry_commands_total{verb=\"spend_credit\",result=\"done\"} 1",
        "refundry_commands_total{verb=\"spend_credit\",result=\"replayed\"} 1",
        "refundry_commands_total{verb=\"spend_credit\",result=\"refused\"} 1",
        "refundry_refund_commands_total{verb=\"request_refund\",state=\"pending\"} 1",
        "refundry_queue_due{queue=\"pay\"} 1",
        "refundry_ready 1",
        "refundry_sending_stopped 0",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    }
    assert!(!text.contains(&order) && !text.contains("secret-path"), "{text}");
}

#[tokio::test]
async fn the_reference_is_served_and_loads_nothing_from_elsewhere() {
    let site = Site::start().await;
    let open = |path: &str| Ask::new(site.address, "GET", path);
    let reference = open("/openapi.json").send().await.expect(200);
    assert_eq!(reference.json()["openapi"], "3.1.0");
    open("/docs").send().await.expect(303);
    for path in ["/docs/", "/docs/errors", "/docs/swagger-ui.css", "/docs/swagger-initializer.js"] {
        let page = open(path).send().await.expect(200);
        assert!(page.header("content-security-policy").starts_with("default-src 'none'"), "{path}");
    }
    let page = open("/docs/").send().await;
    let text = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(!text.contains("//unpkg") && !text.contains("https://cdn"), "{text}");
    let errors = open("/docs/errors").send().await;
    let text = String::from_utf8(errors.body.to_vec()).unwrap();
    assert!(text.contains("<h3 id=\"more_than_is_left\">"), "{text}");
}

#[tokio::test]
async fn a_request_has_a_name() {
    let site = Site::start().await;
    let own = site.get("/v1/orders").header("x-request-id", "mine-1").send().await.expect(200);
    assert_eq!(own.header("x-request-id"), "mine-1");
    let first = site.get("/v1/orders").send().await.header("x-request-id").to_owned();
    let second = site.get("/nowhere").send().await.header("x-request-id").to_owned();
    assert!(!first.is_empty() && first != second);
    let long = "x".repeat(200);
    let answer = site.get("/v1/orders").header("x-request-id", &long).send().await;
    assert_ne!(answer.header("x-request-id"), long);
}

/// Sends bytes and reads until the server closes, which it does within a minute.
async fn raw(site: &Site, bytes: Vec<u8>) -> String {
    let address = site.address;
    let talk = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        // The server may close before it has read everything.
        let _ = stream.write_all(&bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    };
    spawn_blocking(talk).await.unwrap()
}

#[tokio::test]
async fn a_head_has_its_limits() {
    let site = Site::start().await;
    let many: String = (0..101).map(|number| format!("x-{number}: 1\r\n")).collect();
    let large = format!("x: {}\r\n", "a".repeat(20_000));
    for headers in [many, large] {
        let answer =
            raw(&site, format!("GET /healthz HTTP/1.1\r\n{headers}\r\n").into_bytes()).await;
        let size = headers.len();
        assert!(answer.starts_with("HTTP/1.1 431"), "{size} bytes of headers: {answer:?}");
    }
    let path = "a".repeat(20_000);
    let answer = raw(&site, format!("GET /{path} HTTP/1.1\r\n\r\n").into_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    let answer = raw(&site, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n".to_vec()).await;
    assert!(answer.starts_with("HTTP/1.1 400") || answer.is_empty(), "{answer}");
    Ask::new(site.address, "GET", "/healthz").send().await.expect(200);
}

/// What is being answered when the server is told to stop is answered.
#[tokio::test]
async fn the_end_waits_for_who_is_being_served() {
    let mut site = Site::start().await;
    let order = site.order("20.00").await;
    let body = json!({"order": order, "amount": "1.00"}).to_string();
    let head = format!(
        "POST /v1/refunds HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         idempotency-key: k\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         expect: 100-continue\r\n\r\n",
        site.key,
        body.len()
    );
    let address = site.address;
    let (idle, mut slow) = spawn_blocking(move || {
        let idle = TcpStream::connect(address).unwrap();
        let mut slow = TcpStream::connect(address).unwrap();
        slow.write_all(head.as_bytes()).unwrap();
        let mut begun = [0; 25];
        slow.read_exact(&mut begun).unwrap();
        assert!(begun.starts_with(b"HTTP/1.1 100"), "the handler waits for the body");
        (idle, slow)
    })
    .await
    .unwrap();
    site.begin_stop();
    let answer = spawn_blocking(move || {
        // The idle connection is closed at once, which shows that the end has begun.
        let mut idle = idle;
        idle.read_to_end(&mut Vec::new()).unwrap();
        slow.write_all(body.as_bytes()).unwrap();
        let mut answer = String::new();
        slow.read_to_string(&mut answer).unwrap();
        answer
    });
    let answer = answer.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let (drained, _) = site.stop().await;
    assert_eq!(drained, Drained::Clean);
}

#[tokio::test]
async fn a_bug_is_a_problem_and_not_the_end() {
    let site = Site::start().await;
    let answer = Ask::new(site.address, "GET", "/bug").send().await;
    let answer = answer.expect_problem(500, "internal");
    assert!(!String::from_utf8_lossy(&answer.body).contains("this is the bug"));
    assert!(!answer.header("x-request-id").is_empty());
    site.get("/v1/orders").send().await.expect(200);
}

/// Books that take no writes are said to be so, and nothing is acknowledged.
#[tokio::test]
async fn a_broken_disk_is_said_and_nothing_is_acknowledged() {
    let home = Home::new().await;
    let faulty = Faulty::over(home.store.clone());
    let site = Site::over(home, faulty.clone()).await;
    let order = site.order("20.00").await;
    faulty.break_disk();
    let body = json!({"order": order, "amount": "1.00"});
    let answer = site.post("/v1/refunds", body).once().send().await;
    let answer = answer.expect_problem(503, "writes_stopped");
    assert_eq!(answer.header("retry-after"), "30");
    assert!(!String::from_utf8_lossy(&answer.body).contains("the disk failed"));
    let ready = Ask::new(site.address, "GET", "/readyz").send().await.expect(503).json();
    assert_eq!((&ready["ready"], &ready["sending"]), (&json!(false), &json!("running")));
    assert!(ready["reason"].as_str().unwrap().contains("the disk failed"), "{ready}");
    Ask::new(site.address, "GET", "/healthz").send().await.expect(200);
    site.get(&format!("/v1/orders/{order}")).send().await.expect(200);
}
