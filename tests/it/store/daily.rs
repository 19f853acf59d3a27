//! What a merchant's day may have is counted exactly, in the commit that decides.

use std::sync::Arc;

use futures_util::future::join_all;
use refundry::testing::ledger::verify::verify;
use refundry::testing::store::{Intent, Settlement, Store};
use refundry_domain::command::{Command, Target};
use refundry_domain::day::Day;
use refundry_domain::ids::RefundId;
use refundry_domain::money::Minor;
use refundry_domain::policy::{DailyLimit, Policy};
use refundry_domain::refund::{Refund, State, WaitsFor};

use super::{Place, on_every_store};
use crate::harness::store::*;

on_every_store! {
    super::a_day_is_used_up_exactly as a_day_is_used_up_exactly,
    super::a_day_begins_by_the_merchants_clocks as a_day_begins_by_the_merchants_clocks,
    super::what_does_not_happen_does_not_count as what_does_not_happen_does_not_count,
    super::a_day_that_was_altered_is_found as a_day_that_was_altered_is_found,
}

fn rules(refunds: u32, amount: i64, zone: &str) -> Arc<Policy> {
    let amounts = [(usd(), Minor::new(amount).unwrap())].into();
    let daily = DailyLimit { refunds: Some(refunds), amounts };
    Arc::new(Policy { daily, time_zone: zone.to_owned(), ..(*policy()).clone() })
}

fn limited(mut intent: Intent) -> Intent {
    intent.policy = rules(10, 100_000, "UTC");
    intent
}

async fn days(store: &dyn Store) -> Vec<(String, u32, i64)> {
    let days = store.days(MERCHANT).await.unwrap();
    days.iter().map(|day: &Day| (day.date.clone(), day.refunds, day.of(usd()))).collect()
}

/// As it was answered, and as it is kept.
async fn asked(store: &dyn Store, intent: Intent) -> Refund {
    let refund = done(store, intent).await.refund.unwrap();
    assert_eq!(store.refund(MERCHANT, refund.id).await.unwrap().as_ref(), Some(&refund));
    refund
}

fn confirm(id: RefundId) -> Intent {
    limited(intent(Target::Refund(id), Command::Confirm { may_approve: true }))
}

fn cancel(id: RefundId) -> Intent {
    limited(intent(Target::Refund(id), Command::Cancel { reason: None }))
}

async fn a_day_is_used_up_exactly(place: &impl Place) {
    let store = place.open().await;
    let orders = (0..20).map(|_| done(&*store, register(new_order("9.00"))));
    let orders: Vec<_> = join_all(orders).await.iter().map(|book| book.order.id).collect();
    // Many share a commit.
    let asks = (0..40).map(|index| store.commit(limited(refund(orders[index % 20], "1.00"))));
    let mut waiting = Vec::new();
    for settled in join_all(asks).await {
        let Settlement::Done { book, .. } = settled.unwrap() else { panic!("refused") };
        let refund = book.refund.unwrap();
        match refund.state {
            State::Pending => assert_eq!(refund.counted_on.as_deref(), Some("2025-06-15")),
            State::Unconfirmed => {
                assert_eq!(refund.waits_for, Some(WaitsFor::DailyLimit));
                waiting.push(refund.id);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(waiting.len(), 30);
    assert_eq!(days(&*store).await, [("2025-06-15".to_owned(), 10, 1_000)]);
    let confirmed = asked(&*store, confirm(waiting[0])).await;
    assert_eq!(confirmed.state, State::Pending);
    assert_eq!(days(&*store).await, [("2025-06-15".to_owned(), 11, 1_100)]);
    let canceled = asked(&*store, cancel(waiting[0])).await;
    assert_eq!((canceled.state, canceled.counted_on), (State::Canceled, None));
    assert_eq!(days(&*store).await, [("2025-06-15".to_owned(), 10, 1_000)]);
    assert_eq!(verify(&*store, &mut |_| {}).await.unwrap().findings, []);
    drop(store);
    assert_eq!(days(&*place.open().await).await, [("2025-06-15".to_owned(), 10, 1_000)]);
}

async fn a_day_begins_by_the_merchants_clocks(place: &impl Place) {
    let store = place.open().await;
    let id = done(&*store, register(new_order("9.00"))).await.order.id;
    let in_zone = |zone| {
        let mut intent = refund(id, "1.00");
        intent.policy = rules(1, 100, zone);
        intent
    };
    for (zone, date, state) in [
        ("UTC", Some("2025-06-15"), State::Pending),
        ("Europe/Warsaw", None, State::Unconfirmed),
        ("Pacific/Kiritimati", Some("2025-06-16"), State::Pending),
        ("Mars/Olympus", None, State::Unconfirmed),
    ] {
        let refund = asked(&*store, in_zone(zone)).await;
        assert_eq!((refund.counted_on.as_deref(), refund.state), (date, state), "{zone}");
    }
}

async fn what_does_not_happen_does_not_count(place: &impl Place) {
    let store = place.open().await;
    let id = done(&*store, register(new_order("9.00"))).await.order.id;
    let mut tried = limited(refund(id, "1.00"));
    tried.dry_run = true;
    done(&*store, tried).await;
    refused(&*store, limited(refund(id, "9.01"))).await;
    let claim = || claimed(limited(refund(id, "1.00")), "key-1", 1);
    done(&*store, claim()).await;
    assert!(matches!(store.commit(claim()).await.unwrap(), Settlement::Replayed(_)));
    // Without a limit nobody counts.
    let free = asked(&*store, refund(id, "1.00")).await;
    assert_eq!((free.counted_on, free.waits_for), (None, None));
    assert_eq!(days(&*store).await, [("2025-06-15".to_owned(), 1, 100)]);
}

async fn a_day_that_was_altered_is_found(place: &impl Place) {
    let store = place.open().await;
    let id = done(&*store, register(new_order("9.00"))).await.order.id;
    asked(&*store, limited(refund(id, "1.00"))).await;
    drop(store);
    for (sql, kind) in [
        ("UPDATE daily_totals SET refunds = 0", "daily totals of merchant"),
        ("UPDATE daily_totals SET amounts = '{\"USD\":99}'", "daily totals of merchant"),
        ("DELETE FROM daily_totals", "daily totals of merchant"),
        ("UPDATE refunds SET counted_on = '2025-06-14'", "refund"),
    ] {
        let altered = place.copy().await;
        altered.tamper(sql).await;
        let report = verify(&*altered.open().await, &mut |_| {}).await.unwrap();
        assert!(report.findings.iter().any(|found| found.kind == kind), "{sql}: {report:?}");
    }
}
