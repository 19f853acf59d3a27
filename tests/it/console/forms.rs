//! A form that is sent twice takes effect once.

use serde_json::{Value, json};

use super::*;

const ONCE: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210fedcba9876543210";

/// The same form at once and once more later; where each answer leads.
async fn thrice(clerk: &Clerk, site: &Site, path: &str, fields: &[(&str, &str)]) -> [Answer; 3] {
    let mut all = vec![("token", clerk.token.as_str()), ("once", ONCE)];
    all.extend_from_slice(fields);
    let send = || clerk.bare_post(site, path, &all).send();
    let (one, two) = tokio::join!(send(), send());
    [one, two, send().await]
}

async fn refunds(site: &Site) -> Vec<Value> {
    let list = site.get("/v1/refunds?limit=100").send().await.expect(200).json();
    list["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn the_same_form_is_one_refund_and_another_form_is_another() {
    let site = Site::start().await;
    let order = site.order("10.00").await;
    let clerk = sign_in(&site, &site.key).await;
    let path = format!("/console/orders/{order}/refund");
    let fields = [("by", "amount"), ("amount", "3.00"), ("to", "cash")];
    let answers = thrice(&clerk, &site, &path, &fields).await;
    let made = refunds(&site).await;
    assert_eq!(made.len(), 1, "{made:?}");
    let place = format!("/console/refunds/{}?done=requested", made[0]["id"].as_str().unwrap());
    for answer in answers {
        assert_eq!(answer.expect(303).header("location"), place);
    }
    // Other values under the same name are no refund either.
    let fields = [("token", &*clerk.token), ("once", ONCE), ("by", "amount"), ("amount", "4.00")];
    let refused = clerk.bare_post(&site, &path, &fields).send().await.expect(422);
    assert!(text(&refused).contains("sent before"));
    // A page that is opened again asks for another one, of the same amount.
    let fields = [
        ("token", &*clerk.token),
        ("once", OTHER),
        ("by", "amount"),
        ("amount", "3.00"),
        ("to", "cash"),
    ];
    clerk.bare_post(&site, &path, &fields).send().await.expect(303);
    assert_eq!(refunds(&site).await.len(), 2);
    for wrong in ["", "x", "0123456789abcdef0123456789abcdeg"] {
        let fields = [("token", &*clerk.token), ("once", wrong), ("amount", "1.00")];
        clerk.bare_post(&site, &path, &fields).send().await.expect(400);
    }
    assert_eq!(refunds(&site).await.len(), 2);
}

/// The name of a sending stands in the page, and drawing that page gives it another.
#[tokio::test]
async fn every_drawing_of_a_form_has_a_name_of_its_own() {
    let site = Site::start().await;
    let order = site.order("10.00").await;
    let clerk = sign_in(&site, &site.key).await;
    let path = format!("/console/orders/{order}/refund");
    let mut names = Vec::new();
    for _ in 0..2 {
        let page = clerk.page(&site, &path).await;
        let (_, rest) = page.split_once("name=\"once\" value=\"").unwrap();
        names.push(rest.split('"').next().unwrap().to_owned());
    }
    assert_ne!(names[0], names[1]);
}

#[tokio::test]
async fn several_commands_of_one_form_are_each_carried_out_once() {
    let site = Site::start().await;
    let order = site.order("10.00").await;
    let clerk = sign_in(&site, &site.key).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let body = json!({"order": order, "amount": "1", "to": "cash", "confirm": false});
        ids.push(site.post("/v1/refunds", body).once().send().await.expect(201).id());
    }
    let fields = [("refund", &*ids[0]), ("refund", &*ids[1]), ("do", "confirm")];
    for answer in thrice(&clerk, &site, "/console/confirm", &fields).await {
        assert!(text(&answer.expect(200)).contains("2 refunds confirmed."));
    }
    for refund in refunds(&site).await {
        assert_eq!(refund["state"], "processing", "{refund}");
    }
}
