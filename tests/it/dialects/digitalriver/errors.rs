//! Every error of the contract, in its words.

use refundry_domain::ids::MerchantId;
use refundry_domain::merchant::Scope;
use serde_json::{Value, json};

use super::shop::{SKU, Shop, expect_error, id};
use crate::harness::faulty::Faulty;
use crate::harness::site::Site;
use crate::harness::store::Home;

const MORE: &str = "The requested refund amount is greater than the available amount.";

#[tokio::test]
async fn each_rule_says_no_in_the_words_of_this_api() {
    let shop = Shop::open().await;
    let order = shop.order("1001").await;
    let with = |fields: Value| {
        let mut body = json!({"orderId": order, "currency": "USD"});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        body
    };
    let item = |fields: Value| {
        let mut item = json!({"skuId": SKU});
        item.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        with(json!({"items": [item]}))
    };
    let long = "x".repeat(65);
    let euro = "Currency EUR is not supported.";
    let missing = "A parameter is missing.";
    let cases = [
        (with(json!({"amount": 30.59})), "invalid_parameter", "amountRequested", MORE),
        (with(json!({"amount": 1, "currency": "EUR"})), "invalid_parameter", "currency", euro),
        (json!({"orderId": order, "amount": 1}), "missing_parameter", "currency", missing),
        (
            json!({"orderId": order, "amount": 1, "currency": null}),
            "missing_parameter",
            "currency",
            missing,
        ),
        (json!({"amount": 1, "currency": "USD"}), "missing_parameter", "orderId", missing),
        (with(json!({})), "missing_parameter", "amount", missing),
        (with(json!({"items": []})), "missing_parameter", "amount", missing),
        (with(json!({"items": [{}]})), "missing_parameter", "items[0].itemId", missing),
        (
            with(json!({"amount": 1, "x": 2})),
            "unknown_parameter",
            "x",
            "'x' is an unknown parameter.",
        ),
        (item(json!({"colour": 1})), "unknown_parameter", "items[0].colour", ""),
        (with(json!({"amount": 1, "percent": 1})), "invalid_parameter", "percent", ""),
        (with(json!({"amount": 1, "items": [{"skuId": SKU}]})), "invalid_parameter", "items", ""),
        (
            with(json!({"type": "shipping", "items": [{"skuId": SKU}]})),
            "invalid_parameter",
            "type",
            "",
        ),
        (with(json!({"amount": 1, "type": "gift"})), "invalid_parameter", "type", ""),
        (item(json!({"type": "gift"})), "invalid_parameter", "items[0].type", ""),
        (item(json!({"type": "importer_tax"})), "invalid_parameter", "items[0].type", ""),
        (with(json!({"amount": 0})), "invalid_amount", "amount", ""),
        (with(json!({"amount": -1})), "invalid_amount", "amount", ""),
        (with(json!({"amount": 0.001})), "invalid_amount", "amount", ""),
        (with(json!({"amount": "9999999999999999"})), "amount_too_large", "amount", ""),
        (with(json!({"percent": 0})), "invalid_parameter", "percent", ""),
        (with(json!({"percent": 100.01})), "invalid_parameter", "percent", ""),
        (item(json!({"amount": 21.61})), "invalid_parameter", "amountRequested", MORE),
        (item(json!({"amount": 0})), "invalid_amount", "items[0].amount", ""),
        (item(json!({"quantity": 3})), "invalid_parameter", "items[0].quantity", ""),
        (item(json!({"quantity": 0})), "invalid_quantity_amount", "items[0].quantity", ""),
        (item(json!({"quantity": 1.5})), "invalid_integer", "items[0].quantity", ""),
        (
            item(json!({"quantity": 1, "type": "duty"})),
            "invalid_parameter",
            "items[0].quantity",
            "",
        ),
        (item(json!({"amount": 1, "percent": 1})), "invalid_parameter", "items[0].percent", ""),
        (with(json!({"items": [{"skuId": "no"}]})), "invalid_parameter", "items[0].skuId", ""),
        (
            with(json!({"items": [{"itemId": "itm_9_1"}]})),
            "invalid_parameter",
            "items[0].itemId",
            "",
        ),
        (with(json!({"items": [{"itemId": "9"}]})), "invalid_parameter", "items[0].itemId", ""),
        (with(json!({"amount": 1, "reason": long})), "invalid_parameter", "reason", ""),
    ];
    for (body, code, parameter, message) in cases {
        shop.refused(body, code, parameter, message).await;
    }
}

