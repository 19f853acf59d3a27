//! The older API: its WSDLs, its envelopes, its twin in JSON, and who may call.

use refundry_domain::ids::MerchantId;
use refundry_domain::merchant::Scope;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use super::rest::announced;
use super::shop::{Shop, expect_error};
use crate::harness::site::{Answer, Ask};

/// The day of the tests' clock, and those around it, in Warsaw.
const DAYS: [&str; 3] = ["20250614", "20250615", "20250616"];

pub fn sha1_hex(text: &str) -> String {
    Sha1::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn day_key(day: &str, secret: &str) -> String {
    sha1_hex(&format!("{day}{}", sha1_hex(secret)))
}

/// A key made as everybody makes keys: its number and its secret.
pub async fn made_key(shop: &Shop, scopes: &[&str]) -> (String, String) {
    let body = json!({"name": "soap", "scopes": scopes});
    let made = shop.site.post("/v1/keys", body).send().await.expect(201).json();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("id"), text("secret"))
}

struct Legacy {
    shop: Shop,
    login: String,
    key: String,
}

impl Legacy {
    async fn new() -> Legacy {
        let shop = Shop::with_order().await;
        let (login, secret) = made_key(&shop, &["read", "write"]).await;
        Legacy { shop, login, key: day_key(DAYS[1], &secret) }
    }

    fn to(&self, method: &str, form: &str) -> Ask {
        let path = format!("/api/?gate=refunds/{method}/192/{form}");
        self.shop.site.ask("POST", &path).without("authorization")
    }

    fn login(&self) -> String {
        let (login, key) = (&self.login, &self.key);
        format!(
            "<authenticate><userLogin>{login}</userLogin>\
             <authenticateKey>{key}</authenticateKey></authenticate>"
        )
    }

    async fn soap(&self, method: &str, params: &str) -> Answer {
        let call = format!("{}<params>{params}</params>", self.login());
        let part = format!("<{method}Request>{call}</{method}Request>");
        let body = envelope(&format!("<a:{method} xmlns:a=\"ApiRefunds\">{part}</a:{method}>"));
        self.to(method, "soap").raw("text/xml; charset=utf-8", body).send().await
    }

    async fn twin(&self, method: &str, params: Value) -> Value {
        let body = json!({"authenticate": {"userLogin": self.login, "authenticateKey": self.key},
                          "params": params});
        self.to(method, "json").json(&body).send().await.expect(200).json()
    }
}

fn envelope(body: &str) -> String {
    format!(
        "<?xml version='1.0' encoding='UTF-8'?><e:Envelope \
         xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body>{body}</e:Body></e:Envelope>"
    )
}

fn text_of(answer: Answer, status: u16) -> String {
    let answer = answer.expect(status);
    assert_eq!(answer.header("content-type"), "text/xml; charset=utf-8");
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    roxmltree::Document::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    text
}

#[tokio::test]
async fn every_method_has_a_wsdl_of_its_own() {
    let shop = Shop::open().await;
    for method in announced() {
        for prefix in ["", "/idosell"] {
            let path = format!("{prefix}/api/?gate=refunds/{method}/192/soap/wsdl&lang=eng");
            let ask = shop.site.get(&path).without("authorization");
            let text = text_of(ask.header("host", "shop.example:8080").send().await, 200);
            let place = format!(
                "<soap:address location=\"http://shop.example:8080{prefix}/api/?gate=refunds/\
                 {method}/192/soap\"/>"
            );
            for part in [
                place.as_str(),
                "targetNamespace=\"ApiRefunds\"",
                "name=\"ApiRefundsPortType\"",
                "name=\"ApiRefundsBinding\"",
                "<service name=\"ApiRefundsService\">",
                "<port name=\"ApiRefundsPort\"",
                "style=\"rpc\"",
                "use=\"encoded\"",
                &format!("soapAction=\"#{method}\""),
                &format!("<message name=\"{method}Request\">"),
                &format!("<part name=\"{method}Response\""),
            ] {
                assert!(text.contains(part), "{method}: no {part} in {text}");
            }
            assert_eq!(text.matches("<operation name=").count(), 2, "one operation, bound once");
        }
    }
    let odd = shop.site.get("/api/?gate=refunds/getRefundStatus/192/soap/wsdl");
    let odd = odd.header("host", "a\"b<c").header("x-forwarded-proto", "https").send().await;
    assert!(text_of(odd, 200).contains("https://localhost/api/"));
}

