//! Orders are found by what people know of them: a name, an email, an amount, a day.

use std::collections::BTreeSet;

use refundry::testing::store::{OrderFilter, Page, Sorted, Store};
use refundry_domain::ids::Timestamp;
use refundry_domain::money::{Currency, Exact, Money};
use refundry_domain::order::Order;

use super::{Place, on_every_store};
use crate::harness::population::Random;
use crate::harness::store::*;

on_every_store! {
    super::orders_are_found_by_words_and_amounts as orders_are_found_by_words_and_amounts,
    super::orders_of_some_days_are_listed_by_day as orders_of_some_days_are_listed_by_day,
    super::books_from_before_get_their_words as books_from_before_get_their_words,
}

const NAMES: [&str; 9] = [
    "Ada Lovelace",
    "ADA  byron",
    "Łukasz Żółw",
    "ŁUCJA von der Höhe",
    "Åse Ødegård",
    "Li Wei",
    "o'Neil Annemarie",
    "100% _sure_",
    "Ada",
];
const EMAILS: [&str; 4] =
    ["Ada.Lovelace@Example.com", "ada@shop.example", "ŁUKASZ@shop.example", "li@wei.example"];
const DAY: i64 = 24 * 60 * 60 * 1000;

/// Orders of every kind of customer, in three currencies, ordered in no order of days.
async fn populate(store: &dyn Store, random: &mut Random, orders: usize) -> Vec<Order> {
    let mut made = Vec::new();
    for _ in 0..orders {
        let currency = *random.pick(&["USD", "JPY", "KWD"]);
        let amount = *random.pick(&["10", "12", "5"]);
        let mut new = new_order(amount);
        new.currency = Currency::parse(currency).unwrap();
        new.customer.name = (!random.one_in(4)).then(|| (*random.pick(&NAMES)).to_owned());
        new.customer.email = (!random.one_in(3)).then(|| (*random.pick(&EMAILS)).to_owned());
        let days = i64::try_from(random.below(10)).unwrap();
        new.created_at = (!random.one_in(5)).then_some(Timestamp(NOW.0 - days * DAY));
        made.push(done(store, register(new)).await.order);
    }
    made
}

fn begins(order: &Order, asked: &str) -> bool {
    let customer = &order.customer;
    let name = customer.name.iter().flat_map(|name| name.split_whitespace());
    let words: BTreeSet<String> =
        name.chain(customer.email.as_deref()).map(str::to_lowercase).collect();
    let begins_one = |asked: String| {
        let short = asked.chars().count() < 3;
        words.iter().any(|word| if short { *word == asked } else { word.starts_with(&asked) })
    };
    !asked.trim().is_empty() && asked.split_whitespace().map(str::to_lowercase).all(begins_one)
}

async fn orders_are_found_by_words_and_amounts(place: &impl Place) {
    let store = place.open().await;
    let store = &*store;
    let orders = populate(store, &mut Random::seeded(), 120).await;
    let mut hits = 0;
    for asked in [
        "ada",
        "ADA LOVELACE",
        "love",
        "lov ada",
        "lovelace grace",
        "Łuk",
        "łuk",
        "ŁUKASZ",
        "żó",
        "höh von",
        "åse",
        "ødeg",
        "li",
        "Li wei",
        "l",
        "o'neil",
        "anne",
        "neil",
        "100%",
        "%",
        "_su",
        "ada.lovelace@example.com",
        "ada.lovelace@EX",
        "ADA@",
        "@shop",
        "shop.example",
        "łukasz@",
        "lukasz",
        " ",
        "",
        "\u{10ffff}\u{10ffff}\u{10ffff}",
        "a\0da",
        "' OR 1=1 --",
    ] {
        let person = Some(asked.to_owned());
        let filter = OrderFilter { person, ..OrderFilter::default() };
        let expected: Vec<_> =
            orders.iter().rev().filter(|order| begins(order, asked)).map(|it| it.id).collect();
        hits += expected.len();
        let found = store.orders(MERCHANT, filter.clone(), all()).await.unwrap();
        let found: Vec<_> = found.rows.iter().map(|order| order.id).collect();
        assert_eq!(found, expected, "{asked:?}");
        let mut page = Page { limit: 2, ..first(2) };
        let mut walked = Vec::new();
        loop {
            let slice = store.orders(MERCHANT, filter.clone(), page).await.unwrap();
            walked.extend(slice.rows.iter().map(|order| order.id));
            page.after = slice.rows.last().map(|order| order.id.0);
            if !slice.more {
                break;
            }
        }
        assert_eq!(walked, expected, "{asked:?}, page by page");
    }
    assert!(hits > 100, "the questions find something");
    let elsewhere = refundry_domain::ids::MerchantId(2);
    let filter = OrderFilter { person: Some("ada".to_owned()), ..OrderFilter::default() };
    assert_eq!(store.orders(elsewhere, filter, all()).await.unwrap().rows, []);

    for asked in ["10", "10.0", "10.000", "12", "5", "7", "0.1", "-10", "10.0001"] {
        let Ok(figure) = Exact::parse(asked) else { continue };
        for person in [None, Some("ada".to_owned())] {
            let fits = |order: &&Order| {
                Money::read(figure, order.currency).is_ok_and(|it| it.minor() == order.captured)
                    && person.as_ref().is_none_or(|asked| begins(order, asked))
            };
            let expected: Vec<_> = orders.iter().rev().filter(fits).map(|it| it.id).collect();
            let filter = OrderFilter {
                amount: Some(figure),
                person: person.clone(),
                ..OrderFilter::default()
            };
            let found = store.orders(MERCHANT, filter, all()).await.unwrap().rows;
            let found: Vec<_> = found.iter().map(|order| order.id).collect();
            assert_eq!(found, expected, "{asked} {person:?}");
        }
    }
}

