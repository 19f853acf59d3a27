//! What outside platforms and customers do for a refund.

mod account;
mod bank;
mod keys;
mod notify;
pub mod transfers;
