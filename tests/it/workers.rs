//! Payouts: what would make a shop pay twice, never, or more than it decided.

use std::sync::Arc;

use refundry::testing::access::Caller;
use refundry::testing::gateways::{Finding, Gateway, Notice};
use refundry::testing::store::Standing;
use refundry::testing::workers::Count;
use refundry_domain::command::{Command, Target};
use refundry_domain::ids::OrderRef;
use refundry_domain::money::Minor;
use refundry_domain::outcome::{Failure, FailureCode, Outcome, Report, Reporter};
use refundry_domain::refund::{State, TransactionState};
use refundry_domain::refusal::Refusal;

use crate::harness::liar::{Act, Liar};
use crate::harness::payouts::{LEASE_MS, Payouts};
use crate::harness::store::Directory;

fn unknown() -> Outcome {
    Outcome::Unknown { message: "503".to_owned(), lost: false }
}

fn waiting() -> Outcome {
    Outcome::Waiting { reference: Some("liar_1".to_owned()), message: "no funds yet".to_owned() }
}

fn declined() -> Outcome {
    let (code, message) = (FailureCode::InsufficientFunds, "no".to_owned());
    Outcome::Declined(Failure { code, message })
}

async fn world(deduplicates: bool, can_be_asked: bool) -> (Arc<Liar>, Payouts) {
    let liar = Arc::new(Liar::new(deduplicates, can_be_asked));
    let payouts = Payouts::over(liar.clone()).await;
    (liar, payouts)
}

/// Every refund would be stuck.
#[tokio::test]
async fn a_refund_is_paid_once_and_succeeds() {
    let (liar, mut at) = world(true, true).await;
    let refund = at.refund("liar", "ch_1").await;
    assert_eq!(at.hints_waiting(), 1);
    assert_eq!(at.pay.tick().await, 1);
    assert_eq!(at.state(refund).await, State::Succeeded);
    assert_eq!(at.transaction(refund).await.sends, 1);
    assert_eq!((liar.payouts(), liar.asks()), (1, 0));
    at.settle().await;
    assert_eq!(liar.calls().len(), 1);
}

/// A shop would pay twice after every time-out.
#[tokio::test]
async fn an_unknown_outcome_is_looked_up_before_anything_is_sent_again() {
    for act in [Act::PayAndHang, Act::PayAndSay(unknown())] {
        for deduplicates in [true, false] {
            let (liar, at) = world(deduplicates, true).await;
            liar.will([act.clone()]);
            let refund = at.refund("liar", "ch_1").await;
            at.pay.tick().await;
            assert_eq!(at.state(refund).await, State::Processing);
            assert_eq!(at.left(refund).await.get(), 9_000, "the amount stays reserved");
            assert_eq!(at.pay.tick().await, 0, "not before its time");
            at.after(1_000).await;
            assert_eq!(at.state(refund).await, State::Succeeded);
            assert_eq!((liar.calls().len(), liar.asks(), liar.payouts()), (1, 1, 1));
        }
    }
}

/// A refund that a provider never received would never be paid.
#[tokio::test]
async fn what_a_provider_never_received_is_sent_again_under_the_same_key() {
    for act in [Act::Hang, Act::Say(unknown()), Act::Panic] {
        let (liar, at) = world(true, true).await;
        liar.will([act]);
        let refund = at.refund("liar", "ch_1").await;
        at.pay.tick().await;
        assert_eq!(at.state(refund).await, State::Processing);
        at.after(1_000).await;
        assert_eq!(at.state(refund).await, State::Succeeded);
        let key = at.transaction(refund).await.key;
        assert_eq!((liar.calls(), liar.payouts()), (vec![key.clone(), key], 1));
    }
}

/// A provider that finds a refund only after a while would be sent it twice.
#[tokio::test]
async fn not_found_proves_nothing_at_a_provider_that_does_not_deduplicate() {
    let (liar, at) = world(false, true).await;
    liar.will([Act::PayAndHang]);
    liar.will_say([Finding::Missing, Finding::Missing]);
    let refund = at.refund("liar", "ch_1").await;
    at.pay.tick().await;
    at.after(1_000).await;
    at.after(2_000).await;
    assert_eq!(at.state(refund).await, State::Processing);
    at.after(4_000).await;
    assert_eq!(at.state(refund).await, State::Succeeded);
    assert_eq!((liar.calls().len(), liar.payouts()), (1, 1));
}

