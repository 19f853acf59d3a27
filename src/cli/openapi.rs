//! `refundry openapi`: the description of `/v1`, as the server gives it.

use std::process::ExitCode;

use super::{Ended, output};
use crate::dialects::native::openapi;

/// Print the OpenAPI description of the API
#[derive(clap::Args)]
#[command(after_help = "Example:\n  refundry openapi > openapi.json")]
pub struct Args {}

#[expect(clippy::unnecessary_wraps, reason = "every command ends alike")]
pub fn run(_args: &Args) -> Ended {
    output::line(openapi::document().trim_end());
    Ok(ExitCode::SUCCESS)
}
