//! Braintree's GraphQL as far as refunds go. It pays whatever it is sent, keys or not.

use serde_json::{Value, json};

use crate::harness::provider::{Books, Call, Fate, Kept, Said, Speech};

pub struct Braintree;

fn object(row: &Kept) -> Value {
    let status = match row.fate {
        Fate::Pending => "SUBMITTED_FOR_SETTLEMENT",
        Fate::Paid => "SETTLED",
        Fate::Declined | Fate::Returned => "SETTLEMENT_DECLINED",
    };
    let value = if row.misstated { "10.01" } else { row.amount.as_str() };
    json!({"id": row.id, "orderId": row.key, "status": status,
        "amount": {"value": value, "currencyCode": row.currency}})
}

fn show(row: &Kept) -> Said {
    Said::Json(200, json!({"data": {"refundTransaction": {"refund": object(row)}}}))
}

fn fault(class: &str, code: Option<&str>) -> Said {
    let extensions = json!({"errorClass": class, "legacyCode": code});
    Said::Json(
        200,
        json!({"data": null,
        "errors": [{"message": "That is how it is.", "extensions": extensions}]}),
    )
}

impl Speech for Braintree {
    fn answer(&mut self, call: &Call, books: &mut Books) -> Said {
        assert_eq!(call.path, "/graphql");
        assert!(!call.header("braintree-version").is_empty());
        // Basic pub:priv
        if books.locked_out || call.header("authorization") != "Basic cHViOnByaXY=" {
            return Said::Json(401, json!({"errors": []}));
        }
        let ask = call.json();
        let query = ask["query"].as_str().unwrap();
        if query.contains("ping") {
            return Said::Json(200, json!({"data": {"ping": "pong"}}));
        }
        if query.starts_with("mutation") {
            let input = &ask["variables"]["input"];
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let (key, amount) =
                (text(&input["refund"]["orderId"]), text(&input["refund"]["amount"]));
            let payment = text(&input["transactionId"]);
            // Two of one key are two payouts here.
            assert!(!books.rows.iter().any(|row| row.key == key), "paid twice");
            let declined = fault("VALIDATION", Some("915201"));
            return books.pay(&key, &payment, (&amount, "EUR"), declined, show);
        }
        let id = ask["variables"]["id"].as_str().unwrap();
        if query.contains("on Transaction") {
            let rows = books.rows.iter().filter(|row| row.payment == id);
            let refunds: Vec<Value> = rows.map(object).collect();
            return Said::Json(200, json!({"data": {"node": {"refunds": refunds}}}));
        }
        let row = books.rows.iter().find(|row| row.id == id).unwrap();
        Said::Json(200, json!({"data": {"node": object(row)}}))
    }
}
