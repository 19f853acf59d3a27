//! What the same costs through each public API: a refund that is made, and a list.

use std::cell;
use std::sync::Arc;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::cpu::{Watch, process_micros};
use super::grow::{Books, Population};
use super::load::{self, Connection, Make, Then, request};
use super::server::Server;
use super::table::{Cell, Row, Table, permille};
use super::{Bench, others, remove};
use crate::cli::Failure;

/// Enough that few requests are about the same one, as it is with customers: some APIs look at what
/// was given back before.
const ORDERS: usize = 2_000;
const CONNECTIONS: usize = 8;

/// An order as each API names it.
struct Order {
    id: String,
    reference: String,
    payment: i64,
}

/// A request, beside the one of `/v1` that does the same.
struct Measured {
    api: &'static str,
    what: &'static str,
    make: Make,
    /// What else the client asks before it knows as much as through the others.
    then: Then,
    /// Whether the ones after it are compared with it.
    first: bool,
}

impl Bench {
    pub(super) async fn dialects(&mut self) -> Result<(), Failure> {
        let data = self.folder("dialects")?;
        let books = Books::open(&data).await?;
        let key = books.key().await?;
        books.fill(&mut Population::default(), 100, 10, &self.progress).await?;
        books.close().await;
        let mut server = Server::start(&data).await?;
        let orders = register(&server, &key).await?;
        let title = "The same through each public API: the server's CPU a request, 8 connections";
        let mut table = Table::new("dialects", title);
        let mut like = (0, 0);
        self.runs += 1;
        for row in rows(&Arc::new(orders), &key, &token(&server, &key).await?, self.runs) {
            let cost = self.of(&server, &key, &row).await?;
            if row.first {
                like = cost.1;
            }
            let mut cells: Row = vec![
                ("request", Cell::Text(row.what.to_owned())),
                ("through", Cell::Text(row.api.to_owned())),
                ("p50", Cell::Nanos(cost.1.0)),
                ("CPU", Cell::Nanos(cost.1.1)),
                ("p50 to /v1", Cell::Ratio(permille(cost.1.0, like.0))),
                ("CPU to /v1", Cell::Ratio(permille(cost.1.1, like.1))),
            ];
            cells.push(cost.0);
            table.rows.push(cells);
        }
        server.stop_now().await?;
        self.done(table);
        remove(&data);
        Ok(())
    }

