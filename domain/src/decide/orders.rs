//! Orders and the payments recorded for them.

use super::{Context, Draft, checks};
use crate::book::{Book, sum};
use crate::changes::{Changes, Mark};
use crate::command::{DisputeChange, NewLine, NewOrder, NewPayment, OrderChange};
use crate::event::{Fact, LineFact};
use crate::ids::{MerchantId, OrderId, TransactionId};
use crate::money::{Currency, Minor};
use crate::order::{Chain, Line, Order, Payment, PaymentKind};
use crate::refusal::Refusal;

/// The most lines and the most payments that one order may have.
const MOST_LINES: usize = 2_000;
const MOST_PAYMENTS: usize = 200;

pub fn register(
    merchant: MerchantId,
    new: &NewOrder,
    context: &mut Context<'_>,
) -> Result<(Book, Changes), Refusal> {
    check_head(new)?;
    let created_at = checks::past(|| "created_at".to_owned(), new.created_at, context.now)?;
    let lines = read_lines(&new.lines, new.currency)?;
    if let (Some(reference), Some(taken)) = (&new.reference, context.reference_taken) {
        return Err(Refusal::ReferenceTaken {
            field: "reference".to_owned(),
            reference: reference.clone(),
            order: Some(OrderId(taken)),
            return_id: None,
        });
    }
    let id = OrderId(context.numbers.take());
    let order = Order {
        id,
        merchant,
        reference: new.reference.clone().unwrap_or_else(|| id.to_string()),
        currency: new.currency,
        customer: new.customer.clone(),
        metadata: new.metadata.clone(),
        fulfilled_at: new.fulfilled.then_some(context.now),
        captured: Minor::ZERO,
        held: Minor::ZERO,
        refunded: Minor::ZERO,
        blocked: Minor::ZERO,
        created_at,
        updated_at: context.now,
        chain: Chain::default(),
    };
    let fact = Fact::OrderRegistered {
        order: id,
        reference: order.reference.clone(),
        currency: order.currency,
        lines: lines.iter().map(line_fact).collect(),
    };
    let book = Book {
        order,
        lines,
        payments: Vec::new(),
        returns: Vec::new(),
        refund: None,
        subject: None,
        work: None,
        account: None,
        day: None,
    };
    let changes = Changes {
        order: Some(Mark::New),
        lines: (0..book.lines.len()).map(|index| (index, Mark::New)).collect(),
        facts: vec![fact],
        ..Changes::default()
    };
    let mut draft = Draft { book, changes };
    for (index, payment) in new.payments.iter().enumerate() {
        add_payment(&mut draft, payment, &format!("payments/{index}/"), context)?;
    }
    if new.fulfilled {
        draft.changes.facts.push(Fact::OrderFulfilled { order: id, fulfilled: true });
    }
    Ok((draft.book, draft.changes))
}

fn check_head(new: &NewOrder) -> Result<(), Refusal> {
    if let Some(reference) = &new.reference {
        checks::named(|| "reference".to_owned(), reference, "A reference")?;
    }
    let customer = [
        ("customer/reference", &new.customer.reference),
        ("customer/email", &new.customer.email),
        ("customer/name", &new.customer.name),
    ];
    for (field, value) in customer {
        if let Some(value) = value {
            checks::text(|| field.to_owned(), value, checks::SHORT)?;
        }
    }
    checks::metadata(&new.metadata)?;
    if new.lines.len() > MOST_LINES {
        return Err(Refusal::TooMany { field: "lines".to_owned(), most: MOST_LINES });
    }
    Ok(())
}