async fn orders_of_some_days_are_listed_by_day(place: &impl Place) {
    let store = place.open().await;
    let store = &*store;
    let orders = populate(store, &mut Random::seeded(), 60).await;
    let at = |days: i64| Some(Timestamp(NOW.0 - days * DAY));
    for (from, until) in
        [(None, None), (at(5), None), (None, at(3)), (at(7), at(2)), (at(2), at(7))]
    {
        for person in [None, Some("ada".to_owned())] {
            let mut expected: Vec<&Order> = orders
                .iter()
                .filter(|order| from.is_none_or(|from| order.created_at >= from))
                .filter(|order| until.is_none_or(|until| order.created_at < until))
                .filter(|order| person.as_ref().is_none_or(|asked| begins(order, asked)))
                .collect();
            expected.sort_unstable_by_key(|order| (order.created_at, order.id));
            let filter = OrderFilter {
                person,
                created_from: from,
                created_until: until,
                sorted: Sorted::Day,
                ..OrderFilter::default()
            };
            for oldest_first in [true, false] {
                let expected: Vec<i64> = match oldest_first {
                    true => expected.iter().map(|order| order.id.0).collect(),
                    false => expected.iter().rev().map(|order| order.id.0).collect(),
                };
                let (forth, back) = walked(store, &filter, oldest_first).await;
                assert_eq!(forth, expected, "{filter:?}, oldest first: {oldest_first}");
                assert_eq!(back, expected, "{filter:?}, backwards, oldest first: {oldest_first}");
            }
        }
    }
}

/// All numbers of the list, three at a time: forward from the first, and backward from the last.
async fn walked(
    store: &dyn Store,
    filter: &OrderFilter,
    oldest_first: bool,
) -> (Vec<i64>, Vec<i64>) {
    let mut page = Page { after: None, before: None, limit: 3, oldest_first };
    let (mut forth, mut back) = (Vec::new(), Vec::new());
    loop {
        let slice = store.orders(MERCHANT, filter.clone(), page).await.unwrap();
        forth.extend(slice.rows.iter().map(|order| order.id.0));
        page.after = slice.rows.last().map(|order| order.id.0);
        if !slice.more {
            break;
        }
    }
    let Some(last) = forth.last().copied() else { return (forth, back) };
    back.push(last);
    let mut page = Page { after: None, before: Some(last), limit: 3, oldest_first };
    loop {
        let slice = store.orders(MERCHANT, filter.clone(), page).await.unwrap();
        page.before = slice.rows.first().map(|order| order.id.0);
        let numbers = slice.rows.iter().map(|order| order.id.0);
        back.splice(0..0, numbers);
        if !slice.more {
            return (forth, back);
        }
    }
}

/// As if the books were of the version before the words were kept.
async fn books_from_before_get_their_words(place: &impl Place) {
    let store = place.open().await;
    let orders = populate(&*store, &mut Random::seeded(), 40).await;
    let filter = OrderFilter { person: Some("łuk".to_owned()), ..OrderFilter::default() };
    let before = store.orders(MERCHANT, filter.clone(), all()).await.unwrap().rows;
    assert!(orders.iter().any(|order| begins(order, "łuk")) != before.is_empty());
    store.close().await;
    drop(store);
    let undone = "DROP INDEX orders_by_day; DROP INDEX refunds_by_outside; \
        DROP TABLE customer_words; DROP TABLE report_cursors; DROP TABLE report_days; \
        DROP TABLE daily_totals; ALTER TABLE refunds DROP COLUMN waits_for; \
        ALTER TABLE refunds DROP COLUMN counted_on; \
        DELETE FROM migrations WHERE number >= 10";
    place.tamper(undone).await;
    let store = place.open().await;
    let after = store.orders(MERCHANT, filter, all()).await.unwrap().rows;
    assert_eq!(after, before);
    store.close().await;
}
