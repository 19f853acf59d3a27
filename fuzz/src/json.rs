//! Requests with any body, to every public API: none of them finds the server at fault. The first
//! byte says which.

use super::server::{Server, Who};

const JSON: &str = "application/json";

/// `ORDER`, `ROW`, `WAITING` and `PAYMENT` stand for rows of the shop.
const CALLS: &[(&str, &str, &str, Who)] = &[
    ("POST", "/v1/orders", JSON, Who::Bearer),
    ("POST", "/v1/refunds", JSON, Who::Bearer),
    ("POST", "/v1/returns", JSON, Who::Bearer),
    ("PATCH", "/v1/orders/ORDER", JSON, Who::Bearer),
    ("POST", "/v1/orders/ORDER/payments", JSON, Who::Bearer),
    ("PATCH", "/v1/transactions/ROW", JSON, Who::Bearer),
    ("POST", "/v1/refunds/WAITING/information?dry_run=true", JSON, Who::Bearer),
    ("PATCH", "/v1/settings?dry_run=true", JSON, Who::Bearer),
    ("POST", "/v1/webhook_endpoints?dry_run=true", JSON, Who::Bearer),
    ("POST", "/v1/bulk", "application/x-ndjson", Who::Bearer),
    ("POST", "/v1/bulk?dry_run=true", "application/x-ndjson", Who::Bearer),
    ("PUT", "/transaction/PAYMENT", JSON, Who::ApiKey),
    ("POST", "/api/admin/v3/refunds/addManualRefund", JSON, Who::ApiKey),
    ("POST", "/api/admin/v3/refunds/addAutomaticRefundForOrder", JSON, Who::ApiKey),
    ("PUT", "/api/admin/v3/refunds/updateRefund", JSON, Who::ApiKey),
    ("POST", "/api/?gate=refunds/addManualRefund/192/json", JSON, Who::Nobody),
    ("POST", "/api/v4.1/return/501/transaction", JSON, Who::Fluent),
    ("POST", "/refunds", JSON, Who::Bearer),
    ("POST", "/returns", JSON, Who::Bearer),
    ("POST", "/orders/ORDER", JSON, Who::Bearer),
    ("POST", "/beyag/transactions/refunds", JSON, Who::Basic),
    ("POST", "/transactions/refunds", JSON, Who::Basic),
    ("POST", "/transactions/payments", JSON, Who::Basic),
    ("POST", "/oauth/token", "application/x-www-form-urlencoded", Who::Nobody),
    ("PUT", "/api/v4.1/return/501/transaction/PAYMENT", JSON, Who::Fluent),
    ("POST", "/api/v4.1/return", JSON, Who::Fluent),
    ("POST", "/api/admin/v3/refunds/addAutomaticRefund", JSON, Who::ApiKey),
    ("PUT", "/api/admin/v3/refunds/confirmRefund", JSON, Who::ApiKey),
    ("PUT", "/api/admin/v3/refunds/cancelRefund", JSON, Who::ApiKey),
    ("POST", "/refunds/WAITING", JSON, Who::Bearer),
    ("POST", "/digitalriver/webhooks", JSON, Who::Bearer),
    ("POST", "/webhook", JSON, Who::ApiKey),
    ("POST", "/beyag/transactions/payments", JSON, Who::Basic),
    ("POST", "/beyag/async/refunds", JSON, Who::Basic),
];

pub fn check(server: &Server, input: &[u8]) {
    let Some((first, body)) = input.split_first() else { return };
    let (method, path, kind, who) = CALLS[usize::from(*first) % CALLS.len()];
    let number = |id: &str| id.rsplit('_').next().unwrap_or_default().to_owned();
    let path = path
        .replace("ORDER", &server.order)
        .replace("ROW", &server.row)
        .replace("WAITING", &server.waiting)
        .replace("PAYMENT", &number(&server.row));
    let (status, answer) = server.send(method, &path, kind, who, body.to_vec());
    let text = String::from_utf8_lossy(&answer);
    assert!(!status.is_server_error(), "{method} {path}: {status} {text}");
    if !answer.is_empty() && kind == JSON {
        let read = serde_json::from_slice::<serde_json::Value>(&answer);
        assert!(read.is_ok(), "{method} {path}: {status} {text}");
    }
}
