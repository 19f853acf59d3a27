//! Refunds and their transactions.

use refundry_domain::ids::MerchantId;
use refundry_domain::merchant::Scope;
use serde_json::{Value, json};

use crate::harness::site::{Answer, Site};

async fn ask(site: &Site, body: Value) -> Answer {
    site.post("/v1/refunds", body).once().send().await
}

/// Asks for what is done by hand, so that it can be reported.
async fn manual(site: &Site, order: &str, amount: &str) -> Value {
    let body = json!({"order": order, "amount": amount, "to": "cash"});
    ask(site, body).await.expect(201).json()
}

async fn verb(site: &Site, refund: &str, verb: &str) -> Answer {
    site.post(&format!("/v1/refunds/{refund}/{verb}"), json!({})).once().send().await
}

#[tokio::test]
async fn a_refund_is_asked_for_by_amount_percent_items_and_kind() {
    let site = Site::start().await;
    let body = json!({"reference": "R1", "currency": "USD",
        "lines": [{"sku": "a", "quantity": 3, "amount": "10.00"},
                  {"kind": "shipping", "amount": "5.00"}],
        "payments": [{"provider": "sandbox", "amount": "15.00"}]});
    let order = site.post("/v1/orders", body).send().await.expect(201).id();
    let body = json!({"order": {"reference": "R1"}, "amount": 1.50, "reason": "late",
                      "metadata": {"ticket": "7"}});
    let refund = ask(&site, body).await.expect(201).json();
    assert_eq!(refund["order"], order);
    assert_eq!(refund["amount"], "1.50");
    assert_eq!(refund["state"], "pending");
    assert_eq!(refund["execution"], "automatic");
    assert_eq!(refund["to"], "original_payment");
    assert_eq!(refund["requested_by"], refund["confirmed_by"]);
    assert_eq!(refund["transactions"][0]["state"], "pending");
    assert!(refund["transactions"][0].get("key").is_none(), "the provider's key stays inside");

    let items = json!({"order": order, "items": [{"sku": "a", "quantity": 1}, {"line": 2}]});
    let items = ask(&site, items).await.expect(201).json();
    assert_eq!(items["amount"], "8.33");
    assert_eq!(items["asked_by"], "items");
    assert_eq!(items["items"][0]["amount"], "3.33");
    assert_eq!(items["items"][1]["amount"], "5.00");
    let percent = ask(&site, json!({"order": order, "percent": "10"})).await.expect(201).json();
    assert_eq!((&percent["amount"], &percent["percent"]), (&json!("1.50"), &json!("10")));
    let kind = json!({"order": order, "percent": 50, "kind": "product"});
    let kind = ask(&site, kind).await;
    kind.expect_problem(422, "more_than_is_left").at("/percent");

    let shown = site.get(&format!("/v1/refunds/{}", items["id"].as_str().unwrap())).send().await;
    assert_eq!(shown.expect(200).json(), items);
    let list = site.get(&format!("/v1/refunds?order={order}&state=pending&state=failed,canceled"));
    let list = list.send().await.expect(200).json();
    assert_eq!(list["data"].as_array().unwrap().len(), 3);
    assert_eq!(list["data"][0], percent, "newest first, and as it is shown alone");
}

/// What is asked for, and the status, code and place of what is answered.
type Row = (Value, u16, &'static str, Option<&'static str>);

