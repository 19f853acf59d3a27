//! A refund's life: its states, its transactions, and which moves are legal.

use crate::ids::{OrderId, RefundId, ReturnId, Timestamp, TransactionId};
use crate::money::{Currency, Minor};
use crate::order::{LineKind, Metadata};
use crate::outcome::Failure;

/// Where a refund stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Proposed; its amount is held and can still be changed.
    Unconfirmed,
    /// The payout waits for the customer's bank details.
    RequiresInformation,
    /// Decided, not yet handed over.
    Pending,
    /// A provider has it, or somebody outside was told.
    Processing,
    /// The outcome cannot be learnt by itself; a person must say. Keeps its amount.
    NeedsAttention,
    /// Paid.
    Succeeded,
    /// A definite no; the amount is free again. Can be retried.
    Failed,
    /// Called off before it was handed over.
    Canceled,
    /// Paid, and taken back by the provider later.
    Reversed,
}

impl State {
    pub const ALL: [State; 9] = [
        State::Unconfirmed,
        State::RequiresInformation,
        State::Pending,
        State::Processing,
        State::NeedsAttention,
        State::Succeeded,
        State::Failed,
        State::Canceled,
        State::Reversed,
    ];

    pub fn name(self) -> &'static str {
        match self {
            State::Unconfirmed => "unconfirmed",
            State::RequiresInformation => "requires_information",
            State::Pending => "pending",
            State::Processing => "processing",
            State::NeedsAttention => "needs_attention",
            State::Succeeded => "succeeded",
            State::Failed => "failed",
            State::Canceled => "canceled",
            State::Reversed => "reversed",
        }
    }

    pub fn parse(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether a refund may go from here to `next`. Straight to `Processing`, and from there to
    /// `Canceled`, go those that are paid outside: somebody is told at once, and may call it off.
    /// A failed one is retried, and asks for bank details again if it never got them.
    pub fn may_become(self, next: State) -> bool {
        use State::*;
        match self {
            Unconfirmed => matches!(next, Pending | RequiresInformation | Processing | Canceled),
            RequiresInformation => matches!(next, Pending | Processing | Canceled | Failed),
            Pending => matches!(next, Processing | Canceled),
            Processing => matches!(next, Succeeded | Failed | NeedsAttention | Canceled),
            NeedsAttention => matches!(next, Succeeded | Failed),
            Succeeded => matches!(next, Reversed),
            Failed => matches!(next, RequiresInformation | Pending | Processing),
            Canceled | Reversed => false,
        }
    }

    /// Whether nothing more will happen to it by itself.
    pub fn is_final(self) -> bool {
        use State::*;
        match self {
            Succeeded | Failed | Canceled | Reversed => true,
            Unconfirmed | RequiresInformation | Pending | Processing | NeedsAttention => false,
        }
    }
}

/// Where one refund transaction stands. As [`State`], and `Requested`: an outside platform was
/// told and has not yet acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TransactionState {
    Unconfirmed,
    RequiresInformation,
    Pending,
    Requested,
    Processing,
    NeedsAttention,
    Succeeded,
    Failed,
    Canceled,
    Reversed,
}

/// What a transaction's state does to its payment's balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Its amount is reserved.
    Held,
    /// Its amount was given back.
    Paid,
    /// Its amount is free.
    Free,
}

impl TransactionState {
    pub const ALL: [TransactionState; 10] = [
        TransactionState::Unconfirmed,
        TransactionState::RequiresInformation,
        TransactionState::Pending,
        TransactionState::Requested,
        TransactionState::Processing,
        TransactionState::NeedsAttention,
        TransactionState::Succeeded,
        TransactionState::Failed,
        TransactionState::Canceled,
        TransactionState::Reversed,
    ];

