//! The shapes of `/v1`: names only, no rule. Answers borrow the rows that they show.

pub mod administration;
pub mod answers;
pub mod asks;
pub mod credits;
pub mod gateways;
pub mod information;
pub mod records;
pub mod report;
pub mod reports;
pub mod schemas;
pub mod transfers;
pub mod webhooks;
pub mod words;
