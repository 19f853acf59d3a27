//! What the tests stand on.

pub mod faulty;
pub mod liar;
pub mod payouts;
pub mod population;
pub mod site;
pub mod store;
pub mod whole;
