//! A return by its reference, and what transactions it has.

use refundry_domain::book::Book;
use refundry_domain::ids::{ReturnId, TransactionId};
use refundry_domain::refund::Refund;
use refundry_domain::returns::Return;

use super::refusals::No;
use super::wire::{Entry, recorded};
use crate::dialects::shared::right::{Reads, Right};
use crate::store::together::ReturnSheet;
use crate::store::{Movement, Page, ReturnFilter};

/// All there is of a list, oldest first.
const EVERYTHING: Page = Page { after: None, before: None, limit: u32::MAX, oldest_first: true };

pub async fn find(right: &Right<Reads>, reference: &str) -> Result<Return, No> {
    let filter = ReturnFilter { reference: Some(reference.to_owned()), ..ReturnFilter::default() };
    let found = right.returns(filter, EVERYTHING).await?.rows.pop();
    found.ok_or_else(unknown)
}

/// A return, its order, and the return's transactions, oldest first.
pub struct Whole {
    pub row: Return,
    pub book: Book,
    pub entries: Vec<Entry>,
}

pub async fn whole(right: &Right<Reads>, reference: &str) -> Result<Whole, No> {
    let found = right.return_sheet(reference).await?;
    let ReturnSheet { row, book, refunds } = found.ok_or_else(unknown)?;
    let payments = book.payments.iter().filter(|payment| payment.return_id == Some(row.id));
    let currency = book.order.currency;
    let mut entries: Vec<Entry> =
        payments.map(|payment| Entry::of_payment(payment, row.order, currency)).collect();
    entries.extend(refunds.iter().flat_map(of_refund));
    entries.sort_unstable_by_key(|entry| entry.number);
    Ok(Whole { row, book, entries })
}

fn unknown() -> No {
    No::new(404, "There is no such return.")
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
