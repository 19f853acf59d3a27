//! What every gateway promises, and each outcome of the sandbox: the state it leads to and how many
//! payouts there were.

use std::path::Path;
use std::sync::Arc;

use refundry::testing::clock::ManualClock;
use refundry::testing::gateways::sandbox::{self, Sandbox};
use refundry::testing::gateways::{Attempt, Finding, Gateway};
use refundry_domain::ids::{MerchantId, Timestamp, TransactionId};
use refundry_domain::money::{Currency, Minor, Money};
use refundry_domain::outcome::{FailureCode, Outcome};
use refundry_domain::refund::State;
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::harness::liar::Liar;
use crate::harness::payouts::SandboxPayouts;

fn attempt(key: &str, minor: i64) -> Attempt {
    let currency = Currency::parse("EUR").unwrap();
    Attempt {
        account: None,
        merchant: MerchantId(1),
        transaction: TransactionId(7),
        payment: TransactionId(2),
        key: key.to_owned(),
        amount: Money::new(Minor::new(minor).unwrap(), currency),
        method: "card".to_owned(),
        payment_reference: Some("ch_1".to_owned()),
        refund_reference: None,
        reason: None,
        paid: false,
    }
}

fn sandbox_in(directory: &Path) -> Sandbox {
    let clock = Arc::new(ManualClock::at(Timestamp(1_780_000_000_000)));
    Sandbox::open(directory, clock, mpsc::unbounded_channel().0).unwrap()
}

/// Every gateway there is; a new one is added here.
fn all(directory: &Path) -> Vec<Arc<dyn Gateway>> {
    vec![
        Arc::new(sandbox_in(directory)),
        Arc::new(Liar::new(true, true)),
        Arc::new(Liar::new(true, false)),
        Arc::new(Liar::new(false, true)),
    ]
}

/// A gateway that says more than it can do would have refunds paid twice.
#[tokio::test]
async fn every_gateway_keeps_the_contract() {
    let home = TempDir::new().unwrap();
    for gateway in all(home.path()) {
        let name = gateway.name();
        let first = attempt("a-1", 1_000);
        assert!(gateway.abilities().pays, "{name}");
        if gateway.can_be_asked() {
            assert_eq!(gateway.ask(&first).await, Finding::Missing, "{name}");
        }
        let paid = gateway.pay(&first).await;
        assert!(
            matches!(&paid, Outcome::Done { amount: Some(amount), .. }
            if amount.get() == 1_000),
            "{name}: {paid:?}"
        );
        if gateway.deduplicates() {
            assert_eq!(gateway.pay(&first).await, paid, "{name} says the same again");
        }
        if gateway.can_be_asked() {
            assert_eq!(gateway.ask(&first).await, Finding::Found(paid), "{name}");
            assert_eq!(gateway.ask(&attempt("a-2", 1_000)).await, Finding::Missing, "{name}");
        }
        gateway.close().await;
    }
}

/// A repeated call with another amount would pay a second time.
#[tokio::test]
async fn the_sandbox_never_pays_a_key_twice_nor_another_amount() {
    let home = TempDir::new().unwrap();
    let sandbox = sandbox_in(home.path());
    let calls = (0..50).map(|_| attempt("a-1", 1_000));
    let calls: Vec<Attempt> = calls.chain([attempt("a-1", 5_000)]).collect();
    let paid = futures_util::future::join_all(calls.iter().map(|call| sandbox.pay(call))).await;
    assert!(paid.iter().all(|outcome| *outcome == paid[0]), "{paid:?}");
    let totals = sandbox::totals(home.path()).unwrap();
    assert_eq!((totals.payouts, totals.calls), (1, 51));
    assert_eq!(totals.amounts, [("EUR".to_owned(), 1_000)]);
}

/// The sandbox would forget what it paid, and pay it again.
#[tokio::test]
async fn the_sandbox_remembers_across_a_restart() {
    let home = TempDir::new().unwrap();
    let sandbox = sandbox_in(home.path());
    sandbox.pay(&attempt("a-1", 1_000)).await;
    // Not closed: as if the process had been killed.
    std::mem::forget(sandbox);
    let again = sandbox_in(home.path());
    again.pay(&attempt("a-1", 1_000)).await;
    again.close().await;
    assert!(matches!(again.ask(&attempt("a-1", 1_000)).await, Finding::NoAnswer(_)));
    let totals = sandbox::totals(home.path()).unwrap();
    assert_eq!((totals.payouts, totals.calls), (1, 2));
    let mut payments = Vec::new();
    sandbox::each_payment(home.path(), |total| payments.push(total.clone())).unwrap();
    assert_eq!(payments.len(), 1);
    assert_eq!((payments[0].payment, payments[0].amount), (TransactionId(2), 1_000));
}

