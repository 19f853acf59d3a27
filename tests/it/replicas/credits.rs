//! One account of credit, through several processes at once.

use futures_util::future::join_all;
use refundry::testing::store::Settlement;
use refundry::testing::store::credits::Credits;
use refundry_domain::refund::Destination;

use super::{Cast, assert_once};
use crate::harness::store::*;
use crate::store::credits::{
    account, credit, credited, entries, is_sound, moved, of_customer, spend, under,
};

/// Two processes would both see enough.
#[tokio::test]
async fn an_account_never_goes_below_zero() {
    let (_cast, stores) = Cast::of(3).await;
    let id = credited(&*stores[0], "10.00").await;
    let spends = (0..90).map(|index| moved(&*stores[index % 3], spend(id, "0.45")));
    let told = join_all(spends).await;
    assert_eq!(told.iter().filter(|told| told.is_ok()).count(), 22, "as often as 0.45 is in 10.00");
    assert!(told.iter().all(|told| told.is_ok() || told == &Err("insufficient_balance")));
    let entries = entries(&*stores[1], id).await;
    let balances: Vec<_> = entries.iter().rev().map(|entry| entry.balance.get()).collect();
    let expected: Vec<_> = (0..23).map(|spent| 1000 - 45 * spent).collect();
    assert_eq!(balances, expected, "one after the other");
    for store in &stores {
        assert_eq!(account(&**store, id).await.balance.get(), 10);
    }
    is_sound(&*stores[2]).await;
}

/// A shop that asks another process again after a time-out would pay twice.
#[tokio::test]
async fn the_same_spend_through_all_is_carried_out_once() {
    let (_cast, stores) = Cast::of(3).await;
    let id = credited(&*stores[0], "100.00").await;
    for round in 0..8 {
        let key = format!("key-{round}");
        let asks = (0..9).map(|n| stores[n % 3].move_credit(under(spend(id, "1.00"), &key, 1)));
        assert_once(join_all(asks).await, round);
        let other = stores[round % 3].move_credit(under(spend(id, "1.01"), &key, 2)).await.unwrap();
        assert!(matches!(other, Settlement::KeyReused), "{other:?}");
    }
    assert_eq!(account(&*stores[0], id).await.balance.get(), 9_200);
    is_sound(&*stores[1]).await;
}

/// What is credited by one process and spent through another at the same moment adds up.
#[tokio::test]
async fn credits_and_spends_of_all_add_up() {
    let (_cast, stores) = Cast::of(2).await;
    let id = credited(&*stores[0], "1.00").await;
    let mut orders = Vec::new();
    for _ in 0..12 {
        orders.push(done(&*stores[0], of_customer("c-7", "2.00")).await.order.id);
    }
    let credits = orders
        .iter()
        .enumerate()
        .map(|(n, order)| done(&*stores[n % 2], credit(*order, Destination::StoreCredit, "2.00")));
    let spends = (0..40).map(|n| moved(&*stores[(n + 1) % 2], spend(id, "0.50")));
    let (made, told) = tokio::join!(join_all(credits), join_all(spends));
    assert!(made.iter().all(|book| book.account.as_ref().unwrap().id == id));
    let spent = 50 * i64::try_from(told.iter().filter(|told| told.is_ok()).count()).unwrap();
    assert_eq!(account(&*stores[1], id).await.balance.get(), 100 + 12 * 200 - spent);
    is_sound(&*stores[0]).await;
}
