//! The console over HTTP: who is let in, what a form may do, and what comes out as text.

use refundry::testing::console::route::{self, Entry};
use refundry_domain::ids::MerchantId;
use refundry_domain::merchant::Scope;
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

#[tokio::test]
async fn wrong_keys_are_taken_slowly() {
    let site = Site::start().await;
    for _ in 0..10 {
        let answer = login(&site, "rfk_wrong").await.expect(422);
        assert_eq!(cookie_of(&answer), None);
    }
    login(&site, "rfk_wrong").await.expect(429);
    login(&site, &site.key).await.expect(429);
    site.clock.advance_ms(60_000);
    login(&site, &site.key).await.expect(303);
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

/// What people and programs put into fields.
const HOSTILE: [&str; 6] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "{{ 7*7 }} {% endblock %}",
    "\u{202e}txet desrever\u{2066}",
    "👩‍👩‍👧‍👦 ünï¢ödé ﷽",
    "=HYPERLINK(\"http://evil.example\")",
];

#[tokio::test]
async fn hostile_texts_come_out_as_texts() {
    let site = Site::start().await;
    let key = site.key.clone();
    let clerk = sign_in(&site, &key).await;
    for (number, evil) in HOSTILE.into_iter().enumerate() {
        let unique = format!("{evil}{number}");
        let body = json!({
            "reference": unique, "currency": "USD", "metadata": {unique.clone(): evil},
            "customer": {"name": evil, "reference": evil, "email": evil},
            "lines": [{"sku": unique, "name": evil, "quantity": 2, "amount": "10"}],
            "payments": [{"provider": "sandbox", "method": evil, "amount": "10",
                          "provider_reference": unique}],
        });
        let order = site.post("/v1/orders", body).send().await.expect(201).id();
        let body = json!({"order": order, "amount": "1", "to": "cash", "reason": evil, "note": evil,
                          "metadata": {"a": evil}});
        let refund = site.post("/v1/refunds", body).once().send().await.expect(201).json();
        let (id, payout) = (&refund["id"], &refund["transactions"][0]["id"]);
        let body = json!({"order": order, "reference": unique, "reason": evil,
                          "items": [{"line": 1, "quantity": 1, "reason": evil}]});
        let back = site.post("/v1/returns", body).send().await.expect(201).id();
        let hook = json!({"url": "http://127.0.0.1:1/", "description": evil});
        let hook = site.post("/v1/webhook_endpoints", hook).send().await.expect(201).id();
        clerk
            .post(&site, "/console/keys", &[("name", evil), ("scope", "read"), ("rate", "1")])
            .send()
            .await
            .expect(200);
        let search = encoded(&[("q", evil)]);
        let pages = [
            "/console".to_owned(),
            format!("/console/orders/{order}"),
            format!("/console/orders/{order}/refund?by=amount&{}", encoded(&[("amount", evil)])),
            format!("/console/refunds/{}", id.as_str().unwrap()),
            format!("/console/owed/{}", payout.as_str().unwrap()),
            "/console/owed?who=manual".to_owned(),
            format!("/console/returns/{back}"),
            format!("/console/webhooks/{hook}"),
            format!("/console/orders?{}", encoded(&[("reference", evil), ("customer", evil)])),
            "/console/keys".to_owned(),
            "/console/webhooks".to_owned(),
            format!("/console/audit?order={order}"),
        ];
        for path in pages {
            let page = clerk.page(&site, &path).await;
            check(&page, &path);
        }
        let found = clerk.get(&site, &format!("/console/search?{search}")).send().await;
        check(&text(&found), "search");
        for list in ["orders", "refunds", "returns", "owed?who=manual", "audit"] {
            let joint = if list.contains('?') { "&" } else { "?" };
            let path = format!("/console/{list}{joint}format=csv");
            let answer = clerk.get(&site, &path).send().await.expect(200);
            assert!(answer.header("content-disposition").starts_with("attachment"), "{path}");
            for cell in text(&answer).split(['\n', ',']) {
                let cell = cell.trim_start_matches('"');
                assert!(!cell.starts_with(['=', '+', '-', '@']), "{path}: {cell}");
            }
        }
    }
}

