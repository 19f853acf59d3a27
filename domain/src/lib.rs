//! The rules of money, pure: no input or output, no clock, no floating point, no serialisation.
//!
//! A [`Book`](book::Book) is what is known of one order; [`decide`](decide::decide) says what a
//! command changes in it, or why it may not.

pub mod money;
pub mod split;
pub mod text;
