//! `refundry bench`: how fast this program is on this machine, beside what the machine can do.

mod bare;
mod console;
mod cpu;
mod dialects;
mod disk;
mod grow;
mod load;
mod postgres;
mod requests;
mod server;
mod table;
mod webhooks;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use tokio::time::sleep;

use self::bare::{Bare, Footprint, footprint};
use self::cpu::{Watch, process_micros};
use self::grow::{Books, Population};
use self::load::{Connection, Latencies, Make, rate, request};
use self::server::Server;
use self::table::{Cell, Row, Table, permille};
use super::progress::Progress;
use super::{Ended, Failure, block_on, output};
use crate::telemetry;

const CONNECTIONS: [usize; 4] = [1, 8, 64, 256];
/// The time that a lone client may wait beside two fsyncs.
const ALONE_NANOS: u64 = 200_000;
/// How long refunds may take to be paid once the load has ended.
const DRAIN: Duration = Duration::from_secs(120);
/// Orders to refund under load.
const ORDERS: u64 = 20_000;

/// Measure this program on this machine
///
/// Refunds a second over HTTP beside a bare loop over the same rows and the disk's own fsyncs; what
/// requests cost as the books grow; webhooks a second; the public APIs beside each other; memory and start-up. Each row says how much CPU other programs
/// took meanwhile: on a busy machine the figures say little. Needs a quiet machine and a few
/// minutes; everything it writes is removed again.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  refundry bench --quick
  refundry bench --full --json > figures.json
  refundry bench --console --seconds 1
  refundry bench --database postgres://localhost/bench")]
pub struct Args {
    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,
    /// Also measure at 10 million refunds, which takes long to make
    #[arg(long)]
    full: bool,
    /// A first impression: one second a row, and no more than 10 thousand refunds
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// Measure webhooks alone
    #[arg(long, conflicts_with = "full")]
    webhooks: bool,
    /// Measure the public APIs beside each other alone
    #[arg(long, conflicts_with = "full")]
    dialects: bool,
    /// Measure the console's pages over a million refunds alone; with --database on PostgreSQL
    #[arg(long, conflicts_with_all = ["full", "webhooks", "dialects"])]
    console: bool,
    /// How long each row is measured
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Where the temporary books are made; choose the disk that is to be measured
    #[arg(long, default_value = ".", value_name = "DIRECTORY")]
    data: PathBuf,
    /// Measure on this PostgreSQL database instead, through one and two replicas, beside pgbench.
    /// It must be one of its own: what is made in it stays
    #[arg(long, value_name = "URL", conflicts_with = "full")]
    database: Option<String>,
}

pub fn run(args: Args) -> Ended {
    let mut log = crate::config::Config::defaults().log;
    log.level = "warn".to_owned();
    telemetry::start(&log).map_err(Failure::new)?;
    block_on(bench(args))
}

/// What every measurement needs.
struct Bench {
    home: PathBuf,
    time: Duration,
    progress: Progress,
    tables: Vec<Table>,
    quiet: bool,
    /// Counts the loads, so that no idempotency key comes twice.
    runs: u64,
}

async fn bench(args: Args) -> Ended {
    let wrong = |problem: std::io::Error| {
        Failure::new(format!("{} cannot be used: {problem}", args.data.display()))
    };
    std::fs::create_dir_all(&args.data).map_err(wrong)?;
    let home =
        tempfile::Builder::new().prefix("refundry-bench-").tempdir_in(&args.data).map_err(wrong)?;
    let seconds = if args.quick { 1 } else { args.seconds };
    let mut bench = Bench {
        home: home.path().to_owned(),
        time: Duration::from_secs(seconds),
        progress: Progress::new(),
        tables: Vec::new(),
        quiet: args.json,
        runs: 0,
    };
    let sizes: &[u64] = match (args.quick, args.full) {
        (true, _) => &[10_000],
        (false, false) => &[10_000, 1_000_000],
        (false, true) => &[10_000, 1_000_000, 10_000_000],
    };
    if args.console {
        let refunds = if args.quick { 10_000 } else { 1_000_000 };
        bench.console(refunds, args.database.as_deref()).await?;
    } else if let Some(url) = &args.database {
        bench.postgres(url).await?;
    } else if args.webhooks {
        bench.webhooks().await?;
    } else if args.dialects {
        bench.dialects().await?;
    } else {
        let fsync = bench.disk()?;
        let bare = bench.bare()?;
        bench.http(&fsync, &bare).await?;
        bench.webhooks().await?;
        bench.dialects().await?;
        bench.growth(sizes).await?;
    }
    bench.progress.end();
    if args.json {
        let tables = bench.tables.iter().map(|table| (table.name.to_owned(), table.json()));
        output::line(&Value::Object(tables.collect::<Map<_, _>>()).to_string());
    }
    Ok(ExitCode::SUCCESS)
}

/// What the bare loop did at one batch size.
struct BareRate {
    batch: usize,
    per_second: u64,
    footprint: Footprint,
}

