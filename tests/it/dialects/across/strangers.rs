//! What is another merchant's: every call of every API that names a row is answered, in the API's own
//! shape, as it is about a row that nobody has; nothing of the row is said, and nothing written.

use refundry_domain::merchant::Scope;
use serde_json::{Value, json};

use super::stage::Stage;
use crate::harness::site::{Answer, Ask, Site};
use crate::harness::whole::basic;

/// It stands in whatever is kept of the row, and in no id.
const MARK: &str = "marked";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Api {
    Begateway,
    DigitalRiver,
    Fluent,
    Idosell,
    ReturnGo,
}

/// Who asks: an API key, with its merchant and the token that Fluent's API gives for it.
struct Who {
    merchant: String,
    key: String,
    token: String,
}

impl Who {
    async fn of(site: &Site, merchant: String, key: String) -> Who {
        let path = format!(
            "/oauth/token?grant_type=client_credentials&client_id={merchant}&client_secret={key}"
        );
        let token = Ask::new(site.address, "POST", &path).send().await.expect(200).json();
        let token = token["access_token"].as_str().unwrap().to_owned();
        Who { merchant, key, token }
    }
}

/// The names of the rows, in each API.
struct Ids {
    payment_uid: String,
    refund_uid: String,
    order: String,
    reference: String,
    charge: String,
    return_id: String,
    refund: String,
    event: String,
    hook: String,
    rma: String,
    transaction: String,
    told: String,
}

impl Ids {
    fn nobody() -> Ids {
        let number = || "999999".to_owned();
        Ids {
            payment_uid: "1-00000f423f".to_owned(),
            refund_uid: "2-00000f423f".to_owned(),
            order: "ord_999999".to_owned(),
            reference: number(),
            charge: "ch_999999".to_owned(),
            return_id: "ret_999999".to_owned(),
            refund: "ref_999999".to_owned(),
            event: "evt_999999".to_owned(),
            hook: "wh_999999".to_owned(),
            rma: number(),
            transaction: number(),
            told: number(),
        }
    }

    async fn of(stage: &Stage) -> Ids {
        let site = &stage.site;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let shown = site.get(&format!("/digitalriver/orders/{}", stage.order)).send().await.json();
        let transaction = stage.transaction().await;
        let events = site.get("/digitalriver/events").send().await.expect(200).json();
        let hook = json!({"types": ["refund.complete"], "address": "http://127.0.0.1:1/marked"});
        let hook = site.post("/digitalriver/webhooks", hook).send().await.expect(201).json();
        let told = json!({"url": "http://127.0.0.1:1/marked", "eventName": "RMA_CREATED"});
        let told = Ask::new(site.address, "POST", "/webhook").json(&told);
        let told = told.header("x-api-key", &site.key).send().await.expect(200).json();
        let return_id = stage.return_id().await;
        Ids {
            payment_uid: format!("1-{:010x}", stage.payment),
            refund_uid: format!("2-{transaction:010x}"),
            order: stage.order.clone(),
            reference: stage.reference.clone(),
            charge: text(&shown["payment"]["charges"][0]["id"]),
            rma: return_id.trim_start_matches("ret_").to_owned(),
            return_id,
            refund: stage.refund.clone().unwrap(),
            event: text(&events["data"][0]["id"]),
            hook: text(&hook["id"]),
            transaction: transaction.to_string(),
            told: told["id"].to_string(),
        }
    }

