//! `refundry verify`: proof that the books are right.

use std::process::ExitCode;

use super::{Common, Ended, Failure, block_on};
use crate::config::Overrides;

/// Prove that the books add up and were not altered
#[derive(clap::Args)]
#[command(after_help = "Example:\n  refundry verify --data ./data --json")]
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
