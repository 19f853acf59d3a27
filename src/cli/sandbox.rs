//! `refundry sandbox`: what the sandbox has paid out.

use std::process::ExitCode;

use super::{Common, Ended, Failure, block_on};
use crate::config::Overrides;

/// Show what the sandbox has paid out, as JSON
#[derive(clap::Args)]
#[command(after_help = "Example:\n  refundry sandbox --data ./data")]
pub struct Args {
    #[command(flatten)]
    common: Common,
}

pub fn run(args: &Args) -> Ended {
    let config = args.common.configure(Overrides::default())?;
    block_on(async move {
        let _ = config;
        Err::<ExitCode, _>(Failure::new("not wired yet"))
    })
}
