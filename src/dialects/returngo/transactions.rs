//! Transactions: listed, and told of by those who carry them out.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use refundry_domain::command::{Command, Target};
use refundry_domain::ids::{OrderId, OrderRef, RefundId, ReturnId, Timestamp, TransactionId};
use refundry_domain::money::Money;
use refundry_domain::order::PaymentKind;
use refundry_domain::outcome::{Failure, FailureCode, Outcome, Report, Reporter};
use refundry_domain::refund::{Destination, Refund, RefundTransaction, TransactionState};
use refundry_domain::refusal::Refusal;
use refundry_domain::returns::Return;
use serde::Serialize;

use super::call::{Answered, Call, json};
use super::refusals::No;
use super::wire::{self, EXTERNAL, Status, TYPES, Transaction, Update};
use crate::dialects::shared::body;
use crate::dialects::shared::exact::Figure;
use crate::dialects::shared::paging::Fields;
use crate::dialects::shared::right::{Reads, Right, Shows, Writes};
use crate::ledger;
use crate::store::{
    Movement, Page, ReturnFilter, StoreError, TransactionFilter, TransactionRow, Within,
};

#[derive(Serialize)]
struct List {
    transactions: Vec<Transaction>,
    next_cursor: Option<String>,
}

pub async fn list(right: Right<Reads>, call: Call) -> Answered {
    let mut fields = Fields::of(&call.uri)?;
    let page = page(&mut fields, |text| text.parse().ok())?;
    let filter = filter(&right, &mut fields).await?;
    let slice = right.transactions(filter, page).await?;
    let next_cursor = match slice.rows.last() {
        Some(row) if slice.more => Some(STANDARD.encode(row.number().to_string())),
        Some(_) | None => None,
    };
    let transactions = views(&right, &slice.rows).await?;
    Ok(json(&List { transactions, next_cursor }))
}

/// `pagesize`, which is required, and `cursor`, whose text `number` reads.
pub fn page(fields: &mut Fields, number: impl Fn(&str) -> Option<i64>) -> Result<Page, No> {
    let size = fields.take("pagesize")?.and_then(|text| text.parse().ok());
    let Some(limit) = size.filter(|size| (1..=500).contains(size)) else {
        return Err(No::new(400, "pagesize is required: a number from 1 to 500."));
    };
    let cursor = fields.take("cursor")?.filter(|cursor| !cursor.is_empty());
    let after = match cursor {
        Some(cursor) => {
            let text = STANDARD.decode(&cursor).ok().and_then(|text| String::from_utf8(text).ok());
            let after = text.and_then(|text| number(&text));
            Some(after.ok_or_else(|| No::new(400, "The cursor is not one of a previous answer."))?)
        }
        None => None,
    };
    Ok(Page { after, before: None, limit, oldest_first: true })
}

async fn filter(right: &Right<Reads>, fields: &mut Fields) -> Result<TransactionFilter, No> {
    let mut filter = TransactionFilter::default();
    let created = span(fields, "created_at")?;
    (filter.created_from, filter.created_until) = (created.from, created.until);
    let updated = span(fields, "updated_at")?;
    let search = &mut filter.search;
    search.created_except = created.except;
    (search.updated_from, search.updated_until) = (updated.from, updated.until);
    search.updated_except = updated.except;
    for text in fields.take_all("ids") {
        search.numbers.push(text.parse().map_err(|_| No::new(400, "ids are numbers."))?);
    }
    for text in fields.take_all("order_ids") {
        search.orders.push(order(right, text).await?);
    }
    for text in fields.take_all("rma_ids") {
        search.returns.push(rma(right, text).await?);
    }
    for text in fields.take_all("statuses") {
        let status = Status::parse(&text).ok_or_else(|| {
            let names: Vec<&str> = Status::ALL.iter().map(|status| status.name()).collect();
            No::new(400, format!("statuses are {}.", names.join(", ")))
        })?;
        let states = TransactionState::ALL.into_iter();
        search.states.extend(states.filter(|state| Status::of(*state) == status));
        search.payments_too |= status == Status::Success;
    }
    for text in fields.take_all("types") {
        let Some(name) = TYPES.into_iter().find(|name| name.eq_ignore_ascii_case(&text)) else {
            return Err(No::new(400, format!("types are {}.", TYPES.join(", "))));
        };
        let places = Destination::ALL.into_iter();
        search.destinations.extend(places.filter(|to| wire::type_of_refund(*to) == name));
        let kinds = PaymentKind::ALL.into_iter();
        search.kinds.extend(kinds.filter(|kind| wire::type_of_payment(*kind) == name));
    }
    for text in fields.take_all("processors") {
        if text.eq_ignore_ascii_case(EXTERNAL) {
            search.outside_too = true;
        } else {
            search.providers.push(text);
        }
    }
    Ok(filter)
}

