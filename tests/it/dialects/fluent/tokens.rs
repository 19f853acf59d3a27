//! `/oauth/token`, and what its tokens open.

use futures_util::future::join_all;
use refundry_domain::ids::MerchantId;
use refundry_domain::merchant::Scope;
use serde_json::{Value, json};

use super::shop::{Shop, TRANSACTIONS, expect_error, form, sample, token_call, token_of};
use crate::harness::site::{Answer, Ask, Site};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

#[track_caller]
fn expect_oauth(answer: Answer, status: u16, error: &str) -> String {
    let answer = answer.expect(status);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    let body = answer.json();
    assert_eq!(body["error"], error, "{body}");
    body["error_description"].as_str().unwrap().to_owned()
}

fn password<'a>(key: &'a str, grant: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("username", "anybody"),
        ("password", key),
        ("client_id", "1"),
        ("client_secret", key),
        ("grant_type", grant),
        ("scope", "api"),
    ]
}

async fn opens(shop: &Shop, token: &str) -> u16 {
    shop.get(TRANSACTIONS).key(token).send().await.status.as_u16()
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_token_is_given_for_a_key_in_a_form_or_in_the_query() {
    let shop = Shop::open().await;
    let site = &shop.site;
    let params = password(&site.key, "password");
    let query = format!("/oauth/token?{}", form(&params));
    let asks = [
        token_call(site, &params),
        Ask::new(site.address, "POST", &query),
        token_call(site, &params).at("/fluent/oauth/token"),
        token_call(site, &params).header("fluent.account", "ACCOUNT"),
        // Some clients say nothing of their body's type.
        token_call(site, &params).without("content-type"),
    ];
    for ask in asks {
        let answer = ask.send().await.expect(200);
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("pragma"), "no-cache");
        let body = answer.json();
        assert_eq!(body["token_type"], "bearer");
        assert_eq!(body["expires_in"], 86_400);
        assert_eq!(body["scope"], "api");
        assert_eq!(body["Retailer_id"], 1);
        assert!(body["refresh_token"].is_string(), "{body}");
        assert_eq!(opens(&shop, &text(&body, "access_token")).await, 200);
    }
}

#[tokio::test]
async fn client_credentials_have_no_refresh_token() {
    let shop = Shop::open().await;
    let params = [
        ("grant_type", "client_credentials"),
        ("client_id", "1"),
        ("client_secret", shop.site.key.as_str()),
    ];
    let body = token_call(&shop.site, &params).send().await.expect(200).json();
    assert!(body.get("refresh_token").is_none(), "{body}");
    assert_eq!(opens(&shop, &text(&body, "access_token")).await, 200);
    // Where many libraries put them.
    let basic = crate::harness::whole::basic("1", &shop.site.key);
    let ask = token_call(&shop.site, &params[..1]).header("authorization", &basic);
    let body = ask.send().await.expect(200).json();
    assert_eq!(opens(&shop, &text(&body, "access_token")).await, 200);
}

#[tokio::test]
async fn secret_and_password_are_one_key_and_either_is_enough() {
    let shop = Shop::open().await;
    let site = &shop.site;
    let key = site.key.as_str();
    let with = |secret: &str, password: &str| {
        let params = [
            ("grant_type", "password"),
            ("client_id", "1"),
            ("client_secret", secret),
            ("password", password),
        ];
        token_call(site, &params)
    };
    for (secret, password) in [(key, key), (key, ""), ("", key)] {
        with(secret, password).send().await.expect(200);
    }
    expect_oauth(with(key, "another").send().await, 400, "invalid_grant");
    expect_oauth(with("another", key).send().await, 400, "invalid_grant");
    expect_oauth(with("", "wrong").send().await, 400, "invalid_grant");
    expect_oauth(with("wrong", "wrong").send().await, 401, "invalid_client");
    let answer = with("wrong", "").send().await;
    assert_eq!(answer.header("www-authenticate"), "Basic realm=\"refundry\"");
    expect_oauth(answer, 401, "invalid_client");
    expect_oauth(with("", "").send().await, 401, "invalid_client");
}

