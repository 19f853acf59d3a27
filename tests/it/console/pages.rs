//! What stands on the pages.

use serde_json::json;

use super::*;

/// What people and programs put into fields.
const HOSTILE: [&str; 9] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "{{ 7*7 }} {% endblock %}",
    "\u{202e}txet desrever\u{2066}",
    "👩‍👩‍👧‍👦 ünï¢ödé ﷽",
    "=HYPERLINK(\"http://evil.example\")",
    "+1+cmd|' /C calc'!A0",
    "-1+2",
    "@SUM(1+1)",
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
        let body = json!({"order": order, "amount": "1", "to": "store_credit"});
        let credit = site.post("/v1/refunds", body).once().send().await.expect(201).json();
        let account = credit["transactions"][0]["provider_reference"].as_str().unwrap();
        let spend = json!({"amount": "0.10", "reference": evil});
        let spend = site.post(&format!("/v1/credit_accounts/{account}/spend"), spend).once();
        let spend = spend.send().await.expect(201).id();
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
            format!("/console/orders?{}", encoded(&[("person", evil), ("amount", evil)])),
            format!("/console/orders/{order}/return"),
            format!("/console/credits?{}", encoded(&[("customer", evil)])),
            format!("/console/credits/{account}?undo={spend}"),
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
        for list in ["orders", "refunds", "returns", "credits", "owed?who=manual", "audit"] {
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
    let moved = [("settings.base_url", "https://other.example")];
    let moved = clerk.post(&site, "/console/gateways/stripe", &moved).send().await.expect(422);
    assert!(text(&moved).contains("Write the credentials again"));
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
        ("daily_refunds", "1"),
        ("daily_amounts", "USD 5000.00"),
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
    assert_eq!(now["daily_limit"], json!({"refunds": 1, "amounts": {"USD": "5000.00"}}));
    assert_eq!(now["information_expiry_seconds"], 14 * 86_400);
    assert_eq!(now["report_within_seconds"], 3 * 86_400);
    assert_eq!(now["notify_only"]["gift_card"], true);
    assert_eq!(now["notify_only"]["payment_method"], false);
    assert_eq!((&now["auto_close"], &now["ask_bank_details"]), (&json!(true), &json!(false)));
    assert_eq!(now["debtor"]["iban"], "DE89370400440532013000");
    for (name, wrong) in [
        ("limits", "USD ten"),
        ("limits", "USD 1.001"),
        ("daily_refunds", "some"),
        ("daily_amounts", "5000"),
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

    // What waits for the sake of a setting says so where it is confirmed.
    let order = site.order("20.00").await;
    for amount in ["1.00", "2.00"] {
        let body = json!({"order": order, "amount": amount});
        site.post("/v1/refunds", body).once().send().await.expect(201);
    }
    let page = text(&clerk.get(&site, "/console/confirm").send().await.expect(200));
    assert!(page.contains("more than a day may have") && page.contains("2.00"), "{page}");
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

#[tokio::test]
async fn of_a_key_pair_only_the_public_key_is_shown() {
    let site = Site::start().await;
    let key = site.key.clone();
    let clerk = sign_in(&site, &key).await;
    let fields = [("format", "begateway"), ("url", "https://shop.example/told")];
    let made = clerk.post(&site, "/console/webhooks", &fields).send().await.expect(200);
    let hook = site.get("/v1/webhook_endpoints").send().await.expect(200).json();
    let path = format!("/console/webhooks/{}", hook["data"][0]["id"].as_str().unwrap());
    let rotated = clerk.post(&site, &path, &[("do", "rotate")]).send().await.expect(200);
    for answer in [made, rotated] {
        let page = text(&answer);
        assert!(page.contains("Public key") && !page.contains("rsa_"), "{page}");
    }
}
