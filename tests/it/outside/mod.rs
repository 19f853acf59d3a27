//! What outside platforms and customers do for a refund.

mod bank;
mod notify;
mod transfers;