#[tokio::test]
async fn ordinary_payments_are_paid_back() {
    for reference in
        ["ch_1", "1001", "", "sandbox_succeed", "sandbox_succeed:order 9", "SANDBOX_decline"]
    {
        let at = SandboxPayouts::open().await;
        let refund = at.refund(reference).await;
        assert_eq!(at.at.state(refund).await, State::Succeeded, "{reference}");
        assert_eq!(at.paid(), (1, 1_000));
    }
}

#[tokio::test]
async fn every_reason_to_decline_can_be_asked_for() {
    for code in FailureCode::ALL {
        let at = SandboxPayouts::open().await;
        let refund = at.refund(&format!("sandbox_decline_{}:x", code.name())).await;
        let failed = at.at.read(refund).await;
        assert_eq!((failed.state, failed.failure.unwrap().code), (State::Failed, code));
        assert_eq!(at.paid(), (0, 0));
        assert_eq!(at.at.left(refund).await.get(), 10_000);
    }
}

#[tokio::test]
async fn a_script_that_does_not_exist_says_so() {
    let at = SandboxPayouts::open().await;
    let refund = at.refund("sandbox_declined_once").await;
    let failure = at.at.read(refund).await.failure.unwrap();
    assert_eq!(failure.code, FailureCode::InvalidRequest);
    assert!(failure.message.contains("docs/gateways.md"), "{}", failure.message);
    assert_eq!(at.paid(), (0, 0));
}

#[tokio::test]
async fn declined_once_succeeds_on_the_retry() {
    let at = SandboxPayouts::open().await;
    let refund = at.refund("sandbox_decline_once").await;
    assert_eq!(at.at.state(refund).await, State::Failed);
    at.at.retry(refund).await.unwrap();
    at.at.pay.tick().await;
    assert_eq!(at.at.state(refund).await, State::Succeeded);
    assert_eq!(at.paid(), (1, 1_000));
    let other = at.refund("sandbox_decline_once").await;
    assert_eq!(at.at.state(other).await, State::Failed, "of another payment it is the first");
}

#[tokio::test]
async fn pending_ends_after_so_many_questions_or_so_long() {
    for (script, end, paid) in [
        ("sandbox_pend_then_succeed", State::Succeeded, (1, 1_000)),
        ("sandbox_pend_then_fail", State::Failed, (0, 0)),
    ] {
        let at = SandboxPayouts::open().await;
        let by_asks = at.refund(&format!("{script}_2")).await;
        assert_eq!(at.at.state(by_asks).await, State::Processing);
        assert_eq!(at.paid(), (0, 0));
        at.at.after(1_000).await;
        assert_eq!(at.at.state(by_asks).await, State::Processing);
        at.at.after(2_000).await;
        assert_eq!(at.at.state(by_asks).await, end);
        assert_eq!(at.paid(), paid);

        let by_time = at.refund(&format!("{script}_5000ms:x")).await;
        at.at.after(1_000).await;
        at.at.after(2_000).await;
        assert_eq!(at.at.state(by_time).await, State::Processing);
        at.at.after(4_000).await;
        assert_eq!(at.at.state(by_time).await, end);
        assert_eq!(at.paid(), (2 * paid.0, 2 * paid.1));
    }
}

/// Outcomes that are not known at first, all paid once in the end.
#[tokio::test]
async fn doubtful_answers_end_in_one_payout() {
    for (script, calls, asks) in [
        ("sandbox_time_out_before", 2, 1),
        ("sandbox_time_out_after", 1, 1),
        ("sandbox_server_error_before", 2, 1),
        ("sandbox_server_error_after", 1, 1),
        ("sandbox_malformed_answer", 1, 1),
        ("sandbox_found_late", 2, 1),
    ] {
        let at = SandboxPayouts::open().await;
        let refund = at.refund(script).await;
        assert_eq!(at.at.state(refund).await, State::Processing, "{script}");
        assert_eq!(at.at.left(refund).await.get(), 9_000, "{script}");
        at.at.after(1_000).await;
        assert_eq!(at.at.state(refund).await, State::Succeeded, "{script}");
        at.at.settle().await;
        assert_eq!(at.paid(), (1, 1_000), "{script}");
        assert_eq!(at.calls(), (calls, asks), "{script}");
    }
}

#[tokio::test]
async fn a_wrong_amount_needs_attention() {
    let at = SandboxPayouts::open().await;
    let refund = at.refund("sandbox_wrong_amount").await;
    assert_eq!(at.at.state(refund).await, State::NeedsAttention);
    assert_eq!(at.at.left(refund).await.get(), 9_000);
    assert_eq!(at.paid(), (1, 1_000));
}

