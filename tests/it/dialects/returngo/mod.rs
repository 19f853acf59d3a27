//! ReturnGO, row by row of its contract: `coverage`.

mod coverage;
mod webhooks;
mod words;

use std::collections::BTreeSet;

use refundry_domain::ids::MerchantId;
use refundry_domain::merchant::Scope;
use serde_json::{Value, json};

use crate::harness::site::{Ask, Site};

fn ask(site: &Site, method: &str, path: &str) -> Ask {
    Ask::new(site.address, method, path).header("X-API-KEY", &site.key)
}

async fn list(site: &Site, query: &str) -> Vec<Value> {
    let answer = ask(site, "GET", &format!("/transactions?{query}")).send().await.expect(200);
    let body = answer.json();
    body["transactions"].as_array().unwrap().clone()
}

fn ids(rows: &[Value]) -> BTreeSet<i64> {
    rows.iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

/// An order that some platform was paid for, by its id and its payment's number.
async fn order(site: &Site, reference: &str, provider: &str, amount: &str) -> String {
    let body = json!({"reference": reference, "currency": "USD",
        "lines": [{"sku": "sku_1", "name": "Lamp", "quantity": 2, "amount": amount}],
        "payments": [{"provider": provider, "amount": amount, "provider_reference": "ch_1"}]});
    site.post("/v1/orders", body).send().await.expect(201).id()
}

async fn refund(site: &Site, body: Value) -> i64 {
    let made = site.post("/v1/refunds", body).once().send().await.expect(201).json();
    let id = made["transactions"][0]["id"].as_str().unwrap();
    id.trim_start_matches("txn_").parse().unwrap()
}

async fn put(site: &Site, id: i64, body: Value) -> Ask {
    ask(site, "PUT", &format!("/transaction/{id}")).json(&body)
}

#[tokio::test]
async fn who_asks_is_checked() {
    let site = Site::start().await;
    let name = site.get("/v1/merchants/mer_1").send().await.expect(200).json()["name"].clone();
    let name = name.as_str().unwrap();
    let other = site.merchant("Other").await;
    let theirs = site.make_key(other, &Scope::ALL, 100).await;
    let reader = site.make_key(MerchantId(1), &[Scope::Read], 100).await;
    let order = order(&site, "SO-1", "acme", "10.00").await;
    let id = refund(&site, json!({"order": order, "amount": "1.00"})).await;
    let events = site.events().await;
    for (method, path) in [
        ("GET", "/transactions?pagesize=1".to_owned()),
        ("PUT", format!("/transaction/{id}")),
        ("GET", "/rmas?pagesize=1".to_owned()),
        ("GET", "/rma/1".to_owned()),
    ] {
        for prefix in ["", "/returngo"] {
            let ask = Ask::new(site.address, method, &format!("{prefix}{path}"));
            for wrong in [ask.clone(), ask.clone().header("x-api-key", "rfk_wrong")] {
                let told = wrong.send().await.expect(401).json();
                assert!(told["message"].is_string());
            }
            let ask = ask.header("x-api-key", &site.key);
            for wrong in ["nobody", "nobody.myshopify.com", ".myshopify.com", ""] {
                ask.clone().header("x-shop-name", wrong).send().await.expect(403);
            }
            let shop = format!("{name}.myshopify.com");
            for right in [name, &shop] {
                let answer = ask.clone().header("X-Shop-Name", right).send().await;
                assert!(![401, 403].contains(&answer.status.as_u16()), "{path}");
            }
        }
    }
    let done = json!({"status": "Success"});
    put(&site, id, done.clone()).await.header("x-api-key", &theirs).send().await.expect(404);
    put(&site, id, done.clone()).await.header("x-api-key", &reader).send().await.expect(403);
    put(&site, 999_999, done.clone()).await.send().await.expect(404);
    ask(&site, "PUT", "/transaction/x").json(&done).send().await.expect(400);
    ask(&site, "POST", &format!("/transaction/{id}")).json(&done).send().await.expect(405);
    let none = ask(&site, "GET", "/transactions?pagesize=9").header("x-api-key", &theirs);
    assert_eq!(none.send().await.expect(200).json()["transactions"], json!([]));
    assert_eq!(site.events().await, events);
}

#[tokio::test]
async fn a_key_has_a_limit_a_day() {
    let site = Site::start().await;
    let key = site.make_key(MerchantId(1), &Scope::ALL, 100).await;
    let fast = site.make_key(MerchantId(1), &Scope::ALL, 1_000).await;
    let with = |key: &str| ask(&site, "GET", "/rma/x").header("x-api-key", key);
    for count in 0..2_000 {
        if count % 100 == 0 {
            site.clock.advance_ms(1_000);
        }
        with(&key).send().await.expect(400);
        with(&fast).send().await.expect(400);
    }
    site.clock.advance_ms(1_000);
    let answer = with(&key).send().await.expect(429);
    assert!(answer.json()["message"].as_str().unwrap().contains("a day"));
    let seconds: i64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=86_400).contains(&seconds));
    with(&fast).send().await.expect(400);
    site.clock.advance_ms(seconds * 1_000);
    with(&key).send().await.expect(400);
    // And a limit a second, as everywhere.
    let slow = site.make_key(MerchantId(1), &Scope::ALL, 1).await;
    with(&slow).send().await.expect(400);
    with(&slow).send().await.expect(400);
    assert_eq!(with(&slow).send().await.expect(429).header("retry-after"), "1");
}