/// One row a refusal.
fn refusals(order: &str, unpaid: &str) -> Vec<Row> {
    let with = |field: &str, value: Value| {
        let mut body = json!({"order": order, "amount": "1.00"});
        body[field] = value;
        body
    };
    let items = |item: Value| json!({"order": order, "items": [item]});
    vec![
        (json!({"order": "ord_99999", "amount": "1"}), 404, "order_not_found", None),
        (json!({"order": {"reference": "none"}, "amount": "1"}), 404, "order_not_found", None),
        (with("return", json!("ret_99999")), 404, "return_not_found", None),
        (with("payment", json!("txn_99999")), 404, "payment_not_found", Some("/payment")),
        (items(json!({"line": 9})), 422, "line_not_found", Some("/items/0/line")),
        (items(json!({"sku": "z"})), 422, "line_not_found", Some("/items/0/sku")),
        (items(json!({"sku": "b"})), 422, "line_ambiguous", Some("/items/0/sku")),
        (json!({"order": order, "items": []}), 422, "field_missing", Some("/items")),
        (with("reason", json!("x".repeat(1001))), 422, "text_too_long", Some("/reason")),
        (with("note", json!("a\u{7}")), 422, "text_control_character", Some("/note")),
        (with("note", json!("4111 1111 1111 1111")), 422, "card_number_refused", Some("/note")),
        (items(json!({"line": 1, "quantity": 0})), 422, "out_of_range", Some("/items/0/quantity")),
        (with("currency", json!("EUR")), 422, "currency_differs", Some("/currency")),
        (with("amount", json!("0.001")), 422, "amount_too_precise", Some("/amount")),
        (with("amount", json!("0")), 422, "amount_not_positive", Some("/amount")),
        (with("amount", json!("-1")), 422, "amount_not_positive", Some("/amount")),
        (with("amount", json!(1e15)), 422, "amount_too_large", Some("/amount")),
        (json!({"order": unpaid, "amount": "1"}), 422, "nothing_captured", None),
        (with("kind", json!("duty")), 422, "no_line_of_kind", Some("/kind")),
        (
            items(json!({"line": 1, "quantity": 4})),
            422,
            "more_units_than_left",
            Some("/items/0/quantity"),
        ),
        (
            items(json!({"line": 1, "amount": "10.01"})),
            422,
            "more_than_line_has",
            Some("/items/0/amount"),
        ),
        (
            json!({"order": order, "percent": "0.0001"}),
            422,
            "nothing_to_give_back",
            Some("/percent"),
        ),
        (with("amount", json!("17.01")), 422, "more_than_is_left", Some("/amount")),
        (with("to", json!("store_credit")), 422, "destination_not_available", Some("/to")),
        (
            json!({"order": order, "amount": "17.00", "execution": "automatic"}),
            422,
            "execution_not_available",
            Some("/execution"),
        ),
        (
            json!({"order": order, "items": [{"line": 1}], "kind": "tax"}),
            422,
            "fields_contradict",
            Some("/kind"),
        ),
    ]
}

#[tokio::test]
async fn each_rule_says_no_in_its_own_words() {
    let site = Site::start().await;
    let body = json!({"currency": "USD",
        "lines": [{"sku": "a", "quantity": 3, "amount": "10.00"},
                  {"sku": "b", "amount": "1.00"}, {"sku": "b", "amount": "1.00"}],
        "payments": [{"provider": "sandbox", "amount": "12.00"},
                     {"provider": "elsewhere", "amount": "5.00"}]});
    let order = site.post("/v1/orders", body).send().await.expect(201).id();
    let unpaid = site.post("/v1/orders", json!({"currency": "USD"})).send().await.id();
    let events = site.events().await;
    for (body, status, code, pointer) in refusals(&order, &unpaid) {
        let answer = ask(&site, body).await.expect_problem(status, code);
        match pointer {
            Some(pointer) => drop(answer.at(pointer)),
            None => assert!(answer.json().get("errors").is_none(), "{}", answer.json()),
        }
    }
    assert_eq!(site.events().await, events, "a refusal writes nothing");
}

