//! A return by its reference, and what transactions it has.

use refundry_domain::book::Book;
use refundry_domain::ids::{OrderRef, ReturnId, TransactionId};
use refundry_domain::refund::Refund;
use refundry_domain::refusal::Refusal;
use refundry_domain::returns::Return;

use super::refusals::No;
use super::wire::{Entry, recorded};
use crate::dialects::shared::right::{Reads, Right};
use crate::store::{Movement, Page, RefundFilter, ReturnFilter};

/// All there is of a list, oldest first.
const EVERYTHING: Page = Page { after: None, before: None, limit: u32::MAX, oldest_first: true };

pub async fn find(right: &Right<Reads>, reference: &str) -> Result<Return, No> {
    let filter = ReturnFilter { reference: Some(reference.to_owned()), ..ReturnFilter::default() };
    let found = right.returns(filter, EVERYTHING).await?.rows.pop();
    found.ok_or_else(|| No::new(404, "There is no such return."))
}

/// The return's transactions, oldest first, and its order.
pub async fn entries(right: &Right<Reads>, row: &Return) -> Result<(Book, Vec<Entry>), No> {
    let book = right.order(OrderRef::Id(row.order)).await?.ok_or(Refusal::UnknownOrder)?;
    let filter = RefundFilter { return_id: Some(row.id), ..RefundFilter::default() };
    let refunds = right.refunds(filter, EVERYTHING).await?.rows;
    let payments = book.payments.iter().filter(|payment| payment.return_id == Some(row.id));
    let currency = book.order.currency;
    let mut entries: Vec<Entry> =
        payments.map(|payment| Entry::of_payment(payment, row.order, currency)).collect();
    entries.extend(refunds.iter().flat_map(of_refund));
    entries.sort_unstable_by_key(|entry| entry.number);
    Ok((book, entries))
}

/// What was recorded as one transaction is shown as one.
fn of_refund(refund: &Refund) -> Vec<Entry> {
    let shown = if recorded(refund).is_some() { 1 } else { refund.transactions.len() };
    refund.transactions.iter().take(shown).map(|row| Entry::of_refund(refund, row)).collect()
}

/// One transaction of the return, by its number.
pub async fn entry(right: &Right<Reads>, row: &Return, text: &str) -> Result<Entry, No> {
    let unknown = || No::new(404, "The return has no such transaction.");
    let number = text.parse::<i64>().ok().filter(|number| number.to_string() == text);
    let number = TransactionId(number.ok_or_else(unknown)?);
    let found = right.transaction(number).await?.ok_or_else(unknown)?;
    let of_this = |return_id: Option<ReturnId>| return_id == Some(row.id);
    match found.movement {
        Movement::In(payment) if of_this(payment.return_id) => {
            Ok(Entry::of_payment(&payment, found.order, found.currency))
        }
        Movement::In(_) => Err(unknown()),
        Movement::Back(back) => {
            let refund = right.refund(back.refund).await?.ok_or_else(unknown)?;
            if !of_this(refund.return_id) {
                return Err(unknown());
            }
            let mut shown = of_refund(&refund).into_iter();
            shown.find(|entry| entry.number == number.0).ok_or_else(unknown)
        }
    }
}
