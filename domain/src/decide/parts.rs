//! How much is asked for, and of which lines.

use super::{checks, groups};
use crate::book::{Book, sum};
use crate::command::{Ask, ItemShare, LineRef, What};
use crate::ids::TransactionId;
use crate::money::{Currency, Minor, Percent};
use crate::order::{Line, LineKind, Payment};
use crate::refund::{AskedBy, Part};
use crate::refusal::Refusal;
use crate::split::split;

/// The most items of one refund.
pub const MOST_ITEMS: usize = 2_000;

/// What an [`Ask`] comes to.
pub struct Resolved {
    pub amount: Minor,
    pub parts: Vec<Part>,
    pub asked_by: AskedBy,
    /// Where the amount was stated, for the message when it is too much.
    pub field: &'static str,
}

/// What is asked for, as amounts of the order's currency and places in its book.
pub enum Wanted {
    Amount(Minor),
    Percent(Percent),
    /// Of the payment, when one is named.
    Rest(Option<TransactionId>, Option<Percent>),
    Items(Vec<(usize, Share)>),
    Groups(Vec<groups::Group>),
}

/// Of one line.
pub enum Share {
    Rest,
    Units(u32),
    Amount(Minor),
    Percent(Percent),
}

/// Where in the book the lines are that the items name.
pub fn find_lines(book: &Book, what: &What) -> Result<Vec<usize>, Refusal> {
    let items = match what {
        What::Items(items) => items,
        What::Groups(asks) => return groups::find(book, asks),
        What::Amount(_) | What::Percent(_) | What::Rest | What::PercentOfRest(_) => {
            return Ok(Vec::new());
        }
    };
    // First of all, so that nobody makes us look through more than that.
    if items.len() > MOST_ITEMS {
        return Err(Refusal::TooMany { field: "items".to_owned(), most: MOST_ITEMS });
    }
    let lines = items.iter().enumerate();
    lines.map(|(index, item)| find_line(&book.lines, &item.line, index)).collect()
}

/// Reads what was written, whatever the balances are.
pub fn read(book: &Book, ask: &Ask, lines: &[usize]) -> Result<Wanted, Refusal> {
    let currency = book.order.currency;
    match &ask.what {
        What::Amount(stated) => {
            checks::stated(|| "amount".to_owned(), stated, currency).map(Wanted::Amount)
        }
        What::Percent(percent) => Ok(Wanted::Percent(*percent)),
        What::Rest => Ok(Wanted::Rest(ask.payment, None)),
        What::PercentOfRest(percent) => Ok(Wanted::Rest(ask.payment, Some(*percent))),
        What::Groups(asks) => groups::read(book, asks, lines).map(Wanted::Groups),
        What::Items(items) if items.is_empty() => {
            Err(Refusal::Missing { field: "items".to_owned(), what: "At least one item" })
        }
        What::Items(_) if ask.kind.is_some() => Err(Refusal::Contradiction {
            field: "kind".to_owned(),
            rule: "Items name their lines, so a kind cannot be given with them",
        }),
        What::Items(items) => {
            let shares = items.iter().enumerate().zip(lines).map(|((index, item), line)| {
                read_share(&item.share, index, currency).map(|share| (*line, share))
            });
            shares.collect::<Result<Vec<_>, _>>().map(Wanted::Items)
        }
    }
}

fn read_share(share: &ItemShare, index: usize, currency: Currency) -> Result<Share, Refusal> {
    let field = |name: &str| format!("items/{index}/{name}");
    match share {
        ItemShare::Rest => Ok(Share::Rest),
        ItemShare::Quantity(0) => {
            let rule = "A refund of units needs at least one";
            Err(Refusal::OutOfRange { field: field("quantity"), rule })
        }
        ItemShare::Quantity(units) => Ok(Share::Units(*units)),
        ItemShare::Amount(figure) => {
            checks::amount(|| field("amount"), *figure, currency).map(Share::Amount)
        }
        ItemShare::Percent(percent) => Ok(Share::Percent(*percent)),
    }
}

