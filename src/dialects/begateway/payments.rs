//! Payments of the sandbox: an unchanged client can make the parent of its refund.

use refundry_domain::book::Book;
use refundry_domain::command::{Command, NewOrder, NewPayment, Stated, Target};
use refundry_domain::money::{Currency, Exact, Money};
use refundry_domain::order::{Customer, Metadata, PaymentKind, TRACKING_ID};

use super::call::{Answered, Api, Call, Voice, json};
use super::refunds::{Made, answer, carried_out};
use super::refusals::No;
use super::sheet::{find, notes};
use super::told;
use super::wire::{self, Check, MethodAsk, PaymentAsk, Uid};
use crate::dialects::shared::right::{Right, Writes};
use crate::store::Render;

const SANDBOX: &str = "sandbox";

pub async fn create(right: Right<Writes>, mut call: Call) -> Answered {
    let made = make(&right, &mut call).await?;
    let sheet = find(&right, made.uid).await?.ok_or_else(|| No::not_found(call.voice))?;
    Ok(made.mark(json(200, &sheet.answer(call.voice, &call.base))))
}

/// What becomes of a payment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Paid,
    Failed,
    Incomplete,
}

/// The vendor's published test cards. No other number is taken, and none is kept.
fn ending_of_card(number: &str) -> Option<Ending> {
    match number {
        "4200000000000000" | "9112300000000000" => Some(Ending::Paid),
        "4005550000000019" => Some(Ending::Failed),
        "4012000000003010" => Some(Ending::Incomplete),
        _ => None,
    }
}

/// Registers an order with the payment that the body describes.
pub async fn make(right: &Right<Writes>, call: &mut Call) -> Result<Made, No> {
    let voice = call.voice;
    if !right.policy().await?.pays_through(SANDBOX) {
        return Err(No::unsupported());
    }
    let (bytes, once) = call.read("payment").await?;
    let ask: PaymentAsk = wire::read(&bytes)?;
    let mut check = Check::new(voice);
    let description = check.text("description", ask.description.clone(), 255);
    let code = check.text("currency", ask.currency.clone(), 3);
    let currency = Currency::parse(&code).ok();
    if currency.is_none() && !code.trim().is_empty() {
        check.say("currency", "is not an ISO 4217 code");
    }
    let figure = match (ask.amount, currency) {
        (None, _) => {
            check.missing("amount");
            None
        }
        (Some(figure), Some(currency)) => check.amount(figure, currency),
        (Some(_), None) => None,
    };
    let (method, ending) = method(&ask, voice, figure.zip(currency), &mut check);
    check.done()?;
    let (Some(figure), Some(currency)) = (figure, currency) else {
        return Err(No::system(400, "The amount cannot be read."));
    };
    let new = order(&ask, description, &method, (figure, currency), ending, voice)?;
    if let Some(address) = ask.notification_url.as_deref().filter(|url| !url.is_empty()) {
        told::expect(right, voice, address, call.credentials()).await?;
    }
    let claim = once.map(|once| once.claim(kept(voice)));
    let done = right.carry_out(Target::NewOrder, Command::RegisterOrder(new), claim, false);
    carried_out(done.await?, voice, uid_of)
}

/// The payment method, and how a payment with it ends.
fn method(
    ask: &PaymentAsk,
    voice: Voice,
    amount: Option<(Exact, Currency)>,
    check: &mut Check,
) -> (String, Ending) {
    let alternative = ask.method.as_ref().or(ask.payment_method.as_ref());
    match (voice.api(), alternative) {
        (Api::Beyag, Some(MethodAsk { kind: Some(kind) })) if !kind.is_empty() => {
            let amount = amount.and_then(|(figure, of)| Money::read(figure, of).ok());
            let units = amount.and_then(wire::minor_units).unwrap_or_default();
            let bogus = kind == "bogus" && (10_000..=20_000).contains(&units);
            (kind.clone(), if bogus { Ending::Failed } else { Ending::Paid })
        }
        (Api::Beyag, Some(_) | None) => {
            check.missing("method/type");
            (String::new(), Ending::Failed)
        }
        (Api::Card, _) => {
            let card = ask.credit_card.as_ref().and_then(|card| card.number.as_ref());
            let number = card.map(|number| number.0.replace([' ', '-'], ""));
            let ending = number.as_deref().and_then(ending_of_card);
            match (number, ending) {
                (None, _) => check.missing("credit_card/number"),
                (Some(_), None) => check.say("credit_card/number", "is not a test card"),
                (Some(_), Some(_)) => {}
            }
            ("card".to_owned(), ending.unwrap_or(Ending::Failed))
        }
    }
}

