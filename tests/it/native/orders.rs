//! Orders and payments.

use serde_json::json;

use crate::harness::site::Site;

#[tokio::test]
async fn an_order_is_registered_and_shown_with_its_balances() {
    let site = Site::start().await;
    let body = json!({
        "reference": "1001", "currency": "USD",
        "customer": {"reference": "c-7", "email": "ada@example.com"},
        "lines": [
            {"kind": "product", "sku": "sku_1", "quantity": 2, "amount": "19.98"},
            {"kind": "shipping", "amount": 5.00},
        ],
        "payments": [{"provider": "sandbox", "method": "card", "amount": "24.98",
                      "provider_reference": "ch_1"}],
        "metadata": {"channel": "web"},
    });
    let made = site.post("/v1/orders", body).send().await.expect(201);
    let order = made.json();
    let id = made.id();
    assert!(id.starts_with("ord_"), "{id}");
    assert_eq!(order["reference"], "1001");
    assert_eq!(order["created_at"], "2025-06-15T15:06:40.000Z");
    let balances = json!({"captured": "24.98", "held": "0.00", "refunded": "0.00",
                          "disputed": "0.00", "left": "24.98"});
    assert_eq!(order["balances"], balances);
    assert_eq!(order["lines"][1]["amount"], "5.00");
    assert_eq!(order["lines"][0]["left_quantity"], 2);
    assert_eq!(order["payments"][0]["provider_reference"], "ch_1");
    assert_eq!(order["metadata"], json!({"channel": "web"}));

    site.refund(&id, "9.99").await;
    let shown = site.get(&format!("/v1/orders/{id}")).send().await.expect(200).json();
    assert_eq!(shown["balances"]["held"], "9.99");
    assert_eq!(shown["balances"]["left"], "14.99");
    assert_eq!(shown["payments"][0]["left"], "14.99");

    let by_reference = site.get("/v1/orders?reference=1001").send().await.expect(200).json();
    assert_eq!(by_reference["data"][0]["id"], id);
    assert!(by_reference["data"][0].get("lines").is_none(), "a list shows orders in brief");
    let taken = site.post("/v1/orders", json!({"reference": "1001", "currency": "USD"}));
    let taken = taken.send().await.expect_problem(409, "reference_taken").at("/reference");
    assert!(taken.json()["detail"].as_str().unwrap().contains(&id), "says whose it is");
}

#[tokio::test]
async fn payments_are_recorded_authorized_and_captured() {
    let site = Site::start().await;
    let body = json!({"currency": "USD"});
    let order = site.post("/v1/orders", body).send().await.expect(201).id();
    let path = format!("/v1/orders/{order}/payments");
    let held = json!({"kind": "authorization", "provider": "sandbox", "amount": "50.00"});
    let authorization = site.post(&path, held).send().await.expect(201);
    assert_eq!(authorization.json()["captured"], "0.00");
    let capture = |amount: &str| {
        json!({"kind": "capture", "parent": authorization.id(), "provider": "sandbox",
               "amount": amount})
    };
    let captured = site.post(&path, capture("30.00")).send().await.expect(201).json();
    assert_eq!(captured["parent"], authorization.id());
    assert_eq!(captured["left"], "30.00");
    let more = site.post(&path, capture("20.01")).send().await;
    more.expect_problem(422, "more_than_authorized").at("/amount");
    let wrong = json!({"provider": "sandbox", "amount": "1.00", "parent": captured["id"]});
    let wrong = site.post(&path, wrong).send().await;
    wrong.expect_problem(422, "wrong_parent").at("/parent");
    let nobody = json!({"kind": "capture", "parent": "txn_999", "provider": "x", "amount": "1"});
    let nobody = site.post(&path, nobody).send().await;
    nobody.expect_problem(404, "payment_not_found").at("/parent");
    let refund = json!({"order": order, "amount": "1", "payment": authorization.id()});
    let refund = site.post("/v1/refunds", refund).once().send().await;
    refund.expect_problem(422, "payment_not_refundable").at("/payment");
    let list = site.get(&format!("/v1/transactions?order={order}&kind=capture,payment"));
    let list = list.send().await.expect(200).json();
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    let one = site.get(&format!("/v1/transactions/{}", authorization.id())).send().await;
    assert_eq!(one.expect(200).json()["kind"], "authorization");
}

