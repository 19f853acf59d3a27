//! Names of rows. Every row of an installation has one number from a single sequence, so two rows
//! of different kinds never share one; the types keep them apart in code.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;

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
    /// A file of bank transfers.
    TransferFileId,
    /// Of store credit, a gift card or a customer's balance.
    AccountId,
    /// Of an account.
    EntryId,
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

/// Hands out the numbers of new rows, in order, from what the store has reserved.
#[derive(Clone, Debug)]
pub struct Numbers {
    next: i64,
    /// Exclusive; then the next range follows.
    end: i64,
    further: VecDeque<Range<i64>>,
}

impl Numbers {
    /// The first number handed out will be `next`, and there is no end.
    pub fn starting_at(next: i64) -> Numbers {
        Numbers { next, end: i64::MAX, further: VecDeque::new() }
    }

    /// Hands out the numbers of the ranges, which are in order and not empty. Whoever takes more
    /// than they hold finds it in [`Numbers::is_overdrawn`].
    pub fn of_ranges(ranges: impl IntoIterator<Item = Range<i64>>) -> Numbers {
        let mut further: VecDeque<Range<i64>> = ranges.into_iter().collect();
        let first = further.pop_front().unwrap_or(0..0);
        Numbers { next: first.start, end: first.end, further }
    }

    pub fn take(&mut self) -> i64 {
        let number = self.next;
        self.next += 1;
        if self.next == self.end
            && let Some(range) = self.further.pop_front()
        {
            (self.next, self.end) = (range.start, range.end);
        }
        number
    }

    /// The number that would be handed out next.
    pub fn peek(&self) -> i64 {
        self.next
    }

    /// Whether numbers were handed out that were never reserved.
    pub fn is_overdrawn(&self) -> bool {
        self.next > self.end
    }
}

/// How a caller names an order: by our number or by the shop's own reference.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OrderRef {
    Id(OrderId),
    Reference(String),
}