/// Money would be held for ever without anybody being told.
#[tokio::test]
async fn not_found_for_long_needs_attention_and_keeps_the_amount() {
    let (liar, at) = world(false, true).await;
    liar.will([Act::Hang]);
    let refund = at.refund("liar", "ch_1").await;
    at.pay.tick().await;
    at.after(10 * 60 * 1000).await;
    assert_eq!(at.state(refund).await, State::NeedsAttention);
    assert_eq!(at.left(refund).await.get(), 9_000);
    assert_eq!((liar.calls().len(), liar.payouts()), (1, 0));
    assert_eq!(at.tally.of(Count::Lost), 1);
    at.settle().await;
    assert_eq!(liar.calls().len(), 1, "nothing more is sent");
}

/// The worst provider would be paid through twice.
#[tokio::test]
async fn a_provider_that_neither_deduplicates_nor_answers_is_never_sent_anything_twice() {
    let (liar, at) = world(false, false).await;
    liar.will([Act::PayAndHang]);
    let refund = at.refund("liar", "ch_1").await;
    at.pay.tick().await;
    assert_eq!(at.state(refund).await, State::NeedsAttention);
    at.settle().await;
    assert_eq!((liar.calls().len(), liar.asks(), liar.payouts()), (1, 0, 1));
    let by_hand = Report { outcome: declined(), by: Reporter::Caller, look_again_ms: 0 };
    let target = Target::Transaction(at.transaction(refund).await.id);
    at.ask(target, Command::Report(by_hand)).await.unwrap();
    assert_eq!(at.state(refund).await, State::Failed);
    assert_eq!(at.left(refund).await.get(), 10_000);
}

/// A provider that only deduplicates would leave refunds hanging.
#[tokio::test]
async fn a_provider_that_only_deduplicates_is_told_again_while_it_remembers_keys() {
    let (liar, at) = world(true, false).await;
    liar.will([Act::PayAndHang]);
    let refund = at.refund("liar", "ch_1").await;
    at.pay.tick().await;
    at.after(1_000).await;
    assert_eq!(at.state(refund).await, State::Succeeded);
    assert_eq!((liar.calls().len(), liar.payouts()), (2, 1));

    liar.will([Act::Hang]);
    let late = at.refund("liar", "ch_2").await;
    at.pay.tick().await;
    at.after(21 * 60 * 60 * 1000).await;
    assert_eq!(at.state(late).await, State::NeedsAttention, "its key may be forgotten by now");
    assert_eq!(liar.calls().len(), 3);
}

/// A provider out of order would be asked for ever, and the clerk never told.
#[tokio::test]
async fn looking_is_given_up_after_a_day_and_many_looks() {
    let (liar, at) = world(true, true).await;
    liar.will([Act::Hang]);
    liar.will_say(std::iter::repeat_n(Finding::NoAnswer("down".to_owned()), 60));
    let refund = at.refund("liar", "ch_1").await;
    at.pay.tick().await;
    let mut looks = 0;
    while at.state(refund).await == State::Processing && looks < 60 {
        looks += at.after(60 * 60 * 1000).await;
    }
    assert_eq!(at.state(refund).await, State::NeedsAttention);
    assert!((20..=30).contains(&looks), "{looks} looks");
    assert_eq!((liar.calls().len(), liar.payouts()), (1, 0));
}

/// A crash in the worst moment would lose a payout.
#[tokio::test]
async fn a_crash_between_start_and_pay_leads_to_one_payout() {
    for deduplicates in [true, false] {
        let (liar, at) = world(deduplicates, true).await;
        let refund = at.refund("liar", "ch_1").await;
        at.start_elsewhere(at.transaction(refund).await.id).await;
        let at = at.restarted().await;
        assert_eq!(at.pay.tick().await, 0, "the lease of the dead one still runs");
        at.after(LEASE_MS).await;
        if deduplicates {
            assert_eq!(at.state(refund).await, State::Succeeded);
            assert_eq!((liar.asks(), liar.payouts()), (1, 1));
        } else {
            at.settle().await;
            assert_eq!(at.state(refund).await, State::NeedsAttention);
            assert_eq!(liar.payouts(), 0);
        }
    }
}

/// A crash in the other worst moment would pay twice.
#[tokio::test]
async fn a_crash_between_pay_and_report_leads_to_one_payout() {
    for (deduplicates, can_be_asked) in [(true, true), (true, false), (false, true)] {
        let (liar, at) = world(deduplicates, can_be_asked).await;
        let refund = at.refund("liar", "ch_1").await;
        // The store goes away while the provider is paying: the report cannot be written.
        let row = at.transaction(refund).await;
        let book = at.start_elsewhere(row.id).await;
        let attempt = crate::harness::payouts::attempt(&book);
        liar.pay(&attempt).await;
        let at = at.restarted().await;
        at.after(LEASE_MS).await;
        assert_eq!(at.state(refund).await, State::Succeeded);
        assert_eq!(liar.payouts(), 1);
        assert_eq!(liar.calls().iter().filter(|key| **key == row.key).count(), liar.calls().len());
    }
}

