//! The link and the page under which a customer gives bank details: who gets it, what it shows, how
//! long it works, and what is kept of it.

use refundry::testing::access::Caller;
use refundry_domain::command::{Command, Target};
use refundry_domain::ids::{MerchantId, RefundId};
use refundry_domain::merchant::Scope;
use serde_json::{Value, json};

use crate::harness::faulty::Faulty;
use crate::harness::log::Log;
use crate::harness::receiver::{Reaction, Receiver};
use crate::harness::site::{Answer, Ask, Site};
use crate::harness::store::Home;
use crate::webhooks::{Post, subscribe, until_delivery};

const IBAN: &str = "DE89 3704 0044 0532 0130 00";
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// Where the site says that customers reach it.
const SHOP: &str = "https://shop.example";

/// A refund of 12.50 that waits for bank details.
async fn waiting(site: &Site) -> String {
    let body = json!({"currency": "EUR", "lines": [{"amount": "20.00"}], "payments": [
        {"provider": "sandbox", "method": "voucher", "amount": "20.00"}]});
    let order = site.post("/v1/orders", body).send().await.expect(201).id();
    let body = json!({"order": order, "amount": "12.50"});
    let refund = site.post("/v1/refunds", body).once().send().await.expect(201).json();
    assert_eq!(refund["state"], "requires_information");
    assert!(refund["information_due"].is_string());
    refund["id"].as_str().unwrap().to_owned()
}

async fn link(site: &Site, refund: &str) -> Value {
    let path = format!("/v1/refunds/{refund}/information_link");
    site.ask("POST", &path).send().await.expect(200).json()
}

/// The path of the refund's page.
async fn page(site: &Site, refund: &str) -> String {
    let url = link(site, refund).await["url"].as_str().unwrap().to_owned();
    url.strip_prefix(SHOP).unwrap().to_owned()
}

/// As a customer's browser asks, without any key.
fn visit(site: &Site, path: &str) -> Ask {
    Ask::new(site.address, "GET", path).header("accept", "text/html")
}

fn enter(site: &Site, path: &str, form: &str) -> Ask {
    visit(site, path).method("POST").raw("application/x-www-form-urlencoded", form.to_owned())
}

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.to_vec()).unwrap()
}

async fn shown(site: &Site, refund: &str) -> Value {
    site.get(&format!("/v1/refunds/{refund}")).send().await.expect(200).json()
}

/// Whoever can read refunds could have them paid to an account of their own.
#[tokio::test]
async fn only_who_may_write_gets_the_link_and_nothing_else_has_it() {
    let site = Site::start().await;
    let refund = waiting(&site).await;
    let path = format!("/v1/refunds/{refund}/information_link");
    let reader = site.make_key(MerchantId(1), &[Scope::Read, Scope::Admin], 100).await;
    let refused = site.ask("POST", &path).key(&reader).send().await;
    refused.expect_problem(403, "scope_missing");
    let other = site.merchant("Other").await;
    let foreign = site.make_key(other, &Scope::ALL, 100).await;
    site.ask("POST", &path).key(&foreign).send().await.expect_problem(404, "refund_not_found");
    let tried = site.ask("POST", &format!("{path}?dry_run=true")).send().await.expect(200).json();
    assert!(tried["url"].is_null() && tried["expires_at"].is_string(), "{tried}");

    let made = link(&site, &refund).await;
    assert_eq!(link(&site, &refund).await, made, "it stays the same");
    let token = made["token"].as_str().unwrap();
    assert_eq!(made["url"], format!("{SHOP}/bank-details/{token}"));
    assert_eq!(token.len(), 43);
    let number = RefundId(refund.strip_prefix("ref_").unwrap().parse().unwrap());
    let kept = site.home.store.information_link(MerchantId(1), number).await.unwrap().unwrap();
    let holds = |bytes: &[u8]| bytes.windows(token.len()).any(|part| part == token.as_bytes());
    assert!(!holds(&kept.sealed) && !holds(&kept.digest), "nothing in the books opens the page");
    for place in [format!("/v1/refunds/{refund}"), "/v1/events?limit=100".to_owned()] {
        let body = site.get(&place).send().await.expect(200);
        assert!(!holds(&body.body), "{place}");
    }
    let gone = site.post(&format!("/v1/refunds/{refund}/cancel"), json!({})).send().await;
    gone.expect(200);
    site.ask("POST", &path).send().await.expect_problem(409, "wrong_state");
}