#[tokio::test]
async fn a_transaction_has_every_field() {
    let site = Site::start().await;
    let order = order(&site, "SO-1", "acme", "25.96").await;
    let id = refund(&site, json!({"order": order, "amount": "5.90"})).await;
    let rows = list(&site, "pagesize=500").await;
    assert_eq!(rows.len(), 2);
    let body = ask(&site, "GET", &format!("/transactions?pagesize=1&ids={id}")).send().await;
    let text = String::from_utf8(body.expect(200).body.to_vec()).unwrap();
    assert!(text.contains(r#""amount":5.90,"currency":"USD","shopAmount":5.90"#), "{text}");
    let row = &rows[1];
    let names: Vec<&String> = row.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        [
            "amount",
            "bankAccountDetails",
            "createdAt",
            "externalReferenceId",
            "externalReferenceType",
            "id",
            "lastUpdated",
            "processor",
            "returnItemIds",
            "status",
            "type"
        ]
    );
    assert_eq!(row["id"], id);
    assert_eq!(row["type"], "RefundToPaymentMethod");
    assert_eq!(row["status"], "Requested");
    assert_eq!(row["processor"], "External");
    assert_eq!(row["externalReferenceType"], "PlatformRefundId");
    assert_eq!(row["returnItemIds"], json!([]));
    assert!(row["createdAt"].as_str().unwrap().ends_with("+00:00"));
    assert_eq!(row["createdAt"].as_str().unwrap().len(), 25);
    let payment = &rows[0];
    assert_eq!(payment["type"], "PaymentCapture");
    assert_eq!(payment["status"], "Success");
    assert_eq!(payment["processor"], "acme");
    assert_eq!(payment["externalReferenceId"], "ch_1");
}

#[tokio::test]
async fn an_outside_platform_reports() {
    let site = Site::start().await;
    let order = order(&site, "SO-1", "acme", "100.00").await;
    let new = async || refund(&site, json!({"order": order, "amount": "1.00"})).await;
    for (moves, end) in [
        (vec!["Pending", "Pending", "Success", "success"], "Success"),
        (vec!["Success"], "Success"),
        (vec!["Failed", "Failed"], "Failed"),
        (vec!["Pending", "Failed"], "Failed"),
        (vec!["Canceled", "Canceled"], "Canceled"),
        (vec!["Pending", "Canceled"], "Canceled"),
    ] {
        let id = new().await;
        for status in moves {
            let body = json!({"status": status, "externalReferenceId": "re_1",
                "externalReferenceType": "PlatformRefundId", "comment": "Said so",
                "amount": {"amount": 1.00, "currency": "USD"}});
            let shown = put(&site, id, body).await.send().await.expect(200).json();
            assert!(shown["status"].as_str().unwrap().eq_ignore_ascii_case(status));
        }
        let shown = &list(&site, &format!("pagesize=1&ids={id}")).await[0];
        assert_eq!(shown["status"], end);
        let events = site.events().await;
        for status in ["Requested", "Pending", "Success", "Failed", "Canceled", "Nonsense"] {
            if status != end {
                let answer = put(&site, id, json!({"status": status})).await.send().await;
                assert!(answer.expect(400).json()["message"].is_string());
            }
        }
        assert_eq!(site.events().await, events);
        if end == "Success" {
            assert_eq!(shown["externalReferenceId"], "re_1");
        }
    }
    let id = new().await;
    let events = site.events().await;
    put(&site, id, json!({})).await.send().await.expect(200);
    put(&site, id, json!({"status": "Requested"})).await.send().await.expect(200);
    for wrong in [
        json!({"amount": {"amount": 2}}),
        json!({"status": "Success", "amount": {"amount": "1.001"}}),
        json!({"status": "Success", "amount": {"currency": "EUR"}}),
        json!({"status": "Success", "externalReferenceType": "Nonsense"}),
        json!({"status": "Success", "externalReferenceId": "4111111111111111"}),
        json!({"status": 7}),
        json!({"nonsense": 1}),
    ] {
        put(&site, id, wrong.clone()).await.send().await.expect(400);
    }
    for raw in [
        "",
        "[]",
        "{",
        r#"{"status":"Success","status":"Failed"}"#,
        r#"{"status":"Success","amount":{"amount":1e400}}"#,
        r#"{"status":"Success","amount":{"amount":NaN}}"#,
        &"[".repeat(9_000),
    ] {
        let ask = ask(&site, "PUT", &format!("/transaction/{id}"));
        let answer = ask.raw("application/json", raw.to_owned()).send().await.expect(400);
        assert!(answer.json()["message"].is_string());
    }
    // What a gateway carries out is learnt from there; payments were not begun here.
    let paid = site.order("10.00").await;
    let ours = refund(&site, json!({"order": paid, "amount": "1.00"})).await;
    let shown = put(&site, ours, json!({"status": "Success"})).await.send().await.expect(400);
    assert!(shown.json()["message"].as_str().unwrap().contains("gateway"));
    let payment = list(&site, "pagesize=1").await[0]["id"].as_i64().unwrap();
    put(&site, payment, json!({"status": "Failed"})).await.send().await.expect(400);
    assert_eq!(site.events().await, events + 3);
}

/// Every filter, compared with what the whole list shows.
#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let site = Site::start().await;
    let first = order(&site, "SO-1", "acme", "100.00").await;
    let second = order(&site, "SO-2", "sandbox", "100.00").await;
    let invoice = json!({"kind": "invoice_payment", "provider": "acme", "amount": "5.00"});
    site.post(&format!("/v1/orders/{first}/payments"), invoice).send().await.expect(201);
    let body = json!({"order": first, "reference": "RMA-9", "items": [{"line": 1, "quantity": 1}]});
    let returned = site.post("/v1/returns", body).send().await.expect(201).id();
    let mut made = Vec::new();
    for (order, to) in [
        (&first, "original_payment"),
        (&second, "original_payment"),
        (&first, "bank_transfer"),
        (&second, "cash"),
    ] {
        site.clock.advance_ms(60_000);
        let mut body = json!({"order": order, "amount": "1.00", "to": to});
        if order == &first {
            body["return"] = json!(returned);
        }
        made.push(refund(&site, body).await);
    }
    site.clock.advance_ms(60_000);
    put(&site, made[0], json!({"status": "Success"})).await.send().await.expect(200);
    put(&site, made[2], json!({"status": "Failed"})).await.send().await.expect(200);
    let all = list(&site, "pagesize=500").await;
    assert_eq!(all.len(), 7);
    let ascending: Vec<i64> = all.iter().map(|row| row["id"].as_i64().unwrap()).collect();
    assert!(ascending.is_sorted());

    for (name, field) in [("statuses", "status"), ("types", "type"), ("processors", "processor")] {
        let values: BTreeSet<&str> = all.iter().map(|row| row[field].as_str().unwrap()).collect();
        assert!(values.len() > 1, "{name}");
        for value in &values {
            let expected: Vec<Value> =
                all.iter().filter(|row| row[field] == *value).cloned().collect();
            let found = list(&site, &format!("pagesize=500&{name}={value}")).await;
            assert_eq!(ids(&found), ids(&expected), "{name}={value}");
        }
        let both: Vec<&str> = values.iter().copied().take(2).collect();
        let expected: Vec<Value> = all
            .iter()
            .filter(|row| both.contains(&row[field].as_str().unwrap()))
            .cloned()
            .collect();
        let found = list(&site, &format!("pagesize=500&{name}={}", both.join(","))).await;
        assert_eq!(ids(&found), ids(&expected), "{name}={both:?}");
    }
    for (name, field) in [("created_at", "createdAt"), ("updated_at", "lastUpdated")] {
        let times: BTreeSet<String> =
            all.iter().map(|row| row[field].as_str().unwrap()[..19].to_owned()).collect();
        for time in &times {
            for (operator, fits) in [
                ("lt", (|a, b| a < b) as fn(&str, &str) -> bool),
                ("lte", |a, b| a <= b),
                ("gt", |a, b| a > b),
                ("gte", |a, b| a >= b),
                ("eq", |a, b| a == b),
                ("neq", |a, b| a != b),
            ] {
                let fit = |row: &&Value| fits(&row[field].as_str().unwrap()[..19], time);
                let expected: Vec<Value> = all.iter().filter(fit).cloned().collect();
                let found = list(&site, &format!("pagesize=500&{name}={operator}:{time}")).await;
                assert_eq!(ids(&found), ids(&expected), "{name}={operator}:{time}");
            }
        }
    }
    let number = |id: &str| id.split('_').nth(1).unwrap().to_owned();
    let first_rows = list(&site, "pagesize=500&order_ids=SO-1").await;
    assert_eq!(first_rows.len(), 4);
    let by_number = format!("pagesize=500&order_ids={}", number(&first));
    assert_eq!(ids(&list(&site, &by_number).await), ids(&first_rows));
    assert_eq!(list(&site, "pagesize=500&order_ids=SO-1,SO-2").await.len(), 7);
    for rma in ["RMA-9", &number(&returned)] {
        let rows = list(&site, &format!("pagesize=500&rma_ids={rma}")).await;
        assert_eq!(ids(&rows), BTreeSet::from([made[0], made[2]]));
        let item = format!("{}-1", number(&returned));
        assert_eq!(rows[0]["returnItemIds"], json!([item]));
    }
    for nobody in ["order_ids=nobody", "rma_ids=nobody", "ids=999999", "processors=nobody"] {
        assert!(list(&site, &format!("pagesize=500&{nobody}")).await.is_empty(), "{nobody}");
    }
    // Page by page, it is the same list.
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/transactions?pagesize=2&cursor={cursor}");
        let page = ask(&site, "GET", &path).send().await.expect(200).json();
        seen.extend(
            page["transactions"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()),
        );
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = next.replace('=', "%3D").replace('+', "%2B");
    }
    assert_eq!(seen, ascending);
    for wrong in [
        "",
        "pagesize=0",
        "pagesize=501",
        "pagesize=x",
        "pagesize=1&cursor=!",
        "pagesize=1&cursor=eA%3D%3D",
        "pagesize=1&statuses=Nonsense",
        "pagesize=1&types=x",
        "pagesize=1&ids=x",
        "pagesize=1&created_at=x",
        "pagesize=1&created_at=gte:2026-13-01T00:00:00",
        "pagesize=1&updated_at=like:2026-01-01T00:00:00",
        "pagesize=1&pagesize=2",
    ] {
        let answer = ask(&site, "GET", &format!("/transactions?{wrong}")).send().await;
        assert!(answer.expect(400).json()["message"].is_string(), "{wrong}");
    }
}

