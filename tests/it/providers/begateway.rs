//! beGateway's two APIs as far as refunds go.

use serde_json::{Value, json};

use crate::harness::provider::{Books, Call, Fate, Kept, Said, Speech};

pub struct Begateway {
    pub card: bool,
}

fn object(row: &Kept) -> Value {
    let amount: i64 = row.amount.parse().unwrap();
    let (status, code) = match row.fate {
        Fate::Pending => ("pending", "P.0001"),
        Fate::Paid => ("successful", "S.0000"),
        Fate::Declined => ("failed", "F.0114"),
        Fate::Returned => ("failed", "F.0105"),
    };
    json!({
        "uid": row.id, "parent_uid": row.payment, "type": "refund", "status": status,
        "code": code, "message": null, "amount": amount + i64::from(row.misstated),
        "currency": row.currency, "tracking_id": row.key,
        "refund": {"status": status, "ref_id": null, "message": format!("it is {status}")},
    })
}

fn show(row: &Kept) -> Said {
    Said::Json(200, json!({"transaction": object(row)}))
}

impl Speech for Begateway {
    fn answer(&mut self, call: &Call, books: &mut Books) -> Said {
        // Basic 361:secret
        if books.locked_out || call.header("authorization") != "Basic MzYxOnNlY3JldA==" {
            return Said::Json(401, json!({"message": "Unauthorized"}));
        }
        let (refunds, tracked, one) = if self.card {
            ("/transactions/refunds", "/v2/transactions/tracking_id/", "/transactions/")
        } else {
            let tracked = "/beyag/transactions/tracking_id/";
            ("/beyag/transactions/refunds", tracked, "/beyag/transactions/")
        };
        if call.method == "POST" {
            assert_eq!(call.path, refunds);
            let body = call.json();
            let request = &body["request"];
            let key = call.header("requestid").to_owned();
            assert_eq!(request["tracking_id"], key);
            assert_eq!(request.get("duplicate_check").is_some(), self.card);
            assert!(!request["reason"].as_str().unwrap().is_empty());
            let amount = request["amount"].as_i64().unwrap().to_string();
            let payment = request["parent_uid"].as_str().unwrap();
            let declined = Kept {
                id: "p-no".to_owned(),
                key: key.clone(),
                payment: payment.to_owned(),
                amount: amount.clone(),
                currency: "EUR".to_owned(),
                fate: Fate::Declined,
                misstated: false,
            };
            return books.pay(&key, payment, (&amount, "EUR"), show(&declined), show);
        }
        if let Some(key) = call.path.strip_prefix(tracked) {
            let rows: Vec<Value> =
                books.rows.iter().filter(|row| row.key == key).map(object).collect();
            return Said::Json(200, json!({"transactions": rows}));
        }
        let id = call.path.strip_prefix(one).unwrap();
        match books.rows.iter().find(|row| row.id == id) {
            Some(row) => show(row),
            None => Said::Json(404, json!({"message": "Not found."})),
        }
    }
}
