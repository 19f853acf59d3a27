//! The nine methods over REST: paths, fields, states, paging.

use serde_json::{Value, json};

use super::shop::{Shop, declined, expect_error, paid, rest};

/// The methods as the gate's announcement lists them.
const ANNOUNCED: &str = "
  • addAutomaticRefund. - add automatic refund to the indicated refund or claim
  • addAutomaticRefundForOrder - add automatic refund to the indicated order
  • addManualRefund - add manual refund to indicated return or claim
  • getPossibleAutoRefunds' - return a list of possible automatic refunds to the indicated order, return or claim
  • getRefundStatus - get the status of the indicated refund
  • updateRefund - update amount and currency of indicated refund
  • confirmRefund - confirm indicated refund
  • cancelRefund - cancel indicated refund
  • retrieveRefundsList - retrieve list of all unapproved refunds
";

pub fn announced() -> Vec<String> {
    let lines = ANNOUNCED.lines().filter_map(|line| line.trim().strip_prefix("• "));
    let name = |line: &str| line.chars().take_while(char::is_ascii_alphabetic).collect();
    lines.map(name).collect()
}

#[tokio::test]
async fn every_announced_method_answers_in_every_version_and_under_the_prefix() {
    let shop = Shop::with_order().await;
    assert_eq!(announced().len(), 9);
    for method in announced() {
        for version in ["v2", "v3", "v5", "v6", "v7", "v8", "v99"] {
            for prefix in ["", "/idosell"] {
                let params = json!({"sourceType": "nothing", "sourceId": 1, "paymentId": 1,
                                    "refundValue": 1, "refundCurrency": "PLN"});
                let ask = shop.call(&method, params);
                let ask = ask.at(&format!("{prefix}/api/admin/{version}/refunds/{method}"));
                let answer = ask.send().await;
                assert_eq!(answer.status, 207, "{prefix} {version} {method}: {:?}", answer.body);
            }
        }
        let path = format!("/api/admin/v8/refunds/{method}");
        for path in [path.replace("v8", "8"), path.replace("v8", "vx"), format!("{path}s")] {
            let answer = shop.site.get(&path).send().await;
            expect_error(answer, 404);
        }
        let wrong = shop.site.ask("DELETE", &path).send().await;
        assert!(["GET", "POST", "PUT"].contains(&wrong.header("allow")));
        expect_error(wrong, 405);
    }
}

#[tokio::test]
async fn an_automatic_refund_of_an_order_is_added_changed_confirmed_and_paid() {
    let shop = Shop::with_order().await;
    let possible = json!({"sourceId": 1001, "sourceType": "order"});
    let shown = shop.ok("getPossibleAutoRefunds", possible.clone()).await;
    let full = |id: i64, value: &str| {
        json!({"paymentId": id, "value": number(value), "refundType": "full",
               "refundCurrency": "PLN"})
    };
    assert_eq!(shown, json!({"results": [full(1, "100.00"), full(2, "23.45")]}));

    let params = json!({"sourceId": 1001, "refundValue": 20.12, "paymentId": "1001-1",
                        "refundCurrency": "PLN"});
    let added = shop.ok("addAutomaticRefundForOrder", params).await;
    let refund = added["result"]["refundId"].as_i64().unwrap();
    assert_eq!(added, json!({"result": {"refundId": refund}}));

    let shown = shop.ok("getPossibleAutoRefunds", possible).await;
    assert_eq!(shown["results"][0]["value"], number("79.88"));
    assert_eq!(shown["results"][0]["refundType"], "partial");

    let status = shop.status("order", "1001", "1001-1").await;
    let expected = json!({
        "refundDateAdd": "2025-06-15 17:06:40", "refundValue": number("20.12"),
        "refundStatus": "Unconfirmed", "refundDateConfirm": "", "refundExternalId": "",
        "refundCurrency": "PLN",
    });
    assert_eq!(status, expected);

    let update = json!({"sourceType": "order", "sourceId": 1001, "paymentId": "1001-1",
                        "refundValue": "30.5", "refundCurrency": "PLN"});
    for _ in 0..2 {
        let done = shop.ok("updateRefund", update.clone()).await;
        assert_eq!(done, json!({"result": {"updateResult": true}}));
    }

    shop.site.clock.advance_ms(60_000);
    let confirm = json!({"sourceType": "order", "sourceId": 1001, "paymentId": 1});
    let done = shop.ok("confirmRefund", confirm).await;
    assert_eq!(done, json!({"result": {"confirmResult": true}}));
    assert_eq!(shop.status("order", "1001", "1").await["refundStatus"], "Processing");
    shop.hand_over(refund).await;
    assert_eq!(shop.status("order", "1001", "1").await["refundStatus"], "Processing");
    shop.learn(refund, &paid("ido_77")).await;
    let expected = json!({
        "refundDateAdd": "2025-06-15 17:06:40", "refundValue": number("30.50"),
        "refundStatus": "Confirmed", "refundDateConfirm": "2025-06-15 17:07:40",
        "refundExternalId": "ido_77", "refundCurrency": "PLN",
    });
    assert_eq!(shop.status("order", "1001", "1").await, expected);
}