    pub fn name(self) -> &'static str {
        match self {
            TransactionState::Unconfirmed => "unconfirmed",
            TransactionState::RequiresInformation => "requires_information",
            TransactionState::Pending => "pending",
            TransactionState::Requested => "requested",
            TransactionState::Processing => "processing",
            TransactionState::NeedsAttention => "needs_attention",
            TransactionState::Succeeded => "succeeded",
            TransactionState::Failed => "failed",
            TransactionState::Canceled => "canceled",
            TransactionState::Reversed => "reversed",
        }
    }

    pub fn parse(name: &str) -> Option<TransactionState> {
        TransactionState::ALL.into_iter().find(|state| state.name() == name)
    }

    pub fn weight(self) -> Weight {
        match self {
            TransactionState::Unconfirmed
            | TransactionState::RequiresInformation
            | TransactionState::Pending
            | TransactionState::Requested
            | TransactionState::Processing
            | TransactionState::NeedsAttention => Weight::Held,
            TransactionState::Succeeded => Weight::Paid,
            TransactionState::Failed | TransactionState::Canceled | TransactionState::Reversed => {
                Weight::Free
            }
        }
    }
}

/// Why an unconfirmed refund waits for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WaitsFor {
    /// It was asked for as a proposal.
    Confirmation,
    /// The policy wants refunds like it approved.
    Approval,
    /// More than the day may have was decided on already, or would be with it.
    DailyLimit,
}

impl WaitsFor {
    pub const ALL: [WaitsFor; 3] =
        [WaitsFor::Confirmation, WaitsFor::Approval, WaitsFor::DailyLimit];

    pub fn name(self) -> &'static str {
        match self {
            WaitsFor::Confirmation => "confirmation",
            WaitsFor::Approval => "approval",
            WaitsFor::DailyLimit => "daily_limit",
        }
    }

    pub fn parse(name: &str) -> Option<WaitsFor> {
        WaitsFor::ALL.into_iter().find(|why| why.name() == name)
    }
}

/// How a refund is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Execution {
    /// Through the gateway of the payment it gives back.
    Automatic,
    /// An outside platform is told and reports back.
    Notify,
    /// Paid outside by a person, recorded here.
    Manual,
    /// Credited to an account that is kept here; see [`crate::credit`].
    Internal,
}

impl Execution {
    pub const ALL: [Execution; 4] =
        [Execution::Automatic, Execution::Notify, Execution::Manual, Execution::Internal];

    pub fn name(self) -> &'static str {
        match self {
            Execution::Automatic => "automatic",
            Execution::Notify => "notify",
            Execution::Manual => "manual",
            Execution::Internal => "internal",
        }
    }

    pub fn parse(name: &str) -> Option<Execution> {
        Execution::ALL.into_iter().find(|execution| execution.name() == name)
    }
}

/// Where the money goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Destination {
    OriginalPayment,
    StoreCredit,
    GiftCard,
    CustomerBalance,
    BankTransfer,
    Cash,
    Other,
}

impl Destination {
    pub const ALL: [Destination; 7] = [
        Destination::OriginalPayment,
        Destination::StoreCredit,
        Destination::GiftCard,
        Destination::CustomerBalance,
        Destination::BankTransfer,
        Destination::Cash,
        Destination::Other,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Destination::OriginalPayment => "original_payment",
            Destination::StoreCredit => "store_credit",
            Destination::GiftCard => "gift_card",
            Destination::CustomerBalance => "customer_balance",
            Destination::BankTransfer => "bank_transfer",
            Destination::Cash => "cash",
            Destination::Other => "other",
        }
    }

    pub fn parse(name: &str) -> Option<Destination> {
        Destination::ALL.into_iter().find(|to| to.name() == name)
    }
}

/// What a refund takes of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub line: u32,
    /// The units it was asked for by; 0 when it was asked for by amount.
    pub quantity: u32,
    pub amount: Minor,
    /// What of it is free again, because the refund failed, was canceled or reversed.
    pub released: Minor,
    pub released_quantity: u32,
}

impl Part {
    /// What it still takes of its line.
    pub fn taken(&self) -> Minor {
        self.amount.saturating_minus(self.released)
    }

    pub fn taken_quantity(&self) -> u32 {
        self.quantity.saturating_sub(self.released_quantity)
    }
}

