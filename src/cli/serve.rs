//! `refundry serve`: the server.

use std::process::ExitCode;

use super::{Common, Ended, Failure, block_on};
use crate::config::Overrides;

/// Serve the API, the books in the data directory
#[derive(clap::Args)]
#[command(after_help = "Example:\n  refundry serve --listen 0.0.0.0:8080 --data /var/lib/refundry")]
pub struct Args {
    #[command(flatten)]
    common: Common,
}

pub fn run(args: Args) -> Ended {
    let config = args.common.configure(Overrides::default())?;
    block_on(async move {
        let _ = config;
        Err::<ExitCode, _>(Failure::new("not wired yet"))
    })
}
