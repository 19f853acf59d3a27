//! `refundry openapi`: the description of `/v1`, as the server gives it.

use super::{Ended, Failure};

/// Print the OpenAPI description of the API
#[derive(clap::Args)]
#[command(after_help = "Example:\n  refundry openapi > openapi.json")]
pub struct Args {}

pub fn run(_args: &Args) -> Ended {
    Err(Failure::new("not wired yet"))
}
