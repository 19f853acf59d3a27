mod harness;
mod store;
mod tidy;
