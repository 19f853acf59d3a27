//! Returns and complaints.

use super::{Context, Draft, checks};
use crate::changes::Mark;
use crate::command::{NewReturn, ReturnChange};
use crate::event::Fact;
use crate::ids::ReturnId;
use crate::money::Minor;
use crate::order::Line;
use crate::refusal::Refusal;
use crate::returns::{Return, ReturnItem, ReturnState};

/// The most items one return may have.
const MOST_ITEMS: usize = 2_000;

pub fn open(draft: &mut Draft, new: &NewReturn, context: &mut Context<'_>) -> Result<(), Refusal> {
    check_lines(draft, &new.items)?;
    if let Some(reference) = &new.reference {
        checks::named(|| "reference".to_owned(), reference, "A reference")?;
    }
    checks::note("reason", Some(&new.reason))?;
    checks::metadata(&new.metadata)?;
    check_items(draft, &new.items)?;
    if let (Some(reference), Some(taken)) = (&new.reference, context.reference_taken) {
        return Err(Refusal::ReferenceTaken {
            field: "reference".to_owned(),
            reference: reference.clone(),
            order: None,
            return_id: Some(ReturnId(taken)),
        });
    }
    let id = ReturnId(context.numbers.take());
    let reference = new.reference.clone().unwrap_or_else(|| id.to_string());
    draft.changes.facts.push(Fact::ReturnOpened {
        return_id: id,
        kind: new.kind,
        reference: reference.clone(),
    });
    draft.changes.returns.push((draft.book.returns.len(), Mark::New));
    draft.book.returns.push(Return {
        id,
        order: draft.book.order.id,
        reference,
        kind: new.kind,
        state: ReturnState::Pending,
        items: new.items.clone(),
        reason: new.reason.clone(),
        metadata: new.metadata.clone(),
        refunded: Minor::ZERO,
        by_hand: 0,
        created_at: context.now,
        updated_at: context.now,
        closed_at: None,
    });
    draft.touch_order(context);
    Ok(())
}

fn line_of<'a>(draft: &'a Draft, item: &ReturnItem) -> Option<&'a Line> {
    draft.book.lines.iter().find(|line| line.position == item.line)
}

fn check_lines(draft: &Draft, items: &[ReturnItem]) -> Result<(), Refusal> {
    if items.len() > MOST_ITEMS {
        return Err(Refusal::TooMany { field: "items".to_owned(), most: MOST_ITEMS });
    }
    match items.iter().enumerate().find(|(_, item)| line_of(draft, item).is_none()) {
        Some((index, item)) => {
            let field = format!("items/{index}/line");
            Err(Refusal::UnknownLine { field, line: item.line.to_string() })
        }
        None => Ok(()),
    }
}

fn check_items(draft: &Draft, items: &[ReturnItem]) -> Result<(), Refusal> {
    for (index, item) in items.iter().enumerate() {
        let field = |name: &str| format!("items/{index}/{name}");
        let most = line_of(draft, item).map_or(0, |line| line.quantity);
        if item.quantity == 0 || item.quantity > most {
            let rule = "An item has at least one unit and at most those of its line";
            return Err(Refusal::OutOfRange { field: field("quantity"), rule });
        }
        checks::text(|| field("reason"), &item.reason, checks::LONG)?;
    }
    Ok(())
}

/// Changes the one return that the store put into the book.
pub fn change(
    draft: &mut Draft,
    change: &ReturnChange,
    context: &mut Context<'_>,
) -> Result<(), Refusal> {
    let Some(row) = draft.book.returns.first_mut() else {
        return Err(Refusal::UnknownReturn);
    };
    let before = row.clone();
    if let Some(reason) = &change.reason {
        checks::note("reason", Some(reason))?;
        row.reason.clone_from(reason);
    }
    if let Some(metadata) = &change.metadata {
        checks::metadata(metadata)?;
        row.metadata.clone_from(metadata);
    }
    if let Some(state) = change.state
        && state != row.state
    {
        if row.state.is_closed() {
            return Err(Refusal::ReturnClosed { return_id: row.id, state: row.state });
        }
        row.state = state;
        row.closed_at = state.is_closed().then_some(context.now);
    }
    if *row == before {
        return Ok(());
    }
    row.updated_at = context.now;
    let fact = Fact::ReturnChanged { return_id: row.id, state: row.state };
    draft.changes.facts.push(fact);
    draft.changes.returns.push((0, Mark::Changed));
    draft.touch_order(context);
    Ok(())
}
