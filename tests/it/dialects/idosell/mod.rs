//! IdoSell's refunds gate.

mod coverage;
mod errors;
mod hostile;
mod rest;
mod shop;
