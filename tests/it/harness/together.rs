//! What a store whose disk can be made to fail says of things together.

use async_trait::async_trait;
use refundry::testing::store::together::{ReturnSheet, Together};
use refundry::testing::store::*;
use refundry_domain::book::Book;
use refundry_domain::ids::MerchantId;
use refundry_domain::refund::Refund;

use super::faulty::Faulty;

#[async_trait]
impl Together for Faulty {
    async fn return_sheet(
        &self,
        merchant: MerchantId,
        reference: String,
    ) -> Result<Option<ReturnSheet>, StoreError> {
        self.inner.return_sheet(merchant, reference).await
    }

    async fn refunds_with_books(
        &self,
        merchant: MerchantId,
        filter: RefundFilter,
        page: Page,
    ) -> Result<(Slice<Refund>, Vec<Book>), StoreError> {
        self.inner.refunds_with_books(merchant, filter, page).await
    }
}