    /// The median of a request, and its CPU until all that it has begun is done: payouts that go on
    /// after the answer are as much of its work as those that the answer waits for.
    async fn of(
        &self,
        server: &Server,
        key: &str,
        row: &Measured,
    ) -> Result<((&'static str, Cell), (u64, u64)), Failure> {
        let warm = row.make.clone();
        let warm: Make = Arc::new(move |n| warm(n + (1 << 40)));
        let run = |make: Make, time| {
            load::run_until(server.address, CONNECTIONS, time, make, row.then.clone())
        };
        run(warm, self.time / 5).await?;
        self.paid_out(server, key, Instant::now()).await?;
        let watch = Watch::start(Some(server.process()));
        let cpu = process_micros(server.process());
        let ran = run(row.make.clone(), self.time).await?;
        self.paid_out(server, key, Instant::now()).await?;
        let cpu = process_micros(server.process()).saturating_sub(cpu);
        Ok((others(&watch), (ran.permille(500), cpu * 1_000 / ran.count().max(1))))
    }
}

fn rows(orders: &Arc<Vec<Order>>, key: &str, token: &str, run: u64) -> Vec<Measured> {
    let basic = format!("Basic {}", STANDARD.encode(format!("1:{key}")));
    let bearer = format!("Bearer {key}");
    let token = format!("Bearer {token}");
    let api = |name: &str| (name.to_owned(), key.to_owned());
    let own = ("authorization".to_owned(), bearer);
    let shop = ("authorization".to_owned(), basic);
    let fluent = ("authorization".to_owned(), token);
    let get = |credential: &(String, String), path: &str| {
        let (credential, path) = (credential.clone(), path.to_owned());
        let make: Make = Arc::new(move |_| call("GET", &path, &credential, None, ""));
        make
    };
    let loads = cell::Cell::new(0);
    let post = |credential: &(String, String), kind: &'static str, body: Body| {
        let (credential, orders) = (credential.clone(), orders.clone());
        let load = loads.replace(loads.get() + 1);
        let make: Make = Arc::new(move |n| {
            let at = usize::try_from(n).unwrap_or(0) % orders.len().max(1);
            let once = format!("b{run}x{load}y{n:x}");
            let Some(order) = orders.get(at) else { return Vec::new() };
            let (path, body) = body(order, &once);
            call("POST", &path, &credential, Some((kind, &once)), &body)
        });
        make
    };
    let row = |what, api, first, make| {
        let then: Then = Arc::new(|_| None);
        Measured { api, what, make, then, first }
    };
    let settled = settled(&own);
    let json = "application/json";
    vec![
        row("ask for a refund", "/v1", true, post(&own, json, NATIVE)),
        row("ask for a refund", "beGateway, async", false, post(&shop, json, BEGATEWAY_LATER)),
        row("ask for a refund", "Digital River", false, post(&own, json, DIGITAL_RIVER)),
        Measured {
            then: settled,
            ..row("a refund's outcome", "/v1", true, post(&own, json, NATIVE))
        },
        row("a refund's outcome", "beGateway", false, post(&shop, json, BEGATEWAY)),
        row("propose a refund", "/v1", true, post(&own, json, PROPOSED)),
        row("propose a refund", "IdoSell", false, post(&api("x-api-key"), json, IDOSELL)),
        row("propose a refund", "IdoSell, SOAP", false, post(&own, "text/xml", SOAP)),
        row("record a refund", "/v1", true, post(&own, json, RECORDED)),
        row("record a refund", "Fluent", false, post(&fluent, json, FLUENT)),
        row("a page of refunds", "/v1", true, get(&own, "/v1/refunds?limit=25")),
        row(
            "a page of refunds",
            "Digital River",
            false,
            get(&own, "/digitalriver/refunds?limit=25"),
        ),
        row("a page of movements", "/v1", true, get(&own, "/v1/transactions?limit=25")),
        row(
            "a page of movements",
            "ReturnGO",
            false,
            get(&api("x-api-key"), "/returngo/transactions?pagesize=25"),
        ),
    ]
}

fn of_parent(order: &Order, once: &str) -> Value {
    let uid = format!("1-{:010x}", order.payment);
    json!({"request": {"parent_uid": uid, "amount": 1, "reason": once}})
}

/// Asks for a refund of `/v1` until its provider has answered, as a client does who needs to know.
fn settled(own: &(String, String)) -> Then {
    let own = own.clone();
    Arc::new(move |answer| {
        let refund: Value = serde_json::from_slice(answer).unwrap_or_default();
        let open = ["pending", "processing"].contains(&refund["state"].as_str()?);
        let path = format!("/v1/refunds/{}", refund["id"].as_str()?);
        open.then(|| call("GET", &path, &own, None, ""))
    })
}

/// The path and the body of a request about an order; no other has the same text after it.
type Body = fn(&Order, &str) -> (String, String);

const NATIVE: Body = |order, once| {
    let body = json!({"order": order.id, "amount": "0.01", "note": once});
    ("/v1/refunds".to_owned(), body.to_string())
};
const PROPOSED: Body = |order, once| {
    let body = json!({"order": order.id, "amount": "0.01", "note": once, "confirm": false});
    ("/v1/refunds".to_owned(), body.to_string())
};
const RECORDED: Body = |order, once| {
    let body = json!({"order": order.id, "amount": "0.01", "execution": "manual",
                      "paid": {"provider_reference": once}});
    ("/v1/refunds".to_owned(), body.to_string())
};
const BEGATEWAY: Body =
    |order, once| ("/beyag/refunds".to_owned(), of_parent(order, once).to_string());
const BEGATEWAY_LATER: Body =
    |order, once| ("/beyag/async/refunds".to_owned(), of_parent(order, once).to_string());
