//! What waits for somebody outside, on both databases.

use refundry::testing::clock::{Clock, SystemClock};
use refundry::testing::ledger::verify::verify;
use refundry::testing::store::vault::{InformationLink, Sealed};
use refundry::testing::store::{Administered, Intent};
use refundry_domain::changes::Queue;
use refundry_domain::command::{Command, NewReturn, Target};
use refundry_domain::ids::{OrderRef, RefundId, Timestamp, TransactionId};
use refundry_domain::merchant::{Administration, NewTransferFile};
use refundry_domain::order::Metadata;
use refundry_domain::outcome::{Outcome, Report, Reporter};
use refundry_domain::policy::Policy;
use refundry_domain::refund::{Destination, Execution, State};
use refundry_domain::returns::{ReturnItem, ReturnKind, ReturnState};
use std::sync::Arc;

use super::commands::create_merchant;
use super::{Place, on_every_store};
use crate::harness::store::*;

on_every_store! {
    super::a_deadline_outlasts_a_restart as a_deadline_outlasts_a_restart,
    super::what_waited_before_deadlines_gets_one as what_waited_before_deadlines_gets_one,
    super::a_return_keeps_what_it_got_and_closes as a_return_keeps_what_it_got_and_closes,
    super::bank_details_are_kept_until_settled as bank_details_are_kept_until_settled,
    super::links_are_one_a_wait as links_are_one_a_wait,
    super::a_file_has_its_transfers_once as a_file_has_its_transfers_once,
    super::everything_sealed_is_found_and_replaced as everything_sealed_is_found_and_replaced,
}

fn with(policy: Policy, intent: Intent) -> Intent {
    Intent { policy: Arc::new(policy), ..intent }
}

fn rules() -> Policy {
    Policy {
        report_within_ms: 1_000,
        auto_close: true,
        ask_bank_details: true,
        ..(*policy()).clone()
    }
}

fn at(seconds: i64, intent: Intent) -> Intent {
    Intent { at: Timestamp(NOW.0 + seconds * 1_000), ..intent }
}

fn reported(transaction: refundry_domain::ids::TransactionId) -> Intent {
    let outcome = Outcome::Done { reference: None, amount: None };
    let report = Report { outcome, by: Reporter::Caller, look_again_ms: 0 };
    intent(Target::Transaction(transaction), Command::Report(report))
}

async fn a_deadline_outlasts_a_restart(place: &impl Place) {
    let store = place.open().await;
    let mut new = new_order("10.00");
    new.payments = vec![payment("elsewhere", "10.00")];
    let order = done(&*store, register(new)).await.order.id;
    let asked = done(&*store, with(rules(), refund(order, "4.00"))).await.refund.unwrap();
    assert_eq!(asked.state, State::Processing);
    store.close().await;
    drop(store);
    let store = place.open().await;
    let due = async |seconds: i64| {
        let at = Timestamp(NOW.0 + seconds * 1_000);
        store.due(Queue::Expire, at, 9).await.unwrap().len()
    };
    assert_eq!((due(0).await, due(1).await), (0, 1));
    let expire = || with(rules(), intent(Target::Refund(asked.id), Command::Expire));
    done(&*store, expire()).await;
    assert_eq!(due(1).await, 1, "too early changes nothing");
    let book = done(&*store, at(1, expire())).await;
    assert_eq!((book.refund.unwrap().state, due(9).await), (State::NeedsAttention, 0));
    let late = at(5, with(rules(), reported(asked.transactions[0].id)));
    assert_eq!(done(&*store, late).await.refund.unwrap().state, State::Succeeded);
    assert_eq!(verify(&*store, &mut |_| {}).await.unwrap().findings, []);
}