#[tokio::test]
async fn returns_are_read() {
    let site = Site::start().await;
    let order = order(&site, "SO-1", "acme", "100.00").await;
    let mut returns = Vec::new();
    for _ in 0..3 {
        let body =
            json!({"order": order, "items": [{"line": 1, "quantity": 1, "reason": "small"}]});
        returns.push(site.post("/v1/returns", body).send().await.expect(201).id()[4..].to_owned());
        site.clock.advance_ms(60_000);
    }
    site.patch(&format!("/v1/returns/ret_{}", returns[1]), json!({"state": "approved"}))
        .send()
        .await
        .expect(200);
    let id = format!("ret_{}", returns[0]);
    let refunded = refund(&site, json!({"order": order, "amount": "1.00", "return": id})).await;
    let shown = ask(&site, "GET", &format!("/rma/{}?includeMedia=true", returns[0])).send().await;
    let shown = shown.expect(200).json();
    assert_eq!(shown["rmaSummary"]["rmaId"], returns[0].as_str());
    assert_eq!(shown["rmaSummary"]["status"], "Pending");
    assert_eq!(shown["rmaSummary"]["events"][0]["eventName"], "RMA_CREATED");
    assert_eq!(shown["orderDetails"]["orderName"], "SO-1");
    assert_eq!(shown["items"][0]["returnedItemId"], format!("{}-1", returns[0]));
    assert_eq!(shown["items"][0]["sku"], "sku_1");
    assert_eq!(shown["transactions"][0]["id"], refunded);
    for name in ["shipments", "comments", "exchangeOrders", "exchangeItems"] {
        assert_eq!(shown[name], json!([]), "{name}");
    }
    assert_eq!(shown["isOutOfPolicy"], false);

    let rmas = async |query: &str| {
        let body = ask(&site, "GET", &format!("/rmas?{query}")).send().await.expect(200).json();
        let ids = body["rmas"].as_array().unwrap().iter();
        let ids: Vec<String> = ids.map(|row| row["rmaId"].as_str().unwrap().to_owned()).collect();
        (ids, body["next_cursor"].as_str().map(|text| text.replace('=', "%3D")))
    };
    let (first, cursor) = rmas("pagesize=2").await;
    assert_eq!(first, returns[..2]);
    let (rest, end) = rmas(&format!("pagesize=2&cursor={}", cursor.unwrap())).await;
    assert_eq!((rest, end), (vec![returns[2].clone()], None));
    assert_eq!(rmas("pagesize=9&status=Approved").await.0, [returns[1].clone()]);
    let (newest, _) = rmas("pagesize=1&sort_by=-rma_created_at").await;
    assert_eq!(newest, [returns[2].clone()]);
    // By when they were made, and by when they were last changed.
    let times = async |id: &str| {
        let shown = ask(&site, "GET", &format!("/rma/{id}")).send().await.expect(200).json();
        [&shown["createdAt"], &shown["lastUpdated"]].map(|at| at.as_str().unwrap()[..19].to_owned())
    };
    let mut all = Vec::new();
    for id in &returns {
        let [created, updated] = times(id).await;
        all.push((id.clone(), created, updated));
    }
    assert!(all[0].1 < all[1].1 && all[2].2 < all[1].2, "{all:?}");
    for (operator, fits) in [
        ("lt", (|a, b| a < b) as fn(&str, &str) -> bool),
        ("lte", |a, b| a <= b),
        ("gt", |a, b| a > b),
        ("gte", |a, b| a >= b),
        ("eq", |a, b| a == b),
        ("neq", |a, b| a != b),
    ] {
        let (_, created, updated) = &all[1];
        let by = |fit: &dyn Fn(&(String, String, String)) -> bool| -> Vec<String> {
            all.iter().filter(|row| fit(row)).map(|row| row.0.clone()).collect()
        };
        let query = format!("pagesize=9&rma_created_at={operator}:{created}");
        assert_eq!(rmas(&query).await.0, by(&|row| fits(&row.1, created)), "{query}");
        let query = format!("pagesize=9&rma_updated_at={operator}:{updated}");
        assert_eq!(rmas(&query).await.0, by(&|row| fits(&row.2, updated)), "{query}");
    }
    for wrong in ["rma_created_at=x", "rma_updated_at=gte:2026-13-01T00:00:00"] {
        ask(&site, "GET", &format!("/rmas?pagesize=9&{wrong}")).send().await.expect(400);
    }
    let other = site.merchant("Other").await;
    let key = site.make_key(other, &Scope::ALL, 100).await;
    let path = format!("/rma/{}", returns[0]);
    ask(&site, "GET", &path).header("x-api-key", &key).send().await.expect(404);
    ask(&site, "GET", "/rma/x").send().await.expect(400);
    ask(&site, "GET", "/rmas?pagesize=1&status=x").send().await.expect(400);
    ask(&site, "GET", "/rmas?pagesize=1&sort_by=x").send().await.expect(400);
}