#[tokio::test]
async fn notes_have_limits_of_their_own() {
    let shop = Shop::open().await;
    let order = shop.order("1001").await;
    let with =
        |notes: Value| json!({"orderId": order, "currency": "USD", "amount": 1, "metadata": notes});
    let many: serde_json::Map<_, _> = (0..21).map(|n| (format!("k{n}"), json!(n))).collect();
    let wide = "k".repeat(41);
    let long = "v".repeat(501);
    let cases = [
        (json!(many), "too_many_metadata_pairs", "metadata"),
        (json!({wide: 1}), "invalid_metadata_key", "metadata"),
        (json!({"": 1}), "invalid_metadata_key", "metadata"),
        (json!({"k": long}), "invalid_metadata_value", "metadata.k"),
        (json!({"k": {}}), "invalid_parameter", "metadata.k"),
        (json!({"k": null}), "invalid_parameter", "metadata.k"),
        (json!("k"), "invalid_parameter", "metadata"),
    ];
    for (notes, code, parameter) in cases {
        shop.refused(with(notes), code, parameter, "").await;
    }
    let most: serde_json::Map<_, _> = (0..20).map(|n| (format!("k{n}"), json!(n))).collect();
    shop.refund(with(json!(most))).await;
}

#[tokio::test]
async fn an_order_in_dispute_gives_nothing_back() {
    let shop = Shop::open().await;
    let order = shop.order("1001").await;
    let shown = shop.read(&format!("/v1/orders/{order}")).await;
    let payment = &shown["payments"][0]["id"];
    let dispute = json!({"dispute": {"payment": payment, "amount": "30.58"}});
    shop.site.patch(&format!("/v1/orders/{order}"), dispute).send().await.expect(200);
    let body = json!({"orderId": order, "currency": "USD", "amount": 1});
    let message = "A refund cannot be performed while there is a dispute on the order.";
    shop.refused(body, "invalid_parameter", "order", message).await;
    assert_eq!(shop.read(&format!("/orders/{order}")).await["state"], "dispute");
}

#[tokio::test]
async fn an_order_that_nothing_was_paid_for_has_nothing_available() {
    let shop = Shop::open().await;
    let body = json!({"currency": "USD", "lines": [{"sku": SKU, "amount": "5.00"}]});
    let order = shop.site.post("/v1/orders", body).send().await.expect(201).id();
    let body = json!({"orderId": order, "currency": "USD", "amount": 1});
    shop.refused(body, "invalid_parameter", "amountRequested", MORE).await;
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let shop = Shop::open().await;
    let body = json!({"orderId": "ord_999", "currency": "USD", "amount": 1});
    let error = expect_error(shop.post("/refunds", body).send().await, 404, "not_found");
    let expected = json!({"code": "not_found", "parameter": "orderId",
                          "message": "Order 'ord_999' not found."});
    assert_eq!(error, expected);
    let body = json!({"invoiceId": "nope", "currency": "USD", "amount": 1});
    let error = expect_error(shop.post("/refunds", body).send().await, 404, "not_found");
    assert_eq!(error["message"], "Invoice 'nope' not found.");
    let paths = [
        ("/refunds/ref_999", "Refund 'ref_999' not found."),
        ("/refunds/999", "Refund '999' not found."),
        ("/refunds/ref_01", "Refund 'ref_01' not found."),
        ("/orders/nothing", "Order 'nothing' not found."),
        ("/charges/ch_999", "Charge 'ch_999' not found."),
        ("/returns/ret_999", "Return 'ret_999' not found."),
        ("/events/evt_999", "Event 'evt_999' not found."),
        ("/webhooks/wh_999", "Webhook 'wh_999' not found."),
    ];
    for (path, message) in paths {
        let error = expect_error(shop.get(path).send().await, 404, "not_found");
        assert_eq!(error, json!({"code": "not_found", "parameter": "id", "message": message}));
    }
}

