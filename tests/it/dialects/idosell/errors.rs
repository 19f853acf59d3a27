//! Every fault code of the gate that this server has, where the contract lists it.

use refundry_domain::ids::MerchantId;
use refundry_domain::merchant::Scope;
use serde_json::{Value, json};

use super::shop::{Shop, declined, expect_error, expect_fault, paid, rest};

fn by(kind: &str, source: Value, payment: Value) -> Value {
    json!({"sourceType": kind, "sourceId": source, "paymentId": payment,
           "refundValue": 1, "refundCurrency": "PLN"})
}

fn manual(kind: &str, source: i64, value: &str) -> Value {
    json!({"sourceType": kind, "sourceId": source, "refundValue": value, "refundCurrency": "PLN",
           "refundDetails": {"paymentSystem": 27}})
}

#[tokio::test]
async fn a_source_that_is_none_is_said_as_each_method_says_it() {
    let shop = Shop::with_order().await;
    for (method, code) in [
        ("addAutomaticRefund", 4007),
        ("addManualRefund", 4007),
        ("getPossibleAutoRefunds", 4007),
        ("getRefundStatus", 4008),
        ("updateRefund", 4006),
        ("confirmRefund", 4007),
        ("cancelRefund", 3),
    ] {
        let mut params = by("return", json!(999), json!(1));
        params["refundDetails"] = json!({"paymentSystem": 27});
        shop.fault(method, params, code).await;
    }
    let params = by("order", json!(999), json!(1));
    shop.fault("addAutomaticRefundForOrder", params, 4008).await;
    for (method, code) in [
        ("addAutomaticRefund", 4005),
        ("addManualRefund", 4005),
        ("getPossibleAutoRefunds", 4005),
        ("getRefundStatus", 4005),
        ("updateRefund", 4005),
        ("confirmRefund", 4005),
        ("cancelRefund", 3),
        ("retrieveRefundsList", 4005),
    ] {
        for kind in ["ORDER", "shipment", ""] {
            shop.fault(method, by(kind, json!(1001), json!(1)), code).await;
        }
    }
    // Only returns and claims; and a payment that is none.
    shop.fault("addAutomaticRefund", by("order", json!(1001), json!(1)), 4005).await;
    for (method, code) in [
        ("addAutomaticRefundForOrder", 4008),
        ("getRefundStatus", 4008),
        ("updateRefund", 4018),
        ("confirmRefund", 4008),
        ("cancelRefund", 3),
    ] {
        for payment in [json!(7), json!("1001-7"), json!("1002-1"), json!("x")] {
            shop.fault(method, by("order", json!(1001), payment), code).await;
        }
    }
}

#[tokio::test]
async fn amounts_and_currencies_that_do_not_fit() {
    let shop = Shop::with_order().await;
    let order = |value: &str, currency: &str, payment: Value| {
        json!({"sourceId": 1001, "refundValue": value, "refundCurrency": currency,
               "paymentId": payment})
    };
    let method = "addAutomaticRefundForOrder";
    shop.fault(method, order("100.01", "PLN", json!(1)), 4003).await;
    shop.fault(method, order("123.46", "PLN", Value::Null), 4003).await;
    for currency in ["EUR", "pln", "zł", "XAU"] {
        shop.fault(method, order("1", currency, json!(1)), 4004).await;
        let mut params = manual("order", 1001, "1");
        params["refundCurrency"] = json!(currency);
        shop.fault("addManualRefund", params, 4004).await;
    }
    shop.automatic("1001", "10").await;
    let mut change = by("order", json!(1001), json!("1001-1"));
    change["refundCurrency"] = json!("EUR");
    shop.fault("updateRefund", change.clone(), 4004).await;
    change["refundCurrency"] = json!("PLN");
    change["refundValue"] = json!("123.46");
    shop.fault("updateRefund", change, 3).await;
    shop.fault("addManualRefund", manual("order", 1001, "113.46"), 3).await;
    shop.ok("addManualRefund", manual("order", 1001, "113.45")).await;
    shop.fault("addManualRefund", manual("order", 1001, "0.01"), 4009).await;
    for system in
        [json!(null), json!({}), json!({"paymentSystem": 75}), json!({"paymentFormId": 0})]
    {
        let mut params = manual("order", 1001, "1");
        params["refundDetails"] = system;
        shop.fault("addManualRefund", params, 4011).await;
    }
}

