//! `verify` proves sound books sound, and finds each kind of tampering.

use refundry::testing::ledger::verify::{Report, verify, verify_live};
use refundry::testing::store::{Event, EventFilter, OrderFilter, Page, Store};
use refundry_domain::ids::{EventId, MerchantId, Timestamp};
use refundry_domain::refund::State;

use super::{Place, on_every_store};
use crate::harness::population::{Population, Random};
use crate::harness::store::*;

on_every_store! {
    super::sound_books_have_no_findings as sound_books_have_no_findings,
    super::each_tampering_is_found as each_tampering_is_found,
    super::chains_and_seals_are_over_every_field as chains_and_seals_are_over_every_field,
    super::who_looks_while_others_write_finds_nothing as who_looks_while_others_write_finds_nothing,
}

async fn verified(store: &dyn Store) -> Report {
    verify(store, &mut |_| {}).await.unwrap()
}

/// As a server does it that goes on working.
async fn live(store: &dyn Store, merchant: MerchantId, with_seals: bool) -> Report {
    verify_live(store, merchant, with_seals, &mut |_| {}).await.unwrap()
}

async fn live_kinds(store: &dyn Store, merchant: MerchantId) -> Vec<&'static str> {
    live(store, merchant, false).await.findings.iter().map(|finding| finding.kind).collect()
}

/// What changes while it is looked at is no finding.
async fn who_looks_while_others_write_finds_nothing(place: &impl Place) {
    let store = place.open().await;
    let mut population = Population::live(&*store, Random::seeded(), 300).await;
    let merchants = population.merchants;
    let written = std::cell::Cell::new(false);
    let write = async {
        for step in 0..6 {
            population.go_on(&*store, 100).await;
            store.seal(Timestamp(NOW.0 + step)).await.unwrap();
        }
        written.set(true);
    };
    let look = async {
        let mut looks = 0;
        while !written.get() {
            for merchant in merchants {
                let report = live(&*store, merchant, true).await;
                assert_eq!(report.findings, []);
                assert_eq!((report.unsettled, report.further_findings), (0, 0));
                assert!(report.counts.orders > 0 && report.counts.events > 0);
            }
            looks += 1;
        }
        looks
    };
    let ((), looks) = tokio::join!(write, look);
    assert!(looks > 0);
    assert_eq!(verified(&*store).await.findings, []);
}

async fn sound_books_have_no_findings(place: &impl Place) {
    let store = place.open().await;
    assert_eq!(verified(&*store).await.findings, []);
    let mut population = Population::live(&*store, Random::seeded(), 300).await;
    let seal = store.seal(Timestamp(NOW.0 + 1)).await.unwrap().unwrap();
    assert_eq!(store.seal(Timestamp(NOW.0 + 2)).await.unwrap(), None, "nothing new to seal");
    population.go_on(&*store, 300).await;
    store.seal(Timestamp(NOW.0 + 3)).await.unwrap().unwrap();
    population.go_on(&*store, 30).await;
    assert_eq!(store.seals().await.unwrap()[0], seal);

    let mut steps = 0;
    let report = verify(&*store, &mut |_| steps += 1).await.unwrap();
    assert_eq!(report.findings, []);
    assert!(steps > 0);
    let rows = |of: fn(&crate::harness::population::Model) -> usize| -> u64 {
        population.models.iter().map(|model| u64::try_from(of(model)).unwrap()).sum()
    };
    assert_eq!(report.counts.merchants, 2);
    assert_eq!(report.counts.orders, rows(|model| model.orders.len()));
    assert_eq!(report.counts.refunds, rows(|model| model.refunds.len()));
    assert_eq!(report.counts.transactions, rows(|model| model.transactions.len()));
    assert_eq!(report.counts.returns, rows(|model| model.returns.len()));
    assert_eq!(report.counts.seals, 2);
}

