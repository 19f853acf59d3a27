//! Walks the table of routes: none forgets to ask who comes and what they may.

use refundry::testing::dialects::native::route::{Method, Route, Success};
use refundry::testing::dialects::native::{openapi, routes};
use refundry::testing::dialects::shared::problem::Code;
use refundry::testing::dialects::shared::replay::KeyRule;
use refundry::testing::http::docs::ERRORS;
use refundry_domain::ids::MerchantId;
use refundry_domain::merchant::Scope;
use serde_json::{Value, json};

use crate::harness::site::{Ask, Site};

/// The route's path with the id of a row in it, of whatever kind it takes.
fn path(route: &Route, number: &str) -> String {
    let prefix = match route.path.split('/').nth(2).unwrap() {
        "orders" => "ord",
        "refunds" => "ref",
        "returns" => "ret",
        "transactions" => "txn",
        "keys" => "key",
        "gateways" => "gw",
        "merchants" => "mer",
        "webhook_endpoints" => "whe",
        "credit_accounts" => "acc",
        "deliveries" => return route.path.replace("{id}", &format!("dlv_{number}_{number}")),
        other => other,
    };
    route.path.replace("{id}", &format!("{prefix}_{number}"))
}

fn ask(site: &Site, route: &Route, path: &str) -> Ask {
    let ask = site.ask(route.method.name(), path);
    let kind = if route.operation == "bulk" { "application/x-ndjson" } else { "application/json" };
    let ask = if route.method == Method::Get { ask } else { ask.raw(kind, "{}") };
    if route.key == KeyRule::Required { ask.once() } else { ask }
}

#[tokio::test]
async fn no_route_answers_without_a_key_that_may() {
    let site = Site::start().await;
    let revoked = site.make_key(MerchantId(1), &Scope::ALL, 1000).await;
    let id = site.get("/v1/keys").send().await.expect(200).json()["data"][0]["id"].clone();
    let revoke = format!("/v1/keys/{}", id.as_str().unwrap());
    site.ask("DELETE", &revoke).send().await.expect(200);
    for route in routes::all() {
        let path = path(route, "999999");
        let ask = ask(&site, route, &path);
        let name = route.operation;
        let none = ask.clone().without("authorization").send().await;
        none.expect_problem(401, "credential_missing");
        for wrong in ["rfk_wrong", &revoked, "", &"x".repeat(5000)] {
            let answer = ask.clone().key(wrong).send().await;
            assert_eq!(answer.status, 401, "{name} with {wrong:?}");
            assert!(answer.header("www-authenticate").starts_with("Bearer"), "{name}");
        }
        for scope in Scope::ALL {
            let key = site.make_key(MerchantId(1), &[scope], 1000).await;
            let answer = ask.clone().key(&key).open().await;
            let may = route.scopes.contains(&scope);
            assert_eq!(answer.status() != 403, may, "{name} with scope {}", scope.name());
            assert!(answer.headers().contains_key("ratelimit"), "{name}");
        }
    }
}

/// A row of another merchant is answered as if it were not there.
#[tokio::test]
async fn no_route_shows_or_touches_anothers_row() {
    let site = Site::start().await;
    let order = site.order("10.00").await;
    let refund = site.refund(&order, "1.00").await;
    let body = serde_json::json!({"order": order, "items": [{"line": 1, "quantity": 1}]});
    let returned = site.post("/v1/returns", body).send().await.expect(201).id();
    let card = serde_json::json!({"order": order, "amount": "1.00", "to": "gift_card"});
    let card = site.post("/v1/refunds", card).once().send().await.expect(201).json();
    let account = card["transactions"][0]["provider_reference"].as_str().unwrap().to_owned();
    let shown = site.get(&format!("/v1/orders/{order}")).send().await.json();
    let payment = shown["payments"][0]["id"].as_str().unwrap().to_owned();
    let key_id = site.get("/v1/keys").send().await.json()["data"][0]["id"].clone();
    let endpoint = json!({"url": "http://127.0.0.1:1/"});
    let endpoint = site.post("/v1/webhook_endpoints", endpoint).send().await.expect(201).id();
    let again = json!({"from": "2020-01-01T00:00:00Z"});
    let again = site.post(&format!("/v1/webhook_endpoints/{endpoint}/redeliver"), again);
    again.send().await.expect(200);
    let made = site.get("/v1/deliveries?limit=1").send().await.expect(200).json();
    let delivery = made["data"][0]["id"].as_str().unwrap().to_owned();
    let file = crate::outside::transfers::written(&site).await;
    let other = site.merchant("Other").await;
    let key = site.make_key(other, &Scope::ALL, 1000).await;
    let secret = "d2hhdGV2ZXIgaXQgaXMsIGl0IGlzIGxvbmcgZW5vdWdo";
    let gateway = serde_json::json!({
        "name": "givex", "connector": "http",
        "settings": {"url": "https://shop.example/refunds"}, "secrets": {"secret": secret},
    });
    site.post("/v1/gateways", gateway).send().await.expect(201);
    let events = site.events().await;
    for route in routes::all().filter(|route| route.path.contains("{id}")) {
        let id = match route.path.split('/').nth(2).unwrap() {
            "orders" => &order,
            "refunds" => &refund,
            "returns" => &returned,
            "transactions" => &payment,
            "keys" => key_id.as_str().unwrap(),
            "merchants" => "mer_1",
            "webhook_endpoints" => &endpoint,
            "deliveries" => &delivery,
            "gateways" => "givex",
            "bank_transfer_files" => &file,
            "credit_accounts" => &account,
            other => panic!("a row of {other} is needed here"),
        };
        let ask = ask(&site, route, &route.path.replace("{id}", id));
        let body = match route.operation {
            "record_payment" => r#"{"provider":"sandbox","amount":"1.00"}"#,
            "give_refund_information" => {
                r#"{"iban":"DE89370400440532013000","account_holder":"Ada"}"#
            }
            "report_transaction" => r#"{"state":"succeeded"}"#,
            "update_merchant" => r#"{"name":"Taken"}"#,
            "spend_credit" => r#"{"amount":"1.00"}"#,
            "undo_spend" => r#"{"spend":"ent_1"}"#,
            "redeliver_events" => r#"{"from":"2020-01-01T00:00:00Z"}"#,
            _ => "{}",
        };
        let get = route.method == Method::Get;
        let ask = if get { ask } else { ask.raw("application/json", body) };
        let answer = ask.key(&key).send().await;
        assert_eq!(answer.status, 404, "{}: {:?}", route.operation, answer.body);
    }
    for path in [
        "orders",
        "refunds",
        "returns",
        "transactions",
        "webhook_endpoints",
        "deliveries",
        "credit_accounts",
    ] {
        let list = site.get(&format!("/v1/{path}")).key(&key).send().await.expect(200).json();
        assert_eq!(list["data"], serde_json::json!([]), "{path}");
    }
    let body = serde_json::json!({"order": order, "amount": "1.00"});
    let asked = site.post("/v1/refunds", body).once().key(&key).send().await;
    asked.expect_problem(404, "order_not_found");
    assert_eq!(site.events().await, events, "nothing was written");
}

