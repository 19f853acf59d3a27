//! What outside platforms and customers do for a refund.

mod bank;
mod keys;
mod notify;
pub mod transfers;
