//! `refundry import`: a shop's past, replayed through the ledger.

pub mod plan;
pub mod replay;
pub mod report;
pub mod rows;
