//! What goes back, before it is JSON or XML.

use refundry_domain::money::Money;
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

use super::refusals::Coded;
use super::wire::is_digits;

/// A value of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Out {
    Int(i64),
    Amount(Money),
    Text(String),
    Flag(bool),
    /// The shop's own number of a source: a number when it is one.
    Source(String),
}

pub type Row = Vec<(&'static str, Out)>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Result(Row),
    Results {
        rows: Vec<Row>,
        /// Beside the rows, for lists that page.
        paging: Row,
    },
}

impl Reply {
    pub fn list(rows: Vec<Row>) -> Reply {
        Reply::Results { rows, paging: Row::new() }
    }
}

impl Out {
    /// As it stands in text.
    pub fn text(&self) -> String {
        match self {
            Out::Int(number) => number.to_string(),
            Out::Amount(money) => money.to_string(),
            Out::Text(text) | Out::Source(text) => text.clone(),
            Out::Flag(yes) => yes.to_string(),
        }
    }

    pub fn is_number(&self) -> bool {
        match self {
            Out::Int(_) | Out::Amount(_) => true,
            Out::Text(_) | Out::Flag(_) => false,
            // As many digits as every reader of JSON keeps.
            Out::Source(text) => is_digits(text) && text.len() <= 15 && !text.starts_with('0'),
        }
    }
}

/// A JSON value, written as it is: amounts keep the decimals of their currency.
fn raw(out: &Out) -> Box<RawValue> {
    let text = if out.is_number() || matches!(out, Out::Flag(_)) {
        out.text()
    } else {
        Json::String(out.text()).to_string()
    };
    RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

fn object(row: &[(&'static str, Out)]) -> String {
    let fields: Vec<String> =
        row.iter().map(|(name, out)| format!("\"{name}\":{}", raw(out).get())).collect();
    fields.join(",")
}

/// The answer as a JSON object, after the fields of `first`.
pub fn json(reply: &Reply, first: &str) -> Vec<u8> {
    let mut parts: Vec<String> =
        Some(first.to_owned()).filter(|it| !it.is_empty()).into_iter().collect();
    match reply {
        Reply::Result(row) => parts.push(format!("\"result\":{{{}}}", object(row))),
        Reply::Results { rows, paging } => {
            let rows: Vec<String> = rows.iter().map(|row| format!("{{{}}}", object(row))).collect();
            parts.push(format!("\"results\":[{}]", rows.join(",")));
            if !paging.is_empty() {
                parts.push(object(paging));
            }
        }
    }
    format!("{{{}}}", parts.join(",")).into_bytes()
}

/// The two fields of a fault.
pub fn fault_fields(fault: &Coded) -> Row {
    vec![
        ("faultCode", Out::Int(i64::from(fault.code))),
        ("faultString", Out::Text(fault.text.clone())),
    ]
}

/// A fault, in both places where clients look for it.
pub fn fault_json(fault: &Coded, list: bool) -> Vec<u8> {
    let fields = object(&fault_fields(fault));
    let inner = if list {
        format!("\"results\":[{{{fields}}}]")
    } else {
        format!("\"result\":{{{fields}}}")
    };
    format!("{{\"errors\":{{{fields}}},{inner}}}").into_bytes()
}

/// What is said when a request got no further than the door.
pub fn message_json(message: &str) -> Vec<u8> {
    let mut errors = Map::new();
    errors.insert("message".to_owned(), Json::String(message.to_owned()));
    let mut body = Map::new();
    body.insert("errors".to_owned(), Json::Object(errors));
    Json::Object(body).to_string().into_bytes()
}
