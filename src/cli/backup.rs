//! `refundry backup`: a copy of the books while a server works on them.

use std::path::PathBuf;
use std::process::ExitCode;

use super::progress::Progress;
use super::{Common, Ended, Failure, output};
use crate::config::Overrides;
use crate::store::sqlite;

/// Copy the books into one file, while a server works on them or not
///
/// The file has everything that was acknowledged before the command began. To go back to it, put it
/// as refundry.db into the data directory, without the files refundry.db-wal and refundry.db-shm
/// and with the anchor if that is still there; the server then sends no money until you have
/// decided that nothing was paid since (`refundry verify --accept`). The file master.key is not in
/// it: keep a copy of that in another place. Books in PostgreSQL are backed up by its own tools.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  refundry backup --to /backups/refundry-2026-12-01.db
  refundry backup --data /var/lib/refundry --to /backups/refundry-$(date +%F-%H%M).db")]
pub struct Args {
    #[command(flatten)]
    common: Common,
    /// The file to make; it must not be there yet
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

pub fn run(args: &Args) -> Ended {
    let config = args.common.configure(Overrides::default())?;
    if !config.database.url.reveal().is_empty() {
        return Err(Failure::new(
            "the books are in PostgreSQL: back them up with its own tools (pg_dump, or a base \
             backup with archived WAL)",
        ));
    }
    let progress = Progress::new();
    let bytes = sqlite::backup(&config.data, &args.to, &mut |done, all| {
        progress.show("copying pages", done, all);
    });
    progress.end();
    let bytes = bytes.map_err(|error| Failure::new(error.to_string()))?;
    output::line(&format!("{} has the books, {bytes} bytes.", args.to.display()));
    Ok(ExitCode::SUCCESS)
}
