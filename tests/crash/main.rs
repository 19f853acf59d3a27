//! Real processes that die, and disks that fail.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::needless_pass_by_value,
    reason = "the whole binary is a test"
)]

mod backup;
mod credits;
mod faults;
mod itself;
mod network;
mod replicas;
mod server;
mod start;
mod storm;
mod webhooks;