#[tokio::test]
async fn a_route_knows_its_methods_and_its_query() {
    let site = Site::start().await;
    for route in routes::all() {
        let path = path(route, "1");
        let put = site.ask("PUT", &path).send().await;
        let allow = put.expect_problem(405, "method_not_allowed").header("allow").to_owned();
        assert!(allow.contains(route.method.name()), "{path}: {allow}");
        let ask = ask(&site, route, &format!("{path}?surprise=1"));
        let answer = ask.send().await;
        assert_eq!(answer.status, 400, "{}: {:?}", route.operation, answer.body);
        assert_eq!(answer.json()["errors"][0]["parameter"], "surprise");
    }
    site.get("/v2/orders").send().await.expect_problem(404, "not_found");
    site.get("/v1/orders/").send().await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn money_does_not_move_without_an_idempotency_key() {
    let site = Site::start().await;
    for route in routes::all() {
        let ask = ask(&site, route, &path(route, "1")).without("idempotency-key");
        match route.key {
            KeyRule::Required => {
                ask.send().await.expect_problem(400, "idempotency_key_required");
            }
            KeyRule::Refused => {
                let answer = ask.under("k").send().await;
                answer.expect_problem(400, "idempotency_key_unsupported");
            }
            KeyRule::Optional => {
                let answer = ask.under("a b").send().await;
                answer.expect_problem(400, "idempotency_key_invalid");
            }
            KeyRule::None => {}
        }
    }
}

/// The reference in the repository is the one that the server gives.
#[test]
fn the_reference_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/openapi.json");
    let document = openapi::document();
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(path, &document).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    let hint = "run `refundry openapi > docs/reference/openapi.json` and look at the difference";
    assert!(kept == document, "docs/reference/openapi.json differs: {hint}");
}

#[test]
fn the_reference_describes_every_route_and_no_shape_is_missing() {
    let document: Value = serde_json::from_str(&openapi::document()).unwrap();
    let mut count = 0;
    for route in routes::all() {
        let verb = route.method.name().to_lowercase();
        let operation = &document["paths"][route.path][&verb];
        assert_eq!(operation["operationId"], route.operation);
        assert!(operation["summary"].is_string() && operation["security"].is_array());
        let success = match route.success {
            Success::One(status, _) => status.to_string(),
            Success::List(_) | Success::Stream(..) => "200".to_owned(),
        };
        for status in [success.as_str(), "400", "401", "403", "429", "503"] {
            assert!(operation["responses"][status].is_object(), "{} {status}", route.operation);
        }
        count += 1;
    }
    let paths = document["paths"].as_object().unwrap();
    let documented: usize = paths.values().map(|item| item.as_object().unwrap().len()).sum();
    assert_eq!(documented, count, "an operation that is no route");
    let text = document.to_string();
    for (at, found) in text.match_indices("\"#/components/schemas/") {
        let name: String = text[at + found.len()..].chars().take_while(|c| *c != '"').collect();
        assert!(document["components"]["schemas"][&name].is_object(), "no shape {name}");
    }
}

/// Each code has its section in the page of errors, with its status and title.
#[test]
fn every_problem_is_documented() {
    let refusals = include_str!("../../domain/src/refusal.rs");
    // Those of the refusals, and of those about credit.
    let lists = refusals.split("fn code(").skip(1);
    let lists = lists.map(|rest| rest.split("fn field(").next().unwrap());
    let codes = lists.flat_map(|list| list.split("=> \"").skip(1));
    let mut known: Vec<String> =
        codes.map(|rest| rest.split('"').next().unwrap().to_owned()).collect();
    assert!(known.len() > 30);
    for code in Code::ALL {
        let (name, status, title) = code.entry();
        let section = format!("### `{name}`\n\n{status}: {title}.");
        assert!(ERRORS.contains(&section), "docs/reference/errors.md lacks: {section}");
        known.push(name.to_owned());
    }
    for name in &known {
        assert!(ERRORS.contains(&format!("### `{name}`\n")), "no section for {name}");
    }
    for heading in ERRORS.lines().filter_map(|line| line.strip_prefix("### ")) {
        let name = heading.trim_matches('`');
        assert!(known.iter().any(|code| code == name), "{name} is no code");
    }
}
