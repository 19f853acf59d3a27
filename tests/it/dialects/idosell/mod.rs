//! IdoSell's refunds gate.

mod coverage;
mod days;
mod errors;
mod hostile;
mod legacy;
mod rest;
mod shop;
mod suds;
