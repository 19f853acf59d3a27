//! What a provider or a person said of a refund transaction. Doubt is a value, never an error, so
//! nothing can turn a time-out into "failed".

use crate::money::Minor;

/// Why money did not move, in one list for all providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureCode {
    /// The provider or the bank said no without a usable reason.
    Declined,
    /// The card or account that paid is gone.
    ExpiredOrCanceledCard,
    AccountClosed,
    /// The merchant's own balance at the provider does not cover it.
    InsufficientFunds,
    LimitExceeded,
    /// The provider no longer refunds this payment.
    TooLate,
    /// The provider's books say that this was already given back.
    AlreadyRefunded,
    CurrencyNotSupported,
    SuspectedFraud,
    /// The payment is in dispute at the provider.
    Disputed,
    /// The provider does not know the payment.
    PaymentNotFound,
    /// Our credentials or our request were refused.
    InvalidRequest,
    /// The customer did not give the bank details in time.
    InformationExpired,
    /// Called off by a caller or by the outside platform.
    Canceled,
    /// The provider took a paid refund back.
    Reversed,
    /// Somebody outside reported the failure without a reason of this list.
    Other,
}

impl FailureCode {
    pub const ALL: [FailureCode; 16] = [
        FailureCode::Declined,
        FailureCode::ExpiredOrCanceledCard,
        FailureCode::AccountClosed,
        FailureCode::InsufficientFunds,
        FailureCode::LimitExceeded,
        FailureCode::TooLate,
        FailureCode::AlreadyRefunded,
        FailureCode::CurrencyNotSupported,
        FailureCode::SuspectedFraud,
        FailureCode::Disputed,
        FailureCode::PaymentNotFound,
        FailureCode::InvalidRequest,
        FailureCode::InformationExpired,
        FailureCode::Canceled,
        FailureCode::Reversed,
        FailureCode::Other,
    ];

    pub fn name(self) -> &'static str {
        match self {
            FailureCode::Declined => "declined",
            FailureCode::ExpiredOrCanceledCard => "expired_or_canceled_card",
            FailureCode::AccountClosed => "account_closed",
            FailureCode::InsufficientFunds => "insufficient_funds",
            FailureCode::LimitExceeded => "limit_exceeded",
            FailureCode::TooLate => "too_late",
            FailureCode::AlreadyRefunded => "already_refunded",
            FailureCode::CurrencyNotSupported => "currency_not_supported",
            FailureCode::SuspectedFraud => "suspected_fraud",
            FailureCode::Disputed => "disputed",
            FailureCode::PaymentNotFound => "payment_not_found",
            FailureCode::InvalidRequest => "invalid_request",
            FailureCode::InformationExpired => "information_expired",
            FailureCode::Canceled => "canceled",
            FailureCode::Reversed => "reversed",
            FailureCode::Other => "other",
        }
    }

    pub fn parse(name: &str) -> Option<FailureCode> {
        FailureCode::ALL.into_iter().find(|code| code.name() == name)
    }
}

/// Why a refund or one of its transactions is not paid, with the provider's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub code: FailureCode,
    pub message: String,
}

/// The answer about one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Paid; the amount the provider says it paid, when it says one.
    Done { reference: Option<String>, amount: Option<Minor> },
    /// The provider has it and has not decided, or waits for something such as funds.
    Waiting { reference: Option<String>, message: String },
    /// A definite no: nothing was paid and nothing will be under this attempt's key.
    Declined(Failure),
    /// Paid, and taken back since.
    Reversed { message: String },
    /// Certainly nothing was done, and it may be sent again: it never left, or the provider would
    /// not take it now.
    NotTaken { message: String },
    /// Not known: a time-out, a broken connection, a 5xx, an answer that makes no sense. `lost`
    /// when the provider can neither be asked nor deduplicate, so nothing but a person can tell.
    Unknown { message: String, lost: bool },
    /// An outside platform acknowledged that it has the order to pay.
    Acknowledged { reference: Option<String> },
    /// The outside platform called it off before paying.
    CalledOff { message: String },
}

/// Who reports an outcome; what each may say differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reporter {
    /// The worker that asked the provider.
    Gateway,
    /// The provider by itself, or its settlement file: a hint that may come at any time, so a
    /// worker's lease outlasts it.
    Notification,
    /// A person or an outside platform, through a caller's key.
    Caller,
}

/// News of one refund transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub outcome: Outcome,
    pub by: Reporter,
    /// When the answer leaves work to do: in how many milliseconds to look again.
    pub look_again_ms: i64,
}
