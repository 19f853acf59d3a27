//! Lines and the tax lines that are for them, seen as one.

use crate::book::sum;
use crate::money::Minor;
use crate::order::{Line, LineKind};
use crate::refund::{Part, Refund};

/// Where the tax lines are that are for the line at `at`.
pub fn taxes_of(lines: &[Line], at: usize) -> Vec<usize> {
    let position = Some(lines[at].position);
    let taxes = lines.iter().enumerate().filter(|(index, line)| {
        *index != at && line.kind == LineKind::Tax && line.for_line == position
    });
    taxes.map(|(index, _)| index).collect()
}

/// What is left of the line at `at` and of its tax.
pub fn left(lines: &[Line], at: usize) -> Minor {
    let taxes = taxes_of(lines, at).into_iter().chain([at]);
    sum(taxes.map(|index| lines[index].left()))
}

/// What a refund takes of one line and of its tax.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken<'a> {
    pub line: &'a Line,
    /// The units it was asked for by; 0 when it was asked for by amount.
    pub quantity: u32,
    pub amount: Minor,
    /// How much of that was given back.
    pub given: Minor,
}

/// What a refund takes, tax with the line that it is for as far as the refund takes of both.
pub fn taken<'a>(lines: &'a [Line], refund: &Refund) -> Vec<Taken<'a>> {
    let mut found: Vec<Taken<'a>> = Vec::with_capacity(refund.parts.len());
    for part in &refund.parts {
        let Some(line) = lines.iter().find(|line| line.position == part.line) else { continue };
        let given = given(refund, part);
        let of_tax = line.kind == LineKind::Tax && line.for_line.is_some();
        let with = found.iter_mut().rev().find(|one| Some(one.line.position) == line.for_line);
        match with.filter(|_| of_tax) {
            Some(one) => {
                one.amount = sum([one.amount, part.amount].into_iter());
                one.given = sum([one.given, given].into_iter());
            }
            None => {
                found.push(Taken { line, quantity: part.quantity, amount: part.amount, given });
            }
        }
    }
    found
}

/// What a refund has given back of one line: what was released again was not, and nothing was
/// before anything is paid.
fn given(refund: &Refund, part: &Part) -> Minor {
    if refund.refunded.is_zero() || !refund.state.is_final() { Minor::ZERO } else { part.taken() }
}
