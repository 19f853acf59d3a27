//! Commands and what they leave behind.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use refundry::testing::store::{
    Administered, Answer, EventFilter, Intent, OrderFilter, RefundFilter, ReturnFilter, Settlement,
    Store, StoreError, TransactionFilter,
};
use refundry_domain::changes::Queue;
use refundry_domain::command::{Command, Target};
use refundry_domain::ids::{KeyId, MerchantId, OrderId, OrderRef, RefundId, Timestamp};
use refundry_domain::merchant::{Administration, Debtor, Scope, Settings};
use refundry_domain::order::{Chain, Metadata};
use refundry_domain::outcome::{Outcome, Report, Reporter};
use refundry_domain::policy::{Approval, DailyLimit, NotifyOnly};
use refundry_domain::refund::State;
use refundry_domain::refusal::Refusal;
use refundry_domain::returns::ReturnKind;

use super::{Place, on_every_store};
use crate::harness::store::*;

on_every_store! {
    super::what_was_decided_is_kept as what_was_decided_is_kept,
    super::the_same_request_gets_the_same_answer as the_same_request_gets_the_same_answer,
    super::a_refusal_is_an_answer_too as a_refusal_is_an_answer_too,
    super::a_dry_run_writes_nothing as a_dry_run_writes_nothing,
    super::an_order_is_never_given_back_twice as an_order_is_never_given_back_twice,
    super::many_orders_at_once as many_orders_at_once,
    super::one_damaged_book_stops_no_other as one_damaged_book_stops_no_other,
    super::references_are_unique as references_are_unique,
    super::merchants_take_turns as merchants_take_turns,
    super::a_worker_finds_its_work as a_worker_finds_its_work,
    super::merchants_and_keys as merchants_and_keys,
    super::another_merchants_rows_are_not_there as another_merchants_rows_are_not_there,
    super::answers_are_forgotten_and_keys_are_not as answers_are_forgotten_and_keys_are_not,
    super::a_hopeless_target_is_refused as a_hopeless_target_is_refused,
}

async fn what_was_decided_is_kept(place: &impl Place) {
    let store = place.open().await;
    let mut new = new_order("19.98");
    new.metadata = Metadata::from([("a".to_owned(), "\"b\" {ü}".to_owned())]);
    new.customer.email = Some("ada@example.com".to_owned());
    let order = done(&*store, register(new)).await;
    let id = order.order.id;
    assert_eq!(store.order(MERCHANT, OrderRef::Id(id)).await.unwrap(), Some(order.clone()));
    let by_reference = OrderRef::Reference(order.order.reference.clone());
    assert_eq!(store.order(MERCHANT, by_reference).await.unwrap(), Some(order));

    let mut book = done(&*store, claimed(refund(id, "5.00"), "a", 1)).await;
    let refund = book.refund.take().unwrap();
    let instance = store.instance();
    store.close().await;
    drop(store);

    let store = place.open().await;
    assert_eq!(store.instance(), instance);
    assert_eq!(store.order(MERCHANT, OrderRef::Id(id)).await.unwrap(), Some(book.clone()));
    assert_eq!(store.refund(MERCHANT, refund.id).await.unwrap(), Some(refund.clone()));
    let filter = EventFilter { order: Some(id), ..EventFilter::default() };
    let events = store.events(MERCHANT, filter, all()).await.unwrap().rows;
    let names: Vec<_> = events.iter().rev().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["order.registered", "payment.recorded", "refund.requested"]);
    assert_eq!(book.order.chain, Chain { length: 3, hash: events[0].hash });
    let key = &refund.transactions[0].key;
    assert_eq!(*key, format!("{instance}-1-{}", refund.transactions[0].id));
    let found = store.transaction_by_key(key.clone()).await.unwrap();
    assert_eq!(found, Some((MERCHANT, refund.transactions[0].id)));
    let number = refund.transactions[0].id;
    for other in ["nobody's".to_owned(), format!("other-1-{number}"), format!("{instance}-1-1")] {
        assert_eq!(store.transaction_by_key(other).await.unwrap(), None);
    }
    store.close().await;
    assert!(matches!(store.commit(register(new_order("1.00"))).await, Err(StoreError::Broken(_))));
}

async fn answer(store: &dyn Store, intent: Intent) -> Answer {
    match store.commit(intent).await.unwrap() {
        Settlement::Done { answer, .. } | Settlement::Refused { answer, .. } => answer.unwrap(),
        other => panic!("{other:?}"),
    }
}

