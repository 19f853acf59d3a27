//! Counts for reports: what they say was refunded is what the orders have refunded, where all events
//! are counted.

use std::collections::BTreeMap;

use refundry_domain::ids::MerchantId;
use refundry_domain::money::Currency;
use refundry_domain::report::{Figures, Sum};

use super::Check;
use crate::store::StoreError;
use crate::store::reports::{By, CountFilter};

impl Check<'_> {
    /// `refunded` is the sum over the orders of each currency, in minor units.
    pub(super) async fn counted(
        &mut self,
        merchant: MerchantId,
        mut refunded: BTreeMap<Currency, i64>,
    ) -> Result<(), StoreError> {
        let standing = self.store.counting(Some(merchant)).await?;
        if !standing.iter().any(|counting| counting.is_complete()) {
            return Ok(());
        }
        let all = CountFilter {
            from: "0000-01-01".to_owned(),
            to: "9999-12-31".to_owned(),
            by: By::Currency,
            currency: None,
            provider: None,
            reason: None,
        };
        let read = self.store.counts(merchant, all).await;
        let Some(rows) = self.readable(read, merchant, "counts of merchant", merchant.0)? else {
            return Ok(());
        };
        let mut counted: BTreeMap<Currency, Figures> = BTreeMap::new();
        for row in rows {
            refunded.entry(row.currency).or_insert(0);
            counted.entry(row.currency).or_default().add(row.counted, row.tally);
        }
        for (currency, units) in refunded {
            let said = counted.get(&currency).map_or(0, Figures::refunded);
            if said != units {
                let (said, is) = (Sum { units: said, currency }, Sum { units, currency });
                let what = format!(
                    "they say that {said} {code} was refunded, and the orders {is}",
                    code = currency.code()
                );
                self.find(merchant, "counts of merchant", merchant.0, what);
            }
        }
        Ok(())
    }
}
