//! Requests that were damaged at random on their way: each is refused in the API's own words and
//! leaves nothing, or is carried out; none makes the server fail.
//!
//! `REFUNDRY_FUZZ_CASES` says how many of each there are, `SEED` repeats a run.

use refundry_domain::refund::State;
use serde_json::{Value, json};

use super::seen::Native;
use super::stage::Stage;
use crate::harness::population::Random;
use crate::harness::site::{Answer, Ask, Site};
use crate::harness::whole::basic;

const CASES: usize = 120;

/// A request that is right as it stands.
struct Seed {
    name: &'static str,
    ask: Ask,
    kind: &'static str,
    body: String,
    /// Whether a refusal has the API's own shape.
    refusal: fn(&Answer) -> bool,
}

fn object(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or(Value::Null)
}

fn seeds(site: &Site, stage: &Stage, token: &str, transaction: i64) -> Vec<Seed> {
    let ask = |method: &str, path: &str| Ask::new(site.address, method, path);
    let seed = |name, ask, body: Value, refusal| Seed {
        name,
        ask,
        kind: "application/json",
        body: body.to_string(),
        refusal,
    };
    let shop = ask("POST", "/beyag/refunds").header("authorization", &basic("1", &site.key));
    let fluent = format!("/api/v4.1/return/R{}/transaction", stage.reference);
    let payment = json!({"transactionRef": "p-1", "transactionType": "PAYMENT", "amount": 1.05,
        "currency": "PLN", "paymentProvider": "PAYPAL", "paymentMethod": "PAYPAL",
        "transactionCode": 2344});
    let soap = format!(
        "<?xml version='1.0' encoding='UTF-8'?><e:Envelope \
         xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body>\
         <a:addAutomaticRefundForOrder xmlns:a=\"ApiRefunds\"><addAutomaticRefundForOrderRequest>\
         <params><sourceId>{}</sourceId><refundValue>0.01</refundValue>\
         <refundCurrency>PLN</refundCurrency></params></addAutomaticRefundForOrderRequest>\
         </a:addAutomaticRefundForOrder></e:Body></e:Envelope>",
        stage.reference
    );
    let gate = "/api/?gate=refunds/addAutomaticRefundForOrder/192";
    let value =
        json!({"sourceId": stage.reference, "refundValue": "0.01", "refundCurrency": "PLN"});
    vec![
        seed(
            "/v1 order",
            site.ask("POST", "/v1/orders"),
            json!({"currency": "PLN", "lines": [{"sku": "a", "quantity": 2, "amount": "1.10"}],
                   "payments": [{"provider": "sandbox", "amount": "1.10"}],
                   "metadata": {"tracking_id": "t"}}),
            |answer| object(answer)["code"].is_string(),
        ),
        seed(
            "/v1 refund",
            site.ask("POST", "/v1/refunds"),
            json!({"order": stage.order, "amount": "0.01", "reason": "x", "confirm": true}),
            |answer| object(answer)["code"].is_string(),
        ),
        seed(
            "beGateway",
            shop,
            json!({"request": {"parent_uid": format!("1-{:010x}", stage.payment), "amount": 1,
                               "reason": "x", "tracking_id": "t"}}),
            |answer| {
                let body = object(answer);
                body["message"].is_string() && body["response"].is_object()
            },
        ),
        seed(
            "Digital River",
            site.ask("POST", "/digitalriver/refunds"),
            json!({"orderId": stage.order, "currency": "PLN", "amount": 0.01, "reason": "x",
                   "metadata": {"a": "b"}}),
            |answer| object(answer)["errors"][0]["message"].is_string(),
        ),
        seed("Fluent", ask("POST", &fluent).key(token), payment, |answer| {
            object(answer)["error"][0]["message"].is_string()
        }),
        seed(
            "IdoSell over REST",
            ask("POST", "/api/admin/v8/refunds/addAutomaticRefundForOrder")
                .header("x-api-key", &site.key),
            json!({"params": value}),
            |answer| object(answer)["errors"].is_object(),
        ),
        Seed {
            name: "IdoSell over SOAP",
            ask: site.ask("POST", &format!("{gate}/soap")),
            kind: "text/xml; charset=utf-8",
            body: soap,
            refusal: |answer| String::from_utf8_lossy(&answer.body).contains("fault"),
        },
        seed(
            "IdoSell, SOAP's twin",
            site.ask("POST", &format!("{gate}/json")),
            json!({"params": value}),
            |answer| object(answer)["errors"].is_object(),
        ),
        seed(
            "ReturnGO",
            ask("PUT", &format!("/transaction/{transaction}")).header("x-api-key", &site.key),
            json!({"status": "Pending", "externalReferenceId": "e-1",
                   "amount": {"amount": 10.25, "currency": "PLN"}}),
            |answer| object(answer)["message"].is_string(),
        ),
    ]
}