/// Two servers on one database would both pay.
#[tokio::test]
async fn two_workers_pay_once() {
    let (liar, at) = world(false, true).await;
    let mut refunds = Vec::new();
    for _ in 0..20 {
        refunds.push(at.refund("liar", "ch_1").await);
    }
    let other = at.another(7);
    tokio::join!(at.pay.tick(), other.tick(), at.pay.tick(), other.tick());
    at.pay.tick().await;
    for refund in refunds {
        assert_eq!(at.state(refund).await, State::Succeeded);
    }
    assert_eq!((liar.calls().len(), liar.payouts()), (20, 20));
}

/// A payout whose worker died would never be finished.
#[tokio::test]
async fn a_lease_that_ran_out_is_taken_over() {
    let (liar, at) = world(true, true).await;
    let refund = at.refund("liar", "ch_1").await;
    let transaction = at.transaction(refund).await.id;
    at.start_elsewhere(transaction).await;
    at.clock.advance_ms(LEASE_MS - 1);
    let start = Command::Start { worker: 5, lease_ms: LEASE_MS };
    let refused = at.ask(Target::Transaction(transaction), start).await.unwrap_err();
    assert_eq!(refused, Refusal::Leased { transaction });
    assert_eq!(at.after(1).await, 1);
    assert_eq!(at.state(refund).await, State::Succeeded);
    assert_eq!(liar.payouts(), 1);
}

/// A pending refund at the provider would be forgotten, or looked at without end.
#[tokio::test]
async fn waiting_is_looked_at_again_with_longer_and_longer_pauses() {
    let (liar, at) = world(true, true).await;
    liar.will([Act::PayAndSay(waiting())]);
    liar.will_say(std::iter::repeat_n(Finding::Found(waiting()), 130));
    let refund = at.refund("liar", "ch_1").await;
    at.pay.tick().await;
    let row = at.transaction(refund).await;
    assert_eq!(row.provider_reference.as_deref(), Some("liar_1"));
    assert_eq!(row.message.as_deref(), Some("no funds yet"));
    let mut looks = 0;
    for _ in 0..130 {
        looks += at.after(1_000).await;
    }
    assert!((6..=8).contains(&looks), "{looks} looks in 130 seconds");
    assert_eq!(at.state(refund).await, State::Processing);
    assert_eq!((liar.calls().len(), liar.asks()), (1, looks));
}

/// A provider's notification would count a refund twice or move it back.
#[tokio::test]
async fn notices_twice_late_or_early_change_nothing_twice() {
    let (liar, at) = world(true, true).await;
    liar.will([Act::PayAndSay(waiting())]);
    let refund = at.refund("liar", "ch_1").await;
    let notice = at.notice(&at.transaction(refund).await);
    at.pay.notice(&notice).await;
    assert_eq!(at.state(refund).await, State::Pending, "before it was sent it says nothing");
    at.pay.tick().await;
    at.pay.notice(&notice).await;
    assert_eq!(at.state(refund).await, State::Succeeded);
    let settled = at.read(refund).await;
    liar.will_say([Finding::Found(waiting()), Finding::Found(unknown()), Finding::Missing]);
    for _ in 0..5 {
        at.pay.notice(&notice).await;
    }
    assert_eq!(at.read(refund).await, settled);
    at.settle().await;
    assert_eq!(at.read(refund).await, settled);
    assert_eq!(liar.payouts(), 1);
    at.pay.notice(&Notice::about("nobody's-12")).await;
    assert_eq!(at.tally.of(Count::Strange), 1);
}

/// A forged or mistaken notification would be believed.
#[tokio::test]
async fn a_notice_is_only_a_hint_to_ask() {
    let (liar, at) = world(true, true).await;
    liar.will([Act::Say(waiting())]);
    let refund = at.refund("liar", "ch_1").await;
    at.pay.tick().await;
    at.pay.notice(&at.notice(&at.transaction(refund).await)).await;
    assert_eq!(at.state(refund).await, State::Processing);
    assert_eq!((liar.asks(), liar.payouts()), (1, 0));
}

