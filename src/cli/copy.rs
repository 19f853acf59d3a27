//! `refundry copy`: books from one store to another.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::{Ended, Failure, block_on, output};
use crate::config::Config;
use crate::store::copy::{self, CopyError, Side, TABLES};
use crate::store::postgres::{self, PostgresSide};
use crate::store::sqlite::{self, SqliteSide, SqliteStore};
use crate::telemetry;

/// Copy the books from one store to another, while no server runs on either
///
/// Every row as it is, so numbers, event hashes and kept answers stay the same. The target must be
/// new. At the end each table is read again on both sides and compared by its SHA-256. The file
/// master.key is not in the books: give the new installation the same one, or sealed bank details
/// cannot be opened.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  refundry copy --from ./data --to postgres://refundry@db.example/refundry
  refundry copy --from postgres://refundry@db.example/refundry --to ./data")]
pub struct Args {
    /// A data directory, or the URL of a PostgreSQL database
    #[arg(long, value_name = "PLACE")]
    from: String,
    /// Likewise; new, or with nothing in it
    #[arg(long, value_name = "PLACE")]
    to: String,
}

pub fn run(args: &Args) -> Ended {
    telemetry::start(&Config::defaults().log).map_err(Failure::new)?;
    let (from, to) = (args.from.clone(), args.to.clone());
    block_on(async move {
        let failed = |error: CopyError| Failure::new(error.to_string());
        if from == to {
            return Err(Failure::new("both places are the same"));
        }
        let mut from = source(&from).await?;
        let mut to = target(&to).await?;
        let mut all = 0;
        for table in TABLES {
            all += from.count(table).await.map_err(failed)?;
        }
        let bar = ProgressBar::new(2 * all);
        let style =
            ProgressStyle::with_template("{bar:40} {pos}/{len} rows [{elapsed}, {eta} left]");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let copied = copy::copy(&mut *from, &mut *to, &mut |rows| bar.inc(rows)).await;
        bar.finish_and_clear();
        for table in copied.map_err(failed)? {
            let hash: String =
                table.hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            output::line(&format!("{:>12} {:>10} rows  {hash}…", table.table, table.rows));
        }
        output::line("The books are the same on both sides.");
        Ok(ExitCode::SUCCESS)
    })
}

fn is_url(place: &str) -> bool {
    place.starts_with("postgres://") || place.starts_with("postgresql://") || place.contains('=')
}

fn options(url: &str, begin: bool) -> postgres::Options {
    // A chunk of rows may take longer than a request.
    postgres::Options { begin, timeout: Duration::from_secs(120), ..postgres::Options::of(url) }
}

async fn source(place: &str) -> Result<Box<dyn Side>, Failure> {
    let failed = |error: CopyError| Failure::new(error.to_string());
    if is_url(place) {
        return Ok(Box::new(PostgresSide::open(&options(place, false)).await.map_err(failed)?));
    }
    let dir = PathBuf::from(place);
    if !dir.join(sqlite::FILE).is_file() {
        return Err(Failure::new(format!("there are no books in {place}")));
    }
    // Opened once as ever: its schema is brought up to date.
    let opened = SqliteStore::open(&dir).map_err(|error| Failure::new(error.to_string()))?;
    drop(opened);
    Ok(Box::new(SqliteSide::open(&dir).map_err(failed)?))
}

async fn target(place: &str) -> Result<Box<dyn Side>, Failure> {
    let failed = |error: CopyError| Failure::new(error.to_string());
    if is_url(place) {
        return Ok(Box::new(PostgresSide::open(&options(place, true)).await.map_err(failed)?));
    }
    let dir = PathBuf::from(place);
    let opened = SqliteStore::open(&dir).map_err(|error| Failure::new(error.to_string()))?;
    drop(opened);
    Ok(Box::new(SqliteSide::open(&dir).map_err(failed)?))
}
