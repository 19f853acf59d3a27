//! Refunds: created, looked up, given notes, and followed through every state.

use refundry_domain::ids::MerchantId;
use refundry_domain::merchant::Scope;
use refundry_domain::outcome::{FailureCode, Outcome};
use serde_json::{Value, json};

use super::shop::{Shop, declined, expect_error, has, id};
use crate::harness::site::Ask;

#[tokio::test]
async fn a_refund_of_an_amount_is_created_and_paid() {
    let shop = Shop::open().await;
    let order = shop.order("1001").await;
    let body = json!({"orderId": order, "currency": "USD", "amount": "27.01",
                      "reason": "requested_by_customer",
                      "metadata": {"magentoCreditmemoId": "17", "vip": true, "count": 3}});
    let answer = shop.post("/refunds", body).send().await.expect(201);
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(String::from_utf8_lossy(&answer.body).contains("\"amount\":27.01,"));
    let refund = answer.json();
    has(
        &refund,
        json!({"orderId": order, "currency": "USD", "amount": 27.01, "refundedAmount": 0.0,
               "items": [], "reason": "requested_by_customer", "state": "pending",
               "liveMode": false, "createdTime": "2025-06-15T15:06:40Z",
               "metadata": {"magentoCreditmemoId": "17", "vip": "true", "count": "3"}}),
    );
    for absent in ["type", "failureReason", "invoiceId", "charges", "expiresTime"] {
        assert!(refund.get(absent).is_none(), "{absent}: {refund}");
    }
    assert!(id(&refund).starts_with("ref_"));
    assert_eq!(shop.again(&refund).await, refund);
    shop.hand_over(&refund).await;
    let under_way = shop.again(&refund).await;
    has(&under_way, json!({"state": "pending", "refundedAmount": 0.0}));
    assert_eq!(under_way["charges"][0]["refunds"][0]["state"], "pending");
    shop.learn(&refund, &super::shop::paid()).await;
    let done = shop.again(&refund).await;
    has(&done, json!({"state": "succeeded", "refundedAmount": 27.01, "amount": 27.01}));
    let shown = shop.read(&format!("/v1/orders/{order}")).await;
    let charge = shown["payments"][0]["id"].as_str().unwrap().replace("txn_", "ch_");
    let charges = json!([{"id": charge, "captured": true, "refunded": true, "sourceId": "src_1",
        "refunds": [{"createdTime": "2025-06-15T15:06:40Z", "amount": 27.01, "state": "complete"}]}]);
    assert_eq!(done["charges"], charges);
}

#[tokio::test]
async fn a_percentage_is_of_what_is_left_and_rounds_half_up() {
    let shop = Shop::open().await;
    let order = shop.paid("1001", "USD", "27.01", "card").await;
    let half = json!({"orderId": order, "currency": "USD", "percent": "50"});
    assert_eq!(shop.refund(half.clone()).await["amount"], json!(13.51));
    assert_eq!(shop.refund(half.clone()).await["amount"], json!(6.75));
    let rest = json!({"orderId": order, "currency": "USD", "percent": 100});
    assert_eq!(shop.refund(rest.clone()).await["amount"], json!(6.75));
    let message = "The requested refund amount is greater than the available amount.";
    shop.refused(rest, "invalid_parameter", "amountRequested", message).await;
    let yen = shop.paid("1002", "JPY", "33", "card").await;
    let body = json!({"orderId": yen, "currency": "JPY", "percent": 50});
    let answer = shop.post("/refunds", body).send().await.expect(201);
    assert_eq!(answer.json()["amount"], json!(17));
    assert!(String::from_utf8_lossy(&answer.body).contains("\"amount\":17,"));
}

