//! Refunds counted by day: each event once, whatever breaks meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use refundry::testing::ledger::counting;
use refundry::testing::ledger::verify::verify;
use refundry::testing::store::reports::{By, CountFilter, CountRow, Progress, Reached};
use refundry::testing::store::{EventFilter, RefundFilter, Store};
use refundry_domain::command::{Command, Target};
use refundry_domain::ids::{EventId, MerchantId, OrderRef, Timestamp};
use refundry_domain::merchant::{Administration, Settings};
use refundry_domain::money::Currency;
use refundry_domain::outcome::{Outcome, Report, Reporter};
use refundry_domain::refund::{Refund, State, TransactionState};
use refundry_domain::report::{Counted, Counts, Figures, NAMES_MOST, REST, Within};

use super::commands::create_merchant;
use super::{Place, on_every_store};
use crate::harness::faulty::Faulty;
use crate::harness::population::{Population, Random};
use crate::harness::store::*;

on_every_store! {
    super::counts_are_what_the_refunds_say as counts_are_what_the_refunds_say,
    super::nothing_counts_twice as nothing_counts_twice,
    super::a_crash_loses_and_doubles_nothing as a_crash_loses_and_doubles_nothing,
    super::verify_compares_the_counts_with_the_orders
        as verify_compares_the_counts_with_the_orders,
    super::another_zone_is_counted_anew as another_zone_is_counted_anew,
    super::reasons_beyond_the_most_count_as_the_rest as reasons_beyond_the_most_count_as_the_rest,
    super::counts_are_put_together_and_filtered as counts_are_put_together_and_filtered,
    super::months_are_what_their_days_are as months_are_what_their_days_are,
    super::what_is_beyond_all_numbers_counts_as_the_largest
        as what_is_beyond_all_numbers_counts_as_the_largest,
}

const DAY: i64 = 24 * 60 * 60 * 1000;
/// Long enough for all that is there.
const LONG: Duration = Duration::from_secs(60);

fn whole(by: By) -> CountFilter {
    CountFilter {
        from: "0000-01-01".to_owned(),
        to: "9999-12-31".to_owned(),
        by,
        currency: None,
        provider: None,
        reason: None,
    }
}

/// Counts until nothing is left, by rounds that end as early as they can.
async fn count(store: &dyn Store) {
    let mut after = None;
    for _ in 0..10_000 {
        let round = counting::round(store, after, Duration::ZERO).await.unwrap();
        if !round.more {
            return;
        }
        after = round.stopped_at;
    }
    panic!("there is no end to it");
}

type Table = BTreeMap<(String, Currency), Figures>;

fn table(rows: Vec<CountRow>) -> Table {
    let mut table = Table::new();
    for row in rows {
        table.entry((row.key, row.currency)).or_default().add(row.counted, row.tally);
    }
    table
}

async fn by(store: &dyn Store, merchant: MerchantId, by: By) -> Table {
    table(store.counts(merchant, whole(by)).await.unwrap())
}

fn day(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .unwrap()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date()
        .to_string()
}

async fn refunds(store: &dyn Store, merchant: MerchantId) -> Vec<Refund> {
    store.refunds(merchant, RefundFilter::default(), all()).await.unwrap().rows
}

/// Adds up what the rows and the names of the events say, in the simplest way.
async fn assert_true(store: &dyn Store, merchant: MerchantId) {
    let refunds = refunds(store, merchant).await;
    let (mut by_reason, mut by_provider) = (BTreeMap::new(), BTreeMap::new());
    for refund in &refunds {
        let reason = refund.reason.clone().unwrap_or_default();
        *by_reason.entry((reason, refund.currency)).or_insert(0) += refund.refunded.get();
        for row in &refund.transactions {
            let paid = row.state == TransactionState::Succeeded;
            if paid {
                let place = by_provider.entry((row.provider.clone(), refund.currency));
                *place.or_insert(0) += row.amount.get();
            }
        }
    }
    for (how, said) in [(By::Reason, by_reason), (By::Provider, by_provider)] {
        let counted = by(store, merchant, how).await;
        let mut net: BTreeMap<_, _> =
            counted.into_iter().map(|(key, figures)| (key, figures.refunded())).collect();
        // A provider may have a line for what it declined or took back alone, or none yet.
        net.retain(|_, refunded| how != By::Provider || *refunded != 0);
        assert_eq!(net, said, "{how:?} of merchant {merchant}");
    }

    let events = store.events(merchant, EventFilter::default(), all()).await.unwrap().rows;
    let mut said: BTreeMap<String, [i64; 5]> = BTreeMap::new();
    for event in events {
        let names = ["requested", "succeeded", "failed", "canceled", "reversed"];
        let name = event.name.strip_prefix("refund.").unwrap_or_default();
        if let Some(at) = names.iter().position(|known| *known == name) {
            said.entry(day(event.at)).or_default()[at] += 1;
        }
    }
    let mut counted: BTreeMap<String, [i64; 5]> = BTreeMap::new();
    for ((day, _), it) in by(store, merchant, By::Day).await {
        let row = [it.requested, it.succeeded, it.failed, it.canceled, it.reversed];
        let place = counted.entry(day).or_default();
        for (sum, tally) in place.iter_mut().zip(row) {
            *sum += tally.times;
        }
    }
    counted.retain(|_, row| row.iter().any(|times| *times > 0));
    assert_eq!(counted, said, "merchant {merchant}");
    let standing = store.counting(Some(merchant)).await.unwrap();
    assert!(standing.len() == 1 && standing[0].is_complete(), "{standing:?}");
}