/// Books that were begun before there were deadlines would wait for ever.
async fn what_waited_before_deadlines_gets_one(place: &impl Place) {
    let store = place.open().await;
    let order = done(&*store, register(new_order("30.00"))).await.order.id;
    let target = || Target::Order(OrderRef::Id(order));
    let ask_to = async |to, execution| {
        let mut ask = ask(refundry_domain::command::What::Amount(stated("2.00")));
        (ask.to, ask.execution) = (to, execution);
        let asked = intent(target(), Command::RequestRefund(ask));
        done(&*store, with(rules(), asked)).await.refund.unwrap()
    };
    let waits = ask_to(Destination::BankTransfer, None).await;
    let told = ask_to(Destination::OriginalPayment, Some(Execution::Notify)).await;
    let paid = ask_to(Destination::OriginalPayment, Some(Execution::Notify)).await;
    done(&*store, with(rules(), reported(paid.transactions[0].id))).await;
    let failed = ask_to(Destination::BankTransfer, None).await;
    let given = Command::GiveInformation { sealed: b"v3000sealed".to_vec(), answers: None };
    done(&*store, with(rules(), intent(Target::Refund(failed.id), given))).await;
    let no = Outcome::Declined(refundry_domain::outcome::Failure {
        code: refundry_domain::outcome::FailureCode::AccountClosed,
        message: String::new(),
    });
    let report = Report { outcome: no, by: Reporter::Caller, look_again_ms: 0 };
    let failing = intent(Target::Transaction(failed.transactions[0].id), Command::Report(report));
    let failed = done(&*store, with(rules(), failing)).await.refund.unwrap();
    assert_eq!((failed.state, failed.has_information()), (State::Failed, true));
    let far = Timestamp(i64::MAX / 2);
    let mut expected: Vec<i64> = [&waits, &told, &failed].map(|refund| refund.id.0).to_vec();
    let due = async |store: &dyn refundry::testing::store::Store| {
        let mut rows = store.due(Queue::Expire, far, 9).await.unwrap();
        rows.sort_by_key(|(_, work)| work.subject);
        rows
    };
    let subjects =
        |rows: &[(refundry_domain::ids::MerchantId, refundry_domain::changes::Work)]| {
            rows.iter().map(|(_, work)| work.subject).collect::<Vec<_>>()
        };
    expected.sort_unstable();
    assert_eq!(subjects(&due(&*store).await), expected);
    store.close().await;
    drop(store);

    let before = "DELETE FROM work WHERE queue = 'expire'; \
        UPDATE refunds SET information_due = NULL";
    let step = place.migration("0011_deadlines");
    let began = SystemClock.now();
    // A second time changes nothing, so it may meet rows that have their deadline already.
    let touched = "UPDATE refunds SET updated_at = updated_at";
    place.tamper(&format!("{before}; {step}; {step}; {touched}")).await;
    let store = place.open().await;
    let rows = due(&*store).await;
    assert_eq!(subjects(&rows), expected);
    let ended = SystemClock.now();
    let days = |subject: &RefundId| {
        let work = rows.iter().find(|(_, work)| work.subject == subject.0).unwrap();
        let day_ms = 24 * 60 * 60 * 1_000;
        let (least, most) = (began.0 - 1_000, ended.0 + 1_000);
        let days = (work.1.due.0 - least) / day_ms;
        assert!(work.1.due.0 <= most + days * day_ms, "{work:?}");
        days
    };
    assert_eq!((days(&waits.id), days(&told.id), days(&failed.id)), (30, 7, 30));
    let read = store.refund(MERCHANT, waits.id).await.unwrap().unwrap();
    let work = rows.iter().find(|(_, work)| work.subject == waits.id.0).unwrap();
    assert_eq!(read.information_due, Some(work.1.due));
    assert_eq!(verify(&*store, &mut |_| {}).await.unwrap().findings, []);
}

async fn a_return_keeps_what_it_got_and_closes(place: &impl Place) {
    let store = place.open().await;
    let order = done(&*store, register(new_order("10.00"))).await.order.id;
    let new = NewReturn {
        reference: None,
        kind: ReturnKind::Return,
        items: vec![ReturnItem { line: 1, quantity: 1, reason: String::new() }],
        reason: String::new(),
        metadata: Metadata::new(),
    };
    let target = || Target::Order(OrderRef::Id(order));
    let opened = done(&*store, intent(target(), Command::OpenReturn(new))).await;
    let row = opened.returns[0].id;
    let pay = async |amount: &str, execution| {
        let mut ask = ask(refundry_domain::command::What::Amount(stated(amount)));
        (ask.return_id, ask.execution) = (Some(row), Some(execution));
        let asked = intent(target(), Command::RequestRefund(ask));
        let made = done(&*store, with(rules(), asked)).await.refund.unwrap();
        done(&*store, with(rules(), reported(made.transactions[0].id))).await;
        store.return_of(MERCHANT, row).await.unwrap().unwrap()
    };
    let got = pay("2.00", Execution::Notify).await;
    assert_eq!((got.refunded.get(), got.by_hand, got.state), (200, 0, ReturnState::Pending));
    let got = pay("3.00", Execution::Notify).await;
    assert_eq!((got.refunded.get(), got.by_hand, got.state), (500, 0, ReturnState::Done));
    let got = pay("1.00", Execution::Manual).await;
    assert_eq!((got.refunded.get(), got.by_hand, got.state), (600, 1, ReturnState::Done));
    assert_eq!(verify(&*store, &mut |_| {}).await.unwrap().findings, []);
    store.close().await;
    drop(store);
    place.tamper("UPDATE returns SET refunded = refunded - 100").await;
    let store = place.open().await;
    let found = verify(&*store, &mut |_| {}).await.unwrap().findings;
    assert_eq!(found.iter().map(|finding| finding.kind).collect::<Vec<_>>(), ["return"]);
}

