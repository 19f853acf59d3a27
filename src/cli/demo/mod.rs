//! `refundry demo`: the main job on real data, shown.

mod show;
mod walk;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use refundry_domain::ids::MerchantId;
use refundry_domain::merchant::{Administration, Scope};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use self::walk::Walk;
use super::client::Client;
use super::import::report::CREDIT;
use super::import::{import, plan_of, seed};
use super::progress::Progress;
use super::{Ended, Failure, block_on, output};
use crate::access::{Caller, secret};
use crate::app::App;
use crate::clock::SystemClock;
use crate::config::{Config, Overrides};
use crate::telemetry;

/// A month of a real shop.
const MONTH: &[u8] = include_bytes!("../../../demo/online-retail-2010-12.csv.gz");
/// How often the demo's key may ask in a second.
const RATE: u32 = 1_000;

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
    let flags = Overrides { data: Some(home.path().to_owned()), listen: Some(listen) };
    let mut config =
        Config::load(None, &flags).map_err(|problem| Failure::new(problem.to_string()))?;
    // The log would run through what is shown.
    config.log.level = "warn".to_owned();
    telemetry::start(&config.log).map_err(Failure::new)?;
    let listen = config.listen;
    let app = App::open(config, Arc::new(SystemClock), seed()?)
        .await
        .map_err(|problem| Failure::new(problem.to_string()))?;
    let shown = show(&app, listen, home.path(), args.exit, began).await;
    app.stop().await;
    shown
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
    app: &App,
    listen: SocketAddr,
    home: &Path,
    exit: bool,
    began: Instant,
) -> Result<(), Failure> {
    import_month(app).await?;
    let key = make_key(app).await?;
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|problem| Failure::new(format!("{listen} cannot be listened on: {problem}")))?;
    let address = listener.local_addr().map_err(|problem| Failure::new(problem.to_string()))?;
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = axum::serve(listener, app.router()).with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    let serving = tokio::spawn(serving.into_future());
    let walked = Walk::new(Client::connect(address, &key).await?).run().await;
    if walked.is_ok() {
        let millis = began.elapsed().as_millis();
        output::line(&format!("\nDone in {}.{} s.", millis / 1000, millis % 1000 / 100));
        if !exit {
            output::line(&where_to_go(address, &key, home));
            let _ = tokio::signal::ctrl_c().await;
        }
    }
    let _ = stop.send(());
    let _ = serving.await;
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

/// A key of the demo's own; the operator's first key is in the data directory.
async fn make_key(app: &App) -> Result<String, Failure> {
    let secret = secret::generate().map_err(|problem| Failure::new(problem.to_string()))?;
    let change = Administration::CreateKey {
        name: "demo".to_owned(),
        scopes: Scope::ALL.to_vec(),
        hash: secret::hash(&secret),
        rate_per_second: RATE,
    };
    let merchants = app.ledger().books().merchants().await;
    let merchants = merchants.map_err(|problem| Failure::new(problem.to_string()))?;
    let merchant = merchants.first().map_or(MerchantId(1), |merchant| merchant.id);
    let caller = Caller::internal(merchant, "demo");
    let made = app.ledger().administer(&caller, change).await;
    made.map_err(|problem| Failure::new(problem.to_string()))?;
    Ok(secret)
}

fn where_to_go(address: SocketAddr, key: &str, home: &Path) -> String {
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
        home.display()
    )
}