/// An order by its number or the shop's reference; one that is not there matches nothing.
async fn order(right: &Right<Reads>, text: String) -> Result<OrderId, StoreError> {
    let number = text.parse().map(OrderId);
    let book = right.order(OrderRef::Reference(text)).await?;
    Ok(book.map_or(number.unwrap_or(OrderId(-1)), |book| book.order.id))
}

async fn rma(right: &Right<Reads>, text: String) -> Result<ReturnId, StoreError> {
    let number = text.parse().map(ReturnId);
    let filter = ReturnFilter { reference: Some(text), ..ReturnFilter::default() };
    let one = Page { after: None, before: None, limit: 1, oldest_first: true };
    let found = right.returns(filter, one).await?.rows;
    Ok(found.first().map_or(number.unwrap_or(ReturnId(-1)), |row| row.id))
}

/// `<op>:<time>`: times are whole seconds here, so each stands for the second that it begins.
pub fn span(fields: &mut Fields, name: &str) -> Result<Within, No> {
    let wrong = || {
        let text = "is lt, lte, gt, gte, eq or neq, a colon, and a time as 2026-01-31T12:00:00.";
        No::new(400, format!("{name} {text}"))
    };
    let mut span = Within::default();
    for text in fields.take_all(name) {
        let (operator, time) = text.split_once(':').ok_or_else(wrong)?;
        let form = "%Y-%m-%dT%H:%M:%S";
        let moment = jiff::civil::DateTime::strptime(form, time).map_err(|_| wrong())?;
        let moment = moment.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| wrong())?;
        let begins = Timestamp(moment.timestamp().as_millisecond());
        let ends = begins.after_ms(1_000);
        match operator {
            "lt" => span.until = least(span.until, begins),
            "lte" => span.until = least(span.until, ends),
            "gt" => span.from = span.from.max(Some(ends)),
            "gte" => span.from = span.from.max(Some(begins)),
            "eq" => {
                span.from = span.from.max(Some(begins));
                span.until = least(span.until, ends);
            }
            "neq" if span.except.is_none() => span.except = Some((begins, ends)),
            _ => return Err(wrong()),
        }
    }
    Ok(span)
}

#[expect(clippy::unnecessary_wraps, reason = "it is a bound of a span")]
fn least(known: Option<Timestamp>, other: Timestamp) -> Option<Timestamp> {
    Some(known.map_or(other, |known| known.min(other)))
}

/// The rows as they are shown, each with its refund and return.
pub async fn views<S: Shows>(
    right: &Right<S>,
    rows: &[TransactionRow],
) -> Result<Vec<Transaction>, StoreError> {
    let mut refunds: HashMap<RefundId, Option<Refund>> = HashMap::new();
    let mut returns: HashMap<ReturnId, Option<Return>> = HashMap::new();
    for row in rows {
        let Movement::Back(back) = &row.movement else { continue };
        let Entry::Vacant(place) = refunds.entry(back.refund) else { continue };
        let refund = right.refund(back.refund).await?;
        if let Some(id) = refund.as_ref().and_then(|refund| refund.return_id)
            && let Entry::Vacant(place) = returns.entry(id)
        {
            place.insert(right.return_of(id).await?);
        }
        place.insert(refund);
    }
    let view = |row: &TransactionRow| {
        let refund = match &row.movement {
            Movement::Back(back) => refunds.get(&back.refund).and_then(Option::as_ref),
            Movement::In(_) => None,
        };
        let of = refund.and_then(|refund| refund.return_id).and_then(|id| returns.get(&id));
        Transaction::of(row, refund, of.and_then(Option::as_ref))
    };
    Ok(rows.iter().map(view).collect())
}

