//! PayPal as far as refunds of captures go.

use serde_json::{Value, json};

use crate::harness::provider::{Books, Call, Fate, Kept, Said, Speech};

/// Hands out tokens by number, and takes only the newest.
#[derive(Default)]
pub struct Paypal {
    tokens: u32,
}

fn object(row: &Kept) -> Value {
    let (status, details) = match row.fate {
        Fate::Pending => ("PENDING", json!({"reason": "ECHECK"})),
        Fate::Paid => ("COMPLETED", Value::Null),
        Fate::Declined => ("FAILED", json!({"reason": "INSUFFICIENT_FUNDS"})),
        Fate::Returned => ("FAILED", Value::Null),
    };
    let value = if row.misstated { "10.01" } else { row.amount.as_str() };
    json!({"id": row.id, "status": status, "status_details": details, "custom_id": row.key,
        "amount": {"value": value, "currency_code": row.currency}})
}

fn show(row: &Kept) -> Said {
    Said::Json(201, object(row))
}

impl Speech for Paypal {
    fn answer(&mut self, call: &Call, books: &mut Books) -> Said {
        if call.path == "/v1/oauth2/token" {
            // Basic app:secret
            if books.locked_out || call.header("authorization") != "Basic YXBwOnNlY3JldA==" {
                return Said::Json(401, json!({"error": "invalid_client"}));
            }
            assert_eq!(&call.body[..], b"grant_type=client_credentials");
            self.tokens += 1;
            let token = format!("A21-{}", self.tokens);
            return Said::Json(200, json!({"access_token": token, "expires_in": 32400}));
        }
        let newest = format!("Bearer A21-{}", self.tokens);
        if books.locked_out || call.header("authorization") != newest {
            return Said::Json(401, json!({"name": "AUTHENTICATION_FAILURE"}));
        }
        if call.path == "/v1/notifications/verify-webhook-signature" {
            let asked = call.json();
            let signed = asked["transmission_sig"] == "good" && asked["webhook_id"] == "wh_1";
            // Only the body as it was sent is what was signed.
            let text = String::from_utf8(call.body.to_vec()).unwrap();
            let unaltered = text.contains("\"webhook_event\":{\"resource\":");
            let status = if signed && unaltered { "SUCCESS" } else { "FAILURE" };
            return Said::Json(200, json!({"verification_status": status}));
        }
        if call.method == "GET" {
            let id = call.path.strip_prefix("/v2/payments/refunds/").unwrap();
            let row = books.rows.iter().find(|row| row.id == id).unwrap();
            return Said::Json(200, object(row));
        }
        let payment = call.path.strip_prefix("/v2/payments/captures/").unwrap();
        let payment = payment.strip_suffix("/refund").unwrap();
        let ask = call.json();
        let key = call.header("paypal-request-id").to_owned();
        assert_eq!(ask["custom_id"], key);
        let text = |name: &str| ask["amount"][name].as_str().unwrap().to_owned();
        let declined = json!({"name": "UNPROCESSABLE_ENTITY", "message": "no", "details": [
            {"issue": "REFUND_FAILED_INSUFFICIENT_FUNDS", "description": "No funds."}]});
        let amount = (text("value"), text("currency_code"));
        books.pay(&key, payment, (&amount.0, &amount.1), Said::Json(422, declined), show)
    }
}
