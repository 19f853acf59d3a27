//! Goods coming back, or a claim that keeps them: what a refund can belong to.

use crate::ids::{OrderId, ReturnId, Timestamp};
use crate::money::Minor;
use crate::order::Metadata;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReturnKind {
    /// Goods come back.
    Return,
    /// A claim about goods that may stay where they are.
    Complaint,
}

impl ReturnKind {
    pub const ALL: [ReturnKind; 2] = [ReturnKind::Return, ReturnKind::Complaint];

    pub fn name(self) -> &'static str {
        match self {
            ReturnKind::Return => "return",
            ReturnKind::Complaint => "complaint",
        }
    }

    pub fn parse(name: &str) -> Option<ReturnKind> {
        ReturnKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReturnState {
    Pending,
    Approved,
    Received,
    Validated,
    Done,
    Rejected,
    Canceled,
}

impl ReturnState {
    pub const ALL: [ReturnState; 7] = [
        ReturnState::Pending,
        ReturnState::Approved,
        ReturnState::Received,
        ReturnState::Validated,
        ReturnState::Done,
        ReturnState::Rejected,
        ReturnState::Canceled,
    ];

    pub fn name(self) -> &'static str {
        match self {
            ReturnState::Pending => "pending",
            ReturnState::Approved => "approved",
            ReturnState::Received => "received",
            ReturnState::Validated => "validated",
            ReturnState::Done => "done",
            ReturnState::Rejected => "rejected",
            ReturnState::Canceled => "canceled",
        }
    }

    pub fn parse(name: &str) -> Option<ReturnState> {
        ReturnState::ALL.into_iter().find(|state| state.name() == name)
    }

    /// A closed return changes no more; a rejected or canceled one carries no refund either.
    pub fn is_closed(self) -> bool {
        match self {
            ReturnState::Done | ReturnState::Rejected | ReturnState::Canceled => true,
            ReturnState::Pending
            | ReturnState::Approved
            | ReturnState::Received
            | ReturnState::Validated => false,
        }
    }

    pub fn carries_refunds(self) -> bool {
        match self {
            ReturnState::Rejected | ReturnState::Canceled => false,
            ReturnState::Pending
            | ReturnState::Approved
            | ReturnState::Received
            | ReturnState::Validated
            | ReturnState::Done => true,
        }
    }
}

/// What comes back of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnItem {
    pub line: u32,
    pub quantity: u32,
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Return {
    pub id: ReturnId,
    pub order: OrderId,
    /// The shop's own number, unique in the merchant.
    pub reference: String,
    pub kind: ReturnKind,
    pub state: ReturnState,
    pub items: Vec<ReturnItem>,
    pub reason: String,
    pub metadata: Metadata,
    /// What its refunds have paid and was not taken back.
    pub refunded: Minor,
    /// How many of its refund transactions somebody carries out by hand and have not failed.
    pub by_hand: u32,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub closed_at: Option<Timestamp>,
}
