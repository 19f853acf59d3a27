//! What is shown or decided on together.

use async_trait::async_trait;
use refundry_domain::book::Book;
use refundry_domain::ids::MerchantId;
use refundry_domain::refund::Refund;

use super::fail::{Fail, missing};
use super::pool::{Lent, Params, Step, ask};
use super::rows::{Cells, select, storable};
use super::{PostgresStore, list, single};
use crate::store::rows;
use crate::store::together::{ReturnSheet, Together};
use crate::store::{Page, RefundFilter, Slice, StoreError};

#[async_trait]
impl Together for PostgresStore {
    async fn return_sheet(
        &self,
        merchant: MerchantId,
        reference: String,
    ) -> Result<Option<ReturnSheet>, StoreError> {
        let mut lent = self.lent().await?;
        Ok(return_sheet(&mut lent, merchant, &reference).await?)
    }

    async fn refunds_with_books(
        &self,
        merchant: MerchantId,
        filter: RefundFilter,
        page: Page,
    ) -> Result<(Slice<Refund>, Vec<Book>), StoreError> {
        let mut lent = self.lent().await?;
        let slice = list::refunds(&mut lent, merchant, &filter, page).await?;
        // A moment later, which shows in balances only: an order does not go away.
        let orders = slice.rows.iter().map(|refund| refund.order).collect();
        let books = single::books(&mut lent, merchant, &orders).await?;
        Ok((slice, books))
    }
}

const ORDER: &str = "(SELECT order_number FROM returns WHERE merchant = $1 AND reference = $2)";

/// In one round trip.
async fn return_sheet(
    lent: &mut Lent,
    merchant: MerchantId,
    reference: &str,
) -> Result<Option<ReturnSheet>, Fail> {
    if !storable(reference) {
        return Ok(None);
    }
    let own = [
        select!(RETURN, "returns WHERE merchant = $1 AND reference = $2"),
        select!(
            REFUND,
            "refunds WHERE merchant = $1 AND return_number = (SELECT number FROM returns \
            WHERE merchant = $1 AND reference = $2) ORDER BY number"
        ),
        select!(
            TRANSACTION,
            "transactions WHERE merchant = $1 AND refund IN (SELECT f.number FROM refunds f \
            JOIN returns r ON r.merchant = f.merchant AND r.number = f.return_number \
            WHERE f.merchant = $1 AND r.reference = $2) ORDER BY number"
        ),
    ];
    let of_order = single::texts(ORDER);
    let texts = own.into_iter().chain(of_order.iter().map(String::as_str));
    let params = || -> Params<'_> { vec![&merchant.0, &reference] };
    let found = ask(lent, texts.map(|sql| Step::Query(sql, params())).collect()).await?;
    let [returns, refunds, transactions, order @ ..] = &found[..] else { return Ok(None) };
    let Some(row) = returns.first() else { return Ok(None) };
    let row = rows::return_of(&mut Cells::of(row))?;
    let book = single::book(order, merchant)?;
    let book = book.ok_or_else(|| missing("order", row.order.0))?;
    let mut transactions = transactions.iter().map(list::back).collect::<Result<Vec<_>, _>>()?;
    let with_rows = |row| {
        let (mut refund, _) = rows::refund(&mut Cells::of(row))?;
        refund.transactions = transactions.extract_if(.., |row| row.refund == refund.id).collect();
        Ok(refund)
    };
    let refunds = refunds.iter().map(with_rows).collect::<Result<_, Fail>>()?;
    Ok(Some(ReturnSheet { row, book, refunds }))
}