/// IdoSell's faults come with success, too.
fn is_refused(answer: &Answer) -> bool {
    let text = String::from_utf8_lossy(&answer.body);
    let done = ["\"faultCode\":0", ">0</faultCode>"].iter().any(|none| text.contains(none));
    answer.status.as_u16() >= 400 || text.contains("faultCode") && !done
}

const TOKENS: [&str; 34] = [
    "1e400",
    "NaN",
    "-0",
    "0.001",
    "-1",
    "1e-3",
    "99999999999999999999999999",
    "0x10",
    "null",
    "true",
    "{}",
    "[]",
    "\"\"",
    "\\u0000",
    "\\ud800",
    "\u{202e}",
    "\u{0}",
    "é",
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "<",
    ">",
    "&",
    "&lol;",
    "]]>",
    "<!DOCTYPE a [<!ENTITY b \"c\">]>",
    "<?xml version='1.0' encoding='UTF-16'?>",
    "<!--",
];

/// The text with one to three things wrong with it.
fn damage(random: &mut Random, body: &str) -> Vec<u8> {
    let mut bytes = body.as_bytes().to_vec();
    for _ in 0..1 + random.below(3) {
        let at = random.below(bytes.len() + 1);
        let end = (at + 1 + random.below(12)).min(bytes.len());
        match random.below(9) {
            0 if at < bytes.len() => bytes[at] = u8::try_from(random.below(256)).unwrap(),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            3 => bytes.truncate(at),
            4 => {
                let deep = *random.pick(&["[", "{\"a\":", "<a>"]);
                bytes.splice(at..at, deep.repeat(5_000).into_bytes());
            }
            5 => number(random, &mut bytes),
            6 => field(random, &mut bytes),
            _ => drop(bytes.splice(at..at, random.pick(&TOKENS).bytes())),
        }
    }
    bytes
}

/// Another figure where one stands.
fn number(random: &mut Random, bytes: &mut Vec<u8>) {
    let digits: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at].is_ascii_digit()).collect();
    if digits.is_empty() {
        return;
    }
    let from = *random.pick(&digits);
    let to = (from..bytes.len()).find(|at| !bytes[*at].is_ascii_digit()).unwrap_or(bytes.len());
    bytes.splice(from..to, random.pick(&TOKENS[..10]).bytes());
}

/// A field twice.
fn field(random: &mut Random, bytes: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let commas: Vec<usize> = text.match_indices(',').map(|(at, _)| at).collect();
    if commas.len() < 2 {
        return;
    }
    let index = random.below(commas.len() - 1);
    let part = text[commas[index]..commas[index + 1]].to_owned();
    *bytes = text.into_bytes();
    bytes.splice(commas[index]..commas[index], part.into_bytes());
}

#[tokio::test]
async fn damaged_requests_are_refused_whole_or_carried_out() {
    let given = std::env::var("REFUNDRY_FUZZ_CASES").ok();
    let cases = given.map_or(CASES, |text| text.parse().unwrap());
    let mut random = Random::seeded();
    let mut site = Site::start().await;
    let form = format!("grant_type=client_credentials&client_id=1&client_secret={}", site.key);
    let token = Ask::new(site.address, "POST", "/oauth/token")
        .raw("application/x-www-form-urlencoded", form.into_bytes());
    let token = token.send().await.expect(200).json();
    let token = token["access_token"].as_str().unwrap();
    for index in 0.. {
        // An order of its own for each: a damaged request may well give all of one back.
        let mut stage = Stage::set(site, &(1001 + index).to_string(), "card").await;
        stage.play(&Native, State::Pending).await;
        let transaction = stage.transaction().await;
        let mut seeds = seeds(&stage.site, &stage, token, transaction);
        if index >= seeds.len() {
            break;
        }
        let seed = seeds.swap_remove(index);
        let whole = seed.ask.clone().once().raw(seed.kind, seed.body.clone()).send().await;
        // ReturnGO's clients may not report what a gateway pays.
        assert!(whole.status.is_success() || seed.name == "ReturnGO", "{}: {whole:?}", seed.name);
        let mut refused = 0;
        for _ in 0..cases {
            let body = damage(&mut random, &seed.body);
            let events = stage.site.events().await;
            let answer = seed.ask.clone().once().raw(seed.kind, body.clone()).send().await;
            let shown = || {
                let body = String::from_utf8_lossy(&body[..body.len().min(2_000)]).into_owned();
                format!("{}\n{body}\n{answer:?}", seed.name)
            };
            let status = answer.status.as_u16();
            assert!(status < 500 || seed.kind.contains("xml"), "{}", shown());
            // SOAP 1.1 says all faults with 500.
            let fault = String::from_utf8_lossy(&answer.body).contains("Server");
            assert!(status < 500 || !fault, "{}", shown());
            if is_refused(&answer) {
                assert!((seed.refusal)(&answer), "{}", shown());
                assert_eq!(stage.site.events().await, events, "{}", shown());
                refused += 1;
            }
        }
        assert!(refused > cases / 3, "{}: only {refused} were refused", seed.name);
        site = stage.site;
    }
}
