//! What every written value has to satisfy, whichever command brings it.

use crate::command::Stated;
use crate::ids::Timestamp;
use crate::money::{AmountProblem, Currency, Exact, Minor, Money};
use crate::order::{METADATA_KEYS, Metadata};
use crate::refusal::Refusal;
use crate::text::{self, TextProblem};

/// The longest reference, sku, provider name or method, in characters.
pub const SHORT: usize = 200;
/// The longest name, reason or note.
pub const LONG: usize = 1000;

pub fn text(field: impl Fn() -> String, value: &str, most: usize) -> Result<(), Refusal> {
    text::check(value, most).map_err(|problem| text_refusal(field(), problem))
}

pub fn note(field: &str, value: Option<&str>) -> Result<(), Refusal> {
    match value {
        Some(value) => text::check_multiline(value, LONG)
            .map_err(|problem| text_refusal(field.to_owned(), problem)),
        None => Ok(()),
    }
}

fn text_refusal(field: String, problem: TextProblem) -> Refusal {
    match problem {
        TextProblem::TooLong { most } => Refusal::TextTooLong { field, most },
        TextProblem::Control => Refusal::ControlCharacter { field },
        TextProblem::CardNumber => Refusal::CardNumber { field },
    }
}

/// A text that must say something.
pub fn named(field: impl Fn() -> String, value: &str, what: &'static str) -> Result<(), Refusal> {
    if value.is_empty() {
        return Err(Refusal::Missing { field: field(), what });
    }
    text(field, value, SHORT)
}

pub fn metadata(metadata: &Metadata) -> Result<(), Refusal> {
    metadata_at("metadata", metadata)
}

/// As [`metadata`], where the notes are not at the top of the request.
pub fn metadata_at(place: &str, metadata: &Metadata) -> Result<(), Refusal> {
    if metadata.len() > METADATA_KEYS {
        return Err(Refusal::TooMany { field: place.to_owned(), most: METADATA_KEYS });
    }
    for (key, value) in metadata {
        let field = || format!("{place}/{}", key.replace('~', "~0").replace('/', "~1"));
        named(field, key, "A name")?;
        text::check_multiline(value, LONG).map_err(|problem| text_refusal(field(), problem))?;
    }
    Ok(())
}

/// The moment a caller states for something past, or now.
pub fn past(
    field: impl Fn() -> String,
    stated: Option<Timestamp>,
    now: Timestamp,
) -> Result<Timestamp, Refusal> {
    match stated {
        // A caller's clock may run a little ahead of ours.
        Some(at) if at > now.after_ms(60_000) => Err(Refusal::InTheFuture { field: field() }),
        Some(at) => Ok(at),
        None => Ok(now),
    }
}

/// An amount above zero in the order's currency, `field` being where it is stated.
pub fn stated(
    field: impl Fn() -> String,
    stated: &Stated,
    order: Currency,
) -> Result<Minor, Refusal> {
    match stated.currency {
        Some(asked) if asked != order => {
            Err(Refusal::CurrencyDiffers { field: "currency".to_owned(), order, asked })
        }
        Some(_) | None => amount(field, stated.figure, order),
    }
}

pub fn amount(
    field: impl Fn() -> String,
    figure: Exact,
    currency: Currency,
) -> Result<Minor, Refusal> {
    Money::read(figure, currency)
        .map(|money| money.minor())
        .map_err(|problem| amount_refusal(field(), problem, figure, currency))
}

/// As [`amount`], and zero is allowed.
pub fn amount_or_zero(
    field: impl Fn() -> String,
    figure: Exact,
    currency: Currency,
) -> Result<Minor, Refusal> {
    Money::read_allowing_zero(figure, currency)
        .map(|money| money.minor())
        .map_err(|problem| amount_refusal(field(), problem, figure, currency))
}

fn amount_refusal(
    field: String,
    problem: AmountProblem,
    figure: Exact,
    currency: Currency,
) -> Refusal {
    match problem {
        AmountProblem::TooPrecise { allowed } => {
            Refusal::TooPrecise { field, figure, currency, allowed }
        }
        AmountProblem::NotPositive => Refusal::NotPositive { field, figure },
        AmountProblem::TooLarge => Refusal::AmountTooLarge { field },
    }
}