async fn bank_details_are_kept_until_settled(place: &impl Place) {
    let store = place.open().await;
    let order = done(&*store, register(new_order("10.00"))).await.order.id;
    let mut ask = ask(refundry_domain::command::What::Amount(stated("4.00")));
    ask.to = Destination::BankTransfer;
    let asked = intent(Target::Order(OrderRef::Id(order)), Command::RequestRefund(ask));
    let made = done(&*store, with(rules(), asked)).await.refund.unwrap();
    assert_eq!(made.state, State::RequiresInformation);
    let read = async || store.refund(MERCHANT, made.id).await.unwrap().unwrap();
    assert_eq!(read().await.information_due, Some(NOW.after_ms(86_400_000)));
    let given = Command::GiveInformation { sealed: b"v3000sealed".to_vec(), answers: None };
    done(&*store, with(rules(), intent(Target::Refund(made.id), given))).await;
    let kept = read().await;
    assert_eq!((kept.state, kept.information_due), (State::Processing, None));
    assert_eq!(kept.information.as_deref(), Some(&b"v3000sealed"[..]));
    done(&*store, with(rules(), reported(made.transactions[0].id))).await;
    assert_eq!(read().await.information.as_deref(), Some(&b"v3000"[..]));
    assert_eq!(verify(&*store, &mut |_| {}).await.unwrap().findings, []);
}

async fn links_are_one_a_wait(place: &impl Place) {
    let store = place.open().await;
    let other = create_merchant(&*store).await;
    let link = |due, byte: u8| InformationLink {
        due: Timestamp(due),
        digest: [byte; 32],
        sealed: vec![byte],
    };
    let keep = async |merchant, link| {
        store.keep_information_link(merchant, RefundId(7), link).await.unwrap()
    };
    assert_eq!(keep(MERCHANT, link(5, 1)).await, link(5, 1));
    assert_eq!(keep(MERCHANT, link(5, 2)).await, link(5, 1), "the first one stays");
    assert_eq!(keep(other, link(6, 3)).await, link(6, 3));
    assert_eq!(keep(MERCHANT, link(8, 4)).await, link(8, 4), "a new wait has its own");
    let found = async |byte: u8| store.link_by_digest([byte; 32]).await.unwrap();
    assert_eq!(found(1).await, None);
    assert_eq!(found(3).await, Some((other, RefundId(7), Timestamp(6))));
    assert_eq!(found(4).await, Some((MERCHANT, RefundId(7), Timestamp(8))));
    assert_eq!(store.forget_links(Timestamp(7)).await.unwrap(), 1);
    assert_eq!(store.information_link(other, RefundId(7)).await.unwrap(), None);
    let kept = store.information_link(MERCHANT, RefundId(7)).await.unwrap();
    assert_eq!(kept, Some(link(8, 4)));
}

