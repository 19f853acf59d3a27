//! Numbers, read exactly: from JSON text, never through a float. Works wherever the value is read
//! straight from `serde_json`, so not inside `flatten` or `untagged`.

use refundry_domain::money::{Exact, Percent};
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;

/// A decimal number as a JSON string (`"27.01"`) or a JSON number (`27.01`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure(pub Exact);

impl<'de> Deserialize<'de> for Figure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Figure, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        read(raw.get()).map(Figure).map_err(Error::custom)
    }
}

/// A text, or a number taken as it is written: clients send either where a name is a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        let json = <&RawValue>::deserialize(deserializer)?.get();
        match json.as_bytes().first() {
            Some(b'"') => serde_json::from_str(json).map(Text).map_err(Error::custom),
            Some(b'-' | b'0'..=b'9') if json.len() <= Exact::MOST_CHARS => {
                Ok(Text(json.to_owned()))
            }
            Some(_) | None => Err(Error::custom("expected a text")),
        }
    }
}

fn read(json: &str) -> Result<Exact, String> {
    const EXPECTED: &str = "expected a decimal number such as \"27.01\"";
    let text = match json.as_bytes().first() {
        // A number's digits need no escape, so a string with one is none.
        Some(b'"') => json.trim_matches('"'),
        Some(b'-' | b'0'..=b'9') => json,
        Some(_) | None => return Err(EXPECTED.to_owned()),
    };
    Exact::parse(text).map_err(|problem| format!("{EXPECTED}: {problem}"))
}

/// A decimal number of the query.
pub fn parse(text: &str) -> Result<Exact, String> {
    Exact::parse(text).map_err(|problem| problem.to_string())
}

/// A share in per cent, above 0 and up to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(pub Percent);

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Share, D::Error> {
        let Figure(exact) = Figure::deserialize(deserializer)?;
        Percent::read(exact).map(Share).map_err(Error::custom)
    }
}
