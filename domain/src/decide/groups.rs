//! Lines that are given back together with the tax that is for them.

use super::checks;
use super::parts::{self, Resolved, find_line, not_nothing, part, take};
use crate::book::{Book, sum};
use crate::command::{GroupAsk, GroupOf, GroupShare};
use crate::group::taxes_of;
use crate::money::{Minor, Percent};
use crate::order::{Line, LineKind};
use crate::refund::{AskedBy, Part};
use crate::refusal::Refusal;
use crate::split::split;

/// A group as places in the book and amounts of its currency.
pub struct Group {
    /// The lines that are meant, and then the tax lines that are for them.
    members: Vec<usize>,
    /// Of the first member, when that is a line that was named.
    units: Option<u32>,
    share: Share,
    by_kind: bool,
}

enum Share {
    Rest,
    Amount(Minor),
    Percent(Percent),
    Whole(Minor),
}

fn field(index: usize, name: &str) -> String {
    format!("items/{index}/{name}")
}

/// The line that each group names; of a group by kind, the first of it.
pub fn find(book: &Book, groups: &[GroupAsk]) -> Result<Vec<usize>, Refusal> {
    if groups.len() > parts::MOST_ITEMS {
        let field = "items".to_owned();
        return Err(Refusal::TooMany { field, most: parts::MOST_ITEMS });
    }
    let found = groups.iter().enumerate().map(|(index, group)| match &group.of {
        GroupOf::Line(line) | GroupOf::For(line, _) => find_line(&book.lines, line, index),
        GroupOf::Kind(kind) => {
            let at = book.lines.iter().position(|line| line.kind == *kind);
            at.ok_or_else(|| Refusal::NoLineOfKind { field: "kind".to_owned(), kind: kind.name() })
        }
    });
    found.collect()
}

/// Reads what was written, whatever the balances are.
pub fn read(book: &Book, groups: &[GroupAsk], lines: &[usize]) -> Result<Vec<Group>, Refusal> {
    if groups.is_empty() {
        let what = "At least one item";
        return Err(Refusal::Missing { field: "items".to_owned(), what });
    }
    groups
        .iter()
        .zip(lines)
        .enumerate()
        .map(|(index, (ask, at))| group(book, ask, *at, index))
        .collect()
}

fn group(book: &Book, ask: &GroupAsk, at: usize, index: usize) -> Result<Group, Refusal> {
    let by_kind = matches!(ask.of, GroupOf::Kind(_));
    let place = || if by_kind { "amount".to_owned() } else { field(index, "amount") };
    let named = &book.lines[at];
    if ask.units == Some(0) {
        let rule = "A refund of units needs at least one";
        return Err(Refusal::OutOfRange { field: field(index, "quantity"), rule });
    }
    if let Some(units) = ask.units.filter(|units| *units > named.quantity) {
        return Err(too_many(named, units, named.quantity, index));
    }
    let (kind, own) = match &ask.of {
        GroupOf::Line(_) => (named.kind, Some(at)),
        GroupOf::For(_, kind) if *kind == named.kind => (*kind, Some(at)),
        GroupOf::For(_, kind) | GroupOf::Kind(kind) => (*kind, None),
    };
    let mut members: Vec<usize> = match own {
        Some(at) => vec![at],
        None => of_kind(&book.lines, kind, (!by_kind).then_some(named.position)),
    };
    let is_amount = matches!(ask.share, GroupShare::Amount(_) | GroupShare::Whole(_));
    if ask.units.is_some() && own.is_none() && !is_amount {
        let rule = "What is given back is not of the line that the units are of";
        return Err(Refusal::Contradiction { field: field(index, "quantity"), rule });
    }
    if members.is_empty() {
        return Err(Refusal::NoLineOfKind { field: field(index, "type"), kind: kind.name() });
    }
    for base in members.clone() {
        members.extend(taxes_of(&book.lines, base).into_iter().filter(|at| *at != base));
    }
    let mut seen = Vec::with_capacity(members.len());
    members.retain(|at| {
        !seen.contains(at) && {
            seen.push(*at);
            true
        }
    });
    let currency = book.order.currency;
    let share = match &ask.share {
        GroupShare::Rest => Share::Rest,
        GroupShare::Percent(percent) if *percent == Percent::ALL => Share::Rest,
        GroupShare::Percent(percent) => Share::Percent(*percent),
        GroupShare::Amount(figure) => Share::Amount(checks::amount(place, *figure, currency)?),
        GroupShare::Whole(figure) => Share::Whole(checks::amount(place, *figure, currency)?),
    };
    Ok(Group { members, units: ask.units.filter(|_| own.is_some()), share, by_kind })
}

