mod harness;
mod import;
mod store;
mod tidy;
