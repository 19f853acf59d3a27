//! What a group of lines comes to, counted the simple way.

use refundry_domain::command::{GroupAsk, GroupOf, GroupShare, LineRef};
use refundry_domain::order::LineKind;

use crate::oracle;
use crate::store::Shop;

/// The one group that is asked for, of a line or a kind, and the tax for it.
pub fn group(shop: &Shop, groups: &[GroupAsk]) -> Option<i128> {
    let [group] = groups else { panic!("one group is made at a time") };
    let lines: Vec<_> = shop.book.lines.iter().zip(&shop.replay.lines).collect();
    let base: Vec<usize> = match &group.of {
        GroupOf::Line(LineRef::Position(position)) => {
            lines.iter().position(|(line, _)| line.position == *position).into_iter().collect()
        }
        GroupOf::Kind(kind) => (0..lines.len()).filter(|at| lines[*at].0.kind == *kind).collect(),
        GroupOf::Line(_) | GroupOf::For(..) => panic!("such a group is not made"),
    };
    let first = lines[*base.first()?];
    let taxes = (0..lines.len()).filter(|at| {
        let line = lines[*at].0;
        line.kind == LineKind::Tax
            && base.iter().any(|of| *of != *at && line.for_line == Some(lines[*of].0.position))
    });
    let mut members = base.clone();
    members.extend(taxes);
    members.sort_unstable();
    members.dedup();
    let left = |at: &usize| lines[*at].1.amount - lines[*at].1.taken;
    let all: i128 = members.iter().map(left).sum();
    let units = group.units.map(i128::from);
    if units.is_some_and(|units| units == 0 || units > first.1.quantity) {
        return None;
    }
    let most = match units {
        None => all,
        Some(units) => {
            let gone = first.1.units;
            let of = |at: &usize| {
                let row = lines[*at].1;
                let upto = |count: i128| {
                    (2 * row.amount * count + first.1.quantity) / (2 * first.1.quantity)
                };
                let before = if *at == base[0] {
                    i128::from(lines[*at].0.taken_by_quantity.get())
                } else {
                    upto(gone)
                };
                (upto((gone + units).min(first.1.quantity)) - before).clamp(0, left(at))
            };
            members.iter().map(of).sum()
        }
    };
    let too_many = units.is_some_and(|units| units > first.1.quantity - first.1.units);
    match &group.share {
        GroupShare::Amount(figure) => oracle::units(shop, *figure).filter(|amount| *amount <= all),
        GroupShare::Whole(figure) => oracle::units(shop, *figure).filter(|amount| *amount == all),
        GroupShare::Rest | GroupShare::Percent(_) if too_many => None,
        GroupShare::Rest => Some(most),
        GroupShare::Percent(percent) => Some(oracle::share(*percent, most)),
    }
}
