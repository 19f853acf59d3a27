//! Notifications: where a request says, signed, with the shop's own credentials.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use refundry_domain::ids::MerchantId;
use refundry_domain::merchant::Scope;
use rsa::pkcs8::DecodePublicKey;
use rsa::{Pkcs1v15Sign, RsaPublicKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{post, refused, shop, uid_of_payment};
use crate::harness::receiver::{Reaction, Receiver, Told};
use crate::harness::site::Site;
use crate::harness::whole::basic;
use crate::webhooks::{Post, deliveries, until, until_delivery};

const BEYAG: &str = "/beyag/transactions/refunds";

/// A payment that somebody outside was paid, so that a refund ends when the test says so.
async fn paid(site: &Site, notes: Value) -> String {
    let body = json!({"currency": "EUR", "metadata": notes, "payments": [
        {"provider": "acme", "method": "erip", "amount": "100.00"}]});
    let order = site.post("/v1/orders", body).send().await.expect(201).id();
    uid_of_payment(site, &order).await
}

async fn refund(site: &Site, parent: &str, amount: u32, address: &str) -> String {
    let request = json!({"parent_uid": parent, "reason": "r", "amount": amount,
        "tracking_id": "t-1", "notification_url": address});
    let made = post(site, BEYAG, request).send().await.expect(200).json();
    made["transaction"]["uid"].as_str().unwrap().to_owned()
}

async fn report(site: &Site, uid: &str, body: Value) {
    let number = i64::from_str_radix(uid.trim_start_matches("2-"), 16).unwrap();
    site.patch(&format!("/v1/transactions/txn_{number}"), body).send().await.expect(200);
}

/// What the API shows of it, but for the receipt's host, which a notification does not know.
async fn shown(site: &Site, path: &str) -> Value {
    let mut body = shop(site, "GET", path).send().await.expect(200).json();
    let url = body["transaction"]["receipt_url"].as_str().unwrap().to_owned();
    body["transaction"]["receipt_url"] = url[url.find("/customer").unwrap()..].into();
    body
}

async fn endpoints(site: &Site) -> Vec<Value> {
    let list = site.get("/v1/webhook_endpoints").send().await.expect(200).json();
    list["data"].as_array().unwrap().clone()
}

/// Checked by another library than the one that signs.
fn is_genuine(told: &Told, public_key: &Value) -> bool {
    let der = STANDARD.decode(public_key.as_str().unwrap()).unwrap();
    let key = RsaPublicKey::from_public_key_der(&der).unwrap();
    // DigestInfo of SHA-256, RFC 8017.
    let prefix = STANDARD.decode("MDEwDQYJYIZIAWUDBAIBBQAEIA==").unwrap();
    let scheme = Pkcs1v15Sign { hash_len: Some(32), prefix: prefix.into() };
    let signature = STANDARD.decode(told.header("content-signature")).unwrap();
    key.verify(scheme, &Sha256::digest(&told.body), &signature).is_ok()
}

#[tokio::test]
async fn each_status_is_told_where_the_request_says() {
    let site = Site::start().await;
    let receiver = Receiver::good().await;
    let post = Post::over(&site);
    let parent = paid(&site, json!({})).await;
    let address = format!("{}/erip?order=7", receiver.url());
    let uid = refund(&site, &parent, 150, &address).await;
    let first = receiver.until(1).await.remove(0);
    assert_eq!(first.path, "/hooks/erip?order=7");
    assert_eq!(first.header("content-type"), "application/json");
    assert_eq!(first.header("authorization"), basic("1", &site.key));
    let path = format!("/beyag/refunds/{uid}");
    let pending = shown(&site, &path).await;
    assert_eq!(first.json(), pending);
    let row = &first.json()["transaction"];
    for (name, value) in [
        ("uid", json!(uid)),
        ("parent_uid", json!(parent)),
        ("type", json!("refund")),
        ("status", json!("pending")),
        ("amount", json!(150)),
        ("currency", json!("EUR")),
        ("tracking_id", json!("t-1")),
        ("method_type", json!("erip")),
    ] {
        assert_eq!(row[name], value, "{name}");
    }
    let endpoint = endpoints(&site).await.remove(0);
    assert_eq!(endpoint["format"], "begateway");
    assert_eq!(endpoint["events"], json!(["notification_url"]));
    assert_eq!(endpoint["url"], format!("http://{}", receiver.address));
    assert!(endpoint["secret"].is_null());
    assert!(is_genuine(&first, &endpoint["public_key"]));
    let mut forged = first.clone();
    forged.body = first.body.iter().map(|byte| if *byte == b'1' { b'2' } else { *byte }).collect();
    assert!(!is_genuine(&forged, &endpoint["public_key"]));

    site.clock.advance_ms(60_000);
    report(&site, &uid, json!({"state": "succeeded", "provider_reference": "re_9"})).await;
    let done = receiver.until(2).await.remove(1);
    assert_eq!(done.json(), shown(&site, &path).await);
    let row = &done.json()["transaction"];
    assert_eq!((&row["status"], &row["refund"]["ref_id"]), (&json!("successful"), &json!("re_9")));
    assert!(is_genuine(&done, &endpoint["public_key"]));
    // In the asynchronous variant too, by the same key pair, and a no is told as well.
    let request = json!({"parent_uid": parent, "reason": "r", "amount": 1,
        "notification_url": address});
    let later = super::post(&site, "/beyag/async/transactions/refunds", request);
    let task = later.send().await.expect(200).json();
    let uid = task["request_id"].as_str().unwrap();
    let body = json!({"state": "failed", "code": "declined", "message": "No"});
    report(&site, uid, body).await;
    let no = receiver.until(4).await.remove(3);
    let row = &no.json()["transaction"];
    assert_eq!((&row["uid"], &row["status"]), (&json!(uid), &json!("failed")));
    assert_eq!(row["message"], "No");
    assert!(is_genuine(&no, &endpoint["public_key"]));
    assert_eq!(endpoints(&site).await.len(), 1);
    post.stop().await;
}

#[tokio::test]
async fn payments_of_the_sandbox_are_told() {
    let site = Site::start().await;
    let receiver = Receiver::good().await;
    let post = Post::over(&site);
    for (at, (number, status)) in
        [("4200000000000000", "successful"), ("4005550000000019", "failed")].iter().enumerate()
    {
        let request = json!({"amount": 1000, "currency": "EUR", "description": "A lamp",
            "notification_url": receiver.url(), "credit_card": {"number": number}});
        let made = super::post(&site, "/transactions/payments", request).send().await;
        let uid = made.expect(200).json()["transaction"]["uid"].as_str().unwrap().to_owned();
        let told = receiver.until(at + 1).await.remove(at).json();
        assert_eq!(told["transaction"]["status"], *status);
        assert_eq!(told, shown(&site, &format!("/transactions/{uid}")).await);
    }
    post.stop().await;
}

/// Nobody's key is sent anywhere but where it was used to say so.
#[tokio::test]
async fn credentials_go_to_the_hosts_that_they_named() {
    let site = Site::start().await;
    let (ours, theirs, nobody) =
        (Receiver::good().await, Receiver::good().await, Receiver::good().await);
    let other = site.make_key(MerchantId(1), &[Scope::Read, Scope::Write], 100).await;
    let post = Post::over(&site);
    // The order's own note is somebody's, not this request's.
    let parent = paid(&site, json!({"notification_url": theirs.url()})).await;
    let mine = paid(&site, json!({"notification_url": format!("{}/mine", ours.url())})).await;
    let request = json!({"parent_uid": parent, "reason": "r", "amount": 1});
    let made = super::post(&site, BEYAG, request.clone()).send().await.expect(200).json();
    let silent = theirs.until(1).await.remove(0);
    assert_eq!(silent.json()["transaction"]["uid"], made["transaction"]["uid"]);
    assert_eq!(silent.header("authorization"), "");
    let key = endpoints(&site).await.remove(0)["public_key"].clone();
    assert!(is_genuine(&silent, &key));
    // A request's own host gets its credentials, each its own.
    let mut named = request;
    named["amount"] = json!(2);
    named["notification_url"] = json!(theirs.url());
    let ask = super::post(&site, BEYAG, named).header("authorization", &basic("1", &other));
    ask.send().await.expect(200);
    assert_eq!(theirs.until(2).await[1].header("authorization"), basic("1", &other));
    let uid = refund(&site, &parent, 3, &ours.url()).await;
    assert_eq!(ours.until(1).await[0].header("authorization"), basic("1", &site.key));
    let shop = endpoints(&site).await;
    assert_eq!(shop.len(), 2);
    assert_eq!(shop[0]["public_key"], shop[1]["public_key"], "a shop has one key pair");
    // A note that was changed afterwards leads nowhere.
    let list = site.get("/v1/refunds?limit=1").send().await.expect(200).json();
    let path = format!("/v1/refunds/{}", list["data"][0]["id"].as_str().unwrap());
    let change = json!({"metadata": {"notification_url": nobody.url()}});
    site.patch(&path, change).send().await.expect(200);
    report(&site, &uid, json!({"state": "succeeded"})).await;
    let last = refund(&site, &parent, 4, &ours.url()).await;
    let told = ours.until(2).await.remove(1);
    assert_eq!(told.json()["transaction"]["uid"], last);
    assert!(nobody.told().is_empty());
    // Another path of the host gets the signature only; another query gets the credentials, too.
    let request = json!({"parent_uid": mine, "reason": "r", "amount": 1});
    super::post(&site, BEYAG, request).send().await.expect(200);
    let silent = ours.until(3).await.remove(2);
    assert_eq!((silent.path.as_str(), silent.header("authorization")), ("/hooks/mine", ""));
    assert!(is_genuine(&silent, &key));
    refund(&site, &parent, 5, &format!("{}?order=7", ours.url())).await;
    assert_eq!(ours.until(4).await[3].header("authorization"), basic("1", &site.key));
    // Who names another path is told there with its own credentials.
    refund(&site, &parent, 6, &format!("{}/new", ours.url())).await;
    assert_eq!(ours.until(5).await[4].header("authorization"), basic("1", &site.key));
    post.stop().await;
}

#[tokio::test]
async fn an_address_that_may_not_be_called_is_refused() {
    let site = Site::start().await;
    let parent = paid(&site, json!({})).await;
    let events = site.events().await;
    for address in [
        "http://10.0.0.1/told",
        "https://169.254.169.254/latest",
        "ftp://shop.example/",
        "https://user:word@shop.example/",
        "told",
        &format!("https://shop.example/{}", "x".repeat(3_000)),
    ] {
        let request = json!({"parent_uid": parent, "reason": "r", "amount": 1,
            "notification_url": address});
        let answer = post(&site, BEYAG, request.clone()).send().await;
        refused(answer, 422, "/request/notification_url", "");
        let answer = post(&site, "/transactions/refunds", request).send().await;
        refused(answer, 400, "/notification_url", "");
    }
    assert_eq!(site.events().await, events);
    assert!(endpoints(&site).await.is_empty());
    // An order's note is not the request's fault.
    let parent = paid(&site, json!({"notification_url": "http://10.0.0.1/told"})).await;
    let request = json!({"parent_uid": parent, "reason": "r", "amount": 1});
    post(&site, BEYAG, request).send().await.expect(200);
    assert!(endpoints(&site).await.is_empty());
}

#[tokio::test]
async fn what_fails_is_told_again_and_one_lost_address_ends_no_other() {
    let site = Site::start().await;
    let receiver = Receiver::start(|count, told| match (count, told.path.as_str()) {
        (_, "/hooks/gone") => Reaction::Status(410),
        (0, _) => Reaction::Status(500),
        _ => Reaction::Status(200),
    })
    .await;
    let post = Post::over(&site);
    let parent = paid(&site, json!({})).await;
    refund(&site, &parent, 1, &receiver.url()).await;
    receiver.until(1).await;
    until_delivery(&site, "state=pending", |row| row["tries"].as_array().unwrap().len() == 1).await;
    site.clock.advance_ms(5_000);
    let told = receiver.until(2).await;
    assert_eq!(told[0].body, told[1].body);
    let elsewhere = paid(&site, json!({})).await;
    refund(&site, &elsewhere, 2, &format!("{}/gone", receiver.url())).await;
    receiver.until(3).await;
    until_delivery(&site, "state=failed", |_| true).await;
    refund(&site, &parent, 3, &receiver.url()).await;
    receiver.until(4).await;
    assert_eq!(endpoints(&site).await[0]["enabled"], true);
    assert_eq!(deliveries(&site, "state=failed").await.len(), 1);
    post.stop().await;
}

#[tokio::test]
async fn an_endpoint_of_ones_own_can_have_this_format() {
    let site = Site::start().await;
    let receiver = Receiver::good().await;
    let body = json!({"url": receiver.url(), "format": "begateway", "events": ["refund"]});
    let made = site.post("/v1/webhook_endpoints", body).send().await.expect(201).json();
    assert!(made["secret"].is_null() && made["public_key"].is_string());
    let path = format!("/v1/webhook_endpoints/{}", made["id"].as_str().unwrap());
    let shown = site.get(&path).send().await.expect(200).json();
    assert_eq!(shown["public_key"], made["public_key"]);
    let post = Post::over(&site);
    // Made in another API, and with an address of its own that is told apart from this.
    let order = site.order("10.00").await;
    site.refund(&order, "1.00").await;
    let told = receiver.until(1).await.remove(0);
    assert_eq!((told.path.as_str(), told.header("authorization")), ("/hooks", ""));
    assert_eq!(told.json()["transaction"]["payment_method_type"], "credit_card");
    assert!(is_genuine(&told, &made["public_key"]));
    let again = site.post(&format!("{path}/rotate_secret"), json!({})).send().await;
    let again = again.expect(200).json();
    assert!(again["secret"].is_null() && again["public_key"] != made["public_key"]);
    post.stop().await;
    for (field, value) in [
        ("events", json!(["refund.succeeded"])),
        ("secret", json!("whsec_d2hhdGV2ZXIgaXQgaXMsIGl0IGlzIGxvbmcgZW5vdWdo")),
        ("secret", json!("rsa_AAAA")),
    ] {
        let mut body = json!({"url": receiver.url(), "format": "begateway"});
        body[field] = value;
        let answer = site.post("/v1/webhook_endpoints", body).send().await;
        answer.expect_problem(422, "field_invalid");
    }
}

/// Who has missed a notification asks for it again.
#[tokio::test]
async fn a_notification_is_sent_again_when_it_is_asked_for() {
    let site = Site::start().await;
    let receiver = Receiver::good().await;
    let elsewhere = Receiver::good().await;
    let post_office = Post::over(&site);
    let parent = paid(&site, json!({})).await;
    let address = format!("{}/erip", receiver.url());
    let uid = refund(&site, &parent, 150, &address).await;
    let other = refund(&site, &parent, 151, &format!("{}/other", elsewhere.url())).await;
    receiver.until(1).await;
    report(&site, &uid, json!({"state": "succeeded"})).await;
    let told = receiver.until(2).await;
    elsewhere.until(1).await;
    // What is on its way is not sent a second time for that; so they have arrived, and are marked.
    let all_marked =
        || async { (deliveries(&site, "state=succeeded").await.len() == 3).then_some(()) };
    until("three deliveries are marked", all_marked).await;
    let again = |uid: &str| shop(&site, "POST", &format!("/beyag/transactions/{uid}/renotify"));
    let said = again(&uid).send().await.expect(200).json();
    assert_eq!(said, json!({"response": {"message": "The notification is sent again."}}));
    let now = receiver.until(3).await;
    assert_eq!((&now[2].path, &now[2].body), (&told[1].path, &told[1].body), "the newest one");
    assert_eq!(now[2].json()["transaction"]["status"], "successful");
    assert_eq!(now[2].header("authorization"), basic("1", &site.key));
    again(&other).send().await.expect(200);
    assert_eq!(elsewhere.until(2).await[1].json()["transaction"]["uid"], other.as_str());

    refused(again(&parent).send().await, 422, "/request/notification_url", "Nobody is told");
    refused(again("2-00000fffff").send().await, 404, "", "");
    let reader = site.make_key(MerchantId(1), &[Scope::Read], 1000).await;
    again(&uid).header("authorization", &basic("1", &reader)).send().await.expect(403);
    let merchant = site.merchant("other").await;
    let stranger = site.make_key(merchant, &Scope::ALL, 1000).await;
    let theirs = basic(&merchant.to_string(), &stranger);
    again(&uid).header("authorization", &theirs).send().await.expect(404);
    assert_eq!((receiver.told().len(), elsewhere.told().len()), (3, 2));
    post_office.stop().await;
}

/// A receiver that repeats what it got would put the shop's key where who may only read finds it.
#[tokio::test]
async fn credentials_that_a_receiver_repeats_are_not_kept() {
    let site = Site::start().await;
    let receiver = Receiver::start(|_, told| {
        let basic = told.header("authorization");
        let pair = STANDARD.decode(basic.strip_prefix("Basic ").unwrap()).unwrap();
        let password = String::from_utf8(pair).unwrap().split_off("1:".len());
        let signature = told.header("content-signature");
        let text = match told.path.as_str() {
            // The second time it stands across the end of what is kept.
            "/hooks/a" => format!("{:.<250}{password}", format!("{basic} {password} ")),
            "/hooks/b" => format!("{} {signature}", signature.replace('/', "\\/")),
            _ => format!("{password}{password}, thanks"),
        };
        Reaction::With(200, vec![], text.into_bytes())
    })
    .await;
    let post = Post::over(&site);
    let parent = paid(&site, json!({})).await;
    let mut known = Vec::new();
    for (path, amount) in [("a", 101), ("b", 102), ("c", 103)] {
        refund(&site, &parent, amount, &format!("{}/{path}", receiver.url())).await;
        let new = |row: &Value| row["state"] == "succeeded" && !known.contains(&row["id"]);
        let row = until_delivery(&site, "", new).await;
        let answer = row["tries"][0]["answer"].as_str().unwrap();
        match path {
            "a" => {
                assert!(answer.starts_with("Basic [cut] [cut] ."), "{answer}");
                assert!(answer.ends_with(".[cut]"), "{answer}");
            }
            // A signature is longer than what is kept.
            "b" => assert_eq!(answer, "[cut]"),
            _ => assert_eq!(answer, "[cut], thanks"),
        }
        known.push(row["id"].clone());
    }
    post.stop().await;
}