async fn replayed(store: &dyn Store, intent: Intent) -> Answer {
    match store.commit(intent).await.unwrap() {
        Settlement::Replayed(answer) => answer,
        other => panic!("{other:?}"),
    }
}

async fn the_same_request_gets_the_same_answer(place: &impl Place) {
    let store = place.open().await;
    let id = done(&*store, register(new_order("19.98"))).await.order.id;
    let given = answer(&*store, claimed(refund(id, "5.00"), "key", 1)).await;
    done(&*store, refund(id, "1.00")).await;
    assert_eq!(replayed(&*store, claimed(refund(id, "5.00"), "key", 1)).await, given);
    let reused = store.commit(claimed(refund(id, "5.00"), "key", 2)).await.unwrap();
    assert!(matches!(reused, Settlement::KeyReused), "{reused:?}");
    // The same key of another merchant is another key.
    let other = create_merchant(&*store).await;
    let mut elsewhere = claimed(register(new_order("1.00")), "key", 3);
    elsewhere.merchant = other;
    answer(&*store, elsewhere).await;
    store.close().await;
    drop(store);
    let store = place.open().await;
    assert_eq!(replayed(&*store, claimed(refund(id, "5.00"), "key", 1)).await, given);
    assert_eq!(refunds(&*store).await, 2);
}

async fn refunds(store: &dyn Store) -> usize {
    store.refunds(MERCHANT, RefundFilter::default(), all()).await.unwrap().rows.len()
}

pub async fn create_merchant(store: &dyn Store) -> MerchantId {
    let change = Administration::CreateMerchant { name: "Another".to_owned() };
    match store.administer(MERCHANT, "test".into(), NOW, change).await.unwrap() {
        Administered::Merchant(merchant) => merchant.id,
        other => panic!("{other:?}"),
    }
}

async fn a_refusal_is_an_answer_too(place: &impl Place) {
    let store = place.open().await;
    let id = done(&*store, register(new_order("1.00"))).await.order.id;
    let given = answer(&*store, claimed(refund(id, "5.00"), "key", 1)).await;
    assert_eq!(given, Answer { status: 422, body: b"more_than_is_left".to_vec() });
    // Enough has come in meanwhile, and the answer stays what it was.
    let more = Command::RecordPayment(payment("sandbox", "9.00"));
    done(&*store, intent(Target::Order(OrderRef::Id(id)), more)).await;
    assert_eq!(replayed(&*store, claimed(refund(id, "5.00"), "key", 1)).await, given);
    assert_eq!(refunds(&*store).await, 0);
}

async fn a_dry_run_writes_nothing(place: &impl Place) {
    let store = place.open().await;
    let id = done(&*store, register(new_order("10.00"))).await.order.id;
    let before = store.order(MERCHANT, OrderRef::Id(id)).await.unwrap();
    let events = store.events(MERCHANT, EventFilter::default(), all()).await.unwrap();
    for _ in 0..2 {
        let dry = Intent { dry_run: true, ..claimed(refund(id, "6.00"), "key", 1) };
        match store.commit(dry).await.unwrap() {
            Settlement::Done { book, answer, work } => {
                assert_eq!(book.order.held.get(), 600);
                assert_eq!(answer.unwrap().status, 201);
                assert_eq!(work, []);
            }
            other => panic!("{other:?}"),
        }
        let dry = Intent { dry_run: true, ..claimed(register(new_order("1.00")), "key", 1) };
        assert!(matches!(store.commit(dry).await.unwrap(), Settlement::Done { .. }));
        let dry = Intent { dry_run: true, ..claimed(refund(id, "60.00"), "key", 1) };
        assert!(matches!(store.commit(dry).await.unwrap(), Settlement::Refused { .. }));
    }
    assert_eq!(store.order(MERCHANT, OrderRef::Id(id)).await.unwrap(), before);
    assert_eq!(store.events(MERCHANT, EventFilter::default(), all()).await.unwrap(), events);
    assert_eq!(refunds(&*store).await, 0);
    // The key is still free.
    answer(&*store, claimed(refund(id, "6.00"), "key", 2)).await;
}

