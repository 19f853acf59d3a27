//! Every public API that is spoken besides our own, over a socket.

mod across;
mod amounts;
mod begateway;
mod digitalriver;
mod fluent;
mod idosell;
mod paths;
mod returngo;
mod rows;
