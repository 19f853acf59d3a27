//! One binary for everything that is tested in process.

mod gateways;
mod harness;
mod native;
mod routes;
mod store;
mod tidy;
mod workers;