impl Bench {
    fn done(&mut self, table: Table) {
        self.progress.end();
        if !self.quiet {
            table.print();
        }
        self.tables.push(table);
    }

    fn folder(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.home.join(name);
        std::fs::create_dir_all(&path).map_err(|problem| Failure::new(problem.to_string()))?;
        Ok(path)
    }

    fn disk(&mut self) -> Result<Latencies, Failure> {
        let watch = Watch::start(None);
        let fsyncs = disk::fsyncs(&self.home, self.time)?;
        let mut table = Table::new("disk", "The disk alone: 4 KiB written, then fdatasync");
        table.rows.push(vec![
            ("fsyncs a second", Cell::Count(fsyncs.per_second())),
            ("p50", Cell::Nanos(fsyncs.permille(500))),
            ("p99", Cell::Nanos(fsyncs.permille(990))),
            others(&watch),
        ]);
        self.done(table);
        Ok(fsyncs)
    }

    fn bare(&mut self) -> Result<Vec<BareRate>, Failure> {
        let title = "A bare loop over the same rows: refunds created, started and settled";
        let mut table = Table::new("bare", title);
        let mut rates = Vec::new();
        for batch in CONNECTIONS {
            let folder = self.folder(&format!("bare-{batch}"))?;
            let mut bare = Bare::open(&folder)?;
            let before = footprint(&folder)?;
            let watch = Watch::start(None);
            let ran = bare.run(batch, self.time)?;
            let mut row: Row = vec![
                ("commands a commit", Cell::Count(count(batch))),
                ("refunds a second", Cell::Count(rate(ran.refunds, ran.took))),
                ("commands a second", Cell::Count(rate(3 * ran.refunds, ran.took))),
            ];
            row.push(others(&watch));
            table.rows.push(row);
            drop(bare);
            let footprint = footprint(&folder)?.since(&before, ran.refunds);
            rates.push(BareRate { batch, per_second: rate(ran.refunds, ran.took), footprint });
            remove(&folder);
        }
        self.done(table);
        Ok(rates)
    }

    async fn http(&mut self, fsync: &Latencies, bare: &[BareRate]) -> Result<(), Failure> {
        let data = self.folder("load")?;
        let mut population = Population::default();
        let books = Books::open(&data).await?;
        let key = books.key().await?;
        books.fill(&mut population, ORDERS, 0, &self.progress).await?;
        books.close().await;
        let before = footprint(&data)?;
        let mut server = Server::start(&data).await?;
        let mut table = Table::new(
            "http",
            "Over HTTP: refunds created, and until all are paid; beside the bare loop",
        );
        let mut alone = None;
        let mut refunds = 0;
        for (connections, bare) in CONNECTIONS.into_iter().zip(bare) {
            let make = self.next_run(|run| requests::create(&population, &key, run));
            let watch = Watch::start(Some(server.process()));
            let began = Instant::now();
            let created = load::run(server.address, connections, self.time, make).await?;
            let all = self.paid_out(&server, &key, began).await?;
            refunds += created.count();
            let paid = rate(created.count(), all);
            table.rows.push(vec![
                ("connections", Cell::Count(count(connections))),
                ("created a second", Cell::Count(created.per_second())),
                ("p50", Cell::Nanos(created.permille(500))),
                ("p99", Cell::Nanos(created.permille(990))),
                ("paid a second", Cell::Count(paid)),
                ("bare loop", Cell::Count(bare.per_second)),
                ("paid to bare", Cell::Ratio(permille(paid, bare.per_second))),
                ("memory", Cell::Kib(server.resident_kib())),
                others(&watch),
            ]);
            alone.get_or_insert(created);
        }
        server.stop_now().await?;
        self.done(table);
        if let Some(alone) = alone {
            self.alone(fsync, &alone);
        }
        let ours = footprint(&data)?.since(&before, refunds);
        self.weight(&ours, bare);
        remove(&data);
        Ok(())
    }

    fn next_run(&mut self, make: impl Fn(u64) -> Make) -> Make {
        self.runs += 1;
        make(self.runs)
    }

    /// One client, one request after the other.
    fn alone(&mut self, fsync: &Latencies, alone: &Latencies) {
        let bound = 2 * fsync.permille(500) + ALONE_NANOS;
        let median = alone.permille(500);
        let mut table = Table::new("alone", "One client alone, beside two fsyncs and 200 µs");
        table.rows.push(vec![
            ("p50", Cell::Nanos(median)),
            ("two fsyncs and 200 µs", Cell::Nanos(bound)),
            ("ratio", Cell::Ratio(permille(median, bound))),
        ]);
        self.done(table);
    }

