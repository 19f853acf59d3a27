//! `refundry import`: a shop's past, replayed through the ledger.

pub mod plan;
pub mod replay;
pub mod report;
pub mod rows;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::plan::Plan;
use self::replay::{Stage, replay};
use self::report::{CREDIT, Report, thousands};
use super::progress::Progress;
use super::{Common, Ended, Failure, block_on, output, seed};
use crate::access::Caller;
use crate::app::App;
use crate::clock::SystemClock;
use crate::config::{Config, Overrides};
use crate::ledger::Ledger;

/// Import a shop's orders and refunds
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    OnlineRetail(OnlineRetail),
}

/// Replay the invoices and cancellations of the UCI Online Retail data (D. Chen, 2015, CC BY 4.0,
/// doi 10.24432/C5BW33): invoices become orders, cancellations refunds by items, paid out by the
/// sandbox. Run it again after an interruption, or twice: the books are the same.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  refundry import online-retail demo/online-retail-2010-12.csv.gz"
)]
struct OnlineRetail {
    /// The rows, as CSV or as a .gz of it
    file: PathBuf,
    /// Print the report as one JSON object, amounts in pence
    #[arg(long)]
    json: bool,
    /// List the cancellation rows whose units no earlier order holds
    #[arg(long)]
    unplaced: bool,
    #[command(flatten)]
    common: Common,
}

pub fn run(args: Args) -> Ended {
    match args.what {
        What::OnlineRetail(args) => online_retail(&args),
    }
}

fn online_retail(args: &OnlineRetail) -> Ended {
    let config = args.common.configure(Overrides::default())?;
    let began = Instant::now();
    let plan = read_plan(&args.file)?;
    let report = block_on(async move { into_books(config, &plan).await })?;
    let took = began.elapsed();
    if args.json {
        output::line(&serde_json::to_string(&report).map_err(|e| Failure::new(e.to_string()))?);
        if args.unplaced {
            output::complain(report.unplaced_text().trim_end());
        }
    } else {
        print_report(args, &report, took);
    }
    if report.unpaid > 0 {
        output::complain("refundry: some refunds are not paid; `refundry serve` goes on with them");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn print_report(args: &OnlineRetail, report: &Report, took: Duration) {
    output::line(&format!("Imported {}\n{CREDIT}\n", args.file.display()));
    output::line(&report.text());
    if args.unplaced {
        output::line("Units of cancellations that no earlier order holds:\n");
        output::line(&report.unplaced_text());
    }
    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
    output::line(&format!(
        "{} rows in {}.{} s, {} rows a second",
        thousands(report.rows),
        millis / 1000,
        millis % 1000 / 100,
        thousands(report.rows * 1000 / millis)
    ));
}

fn read_plan(file: &Path) -> Result<Plan, Failure> {
    let named =
        |problem: &dyn std::fmt::Display| Failure::new(format!("{}: {problem}", file.display()));
    let open = File::open(file).map_err(|problem| named(&problem))?;
    plan_of(open).map_err(|problem| named(&problem))
}

/// What a file in this form asks of the ledger.
pub fn plan_of(source: impl Read) -> Result<Plan, rows::FileProblem> {
    Ok(Plan::of(&rows::read(source)?))
}

async fn into_books(config: Config, plan: &Plan) -> Result<Report, Failure> {
    let app = App::open(config, Arc::new(SystemClock), seed()?)
        .await
        .map_err(|problem| Failure::new(problem.to_string()))?;
    let progress = Progress::new();
    let report = import(app.ledger(), plan, &progress).await;
    progress.end();
    app.stop().await;
    report
}

/// Replays a plan into the books of the first merchant.
pub async fn import(ledger: &Ledger, plan: &Plan, progress: &Progress) -> Result<Report, Failure> {
    let merchants = ledger.books().merchants().await;
    let merchants = merchants.map_err(|problem| Failure::new(problem.to_string()))?;
    let merchant = merchants.first().ok_or_else(|| {
        Failure::new("the books have no merchant yet; run `refundry serve` once to make it")
    })?;
    let caller = Caller::internal(merchant.id, "import");
    let show = |stage: Stage, done, total| match stage {
        Stage::CarryingOut => progress.show("importing", done, total),
        Stage::PayingOut => progress.show("paying out", done, total),
    };
    let report = replay(ledger, &caller, plan, &show).await;
    report.map_err(|problem| Failure::new(problem.to_string()))
}
