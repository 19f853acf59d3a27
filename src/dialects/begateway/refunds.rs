//! Refunds: asked for on either API.

use axum::response::Response;
use refundry_domain::book::Book;
use refundry_domain::command::{Ask, Command, Stated, Target, What};
use refundry_domain::ids::{OrderRef, TransactionId};
use refundry_domain::money::{Exact, Money};
use refundry_domain::order::{Metadata, TRACKING_ID};
use refundry_domain::refund::{Destination, State};
use refundry_domain::refusal::Refusal;
use serde::Deserialize;

use super::call::{Answered, Api, Call, Voice, json, replayed};
use super::format::address_of;
use super::refusals::{No, no};
use super::sheet::{Sheet, find, notes};
use super::told;
use super::wire::{self, Check, RefundAsk, Uid};
use crate::dialects::shared::right::{Right, Writes};
use crate::ledger::{self, Fault};
use crate::store::{Answer, Movement, Page, RefundFilter, Render, TransactionRow};

/// What the card API looks back for the same refund.
const DUPLICATE_MS: i64 = 30_000;

pub async fn create(right: Right<Writes>, mut call: Call) -> Answered {
    let made = make(&right, &mut call).await?;
    let sheet = made.settled(&right, call.voice).await?;
    Ok(made.mark(json(200, &sheet.answer(call.voice, &call.base))))
}

/// What was made, now or by an earlier try of the same request.
pub struct Made {
    pub uid: Uid,
    replayed: bool,
}

impl Made {
    /// As it is once its provider has answered, or the wait for that is over.
    async fn settled(&self, right: &Right<Writes>, voice: Voice) -> Result<Sheet, No> {
        if let Uid::Refund(number) = self.uid {
            right.outcome(TransactionId(number)).await?;
        }
        find(right, self.uid).await?.ok_or_else(|| No::not_found(voice))
    }

    pub fn mark(&self, response: Response) -> Response {
        if self.replayed { replayed(response) } else { response }
    }
}

/// Asks the ledger for the refund that the body describes.
pub async fn make(right: &Right<Writes>, call: &mut Call) -> Result<Made, No> {
    let voice = call.voice;
    let (bytes, once) = call.read("refund").await?;
    let ask: RefundAsk = wire::read(&bytes)?;
    let mut check = Check::new(voice);
    let most = if voice.api() == Api::Card { 255 } else { 1000 };
    let reason = check.text("reason", ask.reason.clone(), most);
    let named = check.text("parent_uid", ask.parent_uid.clone().map(|text| text.0), 255);
    if ask.amount.is_none() && voice.api() == Api::Card {
        check.missing("amount");
    }
    let parent = match Uid::parse(&named) {
        Some(Uid::Payment(number)) => right.transaction(TransactionId(number)).await?,
        Some(Uid::Refund(_)) | None => None,
    };
    let parent = parent.filter(|row| matches!(row.movement, Movement::In(_)));
    let currency = parent.as_ref().map(|row| row.currency);
    let amount = ask.amount.zip(currency).and_then(|(given, of)| check.amount(given, of));
    check.done()?;
    let Some(parent) = parent else { return Err(no_parent(right, &named, voice).await?) };

    let own = ask.notification_url.as_deref().map(|url| (url, call.credentials()));
    have_told(right, voice, own, &parent).await?;
    let request_id = call.request_id()?.map(str::to_owned);
    let checked = voice.api() == Api::Card && ask.duplicate_check != Some(false);
    let alone = match amount.filter(|_| checked) {
        Some(amount) => Some(alone(right, &parent, amount, request_id.as_deref(), voice).await?),
        None => None,
    };
    let order = Target::Order(OrderRef::Id(parent.order));
    let command = Command::RequestRefund(Ask {
        what: amount.map_or(What::Rest, |figure| What::Amount(Stated { figure, currency: None })),
        kind: None,
        payment: Some(TransactionId(parent.number())),
        return_id: None,
        to: Destination::OriginalPayment,
        execution: None,
        confirm: None,
        may_approve: right.may_approve(),
        reason: Some(reason),
        note: None,
        paid: None,
        metadata: metadata(ask, request_id),
    });
    let claim = once.map(|once| once.claim(kept(voice)));
    carried_out(right.carry_out_holding(alone, order, command, claim).await?, voice, uid_of)
}

/// Sees to it that the outcome is told where the request says, or else where its payment's order
/// does. The credentials are for whom the request itself names: the order's notes may be another
/// key's.
async fn have_told(
    right: &Right<Writes>,
    voice: Voice,
    own: Option<(&str, Option<String>)>,
    parent: &TransactionRow,
) -> Result<(), No> {
    if let Some((address, credentials)) = own.filter(|(url, _)| !url.is_empty()) {
        return told::expect(right, voice, address, credentials).await;
    }
    let book = right.order(OrderRef::Id(parent.order)).await?;
    let order = book.map(|book| book.order);
    if let Some(address) = order.as_ref().and_then(|order| address_of(None, order))
        && let Err(no) = told::expect(right, voice, address, None).await
    {
        // Nothing is wrong with this request.
        tracing::warn!(status = no.status, "an order's notification_url cannot be told");
    }
    Ok(())
}

