//! The link for a customer's bank details.

use refundry_domain::ids::{RefundId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::words::{Id, RefundTag, Time};
use crate::access::links::Link;

/// Where the customer says to which account a refund goes. Whoever has it decides that, so give it
/// to the customer and to nobody else.
#[derive(Serialize, ToSchema)]
#[schema(as = InformationLink)]
pub struct LinkView {
    refund: RefundTag,
    /// Null in the answer to a dry run.
    #[schema(example = "https://refunds.example.com/bank-details/0rDc…")]
    url: Option<String>,
    /// The last part of the address.
    token: Option<String>,
    expires_at: Option<Time>,
}

impl LinkView {
    pub fn of(refund: RefundId, link: Option<Link>, due: Option<Timestamp>) -> LinkView {
        let (url, token) = link.map(|link| (link.url, link.token)).unzip();
        LinkView { refund: Id(refund), url, token, expires_at: due.map(Time) }
    }

    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }
}