#[tokio::test]
async fn what_is_no_request_for_a_token_is_said_in_the_words_of_oauth() {
    let shop = Shop::open().await;
    let site = &shop.site;
    let without = |gone: &str| {
        let all = password(&site.key, "password");
        let left: Vec<_> = all.into_iter().filter(|(name, _)| *name != gone).collect();
        token_call(site, &left)
    };
    let with = |name: &'static str, value: &'static str| {
        let mut all = password(&site.key, "password");
        all.retain(|(known, _)| *known != name);
        all.push((name, value));
        token_call(site, &all)
    };
    let said = expect_oauth(without("grant_type").send().await, 400, "invalid_request");
    assert_eq!(said, "Missing grant type");
    let said =
        expect_oauth(with("grant_type", "implicit").send().await, 400, "unsupported_grant_type");
    assert_eq!(said, "Unsupported grant type: implicit");
    expect_oauth(with("scope", "admin").send().await, 400, "invalid_scope");
    expect_oauth(without("client_id").send().await, 401, "invalid_client");
    // The key is another merchant's than the client says; there is such a merchant, or none.
    site.merchant("Another").await;
    for client in ["2", "999", "x", "01", "9999999999999999999999"] {
        expect_oauth(with("client_id", client).send().await, 401, "invalid_client");
    }
    let said =
        expect_oauth(with("grant_type", "refresh_token").send().await, 400, "invalid_request");
    assert_eq!(said, "Missing refresh token");
    without("scope").send().await.expect(200);
    without("username").send().await.expect(200);
    let twice = format!("{}&client_id=2", form(&password(&site.key, "password")));
    let twice = token_call(site, &[]).raw("application/x-www-form-urlencoded", twice);
    expect_oauth(twice.send().await, 400, "invalid_request");
    let large = token_call(site, &[("grant_type", &"x".repeat(300_000))]);
    expect_oauth(large.send().await, 400, "invalid_request");
    let bytes = token_call(site, &[]).raw("text/plain", vec![0_u8, 0xff, b'%', b'=']);
    expect_oauth(bytes.send().await, 400, "invalid_request");
    let got = Ask::new(site.address, "GET", "/oauth/token").send().await;
    assert_eq!(got.header("allow"), "POST");
    expect_error(got, 405);
}

fn refresh_with(site: &Site, token: &str, client: &str, secret: &str) -> Ask {
    let params = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("client_id", client),
        ("client_secret", secret),
    ];
    token_call(site, &params)
}

async fn log_in(site: &Site) -> Value {
    token_call(site, &password(&site.key, "password")).send().await.expect(200).json()
}

#[tokio::test]
async fn a_refresh_token_works_once() {
    let shop = Shop::open().await;
    let site = &shop.site;
    let first = log_in(site).await;
    let refresh = text(&first, "refresh_token");
    let second = refresh_with(site, &refresh, "1", &site.key).send().await.expect(200).json();
    assert_eq!(second["Retailer_id"], 1);
    assert_eq!(opens(&shop, &text(&second, "access_token")).await, 200);
    // The old access token goes on, the refresh token does not.
    assert_eq!(opens(&shop, &text(&first, "access_token")).await, 200);
    let again = refresh_with(site, &refresh, "1", &site.key).send().await;
    assert_eq!(expect_oauth(again, 400, "invalid_grant"), "Invalid refresh token");
    // The new one does, without the key too: who logged in by a password alone has no secret.
    let next = text(&second, "refresh_token");
    refresh_with(site, &next, "1", "").send().await.expect(200);
}

#[tokio::test]
async fn of_many_who_refresh_at_once_one_does() {
    let shop = Shop::open().await;
    let refresh = text(&log_in(&shop.site).await, "refresh_token");
    let asks = (0..12).map(|_| refresh_with(&shop.site, &refresh, "1", &shop.site.key).send());
    let statuses: Vec<u16> =
        join_all(asks).await.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 11, "{statuses:?}");
}

#[tokio::test]
async fn a_mistake_does_not_cost_the_refresh_token() {
    let shop = Shop::open().await;
    let site = &shop.site;
    let refresh = text(&log_in(site).await, "refresh_token");
    let other = site.make_key(MerchantId(1), &Scope::ALL, 100).await;
    expect_oauth(refresh_with(site, &refresh, "2", "").send().await, 401, "invalid_client");
    expect_oauth(refresh_with(site, &refresh, "1", "wrong").send().await, 401, "invalid_client");
    expect_oauth(refresh_with(site, &refresh, "1", &other).send().await, 400, "invalid_grant");
    for broken in [refresh[1..].to_owned(), format!("{refresh}A"), "x".repeat(5_000)] {
        let answer = refresh_with(site, &broken, "1", &site.key).send().await;
        expect_oauth(answer, 400, "invalid_grant");
    }
    refresh_with(site, &refresh, "1", &site.key).send().await.expect(200);
}