#[tokio::test]
async fn a_proposed_refund_is_changed_confirmed_and_canceled() {
    let site = Site::start().await;
    let order = site.order("20.00").await;
    let body = json!({"order": order, "amount": "5.00", "confirm": false});
    let refund = ask(&site, body).await.expect(201).json();
    assert_eq!(refund["state"], "unconfirmed");
    assert_eq!(refund["confirmed_by"], json!(null));
    let id = refund["id"].as_str().unwrap();
    let path = format!("/v1/refunds/{id}");
    let body = json!({"amount": "6.00", "currency": "USD", "metadata": {"a": "1"}});
    let changed = site.patch(&path, body).send().await.expect(200).json();
    assert_eq!((&changed["amount"], &changed["metadata"]), (&json!("6.00"), &json!({"a": "1"})));
    let more = site.patch(&path, json!({"amount": "20.01"})).send().await;
    more.expect_problem(422, "more_than_is_left").at("/amount");
    let currency = site.patch(&path, json!({"currency": "USD"})).send().await;
    currency.expect_problem(422, "field_invalid").at("/currency");
    let confirmed = verb(&site, id, "confirm").await.expect(200).json();
    assert_eq!(confirmed["state"], "pending");
    assert_eq!(confirmed["confirmed_by"], confirmed["requested_by"]);
    verb(&site, id, "confirm").await.expect_problem(409, "wrong_state");
    let late = site.patch(&path, json!({"amount": "7.00"})).send().await;
    late.expect_problem(409, "wrong_state");
    let body = json!({"reason": "changed their mind"});
    let canceled = site.post(&format!("{path}/cancel"), body).send().await.expect(200).json();
    assert_eq!(canceled["state"], "canceled");
    assert_eq!(canceled["failure"]["message"], "changed their mind");
    verb(&site, id, "retry").await.expect_problem(409, "wrong_state");
    verb(&site, "ref_99999", "retry").await.expect_problem(404, "refund_not_found");
    verb(&site, "ref_x", "confirm").await.expect_problem(404, "refund_not_found");
}

#[tokio::test]
async fn who_may_write_may_not_approve_what_the_policy_wants_approved() {
    let site = Site::start().await;
    let body = json!({"approval": {"when": "above", "limits": {"USD": "5.00"}}});
    site.patch("/v1/settings", body).send().await.expect(200);
    let writer = site.make_key(MerchantId(1), &[Scope::Write], 1000).await;
    let approver = site.make_key(MerchantId(1), &[Scope::Approve], 1000).await;
    let order = site.order("20.00").await;
    let small = json!({"order": order, "amount": "5.00"});
    let small = site.post("/v1/refunds", small).once().key(&writer).send().await;
    assert_eq!(small.expect(201).json()["state"], "pending");
    let forced = json!({"order": order, "amount": "5.01", "confirm": true});
    let forced = site.post("/v1/refunds", forced).once().key(&writer).send().await;
    forced.expect_problem(403, "approval_required");
    let large = json!({"order": order, "amount": "5.01"});
    let large = site.post("/v1/refunds", large).once().key(&writer).send().await.expect(201);
    assert_eq!(large.json()["state"], "unconfirmed");
    let confirm = site.post(&format!("/v1/refunds/{}/confirm", large.id()), json!({})).once();
    confirm.clone().key(&writer).send().await.expect_problem(403, "approval_required");
    let confirmed = confirm.once().key(&approver).send().await.expect(200).json();
    assert_eq!(confirmed["state"], "pending");
    assert_ne!(confirmed["confirmed_by"], confirmed["requested_by"]);
}

#[tokio::test]
async fn what_is_more_than_a_day_may_have_waits_and_says_so() {
    let site = Site::start().await;
    let body = json!({"daily_limit": {"refunds": 2, "amounts": {"USD": "9.00"}}});
    site.patch("/v1/settings", body).send().await.expect(200);
    let writer = site.make_key(MerchantId(1), &[Scope::Write], 1000).await;
    let order = site.order("50.00").await;
    let request = async |amount: &str| {
        let body = json!({"order": order, "amount": amount});
        site.post("/v1/refunds", body).once().key(&writer).send().await.expect(201).json()
    };
    let first = request("5.00").await;
    assert_eq!((&first["state"], &first["waits_for"]), (&json!("pending"), &Value::Null));
    assert!(first["counted_on"].is_string());
    let much = request("4.01").await;
    let waits = (&much["state"], &much["waits_for"], &much["counted_on"]);
    assert_eq!(waits, (&json!("unconfirmed"), &json!("daily_limit"), &Value::Null));
    assert_eq!(request("4.00").await["state"], "pending");
    let many = request("0.01").await;
    assert_eq!(many["waits_for"], "daily_limit");
    let path = format!("/v1/refunds/{}/confirm", many["id"].as_str().unwrap());
    let confirm = site.post(&path, json!({})).once().key(&writer).send().await;
    let why = confirm.expect_problem(403, "approval_required").json();
    assert!(why["detail"].as_str().unwrap().contains("in a day"), "{why}");
    let confirmed = site.post(&path, json!({})).once().send().await.expect(200).json();
    assert_eq!((&confirmed["state"], &confirmed["waits_for"]), (&json!("pending"), &Value::Null));
    assert_eq!(confirmed["counted_on"], first["counted_on"]);
    // Another day, and what waits since yesterday fits.
    site.clock.advance_ms(86_400_000);
    let path = format!("/v1/refunds/{}/confirm", much["id"].as_str().unwrap());
    let confirmed = site.post(&path, json!({})).once().key(&writer).send().await.expect(200);
    assert_ne!(confirmed.json()["counted_on"], first["counted_on"]);
}

