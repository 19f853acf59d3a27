//! Lists of refunds: pages in both directions, and every filter.

use refundry_domain::outcome::FailureCode;
use serde_json::{Value, json};

use super::shop::{SKU, Shop, declined, id};

/// The ids of a list, and whether there are more.
async fn ids(shop: &Shop, query: &str) -> (Vec<String>, bool) {
    let shown = shop.read(&format!("/refunds?{query}")).await;
    let names = shown.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names, ["data", "hasMore"]);
    let data = shown["data"].as_array().unwrap();
    (data.iter().map(|row| id(row).to_owned()).collect(), shown["hasMore"].as_bool().unwrap())
}

#[tokio::test]
async fn pages_go_both_ways_newest_first() {
    let shop = Shop::open().await;
    let order = shop.paid("1001", "USD", "100.00", "card").await;
    let mut all = Vec::new();
    for _ in 0..12 {
        let refund = shop.refund(json!({"orderId": order, "currency": "USD", "amount": 1})).await;
        all.insert(0, id(&refund).to_owned());
    }
    assert_eq!(ids(&shop, "").await, (all[..10].to_vec(), true), "ten without a limit");
    let after = format!("limit=5&startingAfter={}", all[6]);
    assert_eq!(ids(&shop, &after).await, (all[7..].to_vec(), false));
    let before = format!("limit=3&endingBefore={}", all[6]);
    assert_eq!(ids(&shop, &before).await, (all[3..6].to_vec(), true));
    let both = format!("limit=3&startingAfter={}&endingBefore={}", all[9], all[6]);
    assert_eq!(ids(&shop, &both).await, (all[3..6].to_vec(), true), "endingBefore wins");
    let of_order = format!("limit=2&orderId=1001&startingAfter={}", all[2]);
    assert_eq!(ids(&shop, &of_order).await, (all[3..5].to_vec(), true));
}

struct Population {
    shop: Shop,
    order: String,
    refunds: Vec<Value>,
}

/// In dollars 1, 2 and 3, of which the second is paid and the third failed; 200 yen; and one that
/// waits for bank details, a minute later.
async fn population() -> Population {
    let shop = Shop::open().await;
    let order = shop.order("1001").await;
    let yen = shop.paid("1002", "JPY", "500", "card").await;
    let body = json!({"reference": "1003", "currency": "USD",
        "lines": [{"sku": "other", "amount": "5.00"}],
        "payments": [{"provider": "sandbox", "method": "voucher", "amount": "5.00"}]});
    let voucher = shop.site.post("/v1/orders", body).send().await.expect(201).id();
    let mut refunds = Vec::new();
    for (amount, reason) in [("1", "late"), ("2", "broken"), ("3", "late")] {
        let body = json!({"orderId": order, "currency": "USD", "amount": amount, "reason": reason});
        refunds.push(shop.refund(body).await);
    }
    shop.pay(&refunds[1]).await;
    shop.hand_over(&refunds[2]).await;
    shop.learn(&refunds[2], &declined(FailureCode::ExpiredOrCanceledCard)).await;
    refunds.push(shop.refund(json!({"orderId": yen, "currency": "JPY", "amount": 200})).await);
    shop.site.clock.advance_ms(60_500);
    refunds.push(shop.refund(json!({"orderId": voucher, "currency": "USD", "amount": 5})).await);
    Population { shop, order, refunds }
}

#[tokio::test]
async fn every_filter_finds_what_it_names() {
    let Population { shop, order, refunds } = population().await;
    let name = |at: usize| id(&refunds[at]).to_owned();
    let cases: Vec<(String, Vec<usize>)> = vec![
        ("state=pending".into(), vec![3, 0]),
        ("state=succeeded".into(), vec![1]),
        ("state=failed".into(), vec![2]),
        ("state=pending_information".into(), vec![4]),
        ("state=expired".into(), vec![]),
        (format!("ids={}&ids={}", name(0), name(3)), vec![3, 0]),
        (format!("ids={},{}&state=pending", name(0), name(1)), vec![0]),
        (format!("orderId={order}"), vec![2, 1, 0]),
        ("orderId=1001".into(), vec![2, 1, 0]),
        ("orderId=nobody".into(), vec![]),
        (format!("skuId={SKU}"), vec![3, 2, 1, 0]),
        ("skuId=other".into(), vec![4]),
        ("reason=late".into(), vec![2, 0]),
        ("reason=late&state=pending".into(), vec![0]),
        (format!("reason=late&orderId={order}"), vec![2, 0]),
        ("reason=Late".into(), vec![]),
        ("failureReason=expired_or_canceled_card".into(), vec![2]),
        ("failureReason=declined".into(), vec![]),
        ("failureReason=canceled".into(), vec![]),
        ("failureReason=expired_or_canceled_card&state=pending".into(), vec![]),
        ("failureReason=information_expired&state=failed".into(), vec![]),
        ("amount=2".into(), vec![1]),
        ("amount=2.00".into(), vec![1]),
        ("amount=2.001".into(), vec![]),
        ("amount[eq]=200".into(), vec![3]),
        ("amount[gt]=2".into(), vec![4, 3, 2]),
        ("amount[gte]=2".into(), vec![4, 3, 2, 1]),
        ("amount[lt]=2".into(), vec![0]),
        ("amount[lte]=2".into(), vec![1, 0]),
        ("amount[gt]=1.999&amount[lt]=3.5".into(), vec![2, 1]),
        (format!("amount[gte]=2&orderId={order}"), vec![2, 1]),
        ("amount[gte]=-5&amount[lt]=1e20".into(), vec![4, 3, 2, 1, 0]),
        ("refundedAmount[gt]=0".into(), vec![1]),
        ("refundedAmount=0".into(), vec![4, 3, 2, 0]),
        ("createdTime=2025-06-15T15:06:40Z".into(), vec![3, 2, 1, 0]),
        ("createdTime[gt]=2025-06-15T15:06:40Z".into(), vec![4]),
        ("createdTime[gte]=2025-06-15T15:07:40Z".into(), vec![4]),
        ("createdTime[lt]=2025-06-15T15:07:40Z".into(), vec![3, 2, 1, 0]),
        ("createdTime[lte]=2025-06-15T15:07:40Z".into(), vec![4, 3, 2, 1, 0]),
        ("createdTime[gt]=2025-06-15T15:07:40.499Z".into(), vec![4]),
        ("createdTime[gt]=2025-06-15T15:07:40.500Z".into(), vec![]),
        ("createdTime[gt]=2025-06-15T15:07:40Z".into(), vec![]),
    ];
    for (query, expected) in cases {
        let expected: Vec<String> = expected.into_iter().map(name).collect();
        assert_eq!(ids(&shop, &query).await, (expected, false), "{query}");
    }
    let paged = ids(&shop, &format!("reason=late&limit=1&startingAfter={}", name(2))).await;
    assert_eq!(paged, (vec![name(0)], false));
}

#[tokio::test]
async fn the_forms_of_the_contract_are_the_same_under_the_prefix() {
    let Population { shop, .. } = population().await;
    for path in ["/refunds?limit=3", "/events?limit=3", "/returns", "/webhooks"] {
        let prefixed = shop.get(&format!("/digitalriver{path}")).send().await.expect(200);
        assert_eq!(prefixed.body, shop.get(path).send().await.expect(200).body, "{path}");
    }
}