async fn counts_are_what_the_refunds_say(place: &impl Place) {
    let store = place.open().await;
    let mut population = Population::live(&*store, Random::seeded(), 0).await;
    // Two hours from one command to the next.
    population.pace_ms = DAY / 12;
    for steps in [150, 1, 2, 250, 197] {
        population.go_on(&*store, steps).await;
        count(&*store).await;
        for merchant in population.merchants {
            assert_true(&*store, merchant).await;
        }
    }
    let (mut days, mut sum) = (0, Figures::default());
    for merchant in population.merchants {
        let all = by(&*store, merchant, By::Day).await;
        days += all.len();
        all.values().for_each(|figures| sum.join(figures));
    }
    assert!(days > 20, "many days have something to say");
    for seen in [sum.requested, sum.paid, sum.succeeded, sum.canceled] {
        assert!(seen.times > 0 && seen.amount > 0, "{sum:?}");
    }
}

/// What was written although nobody said so, and what several count at once, counts once.
async fn nothing_counts_twice(place: &impl Place) {
    let store = place.open().await;
    let faulty = Faulty::over(store.clone());
    let mut population = Population::live(&*store, Random::seeded(), 200).await;
    faulty.lose_answers(true);
    counting::round(&*faulty, None, LONG).await.unwrap_err();
    faulty.lose_answers(false);
    counting::round(&*faulty, None, LONG).await.unwrap();
    population.go_on(&*store, 200).await;
    let rounds = join_all((0..8).map(|_| counting::round(&*store, None, LONG))).await;
    assert!(rounds.iter().any(|round| !round.as_ref().unwrap().lost), "one of them has written it");
    for merchant in population.merchants {
        assert_true(&*store, merchant).await;
    }

    // Who counts from where the cursor is not any more, writes nothing.
    let before = by(&*store, MERCHANT, By::Day).await;
    let reached = store.counting(Some(MERCHANT)).await.unwrap()[0].reached.clone().unwrap();
    let zone = reached.zone.clone();
    let to = Reached { cursor: EventId(reached.cursor.0 + 7), zone: zone.clone() };
    let other = Reached { cursor: EventId(0), zone: "Asia/Tokyo".to_owned() };
    let stale = |cursor| Some(Reached { cursor: EventId(cursor), zone: zone.clone() });
    let elsewhere = Some(Reached { zone: "Asia/Tokyo".to_owned(), ..reached.clone() });
    let froms = [
        (None, to.clone()),
        (stale(reached.cursor.0 - 1), to.clone()),
        (elsewhere, to.clone()),
        (stale(reached.cursor.0 - 1), other),
    ];
    for (from, to) in froms {
        let mut counts = Counts::default();
        let about = refundry_domain::report::About {
            currency: usd(),
            reason: None,
            requested_at: NOW,
            provider: "sandbox".to_owned(),
        };
        counts.requested("2026-01-01", &about, refundry_domain::money::Minor::MAX);
        let progress = Progress { merchant: MERCHANT, from, to, counts };
        assert_eq!(store.add_counts(Arc::new(vec![progress])).await.unwrap(), 0);
    }
    assert_eq!(by(&*store, MERCHANT, By::Day).await, before);

    // A broken disk leaves counts and cursor where they were.
    population.go_on(&*store, 50).await;
    let broken = Faulty::over(store.clone());
    broken.break_disk();
    counting::round(&*broken, None, LONG).await.unwrap_err();
    assert_eq!(by(&*store, MERCHANT, By::Day).await, before);
    count(&*store).await;
    assert_true(&*store, MERCHANT).await;
}

