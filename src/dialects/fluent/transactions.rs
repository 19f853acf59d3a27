//! A return's transactions: one of them, and the list.

use refundry_domain::returns::Return;

use super::call::{Answered, Call, ok};
use super::refusals::No;
use super::returns::type_of;
use super::source::{self, Whole};
use super::wire::{Entry, SpanAsk, Transactions};
use crate::dialects::shared::body;
use crate::dialects::shared::paging::Fields;
use crate::dialects::shared::right::{Reads, Right};

const COUNT: usize = 100;
pub const COUNT_MOST: usize = 5_000;

pub async fn show(right: Right<Reads>, call: Call) -> Answered {
    let row = source::find(&right, call.return_id()).await?;
    let entry = source::entry(&right, &row, call.transaction_id()).await?;
    Ok(ok(&entry.view()))
}

pub async fn list(right: Right<Reads>, call: Call) -> Answered {
    let Whole { row, entries, .. } = source::whole(&right, call.return_id()).await?;
    let mut fields = Fields::of(&call.uri)?;
    let span = Span::read(&mut fields, call).await?;
    Ok(ok(&envelope(&right, &row, &span, &entries)))
}

fn envelope<'a>(
    right: &Right<Reads>,
    row: &'a Return,
    span: &Span,
    entries: &'a [Entry],
) -> Transactions<'a> {
    Transactions {
        start: span.start,
        count: span.count,
        total: entries.len(),
        retailer_id: right.caller().merchant.0,
        return_ref: &row.reference,
        return_type: type_of(row),
        return_id: &row.reference,
        transactions: span.of(entries).map(Entry::view).collect(),
    }
}

/// A part of a list: the place of its first row, from 1, and how many rows at most.
pub struct Span {
    pub start: usize,
    pub count: usize,
}

impl Span {
    /// From the query, or from the JSON in the body.
    pub async fn read(fields: &mut Fields, call: Call) -> Result<Span, No> {
        let (start, count) = (fields.take("start")?, fields.take("count")?);
        let bytes = call.bytes().await?;
        let said: SpanAsk =
            if bytes.is_empty() { SpanAsk::default() } else { body::parse(&bytes)? };
        let start = start.or(said.start.map(|text| text.0));
        let count = count.or(said.count.map(|text| text.0));
        Ok(Span {
            start: number("start", start, 1, i32::MAX.unsigned_abs() as usize)?,
            count: number("count", count, COUNT, COUNT_MOST)?,
        })
    }

    pub fn of<'a, T>(&self, rows: &'a [T]) -> impl Iterator<Item = &'a T> {
        rows.iter().skip(self.start - 1).take(self.count)
    }
}

fn number(field: &str, text: Option<String>, usual: usize, most: usize) -> Result<usize, No> {
    let Some(text) = text else { return Ok(usual) };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && (1..=most).contains(number));
    number.ok_or_else(|| No::bad(format!("{field} has to be a whole number from 1 to {most}.")))
}
