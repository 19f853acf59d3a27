//! How a rule's "no" looks in `/v1`.

use refundry_domain::refusal::{CreditRefusal, Refusal};

use crate::dialects::shared::problem::{At, Problem};

/// Status and title. The code is the refusal's own.
fn entry(refusal: &Refusal) -> (u16, &'static str) {
    match refusal {
        Refusal::UnknownOrder => (404, "No such order"),
        Refusal::UnknownRefund => (404, "No such refund"),
        Refusal::UnknownTransaction => (404, "No such transaction"),
        Refusal::UnknownReturn => (404, "No such return"),
        Refusal::UnknownPayment { .. } => (404, "No such payment"),
        Refusal::UnknownLine { .. } => (422, "No such line"),
        Refusal::AmbiguousLine { .. } => (422, "More than one such line"),
        Refusal::Missing { .. } => (422, "Field missing"),
        Refusal::TextTooLong { .. } => (422, "Text too long"),
        Refusal::ControlCharacter { .. } => (422, "Control character in a text"),
        Refusal::CardNumber { .. } => (422, "Card number in a text"),
        Refusal::TooMany { .. } => (422, "Too many"),
        Refusal::OutOfRange { .. } => (422, "Out of range"),
        Refusal::InTheFuture { .. } => (422, "Time in the future"),
        Refusal::Contradiction { .. } => (422, "Fields contradict each other"),
        Refusal::ReferenceTaken { .. } => (409, "Reference taken"),
        Refusal::CurrencyDiffers { .. } => (422, "Other currency than the order"),
        Refusal::TooPrecise { .. } => (422, "Too many decimals"),
        Refusal::NotPositive { .. } => (422, "Amount not above zero"),
        Refusal::AmountTooLarge { .. } => (422, "Amount too large"),
        Refusal::WrongParent { .. } => (422, "Wrong parent"),
        Refusal::MoreThanAuthorized { .. } => (422, "More than is authorized"),
        Refusal::ReturnClosed { .. } => (409, "Return closed"),
        Refusal::NothingCaptured => (422, "Nothing captured"),
        Refusal::NotRefundable { .. } => (422, "Payment not refundable"),
        Refusal::NoLineOfKind { .. } => (422, "No line of that kind"),
        Refusal::MoreUnitsThanLeft { .. } => (422, "More units than are left"),
        Refusal::MoreThanLineHas { .. } => (422, "More than the line has left"),
        Refusal::NothingToGiveBack { .. } => (422, "Nothing to give back"),
        Refusal::MoreThanIsLeft { .. } => (422, "More than is left"),
        Refusal::DestinationNotAvailable { .. } => (422, "Destination not available"),
        Refusal::ExecutionNotAvailable { .. } => (422, "Execution not available"),
        Refusal::ApprovalRequired { .. } => (403, "Approval required"),
        Refusal::WrongState { .. } => (409, "Not in this state"),
        Refusal::WrongTransactionState { .. } => (409, "Not in this state"),
        Refusal::NotYoursToReport { .. } => (409, "Not yours to report"),
        Refusal::Leased { .. } => (409, "Being processed"),
        Refusal::Credit(refusal) => credit(refusal),
    }
}

fn credit(refusal: &CreditRefusal) -> (u16, &'static str) {
    match refusal {
        CreditRefusal::UnknownAccount => (404, "No such credit account"),
        CreditRefusal::UnknownEntry => (404, "No such entry"),
        CreditRefusal::NotAGiftCard { .. } => (422, "Not a gift card"),
        CreditRefusal::NotASpend { .. } => (422, "Not a spend"),
        CreditRefusal::AlreadyUndone { .. } => (409, "Undone already"),
        CreditRefusal::OtherCurrency { .. } => (422, "Other currency than the credit account"),
        CreditRefusal::MoreThanSpent { .. } => (422, "More than was spent"),
        CreditRefusal::NotEnough { .. } => (422, "Balance too low"),
        CreditRefusal::Full { .. } => (422, "Balance too high"),
    }
}

/// The refusal as a problem.
pub fn problem(refusal: &Refusal) -> Problem {
    let (status, title) = entry(refusal);
    let at = refusal.field().map(|field| {
        // The domain names fields as a JSON Pointer does, without the first slash.
        At::Body(if field.is_empty() { String::new() } else { format!("/{field}") })
    });
    Problem {
        code: refusal.code(),
        status,
        title,
        detail: refusal.to_string().into(),
        at,
        headers: Vec::new(),
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        problem(&refusal)
    }
}
