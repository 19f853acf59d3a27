mod harness;
mod store;
