use serde_json::{Value, json};

use super::{parent, post, refused, shop};
use crate::harness::site::Site;

const EXAMPLE: &str = r#"{
  "request":{
    "parent_uid":"1-310b0da80b",
    "reason":"reason",
    "amount": 50
  }
}"#;

const EXAMPLE_ANSWER: &str = r#"{
  "transaction": {
    "uid": "2-310b0da80b",
    "parent_uid": "1-310b0da80b",
    "type": "refund",
    "status": "successful",
    "message": "The operation was successfully processed",
    "created_at": "2014-06-11T12:04:59+03:00",
    "updated_at": "2014-06-11T12:04:59+03:00",
    "amount": 50,
    "currency": "USD",
    "test": false,
    "method_type": ":method_name",
    "receipt_url": "https://demo-backoffice.begateway.com/customer/transactions/2-310b0da80b/11443f39ae75aa1f955a9c9283cd5045bfb0413b65d666f834a9da4e7d3926b5",
    "refund": {
      "message": "The operation was successfully processed",
      "ref_id": "8889999",
      "status": "successful"
    }
  }
}"#;

/// The published request, and every field of the published answer.
#[tokio::test]
async fn the_published_example_is_answered_as_published() {
    let site = Site::start().await;
    let uid = parent(&site, "10.00").await;
    let body = EXAMPLE.replace("1-310b0da80b", &uid);
    let ask = shop(&site, "POST", "/beyag/transactions/refunds").raw("application/json", body);
    let answer = ask.send().await.expect(200).json();
    let expected: Value = serde_json::from_str(EXAMPLE_ANSWER).unwrap();
    let (answer, expected) = (&answer["transaction"], &expected["transaction"]);
    for (name, value) in expected.as_object().unwrap() {
        assert!(!answer[name].is_null() || value.is_null(), "{name} of {answer}");
        assert_eq!(
            std::mem::discriminant(&answer[name]),
            std::mem::discriminant(value),
            "{name} of {answer}"
        );
    }
    for name in ["type", "amount", "currency"] {
        assert_eq!(answer[name], expected[name], "{name}");
    }
    assert_eq!(answer["parent_uid"], uid);
    assert_eq!(answer["reason"], "reason");
    assert_eq!(answer["id"], answer["uid"]);
    // No worker runs here, so the provider has not answered.
    assert_eq!(answer["status"], "pending");
    assert_eq!(answer["refund"]["status"], "pending");
    assert!(answer["refund"]["ref_id"].is_null());
    assert_eq!(answer["method_type"], "credit_card");
    assert_eq!(answer["test"], true);
    let refund = answer["uid"].as_str().unwrap();
    assert!(refund.starts_with("2-") && refund.len() == 12, "{refund}");
    let receipt = answer["receipt_url"].as_str().unwrap();
    let (address, token) = receipt.rsplit_once('/').unwrap();
    assert!(address.ends_with(&format!("/customer/transactions/{refund}")), "{receipt}");
    assert_eq!(token.len(), 64);
    let time = answer["created_at"].as_str().unwrap();
    assert!(time.len() == 20 && time.ends_with('Z'), "{time}");
}

/// Each spelling is the same operation, and each query finds it.
#[tokio::test]
async fn every_path_is_served() {
    let site = Site::start().await;
    let uid = parent(&site, "100.00").await;
    let request = json!({"parent_uid": uid, "reason": "r", "amount": 7, "duplicate_check": false});
    for prefix in ["", "/begateway"] {
        for path in [
            "/beyag/transactions/refunds",
            "/beyag/transactions/refund",
            "/beyag/refunds",
            "/transactions/refunds",
            "/transactions/refund",
        ] {
            for end in ["", "/"] {
                let path = format!("{prefix}{path}{end}");
                let answer = post(&site, &path, request.clone()).send().await.expect(200).json();
                let refund = answer["transaction"]["uid"].as_str().unwrap().to_owned();
                for query in [
                    format!("/beyag/transactions/{refund}"),
                    format!("/beyag/refunds/{refund}"),
                    format!("/transactions/{refund}/"),
                ] {
                    let shown = shop(&site, "GET", &format!("{prefix}{query}")).send().await;
                    let shown = shown.expect(200).json();
                    assert_eq!(shown["transaction"]["uid"], refund.as_str(), "{query}");
                    assert_eq!(shown["transaction"]["amount"], 7);
                }
            }
        }
    }
    for query in ["/beyag/transactions/", "/beyag/payments/", "/transactions/"] {
        let shown = shop(&site, "GET", &format!("{query}{uid}")).send().await.expect(200).json();
        assert_eq!(shown["transaction"]["type"], "payment");
        assert_eq!(shown["transaction"]["payment"]["status"], "successful");
        assert_eq!(shown["transaction"]["amount"], 10_000);
    }
    let other = shop(&site, "GET", &format!("/beyag/refunds/{uid}")).send().await;
    assert_eq!(other.expect(404).json()["message"], "Not found.");
    // It is one ledger: the native API shows all twenty.
    let list = site.get("/v1/refunds?limit=100").send().await.expect(200).json();
    assert_eq!(list["data"].as_array().unwrap().len(), 20);
}

