//! Afterpay as far as refunds go: they are carried out at once or not at all.

use serde_json::{Value, json};

use crate::harness::provider::{Books, Call, Kept, Said, Speech};

pub struct Afterpay;

fn object(row: &Kept) -> Value {
    let amount = if row.misstated { "10.01" } else { row.amount.as_str() };
    json!({"refundId": row.id, "refundedAt": "2026-01-01T00:00:00Z", "merchantReference": row.key,
        "refundMerchantReference": row.key, "amount": {"amount": amount, "currency": row.currency}})
}

fn show(row: &Kept) -> Said {
    Said::Json(201, object(row))
}

impl Speech for Afterpay {
    fn answer(&mut self, call: &Call, books: &mut Books) -> Said {
        // Basic 123:secret
        if books.locked_out || call.header("authorization") != "Basic MTIzOnNlY3JldA==" {
            let error = json!({"errorCode": "unauthorized", "message": "Credentials are required"});
            return Said::Json(401, error);
        }
        if call.path == "/v2/configuration" {
            return Said::Json(200, json!([]));
        }
        let payment = call.path.strip_prefix("/v2/payments/").unwrap();
        if call.method == "GET" {
            let rows = books.rows.iter().filter(|row| row.payment == payment);
            let refunds: Vec<Value> = rows.map(object).collect();
            return Said::Json(200, json!({"id": payment, "refunds": refunds}));
        }
        let ask = call.json();
        let key = ask["requestId"].as_str().unwrap().to_owned();
        let text = |name: &str| ask["amount"][name].as_str().unwrap().to_owned();
        let declined = json!({"errorCode": "precondition_failed", "message": "No refund."});
        let payment = payment.strip_suffix("/refund").unwrap();
        let amount = (text("amount"), text("currency"));
        books.pay(&key, payment, (&amount.0, &amount.1), Said::Json(412, declined), show)
    }
}
