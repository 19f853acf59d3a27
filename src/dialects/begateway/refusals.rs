//! How a "no" looks: in words, by field, and in each place where one of the known clients looks.

use axum::http::{HeaderName, HeaderValue};
use refundry_domain::refusal::Refusal;
use serde_json::{Map, Value, json};

use super::call::Voice;
use crate::dialects::shared::problem::{At, Code, Problem};
use crate::ledger::Fault;
use crate::store::{Answer, StoreError};

#[derive(Debug)]
pub struct No {
    pub status: u16,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    message: String,
    errors: Errors,
    code: &'static str,
}

#[derive(Debug)]
enum Errors {
    None,
    /// Of no field, and not about the request's content.
    System(String),
    /// Of no field: one text, as the vendor has it for what it does not support.
    Base(String),
    /// Fields of the request that are not as they have to be: the name, and what is wrong.
    Fields(Vec<(String, String)>),
    /// What a rule says of a field.
    Rule(&'static str, String),
    /// A whole body that was kept, and is given again as it was.
    Kept(Vec<u8>),
}

/// Parameters that are not valid.
const INVALID: &str = "E.1025";

impl No {
    fn new(status: u16, message: impl Into<String>, errors: Errors) -> No {
        let (headers, message) = (Vec::new(), message.into());
        No { status, headers, message, errors, code: INVALID }
    }

    /// The same "no" as before.
    pub fn again(answer: Answer) -> No {
        let yes = HeaderValue::from_static("true");
        let no = No::new(answer.status, "", Errors::Kept(answer.body));
        no.with(HeaderName::from_static("idempotent-replayed"), yes)
    }

    pub fn system(status: u16, message: &str) -> No {
        No::new(status, message, Errors::System(message.to_owned()))
    }

    pub fn not_found(voice: Voice) -> No {
        let message = match voice {
            Voice::Beyag => "Not found.",
            Voice::Card | Voice::Flat => "Record not found",
        };
        No::new(404, message, Errors::None)
    }

    pub fn unsupported() -> No {
        let message = "This operation is not supported.";
        No::new(422, message, Errors::Base(message.to_owned()))
    }

    /// What is wrong with the request, all of it at once; the card API answers 400.
    pub fn invalid(voice: Voice, fields: Vec<(String, String)>) -> No {
        let (status, message) = match voice {
            Voice::Beyag => (422, "Unprocessable entity".to_owned()),
            Voice::Card | Voice::Flat => (400, sentences(&fields)),
        };
        No::new(status, message, Errors::Fields(fields))
    }

    pub fn unknown_parent(voice: Voice) -> No {
        No::rule(voice, "parent_uid", "Parent transaction is not found", "E.1025")
    }

    /// The same refund was made a moment ago.
    pub fn duplicate(voice: Voice) -> No {
        No::rule(voice, "base", "Duplicate transaction", "F.0108")
    }

    /// A rule forbids it; nothing was recorded.
    fn rule(voice: Voice, field: &'static str, message: &str, code: &'static str) -> No {
        let status = match voice {
            Voice::Beyag => 422,
            Voice::Card | Voice::Flat => 400,
        };
        let errors = Errors::Rule(field, message.to_owned());
        No { code, ..No::new(status, message, errors) }
    }

    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> No {
        self.headers.push((name, value));
        self
    }

    /// A JSON object in every case: known clients fail on anything else.
    pub fn body(&self, voice: Voice) -> Vec<u8> {
        if let Errors::Kept(body) = &self.errors {
            return body.clone();
        }
        let errors = self.errors(voice);
        let mut body = json!({
            "message": self.message,
            "errors": errors,
            "response": {"message": self.message, "errors": errors},
        });
        if voice == Voice::Flat {
            body["code"] = self.code.into();
            body["friendly_message"] = self.message.as_str().into();
        }
        serde_json::to_vec(&body).unwrap_or_default()
    }

