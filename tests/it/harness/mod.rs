//! What the tests stand on.

pub mod cluster;
pub mod faulty;
pub mod gate;
pub mod liar;
pub mod log;
pub mod payouts;
pub mod population;
pub mod provider;
pub mod receiver;
pub mod site;
pub mod store;
mod together;
pub mod turns;
pub mod whole;
