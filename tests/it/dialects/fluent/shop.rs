//! A shop with an order and a return, and the calls that a Fluent client makes of it.

use serde_json::{Value, json};

use crate::harness::site::{Answer, Ask, Site};

/// The path of the return's transactions.
pub const TRANSACTIONS: &str = "/api/v4.1/return/16567/transaction";

pub struct Shop {
    pub site: Site,
    pub token: String,
}

impl Shop {
    /// The order 1001 of 159.90 AUD, 100.00 of it paid with PayPal, the rest by card in the
    /// sandbox; and its return 16567.
    pub async fn open() -> Shop {
        Shop::over(Site::start().await).await
    }

    pub async fn over(site: Site) -> Shop {
        let token = token_of(&site, "1", &site.key).await;
        let shop = Shop { site, token };
        shop.order("1001").await;
        shop.return_of("1001", "16567").await;
        shop
    }

    pub async fn order(&self, reference: &str) -> String {
        let body = json!({
            "reference": reference, "currency": "AUD",
            "lines": [{"sku": "hat", "quantity": 2, "amount": "159.90"}],
            "payments": [
                {"provider": "paypal", "method": "paypal", "amount": "100.00"},
                {"provider": "sandbox", "method": "card", "amount": "59.90"},
            ],
        });
        self.site.post("/v1/orders", body).send().await.expect(201).id()
    }

    /// The id that `/v1` has for it.
    pub async fn return_of(&self, order: &str, reference: &str) -> String {
        let body = json!({"order": {"reference": order}, "kind": "return", "reference": reference});
        self.site.post("/v1/returns", body).send().await.expect(201).id()
    }

    /// The id of the return that the shop begins with, in `/v1`.
    pub async fn return_id(&self) -> String {
        let found = self.site.get("/v1/returns?reference=16567").send().await.expect(200).json();
        found["data"][0]["id"].as_str().unwrap().to_owned()
    }

    pub fn call(&self, method: &str, path: &str) -> Ask {
        Ask::new(self.site.address, method, path).key(&self.token)
    }

    pub fn get(&self, path: &str) -> Ask {
        self.call("GET", path)
    }

    pub fn post(&self, path: &str, body: &Value) -> Ask {
        self.call("POST", path).json(body)
    }

    pub fn put(&self, path: &str, body: &Value) -> Ask {
        self.call("PUT", path).json(body)
    }

    /// Records a transaction of the return, and answers its number.
    pub async fn record(&self, body: &Value) -> String {
        self.post(TRANSACTIONS, body).send().await.expect(200).id()
    }

    pub async fn show(&self, number: &str) -> Value {
        self.get(&format!("{TRANSACTIONS}/{number}")).send().await.expect(200).json()
    }

    pub async fn list(&self) -> Vec<Value> {
        let list = self.get(TRANSACTIONS).send().await.expect(200).json();
        assert_eq!(list["total"], list["transactions"].as_array().unwrap().len());
        list["transactions"].as_array().unwrap().clone()
    }

    /// The order as `/v1` shows it.
    pub async fn order_now(&self) -> Value {
        let found = self.site.get("/v1/orders?reference=1001").send().await.expect(200).json();
        let id = found["data"][0]["id"].as_str().unwrap();
        self.site.get(&format!("/v1/orders/{id}")).send().await.expect(200).json()
    }

    /// A refund of the return that Refundry carries out; answers the refund as `/v1` shows it.
    pub async fn refund(&self, mut body: Value) -> Value {
        body["order"] = json!({"reference": "1001"});
        body["return"] = json!(self.return_id().await);
        self.site.post("/v1/refunds", body).once().send().await.expect(201).json()
    }

    /// The call is refused with this status, in this API's shape, and nothing is written.
    pub async fn refused(&self, ask: Ask, status: u16) -> String {
        let events = self.site.events().await;
        let message = expect_error(ask.send().await, status);
        assert_eq!(self.site.events().await, events, "something was written");
        message
    }
}

/// A body that records a transaction, as the contract's own sample with its comma put in.
pub fn sample() -> Value {
    json!({
        "transactionRef": "123",
        "transactionType": "REFUND",
        "amount": 100,
        "currency": "AUD",
        "paymentProvider": "PAYPAL",
        "paymentMethod": "PAYPAL",
        "cardType": null,
        "transactionCode": 2344,
        "transactionNote": "Huge Transaction"
    })
}

/// The sample with other values.
pub fn changed(pairs: &[(&str, Value)]) -> Value {
    let mut body = sample();
    for (name, value) in pairs {
        body[*name] = value.clone();
    }
    body
}

pub fn token_call(site: &Site, params: &[(&str, &str)]) -> Ask {
    let body = form(params);
    Ask::new(site.address, "POST", "/oauth/token")
        .raw("application/x-www-form-urlencoded", body.into_bytes())
}

/// None of the values in these tests has a character that needs to be written otherwise.
pub fn form(params: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

pub async fn token_of(site: &Site, client: &str, key: &str) -> String {
    let params =
        [("grant_type", "client_credentials"), ("client_id", client), ("client_secret", key)];
    let answer = token_call(site, &params).send().await.expect(200).json();
    answer["access_token"].as_str().unwrap().to_owned()
}

/// `{"error":[{"message":…,"code":…}]}`, with the contract's word for the code.
#[track_caller]
pub fn expect_error(answer: Answer, status: u16) -> String {
    let answer = answer.expect(status);
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(answer.body.len() < 2_000, "the error repeats what was sent");
    let body = answer.json();
    let errors = body["error"].as_array().unwrap();
    assert_eq!((body.as_object().unwrap().len(), errors.len()), (1, 1), "{body}");
    assert_eq!(errors[0]["code"], status.to_string(), "{body}");
    let word = match status {
        400 => "Bad Request: ",
        401 => "Unauthorized: ",
        403 => "Forbidden: ",
        404 => "Not Found: ",
        405 => "Method Not Allowed: ",
        429 => "Too Many Requests: ",
        500 => "Status 500 Error: ",
        other => panic!("{other} is no status of this API"),
    };
    let message = errors[0]["message"].as_str().unwrap();
    message.strip_prefix(word).unwrap_or_else(|| panic!("{message}")).to_owned()
}
