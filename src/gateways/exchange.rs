//! What every exchange with a provider has in common: the call, and which answers are no news.

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::{Method, Uri};
use refundry_domain::money::{Currency, Minor};
use refundry_domain::outcome::{Failure as Why, FailureCode, Outcome};
use serde::de::DeserializeOwned;

use super::{Attempt, Finding};
use crate::outbound::{Call, Client, Failure, Reply};

/// How much of a provider's answer is quoted when it makes no sense.
const QUOTED: usize = 200;

/// The way to one provider.
#[derive(Clone)]
pub struct Link {
    pub client: Client,
    /// Where its addresses begin, without a slash at the end.
    pub base: String,
    pub timeout: Duration,
}

impl Link {
    /// A call to a path with its query, which are to be escaped already.
    pub fn call(&self, method: Method, path: &str) -> Result<Call, Failure> {
        let address = format!("{}{path}", self.base);
        let uri = address
            .parse::<Uri>()
            .map_err(|error| Failure::NotSent(format!("the address is not one: {error}")))?;
        Ok(Call::new(method, uri, self.timeout))
    }

    pub async fn send(&self, call: Result<Call, Failure>) -> Result<Reply, Failure> {
        self.client.call(call?).await
    }
}

/// What a call to pay came to: `yes` reads an answer of success, `no` a refusal in the provider's own
/// words. What neither can read is doubt.
pub fn paid<T: DeserializeOwned>(
    sent: Result<Reply, Failure>,
    yes: impl FnOnce(T) -> Outcome,
    no: impl FnOnce(&Reply) -> Option<Outcome>,
) -> Outcome {
    let reply = match news(sent) {
        Ok(reply) => reply,
        Err(outcome) => return outcome,
    };
    let read = if reply.status.is_success() { json(&reply).map(yes) } else { no(&reply) };
    read.unwrap_or_else(|| doubtful(&reply))
}

/// An answer that is about the refund, or what it means that there is none.
pub fn news(sent: Result<Reply, Failure>) -> Result<Reply, Outcome> {
    let reply = sent.map_err(unanswered)?;
    match no_news(&reply) {
        Some(outcome) => Err(outcome),
        None => Ok(reply),
    }
}

/// What a question came to: `read` is given an answer of success.
pub fn asked<T: DeserializeOwned>(
    sent: Result<Reply, Failure>,
    read: impl FnOnce(T) -> Finding,
) -> Finding {
    match answered(sent) {
        Ok(body) => read(body),
        Err(finding) => finding,
    }
}

/// The body of an answer of success to a question, or why there is none.
pub fn answered<T: DeserializeOwned>(sent: Result<Reply, Failure>) -> Result<T, Finding> {
    let reply = sent.map_err(|failure| unasked(Err(failure)))?;
    json(&reply).filter(|_| reply.status.is_success()).ok_or_else(|| unasked(Ok(&reply)))
}

/// Whether the credentials were taken: by success or one of these statuses. `why` reads what is said
/// otherwise.
pub fn tested(
    sent: Result<Reply, Failure>,
    also: &[u16],
    why: impl FnOnce(&Reply) -> String,
) -> Result<(), String> {
    let reply = sent.map_err(|failure| failure.to_string())?;
    if reply.status.is_success() || also.contains(&reply.status.as_u16()) {
        return Ok(());
    }
    Err(said(reply.status.as_str(), &why(&reply)))
}

/// What a call to pay that was not answered means.
fn unanswered(failure: Failure) -> Outcome {
    match failure {
        Failure::NotSent(message) => {
            Outcome::NotTaken { message: format!("Nothing was sent: {message}.") }
        }
        Failure::Unknown(message) => {
            Outcome::Unknown { message: format!("No usable answer: {message}."), lost: false }
        }
    }
}

/// An answer whose status alone says that it is no answer about the refund, if it is one: the
/// provider is in trouble or busy, or does not take the credentials. A 403 is none of these: what
/// stands on the way back says it too, after a refund was paid, so only its words can make it a no.
fn no_news(reply: &Reply) -> Option<Outcome> {
    let status = reply.status.as_u16();
    match status {
        401 => {
            let message = format!("{status}: the provider refuses the credentials.");
            Some(Outcome::Declined(Why { code: FailureCode::InvalidRequest, message }))
        }
        429 => Some(Outcome::NotTaken { message: "429: the provider is busy.".to_owned() }),
        200..=299 | 400..=499 => None,
        _ => Some(doubtful(reply)),
    }
}

/// An answer that makes no sense: what was done is not known.
pub fn doubtful(reply: &Reply) -> Outcome {
    Outcome::Unknown { message: quoted(reply), lost: false }
}

/// A question that was not answered.
pub fn unasked(reply: Result<&Reply, Failure>) -> Finding {
    match reply {
        Ok(reply) => Finding::NoAnswer(quoted(reply)),
        Err(failure) => Finding::NoAnswer(failure.to_string()),
    }
}

fn quoted(reply: &Reply) -> String {
    let body = String::from_utf8_lossy(&reply.body);
    let start: String = body.chars().take(QUOTED).collect();
    format!("The answer {} makes no sense: `{start}`.", reply.status)
}

pub fn json<T: DeserializeOwned>(reply: &Reply) -> Option<T> {
    serde_json::from_slice(&reply.body).ok()
}

/// Paid, as far as the provider says: the amount it names is compared with what was asked for by
/// the rules. Another currency is beyond comparing, and for a person.
pub fn settled(
    attempt: &Attempt,
    reference: &str,
    currency: &str,
    amount: impl FnOnce(Currency) -> Option<Minor>,
) -> Outcome {
    let asked = attempt.amount.currency();
    let same = currency.eq_ignore_ascii_case(asked.code());
    match amount(asked).filter(|_| same) {
        Some(paid) => Outcome::Done { reference: Some(reference.to_owned()), amount: Some(paid) },
        None => {
            let message = format!(
                "The provider says that it paid {reference} in {currency:?}, or an amount that \
                 {asked} does not have.",
                asked = asked.code()
            );
            Outcome::Unknown { message, lost: true }
        }
    }
}

/// A definite no; or, of what the books hold paid, that it was taken back.
pub fn refused(attempt: &Attempt, code: FailureCode, theirs: &str, text: &str) -> Outcome {
    let message = said(theirs, text);
    if attempt.paid {
        Outcome::Reversed { message }
    } else {
        Outcome::Declined(Why { code, message })
    }
}

/// The provider's own code and text, beside each other.
pub fn said(theirs: &str, text: &str) -> String {
    match (theirs.is_empty(), text.is_empty()) {
        (true, true) => "The provider gives no reason.".to_owned(),
        (true, false) => text.to_owned(),
        (false, true) => theirs.to_owned(),
        (false, false) => format!("{theirs}: {text}"),
    }
}

/// A no of our own: the provider was not asked, since it cannot carry this out.
pub fn impossible(code: FailureCode, message: &str) -> Outcome {
    Outcome::Declined(Why { code, message: message.to_owned() })
}

/// The payment's name at the provider, or why nothing can be asked of it.
pub fn payment(attempt: &Attempt) -> Result<&str, Outcome> {
    attempt.payment_reference.as_deref().filter(|name| !name.is_empty()).ok_or_else(|| {
        let message = "The payment has no provider_reference, so its provider cannot find it.";
        impossible(FailureCode::PaymentNotFound, message)
    })
}

/// A text as one piece of a path, a query or a form.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}
