//! Mechanisms that every dialect needs. No shape of any one dialect is here.

pub mod administers;
pub mod body;
pub mod credential;
mod credits;
pub mod dates;
pub mod desk;
pub mod exact;
pub mod paging;
pub mod problem;
pub mod replay;
pub mod reports;
pub mod right;
mod tells;
pub mod tokens;
pub mod transfers;
