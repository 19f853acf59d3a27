//! Commands that only the book they are about says all of.

use std::sync::Arc;

use refundry::testing::store::together::ReturnSheet;
use refundry::testing::store::{Fit, Intent, Page, RefundFilter, Settlement, Store};
use refundry_domain::book::Book;
use refundry_domain::command::{Ask, Command, NewReturn, Target, What};
use refundry_domain::ids::{OrderRef, TransactionId};
use refundry_domain::order::Metadata;
use refundry_domain::refusal::Refusal;
use refundry_domain::returns::ReturnKind;

use super::commands::create_merchant;
use super::{Place, on_every_store};
use crate::harness::store::*;

on_every_store! {
    super::a_refund_is_made_of_what_the_book_says as a_refund_is_made_of_what_the_book_says,
    super::what_does_not_fit_leaves_its_key_free as what_does_not_fit_leaves_its_key_free,
    super::a_return_comes_with_its_order_and_its_refunds
        as a_return_comes_with_its_order_and_its_refunds,
    super::refunds_come_with_their_orders as refunds_come_with_their_orders,
}

/// All of what is left, of an order whose reference begins with 1.
fn fitting(target: Target) -> Intent {
    let fit: Fit = Arc::new(|book: &Book| {
        let fits = book.order.reference.starts_with('1');
        fits.then(|| requested(&book.money(book.left()).to_string()))
    });
    Intent { fit: Some(fit), ..intent(target, requested("0.01")) }
}

fn requested(amount: &str) -> Command {
    Command::RequestRefund(ask(What::Amount(stated(amount))))
}

async fn order(store: &dyn Store, reference: &str, amount: &str) -> Book {
    let mut new = new_order(amount);
    new.reference = Some(reference.to_owned());
    done(store, register(new)).await
}

async fn a_refund_is_made_of_what_the_book_says(place: &impl Place) {
    let store = place.open().await;
    let book = order(&*store, "1001", "19.98").await;
    let (id, payment) = (book.order.id, book.payments[0].id);
    let made = done(&*store, refund(id, "5.00")).await.refund.unwrap();
    let whole = done(&*store, claimed(fitting(Target::Payment(payment)), "key", 1)).await;
    let rest = whole.refund.unwrap();
    assert_eq!((rest.order, rest.amount.get()), (id, 1_498));
    assert_eq!(store.refund(MERCHANT, rest.id).await.unwrap(), Some(rest));
    let again = store.commit(claimed(fitting(Target::Payment(payment)), "key", 1)).await.unwrap();
    assert!(matches!(again, Settlement::Replayed(_)), "{again:?}");

    let other = create_merchant(&*store).await;
    for target in [
        Target::Payment(made.transactions[0].id),
        Target::Payment(TransactionId(9_999)),
        Target::Payment(TransactionId(id.0)),
    ] {
        assert_eq!(refused(&*store, fitting(target)).await, Refusal::UnknownTransaction);
    }
    let theirs = Intent { merchant: other, ..fitting(Target::Payment(payment)) };
    assert_eq!(refused(&*store, theirs).await, Refusal::UnknownTransaction);
}

async fn what_does_not_fit_leaves_its_key_free(place: &impl Place) {
    let store = place.open().await;
    let one = order(&*store, "1001", "10.00").await.order.id;
    let two = order(&*store, "2001", "10.00").await;
    let named = |name: &str| Target::Order(OrderRef::Reference(name.to_owned()));
    let misfit = || claimed(fitting(Target::Payment(two.payments[0].id)), "key", 1);
    let rows = || async {
        let refunds = store.refunds(MERCHANT, RefundFilter::default(), all()).await.unwrap().rows;
        let two = store.order(MERCHANT, OrderRef::Id(two.order.id)).await.unwrap();
        (refunds.len(), two.unwrap())
    };
    let before = rows().await;
    for _ in 0..2 {
        let settled = store.commit(misfit()).await.unwrap();
        assert!(matches!(settled, Settlement::Unfit), "{settled:?}");
    }
    assert_eq!(rows().await, before);
    // Nor does one that is not there keep it.
    let nobody = claimed(fitting(named("1002")), "key", 2);
    assert_eq!(refused(&*store, nobody).await, Refusal::UnknownOrder);
    // What is decided keeps it, with or without a fit.
    let dry = Intent { dry_run: true, ..claimed(fitting(named("1001")), "key", 3) };
    assert!(matches!(store.commit(dry).await.unwrap(), Settlement::Done { .. }));
    assert_eq!(done(&*store, claimed(fitting(named("1001")), "key", 3)).await.order.id, one);
    assert!(matches!(store.commit(misfit()).await.unwrap(), Settlement::KeyReused));
    let nothing_left = claimed(fitting(named("1001")), "other", 1);
    let refusal = refused(&*store, nothing_left.clone()).await;
    assert!(matches!(refusal, Refusal::NotPositive { .. }), "{refusal:?}");
    let again = store.commit(nothing_left).await.unwrap();
    assert!(matches!(again, Settlement::Replayed(_)), "{again:?}");
    // And the one that did not fit is as good as it was.
    done(&*store, refund(two.order.id, "10.00")).await;
}

