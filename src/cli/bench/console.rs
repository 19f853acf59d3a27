//! The console's pages over books with many refunds: how long each takes, and how much it weighs.

use std::time::Instant;

use jiff::Span;
use jiff::civil::Date;
use serde_json::Value;

use super::cpu::Watch;
use super::grow::{Books, Population};
use super::load::{Connection, Latencies, nanos, request};
use super::server::Server;
use super::table::{Cell, Table, permille};
use super::{Bench, others, remove};
use crate::cli::Failure;

/// What a page may take at the median, and weigh.
const BOUND_NANOS: u64 = 50_000_000;
const BOUND_BYTES: u64 = 60_000;
/// Of one page, whatever time there is.
const LOOKS_MOST: usize = 200;

impl Bench {
    pub(super) async fn console(
        &mut self,
        refunds: u64,
        database: Option<&str>,
    ) -> Result<(), Failure> {
        let data = self.folder("console")?;
        let books = Books::open_on(&data, database).await?;
        let key = books.key().await?;
        let mut population = Population { people: true, ..Population::default() };
        books.grow(&mut population, refunds, &self.progress).await?;
        let counted = books.count_a_year().await?;
        books.close().await;
        let variables = database.map(|url| ("REFUNDRY_DATABASE_URL", url));
        let variables: Vec<_> = variables.into_iter().collect();
        let mut server = Server::start_with(&data, &variables).await?;
        let title = format!(
            "The console's pages with {refunds} refunds and {counted} rows of counts; the bounds are \
            50 ms at the median and 60 kB"
        );
        let mut table = Table::new("console", title);
        let mut visitor = Visitor::sign_in(&server, &key).await?;
        for (page, path) in pages(&mut visitor, &population).await? {
            let watch = Watch::start(Some(server.process()));
            let (took, bytes) = visitor.looks(&path, self.time).await?;
            table.rows.push(vec![
                ("page", Cell::Text(page.to_owned())),
                ("p50", Cell::Nanos(took.permille(500))),
                ("p99", Cell::Nanos(took.permille(990))),
                ("to the bound", Cell::Ratio(permille(took.permille(500), BOUND_NANOS))),
                ("bytes", Cell::Count(bytes)),
                ("bytes to the bound", Cell::Ratio(permille(bytes, BOUND_BYTES))),
                others(&watch),
            ]);
        }
        server.stop_now().await?;
        self.done(table);
        remove(&data);
        Ok(())
    }
}

/// Somebody who is signed in.
struct Visitor {
    connection: Connection,
    cookie: String,
    key: String,
}

impl Visitor {
    async fn sign_in(server: &Server, key: &str) -> Result<Visitor, Failure> {
        let mut connection = Connection::open(server.address).await?;
        let body = format!("key={key}");
        let form = format!(
            "POST /console/login HTTP/1.1\r\nhost: bench\r\n\
            content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let head = connection.head(form.as_bytes()).await?;
        let cookie = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("set-cookie").then(|| value.trim().split(';').next())?
        });
        let cookie = cookie.ok_or_else(|| Failure::new(format!("no session was begun: {head}")))?;
        Ok(Visitor { cookie: cookie.to_owned(), key: key.to_owned(), connection })
    }

    async fn look(&mut self, path: &str) -> Result<u64, Failure> {
        let cookie = &self.cookie;
        let look = format!("GET {path} HTTP/1.1\r\nhost: bench\r\ncookie: {cookie}\r\n\r\n");
        let body = self.connection.send(look.as_bytes()).await?;
        Ok(u64::try_from(body.len()).unwrap_or(u64::MAX))
    }

    /// Again and again, as one person does; the first looks fill caches.
    async fn looks(
        &mut self,
        path: &str,
        time: std::time::Duration,
    ) -> Result<(Latencies, u64), Failure> {
        let mut bytes = 0;
        for _ in 0..3 {
            bytes = self.look(path).await?;
        }
        let (began, mut took) = (Instant::now(), Vec::new());
        while began.elapsed() < time && took.len() < LOOKS_MOST {
            let one = Instant::now();
            self.look(path).await?;
            took.push(nanos(one.elapsed()));
        }
        Ok((Latencies::of(took, began.elapsed()), bytes))
    }

    async fn ask(&mut self, path: &str) -> Result<Value, Failure> {
        let answer = self.connection.send(&request("GET", path, &self.key, None, "")).await?;
        serde_json::from_slice(&answer).map_err(|error| Failure::new(error.to_string()))
    }
}

/// Every page that looks into the books, with the questions that people ask of it.
async fn pages(
    visitor: &mut Visitor,
    population: &Population,
) -> Result<Vec<(&'static str, String)>, Failure> {
    let first = |rows: &[i64]| rows.get(rows.len() / 2).copied().unwrap_or(0);
    let (order, refund) = (first(&population.orders), first(&population.sample));
    let shown = visitor.ask(&format!("/v1/refunds/ref_{refund}")).await?;
    let text = |pointer: &str| {
        shown.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let (made, provider) = (text("/created_at"), text("/transactions/0/provider_reference"));
    let today: Date = made.get(..10).unwrap_or_default().parse().unwrap_or(Date::ZERO);
    let ago = today.saturating_sub(Span::new().days(364));
    let report = |by: &str| format!("/console/reports?by={by}&from={ago}&to={today}");
    Ok(vec![
        ("overview", "/console".to_owned()),
        ("to confirm", "/console/confirm".to_owned()),
        ("refunds", "/console/refunds".to_owned()),
        ("refunds, further back", format!("/console/refunds?after={refund}")),
        ("refunds by state", "/console/refunds?state=failed".to_owned()),
        ("refunds by day", format!("/console/refunds?from={today}&until={today}")),
        ("refunds by amount", "/console/refunds?amount=77".to_owned()),
        ("refunds by how", "/console/refunds?execution=manual".to_owned()),
        ("refund", format!("/console/refunds/ref_{refund}")),
        ("orders", "/console/orders".to_owned()),
        ("orders by name", "/console/orders?person=ada".to_owned()),
        ("orders by name and day", format!("/console/orders?person=ada&from={ago}&until={today}")),
        ("orders by day", format!("/console/orders?from={today}&until={today}")),
        ("orders by amount", "/console/orders?amount=77".to_owned()),
        ("order", format!("/console/orders/ord_{order}")),
        ("new refund", format!("/console/orders/ord_{order}/refund?by=amount&amount=1")),
        ("search by number", format!("/console/search?q=ref_{refund}x")),
        ("search by name", "/console/search?q=ada".to_owned()),
        ("search by amount", "/console/search?q=77.77".to_owned()),
        ("search by provider's id", format!("/console/search?q={provider}x")),
        ("returns", "/console/returns".to_owned()),
        ("credit accounts", "/console/credits".to_owned()),
        ("outside payouts", "/console/owed".to_owned()),
        ("report by day", "/console/reports".to_owned()),
        ("report of a year by month", report("month")),
        ("report of a year by reason", report("reason")),
        ("report of a year by provider", report("provider")),
        ("report of a year by failure", report("failure")),
        ("bank transfers", "/console/transfers".to_owned()),
        ("webhooks", "/console/webhooks".to_owned()),
        ("gateways", "/console/gateways".to_owned()),
        ("keys", "/console/keys".to_owned()),
        ("settings", "/console/settings".to_owned()),
        ("audit", "/console/audit".to_owned()),
        ("audit by type", "/console/audit?type=refund.failed".to_owned()),
        ("audit of an order", format!("/console/audit?order=ord_{order}")),
    ])
}
