//! What is shown or decided on together.

use async_trait::async_trait;
use refundry_domain::book::Book;
use refundry_domain::ids::{MerchantId, OrderRef};
use refundry_domain::refund::Refund;
use rusqlite::Connection;

use super::{Fail, SqliteStore, list, load, rows, several};
use crate::store::together::{ReturnSheet, Together};
use crate::store::{Page, RefundFilter, Slice, StoreError};

#[async_trait]
impl Together for SqliteStore {
    async fn return_sheet(
        &self,
        merchant: MerchantId,
        reference: String,
    ) -> Result<Option<ReturnSheet>, StoreError> {
        self.read(move |conn| return_sheet(conn, merchant, &reference)).await
    }

    async fn refunds_with_books(
        &self,
        merchant: MerchantId,
        filter: RefundFilter,
        page: Page,
    ) -> Result<(Slice<Refund>, Vec<Book>), StoreError> {
        self.read(move |conn| {
            let slice = list::refunds(conn, merchant, &filter, page)?;
            let orders = slice.rows.iter().map(|refund| refund.order).collect();
            let books = several::books(conn, merchant, &orders)?;
            Ok((slice, books))
        })
        .await
    }
}

fn return_sheet(
    conn: &Connection,
    merchant: MerchantId,
    reference: &str,
) -> Result<Option<ReturnSheet>, Fail> {
    let sql = select!(
        RETURN,
        "returns INDEXED BY returns_by_reference WHERE merchant = ?1 AND reference = ?2"
    );
    let Some(row) = load::one(conn, sql, (merchant.0, reference), rows::return_of)? else {
        return Ok(None);
    };
    let loaded = load::order(conn, merchant, &OrderRef::Id(row.order))?;
    let book = loaded.ok_or_else(|| load::missing("order", row.order.0))?.book;
    let sql = select!(
        REFUND,
        "refunds INDEXED BY refunds_by_return \
        WHERE merchant = ?1 AND return_number = ?2 ORDER BY number"
    );
    let mut refunds =
        load::many(conn, sql, (merchant.0, row.id.0), |row| Ok(rows::refund(row)?.0))?;
    several::fill(conn, merchant, &mut refunds)?;
    Ok(Some(ReturnSheet { row, book, refunds }))
}
