//! The console over HTTP: who is let in, what a form may do, and what comes out as text.

mod files;
mod forms;
mod live;
mod pages;
mod reports;
mod transfers;
mod work;

use refundry::testing::access::{Caller, secret};
use refundry::testing::console::route::{self, Entry};
use refundry_domain::ids::MerchantId;
use refundry_domain::merchant::{Administration, Scope};
use serde_json::json;

use crate::harness::site::{Answer, Ask, Site};

/// Somebody signed in: the cookie, and what forms bring back.
struct Clerk {
    cookie: String,
    token: String,
}

fn encoded(fields: &[(&str, &str)]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let one =
        |text: &str| -> String {
            text.bytes()
                .map(|byte| {
                    if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
                })
                .collect()
        };
    let pairs: Vec<String> =
        fields.iter().map(|(name, value)| format!("{}={}", one(name), one(value))).collect();
    pairs.join("&")
}

fn form(ask: Ask, fields: &[(&str, &str)]) -> Ask {
    ask.raw("application/x-www-form-urlencoded", encoded(fields).into_bytes())
}

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.to_vec()).unwrap()
}

fn cookie_of(answer: &Answer) -> Option<String> {
    let all = answer.headers.get_all("set-cookie").iter();
    let mut all = all.map(|value| value.to_str().unwrap());
    let found = all.find(|value| value.starts_with("refundry_session="))?;
    Some(found.split(';').next().unwrap().to_owned())
}

async fn login(site: &Site, key: &str) -> Answer {
    form(Ask::new(site.address, "POST", "/console/login"), &[("key", key)]).send().await
}

async fn sign_in(site: &Site, key: &str) -> Clerk {
    let cookie = cookie_of(&login(site, key).await.expect(303)).expect("a session");
    let mut clerk = Clerk { cookie, token: String::new() };
    let page = text(&clerk.get(site, "/console").send().await.expect(200));
    let (_, rest) = page.split_once("name=\"token\" value=\"").unwrap();
    clerk.token = rest.split('"').next().unwrap().to_owned();
    clerk
}

impl Clerk {
    fn get(&self, site: &Site, path: &str) -> Ask {
        Ask::new(site.address, "GET", path).header("cookie", &self.cookie)
    }

    fn bare_post(&self, site: &Site, path: &str, fields: &[(&str, &str)]) -> Ask {
        form(Ask::new(site.address, "POST", path).header("cookie", &self.cookie), fields)
    }

    fn post(&self, site: &Site, path: &str, fields: &[(&str, &str)]) -> Ask {
        let once = format!("{:032x}", rand_like(path, fields));
        let mut all = vec![("token", self.token.as_str()), ("once", once.as_str())];
        all.extend_from_slice(fields);
        self.bare_post(site, path, &all)
    }

    async fn page(&self, site: &Site, path: &str) -> String {
        text(&self.get(site, path).send().await.expect(200))
    }
}

/// A number that differs with what is sent, so that two forms are not taken for one.
fn rand_like(path: &str, fields: &[(&str, &str)]) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (path, fields).hash(&mut hasher);
    hasher.finish()
}

fn path(entry: &Entry) -> String {
    let path = entry.path.replace("{id}", "ord_999999").replace("{name}", "none");
    path.replace("{event}", "evt_999999").replace("{*rest}", "no-such-page")
}

fn is_post(entry: &Entry) -> bool {
    entry.method == hyper::Method::POST
}

#[tokio::test]
async fn no_page_answers_somebody_who_is_not_signed_in() {
    let site = Site::start().await;
    for entry in route::all().filter(|entry| !entry.needs.is_empty()) {
        let path = path(entry);
        for cookie in ["", "refundry_session=", "refundry_session=AAAA", "refundry_session=%00"] {
            let ask = Ask::new(site.address, entry.method.as_str(), &path).header("cookie", cookie);
            let answer = form(ask, &[("token", "x")]).send().await.expect(303);
            let place = answer.header("location");
            assert!(place.starts_with("/console/login"), "{path}: {place}");
        }
    }
}

#[tokio::test]
async fn a_page_opens_for_the_scopes_that_it_needs_and_for_no_others() {
    let site = Site::start().await;
    for scope in Scope::ALL {
        let key = site.make_key(MerchantId(1), &[Scope::Read, scope], 100_000).await;
        let clerk = sign_in(&site, &key).await;
        for entry in route::all().filter(|entry| !entry.needs.is_empty()) {
            // Signing out would end the walk.
            if entry.path == "/console/logout" {
                continue;
            }
            let path = path(entry);
            let ask = if is_post(entry) {
                clerk.post(&site, &path, &[])
            } else {
                clerk.get(&site, &path)
            };
            let may = entry.needs.contains(&Scope::Read) || entry.needs.contains(&scope);
            let status = ask.open().await.status();
            assert_eq!(status != 403, may, "{} {path} with {}", entry.method, scope.name());
        }
    }
}