/// Money that came back would be missing from what can be refunded.
#[tokio::test]
async fn a_payout_taken_back_later_is_reversed_and_frees_its_amount() {
    let (liar, at) = world(true, true).await;
    let refund = at.refund("liar", "ch_1").await;
    at.pay.tick().await;
    assert_eq!(at.left(refund).await.get(), 9_000);
    let reversed = Outcome::Reversed { message: "account closed".to_owned() };
    liar.will_say([Finding::Found(reversed)]);
    at.pay.notice(&at.notice(&at.transaction(refund).await)).await;
    assert_eq!(at.state(refund).await, State::Reversed);
    assert_eq!(at.left(refund).await.get(), 10_000);
}

/// A provider that changes its mind would silently change the books.
#[tokio::test]
async fn a_contradiction_is_recorded_and_moves_nothing() {
    let (liar, at) = world(true, true).await;
    let refund = at.refund("liar", "ch_1").await;
    at.pay.tick().await;
    liar.will_say([Finding::Found(declined()), Finding::Found(declined())]);
    let notice = at.notice(&at.transaction(refund).await);
    at.pay.notice(&notice).await;
    at.pay.notice(&notice).await;
    assert_eq!(at.state(refund).await, State::Succeeded);
    let row = at.transaction(refund).await;
    assert_eq!(row.message.as_deref(), Some("The provider now says: declined."));
    assert_eq!(at.left(refund).await.get(), 9_000);
}

/// A refund that was paid after all would be paid again by its retry.
#[tokio::test]
async fn a_retry_is_not_sent_when_the_failed_attempt_is_said_to_be_paid() {
    let (liar, at) = world(true, true).await;
    liar.will([Act::PayAndSay(declined())]);
    let refund = at.refund("liar", "ch_1").await;
    at.pay.tick().await;
    assert_eq!(at.state(refund).await, State::Failed);
    let first = at.transaction(refund).await;
    at.retry(refund).await.unwrap();
    // Now the provider tells the truth, between the retry and its turn.
    at.pay.notice(&at.notice(&first)).await;
    at.pay.tick().await;
    at.settle().await;
    assert_eq!((liar.calls(), liar.payouts()), (vec![first.key], 1));
    assert_eq!(at.state(refund).await, State::NeedsAttention);
    assert_eq!(at.left(refund).await.get(), 9_000);
}

/// A wrong amount at the provider would pass for a success.
#[tokio::test]
async fn another_amount_than_asked_needs_attention() {
    let (liar, at) = world(true, true).await;
    let amount = Minor::new(999);
    liar.will([Act::PayAndSay(Outcome::Done { reference: None, amount })]);
    let refund = at.refund("liar", "ch_1").await;
    at.pay.tick().await;
    assert_eq!(at.state(refund).await, State::NeedsAttention);
    assert_eq!(at.left(refund).await.get(), 9_000);
}

/// A refund over two payments would be paid one and a half times after a retry.
#[tokio::test]
async fn half_a_refund_fails_and_the_retry_pays_only_that_half() {
    let (liar, at) = world(true, true).await;
    let payments = [("liar", "card", "ch_1", "60.00"), ("liar", "card", "ch_2", "40.00")];
    let order = at.order(&payments).await;
    let refund = at.request(order, "90.00").await.unwrap();
    liar.will([Act::Say(declined())]);
    at.pay.tick().await;
    let failed = at.read(refund).await;
    assert_eq!(failed.state, State::Failed);
    assert_eq!(failed.failure.as_ref().unwrap().code, FailureCode::InsufficientFunds);
    assert_eq!(
        failed.refunded,
        failed
            .transactions
            .iter()
            .filter(|row| { row.state == TransactionState::Succeeded })
            .map(|row| row.amount)
            .next()
            .unwrap()
    );
    at.retry(refund).await.unwrap();
    at.pay.tick().await;
    let paid = at.read(refund).await;
    assert_eq!((paid.state, paid.refunded.get()), (State::Succeeded, 9_000));
    assert_eq!(paid.transactions.len(), 3);
    let keys: std::collections::BTreeSet<String> = liar.calls().into_iter().collect();
    assert_eq!(keys.len(), 3, "a new attempt has a new key");
    let book = at.store.order(at.merchant, OrderRef::Id(order)).await.unwrap().unwrap();
    assert_eq!((book.left().get(), book.order.held.get()), (1_000, 0));
    assert_eq!(liar.payouts(), 2);
}

