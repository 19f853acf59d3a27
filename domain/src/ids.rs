//! Names of rows. Every row of an installation has one number from a single sequence, so two rows
//! of different kinds never share one; the types keep them apart in code.

use std::fmt;

macro_rules! numbered {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

numbered! {
    /// Whose money it is; every other row belongs to exactly one.
    MerchantId,
    OrderId,
    /// A payment, authorization, capture, invoice payment or refund transaction.
    TransactionId,
    RefundId,
    ReturnId,
    KeyId,
    /// A merchant's account at a provider.
    GatewayId,
    EventId,
    /// Of a webhook.
    EndpointId,
}

/// A moment: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This moment and `ms` milliseconds more, at most the last one that can be named.
    pub fn after_ms(self, ms: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(ms))
    }
}

/// Hands out the numbers of new rows, in order, from a range the store has reserved.
#[derive(Debug)]
pub struct Numbers {
    next: i64,
}

impl Numbers {
    /// The first number handed out will be `next`.
    pub fn starting_at(next: i64) -> Numbers {
        Numbers { next }
    }

    pub fn take(&mut self) -> i64 {
        let number = self.next;
        self.next += 1;
        number
    }

    /// The number that would be handed out next.
    pub fn peek(&self) -> i64 {
        self.next
    }
}

/// How a caller names an order: by our number or by the shop's own reference.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OrderRef {
    Id(OrderId),
    Reference(String),
}