#[tokio::test]
async fn methods_and_media_types_are_those_of_the_contract() {
    let shop = Shop::open().await;
    for (path, allow) in [
        ("/refunds", "GET,HEAD,POST"),
        ("/refunds/ref_1", "GET,HEAD,POST"),
        ("/charges/ch_1", "GET,HEAD"),
        ("/webhooks", "GET,HEAD,POST"),
        ("/webhooks/wh_1", "GET,HEAD,PATCH,DELETE"),
    ] {
        let answer = shop.get(path).method("PUT").send().await;
        assert_eq!(answer.header("allow"), allow, "{path}");
        let error = expect_error(answer, 405, "method_not_allowed");
        assert_eq!(error["code"], "method_not_allowed");
    }
    let html = shop.get("/refunds").header("accept", "text/html").send().await;
    expect_error(html, 406, "not_acceptable");
    for accept in ["application/json", "*/*", "text/html, application/*;q=0.5"] {
        shop.get("/refunds").header("accept", accept).send().await.expect(200);
    }
    let form = shop.get("/refunds").method("POST");
    let form = form.raw("application/x-www-form-urlencoded", "amount=1").send().await;
    assert_eq!(expect_error(form, 400, "bad_request")["parameter"], "Content-Type");
    for version in ["2020-09-30", "2021-03-23", "2021-12-13"] {
        shop.get("/refunds").header("digitalriver-version", version).send().await.expect(200);
    }
    let version = shop.get("/refunds").header("digitalriver-version", "latest").send().await;
    assert_eq!(expect_error(version, 400, "bad_request")["parameter"], "DigitalRiver-Version");
    let traced = shop.get("/refunds").header("x-request-id", "mine-7");
    let traced = traced.header("upstream-id", "up-1").header("forwarded", "for=192.0.2.1");
    assert_eq!(traced.send().await.expect(200).header("x-dr-requestid"), "mine-7");
    assert!(!shop.get("/refunds").send().await.header("x-dr-requestid").is_empty());
}

#[tokio::test]
async fn anothers_rows_are_not_there() {
    let shop = Shop::open().await;
    let order = shop.order("1001").await;
    let refund = shop.refund(json!({"orderId": order, "currency": "USD", "amount": 1})).await;
    let back = json!({"orderId": order, "items": [{"skuId": SKU, "quantity": 1}]});
    let back = shop.post("/returns", back).send().await.expect(201).json();
    let hook = json!({"types": ["refund.complete"], "address": "http://127.0.0.1:1/"});
    let hook = shop.post("/webhooks", hook).send().await.expect(201).json();
    let events = shop.read("/events").await;
    let charge = &shop.read(&format!("/orders/{order}")).await["payment"]["charges"][0];
    let other = shop.site.merchant("Other").await;
    let key = shop.site.make_key(other, &Scope::ALL, 1000).await;
    let count = shop.site.events().await;
    let notes = json!({"metadata": {"a": 1}});
    let paths = [
        (format!("/refunds/{}", id(&refund)), Some(("POST", notes.clone()))),
        (format!("/orders/{order}"), Some(("POST", notes))),
        ("/orders/1001".to_owned(), None),
        (format!("/charges/{}", id(charge)), None),
        (format!("/returns/{}", id(&back)), Some(("POST", json!({"state": "accepted"})))),
        (format!("/events/{}", id(&events["data"][0])), None),
        (format!("/webhooks/{}", id(&hook)), Some(("PATCH", json!({"enabled": false})))),
        (format!("/webhooks/{}", id(&hook)), Some(("DELETE", Value::Null))),
    ];
    for (path, change) in paths {
        expect_error(shop.get(&path).key(&key).send().await, 404, "not_found");
        if let Some((method, body)) = change {
            let ask = shop.get(&path).method(method).key(&key);
            let ask = if body.is_null() { ask } else { ask.json(&body) };
            expect_error(ask.send().await, 404, "not_found");
        }
    }
    let invoiced = shop.invoiced("1002", "77", "5.00").await;
    let count = count + (shop.site.events().await - count);
    for name in
        [json!({"orderId": order}), json!({"orderId": invoiced}), json!({"invoiceId": "77"})]
    {
        let mut body = json!({"currency": "USD", "amount": 1});
        body.as_object_mut().unwrap().extend(name.as_object().unwrap().clone());
        let answer = shop.post("/refunds", body).key(&key).send().await;
        expect_error(answer, 404, "not_found");
    }
    let cursor = format!("/refunds?startingAfter={}", id(&refund));
    expect_error(shop.get(&cursor).key(&key).send().await, 400, "bad_request");
    for list in ["/refunds", "/returns", "/events"] {
        let shown = shop.get(list).key(&key).send().await.expect(200).json();
        assert_eq!(shown, json!({"hasMore": false, "data": []}), "{list}");
    }
    assert_eq!(shop.get("/webhooks").key(&key).send().await.expect(200).json(), json!([]));
    assert_eq!(shop.site.events().await, count, "something was written");
    assert_ne!(other, MerchantId(1));
}

#[tokio::test]
async fn a_store_that_takes_no_writes_is_a_fault_of_the_server() {
    let home = Home::new().await;
    let faulty = Faulty::over(home.store.clone());
    let shop = Shop { site: Site::over(home, faulty.clone()).await };
    let order = shop.order("1001").await;
    faulty.break_disk();
    let body = json!({"orderId": order, "currency": "USD", "amount": 1});
    let answer = shop.post("/refunds", body).send().await;
    assert!(!answer.header("retry-after").is_empty());
    expect_error(answer, 503, "service_unavailable");
}
