//! Lists: newest first, a cursor in either direction, and times and amounts compared.

use refundry_domain::ids::Timestamp;
use serde::Serialize;

use super::refusals::No;
use crate::dialects::shared::dates;
use crate::dialects::shared::paging::Fields;
use crate::store::Page;

const LIMIT: u32 = 10;
const LIMIT_MOST: u32 = 100;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct List<T> {
    pub has_more: bool,
    pub data: Vec<T>,
}

/// A page, and the field that its cursor was in.
pub struct Asked {
    pub page: Page,
    pub cursor: Option<(&'static str, i64)>,
}

/// Reads `limit`, `startingAfter` and `endingBefore`, of which the last one wins. What the cursor
/// names is still to be looked up.
pub fn page(fields: &mut Fields, number: impl Fn(&str) -> Option<i64>) -> Result<Asked, No> {
    let limit = match fields.take("limit")? {
        None => LIMIT,
        Some(text) => {
            let limit = text.parse().ok().filter(|limit| (1..=LIMIT_MOST).contains(limit));
            limit.ok_or_else(|| No::invalid("limit", "Expected a number from 1 to 100."))?
        }
    };
    let mut cursor = |name: &'static str| -> Result<Option<i64>, No> {
        let Some(text) = fields.take(name)? else { return Ok(None) };
        number(&text).map(Some).ok_or_else(|| no_cursor(name))
    };
    let (after, before) = (cursor("startingAfter")?, cursor("endingBefore")?);
    let after = after.filter(|_| before.is_none());
    let cursor = before.map(|at| ("endingBefore", at)).or(after.map(|at| ("startingAfter", at)));
    Ok(Asked { page: Page { after, before, limit, oldest_first: false }, cursor })
}

pub fn no_cursor(name: &'static str) -> No {
    No::invalid(name, "There is no such object to page from.")
}

/// How a value is compared, in the words of the query.
const OPERATORS: [&str; 5] = ["eq", "gt", "gte", "lt", "lte"];

/// The values of a field that can be compared: `name=x` or `name[op]=x`, each at most once.
pub fn compared(fields: &mut Fields, name: &str) -> Result<Vec<(&'static str, String)>, No> {
    let mut found = Vec::new();
    if let Some(value) = fields.take(name)? {
        found.push(("eq", value));
    }
    for operator in OPERATORS {
        if let Some(value) = fields.take(&format!("{name}[{operator}]"))? {
            found.push((operator, value));
        }
    }
    Ok(found)
}

/// From when, and until when, exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

/// Times are shown to the second, so one that is given to the second stands for all of it.
pub fn span(fields: &mut Fields, name: &'static str) -> Result<Span, No> {
    let mut span = Span::default();
    for (operator, text) in compared(fields, name)? {
        let begins = dates::moment(&text)
            .ok_or_else(|| No::invalid(name, "Expected a time such as 2026-01-31T12:00:00Z."))?;
        let ends = begins.after_ms(if begins.0 % 1_000 == 0 { 1_000 } else { 1 });
        let (from, until) = match operator {
            "gt" => (Some(ends), None),
            "gte" => (Some(begins), None),
            "lt" => (None, Some(begins)),
            "lte" => (None, Some(ends)),
            _ => (Some(begins), Some(ends)),
        };
        span.from = span.from.max(from);
        span.until = match (span.until, until) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
    Ok(span)
}