    /// Whether the bare loop writes what the product writes.
    fn weight(&mut self, ours: &Footprint, bare: &[BareRate]) {
        let title = "What a refund leaves in the database: rows in each table, and bytes in all";
        let mut table = Table::new("rows", title);
        let sides = bare.iter().find(|rate| rate.batch == 64).map(|rate| &rate.footprint);
        for (who, side) in [("bare loop", sides), ("product", Some(ours))] {
            let Some(side) = side else { continue };
            let mut row: Row = vec![("who", Cell::Text(who.to_owned()))];
            row.extend(side.rows.iter().map(|(table, rows)| (*table, Cell::Ratio(*rows))));
            row.push(("bytes", Cell::Count(side.bytes)));
            table.rows.push(row);
        }
        self.done(table);
    }

    /// How long after `began` the last refund was paid.
    async fn paid_out(
        &self,
        server: &Server,
        key: &str,
        began: Instant,
    ) -> Result<Duration, Failure> {
        let mut connection = Connection::open(server.address).await?;
        let ask = "/v1/refunds?limit=1&state=pending&state=processing";
        let ask = request("GET", ask, key, None, "");
        let deadline = Instant::now() + DRAIN;
        loop {
            let body = connection.send(&ask).await?;
            let page: Value =
                serde_json::from_slice(&body).map_err(|error| Failure::new(error.to_string()))?;
            if page["data"].as_array().is_some_and(Vec::is_empty) {
                return Ok(began.elapsed());
            }
            if Instant::now() > deadline {
                return Err(Failure::new("the refunds were not paid in time"));
            }
            sleep(Duration::from_millis(2)).await;
        }
    }

    async fn growth(&mut self, sizes: &[u64]) -> Result<(), Failure> {
        let data = self.folder("growth")?;
        let mut population = Population::default();
        let mut costs = Table::new(
            "growth",
            "What a request costs as the books grow: one client, and the server's CPU a request",
        );
        let mut books_table = Table::new("books", "The server over these books");
        let mut first: Vec<(u64, u64)> = Vec::new();
        let mut key = None;
        for size in sizes {
            let books = Books::open(&data).await?;
            let key = match &key {
                Some(key) => String::clone(key),
                None => key.insert(books.key().await?).clone(),
            };
            let took = books.grow(&mut population, *size, &self.progress).await?;
            books.close().await;
            let watch = Watch::start(None);
            let mut server = Server::start(&data).await?;
            let ready = vec![
                ("refunds", Cell::Count(*size)),
                ("made in", Cell::Nanos(load::nanos(took))),
                ("ready after", Cell::Nanos(load::nanos(server.ready_after))),
            ];
            for (at, (what, make)) in self.operations(&population, &key).into_iter().enumerate() {
                let (row, cost) = self.cost(&server, *size, what, make, first.get(at)).await?;
                costs.rows.push(row);
                if first.len() == at {
                    first.push(cost);
                }
            }
            let mut row = ready;
            row.push(("memory", Cell::Kib(server.resident_kib())));
            server.stop_now().await?;
            row.push(("database", Cell::Kib(footprint(&data)?.bytes / 1024)));
            row.push(others(&watch));
            books_table.rows.push(row);
        }
        self.done(costs);
        self.done(books_table);
        remove(&data);
        Ok(())
    }

    fn operations(&mut self, population: &Population, key: &str) -> [(&'static str, Make); 3] {
        self.runs += 1;
        [
            ("create", requests::create(population, key, self.runs)),
            ("fetch", requests::fetch(population, key)),
            ("list", requests::list(population, key)),
        ]
    }

    /// A row, and the median and the CPU that the larger books are compared with.
    async fn cost(
        &self,
        server: &Server,
        size: u64,
        what: &str,
        make: Make,
        first: Option<&(u64, u64)>,
    ) -> Result<(Row, (u64, u64)), Failure> {
        // Once unmeasured: the first requests fill caches.
        load::run(server.address, 1, self.time / 5, offset(make.clone())).await?;
        let watch = Watch::start(Some(server.process()));
        let cpu = process_micros(server.process());
        let measured = load::run(server.address, 1, self.time, make).await?;
        let cpu = process_micros(server.process()).saturating_sub(cpu);
        let cost = (measured.permille(500), cpu * 1_000 / measured.count().max(1));
        let (median, busy) = first.copied().unwrap_or(cost);
        let row = vec![
            ("refunds", Cell::Count(size)),
            ("request", Cell::Text(what.to_owned())),
            ("p50", Cell::Nanos(cost.0)),
            ("p99", Cell::Nanos(measured.permille(990))),
            ("p50 to first", Cell::Ratio(permille(cost.0, median))),
            ("CPU", Cell::Nanos(cost.1)),
            ("CPU to first", Cell::Ratio(permille(cost.1, busy))),
            others(&watch),
        ];
        Ok((row, cost))
    }
}

/// The same requests with other numbers, far from those that are measured.
fn offset(make: Make) -> Make {
    std::sync::Arc::new(move |n| make(n + (1 << 40)))
}

fn others(watch: &Watch) -> (&'static str, Cell) {
    ("others' CPU", Cell::Ratio(watch.others_permille()))
}

/// What cannot be removed now goes with the whole directory.
fn remove(folder: &Path) {
    let _ = std::fs::remove_dir_all(folder);
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
