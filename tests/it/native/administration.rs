//! Keys, merchants and settings.

use refundry_domain::ids::MerchantId;
use refundry_domain::merchant::{Administration, Scope, Settings};
use refundry_domain::policy::Approval;
use serde_json::json;

use crate::harness::site::Site;
use crate::harness::store::NOW;

#[tokio::test]
async fn a_key_is_made_shown_once_and_revoked() {
    let site = Site::start().await;
    let body = json!({"name": "shop", "scopes": ["read", "write", "read"], "rate_per_second": 50});
    let made = site.post("/v1/keys", body.clone()).send().await.expect(201).json();
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("rfk_") && secret.len() >= 44, "{secret}");
    assert_eq!(made["scopes"], json!(["read", "write"]));
    let path = format!("/v1/keys/{}", made["id"].as_str().unwrap());
    let shown = site.get(&path).send().await.expect(200).json();
    assert!(shown.get("secret").is_none() && shown["revoked_at"].is_null(), "{shown}");
    site.get("/v1/orders").key(secret).send().await.expect(200);
    site.get("/v1/keys").key(secret).send().await.expect_problem(403, "scope_missing");
    let dry = site.ask("DELETE", &format!("{path}?dry_run=true")).send().await.expect(200).json();
    assert!(!dry["revoked_at"].is_null());
    site.get("/v1/orders").key(secret).send().await.expect(200);
    let revoked = site.ask("DELETE", &path).send().await.expect(200).json();
    assert_eq!(site.ask("DELETE", &path).send().await.expect(200).json(), revoked);
    site.get("/v1/orders").key(secret).send().await.expect_problem(401, "credential_invalid");
    let events = site.events().await;
    let dry = site.post("/v1/keys?dry_run=true", body).send().await.expect(200).json();
    assert!(dry["id"].is_null() && dry.get("secret").is_none(), "{dry}");
    for (field, value) in [
        ("name", json!("")),
        ("name", json!("a\n")),
        ("name", json!("4111111111111111")),
        ("scopes", json!([])),
        ("rate_per_second", json!(0)),
        ("rate_per_second", json!(1_000_001)),
    ] {
        let mut body = json!({"name": "x", "scopes": ["read"]});
        body[field] = value;
        let answer = site.post("/v1/keys", body).send().await;
        answer.expect_problem(422, "field_invalid").at(&format!("/{field}"));
    }
    let odd = site.post("/v1/keys", json!({"name": "x", "scopes": ["read", "all"]})).send().await;
    odd.expect_problem(422, "field_invalid").at("/scopes/1");
    assert_eq!(site.events().await, events);
}

#[tokio::test]
async fn the_operator_makes_merchants_and_their_keys() {
    let site = Site::start().await;
    let made = site.post("/v1/merchants", json!({"name": "Ada's"})).send().await.expect(201);
    let merchant = made.id();
    let body = json!({"name": "theirs", "scopes": ["read", "admin"], "merchant": merchant});
    let key = site.post("/v1/keys", body).send().await.expect(201).json();
    assert_eq!(key["merchant"], merchant);
    let key = key["secret"].as_str().unwrap();
    let own = site.get(&format!("/v1/merchants/{merchant}")).key(key).send().await.expect(200);
    assert_eq!(own.json()["name"], "Ada's");
    let foreign = site.get("/v1/merchants/mer_1").key(key).send().await;
    foreign.expect_problem(404, "merchant_not_found");
    site.get("/v1/merchants").key(key).send().await.expect_problem(403, "operator_only");
    let more = site.post("/v1/merchants", json!({"name": "x"})).key(key).send().await;
    more.expect_problem(403, "operator_only");
    let body = json!({"name": "x", "scopes": ["admin"], "merchant": "mer_1"});
    let break_in = site.post("/v1/keys", body).key(key).send().await;
    break_in.expect_problem(404, "merchant_not_found").at("/merchant");
    let path = format!("/v1/merchants/{merchant}");
    let renamed = site.patch(&path, json!({"name": "Ada & Co"})).key(key).send().await.expect(200);
    assert_eq!((renamed.id(), &renamed.json()["name"]), (merchant, &json!("Ada & Co")));
    let list = site.get("/v1/merchants?limit=1").send().await.expect(200).json();
    assert_eq!(
        (list["data"][0]["name"].as_str(), &list["has_more"]),
        (Some("Ada & Co"), &json!(true))
    );
}

