//! Blind repeats, and what the ledger refuses.

use futures_util::future::join_all;
use refundry_domain::ids::MerchantId;
use refundry_domain::merchant::Scope;
use serde_json::json;

use super::shop::{Shop, TRANSACTIONS, changed, sample, token_call, token_of};
use crate::harness::faulty::Faulty;
use crate::harness::site::Site;
use crate::harness::store::Home;

#[tokio::test]
async fn the_same_again_answers_the_same_and_another_amount_is_refused() {
    let shop = Shop::open().await;
    for kind in ["REFUND", "MANUAL REFUND", "PAYMENT"] {
        let body = changed(&[("transactionType", json!(kind)), ("amount", json!(10))]);
        let number = shop.record(&body).await;
        let events = shop.site.events().await;
        let mut same = body.clone();
        for amount in [json!(10), json!("10.00"), json!(10.0), json!(1e1)] {
            same["amount"] = amount;
            assert_eq!(shop.record(&same).await, number);
        }
        same["transactionNote"] = json!("told otherwise");
        assert_eq!(shop.record(&same).await, number);
        assert_eq!(shop.site.events().await, events, "{kind}");
        for (name, value) in [("amount", json!(9.99)), ("currency", json!("NZD"))] {
            let mut other = body.clone();
            other[name] = value;
            shop.refused(shop.post(TRANSACTIONS, &other), 400).await;
        }
    }
    assert_eq!(shop.list().await.len(), 3);
    assert_eq!(shop.order_now().await["balances"]["refunded"], "20.00");
}

#[tokio::test]
async fn many_at_once_record_one() {
    let shop = Shop::open().await;
    for kind in ["REFUND", "PAYMENT"] {
        let body = changed(&[("transactionType", json!(kind)), ("amount", json!(3))]);
        let asks = (0..16).map(|_| shop.record(&body));
        let mut numbers = join_all(asks).await;
        numbers.dedup();
        assert_eq!(numbers.len(), 1, "{numbers:?}");
    }
    assert_eq!(shop.list().await.len(), 2);
    let order = shop.order_now().await;
    assert_eq!(
        (&order["balances"]["refunded"], &order["balances"]["captured"]),
        (&json!("3.00"), &json!("162.90"))
    );
    // Of many amounts under one reference one is recorded.
    let asks = (1..9).map(|amount| {
        let body = changed(&[("transactionRef", json!("x")), ("amount", json!(amount))]);
        shop.post(TRANSACTIONS, &body).send()
    });
    let statuses: Vec<u16> =
        join_all(asks).await.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 400].contains(status)), "{statuses:?}");
}

#[tokio::test]
async fn a_repeat_after_the_reference_was_changed_is_still_the_same() {
    let shop = Shop::open().await;
    let number = shop.record(&sample()).await;
    let path = format!("{TRANSACTIONS}/{number}");
    shop.put(&path, &json!({"transactionRef": "456"})).send().await.expect(200);
    assert_eq!(shop.record(&sample()).await, number, "as it was sent");
    assert_eq!(shop.record(&changed(&[("transactionRef", json!(456))])).await, number, "as it is");
    assert_eq!(shop.list().await.len(), 1);
}

#[tokio::test]
async fn a_refund_that_refundry_made_is_not_recorded_a_second_time() {
    let shop = Shop::open().await;
    let refund = shop.refund(json!({"amount": "10.00", "execution": "notify"})).await;
    let id = refund["transactions"][0]["id"].as_str().unwrap();
    let report = json!({"state": "succeeded", "provider_reference": "123"});
    shop.site.patch(&format!("/v1/transactions/{id}"), report).send().await.expect(200);
    let number = shop.record(&changed(&[("amount", json!(10))])).await;
    assert_eq!(format!("txn_{number}"), id);
    assert_eq!(shop.order_now().await["balances"]["refunded"], "10.00");
}

#[tokio::test]
async fn what_was_declined_does_not_stand_for_what_was_paid() {
    let shop = Shop::open().await;
    let refund = shop.refund(json!({"amount": "10.00", "execution": "notify"})).await;
    let id = refund["transactions"][0]["id"].as_str().unwrap();
    let declined = id.strip_prefix("txn_").unwrap().to_owned();
    let update = json!({"status": "DECLINED", "transactionRef": "123"});
    shop.put(&format!("{TRANSACTIONS}/{declined}"), &update).send().await.expect(200);
    let body = changed(&[("amount", json!(10))]);
    let number = shop.record(&body).await;
    assert_ne!(number, declined);
    assert_eq!(shop.show(&number).await["status"], "APPROVED");
    assert_eq!(shop.record(&body).await, number);
    assert_eq!(shop.list().await.len(), 2);
    assert_eq!(shop.order_now().await["balances"]["refunded"], "10.00");
}