#[tokio::test]
async fn tokens_expire() {
    let shop = Shop::open().await;
    let site = &shop.site;
    let body = log_in(site).await;
    let (access, refresh) = (text(&body, "access_token"), text(&body, "refresh_token"));
    site.clock.advance_ms(DAY_MS - 1);
    assert_eq!(opens(&shop, &access).await, 200);
    site.clock.advance_ms(1);
    let answer = shop.get(TRANSACTIONS).key(&access).send().await;
    assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"refundry\"");
    expect_error(answer, 401);
    // As clients do: a new token, and the call again.
    let renewed = refresh_with(site, &refresh, "1", "").send().await.expect(200).json();
    assert_eq!(opens(&shop, &text(&renewed, "access_token")).await, 200);
    let last = text(&renewed, "refresh_token");
    site.clock.advance_ms(30 * DAY_MS);
    let late = refresh_with(site, &last, "1", &site.key).send().await;
    assert_eq!(expect_oauth(late, 400, "invalid_grant"), "Invalid refresh token");
    // What is expired is not remembered as used, and is refused all the same.
    expect_oauth(refresh_with(site, &refresh, "1", "").send().await, 400, "invalid_grant");
}

#[tokio::test]
async fn tokens_end_with_their_key() {
    let shop = Shop::open().await;
    let body = json!({"name": "for fluent", "scopes": ["read"]});
    let made = shop.site.post("/v1/keys", body).send().await.expect(201).json();
    let (id, key) = (text(&made, "id"), text(&made, "secret"));
    let tokens = token_call(&shop.site, &password(&key, "password")).send().await;
    let tokens = tokens.expect(200).json();
    let access = text(&tokens, "access_token");
    assert_eq!(opens(&shop, &access).await, 200);
    shop.site.ask("DELETE", &format!("/v1/keys/{id}")).send().await.expect(200);
    expect_error(shop.get(TRANSACTIONS).key(&access).send().await, 401);
    let refresh = text(&tokens, "refresh_token");
    let answer = refresh_with(&shop.site, &refresh, "1", "").send().await;
    assert_eq!(expect_oauth(answer, 400, "invalid_grant"), "Invalid refresh token");
    // Another key's go on.
    assert_eq!(opens(&shop, &shop.token).await, 200);
}

#[tokio::test]
async fn tokens_survive_a_restart_and_used_ones_stay_used() {
    let shop = Shop::open().await;
    let body = log_in(&shop.site).await;
    let (used, kept) =
        (text(&body, "refresh_token"), text(&log_in(&shop.site).await, "refresh_token"));
    refresh_with(&shop.site, &used, "1", "").send().await.expect(200);
    let (token, Shop { site, .. }) = (shop.token.clone(), shop);
    let (_, home) = site.stop().await;
    let store = home.store.clone();
    let shop = Shop { site: Site::over(home, store).await, token };
    assert_eq!(opens(&shop, &shop.token).await, 200);
    expect_oauth(refresh_with(&shop.site, &used, "1", "").send().await, 400, "invalid_grant");
    refresh_with(&shop.site, &kept, "1", "").send().await.expect(200);
}

#[tokio::test]
async fn only_an_access_token_opens_and_scopes_and_limits_hold() {
    let shop = Shop::open().await;
    let site = &shop.site;
    let refresh = text(&log_in(site).await, "refresh_token");
    let bare = shop.get(TRANSACTIONS).without("authorization");
    expect_error(bare.send().await, 401);
    for wrong in [refresh.as_str(), "", "x", &site.key, &shop.token[1..], &"x".repeat(4_000)] {
        expect_error(shop.get(TRANSACTIONS).key(wrong).send().await, 401);
    }
    let lower = shop.get(TRANSACTIONS).header("authorization", &format!("bearer {}", shop.token));
    lower.send().await.expect(200);

    let reader = site.make_key(MerchantId(1), &[Scope::Read], 100).await;
    let reader = token_of(site, "1", &reader).await;
    shop.get(TRANSACTIONS).key(&reader).send().await.expect(200);
    for path in [TRANSACTIONS, "/api/v4.1/return"] {
        let said = shop.refused(shop.post(path, &sample()).key(&reader), 403).await;
        assert!(said.contains("scope"), "{said}");
    }
    let blind = site.make_key(MerchantId(1), &[Scope::Admin], 100).await;
    let blind = token_of(site, "1", &blind).await;
    expect_error(shop.get(TRANSACTIONS).key(&blind).send().await, 403);

    let slow = site.make_key(MerchantId(1), &[Scope::Read], 1).await;
    let slow = token_of(site, "1", &slow).await;
    let mut limited = None;
    for _ in 0..50 {
        let answer = shop.get(TRANSACTIONS).key(&slow).send().await;
        if answer.status != 200 {
            limited = Some(answer);
            break;
        }
    }
    let limited = limited.expect("the limit is reached within fifty requests");
    assert!(limited.header("retry-after").parse::<u32>().unwrap() > 0);
    expect_error(limited, 429);
}
