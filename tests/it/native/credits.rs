//! Credit accounts over `/v1`.

use futures_util::future::join_all;
use refundry_domain::merchant::Scope;
use serde_json::{Value, json};

use crate::harness::site::Site;

async fn order(site: &Site, amount: &str) -> String {
    let body = json!({
        "currency": "USD",
        "customer": {"reference": "c-7"},
        "lines": [{"sku": "sku_1", "quantity": 2, "amount": amount}],
        "payments": [{"provider": "sandbox", "amount": amount}],
    });
    site.post("/v1/orders", body).send().await.expect(201).id()
}

async fn credited(site: &Site, to: &str, amount: &str) -> (Value, String) {
    let order = order(site, amount).await;
    let body = json!({"order": order, "amount": amount, "to": to});
    let refund = site.post("/v1/refunds", body).once().send().await.expect(201).json();
    let account = refund["transactions"][0]["provider_reference"].as_str().unwrap().to_owned();
    (refund, account)
}

async fn balance(site: &Site, account: &str) -> Value {
    let shown = site.get(&format!("/v1/credit_accounts/{account}")).send().await.expect(200);
    shown.json()["balance"].clone()
}

#[tokio::test]
async fn a_refund_to_store_credit_is_there_to_be_spent() {
    let site = Site::start().await;
    let (refund, account) = credited(&site, "store_credit", "20.00").await;
    assert_eq!((&refund["state"], &refund["execution"]), (&json!("succeeded"), &json!("internal")));
    assert_eq!(refund["refunded_amount"], "20.00");
    let shown = site.get(&format!("/v1/credit_accounts/{account}")).send().await.expect(200).json();
    for (field, value) in [
        ("id", json!(account)),
        ("kind", json!("store_credit")),
        ("currency", json!("USD")),
        ("balance", json!("20.00")),
        ("customer", json!("c-7")),
        ("refund", Value::Null),
        ("code_last_four", Value::Null),
    ] {
        assert_eq!(shown[field], value, "{field}");
    }

    let path = format!("/v1/credit_accounts/{account}/spend");
    let body = json!({"amount": "7.50", "currency": "USD", "reference": "1002"});
    let dry = site.post(&format!("{path}?dry_run=true"), body.clone()).send().await.expect(200);
    assert_eq!(dry.json()["balance"], "12.50");
    assert_eq!(balance(&site, &account).await, "20.00");
    let spent = site.post(&path, body).once().send().await.expect(201).json();
    assert_eq!((&spent["kind"], &spent["amount"]), (&json!("spend"), &json!("7.50")));
    assert_eq!((&spent["balance"], &spent["reference"]), (&json!("12.50"), &json!("1002")));

    let path = format!("/v1/credit_accounts/{account}/undo");
    let back = site.post(&path, json!({"spend": spent["id"], "amount": "2.50"})).once();
    let back = back.send().await.expect(201).json();
    assert_eq!((&back["undoes"], &back["balance"]), (&spent["id"], &json!("15.00")));
    let again = site.post(&path, json!({"spend": spent["id"]})).once().send().await;
    again.expect_problem(409, "already_undone");

    let entries = site.get(&format!("/v1/credit_accounts/{account}/entries?limit=2"));
    let entries = entries.send().await.expect(200).json();
    assert_eq!((&entries["data"][0], &entries["data"][1]), (&back, &spent));
    assert_eq!(entries["has_more"], true);
    let cursor = entries["next_cursor"].as_str().unwrap();
    let rest = site.get(&format!("/v1/credit_accounts/{account}/entries?after={cursor}"));
    let rest = rest.send().await.expect(200).json();
    assert_eq!(
        (&rest["data"][0]["kind"], &rest["data"][0]["refund"]),
        (&json!("credit"), &refund["id"])
    );

    let events = site.get(&format!("/v1/events?subject={account}")).send().await.expect(200).json();
    let told: Vec<_> = events["data"].as_array().unwrap().iter().rev().collect();
    let names: Vec<_> = told.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let spent_and_back = ["credit_account.spent", "credit_account.spend_undone"];
    assert_eq!(
        names,
        [&["credit_account.opened", "credit_account.credited"], &spent_and_back[..]].concat()
    );
    assert!(
        told.iter().all(|event| event["subject"] == json!(account) && event["order"].is_null())
    );
}