#[track_caller]
fn check(page: &str, path: &str) {
    assert!(page.matches("<script").count() <= 1, "{path}: a script got in");
    for raw in ["<img", "onerror=alert(1)>", "alert(1)</", "<b>49"] {
        assert!(!page.contains(raw), "{path} has {raw}");
    }
}

#[tokio::test]
async fn lists_go_on_and_back_and_keep_their_filter() {
    let site = Site::start().await;
    for number in 0..30 {
        let body = json!({"reference": format!("N{number:02}"), "currency": "USD",
                          "customer": {"reference": "c-7"}});
        site.post("/v1/orders", body).send().await.expect(201);
    }
    let key = site.key.clone();
    let clerk = sign_in(&site, &key).await;
    let first = clerk.page(&site, "/console/orders?customer=c-7").await;
    assert_eq!(first.matches("<bdi>N").count(), 25);
    assert!(first.contains(">N29<") && !first.contains(">N04<"));
    let (_, rest) = first.split_once("rel=\"next\" href=\"").unwrap();
    let next = rest.split('"').next().unwrap().replace("&#38;", "&");
    assert!(next.contains("customer=c-7"));
    let second = clerk.page(&site, &next).await;
    assert_eq!(second.matches("<bdi>N").count(), 5);
    assert!(!second.contains("rel=\"next\""));
    let (_, rest) = second.split_once("rel=\"prev\" href=\"").unwrap();
    let back = rest.split('"').next().unwrap().replace("&#38;", "&");
    let again = clerk.page(&site, &back).await;
    assert!(again.contains(">N29<") && again.contains(">N05<") && again.contains("rel=\"next\""));
    let oldest = clerk.page(&site, "/console/orders?order=oldest").await;
    assert!(oldest.contains(">N00<") && !oldest.contains(">N29<"));
    let csv = clerk.get(&site, "/console/orders?customer=c-7&format=csv").send().await;
    assert_eq!(text(&csv).lines().count(), 31);
}

/// What no index answers is looked for piece by piece, and every piece is reached.
#[tokio::test]
async fn refunds_of_some_days_are_found_wherever_they_are() {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    let site = Site::start().await;
    let order = site.order("100.00").await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(site.refund(&order, "1.00").await);
        site.clock.advance_ms(DAY);
    }
    let body = json!({"order": order, "amount": "1.00", "to": "cash"});
    let cash = site.post("/v1/refunds", body).once().send().await.expect(201).id();
    let key = site.key.clone();
    let clerk = sign_in(&site, &key).await;
    // The first was made on 2025-06-15.
    for (query, expected) in [
        ("from=2025-06-16&until=2025-06-17", &made[1..3]),
        ("from=2025-06-18&until=", &[&made[3..], std::slice::from_ref(&cash)].concat()[..]),
        ("from=&until=2025-06-15", &made[..1]),
        ("from=2025-06-21&until=2025-06-30", &[]),
        ("to=cash", std::slice::from_ref(&cash)),
        ("execution=automatic&until=2025-06-16", &made[..2]),
        ("state=pending&from=2025-06-17&until=2025-06-17", &made[2..3]),
    ] {
        let page = clerk.page(&site, &format!("/console/refunds?{query}")).await;
        for refund in made.iter().chain([&cash]) {
            let shown = page.contains(&format!("/console/refunds/{refund}\""));
            assert_eq!(shown, expected.contains(refund), "{query}: {refund}");
        }
    }
    let events = clerk.page(&site, "/console/audit?type=order.registered").await;
    assert_eq!(events.matches("<td data-label=\"Type\"").count(), 1);
}