#[tokio::test]
async fn an_envelope_is_answered_as_php_answers_it() {
    let legacy = Legacy::new().await;
    let params = "<sourceId>1001</sourceId><refundValue>20.12</refundValue>\
                  <paymentId>1001-1</paymentId><refundCurrency>PLN</refundCurrency>";
    let text = text_of(legacy.soap("addAutomaticRefundForOrder", params).await, 200);
    for part in [
        "<ns1:addAutomaticRefundForOrderResponse><addAutomaticRefundForOrderResponse ",
        "<faultCode xsi:type=\"xsd:int\">0</faultCode>",
        "<faultString xsi:type=\"xsd:string\"></faultString>",
        "<refundId xsi:type=\"xsd:int\">",
        "SOAP-ENV:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"",
    ] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    let list = "<sourceType>all</sourceType>";
    let text = text_of(legacy.soap("retrieveRefundsList", list).await, 200);
    for part in [
        "SOAP-ENC:arrayType=\"ns1:resultType[1]\"",
        "<item xsi:type=\"ns1:resultType\"><sourceType xsi:type=\"ns1:sourceTypeType\">order<",
        "<sourceId xsi:type=\"xsd:int\">1001</sourceId>",
        "<paymentId xsi:type=\"xsd:string\">1001-1</paymentId>",
        "<refundValue xsi:type=\"xsd:float\">20.12</refundValue>",
        "<resultsNumberAll xsi:type=\"xsd:int\">1</resultsNumberAll>",
    ] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    let wrong = params.replace("20.12", "200");
    let text = text_of(legacy.soap("addAutomaticRefundForOrder", &wrong).await, 200);
    assert_eq!(text.matches("<faultCode xsi:type=\"xsd:int\">4003</faultCode>").count(), 2);
    let wrong = params.replace("20.12", "1e400");
    let text = text_of(legacy.soap("addAutomaticRefundForOrder", &wrong).await, 200);
    assert!(text.contains(">3</faultCode>"), "{text}");
}

/// Prefixes, order, types, headers and actions differ between clients.
#[tokio::test]
async fn what_clients_write_differently_is_read_alike() {
    let legacy = Legacy::new().await;
    let auth = legacy.login();
    let params = "<params><sourceType>all</sourceType></params>";
    let typed = params.replace("<sourceType>", "<sourceType xsi:type=\"xsd:string\">").replace(
        "<params>",
        "<params xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\">\
         <resultsPage xsi:nil=\"true\"/><!-- a comment --><?pi?>",
    );
    let method = "retrieveRefundsList";
    let part = |inner: &str| format!("<{method}Request>{inner}</{method}Request>");
    let cdata = params.replace(">all<", "><![CDATA[a]]>&#108;l <");
    for inner in [
        part(&format!("{auth}{params}")),
        part(&format!("{params}{auth}")),
        part(&format!("{typed}{auth}")),
        part(&format!("{cdata}\n  {auth}")),
        format!("{auth}{params}"),
        format!("<request>{auth}{params}</request>"),
    ] {
        for operation in [
            format!("<{method}>{inner}</{method}>"),
            format!("<q:{method} xmlns:q=\"ApiRefunds\">{inner}</q:{method}>"),
        ] {
            let header = "<e:Header><t:trace xmlns:t=\"urn:t\">1</t:trace></e:Header><e:Body>";
            let plain = envelope(&operation);
            for body in
                [plain.clone(), plain.replace("<e:Body>", header), format!("\u{feff}{plain}")]
            {
                for action in ["", "\"\"", "#retrieveRefundsList", "\"#retrieveRefundsList\""] {
                    let ask = legacy.to(method, "soap").raw("text/xml", body.clone());
                    let text = text_of(ask.header("soapaction", action).send().await, 200);
                    assert!(text.contains(">0</faultCode>"), "{body}: {text}");
                }
            }
        }
    }
}