#[tokio::test]
async fn webhooks_bring_the_link_and_the_feed_does_not() {
    let site = Site::start().await;
    let receiver = Receiver::good().await;
    subscribe(&site, &receiver, &["refund.requested"]).await;
    let post = Post::over(&site);
    let refund = waiting(&site).await;
    let told = receiver.until(1).await.remove(0).json();
    assert_eq!(told["subject"], json!(refund));
    assert_eq!(told["information_link"], link(&site, &refund).await);
    post.stop().await;
}

/// A customer would be asked in a language that nobody here speaks, or by a page that leaks.
#[tokio::test]
async fn the_page_is_plain_safe_and_in_the_customers_language() {
    let site = Site::start().await;
    let name = json!({"name": "<b>Ada & Söhne"});
    site.patch("/v1/merchants/mer_1", name).send().await.expect(200);
    let path = page(&site, &waiting(&site).await).await;
    let answer = visit(&site, &path).send().await.expect(200);
    let body = text(&answer);
    assert!(body.contains("&#60;b&#62;Ada &#38; Söhne is going to pay 12.50 EUR back"), "{body}");
    assert!(!body.contains("<b>"), "names are text");
    for (field, value) in [
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("content-language", "en"),
        ("content-type", "text/html; charset=utf-8"),
    ] {
        assert_eq!(answer.header(field), value, "{field}");
    }
    let policy = answer.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(policy.contains("form-action 'self'") && policy.contains("frame-ancestors 'none'"));
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(!body.contains("http"), "nothing is loaded from elsewhere");
    for (tag, within) in [("style", "style-src"), ("script", "script-src")] {
        let (_, rest) = body.split_once(&format!("<{tag}>")).unwrap();
        let (inline, _) = rest.split_once(&format!("</{tag}>")).unwrap();
        let digest = <sha2::Sha256 as sha2::Digest>::digest(inline);
        let digest = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, digest);
        assert!(policy.contains(&format!("{within} 'sha256-{digest}'")), "{tag}: {policy}");
    }
    for field in ["account_holder", "iban", "bic"] {
        assert!(body.contains(&format!("<label for=\"{field}\">")), "{field} has its label");
        assert!(body.contains(&format!("id=\"{field}\" name=\"{field}\"")));
    }
    for (accepted, lang, words) in [
        ("de-AT,de;q=0.9,en;q=0.5", "de", "erstattet Ihnen 12,50 EUR"),
        ("fr, pl;q=0.4, en;q=0.3", "pl", "zwróci Ci 12,50 EUR"),
        ("en;q=0, pl;q=0.1", "pl", "Na które konto"),
        ("fr", "en", "To which bank account?"),
    ] {
        let answer = visit(&site, &path).header("accept-language", accepted).send().await;
        let answer = answer.expect(200);
        assert_eq!(answer.header("content-language"), lang, "{accepted}");
        let body = text(&answer);
        assert!(
            body.contains(&format!("<html lang=\"{lang}\">")) && body.contains(words),
            "{body}"
        );
    }
}