async fn an_order_is_never_given_back_twice(place: &impl Place) {
    let store = place.open().await;
    let id = done(&*store, register(new_order("10.00"))).await.order.id;
    // Together, so that they share batches; each sees what the ones before it took.
    let settled = join_all((0..100).map(|_| store.commit(refund(id, "0.30")))).await;
    let carried_out = settled
        .into_iter()
        .filter(|settled| match settled {
            Ok(Settlement::Done { .. }) => true,
            Ok(Settlement::Refused { refusal: Refusal::MoreThanIsLeft { .. }, .. }) => false,
            other => panic!("{other:?}"),
        })
        .count();
    assert_eq!(carried_out, 33);
    let book = store.order(MERCHANT, OrderRef::Id(id)).await.unwrap().unwrap();
    assert_eq!((book.order.held.get(), book.payments[0].held.get()), (990, 990));
    assert_eq!(refunds(&*store).await, 33);

    // The same key many times at once: one effect, one answer.
    let again = join_all((0..20).map(|_| store.commit(claimed(refund(id, "0.10"), "k", 1)))).await;
    let mut answers = BTreeSet::new();
    for settled in again {
        match settled.unwrap() {
            Settlement::Done { answer, .. } => answers.insert(answer.unwrap().body),
            Settlement::Replayed(answer) => answers.insert(answer.body),
            other => panic!("{other:?}"),
        };
    }
    assert_eq!(answers.len(), 1);
    assert_eq!(refunds(&*store).await, 34);
}

async fn many_orders_at_once(place: &impl Place) {
    let store = place.open().await;
    let made = join_all((0..300).map(|_| store.commit(register(new_order("10.00"))))).await;
    let orders: Vec<OrderId> = made
        .into_iter()
        .map(|settled| match settled.unwrap() {
            Settlement::Done { book, .. } => book.order.id,
            other => panic!("{other:?}"),
        })
        .collect();
    let settled = join_all(orders.iter().map(|id| store.commit(refund(*id, "4.00")))).await;
    let mut numbers: BTreeSet<i64> = orders.iter().map(|order| order.0).collect();
    assert_eq!(numbers.len(), 300);
    for (order, settled) in orders.iter().zip(settled) {
        let Settlement::Done { book, work, .. } = settled.unwrap() else { panic!("refused") };
        assert_eq!((book.order.id, book.order.held.get()), (*order, 400));
        let refund = book.refund.unwrap();
        assert_eq!(work[0].subject, refund.transactions[0].id.0);
        for number in [refund.id.0, refund.transactions[0].id.0, book.payments[0].id.0] {
            assert!(numbers.insert(number), "{number} was given out twice");
        }
    }
    for event in store.events(MERCHANT, EventFilter::default(), all()).await.unwrap().rows {
        assert!(numbers.insert(event.id.0), "{} was given out twice", event.id);
    }
}

async fn one_damaged_book_stops_no_other(place: &impl Place) {
    let store = place.open().await;
    let mut orders = Vec::new();
    for _ in 0..30 {
        orders.push(done(&*store, register(new_order("10.00"))).await);
    }
    let open = done(&*store, refund(orders[20].order.id, "4.00")).await.refund.unwrap();
    store.close().await;
    drop(store);
    // The first is found by the CHECK of the row, the second by the rules themselves.
    let payment = orders[7].payments[0].id;
    place.tamper(&format!("UPDATE transactions SET amount = 1 WHERE number = {payment}")).await;
    let payment = orders[20].payments[0].id;
    place.tamper(&format!("UPDATE transactions SET held = 0 WHERE number = {payment}")).await;

    let store = place.open().await;
    let outcome = Outcome::Done { reference: None, amount: None };
    let report = Report { outcome, by: Reporter::Gateway, look_again_ms: 1 };
    let target = Target::Transaction(open.transactions[0].id);
    done(&*store, intent(target.clone(), Command::Start { worker: 1, lease_ms: 1 })).await;
    let settled = join_all(orders.iter().enumerate().map(|(index, book)| {
        let intent = match index {
            20 => intent(target.clone(), Command::Report(report.clone())),
            _ => refund(book.order.id, "1.00"),
        };
        store.commit(intent)
    }));
    for (index, settled) in settled.await.into_iter().enumerate() {
        match (index, settled) {
            (7 | 20, Err(StoreError::Damaged(_))) => {}
            (7 | 20, other) => panic!("{index}: {other:?}"),
            (_, Ok(Settlement::Done { .. })) => {}
            (_, other) => panic!("{index}: {other:?}"),
        }
    }
    assert_eq!(refunds(&*store).await, 1 + 28);
    store.ready().await.unwrap();
}