#[tokio::test]
async fn every_state_has_its_name() {
    let shop = Shop::open().await;
    let order = shop.order("1001").await;
    let voucher = shop.paid("1002", "USD", "5.00", "voucher").await;
    let ask = |order: &str| json!({"orderId": order, "currency": "USD", "amount": 1});
    let waiting = shop.refund(ask(&voucher)).await;
    assert_eq!(waiting["state"], "pending_information");
    assert!(waiting.get("charges").is_none(), "nothing was handed over");
    assert_eq!(waiting["expiresTime"], "2025-07-15T15:06:40.000Z", "30 days later");
    let mut again = shop.again(&waiting).await;
    assert!(again.as_object_mut().unwrap().remove("tokenInformation").is_some());
    assert_eq!(again, waiting, "an answer that is kept has no token in it");
    let refund = shop.refund(ask(&order)).await;
    shop.hand_over(&refund).await;
    shop.learn(&refund, &declined(FailureCode::ExpiredOrCanceledCard)).await;
    let failed = json!({"state": "failed", "failureReason": "expired_or_canceled_card",
                        "refundedAmount": 0.0, "amount": 1.0});
    has(&shop.again(&refund).await, failed);
    assert_eq!(shop.again(&refund).await["charges"][0]["refunds"][0]["state"], "failed");
    let canceled = shop.refund(ask(&order)).await;
    let cancel = format!("/v1/refunds/{}/cancel", id(&canceled));
    shop.post(&cancel, json!({})).send().await.expect(200);
    let seen = shop.again(&canceled).await;
    has(&seen, json!({"state": "failed", "failureReason": "canceled"}));
    let reversed = shop.refund(ask(&order)).await;
    shop.pay(&reversed).await;
    let message = "Taken back.".to_owned();
    shop.learn(&reversed, &Outcome::Reversed { message }).await;
    let seen = shop.again(&reversed).await;
    has(&seen, json!({"state": "failed", "failureReason": "reversed", "refundedAmount": 0.0}));
    let body = json!({"order": order, "amount": "1.00", "confirm": false});
    let proposed = shop.post("/v1/refunds", body).once().send().await.expect(201).json();
    assert_eq!(shop.again(&proposed).await["state"], "pending");
    shop.site.clock.advance_ms(30 * 24 * 60 * 60 * 1000);
    expire(&shop).await;
    has(
        &shop.again(&waiting).await,
        json!({"state": "expired", "failureReason": "information_expired", "refundedAmount": 0.0}),
    );
}

/// As the worker does when the time for bank details is over.
async fn expire(shop: &Shop) {
    use refundry::testing::access::Caller;
    use refundry_domain::command::{Command, Target};
    use refundry_domain::ids::RefundId;
    let waiting = shop.read("/refunds?state=pending_information").await;
    for refund in waiting["data"].as_array().unwrap() {
        let number = id(refund)[4..].parse().unwrap();
        let caller = Caller::internal(MerchantId(1), "worker");
        let target = Target::Refund(RefundId(number));
        let done = shop.site.ledger.carry_out(&caller, target, Command::Expire, None, false);
        done.await.unwrap();
    }
}

#[tokio::test]
async fn bank_details_are_asked_for_found_and_given() {
    let shop = Shop::open().await;
    let order = shop.paid("1001", "USD", "5.00", "voucher").await;
    let body = json!({"orderId": order, "currency": "USD", "percent": 100});
    let refund = shop.refund(body).await;
    let found = shop.read(&format!("/refunds?orderId={order}&state=pending_information")).await;
    assert_eq!(found["data"][0]["id"], refund["id"]);
    let notes = json!({"metadata": {"asked": "by mail"}});
    let path = format!("/refunds/{}", id(&refund));
    shop.site.clock.advance_ms(24 * 60 * 60 * 1000);
    shop.post(&path, notes).send().await.expect(200);
    assert_eq!(
        shop.again(&refund).await["expiresTime"],
        "2025-07-15T15:06:40.000Z",
        "a note does not make it wait longer"
    );
    let token = shop.again(&refund).await["tokenInformation"].clone();
    let secret = token["token"].as_str().unwrap();
    assert_eq!(token, json!({"token": secret, "expiresTime": "2025-07-15T15:06:40.000Z"}));
    let link = format!("/v1/refunds/{}/information_link", id(&refund));
    let link = shop.post(&link, json!({})).send().await.expect(200).json();
    assert_eq!(link["token"], secret, "the one of the customer's page");
    // Who may read alone could have the money sent elsewhere.
    let reader = shop.site.make_key(MerchantId(1), &[Scope::Read], 1000).await;
    let seen = shop.get(&path).key(&reader).send().await.expect(200).json();
    assert_eq!((&seen["state"], seen.get("tokenInformation")), (&refund["state"], None));
    let page = Ask::new(shop.site.address, "GET", &format!("/bank-details/{secret}"));
    page.send().await.expect(200);
    let details = json!({"iban": "DE89370400440532013000", "account_holder": "Ada"});
    let give = format!("/v1/refunds/{}/information", id(&refund));
    shop.post(&give, details).once().send().await.expect(200);
    let given = shop.again(&refund).await;
    assert!(given.get("tokenInformation").is_none(), "it waits no more: {given}");
    has(&given, json!({"state": "pending"}));
    assert!(given.get("expiresTime").is_none());
    assert!(!given.to_string().contains("3000"), "of the account nothing is shown: {given}");
    shop.pay(&refund).await;
    has(&shop.again(&refund).await, json!({"state": "succeeded", "refundedAmount": 5.0}));
}