#[tokio::test]
async fn payments_that_no_gateway_gives_back() {
    let shop = Shop::open().await;
    let body = json!({"reference": "7", "currency": "PLN",
                      "lines": [{"sku": "hat", "quantity": 1, "amount": "10.00"}],
                      "payments": [{"provider": "cod", "amount": "10.00"}]});
    shop.site.post("/v1/orders", body).send().await.expect(201);
    let mut params = json!({"sourceId": 7, "refundValue": 1, "refundCurrency": "PLN"});
    shop.fault("addAutomaticRefundForOrder", params.clone(), 4001).await;
    params["paymentId"] = json!(1);
    shop.fault("addAutomaticRefundForOrder", params, 4002).await;
    shop.return_of("7", "return", "71", 1).await;
    let possible = |kind: &str, id: i64| json!({"sourceType": kind, "sourceId": id});
    for (kind, id) in [("order", 7), ("return", 71)] {
        let shown = shop.ok("getPossibleAutoRefunds", possible(kind, id)).await;
        assert_eq!(shown, json!({"results": []}));
    }
    shop.fault("addAutomaticRefund", possible("return", 71), 4008).await;
    let unpaid = json!({"reference": "8", "currency": "PLN",
                        "lines": [{"sku": "hat", "quantity": 1, "amount": "10.00"}]});
    shop.site.post("/v1/orders", unpaid).send().await.expect(201);
    shop.return_of("8", "return", "81", 1).await;
    let params = json!({"sourceId": 8, "refundValue": 1, "refundCurrency": "PLN"});
    shop.fault("addAutomaticRefundForOrder", params, 4001).await;
    shop.fault("addManualRefund", manual("order", 8, "1"), 4009).await;
    shop.fault("addAutomaticRefund", possible("return", 81), 4008).await;
}

#[tokio::test]
async fn a_return_that_gives_nothing_back() {
    let shop = Shop::with_order().await;
    shop.return_of("1001", "return", "501", 2).await;
    let path = "/v1/returns?reference=501";
    let found = shop.site.get(path).send().await.json()["data"][0]["id"].clone();
    let path = format!("/v1/returns/{}/close", found.as_str().unwrap());
    let body = json!({"state": "rejected"});
    shop.site.post(&path, body).send().await.expect(200);
    let by = |id: i64| json!({"sourceType": "return", "sourceId": id});
    shop.fault("addAutomaticRefund", by(501), 4018).await;
    shop.fault("getPossibleAutoRefunds", by(501), 4018).await;
    let body = json!({"order": {"reference": "1001"}, "reference": "502"});
    shop.site.post("/v1/returns", body).send().await.expect(201);
    shop.fault("addAutomaticRefund", by(502), 4018).await;
    assert_eq!(shop.ok("getPossibleAutoRefunds", by(502)).await, json!({"results": []}));
}

#[tokio::test]
async fn a_fulfilled_order_takes_no_automatic_refunds() {
    let shop = Shop::with_order().await;
    shop.automatic("1001", "10").await;
    shop.fulfil("1001").await;
    let params = json!({"sourceId": 1001, "refundValue": 1, "refundCurrency": "PLN"});
    shop.fault("addAutomaticRefundForOrder", params, 4014).await;
    let params = json!({"sourceId": 1001, "sourceType": "order"});
    shop.fault("getPossibleAutoRefunds", params, 4014).await;
    shop.fault("confirmRefund", by("order", json!(1001), json!(1)), 4014).await;
    // By hand it can still be paid, and what was proposed can be dropped.
    shop.ok("addManualRefund", manual("order", 1001, "1")).await;
    shop.ok("confirmRefund", by("order", json!(1001), json!(2))).await;
    shop.ok("cancelRefund", by("order", json!(1001), json!(1))).await;
}

