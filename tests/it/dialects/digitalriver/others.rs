//! Orders, charges and returns, as far as refunds need them.

use serde_json::{Value, json};

use super::shop::{SKU, Shop, expect_error, has, id};

#[tokio::test]
async fn an_order_shows_what_can_be_given_back() {
    let shop = Shop::open().await;
    let order = shop.order("1001").await;
    let refund = shop.refund(json!({"orderId": order, "currency": "USD", "amount": 10})).await;
    shop.pay(&refund).await;
    let shown = shop.read(&format!("/orders/{order}")).await;
    let expected = json!({
        "id": order, "upstreamId": "1001", "currency": "USD", "customerId": "c-7",
        "email": "ada@example.com", "createdTime": "2025-06-15T15:06:40Z",
        "subtotal": 20.0, "totalShipping": 6.0, "totalTax": 2.08, "totalDuty": 2.0,
        "totalImporterTax": 0.0, "totalFees": 0.5, "totalAmount": 30.58,
        "capturedAmount": 30.58, "refundedAmount": 10.0, "availableToRefundAmount": 20.58,
        "state": "accepted", "liveMode": false, "metadata": {"channel": "web"},
    });
    has(&shown, expected);
    let item = json!([{"id": format!("itm_{}_1", &order[4..]), "skuId": SKU, "quantity": 2,
        "productDetails": {"name": "Hat"}, "amount": 20.0, "availableToRefundAmount": 21.6}]);
    assert_eq!(shown["items"], item);
    let charge = &shown["payment"]["charges"][0];
    has(&charge["refunds"][0], json!({"amount": 10.0, "state": "complete"}));
    for path in [format!("/orders/{order}?expand=true"), "/orders/1001".to_owned()] {
        assert_eq!(shop.read(&path).await, shown);
    }
    shop.site
        .patch(&format!("/v1/orders/{order}"), json!({"fulfilled": true}))
        .send()
        .await
        .expect(200);
    assert_eq!(shop.read("/orders/1001").await["state"], "complete");
}

#[tokio::test]
async fn an_order_takes_notes() {
    let shop = Shop::open().await;
    let order = shop.order("1001").await;
    let path = format!("/orders/{order}");
    let noted = shop.post(&path, json!({"metadata": {"a": false}})).send().await.expect(200).json();
    assert_eq!(noted["metadata"], json!({"a": "false"}));
    let same = shop.post(&path, json!({})).send().await.expect(200).json();
    assert_eq!(same, noted);
    let error =
        expect_error(shop.post(&path, json!({"email": "x"})).send().await, 400, "bad_request");
    assert_eq!(error["code"], "unknown_parameter");
}

#[tokio::test]
async fn a_charge_shows_its_captures_and_what_was_given_back() {
    let shop = Shop::open().await;
    let body = json!({"currency": "USD", "lines": [{"sku": SKU, "amount": "10.00"}],
        "payments": [{"kind": "authorization", "provider": "stripe", "amount": "10.00",
                      "provider_reference": "pi_1"}]});
    let order = shop.site.post("/v1/orders", body).send().await.expect(201).json();
    let authorization = order["payments"][0]["id"].as_str().unwrap().to_owned();
    let charge = authorization.replace("txn_", "ch_");
    let seen = shop.read(&format!("/charges/{charge}")).await;
    has(
        &seen,
        json!({"state": "capturable", "captured": false, "refunded": false,
                      "captures": [], "refunds": [], "liveMode": true}),
    );
    let capture = json!({"kind": "capture", "parent": authorization, "provider": "stripe",
                         "amount": "6.00", "provider_reference": "ch_x"});
    let path = format!("/v1/orders/{}/payments", id(&order));
    let captured = shop.post(&path, capture).once().send().await.expect(201).json();
    let refund = shop.refund(json!({"orderId": id(&order), "currency": "USD", "amount": 2})).await;
    let seen = shop.read(&format!("/charges/{charge}")).await;
    has(
        &seen,
        json!({"id": charge, "orderId": id(&order), "currency": "USD", "amount": 10.0,
               "state": "complete", "captured": true, "refunded": false, "sourceId": "pi_1"}),
    );
    has(&seen["captures"][0], json!({"amount": 6.0, "state": "complete"}));
    has(&seen["refunds"][0], json!({"amount": 2.0, "state": "pending"}));
    assert_eq!(shop.again(&refund).await["charges"][0]["id"], charge, "a capture is of its charge");
    let of_capture = format!("/charges/{}", id(&captured).replace("txn_", "ch_"));
    assert_eq!(shop.read(&of_capture).await, seen);
    let shown = shop.read(&format!("/v1/refunds/{}", id(&refund))).await;
    let back = id(&shown["transactions"][0]).replace("txn_", "ch_");
    expect_error(shop.get(&format!("/charges/{back}")).send().await, 404, "not_found");
}

/// A return of units of the order's item.
async fn returned(shop: &Shop, order: &str, units: u32) -> Value {
    let body = json!({"orderId": order, "reason": "The products are defective",
                      "items": [{"skuId": SKU, "quantity": units}],
                      "location": {"name": "Ada", "address": {"line1": "1 Way"}}});
    shop.post("/returns", body).send().await.expect(201).json()
}

