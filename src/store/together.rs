//! Questions whose answers are shown or decided on together: asked at once, and of one moment.

use async_trait::async_trait;
use refundry_domain::book::Book;
use refundry_domain::ids::MerchantId;
use refundry_domain::refund::Refund;
use refundry_domain::returns::Return;

use super::{Page, RefundFilter, Slice, StoreError};

/// A return with its order, and with the refunds of the return, oldest first.
#[derive(Debug)]
pub struct ReturnSheet {
    pub row: Return,
    pub book: Book,
    pub refunds: Vec<Refund>,
}

#[async_trait]
pub trait Together: Send + Sync {
    /// The return of this reference.
    async fn return_sheet(
        &self,
        merchant: MerchantId,
        reference: String,
    ) -> Result<Option<ReturnSheet>, StoreError>;

    /// As [`Store::refunds`](super::Store::refunds), with the books of their orders, each once.
    async fn refunds_with_books(
        &self,
        merchant: MerchantId,
        filter: RefundFilter,
        page: Page,
    ) -> Result<(Slice<Refund>, Vec<Book>), StoreError>;
}
