//! A merchant's own service, as docs/reference/http-gateway.md has it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};

use crate::harness::provider::{Books, Call, Fate, Kept, Said, Speech};

pub const SECRET: &str = "d2hhdGV2ZXIgaXQgaXMsIGl0IGlzIGxvbmcgZW5vdWdo";

pub struct Http;

/// The signature over an id, a time and a body.
pub fn signature(id: &str, time: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(SECRET).unwrap());
    let tag = hmac::sign(&key, format!("{id}.{time}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(tag))
}

fn object(row: &Kept) -> Value {
    let (status, code) = match row.fate {
        Fate::Pending => ("pending", Value::Null),
        Fate::Paid => ("succeeded", Value::Null),
        Fate::Declined => ("failed", json!("insufficient_funds")),
        Fate::Returned => ("failed", json!("account_closed")),
    };
    let amount = if row.misstated { "10.01".to_owned() } else { row.amount.clone() };
    json!({"status": status, "reference": row.id, "amount": amount,
        "currency": row.currency, "code": code, "message": "as it is"})
}

fn show(row: &Kept) -> Said {
    Said::Json(200, object(row))
}

impl Speech for Http {
    fn answer(&mut self, call: &Call, books: &mut Books) -> Said {
        let id = call.header("webhook-id").to_owned();
        let body = String::from_utf8(call.body.to_vec()).unwrap();
        let expected = signature(&id, call.header("webhook-timestamp"), &body);
        if books.locked_out || call.header("webhook-signature") != expected {
            return Said::Json(401, json!({"error": "signature"}));
        }
        if call.method == "GET" {
            let key = call.path.rsplit('/').next().unwrap();
            return match books.rows.iter().find(|row| row.key == key) {
                Some(row) => show(row),
                None => Said::Json(404, json!({"status": "unknown"})),
            };
        }
        let ask = call.json();
        assert_eq!(ask["id"], id);
        assert_eq!(ask["provider"], "http");
        let text = |name: &str| ask[name].as_str().unwrap().to_owned();
        let declined = json!({"status": "failed", "code": "insufficient_funds", "message": "no"});
        let (payment, amount) = (text("payment_reference"), text("amount"));
        books.pay(&id, &payment, (&amount, &text("currency")), Said::Json(200, declined), show)
    }
}
