//! PostgreSQL: refunds over HTTP through one and two replicas, beside `pgbench` writing the same
//! rows one refund a transaction.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use refundry_domain::ids::MerchantId;
use refundry_domain::merchant::{Administration, Scope};
use serde_json::Value;
use tokio::task::JoinSet;

use super::cpu::Watch;
use super::load::{self, Connection, Latencies, request};
use super::server::Server;
use super::table::{Cell, Table, permille};
use super::{Bench, Population, count, others, requests};
use crate::access::secret;
use crate::cli::Failure;
use crate::clock::{Clock, SystemClock};
use crate::store::Store;
use crate::store::postgres::{Options, PostgresStore, bench as script};

/// Of the clients.
const CONNECTIONS: usize = 32;
const ORDERS: u64 = 2_000;
/// Of the key that the load asks with.
const RATE: u32 = 1_000_000;

fn failed(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(error.to_string())
}

impl Bench {
    pub async fn postgres(&mut self, url: &str) -> Result<(), Failure> {
        let options = Options { timeout: Duration::from_secs(60), ..Options::of(url) };
        let key = key(&options).await?;
        script::prepare(&options, i64::try_from(ORDERS).unwrap_or(i64::MAX))
            .await
            .map_err(|error| failed(&error))?;
        script::count_rows(&options).await.map_err(|error| failed(&error))?;
        let bare = self.pgbench(url)?;
        script::clear(&options).await.map_err(|error| failed(&error))?;
        let sandbox = self.folder("sandbox")?;
        let variables = [
            ("REFUNDRY_DATABASE_URL", url),
            ("REFUNDRY_SANDBOX_DIRECTORY", sandbox.to_str().unwrap_or_default()),
        ];
        let title = "Over HTTP on PostgreSQL, 32 clients; beside pgbench, one refund a transaction";
        let mut table = Table::new("postgres", title);
        for replicas in [1, 2] {
            let mut servers = Vec::new();
            for index in 0..replicas {
                let data = self.folder(&format!("replica-{replicas}-{index}"))?;
                servers.push(Server::start_with(&data, &variables).await?);
            }
            let orders = register(&servers[0], &key).await?;
            script::count_rows(&options).await.map_err(|error| failed(&error))?;
            let population = Population { orders, ..Population::default() };
            let watch = Watch::start(None);
            let began = Instant::now();
            let created = self.through(&servers, &population, &key).await?;
            let all = self.paid_out(&servers[0], &key, began).await?;
            let made = created.iter().map(Latencies::count).sum();
            let took = created.iter().map(|one| one.took).max().unwrap_or_default();
            let slowest = |permille| created.iter().map(|one| one.permille(permille)).max();
            table.rows.push(vec![
                ("replicas", Cell::Count(count(replicas))),
                ("created a second", Cell::Count(load::rate(made, took))),
                ("p50", Cell::Nanos(slowest(500).unwrap_or(0))),
                ("p99", Cell::Nanos(slowest(990).unwrap_or(0))),
                ("paid a second", Cell::Count(load::rate(made, all))),
                ("pgbench", Cell::Count(bare)),
                ("created to pgbench", Cell::Ratio(permille(load::rate(made, took), bare))),
                others(&watch),
            ]);
            for server in &mut servers {
                server.stop_now().await?;
            }
        }
        self.done(table);
        Ok(())
    }

    /// The load, spread over the servers.
    async fn through(
        &mut self,
        servers: &[Server],
        population: &Population,
        key: &str,
    ) -> Result<Vec<Latencies>, Failure> {
        let mut tasks = JoinSet::new();
        for server in servers {
            // A database may have seen earlier runs: their idempotency keys must not come again.
            let began = u64::try_from(SystemClock.now().0).unwrap_or(0);
            let make = self.next_run(|run| requests::create(population, key, began + run));
            tasks.spawn(load::run(server.address, CONNECTIONS / servers.len(), self.time, make));
        }
        let mut all = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            all.push(ended.map_err(|error| failed(&error))??);
        }
        Ok(all)
    }

    /// Transactions a second of `pgbench`.
    fn pgbench(&self, url: &str) -> Result<u64, Failure> {
        let file = self.home.join("refund.sql");
        std::fs::write(&file, script::SCRIPT).map_err(|error| failed(&error))?;
        let ran = Command::new(program())
            .args(["-n", "-M", "prepared", "-c", "32", "-j", "2", "-D"])
            .arg(format!("orders={ORDERS}"))
            .arg("-T")
            .arg(self.time.as_secs().max(1).to_string())
            .arg("-f")
            .arg(&file)
            .arg(url)
            .output()
            .map_err(|error| {
                Failure::new(format!(
                    "pgbench cannot be run: {error}; on Debian it is in the package postgresql"
                ))
            })?;
        let said = String::from_utf8_lossy(&ran.stdout);
        let rate = said.lines().find_map(|line| line.strip_prefix("tps = "));
        let whole = rate.and_then(|rate| rate.split(['.', ' ']).next()?.parse().ok());
        whole.ok_or_else(|| {
            Failure::new(format!("pgbench failed: {said}{}", String::from_utf8_lossy(&ran.stderr)))
        })
    }
}

/// Debian keeps it beside the server; elsewhere it is in the path.
fn program() -> std::path::PathBuf {
    let mut found: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|entry| entry.path().join("bin/pgbench")).collect())
        .unwrap_or_default();
    found.retain(|path: &std::path::PathBuf| path.is_file());
    found.sort();
    found.pop().unwrap_or_else(|| Path::new("pgbench").to_owned())
}

async fn key(options: &Options) -> Result<String, Failure> {
    let store = PostgresStore::open(options, None).await.map_err(|error| failed(&error))?;
    let text = secret::generate().map_err(|error| failed(&error))?;
    let change = Administration::CreateKey {
        name: "bench".to_owned(),
        scopes: Scope::ALL.to_vec(),
        hash: secret::hash(&text),
        rate_per_second: RATE,
    };
    let made = store.administer(MerchantId(1), "bench".into(), SystemClock.now(), change);
    made.await.map_err(|error| failed(&error))?;
    store.close().await;
    Ok(text)
}

/// Orders to refund, by their numbers.
async fn register(server: &Server, key: &str) -> Result<Vec<i64>, Failure> {
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (address, key) = (server.address, key.to_owned());
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let body = r#"{"currency":"EUR","lines":[{"sku":"s","amount":"1000000.00"}],
                "payments":[{"provider":"sandbox","amount":"1000000.00"}]}"#;
            let ask = request("POST", "/v1/orders", &key, None, body);
            let mut orders = Vec::new();
            for _ in 0..ORDERS / 32 {
                let answer = connection.send(&ask).await?;
                let order: Value =
                    serde_json::from_slice(&answer).map_err(|error| failed(&error))?;
                let id = order["id"].as_str().and_then(|id| id.strip_prefix("ord_")?.parse().ok());
                orders.push(id.ok_or_else(|| Failure::new("an order has no id"))?);
            }
            Ok::<Vec<i64>, Failure>(orders)
        });
    }
    let mut orders = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        orders.extend(ended.map_err(|error| failed(&error))??);
    }
    Ok(orders)
}
