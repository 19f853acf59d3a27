//! The small values of the wire: ids, words of a list, amounts, times.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use refundry_domain::credit::{AccountKind, EntryKind};
use refundry_domain::ids::{
    AccountId, EndpointId, EntryId, EventId, GatewayId, KeyId, MerchantId, OrderId, OrderRef,
    RefundId, ReturnId, Timestamp, TransactionId, TransferFileId,
};
use refundry_domain::merchant::Scope;
use refundry_domain::money::{Currency, Minor, Money};
use refundry_domain::order::{LineKind, Metadata, PaymentKind};
use refundry_domain::outcome::FailureCode;
use refundry_domain::refund::{Destination, Execution, State, TransactionState, WaitsFor};
use refundry_domain::returns::{ReturnKind, ReturnState};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// A row's number with the prefix of its kind, such as `ord_12`.
pub trait Numbered: Copy {
    const PREFIX: &'static str;
    /// What such a row is called.
    const WHAT: &'static str;
    fn of(number: i64) -> Self;
    fn number(self) -> i64;
}

macro_rules! numbered {
    ($($name:ident $prefix:literal $what:literal),* $(,)?) => {$(
        impl Numbered for $name {
            const PREFIX: &'static str = $prefix;
            const WHAT: &'static str = $what;
            fn of(number: i64) -> Self {
                $name(number)
            }
            fn number(self) -> i64 {
                self.0
            }
        }
    )*};
}

numbered! {
    OrderId "ord_" "an order",
    TransactionId "txn_" "a transaction",
    RefundId "ref_" "a refund",
    ReturnId "ret_" "a return",
    EventId "evt_" "an event",
    KeyId "key_" "a key",
    GatewayId "gw_" "a gateway",
    MerchantId "mer_" "a merchant",
    EndpointId "whe_" "a webhook endpoint",
    TransferFileId "btf_" "a file of bank transfers",
    AccountId "acc_" "a credit account",
    EntryId "ent_" "an entry",
}

/// Reads `ord_12`; no other way to write the same number is taken.
pub fn id<T: Numbered>(text: &str) -> Option<T> {
    let digits = text.strip_prefix(T::PREFIX)?;
    let plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok().map(T::of) } else { None }
}

/// As [`id`], or what was expected.
pub fn expect_id<T: Numbered>(text: &str) -> Result<T, String> {
    id(text).ok_or_else(|| format!("expected the id of {}, such as {}12", T::WHAT, T::PREFIX))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id<T>(pub T);

impl<T: Numbered> Serialize for Id<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}{}", T::PREFIX, self.0.number()))
    }
}

impl<'de, T: Numbered> Deserialize<'de> for Id<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Id<T>, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        expect_id(&text).map(Id).map_err(de::Error::custom)
    }
}

/// A word out of a list that the domain has.
pub trait Vocabulary: Copy + 'static {
    const TITLE: &'static str;
    fn all() -> &'static [Self];
    fn name(self) -> &'static str;
}

macro_rules! vocabulary {
    ($($name:ident),* $(,)?) => {$(
        impl Vocabulary for $name {
            const TITLE: &'static str = stringify!($name);
            fn all() -> &'static [Self] {
                &$name::ALL
            }
            fn name(self) -> &'static str {
                $name::name(self)
            }
        }
    )*};
}

vocabulary! {
    LineKind, PaymentKind, Destination, Execution, State, TransactionState, ReturnKind,
    ReturnState, Scope, FailureCode, AccountKind, EntryKind, WaitsFor,
}