#[tokio::test]
async fn secrets_are_shown_once_or_never() {
    let site = Site::start().await;
    let key = site.key.clone();
    let clerk = sign_in(&site, &key).await;
    let fields = [("name", "till"), ("scope", "read"), ("scope", "write"), ("rate", "7")];
    let made = text(&clerk.post(&site, "/console/keys", &fields).send().await.expect(200));
    let (_, rest) = made.split_once("rfk_").unwrap();
    let secret = format!("rfk_{}", rest.split('<').next().unwrap());
    login(&site, &secret).await.expect(303);
    assert!(!clerk.page(&site, "/console/keys").await.contains(&secret));
    let fields = [("name", "till"), ("rate", "0")];
    clerk.post(&site, "/console/keys", &fields).send().await.expect(422);
    let fields =
        [("connector", "stripe"), ("name", "stripe"), ("secrets.api_key", "sk_very_secret")];
    let made = clerk.post(&site, "/console/gateways", &fields).send().await;
    let asked = text(&clerk.get(&site, "/console/gateways/stripe").send().await);
    assert!(!text(&made).contains("sk_very_secret") && !asked.contains("sk_very_secret"));
    let refused = [("connector", "stripe"), ("name", "stripe2"), ("settings.base_url", "ftp://x")];
    let refused = clerk.post(&site, "/console/gateways", &refused).send().await.expect(422);
    assert!(text(&refused).contains("aria-invalid"));
}

#[tokio::test]
async fn settings_are_changed_one_and_all_and_refused_beside_their_field() {
    let site = Site::start().await;
    let key = site.key.clone();
    let clerk = sign_in(&site, &key).await;
    let mut fields = vec![
        ("approval", "above"),
        ("limits", "USD 100.00\nJPY 5000"),
        ("expiry_days", "14"),
        ("report_days", "3"),
        ("notify_only", "gift_card"),
        ("auto_close", "yes"),
        ("time_zone", "Europe/Warsaw"),
        ("debtor_name", "The shop"),
        ("debtor_iban", "DE89 3704 0044 0532 0130 00"),
    ];
    clerk.post(&site, "/console/settings", &fields).send().await.expect(303);
    let now = site.get("/v1/settings").send().await.expect(200).json();
    assert_eq!(now["approval"]["limits"], json!({"USD": "100.00", "JPY": "5000"}));
    assert_eq!(now["information_expiry_seconds"], 14 * 86_400);
    assert_eq!(now["report_within_seconds"], 3 * 86_400);
    assert_eq!(now["notify_only"]["gift_card"], true);
    assert_eq!(now["notify_only"]["payment_method"], false);
    assert_eq!((&now["auto_close"], &now["ask_bank_details"]), (&json!(true), &json!(false)));
    assert_eq!(now["debtor"]["iban"], "DE89370400440532013000");
    for (name, wrong) in [
        ("limits", "USD ten"),
        ("limits", "USD 1.001"),
        ("expiry_days", "0"),
        ("report_days", "401"),
        ("time_zone", "Warsaw"),
        ("debtor_iban", "DE00"),
        ("approval", "sometimes"),
    ] {
        let kept = fields.iter().position(|(known, _)| *known == name).unwrap();
        let before = std::mem::replace(&mut fields[kept], (name, wrong));
        let page = text(&clerk.post(&site, "/console/settings", &fields).send().await.expect(422));
        assert!(page.contains(&format!("id=\"wrong-{name}\"")), "{name}: {wrong}");
        assert!(page.contains("value=\"gift_card\" checked"), "what was ticked stays");
        fields[kept] = before;
    }
    assert_eq!(site.get("/v1/settings").send().await.expect(200).json(), now);
}

#[tokio::test]
async fn amounts_have_the_decimals_of_their_currency_and_times_their_zone() {
    let site = Site::start().await;
    for (currency, amount) in [("JPY", "1234567"), ("KWD", "1234.567"), ("USD", "1234567.80")] {
        let body = json!({"currency": currency, "reference": currency,
                          "payments": [{"provider": "sandbox", "amount": amount}]});
        site.post("/v1/orders", body).send().await.expect(201);
    }
    site.patch("/v1/settings", json!({"time_zone": "Asia/Tokyo"})).send().await.expect(200);
    let key = site.key.clone();
    let clerk = sign_in(&site, &key).await;
    let page = clerk.page(&site, "/console/orders").await;
    for amount in ["1,234,567\u{a0}JPY", "1,234.567\u{a0}KWD", "1,234,567.80\u{a0}USD"] {
        assert!(page.contains(amount), "{amount}");
    }
    // 2025-06-15T15:06:40Z
    assert!(page.contains(">16 Jun 2025, 00:06</time>"));
    assert!(page.contains("datetime=\"2025-06-15T15:06:40.000Z\""));
    assert!(page.contains("title=\"2025-06-15T15:06:40.000Z (Asia/Tokyo)\""));
}