#[tokio::test]
async fn an_outside_platform_reports_what_became_of_a_refund() {
    let site = Site::start().await;
    let order = site.order("50.00").await;
    let report = async |refund: &Value, body: Value| {
        let transaction = refund["transactions"][0]["id"].as_str().unwrap();
        site.patch(&format!("/v1/transactions/{transaction}"), body).send().await
    };
    let state = async |refund: &Value| {
        let path = format!("/v1/refunds/{}", refund["id"].as_str().unwrap());
        site.get(&path).send().await.expect(200).json()
    };
    let paid = manual(&site, &order, "10.00").await;
    assert_eq!(paid["transactions"][0]["state"], "requested");
    let body = json!({"state": "processing", "provider_reference": "p-1"});
    let acknowledged = report(&paid, body).await.expect(200).json();
    assert_eq!(acknowledged["state"], "processing");
    assert_eq!(acknowledged["provider_reference"], "p-1");
    let body = json!({"state": "succeeded", "amount": "10.00"});
    assert_eq!(report(&paid, body).await.expect(200).json()["state"], "succeeded");
    assert_eq!(state(&paid).await["refunded_amount"], "10.00");
    let body = json!({"state": "failed", "code": "declined"});
    report(&paid, body).await.expect_problem(409, "wrong_transaction_state");
    let body = json!({"state": "reversed", "message": "came back"});
    report(&paid, body).await.expect(200);
    assert_eq!(state(&paid).await["state"], "reversed");

    let failed = manual(&site, &order, "10.00").await;
    let body = json!({"state": "failed", "code": "account_closed", "message": "gone"});
    report(&failed, body).await.expect(200);
    let failed = state(&failed).await;
    assert_eq!(failed["failure"], json!({"code": "account_closed", "message": "gone"}));
    let retried = verb(&site, failed["id"].as_str().unwrap(), "retry").await.expect(200).json();
    assert_eq!(retried["transactions"].as_array().unwrap().len(), 2);
    assert_eq!(retried["transactions"][0]["superseded"], true);

    let other = manual(&site, &order, "10.00").await;
    let body = json!({"state": "succeeded", "amount": "9.99"});
    assert_eq!(report(&other, body).await.expect(200).json()["state"], "needs_attention");
    let canceled = manual(&site, &order, "10.00").await;
    report(&canceled, json!({"state": "canceled"})).await.expect(200);
    assert_eq!(state(&canceled).await["state"], "canceled");

    let automatic = ask(&site, json!({"order": order, "amount": "1.00"})).await.json();
    let body = json!({"state": "succeeded"});
    report(&automatic, body).await.expect_problem(409, "not_yours_to_report");
    let rows = [
        (json!({}), "field_missing", "/state"),
        (json!({"state": "lost"}), "field_invalid", "/state"),
        (json!({"state": "failed", "amount": "1"}), "field_invalid", "/amount"),
        (json!({"state": "succeeded", "code": "other"}), "field_invalid", "/code"),
        (
            json!({"state": "failed", "provider_reference": "x"}),
            "field_invalid",
            "/provider_reference",
        ),
        (json!({"state": "succeeded", "amount": "1.001"}), "field_invalid", "/amount"),
        (json!({"state": "failed", "message": "\u{1}"}), "text_control_character", "/message"),
    ];
    for (body, code, pointer) in rows {
        report(&canceled, body).await.expect_problem(422, code).at(pointer);
    }
}

