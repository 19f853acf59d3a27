//! What a store promises, whichever it is.

use refundry::testing::store::{
    EventFilter, OrderFilter, RefundFilter, Settlement, TransactionFilter,
};
use refundry_domain::ids::OrderRef;

use crate::harness::store::*;

#[tokio::test]
async fn a_refund_is_kept_as_it_was_decided() {
    let home = Home::new();
    let store = &*home.store;
    let order = done(store, register(new_order("19.98"))).await.order.id;
    let book = done(store, claimed(refund(order, "5.00"), "a", 1)).await;
    let refund = book.refund.unwrap();
    assert_eq!(store.refund(MERCHANT, refund.id).await.unwrap(), Some(refund.clone()));
    let kept = store.order(MERCHANT, OrderRef::Id(order)).await.unwrap().unwrap();
    assert_eq!(kept.order, book.order);
    assert_eq!(kept.payments, book.payments);
    assert_eq!(kept.lines, book.lines);
    let again = store.commit(claimed(self::refund(order, "5.00"), "a", 1)).await.unwrap();
    assert!(matches!(again, Settlement::Replayed(_)), "{again:?}");
    assert_eq!(
        store.refunds(MERCHANT, RefundFilter::default(), first(10)).await.unwrap().rows.len(),
        1
    );
    assert_eq!(
        store.orders(MERCHANT, OrderFilter::default(), first(10)).await.unwrap().rows.len(),
        1
    );
    assert_eq!(
        store
            .transactions(MERCHANT, TransactionFilter::default(), first(10))
            .await
            .unwrap()
            .rows
            .len(),
        2
    );
    let filter = EventFilter { order: Some(order), ..EventFilter::default() };
    let events = store.events(MERCHANT, filter, first(10)).await.unwrap();
    assert_eq!(events.rows.len(), 3);
    store.close().await;
}
