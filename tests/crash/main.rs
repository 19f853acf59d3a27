//! Real processes that die, and disks that fail.

mod faults;
mod server;
mod start;
mod storm;
