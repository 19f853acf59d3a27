//! Refundry: one exact ledger of what may still be given back, and the gateway around it.
//!
//! The parts, in reading order; `ARCHITECTURE.md` says who may know whom.

mod access;
mod app;
mod cli;
mod clock;
mod config;
mod connections;
mod customer;
mod delivery;
mod dialects;
mod gateways;
mod http;
mod ledger;
mod outbound;
mod store;
mod telemetry;
mod transfers;
mod workers;

pub use cli::run;

/// The parts as the tests see them. Not for use elsewhere: it changes without notice.
#[doc(hidden)]
pub mod testing {
    pub use crate::app::*;
    pub use crate::transfers::context as transfer_context;
    pub mod access {
        pub use crate::access::*;
    }
    pub mod clock {
        pub use crate::clock::*;
    }
    pub mod config {
        pub use crate::config::*;
    }
    pub mod connections {
        pub use crate::connections::*;
    }
    pub mod delivery {
        pub use crate::delivery::*;
    }
    pub mod dialects {
        pub use crate::dialects::*;
    }
    pub mod http {
        pub use crate::http::*;
    }
    pub mod gateways {
        pub use crate::gateways::*;
    }
    pub mod import {
        pub use crate::cli::import::plan::{Plan, PlannedRefund, Step};
        pub use crate::cli::import::plan_of;
        pub use crate::cli::import::replay::{Stage, replay};
        pub use crate::cli::import::report::Report;
        pub use crate::cli::import::rows::FileProblem;
    }
    pub mod ledger {
        pub use crate::ledger::*;
    }
    pub mod outbound {
        pub use crate::outbound::*;
    }
    pub mod store {
        pub use crate::store::*;
    }
    pub mod workers {
        pub use crate::workers::*;
    }
}