#[tokio::test]
async fn only_notes_can_be_changed() {
    let shop = Shop::open().await;
    let order = shop.order("1001").await;
    let body = json!({"orderId": order, "currency": "USD", "amount": 1, "metadata": {"a": "1"}});
    let refund = shop.refund(body).await;
    let path = format!("/refunds/{}", id(&refund));
    let change = async |body: Value| shop.post(&path, body).send().await;
    let noted = change(json!({"metadata": {"b": 2}})).await.expect(200).json();
    assert_eq!(noted["metadata"], json!({"b": "2"}));
    assert_eq!(noted["amount"], json!(1.0));
    for nothing in [json!({}), json!({"metadata": null})] {
        let same = change(nothing).await.expect(200).json();
        assert_eq!(same["metadata"], json!({"b": "2"}), "what is left out stays");
    }
    let error = expect_error(change(json!({"amount": 2})).await, 400, "bad_request");
    let expected = json!({"code": "unknown_parameter", "parameter": "amount",
                          "message": "'amount' is an unknown parameter."});
    assert_eq!(error, expected);
}

#[tokio::test]
async fn an_order_is_named_by_its_id_its_reference_or_its_invoice() {
    let shop = Shop::open().await;
    let order = shop.invoiced("ord_5823594809", "5823594809", "20.00").await;
    let names = [
        json!({"orderId": order}),
        json!({"orderId": "ord_5823594809"}),
        json!({"invoiceId": "5823594809"}),
        json!({"invoiceId": 5_823_594_809_i64}),
        json!({"orderId": "ord_5823594809", "invoiceId": "5823594809"}),
    ];
    for name in names {
        let mut body = json!({"currency": "USD", "amount": 1});
        body.as_object_mut().unwrap().extend(name.as_object().unwrap().clone());
        let refund = shop.refund(body).await;
        has(&refund, json!({"orderId": order, "invoiceId": "5823594809"}));
    }
    let other = shop.order("1002").await;
    let both = json!({"orderId": other, "invoiceId": "5823594809", "currency": "USD", "amount": 1});
    let answer = shop.post("/refunds", both).send().await;
    let error = expect_error(answer, 404, "not_found");
    assert_eq!(error["parameter"], "invoiceId");
    // The ledger's own name of an order comes before what a shop has called another.
    let own = order.replace("ord_", "");
    shop.paid(&order, "USD", "7.00", "card").await;
    let body = json!({"orderId": format!("ord_{own}"), "currency": "USD", "amount": 1});
    assert_eq!(shop.refund(body).await["orderId"], order);
    shop.invoiced("1003", "5823594809", "2.00").await;
    let body = json!({"invoiceId": "5823594809", "currency": "USD", "amount": 1});
    shop.refused(body, "invalid_parameter", "invoiceId", "").await;
}

