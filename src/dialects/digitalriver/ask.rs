//! What is asked for: the shapes of requests, and what they mean to the ledger.

use std::fmt;
use std::marker::PhantomData;

use refundry_domain::book::Book;
use refundry_domain::command::{
    Ask, GroupAsk, GroupOf, GroupShare, LineRef, NewReturn, Stated, What,
};
use refundry_domain::ids::{OrderId, ReturnId};
use refundry_domain::money::{Currency, Percent};
use refundry_domain::order::{LineKind, Metadata};
use refundry_domain::refund::Destination;
use refundry_domain::returns::{Return, ReturnItem, ReturnKind};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::notes::Notes;
use super::refusals::No;
use super::wire::position;
use crate::dialects::shared::exact::{Figure, Share, Text};

const REASON_MOST: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RefundAsk {
    pub order_id: Option<Text>,
    pub invoice_id: Option<Text>,
    currency: Option<String>,
    amount: Option<Figure>,
    percent: Option<Share>,
    r#type: Option<String>,
    items: Option<Nested<RefundItemAsk>>,
    reason: Option<String>,
    metadata: Option<Notes>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RefundItemAsk {
    item_id: Option<Text>,
    sku_id: Option<Text>,
    quantity: Option<Figure>,
    amount: Option<Figure>,
    percent: Option<Share>,
    r#type: Option<String>,
}

impl RefundAsk {
    /// What the ledger is asked for, of the order that the request names.
    pub fn ask_of(&self, book: &Book, may_approve: bool) -> Result<Ask, No> {
        check_currency(self.currency.as_deref(), book)?;
        let reason = reason(self.reason.clone())?;
        let metadata = self.metadata.clone().unwrap_or_default().checked()?;
        let kind = self.r#type.as_deref().map(|text| kind(text, "type".to_owned())).transpose()?;
        let items = self.items.as_ref().map(|items| &items.0).filter(|items| !items.is_empty());
        let what = match (self.amount, self.percent, items) {
            (Some(Figure(figure)), None, None) => match kind {
                None => What::Amount(Stated { figure, currency: None }),
                Some(kind) if is_whole(kind) => of_kind(kind, GroupShare::Whole(figure)),
                Some(kind) => of_kind(kind, GroupShare::Amount(figure)),
            },
            (None, Some(Share(percent)), None) => match kind {
                None => What::PercentOfRest(percent),
                Some(kind) if is_whole(kind) && percent != Percent::ALL => {
                    return Err(No::only_full_tax());
                }
                Some(kind) => of_kind(kind, GroupShare::Percent(percent)),
            },
            (None, None, Some(_)) if kind.is_some() => {
                return Err(No::invalid("type", "Items have types of their own."));
            }
            (None, None, Some(items)) => {
                let asks = items.iter().enumerate();
                let asks = asks.map(|(index, item)| item.group(book.order.id, index));
                What::Groups(asks.collect::<Result<_, _>>()?)
            }
            (None, None, None) => return Err(No::missing("amount")),
            (amount, percent, items) => {
                return Err(several(amount.is_some(), percent.is_some(), items.is_some()));
            }
        };
        Ok(Ask { kind, may_approve, reason, metadata, ..ask(what) })
    }
}

/// Names the second of what only one can be given of.
fn several(amount: bool, percent: bool, _items: bool) -> No {
    let name = if amount && percent { "percent" } else { "items" };
    No::invalid(name, "Give exactly one of amount, percent and items.")
}

/// For what, of whatever payment, to where it came from.
pub fn ask(what: What) -> Ask {
    Ask {
        what,
        kind: None,
        payment: None,
        return_id: None,
        to: Destination::OriginalPayment,
        execution: None,
        paid: None,
        confirm: None,
        may_approve: false,
        reason: None,
        note: None,
        metadata: Metadata::new(),
    }
}

fn check_currency(asked: Option<&str>, book: &Book) -> Result<(), No> {
    let asked = asked.ok_or_else(|| No::missing("currency"))?;
    if Currency::parse(asked) == Ok(book.order.currency) {
        Ok(())
    } else {
        Err(No::currency(asked))
    }
}

fn reason(given: Option<String>) -> Result<Option<String>, No> {
    if given.as_ref().is_some_and(|reason| reason.chars().count() > REASON_MOST) {
        return Err(No::invalid("reason", "A reason has at most 64 characters."));
    }
    Ok(given)
}

/// What is given back as a whole or not at all.
fn is_whole(kind: LineKind) -> bool {
    match kind {
        LineKind::Tax | LineKind::ImporterTax => true,
        LineKind::Product | LineKind::Shipping | LineKind::Duty | LineKind::Fee => false,
    }
}

fn of_kind(kind: LineKind, share: GroupShare) -> What {
    What::Groups(vec![GroupAsk { of: GroupOf::Kind(kind), units: None, share }])
}

/// The words of the published lists and of the examples, on both levels.
fn kind(text: &str, parameter: String) -> Result<LineKind, No> {
    Ok(match text {
        "sku" => LineKind::Product,
        "shipping" => LineKind::Shipping,
        "fees" => LineKind::Fee,
        "duty" => LineKind::Duty,
        "tax" => LineKind::Tax,
        "importer_tax" => LineKind::ImporterTax,
        _ => {
            let text = "Expected one of shipping, fees, duty, tax, importer_tax and sku.";
            return Err(No::invalid(parameter, text));
        }
    })
}

impl RefundItemAsk {
    fn group(&self, order: OrderId, index: usize) -> Result<GroupAsk, No> {
        let at = |name: &str| format!("items[{index}].{name}");
        let kind = self.r#type.as_deref().map(|text| kind(text, at("type"))).transpose()?;
        let line = line(order, self.item_id.as_ref(), self.sku_id.as_ref(), index)?;
        let of = match kind {
            None | Some(LineKind::Product) => GroupOf::Line(line),
            Some(kind) => GroupOf::For(line, kind),
        };
        let share = match (self.amount, self.percent) {
            (Some(Figure(figure)), None) => GroupShare::Amount(figure),
            (None, Some(Share(percent))) => GroupShare::Percent(percent),
            (None, None) => GroupShare::Rest,
            (Some(_), Some(_)) => {
                return Err(No::invalid(at("percent"), "Give amount or percent, not both."));
            }
        };
        let units = self.quantity.map(|figure| count(figure, || at("quantity"))).transpose()?;
        Ok(GroupAsk { of, units, share })
    }
}

/// The line by its id, else by its sku.
fn line(
    order: OrderId,
    item_id: Option<&Text>,
    sku_id: Option<&Text>,
    index: usize,
) -> Result<LineRef, No> {
    match (item_id, sku_id) {
        (Some(Text(id)), _) => {
            let place = position(order, id);
            let unknown = || No::invalid(format!("items[{index}].itemId"), "Item not found.");
            place.map(LineRef::Position).ok_or_else(unknown)
        }
        (None, Some(Text(sku))) => Ok(LineRef::Sku(sku.clone())),
        (None, None) => Err(No::missing(format!("items[{index}].itemId"))),
    }
}

fn count(Figure(figure): Figure, at: impl Fn() -> String) -> Result<u32, No> {
    let count = figure.to_string().parse();
    count.map_err(|_| No::bad("invalid_integer", at(), "Expected a whole number."))
}

/// Only notes can be changed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotesAsk {
    pub metadata: Option<Notes>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ReturnAsk {
    pub order_id: Option<Text>,
    items: Option<Nested<ReturnItemAsk>>,
    reason: Option<String>,
    metadata: Option<Notes>,
    /// Where the goods are to be sent, which is nothing to a ledger.
    #[serde(rename = "location")]
    _location: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ReturnItemAsk {
    item_id: Option<Text>,
    sku_id: Option<Text>,
    quantity: Option<Figure>,
    reason: Option<String>,
}

impl ReturnAsk {
    pub fn into_return(self, book: &Book) -> Result<NewReturn, No> {
        let items = self.items.map(|items| items.0).filter(|items| !items.is_empty());
        let items = items.ok_or_else(|| No::missing("items"))?;
        let items = items.into_iter().enumerate();
        let items = items.map(|(index, item)| item.into_item(book, index));
        Ok(NewReturn {
            reference: None,
            kind: ReturnKind::Return,
            items: items.collect::<Result<_, _>>()?,
            reason: reason(self.reason)?.unwrap_or_default(),
            metadata: self.metadata.unwrap_or_default().checked()?,
        })
    }
}

impl ReturnItemAsk {
    fn into_item(self, book: &Book, index: usize) -> Result<ReturnItem, No> {
        let line = line(book.order.id, self.item_id.as_ref(), self.sku_id.as_ref(), index)?;
        let found = match &line {
            LineRef::Position(at) => book.lines.iter().find(|line| line.position == *at),
            LineRef::Sku(sku) => book.lines.iter().find(|line| line.sku.as_ref() == Some(sku)),
        };
        let unknown = || No::invalid(format!("items[{index}].itemId"), "Item not found.");
        let found = found.ok_or_else(unknown)?;
        let at = || format!("items[{index}].quantity");
        let quantity = self.quantity.map(|figure| count(figure, at)).transpose()?;
        Ok(ReturnItem {
            line: found.position,
            quantity: quantity.unwrap_or(found.quantity),
            reason: reason(self.reason)?.unwrap_or_default(),
        })
    }
}

/// What a return that is accepted gives back: the price and the tax of its units.
pub fn ask_for(row: &Return, may_approve: bool) -> Ask {
    let groups = row.items.iter().map(|item| GroupAsk {
        of: GroupOf::Line(LineRef::Position(item.line)),
        units: Some(item.quantity),
        share: GroupShare::Rest,
    });
    let reason = Some(row.reason.clone()).filter(|reason| !reason.is_empty());
    let return_id: Option<ReturnId> = Some(row.id);
    Ask { return_id, may_approve, reason, ..ask(What::Groups(groups.collect())) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReturnPatch {
    pub state: Option<String>,
    pub reason: Option<String>,
    pub metadata: Option<Notes>,
}

impl ReturnPatch {
    pub fn checked_reason(&mut self) -> Result<Option<String>, No> {
        reason(self.reason.take())
    }
}

/// A list of objects, some or all of which may be in lists of their own, as examples have them.
#[derive(Debug)]
struct Nested<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Nested<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Nested<T>, D::Error> {
        let found: Vec<OneOrSome<T>> = Vec::deserialize(deserializer)?;
        Ok(Nested(found.into_iter().flat_map(|one| one.0).collect()))
    }
}

/// An object, or a list of them.
struct OneOrSome<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrSome<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OneOrSome<T>, D::Error> {
        deserializer.deserialize_any(OneOrMany(PhantomData)).map(OneOrSome)
    }
}

struct OneOrMany<T>(PhantomData<fn() -> T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrMany<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|one| vec![one])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Vec<T>, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(seq))
    }
}