#[tokio::test]
async fn hostile_xml_is_refused_by_a_fault_and_writes_nothing() {
    let legacy = Legacy::new().await;
    let method = "addAutomaticRefundForOrder";
    let good = format!(
        "<{method}><r>{}<params><sourceId>1001</sourceId><refundValue>1</refundValue></params></r>\
         </{method}>",
        legacy.login()
    );
    let whole = envelope(&good);
    let with_dtd = |dtd: &str| whole.replace("?><", &format!("?>{dtd}<"));
    let deep = format!("{}{}", "<a>".repeat(60_000 / 7), "</a>".repeat(60_000 / 7));
    let nested = format!("{}1{}", "<a>".repeat(9), "</a>".repeat(9));
    let laughs = "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]>";
    let events = legacy.shop.site.events().await;
    let cases: Vec<Vec<u8>> = [
        String::new(),
        "no xml".to_owned(),
        "<a/>".to_owned(),
        whole.replace("</e:Body>", ""),
        whole.replace("schemas.xmlsoap.org/soap/envelope/", "www.w3.org/2003/05/soap-envelope"),
        with_dtd("<!DOCTYPE x>"),
        with_dtd("<!DOCTYPE x []>"),
        with_dtd("<!DOCTYPE e:Envelope [ ]>"),
        with_dtd("<!DOCTYPE x SYSTEM \"http://127.0.0.1:1/x.dtd\">"),
        with_dtd("<!DOCTYPE x [<!ENTITY f SYSTEM \"file:///etc/passwd\">]>").replace("1001", "&f;"),
        with_dtd(laughs).replace(">1001<", ">&b;<"),
        whole.replace(">1001<", ">&unknown;<"),
        whole.replace(">1001<", ">&#0;<"),
        whole.replace(">1001<", "><b>"),
        whole.replace("<params>", &format!("<params>{nested}")),
        whole.replace("<params>", &format!("<params>{deep}")),
        whole.replace("<params>", &format!("<params>{}", "<a/>".repeat(2_000))),
        whole.replace("<params>", "<params><sourceId>1002</sourceId>"),
        whole.replace("<params>", "<params href=\"#id0\">"),
        whole.replace(method, "confirmRefund"),
        whole.replace("UTF-8", "ISO-8859-2"),
        whole.replace("UTF-8", "UTF-16"),
        whole.replace("<e:Body>", "<e:Header><x e:mustUnderstand=\"1\"/></e:Header><e:Body>"),
        envelope(""),
    ]
    .into_iter()
    .map(String::into_bytes)
    .chain([
        whole.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        [b"\xff\xfe".as_slice(), whole.as_bytes()].concat(),
        whole.replace("1001", "\u{1}").into_bytes(),
    ])
    .collect();
    for body in cases {
        let shown = String::from_utf8_lossy(&body).chars().take(300).collect::<String>();
        let answer = legacy.to(method, "soap").raw("text/xml", body).send().await;
        assert_eq!(answer.status, 400, "{shown}: {:?}", answer.body);
        let text = text_of(answer, 400);
        assert!(text.contains("<SOAP-ENV:Fault><faultcode>SOAP-ENV:"), "{shown}: {text}");
        assert!(!text.contains("root:") && text.len() < 2_000, "{text}");
    }
    let latin = legacy.to(method, "soap").raw("text/xml; charset=iso-8859-2", whole.clone());
    text_of(latin.send().await, 400);
    let large = legacy.to(method, "soap").raw("text/xml", vec![b' '; 300 * 1024]).send().await;
    text_of(large, 413);
    assert_eq!(legacy.shop.site.events().await, events, "something was written");
    // The envelope that all of these were made of is taken.
    let fine = legacy.to(method, "soap").raw("text/xml; charset=\"UTF-8\"", whole).send().await;
    assert!(text_of(fine, 200).contains("<refundId"));
}

#[tokio::test]
async fn a_gate_or_method_that_is_not_there_is_a_fault() {
    let legacy = Legacy::new().await;
    for gate in
        ["refunds/nothing/192/soap", "orders/get/192/soap", "refunds/getRefundStatus/x/soap"]
    {
        let ask = legacy.shop.site.ask("POST", &format!("/api/?gate={gate}"));
        let text = text_of(ask.raw("text/xml", envelope("<a/>")).send().await, 404);
        assert!(text.contains("SOAP-ENV:Client"), "{text}");
    }
    for path in ["/api/", "/api", "/api/?gate=refunds", "/api/?gate=refunds/nothing/1/json"] {
        expect_error(legacy.shop.site.ask("POST", path).json(&json!({})).send().await, 404);
    }
    let get = legacy.to("getRefundStatus", "soap").method("GET").send().await;
    text_of(get, 405);
    expect_error(legacy.to("getRefundStatus", "json").method("GET").send().await, 405);
    expect_error(legacy.to("getRefundStatus", "soap/wsdl").send().await, 405);
}

#[tokio::test]
async fn the_twin_in_json_says_the_same() {
    let legacy = Legacy::new().await;
    let params = json!({"sourceId": 1001, "refundValue": "20.12", "paymentId": 1,
                        "refundCurrency": "PLN"});
    let added = legacy.twin("addAutomaticRefundForOrder", params.clone()).await;
    assert_eq!(added["errors"], json!({"faultCode": 0, "faultString": ""}));
    assert!(added["result"]["refundId"].is_i64());
    let one = json!({"sourceType": "order", "sourceId": 1001, "paymentId": "1001-1"});
    let status = legacy.twin("getRefundStatus", one.clone()).await;
    assert_eq!(status["result"]["refundStatus"], "Unconfirmed");
    let list = legacy.twin("retrieveRefundsList", json!({"sourceType": "all"})).await;
    assert_eq!(list["results"][0]["paymentId"], "1001-1");
    assert_eq!(legacy.twin("confirmRefund", one.clone()).await["result"]["confirmResult"], true);
    let again = legacy.twin("confirmRefund", one).await;
    assert_eq!(again["errors"]["faultCode"], 4012);
    assert_eq!(again["result"], again["errors"]);
    // The login is no part of what is repeated: it is another one every day.
    let call = |authenticate: Value| {
        let body = json!({"authenticate": authenticate, "params": params});
        legacy.to("addAutomaticRefundForOrder", "json").json(&body).under("once")
    };
    let by_day = call(json!({"userLogin": legacy.login, "authenticateKey": legacy.key}));
    let first = by_day.send().await.expect(200);
    let again = call(json!({})).key(&legacy.shop.site.key).send().await.expect(200);
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(first.body, again.body);
    let bad = legacy.twin("retrieveRefundsList", json!({"sourceType": "x"})).await;
    assert_eq!(
        (&bad["errors"]["faultCode"], &bad["results"][0]["faultCode"]),
        (&json!(4005), &json!(4005))
    );
    for body in ["", "[]", "{\"params\":{},\"params\":{}}", "{\"params\":"] {
        let answer = legacy.to("getRefundStatus", "json").raw("application/json", body).send();
        expect_error(answer.await, 422);
    }
}

