//! Book and command in, changes or a refusal out. Everything else brings this facts or carries its
//! answer away.

mod checks;
mod credit;
mod groups;
mod notes;
mod orders;
mod outside;
mod parts;
mod refunds;
mod retry;
mod returns;
mod settle;
mod transactions;
mod words;

use crate::book::Book;
use crate::changes::Changes;
use crate::command::{Command, NewOrder};
use crate::ids::{MerchantId, Numbers, Timestamp};
use crate::policy::Policy;
use crate::refusal::Refusal;

pub use credit::decide as decide_credit;
pub use settle::standing;
pub use words::kept as presentable;

/// What surrounds a decision.
#[derive(Debug)]
pub struct Context<'a> {
    pub now: Timestamp,
    /// Who asks, such as `key:12` or `worker`.
    pub by: &'a str,
    pub policy: &'a Policy,
    /// Numbers for new rows; an order or return takes the first one.
    pub numbers: &'a mut Numbers,
    /// The name of this installation, the first part of every provider key, so that two
    /// installations never use the same key at one provider.
    pub instance: &'a str,
    /// The row that already has the reference which the command asks for.
    pub reference_taken: Option<i64>,
}

/// What a command makes of a book: the book afterwards, and what of it is to be written.
///
/// Pure: the same arguments give the same answer. On a refusal nothing is changed.
pub fn decide(
    book: Book,
    command: &Command,
    context: &mut Context<'_>,
) -> Result<(Book, Changes), Refusal> {
    check_target(&book, command)?;
    let mut draft = Draft { book, changes: Changes::default() };
    match command {
        Command::RegisterOrder(_) => Err(Refusal::UnknownOrder),
        Command::RecordPayment(payment) => orders::record_payment(&mut draft, payment, context),
        Command::ChangeOrder(change) => orders::change(&mut draft, change, context),
        Command::OpenReturn(new) => returns::open(&mut draft, new, context),
        Command::ChangeReturn(change) => returns::change(&mut draft, change, context),
        Command::RequestRefund(ask) => refunds::request(&mut draft, ask, context),
        Command::ChangeRefund(change) => refunds::change(&mut draft, change, context),
        Command::Confirm { may_approve } => refunds::confirm(&mut draft, *may_approve, context),
        Command::Cancel { reason } => refunds::cancel(&mut draft, reason.as_deref(), context),
        Command::Retry => retry::retry(&mut draft, context),
        Command::GiveInformation { sealed, answers } => {
            outside::give_information(&mut draft, sealed, *answers, context)
        }
        Command::Expire => outside::expire(&mut draft, context),
        Command::Start { worker, lease_ms } => {
            transactions::start(&mut draft, *worker, *lease_ms, context)
        }
        Command::Report(report) => transactions::report(&mut draft, report, context),
        Command::Annotate { transaction, notes } => {
            notes::annotate(&mut draft, *transaction, notes, context)
        }
    }?;
    Ok((draft.book, draft.changes))
}

/// A command about a refund needs its book to have one.
fn check_target(book: &Book, command: &Command) -> Result<(), Refusal> {
    match command {
        Command::RegisterOrder(_)
        | Command::RecordPayment(_)
        | Command::ChangeOrder(_)
        | Command::OpenReturn(_)
        | Command::ChangeReturn(_)
        | Command::RequestRefund(_)
        | Command::Annotate { .. } => Ok(()),
        Command::ChangeRefund(_)
        | Command::Confirm { .. }
        | Command::Cancel { .. }
        | Command::Retry
        | Command::GiveInformation { .. }
        | Command::Expire => book.refund.as_ref().map(|_| ()).ok_or(Refusal::UnknownRefund),
        Command::Start { .. } | Command::Report(_) => {
            book.refund.as_ref().map(|_| ()).ok_or(Refusal::UnknownTransaction)
        }
    }
}

/// Opens the book of a new order.
pub fn register(
    merchant: MerchantId,
    new: &NewOrder,
    context: &mut Context<'_>,
) -> Result<(Book, Changes), Refusal> {
    orders::register(merchant, new, context)
}

/// The book as the decision goes on, and what of it has changed.
struct Draft {
    book: Book,
    changes: Changes,
}
