//! Keys: what they may, how fast, and for how long.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use refundry_domain::ids::MerchantId;
use refundry_domain::merchant::Scope;

use crate::harness::site::{Ask, Site};

#[tokio::test]
async fn a_key_asks_as_fast_as_it_may() {
    let site = Site::start().await;
    let key = site.make_key(MerchantId(1), &Scope::ALL, 2).await;
    let ask = site.get("/v1/orders").key(&key);
    for left in [3, 2, 1, 0] {
        let answer = ask.clone().send().await.expect(200);
        assert_eq!(answer.header("ratelimit-policy"), "\"key\";q=4;w=2");
        let reset = (4_u32 - left).div_ceil(2);
        assert_eq!(answer.header("ratelimit"), format!("\"key\";r={left};t={reset}"));
    }
    let answer = ask.clone().send().await.expect_problem(429, "rate_limited");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.header("ratelimit"), "\"key\";r=0;t=1");
    site.get("/v1/orders").send().await.expect(200);
    site.clock.advance_ms(500);
    ask.clone().send().await.expect(200);
    ask.clone().send().await.expect(429);
    site.clock.advance_ms(10_000);
    ask.clone().send().await.expect(200);
    // A clock that is set back does not lock a key out.
    site.clock.advance_ms(-3_600_000);
    ask.clone().send().await.expect(429);
    ask.send().await.expect(200);
}

#[tokio::test]
async fn one_key_works_in_each_place() {
    let site = Site::start().await;
    let basic = |text: String| format!("Basic {}", STANDARD.encode(text));
    let good = [
        format!("bearer {}", site.key),
        format!("BEARER  {} ", site.key),
        basic(format!("anybody:{}", site.key)),
        basic(format!("{}:", site.key)),
    ];
    for value in good {
        let ask = Ask::new(site.address, "GET", "/v1/orders").header("authorization", &value);
        ask.send().await.expect(200);
    }
    let bad = [
        site.key.clone(),
        format!("Token {}", site.key),
        basic(format!(":{}x", site.key)),
        "Basic !!!".to_owned(),
        basic(site.key.clone()),
        "Bearer".to_owned(),
        format!("Bearer {} {}", site.key, site.key),
    ];
    for value in bad {
        let ask = Ask::new(site.address, "GET", "/v1/orders").header("authorization", &value);
        let answer = ask.send().await;
        assert_eq!(answer.status, 401, "{value}");
    }
}

/// A revoked key is refused at once here; a key made elsewhere is known after five seconds.
#[tokio::test]
async fn what_is_remembered_of_keys_does_not_outlive_them() {
    let site = Site::start().await;
    let key = site.make_key(MerchantId(1), &Scope::ALL, 1000).await;
    let ask = site.get("/v1/orders").key(&key);
    ask.clone().send().await.expect(200);
    let list = site.get("/v1/keys?limit=1").send().await.json();
    let path = format!("/v1/keys/{}", list["data"][0]["id"].as_str().unwrap());
    site.ask("DELETE", &path).send().await.expect(200);
    ask.send().await.expect_problem(401, "credential_invalid");

    let late = site.make_key(MerchantId(1), &Scope::ALL, 1000).await;
    let list = site.get("/v1/keys?limit=1").send().await.json();
    let id = list["data"][0]["id"].as_str().unwrap().trim_start_matches("key_").to_owned();
    let ask = site.get("/v1/orders").key(&late);
    ask.clone().send().await.expect(200);
    // As another process would.
    let change = refundry_domain::merchant::Administration::RevokeKey {
        key: refundry_domain::ids::KeyId(id.parse().unwrap()),
    };
    let at = crate::harness::store::NOW;
    site.home.store.administer(MerchantId(1), "elsewhere".into(), at, change).await.unwrap();
    site.clock.advance_ms(4_999);
    ask.clone().send().await.expect(200);
    site.clock.advance_ms(1);
    ask.send().await.expect_problem(401, "credential_invalid");
}

/// Guessing costs the books at most so many look-ups, and locks nobody out who was in.
#[tokio::test]
async fn guessing_is_bounded() {
    let site = Site::start().await;
    site.get("/v1/orders").send().await.expect(200);
    let mut refused = 0;
    for number in 0..1_100 {
        let ask = site.get("/v1/orders").key(&format!("rfk_guess{number}"));
        let status = ask.send().await.status;
        refused += u32::from(status == 429);
        assert!(status == 401 || status == 429);
    }
    assert!(refused > 50, "{refused}");
    site.get("/v1/orders").send().await.expect(200);
    site.clock.advance_ms(6_000);
    site.get("/v1/orders").send().await.expect(200);
}
