//! One try: the message, its signature, the call, and what came of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::Method;
use hyper::Uri;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use refundry_domain::ids::Timestamp;
use refundry_domain::webhook::{Delivery, Endpoint, Try};

use super::kept::Hidden;
use super::queue::Job;
use super::secrets::Secrets;
use super::{Format, Message, Parts, Signing, schedule};
use crate::outbound::{Call, Failure, Reply};
use crate::store::{Event, EventFilter, Page, StoreError};

/// How much is kept of the reason why there is no answer.
const ERROR_KEPT: usize = 300;

/// An endpoint as it is called.
pub struct Target {
    pub endpoint: Arc<Endpoint>,
    pub uri: Uri,
    pub format: Arc<dyn Format>,
    pub secrets: Secrets,
}

/// What became of a job.
pub struct Done {
    pub event: Event,
    /// The row that it had before.
    pub row: Option<Delivery>,
    pub verdict: Verdict,
}

pub enum Verdict {
    Tried {
        with: Try,
        /// How long the endpoint wants to be left alone, in milliseconds.
        pause: Option<i64>,
        /// The endpoint's own address is gone for good.
        gone: bool,
    },
    /// The format has nothing to say of this event.
    Unsaid,
}

/// Why a job was not begun; it is tried again later.
pub struct NotNow {
    pub event: refundry_domain::ids::EventId,
    pub error: StoreError,
}

pub async fn carry_out(parts: &Parts, target: &Target, job: Job) -> Result<Done, NotNow> {
    let (event, row) = match job {
        Job::First(event) => (event, None),
        Job::Again(row) => {
            let not_now = |error| NotNow { event: row.event, error };
            let event = find(parts, target, row.event.0).await.map_err(not_now)?;
            (event, Some(row))
        }
    };
    let books = parts.store.as_ref();
    let message = target.format.message_to(&target.endpoint, books, &event).await;
    let message = message.map_err(|error| NotNow { event: event.id, error })?;
    let verdict = match message {
        None => Verdict::Unsaid,
        Some(message) => call(parts, target, &event, message).await,
    };
    Ok(Done { event, row, verdict })
}

async fn find(parts: &Parts, target: &Target, number: i64) -> Result<Event, StoreError> {
    let page = Page { after: Some(number - 1), before: None, limit: 1, oldest_first: true };
    let merchant = target.endpoint.merchant;
    let found = parts.store.events(merchant, EventFilter::default(), page).await?;
    let event = found.rows.into_iter().find(|event| event.id.0 == number);
    event.ok_or_else(|| StoreError::Damaged(format!("event {number} is not there")))
}

async fn call(parts: &Parts, target: &Target, event: &Event, message: Message) -> Verdict {
    let now = parts.clock.now();
    let id = format!("evt_{}", event.id);
    let secrets = target.secrets.living(now);
    let signing = Signing { id: &id, at: now, secrets: &secrets };
    let deadline = parts.rules.timeout;
    let own = message.to.is_none();
    let uri = message.to.clone().unwrap_or_else(|| target.uri.clone());
    let mut call = Call::new(Method::POST, uri, deadline);
    let mut hidden = Hidden::default();
    secrets.iter().chain(&message.hidden).for_each(|text| hidden.add(text));
    for (name, value) in target.format.sign(&message, &signing) {
        hidden.add_field(name, &value);
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value))
        {
            call.headers.insert(name, value);
        }
    }
    call.headers.insert(CONTENT_TYPE, HeaderValue::from_static(message.content_type));
    call.body = message.body;
    let began = Instant::now();
    let answered = parts.client.call(call).await;
    said(answered, own, &hidden, (now, began.elapsed()))
}

fn said(
    answered: Result<Reply, Failure>,
    own: bool,
    hidden: &Hidden,
    (at, took): (Timestamp, Duration),
) -> Verdict {
    let took_ms = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
    match answered {
        Ok(reply) => {
            let status = reply.status.as_u16();
            let pause = matches!(status, 429 | 503)
                .then(|| {
                    reply.header("retry-after").and_then(|text| schedule::retry_after(text, at))
                })
                .flatten();
            let error = reply
                .status
                .is_redirection()
                .then(|| "it redirects, and redirects are not followed".to_owned());
            let answer = hidden.beginning(&reply.body);
            let with = Try { at, took_ms, status: Some(status), error, answer };
            Verdict::Tried { with, pause, gone: own && status == 410 }
        }
        Err(failure) => {
            let (Failure::NotSent(why) | Failure::Unknown(why)) = failure;
            let error = Some(why.chars().take(ERROR_KEPT).collect());
            let with = Try { at, took_ms, status: None, error, answer: String::new() };
            Verdict::Tried { with, pause: None, gone: false }
        }
    }
}
