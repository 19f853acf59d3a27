//! One binary for everything that is tested in process.

mod gateways;
mod harness;
mod import;
mod native;
mod routes;
mod store;
mod tidy;
mod workers;