/// What it comes to, and of which lines.
pub fn resolve(book: &Book, wanted: &Wanted, kind: Option<LineKind>) -> Result<Resolved, Refusal> {
    match (wanted, kind) {
        (Wanted::Amount(amount), kind) => Ok(Resolved {
            amount: *amount,
            parts: match kind {
                Some(kind) => over_kind(book, *amount, kind, "amount")?,
                None => Vec::new(),
            },
            asked_by: AskedBy::Amount,
            field: "amount",
        }),
        (Wanted::Percent(percent), kind) => {
            let lines = book.lines.iter().filter(|line| Some(line.kind) == kind);
            let of_lines = kind.map(|_| sum(lines.map(|line| line.amount)));
            let amount = percent.of(of_lines.unwrap_or(book.order.captured));
            let parts = match kind {
                Some(kind) => over_kind(book, amount, kind, "percent")?,
                None => Vec::new(),
            };
            Ok(Resolved {
                amount: not_nothing(amount, "percent")?,
                parts,
                asked_by: AskedBy::Percent(percent.to_string()),
                field: "percent",
            })
        }
        (Wanted::Rest(payment, share), kind) => rest(book, *payment, *share, kind),
        (Wanted::Items(items), _) => by_items(book, items),
        (Wanted::Groups(asked), _) => groups::resolve(book, asked),
    }
}

/// What is left of a payment or of all, or of the lines of a kind: everything, or a share of it.
fn rest(
    book: &Book,
    payment: Option<TransactionId>,
    share: Option<Percent>,
    kind: Option<LineKind>,
) -> Result<Resolved, Refusal> {
    let left = if let Some(kind) = kind {
        sum(book.lines.iter().filter(|line| line.kind == kind).map(Line::left))
    } else {
        let wanted = |row: &&Payment| payment.is_none_or(|id| row.id == id);
        sum(book.payments.iter().filter(wanted).map(Payment::left))
    };
    let (amount, field) = match share {
        Some(percent) => (percent.of(left), "percent"),
        None => (left, "amount"),
    };
    let parts = match kind {
        Some(kind) => over_kind(book, amount, kind, field)?,
        None => Vec::new(),
    };
    let amount = not_nothing(amount, field)?;
    Ok(Resolved { amount, parts, asked_by: AskedBy::Amount, field })
}

/// Divides an amount over the lines of a kind by what is left of each.
fn over_kind(
    book: &Book,
    amount: Minor,
    kind: LineKind,
    field: &str,
) -> Result<Vec<Part>, Refusal> {
    let lines: Vec<&Line> = book.lines.iter().filter(|line| line.kind == kind).collect();
    let Some(first) = lines.first() else {
        return Err(Refusal::NoLineOfKind { field: "kind".to_owned(), kind: kind.name() });
    };
    let left: Vec<Minor> = lines.iter().map(|line| line.left()).collect();
    let all = sum(left.iter().copied());
    if amount > all {
        return Err(Refusal::MoreThanLineHas {
            field: field.to_owned(),
            line: first.position,
            asked: book.money(amount),
            left: book.money(all),
        });
    }
    let shares = lines.iter().zip(split(amount, &left));
    Ok(shares
        .filter(|(_, share)| !share.is_zero())
        .map(|(line, share)| part(line.position, 0, share))
        .collect())
}

fn by_items(book: &Book, items: &[(usize, Share)]) -> Result<Resolved, Refusal> {
    // A line may be named twice; the second item sees what the first has taken.
    let mut lines = book.lines.clone();
    let mut parts = Vec::with_capacity(items.len());
    for (index, (at, share)) in items.iter().enumerate() {
        let part = of_line(book, &lines[*at], share, index)?;
        take(&mut lines[*at], &part);
        // The rest of a line that has nothing left, or too small a share, takes nothing of it.
        if !part.amount.is_zero() || part.quantity > 0 {
            parts.push(part);
        }
    }
    let amount = not_nothing(sum(parts.iter().map(|part| part.amount)), "items")?;
    Ok(Resolved { amount, parts, asked_by: AskedBy::Items, field: "items" })
}