#[tokio::test]
async fn without_an_amount_beyag_gives_back_the_rest() {
    let site = Site::start().await;
    let uid = parent(&site, "10.00").await;
    let request = json!({"parent_uid": uid, "reason": "r", "amount": 250});
    post(&site, "/beyag/transactions/refunds", request).send().await.expect(200);
    let rest = json!({"parent_uid": uid, "reason": "r"});
    let answer = post(&site, "/beyag/transactions/refunds", rest.clone()).send().await.expect(200);
    assert_eq!(answer.json()["transaction"]["amount"], 750);
    let events = site.events().await;
    let answer = post(&site, "/beyag/transactions/refunds", rest.clone()).send().await;
    refused(answer, 422, "/amount", "can't be greater than 0");
    let body = refused(
        post(&site, "/transactions/refunds", rest).send().await,
        400,
        "/amount",
        "can't be blank",
    );
    assert_eq!(body["message"], "Amount can't be blank.");
    assert_eq!(site.events().await, events);
}

#[tokio::test]
async fn what_is_refused_is_refused_in_each_apis_way() {
    let site = Site::start().await;
    let uid = parent(&site, "10.00").await;
    let events = site.events().await;
    let (beyag, card) = ("/beyag/transactions/refunds", "/transactions/refunds");
    let request = json!({"parent_uid": uid, "reason": "r", "amount": 1001});
    let more = "Amount can't be greater than 10.00 USD";
    refused(post(&site, beyag, request.clone()).send().await, 422, "/amount", more);
    refused(post(&site, card, request.clone()).send().await, 400, "/amount", more);
    let flat = post(&site, card, request).header("X-API-VERSION", "3").send().await;
    let body = refused(flat, 400, "/amount", more);
    assert_eq!(body["code"], "E.1025");
    assert_eq!(body["friendly_message"], body["message"]);

    for unknown in ["1-00000fffff", "1-310b0da80b", "2-0000000001", "nonsense", "1-0000000001"] {
        let request = json!({"parent_uid": unknown, "reason": "r", "amount": 1});
        for (path, status) in [(beyag, 422), (card, 400)] {
            let answer = post(&site, path, request.clone()).send().await;
            refused(answer, status, "/parent_uid", "Parent transaction is not found");
        }
    }
    let request = json!({"parent_uid": uid, "reason": null, "amount": 1});
    let body = refused(post(&site, card, request).send().await, 400, "/reason", "can't be blank");
    assert_eq!(body["message"], "Reason can't be blank.");
    let body = refused(
        post(&site, beyag, json!({"amount": 1})).send().await,
        422,
        "/request/parent_uid",
        "is missing",
    );
    assert_eq!(body["message"], "Unprocessable entity");
    assert_eq!(body["errors"]["request"]["reason"], json!(["is missing"]));
    let long = json!({"parent_uid": uid, "reason": "x".repeat(256), "amount": 1});
    refused(post(&site, card, long.clone()).send().await, 400, "/reason", "255");
    post(&site, beyag, long).send().await.expect(200);
    assert!(site.events().await > events);

    let body = json!({"currency": "USD", "payments": [
        {"kind": "authorization", "provider": "sandbox", "amount": "5.00"}]});
    let order = site.post("/v1/orders", body).send().await.expect(201).id();
    let held = super::uid_of_payment(&site, &order).await;
    let request = json!({"parent_uid": held, "reason": "r", "amount": 1});
    let answer = post(&site, card, request).send().await;
    refused(answer, 400, "/parent_uid", "transaction can't be refunded");
}