/// A JSON number as it is written: amounts keep their decimals.
fn number(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn amounts_are_numbers_with_the_decimals_of_their_currency() {
    let shop = Shop::with_order().await;
    shop.automatic("1001", "20.1").await;
    let params = json!({"sourceType": "order", "sourceId": 1001, "paymentId": 1});
    let answer = shop.call("getRefundStatus", params).send().await.expect(200);
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(text.contains("\"refundValue\":20.10,"), "{text}");
}

#[tokio::test]
async fn a_refund_is_addressed_by_ordinal_source_and_ordinal_or_number() {
    let shop = Shop::with_order().await;
    let first = shop.automatic("1001", "1.00").await;
    let second = shop.automatic("1001", "2.00").await;
    for payment in ["2", "1001-2", &second.to_string()] {
        assert_eq!(shop.status("order", "1001", payment).await["refundValue"], number("2.00"));
    }
    for payment in [json!(2), json!("2"), json!("1001-2"), json!(second)] {
        let params = json!({"sourceType": "order", "sourceId": "1001", "paymentId": payment,
                            "refundValue": 2.5, "refundCurrency": "PLN"});
        shop.ok("updateRefund", params).await;
    }
    for payment in ["0", "3", "1002-1", "1001-0", "1001-3", "x", "-1", "1001-", "99999999999"] {
        let params = json!({"sourceType": "order", "sourceId": 1001, "paymentId": payment});
        shop.fault("getRefundStatus", params, 4008).await;
    }
    // Another order's refund is not this one's.
    shop.order("1002").await;
    let params = json!({"sourceType": "order", "sourceId": 1002, "paymentId": first});
    shop.fault("getRefundStatus", params, 4008).await;
}

/// The number of one refund can be the ordinal of another: then neither is guessed.
#[tokio::test]
async fn an_integer_that_means_two_refunds_is_refused() {
    let shop = Shop::with_order().await;
    let first = shop.automatic("1001", "0.01").await;
    let mut count = 1;
    while count < first {
        shop.automatic("1001", "0.01").await;
        count += 1;
    }
    let by =
        |payment: Value| json!({"sourceType": "order", "sourceId": 1001, "paymentId": payment});
    let body = shop.fault("confirmRefund", by(json!(first)), 4008).await;
    let text = body["errors"]["faultString"].as_str().unwrap();
    assert!(text.contains("1001-1 ") && text.contains(&format!("1001-{first};")), "{text}");
    shop.ok("confirmRefund", by(json!("1001-1"))).await;
    assert_eq!(shop.status("order", "1001", "1001-1").await["refundStatus"], "Processing");
    let other = format!("1001-{first}");
    assert_eq!(shop.status("order", "1001", &other).await["refundStatus"], "Unconfirmed");
}

#[tokio::test]
async fn a_return_gives_back_what_it_is_worth_and_once() {
    let shop = Shop::with_order().await;
    shop.return_of("1001", "return", "501", 1).await;
    shop.return_of("1001", "complaint", "601", 1).await;
    let possible = json!({"sourceId": 501, "sourceType": "return"});
    let shown = shop.ok("getPossibleAutoRefunds", possible.clone()).await;
    let row = json!({"paymentId": 1, "value": number("50.00"), "refundType": "partial",
                     "refundCurrency": "PLN"});
    assert_eq!(shown["results"], json!([row]));

    let add = json!({"sourceType": "return", "sourceId": 501});
    let added = shop.ok("addAutomaticRefund", add.clone()).await;
    for _ in 0..2 {
        assert_eq!(shop.ok("addAutomaticRefund", add.clone()).await, added);
    }
    assert_eq!(shop.status("return", "501", "501-1").await["refundValue"], number("50.00"));
    let by = |kind: &str, id: i64| json!({"sourceType": kind, "sourceId": id, "paymentId": 1});
    let claim = json!({"sourceType": "rma", "sourceId": 601});
    shop.ok("addAutomaticRefund", claim).await;
    shop.ok("confirmRefund", by("rma", 601)).await;
    assert_eq!(shop.status("rma", "601", "1").await["refundStatus"], "Processing");
    // Goods that came back were sent before: that the order is fulfilled does not matter here.
    shop.fulfil("1001").await;
    shop.ok("confirmRefund", by("return", 501)).await;

    // A return is none of the order's own refunds, and a claim is no return.
    shop.fault("getRefundStatus", by("order", 1001), 4008).await;
    shop.fault("getRefundStatus", by("rma", 501), 4008).await;
    let none = json!({"sourceId": 501, "sourceType": "return"});
    assert_eq!(shop.ok("getPossibleAutoRefunds", none).await, json!({"results": []}));
}

#[tokio::test]
async fn a_canceled_refund_of_a_return_can_be_added_again() {
    let shop = Shop::with_order().await;
    shop.return_of("1001", "return", "501", 2).await;
    let add = json!({"sourceType": "return", "sourceId": "501"});
    let first = shop.ok("addAutomaticRefund", add.clone()).await;
    let by = json!({"sourceType": "return", "sourceId": 501, "paymentId": "501-1"});
    let done = shop.ok("cancelRefund", by).await;
    assert_eq!(done, json!({"result": {"resultStatus": true}}));
    assert_eq!(shop.status("return", "501", "1").await["refundStatus"], "Canceled");
    let second = shop.ok("addAutomaticRefund", add).await;
    assert_ne!(first, second);
    assert_eq!(shop.status("return", "501", "501-2").await["refundStatus"], "Unconfirmed");
}

#[tokio::test]
async fn two_clients_add_the_same_return_at_once_and_get_one_refund() {
    let shop = Shop::with_order().await;
    shop.return_of("1001", "return", "501", 1).await;
    let add = || shop.call("addAutomaticRefund", json!({"sourceType": "return", "sourceId": 501}));
    let asked: Vec<_> = (0..8).map(|_| tokio::spawn(add().send())).collect();
    let mut numbers = Vec::new();
    for one in asked {
        let answer = one.await.unwrap();
        // Whoever comes while the first is still under way is told to come again.
        if answer.status == 429 {
            assert_eq!(answer.header("retry-after"), "1");
        } else {
            numbers.push(answer.expect(200).json()["result"]["refundId"].as_i64().unwrap());
        }
    }
    numbers.dedup();
    assert_eq!(numbers.len(), 1);
    let list = shop.ok("retrieveRefundsList", json!({"sourceType": "all"})).await;
    assert_eq!(list["resultsNumberAll"], 1);
}

#[tokio::test]
async fn a_refund_by_hand_is_recorded_and_paid_when_it_is_confirmed() {
    let shop = Shop::with_order().await;
    shop.return_of("1001", "return", "501", 1).await;
    shop.return_of("1001", "complaint", "601", 1).await;
    let systems = [
        (27, "customer_balance"),
        (3, "cash"),
        (5, "bank_transfer"),
        (2, "gift_card"),
        (11, "other"),
        (74, "other"),
    ];
    for (at, (system, to)) in systems.into_iter().enumerate() {
        let (kind, source) = [("order", 1001), ("return", 501), ("rma", 601)][at % 3];
        let details = json!({"paymentFormId": 0, "paymentSystem": system,
                             "account": "PL61109010140000071219812874", "clientAccount": ""});
        let params = json!({"sourceType": kind, "sourceId": source, "refundValue": 10,
                            "refundCurrency": "PLN", "refundDetails": details});
        let added = shop.ok("addManualRefund", params).await;
        let refund = added["result"]["refundId"].as_i64().unwrap();
        let path = format!("/v1/refunds/ref_{refund}");
        let shown = shop.site.get(&path).send().await.expect(200).json();
        assert_eq!((&shown["to"], &shown["state"]), (&json!(to), &json!("unconfirmed")));
        assert_eq!(shown["execution"], "manual");
        assert_eq!(shown["metadata"]["idosell_account"], "…2874");
        assert!(!shown.to_string().contains("61109010140000071219812874"));
        let ordinal = at / 3 + 1;
        let by = json!({"sourceType": kind, "sourceId": source,
                        "paymentId": format!("{source}-{ordinal}")});
        shop.ok("confirmRefund", by).await;
        let name = format!("{source}-{ordinal}");
        let status = shop.status(kind, &source.to_string(), &name).await;
        assert_eq!(status["refundStatus"], "Confirmed", "{kind} {system}");
        assert_eq!(status["refundDateConfirm"], "2025-06-15 17:06:40");
    }
    // The form says it where the system does not.
    let params = json!({"sourceType": "order", "sourceId": 1001, "refundValue": "1",
                        "refundDetails": {"paymentFormId": 27, "paymentSystem": 0}});
    shop.ok("addManualRefund", params).await;
}

/// A confirmation that was broken off half way, or begun elsewhere, is brought to its end.
#[tokio::test]
async fn a_refund_by_hand_that_is_under_way_is_paid_by_confirming_it() {
    let shop = Shop::with_order().await;
    let params = json!({"sourceType": "order", "sourceId": 1001, "refundValue": 10,
                        "refundDetails": {"paymentSystem": 3}});
    let added = shop.ok("addManualRefund", params).await;
    let path = format!("/v1/refunds/ref_{}/confirm", added["result"]["refundId"]);
    shop.site.post(&path, json!({})).once().send().await.expect(200);
    assert_eq!(shop.status("order", "1001", "1").await["refundStatus"], "Processing");
    let by = json!({"sourceType": "order", "sourceId": 1001, "paymentId": 1});
    shop.ok("confirmRefund", by.clone()).await;
    assert_eq!(shop.status("order", "1001", "1").await["refundStatus"], "Confirmed");
    shop.fault("confirmRefund", by, 4012).await;
}

#[tokio::test]
async fn a_long_list_is_whole() {
    let shop = Shop::with_order().await;
    let line = |at: i64| {
        let refund = json!({"order": {"reference": "1001"}, "amount": "0.01", "confirm": false});
        json!({"idempotency_key": format!("k{at}"), "refund": refund}).to_string()
    };
    let lines: Vec<String> = (0..1_205).map(line).collect();
    let ask = shop.site.ask("POST", "/v1/bulk").raw("application/x-ndjson", lines.join("\n"));
    ask.send().await.expect(200);
    for (page, rows, last) in [(1, 100, 100), (6, 100, 600), (13, 5, 1_205), (14, 0, 0)] {
        let query = json!({"sourceType": "order", "resultsPage": page});
        let shown = shop.ok("retrieveRefundsList", query).await;
        assert_eq!(
            (&shown["resultsNumberAll"], &shown["resultsNumberPage"]),
            (&json!(1205), &json!(13))
        );
        let found = shown["results"].as_array().unwrap();
        assert_eq!(found.len(), rows);
        let payment = found.last().map_or(json!(null), |row| row["paymentId"].clone());
        assert_eq!(payment, if last == 0 { json!(null) } else { json!(format!("1001-{last}")) });
    }
}

#[tokio::test]
async fn every_state_has_its_name() {
    let shop = Shop::with_order().await;
    let mut numbers = Vec::new();
    for _ in 0..3 {
        numbers.push(shop.automatic("1001", "1.00").await);
    }
    let by = |at: usize| json!({"sourceType": "order", "sourceId": 1001, "paymentId": format!("1001-{at}")});
    shop.ok("cancelRefund", by(1)).await;
    shop.ok("confirmRefund", by(2)).await;
    shop.hand_over(numbers[1]).await;
    shop.learn(numbers[1], &declined()).await;
    for (at, name) in [(1, "Canceled"), (2, "Rejected"), (3, "Unconfirmed")] {
        let status = shop.status("order", "1001", &format!("1001-{at}")).await;
        assert_eq!(status["refundStatus"], name);
    }
}

#[tokio::test]
async fn the_list_has_what_is_not_confirmed_page_by_page() {
    let shop = Shop::with_order().await;
    shop.return_of("1001", "return", "501", 1).await;
    shop.return_of("1001", "complaint", "C/7", 1).await;
    shop.ok("addAutomaticRefund", json!({"sourceType": "return", "sourceId": 501})).await;
    shop.ok("addAutomaticRefund", json!({"sourceType": "rma", "sourceId": "C/7"})).await;
    for value in ["1.00", "2.00", "3.00"] {
        shop.automatic("1001", value).await;
    }
    let by = json!({"sourceType": "order", "sourceId": 1001, "paymentId": "1001-2"});
    shop.ok("confirmRefund", by).await;

    let list = async |query: Value| shop.ok("retrieveRefundsList", query).await;
    let row = |kind: &str, source: Value, payment: &str, value: &str| {
        json!({"sourceType": kind, "sourceId": source, "paymentId": payment,
               "refundValue": number(value), "refundCurrency": "PLN"})
    };
    let all = [
        row("return", json!(501), "501-1", "50.00"),
        row("rma", json!("C/7"), "C/7-1", "50.00"),
        row("order", json!(1001), "1001-1", "1.00"),
        row("order", json!(1001), "1001-3", "3.00"),
    ];
    let whole = list(json!({"sourceType": "all"})).await;
    assert_eq!(whole["results"], json!(all));
    let paging = |body: &Value| {
        ["resultsNumberAll", "resultsNumberPage", "resultsPage", "resultsLimit"]
            .map(|name| body[name].as_i64().unwrap())
    };
    assert_eq!(paging(&whole), [4, 1, 1, 100]);
    for (kind, rows) in [("order", &all[2..]), ("return", &all[..1]), ("rma", &all[1..2])] {
        assert_eq!(list(json!({"sourceType": kind})).await["results"], json!(rows), "{kind}");
    }
    for (page, rows) in [(0, &all[..3]), (1, &all[..3]), (2, &all[3..]), (3, &all[4..])] {
        let query = json!({"sourceType": "all", "resultsPage": page, "resultsLimit": 3});
        let shown = list(query).await;
        assert_eq!(shown["results"], json!(rows), "page {page}");
        assert_eq!(paging(&shown), [4, 2, page, 3]);
    }
    // What the list shows is taken as it stands.
    for row in whole["results"].as_array().unwrap() {
        let by = json!({"sourceType": row["sourceType"], "sourceId": row["sourceId"],
                        "paymentId": row["paymentId"]});
        shop.ok("cancelRefund", by).await;
    }
    let none = list(json!({"sourceType": "all"})).await;
    assert_eq!((none["results"].clone(), paging(&none)), (json!([]), [0, 0, 1, 100]));
}

#[tokio::test]
async fn a_key_is_taken_where_this_api_has_it_and_scopes_are_named_as_it_names_them() {
    use refundry_domain::ids::MerchantId;
    use refundry_domain::merchant::Scope;
    let shop = Shop::with_order().await;
    let list = json!({"sourceType": "all"});
    let bare = || rest(&shop.site, "retrieveRefundsList", &list);
    bare().key(&shop.site.key).send().await.expect(200);
    bare().header("X-API-KEY", &shop.site.key).send().await.expect(200);
    for wrong in ["rfk_wrong", "", "ą"] {
        expect_error(bare().header("x-api-key", wrong).send().await, 401);
    }
    expect_error(bare().send().await, 401);
    let reads = shop.site.make_key(MerchantId(1), &[Scope::Read], 1000).await;
    let writes = shop.site.make_key(MerchantId(1), &[Scope::Write], 1000).await;
    bare().header("x-api-key", &reads).send().await.expect(200);
    let message = expect_error(bare().header("x-api-key", &writes).send().await, 403);
    assert_eq!(message, "Scope: oms, level: r");
    let params = json!({"sourceId": 1001, "refundValue": 1, "refundCurrency": "PLN"});
    let add = rest(&shop.site, "addAutomaticRefundForOrder", &params);
    let answer = add.header("x-api-key", &reads).send().await;
    assert_eq!(answer.header("x-error"), "Scope: oms, level: rw");
    expect_error(answer, 403);
    let slow = shop.site.make_key(MerchantId(1), &[Scope::Read], 1).await;
    let ask = || bare().header("x-api-key", &slow).send();
    for _ in 0..2 {
        ask().await.expect(200);
    }
    let limited = ask().await;
    assert!(limited.header("retry-after").parse::<u32>().unwrap() >= 1);
    expect_error(limited, 429);
}

#[tokio::test]
async fn an_idempotency_key_makes_adding_repeatable() {
    let shop = Shop::with_order().await;
    let params = |value: i64| json!({"sourceId": 1001, "refundValue": value, "refundCurrency": "PLN", "paymentId": 2});
    let ask = |value: i64| shop.call("addAutomaticRefundForOrder", params(value)).under("once-1");
    let first = ask(5).send().await.expect(200);
    let again = ask(5).send().await.expect(200);
    assert_eq!(first.body, again.body);
    let replayed = "idempotent-replayed";
    assert_eq!((first.header(replayed), again.header(replayed)), ("", "true"));
    expect_error(ask(6).send().await, 422);
    let too_much = || shop.call("addAutomaticRefundForOrder", params(500)).under("once-2").send();
    let refused = super::shop::expect_fault(too_much().await, "addAutomaticRefundForOrder", 4003);
    assert_eq!(too_much().await.expect(207).json(), refused);
    let list = shop.ok("retrieveRefundsList", json!({"sourceType": "all"})).await;
    assert_eq!(list["resultsNumberAll"], 1);
}
