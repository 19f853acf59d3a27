//! Daily totals: what they say was decided on a day is what the refunds say that count on it.

use std::collections::BTreeMap;

use refundry_domain::day::Day;
use refundry_domain::ids::MerchantId;
use refundry_domain::money::Currency;
use refundry_domain::refund::Refund;

use super::Check;
use crate::store::StoreError;

impl Check<'_> {
    /// The refunds of an order, whose days were compared with their events.
    pub(super) fn count_on_days(&mut self, refunds: &[Refund]) {
        for refund in refunds {
            let Some(date) = &refund.counted_on else { continue };
            let day = self.days.entry(date.clone()).or_insert_with(|| Day::new(date.clone()));
            day.add(refund.amount, refund.currency);
        }
    }

    pub(super) async fn daily_totals(&mut self, merchant: MerchantId) -> Result<(), StoreError> {
        let read = self.store.days(merchant).await;
        let Some(rows) = self.readable(read, merchant, "daily totals of merchant", merchant.0)?
        else {
            return Ok(());
        };
        let mut counted = std::mem::take(&mut self.days);
        for row in rows {
            let made = counted.remove(&row.date).unwrap_or_else(|| Day::new(row.date.clone()));
            self.same_day(merchant, &row, &made);
        }
        for (date, made) in counted {
            self.same_day(merchant, &Day::new(date), &made);
        }
        Ok(())
    }

    fn same_day(&mut self, merchant: MerchantId, row: &Day, made: &Day) {
        if (row.refunds, some(row)) != (made.refunds, some(made)) {
            let what = format!(
                "that of {} says {} refunds of {:?} in all, and those that count on it are {} of {:?}",
                row.date,
                row.refunds,
                some(row),
                made.refunds,
                some(made)
            );
            self.find(merchant, "daily totals of merchant", merchant.0, what);
        }
    }
}

/// Nothing of a currency is as good as not naming it.
fn some(day: &Day) -> BTreeMap<Currency, i64> {
    let sums = day.amounts.iter().filter(|(_, sum)| **sum != 0);
    sums.map(|(currency, sum)| (*currency, *sum)).collect()
}