/// What is done to the books, and the kind of row that a finding has to name.
fn tamperings(refund: i64, payment: i64, order: i64) -> Vec<(String, &'static str)> {
    let event = format!("SELECT max(number) - 3 FROM events WHERE order_number = {order}");
    let last = format!("(SELECT last_event FROM orders WHERE number = {order})");
    let middle =
        format!("(SELECT number FROM events WHERE order_number = {order} AND position = 2)");
    let cut = format!(
        "UPDATE orders SET (last_event, chain_length, chain_hash) = (SELECT number, position, hash \
        FROM events WHERE number = (SELECT previous FROM events WHERE number = {last})) \
        WHERE number = {order}"
    );
    let row = |table: &str, change: &str, number: i64| {
        format!("UPDATE {table} SET {change} WHERE number = {number}")
    };
    let _ = event;
    vec![
        (
            format!(
                "UPDATE events SET data = replace(data, 'a', 'b') WHERE order_number = {order} \
                AND position = 2"
            ),
            "event",
        ),
        (format!("UPDATE events SET done_by = 'nobody' WHERE number = {middle}"), "event"),
        (format!("UPDATE events SET happened_at = 1 WHERE number = {middle}"), "event"),
        (format!("UPDATE events SET subject = subject + 1 WHERE number = {middle}"), "event"),
        (format!("UPDATE events SET hash = zeroblob(32) WHERE number = {middle}"), "event"),
        (format!("DELETE FROM events WHERE number = {middle}"), "order"),
        (
            format!(
                "DELETE FROM events WHERE number = {middle}; UPDATE events SET previous = \
                (SELECT number FROM events WHERE order_number = {order} AND position = 1) \
                WHERE order_number = {order} AND position = 3"
            ),
            "event",
        ),
        // The end of a chain, with and without hiding it.
        (format!("DELETE FROM events WHERE number = {last}"), "order"),
        (
            format!(
                "UPDATE orders SET last_event = (SELECT previous FROM events WHERE number = \
                {last}) WHERE number = {order}"
            ),
            "order",
        ),
        (
            format!(
                "{cut}; DELETE FROM events WHERE number NOT IN (SELECT previous FROM events) \
            AND order_number = {order} AND number > {last}"
            ),
            "seal",
        ),
        // A whole order, with everything.
        (
            format!(
                "DELETE FROM events WHERE order_number = {order}; \
                DELETE FROM transactions WHERE order_number = {order}; \
                DELETE FROM refunds WHERE order_number = {order}; \
                DELETE FROM lines WHERE order_number = {order}; \
                DELETE FROM orders WHERE number = {order}"
            ),
            "seal",
        ),
        (format!("DELETE FROM orders WHERE number = {order}"), "merchant"),
        (row("transactions", "held = held + 1, captured = captured + 1", payment), "payment"),
        (row("transactions", "refunded = refunded + 1", payment), "payment"),
        (row("transactions", "disputed = 7, blocked = 7", payment), "payment"),
        (row("transactions", "provider = 'mine'", payment), "payment"),
        (row("orders", "refunded = refunded - 1", order), "order"),
        (row("orders", "held = held + 1", order), "order"),
        (row("orders", "currency = 'EUR'", order), "order"),
        (row("orders", "fulfilled_at = 1 - ifnull(fulfilled_at, 0)", order), "order"),
        (format!("UPDATE lines SET taken = taken + 1 WHERE order_number = {order}"), "order"),
        (format!("UPDATE lines SET amount = amount + 1 WHERE order_number = {order}"), "order"),
        (format!("DELETE FROM lines WHERE order_number = {order} AND position = 2"), "order"),
        (row("refunds", "state = 'failed'", refund), "refund"),
        (row("refunds", "amount = amount + 1", refund), "refund"),
        (row("refunds", "refunded = refunded - 1", refund), "refund"),
        (row("refunds", "destination = 'cash'", refund), "refund"),
        (row("refunds", "state = 'nonsense'", refund), "order"),
        (
            format!("UPDATE transactions SET state = 'failed' WHERE refund = {refund}"),
            "transaction",
        ),
        (format!("UPDATE transactions SET amount = 1 WHERE refund = {refund}"), "transaction"),
        (format!("UPDATE transactions SET parent = 1 WHERE refund = {refund}"), "transaction"),
        (format!("DELETE FROM transactions WHERE refund = {refund}"), "transaction"),
        (format!("DELETE FROM transactions WHERE number = {payment}"), "payment"),
        (format!("DELETE FROM refunds WHERE number = {refund}"), "order"),
        (
            "INSERT INTO refunds (merchant, number, order_number, previous, return_number, state, \
            execution, destination, currency, amount, refunded, asked_by, kind, payment, reason, \
            note, failure_code, failure_message, parts, information, metadata, requested_by, \
            confirmed_by, created_at, updated_at, settled_at) \
            SELECT merchant, 999999999, order_number, 0, return_number, state, execution, \
            destination, currency, amount, refunded, asked_by, kind, payment, reason, note, \
            failure_code, failure_message, parts, information, metadata, requested_by, \
            confirmed_by, created_at, updated_at, settled_at FROM refunds LIMIT 1"
                .to_owned(),
            "merchant",
        ),
        ("UPDATE events SET data = '{}' WHERE order_number = 0".to_owned(), "event"),
        ("UPDATE merchants SET chain_length = chain_length + 1".to_owned(), "merchant"),
        ("UPDATE seals SET digest = zeroblob(32)".to_owned(), "seal"),
        ("UPDATE seals SET events = events + 1".to_owned(), "seal"),
        ("DELETE FROM seals WHERE number = (SELECT min(number) FROM seals)".to_owned(), "seal"),
    ]
}