#[tokio::test]
async fn bank_details_are_checked_sealed_and_shown_by_four_digits() {
    let site = Site::start().await;
    let body = json!({"currency": "EUR", "payments":
        [{"provider": "sandbox", "method": "voucher", "amount": "20.00"}]});
    let order = site.post("/v1/orders", body).send().await.expect(201).id();
    let refund = ask(&site, json!({"order": order, "amount": "20.00"})).await.expect(201).json();
    assert_eq!(refund["state"], "requires_information");
    let path = format!("/v1/refunds/{}/information", refund["id"].as_str().unwrap());
    let good = json!({"iban": "de89 3704 0044 0532 0130 00", "account_holder": "Ada L",
                      "bic": "COBADEFF"});
    let mut rows = Vec::new();
    for iban in
        ["DE89370400440532013001", "", "DE", "1234567890123456", "DE89 3704 0044 0532 0130 0é"]
    {
        rows.push(("iban", json!(iban)));
    }
    rows.extend([("account_holder", json!(" ")), ("account_holder", json!("a\nb"))]);
    rows.extend([("account_holder", json!("4111111111111111")), ("bic", json!("123"))]);
    for (field, value) in rows {
        let mut body = good.clone();
        body[field] = value;
        let answer = site.post(&path, body).once().send().await;
        answer.expect_problem(422, "field_invalid").at(&format!("/{field}"));
    }
    let given = site.post(&path, good).once().send().await.expect(200);
    assert_eq!(given.json()["information"], json!({"last4": "3000"}));
    assert_eq!(given.json()["state"], "pending");
    let text = String::from_utf8(given.body.to_vec()).unwrap();
    assert!(!text.contains("370400440532013000") && !text.contains("Ada L"), "{text}");
    let (_, home) = site.stop().await;
    for entry in std::fs::read_dir(home.dir.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap_or_default();
        let found = bytes.windows(12).any(|window| window == b"370400440532");
        assert!(!found, "the account stands readable in a file");
    }
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_and_writes_nothing() {
    let site = Site::start().await;
    let order = site.order("20.00").await;
    let events = site.events().await;
    let body = json!({"order": order, "amount": "5.00"});
    let tried = site.post("/v1/refunds?dry_run=true", body.clone()).send().await.expect(200);
    assert_eq!(tried.json()["amount"], "5.00");
    let tried = site.post("/v1/refunds?dry_run=true", body).under("k").send().await.expect(200);
    assert!(tried.header("idempotent-replayed").is_empty());
    let more = json!({"order": order, "amount": "20.01"});
    let more = site.post("/v1/refunds?dry_run=true", more).send().await;
    more.expect_problem(422, "more_than_is_left");
    site.post("/v1/orders?dry_run=true", json!({"currency": "USD"})).send().await.expect(200);
    assert_eq!(site.events().await, events);
    let list = site.get("/v1/refunds").send().await.json();
    assert_eq!(list["data"], json!([]));
}

#[tokio::test]
async fn a_refund_that_was_paid_by_hand_is_recorded_in_one_request() {
    let site = Site::start().await;
    let order = site.order("10.00").await;
    let body = json!({"order": order, "amount": "4.00",
                      "paid": {"provider_reference": "till 7, receipt 112"}});
    let refund = ask(&site, body.clone()).await.expect(201).json();
    assert_eq!((&refund["state"], &refund["execution"]), (&json!("succeeded"), &json!("manual")));
    assert_eq!(refund["refunded_amount"], "4.00");
    assert_eq!(refund["transactions"][0]["state"], "succeeded");
    assert_eq!(refund["transactions"][0]["provider_reference"], "till 7, receipt 112");
    let shown = site.get(&format!("/v1/refunds/{}", refund["id"].as_str().unwrap())).send().await;
    assert_eq!(shown.expect(200).json(), refund);
    let mut proposal = body.clone();
    proposal["confirm"] = json!(false);
    ask(&site, proposal).await.expect_problem(422, "fields_contradict").at("/confirm");
    let mut long = body;
    long["paid"]["provider_reference"] = json!("x".repeat(256));
    let problem = ask(&site, long).await;
    problem.expect_problem(422, "text_too_long").at("/paid/provider_reference");
}
