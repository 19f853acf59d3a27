//! `refundry demo`: the main job on real data, shown.

mod show;
mod walk;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use self::walk::Walk;
use super::client::Client;
use super::import::report::CREDIT;
use super::import::{import, plan_of};
use super::progress::Progress;
use super::{Ended, Failure, block_on, output, seed};
use crate::app::App;
use crate::clock::SystemClock;
use crate::config::{Config, Overrides};
use crate::telemetry;

/// A month of a real shop.
const MONTH: &[u8] = include_bytes!("../../../demo/online-retail-2010-12.csv.gz");

/// Show the main job on a month of a real shop's data
#[derive(clap::Args)]
#[command(after_help = "Example:\n  refundry demo --exit")]
pub struct Args {
    /// End after the walk instead of serving on
    #[arg(long)]
    exit: bool,
    /// The address to serve on; a free port of this machine when not given
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// An empty directory for the books; a new one that is removed at the end when not given
    #[arg(long, value_name = "DIRECTORY")]
    data: Option<PathBuf>,
}

pub fn run(args: Args) -> Ended {
    match block_on(demo(args)) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(failure) => {
            output::complain(&format!("refundry: the demo failed: {failure}"));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The directory of the books; one that we made goes when this does.
enum Home {
    Ours(TempDir),
    Given(PathBuf),
}

impl Home {
    fn path(&self) -> &Path {
        match self {
            Home::Ours(directory) => directory.path(),
            Home::Given(path) => path,
        }
    }
}

async fn demo(args: Args) -> Result<(), Failure> {
    let began = Instant::now();
    let home = home(args.data)?;
    let listen = args.listen.unwrap_or_else(|| "127.0.0.1:0".to_owned());
    // Whatever is set for a real installation, the demo has books of its own.
    let (data, database) = (Some(home.path().to_owned()), Some(String::new()));
    let flags = Overrides { data, database, listen: Some(listen) };
    let mut config =
        Config::load(None, &flags).map_err(|problem| Failure::new(problem.to_string()))?;
    // The log would run through what is shown.
    config.log.level = "warn".to_owned();
    telemetry::start(&config.log).map_err(Failure::new)?;
    let listen = config.listen;
    let app = App::open(config, Arc::new(SystemClock), seed()?)
        .await
        .map_err(|problem| Failure::new(problem.to_string()))?;
    let key = app
        .config()
        .admin_key
        .as_ref()
        .map(|given| given.reveal().to_owned())
        .or_else(|| app.first_key().map(str::to_owned))
        .ok_or_else(|| Failure::new("the books are not new: they have an admin key already"))?;
    if let Err(failure) = import_month(&app).await {
        app.stop().await;
        return Err(failure);
    }
    show(app, listen, &key, &home, args.exit, began).await
}

fn home(data: Option<PathBuf>) -> Result<Home, Failure> {
    let Some(path) = data else {
        let made = tempfile::Builder::new().prefix("refundry-demo-").tempdir();
        return made
            .map(Home::Ours)
            .map_err(|problem| Failure::new(format!("no directory for the books: {problem}")));
    };
    let empty = path.read_dir().map_or(true, |mut entries| entries.next().is_none());
    if !empty {
        let shown = path.display();
        return Err(Failure::new(format!(
            "{shown} is not empty; the demo wants a directory of its own, so name another"
        )));
    }
    Ok(Home::Given(path))
}

async fn show(
    app: App,
    listen: SocketAddr,
    key: &str,
    home: &Home,
    exit: bool,
    began: Instant,
) -> Result<(), Failure> {
    let listener = TcpListener::bind(listen).await.map_err(|problem| {
        Failure::new(format!("{listen} cannot be served: {problem}; choose another with --listen"))
    })?;
    let address = listener.local_addr().map_err(|problem| Failure::new(problem.to_string()))?;
    let ledger = app.ledger().clone();
    let stop = Notify::new();
    let walk = async {
        let client = Client::connect(address, key).await?;
        Walk::new(client, ledger).run().await?;
        let millis = began.elapsed().as_millis();
        output::line(&format!("\nDone in {}.{} s.", millis / 1000, millis % 1000 / 100));
        if !exit {
            output::line(&where_to_go(address, key, home));
            // A system without signals serves until it is killed.
            let _ = tokio::signal::ctrl_c().await;
        }
        Ok(())
    };
    let walk = async {
        let walked = walk.await;
        stop.notify_one();
        walked
    };
    let (walked, ()) = tokio::join!(walk, app.serve(listener, stop.notified()));
    walked
}

async fn import_month(app: &App) -> Result<(), Failure> {
    output::line("A month of a real shop: invoices become orders, cancellations refunds.");
    output::line(CREDIT);
    let plan = plan_of(MONTH).map_err(|problem| Failure::new(problem.to_string()))?;
    let progress = Progress::new();
    let report = import(app.ledger(), &plan, &progress).await;
    progress.end();
    output::line(&format!("\n{}", report?.text().trim_end()));
    Ok(())
}

fn where_to_go(address: SocketAddr, key: &str, home: &Home) -> String {
    format!(
        "
Still serving; stop with Ctrl-C.

  documentation   http://{address}/docs
  API             http://{address}/v1
  metrics         http://{address}/metrics
  API key         {key}
  books           {}

Try it:

  curl -H 'Authorization: Bearer {key}' 'http://{address}/v1/refunds?limit=3'
",
        home.path().display()
    )
}