/// A store that is dropped is what a crash is.
async fn a_crash_loses_and_doubles_nothing(place: &impl Place) {
    let store = place.open().await;
    let mut population = Population::live(&*store, Random::seeded(), 100).await;
    counting::round(&*store, None, Duration::ZERO).await.unwrap();
    drop(store);
    let mut store = place.open().await;
    for _ in 0..4 {
        population.go_on(&*store, 40).await;
        counting::round(&*store, None, Duration::ZERO).await.unwrap();
        drop(store);
        store = place.open().await;
    }
    count(&*store).await;
    for merchant in population.merchants {
        assert_true(&*store, merchant).await;
    }
}

async fn verify_compares_the_counts_with_the_orders(place: &impl Place) {
    let store = place.open().await;
    let order = done(&*store, register(new_order("10.00"))).await.order.id;
    let asked = done(&*store, refund(order, "4.00")).await.refund.unwrap();
    done(&*store, reported(&asked, Outcome::Done { reference: None, amount: None }, 1_000)).await;
    count(&*store).await;
    let report = verify(&*store, &mut |_| {}).await.unwrap();
    assert_eq!(report.findings, []);
    store.close().await;
    drop(store);
    place
        .tamper("UPDATE report_days SET amount = amount + 1 WHERE counted = 'paid' AND apart = 0")
        .await;
    let store = place.open().await;
    let report = verify(&*store, &mut |_| {}).await.unwrap();
    let found: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    let what = "they say that 4.01 USD was refunded, and the orders 4.00";
    assert_eq!(found, [format!("merchant 1, counts of merchant 1: {what}")]);
    // What is not all counted yet says nothing.
    done(&*store, refund(order, "1.00")).await;
    assert_eq!(verify(&*store, &mut |_| {}).await.unwrap().findings, []);
}

async fn another_zone_is_counted_anew(place: &impl Place) {
    let store = place.open().await;
    let order = done(&*store, register(new_order("10.00"))).await.order.id;
    // 15:06 in London is 05:06 of the next day on Kiritimati.
    done(&*store, refund(order, "1.00")).await;
    count(&*store).await;
    let key = |day: &str| (day.to_owned(), usd());
    let before = by(&*store, MERCHANT, By::Day).await;
    assert_eq!(before.keys().cloned().collect::<Vec<_>>(), [key("2025-06-15")]);
    let settings = Settings { time_zone: "Pacific/Kiritimati".to_owned(), ..Settings::default() };
    let change = Administration::ChangeMerchant { name: None, settings: Some(settings) };
    store.administer(MERCHANT, "test".into(), NOW, change).await.unwrap();
    assert!(!store.counting(Some(MERCHANT)).await.unwrap()[0].is_complete());
    count(&*store).await;
    let after = by(&*store, MERCHANT, By::Day).await;
    assert_eq!(after.keys().cloned().collect::<Vec<_>>(), [key("2025-06-16")]);
    assert_eq!(after[&key("2025-06-16")], before[&key("2025-06-15")]);
    assert!(store.counting(Some(MERCHANT)).await.unwrap()[0].is_complete());
}

fn because(order: refundry_domain::ids::OrderId, reason: &str) -> refundry::testing::store::Intent {
    let mut ask = ask(refundry_domain::command::What::Amount(stated("0.10")));
    ask.reason = Some(reason.to_owned());
    intent(Target::Order(OrderRef::Id(order)), Command::RequestRefund(ask))
}

async fn reasons_beyond_the_most_count_as_the_rest(place: &impl Place) {
    let store = place.open().await;
    let order = done(&*store, register(new_order("100.00"))).await.order.id;
    for number in 0..NAMES_MOST + 7 {
        done(&*store, because(order, &format!("reason {number:02}"))).await;
        // What counts as the rest does not depend on how far each round comes.
        if number % 13 == 0 {
            count(&*store).await;
        }
    }
    // Another day has names of its own.
    let late = because(order, "reason of the next day");
    done(&*store, refundry::testing::store::Intent { at: Timestamp(NOW.0 + DAY), ..late }).await;
    count(&*store).await;
    let table = by(&*store, MERCHANT, By::Reason).await;
    assert_eq!(table.len(), NAMES_MOST + 2);
    let times = |name: &str| table[&(name.to_owned(), usd())].requested.times;
    assert_eq!((times("reason 00"), times("reason 49")), (1, 1));
    assert_eq!((times(REST), times("reason of the next day")), (7, 1));
}