fn order(
    ask: &PaymentAsk,
    description: String,
    method: &str,
    (figure, currency): (Exact, Currency),
    ending: Ending,
    voice: Voice,
) -> Result<NewOrder, No> {
    let text = |text: &Option<crate::dialects::shared::exact::Text>| {
        text.as_ref().map(|text| text.0.clone()).filter(|text| !text.is_empty())
    };
    let order_id = text(&ask.order_id);
    let tracking_id = text(&ask.tracking_id).or_else(|| order_id.clone());
    // The sandbox does what a reference that begins with its name says.
    let script = tracking_id.clone().filter(|name| name.starts_with("sandbox_"));
    let mut metadata = Metadata::new();
    let mut note = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            metadata.insert(name.to_owned(), value);
        }
    };
    note(TRACKING_ID, tracking_id);
    note(notes::ORDER_ID, order_id);
    note(notes::DESCRIPTION, Some(description));
    note(notes::NOTIFICATION_URL, ask.notification_url.clone());
    note(notes::LANGUAGE, ask.language.clone());
    note(notes::TEST, Some(ask.test.unwrap_or(false).to_string()));
    let mut payments = vec![NewPayment {
        kind: PaymentKind::Payment,
        parent: None,
        return_id: None,
        provider: SANDBOX.to_owned(),
        method: method.to_owned(),
        provider_reference: script,
        amount: Stated { figure, currency: None },
        metadata: Metadata::new(),
        created_at: None,
    }];
    if ending != Ending::Paid {
        let amount = Money::read(figure, currency).map_err(|problem| {
            No::invalid(voice, vec![("amount".to_owned(), problem.to_string())])
        })?;
        payments.clear();
        let status = if ending == Ending::Incomplete { "incomplete" } else { "failed" };
        note(notes::UNPAID, Some(status.to_owned()));
        note(notes::UNPAID_AMOUNT, Some(amount.minor().get().to_string()));
        note(notes::METHOD, Some(method.to_owned()));
    }
    Ok(NewOrder {
        reference: None,
        currency,
        customer: customer(ask),
        lines: Vec::new(),
        payments,
        fulfilled: false,
        metadata,
        created_at: None,
    })
}

fn customer(ask: &PaymentAsk) -> Customer {
    let asked = ask.customer.as_ref();
    let names = asked.map(|customer| [&customer.first_name, &customer.last_name]);
    let names = names.into_iter().flatten().filter_map(|name| name.as_deref());
    let name = names.filter(|name| !name.is_empty()).collect::<Vec<_>>().join(" ");
    Customer {
        reference: None,
        email: asked.and_then(|customer| customer.email.clone()).or_else(|| ask.email.clone()),
        name: (!name.is_empty()).then_some(name),
    }
}

fn kept(voice: Voice) -> Render {
    match voice {
        Voice::Beyag => |result| answer(result, Voice::Beyag, uid_of),
        Voice::Card => |result| answer(result, Voice::Card, uid_of),
        Voice::Flat => |result| answer(result, Voice::Flat, uid_of),
    }
}

/// The payment that was made, or the order of one that was not.
#[expect(clippy::unnecessary_wraps, reason = "it stands where what names a refund does")]
fn uid_of(book: &Book) -> Option<Uid> {
    let paid = book.payments.last().map(|payment| payment.id.0);
    Some(Uid::Payment(paid.unwrap_or(book.order.id.0)))
}