#[tokio::test]
async fn a_repeated_request_is_answered_once_under_its_key() {
    let shop = Shop::open().await;
    let order = shop.order("1001").await;
    let body = json!({"orderId": order, "currency": "USD", "amount": 1});
    let first = shop.post("/refunds", body.clone()).under("k1").send().await.expect(201);
    let again = shop.post("/refunds", body.clone()).under("k1").send().await.expect(201);
    assert_eq!(first.body, again.body);
    assert_eq!(again.header("idempotent-replayed"), "true");
    let other = json!({"orderId": order, "currency": "USD", "amount": 2});
    let answer = shop.post("/refunds", other).under("k1").send().await;
    assert_eq!(expect_error(answer, 400, "bad_request")["parameter"], "Idempotency-Key");
    let refused = json!({"orderId": order, "currency": "USD", "amount": 1000});
    let no = shop.post("/refunds", refused.clone()).under("k2").send().await.expect(400);
    let same = shop.post("/refunds", refused).under("k2").send().await.expect(400);
    assert_eq!(no.body, same.body);
    // Without a key there are two, up to what was captured.
    shop.refund(body.clone()).await;
    shop.refund(body).await;
    let all = shop.read(&format!("/refunds?orderId={order}")).await;
    assert_eq!(all["data"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn several_refunds_at_once_never_exceed_what_was_captured() {
    let shop = Shop::open().await;
    let order = shop.paid("1001", "USD", "10.00", "card").await;
    let body = json!({"orderId": order, "currency": "USD", "amount": 4});
    let asks: Vec<_> = (0..6).map(|_| shop.post("/refunds", body.clone()).send()).collect();
    let answers = futures_util::future::join_all(asks).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 2);
    // What failed is free again.
    let first = answers.iter().find(|answer| answer.status == 201).unwrap().json();
    shop.hand_over(&first).await;
    shop.learn(&first, &declined(FailureCode::Declined)).await;
    shop.refund(json!({"orderId": order, "currency": "USD", "amount": 6})).await;
}

#[tokio::test]
async fn a_key_is_taken_as_bearer_with_its_scopes_and_its_limit() {
    let shop = Shop::open().await;
    let order = shop.order("1001").await;
    for prefix in ["", "/digitalriver"] {
        let path = format!("{prefix}/orders/{order}");
        shop.get(&path).send().await.expect(200);
        let none = shop.get(&path).without("authorization").send().await;
        assert!(none.header("www-authenticate").starts_with("Bearer"));
        let error = expect_error(none, 401, "unauthorized");
        assert_eq!(error, json!({"message": "An authorization error has occurred."}));
        let wrong = shop.get(&path).key("rfk_wrong").send().await;
        expect_error(wrong, 401, "unauthorized");
    }
    let reader = shop.site.make_key(MerchantId(1), &[Scope::Read], 1000).await;
    let body = json!({"orderId": order, "currency": "USD", "amount": 1});
    let answer = shop.post("/refunds", body).key(&reader).send().await;
    expect_error(answer, 403, "forbidden");
    let answer = shop.get("/webhooks").key(&reader).send().await;
    expect_error(answer, 403, "forbidden");
    shop.get("/refunds").key(&reader).send().await.expect(200);
    let slow = shop.site.make_key(MerchantId(1), &[Scope::Read], 1).await;
    let mut last = shop.get("/refunds").key(&slow).send().await;
    for _ in 0..5 {
        last = shop.get("/refunds").key(&slow).send().await;
    }
    assert!(last.header("retry-after").parse::<u64>().is_ok());
    expect_error(last, 429, "too_many_requests");
}

#[tokio::test]
async fn what_needs_approval_waits_and_is_pending() {
    let shop = Shop::open().await;
    let order = shop.order("1001").await;
    shop.site
        .patch("/v1/settings", json!({"approval": {"when": "always"}}))
        .send()
        .await
        .expect(200);
    let writer = shop.site.make_key(MerchantId(1), &[Scope::Read, Scope::Write], 1000).await;
    let body = json!({"orderId": order, "currency": "USD", "amount": 1});
    let refund = shop.post("/refunds", body).key(&writer).send().await.expect(201).json();
    assert_eq!(refund["state"], "pending");
    let native = shop.read(&format!("/v1/refunds/{}", id(&refund))).await;
    assert_eq!(native["state"], "unconfirmed");
}