/// Reads a word, or says which there are.
pub fn word<T: Vocabulary>(text: &str) -> Result<T, String> {
    T::all().iter().copied().find(|word| word.name() == text).ok_or_else(|| {
        let names: Vec<&str> = T::all().iter().map(|word| word.name()).collect();
        format!("expected one of {}", names.join(", "))
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<T>(pub T);

impl<T: Vocabulary> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl<'de, T: Vocabulary> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Word<T>, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        word(&text).map(Word).map_err(de::Error::custom)
    }
}

// The reference is made from types whose names say all; these have no parameters to look through.
pub type OrderTag = Id<OrderId>;
pub type TransactionTag = Id<TransactionId>;
pub type RefundTag = Id<RefundId>;
pub type ReturnTag = Id<ReturnId>;
pub type EventTag = Id<EventId>;
pub type KeyTag = Id<KeyId>;
pub type GatewayTag = Id<GatewayId>;
pub type MerchantTag = Id<MerchantId>;
pub type EndpointTag = Id<EndpointId>;
pub type TransferFileTag = Id<TransferFileId>;
pub type AccountTag = Id<AccountId>;
pub type EntryTag = Id<EntryId>;
pub type LineWord = Word<LineKind>;
pub type PaymentWord = Word<PaymentKind>;
pub type DestinationWord = Word<Destination>;
pub type ExecutionWord = Word<Execution>;
pub type StateWord = Word<State>;
pub type WaitsForWord = Word<WaitsFor>;
pub type TransactionStateWord = Word<TransactionState>;
pub type ReturnKindWord = Word<ReturnKind>;
pub type ReturnStateWord = Word<ReturnState>;
pub type ScopeWord = Word<Scope>;
pub type FailureWord = Word<FailureCode>;
pub type AccountKindWord = Word<AccountKind>;
pub type EntryKindWord = Word<EntryKind>;

/// A currency by its ISO 4217 code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code(pub Currency);

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.code())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Code, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Currency::parse(&text).map(Code).map_err(|_| {
            de::Error::custom("expected an ISO 4217 currency code in capitals, such as USD")
        })
    }
}

/// An amount as a decimal string with exactly the currency's decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount(pub Money);

impl Amount {
    pub fn of(minor: Minor, currency: Currency) -> Amount {
        Amount(Money::new(minor, currency))
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(20);
        self.0.decimal(&mut text);
        serializer.serialize_str(&text)
    }
}

/// A moment as `2026-01-31T12:00:00.000Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Timestamp);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = jiff::Timestamp::from_millisecond(self.0.0).unwrap_or_default();
        let at = jiff::tz::Offset::UTC.to_datetime(moment);
        let (date, time) = (at.date(), at.time());
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            date.year(),
            date.month(),
            date.day(),
            time.hour(),
            time.minute(),
            time.second(),
            time.millisecond()
        )
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads a moment of RFC 3339, or says what was expected.
pub fn time(text: &str) -> Result<Timestamp, String> {
    let expected = "expected a time of RFC 3339, such as 2026-01-31T12:00:00Z";
    // Years of four digits, as the RFC has them; what comes out is then readable again.
    let shaped = text.len() <= 40 && text.as_bytes().first().is_some_and(u8::is_ascii_digit);
    let moment = if shaped { text.parse::<jiff::Timestamp>().ok() } else { None };
    moment.map(|moment| Timestamp(moment.as_millisecond())).ok_or_else(|| expected.to_owned())
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        time(&text).map(Time).map_err(de::Error::custom)
    }
}

/// The caller's own notes: texts by name. A name given twice is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes(pub Metadata);

impl<'de> Deserialize<'de> for Notes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Notes, D::Error> {
        deserializer.deserialize_map(Unique(PhantomData)).map(Notes)
    }
}

/// Reads a map of distinct keys.
pub struct Unique<V>(pub PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for Unique<V> {
    type Value = BTreeMap<String, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            if pairs.contains_key(&key) {
                return Err(de::Error::custom(format_args!("duplicate field `{key}`")));
            }
            let value = map.next_value()?;
            pairs.insert(key, value);
        }
        Ok(pairs)
    }
}

/// An order by its id, or by the shop's own reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderName(pub OrderRef);

impl<'de> Deserialize<'de> for OrderName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OrderName, D::Error> {
        deserializer.deserialize_any(Named).map(OrderName)
    }
}

struct Named;

impl<'de> Visitor<'de> for Named {
    type Value = OrderRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an order as \"ord_12\" or {\"reference\": \"1001\"}")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<OrderRef, E> {
        expect_id(text).map(OrderRef::Id).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OrderRef, A::Error> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Reference {
            reference: String,
        }
        let found = Reference::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(OrderRef::Reference(found.reference))
    }
}
