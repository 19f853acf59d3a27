//! An answer that waits for what a provider says of its refund.

use std::sync::Arc;
use std::time::Duration;

use refundry::testing::access::Caller;
use refundry::testing::gateways::{Gateway, Gateways};
use refundry::testing::ledger::{Answered, Fitting, Followed, Following, Ledger};
use refundry_domain::book::Book;
use refundry_domain::command::{Ask, Command, Target, What};
use refundry_domain::ids::{MerchantId, OrderRef, TransactionId};
use refundry_domain::order::Metadata;
use refundry_domain::outcome::{Outcome, Report, Reporter};
use refundry_domain::refund::{Destination, State};
use tokio::sync::oneshot::error::TryRecvError;

use crate::harness::liar::Liar;
use crate::harness::payouts::{Payouts, money};

fn liar() -> Arc<Liar> {
    Arc::new(Liar::new(true, true))
}

const LONG: Duration = Duration::from_secs(60);

fn asked() -> Command {
    Command::RequestRefund(Ask {
        what: What::Amount(money("10.00")),
        kind: None,
        payment: None,
        return_id: None,
        to: Destination::OriginalPayment,
        execution: None,
        paid: None,
        confirm: None,
        may_approve: true,
        reason: None,
        note: None,
        metadata: Metadata::default(),
    })
}

/// A refund that is under way, and who is told of it.
async fn begun(payouts: &Payouts, ledger: &Ledger) -> (TransactionId, Following) {
    let order = payouts.order(&[("liar", "card", "ch_1", "100.00")]).await;
    let caller = Caller::internal(payouts.merchant, "test");
    let fitting = Fitting {
        target: Target::Order(OrderRef::Id(order)),
        like: asked(),
        fit: |_: &Book| Ok::<_, ()>(asked()),
        claim: None,
    };
    let (answered, following) = ledger.carry_out_fitting(&caller, fitting).await.unwrap().unwrap();
    let Answered::Done { book, .. } = answered else { panic!("{answered:?}") };
    (book.refund.unwrap().transactions[0].id, following)
}

fn state(followed: Option<Followed>) -> State {
    followed.unwrap().refund.state
}

async fn outcome(
    ledger: &Ledger,
    merchant: MerchantId,
    id: TransactionId,
    following: Option<Following>,
) -> State {
    state(ledger.outcome(merchant, id, following).await.unwrap())
}

#[tokio::test]
async fn the_commit_that_settles_a_refund_tells_who_waits() {
    let payouts = Payouts::over(liar()).await;
    let (id, mut following) = begun(&payouts, &payouts.ledger).await;
    assert_eq!(following.try_recv().unwrap_err(), TryRecvError::Empty);
    payouts.pay.tick().await;
    let told = following.try_recv().unwrap();
    assert_eq!(told.refund.state, State::Succeeded);
    assert!(told.transaction(id).is_some());
    let kept = payouts.store.refund(payouts.merchant, told.refund.id).await.unwrap();
    assert_eq!(Some(told.refund), kept);
}

#[tokio::test]
async fn what_was_only_tried_ends_no_wait() {
    let payouts = Payouts::over(liar()).await;
    let (id, mut following) = begun(&payouts, &payouts.ledger).await;
    let target = Target::Transaction(id);
    payouts.ask(target.clone(), Command::Start { worker: 1, lease_ms: 1_000 }).await.unwrap();
    let outcome = Outcome::Done { reference: None, amount: None };
    let report = Report { outcome, by: Reporter::Gateway, look_again_ms: 0 };
    let caller = Caller::internal(payouts.merchant, "test");
    for dry_run in [true, false] {
        assert_eq!(following.try_recv().unwrap_err(), TryRecvError::Empty);
        let command = Command::Report(report.clone());
        let done = payouts.ledger.carry_out(&caller, target.clone(), command, None, dry_run).await;
        let Answered::Done { book, .. } = done.unwrap() else { panic!("it was not taken") };
        assert_eq!(book.refund.unwrap().state, State::Succeeded);
    }
    assert_eq!(following.try_recv().unwrap().refund.state, State::Succeeded);
}

#[tokio::test]
async fn what_another_process_commits_ends_a_wait_too() {
    let payouts = Payouts::over(liar()).await;
    let abilities = Gateways::of([liar() as Arc<dyn Gateway>]).abilities();
    let (here, _hints) = Ledger::new(payouts.store.clone(), payouts.clock.clone(), abilities);
    here.wait_at_most(LONG);
    let (id, following) = begun(&payouts, &here).await;
    let merchant = payouts.merchant;
    let wait = |following| {
        let here = here.clone();
        tokio::spawn(async move { outcome(&here, merchant, id, following).await })
    };
    let (made, again) = (wait(Some(following)), wait(None));
    payouts.pay.tick().await;
    assert_eq!((made.await.unwrap(), again.await.unwrap()), (State::Succeeded, State::Succeeded));
}

#[tokio::test]
async fn a_wait_that_is_over_says_how_it_stands() {
    let payouts = Payouts::over(liar()).await;
    let (id, following) = begun(&payouts, &payouts.ledger).await;
    let ledger = &payouts.ledger;
    assert_eq!(outcome(ledger, payouts.merchant, id, Some(following)).await, State::Pending);
    assert_eq!(outcome(ledger, payouts.merchant, id, None).await, State::Pending);
    let nobody = ledger.outcome(payouts.merchant, TransactionId(9_999), None).await.unwrap();
    assert!(nobody.is_none());
    payouts.pay.tick().await;
    assert_eq!(outcome(ledger, payouts.merchant, id, None).await, State::Succeeded);
}
