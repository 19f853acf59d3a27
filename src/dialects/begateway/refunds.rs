//! Refunds: asked for on either API.

use axum::response::Response;
use refundry_domain::book::Book;
use refundry_domain::command::{Ask, Command, Stated, Target, What};
use refundry_domain::ids::TransactionId;
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
use crate::dialects::shared::exact::Figure;
use crate::dialects::shared::replay::Once;
use crate::dialects::shared::right::{Right, Writes};
use crate::ledger::{self, Fault, Fitting, Following};
use crate::store::{Answer, Movement, Page, RefundFilter, Render, TransactionRow};

/// What the card API looks back for the same refund.
const DUPLICATE_MS: i64 = 30_000;

pub async fn create(right: Right<Writes>, mut call: Call) -> Answered {
    let mut made = make(&right, &mut call).await?;
    let sheet = made.settled(&right, call.voice).await?;
    Ok(made.mark(json(200, &sheet.answer(call.voice, &call.base))))
}

/// What was made, now or by an earlier try of the same request.
pub struct Made {
    pub uid: Uid,
    replayed: bool,
    following: Option<Following>,
}

impl Made {
    /// As it is once its provider has answered, or the wait for that is over.
    async fn settled(&mut self, right: &Right<Writes>, voice: Voice) -> Result<Sheet, No> {
        let sheet = match self.uid {
            Uid::Refund(number) => {
                let id = TransactionId(number);
                let followed = right.outcome(id, self.following.take()).await?;
                followed.and_then(|followed| Sheet::of(followed, id))
            }
            Uid::Payment(_) => find(right, self.uid).await?,
        };
        sheet.ok_or_else(|| No::not_found(voice))
    }

    pub fn mark(&self, response: Response) -> Response {
        if self.replayed { replayed(response) } else { response }
    }
}

/// Why a refund cannot be asked for as it stands.
enum Unfit {
    No(No),
    /// First the outcome has to be expected at this address, which the payment's order names.
    Tells(String),
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
    let Some(Uid::Payment(number)) = Uid::parse(&named) else {
        check.done()?;
        return Err(no_parent(right, &named, voice).await?);
    };
    let parent = TransactionId(number);
    let own = ask.notification_url.clone().filter(|url| !url.is_empty());
    let checked = voice.api() == Api::Card && ask.duplicate_check != Some(false);
    // Else what is asked for says enough, and the ledger finds the payment itself.
    let looks = own.is_some() || checked || !check.is_fine();
    let found = if looks { look(right, check, parent, ask.amount).await? } else { Looked::Not };
    if matches!(found, Looked::Nothing) {
        return Err(no_parent(right, &named, voice).await?);
    }
    if let Some(address) = &own {
        told::expect(right, voice, address, call.credentials()).await?;
    }
    let request_id = call.request_id()?.map(str::to_owned);
    let refund = Wanted {
        parent,
        amount: ask.amount,
        ask: wanted(right, parent, reason, ask, request_id.clone()),
        voice,
    };
    let mut tells = own.is_none();
    loop {
        let alone = match &found {
            Looked::Found(row, Some(amount)) if checked => {
                Some(alone(right, row, *amount, request_id.as_deref(), voice).await?)
            }
            Looked::Found(..) | Looked::Not | Looked::Nothing => None,
        };
        let fitting = refund.fitting(tells, once.clone());
        match right.carry_out_fitting(alone, fitting).await? {
            Ok((ledger::Answered::Refused { refusal: Refusal::UnknownTransaction, .. }, _)) => {
                return Err(no_parent(right, &named, voice).await?);
            }
            Ok((done, following)) => {
                let made = carried_out(done, voice, uid_of)?;
                let following = Some(following).filter(|_| !made.replayed);
                return Ok(Made { following, ..made });
            }
            Err(Unfit::No(no)) => return Err(no),
            Err(Unfit::Tells(address)) => {
                if let Err(no) = told::expect(right, voice, &address, None).await {
                    // Nothing is wrong with this request.
                    tracing::warn!(
                        status = no.status,
                        "an order's notification_url cannot be told"
                    );
                }
                tells = false;
            }
        }
    }
}

/// What was seen of the payment before the ledger is asked.
enum Looked {
    Not,
    Nothing,
    /// And the amount that is asked for, if one is.
    Found(Box<TransactionRow>, Option<Exact>),
}

/// Looks for the payment, and says all that is wrong with the request at once.
async fn look(
    right: &Right<Writes>,
    mut check: Check,
    parent: TransactionId,
    given: Option<Figure>,
) -> Result<Looked, No> {
    let row = right.transaction(parent).await?;
    let row = row.filter(|row| matches!(row.movement, Movement::In(_)));
    let given = given.zip(row.as_ref());
    let amount = given.and_then(|(given, row)| check.amount(given, row.currency));
    check.done()?;
    Ok(row.map_or(Looked::Nothing, |row| Looked::Found(Box::new(row), amount)))
}

/// A refund as it is asked for, with an amount whose decimals the payment's order says.
#[derive(Clone)]
struct Wanted {
    parent: TransactionId,
    amount: Option<Figure>,
    ask: Ask,
    voice: Voice,
}

impl Wanted {
    /// With `tells`, the outcome is told where the payment's order says, if it does. The credentials
    /// are for whom a request itself names: the order's notes may be another key's.
    fn fitting(
        &self,
        tells: bool,
        once: Option<Once>,
    ) -> Fitting<impl Fn(&Book) -> Result<Command, Unfit> + Send + Sync + use<>> {
        let wanted = self.clone();
        Fitting {
            target: Target::Payment(self.parent),
            like: Command::RequestRefund(self.ask.clone()),
            fit: move |book: &Book| {
                let ask = wanted.of(book).map_err(Unfit::No)?;
                match address_of(None, &book.order).filter(|_| tells) {
                    Some(address) => Err(Unfit::Tells(address.to_owned())),
                    None => Ok(Command::RequestRefund(ask)),
                }
            },
            claim: once.map(|once| once.claim(kept(self.voice))),
        }
    }

    fn of(&self, book: &Book) -> Result<Ask, No> {
        let Some(given) = self.amount else { return Ok(self.ask.clone()) };
        let mut check = Check::new(self.voice);
        let figure = check.amount(given, book.order.currency);
        check.done()?;
        let what =
            figure.map_or(What::Rest, |figure| What::Amount(Stated { figure, currency: None }));
        Ok(Ask { what, ..self.ask.clone() })
    }
}

fn wanted(
    right: &Right<Writes>,
    parent: TransactionId,
    reason: String,
    ask: RefundAsk,
    request_id: Option<String>,
) -> Ask {
    Ask {
        what: What::Rest,
        kind: None,
        payment: Some(parent),
        return_id: None,
        to: Destination::OriginalPayment,
        execution: None,
        confirm: None,
        may_approve: right.may_approve(),
        reason: Some(reason),
        note: None,
        paid: None,
        metadata: metadata(ask, request_id),
    }
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
            Some(uid) => Ok(Made { uid, replayed: false, following: None }),
            None => Err(No::system(500, "What was made cannot be named.")),
        },
        ledger::Answered::Refused { refusal, .. } => Err(no(&refusal, voice)),
        ledger::Answered::Replayed(answer) if answer.status == 200 => {
            let kept: Option<Kept> = serde_json::from_slice(&answer.body).ok();
            match kept.and_then(|kept| Uid::parse(&kept.uid)) {
                Some(uid) => Ok(Made { uid, replayed: true, following: None }),
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