#[tokio::test]
async fn a_login_is_the_number_of_a_key_and_the_key_of_a_day() {
    let shop = Shop::with_order().await;
    let (id, secret) = made_key(&shop, &["read"]).await;
    let ask = async |login: &str, key: &str| {
        let path = "/api/?gate=refunds/retrieveRefundsList/192/json";
        let body = json!({"authenticate": {"userLogin": login, "authenticateKey": key},
                          "params": {"sourceType": "all"}});
        let ask = shop.site.ask("POST", path).without("authorization").json(&body);
        ask.send().await.expect(200).json()["errors"]["faultCode"].as_i64().unwrap()
    };
    for day in DAYS {
        assert_eq!(ask(&id, &day_key(day, &secret)).await, 0, "{day}");
        assert_eq!(ask(&id[4..], &day_key(day, &secret)).await, 0, "{day}");
    }
    assert_eq!(ask("oauth_authorization", &secret).await, 0);
    let today = day_key(DAYS[1], &secret);
    let first = format!("key_{}", 2);
    for (login, key) in [
        (id.as_str(), day_key("20250613", &secret)),
        (&id, day_key("20250617", &secret)),
        (&id, day_key("2025-06-15", &secret)),
        (&id, today.to_uppercase()),
        (&id, sha1_hex(&secret)),
        (&id, secret.clone()),
        (&id, String::new()),
        ("", today.clone()),
        ("shop", today.clone()),
        ("key_999999", today.clone()),
        (&first, today.clone()),
        ("oauth_authorization", today.clone()),
        (&id, "x".repeat(5_000)),
    ] {
        let code = ask(login, &key).await;
        // A text that is too long is not looked at as a key at all.
        assert_eq!(code, if key.len() > 4_000 { 3 } else { 1 }, "{login} {key:.50}");
    }
    // In the night the day is another one in Warsaw than in London.
    shop.site.clock.advance_ms(7 * 3_600_000);
    assert_eq!(ask(&id, &day_key("20250617", &secret)).await, 0);
    assert_eq!(ask(&id, &day_key("20250614", &secret)).await, 1);
    let revoke = format!("/v1/keys/{id}");
    shop.site.ask("DELETE", &revoke).send().await.expect(200);
    assert_eq!(ask(&id, &day_key("20250616", &secret)).await, 1);
}

#[tokio::test]
async fn a_bearer_works_with_an_empty_login_and_scopes_and_limits_hold() {
    let shop = Shop::with_order().await;
    let path = "/api/?gate=refunds/retrieveRefundsList/192/json";
    let ask = |auth: Value| {
        let body = json!({"authenticate": auth, "params": {"sourceType": "all"}});
        shop.site.ask("POST", path).json(&body)
    };
    for auth in [json!({}), json!(null), json!([]), json!({"userLogin": "", "authenticateKey": ""})]
    {
        let body = ask(auth).send().await.expect(200).json();
        assert_eq!(body["errors"]["faultCode"], 0);
    }
    let none = ask(json!({})).without("authorization").header("x-api-key", &shop.site.key);
    assert_eq!(none.send().await.expect(200).json()["errors"]["faultCode"], 1);
    let writes = shop.site.make_key(MerchantId(1), &[Scope::Write], 1000).await;
    let denied = ask(json!({})).key(&writes).send().await.expect(200).json();
    assert_eq!(denied["errors"]["faultCode"], 3);
    assert_eq!(denied["errors"]["faultString"], "Scope: oms, level: r");
    let slow = shop.site.make_key(MerchantId(1), &[Scope::Read], 1).await;
    for _ in 0..2 {
        ask(json!({})).key(&slow).send().await.expect(200);
    }
    let limited = ask(json!({})).key(&slow).send().await;
    assert!(!limited.header("retry-after").is_empty());
    expect_error(limited, 429);
}