pub fn find_line(lines: &[Line], wanted: &LineRef, index: usize) -> Result<usize, Refusal> {
    let field = |name: &str| format!("items/{index}/{name}");
    match wanted {
        LineRef::Position(position) => {
            lines.iter().position(|line| line.position == *position).ok_or_else(|| {
                Refusal::UnknownLine { field: field("line"), line: position.to_string() }
            })
        }
        LineRef::Sku(sku) => {
            let mut found =
                lines.iter().enumerate().filter(|(_, line)| line.sku.as_ref() == Some(sku));
            match (found.next(), found.next()) {
                (Some((at, _)), None) => Ok(at),
                (None, _) => {
                    Err(Refusal::UnknownLine { field: field("sku"), line: format!("{sku:?}") })
                }
                (Some(_), Some(_)) => {
                    Err(Refusal::AmbiguousLine { field: field("sku"), sku: sku.clone() })
                }
            }
        }
    }
}

fn of_line(book: &Book, line: &Line, share: &Share, index: usize) -> Result<Part, Refusal> {
    let field = |name: &str| format!("items/{index}/{name}");
    let by_amount = |amount: Minor, name: &str| {
        if amount > line.left() {
            return Err(Refusal::MoreThanLineHas {
                field: field(name),
                line: line.position,
                asked: book.money(amount),
                left: book.money(line.left()),
            });
        }
        Ok(part(line.position, 0, amount))
    };
    match share {
        Share::Rest => Ok(part(line.position, line.quantity_left(), line.left())),
        Share::Units(units) if *units > line.quantity_left() => Err(Refusal::MoreUnitsThanLeft {
            field: field("quantity"),
            line: line.position,
            asked: *units,
            left: line.quantity_left(),
        }),
        Share::Units(units) => Ok(part(line.position, *units, line.share_of_units(*units))),
        Share::Amount(amount) => by_amount(*amount, "amount"),
        Share::Percent(percent) => by_amount(percent.of(line.amount), "percent"),
    }
}

pub fn part(line: u32, quantity: u32, amount: Minor) -> Part {
    Part { line, quantity, amount, released: Minor::ZERO, released_quantity: 0 }
}

pub fn not_nothing(amount: Minor, field: &str) -> Result<Minor, Refusal> {
    if amount.is_zero() {
        return Err(Refusal::NothingToGiveBack { field: field.to_owned() });
    }
    Ok(amount)
}

/// Takes a part's amount and units of its line; the caller has seen that they are left.
pub fn take(line: &mut Line, part: &Part) {
    adjust(line, part.taken(), part.taken_quantity(), part.quantity > 0, true);
}

/// Gives units and an amount of a part back to its line.
pub fn give_back(line: &mut Line, part: &mut Part, amount: Minor, units: u32) {
    adjust(line, amount, units, part.quantity > 0, false);
    part.released = part.released.plus(amount).unwrap_or(part.amount).min(part.amount);
    part.released_quantity = part.released_quantity.saturating_add(units).min(part.quantity);
}

fn adjust(line: &mut Line, amount: Minor, units: u32, by_units: bool, take: bool) {
    let change = |balance: Minor| {
        let after = if take { balance.plus(amount) } else { balance.minus(amount) };
        after.expect("a line gives back what was taken, and no more than its amount is taken")
    };
    line.taken = change(line.taken);
    if by_units {
        line.taken_by_quantity = change(line.taken_by_quantity);
    }
    line.taken_quantity = if take {
        line.taken_quantity.saturating_add(units)
    } else {
        line.taken_quantity.saturating_sub(units)
    };
}

/// Takes of its line again what a part had given back.
pub fn retake(line: &mut Line, part: &mut Part) {
    adjust(line, part.released, part.released_quantity, part.quantity > 0, true);
    part.released = Minor::ZERO;
    part.released_quantity = 0;
}
