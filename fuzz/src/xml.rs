//! Envelopes of IdoSell's older API: whatever comes, the answer is XML, and no fault of the server.
//! The first byte says which method; `LOGIN` stands for a login that is right.

use super::server::{Server, Who};

const METHODS: [&str; 9] = [
    "addAutomaticRefund",
    "addAutomaticRefundForOrder",
    "addManualRefund",
    "getPossibleAutoRefunds",
    "getRefundStatus",
    "updateRefund",
    "confirmRefund",
    "cancelRefund",
    "retrieveRefundsList",
];

pub fn check(server: &Server, input: &[u8]) {
    let Some((first, body)) = input.split_first() else { return };
    let method = METHODS[usize::from(*first) % METHODS.len()];
    let body = match std::str::from_utf8(body) {
        Ok(text) => text.replace("LOGIN", &server.login()).into_bytes(),
        Err(_) => body.to_vec(),
    };
    let path = format!("/api/?gate=refunds/{method}/192/soap");
    let (status, answer) = server.send("POST", &path, "text/xml; charset=utf-8", Who::Nobody, body);
    let text = String::from_utf8(answer).expect("the answer is UTF-8");
    let read = roxmltree::Document::parse(&text);
    assert!(read.is_ok(), "{method}: {status} {text}");
    assert!(!text.contains("Server</faultcode>"), "{method}: {status} {text}");
}
