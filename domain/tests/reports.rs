//! What of a refund's steps is counted, and as what.

use refundry_domain::ids::Timestamp;
use refundry_domain::money::{Currency, Minor};
use refundry_domain::outcome::FailureCode;
use refundry_domain::refund::{State, TransactionState};
use refundry_domain::report::{
    About, Counted, Counts, Figures, NAMES_MOST, PayoutStep, REST, Step, Sum, Tally, Within,
    stretch,
};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

fn usd() -> Currency {
    Currency::parse("USD").expect("a currency")
}

fn minor(units: i64) -> Minor {
    Minor::new(units).expect("an amount")
}

fn about(reason: Option<&str>) -> About {
    About {
        currency: usd(),
        reason: reason.map(str::to_owned),
        requested_at: Timestamp(0),
        provider: "first".to_owned(),
    }
}

fn payout(provider: &str, units: i64, from: TransactionState, to: TransactionState) -> PayoutStep {
    PayoutStep { provider: provider.to_owned(), amount: minor(units), from, to }
}

fn step(at: i64, from: State, to: State, payouts: Vec<PayoutStep>) -> Step {
    let failure = (to == State::Failed).then_some(FailureCode::TooLate);
    Step { at: Timestamp(at), from, to, amount: minor(100), failure, payouts }
}

fn said(counts: &Counts) -> Vec<(&str, Counted, i64, i64)> {
    let rows = counts.rows().iter();
    rows.map(|(key, tally)| (key.provider.as_str(), key.counted, tally.times, tally.amount))
        .collect()
}

#[test]
fn each_time_has_its_bounds() {
    for (ms, within) in [
        (-5, Within::Minute),
        (MINUTE, Within::Minute),
        (MINUTE + 1, Within::Hour),
        (60 * MINUTE, Within::Hour),
        (60 * MINUTE + 1, Within::Day),
        (DAY, Within::Day),
        (DAY + 1, Within::ThreeDays),
        (3 * DAY, Within::ThreeDays),
        (3 * DAY + 1, Within::Longer),
        (i64::MAX, Within::Longer),
    ] {
        assert_eq!(Within::between(Timestamp(0), Timestamp(ms)), within, "{ms}");
    }
    let all = Within::ALL.map(Counted::Succeeded).into_iter();
    let all = all.chain(FailureCode::ALL.map(Counted::Failed)).chain([
        Counted::Requested,
        Counted::Canceled,
        Counted::Reversed,
        Counted::Paid,
        Counted::TakenBack,
    ]);
    for counted in all {
        let (name, detail) = counted.names();
        assert_eq!(Counted::parse(name, detail), Some(counted));
    }
    for (name, detail) in [("succeeded", ""), ("failed", "x"), ("paid", "minute"), ("", "")] {
        assert_eq!(Counted::parse(name, detail), None);
    }
}

#[test]
fn money_counts_by_payout_and_states_by_refund() {
    use TransactionState as T;
    let mut counts = Counts::default();
    let day = "2026-11-22";
    counts.requested(day, &about(None), minor(100));
    let one = payout("first", 60, T::Processing, T::Succeeded);
    let other = payout("second", 40, T::Processing, T::Failed);
    counts.moved(day, &about(None), &step(1, State::Pending, State::Processing, vec![one]));
    // Nothing but words was learnt of it.
    let same = payout("first", 60, T::Succeeded, T::Succeeded);
    counts.moved(day, &about(None), &step(1, State::Processing, State::Processing, vec![same]));
    counts.moved(day, &about(None), &step(2, State::Processing, State::Failed, vec![other]));
    assert_eq!(
        said(&counts),
        [
            ("first", Counted::Requested, 1, 100),
            ("first", Counted::Failed(FailureCode::TooLate), 1, 100),
            ("first", Counted::Paid, 1, 60),
        ]
    );
    let again = payout("second", 40, T::Processing, T::Succeeded);
    let late = step(DAY, State::Processing, State::Succeeded, vec![again]);
    let mut counts = Counts::default();
    counts.moved(day, &about(None), &late);
    let back = payout("second", 40, T::Succeeded, T::Reversed);
    counts.moved(day, &about(None), &step(DAY, State::Succeeded, State::Reversed, vec![back]));
    assert_eq!(
        said(&counts),
        [
            ("first", Counted::Succeeded(Within::Day), 1, 100),
            ("first", Counted::Reversed, 1, 100),
            ("second", Counted::Paid, 1, 40),
            ("second", Counted::TakenBack, 1, 40),
        ]
    );
    let mut figures = Figures::default();
    counts.rows().iter().for_each(|(key, tally)| figures.add(key.counted, *tally));
    assert_eq!((figures.refunded(), figures.all()), (0, 4));
}

#[test]
fn names_beyond_the_most_are_the_rest() {
    let mut counts = Counts::default();
    counts.know("a", "first".to_owned(), "known before".to_owned());
    counts.know("a", "first".to_owned(), REST.to_owned());
    for number in 0..NAMES_MOST + 5 {
        counts.requested("a", &about(Some(&format!("r{number:03}"))), minor(1));
    }
    counts.requested("a", &about(Some("known before")), minor(1));
    counts.requested("b", &about(Some(&"ü".repeat(500))), minor(1));
    let times = |day: &str, reason: &str| {
        let rows = counts.rows().iter();
        let of = rows.filter(|(key, _)| key.day == day && key.reason == reason);
        of.map(|(_, tally)| tally.times).sum::<i64>()
    };
    assert_eq!((times("a", "r000"), times("a", "r048"), times("a", "r049")), (1, 1, 0));
    assert_eq!((times("a", REST), times("a", "known before")), (6, 1));
    assert_eq!(times("b", &"ü".repeat(100)), 1);
}

#[test]
fn sums_are_written_with_a_sign_and_all_decimals() {
    let yen = Currency::parse("JPY").unwrap();
    for (units, currency, text) in [
        (0, usd(), "0.00"),
        (-1, usd(), "-0.01"),
        (123_456, usd(), "1234.56"),
        (-33, yen, "-33"),
        (i64::MAX, usd(), "92233720368547758.07"),
        (i64::MIN, usd(), "-92233720368547758.08"),
    ] {
        assert_eq!(Sum { units, currency }.to_string(), text);
    }
    let mut tally = Tally { times: 1, amount: i64::MAX };
    tally.add(Tally { times: 1, amount: 1 });
    assert_eq!(tally, Tally { times: 2, amount: i64::MAX });
}

#[test]
fn what_there_is_can_be_seen() {
    assert_eq!([stretch(0, 9, 100), stretch(5, 0, 100), stretch(-4, 9, 100)], [0, 0, 0]);
    assert_eq!([stretch(1, i64::MAX, 100), stretch(9, 9, 100), stretch(3, 9, 100)], [1, 100, 33]);
    assert_eq!(stretch(i64::MAX, i64::MAX, 1_000), 1_000);
}