#[tokio::test]
async fn what_is_decided_or_under_way_is_not_changed() {
    let shop = Shop::with_order().await;
    let one = |payment: i64| by("order", json!(1001), json!(format!("1001-{payment}")));
    let first = shop.automatic("1001", "1").await;
    shop.ok("confirmRefund", one(1)).await;
    // Confirmed, not handed over: it can still be called off.
    shop.fault("confirmRefund", one(1), 4012).await;
    shop.fault("updateRefund", one(1), 4013).await;
    shop.hand_over(first).await;
    shop.fault("confirmRefund", one(1), 4017).await;
    shop.fault("updateRefund", one(1), 4013).await;
    shop.fault("cancelRefund", one(1), 4019).await;
    shop.learn(first, &paid("x")).await;
    shop.fault("confirmRefund", one(1), 4012).await;
    shop.fault("cancelRefund", one(1), 4020).await;

    let second = shop.automatic("1001", "1").await;
    shop.ok("confirmRefund", one(2)).await;
    shop.ok("cancelRefund", one(2)).await;
    shop.fault("cancelRefund", one(2), 4020).await;
    shop.fault("confirmRefund", one(2), 3).await;
    assert_ne!(first, second);
    let third = shop.automatic("1001", "1").await;
    shop.ok("confirmRefund", one(3)).await;
    shop.hand_over(third).await;
    shop.learn(third, &declined()).await;
    shop.fault("cancelRefund", one(3), 4020).await;

    // A return's refund is what its goods cost.
    shop.return_of("1001", "return", "501", 1).await;
    shop.ok("addAutomaticRefund", json!({"sourceType": "return", "sourceId": 501})).await;
    shop.fault("updateRefund", by("return", json!(501), json!(1)), 4013).await;
}

#[tokio::test]
async fn what_the_policy_wants_approved_needs_a_key_that_may() {
    let shop = Shop::with_order().await;
    let body = json!({"approval": {"when": "always"}});
    shop.site.patch("/v1/settings", body).send().await.expect(200);
    shop.automatic("1001", "1").await;
    let one = by("order", json!(1001), json!(1));
    let key = shop.site.make_key(MerchantId(1), &[Scope::Read, Scope::Write], 1000).await;
    let answer = rest(&shop.site, "confirmRefund", &one).header("x-api-key", &key).send().await;
    assert!(expect_error(answer, 403).contains("approve"));
    shop.ok("confirmRefund", one).await;
}

/// Another merchant's rows are answered as if they were not there.
#[tokio::test]
async fn another_merchants_sources_are_unknown() {
    let shop = Shop::with_order().await;
    shop.return_of("1001", "return", "501", 1).await;
    let refund = shop.automatic("1001", "1").await;
    let other = shop.site.merchant("Other").await;
    let key = shop.site.make_key(other, &Scope::ALL, 1000).await;
    let events = shop.site.events().await;
    for (method, kind, source) in [
        ("addAutomaticRefund", "return", 501),
        ("addAutomaticRefundForOrder", "order", 1001),
        ("addManualRefund", "order", 1001),
        ("getPossibleAutoRefunds", "order", 1001),
        ("getRefundStatus", "order", 1001),
        ("updateRefund", "order", 1001),
        ("confirmRefund", "order", 1001),
        ("cancelRefund", "order", 1001),
    ] {
        let theirs = |source: i64| {
            let mut params = by(kind, json!(source), json!(refund));
            params["refundDetails"] = json!({"paymentSystem": 27});
            rest(&shop.site, method, &params).header("x-api-key", &key).send()
        };
        let (there, nowhere) = (theirs(source).await, theirs(424_242).await);
        assert_eq!(there.status, 207, "{method}");
        assert_eq!(there.body, nowhere.body, "{method}");
    }
    let list = rest(&shop.site, "retrieveRefundsList", &json!({"sourceType": "all"}));
    let list = list.header("x-api-key", &key).send().await.expect(200).json();
    assert_eq!(list["results"], json!([]));
    assert_eq!(shop.site.events().await, events, "something was written");
}

/// When the disk fails, it is the server's fault, in this API's words.
#[tokio::test]
async fn a_store_that_takes_no_writes_is_a_fault_of_the_server() {
    use crate::harness::faulty::Faulty;
    use crate::harness::site::Site;
    use crate::harness::store::Home;
    let home = Home::new().await;
    let store = Faulty::over(home.store.clone());
    let shop = Shop { site: Site::over(home, store.clone()).await };
    shop.order("1001").await;
    store.break_disk();
    let params = json!({"sourceId": 1001, "refundValue": 1, "refundCurrency": "PLN"});
    let answer = shop.call("addAutomaticRefundForOrder", params).send().await;
    expect_error(answer, 503);
    let list = json!({"sourceType": "all"});
    shop.ok("retrieveRefundsList", list).await;
    let fault = shop.call("getRefundStatus", by("order", json!(1001), json!(1))).send().await;
    expect_fault(fault, "getRefundStatus", 4008);
}