/// The sums of months against a question for each day, of all kinds of stretches.
async fn assert_months(store: &dyn Store, merchant: MerchantId, days: &[String]) {
    let ways = [
        (By::Reason, None, None),
        (By::Provider, None, None),
        (By::Provider, None, Some(String::new())),
        (By::Month, Some("sandbox".to_owned()), None),
        (By::Currency, None, Some(String::new())),
        (By::Time, Some("sandbox".to_owned()), None),
        (By::Reason, Some("sandbox".to_owned()), None),
    ];
    for (how, provider, reason) in ways {
        let filter = |from: &str, to: &str| CountFilter {
            from: from.to_owned(),
            to: to.to_owned(),
            provider: provider.clone(),
            reason: reason.clone(),
            ..whole(how)
        };
        let mut daily = Vec::new();
        for day in days {
            daily.push(table(store.counts(merchant, filter(day, day)).await.unwrap()));
        }
        // Of one provider or one reason alone, a short history may have nothing.
        let says = daily.iter().any(|table| !table.is_empty());
        let whole = how == By::Reason && provider.is_none();
        assert!(says || !whole, "{how:?} has something to say");
        for first in (0..days.len()).step_by(7).chain([1, days.len() - 1]) {
            for last in (first..days.len()).step_by(9).chain([days.len() - 1]) {
                let mut said = Table::new();
                for (key, figures) in daily[first..=last].iter().flatten() {
                    said.entry(key.clone()).or_default().join(figures);
                }
                let asked = filter(&days[first], &days[last]);
                let told = table(store.counts(merchant, asked.clone()).await.unwrap());
                assert_eq!(told, said, "{asked:?}");
            }
        }
    }
}

async fn months_are_what_their_days_are(place: &impl Place) {
    let store = place.open().await;
    let mut population = Population::live(&*store, Random::seeded(), 0).await;
    // A day from one command to the next, so that there are months.
    population.pace_ms = DAY;
    for steps in [40, 1, 70] {
        population.go_on(&*store, steps).await;
        count(&*store).await;
    }
    let first: jiff::civil::Date = "2025-06-01".parse().unwrap();
    let days: Vec<String> =
        first.series(jiff::Span::new().days(1)).take(150).map(|day| day.to_string()).collect();
    assert_months(&*store, MERCHANT, &days).await;
    let before = by(&*store, MERCHANT, By::Reason).await;
    store.close().await;
    drop(store);

    // As if the books were of the version before there were months.
    let undone = "DELETE FROM report_days WHERE apart > 1; \
        ALTER TABLE report_cursors DROP COLUMN summed; DELETE FROM migrations WHERE number >= 15";
    place.tamper(undone).await;
    let store = place.open().await;
    assert_eq!(by(&*store, MERCHANT, By::Reason).await, before);
    assert_months(&*store, MERCHANT, &days).await;
    store.close().await;
    drop(store);

    // As if a replica of that version had gone on counting.
    let old = "DELETE FROM report_days WHERE apart = 2; \
        UPDATE report_days SET amount = amount + 1 WHERE apart = 3; \
        UPDATE report_cursors SET summed = cursor - 1";
    place.tamper(old).await;
    let store = place.open().await;
    let order = done(&*store, register(new_order("10.00"))).await.order.id;
    done(&*store, refund(order, "1.00")).await;
    count(&*store).await;
    assert_months(&*store, MERCHANT, &days).await;
}

fn reported(refund: &Refund, outcome: Outcome, after_ms: i64) -> refundry::testing::store::Intent {
    let report = Report { outcome, by: Reporter::Notification, look_again_ms: 0 };
    let target = Target::Transaction(refund.transactions[0].id);
    let at = Timestamp(NOW.0 + after_ms);
    refundry::testing::store::Intent { at, ..intent(target, Command::Report(report)) }
}