    /// Every call that names a row; a body of null is none.
    fn calls(&self) -> Vec<(Api, &'static str, String, Value)> {
        let mut calls = Vec::new();
        let mut add = |api, method, path: String, body| calls.push((api, method, path, body));
        let none = || Value::Null;
        for uid in [&self.payment_uid, &self.refund_uid] {
            for path in ["/beyag/transactions", "/transactions", "/beyag/async/result"] {
                add(Api::Begateway, "GET", format!("{path}/{uid}"), none());
            }
            add(Api::Begateway, "POST", format!("/beyag/transactions/{uid}/renotify"), json!({}));
        }
        add(Api::Begateway, "GET", format!("/beyag/refunds/{}", self.refund_uid), none());
        add(Api::Begateway, "GET", format!("/beyag/payments/{}", self.payment_uid), none());
        add(Api::Begateway, "GET", format!("/async/result/{}", self.refund_uid), none());
        for path in [
            "/beyag/transactions/refunds",
            "/beyag/refunds",
            "/beyag/async/refunds",
            "/transactions/refunds",
            "/async/transactions/refunds",
        ] {
            let ask = json!({"parent_uid": self.payment_uid, "reason": "r", "amount": 1,
                             "duplicate_check": false});
            add(Api::Begateway, "POST", path.to_owned(), json!({"request": ask}));
        }

        let notes = || json!({"metadata": {"a": "b"}});
        for (path, id, change) in [
            ("refunds", &self.refund, Some(("POST", notes()))),
            ("orders", &self.order, Some(("POST", notes()))),
            ("orders", &self.reference, None),
            ("charges", &self.charge, None),
            ("returns", &self.return_id, Some(("POST", notes()))),
            ("events", &self.event, None),
            ("webhooks", &self.hook, Some(("PATCH", json!({"enabled": true})))),
        ] {
            let path = format!("/digitalriver/{path}/{id}");
            add(Api::DigitalRiver, "GET", path.clone(), none());
            if let Some((method, body)) = change {
                add(Api::DigitalRiver, method, path, body);
            }
        }
        for order in [&self.order, &self.reference] {
            let ask = json!({"orderId": order, "currency": "PLN", "amount": 1});
            add(Api::DigitalRiver, "POST", "/digitalriver/refunds".to_owned(), ask);
            let ask = json!({"orderId": order, "items": [{"skuId": "hat", "quantity": 1}]});
            add(Api::DigitalRiver, "POST", "/digitalriver/returns".to_owned(), ask);
        }

        let of = format!("/api/v4.1/return/R{}", self.reference);
        let one = format!("{of}/transaction/{}", self.transaction);
        let record = json!({"transactionRef": "1", "transactionType": "REFUND", "amount": 1,
            "currency": "PLN", "paymentProvider": "PAYPAL", "paymentMethod": "PAYPAL",
            "transactionCode": 1});
        let opened = json!({"returnRef": "new", "orderRef": self.reference});
        add(Api::Fluent, "GET", of.clone(), none());
        add(Api::Fluent, "GET", format!("{of}/transaction"), none());
        add(Api::Fluent, "POST", format!("{of}/transaction"), record);
        add(Api::Fluent, "GET", one.clone(), none());
        add(Api::Fluent, "PUT", one, json!({"transactionNote": "n"}));
        add(Api::Fluent, "POST", "/api/v4.1/return".to_owned(), opened);

        let status = format!("sourceType=order&sourceId={}&paymentId=1", self.reference);
        let possible = format!("sourceType=return&sourceId=R{}", self.reference);
        let gate = "/api/admin/v8/refunds";
        add(Api::Idosell, "GET", format!("{gate}/getRefundStatus?{status}"), none());
        add(Api::Idosell, "GET", format!("{gate}/getPossibleAutoRefunds?{possible}"), none());
        for (method, name) in [
            ("PUT", "updateRefund"),
            ("PUT", "confirmRefund"),
            ("POST", "addManualRefund"),
            ("POST", "addAutomaticRefundForOrder"),
            ("PUT", "cancelRefund"),
        ] {
            let params = json!({"sourceType": "order", "sourceId": self.reference,
                "paymentId": 1, "refundValue": 1, "refundCurrency": "PLN",
                "refundDetails": {"paymentSystem": 27}});
            add(Api::Idosell, method, format!("{gate}/{name}"), json!({"params": params}));
        }
        let params = json!({"sourceType": "return", "sourceId": format!("R{}", self.reference)});
        let path = format!("{gate}/addAutomaticRefund");
        add(Api::Idosell, "POST", path, json!({"params": params}));

        let url = json!({"url": "http://127.0.0.1:1/other"});
        let path = format!("/transaction/{}", self.transaction);
        add(Api::ReturnGo, "PUT", path, json!({"externalReferenceId": "e"}));
        add(Api::ReturnGo, "GET", format!("/rma/{}", self.rma), none());
        add(Api::ReturnGo, "PUT", format!("/webhook/{}", self.told), url);
        add(Api::ReturnGo, "DELETE", format!("/webhook/{}", self.told), none());
        add(Api::DigitalRiver, "DELETE", format!("/digitalriver/webhooks/{}", self.hook), none());
        calls
    }
}

