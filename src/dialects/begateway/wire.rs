//! The shapes of the wire: what is asked, and the small values of both directions.

use std::fmt;

use refundry_domain::ids::Timestamp;
use refundry_domain::money::{Currency, Exact, Money};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::call::{Api, Voice};
use super::refusals::No;
use crate::dialects::shared::body;
use crate::dialects::shared::exact::{Figure, Text};

/// Fields that a client sends and that mean nothing here are passed over.
#[derive(Deserialize)]
struct Envelope<T> {
    request: Option<T>,
}

/// What stands in the envelope; nothing when that is empty.
pub fn read<T: DeserializeOwned + Default>(bytes: &[u8]) -> Result<T, No> {
    let envelope: Envelope<T> = body::parse(bytes)?;
    Ok(envelope.request.unwrap_or_default())
}

#[derive(Default, Deserialize)]
pub struct RefundAsk {
    pub parent_uid: Option<Text>,
    pub reason: Option<String>,
    pub amount: Option<Figure>,
    pub tracking_id: Option<Text>,
    pub duplicate_check: Option<bool>,
    pub additional_data: Option<AdditionalData>,
    pub notification_url: Option<String>,
    pub language: Option<String>,
}

#[derive(Default, Deserialize)]
pub struct AdditionalData {
    pub referer: Option<String>,
}

#[derive(Default, Deserialize)]
pub struct PaymentAsk {
    pub amount: Option<Figure>,
    pub currency: Option<String>,
    pub description: Option<String>,
    pub tracking_id: Option<Text>,
    pub order_id: Option<Text>,
    pub test: Option<bool>,
    pub notification_url: Option<String>,
    pub language: Option<String>,
    pub email: Option<String>,
    pub customer: Option<CustomerAsk>,
    pub credit_card: Option<CardAsk>,
    pub method: Option<MethodAsk>,
    pub payment_method: Option<MethodAsk>,
}

#[derive(Default, Deserialize)]
pub struct CustomerAsk {
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub email: Option<String>,
}

/// The number is compared with the published test cards and goes no further.
#[derive(Default, Deserialize)]
pub struct CardAsk {
    pub number: Option<Text>,
}

#[derive(Default, Deserialize)]
pub struct MethodAsk {
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

/// What is wrong with the fields of a request, all of it, in the words of the API that is spoken.
pub struct Check {
    voice: Voice,
    wrong: Vec<(String, String)>,
}

impl Check {
    pub fn new(voice: Voice) -> Check {
        Check { voice, wrong: Vec::new() }
    }

    pub fn say(&mut self, field: &str, rule: impl Into<String>) {
        self.wrong.push((field.to_owned(), rule.into()));
    }

    pub fn missing(&mut self, field: &str) {
        self.say(
            field,
            match self.voice.api() {
                Api::Beyag => "is missing",
                Api::Card => "can't be blank",
            },
        );
    }

    /// A text that has to be there, with at most so many characters.
    pub fn text(&mut self, field: &str, value: Option<String>, most: usize) -> String {
        let value = value.unwrap_or_default();
        if value.trim().is_empty() {
            self.missing(field);
        } else if value.chars().count() > most {
            self.say(field, format!("is too long (maximum is {most} characters)"));
        }
        value
    }

    /// The amount of a count of minor units.
    pub fn amount(&mut self, figure: Figure, currency: Currency) -> Option<Exact> {
        let Figure(units) = figure;
        let amount = units.of_minor_units(places(currency));
        if amount.is_none() {
            self.say("amount", "must be an integer, in minimal currency units");
        }
        amount
    }

    /// Whether nothing is wrong so far.
    pub fn is_fine(&self) -> bool {
        self.wrong.is_empty()
    }

    pub fn done(self) -> Result<(), No> {
        if self.wrong.is_empty() { Ok(()) } else { Err(No::invalid(self.voice, self.wrong)) }
    }
}

/// How many decimals the API's minor unit of a currency has: as ISO 4217 says, but for one that
/// the vendor's clients count otherwise.
fn places(currency: Currency) -> u8 {
    if currency.code() == "MOP" { 1 } else { currency.exponent() }
}

/// An amount as a count of minor units; `None` when the API's unit is too coarse for it.
pub fn minor_units(money: Money) -> Option<i64> {
    if places(money.currency()) == money.currency().exponent() {
        return Some(money.minor().get());
    }
    let text = money.to_string().replace('.', "");
    text.strip_suffix('0').and_then(|units| units.parse().ok())
}

/// The name of a transaction: `1-` of a payment, `2-` of a refund, and its number in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uid {
    Payment(i64),
    Refund(i64),
}

impl Uid {
    /// Reads what [`Uid`] writes; anything else names nothing.
    pub fn parse(text: &str) -> Option<Uid> {
        let (kind, digits) = text.split_once('-')?;
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if digits.len() < 10 || !digits.bytes().all(hex) {
            return None;
        }
        let number = i64::from_str_radix(digits, 16).ok()?;
        let uid = match kind {
            "1" => Uid::Payment(number),
            "2" => Uid::Refund(number),
            _ => return None,
        };
        (uid.to_string() == text).then_some(uid)
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Uid::Payment(number) => write!(f, "1-{number:010x}"),
            Uid::Refund(number) => write!(f, "2-{number:010x}"),
        }
    }
}

/// ISO 8601: whole seconds on beyag, milliseconds on the card API.
pub fn time(at: Timestamp, voice: Voice) -> String {
    let moment = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    let form = match voice.api() {
        Api::Beyag => "%Y-%m-%dT%H:%M:%SZ",
        Api::Card => "%Y-%m-%dT%H:%M:%S.%3fZ",
    };
    moment.strftime(form).to_string()
}
