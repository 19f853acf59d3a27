//! What a fuzzer calls, one module a target. The tests build it too, and send every seed through it.

pub mod amount;
pub mod json;
pub mod server;
pub mod xml;
