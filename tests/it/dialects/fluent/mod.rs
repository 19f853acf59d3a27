//! Fluent Commerce's return transactions.

mod client;
mod coverage;
mod hostile;
mod lists;
mod outcomes;
mod repeats;
mod returns;
mod shop;
mod tokens;
mod transactions;
