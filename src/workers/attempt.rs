//! From the books to a gateway's words.

use refundry_domain::book::Book;
use refundry_domain::decide::presentable;
use refundry_domain::outcome::Outcome;
use refundry_domain::refund::{Refund, RefundTransaction, TransactionState};

use crate::gateways::Attempt;

/// The refund transaction that a command was about.
pub fn subject(book: &Book) -> Option<&RefundTransaction> {
    let subject = book.subject?;
    book.refund.as_ref()?.transactions.iter().find(|row| row.id == subject)
}

/// What a gateway needs to know of a refund transaction.
pub fn attempt_of(book: &Book, refund: &Refund, row: &RefundTransaction) -> Option<Attempt> {
    let payment = &book.payments[book.payment(row.payment)?];
    Some(Attempt {
        merchant: book.order.merchant,
        transaction: row.id,
        payment: payment.id,
        key: row.key.clone(),
        amount: book.money(row.amount),
        method: row.method.clone(),
        payment_reference: payment.provider_reference.clone(),
        refund_reference: row.provider_reference.clone(),
        reason: refund.reason.clone(),
        account: None,
        paid: row.state == TransactionState::Succeeded,
    })
}

/// Logs what became of an attempt.
pub fn note(attempt: &Attempt, outcome: &Outcome) {
    let (transaction, merchant) = (attempt.transaction, attempt.merchant);
    let outcome = &presentable(outcome);
    match outcome {
        Outcome::Unknown { message, lost: true } => {
            tracing::warn!(%transaction, %merchant, message, "a payout needs a person's attention");
        }
        Outcome::NotTaken { message } => {
            tracing::info!(%transaction, %merchant, message, "a payout was not taken and waits");
        }
        Outcome::Done { amount: Some(paid), .. } if *paid != attempt.amount.minor() => {
            let (asked, paid) = (attempt.amount.minor().get(), paid.get());
            tracing::error!(%transaction, %merchant, asked, paid, "another amount was paid");
        }
        Outcome::Unknown { message, lost: false } => {
            tracing::info!(%transaction, %merchant, message, "a payout's outcome is not known yet");
        }
        Outcome::Declined(failure) => {
            tracing::info!(%transaction, %merchant, code = failure.code.name(), "a payout was declined");
        }
        Outcome::Reversed { message } => {
            tracing::warn!(%transaction, %merchant, message, "a payout was taken back");
        }
        Outcome::Done { .. }
        | Outcome::Waiting { .. }
        | Outcome::Acknowledged { .. }
        | Outcome::CalledOff { .. } => {
            tracing::debug!(%transaction, %merchant, "a payout was answered");
        }
    }
}