#[tokio::test]
async fn details_are_checked_sealed_shown_by_four_characters_and_set_the_payout_going() {
    let site = Site::start().await;
    let refund = waiting(&site).await;
    let path = page(&site, &refund).await;
    for (form, wrong, kept) in [
        ("account_holder=Ada&iban=DE89370400440532013001&bic=", "iban", "DE89370400440532013001"),
        ("account_holder=Ada&iban=DE8937040044053201300", "iban", "value=\"Ada\""),
        ("account_holder=+&iban=DE89370400440532013000", "holder", "DE89370400440532013000"),
        ("account_holder=4111111111111111&iban=DE89370400440532013000", "holder", "4111"),
        ("account_holder=%22%3E%3Cb%3E&iban=XX", "iban", "&#34;&#62;&#60;b&#62;"),
        ("account_holder=Ada&iban=DE89370400440532013000&bic=ABC", "bic", "value=\"ABC\""),
        ("", "iban", "name=\"iban\""),
    ] {
        let answer = enter(&site, &path, form).send().await.expect(422);
        let body = text(&answer);
        assert!(body.contains("role=\"alert\"") && body.contains(kept), "{form}: {body}");
        assert!(body.contains(&format!("id=\"{wrong}-wrong\"")), "{form}: {body}");
        assert!(body.contains("aria-invalid=\"true\"") && !body.contains("<b>"), "{form}");
        site.clock.advance_ms(1_000);
    }
    assert_eq!(shown(&site, &refund).await["state"], "requires_information");
    let form = "account_holder=Ada+Lovelace&iban=de89+3704+0044+0532+0130+00&bic=COBADEFFXXX";
    let done = enter(&site, &path, form).send().await.expect(303);
    assert_eq!(done.header("location"), path);
    assert_eq!(done.header("cache-control"), "no-store");
    site.clock.advance_ms(1_000);
    let body = text(&visit(&site, &path).send().await.expect(200));
    assert!(body.contains("ends in 3000") && !body.contains("<form"), "{body}");
    let now = shown(&site, &refund).await;
    assert_eq!((&now["state"], &now["information"]["last4"]), (&json!("pending"), &json!("3000")));
    let number = RefundId(refund.strip_prefix("ref_").unwrap().parse().unwrap());
    let row = site.home.store.refund(MerchantId(1), number).await.unwrap().unwrap();
    let bytes = row.information.unwrap();
    for secret in ["Lovelace", "37040044", "COBADEFF"] {
        assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret}");
    }
    let events = site.get("/v1/events?limit=100").send().await.json();
    let by = |event: &&Value| event["by"] == "customer" && event["type"] == "refund.pending";
    assert_eq!(events["data"].as_array().unwrap().iter().filter(by).count(), 1);
    enter(&site, &path, form).send().await.expect(303);
    assert_eq!(shown(&site, &refund).await, now, "once is enough");
}

/// Who may read deliveries could take the customer's place, when a receiver repeats what it got.
#[tokio::test]
async fn a_link_that_a_receiver_repeats_is_not_kept() {
    let site = Site::start().await;
    let receiver = Receiver::start(|_, told| {
        let token = told.json()["information_link"]["token"].as_str().unwrap_or("none").to_owned();
        Reaction::With(200, vec![], format!("{token}|{token}|thanks").into_bytes())
    })
    .await;
    subscribe(&site, &receiver, &["refund.requested"]).await;
    let post = Post::over(&site);
    waiting(&site).await;
    let row = until_delivery(&site, "", |row| row["state"] == "succeeded").await;
    assert_eq!(row["tries"][0]["answer"], "[cut]|[cut]|thanks");
    post.stop().await;
}

#[tokio::test]
async fn another_page_may_ask_by_json() {
    let site = Site::start().await;
    let refund = waiting(&site).await;
    let path = page(&site, &refund).await;
    let json_of = |ask: Ask| ask.header("accept", "application/json");
    let open = json_of(visit(&site, &path)).send().await.expect(200).json();
    assert_eq!((&open["state"], &open["amount"]), (&json!("open"), &json!("12.50")));
    let give = |body: Value| json_of(visit(&site, &path)).method("POST").json(&body);
    let wrong = give(json!({"iban": "DE00", "account_holder": "Ada"})).send().await.expect(422);
    assert_eq!(wrong.json()["problem"]["field"], "iban");
    let done = give(json!({"iban": IBAN, "account_holder": "Ada"})).send().await.expect(200);
    assert_eq!(done.json(), json!({"state": "done", "account": "3000"}));
    site.clock.advance_ms(1_000);
    let unknown = json_of(visit(&site, &format!("/bank-details/{}", "a".repeat(43)))).send().await;
    assert_eq!(unknown.expect(404).json()["state"], "unknown");
}

