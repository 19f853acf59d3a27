//! What is counted, over a disk that can be made to fail.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use refundry::testing::store::StoreError;
use refundry::testing::store::reports::{
    CountFilter, CountRow, Counting, Piece, Progress as Counted, Reports,
};
use refundry_domain::day::Day;
use refundry_domain::ids::{EventId, MerchantId};

use super::Faulty;

#[async_trait]
impl Reports for Faulty {
    async fn counting(&self, merchant: Option<MerchantId>) -> Result<Vec<Counting>, StoreError> {
        self.inner.counting(merchant).await
    }

    async fn to_count(
        &self,
        merchant: MerchantId,
        after: EventId,
        limit: u32,
    ) -> Result<Piece, StoreError> {
        self.inner.to_count(merchant, after, limit).await
    }

    async fn counted_names(
        &self,
        merchant: MerchantId,
        days: Vec<String>,
    ) -> Result<Vec<(String, String, String)>, StoreError> {
        self.inner.counted_names(merchant, days).await
    }

    async fn add_counts(&self, progress: Arc<Vec<Counted>>) -> Result<usize, StoreError> {
        self.fault()?;
        let written = self.inner.add_counts(progress).await;
        if self.loses_answers.load(Ordering::SeqCst) {
            return Err(StoreError::Doubtful("the answer was lost".to_owned()));
        }
        written
    }

    async fn counts(
        &self,
        merchant: MerchantId,
        filter: CountFilter,
    ) -> Result<Vec<CountRow>, StoreError> {
        self.inner.counts(merchant, filter).await
    }

    async fn days(&self, merchant: MerchantId) -> Result<Vec<Day>, StoreError> {
        self.inner.days(merchant).await
    }
}
