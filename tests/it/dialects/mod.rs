//! The public APIs that are spoken besides our own, over a socket.

mod begateway;
mod returngo;
