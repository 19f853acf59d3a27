//! Returns, as far as a client needs them to have one.

use refundry_domain::book::Book;
use refundry_domain::command::{Command, NewReturn, Target};
use refundry_domain::ids::{OrderId, OrderRef};
use refundry_domain::order::Metadata;
use refundry_domain::refusal::Refusal;
use refundry_domain::returns::{Return, ReturnKind};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::call::{Answered, Call, Changes, ok};
use super::refusals::No;
use super::source;
use super::transactions::{COUNT_MOST, Span};
use super::wire::{Done, date, listed, needed};
use crate::dialects::shared::body;
use crate::dialects::shared::exact::Text;
use crate::dialects::shared::paging::Fields;
use crate::dialects::shared::right::{Reads, Right};
use crate::ledger;
use crate::store::{Page, ReturnFilter};

/// The usual one first.
const TYPES: [&str; 3] = ["CUSTOMER_RETURN", "CANCELLATION", "CANNOT_FULFIL"];
const TYPE: &str = "fluent.type";
const CUSTOMER: &str = "fluent.customer";
const CHOICE: &str = "fluent.fulfilmentChoice";

/// What a return was opened as; one that was opened elsewhere is a customer's.
pub fn type_of(row: &Return) -> &str {
    row.metadata.get(TYPE).map_or(TYPES[0], String::as_str)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReturnAsk {
    return_ref: Option<Text>,
    order_ref: Option<Text>,
    order_id: Option<Text>,
    retailer_id: Option<Text>,
    r#type: Option<String>,
    customer: Option<Box<RawValue>>,
    fulfilment_choice: Option<Box<RawValue>>,
}

/// What is known of a customer; it is kept as it came.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "read to see that they are what they should be")]
struct Customer {
    customer_id: Option<Text>,
    customer_ref: Option<Text>,
    email: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    mobile: Option<Text>,
}

/// A return; its ids are texts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReturnView<'a> {
    return_id: &'a str,
    return_ref: &'a str,
    order_ref: &'a str,
    order_id: String,
    retailer_id: String,
    r#type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fulfilment_choice: Option<&'a RawValue>,
    created_on: String,
    updated_on: String,
}

impl<'a> ReturnView<'a> {
    fn of(row: &'a Return, book: &'a Book) -> ReturnView<'a> {
        let noted =
            |name: &str| row.metadata.get(name).and_then(|text| serde_json::from_str(text).ok());
        ReturnView {
            return_id: &row.reference,
            return_ref: &row.reference,
            order_ref: &book.order.reference,
            order_id: row.order.to_string(),
            retailer_id: book.order.merchant.to_string(),
            r#type: type_of(row),
            customer: noted(CUSTOMER),
            fulfilment_choice: noted(CHOICE),
            created_on: date(row.created_at),
            updated_on: date(row.updated_at),
        }
    }
}

#[derive(Serialize)]
struct Returns<'a> {
    start: usize,
    count: usize,
    /// Not told when there are more than one can ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<usize>,
    results: Vec<ReturnView<'a>>,
}

