use serde_json::{Value, json};

use super::{post, refused, shop};
use crate::harness::site::Site;
use crate::harness::whole::{KEY, Whole, basic};

fn card(number: &str) -> Value {
    json!({"amount": 1000, "currency": "BYN", "description": "A lamp", "tracking_id": "so-1;so-2",
        "test": true, "language": "en", "notification_url": "https://shop.example/told",
        "customer": {"first_name": "Ada", "last_name": "Byron", "email": "ada@example.com"},
        "credit_card": {"number": number, "verification_value": "123", "exp_month": "01",
            "exp_year": "2030", "holder": "Ada Byron"}})
}

#[tokio::test]
async fn a_sandbox_payment_is_the_parent_of_a_refund() {
    let site = Site::start().await;
    let paid = post(&site, "/transactions/payments", card("4200000000000000"));
    let paid = paid.send().await.expect(200).json()["transaction"].clone();
    assert_eq!(paid["status"], "successful");
    assert_eq!(paid["type"], "payment");
    assert_eq!(paid["amount"], 1000);
    assert_eq!(paid["currency"], "BYN");
    assert_eq!(paid["description"], "A lamp");
    assert_eq!(paid["test"], true);
    assert_eq!(paid["payment_method_type"], "credit_card");
    assert_eq!(paid["customer"]["first_name"], "Ada");
    assert_eq!(paid["customer"]["email"], "ada@example.com");
    assert!(
        paid["created_at"].as_str().unwrap().ends_with(".000Z")
            || paid["created_at"].as_str().unwrap().len() == 24
    );
    let uid = paid["uid"].as_str().unwrap();
    for name in ["so-1", "so-2"] {
        let found = shop(&site, "GET", &format!("/transactions/tracking_id/{name}")).send().await;
        assert_eq!(found.expect(200).json()["transaction"]["uid"], uid);
    }
    let request = json!({"parent_uid": uid, "reason": "r", "amount": 400});
    let refund = post(&site, "/transactions/refunds", request).send().await.expect(200).json();
    assert_eq!(refund["transaction"]["test"], true);
    assert_eq!(refund["transaction"]["parent_uid"], uid);
    let orders = site.get("/v1/orders").send().await.expect(200).json();
    let order = &orders["data"][0];
    assert_eq!(order["metadata"]["notification_url"], "https://shop.example/told");
    assert_eq!(order["customer"]["name"], "Ada Byron");
    // Nothing of the card is anywhere.
    assert!(!orders.to_string().contains("4200"));
}

#[tokio::test]
async fn the_test_cards_end_as_published() {
    let site = Site::start().await;
    for (number, status) in [
        ("9112300000000000", "successful"),
        ("4200 0000 0000 0000", "successful"),
        ("4005550000000019", "failed"),
        ("4012000000003010", "incomplete"),
    ] {
        let ask = post(&site, "/transactions/payment", card(number))
            .header("requestid", number.trim_end_matches(" 0000 0000 0000"));
        let made = ask.clone().send().await.expect(200);
        let shown = made.json()["transaction"].clone();
        assert_eq!(shown["status"], status);
        assert_eq!(shown["payment"]["status"], status);
        assert_eq!(shown["redirect_url"].is_string(), status == "incomplete");
        assert_eq!(shown["message"].is_null(), status == "incomplete");
        assert_eq!(shown["amount"], 1000);
        assert_eq!(ask.send().await.expect(200).body, made.body);
        let uid = shown["uid"].as_str().unwrap();
        let again = shop(&site, "GET", &format!("/transactions/{uid}")).send().await.expect(200);
        assert_eq!(again.body, made.body);
        let request = json!({"parent_uid": uid, "reason": "r", "amount": 1});
        let refund = post(&site, "/transactions/refunds", request).send().await;
        if status == "successful" {
            refund.expect(200);
        } else {
            refused(refund, 400, "/parent_uid", "transaction can't be refunded");
        }
    }
    let events = site.events().await;
    for number in ["4111111111111111", "4242424242424242", "", "x"] {
        let answer = post(&site, "/transactions/payments", card(number)).send().await;
        let body = refused(answer, 400, "/credit_card/number", "test card");
        assert!(!body.to_string().contains("4111111111111111"));
    }
    let mut none = card("");
    none["credit_card"] = json!({"token": "t"});
    let answer = post(&site, "/transactions/payments", none).send().await;
    refused(answer, 400, "/credit_card/number", "can't be blank");
    let body = refused(
        post(&site, "/transactions/payments", json!({})).send().await,
        400,
        "/amount",
        "can't be blank",
    );
    assert_eq!(body["errors"]["currency"], json!(["can't be blank"]));
    let mut wrong = card("4200000000000000");
    wrong["currency"] = json!("XXX");
    refused(post(&site, "/transactions/payments", wrong).send().await, 400, "/currency", "ISO");
    assert_eq!(site.events().await, events);
}

#[tokio::test]
async fn alternative_methods_are_paid_on_beyag() {
    let site = Site::start().await;
    let request = |amount: Value, method: &str| {
        json!({"amount": amount, "currency": "JPY", "description": "A lamp", "order_id": 4711,
            "method": {"type": method}})
    };
    for (path, amount, method, status) in [
        ("/beyag/transactions/payments", json!(9_999), "bogus", "successful"),
        ("/beyag/transactions/payment", json!(10_000), "bogus", "failed"),
        ("/beyag/transactions/payment", json!("20001"), "bogus", "successful"),
        ("/beyag/payments", json!(10_000), "erip", "successful"),
    ] {
        let made = post(&site, path, request(amount, method)).send().await.expect(200).json();
        let made = &made["transaction"];
        assert_eq!(made["status"], status);
        assert_eq!(made["method_type"], method);
        assert_eq!(made["order_id"], "4711");
        assert_eq!(made["tracking_id"], "4711");
    }
    let found = shop(&site, "GET", "/beyag/payments/?order_id=4711").send().await.expect(200);
    assert_eq!(found.json()["transaction"]["method_type"], "erip");
    shop(&site, "GET", "/beyag/payments?order_id=1").send().await.expect(404);
    shop(&site, "GET", "/beyag/payments").send().await.expect(404);
    let list = shop(&site, "GET", "/beyag/transactions/tracking_id/4711").send().await.json();
    assert_eq!(list["transactions"].as_array().unwrap().len(), 4);
    let none = json!({"amount": 1, "currency": "JPY", "description": "d"});
    let answer = post(&site, "/beyag/payments", none).send().await;
    refused(answer, 422, "/request/method/type", "is missing");
    // The vendor counts pataca in tenths.
    let pataca = json!({"amount": 105, "currency": "MOP", "description": "d",
        "method": {"type": "bogus"}});
    let made = post(&site, "/beyag/payments", pataca).send().await.expect(200).json();
    assert_eq!(made["transaction"]["amount"], 105);
    let orders = site.get("/v1/orders?limit=1").send().await.expect(200).json();
    assert_eq!(orders["data"][0]["balances"]["captured"], "10.50");
}

/// Without the sandbox there is no way to make up money that was paid.
#[tokio::test]
async fn without_the_sandbox_no_payment_is_made() {
    let whole = Whole::start(&[("REFUNDRY_SANDBOX_ENABLED", "false")]).await;
    for path in ["/transactions/payments", "/beyag/payments", "/async/transactions/payments"] {
        let body = json!({"request": card("4200000000000000")});
        let ask = whole.ask("POST", path).header("authorization", &basic("1", KEY)).json(&body);
        refused(ask.send().await, 422, "/base", "not supported");
    }
    whole.stop().await;
}