#[tokio::test]
async fn an_order_is_fulfilled_disputed_and_annotated() {
    let site = Site::start().await;
    let order = site.order("40.00").await;
    let path = format!("/v1/orders/{order}");
    let payment = site.get(&path).send().await.json()["payments"][0]["id"].clone();
    let body = json!({"fulfilled": true, "dispute": {"payment": payment, "amount": "15.00"},
                      "metadata": {"a": "b"}});
    let changed = site.patch(&path, body).send().await.expect(200).json();
    assert_eq!(changed["fulfilled_at"], "2025-06-15T15:06:40.000Z");
    assert_eq!(changed["balances"]["disputed"], "15.00");
    assert_eq!(changed["balances"]["left"], "25.00");
    assert_eq!(changed["metadata"], json!({"a": "b"}));
    let more = json!({"order": order, "amount": "25.01"});
    let more = site.post("/v1/refunds", more).once().send().await;
    more.expect_problem(422, "more_than_is_left").at("/amount");
    let over = json!({"dispute": {"payment": payment, "amount": "40.01"}});
    let over = site.patch(&path, over).send().await;
    over.expect_problem(422, "more_than_is_left").at("/dispute/amount");
    let half = json!({"dispute": {"payment": payment}});
    let half = site.patch(&path, half).send().await;
    half.expect_problem(422, "field_missing").at("/dispute/amount");
    let over = json!({"dispute": {"payment": payment, "amount": null}});
    let over = site.patch(&path, over).send().await.expect(200).json();
    assert_eq!(over["balances"]["left"], "40.00");
    let events = site.get(&format!("{path}/events?oldest_first=true")).send().await.json();
    let names: Vec<&str> =
        events["data"].as_array().unwrap().iter().map(|e| e["type"].as_str().unwrap()).collect();
    let expected = [
        "order.registered",
        "payment.recorded",
        "order.updated",
        "order.updated",
        "order.dispute_changed",
        "order.dispute_changed",
    ];
    assert_eq!(names, expected);
    assert_eq!(events["data"][0]["subject"], order);
    assert_eq!(events["data"][0]["hash"].as_str().unwrap().len(), 64);
}

/// The split that is shown beforehand is the one that is then carried out.
#[tokio::test]
async fn what_is_refundable_is_shown_with_its_split() {
    let site = Site::start().await;
    let body = json!({"currency": "USD", "lines": [{"quantity": 1, "amount": "50.00"}],
        "payments": [{"provider": "sandbox", "amount": "20.00"},
                     {"provider": "elsewhere", "amount": "30.00"}]});
    let order = site.post("/v1/orders", body).send().await.expect(201).id();
    let path = format!("/v1/orders/{order}/refundable");
    let shown = site.get(&path).send().await.expect(200).json();
    assert_eq!(shown["left"], "50.00");
    assert_eq!(shown["split"], json!(null));
    let events = site.events().await;
    let split = site.get(&format!("{path}?amount=40")).send().await.expect(200).json();
    let split = split["split"].clone();
    assert_eq!(split["parts"][0]["amount"], "30.00");
    assert_eq!(split["parts"][0]["execution"], "notify");
    assert_eq!(split["parts"][1]["amount"], "10.00");
    assert_eq!(site.events().await, events, "a look writes nothing");
    let asked = json!({"order": order, "amount": "40"});
    let asked = site.post("/v1/refunds", asked).once().send().await.expect(201).json();
    for index in 0..2 {
        assert_eq!(asked["transactions"][index]["amount"], split["parts"][index]["amount"]);
        assert_eq!(asked["transactions"][index]["payment"], split["parts"][index]["payment"]);
    }
    let percent = site.get(&format!("{path}?percent=20")).send().await.expect(200).json();
    assert_eq!(percent["split"]["amount"], "10.00");
    let more = site.get(&format!("{path}?amount=10.01")).send().await;
    let more = more.expect_problem(422, "more_than_is_left");
    assert_eq!(more.json()["errors"][0]["parameter"], "amount");
    for query in ["amount=1&percent=1", "payment=txn_1", "amount=x", "percent=101", "to=moon"] {
        let answer = site.get(&format!("{path}?{query}")).send().await;
        answer.expect_problem(400, "query_invalid");
    }
}

#[tokio::test]
async fn lists_are_paged_both_ways() {
    let site = Site::start().await;
    let mut ids = Vec::new();
    for _ in 0..7 {
        ids.insert(0, site.order("1.00").await);
    }
    let ids_of = |list: &serde_json::Value| -> Vec<String> {
        let rows = list["data"].as_array().unwrap().iter();
        rows.map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    let mut seen = Vec::new();
    let mut path = "/v1/orders?limit=3".to_owned();
    loop {
        let page = site.get(&path).send().await.expect(200).json();
        seen.extend(ids_of(&page));
        if page["has_more"] == false {
            assert_eq!(page["next_cursor"], json!(null));
            break;
        }
        path = format!("/v1/orders?limit=3&after={}", page["next_cursor"].as_str().unwrap());
    }
    assert_eq!(seen, ids);
    let page = site.get(&format!("/v1/orders?limit=2&before={}", ids[4])).send().await.json();
    assert_eq!(ids_of(&page), ids[2..4]);
    assert_eq!(page["next_cursor"], ids[2]);
    let page = site.get(&format!("/v1/orders?limit=2&before={}", ids[2])).send().await.json();
    assert_eq!(ids_of(&page), ids[..2]);
    assert_eq!(page["has_more"], false);
}