async fn a_file_has_its_transfers_once(place: &impl Place) {
    let store = place.open().await;
    let order = done(&*store, register(new_order("10.00"))).await.order.id;
    let under_way = async || {
        let mut ask = ask(refundry_domain::command::What::Amount(stated("1.00")));
        ask.to = Destination::BankTransfer;
        let asked = intent(Target::Order(OrderRef::Id(order)), Command::RequestRefund(ask));
        let id = done(&*store, asked).await.refund.unwrap().transactions[0].id;
        let outcome = Outcome::Acknowledged { reference: None };
        let report = Report { outcome, by: Reporter::Caller, look_again_ms: 0 };
        done(&*store, intent(Target::Transaction(id), Command::Report(report))).await;
        id.0
    };
    let (three, four, five) = (under_way().await, under_way().await, under_way().await);
    let new = |name: &str, transfers: &[(i64, Option<i64>)]| NewTransferFile {
        message_id: name.to_owned(),
        currency: usd(),
        total: refundry_domain::money::Minor::new(250).unwrap(),
        sealed: name.as_bytes().to_vec(),
        transfers: transfers.iter().map(|(id, file)| (TransactionId(*id), *file)).collect(),
    };
    let export = async |new| {
        let change = Administration::ExportTransfers(new);
        store.administer(MERCHANT, "key:2".into(), NOW, change).await.unwrap()
    };
    let made = export(new("one", &[(three, None), (four, None)])).await;
    assert!(matches!(made, Administered::Merchant(_)));
    assert_eq!(export(new("two", &[(four, None), (five, None)])).await, Administered::Stale);
    let ids = || vec![TransactionId(three), TransactionId(four), TransactionId(five)];
    let files = store.transfer_files(MERCHANT, first(9)).await.unwrap().rows;
    let number = files[0].number;
    let stand = store.transferred(MERCHANT, ids()).await.unwrap();
    assert_eq!(stand, [(TransactionId(three), number), (TransactionId(four), number)].into());
    assert_eq!(files.len(), 1, "nothing of the second");
    assert_eq!((files[0].transfers, files[0].total.get()), (2, 250));
    let again = export(new("three", &[(four, Some(number))])).await;
    assert!(matches!(again, Administered::Merchant(_)));
    let files = store.transfer_files(MERCHANT, first(1)).await.unwrap();
    assert_eq!((files.rows[0].message_id.as_str(), files.more), ("three", true));
    let stand = store.transferred(MERCHANT, ids()).await.unwrap();
    assert_eq!(stand[&TransactionId(four)], files.rows[0].number);
    let read = store.transfer_file(MERCHANT, number).await.unwrap().unwrap();
    assert_eq!((read.0.made_by.as_str(), read.1), ("key:2", b"one".to_vec()));
    done(&*store, reported(TransactionId(five))).await;
    assert_eq!(export(new("four", &[(five, None)])).await, Administered::Stale, "it is paid");
    let other = create_merchant(&*store).await;
    assert_eq!(store.transfer_file(other, number).await.unwrap(), None);
    assert_eq!(store.transferred(other, ids()).await.unwrap(), [].into());
    assert_eq!(store.purge_files(NOW).await.unwrap(), 0);
    assert_eq!(store.purge_files(NOW.after_ms(1)).await.unwrap(), 2);
    assert_eq!(store.transfer_file(MERCHANT, number).await.unwrap().unwrap().1, b"");
    assert_eq!(verify(&*store, &mut |_| {}).await.unwrap().findings, []);
}

/// One that was not found would be lost with the old key.
async fn everything_sealed_is_found_and_replaced(place: &impl Place) {
    let store = place.open().await;
    let order = done(&*store, register(new_order("10.00"))).await.order.id;
    let mut ask = ask(refundry_domain::command::What::Amount(stated("4.00")));
    ask.to = Destination::BankTransfer;
    let asked = intent(Target::Order(OrderRef::Id(order)), Command::RequestRefund(ask));
    let made = done(&*store, with(rules(), asked)).await.refund.unwrap();
    let given = Command::GiveInformation { sealed: b"v3000sealed".to_vec(), answers: None };
    done(&*store, with(rules(), intent(Target::Refund(made.id), given))).await;
    store.keep_digest(MERCHANT, [9; 32], b"digest".to_vec()).await.unwrap();
    let (digest, sealed) = ([1; 32], b"link".to_vec());
    let link = InformationLink { due: NOW, digest, sealed };
    store.keep_information_link(MERCHANT, RefundId(7), link).await.unwrap();
    for (kind, number, bytes) in [
        (Sealed::Information, made.id.0, &b"v3000sealed"[..]),
        (Sealed::Digests, 0, b"digest"),
        (Sealed::Links, 7, b"link"),
    ] {
        let rows = store.sealed(kind).await.unwrap();
        let row = rows.iter().find(|row| row.bytes == bytes).unwrap().clone();
        assert_eq!((row.merchant, row.number), (MERCHANT, number), "{kind:?}");
        assert!(store.reseal(kind, row.clone(), b"v3000newer".to_vec()).await.unwrap());
        assert!(!store.reseal(kind, row, b"late".to_vec()).await.unwrap(), "{kind:?}");
        let rows = store.sealed(kind).await.unwrap();
        assert!(rows.iter().any(|row| row.bytes == b"v3000newer"), "{kind:?}");
    }
    let refund = store.refund(MERCHANT, made.id).await.unwrap().unwrap();
    assert_eq!(refund.information.as_deref(), Some(&b"v3000newer"[..]));
    done(&*store, with(rules(), reported(made.transactions[0].id))).await;
}
