//! The second lock on the rules of money: what the database refuses whatever the program does.

use refundry_domain::command::{Command, Target, What};
use refundry_domain::ids::OrderRef;
use refundry_domain::refund::Destination;

use super::{Place, on_every_store};
use crate::harness::store::*;

on_every_store! {
    super::no_row_gives_back_more_than_there_was as no_row_gives_back_more_than_there_was,
}

/// A mistake in the rules, or somebody at the database, could give back more than was charged.
async fn no_row_gives_back_more_than_there_was(place: &impl Place) {
    let store = place.open().await;
    let mut new = new_order("10.00");
    new.customer.reference = Some("c-7".to_owned());
    let order = done(&*store, register(new)).await.order.id;
    done(&*store, refund(order, "4.00")).await;
    let mut credit = ask(What::Amount(stated("1.00")));
    credit.to = Destination::StoreCredit;
    let target = Target::Order(OrderRef::Id(order));
    let credited = done(&*store, intent(target, Command::RequestRefund(credit))).await;
    assert_eq!((credited.order.held.get(), credited.order.refunded.get()), (400, 100));
    store.close().await;
    drop(store);

    for (table, rows, changes) in [
        (
            "transactions",
            " WHERE refund IS NULL",
            &[
                "held = -1",
                "held = captured - refunded + 1",
                "refunded = -1",
                "refunded = captured - held + 1",
                "disputed = captured, blocked = captured - held - refunded + 1",
                "captured = held",
                "amount = captured - 1",
            ][..],
        ),
        (
            "orders",
            "",
            &[
                "held = -1",
                "held = captured - refunded + 1",
                "refunded = captured - held + 1",
                "blocked = captured - held - refunded + 1",
                "captured = held",
            ],
        ),
        ("lines", "", &["taken = -1", "taken = amount + 1", "taken_quantity = quantity + 1"]),
        ("refunds", "", &["refunded = -1", "refunded = amount + 1"]),
        ("credit_accounts", "", &["balance = -1"]),
    ] {
        for change in changes {
            let sql = format!("UPDATE {table} SET {change}{rows}");
            let why = place.change(&sql).await.expect_err(&sql).to_lowercase();
            assert!(why.contains("check constraint"), "{sql}: {why}");
        }
        // Nothing but the amount was in the way.
        place.change(&format!("UPDATE {table} SET merchant = merchant{rows}")).await.unwrap();
    }
}
