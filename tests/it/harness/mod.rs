//! What the tests stand on.

pub mod liar;
pub mod payouts;
pub mod store;
