//! A merchant's own service, as docs/reference/http-gateway.md has it.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use ring::hmac;
use serde_json::{Value, json};

use crate::harness::provider::{Books, Call, Fate, Kept, Said, Speech};

pub const SECRET: &str = "d2hhdGV2ZXIgaXQgaXMsIGl0IGlzIGxvbmcgZW5vdWdo";

/// Keeps the customers' accounts that it was sent, and says them again wherever it can.
#[derive(Default)]
pub struct Http {
    pub accounts: Arc<Mutex<Vec<Value>>>,
}

/// The account in every way in which a careless service may repeat it.
fn echo(account: &Value) -> String {
    let part = |name: &str| account[name].as_str().unwrap_or_default().to_owned();
    let (iban, holder) = (part("iban"), part("account_holder"));
    let letters: Vec<char> = iban.chars().collect();
    let spaced: Vec<String> = letters.chunks(4).map(|four| four.iter().collect()).collect();
    let spaced = spaced.join(" ").to_lowercase();
    let bare = iban.get(4..).unwrap_or_default();
    let bic = part("bic");
    format!("to {iban} ({spaced}; {bare}) of {holder}, {}, at {bic}", holder.to_uppercase())
}

/// The signature over an id, a time and a body.
pub fn signature(id: &str, time: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(SECRET).unwrap());
    let tag = hmac::sign(&key, format!("{id}.{time}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(tag))
}

fn object(row: &Kept, text: &str) -> Value {
    let (status, code) = match row.fate {
        Fate::Pending => ("pending", Value::Null),
        Fate::Paid => ("succeeded", Value::Null),
        Fate::Declined => ("failed", json!("insufficient_funds")),
        Fate::Returned => ("failed", json!("account_closed")),
    };
    let amount = if row.misstated { "10.01".to_owned() } else { row.amount.clone() };
    json!({"status": status, "reference": row.id, "amount": amount,
        "currency": row.currency, "code": code, "message": text})
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
                Some(row) => Said::Json(200, object(row, &self.text())),
                None => Said::Json(404, json!({"status": "unknown"})),
            };
        }
        let ask = call.json();
        assert_eq!(ask["id"], id);
        assert_eq!(ask["provider"], "http");
        let text = |name: &str| ask[name].as_str().unwrap().to_owned();
        let (payment, amount) = (text("payment_reference"), text("amount"));
        if ask["bank_account"].is_object() {
            self.accounts.lock().push(ask["bank_account"].clone());
        }
        let declined = json!({"status": "failed", "code": "insufficient_funds",
            "message": self.text()});
        let said = self.text();
        let show = |row: &Kept| Said::Json(200, object(row, &said));
        let declined = Said::Json(200, declined);
        match books.pay(&id, &payment, (&amount, &text("currency")), declined, show) {
            // As a framework shows what it was asked when it breaks.
            Said::Json(500, _) => Said::Json(500, json!({"asked": ask, "text": said})),
            said => said,
        }
    }
}

impl Http {
    fn text(&self) -> String {
        self.accounts.lock().last().map_or_else(|| "as it is".to_owned(), echo)
    }
}
