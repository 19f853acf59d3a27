//! Bank details and bank transfers as people ask for them at the console.

use serde_json::json;

use super::*;

const IBAN: &str = "PL61109010140000071219812874";

/// A refund by bank transfer; with the account that it goes to, or waiting for it.
async fn transfer(site: &Site, amount: &str, holder: Option<&str>) -> serde_json::Value {
    let body = json!({"currency": "EUR", "payments": [{"provider": "till", "amount": "100.00"}]});
    let order = site.post("/v1/orders", body).send().await.expect(201).id();
    let body = json!({"order": order, "amount": amount, "to": "bank_transfer"});
    let refund = site.post("/v1/refunds", body).once().send().await.expect(201).json();
    if let Some(holder) = holder {
        let path = format!("/v1/refunds/{}/information", refund["id"].as_str().unwrap());
        let body = json!({"iban": IBAN, "account_holder": holder});
        site.post(&path, body).once().send().await.expect(200);
    }
    refund
}

#[tokio::test]
async fn who_may_write_gets_the_customers_link_and_who_reads_does_not() {
    let site = Site::start().await;
    site.patch("/v1/settings", json!({"ask_bank_details": true})).send().await.expect(200);
    let refund = transfer(&site, "5.00", None).await;
    assert_eq!(refund["state"], "requires_information");
    let id = refund["id"].as_str().unwrap();
    let path = format!("/console/refunds/{id}");
    let said = site.ask("POST", &format!("/v1/refunds/{id}/information_link")).send().await;
    let url = said.expect(200).json()["url"].as_str().unwrap().to_owned();

    let clerk = sign_in(&site, &site.key).await;
    let page = clerk.page(&site, &path).await;
    assert!(page.contains("Show the customer's link") || page.contains("customer&#39;s link"));
    assert!(!page.contains(&url), "it is shown to whoever asks for it alone");
    let shown = text(&clerk.post(&site, &format!("{path}/link"), &[]).send().await.expect(200));
    assert!(shown.contains(&format!("<code class=\"id\">{url}</code>")), "{shown}");

    let reader = sign_in(&site, &site.make_key(MerchantId(1), &[Scope::Read], 1000).await).await;
    assert!(!reader.page(&site, &path).await.contains("/link\""));
    reader.post(&site, &format!("{path}/link"), &[]).send().await.expect(403);

    let body = json!({"iban": IBAN, "account_holder": "Ada"});
    site.post(&format!("/v1/refunds/{id}/information"), body).once().send().await.expect(200);
    let page = clerk.page(&site, &path).await;
    assert!(page.contains("ends in 2874") && !page.contains(IBAN) && !page.contains("/link\""));
    let late = clerk.post(&site, &format!("{path}/link"), &[]).send().await.expect(422);
    assert!(text(&late).contains("does not wait for bank details"));
}

#[tokio::test]
async fn a_file_of_transfers_is_made_once_and_downloaded() {
    let site = Site::start().await;
    let path = "/console/transfers";
    let clerk = sign_in(&site, &site.key).await;
    let first = transfer(&site, "5.00", Some("Ada")).await;
    let without = transfer(&site, "6.00", None).await;
    let page = clerk.page(&site, path).await;
    assert!(page.contains("not set whose account") && page.contains("Lacks bank details"));
    clerk.post(&site, path, &[]).send().await.expect(422);

    let debtor = json!({"name": "Shop", "iban": "DE89370400440532013000", "bic": null});
    site.patch("/v1/settings", json!({"debtor": debtor})).send().await.expect(200);
    let page = clerk.page(&site, path).await;
    assert!(page.contains("1 transfer can stand in a file"), "{page}");
    assert!(page.contains("Ready for a file") && page.contains("ends in 2874"));
    assert!(!page.contains(IBAN));
    for (day, why) in [("tomorrow", "such as 2026"), ("2001-01-01", "The day is over")] {
        let answer = clerk.post(&site, path, &[("execution", day)]).send().await.expect(422);
        let page = text(&answer);
        assert!(page.contains("id=\"wrong-execution\"") && page.contains(why), "{day}: {page}");
    }

    let once = "0123456789abcdef0123456789abcdef";
    let make = || clerk.bare_post(&site, path, &[("token", &clerk.token), ("once", once)]).send();
    let (one, two) = tokio::join!(make(), make());
    let made = [one, two].into_iter().filter(|answer| answer.status == 303).count();
    assert_eq!(made, 1, "whoever came second is told so");
    make().await.expect(422);
    let files = site.get("/v1/bank_transfer_files").send().await.expect(200).json();
    assert_eq!(files["data"].as_array().unwrap().len(), 1);
    let file = files["data"][0]["id"].as_str().unwrap();

    let page = clerk.page(&site, path).await;
    let place = format!("{path}/{file}");
    assert_eq!(page.matches(&format!("href=\"{place}\"")).count(), 2, "of itself and its transfer");
    let answer = clerk.get(&site, &place).send().await.expect(200);
    assert_eq!(answer.header("content-type"), "application/xml");
    assert!(answer.header("content-disposition").starts_with("attachment; filename=\"btf_"));
    let xml = text(&answer);
    assert!(xml.contains(IBAN) && xml.contains(">5.00<") && !xml.contains(">6.00<"));
    let csv = clerk.get(&site, &format!("{path}?format=csv")).send().await.expect(200);
    assert_eq!(text(&csv).lines().count(), 3, "both open ones below the titles");
    for refund in [&first, &without] {
        assert!(text(&csv).contains(refund["id"].as_str().unwrap()));
    }

    let other = site.make_key(site.merchant("other").await, &Scope::ALL, 1_000).await;
    let other = sign_in(&site, &other).await;
    other.get(&site, &place).send().await.expect(404);
    assert!(!other.page(&site, path).await.contains(file));
}
