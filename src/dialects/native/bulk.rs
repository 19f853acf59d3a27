//! Many orders and refunds in one request: NDJSON in, NDJSON out, each line on its own.

use std::sync::Arc;

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use refundry_domain::command::{Command, Target};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use utoipa::ToSchema;

use super::call::{Call, json};
use super::wire::asks::{OrderAsk, RefundAsk};
use super::{orders, refunds};
use crate::dialects::shared::body::{self, BODY_MOST};
use crate::dialects::shared::problem::{At, Code, Problem};
use crate::dialects::shared::replay::{self, KeyRule, Once};
use crate::dialects::shared::right::{Right, Writes};
use crate::ledger::Answered;
use crate::store::{Answer, Render};

/// The largest body.
const BULK_MOST: usize = 16 * 1024 * 1024;
/// How many lines are carried out at the same time.
const IN_FLIGHT: usize = 64;
/// How many bytes of answers wait for a client that first sends all and then reads, in KiB. When
/// it is full, no more lines are read until it takes some.
const WAITING_KIB: usize = 64 * 1024;

/// One line of a bulk request: exactly one of `order` and `refund`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkLine {
    /// Required with a refund.
    idempotency_key: Option<String>,
    #[schema(value_type = Option<OrderAsk>)]
    order: Option<Box<RawValue>>,
    #[schema(value_type = Option<RefundAsk>)]
    refund: Option<Box<RawValue>>,
}

/// What became of one line; in the order of the lines.
#[derive(Serialize, ToSchema)]
pub struct BulkAnswer<'a> {
    /// The line's number, from 1; empty lines are counted and not answered.
    line: u64,
    status: u16,
    /// It was answered before, so, under the same idempotency key.
    #[serde(skip_serializing_if = "is_false")]
    replayed: bool,
    /// The order or the refund.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    body: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<crate::dialects::shared::problem::Wire<'_>>)]
    problem: Option<&'a RawValue>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

type Waiting = (Bytes, OwnedSemaphorePermit);

pub async fn bulk(right: Right<Writes>, call: Call) -> Result<Response, Problem> {
    let mut fields = call.fields()?;
    let dry_run = fields.flag("dry_run")?;
    fields.finish()?;
    let headers = &call.parts.headers;
    if call.route.key == KeyRule::Refused && replay::key(headers)?.is_some() {
        return Err(replay::unsupported());
    }
    body::check_type(
        headers,
        &["application/x-ndjson", "application/ndjson", "application/jsonl"],
    )?;
    let (sender, answers) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(WAITING_KIB));
    tokio::spawn(carry_out(right, call.body, dry_run, sender, room));
    let pieces = stream::unfold(answers, |mut answers| async move {
        // The place is given back when the piece is on its way.
        let (bytes, _place): Waiting = answers.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(bytes), answers))
    });
    let mut response = Response::new(Body::from_stream(pieces));
    let kind = HeaderValue::from_static("application/x-ndjson");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

/// Reads on while lines are carried out, until the body ends or nobody waits for the answers.
async fn carry_out(
    right: Right<Writes>,
    body: Body,
    dry_run: bool,
    sender: mpsc::UnboundedSender<Waiting>,
    room: Arc<Semaphore>,
) {
    let answers = lines(body)
        .map(|(number, line)| {
            let right = right.clone();
            async move { answer(number, one(&right, line, dry_run).await) }
        })
        .buffered(IN_FLIGHT);
    tokio::pin!(answers);
    while let Some(bytes) = answers.next().await {
        let kib = u32::try_from(bytes.len().div_ceil(1024).clamp(1, WAITING_KIB));
        let place = room.clone().acquire_many_owned(kib.unwrap_or(1)).await;
        let Ok(place) = place else { return };
        if sender.send((bytes, place)).is_err() {
            return;
        }
    }
}

