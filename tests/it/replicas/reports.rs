//! Counts for reports that several processes make at once.

use std::time::Duration;

use futures_util::future::join_all;
use refundry::testing::ledger::counting;
use refundry::testing::ledger::verify::verify;
use refundry::testing::store::reports::{By, CountFilter, Reports};
use refundry_domain::report::Counted;

use crate::harness::store::*;

use super::Cast;

const LONG: Duration = Duration::from_secs(60);

/// An event would be counted twice, or be passed over while it is still being committed.
#[tokio::test]
async fn each_event_counts_once_while_all_write_and_all_count() {
    const EACH: usize = 60;
    let (_cast, stores) = Cast::of(3).await;
    let order = done(&*stores[0], register(new_order("9000.00"))).await.order.id;
    let mut other_orders = Vec::new();
    for store in &stores {
        other_orders.push(done(&**store, register(new_order("9000.00"))).await.order.id);
    }
    let busy = stores.iter().zip(other_orders).map(|(store, own)| async move {
        let mut lost = 0;
        for index in 0..EACH {
            let of = if index % 3 == 0 { order } else { own };
            let (made, counted) = tokio::join!(
                done(&**store, refund(of, "0.10")),
                counting::round(&**store, None, LONG)
            );
            assert!(made.refund.is_some());
            lost += usize::from(counted.unwrap().lost);
        }
        lost
    });
    let lost: usize = join_all(busy).await.into_iter().sum();
    println!("{lost} rounds were lost to another process");
    while counting::round(&*stores[1], None, LONG).await.unwrap().more {}
    let filter = CountFilter {
        from: "2000-01-01".to_owned(),
        to: "2999-01-01".to_owned(),
        by: By::Currency,
        currency: None,
        provider: None,
        reason: None,
    };
    let rows = stores[2].counts(MERCHANT, filter).await.unwrap();
    let all = i64::try_from(stores.len() * EACH).unwrap();
    let said: Vec<_> =
        rows.iter().map(|row| (row.counted, row.tally.times, row.tally.amount)).collect();
    assert_eq!(said, [(Counted::Requested, all, 10 * all)]);
    assert_eq!(verify(&*stores[0], &mut |_| {}).await.unwrap().findings, []);
}