pub async fn create(rights: Changes, call: Call) -> Answered {
    let ask: ReturnAsk = call.json().await?;
    let own = rights.reads.caller().merchant.to_string();
    if ask.retailer_id.as_ref().is_some_and(|id| id.0 != own) {
        return Err(No::new(403, "retailerId is not the one of the token."));
    }
    let order = order_of(ask.order_ref.as_ref(), ask.order_id.as_ref())?;
    let order = order.ok_or_else(|| {
        No::bad("orderRef or orderId is compulsory: what is given back is given back of an order.")
    })?;
    let reference = needed("returnRef", ask.return_ref.filter(|text| !text.0.is_empty()))?.0;
    let wanted = listed("type", ask.r#type, &TYPES)?.unwrap_or_else(|| TYPES[0].to_owned());
    let json = |given: Option<String>, name: &str| given.map(|text| (name.to_owned(), text));
    if let Some(customer) = &ask.customer {
        body::parse::<Customer>(customer.get().as_bytes())?;
    }
    // Line ends in JSON stand between its parts only.
    let on_one_line = |json: Box<RawValue>| json.get().replace(['\r', '\n', '\t'], " ");
    let customer = ask.customer.map(on_one_line);
    let choice = ask.fulfilment_choice.map(on_one_line);
    let notes =
        [Some((TYPE.to_owned(), wanted.clone())), json(customer, CUSTOMER), json(choice, CHOICE)];
    let command = Command::OpenReturn(NewReturn {
        reference: Some(reference.clone()),
        kind: ReturnKind::Return,
        items: Vec::new(),
        reason: String::new(),
        metadata: notes.into_iter().flatten().collect::<Metadata>(),
    });
    let target = Target::Order(order.clone());
    match rights.writes.carry_out(target, command, None, false).await? {
        ledger::Answered::Refused { refusal: Refusal::ReferenceTaken { .. }, .. } => {
            again(&rights.reads, &reference, order, &wanted).await
        }
        ledger::Answered::Refused { refusal, .. } => Err(refusal.into()),
        ledger::Answered::Done { .. }
        | ledger::Answered::Replayed(_)
        | ledger::Answered::KeyReused => Ok(ok(&Done { id: reference })),
    }
}

/// The return is there: the same one, when it is of this order and type.
async fn again(right: &Right<Reads>, reference: &str, order: OrderRef, wanted: &str) -> Answered {
    let row = source::find(right, reference).await?;
    let book = right.order(order).await?.ok_or(Refusal::UnknownOrder)?;
    if row.order == book.order.id && type_of(&row) == wanted {
        return Ok(ok(&Done { id: row.reference }));
    }
    Err(No::bad("returnRef: another return has it."))
}

/// The order that is named, by the shop's number or by ours, or by both when they are of one.
fn order_of(reference: Option<&Text>, id: Option<&Text>) -> Result<Option<OrderRef>, No> {
    let reference = reference.filter(|text| !text.0.is_empty());
    match (reference, id.filter(|text| !text.0.is_empty())) {
        (Some(reference), _) => Ok(Some(OrderRef::Reference(reference.0.clone()))),
        (None, Some(id)) => match id.0.parse() {
            Ok(number) => Ok(Some(OrderRef::Id(OrderId(number)))),
            Err(_) => Err(Refusal::UnknownOrder.into()),
        },
        (None, None) => Ok(None),
    }
}

pub async fn show(right: Right<Reads>, call: Call) -> Answered {
    let row = source::find(&right, call.return_id()).await?;
    let book = right.order(OrderRef::Id(row.order)).await?.ok_or(Refusal::UnknownOrder)?;
    Ok(ok(&ReturnView::of(&row, &book)))
}

/// Newest first.
pub async fn list(right: Right<Reads>, call: Call) -> Answered {
    let mut fields = Fields::of(&call.uri)?;
    let reference = fields.take("returnRef")?;
    let (order_ref, order_id) = (fields.take("orderRef")?, fields.take("orderId")?);
    let span = Span::read(&mut fields, call).await?;
    let order = order_of(order_ref.map(Text).as_ref(), order_id.map(Text).as_ref());
    // What no order can be called, no return is of.
    let order = match order.unwrap_or(Some(OrderRef::Id(OrderId(0)))) {
        Some(order) => Some(right.order(order).await?.map_or(OrderId(0), |book| book.order.id)),
        None => None,
    };
    let filter = ReturnFilter { order, reference, ..ReturnFilter::default() };
    let limit = u32::try_from(COUNT_MOST).unwrap_or(u32::MAX);
    let page = Page { after: None, before: None, limit, oldest_first: false };
    let slice = right.returns(filter, page).await?;
    let books = right.books(span.of(&slice.rows).map(|row| row.order)).await?;
    let shown = span.of(&slice.rows);
    let shown = shown.filter_map(|row| Some(ReturnView::of(row, books.get(&row.order)?)));
    Ok(ok(&Returns {
        start: span.start,
        count: span.count,
        total: (!slice.more).then_some(slice.rows.len()),
        results: shown.collect(),
    }))
}