async fn counts_are_put_together_and_filtered(place: &impl Place) {
    let store = place.open().await;
    let other = create_merchant(&*store).await;
    let order = done(&*store, register(new_order("100.00"))).await.order.id;
    let paid = |amount: &'static str| {
        let store = store.clone();
        async move { done(&*store, refund(order, amount)).await.refund.unwrap() }
    };
    let settle = Outcome::Done { reference: None, amount: None };
    let first = paid("10.00").await;
    done(&*store, reported(&first, settle.clone(), 59_000)).await;
    let second = paid("20.00").await;
    done(&*store, reported(&second, settle.clone(), 2 * DAY)).await;
    let back = Outcome::Reversed { message: "taken back".to_owned() };
    let reversed = done(&*store, reported(&first, back, 3 * DAY)).await.refund.unwrap();
    assert_eq!(reversed.state, State::Reversed);
    done(&*store, because(order, "too small")).await;
    count(&*store).await;

    let days = by(&*store, MERCHANT, By::Day).await;
    let of = |day: &str| days[&(day.to_owned(), usd())];
    assert_eq!((of("2025-06-15").requested.times, of("2025-06-15").requested.amount), (3, 3_010));
    assert_eq!((of("2025-06-15").succeeded.times, of("2025-06-15").refunded()), (1, 1_000));
    assert_eq!((of("2025-06-17").succeeded.times, of("2025-06-17").refunded()), (1, 2_000));
    // On the day of the reversal, its amount is taken out again.
    assert_eq!((of("2025-06-18").reversed.times, of("2025-06-18").refunded()), (1, -1_000));
    let months = by(&*store, MERCHANT, By::Month).await;
    assert_eq!(months[&("2025-06".to_owned(), usd())].refunded(), 2_000);

    let times = store.counts(MERCHANT, whole(By::Time)).await.unwrap();
    let said: Vec<_> = times.iter().map(|row| (row.counted, row.tally.amount)).collect();
    let (minute, days) = (Within::Minute, Within::ThreeDays);
    assert_eq!(said, [(Counted::Succeeded(minute), 1_000), (Counted::Succeeded(days), 2_000)]);

    let ask = |filter: CountFilter| {
        let store = store.clone();
        async move { table(store.counts(MERCHANT, filter).await.unwrap()) }
    };
    let one_day =
        CountFilter { from: "2025-06-16".into(), to: "2025-06-17".into(), ..whole(By::Day) };
    assert_eq!(ask(one_day).await.len(), 1);
    let filtered = CountFilter { reason: Some("too small".into()), ..whole(By::Currency) };
    assert_eq!(ask(filtered).await[&("USD".to_owned(), usd())].requested.amount, 10);
    let none = CountFilter { reason: Some(String::new()), ..whole(By::Currency) };
    assert_eq!(ask(none).await[&("USD".to_owned(), usd())].requested.amount, 3_000);
    for nothing in [
        CountFilter { provider: Some("elsewhere".into()), ..whole(By::Day) },
        CountFilter { provider: Some("nul\0".into()), ..whole(By::Day) },
        CountFilter { currency: Some(Currency::parse("EUR").unwrap()), ..whole(By::Day) },
        CountFilter { to: "2025-06-14".into(), ..whole(By::Day) },
    ] {
        assert_eq!(ask(nothing).await.len(), 0);
    }
    assert_eq!(by(&*store, other, By::Day).await.len(), 0);
}

/// Counting would stop at it, of all merchants, and no page with sums could be shown.
async fn what_is_beyond_all_numbers_counts_as_the_largest(place: &impl Place) {
    let store = place.open().await;
    let about = refundry_domain::report::About {
        currency: usd(),
        reason: None,
        requested_at: NOW,
        provider: "sandbox".to_owned(),
    };
    let reached = |cursor| Some(Reached { cursor: EventId(cursor), zone: "UTC".to_owned() });
    let days = ["2026-01-01", "2026-01-01", "2026-01-02"];
    for (from, day) in (0..).zip(days) {
        let mut counts = Counts::default();
        for _ in 0..9_300 {
            counts.requested(day, &about, refundry_domain::money::Minor::MAX);
        }
        let from_there = if from == 0 { None } else { reached(from) };
        let to = reached(from + 1).unwrap();
        let progress = Progress { merchant: MERCHANT, from: from_there, to, counts };
        assert_eq!(store.add_counts(Arc::new(vec![progress])).await.unwrap(), 1);
    }
    let sums = store.counts(MERCHANT, whole(By::Currency)).await.unwrap();
    let said: Vec<_> = sums.iter().map(|row| (row.tally.times, row.tally.amount)).collect();
    assert_eq!(said, [(3 * 9_300, i64::MAX)]);
}