    fn errors(&self, voice: Voice) -> Value {
        match &self.errors {
            Errors::None | Errors::Kept(_) => json!({}),
            Errors::System(text) => json!({"system": [text]}),
            Errors::Base(text) => json!({"base": text}),
            Errors::Rule(field, text) => json!({*field: [text]}),
            Errors::Fields(fields) => {
                let mut by_name = Map::new();
                for (name, text) in fields {
                    put(&mut by_name, name, text);
                }
                match voice {
                    Voice::Beyag => json!({"request": by_name}),
                    Voice::Card | Voice::Flat => Value::Object(by_name),
                }
            }
        }
    }
}

/// Puts `credit_card/number` where it is nested.
fn put(into: &mut Map<String, Value>, name: &str, text: &str) {
    match name.split_once('/') {
        Some((outer, inner)) => {
            let nested = into.entry(outer).or_insert_with(|| json!({}));
            if let Value::Object(nested) = nested {
                put(nested, inner, text);
            }
        }
        None => {
            let list = into.entry(name).or_insert_with(|| json!([]));
            if let Value::Array(list) = list {
                list.push(text.into());
            }
        }
    }
}

/// Each field's name in words, and its rule.
fn sentences(fields: &[(String, String)]) -> String {
    let sentence = |(name, text): &(String, String)| {
        let words = name.replace(['_', '/'], " ");
        let (first, rest) = words.split_at(words.chars().next().map_or(0, char::len_utf8));
        format!("{}{rest} {text}.", first.to_uppercase())
    };
    fields.iter().map(sentence).collect::<Vec<_>>().join(" ")
}

impl From<Problem> for No {
    fn from(problem: Problem) -> No {
        let detail = problem.detail.into_owned();
        let named = match problem.at {
            Some(At::Body(pointer)) => {
                let name = pointer.trim_start_matches('/');
                Some(name.strip_prefix("request/").unwrap_or(name).to_owned())
            }
            Some(At::Query(_) | At::Header(_)) | None => None,
        };
        let errors = match named.filter(|name| !name.is_empty()) {
            Some(name) => Errors::Fields(vec![(name, detail.clone())]),
            None => Errors::System(detail.clone()),
        };
        let status = if problem.code == Code::JsonTooDeep.entry().0 { 400 } else { problem.status };
        No { headers: problem.headers, ..No::new(status, detail, errors) }
    }
}

impl From<StoreError> for No {
    fn from(error: StoreError) -> No {
        Problem::from(error).into()
    }
}

impl From<Fault> for No {
    fn from(fault: Fault) -> No {
        Problem::from(fault).into()
    }
}

/// The rule's "no". What is wrong with the parent, or makes a refund of it impossible, is said of
/// the parent; everything about how much, of the amount.
pub fn no(refusal: &Refusal, voice: Voice) -> No {
    let (field, message) = match refusal {
        Refusal::UnknownOrder | Refusal::UnknownTransaction | Refusal::UnknownPayment { .. } => {
            return No::unknown_parent(voice);
        }
        Refusal::MoreThanIsLeft { left, .. } => {
            ("amount", format!("Amount can't be greater than {left} {}", left.currency().code()))
        }
        Refusal::NothingToGiveBack { .. } => {
            ("amount", "Amount can't be greater than 0: all of it was given back".to_owned())
        }
        Refusal::NotPositive { .. } => ("amount", "Amount must be greater than 0".to_owned()),
        Refusal::NothingCaptured | Refusal::NotRefundable { .. } => {
            ("parent_uid", "transaction can't be refunded".to_owned())
        }
        Refusal::TooPrecise { .. }
        | Refusal::AmountTooLarge { .. }
        | Refusal::MoreThanAuthorized { .. }
        | Refusal::MoreThanLineHas { .. }
        | Refusal::MoreUnitsThanLeft { .. } => ("amount", refusal.to_string()),
        Refusal::CurrencyDiffers { .. } => ("currency", refusal.to_string()),
        Refusal::TextTooLong { field, .. }
        | Refusal::ControlCharacter { field }
        | Refusal::CardNumber { field }
        | Refusal::Missing { field, .. } => {
            let name = field.strip_prefix("metadata/").unwrap_or(field);
            let name = name.strip_prefix("payments/0/").unwrap_or(name).to_owned();
            return No::invalid(voice, vec![(name, refusal.to_string())]);
        }
        Refusal::UnknownRefund
        | Refusal::UnknownReturn
        | Refusal::UnknownLine { .. }
        | Refusal::AmbiguousLine { .. }
        | Refusal::TooMany { .. }
        | Refusal::OutOfRange { .. }
        | Refusal::InTheFuture { .. }
        | Refusal::Contradiction { .. }
        | Refusal::ReferenceTaken { .. }
        | Refusal::WrongParent { .. }
        | Refusal::ReturnClosed { .. }
        | Refusal::NoLineOfKind { .. }
        | Refusal::DestinationNotAvailable { .. }
        | Refusal::ExecutionNotAvailable { .. }
        | Refusal::ApprovalRequired { .. }
        | Refusal::WrongState { .. }
        | Refusal::WrongTransactionState { .. }
        | Refusal::NotYoursToReport { .. }
        | Refusal::Leased { .. }
        | Refusal::Credit(_) => ("base", refusal.to_string()),
    };
    No::rule(voice, field, &message, INVALID)
}
