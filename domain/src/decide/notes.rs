//! Notes on movements of money; they change no balance.

use super::{Context, Draft, checks};
use crate::changes::Mark;
use crate::event::Fact;
use crate::ids::TransactionId;
use crate::order::Metadata;
use crate::refusal::Refusal;

pub fn annotate(
    draft: &mut Draft,
    transaction: TransactionId,
    notes: &Metadata,
    context: &Context<'_>,
) -> Result<(), Refusal> {
    let of_refund = draft
        .book
        .refund
        .as_ref()
        .and_then(|refund| refund.transactions.iter().position(|row| row.id == transaction));
    if let Some(index) = of_refund {
        let row = &mut draft.refund().transactions[index];
        if added(&mut row.metadata, notes)? {
            draft.mark_transaction(index, context);
            noted(draft, transaction, context);
        }
        return Ok(());
    }
    let Some(index) = draft.book.payment(transaction) else {
        return Err(Refusal::UnknownTransaction);
    };
    let row = &mut draft.book.payments[index];
    if added(&mut row.metadata, notes)? {
        row.updated_at = context.now;
        draft.changes.payments.push((index, Mark::Changed));
        noted(draft, transaction, context);
    }
    Ok(())
}

/// Whether anything is new.
fn added(before: &mut Metadata, notes: &Metadata) -> Result<bool, Refusal> {
    let mut after = before.clone();
    after.extend(notes.iter().map(|(name, value)| (name.clone(), value.clone())));
    checks::metadata(&after)?;
    let new = after != *before;
    *before = after;
    Ok(new)
}

fn noted(draft: &mut Draft, transaction: TransactionId, context: &Context<'_>) {
    draft.changes.facts.push(Fact::TransactionAnnotated { transaction });
    draft.touch_order(context);
}