#[tokio::test]
async fn each_no_of_an_account_is_a_problem_with_its_amounts() {
    let site = Site::start().await;
    let (_, account) = credited(&site, "customer_balance", "5.00").await;
    let spend = format!("/v1/credit_accounts/{account}/spend");
    let code = format!("/v1/credit_accounts/{account}/code");
    let undo = format!("/v1/credit_accounts/{account}/undo");
    let events = site.events().await;
    for (path, body, status, code, pointer) in [
        (&spend, json!({"amount": "5.01"}), 422, "insufficient_balance", Some("/amount")),
        (&spend, json!({"amount": "0"}), 422, "amount_not_positive", Some("/amount")),
        (&spend, json!({"amount": "0.001"}), 422, "amount_too_precise", Some("/amount")),
        (
            &spend,
            json!({"amount": "1", "currency": "EUR"}),
            422,
            "credit_currency_differs",
            Some("/currency"),
        ),
        (
            &spend,
            json!({"amount": "1", "reference": "4111 1111 1111 1111"}),
            422,
            "card_number_refused",
            Some("/reference"),
        ),
        (&spend, json!({}), 422, "field_missing", Some("/amount")),
        (&undo, json!({"spend": "ent_1"}), 404, "credit_entry_not_found", None),
    ] {
        let answer = site.post(path, body.clone()).once().send().await;
        let answer = answer.expect_problem(status, code);
        if let Some(pointer) = pointer {
            answer.at(pointer);
        }
    }
    let refused = site.post(&spend, json!({"amount": "5.01"})).once().send().await.json();
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("5.01 USD") && detail.contains("5.00 is on it"), "{detail}");
    site.post(&spend, json!({"amount": "1"}))
        .send()
        .await
        .expect_problem(400, "idempotency_key_required");
    site.post(&code, json!({})).send().await.expect_problem(422, "not_a_gift_card");
    let order = site.order("5.00").await;
    let nobodys = json!({"order": order, "amount": "1.00", "to": "store_credit"});
    let refused = site.post("/v1/refunds", nobodys).once().send().await;
    refused.expect_problem(422, "destination_not_available").at("/to");
    let bank = json!({"order": order, "amount": "1.00", "to": "cash", "execution": "internal"});
    let refused = site.post("/v1/refunds", bank).once().send().await;
    refused.expect_problem(422, "execution_not_available").at("/execution");
    assert_eq!(site.events().await, events + 2, "only the order and its payment were written");
}

#[tokio::test]
async fn a_gift_card_is_spent_by_its_code() {
    let site = Site::start().await;
    let (refund, account) = credited(&site, "gift_card", "20.00").await;
    let path = format!("/v1/credit_accounts/{account}");
    assert_eq!(site.get(&path).send().await.json()["refund"], refund["id"]);
    let dry = site.post(&format!("{path}/code?dry_run=true"), json!({})).send().await.expect(200);
    assert!(dry.json().get("code").is_none() && dry.json()["code_last_four"].is_null());
    let keyed = site.post(&format!("{path}/code"), json!({})).once().send().await;
    keyed.expect_problem(400, "idempotency_key_unsupported");
    let first = site.post(&format!("{path}/code"), json!({})).send().await.expect(201).json();
    let first = first["code"].as_str().unwrap();
    let issued = site.ask("POST", &format!("{path}/code")).send().await.expect(201).json();
    let code = issued["code"].as_str().unwrap();
    assert_ne!(code, first);
    assert!(code.ends_with(issued["code_last_four"].as_str().unwrap()));
    assert!(site.get(&path).send().await.json().get("code").is_none(), "it is shown once");

    let lookup = async |code: &str| {
        site.post("/v1/credit_accounts/lookup", json!({"code": code})).send().await
    };
    let found = lookup(&code.to_lowercase().replace('-', " ")).await.expect(200).json();
    assert_eq!((&found["id"], &found["balance"]), (&json!(account), &json!("20.00")));
    lookup(first).await.expect_problem(404, "credit_account_not_found");
    lookup("7K3M-9QXA").await.expect_problem(422, "field_invalid").at("/code");
    let other = site.merchant("Other").await;
    let key = site.make_key(other, &Scope::ALL, 1000).await;
    let theirs = site.post("/v1/credit_accounts/lookup", json!({"code": code})).key(&key);
    theirs.send().await.expect_problem(404, "credit_account_not_found");

    // The code is in no event, and in nothing else that is kept.
    let events = site.get(&format!("/v1/events?subject={account}")).send().await.json();
    assert!(!events.to_string().contains(code) && events.to_string().contains("code_issued"));
    let plain = code.replace('-', "");
    let shown = site.get("/v1/credit_accounts?kind=gift_card&customer=c-7").send().await.json();
    assert_eq!(shown["data"].as_array().unwrap().len(), 1);
    assert!(!shown.to_string().contains(code) && !shown.to_string().contains(&plain));
}