async fn references_are_unique(place: &impl Place) {
    let store = place.open().await;
    let named = |reference: &str| {
        register(refundry_domain::command::NewOrder {
            reference: Some(reference.to_owned()),
            ..new_order("1.00")
        })
    };
    let first = done(&*store, named("1001")).await.order;
    let again = refused(&*store, named("1001")).await;
    assert!(matches!(again, Refusal::ReferenceTaken { order: Some(id), .. } if id == first.id));
    // Somebody has taken the digits that the next numbers would have had.
    for number in first.id.0 + 1..first.id.0 + 40 {
        let _ = store.commit(named(&number.to_string())).await.unwrap();
    }
    let mut references = BTreeSet::new();
    for _ in 0..10 {
        let order = done(&*store, register(new_order("1.00"))).await.order;
        assert_eq!(order.reference, order.id.to_string());
        assert!(references.insert(order.reference));
    }
    let open = |reference: Option<&str>| {
        let new = refundry_domain::command::NewReturn {
            reference: reference.map(str::to_owned),
            kind: ReturnKind::Return,
            items: Vec::new(),
            reason: String::new(),
            metadata: Metadata::new(),
        };
        intent(Target::Order(OrderRef::Id(first.id)), Command::OpenReturn(new))
    };
    let row = done(&*store, open(Some("R1"))).await.returns.remove(0);
    let again = refused(&*store, open(Some("R1"))).await;
    assert!(matches!(again, Refusal::ReferenceTaken { return_id: Some(id), .. } if id == row.id));
    let unnamed = done(&*store, open(None)).await.returns.pop().unwrap();
    assert_eq!(unnamed.reference, unnamed.id.to_string());
    // In another merchant both are free.
    let other = create_merchant(&*store).await;
    done(&*store, Intent { merchant: other, ..named("1001") }).await;
}

async fn a_worker_finds_its_work(place: &impl Place) {
    let store = place.open().await;
    let id = done(&*store, register(new_order("10.00"))).await.order.id;
    let mut transactions = Vec::new();
    for second in [3, 1, 2] {
        let at = Timestamp(NOW.0 + second * 1_000);
        let book = done(&*store, Intent { at, ..refund(id, "1.00") }).await;
        transactions.push(book.refund.unwrap().transactions[0].id);
    }
    let due = async |seconds: i64, limit| {
        let at = Timestamp(NOW.0 + seconds * 1_000);
        let due = store.due(Queue::Pay, at, limit).await.unwrap();
        assert!(due.iter().all(|(merchant, _)| *merchant == MERCHANT));
        due.iter().map(|(_, work)| work.subject).collect::<Vec<_>>()
    };
    let [third, first, second] = [transactions[0].0, transactions[1].0, transactions[2].0];
    assert_eq!(due(0, 9).await, [0; 0]);
    assert_eq!(due(2, 9).await, [first, second]);
    assert_eq!(due(9, 2).await, [first, second]);
    assert_eq!(store.due(Queue::Expire, Timestamp(i64::MAX), 9).await.unwrap(), []);
    let start = |worker| {
        let start = Command::Start { worker, lease_ms: 60_000 };
        let start = intent(Target::Transaction(transactions[1]), start);
        Intent { at: Timestamp(NOW.0 + 5_000), ..start }
    };
    done(&*store, start(1)).await;
    assert!(matches!(refused(&*store, start(2)).await, Refusal::Leased { .. }));
    assert_eq!(due(64, 9).await, [second, third]);
    assert_eq!(due(65, 9).await, [second, third, first]);
    let outcome = Outcome::Done { reference: Some("re_1".to_owned()), amount: None };
    let report = Report { outcome, by: Reporter::Gateway, look_again_ms: 1 };
    let reported = intent(Target::Transaction(transactions[1]), Command::Report(report));
    let book = done(&*store, reported).await;
    assert_eq!(book.refund.unwrap().state, State::Succeeded);
    assert_eq!(due(99, 9).await, [second, third]);
}

/// A merchant with much to do would keep all others' money waiting.
async fn merchants_take_turns(place: &impl Place) {
    let store = place.open().await;
    let busy = done(&*store, register(new_order("10.00"))).await.order.id;
    for _ in 0..4 {
        done(&*store, refund(busy, "1.00")).await;
    }
    let other = create_merchant(&*store).await;
    let order = done(&*store, Intent { merchant: other, ..register(new_order("10.00")) }).await;
    let later = Timestamp(NOW.0 + 1_000);
    let asked = Intent { merchant: other, at: later, ..refund(order.order.id, "1.00") };
    done(&*store, asked).await;
    let due = store.due(Queue::Pay, Timestamp(NOW.0 + 2_000), 2).await.unwrap();
    let whose: Vec<_> = due.iter().map(|(merchant, _)| *merchant).collect();
    assert_eq!(whose, [MERCHANT, other]);
}

