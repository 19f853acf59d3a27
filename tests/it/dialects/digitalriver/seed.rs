//! The examples of the vendor's own page, as they stand there.

use refundry_domain::outcome::FailureCode;
use serde_json::{Value, json};

use super::shop::{SKU, Shop, declined, expect_error, has, id};

const CREATE: &str = r#"{
  "orderId": "ord_5823594809",
  "invoiceId": "5823594809",
  "currency": "USD",
  "amount": 9.99,
  "percent": 100,
  "type": "shipping",
  "items": [
    [
      {
        "type": "sku",
        "skuId": "sku_9234276173",
        "quantity": 1,
        "amount": 5.95
      }
    ]
  ],
  "reason": "requested_by_customer",
  "metadata": {
    "coupon": "iOS"
  }
}"#;

const UPDATE: &str = r#"{
  "metadata": {
    "coupon": "iOS"
  }
}"#;

const REFUND: &str = r#"{
  "id": "ref_5823594809",
  "createdTime": "2025-05-09T06:13:00.679Z",
  "orderId": "ord_6645940010",
  "invoiceId": "5823594809",
  "currency": "USD",
  "type": "shipping",
  "amount": 9.99,
  "refundedAmount": 9.99,
  "items": [
    [
      {
        "type": "shipping",
        "skuId": "sku_9234276173",
        "quantity": 1,
        "amount": 5.95
      }
    ]
  ],
  "reason": "requested_by_customer",
  "failureReason": "expired_or_canceled_card",
  "state": "created",
  "tokenInformation": {
    "token": "bb3f0f17-567a-4c87-8cbd-76d93a750709",
    "expiresTime": "2025-05-09T06:13:00.679Z"
  },
  "expiresTime": "2025-05-09T06:13:00.679Z",
  "liveMode": false,
  "charges": [
    {
      "id": "c5b02ace-115d-4433-8841-8165d4c927a8",
      "captured": false,
      "refunded": false,
      "refunds": [
        {
          "createdTime": "2025-05-09T06:13:00.679Z",
          "amount": 42.95,
          "state": "complete"
        }
      ],
      "sourceId": "376e6777-d92b-4d35-a460-44f29327a18e"
    }
  ],
  "metadata": {
    "coupon": "iOS"
  }
}"#;

/// The example's order: one unit, and shipping for 5.95 that is for it.
async fn order(shop: &Shop) -> String {
    let body = json!({
        "reference": "ord_5823594809", "currency": "USD",
        "lines": [{"sku": SKU, "amount": "9.99"},
                  {"kind": "shipping", "for_line": 1, "amount": "5.95"}],
        "payments": [{"kind": "invoice_payment", "provider": "sandbox", "amount": "15.94",
                      "provider_reference": "5823594809"}],
    });
    shop.site.post("/v1/orders", body).send().await.expect(201).id()
}

/// The example without some of its fields.
fn without(names: &[&str]) -> Value {
    let mut body: Value = serde_json::from_str(CREATE).unwrap();
    for name in names {
        body.as_object_mut().unwrap().remove(*name).unwrap();
    }
    body
}

#[tokio::test]
async fn the_example_asks_for_three_things_at_once() {
    let shop = Shop::open().await;
    order(&shop).await;
    let events = shop.site.events().await;
    let answer = shop.get("/refunds").method("POST").raw("application/json", CREATE).send().await;
    let error = expect_error(answer, 400, "bad_request");
    assert_eq!(
        (&error["code"], &error["parameter"]),
        (&json!("invalid_parameter"), &json!("percent"))
    );
    assert_eq!(shop.site.events().await, events);
}

#[tokio::test]
async fn each_of_them_alone_is_answered_as_the_page_shows() {
    let shop = Shop::open().await;
    let order = order(&shop).await;
    let example: Value = serde_json::from_str(REFUND).unwrap();
    let answer = |refund: &Value| {
        for name in ["currency", "reason", "metadata", "liveMode", "invoiceId"] {
            assert_eq!(refund[name], example[name], "{name}: {refund}");
        }
        assert_eq!(refund["orderId"], order);
    };
    let nested = shop.refund(without(&["amount", "percent", "type"])).await;
    answer(&nested);
    has(&nested, json!({"amount": 5.95}));
    has(&nested["items"][0], json!({"skuId": SKU, "quantity": 1, "amount": 5.95}));
    let mut body = without(&["percent", "amount", "type"]);
    body["items"] = example["items"].clone();
    let shipping = shop.refund(body).await;
    answer(&shipping);
    assert_eq!(
        shipping["items"][0],
        json!({"type": "shipping", "itemId": item(&order),
        "skuId": SKU, "quantity": 1, "amount": 5.95, "refundedAmount": 0.0})
    );
    has(&shipping["items"][0], example["items"][0][0].clone());
    let other = Shop::open().await;
    self::order(&other).await;
    let amount = other.refund(without(&["percent", "items", "type"])).await;
    has(&amount, json!({"amount": 9.99, "items": []}));
    let percent = json!({"orderId": "ord_5823594809", "currency": "USD", "percent": 100});
    assert_eq!(other.refund(percent).await["amount"], json!(5.95));
}

fn item(order: &str) -> String {
    format!("itm_{}_1", &order[4..])
}

#[tokio::test]
async fn the_update_of_the_page_is_taken() {
    let shop = Shop::open().await;
    order(&shop).await;
    let refund = shop.refund(without(&["percent", "items", "type", "metadata"])).await;
    assert_eq!(refund["metadata"], json!({}));
    let path = format!("/refunds/{}", id(&refund));
    let ask = shop.get(&path).method("POST").raw("application/json", UPDATE);
    assert_eq!(ask.send().await.expect(200).json()["metadata"], json!({"coupon": "iOS"}));
}

#[tokio::test]
async fn every_field_of_the_page_is_answered_in_some_state() {
    let shop = Shop::open().await;
    order(&shop).await;
    let failed = shop.refund(without(&["items", "amount"])).await;
    shop.hand_over(&failed).await;
    shop.learn(&failed, &declined(FailureCode::ExpiredOrCanceledCard)).await;
    let voucher = shop.paid("1002", "USD", "5.00", "voucher").await;
    let waiting = shop.refund(json!({"orderId": voucher, "currency": "USD", "amount": 1})).await;
    let seen = [shop.again(&failed).await, shop.again(&waiting).await];
    let example: Value = serde_json::from_str(REFUND).unwrap();
    for name in example.as_object().unwrap().keys() {
        let there = seen.iter().any(|refund| refund.get(name).is_some());
        assert!(there, "{name}");
    }
    let charge = &seen[0]["charges"][0];
    for (name, value) in example["charges"][0].as_object().unwrap() {
        assert_eq!(charge[name].is_boolean(), value.is_boolean(), "{name} of {charge}");
    }
    has(&seen[0], json!({"type": "shipping", "failureReason": example["failureReason"]}));
}
