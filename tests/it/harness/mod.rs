pub mod population;
pub mod store;
