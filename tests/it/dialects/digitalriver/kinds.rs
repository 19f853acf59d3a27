//! What each kind of refund covers.

use serde_json::{Value, json};

use super::shop::{SKU, Shop, has};

/// A refund of the order, with these fields.
fn of(order: &str, fields: Value) -> Value {
    let mut body = json!({"orderId": order, "currency": "USD"});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

/// What is left of the order's item, and of the order.
async fn left(shop: &Shop, order: &str) -> (Value, Value) {
    let shown = shop.read(&format!("/orders/{order}")).await;
    let item = &shown["items"][0]["availableToRefundAmount"];
    (item.clone(), shown["availableToRefundAmount"].clone())
}

#[tokio::test]
async fn an_item_comes_with_its_tax() {
    let shop = Shop::open().await;
    let order = shop.order("1001").await;
    assert_eq!(left(&shop, &order).await, (json!(21.6), json!(30.58)));
    let one = of(&order, json!({"items": [{"skuId": SKU, "quantity": 1}]}));
    let refund = shop.refund(one).await;
    let item = format!("itm_{}_1", &order[4..]);
    let expected = json!([{"itemId": item, "skuId": SKU, "quantity": 1, "amount": 10.8,
                           "refundedAmount": 0.0}]);
    has(&refund, json!({"amount": 10.8, "items": expected}));
    shop.pay(&refund).await;
    assert_eq!(shop.again(&refund).await["items"][0]["refundedAmount"], json!(10.8));
    let rest = of(&order, json!({"items": [{"itemId": item, "percent": "100"}]}));
    assert_eq!(shop.refund(rest.clone()).await["amount"], json!(10.8));
    assert_eq!(left(&shop, &order).await, (json!(0.0), json!(8.98)));
    let message = "The requested refund amount is greater than the available amount.";
    shop.refused(rest, "invalid_parameter", "amountRequested", message).await;
}

#[tokio::test]
async fn an_item_by_amount_or_percent_is_bounded_by_what_is_left_of_it() {
    let shop = Shop::open().await;
    let order = shop.order("1001").await;
    let message = "The requested refund amount is greater than the available amount.";
    let over = of(&order, json!({"items": [{"skuId": SKU, "amount": 21.61}]}));
    shop.refused(over, "invalid_parameter", "amountRequested", message).await;
    let part = of(&order, json!({"items": [{"skuId": SKU, "quantity": "2", "amount": "5.40"}]}));
    let refund = shop.refund(part).await;
    has(&refund["items"][0], json!({"quantity": 2, "amount": 5.4}));
    let half = of(&order, json!({"items": [{"skuId": SKU, "percent": 50}]}));
    let refund = shop.refund(half).await;
    assert_eq!(refund["items"][0]["amount"], json!(8.1), "of the 16.20 that are left");
    let units = of(&order, json!({"items": [{"skuId": SKU, "quantity": 3}]}));
    shop.refused(units, "invalid_parameter", "items[0].quantity", "").await;
}

#[tokio::test]
async fn what_belongs_to_an_item_is_given_back_by_its_type() {
    let shop = Shop::open().await;
    let order = shop.order("1001").await;
    let items = json!({"items": [
        {"skuId": SKU, "type": "shipping"},
        {"skuId": SKU, "type": "fees", "amount": 0.5},
        {"skuId": SKU, "type": "duty", "percent": 50},
        {"skuId": SKU, "type": "sku", "amount": 1},
    ]});
    let refund = shop.refund(of(&order, items)).await;
    assert_eq!(refund["amount"], json!(8.98));
    let seen: Vec<_> = refund["items"].as_array().unwrap().iter().collect();
    let item = format!("itm_{}_1", &order[4..]);
    let expected = [("shipping", 6.48), ("fees", 0.5), ("duty", 1.0)];
    for (row, (kind, amount)) in seen.iter().zip(expected) {
        has(row, json!({"type": kind, "amount": amount, "itemId": item, "skuId": SKU}));
    }
    assert!(seen[3].get("type").is_none(), "a product has no type: {}", seen[3]);
}

#[tokio::test]
async fn a_part_of_the_order_is_given_back_with_the_tax_on_it() {
    let shop = Shop::open().await;
    let order = shop.order("1001").await;
    let half = of(&order, json!({"type": "shipping", "percent": 50}));
    let refund = shop.refund(half).await;
    has(&refund, json!({"type": "shipping", "amount": 3.24, "items": []}));
    let rest = of(&order, json!({"type": "shipping", "amount": 3.24}));
    shop.refund(rest.clone()).await;
    let message = "The requested refund amount is greater than the available amount.";
    shop.refused(rest, "invalid_parameter", "amountRequested", message).await;
    let duty = shop.refund(of(&order, json!({"type": "duty", "percent": 100}))).await;
    has(&duty, json!({"type": "duty", "amount": 2.0}));
    let fees = shop.refund(of(&order, json!({"type": "fees", "amount": "0.50"}))).await;
    assert!(fees.get("type").is_none(), "no public list has a word for it: {fees}");
    let goods = shop.refund(of(&order, json!({"type": "sku", "percent": 100}))).await;
    assert_eq!(goods["amount"], json!(21.6));
    assert_eq!(left(&shop, &order).await.1, json!(0.0));
}

#[tokio::test]
async fn tax_is_given_back_as_a_whole() {
    let shop = Shop::open().await;
    let order = shop.order("1001").await;
    let message = "Only full tax refunds are supported.";
    for part in [json!({"type": "tax", "percent": 99.99}), json!({"type": "tax", "amount": 2.07})] {
        shop.refused(of(&order, part), "invalid_parameter", "percentRequested", message).await;
    }
    let over = "The requested refund amount is greater than the available amount.";
    let more = of(&order, json!({"type": "tax", "amount": 2.09}));
    shop.refused(more, "invalid_parameter", "amountRequested", over).await;
    let importer = of(&order, json!({"type": "importer_tax", "percent": 100}));
    shop.refused(importer, "invalid_parameter", "type", "").await;
    let tax = shop.refund(of(&order, json!({"type": "tax", "amount": "2.08"}))).await;
    has(&tax, json!({"type": "tax", "amount": 2.08, "items": []}));
    let body = json!({
        "reference": "1002", "currency": "USD",
        "lines": [{"sku": SKU, "amount": "5.00"}, {"kind": "importer_tax", "amount": "1.00"}],
        "payments": [{"provider": "sandbox", "amount": "6.00"}],
    });
    let other = shop.site.post("/v1/orders", body).send().await.expect(201).id();
    let tax = shop.refund(of(&other, json!({"type": "importer_tax", "percent": 100}))).await;
    has(&tax, json!({"type": "importer_tax", "amount": 1.0}));
}

#[tokio::test]
async fn the_whole_order_is_given_back_by_percent_or_amount() {
    let shop = Shop::open().await;
    for (reference, whole) in
        [("1001", json!({"percent": 100})), ("1002", json!({"amount": 30.58}))]
    {
        let order = shop.order(reference).await;
        let refund = shop.refund(of(&order, whole)).await;
        has(&refund, json!({"amount": 30.58, "items": []}));
        shop.pay(&refund).await;
        let shown = shop.read(&format!("/orders/{order}")).await;
        let returned = json!({"state": "returned", "refundedAmount": 30.58,
                              "availableToRefundAmount": 0.0});
        has(&shown, returned);
    }
}

#[tokio::test]
async fn several_payments_are_given_back_together() {
    let shop = Shop::open().await;
    let body = json!({
        "currency": "USD", "lines": [{"sku": SKU, "amount": "10.00"}],
        "payments": [{"provider": "sandbox", "amount": "7.00", "provider_reference": "main"},
                     {"provider": "sandbox", "amount": "3.00", "provider_reference": "credit"}],
    });
    let order = shop.site.post("/v1/orders", body).send().await.expect(201).id();
    let refund = shop.refund(of(&order, json!({"amount": 8}))).await;
    shop.pay(&refund).await;
    let charges = shop.again(&refund).await["charges"].clone();
    let seen: Vec<_> = charges.as_array().unwrap().iter().collect();
    assert_eq!(seen.len(), 2);
    assert_eq!(
        (&seen[0]["sourceId"], &seen[0]["refunds"][0]["amount"]),
        (&json!("main"), &json!(7.0))
    );
    assert_eq!(
        (&seen[1]["sourceId"], &seen[1]["refunds"][0]["amount"]),
        (&json!("credit"), &json!(1.0))
    );
}