/// A refund that waits for bank details.
async fn waiting_refund(site: &Site) -> String {
    site.patch("/v1/settings", json!({"ask_bank_details": true})).send().await.expect(200);
    let body = json!({"currency": "EUR", "lines": [{"amount": "20.00"}],
        "payments": [{"provider": "till", "amount": "20.00"}]});
    let order = site.post("/v1/orders", body).send().await.expect(201).id();
    let body = json!({"order": order, "amount": "12.50", "to": "bank_transfer"});
    site.post("/v1/refunds", body).once().send().await.expect(201).id()
}

/// The first would be told of an account that is not the one paid to.
#[tokio::test]
async fn of_two_who_answer_at_once_one_is_taken() {
    let site = Site::start().await;
    let refund = waiting_refund(&site).await;
    let path = page(&site, &refund).await;
    let give = |iban: &str| {
        let body = json!({"iban": iban, "account_holder": "Ada"});
        let ask = visit(&site, &path).header("accept", "application/json");
        ask.method("POST").json(&body).send()
    };
    let (one, two) = tokio::join!(give(IBAN), give("PL61109010140000071219812874"));
    let stands = shown(&site, &refund).await["information"]["last4"].clone();
    let told: Vec<Value> = [one, two]
        .into_iter()
        .filter(|answer| answer.status.as_u16() != 429)
        .map(|answer| answer.expect(200).json()["account"].clone())
        .collect();
    assert!(!told.is_empty() && told.iter().all(|account| *account == stands), "{told:?} {stands}");
}

/// The shop's own system and the customer would each be told of another account, and one of them
/// wrongly.
#[tokio::test]
async fn of_the_shop_and_the_customer_one_is_taken() {
    for shop_first in [true, false] {
        let home = Home::new().await;
        let store = Faulty::over(home.store.clone());
        let site = Site::over(home, store.clone()).await;
        let refund = waiting_refund(&site).await;
        let path = page(&site, &refund).await;
        let given = json!({"iban": IBAN, "account_holder": "Ada"});
        let shop = site.post(&format!("/v1/refunds/{refund}/information"), given).once();
        let given = json!({"iban": "PL61109010140000071219812874", "account_holder": "Ada"});
        let customer = visit(&site, &path).header("accept", "application/json");
        let customer = customer.method("POST").json(&given);
        // Both have seen that it waits before either is taken.
        let held = store.hold_commits().await;
        let (first, second) = if shop_first { (shop, customer) } else { (customer, shop) };
        let first = tokio::spawn(first.send());
        store.until_waiting(1).await;
        let second = tokio::spawn(second.send());
        store.until_waiting(2).await;
        drop(held);
        let (first, second) = (first.await.unwrap(), second.await.unwrap());
        let (shop, customer) = if shop_first { (first, second) } else { (second, first) };
        let stands = shown(&site, &refund).await["information"]["last4"].clone();
        let told = customer.expect(200).json();
        assert_eq!((&told["state"], &told["account"]), (&json!("done"), &stands), "{told}");
        if stands == "3000" {
            assert_eq!(shop.expect(200).json()["information"]["last4"], stands);
        } else {
            assert_eq!(stands, "2874");
            shop.expect_problem(409, "wrong_state");
        }
        // Once it is answered the shop may correct it, and the page may not.
        let other = json!({"iban": "GB82WEST12345698765432", "account_holder": "Ada"});
        let path_of_api = format!("/v1/refunds/{refund}/information");
        site.post(&path_of_api, other.clone()).once().send().await.expect(200);
        site.clock.advance_ms(1_000);
        let late = visit(&site, &path).header("accept", "application/json").method("POST");
        let late = late.json(&json!({"iban": IBAN, "account_holder": "Eve"})).send().await;
        assert_eq!(late.expect(200).json()["account"], "5432");
        assert_eq!(shown(&site, &refund).await["information"]["last4"], "5432");
    }
}