/// Somebody outside says what became of a transaction that was begun here.
pub async fn update(right: Right<Writes>, call: Call) -> Answered {
    let number: i64 =
        call.name.parse().map_err(|_| No::new(400, "A transaction's id is a number."))?;
    let id = TransactionId(number);
    let update: Update = body::parse(&body::read(call.body).await?)?;
    let row = right.transaction(id).await?.ok_or(Refusal::UnknownTransaction)?;
    let Movement::Back(back) = &row.movement else {
        return Err(No::new(400, "Only refunds that were begun here can be updated."));
    };
    check(&update, back, &row)?;
    if let Some(outcome) = outcome(update, back)? {
        let report = Report { outcome, by: Reporter::Caller, look_again_ms: 0 };
        let command = Command::Report(report);
        match right.carry_out(Target::Transaction(id), command, None, false).await? {
            ledger::Answered::Refused { refusal, .. } => return Err(refusal.into()),
            ledger::Answered::Done { .. }
            | ledger::Answered::Replayed(_)
            | ledger::Answered::KeyReused => {}
        }
    }
    let row = right.transaction(id).await?.ok_or(Refusal::UnknownTransaction)?;
    let shown = views(&right, std::slice::from_ref(&row)).await?;
    Ok(json(&shown.first()))
}

/// An amount and the kind of reference may only be restated.
fn check(update: &Update, back: &RefundTransaction, row: &TransactionRow) -> Result<(), No> {
    let known = ["PlatformRefundId", "StoreCreditCode", "GiftCardCode"];
    if let Some(kind) = &update.external_reference_type
        && !known.contains(&kind.as_str())
    {
        return Err(No::new(400, format!("externalReferenceType is one of {}.", known.join(", "))));
    }
    let Some(stated) = &update.amount else { return Ok(()) };
    let other = || No::new(400, "The amount is not the transaction's own.");
    for Figure(figure) in [stated.amount, stated.shop_amount].into_iter().flatten() {
        let money = Money::read(figure, row.currency).map_err(|_| other())?;
        if money.minor() != back.amount {
            return Err(other());
        }
    }
    for code in [&stated.currency, &stated.shop_currency].into_iter().flatten() {
        if code != row.currency.code() {
            return Err(other());
        }
    }
    Ok(())
}

/// What the update says of the attempt; nothing when it says nothing new.
fn outcome(update: Update, back: &RefundTransaction) -> Result<Option<Outcome>, No> {
    let now = Status::of(back.state);
    let status = match &update.status {
        Some(text) => Status::parse(text)
            .ok_or_else(|| No::new(400, "status is Pending, Success, Failed or Canceled."))?,
        None => now,
    };
    let reference = update.external_reference_id.map(|text| text.0);
    let words = |usual: &str| update.comment.clone().unwrap_or_else(|| usual.to_owned());
    Ok(match status {
        Status::Requested if now != Status::Requested => {
            let text = format!("A transaction that is {} is not Requested again.", now.name());
            return Err(No::new(400, text));
        }
        Status::Requested if reference.is_none() && update.comment.is_none() => None,
        Status::Requested | Status::Pending => Some(match update.comment {
            Some(message) => Outcome::Waiting { reference, message },
            None => Outcome::Acknowledged { reference },
        }),
        Status::Success => Some(Outcome::Done { reference, amount: None }),
        Status::Failed if back.state == TransactionState::Reversed => None,
        Status::Failed => Some(Outcome::Declined(Failure {
            code: FailureCode::Other,
            message: words("Reported as failed."),
        })),
        Status::Canceled => {
            Some(Outcome::CalledOff { message: words("Called off by the platform.") })
        }
    })
}
