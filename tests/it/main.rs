//! One binary for everything that is tested in process.

#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::wildcard_enum_match_arm,
    reason = "everything here is a test, and reads best without ceremony"
)]

mod console;
mod dialects;
mod fuzzed;
mod gateways;
mod harness;
mod import;
mod native;
mod outbound;
mod outcomes;
mod outside;
mod providers;
mod replicas;
mod routes;
mod store;
mod tidy;
mod trouble;
mod webhooks;
mod workers;