fn of_kind(lines: &[Line], kind: LineKind, of: Option<u32>) -> Vec<usize> {
    let wanted = |line: &Line| line.kind == kind && (of.is_none() || line.for_line == of);
    let found = lines.iter().enumerate().filter(|(_, line)| wanted(line));
    found.map(|(index, _)| index).collect()
}

fn too_many(line: &Line, asked: u32, left: u32, index: usize) -> Refusal {
    let field = field(index, "quantity");
    Refusal::MoreUnitsThanLeft { field, line: line.position, asked, left }
}

/// What the groups come to, and of which lines.
pub fn resolve(book: &Book, groups: &[Group]) -> Result<Resolved, Refusal> {
    // A line may be in two groups; the second sees what the first has taken.
    let mut lines = book.lines.clone();
    let mut parts = Vec::with_capacity(groups.len());
    for (index, group) in groups.iter().enumerate() {
        for part in of_group(book, &lines, group, index)? {
            let at = lines.iter().position(|line| line.position == part.line);
            take(&mut lines[at.expect("the part was made from these lines")], &part);
            parts.push(part);
        }
    }
    let by_kind = groups.iter().all(|group| group.by_kind);
    let field = if by_kind { "amount" } else { "items" };
    let amount = not_nothing(sum(parts.iter().map(|part| part.amount)), field)?;
    let asked_by = if by_kind { AskedBy::Amount } else { AskedBy::Items };
    Ok(Resolved { amount, parts, asked_by, field })
}

fn of_group(
    book: &Book,
    lines: &[Line],
    group: &Group,
    index: usize,
) -> Result<Vec<Part>, Refusal> {
    let members: Vec<&Line> = group.members.iter().map(|at| &lines[*at]).collect();
    let left: Vec<Minor> = members.iter().map(|line| line.left()).collect();
    let all = sum(left.iter().copied());
    let name = if group.by_kind { "amount".to_owned() } else { field(index, "amount") };
    match group.share {
        Share::Amount(amount) | Share::Whole(amount) if amount > all => {
            Err(Refusal::MoreThanLineHas {
                field: name,
                line: members[0].position,
                asked: book.money(amount),
                left: book.money(all),
            })
        }
        Share::Whole(amount) if amount != all => {
            let rule = "This is given back as a whole or not at all";
            Err(Refusal::Contradiction { field: name, rule })
        }
        Share::Amount(amount) | Share::Whole(amount) => Ok(divided(&members, amount, &left)),
        Share::Rest | Share::Percent(_) => {
            if let Some(units) = group.units.filter(|units| *units > members[0].quantity_left()) {
                return Err(too_many(members[0], units, members[0].quantity_left(), index));
            }
            let most = match group.units {
                Some(units) => {
                    members.iter().map(|line| of_units(line, members[0], units)).collect()
                }
                None => left,
            };
            Ok(match group.share {
                Share::Percent(percent) => {
                    divided(&members, percent.of(sum(most.iter().copied())), &most)
                }
                Share::Rest | Share::Amount(_) | Share::Whole(_) => {
                    whole(&members, &most, group.units)
                }
            })
        }
    }
}

/// What units of the first member take of a member: of itself as ever; of its tax the difference
/// of the shares up to and before them, so that all units take all of it.
fn of_units(line: &Line, first: &Line, units: u32) -> Minor {
    if line.position == first.position {
        return line.share_of_units(units);
    }
    let upto = |count: u32| line.amount.share(u64::from(count), u64::from(first.quantity.max(1)));
    let before = upto(first.taken_quantity);
    upto(first.taken_quantity.saturating_add(units)).saturating_minus(before).min(line.left())
}

/// All of these amounts; with units, those of the first member.
fn whole(members: &[&Line], amounts: &[Minor], units: Option<u32>) -> Vec<Part> {
    let parts = members.iter().zip(amounts).enumerate().map(|(index, (line, amount))| {
        let quantity = match units {
            Some(units) if index == 0 => units,
            Some(_) => 0,
            None => line.quantity_left(),
        };
        part(line.position, quantity, *amount)
    });
    parts.filter(|part| !part.amount.is_zero() || part.quantity > 0).collect()
}

/// An amount over the members, by what may be taken of each.
fn divided(members: &[&Line], amount: Minor, most: &[Minor]) -> Vec<Part> {
    if amount.is_zero() {
        return Vec::new();
    }
    let shares = members.iter().zip(split(amount, most));
    shares
        .filter(|(_, share)| !share.is_zero())
        .map(|(line, share)| part(line.position, 0, share))
        .collect()
}
