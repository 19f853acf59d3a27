//! Refundry's own API, `/v1`.