async fn merchants_and_keys(place: &impl Place) {
    let store = place.open().await;
    let by = |change| store.administer(MERCHANT, "cli".into(), NOW, change);
    let other = create_merchant(&*store).await;
    let merchants = store.merchants().await.unwrap();
    assert_eq!(merchants.iter().map(|row| row.id).collect::<Vec<_>>(), [MERCHANT, other]);
    let settings = Settings {
        daily: DailyLimit {
            refunds: Some(7),
            amounts: [(usd(), refundry_domain::money::Minor::ZERO)].into(),
        },
        approval: Approval::Above([(usd(), refundry_domain::money::Minor::ZERO)].into()),
        information_expiry_ms: 7,
        time_zone: "Europe/Warsaw".to_owned(),
        notify_only: NotifyOnly { payment_method: true, gift_card: false, store_credit: true },
        report_within_ms: 8,
        auto_close: true,
        ask_bank_details: true,
        debtor: Some(Debtor {
            name: "Ada".to_owned(),
            iban: "DE89370400440532013000".to_owned(),
            bic: None,
        }),
    };
    let change = Administration::ChangeMerchant { name: None, settings: Some(settings.clone()) };
    by(change).await.unwrap();
    assert_eq!(store.merchant(MERCHANT).await.unwrap().unwrap().settings, settings);

    let (name, scopes) = ("shop".to_owned(), vec![Scope::Read, Scope::Write]);
    let change = Administration::CreateKey { name, scopes, hash: [7; 32], rate_per_second: 9 };
    let Administered::Key(key) = by(change).await.unwrap() else { panic!("no key") };
    assert_eq!(store.key_by_hash([7; 32]).await.unwrap(), Some(key.clone()));
    assert_eq!(store.key(MERCHANT, key.id).await.unwrap(), Some(key.clone()));
    assert_eq!(store.key_with_digest(KeyId(9_999)).await.unwrap(), None);
    assert_eq!(store.key_with_digest(key.id).await.unwrap(), Some((key.clone(), None)));
    store.keep_digest(other, [7; 32], b"another's".to_vec()).await.unwrap();
    for sealed in [b"first", b"later"] {
        store.keep_digest(MERCHANT, [7; 32], sealed.to_vec()).await.unwrap();
        let found = store.key_with_digest(key.id).await.unwrap();
        assert_eq!(found, Some((key.clone(), Some(sealed.to_vec()))));
    }
    let revoke = Administration::RevokeKey { key: key.id };
    let revoked = store.administer(other, "cli".into(), NOW, revoke.clone()).await.unwrap();
    assert_eq!(revoked, Administered::Unknown);
    by(revoke).await.unwrap();
    assert_eq!(store.key(MERCHANT, key.id).await.unwrap().unwrap().revoked_at, Some(NOW));

    let set =
        |hash| store.administer(other, "cli".into(), NOW, Administration::SetAdminKey { hash });
    let Administered::Key(admin) = set([1; 32]).await.unwrap() else { panic!("no key") };
    assert_eq!((admin.merchant, admin.name.as_str()), (MERCHANT, "admin"));
    assert_eq!(admin.scopes, Scope::ALL);
    let events = async || store.chain(MERCHANT).await.unwrap().unwrap().length;
    let before = events().await;
    set([1; 32]).await.unwrap();
    assert_eq!(events().await, before, "nothing was changed, and yet there is an event");
    set([2; 32]).await.unwrap();
    assert_eq!(store.key_by_hash([1; 32]).await.unwrap(), None);
    assert_eq!(store.key_by_hash([2; 32]).await.unwrap().unwrap().id, admin.id);
    assert_eq!(store.keys(MERCHANT).await.unwrap().len(), 2);
    assert!(set([7; 32]).await.is_err(), "two keys have the same secret");
    assert_eq!(events().await, before + 1);
}

