//! `/v1`, over a socket.

mod administration;
mod bulk;
mod credits;
pub mod gateways;
mod hostile;
mod limits;
mod orders;
mod refunds;
mod replay;
mod reports;
mod returns;
mod server;
mod stream;