/// A customer who never gives bank details would keep the money reserved for ever.
#[tokio::test]
async fn a_request_for_bank_details_runs_out() {
    let (liar, at) = world(true, true).await;
    let order = at.order(&[("liar", "bank_transfer", "ch_1", "100.00")]).await;
    let refund = at.request(order, "10.00").await.unwrap();
    at.pay.tick().await;
    assert_eq!(at.state(refund).await, State::RequiresInformation);
    at.clock.advance_ms(30 * 24 * 60 * 60 * 1000 - 1);
    at.expire.tick().await;
    assert_eq!(at.state(refund).await, State::RequiresInformation);
    at.clock.advance_ms(1);
    at.expire.tick().await;
    let expired = at.read(refund).await;
    assert_eq!(expired.state, State::Failed);
    assert_eq!(expired.failure.unwrap().code, FailureCode::InformationExpired);
    assert_eq!(at.left(refund).await.get(), 10_000);
    assert_eq!(liar.calls().len(), 0);
}

/// Bank details given in time would still run out.
#[tokio::test]
async fn a_given_request_is_paid_and_does_not_run_out() {
    let (liar, at) = world(true, true).await;
    let order = at.order(&[("liar", "bank_transfer", "ch_1", "100.00")]).await;
    let refund = at.request(order, "10.00").await.unwrap();
    let give = Command::GiveInformation { sealed: vec![1, 2, 3], answers: None };
    at.ask(Target::Refund(refund), give).await.unwrap();
    at.pay.tick().await;
    at.clock.advance_ms(31 * 24 * 60 * 60 * 1000);
    at.expire.tick().await;
    assert_eq!(at.state(refund).await, State::Succeeded);
    assert_eq!(liar.payouts(), 1);
}

/// Books restored from yesterday's copy would pay yesterday's refunds again.
#[tokio::test]
async fn books_behind_their_anchor_send_nothing_until_they_are_accepted() {
    let liar = Arc::new(Liar::new(true, true));
    // It is about a file that was put back.
    let at = Payouts::over_books(Directory::on_sqlite(), liar.clone()).await;
    let early = at.refund("liar", "ch_1").await;
    at.store.seal(at.ledger.now()).await.unwrap();
    let at = at.restarted().await;
    let database = at.home().join("refundry.db");
    let copy = at.home().join("copy.db");
    at.store.close().await;
    std::fs::copy(&database, &copy).unwrap();
    let at = at.restarted().await;
    at.pay.tick().await;
    assert_eq!(liar.payouts(), 1);
    let home = at.home();
    let at = at
        .restarted_after(|| {
            for tail in ["refundry.db-wal", "refundry.db-shm"] {
                let _ = std::fs::remove_file(home.join(tail));
            }
            std::fs::copy(&copy, &database).unwrap();
        })
        .await;
    assert!(matches!(at.store.standing(), Standing::Behind(_)));
    assert_eq!(at.state(early).await, State::Pending);
    assert_eq!(at.pay.tick().await, 0);
    assert!(at.tally.halted());
    assert_eq!(liar.calls().len(), 1);
    at.store.accept("cli".into(), at.ledger.now()).await.unwrap();
    at.pay.tick().await;
    assert_eq!(at.state(early).await, State::Succeeded);
    assert_eq!(liar.payouts(), 1, "the same key, deduplicated");
}

/// A refund called off in time would be paid all the same.
#[tokio::test]
async fn what_was_canceled_before_its_turn_is_not_sent() {
    let (liar, at) = world(true, true).await;
    let refund = at.refund("liar", "ch_1").await;
    at.ask(Target::Refund(refund), Command::Cancel { reason: None }).await.unwrap();
    at.pay.tick().await;
    assert_eq!(at.state(refund).await, State::Canceled);
    assert_eq!(liar.calls().len(), 0);
}

/// A caller would settle what a gateway is still carrying out.
#[tokio::test]
async fn a_caller_cannot_report_for_a_gateway() {
    let (liar, at) = world(true, true).await;
    liar.will([Act::PayAndSay(waiting())]);
    let refund = at.refund("liar", "ch_1").await;
    at.pay.tick().await;
    let transaction = at.transaction(refund).await.id;
    let report = Report { outcome: declined(), by: Reporter::Caller, look_again_ms: 0 };
    let caller = Caller::internal(at.merchant, "test");
    let target = Target::Transaction(transaction);
    let answered = at.ledger.carry_out(&caller, target, Command::Report(report), None, false);
    let refused = match answered.await.unwrap() {
        refundry::testing::ledger::Answered::Refused { refusal, .. } => refusal,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused, Refusal::NotYoursToReport { transaction });
}
