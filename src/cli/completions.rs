//! `refundry completions`: what the shell needs to complete commands and flags.

use std::process::ExitCode;

use clap_complete::Shell;

use super::{Ended, output};

/// Print the completions for a shell
#[derive(clap::Args)]
#[command(after_help = "Example:\n  refundry completions bash > /etc/bash_completion.d/refundry")]
pub struct Args {
    shell: Shell,
}

#[expect(clippy::unnecessary_wraps, reason = "every command ends alike")]
pub fn run(args: &Args, command: &mut clap::Command) -> Ended {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "refundry", &mut script);
    output::raw(&script);
    Ok(ExitCode::SUCCESS)
}