async fn another_merchants_rows_are_not_there(place: &impl Place) {
    let store = place.open().await;
    let other = create_merchant(&*store).await;
    let book = done(&*store, register(new_order("10.00"))).await;
    let id = book.order.id;
    let made = done(&*store, refund(id, "1.00")).await.refund.unwrap();
    let (transaction, reference) = (made.transactions[0].id, book.order.reference);
    assert_eq!(store.order(other, OrderRef::Id(id)).await.unwrap(), None);
    assert_eq!(store.order(other, OrderRef::Reference(reference)).await.unwrap(), None);
    assert_eq!(store.refund(other, made.id).await.unwrap(), None);
    assert_eq!(store.transaction(other, transaction).await.unwrap(), None);
    let page = all();
    assert_eq!(store.orders(other, OrderFilter::default(), page).await.unwrap().rows, []);
    for order in [None, Some(id)] {
        let filter = RefundFilter { order, ..RefundFilter::default() };
        assert_eq!(store.refunds(other, filter, page).await.unwrap().rows, []);
        let filter = TransactionFilter { order, ..TransactionFilter::default() };
        assert_eq!(store.transactions(other, filter, page).await.unwrap().rows, []);
        let filter = ReturnFilter { order, ..ReturnFilter::default() };
        assert_eq!(store.returns(other, filter, page).await.unwrap().rows, []);
    }
    let filter = TransactionFilter { refund: Some(made.id), ..TransactionFilter::default() };
    assert_eq!(store.transactions(other, filter, page).await.unwrap().rows, []);
    for subject in [id.0, made.id.0, transaction.0] {
        let filter = EventFilter { subject: Some(subject), ..EventFilter::default() };
        assert_eq!(store.events(other, filter, page).await.unwrap().rows, []);
    }
    let filter = EventFilter { order: Some(id), ..EventFilter::default() };
    assert_eq!(store.events(other, filter, page).await.unwrap().rows, []);
    let on = |target: Target, command| Intent { merchant: other, ..intent(target, command) };
    let cancel = Command::Cancel { reason: None };
    let start = Command::Start { worker: 1, lease_ms: 1 };
    for (intent, refusal) in [
        (Intent { merchant: other, ..refund(id, "1.00") }, Refusal::UnknownOrder),
        (on(Target::Refund(made.id), cancel), Refusal::UnknownRefund),
        (on(Target::Transaction(transaction), start), Refusal::UnknownTransaction),
    ] {
        assert_eq!(refused(&*store, intent).await, refusal);
    }
    assert_eq!(store.refund(MERCHANT, made.id).await.unwrap(), Some(made));
}

async fn answers_are_forgotten_and_keys_are_not(place: &impl Place) {
    let store = place.open().await;
    let mut orders = Vec::new();
    for day in 0..5 {
        let at = Timestamp(NOW.0 + day);
        let intent = claimed(register(new_order("1.00")), &format!("day-{day}"), 1);
        orders.push(done(&*store, Intent { at, ..intent }).await);
    }
    let until = Timestamp(NOW.0 + 3);
    assert_eq!(store.forget_answers(until, 2).await.unwrap(), 2);
    assert_eq!(store.forget_answers(until, 9).await.unwrap(), 1);
    assert_eq!(store.forget_answers(until, 9).await.unwrap(), 0);
    for day in 0..5 {
        let intent = claimed(register(new_order("1.00")), &format!("day-{day}"), 1);
        let settled = store.commit(intent).await.unwrap();
        match day {
            0..3 => assert!(matches!(settled, Settlement::KeyReused), "{settled:?}"),
            _ => assert!(matches!(settled, Settlement::Replayed(_)), "{settled:?}"),
        }
    }
}

async fn a_hopeless_target_is_refused(place: &impl Place) {
    let store = place.open().await;
    let book = done(&*store, register(new_order("10.00"))).await;
    let payment = Target::Transaction(book.payments[0].id);
    let start = Command::Start { worker: 1, lease_ms: 1 };
    assert_eq!(refused(&*store, intent(payment, start)).await, Refusal::UnknownTransaction);
    let retry = intent(Target::Refund(RefundId(book.order.id.0)), Command::Retry);
    assert_eq!(refused(&*store, retry).await, Refusal::UnknownRefund);
    let nobody = Intent { merchant: MerchantId(999), ..register(new_order("1.00")) };
    assert!(matches!(store.commit(nobody).await, Err(StoreError::Unavailable(_))));
    let confused = intent(Target::Order(OrderRef::Id(book.order.id)), Command::Retry);
    assert_eq!(refused(&*store, confused).await, Refusal::UnknownRefund);
    let confused = intent(Target::NewOrder, Command::Retry);
    assert_eq!(refused(&*store, confused).await, Refusal::UnknownOrder);
    done(&*store, refund(book.order.id, "1.00")).await;
}