fn read_lines(new: &[NewLine], currency: Currency) -> Result<Vec<Line>, Refusal> {
    let mut lines = Vec::with_capacity(new.len());
    let mut total = Minor::ZERO;
    for (index, line) in new.iter().enumerate() {
        let field = |name: &str| format!("lines/{index}/{name}");
        if let Some(product) = line.for_line
            && !(1..=new.len()).any(|position| u32::try_from(position) == Ok(product))
        {
            return Err(Refusal::UnknownLine {
                field: field("for_line"),
                line: product.to_string(),
            });
        }
        for (name, value) in [("sku", &line.sku), ("name", &line.name)] {
            if let Some(value) = value {
                checks::text(|| field(name), value, checks::LONG)?;
            }
        }
        if line.quantity == 0 {
            let rule = "A line has at least one unit";
            return Err(Refusal::OutOfRange { field: field("quantity"), rule });
        }
        let amount = checks::amount_or_zero(|| field("amount"), line.amount, currency)?;
        total =
            total.plus(amount).ok_or_else(|| Refusal::AmountTooLarge { field: field("amount") })?;
        lines.push(Line {
            position: u32::try_from(index + 1).unwrap_or(u32::MAX),
            kind: line.kind,
            for_line: line.for_line,
            sku: line.sku.clone(),
            name: line.name.clone(),
            quantity: line.quantity,
            amount,
            taken: Minor::ZERO,
            taken_quantity: 0,
            taken_by_quantity: Minor::ZERO,
        });
    }
    Ok(lines)
}

fn line_fact(line: &Line) -> LineFact {
    LineFact { kind: line.kind, quantity: line.quantity, amount: line.amount }
}

pub fn record_payment(
    draft: &mut Draft,
    new: &NewPayment,
    context: &mut Context<'_>,
) -> Result<(), Refusal> {
    add_payment(draft, new, "", context)?;
    draft.touch_order(context);
    Ok(())
}

fn add_payment(
    draft: &mut Draft,
    new: &NewPayment,
    prefix: &str,
    context: &mut Context<'_>,
) -> Result<(), Refusal> {
    let field = |name: &str| format!("{prefix}{name}");
    if let Some(return_id) = new.return_id
        && !draft.book.returns.iter().any(|row| row.id == return_id)
    {
        return Err(Refusal::UnknownReturn);
    }
    if let Some(payment) = new.parent
        && draft.book.payment(payment).is_none()
    {
        return Err(Refusal::UnknownPayment { field: field("parent"), payment });
    }
    checks::named(|| field("provider"), &new.provider, "The provider")?;
    checks::named(|| field("method"), &new.method, "The payment method")?;
    if let Some(reference) = &new.provider_reference {
        checks::text(|| field("provider_reference"), reference, checks::SHORT)?;
    }
    checks::metadata_at(&field("metadata"), &new.metadata)?;
    if draft.book.payments.len() >= MOST_PAYMENTS {
        return Err(Refusal::TooMany { field: "payments".to_owned(), most: MOST_PAYMENTS });
    }
    let created_at = checks::past(|| field("created_at"), new.created_at, context.now)?;
    let amount = checks::stated(|| field("amount"), &new.amount, draft.book.order.currency)?;
    let captured = if new.kind.captures() { amount } else { Minor::ZERO };
    draft
        .book
        .order
        .captured
        .plus(captured)
        .ok_or_else(|| Refusal::AmountTooLarge { field: field("amount") })?;
    check_known(&draft.book, new, amount, &field)?;
    check_parent(&draft.book, new, amount, &field)?;
    let id = TransactionId(context.numbers.take());
    draft.changes.facts.push(Fact::PaymentRecorded {
        payment: id,
        kind: new.kind,
        parent: new.parent,
        provider: new.provider.clone(),
        amount,
        captured,
    });
    draft.changes.payments.push((draft.book.payments.len(), Mark::New));
    draft.book.payments.push(Payment {
        id,
        kind: new.kind,
        parent: new.parent,
        return_id: new.return_id,
        provider: new.provider.clone(),
        method: new.method.clone(),
        provider_reference: new.provider_reference.clone(),
        amount,
        captured,
        held: Minor::ZERO,
        refunded: Minor::ZERO,
        disputed: Minor::ZERO,
        blocked: Minor::ZERO,
        metadata: new.metadata.clone(),
        created_at,
        updated_at: context.now,
    });
    draft.book.add_up();
    Ok(())
}

/// The same movement of money is recorded once: a repeated request must not raise what may be given
/// back.
fn check_known(
    book: &Book,
    new: &NewPayment,
    amount: Minor,
    field: &impl Fn(&str) -> String,
) -> Result<(), Refusal> {
    let Some(reference) = &new.provider_reference else { return Ok(()) };
    let known = book.payments.iter().any(|row| {
        row.kind == new.kind
            && row.provider == new.provider
            && row.provider_reference.as_ref() == Some(reference)
            && row.amount == amount
    });
    if !known {
        return Ok(());
    }
    Err(Refusal::ReferenceTaken {
        field: field("provider_reference"),
        reference: reference.clone(),
        order: None,
        return_id: None,
    })
}

