//! Notes on movements of money, and requests whose refusal is not kept.

use futures_util::future::join_all;
use refundry::testing::ledger::verify::verify;
use refundry::testing::store::{EventFilter, Movement, RefundFilter, Settlement, Store};
use refundry_domain::command::{Command, Target};
use refundry_domain::ids::{OrderId, OrderRef, TransactionId};
use refundry_domain::order::Metadata;
use refundry_domain::refusal::Refusal;

use super::{Place, on_every_store};
use crate::harness::store::*;

on_every_store! {
    super::notes_are_added_to_what_is_there as notes_are_added_to_what_is_there,
    super::a_refusal_that_is_not_kept_leaves_its_key_free
        as a_refusal_that_is_not_kept_leaves_its_key_free,
    super::the_same_key_at_once_is_carried_out_once as the_same_key_at_once_is_carried_out_once,
}

fn notes(pairs: &[(&str, &str)]) -> Metadata {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

async fn kept(store: &dyn Store, transaction: TransactionId) -> Metadata {
    let row = store.transaction(MERCHANT, transaction).await.unwrap().unwrap();
    match row.movement {
        Movement::In(payment) => payment.metadata,
        Movement::Back(back) => back.metadata,
    }
}

async fn notes_are_added_to_what_is_there(place: &impl Place) {
    let store = place.open().await;
    let mut new = new_order("10.00");
    new.payments[0].metadata = notes(&[("a", "1"), ("b", "line\nline")]);
    let order = done(&*store, register(new)).await;
    let (id, payment) = (order.order.id, order.payments[0].id);
    let back = done(&*store, refund(id, "5.00")).await.refund.unwrap().transactions[0].id;
    assert_eq!(kept(&*store, payment).await, notes(&[("a", "1"), ("b", "line\nline")]));
    assert_eq!(kept(&*store, back).await, Metadata::new());

    let on_order = Target::Order(OrderRef::Id(id));
    let annotate = |target: &Target, transaction, pairs: &[(&str, &str)]| {
        intent(target.clone(), Command::Annotate { transaction, notes: notes(pairs) })
    };
    done(&*store, annotate(&on_order, payment, &[("b", "2"), ("c", "3")])).await;
    done(&*store, annotate(&Target::Transaction(back), back, &[("x", "y")])).await;
    let events = store.events(MERCHANT, EventFilter::default(), all()).await.unwrap().rows.len();
    // The same again is nothing new.
    done(&*store, annotate(&Target::Transaction(back), back, &[("x", "y")])).await;
    let rows = store.events(MERCHANT, EventFilter::default(), all()).await.unwrap().rows;
    assert_eq!(rows.len(), events);
    let told: Vec<_> = rows.iter().take(2).map(|row| (row.name.as_str(), row.subject)).collect();
    assert_eq!(told, [("transaction.updated", back.0), ("transaction.updated", payment.0)]);

    for (target, transaction) in [
        (on_order.clone(), TransactionId(9_999)),
        // Of the order's refunds the book of the order has none.
        (on_order, back),
        (Target::Transaction(TransactionId(9_999)), back),
    ] {
        let refused = store.commit(annotate(&target, transaction, &[("x", "z")])).await.unwrap();
        assert!(
            matches!(refused, Settlement::Refused { refusal: Refusal::UnknownTransaction, .. }),
            "{refused:?}"
        );
    }
    let card = annotate(&Target::Transaction(back), back, &[("x", "4111 1111 1111 1111")]);
    let refused = store.commit(card).await.unwrap();
    assert!(matches!(refused, Settlement::Refused { refusal: Refusal::CardNumber { .. }, .. }));

    // What else changes the rows leaves the notes.
    done(&*store, refund(id, "1.00")).await;
    store.close().await;
    drop(store);
    let store = place.open().await;
    assert_eq!(kept(&*store, payment).await, notes(&[("a", "1"), ("b", "2"), ("c", "3")]));
    assert_eq!(kept(&*store, back).await, notes(&[("x", "y")]));
    let report = verify(&*store, &mut |_| {}).await.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

fn once(id: OrderId, amount: &str, fingerprint: u8) -> refundry::testing::store::Intent {
    let mut intent = claimed(refund(id, amount), "key", fingerprint);
    if let Some(claim) = &mut intent.claim {
        claim.done_only = true;
    }
    intent
}

async fn a_refusal_that_is_not_kept_leaves_its_key_free(place: &impl Place) {
    let store = place.open().await;
    let id = done(&*store, register(new_order("1.00"))).await.order.id;
    for _ in 0..2 {
        let refused = store.commit(once(id, "5.00", 1)).await.unwrap();
        assert!(matches!(refused, Settlement::Refused { answer: Some(_), .. }), "{refused:?}");
    }
    let more = Command::RecordPayment(payment("sandbox", "9.00"));
    done(&*store, intent(Target::Order(OrderRef::Id(id)), more)).await;
    let Settlement::Done { answer, .. } = store.commit(once(id, "5.00", 1)).await.unwrap() else {
        panic!("the key is free, and there is enough by now");
    };
    match store.commit(once(id, "5.00", 1)).await.unwrap() {
        Settlement::Replayed(again) => assert_eq!(Some(again), answer),
        other => panic!("{other:?}"),
    }
    let reused = store.commit(once(id, "2.00", 2)).await.unwrap();
    assert!(matches!(reused, Settlement::KeyReused), "{reused:?}");
}

async fn the_same_key_at_once_is_carried_out_once(place: &impl Place) {
    let store = place.open().await;
    let id = done(&*store, register(new_order("10.00"))).await.order.id;
    let all_at_once = join_all((0..20).map(|_| store.commit(once(id, "1.00", 1)))).await;
    let count = |wanted: fn(&Settlement) -> bool| {
        all_at_once.iter().filter(|settled| wanted(settled.as_ref().unwrap())).count()
    };
    assert_eq!(count(|settled| matches!(settled, Settlement::Done { .. })), 1);
    assert_eq!(count(|settled| matches!(settled, Settlement::Replayed(_))), 19);
    let refunds = store.refunds(MERCHANT, RefundFilter::default(), all()).await.unwrap().rows;
    assert_eq!(refunds.len(), 1);
}
