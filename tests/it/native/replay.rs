//! The same request gets the same answer, and takes effect once.

use futures_util::future::join_all;
use refundry::testing::workers::Seal;
use serde_json::json;

use crate::harness::faulty::Faulty;
use crate::harness::site::Site;
use crate::harness::store::Home;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

#[tokio::test]
async fn a_repeated_request_is_answered_byte_for_byte() {
    let site = Site::start().await;
    let order = site.order("20.00").await;
    let ask = site.post("/v1/refunds", json!({"order": order, "amount": "5.00"})).under("k-1");
    let first = ask.clone().send().await.expect(201);
    assert_eq!(first.header("idempotent-replayed"), "");
    let id = first.id();
    site.post(&format!("/v1/refunds/{id}/cancel"), json!({})).send().await.expect(200);
    site.clock.advance_ms(86_400_000);
    let again = ask.clone().send().await.expect(201);
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.body, first.body, "although the refund was canceled since");
    let shown = site.get(&format!("/v1/orders/{order}")).send().await.json();
    assert_eq!(shown["balances"]["held"], "0.00");

    let refused = site.post("/v1/refunds", json!({"order": order, "amount": "99"})).under("k-2");
    let first = refused.clone().send().await.expect_problem(422, "more_than_is_left");
    let again = refused.send().await.expect_problem(422, "more_than_is_left");
    assert_eq!(again.body, first.body);
    assert_eq!(again.header("idempotent-replayed"), "true");

    let made = site.post("/v1/orders", json!({"currency": "USD"})).under("k-3");
    let first = made.clone().send().await.expect(201);
    assert_eq!(made.send().await.expect(201).body, first.body);
}

#[tokio::test]
async fn a_key_is_for_one_request() {
    let site = Site::start().await;
    let order = site.order("20.00").await;
    let body = json!({"order": order, "amount": "5.00"});
    let ask = site.post("/v1/refunds", body.clone()).under("k");
    ask.clone().send().await.expect(201);
    let events = site.events().await;
    let others = [
        site.post("/v1/refunds", json!({"order": order, "amount": "5.01"})),
        site.ask("POST", "/v1/refunds").raw("application/json", format!("{body} ")),
        site.post("/v1/refunds?dry_run=false", body.clone()),
        site.post("/v1/orders", json!({"currency": "USD"})),
        site.patch(&format!("/v1/orders/{order}"), json!({})),
    ];
    for other in others {
        let answer = other.under("k").send().await;
        answer.expect_problem(422, "idempotency_key_reused");
    }
    assert_eq!(site.events().await, events);
    let merchant = site.merchant("Other").await;
    let key = site.make_key(merchant, &refundry_domain::merchant::Scope::ALL, 1000).await;
    let theirs = site.post("/v1/orders", json!({"currency": "USD"})).under("k").key(&key);
    let theirs = theirs.send().await.expect(201);
    assert_eq!(theirs.header("idempotent-replayed"), "", "keys belong to a merchant");
    for bad in ["", " ", "a b", &"x".repeat(256), "schlüssel"] {
        let answer = ask.clone().under(bad).send().await;
        answer.expect_problem(400, "idempotency_key_invalid");
    }
}

/// However many repeat it at once, one refund is made; the others get its answer, or are told to
/// wait.
#[tokio::test]
async fn at_once_is_as_one_after_the_other() {
    let site = Site::start().await;
    let order = site.order("20.00").await;
    let ask = site.post("/v1/refunds", json!({"order": order, "amount": "5.00"})).under("k");
    let answers = join_all((0..24).map(|_| ask.clone().send())).await;
    let mut made = Vec::new();
    for answer in answers {
        if answer.status == 409 {
            let answer = answer.expect_problem(409, "idempotency_key_in_progress");
            assert_eq!(answer.header("retry-after"), "1");
        } else {
            made.push(answer.expect(201).body);
        }
    }
    assert!(!made.is_empty() && made.iter().all(|body| *body == made[0]));
    let refunds = site.get("/v1/refunds").send().await.json();
    assert_eq!(refunds["data"].as_array().unwrap().len(), 1);
}

/// A client that hangs up does not break off what it has asked for.
#[tokio::test]
async fn who_hangs_up_finds_it_done() {
    let site = Site::start().await;
    let order = site.order("20.00").await;
    for number in 0..20 {
        let body = json!({"order": order, "amount": "0.01"});
        let ask = site.post("/v1/refunds", body).under(&format!("k-{number}"));
        let sent = tokio::spawn(ask.clone().open());
        tokio::task::yield_now().await;
        sent.abort();
        // Whether it came through or not, repeating it is safe.
        loop {
            let answer = ask.clone().send().await;
            if answer.status != 409 {
                answer.expect(201);
                break;
            }
        }
    }
    let shown = site.get(&format!("/v1/orders/{order}")).send().await.json();
    assert_eq!(shown["balances"]["held"], "0.20");
}

/// Who repeats a request that is still being carried out would wait for it, or have it begun twice.
#[tokio::test]
async fn while_the_first_is_carried_out_the_second_is_told_to_come_again() {
    let home = Home::new().await;
    let slow = Faulty::over(home.store.clone());
    let site = Site::over(home, slow.clone()).await;
    let order = site.order("20.00").await;
    let ask = site.post("/v1/refunds", json!({"order": order, "amount": "5.00"})).under("k");
    let held = slow.hold_commits().await;
    let first = tokio::spawn(ask.clone().send());
    slow.until_waiting(1).await;
    let second = ask.clone().send().await.expect_problem(409, "idempotency_key_in_progress");
    assert_eq!(second.header("retry-after"), "1");
    drop(held);
    let first = first.await.unwrap().expect(201);
    let again = ask.send().await.expect(201);
    assert_eq!((again.header("idempotent-replayed"), &again.body), ("true", &first.body));
}

/// A late repetition would be told nothing although its answer is promised, or be carried out again.
#[tokio::test]
async fn an_answer_is_kept_for_its_days_and_its_key_for_good() {
    let site = Site::start().await;
    let order = site.order("20.00").await;
    let ask = site.post("/v1/refunds", json!({"order": order, "amount": "5.00"})).under("k");
    let first = ask.clone().send().await.expect(201);
    let housekeeping = Seal::new(site.ledger.clone(), 30);
    site.clock.advance_ms(30 * DAY_MS);
    housekeeping.tick().await;
    assert_eq!(ask.clone().send().await.expect(201).body, first.body);
    site.clock.advance_ms(1);
    housekeeping.tick().await;
    ask.send().await.expect_problem(422, "idempotency_key_reused");
    let shown = site.get(&format!("/v1/orders/{order}")).send().await.json();
    assert_eq!(shown["balances"]["held"], "5.00");
}
