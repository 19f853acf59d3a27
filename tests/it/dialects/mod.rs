//! Every public API that is spoken besides our own, over a socket.

mod begateway;
mod fluent;
mod idosell;
mod returngo;
