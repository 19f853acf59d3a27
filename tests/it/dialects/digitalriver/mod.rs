//! Digital River's API, over a socket.

mod coverage;
mod errors;
mod hostile;
mod kinds;
mod lists;
mod others;
mod refunds;
mod seed;
mod shop;
mod webhooks;
