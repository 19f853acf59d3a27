mod import;
mod harness;
mod store;
mod tidy;