/// How the amount was asked for; the answer echoes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskedBy {
    Amount,
    /// Of the order, or of the lines of the refund's kind; as decimal text.
    Percent(String),
    Items,
}

/// How much of the bank details is kept in clear, and for good.
pub const INFORMATION_SHOWN: usize = 5;

/// The decision to give an amount of one order back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    pub id: RefundId,
    pub order: OrderId,
    pub return_id: Option<ReturnId>,
    pub state: State,
    pub execution: Execution,
    pub to: Destination,
    pub currency: Currency,
    pub amount: Minor,
    /// How much of it was paid and not reversed.
    pub refunded: Minor,
    pub asked_by: AskedBy,
    /// The kind of line it is for, when it was asked for by kind.
    pub kind: Option<LineKind>,
    /// The payment that the caller named to draw on.
    pub payment: Option<TransactionId>,
    pub reason: Option<String>,
    pub note: Option<String>,
    pub failure: Option<Failure>,
    pub parts: Vec<Part>,
    /// In order of creation; a retry adds new ones and leaves the failed ones as they are.
    pub transactions: Vec<RefundTransaction>,
    /// The customer's bank details: the first [`INFORMATION_SHOWN`] bytes say how they are kept and
    /// show the account's last four characters; what follows is sealed, see the service's
    /// `access::bank`, and taken away once it is not needed.
    pub information: Option<Vec<u8>>,
    /// Until when the customer can give them, while that is waited for.
    pub information_due: Option<Timestamp>,
    pub metadata: Metadata,
    /// Why it was not decided at once, when it was not; it stays when somebody decides.
    pub waits_for: Option<WaitsFor>,
    /// The merchant's day on which it counts towards the daily limit, when it does.
    pub counted_on: Option<String>,
    pub requested_by: String,
    pub confirmed_by: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// When it last became succeeded, failed, canceled or reversed.
    pub settled_at: Option<Timestamp>,
}

impl Refund {
    /// Whether the customer's bank details are here to be paid to.
    pub fn has_information(&self) -> bool {
        self.information.as_ref().is_some_and(|bytes| bytes.len() > INFORMATION_SHOWN)
    }

    /// Why it waits for somebody to confirm it, while it does.
    pub fn waiting_for(&self) -> Option<WaitsFor> {
        self.waits_for.filter(|_| self.state == State::Unconfirmed)
    }
}

impl RefundTransaction {
    /// Whether its provider is about to say what became of it.
    pub fn is_under_way(&self) -> bool {
        let open = matches!(self.state, TransactionState::Pending | TransactionState::Processing);
        self.execution == Execution::Automatic && open
    }

    /// Whether an outside platform was told of it and has not yet said what became of it.
    pub fn awaits_report(&self) -> bool {
        let told = matches!(self.state, TransactionState::Requested | TransactionState::Processing);
        self.execution == Execution::Notify && told && !self.superseded
    }
}

/// One attempt to give a part of one payment back, under its own provider key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundTransaction {
    pub id: TransactionId,
    pub refund: RefundId,
    /// The payment that it gives back.
    pub payment: TransactionId,
    pub execution: Execution,
    pub provider: String,
    pub method: String,
    pub amount: Minor,
    pub state: TransactionState,
    /// The provider's idempotency key: made and stored before the first send, the same in every
    /// send and look-up of this attempt, never used for another.
    pub key: String,
    /// How often it was handed to the provider. Above 0, its outcome is looked up before it is
    /// sent again.
    pub sends: u32,
    /// When it was first handed over. What a provider does not know of, or still deduplicates, is
    /// judged by the time since then.
    pub first_sent_at: Option<Timestamp>,
    pub provider_reference: Option<String>,
    pub failure: Option<Failure>,
    /// A retry replaced it by a new one, so the refund's state no longer depends on it.
    pub superseded: bool,
    /// The provider has said something that contradicts its state here, such as "paid" after a
    /// definite no. It is not tried again: that could pay twice.
    pub contradicted: bool,
    /// What the provider said last, in its own words.
    pub message: Option<String>,
    pub metadata: Metadata,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub settled_at: Option<Timestamp>,
}
