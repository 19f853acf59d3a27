//! Every public API that is spoken besides our own, over a socket.

mod begateway;
mod idosell;
mod returngo;