async fn a_return_comes_with_its_order_and_its_refunds(place: &impl Place) {
    let store = place.open().await;
    let id = order(&*store, "1001", "10.00").await.order.id;
    let new = |reference: &str| NewReturn {
        reference: Some(reference.to_owned()),
        kind: ReturnKind::Return,
        items: Vec::new(),
        reason: String::new(),
        metadata: Metadata::new(),
    };
    let on_order = Target::Order(OrderRef::Id(id));
    let open = |name: &str| intent(on_order.clone(), Command::OpenReturn(new(name)));
    let row = done(&*store, open("R1")).await.returns[0].clone();
    done(&*store, open("R2")).await;
    done(&*store, refund(id, "1.00")).await;
    let of_return = |amount: &str| {
        let ask = Ask { return_id: Some(row.id), ..ask(What::Amount(stated(amount))) };
        intent(on_order.clone(), Command::RequestRefund(ask))
    };
    let first = done(&*store, of_return("2.00")).await.refund.unwrap();
    let second = done(&*store, of_return("3.00")).await.refund.unwrap();

    let found = store.return_sheet(MERCHANT, "R1".to_owned()).await.unwrap().unwrap();
    let ReturnSheet { row: shown, book, refunds } = found;
    assert_eq!((shown, refunds), (row, vec![first, second]));
    assert_eq!(Some(book), store.order(MERCHANT, OrderRef::Id(id)).await.unwrap());
    let other = store.return_sheet(MERCHANT, "R2".to_owned()).await.unwrap().unwrap();
    assert_eq!((other.row.reference.as_str(), other.refunds), ("R2", vec![]));
    for name in ["R3", "r1", "R1\0"] {
        assert!(store.return_sheet(MERCHANT, name.to_owned()).await.unwrap().is_none());
    }
    let elsewhere = create_merchant(&*store).await;
    assert!(store.return_sheet(elsewhere, "R1".to_owned()).await.unwrap().is_none());
}

async fn refunds_come_with_their_orders(place: &impl Place) {
    let store = place.open().await;
    let mut orders = Vec::new();
    for (reference, amounts) in [("1", vec!["1.00", "2.00"]), ("2", vec!["3.00"]), ("3", vec![])] {
        let id = order(&*store, reference, "10.00").await.order.id;
        for amount in &amounts {
            done(&*store, refund(id, amount)).await;
        }
        orders.push((id, amounts.len()));
    }
    for limit in [1, 2, 10] {
        let page = Page { after: None, before: None, limit, oldest_first: false };
        let filter = RefundFilter::default;
        let (slice, mut books) = store.refunds_with_books(MERCHANT, filter(), page).await.unwrap();
        let alone = store.refunds(MERCHANT, filter(), page).await.unwrap();
        assert_eq!((&slice.rows, slice.more), (&alone.rows, alone.more));
        assert!(slice.rows.iter().all(|refund| refund.transactions.len() == 1));
        books.sort_unstable_by_key(|book| book.order.id);
        let mut expected: Vec<_> = slice.rows.iter().map(|refund| refund.order).collect();
        expected.sort_unstable();
        expected.dedup();
        for (book, id) in books.iter().zip(&expected) {
            let whole = store.order(MERCHANT, OrderRef::Id(*id)).await.unwrap();
            assert_eq!(Some(book), whole.as_ref());
        }
        assert_eq!(books.len(), expected.len());
    }
    let elsewhere = create_merchant(&*store).await;
    let found = store.refunds_with_books(elsewhere, RefundFilter::default(), all()).await.unwrap();
    assert_eq!((found.0.rows, found.1), (vec![], vec![]));
}
