//! Recording what took place outside: a payment or a refund of a return.

use std::time::Duration;

use refundry_domain::book::Book;
use refundry_domain::command::{Ask, Command, NewPayment, Paid, Stated, Target, What};
use refundry_domain::ids::{OrderRef, TransactionId};
use refundry_domain::money::{Currency, Exact, Money};
use refundry_domain::order::PaymentKind;
use refundry_domain::refund::Destination;
use refundry_domain::refusal::Refusal;
use refundry_domain::returns::Return;

use super::call::{Answered, Call, Changes, ok, raw};
use super::refusals::No;
use super::source::{self, Whole};
use super::wire::{
    CARDS, CASH, Done, Entry, GIFTVOUCHER, Kind, METHODS, PROVIDERS, Status, TransactionAsk,
    listed, method_in, method_out, needed, not_listed, note, notes,
};
use crate::dialects::shared::replay::Once;
use crate::ledger::{self, Fault};
use crate::store::{Answer, Render};

/// How often, and how long between, the same transaction is tried while it is being recorded by a
/// request that came before.
const TRIES: u32 = 500;
const PAUSE: Duration = Duration::from_millis(10);

/// A transaction as it is asked for, every field read.
struct New {
    kind: Kind,
    reference: String,
    amount: Exact,
    currency: Currency,
    provider: String,
    method: String,
    card: Option<String>,
    code: String,
    note: Option<String>,
}

impl New {
    fn read(ask: TransactionAsk) -> Result<New, No> {
        let filled = |field: &str, value: Option<String>| {
            needed(field, value.filter(|value| !value.is_empty()))
        };
        let kind = filled("transactionType", ask.transaction_type)?;
        let kind = Kind::parse(&kind).ok_or_else(|| not_listed("transactionType", &Kind::NAMES))?;
        // What is recorded here has taken place; anything else would be recorded wrongly.
        if listed("status", ask.status, &Status::NAMES)?
            .is_some_and(|status| status != Status::Approved.name())
        {
            return Err(No::bad("A transaction is recorded once it is APPROVED."));
        }
        let amount = needed("amount", ask.amount)?.0;
        let code = filled("currency", ask.currency)?;
        let currency = Currency::parse(&code)
            .map_err(|_| No::bad("currency has to be a code of ISO 4217, such as AUD."))?;
        let method = listed("paymentMethod", ask.payment_method, &METHODS)?;
        let provider = listed("paymentProvider", ask.payment_provider, &PROVIDERS)?;
        Ok(New {
            kind,
            reference: filled("transactionRef", ask.transaction_ref.map(|text| text.0))?,
            amount,
            currency,
            provider: needed("paymentProvider", provider)?,
            method: needed("paymentMethod", method)?,
            card: listed("cardType", ask.card_type, &CARDS)?,
            code: filled("transactionCode", ask.transaction_code.map(|text| text.0))?,
            note: ask.transaction_note,
        })
    }

    /// What makes it the same: the return, the type and the reference. No client can send this key:
    /// it has a character that headers do not.
    fn once(&self, row: &Return) -> Once {
        let key = format!("\u{1}fluent {} {} {}", row.id, self.kind.name(), self.reference);
        let amount = match Money::read(self.amount, self.currency) {
            Ok(money) => money.to_string(),
            // Refused in a moment.
            Err(_) => self.amount.to_string(),
        };
        Once::new(&key, [amount.as_bytes(), self.currency.code().as_bytes(), b"", b""])
    }

    fn names(&self, entry: &Entry) -> bool {
        entry.kind == self.kind && entry.reference.as_ref() == Some(&self.reference)
    }

    /// The same again: its number, unless it is about another amount.
    fn again(&self, entry: &Entry) -> Answered {
        let amount = Money::read(self.amount, self.currency).ok();
        if amount == Some(Money::new(entry.amount, entry.currency)) {
            return Ok(ok(&Done { id: entry.number.to_string() }));
        }
        Err(taken())
    }

    fn stated(&self) -> Stated {
        Stated { figure: self.amount, currency: Some(self.currency) }
    }

    fn payment(self, row: &Return) -> NewPayment {
        NewPayment {
            kind: PaymentKind::Payment,
            parent: None,
            return_id: Some(row.id),
            provider: self.provider.to_lowercase(),
            method: method_in(&self.method),
            amount: self.stated(),
            // What the provider calls it, which is what a refund of it has to name.
            provider_reference: Some(self.code),
            metadata: notes([
                (note::REF, Some(self.reference)),
                (note::CARD, self.card),
                (note::NOTE, self.note),
            ]),
            created_at: None,
        }
    }