async fn one(
    right: &Right<Writes>,
    line: Result<Bytes, Problem>,
    dry_run: bool,
) -> Result<(Answer, bool), Problem> {
    let line: BulkLine = body::parse(&line?)?;
    let (kind, raw) = match (&line.order, &line.refund) {
        (Some(raw), None) => ("order", raw.get()),
        (None, Some(raw)) => ("refund", raw.get()),
        (None, None) | (Some(_), Some(_)) => {
            let detail = "A line has exactly one of order and refund.";
            return Err(Problem::field(Code::FieldInvalid, "", detail));
        }
    };
    let once = match line.idempotency_key {
        Some(key) if replay::is_key(&key) => {
            Some(Once::new(&key, [b"BULK", kind.as_bytes(), b"", raw.as_bytes()]))
        }
        Some(_) => return Err(replay::invalid().at(key_field())),
        None if kind == "refund" && !dry_run => return Err(replay::required().at(key_field())),
        None => None,
    };
    let once = once.filter(|_| !dry_run);
    let inside = |mut problem: Problem| {
        if let Some(At::Body(pointer)) = &problem.at {
            problem.at = Some(At::Body(format!("/{kind}{pointer}")));
        }
        problem
    };
    let (target, command, render): (Target, Command, Render) = if kind == "order" {
        let ask: OrderAsk = body::parse(raw.as_bytes()).map_err(inside)?;
        (Target::NewOrder, Command::RegisterOrder(ask.command()), orders::registered)
    } else {
        let ask: RefundAsk = body::parse(raw.as_bytes()).map_err(inside)?;
        let target = Target::Order(ask.order());
        let ask = ask.command(right.may_approve()).map_err(inside)?;
        (target, Command::RequestRefund(ask), refunds::requested)
    };
    let claim = once.map(|once| once.claim(render));
    Ok(match right.carry_out(target, command, claim, dry_run).await? {
        Answered::Done { answer: Some(answer), .. }
        | Answered::Refused { answer: Some(answer), .. } => (answer, false),
        Answered::Done { book, answer: None } => (render(Ok(&book)), false),
        Answered::Refused { refusal, answer: None } => (render(Err(&refusal)), false),
        Answered::Replayed(answer) => (answer, true),
        Answered::KeyReused => return Err(replay::reused().at(key_field())),
    })
}

fn key_field() -> At {
    At::Body("/idempotency_key".to_owned())
}

fn answer(line: u64, done: Result<(Answer, bool), Problem>) -> Bytes {
    let (answer, replayed) = done
        .unwrap_or_else(|problem| (Answer { status: problem.status, body: problem.body() }, false));
    let raw = serde_json::from_slice(&answer.body).unwrap_or(RawValue::NULL);
    let (body, problem) = if answer.status < 400 { (Some(raw), None) } else { (None, Some(raw)) };
    let mut bytes = json(&BulkAnswer { line, status: answer.status, replayed, body, problem });
    bytes.push(b'\n');
    Bytes::from(bytes)
}

/// The lines of a body, numbered from 1, without the empty ones.
fn lines(body: Body) -> impl Stream<Item = (u64, Result<Bytes, Problem>)> {
    let lines = Lines { body, buffer: BytesMut::new(), number: 0, total: 0, ended: false };
    stream::unfold(lines, |mut lines| async move {
        let item = lines.next().await?;
        Some((item, lines))
    })
}

struct Lines {
    body: Body,
    buffer: BytesMut,
    number: u64,
    total: usize,
    ended: bool,
}

impl Lines {
    async fn next(&mut self) -> Option<(u64, Result<Bytes, Problem>)> {
        let mut searched = 0;
        let mut too_long = false;
        loop {
            let end = self.buffer[searched..].iter().position(|byte| *byte == b'\n');
            let line = match end {
                Some(at) => {
                    let mut line = self.buffer.split_to(searched + at + 1);
                    line.truncate(line.len() - 1);
                    line
                }
                None if self.ended && self.buffer.is_empty() && !too_long => return None,
                None if self.ended => std::mem::take(&mut self.buffer),
                None => {
                    if self.buffer.len() > BODY_MOST {
                        // The rest of the line is read past, so that the next one is answered.
                        too_long = true;
                        self.buffer.clear();
                    }
                    searched = self.buffer.len();
                    if let Err(problem) = self.fill().await {
                        self.ended = true;
                        self.buffer.clear();
                        return Some((self.number + 1, Err(problem)));
                    }
                    continue;
                }
            };
            searched = 0;
            self.number += 1;
            if too_long || line.len() > BODY_MOST {
                let detail = "A line has at most 256 KiB.";
                return Some((self.number, Err(Problem::new(Code::BodyTooLarge, detail))));
            }
            if !line.iter().all(u8::is_ascii_whitespace) {
                return Some((self.number, Ok(line.freeze())));
            }
        }
    }

    async fn fill(&mut self) -> Result<(), Problem> {
        match body::next(&mut self.body).await? {
            None => self.ended = true,
            Some(bytes) => {
                self.total += bytes.len();
                if self.total > BULK_MOST {
                    let detail = "A bulk request has at most 16 MiB; the lines from here on were \
                                  not read.";
                    return Err(Problem::new(Code::BodyTooLarge, detail));
                }
                self.buffer.extend_from_slice(&bytes);
            }
        }
        Ok(())
    }
}