#[tokio::test]
async fn sixty_four_spends_never_take_more_than_there_is() {
    let site = Site::start().await;
    let (_, account) = credited(&site, "store_credit", "10.00").await;
    let path = format!("/v1/credit_accounts/{account}/spend");
    // Each is sent twice, as after a time-out.
    let asks: Vec<_> = (0..32)
        .flat_map(|_| {
            let ask = site.post(&path, json!({"amount": "0.70"})).once();
            [ask.clone(), ask]
        })
        .collect();
    let told = join_all(asks.into_iter().map(|ask| ask.send())).await;
    for answer in &told {
        let expected = [201, 409, 422].contains(&answer.status.as_u16());
        assert!(expected, "{}", String::from_utf8_lossy(&answer.body));
    }
    assert_eq!(balance(&site, &account).await, "0.20");
    let entries = site.get(&format!("/v1/credit_accounts/{account}/entries?limit=100"));
    let entries = entries.send().await.json()["data"].as_array().unwrap().clone();
    assert_eq!(entries.len(), 1 + 14, "as often as 0.70 is in 10.00");
}

#[tokio::test]
async fn a_repeated_spend_is_answered_byte_for_byte() {
    let site = Site::start().await;
    let (_, account) = credited(&site, "store_credit", "10.00").await;
    let ask = site.post(&format!("/v1/credit_accounts/{account}/spend"), json!({"amount": "4"}));
    let ask = ask.under("k-1");
    let first = ask.clone().send().await.expect(201);
    site.clock.advance_ms(60_000);
    let again = ask.clone().send().await.expect(201);
    assert_eq!((&again.body, again.header("idempotent-replayed")), (&first.body, "true"));
    assert_eq!(balance(&site, &account).await, "6.00");
    let other = ask.json(&json!({"amount": "5"})).send().await;
    other.expect_problem(422, "idempotency_key_reused");
}

#[tokio::test]
async fn a_reversed_refund_takes_back_what_was_not_spent() {
    let site = Site::start().await;
    let (refund, account) = credited(&site, "store_credit", "10.00").await;
    let spend = format!("/v1/credit_accounts/{account}/spend");
    site.post(&spend, json!({"amount": "4.00"})).once().send().await.expect(201);
    let paid = refund["transactions"][0]["id"].as_str().unwrap();
    let reverse = site.patch(&format!("/v1/transactions/{paid}"), json!({"state": "reversed"}));
    assert_eq!(reverse.clone().send().await.expect(200).json()["state"], "reversed");
    assert_eq!(balance(&site, &account).await, "0.00");
    let path = format!("/v1/refunds/{}", refund["id"].as_str().unwrap());
    let shown = site.get(&path).send().await.json();
    assert_eq!((&shown["state"], &shown["refunded_amount"]), (&json!("reversed"), &json!("4.00")));
    let kept = &shown["transactions"][1];
    assert_eq!((&kept["state"], &kept["amount"]), (&json!("succeeded"), &json!("4.00")));
    let order = shown["order"].as_str().unwrap();
    let more = site.post("/v1/refunds", json!({"order": order, "amount": "6.01"})).once();
    more.send().await.expect_problem(422, "more_than_is_left");
    let rest = site.patch(
        &format!("/v1/transactions/{}", kept["id"].as_str().unwrap()),
        json!({"state": "reversed"}),
    );
    rest.send().await.expect_problem(422, "insufficient_balance");
    reverse.send().await.expect(200);
    assert_eq!(balance(&site, &account).await, "0.00", "said twice, it is done once");
}