#[tokio::test]
async fn settings_are_changed_in_part() {
    let site = Site::start().await;
    let before = site.get("/v1/settings").send().await.expect(200).json();
    assert_eq!(before["approval"], json!({"when": "never", "limits": {}}));
    assert_eq!(before["information_expiry_seconds"], 2_592_000);
    assert_eq!(before["daily_limit"], json!({"refunds": null, "amounts": {}}));
    let limit = json!({"refunds": 50, "amounts": {"USD": 5000, "JPY": "0"}});
    let body = json!({"daily_limit": limit});
    let changed = site.patch("/v1/settings", body).send().await.expect(200).json();
    let shown = json!({"refunds": 50, "amounts": {"USD": "5000.00", "JPY": "0"}});
    assert_eq!(changed["daily_limit"], shown);
    let body = json!({"daily_limit": {}});
    assert_eq!(site.patch("/v1/settings", body).send().await.expect(200).json(), before);
    let body = json!({"approval": {"when": "above", "limits": {"USD": "100", "JPY": 0}}});
    let changed = site.patch("/v1/settings", body).send().await.expect(200).json();
    assert_eq!(changed["approval"]["limits"], json!({"USD": "100.00", "JPY": "0"}));
    assert_eq!(changed["information_expiry_seconds"], 2_592_000);
    let body = json!({"information_expiry_seconds": 60});
    let tried = site.patch("/v1/settings?dry_run=true", body.clone()).send().await.expect(200);
    assert_eq!(tried.json()["information_expiry_seconds"], 60);
    assert_eq!(site.get("/v1/settings").send().await.json(), changed);
    site.patch("/v1/settings", body).send().await.expect(200);
    assert_eq!(before["time_zone"], "UTC");
    let body = json!({"time_zone": "europe/warsaw"});
    let changed = site.patch("/v1/settings", body).send().await.expect(200).json();
    assert_eq!(changed["time_zone"], "Europe/Warsaw");
    let events = site.events().await;
    for (body, code, pointer) in [
        (json!({"time_zone": "Mars/Olympus"}), "field_invalid", "/time_zone"),
        (json!({"time_zone": "../etc/passwd"}), "field_invalid", "/time_zone"),
        (json!({"time_zone": ""}), "field_invalid", "/time_zone"),
        (json!({"approval": {"when": "sometimes"}}), "field_invalid", "/approval/when"),
        (json!({"approval": {}}), "field_missing", "/approval/when"),
        (json!({"daily_limit": {"refunds": -1}}), "field_invalid", "/daily_limit/refunds"),
        (
            json!({"daily_limit": {"amounts": {"USD": "x"}}}),
            "field_invalid",
            "/daily_limit/amounts/USD",
        ),
        (
            json!({"daily_limit": {"amounts": {"USD": 0.001}}}),
            "field_invalid",
            "/daily_limit/amounts/USD",
        ),
        (
            json!({"approval": {"when": "never", "limits": {"USD": 1}}}),
            "field_invalid",
            "/approval/limits",
        ),
        (
            json!({"approval": {"when": "above", "limits": {"usd": 1}}}),
            "field_invalid",
            "/approval/limits/usd",
        ),
        (
            json!({"approval": {"when": "above", "limits": {"USD": 0.001}}}),
            "field_invalid",
            "/approval/limits/USD",
        ),
        (json!({"information_expiry_seconds": 59}), "field_invalid", "/information_expiry_seconds"),
        (
            json!({"information_expiry_seconds": 60.0}),
            "field_invalid",
            "/information_expiry_seconds",
        ),
    ] {
        let answer = site.patch("/v1/settings", body).send().await;
        answer.expect_problem(422, code).at(pointer);
    }
    assert_eq!(site.events().await, events);
    let other = site.merchant("Other").await;
    let key = site.make_key(other, &Scope::ALL, 100).await;
    assert_eq!(site.get("/v1/settings").key(&key).send().await.expect(200).json(), before);
}

/// What an operator turns off through one server would go on at the others.
#[tokio::test]
async fn a_setting_changed_elsewhere_holds_within_seconds() {
    let site = Site::start().await;
    let order = site.order("20.00").await;
    let ask = |amount: &str| site.post("/v1/refunds", json!({"order": order, "amount": amount}));
    let first = ask("1.00").once().send().await.expect(201).json();
    assert_eq!(first["state"], "pending");
    // As another process would.
    let merchant = site.home.store.merchant(MerchantId(1)).await.unwrap().unwrap();
    let settings = Settings { approval: Approval::Always, ..merchant.settings };
    let change = Administration::ChangeMerchant { name: None, settings: Some(settings) };
    let store = &site.home.store;
    store.administer(MerchantId(1), "elsewhere".into(), NOW, change).await.unwrap();
    site.clock.advance_ms(5_000);
    let after = ask("2.00").once().send().await.expect(201).json();
    assert_eq!(after["state"], "unconfirmed", "every refund is to be approved by now");
}
