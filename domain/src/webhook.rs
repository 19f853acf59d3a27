//! Where a merchant wants to be told of its events, and what became of telling.

use crate::ids::{EndpointId, EventId, MerchantId, OrderId, Timestamp};

/// An address that is told of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub id: EndpointId,
    pub merchant: MerchantId,
    pub url: String,
    /// Whose bodies and signatures it gets.
    pub format: String,
    /// The types of events that it gets; all when there are none.
    pub events: Vec<String>,
    pub description: String,
    pub state: EndpointState,
    /// Since when and why nothing is sent; `None` while it is enabled.
    pub disabled: Option<(Timestamp, DisabledWhy)>,
    /// What the messages are signed with, sealed.
    pub secrets: Vec<u8>,
    /// Every event up to this one was sent, has a delivery of its own, or is of no interest.
    pub cursor: EventId,
    /// Since when every try has failed.
    pub failing_since: Option<Timestamp>,
    /// Grows with every change but those of the cursor.
    pub revision: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointState {
    Enabled,
    Disabled,
    /// Gone for everybody but the proof of the books.
    Deleted,
}

impl EndpointState {
    pub const ALL: [EndpointState; 3] =
        [EndpointState::Enabled, EndpointState::Disabled, EndpointState::Deleted];

    pub fn name(self) -> &'static str {
        match self {
            EndpointState::Enabled => "enabled",
            EndpointState::Disabled => "disabled",
            EndpointState::Deleted => "deleted",
        }
    }

    pub fn parse(name: &str) -> Option<EndpointState> {
        EndpointState::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// Why nothing is sent to an endpoint any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisabledWhy {
    /// Somebody of the merchant wanted it.
    Asked,
    /// It answered 410.
    Gone,
    /// Every try failed for too long.
    Failing,
}

impl DisabledWhy {
    pub const ALL: [DisabledWhy; 3] = [DisabledWhy::Asked, DisabledWhy::Gone, DisabledWhy::Failing];

    pub fn name(self) -> &'static str {
        match self {
            DisabledWhy::Asked => "asked",
            DisabledWhy::Gone => "gone",
            DisabledWhy::Failing => "failing",
        }
    }

    pub fn parse(name: &str) -> Option<DisabledWhy> {
        DisabledWhy::ALL.into_iter().find(|why| why.name() == name)
    }
}

/// An endpoint to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEndpoint {
    pub url: String,
    pub format: String,
    pub events: Vec<String>,
    pub description: String,
    pub secrets: Vec<u8>,
}

/// A change to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointChange {
    /// What is given replaces what was.
    Edit {
        url: Option<String>,
        events: Option<Vec<String>>,
        description: Option<String>,
        enabled: Option<bool>,
    },
    /// New secrets, if nothing else was changed since the revision was read.
    Rotate {
        revision: i64,
        secrets: Vec<u8>,
    },
    /// It is told no more, for a reason of its own.
    Disable(DisabledWhy),
    Delete,
    /// An event for this endpoint alone.
    Ping,
    /// It is told again of events that it is past, whether or not it was told before.
    Redeliver {
        events: Vec<EventId>,
    },
}

impl EndpointChange {
    /// The type of the event that it makes.
    pub fn name(&self) -> &'static str {
        match self {
            EndpointChange::Edit { .. } => "webhook_endpoint.updated",
            EndpointChange::Rotate { .. } => "webhook_endpoint.secret_rotated",
            EndpointChange::Disable(_) => "webhook_endpoint.disabled",
            EndpointChange::Delete => "webhook_endpoint.deleted",
            EndpointChange::Ping => PING,
            EndpointChange::Redeliver { .. } => "webhook_endpoint.redelivery_requested",
        }
    }
}

/// The type of event that only its own subject is told of.
pub const PING: &str = "webhook_endpoint.pinged";

/// One event on its way to one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub endpoint: EndpointId,
    pub event: EventId,
    /// The order whose later events wait until this one is settled.
    pub order: Option<OrderId>,
    /// The event's type.
    pub name: String,
    pub state: DeliveryState,
    /// When it is tried next, while it is pending.
    pub due: Timestamp,
    /// How often it was tried since it was last asked for.
    pub round: u32,
    /// Every try there ever was, oldest first.
    pub tries: Vec<Try>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    Pending,
    Succeeded,
    /// Given up.
    Failed,
}

impl DeliveryState {
    pub const ALL: [DeliveryState; 3] =
        [DeliveryState::Pending, DeliveryState::Succeeded, DeliveryState::Failed];

    pub fn name(self) -> &'static str {
        match self {
            DeliveryState::Pending => "pending",
            DeliveryState::Succeeded => "succeeded",
            DeliveryState::Failed => "failed",
        }
    }

    pub fn parse(name: &str) -> Option<DeliveryState> {
        DeliveryState::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// One call of an endpoint and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Try {
    pub at: Timestamp,
    pub took_ms: i64,
    /// `None` when there was no answer.
    pub status: Option<u16>,
    /// Why there was none.
    pub error: Option<String>,
    /// The first bytes of the answer, as text.
    pub answer: String,
}
