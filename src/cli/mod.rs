//! The command line: one file a command, one line a command here.

mod backup;
mod bench;
mod client;
mod completions;
mod copy;
mod demo;
mod gateways;
pub mod import;
mod keys;
mod master_key;
mod openapi;
pub mod output;
pub mod progress;
mod sandbox;
mod serve;
mod verify;

use std::future::Future;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, Parser, Subcommand};

use crate::app::postgres_options;
use crate::config::{Config, Overrides};
use crate::store::postgres::{self, PostgresStore};
use crate::store::sqlite::{self, SqliteStore};
use crate::store::{Store, anchor};
use crate::telemetry;

/// A self-hosted refund gateway: one exact ledger of what may still be given back.
#[derive(Parser)]
#[command(name = "refundry", version, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::Args),
    Demo(demo::Args),
    Keys(keys::Args),
    Gateways(gateways::Args),
    MasterKey(master_key::Args),
    Import(import::Args),
    Backup(backup::Args),
    Copy(copy::Args),
    Verify(verify::Args),
    Bench(bench::Args),
    Sandbox(sandbox::Args),
    Openapi(openapi::Args),
    Completions(completions::Args),
}

const EXAMPLES: &str = "\
Examples:
  refundry serve                        serve on 127.0.0.1:8080, the books in ./data
  refundry demo                         see the main job on a real shop's data
  refundry keys create --name shop      make an API key
  refundry gateways test stripe         see whether a provider takes the credentials
  refundry import online-retail FILE    replay a shop's year through the ledger
  refundry backup --to FILE             copy the books while a server works on them
  refundry verify                       prove that the books add up and were not altered
  refundry bench --quick                see how fast it is on this machine

Exit codes: 0 done; 1 a check found something; 2 it could not be done, stderr says why.";

impl Command {
    fn run(self) -> Ended {
        match self {
            Command::Serve(args) => serve::run(args),
            Command::Demo(args) => demo::run(args),
            Command::Keys(args) => keys::run(args),
            Command::Gateways(args) => gateways::run(args),
            Command::MasterKey(args) => master_key::run(&args),
            Command::Import(args) => import::run(args),
            Command::Backup(args) => backup::run(&args),
            Command::Copy(args) => copy::run(&args),
            Command::Verify(args) => verify::run(&args),
            Command::Bench(args) => bench::run(args),
            Command::Sandbox(args) => sandbox::run(&args),
            Command::Openapi(args) => openapi::run(&args),
            Command::Completions(args) => completions::run(&args, &mut Cli::command()),
        }
    }
}

/// How a command ends: with an exit code, or with what stood in its way.
pub type Ended = Result<ExitCode, Failure>;

/// Why a command could not be done, as the person who typed it reads it: what was wrong, with the
/// value, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub String);

impl Failure {
    pub fn new(message: impl Into<String>) -> Failure {
        Failure(message.into())
    }
}

/// The flags that every command over a data directory has.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Common {
    /// The settings file [default: ./refundry.toml, when there is one; env: REFUNDRY_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the books are kept [default: ./data; env: REFUNDRY_DATA]
    #[arg(long, value_name = "DIRECTORY")]
    data: Option<PathBuf>,
    /// Keep the books in this PostgreSQL database, which other processes may share, instead of the
    /// data directory; the directory then holds only what is this process's own [env:
    /// REFUNDRY_DATABASE_URL, which does not show a password in the list of processes]
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

impl Common {
    /// The settings, with these flags before everything else; also starts the log.
    pub fn configure(&self, more: Overrides) -> Result<Config, Failure> {
        let overrides =
            Overrides { data: self.data.clone(), database: self.database.clone(), ..more };
        let config = Config::load(self.config.as_deref(), &overrides)
            .map_err(|problem| Failure::new(problem.to_string()))?;
        telemetry::start(&config.log).map_err(Failure::new)?;
        Ok(config)
    }
}

/// Runs a command's work to its end on a runtime of its own. One core is left to the thread that
/// writes the books: with as many threads as cores beside it, they take turns and wake each other.
pub fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.saturating_sub(1).max(1))
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("the runtime cannot start: {error}")))?;
    runtime.block_on(work)
}

/// Opens the configured books; a command that looks at books does not begin new ones.
pub async fn existing_books(config: &Config) -> Result<Arc<dyn Store>, Failure> {
    if let Some(options) = postgres_options(config) {
        return shared_books(config, options).await;
    }
    if !config.data.join(sqlite::FILE).is_file() {
        let data = config.data.display();
        return Err(Failure::new(format!(
            "there are no books in {data}; name their directory with --data, or begin them with \
             `refundry serve --data {data}`"
        )));
    }
    let store = SqliteStore::open(&config.data).map_err(|error| Failure::new(error.to_string()))?;
    Ok(store)
}

/// The books in PostgreSQL, compared with the anchor in the data directory when there is one that
/// no server uses right now.
async fn shared_books(
    config: &Config,
    options: postgres::Options,
) -> Result<Arc<dyn Store>, Failure> {
    let options = postgres::Options { begin: false, ..options };
    let failed = |error: postgres::OpenError| Failure::new(error.to_string());
    if config.data.join(anchor::FILE).is_file() {
        match PostgresStore::open(&options, Some(&config.data)).await {
            Err(postgres::OpenError::InUse(_)) => {}
            opened => return Ok(opened.map_err(failed)?),
        }
    }
    let store = PostgresStore::open(&options, None).await.map_err(failed)?;
    Ok(store)
}

/// Where a process's randomness begins.
pub fn seed() -> Result<u64, Failure> {
    use rand::TryRng;
    rand::rngs::SysRng
        .try_next_u64()
        .map_err(|_| Failure::new("the system has no randomness to give"))
}

/// Runs the command line and says with which code to exit.
pub fn run() -> ExitCode {
    match Cli::parse().command.run() {
        Ok(code) => code,
        Err(failure) => {
            output::complain(&format!("refundry: {failure}"));
            ExitCode::from(2)
        }
    }
}
