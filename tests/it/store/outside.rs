//! What waits for somebody outside, on both databases.

use refundry::testing::ledger::verify::verify;
use refundry::testing::store::Intent;
use refundry_domain::changes::Queue;
use refundry_domain::command::{Command, NewReturn, Target};
use refundry_domain::ids::{OrderRef, Timestamp};
use refundry_domain::order::Metadata;
use refundry_domain::outcome::{Outcome, Report, Reporter};
use refundry_domain::policy::Policy;
use refundry_domain::refund::{Destination, Execution, State};
use refundry_domain::returns::{ReturnItem, ReturnKind, ReturnState};
use std::sync::Arc;

use super::{Place, on_every_store};
use crate::harness::store::*;

on_every_store! {
    super::a_deadline_outlasts_a_restart as a_deadline_outlasts_a_restart,
    super::a_return_keeps_what_it_got_and_closes as a_return_keeps_what_it_got_and_closes,
    super::bank_details_are_kept_until_settled as bank_details_are_kept_until_settled,
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
    let given = Command::GiveInformation { sealed: b"v3000sealed".to_vec() };
    done(&*store, with(rules(), intent(Target::Refund(made.id), given))).await;
    let kept = read().await;
    assert_eq!((kept.state, kept.information_due), (State::Processing, None));
    assert_eq!(kept.information.as_deref(), Some(&b"v3000sealed"[..]));
    done(&*store, with(rules(), reported(made.transactions[0].id))).await;
    assert_eq!(read().await.information.as_deref(), Some(&b"v3000"[..]));
    assert_eq!(verify(&*store, &mut |_| {}).await.unwrap().findings, []);
}