/// A customer's account could be changed long after, by whoever finds an old message.
#[tokio::test]
async fn a_link_ends_with_its_time_and_a_new_wait_has_a_new_one() {
    let site = Site::start().await;
    let hour = json!({"information_expiry_seconds": 3600});
    site.patch("/v1/settings", hour).send().await.expect(200);
    let refund = waiting(&site).await;
    let path = page(&site, &refund).await;
    site.clock.advance_ms(3_600_000 - 1);
    visit(&site, &path).send().await.expect(200);
    site.clock.advance_ms(1);
    assert!(text(&visit(&site, &path).send().await.expect(410)).contains("This link is over"));
    let form = "account_holder=Ada&iban=DE89370400440532013000";
    enter(&site, &path, form).send().await.expect(410);
    let number = RefundId(refund.strip_prefix("ref_").unwrap().parse().unwrap());
    let worker = Caller::internal(MerchantId(1), "worker");
    let target = || Target::Refund(number);
    site.ledger.carry_out(&worker, target(), Command::Expire, None, false).await.unwrap();
    let failed = shown(&site, &refund).await;
    assert_eq!(
        (&failed["state"], &failed["failure"]["code"]),
        (&json!("failed"), &json!("information_expired"))
    );
    site.clock.advance_ms(1_000);
    let again = site.post(&format!("/v1/refunds/{refund}/retry"), json!({})).once().send().await;
    assert_eq!(again.expect(200).json()["state"], "requires_information");
    let new = page(&site, &refund).await;
    assert_ne!(new, path);
    visit(&site, &new).send().await.expect(200);
    site.clock.advance_ms(1_000);
    visit(&site, &path).send().await.expect(404);
    let before = site.ledger.now().after_ms(31 * DAY_MS);
    assert_eq!(site.home.store.forget_links(before).await.unwrap(), 1);
}

#[tokio::test]
async fn guessing_is_slow_and_holds_up_nobody_with_a_link() {
    let site = Site::start().await;
    let path = page(&site, &waiting(&site).await).await;
    visit(&site, &path).send().await.expect(200);
    let mut statuses = Vec::new();
    // The test is near, as a proxy is: only the bound over all is its.
    for guess in 0..1_010 {
        let path = format!("/bank-details/{guess:0>43}");
        statuses.push(visit(&site, &path).send().await.status.as_u16());
    }
    assert_eq!(statuses[0], 404);
    assert_eq!(statuses.iter().filter(|status| **status == 404).count(), 999);
    let busy = visit(&site, &format!("/bank-details/{}", "b".repeat(43))).send().await.expect(429);
    assert_eq!(busy.header("retry-after"), "1");
    visit(&site, &path).send().await.expect(200);
    for odd in ["x", "../../v1/orders", &"c".repeat(300), "%00"] {
        let answer = visit(&site, &format!("/bank-details/{odd}")).send().await;
        assert!([404, 400].contains(&answer.status.as_u16()), "{odd}");
    }
    let mut uses = Vec::new();
    for _ in 0..6 {
        uses.push(visit(&site, &path).send().await.status.as_u16());
    }
    assert_eq!(uses.last(), Some(&429), "one link is not used without end: {uses:?}");
}

/// Who may read the log could read customers' accounts, or send money to another one.
#[tokio::test]
async fn no_account_and_no_link_comes_into_the_log() {
    let log = Log::default();
    let _here = log.listen();
    let site = Site::start().await;
    let (by_page, by_key) = (waiting(&site).await, waiting(&site).await);
    let path = page(&site, &by_page).await;
    let form = "account_holder=Ada+Lovelace&iban=";
    enter(&site, &path, &format!("{form}DE89370400440532013001")).send().await.expect(422);
    enter(&site, &path, &format!("{form}DE89370400440532013000")).send().await.expect(303);
    let details = json!({"iban": IBAN, "account_holder": "Ada Lovelace"});
    let given = site.post(&format!("/v1/refunds/{by_key}/information"), details).once();
    given.send().await.expect(200);
    let said = log.text();
    assert!(said.contains("/bank-details/{token}"), "it was listened to: {said}");
    let token = path.rsplit('/').next().unwrap();
    for secret in [token, "Lovelace", "DE89", "3704", "0532013", site.key.as_str()] {
        assert!(!said.contains(secret), "{secret} is logged: {said}");
    }
}