#[tokio::test]
async fn a_form_from_elsewhere_changes_nothing() {
    let site = Site::start().await;
    let order = site.order("10.00").await;
    let refund = site.post("/v1/refunds", json!({"order": order, "amount": "1", "confirm": false}));
    let refund = refund.once().send().await.expect(201).id();
    let key = site.key.clone();
    let clerk = sign_in(&site, &key).await;
    let other = sign_in(&site, &key).await;
    let before = site.events().await;
    let once = "0123456789abcdef0123456789abcdef";
    for entry in route::all().filter(|entry| is_post(entry) && !entry.needs.is_empty()) {
        let path = path(entry);
        for token in ["", "x", &other.token] {
            let fields = [("token", token), ("once", once), ("do", "confirm")];
            clerk.bare_post(&site, &path, &fields).send().await.expect(403);
        }
        let foreign = clerk.post(&site, &path, &[]).header("sec-fetch-site", "cross-site");
        foreign.send().await.expect(403);
    }
    let confirm = format!("/console/refunds/{refund}/confirm");
    clerk.bare_post(&site, &confirm, &[("once", once)]).send().await.expect(403);
    assert_eq!(site.events().await, before);
    clerk.post(&site, &confirm, &[]).send().await.expect(303);
    assert!(site.events().await > before);
}

#[tokio::test]
async fn a_session_ends_when_nothing_happens_and_in_any_case() {
    const MINUTE: i64 = 60_000;
    let site = Site::start().await;
    let key = site.key.clone();
    let mut clerk = sign_in(&site, &key).await;
    site.clock.advance_ms(20 * MINUTE);
    // What nobody looks at keeps nothing alive.
    let unattended = clerk.get(&site, "/console").header("x-refundry-unattended", "1");
    assert_eq!(cookie_of(&unattended.send().await.expect(200)), None);
    let looked = clerk.get(&site, "/console").send().await.expect(200);
    let renewed = cookie_of(&looked).expect("a look renews the session");
    let old = std::mem::replace(&mut clerk.cookie, renewed);
    site.clock.advance_ms(20 * MINUTE);
    clerk.get(&site, "/console").send().await.expect(200);
    let stale = Clerk { cookie: old, token: clerk.token.clone() };
    let answer = stale.get(&site, "/console/orders?reference=7").send().await.expect(303);
    assert_eq!(
        answer.header("location"),
        "/console/login?next=%2Fconsole%2Forders%3Freference%3D7&why=expired"
    );
    for _ in 0..36 {
        site.clock.advance_ms(20 * MINUTE);
        let answer = clerk.get(&site, "/console").send().await;
        if answer.status == 303 {
            return;
        }
        clerk.cookie = cookie_of(&answer).expect("a look renews the session");
    }
    panic!("it lasted more than twelve hours");
}

#[tokio::test]
async fn a_revoked_key_ends_its_sessions_and_one_that_may_not_read_begins_none() {
    let site = Site::start().await;
    let key = site.make_key(MerchantId(1), &[Scope::Read], 1_000).await;
    let id = site.get("/v1/keys").send().await.expect(200).json()["data"][0]["id"].clone();
    let clerk = sign_in(&site, &key).await;
    site.ask("DELETE", &format!("/v1/keys/{}", id.as_str().unwrap())).send().await.expect(200);
    let answer = clerk.get(&site, "/console").send().await.expect(303);
    assert_eq!(answer.header("location"), "/console/login?why=revoked");
    login(&site, &key).await.expect(422);
    let blind = site.make_key(MerchantId(1), &[Scope::Write], 1_000).await;
    let refused = login(&site, &blind).await.expect(422);
    assert!(text(&refused).contains("lacks the scope read"));
}

/// What is remembered of a session lets nobody in who has no session, whatever bytes they send.
#[tokio::test]
async fn the_name_of_a_session_is_no_key() {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let site = Site::start().await;
    let clerk = sign_in(&site, &site.key).await;
    let ids = ["\0session\x001\x002", "1:2", "1:2:[0, 0, 0, 0, 0, 0, 0, 0]"];
    for secret in ids {
        let basic = format!("Basic {}", STANDARD.encode(format!(":{secret}")));
        let ask = Ask::new(site.address, "GET", "/v1/keys").header("authorization", &basic);
        ask.send().await.expect(401);
        login(&site, secret).await.expect(422);
    }
    // Nor does asking with it end the session.
    clerk.get(&site, "/console").send().await.expect(200);
}

/// A leaked secret that was replaced must not go on through a session that it began.
#[tokio::test]
async fn a_session_ends_when_its_key_gets_another_secret() {
    let site = Site::start().await;
    let set = async |secret: &str| {
        let change = Administration::SetAdminKey { hash: secret::hash(secret) };
        let caller = Caller::internal(MerchantId(1), "test");
        site.ledger.administer(&caller, change).await.unwrap();
        site.gate.forget();
    };
    set("rfk_the_first_of_the_operator").await;
    let clerk = sign_in(&site, "rfk_the_first_of_the_operator").await;
    set("rfk_another_of_the_operator").await;
    clerk.get(&site, "/console").send().await.expect(303);
}

