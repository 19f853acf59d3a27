//! The rules of money, pure: no input or output, no clock, no floating point, no serialisation.
//!
//! A [`Book`](book::Book) is what is known of one order; [`decide`](decide::decide) says what a
//! [`Command`](command::Command) changes in it, or why it may not. In reading order:

pub mod allocate;
pub mod book;
pub mod changes;
pub mod command;
pub mod credit;
pub mod day;
pub mod decide;
pub mod event;
pub mod group;
pub mod ids;
pub mod merchant;
pub mod money;
pub mod order;
pub mod outcome;
pub mod policy;
pub mod refund;
pub mod refusal;
pub mod report;
pub mod returns;
pub mod split;
pub mod text;
pub mod webhook;