async fn each_tampering_is_found(place: &impl Place) {
    let store = place.open().await;
    let mut population = Population::live(&*store, Random::seeded(), 150).await;
    store.seal(NOW).await.unwrap().unwrap();
    population.go_on(&*store, 150).await;
    // One refund that is paid for certain.
    let book = done(&*store, register(new_order("10.00"))).await;
    let mut lines = new_order("30.00");
    lines.lines.push(line(refundry_domain::order::LineKind::Shipping, 1, "1.00"));
    let order = done(&*store, register(lines)).await.order.id;
    let mut by_hand =
        ask(refundry_domain::command::What::Items(vec![refundry_domain::command::ItemAsk {
            line: refundry_domain::command::LineRef::Position(1),
            share: refundry_domain::command::ItemShare::Quantity(1),
        }]));
    by_hand.execution = Some(refundry_domain::refund::Execution::Manual);
    let target = refundry_domain::command::Target::Order(refundry_domain::ids::OrderRef::Id(order));
    let ask = intent(target, refundry_domain::command::Command::RequestRefund(by_hand));
    let refund = done(&*store, ask).await.refund.unwrap();
    let outcome = refundry_domain::outcome::Outcome::Done { reference: None, amount: None };
    let by = refundry_domain::outcome::Reporter::Caller;
    let report = refundry_domain::outcome::Report { outcome, by, look_again_ms: 1 };
    let target = refundry_domain::command::Target::Transaction(refund.transactions[0].id);
    let report = refundry_domain::command::Command::Report(report);
    let paid = done(&*store, intent(target, report)).await;
    assert_eq!(paid.refund.as_ref().unwrap().state, State::Succeeded);
    done(&*store, self::refund(book.order.id, "1.00")).await;
    store.seal(NOW).await.unwrap().unwrap();
    assert_eq!(verified(&*store).await.findings, []);
    store.close().await;
    drop(store);

    for (sql, kind) in tamperings(refund.id.0, paid.payments[0].id.0, order.0) {
        let other = place.copy().await;
        other.tamper(&sql).await;
        let store = other.open().await;
        let report = verified(&*store).await;
        let kinds: Vec<_> = report.findings.iter().map(|finding| finding.kind).collect();
        assert!(kinds.contains(&kind), "{sql}\nmade {:#?}", report.findings);
        // A row with a number that is still to come cannot be told from one that is just made.
        if !sql.contains("999999999") {
            let live = live(&*store, population.merchants[0], true).await;
            let other = live_kinds(&*store, population.merchants[1]).await;
            let kinds: Vec<_> = live.findings.iter().map(|it| it.kind).chain(other).collect();
            assert!(kinds.contains(&kind), "{sql}\nmade, while others may write, {kinds:?}");
        }
    }
}

/// What is left out of a hash can be altered with nobody noticing: the bytes are put together here a
/// second time, as an auditor would, without the program's own function.
async fn chains_and_seals_are_over_every_field(place: &impl Place) {
    let store = place.open().await;
    let population = Population::live(&*store, Random::seeded(), 100).await;
    let seal = store.seal(NOW).await.unwrap().unwrap();
    let mut seen = 0;
    for merchant in population.merchants {
        let orders = store.orders(merchant, OrderFilter::default(), all()).await.unwrap().rows;
        for order in orders {
            let filter = EventFilter { order: Some(order.id), ..EventFilter::default() };
            let page = Page { oldest_first: true, ..all() };
            let events = store.events(merchant, filter, page).await.unwrap().rows;
            let mut hash = [0; 32];
            for event in &events {
                hash = hash_of(event, hash);
                assert_eq!(hash, event.hash, "{event:?}");
                seen += 1;
            }
            assert_eq!(hash, order.chain.hash);
        }
    }
    assert!(seen > 50, "{seen} events");
    let mut bytes = vec![0; 32];
    for (event, hash) in store.event_hashes(EventId(0), 100_000).await.unwrap() {
        bytes.extend(event.0.to_be_bytes());
        bytes.extend(hash);
    }
    assert_eq!(seal.digest, digest(&bytes));
}

fn hash_of(event: &Event, before: [u8; 32]) -> [u8; 32] {
    let mut bytes = before.to_vec();
    let order = event.order.map_or(0, |order| order.0);
    let (merchant, number) = (event.merchant.0, event.id.0);
    for field in [merchant, order, event.position, number, event.subject, event.at.0] {
        bytes.extend(field.to_be_bytes());
    }
    for field in [&event.name, &event.subject_kind, &event.by, &event.data] {
        bytes.extend(u64::try_from(field.len()).unwrap().to_be_bytes());
        bytes.extend(field.bytes());
    }
    digest(&bytes)
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    <sha2::Sha256 as sha2::Digest>::digest(bytes).into()
}