#[tokio::test]
async fn a_return_that_is_accepted_gives_its_worth_back_once() {
    let shop = Shop::open().await;
    let order = shop.order("1001").await;
    let made = returned(&shop, &order, 1).await;
    let item = json!([{"itemId": format!("itm_{}_1", &order[4..]), "skuId": SKU, "amount": 10.0,
                       "quantity": 1, "quantityAccepted": 0, "state": "created"}]);
    has(
        &made,
        json!({"orderId": order, "currency": "USD", "items": item, "state": "created",
               "reason": "The products are defective", "liveMode": false, "metadata": {}}),
    );
    let path = format!("/returns/{}", id(&made));
    assert_eq!(shop.read(&path).await, made);
    assert_eq!(shop.read("/returns?state=created").await["data"], json!([made]));
    let accept = json!({"state": "accepted"});
    let asks: Vec<_> = (0..4).map(|_| shop.post(&path, accept.clone()).send()).collect();
    for answer in futures_util::future::join_all(asks).await {
        if answer.status == 409 {
            // Somebody else was accepting it just then.
            let error = expect_error(answer, 409, "conflict");
            assert!(error["message"].as_str().unwrap().contains("being accepted"), "{error}");
        } else {
            has(&answer.expect(200).json(), json!({"state": "accepted"}));
        }
    }
    let accepted = shop.post(&path, accept).send().await.expect(200).json();
    has(&accepted["items"][0], json!({"state": "accepted", "quantityAccepted": 1}));
    let refunds = shop.read(&format!("/refunds?orderId={order}")).await;
    assert_eq!(refunds["data"].as_array().unwrap().len(), 1, "{refunds}");
    has(&refunds["data"][0], json!({"amount": 10.8, "reason": "The products are defective"}));
    let noted = json!({"metadata": {"box": 7}});
    let noted = shop.post(&path, noted).send().await.expect(200).json();
    has(&noted, json!({"state": "accepted", "metadata": {"box": "7"}}));
    let answer = shop.post(&path, json!({"state": "failed"})).send().await;
    assert_eq!(expect_error(answer, 400, "bad_request")["parameter"], "state");
}

#[tokio::test]
async fn a_return_that_cannot_be_refunded_is_not_accepted() {
    let shop = Shop::open().await;
    let order = shop.order("1001").await;
    let made = returned(&shop, &order, 2).await;
    let all = json!({"orderId": order, "currency": "USD", "amount": 30});
    let all = shop.refund(all).await;
    let path = format!("/returns/{}", id(&made));
    let accept = json!({"state": "accepted"});
    for _ in 0..2 {
        let answer = shop.post(&path, accept.clone()).send().await;
        assert_eq!(expect_error(answer, 400, "bad_request")["parameter"], "amountRequested");
        assert_eq!(shop.read(&path).await["state"], "created");
    }
    let cancel = format!("/v1/refunds/{}/cancel", id(&all));
    shop.post(&cancel, json!({})).send().await.expect(200);
    // The no was not kept: it is asked again, and once for all who ask.
    let asks: Vec<_> = (0..4).map(|_| shop.post(&path, accept.clone()).send()).collect();
    for answer in futures_util::future::join_all(asks).await {
        if answer.status == 409 {
            expect_error(answer, 409, "conflict");
        } else {
            has(&answer.expect(200).json(), json!({"state": "accepted"}));
        }
    }
    let accepted = shop.post(&path, accept).send().await.expect(200).json();
    assert_eq!(accepted["state"], "accepted");
    let refunds = shop.read(&format!("/refunds?orderId={order}")).await;
    assert_eq!(refunds["data"].as_array().unwrap().len(), 2, "{refunds}");
    let close = json!({"state": "rejected"});
    let other = returned(&shop, &order, 1).await;
    let close_path = format!("/v1/returns/{}/close", id(&other));
    shop.post(&close_path, close).send().await.expect(200);
    let answer = shop.post(&format!("/returns/{}", id(&other)), json!({"state": "accepted"}));
    expect_error(answer.send().await, 409, "conflict");
}

#[tokio::test]
async fn a_return_has_no_more_units_than_were_ordered() {
    let shop = Shop::open().await;
    let order = shop.order("1001").await;
    let body = json!({"orderId": order, "items": [{"skuId": SKU, "quantity": 3}]});
    let error = expect_error(shop.post("/returns", body).send().await, 409, "conflict");
    let expected = json!({"code": "quantity_too_large", "parameter": "items[0].qty",
                          "message": "Return quantity is larger than order quantity"});
    assert_eq!(error, expected);
    let whole = json!({"orderId": "1001", "items": [[{"skuId": SKU}]]});
    let made = shop.post("/returns", whole).under("r1").send().await.expect(201);
    assert_eq!(made.json()["items"][0]["quantity"], 2, "left out, all of them");
    let unknown = json!({"orderId": "nobody", "items": [{"skuId": SKU}]});
    expect_error(shop.post("/returns", unknown).send().await, 404, "not_found");
}