#[tokio::test]
async fn what_was_refused_can_be_recorded_once_the_reason_is_gone() {
    let shop = Shop::open().await;
    let body = changed(&[("amount", json!(110))]);
    for _ in 0..2 {
        let said = shop.refused(shop.post(TRANSACTIONS, &body), 400).await;
        assert!(said.starts_with("amount: 110.00 AUD was asked for, 100.00"), "{said}");
    }
    let payment = changed(&[
        ("transactionType", json!("PAYMENT")),
        ("amount", json!(20)),
        ("paymentProvider", json!("PAYPAL")),
    ]);
    shop.record(&payment).await;
    // Two payments with PayPal by now, so the ledger chooses.
    shop.record(&body).await;
    assert_eq!(shop.order_now().await["balances"]["refunded"], "110.00");
}

#[tokio::test]
async fn the_guard_holds_and_says_why() {
    let shop = Shop::open().await;
    let too_much = changed(&[("amount", json!(159.91)), ("paymentProvider", json!("GIVEX"))]);
    shop.refused(shop.post(TRANSACTIONS, &too_much), 400).await;
    let other = changed(&[("currency", json!("NZD")), ("amount", json!(1))]);
    let said = shop.refused(shop.post(TRANSACTIONS, &other), 400).await;
    assert!(said.contains("AUD"), "{said}");
    let code = changed(&[
        ("transactionCode", json!("c".repeat(201))),
        ("transactionType", json!("PAYMENT")),
    ]);
    let said = shop.refused(shop.post(TRANSACTIONS, &code), 400).await;
    assert!(said.starts_with("transactionCode: "), "{said}");
    let reference = changed(&[("transactionRef", json!("c".repeat(201)))]);
    let said = shop.refused(shop.post(TRANSACTIONS, &reference), 400).await;
    assert!(said.starts_with("transactionRef: "), "{said}");
    let note = changed(&[("transactionNote", json!("4111 1111 1111 1111"))]);
    let said = shop.refused(shop.post(TRANSACTIONS, &note), 400).await;
    assert!(said.starts_with("transactionNote: "), "{said}");
    // Two refunds of all there is, at once.
    let asks = ["a", "b"].map(|reference| {
        let body = changed(&[
            ("amount", json!(159.90)),
            ("paymentProvider", json!("GIVEX")),
            ("transactionRef", json!(reference)),
        ]);
        shop.post(TRANSACTIONS, &body).send()
    });
    let mut statuses: Vec<u16> =
        join_all(asks).await.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
}

#[tokio::test]
async fn a_closed_return_takes_no_refund() {
    let shop = Shop::open().await;
    let path = format!("/v1/returns/{}", shop.return_id().await);
    shop.site.patch(&path, json!({"state": "rejected"})).send().await.expect(200);
    shop.refused(shop.post(TRANSACTIONS, &sample()), 400).await;
    shop.get(TRANSACTIONS).send().await.expect(200);
}

#[tokio::test]
async fn what_needs_approval_is_recorded_by_who_may_approve() {
    let shop = Shop::open().await;
    shop.site
        .patch("/v1/settings", json!({"approval": {"when": "always"}}))
        .send()
        .await
        .expect(200);
    let scopes = [Scope::Read, Scope::Write];
    let clerk = shop.site.make_key(MerchantId(1), &scopes, 100).await;
    let clerk = token_of(&shop.site, "1", &clerk).await;
    shop.refused(shop.post(TRANSACTIONS, &sample()).key(&clerk), 403).await;
    shop.record(&sample()).await;
}

#[tokio::test]
async fn a_store_that_takes_no_writes_is_a_fault_of_the_server() {
    let home = Home::new().await;
    let store = Faulty::over(home.store.clone());
    let shop = Shop::over(Site::over(home, store.clone()).await).await;
    let log_in = [("grant_type", "password"), ("client_id", "1"), ("password", &shop.site.key)];
    let answer = token_call(&shop.site, &log_in).send().await.expect(200).json();
    let refresh = answer["refresh_token"].as_str().unwrap();
    store.break_disk();
    shop.refused(shop.post(TRANSACTIONS, &sample()), 500).await;
    let params = [("grant_type", "refresh_token"), ("client_id", "1"), ("refresh_token", refresh)];
    let answer = token_call(&shop.site, &params).send().await.expect(500).json();
    assert_eq!(answer["error"], "server_error");
    shop.get(TRANSACTIONS).send().await.expect(200);
}