const DIGITAL_RIVER: Body = |order, once| {
    let body =
        format!(r#"{{"orderId":"{}","currency":"EUR","amount":0.01,"reason":"{once}"}}"#, order.id);
    ("/digitalriver/refunds".to_owned(), body)
};
const IDOSELL: Body = |order, _once| {
    let body = json!({"params": {"sourceId": order.reference, "refundValue": "0.01",
                                 "refundCurrency": "EUR"}});
    ("/api/admin/v8/refunds/addAutomaticRefundForOrder".to_owned(), body.to_string())
};
const SOAP: Body = |order, _once| {
    let method = "addAutomaticRefundForOrder";
    let body = format!(
        "<?xml version=\"1.0\"?><e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\">\
         <e:Body><a:{method} xmlns:a=\"ApiRefunds\"><{method}Request><params><sourceId>{}</sourceId>\
         <refundValue>0.01</refundValue><refundCurrency>EUR</refundCurrency></params>\
         </{method}Request></a:{method}></e:Body></e:Envelope>",
        order.reference
    );
    (format!("/api/?gate=refunds/{method}/192/soap"), body)
};
const FLUENT: Body = |order, once| {
    let body = format!(
        r#"{{"transactionRef":"{once}","transactionType":"REFUND","amount":0.01,"currency":"EUR","paymentProvider":"PAYPAL","paymentMethod":"PAYPAL","transactionCode":"1"}}"#
    );
    (format!("/api/v4.1/return/R{}/transaction", order.reference), body)
};

/// A request with the credential in a field of its own; one with a body has its type and a key.
fn call(
    method: &str,
    path: &str,
    (name, secret): &(String, String),
    sent: Option<(&str, &str)>,
    body: &str,
) -> Vec<u8> {
    let about = sent.map_or_else(String::new, |(kind, once)| {
        let length = body.len();
        // The second is what beGateway's clients call the first.
        format!(
            "content-type: {kind}\r\ncontent-length: {length}\r\nidempotency-key: {once}\r\n\
            requestid: {once}\r\n"
        )
    });
    let head = format!("{method} {path} HTTP/1.1\r\nhost: bench\r\n{name}: {secret}\r\n");
    format!("{head}{about}\r\n{body}").into_bytes()
}

fn wrong(error: &serde_json::Error) -> Failure {
    Failure::new(error.to_string())
}

/// Orders of one payment, each with a return.
async fn register(server: &Server, key: &str) -> Result<Vec<Order>, Failure> {
    let mut connection = Connection::open(server.address).await?;
    let mut orders = Vec::with_capacity(ORDERS);
    for index in 0..ORDERS {
        let reference = format!("{}", 700_000 + index);
        let body = json!({"reference": reference, "currency": "EUR",
            "lines": [{"sku": "s", "amount": "1000000.00"}],
            "payments": [{"provider": "sandbox", "amount": "1000000.00"}]});
        let ask = request("POST", "/v1/orders", key, None, &body.to_string());
        let made: Value =
            serde_json::from_slice(&connection.send(&ask).await?).map_err(|error| wrong(&error))?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let payment = text(&made["payments"][0]["id"]);
        let order = Order {
            id: text(&made["id"]),
            payment: payment.strip_prefix("txn_").and_then(|id| id.parse().ok()).unwrap_or(0),
            reference,
        };
        let body = json!({"order": order.id, "kind": "return",
                          "reference": format!("R{}", order.reference)});
        let ask = request("POST", "/v1/returns", key, None, &body.to_string());
        connection.send(&ask).await?;
        orders.push(order);
    }
    Ok(orders)
}

/// What Fluent's clients call with.
async fn token(server: &Server, key: &str) -> Result<String, Failure> {
    let mut connection = Connection::open(server.address).await?;
    let query = format!("grant_type=client_credentials&client_id=1&client_secret={key}");
    let ask = request("POST", &format!("/oauth/token?{query}"), key, None, "");
    let told: Value =
        serde_json::from_slice(&connection.send(&ask).await?).map_err(|error| wrong(&error))?;
    Ok(told["access_token"].as_str().unwrap_or_default().to_owned())
}
