//! What people do at the console besides refunds: credit is spent, returns are opened, orders are
//! found, and the books are verified.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::harness::faulty::Faulty;
use crate::harness::store::Home;
use crate::harness::whole::{KEY, Whole};

const ONCE: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210fedcba9876543210";
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A refund of so much that is credited to an account here; the refund's and the account's id.
async fn credited(site: &Site, to: &str, customer: &str, amount: &str) -> (String, String) {
    let body = json!({
        "currency": "USD", "customer": {"reference": customer},
        "payments": [{"provider": "sandbox", "amount": "50"}],
    });
    let order = site.post("/v1/orders", body).send().await.expect(201).id();
    let body = json!({"order": order, "amount": amount, "to": to});
    let refund = site.post("/v1/refunds", body).once().send().await.expect(201).json();
    let account = refund["transactions"][0]["provider_reference"].as_str().unwrap();
    (refund["id"].as_str().unwrap().to_owned(), account.to_owned())
}

async fn balance(site: &Site, account: &str) -> String {
    let row = site.get(&format!("/v1/credit_accounts/{account}")).send().await.expect(200).json();
    row["balance"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn credit_is_spent_and_given_back_once_however_often_the_form_is_sent() {
    let site = Site::start().await;
    let (refund, account) = credited(&site, "store_credit", "c-7", "9.99").await;
    credited(&site, "customer_balance", "c-8", "3.00").await;
    let clerk = sign_in(&site, &site.key).await;
    let path = format!("/console/credits/{account}");
    let page = clerk.page(&site, &format!("/console/refunds/{refund}")).await;
    assert!(page.contains(&format!("href=\"{path}\"")), "the refund leads to its account");
    for (query, listed) in [
        ("", true),
        ("?customer=c-7", true),
        ("?kind=store_credit", true),
        ("?kind=customer_balance", false),
        ("?customer=c-8", false),
        ("?customer=c-7&kind=gift_card", false),
    ] {
        let page = clerk.page(&site, &format!("/console/credits{query}")).await;
        assert_eq!(page.contains(&format!("href=\"{path}\"")), listed, "{query}");
    }

    let spend = |amount| {
        let fields =
            [("token", &*clerk.token), ("once", ONCE), ("amount", amount), ("reference", "1002")];
        clerk.bare_post(&site, &format!("{path}/spend"), &fields)
    };
    let (one, two) = tokio::join!(spend("7.50").send(), spend("7.50").send());
    for answer in [one, two] {
        assert_eq!(answer.expect(303).header("location"), format!("{path}?done=spent"));
    }
    assert_eq!(balance(&site, &account).await, "2.49");
    // The same form with another amount is another wish.
    assert!(text(&spend("1.00").send().await.expect(422)).contains("sent before"));

    let much = [("amount", "2.50"), ("reference", "1003")];
    let refused = clerk.post(&site, &format!("{path}/spend"), &much).send().await.expect(422);
    let refused = text(&refused);
    assert!(refused.contains("id=\"wrong-amount\"") && refused.contains("value=\"2.50\""));
    for wrong in ["", "0", "-1", "1.001", "ten"] {
        let fields = [("amount", wrong)];
        clerk.post(&site, &format!("{path}/spend"), &fields).send().await.expect(422);
    }
    assert_eq!(balance(&site, &account).await, "2.49");

    let entries = format!("/v1/credit_accounts/{account}/entries");
    let entries = site.get(&entries).send().await.expect(200).json();
    let spent = entries["data"][0]["id"].as_str().unwrap().to_owned();
    let page = clerk.page(&site, &format!("{path}?undo={spent}")).await;
    assert!(page.contains("7.50\u{a0}USD</b> was spent for <bdi>1002</bdi>"));
    let undo = || {
        let fields = [("token", &*clerk.token), ("once", OTHER), ("spend", &*spent)];
        clerk.bare_post(&site, &format!("{path}/undo"), &fields)
    };
    let (one, two) = tokio::join!(undo().send(), undo().send());
    for answer in [one, two] {
        assert_eq!(answer.expect(303).header("location"), format!("{path}?done=undone"));
    }
    assert_eq!(balance(&site, &account).await, "9.99");
    let again = clerk.post(&site, &format!("{path}/undo"), &[("spend", &*spent)]);
    assert!(text(&again.send().await.expect(422)).contains("undone"));
    let page = clerk.page(&site, &format!("{path}?undo={spent}")).await;
    assert!(!page.contains("<button class=\"main\">Undo spend"), "it says why not instead");
    let credit = entries["data"][1]["id"].as_str().unwrap();
    clerk.get(&site, &format!("{path}?undo={credit}")).send().await.expect(404);
}

#[tokio::test]
async fn the_code_of_a_gift_card_is_shown_once_and_finds_the_card() {
    let site = Site::start().await;
    let (_, account) = credited(&site, "gift_card", "c-7", "20.00").await;
    let clerk = sign_in(&site, &site.key).await;
    let path = format!("/console/credits/{account}");
    let mut codes = Vec::new();
    for _ in 0..2 {
        let page = clerk.post(&site, &format!("{path}/code"), &[]).send().await.expect(200);
        let page = text(&page);
        let (_, rest) = page.split_once("data-copy><code class=\"id\">").expect("the code");
        codes.push(rest.split('<').next().unwrap().to_owned());
    }
    assert_ne!(codes[0], codes[1]);
    let page = clerk.page(&site, &path).await;
    assert!(!page.contains(&codes[1]));
    assert!(page.contains(&format!("ends in {}", &codes[1][codes[1].len() - 4..])));
    let find = |code: &str| clerk.post(&site, "/console/credits", &[("code", code)]);
    let found = find(&codes[1].to_lowercase().replace('-', " ")).send().await.expect(303);
    assert_eq!(found.header("location"), path);
    for wrong in [codes[0].as_str(), "", "7K3M", "<script>"] {
        let page = text(&find(wrong).send().await.expect(422));
        assert!(page.contains("id=\"wrong-code\""), "{wrong}");
    }
    // Store credit has no code.
    let (_, other) = credited(&site, "store_credit", "c-7", "1.00").await;
    let refused = clerk.post(&site, &format!("/console/credits/{other}/code"), &[]);
    refused.send().await.expect(422);
    // A search by id leads there too.
    let found = clerk.get(&site, &format!("/console/search?q={account}")).send().await.expect(303);
    assert_eq!(found.header("location"), path);
}

#[tokio::test]
async fn a_return_is_opened_from_its_order_and_closed() {
    let site = Site::start().await;
    let order = site.order("10.00").await;
    let clerk = sign_in(&site, &site.key).await;
    let path = format!("/console/orders/{order}/return");
    assert!(clerk.page(&site, &format!("/console/orders/{order}")).await.contains(&path));
    let fields = [
        ("token", &*clerk.token),
        ("once", ONCE),
        ("kind", "complaint"),
        ("units_1", "2"),
        ("why_1", "torn"),
        ("reason", "Broken"),
        ("reference", "R-1"),
    ];
    let open = || clerk.bare_post(&site, &path, &fields).send();
    let (one, two) = tokio::join!(open(), open());
    let place = one.expect(303).header("location").to_owned();
    assert_eq!(two.expect(303).header("location"), place);
    let id = place.split(['/', '?']).nth(3).unwrap();
    let row = site.get(&format!("/v1/returns/{id}")).send().await.expect(200).json();
    let items = json!([{"line": 1, "quantity": 2, "reason": "torn"}]);
    assert_eq!((&row["kind"], &row["items"]), (&json!("complaint"), &items));
    assert_eq!((&row["reference"], &row["reason"]), (&json!("R-1"), &json!("Broken")));
    assert_eq!(row["order"], order.as_str());

    for (fields, wrong) in [
        ([("kind", "return"), ("units_1", "3"), ("reference", "")], "items"),
        ([("kind", "return"), ("units_1", "x"), ("reference", "")], "items"),
        ([("kind", "theft"), ("units_1", "1"), ("reference", "")], "kind"),
        ([("kind", "return"), ("units_1", "1"), ("reference", "R-1")], "reference"),
    ] {
        let page = text(&clerk.post(&site, &path, &fields).send().await.expect(422));
        assert!(page.contains(&format!("id=\"wrong-{wrong}\"")), "{fields:?}");
        assert!(page.contains(&format!(
            "name=\"units_1\" min=\"0\" max=\"2\" step=\"1\" value=\"{}\"",
            fields[1].1
        )));
    }
    let all = site.get("/v1/returns").send().await.expect(200).json();
    assert_eq!(all["data"].as_array().unwrap().len(), 1);

    let close = format!("/console/returns/{id}/close");
    clerk.post(&site, &close, &[("state", "received")]).send().await.expect(422);
    let closed = clerk.post(&site, &close, &[("state", "rejected")]).send().await.expect(303);
    assert_eq!(closed.header("location"), format!("/console/returns/{id}?done=closed"));
    let page = clerk.page(&site, &format!("/console/returns/{id}")).await;
    assert!(page.contains("Rejected") && !page.contains("Close it"));
    clerk.post(&site, &close, &[("state", "done")]).send().await.expect(422);
    let row = site.get(&format!("/v1/returns/{id}")).send().await.expect(200).json();
    assert_eq!(row["state"], "rejected");
}

async fn order_of(site: &Site, name: &str, email: &str, amount: &str, at: &str) -> String {
    let body = json!({
        "currency": "USD", "customer": {"name": name, "email": email}, "created_at": at,
        "payments": [{"provider": "sandbox", "amount": amount}],
    });
    site.post("/v1/orders", body).send().await.expect(201).id()
}

#[tokio::test]
async fn orders_are_found_by_name_email_amount_and_day() {
    let site = Site::start().await;
    let ada =
        order_of(&site, "Ada Lovelace", "ada@shop.example", "10", "2024-03-01T12:00:00Z").await;
    let ann = order_of(&site, "Ann Lovell", "ann@shop.example", "20", "2023-01-05T23:30:00Z").await;
    let new = order_of(&site, "Zoë", "z@else.example", "10", "2025-01-01T00:00:00Z").await;
    site.clock.advance_ms(DAY_MS);
    let refund = site.refund(&ann, "10").await;
    let all = [&ada, &ann, &new];
    let clerk = sign_in(&site, &site.key).await;
    for (query, expected) in [
        ("person=love", vec![&ada, &ann]),
        ("person=LOVELACE+ada", vec![&ada]),
        ("person=zo%C3%AB", vec![&new]),
        ("person=ann%40shop.example", vec![&ann]),
        ("amount=10", vec![&ada, &new]),
        ("amount=20.00", vec![&ann]),
        ("amount=20.00&person=ada", vec![]),
        ("from=2024-03-01&until=2024-03-01", vec![&ada]),
        ("from=2023-01-06&until=", vec![&ada, &new]),
        ("from=&until=2024-03-01", vec![&ada, &ann]),
        ("from=2024-01-01&person=love", vec![&ada]),
    ] {
        let page = clerk.page(&site, &format!("/console/orders?{query}")).await;
        for order in all {
            let shown = page.contains(&format!("/console/orders/{order}\""));
            assert_eq!(shown, expected.contains(&order), "{query}: {order}");
        }
    }
    // Of a shop in Berlin, it was the day after.
    site.patch("/v1/settings", json!({"time_zone": "Europe/Berlin"})).send().await.expect(200);
    let page = clerk.page(&site, "/console/orders?from=2023-01-06&until=2023-01-06").await;
    assert!(page.contains(&format!("/console/orders/{ann}\"")));
    let listed = clerk.page(&site, "/console/orders?from=2020-01-01").await;
    let place = |order: &String| listed.find(&format!("/console/orders/{order}\"")).unwrap();
    assert!(place(&new) < place(&ada) && place(&ada) < place(&ann), "by day, newest first");
    let wrong = clerk.page(&site, "/console/orders?amount=ten").await;
    assert!(wrong.contains("Write the amount as a number") && !wrong.contains(&ada));
    let refunds = clerk.page(&site, "/console/refunds?amount=10.00").await;
    assert!(refunds.contains(&format!("/console/refunds/{refund}\"")));
    let refunds = clerk.page(&site, "/console/refunds?amount=10.01").await;
    assert!(!refunds.contains(&refund));
}

#[tokio::test]
async fn the_search_finds_people_and_amounts_in_everything() {
    let site = Site::start().await;
    let at = "2024-03-01T12:00:00Z";
    let old = order_of(&site, "Ada Lovelace", "ada@shop.example", "77.70", at).await;
    let refund = site.refund(&old, "33.30").await;
    for number in 0..220 {
        order_of(&site, &format!("Other {number}"), "other@shop.example", "1", at).await;
    }
    let clerk = sign_in(&site, &site.key).await;
    for asked in ["lovelace", "ADA", "ada%40shop", "love+ada", "77.7"] {
        let page = clerk.page(&site, &format!("/console/search?q={asked}")).await;
        assert!(page.contains(&format!("/console/orders/{old}\"")), "{asked}");
    }
    let page = clerk.page(&site, "/console/search?q=33.30").await;
    assert!(page.contains(&format!("/console/refunds/{refund}\"")));
    let many = clerk.page(&site, "/console/search?q=other").await;
    assert!(many.contains("/console/orders?person=other") && many.len() < 60_000);
    let none = clerk.page(&site, "/console/search?q=grace").await;
    assert!(none.contains("Nothing is known by") && none.contains("looked up in everything"));
}

/// The page once it says this, within a bound.
async fn until(clerk: &Clerk, site: &Site, path: &str, said: &str) -> String {
    let end = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        let page = clerk.page(site, path).await;
        if page.contains(said) {
            return page;
        }
        assert!(tokio::time::Instant::now() < end, "it never said {said}: {page}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_verification_is_begun_on_the_page_and_tells_what_it_found() {
    let home = Home::on_sqlite();
    let store = home.store.clone();
    let site = Site::over(home, store).await;
    let order = site.order("10.00").await;
    site.refund(&order, "1.00").await;
    let other = site.merchant("other").await;
    let elsewhere = site.make_key(other, &Scope::ALL, 1_000).await;
    let clerk = sign_in(&site, &site.key).await;
    let stranger = sign_in(&site, &elsewhere).await;
    let path = "/console/audit";
    assert!(clerk.page(&site, path).await.contains("No verification was asked for"));
    clerk.post(&site, path, &[]).send().await.expect(303);
    let page = until(&clerk, &site, path, "The books add up").await;
    assert!(page.contains("1 order, 1 refund, "), "{page}");
    assert!(stranger.page(&site, path).await.contains("No verification was asked for"));

    let books = site.home.dir.path().join("refundry.db");
    let books = rusqlite::Connection::open(books).unwrap();
    assert_eq!(books.execute("UPDATE lines SET amount = amount + 1", []).unwrap(), 1);
    clerk.post(&site, path, &[]).send().await.expect(303);
    let page = until(&clerk, &site, path, "Found: ").await;
    assert!(page.contains("<li><bdi>order ") && !page.contains("The books add up"), "{page}");
    // Another merchant's books are right all the same.
    stranger.post(&site, path, &[]).send().await.expect(303);
    until(&stranger, &site, path, "The books add up").await;
}

/// One merchant that begins them again and again would keep all others from theirs.
#[tokio::test]
async fn a_verification_waits_its_turn_and_nobody_has_two() {
    let home = Home::on_sqlite();
    let store = Faulty::over(home.store.clone());
    let site = Site::over(home, store.clone()).await;
    let path = "/console/audit";
    let mut clerks = Vec::new();
    for name in ["first", "second", "third"] {
        let merchant = site.merchant(name).await;
        let key = site.make_key(merchant, &Scope::ALL, 1_000).await;
        clerks.push(sign_in(&site, &key).await);
    }
    let held = store.accounts.hold().await;
    for (clerk, begun) in clerks[..2].iter().zip([1, 2]) {
        for _ in 0..2 {
            clerk.post(&site, path, &[]).send().await.expect(303);
        }
        store.accounts.until_waiting(begun).await;
    }
    clerks[2].post(&site, path, &[]).send().await.expect(303);
    let third = until(&clerks[2], &site, path, "waits for those").await;
    assert!(!third.contains("Under way"), "{third}");
    assert!(clerks[0].page(&site, path).await.contains("Under way"));
    store.accounts.until_waiting(2).await;
    drop(held);
    for clerk in &clerks {
        until(clerk, &site, path, "The books add up").await;
    }
}

#[tokio::test]
async fn the_cookie_is_for_tls_alone_where_the_public_address_is() {
    for (address, secure) in [("https://refunds.example", true), ("http://refunds.example", false)]
    {
        let whole = Whole::start(&[("REFUNDRY_PUBLIC_URL", address)]).await;
        let ask = form(whole.ask("POST", "/console/login"), &[("key", KEY)]);
        let answer = ask.send().await.expect(303);
        assert_eq!(answer.header("set-cookie").contains("; Secure"), secure, "{address}");
        let theme = form(whole.ask("POST", "/console/theme"), &[("theme", "dark")]);
        let answer = theme.send().await.expect(303);
        assert_eq!(answer.header("set-cookie").contains("; Secure"), secure, "{address}");
        whole.stop().await;
    }
}

/// What is sent by a double click, or again by a reload, is one wish; a form that was opened anew is
/// another one.
#[tokio::test]
async fn a_form_that_is_sent_twice_is_one_refund() {
    let site = Site::start().await;
    let order = site.order("20.00").await;
    let clerk = sign_in(&site, &site.key).await;
    let path = format!("/console/orders/{order}/refund");
    let drawn = || async {
        let page = clerk.page(&site, &path).await;
        let (_, rest) = page.split_once("name=\"once\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let (first, second) = (drawn().await, drawn().await);
    assert_ne!(first, second);
    let send = |once: &str, amount: &str| {
        let fields = [
            ("token", &*clerk.token),
            ("once", once),
            ("by", "amount"),
            ("amount", amount),
            ("do", "request"),
        ];
        clerk.bare_post(&site, &path, &fields).send()
    };
    let count = || async {
        let list = site.get(&format!("/v1/refunds?order={order}")).send().await.expect(200).json();
        list["data"].as_array().unwrap().len()
    };
    let (one, two) = tokio::join!(send(&first, "3.00"), send(&first, "3.00"));
    let place = one.expect(303).header("location").to_owned();
    assert_eq!(two.expect(303).header("location"), place);
    assert_eq!(send(&first, "3.00").await.expect(303).header("location"), place);
    assert_eq!(count().await, 1);
    assert!(text(&send(&first, "4.00").await.expect(422)).contains("sent before"));
    for no_name in ["", "0123", &*"z".repeat(32)] {
        send(no_name, "3.00").await.expect(400);
    }
    assert_eq!(count().await, 1);
    let other = send(&second, "3.00").await.expect(303).header("location").to_owned();
    assert_ne!(other, place);
    assert_eq!(count().await, 2);
}
