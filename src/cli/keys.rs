//! `refundry keys`: API keys, without a server.

use std::process::ExitCode;

use super::{Common, Ended, Failure, block_on};
use crate::config::Overrides;

/// List, create and revoke API keys
#[derive(clap::Args)]
#[command(after_help = "Example:\n  refundry keys create --name shop --scopes read,write")]
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