/// Why there is no such parent: a payment of the sandbox that was not made is known, too.
async fn no_parent(right: &Right<Writes>, named: &str, voice: Voice) -> Result<No, No> {
    let unpaid = match Uid::parse(named) {
        Some(uid @ Uid::Payment(_)) => find(right, uid).await?,
        Some(Uid::Refund(_)) | None => None,
    };
    Ok(match unpaid {
        Some(_) => no(&Refusal::NothingCaptured, voice),
        None => No::unknown_parent(voice),
    })
}

fn metadata(ask: RefundAsk, request_id: Option<String>) -> Metadata {
    let notes = [
        (TRACKING_ID, ask.tracking_id.map(|text| text.0)),
        (notes::NOTIFICATION_URL, ask.notification_url),
        (notes::LANGUAGE, ask.language),
        (notes::REFERER, ask.additional_data.and_then(|data| data.referer)),
        (notes::REQUEST_ID, request_id),
    ];
    let given = notes.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    given.filter(|(_, value)| !value.is_empty()).collect()
}

/// Sees to it that no other refund of this amount of this payment was made a moment ago, or is
/// being made. The same request, by its name, is no other: the ledger answers it as before.
async fn alone(
    right: &Right<Writes>,
    parent: &TransactionRow,
    amount: Exact,
    request_id: Option<&str>,
    voice: Voice,
) -> Result<ledger::Held, No> {
    let held = match right.hold(&format!("begateway {} {amount}", parent.number())) {
        Ok(held) => held,
        Err(Fault::InProgress) if request_id.is_none() => return Err(No::duplicate(voice)),
        Err(fault) => return Err(fault.into()),
    };
    let Ok(amount) = Money::read(amount, parent.currency) else { return Ok(held) };
    let filter = RefundFilter {
        order: Some(parent.order),
        created_from: Some(right.now().after_ms(-DUPLICATE_MS)),
        ..RefundFilter::default()
    };
    let page = Page { after: None, before: None, limit: 1_000, oldest_first: false };
    let recent = right.refunds(filter, page).await?;
    let same = recent.rows.iter().any(|refund| {
        // What was not carried out may be tried again at once.
        let stands = !matches!(refund.state, State::Failed | State::Canceled);
        let again = request_id.is_some()
            && refund.metadata.get(notes::REQUEST_ID).map(String::as_str) == request_id;
        stands
            && !again
            && refund.payment == Some(TransactionId(parent.number()))
            && refund.amount == amount.minor()
    });
    if same { Err(No::duplicate(voice)) } else { Ok(held) }
}

/// Kept under the request's name: what was made, to be shown as it is when it is asked again.
#[derive(Deserialize, serde::Serialize)]
struct Kept {
    uid: String,
}

/// The kept answer of each form of the API.
fn kept(voice: Voice) -> Render {
    match voice {
        Voice::Beyag => |result| answer(result, Voice::Beyag, uid_of),
        Voice::Card => |result| answer(result, Voice::Card, uid_of),
        Voice::Flat => |result| answer(result, Voice::Flat, uid_of),
    }
}

pub fn answer(
    result: Result<&Book, &Refusal>,
    voice: Voice,
    uid: fn(&Book) -> Option<Uid>,
) -> Answer {
    match result {
        Ok(book) => {
            let uid = uid(book).map(|uid| uid.to_string()).unwrap_or_default();
            Answer { status: 200, body: serde_json::to_vec(&Kept { uid }).unwrap_or_default() }
        }
        Err(refusal) => {
            let no = no(refusal, voice);
            Answer { status: no.status, body: no.body(voice) }
        }
    }
}

/// What came of a command; `uid` names what it made.
pub fn carried_out(
    answered: ledger::Answered,
    voice: Voice,
    uid: fn(&Book) -> Option<Uid>,
) -> Result<Made, No> {
    match answered {
        ledger::Answered::Done { book, .. } => match uid(&book) {
            Some(uid) => Ok(Made { uid, replayed: false }),
            None => Err(No::system(500, "What was made cannot be named.")),
        },
        ledger::Answered::Refused { refusal, .. } => Err(no(&refusal, voice)),
        ledger::Answered::Replayed(answer) if answer.status == 200 => {
            let kept: Option<Kept> = serde_json::from_slice(&answer.body).ok();
            match kept.and_then(|kept| Uid::parse(&kept.uid)) {
                Some(uid) => Ok(Made { uid, replayed: true }),
                None => Err(No::system(422, "The RequestID was used for another request.")),
            }
        }
        ledger::Answered::Replayed(answer) => Err(No::again(answer)),
        ledger::Answered::KeyReused => {
            Err(No::system(422, "The RequestID was used for another request; take a new one."))
        }
    }
}

fn uid_of(book: &Book) -> Option<Uid> {
    let row = book.refund.as_ref()?.transactions.first()?;
    Some(Uid::Refund(row.id.0))
}
