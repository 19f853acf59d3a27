//! How many messages a second one endpoint can be told, alone and beside one that never answers.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::grow::{Books, Population};
use super::load::{self, Connection, rate, request};
use super::server::Server;
use super::table::{Cell, Table};
use super::{Bench, others, remove};
use crate::cli::Failure;
use crate::cli::bench::cpu::Watch;

/// Orders a second of measuring, ten refunds each, two messages a refund.
const ORDERS_A_SECOND: u64 = 500;
const REFUNDS_EACH: u64 = 10;
const MESSAGES_EACH: u64 = 2;
/// How long the messages may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// The first messages fill caches; the rate is that of those after them.
const WARM: u64 = 1_000;

const VARIABLES: [(&str, &str); 2] =
    [("REFUNDRY_WEBHOOKS_ALLOW_HTTP", "true"), ("REFUNDRY_WEBHOOKS_ALLOW_ADDRESSES", "127.0.0.1")];
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

impl Bench {
    pub(super) async fn webhooks(&mut self) -> Result<(), Failure> {
        let title = "Webhooks: messages to one fast endpoint, in order within each order";
        let mut table = Table::new("webhooks", title);
        for dead in [false, true] {
            let data = self.folder(if dead { "webhooks-dead" } else { "webhooks" })?;
            let fast = Endpoint::start(true).await?;
            let mute = Endpoint::start(false).await?;
            let books = Books::open(&data).await?;
            let key = books.key().await?;
            books.close().await;
            // The dead one first, so that it would be served first.
            let all: &[&Endpoint] = if dead { &[&mute, &fast] } else { &[&fast] };
            let ids = subscribe(&data, &key, all).await?;
            let books = Books::open(&data).await?;
            let orders = ORDERS_A_SECOND * self.time.as_secs().max(1);
            books.fill(&mut Population::default(), orders, REFUNDS_EACH, &self.progress).await?;
            books.close().await;
            let mut server = Server::start_with(&data, &VARIABLES).await?;
            let mut connection = Connection::open(server.address).await?;
            for id in &ids {
                enable(&mut connection, &key, id, true).await?;
            }
            let watch = Watch::start(Some(server.process()));
            let messages = orders * REFUNDS_EACH * MESSAGES_EACH;
            let took = fast.until(WARM, messages).await?;
            table.rows.push(vec![
                ("beside", Cell::Text(if dead { "a dead endpoint" } else { "nothing" }.to_owned())),
                ("messages", Cell::Count(messages)),
                ("a second", Cell::Count(rate(messages - WARM, took))),
                ("in all", Cell::Nanos(load::nanos(took))),
                ("to the dead one", Cell::Count(mute.count())),
                ("memory", Cell::Kib(server.resident_kib())),
                others(&watch),
            ]);
            server.stop_now().await?;
            remove(&data);
        }
        self.done(table);
        Ok(())
    }
}

/// Makes endpoints that are told nothing yet.
async fn subscribe(
    data: &Path,
    key: &str,
    endpoints: &[&Endpoint],
) -> Result<Vec<String>, Failure> {
    let mut server = Server::start_with(data, &VARIABLES).await?;
    let mut connection = Connection::open(server.address).await?;
    let mut ids = Vec::new();
    for endpoint in endpoints {
        let body = format!(
            r#"{{"url":"http://{}/","events":["refund.requested","refund.succeeded"]}}"#,
            endpoint.address
        );
        let ask = request("POST", "/v1/webhook_endpoints", key, None, &body);
        let made: Value = serde_json::from_slice(&connection.send(&ask).await?)
            .map_err(|error| Failure::new(error.to_string()))?;
        let id = made["id"].as_str().unwrap_or_default().to_owned();
        enable(&mut connection, key, &id, false).await?;
        ids.push(id);
    }
    server.stop_now().await?;
    Ok(ids)
}

async fn enable(
    connection: &mut Connection,
    key: &str,
    id: &str,
    enabled: bool,
) -> Result<(), Failure> {
    let path = format!("/v1/webhook_endpoints/{id}");
    let body = format!(r#"{{"enabled":{enabled}}}"#);
    connection.send(&request("PATCH", &path, key, None, &body)).await?;
    Ok(())
}

/// An endpoint that counts what it is told and says yes at once, or says nothing ever.
struct Endpoint {
    address: SocketAddr,
    count: Arc<AtomicU64>,
}

impl Endpoint {
    async fn start(answers: bool) -> Result<Endpoint, Failure> {
        let wrong = |problem: std::io::Error| Failure::new(format!("an endpoint: {problem}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(wrong)?;
        let address = listener.local_addr().map_err(wrong)?;
        let count = Arc::new(AtomicU64::new(0));
        let counter = count.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let counter = counter.clone();
                tokio::spawn(async move {
                    // The other side may end the connection whenever it likes.
                    let _ = listen(stream, answers, &counter).await;
                });
            }
        });
        Ok(Endpoint { address, count })
    }

    fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// How long it takes from the first of these messages to the last.
    async fn until(&self, first: u64, last: u64) -> Result<Duration, Failure> {
        let deadline = Instant::now() + PATIENCE;
        let mut began = None;
        while self.count() < last {
            if self.count() >= first {
                began.get_or_insert_with(Instant::now);
            }
            if Instant::now() > deadline {
                let count = self.count();
                return Err(Failure::new(format!("only {count} of {last} messages came")));
            }
            sleep(Duration::from_millis(1)).await;
        }
        Ok(began.map_or(Duration::ZERO, |began: Instant| began.elapsed()))
    }
}

async fn listen(mut stream: TcpStream, answers: bool, count: &AtomicU64) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(16 * 1024);
    while stream.read_buf(&mut buffer).await? > 0 {
        while let Some(length) = whole(&buffer) {
            buffer.drain(..length);
            count.fetch_add(1, Ordering::Relaxed);
            if answers {
                stream.write_all(ANSWER).await?;
            }
        }
    }
    Ok(())
}

/// The length of the first request in the buffer, if it is all there.
fn whole(buffer: &[u8]) -> Option<usize> {
    let head = buffer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let text = std::str::from_utf8(&buffer[..head]).ok()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let end = head + 4 + length.unwrap_or(0);
    (buffer.len() >= end).then_some(end)
}
