//! CyberSource as far as refunds go. It pays whatever it is sent, keys or not.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac};
use serde_json::{Value, json};

use crate::harness::provider::{Books, Call, Fate, Kept, Said, Speech};

pub const SECRET: &str = "c2hhcmVkIHNlY3JldCBvZiB0aGUgdGVzdA==";

pub struct Cybersource;

fn object(row: &Kept) -> Value {
    let (status, error) = match row.fate {
        Fate::Pending => ("PENDING", Value::Null),
        Fate::Paid => ("TRANSMITTED", Value::Null),
        Fate::Declined => ("FAILED", json!({"reason": "INSUFFICIENT_FUND", "message": "No."})),
        Fate::Returned => ("FAILED", json!({"reason": "INVALID_ACCOUNT", "message": "Back."})),
    };
    let total = if row.misstated { "10.01" } else { row.amount.as_str() };
    json!({"id": row.id, "applicationInformation": {"status": status}, "errorInformation": error,
        "clientReferenceInformation": {"code": row.key},
        "orderInformation": {"amountDetails": {"totalAmount": total, "currency": row.currency}}})
}

/// As it is answered right away: most are only taken in, and transmitted later.
fn taken(row: &Kept) -> Said {
    let status = if row.fate == Fate::Paid { "TRANSMITTED" } else { "PENDING" };
    let amount = if row.misstated { "10.01" } else { row.amount.as_str() };
    Said::Json(
        201,
        json!({"id": row.id, "status": status,
        "refundAmountDetails": {"refundAmount": amount, "currency": row.currency},
        "clientReferenceInformation": {"code": row.key}}),
    )
}

fn is_signed(call: &Call) -> bool {
    let verb = call.method.to_lowercase();
    let mut text = format!(
        "host: {}\ndate: {}\n(request-target): {verb} {}\n",
        call.header("host"),
        call.header("date"),
        call.path
    );
    if !call.body.is_empty() {
        let sum = STANDARD.encode(digest::digest(&digest::SHA256, &call.body));
        assert_eq!(call.header("digest"), format!("SHA-256={sum}"));
        text.push_str(&format!("digest: SHA-256={sum}\n"));
    }
    text.push_str("v-c-merchant-id: shop_1");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(SECRET).unwrap());
    let tag = STANDARD.encode(hmac::sign(&key, text.as_bytes()));
    let signature = call.header("signature");
    signature.contains("keyid=\"key_1\"") && signature.ends_with(&format!("signature=\"{tag}\""))
}

impl Speech for Cybersource {
    fn answer(&mut self, call: &Call, books: &mut Books) -> Said {
        if books.locked_out || !is_signed(call) {
            return Said::Json(401, json!({"response": {"rmsg": "Authentication Failed"}}));
        }
        assert!(call.header("date").ends_with(" GMT"));
        if let Some(id) = call.path.strip_prefix("/tss/v2/transactions/") {
            return match books.rows.iter().find(|row| row.id == id) {
                Some(row) => Said::Json(200, object(row)),
                None => Said::Json(404, json!({"reason": "NOT_FOUND"})),
            };
        }
        let ask = call.json();
        if call.path == "/tss/v2/searches" {
            let query = ask["query"].as_str().unwrap();
            let key = query.strip_prefix("clientReferenceInformation.code:").unwrap();
            let rows = books.rows.iter().filter(|row| row.key == key);
            let rows: Vec<Value> = rows.map(object).collect();
            return Said::Json(
                201,
                json!({"totalCount": rows.len(),
                "_embedded": {"transactionSummaries": rows}}),
            );
        }
        let payment = call.path.strip_prefix("/pts/v2/payments/").unwrap();
        let payment = payment.strip_suffix("/refunds").unwrap();
        let key = ask["clientReferenceInformation"]["code"].as_str().unwrap().to_owned();
        assert!(!books.rows.iter().any(|row| row.key == key), "paid twice");
        let details = &ask["orderInformation"]["amountDetails"];
        let text = |name: &str| details[name].as_str().unwrap().to_owned();
        let declined = json!({"status": "INVALID_REQUEST", "reason": "INSUFFICIENT_FUND",
            "message": "No funds."});
        let amount = (text("totalAmount"), text("currency"));
        books.pay(&key, payment, (&amount.0, &amount.1), Said::Json(400, declined), taken)
    }
}
