//! Which payments give how much.

use crate::book::Book;
use crate::ids::TransactionId;
use crate::money::Minor;
use crate::refusal::Refusal;

/// The payments that carry `amount`, as indexes into the book, and what each gives back: the named
/// one, or the one whose remainder is exactly the amount, or else the largest remainders first
/// (ties in order of number).
///
/// Refuses a named payment that is not the order's or captures nothing, and an amount above what
/// is left.
pub fn allocate(
    book: &Book,
    amount: Minor,
    named: Option<TransactionId>,
    field: &str,
) -> Result<Vec<(usize, Minor)>, Refusal> {
    let candidates = match named {
        Some(payment) => vec![refundable(book, payment)?],
        None => (0..book.payments.len()).collect(),
    };
    let left = |index: usize| book.payments[index].left();
    if let Some(exact) = candidates.iter().find(|index| left(**index) == amount) {
        return Ok(vec![(*exact, amount)]);
    }
    let mut by_size = candidates.clone();
    by_size.sort_by_key(|index| std::cmp::Reverse(left(*index)));
    let mut shares = Vec::new();
    let mut rest = amount;
    for index in by_size {
        let share = left(index).min(rest);
        if !share.is_zero() {
            shares.push((index, share));
            rest = rest.saturating_minus(share);
        }
    }
    if rest.is_zero() {
        return Ok(shares);
    }
    let of = |pick: fn(&crate::order::Payment) -> Minor| {
        book.money(crate::book::sum(candidates.iter().map(|index| pick(&book.payments[*index]))))
    };
    Err(Refusal::MoreThanIsLeft {
        field: field.to_owned(),
        asked: book.money(amount),
        left: of(|payment| payment.left()),
        disputed: of(|payment| payment.blocked),
    })
}

/// Where the named payment is in the book; refused when it captures nothing.
pub fn refundable(book: &Book, payment: TransactionId) -> Result<usize, Refusal> {
    let index = book
        .payment(payment)
        .ok_or_else(|| Refusal::UnknownPayment { field: "payment".to_owned(), payment })?;
    if book.payments[index].kind.captures() {
        Ok(index)
    } else {
        Err(Refusal::NotRefundable { field: "payment".to_owned(), payment })
    }
}
