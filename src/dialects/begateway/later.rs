//! The asynchronous variant: the same refund or payment, asked for now and looked up later. A task
//! is named as its transaction is.

use serde_json::{Value, json};

use super::call::{Answered, Call, json as answer};
use super::payments;
use super::refunds::{self, Made};
use super::refusals::No;
use super::sheet::{Sheet, find};
use super::wire::Uid;
use crate::dialects::shared::right::{Reads, Right, Writes};

pub async fn refund(right: Right<Writes>, mut call: Call) -> Answered {
    let made = refunds::make(&right, &mut call).await?;
    accepted(&call, &made)
}

pub async fn payment(right: Right<Writes>, mut call: Call) -> Answered {
    let made = payments::make(&right, &mut call).await?;
    accepted(&call, &made)
}

fn accepted(call: &Call, made: &Made) -> Answered {
    Ok(made.mark(answer(200, &task(call, &made.uid.to_string(), "processing"))))
}

fn task(call: &Call, id: &str, status: &str) -> Value {
    let later = call.later();
    json!({
        "status": status,
        "request_id": id,
        "status_url": format!("{later}/status/{id}"),
        "response_url": format!("{later}/result/{id}"),
    })
}

async fn found(right: &Right<Reads>, id: &str) -> Result<Option<Sheet>, No> {
    match Uid::parse(id) {
        Some(uid) => Ok(find(right, uid).await?),
        None => Ok(None),
    }
}

/// How far the task is; one that nobody knows is `unknown`.
pub async fn status(right: Right<Reads>, call: Call) -> Answered {
    let status = match found(&right, &call.name).await? {
        Some(sheet) if sheet.is_pending() => "processing",
        Some(_) => "completed",
        None => return Ok(answer(200, &json!({"status": "unknown", "request_id": call.name}))),
    };
    Ok(answer(200, &task(&call, &call.name, status)))
}

/// The transaction; 425 while it is open.
pub async fn result(right: Right<Reads>, call: Call) -> Answered {
    let sheet = found(&right, &call.name).await?.ok_or_else(|| No::not_found(call.voice))?;
    if sheet.is_pending() {
        return Ok(answer(425, &task(&call, &call.name, "processing")));
    }
    Ok(answer(200, &sheet.answer(call.voice, &call.base)))
}