    fn refund(self, row: &Return, book: &Book, may_approve: bool) -> Ask {
        Ask {
            what: What::Amount(self.stated()),
            kind: None,
            payment: only_payment_of(book, &self.provider),
            return_id: Some(row.id),
            to: self.destination(book),
            execution: None,
            paid: Some(Paid { reference: Some(self.reference) }),
            confirm: None,
            may_approve,
            reason: None,
            note: self.note,
            metadata: notes([
                (note::TYPE, Some(self.kind.name().to_owned())),
                (note::CODE, Some(self.code)),
                (note::PROVIDER, Some(self.provider)),
                (note::METHOD, Some(self.method)),
                (note::CARD, self.card),
            ]),
        }
    }

    /// Cash and vouchers go elsewhere than the money came from, unless it came as such.
    fn destination(&self, book: &Book) -> Destination {
        let paid_so = book.payments.iter().any(|row| method_out(&row.method) == self.method);
        match self.method.as_str() {
            CASH if !paid_so => Destination::Cash,
            GIFTVOUCHER if !paid_so => Destination::GiftCard,
            _ => Destination::OriginalPayment,
        }
    }
}

/// The payment that is given back, when the provider's name says which; else the ledger chooses.
fn only_payment_of(book: &Book, provider: &str) -> Option<TransactionId> {
    let captured = book.payments.iter().filter(|row| row.kind.captures());
    let mut rows = captured.filter(|row| row.provider.eq_ignore_ascii_case(provider));
    match (rows.next(), rows.next()) {
        (Some(row), None) => Some(row.id),
        (_, _) => None,
    }
}

fn taken() -> No {
    No::bad(
        "transactionRef: the return has a transaction of this type and reference, of another amount.",
    )
}

/// The one of these that the answer names.
fn told<'a>(answer: &Answer, entries: &[&'a Entry]) -> Option<&'a Entry> {
    entries.iter().copied().find(|entry| done(entry.number.to_string()) == answer.body)
}

fn ended(entry: &Entry) -> No {
    let number = entry.number;
    No::bad(format!(
        "transactionRef: it is of transaction {number}, which is DECLINED; take another one."
    ))
}

pub async fn create(rights: Changes, call: Call) -> Answered {
    let Whole { row, book, entries } = source::whole(&rights.reads, call.return_id()).await?;
    let new = New::read(call.json().await?)?;
    let (declined, standing): (Vec<&Entry>, Vec<&Entry>) = entries
        .iter()
        .filter(|entry| new.names(entry))
        .partition(|entry| entry.status == Status::Declined);
    if let Some(entry) = standing.first() {
        return new.again(entry);
    }
    let (once, kind) = (new.once(&row), new.kind);
    let order = OrderRef::Id(row.order);
    let (command, render): (Command, Render) = match kind {
        Kind::Payment => (Command::RecordPayment(new.payment(&row)), new_payment),
        Kind::Refund | Kind::ManualRefund => {
            let ask = new.refund(&row, &book, rights.writes.may_approve());
            (Command::RequestRefund(ask), new_refund)
        }
    };
    match carry_out(&rights, Target::Order(order), &command, &once, render).await? {
        ledger::Answered::Done { answer: Some(answer), .. } => Ok(raw(answer.body)),
        // It was recorded here and has been declined since; it cannot be told from another one.
        ledger::Answered::Replayed(answer) => match told(&answer, &declined) {
            Some(entry) => Err(ended(entry)),
            None => Ok(raw(answer.body)),
        },
        ledger::Answered::Done { answer: None, .. } => {
            Err(No::new(500, "The transaction was recorded; repeat the call for its id."))
        }
        ledger::Answered::Refused { refusal, .. } => Err(refusal.into()),
        // With another amount; or so long ago that its answer is forgotten, and its reference was
        // changed since.
        ledger::Answered::KeyReused => Err(taken()),
    }
}

/// A repetition that comes while the first is at work waits for what that gets.
async fn carry_out(
    rights: &Changes,
    target: Target,
    command: &Command,
    once: &Once,
    render: Render,
) -> Result<ledger::Answered, Fault> {
    let mut tries = 0;
    loop {
        let claim = once.clone().claim_when_done(render);
        let done = rights.writes.carry_out(target.clone(), command.clone(), Some(claim), false);
        match done.await {
            Err(Fault::InProgress) if tries < TRIES => {
                tries += 1;
                tokio::time::sleep(PAUSE).await;
            }
            done => return done,
        }
    }
}

fn new_payment(result: Result<&Book, &Refusal>) -> Answer {
    rendered(result, |book| book.payments.iter().map(|row| row.id).max())
}

fn new_refund(result: Result<&Book, &Refusal>) -> Answer {
    rendered(result, |book| book.refund.as_ref()?.transactions.first().map(|row| row.id))
}

fn rendered(
    result: Result<&Book, &Refusal>,
    number: impl Fn(&Book) -> Option<TransactionId>,
) -> Answer {
    let id = result.ok().and_then(number).map(|id| id.to_string()).unwrap_or_default();
    Answer { status: 200, body: done(id) }
}

fn done(id: String) -> Vec<u8> {
    serde_json::to_vec(&Done { id }).unwrap_or_default()
}