/// A capture may draw on an authorization of the order, at most as much as that has.
fn check_parent(
    book: &Book,
    new: &NewPayment,
    amount: Minor,
    field: &impl Fn(&str) -> String,
) -> Result<(), Refusal> {
    let Some(parent) = new.parent else { return Ok(()) };
    let wrong = |rule| Err(Refusal::WrongParent { field: field("parent"), parent, rule });
    if new.kind != PaymentKind::Capture {
        return wrong("only a capture has a parent");
    }
    let Some(index) = book.payment(parent) else {
        return Err(Refusal::UnknownPayment { field: field("parent"), payment: parent });
    };
    let authorization = &book.payments[index];
    if authorization.kind != PaymentKind::Authorization {
        return wrong("a capture draws on an authorization");
    }
    let captures = book.payments.iter().filter(|row| row.parent == Some(parent));
    let left = authorization.amount.saturating_minus(sum(captures.map(|row| row.amount)));
    if amount > left {
        return Err(Refusal::MoreThanAuthorized {
            field: field("amount"),
            asked: book.money(amount),
            left: book.money(left),
        });
    }
    Ok(())
}

pub fn change(
    draft: &mut Draft,
    change: &OrderChange,
    context: &mut Context<'_>,
) -> Result<(), Refusal> {
    let order = draft.book.order.id;
    if let Some(payment) = change.dispute.as_ref().map(|dispute| dispute.payment)
        && draft.book.payment(payment).is_none()
    {
        return Err(Refusal::UnknownPayment { field: "dispute/payment".to_owned(), payment });
    }
    if let Some(metadata) = &change.metadata {
        checks::metadata(metadata)?;
        if *metadata != draft.book.order.metadata {
            draft.book.order.metadata.clone_from(metadata);
            draft.changes.facts.push(Fact::OrderAnnotated { order });
        }
    }
    if let Some(fulfilled) = change.fulfilled
        && fulfilled != draft.book.order.fulfilled_at.is_some()
    {
        draft.book.order.fulfilled_at = fulfilled.then_some(context.now);
        draft.changes.facts.push(Fact::OrderFulfilled { order, fulfilled });
    }
    if let Some(dispute) = &change.dispute {
        set_dispute(draft, dispute, context)?;
    }
    if !draft.changes.facts.is_empty() {
        draft.touch_order(context);
    }
    Ok(())
}

fn set_dispute(
    draft: &mut Draft,
    dispute: &DisputeChange,
    context: &Context<'_>,
) -> Result<(), Refusal> {
    let payment = dispute.payment;
    let unknown = || Refusal::UnknownPayment { field: "dispute/payment".to_owned(), payment };
    let index = draft.book.payment(payment).ok_or_else(unknown)?;
    let field = || "dispute/amount".to_owned();
    let disputed = match dispute.amount {
        Some(figure) => checks::amount(field, figure, draft.book.order.currency)?,
        None => Minor::ZERO,
    };
    let captured = draft.book.payments[index].captured;
    if disputed > captured {
        return Err(Refusal::MoreThanIsLeft {
            field: field(),
            asked: draft.book.money(disputed),
            left: draft.book.money(captured),
            disputed: draft.book.money(Minor::ZERO),
        });
    }
    if disputed == draft.book.payments[index].disputed {
        return Ok(());
    }
    draft.book.payments[index].disputed = disputed;
    draft.book.payments[index].updated_at = context.now;
    draft.book.block(index);
    draft.changes.payments.push((index, Mark::Changed));
    draft.changes.facts.push(Fact::DisputeChanged {
        order: draft.book.order.id,
        payment,
        disputed,
        blocked: draft.book.payments[index].blocked,
    });
    Ok(())
}

impl Draft {
    /// The order row is written again: its balances, chain or time have changed.
    pub fn touch_order(&mut self, context: &Context<'_>) {
        self.book.order.updated_at = context.now;
        if self.changes.order.is_none() {
            self.changes.order = Some(Mark::Changed);
        }
    }
}
