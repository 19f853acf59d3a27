//! What a refund is asked of, by the shop's own number, and which refund of it is meant.

use std::collections::HashMap;

use refundry_domain::book::Book;
use refundry_domain::ids::{OrderId, OrderRef, RefundId, ReturnId};
use refundry_domain::refund::Refund;
use refundry_domain::returns::{Return, ReturnKind};

use super::method::Method;
use super::refusals::{Trouble, fault, unknown_payment, unknown_source};
use super::wire::is_digits;
use crate::dialects::shared::right::{Reads, Right};
use crate::store::{Page, RefundFilter, ReturnFilter, StoreError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceType {
    Order,
    Return,
    Rma,
}

impl SourceType {
    pub const ALL: [SourceType; 3] = [SourceType::Order, SourceType::Return, SourceType::Rma];

    pub fn name(self) -> &'static str {
        match self {
            SourceType::Order => "order",
            SourceType::Return => "return",
            SourceType::Rma => "rma",
        }
    }

    pub fn parse(name: &str) -> Option<SourceType> {
        SourceType::ALL.into_iter().find(|kind| kind.name() == name)
    }

    fn of(kind: ReturnKind) -> SourceType {
        match kind {
            ReturnKind::Return => SourceType::Return,
            ReturnKind::Complaint => SourceType::Rma,
        }
    }
}

/// A source that was found.
pub struct Source {
    /// As the caller named it; the reference.
    pub name: String,
    pub book: Book,
    /// The return or claim; none when the order itself is the source.
    pub of_return: Option<Return>,
}

/// All there is of a list, oldest first.
const EVERYTHING: Page = Page { after: None, before: None, limit: u32::MAX, oldest_first: true };

pub async fn find(
    right: &Right<Reads>,
    method: Method,
    kind: SourceType,
    name: &str,
) -> Result<Source, Trouble> {
    let wanted = match kind {
        SourceType::Order => None,
        SourceType::Return => Some(ReturnKind::Return),
        SourceType::Rma => Some(ReturnKind::Complaint),
    };
    let Some(wanted) = wanted else {
        let book = right.order(OrderRef::Reference(name.to_owned())).await?;
        let book = book.ok_or_else(|| unknown_source(method))?;
        return Ok(Source { name: name.to_owned(), book, of_return: None });
    };
    let filter = ReturnFilter {
        kind: Some(wanted),
        reference: Some(name.to_owned()),
        ..ReturnFilter::default()
    };
    let found = right.returns(filter, EVERYTHING).await?.rows.pop();
    let row = found.ok_or_else(|| unknown_source(method))?;
    let book = right.order(OrderRef::Id(row.order)).await?;
    let book = book.ok_or_else(|| unknown_source(method))?;
    Ok(Source { name: name.to_owned(), book, of_return: Some(row) })
}

/// The source's refunds in order of creation: the ordinal of each is its place, from 1. A refund
/// of a return counts there, and not with its order's own.
pub async fn refunds_of(
    right: &Right<Reads>,
    order: OrderId,
    of_return: Option<ReturnId>,
) -> Result<Vec<Refund>, StoreError> {
    let filter = match of_return {
        Some(id) => RefundFilter { return_id: Some(id), ..RefundFilter::default() },
        None => RefundFilter { order: Some(order), ..RefundFilter::default() },
    };
    let mut rows = right.refunds(filter, EVERYTHING).await?.rows;
    rows.retain(|refund| refund.return_id == of_return);
    Ok(rows)
}

impl Source {
    pub async fn refunds(&self, right: &Right<Reads>) -> Result<Vec<Refund>, StoreError> {
        refunds_of(right, self.book.order.id, self.of_return.as_ref().map(|row| row.id)).await
    }

    /// The refund that `paymentId` means: its ordinal as `source-ordinal`, or as an integer its
    /// ordinal or its number. An integer that means two refunds is refused, never guessed.
    pub async fn refund(
        &self,
        right: &Right<Reads>,
        method: Method,
        payment: &str,
    ) -> Result<Refund, Trouble> {
        let mut rows = self.refunds(right).await?;
        let index = self.index(&rows, method, payment)?;
        Ok(rows.swap_remove(index))
    }

