//! The APIs that are spoken, one folder each.

pub mod native;
pub mod shared;

/// Which route answered: an extension of every response of a dialect, for the metrics.
#[derive(Clone, Copy, Debug)]
pub struct Served(pub &'static str);
