//! What outside platforms and customers do for a refund.

mod notify;