    fn index(&self, rows: &[Refund], method: Method, payment: &str) -> Result<usize, Trouble> {
        let unknown = || unknown_payment(method);
        let by_ordinal = |ordinal: usize| ordinal.checked_sub(1).filter(|at| *at < rows.len());
        if let Some(ordinal) = own_ordinal(&self.name, payment) {
            return by_ordinal(ordinal).ok_or_else(unknown);
        }
        let number: i64 = digits(payment).ok_or_else(unknown)?;
        let of_number = rows.iter().position(|refund| refund.id == RefundId(number));
        let of_ordinal = usize::try_from(number).ok().and_then(by_ordinal);
        match (of_number, of_ordinal) {
            (Some(one), Some(other)) if one != other => {
                let (one, other) = (one + 1, other + 1);
                let name = &self.name;
                let text = format!(
                    "paymentId {number} is the number of the refund {name}-{one} and the ordinal \
                     of {name}-{other}; name one of these."
                );
                Err(fault(method, &[4008, 4018], text))
            }
            (Some(index), _) | (None, Some(index)) => Ok(index),
            (None, None) => Err(unknown()),
        }
    }
}

/// The ordinal in `source-ordinal`, when the source is this one.
pub fn own_ordinal(source: &str, payment: &str) -> Option<usize> {
    let (named, ordinal) = payment.rsplit_once('-')?;
    if named != source {
        return None;
    }
    digits(ordinal)
}

/// A whole number, from 0, of digits alone.
pub fn digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    Some(text).filter(|text| is_digits(text)).and_then(|text| text.parse().ok())
}

/// The names of many refunds' sources, each looked up once.
#[derive(Default)]
pub struct Names {
    returns: HashMap<ReturnId, (SourceType, String)>,
    orders: HashMap<OrderId, String>,
    ordinals: HashMap<(OrderId, Option<ReturnId>), Vec<RefundId>>,
}

impl Names {
    pub async fn kind(
        &mut self,
        right: &Right<Reads>,
        refund: &Refund,
    ) -> Result<SourceType, StoreError> {
        Ok(self.source(right, refund).await?.0)
    }

    /// The type of a refund's source, and with `Some`, its name; orders are not looked up here.
    async fn source(
        &mut self,
        right: &Right<Reads>,
        refund: &Refund,
    ) -> Result<(SourceType, Option<String>), StoreError> {
        let Some(id) = refund.return_id else { return Ok((SourceType::Order, None)) };
        if let Some((kind, name)) = self.returns.get(&id) {
            return Ok((*kind, Some(name.clone())));
        }
        let row = right.return_of(id).await?;
        let row = row.ok_or_else(|| StoreError::Damaged(format!("return {id} is missing")))?;
        let kind = SourceType::of(row.kind);
        self.returns.insert(id, (kind, row.reference.clone()));
        Ok((kind, Some(row.reference)))
    }

    /// The source's type and name, and the refund's ordinal.
    pub async fn of(
        &mut self,
        right: &Right<Reads>,
        refund: &Refund,
    ) -> Result<(SourceType, String, usize), StoreError> {
        let missing = || StoreError::Damaged(format!("order {} is missing", refund.order));
        let (kind, name) = self.source(right, refund).await?;
        let name = match (name, self.orders.get(&refund.order)) {
            (Some(name), _) => name,
            (None, Some(name)) => name.clone(),
            (None, None) => {
                let book = right.order(OrderRef::Id(refund.order)).await?.ok_or_else(missing)?;
                self.orders.insert(refund.order, book.order.reference.clone());
                book.order.reference
            }
        };
        let source = (refund.order, refund.return_id);
        if let Some(places) = self.ordinals.get(&source) {
            let at = places.iter().position(|id| *id == refund.id).ok_or_else(missing)?;
            return Ok((kind, name, at + 1));
        }
        let rows = refunds_of(right, source.0, source.1).await?;
        let places: Vec<RefundId> = rows.iter().map(|row| row.id).collect();
        let at = places.iter().position(|id| *id == refund.id).ok_or_else(missing)?;
        self.ordinals.insert(source, places);
        Ok((kind, name, at + 1))
    }
}
