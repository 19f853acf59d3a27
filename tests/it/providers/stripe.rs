//! Stripe as far as refunds go.

use serde_json::{Value, json};

use crate::harness::provider::{Books, Call, Fate, Kept, Said, Speech};

pub struct Stripe;

fn show(row: &Kept) -> Said {
    Said::Json(200, object(row))
}

fn object(row: &Kept) -> Value {
    let amount: i64 = row.amount.parse().unwrap();
    let (status, reason) = match row.fate {
        Fate::Pending => ("pending", Value::Null),
        Fate::Paid => ("succeeded", Value::Null),
        Fate::Declined => ("failed", json!("insufficient_funds")),
        Fate::Returned => ("failed", json!("expired_or_canceled_card")),
    };
    json!({
        "id": row.id, "object": "refund", "status": status, "failure_reason": reason,
        "amount": amount + i64::from(row.misstated), "currency": row.currency,
        "charge": row.payment, "metadata": {"refundry_key": row.key},
    })
}

impl Speech for Stripe {
    fn answer(&mut self, call: &Call, books: &mut Books) -> Said {
        if books.locked_out || call.header("authorization") != "Bearer sk_test_1" {
            let error = json!({"error": {"type": "invalid_request_error",
                "code": "api_key_expired", "message": "Expired API Key provided: sk_test_***"}});
            return Said::Json(401, error);
        }
        assert!(!call.header("stripe-version").is_empty());
        let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
        match (call.method.as_str(), path) {
            ("POST", "/v1/refunds") => {
                let text = String::from_utf8(call.body.to_vec()).unwrap();
                let field = |name: &str| {
                    let mut pairs = text.split('&').filter_map(|pair| pair.split_once('='));
                    pairs
                        .find(|(known, _)| *known == name)
                        .map_or("", |(_, value)| value)
                        .to_owned()
                };
                let key = call.header("idempotency-key").to_owned();
                assert_eq!(field("metadata[refundry_key]"), key);
                let declined = Said::Json(
                    402,
                    json!({"error": {"type": "card_error",
                    "code": "balance_insufficient", "message": "No funds."}}),
                );
                books.pay(&key, &field("charge"), (&field("amount"), "eur"), declined, show)
            }
            ("GET", "/v1/refunds") => {
                let payment = query.split('&').find_map(|pair| pair.strip_prefix("charge="));
                let rows = books.rows.iter().filter(|row| Some(row.payment.as_str()) == payment);
                let data: Vec<Value> = rows.map(object).collect();
                Said::Json(200, json!({"object": "list", "data": data, "has_more": false}))
            }
            ("GET", path) => {
                let id = path.rsplit('/').next().unwrap();
                show(books.rows.iter().find(|row| row.id == id).unwrap())
            }
            other => panic!("{other:?}"),
        }
    }
}