async fn send(site: &Site, who: &Who, call: &(Api, &'static str, String, Value)) -> Answer {
    let (api, method, path, body) = call;
    let ask = Ask::new(site.address, method, path);
    let ask = match api {
        Api::Begateway => ask.header("authorization", &basic(&who.merchant, &who.key)),
        Api::DigitalRiver => ask.key(&who.key),
        Api::Fluent => ask.key(&who.token),
        Api::Idosell | Api::ReturnGo => ask.header("x-api-key", &who.key),
    };
    let ask = if body.is_null() { ask } else { ask.json(body) };
    ask.send().await
}

fn is_refused(api: Api, answer: &Answer) -> bool {
    let body = answer.json();
    let refused = (400..500).contains(&answer.status.as_u16());
    match api {
        Api::Begateway => {
            refused && body["message"].is_string() && body["response"]["errors"].is_object()
        }
        Api::DigitalRiver => refused && body["errors"][0]["message"].is_string(),
        Api::Fluent => refused && body["error"][0]["code"].is_string(),
        Api::Idosell => answer.status == 207 && body["errors"]["faultCode"].as_i64() > Some(0),
        Api::ReturnGo => refused && body["message"].is_string(),
    }
}

#[tokio::test]
async fn anothers_row_is_nobodys() {
    let mut stage = Stage::set(Site::start().await, "1001", MARK).await;
    let body = json!({"order": stage.order, "amount": "1.00", "reason": MARK, "confirm": false});
    let made = stage.site.post("/v1/refunds", body).once().send().await.expect(201);
    stage.refund = Some(made.id());
    let theirs = Ids::of(&stage).await;
    let site = &stage.site;
    let other = site.merchant("Other").await;
    let key = site.make_key(other, &Scope::ALL, 1000).await;
    let other = Who::of(site, other.to_string(), key).await;
    let owner = Who::of(site, "1".to_owned(), site.key.clone()).await;
    let events = site.events().await;
    let calls = theirs.calls().into_iter().zip(Ids::nobody().calls());
    for (call, about_nobody) in calls.clone() {
        let answer = send(site, &other, &call).await;
        let text = String::from_utf8_lossy(&answer.body);
        assert!(is_refused(call.0, &answer), "{call:?}: {} {text}", answer.status);
        assert!(!text.contains(MARK), "{call:?}: {text}");
        let nobodys = send(site, &other, &about_nobody).await;
        assert_eq!(answer.status, nobodys.status, "{call:?}");
        assert_eq!(blotted(&answer, &theirs), blotted(&nobodys, &Ids::nobody()), "{call:?}");
    }
    for path in ["/beyag/async/status", "/async/status"] {
        let call = (Api::Begateway, "GET", format!("{path}/{}", theirs.refund_uid), Value::Null);
        let answer = send(site, &other, &call).await.expect(200).json();
        assert_eq!(answer["status"], "unknown");
    }
    assert_eq!(site.events().await, events, "something was written");
    // Whose they are is answered otherwise, so that the calls are about these rows.
    for (call, _) in calls {
        let (own, answer) = (send(site, &owner, &call).await, send(site, &other, &call).await);
        assert_ne!((own.status, &own.body), (answer.status, &answer.body), "{call:?}");
    }
}

/// Without what the caller has named: its uids, and every number.
fn blotted(answer: &Answer, ids: &Ids) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    let text = text.replace(&ids.payment_uid, "").replace(&ids.refund_uid, "");
    text.chars().filter(|one| !one.is_ascii_digit()).collect()
}

#[tokio::test]
async fn a_list_holds_nothing_of_anothers() {
    let mut stage = Stage::set(Site::start().await, "1001", MARK).await;
    let body = json!({"order": stage.order, "amount": "1.00", "reason": MARK, "confirm": false,
        "metadata": {"tracking_id": "t"}});
    let made = stage.site.post("/v1/refunds", body).once().send().await.expect(201);
    stage.refund = Some(made.id());
    let theirs = Ids::of(&stage).await;
    let site = &stage.site;
    let other = site.merchant("Other").await;
    let key = site.make_key(other, &Scope::ALL, 1000).await;
    let other = Who::of(site, other.to_string(), key).await;
    let owner = Who::of(site, "1".to_owned(), site.key.clone()).await;
    let gate = "/api/admin/v8/refunds/retrieveRefundsList?sourceType=all";
    for (api, path) in [
        (Api::Begateway, "/beyag/transactions/tracking_id/t".to_owned()),
        (Api::Begateway, "/v2/transactions/tracking_id/t".to_owned()),
        (Api::DigitalRiver, "/digitalriver/refunds".to_owned()),
        (Api::DigitalRiver, format!("/digitalriver/refunds?orderId={}", theirs.order)),
        (Api::DigitalRiver, format!("/digitalriver/refunds?ids={}", theirs.refund)),
        (Api::DigitalRiver, "/digitalriver/returns".to_owned()),
        (Api::DigitalRiver, "/digitalriver/events".to_owned()),
        (Api::DigitalRiver, "/digitalriver/webhooks".to_owned()),
        (Api::Fluent, "/api/v4.1/return".to_owned()),
        (Api::Idosell, gate.to_owned()),
        (Api::ReturnGo, "/transactions?pagesize=500".to_owned()),
        (Api::ReturnGo, format!("/transactions?pagesize=500&ids={}", theirs.transaction)),
        (Api::ReturnGo, format!("/transactions?pagesize=500&order_ids={}", theirs.reference)),
        (Api::ReturnGo, "/rmas?pagesize=500".to_owned()),
        (Api::ReturnGo, "/webhooks".to_owned()),
    ] {
        let call = (api, "GET", path, Value::Null);
        let own = send(site, &owner, &call).await.expect(200).json();
        let seen = send(site, &other, &call).await.expect(200).json();
        assert!(rows(&own) > 0, "{call:?}: {own}");
        assert_eq!(rows(&seen), 0, "{call:?}: {seen}");
    }
}

/// How many rows the list in an answer has.
fn rows(body: &Value) -> usize {
    let inside = body.as_object().into_iter().flat_map(|fields| fields.values());
    let lists = std::iter::once(body).chain(inside).filter_map(Value::as_array);
    lists.map(Vec::len).sum()
}