#[tokio::test]
async fn an_answer_that_never_comes_needs_attention_in_the_end() {
    let at = SandboxPayouts::open().await;
    let refund = at.refund("sandbox_never_answer").await;
    at.at.after(1_000).await;
    assert_eq!(at.at.state(refund).await, State::Processing);
    at.at.settle().await;
    at.at.settle().await;
    assert_eq!(at.at.state(refund).await, State::NeedsAttention);
    assert_eq!(at.at.left(refund).await.get(), 9_000);
    assert_eq!(at.paid(), (0, 0));
}

#[tokio::test]
async fn notifications_twice_and_before_the_answer_change_nothing_twice() {
    for (script, notices) in [("sandbox_notify_twice", 2), ("sandbox_notify_before_answer", 1)] {
        let mut at = SandboxPayouts::open().await;
        let refund = at.refund(script).await;
        assert_eq!(at.at.state(refund).await, State::Succeeded, "{script}");
        let settled = at.at.read(refund).await;
        assert_eq!(at.hear().await, notices, "{script}");
        assert_eq!(at.at.read(refund).await, settled, "{script}");
        assert_eq!(at.paid(), (1, 1_000), "{script}");
    }
}

#[tokio::test]
async fn a_late_notification_settles_what_was_waiting() {
    let mut at = SandboxPayouts::open().await;
    let refund = at.refund("sandbox_notify_late_5000ms").await;
    assert_eq!(at.at.state(refund).await, State::Processing);
    assert_eq!(at.hear().await, 0);
    at.at.clock.advance_ms(5_000);
    assert_eq!(at.hear().await, 1);
    assert_eq!(at.at.state(refund).await, State::Succeeded);
    assert_eq!(at.paid(), (1, 1_000));
}

#[tokio::test]
async fn a_payout_can_be_taken_back_later() {
    let mut at = SandboxPayouts::open().await;
    let refund = at.refund("sandbox_reverse_60000ms").await;
    assert_eq!(at.at.state(refund).await, State::Succeeded);
    assert_eq!(at.paid(), (1, 1_000));
    at.at.clock.advance_ms(60_000);
    assert_eq!(at.hear().await, 1);
    assert_eq!(at.at.state(refund).await, State::Reversed);
    assert_eq!(at.at.left(refund).await.get(), 10_000);
    assert_eq!(at.paid(), (1, 0), "it paid once and has it back");
}

#[tokio::test]
async fn a_slow_answer_is_waited_for_and_a_too_slow_one_looked_up() {
    let at = SandboxPayouts::open().await;
    let slow = at.refund("sandbox_slow_1ms").await;
    assert_eq!(at.at.state(slow).await, State::Succeeded);
    let too_slow = at.refund("sandbox_slow_60000ms:x").await;
    assert_eq!(at.at.state(too_slow).await, State::Processing);
    assert_eq!(at.at.left(too_slow).await.get(), 9_000);
}

#[tokio::test]
async fn bank_transfers_ask_for_bank_details() {
    let at = SandboxPayouts::open().await;
    let order = at.at.order(&[(sandbox::NAME, "bank_transfer", "tr_1", "100.00")]).await;
    let refund = at.at.request(order, "10.00").await.unwrap();
    at.at.pay.tick().await;
    assert_eq!(at.at.state(refund).await, State::RequiresInformation);
    assert_eq!(at.paid(), (0, 0));
}

/// The amount says the outcome only where the payment asks for that.
#[tokio::test]
async fn amounts_are_scripts_only_when_the_payment_says_so() {
    for (amount, state, code) in [
        ("10.00", State::Succeeded, None),
        ("10.01", State::Failed, Some(FailureCode::Declined)),
        ("10.04", State::Failed, Some(FailureCode::InsufficientFunds)),
        ("10.16", State::Failed, Some(FailureCode::Other)),
        ("10.20", State::Failed, Some(FailureCode::Declined)),
        ("10.21", State::Processing, None),
        ("10.23", State::Processing, None),
        ("10.28", State::NeedsAttention, None),
        ("10.99", State::Succeeded, None),
    ] {
        let at = SandboxPayouts::open().await;
        let refund = at.at.refund_of(sandbox::NAME, "sandbox_amounts", amount).await;
        let plain = at.at.refund_of(sandbox::NAME, "ch_1", amount).await;
        at.at.pay.tick().await;
        let refund = at.at.read(refund).await;
        assert_eq!(refund.state, state, "{amount}");
        assert_eq!(refund.failure.map(|failure| failure.code), code, "{amount}");
        assert_eq!(at.at.state(plain).await, State::Succeeded, "{amount}");
    }
}