#[tokio::test]
async fn the_clients_own_names_are_kept_and_found() {
    let site = Site::start().await;
    let uid = parent(&site, "10.00").await;
    let mut refunds = Vec::new();
    for (amount, names) in [(1, "a;b"), (2, "b"), (3, "c")] {
        let request = json!({
            "parent_uid": uid, "reason": "r", "amount": amount, "tracking_id": names,
            "additional_data": {"referer": "https://shop.example/"}, "language": "pl",
            "notification_url": "https://shop.example/told",
        });
        let made = post(&site, "/beyag/transactions/refunds", request).send().await.expect(200);
        let made = made.json()["transaction"].clone();
        assert_eq!(made["tracking_id"], names);
        assert_eq!(made["language"], "pl");
        assert_eq!(made["additional_data"]["referer"], "https://shop.example/");
        refunds.push(made["uid"].as_str().unwrap().to_owned());
    }
    for (name, expected) in
        [("a", vec![0]), ("b", vec![1, 0]), ("c", vec![2]), ("a%3Bb", vec![0]), ("d", vec![])]
    {
        let expected: Vec<&str> = expected.into_iter().map(|at: usize| &*refunds[at]).collect();
        for path in ["/beyag/transactions/tracking_id", "/v2/transactions/tracking_id"] {
            let list = shop(&site, "GET", &format!("{path}/{name}")).send().await.expect(200);
            let list = list.json();
            let found = list["transactions"].as_array().unwrap().iter();
            let found: Vec<&str> = found.map(|row| row["uid"].as_str().unwrap()).collect();
            assert_eq!(found, expected, "{path}/{name}");
        }
        let first = shop(&site, "GET", &format!("/transactions/tracking_id/{name}")).send().await;
        match expected.first() {
            Some(uid) => assert_eq!(first.expect(200).json()["transaction"]["uid"], *uid),
            None => assert_eq!(first.expect(404).json()["message"], "Record not found"),
        }
    }
    let list = site.get("/v1/refunds").send().await.expect(200).json();
    assert_eq!(list["data"][0]["metadata"]["notification_url"], "https://shop.example/told");
    // The card API's list has the ten newest, beyag's a hundred.
    for amount in 10..22 {
        let request = json!({"parent_uid": uid, "reason": "r", "amount": amount,
            "tracking_id": "many"});
        post(&site, "/beyag/refunds", request).send().await.expect(200);
    }
    for (path, count) in [("/beyag", 12), ("/v2", 10)] {
        let path = format!("{path}/transactions/tracking_id/many");
        let list = shop(&site, "GET", &path).send().await.expect(200).json();
        assert_eq!(list["transactions"].as_array().unwrap().len(), count);
        assert_eq!(list["transactions"][0]["amount"], 21);
    }
}

/// A payment that another API registered is found by the shop's number of its order.
#[tokio::test]
async fn an_order_of_another_api_is_found_by_its_reference() {
    let site = Site::start().await;
    let body = json!({"reference": "SO-7", "currency": "JPY", "payments": [
        {"provider": "acme", "method": "erip", "amount": "300", "provider_reference": "e-1"}]});
    site.post("/v1/orders", body).send().await.expect(201);
    let list = shop(&site, "GET", "/beyag/transactions/tracking_id/SO-7").send().await.json();
    let payment = &list["transactions"][0];
    assert_eq!(payment["tracking_id"], "SO-7");
    assert_eq!(payment["amount"], 300);
    assert_eq!(payment["method_type"], "erip");
    assert_eq!(payment["test"], false);
    assert_eq!(payment["payment"]["ref_id"], "e-1");
    let uid = payment["uid"].as_str().unwrap();
    // Its provider has no gateway, so somebody outside is told, and reports.
    let request = json!({"parent_uid": uid, "reason": "r", "amount": 100});
    let made = post(&site, "/beyag/refunds", request).send().await.expect(200).json();
    assert_eq!(made["transaction"]["status"], "pending");
    let refund = made["transaction"]["uid"].as_str().unwrap();
    let number = i64::from_str_radix(&refund[2..], 16).unwrap();
    let done = json!({"state": "succeeded", "provider_reference": "e-2"});
    site.patch(&format!("/v1/transactions/txn_{number}"), done).send().await.expect(200);
    let shown = shop(&site, "GET", &format!("/beyag/refunds/{refund}")).send().await.json();
    assert_eq!(shown["transaction"]["status"], "successful");
    assert_eq!(shown["transaction"]["refund"]["ref_id"], "e-2");
    assert!(shown["transaction"]["paid_at"].is_string());
}