#[tokio::test]
async fn wrong_keys_are_taken_slowly() {
    let site = Site::start().await;
    for _ in 0..10 {
        let answer = login(&site, "rfk_wrong").await.expect(422);
        assert_eq!(cookie_of(&answer), None);
    }
    login(&site, "rfk_wrong").await.expect(429);
    // Strangers behind the same proxy lock nobody out.
    login(&site, &site.key).await.expect(303);
    login(&site, "rfk_wrong").await.expect(429);
    site.clock.advance_ms(60_000);
    login(&site, "rfk_wrong").await.expect(422);
}

/// What happens between a page's drawing and its listening would never be shown, or all that ever
/// happened would be told again.
#[tokio::test]
async fn a_page_says_up_to_which_event_it_shows_the_books() {
    let site = Site::start().await;
    let key = site.key.clone();
    let clerk = sign_in(&site, &key).await;
    let reader = sign_in(&site, &site.make_key(MerchantId(1), &[Scope::Read], 1000).await).await;
    for _ in 0..2 {
        site.order("1.00").await;
        let newest = site.get("/v1/events?limit=1").send().await.expect(200).json();
        let number = newest["data"][0]["id"].as_str().unwrap().strip_prefix("evt_").unwrap();
        let said = format!("<body data-live=\"{number}\">");
        for path in ["/console", "/console/orders", "/console/refunds?state=failed"] {
            assert!(clerk.page(&site, path).await.contains(&said), "{path}: {said}");
            assert!(reader.page(&site, path).await.contains(&said), "{path}: {said}");
        }
    }
}

#[tokio::test]
async fn pages_load_nothing_from_elsewhere_and_hold_nothing_that_runs() {
    let site = Site::start().await;
    let key = site.key.clone();
    let clerk = sign_in(&site, &key).await;
    for entry in route::all().filter(|entry| !is_post(entry) && entry.path != "/console/live") {
        let answer = clerk.get(&site, &path(entry)).send().await;
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("cache-control"), "no-store");
        let page = text(&answer);
        for banned in [" style=", "<style", " onclick", " onload", "http://", "https://", "//"] {
            let page = page.replace("https://shop.example/webhooks", "");
            assert!(!page.contains(banned), "{} has {banned}", entry.path);
        }
    }
    let page = clerk.page(&site, "/console").await;
    let (_, rest) = page.split_once("/console/assets/console.").unwrap();
    let asset = format!("/console/assets/console.{}", rest.split('"').next().unwrap());
    let answer = Ask::new(site.address, "GET", &asset).send().await.expect(200);
    assert!(answer.header("cache-control").contains("immutable"));
    Ask::new(site.address, "GET", "/console/assets/../mod.rs").send().await.expect(303);
    let signed_in = login(&site, &key).await;
    let cookie = signed_in.header("set-cookie");
    for part in ["HttpOnly", "SameSite=Lax", "Path=/console"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let behind = Ask::new(site.address, "POST", "/console/login");
    let behind = form(behind, &[("key", &key)]).header("x-forwarded-proto", "https");
    assert!(behind.send().await.header("set-cookie").contains("; Secure"));
}

#[tokio::test]
async fn a_login_leads_to_pages_of_ours_only() {
    let site = Site::start().await;
    for (next, place) in [
        ("/console/orders?x=1", "/console/orders?x=1"),
        ("//evil.example", "/console"),
        ("https://evil.example", "/console"),
        ("/console.evil", "/console"),
        ("/console/\\evil", "/console"),
        ("/console/a\r\nset-cookie: x=1", "/console"),
    ] {
        let ask = Ask::new(site.address, "POST", "/console/login");
        let answer = form(ask, &[("key", &site.key), ("next", next)]).send().await.expect(303);
        assert_eq!(answer.header("location"), place);
    }
}

#[tokio::test]
async fn another_merchants_rows_are_not_there() {
    let site = Site::start().await;
    let order = site.order("10.00").await;
    let refund = site.refund(&order, "1.00").await;
    let other = site.merchant("other").await;
    let key = site.make_key(other, &Scope::ALL, 1_000).await;
    let clerk = sign_in(&site, &key).await;
    for path in [format!("/console/orders/{order}"), format!("/console/refunds/{refund}")] {
        clerk.get(&site, &path).send().await.expect(404);
    }
    let found = clerk.page(&site, &format!("/console/search?q={order}")).await;
    assert!(found.contains("Nothing is known by"));
    for verb in ["confirm", "cancel", "retry"] {
        let path = format!("/console/refunds/{refund}/{verb}");
        clerk.post(&site, &path, &[]).send().await.expect(404);
    }
}
