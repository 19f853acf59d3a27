//! The awkward turns of a refund's life, each with what would go wrong for somebody.

#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

mod support;

use refundry_domain::changes::Queue;
use refundry_domain::command::{Command, DisputeChange, ItemShare, OrderChange, RefundChange};
use refundry_domain::order::LineKind;
use refundry_domain::outcome::{FailureCode, Outcome, Reporter};
use refundry_domain::policy::Approval;
use refundry_domain::refund::{Execution, State, TransactionState as T};

use support::{
    Desk, amount, declined, done, exact, items, line, lost, minor, names, order, payment, stated,
    waiting,
};

fn information() -> Command {
    Command::GiveInformation { sealed: vec![7; 9], answers: None }
}

fn dispute(desk: &Desk, at: usize, amount: Option<&str>) -> Command {
    let dispute = DisputeChange { payment: desk.payment_id(at), amount: amount.map(exact) };
    Command::ChangeOrder(OrderChange { dispute: Some(dispute), ..OrderChange::default() })
}

fn raise(to: &str) -> Command {
    Command::ChangeRefund(RefundChange { amount: Some(stated(to)), metadata: None })
}

#[test]
fn bank_details_set_a_payout_by_gateway_and_one_by_hand_going() {
    let mut desk = Desk::paid(&[("bank", "10.00"), ("till", "5.00")]);
    desk.request(amount("15.00")).unwrap();
    assert_eq!(desk.state(), State::RequiresInformation);
    desk.run(&information()).unwrap();
    assert_eq!((desk.state(), desk.states()), (State::Processing, vec![T::Pending, T::Requested]));
}

#[test]
fn bank_details_that_never_came_are_asked_for_again_by_a_retry() {
    let mut desk = Desk::paid(&[("bank", "10.00")]);
    desk.request(amount("10.00")).unwrap();
    desk.now += 1_000;
    desk.run(&Command::Expire).unwrap();
    assert_eq!(desk.state(), State::Failed);
    desk.run(&Command::Retry).unwrap();
    assert_eq!(desk.state(), State::RequiresInformation);
    assert_eq!(desk.work.keys().map(|(queue, _)| *queue).collect::<Vec<_>>(), [Queue::Expire]);
    desk.run(&information()).unwrap();
    desk.start(1).unwrap();
    desk.hear(1, declined("closed")).unwrap();
    desk.run(&Command::Retry).unwrap();
    assert_eq!(desk.state(), State::Pending, "the details are there by now");
}

#[test]
fn details_given_in_time_outlast_the_deadline() {
    let mut desk = Desk::paid(&[("bank", "10.00")]);
    desk.request(amount("10.00")).unwrap();
    desk.run(&information()).unwrap();
    let changes = desk.run(&Command::Expire).unwrap();
    assert!(changes.facts.is_empty());
    assert_eq!(desk.state(), State::Pending);
    desk.run(&Command::Expire).unwrap();
    assert!(desk.run(&information()).is_err());
}

#[test]
fn a_refund_in_doubt_that_is_called_off_has_failed() {
    let mut desk = Desk::paid(&[("till", "10.00")]);
    desk.request(amount("10.00")).unwrap();
    desk.hear_from(Reporter::Caller, 0, lost()).unwrap();
    assert_eq!(desk.state(), State::NeedsAttention);
    let off = Outcome::CalledOff { message: "never paid".to_owned() };
    desk.hear_from(Reporter::Caller, 0, off).unwrap();
    assert_eq!((desk.state(), desk.states()), (State::Failed, vec![T::Canceled]));
    desk.run(&Command::Retry).unwrap();
    assert_eq!(desk.state(), State::Processing);
}

#[test]
fn a_refund_paid_in_part_is_never_shown_as_canceled() {
    let mut desk = Desk::paid(&[("till", "10.00"), ("till", "5.00")]);
    desk.request(amount("15.00")).unwrap();
    desk.hear_from(Reporter::Caller, 0, done()).unwrap();
    let off = Outcome::CalledOff { message: "till is empty".to_owned() };
    desk.hear_from(Reporter::Caller, 1, off).unwrap();
    assert_eq!((desk.state(), desk.refund().refunded), (State::Failed, minor(1_000)));
}

#[test]
fn what_a_retry_left_open_is_not_canceled_under_what_was_paid() {
    let mut desk = Desk::paid(&[("sandbox", "10.00"), ("bank", "5.00")]);
    desk.request(amount("15.00")).unwrap();
    desk.run(&information()).unwrap();
    desk.start(0).unwrap();
    desk.hear(0, done()).unwrap();
    desk.start(1).unwrap();
    desk.hear(1, declined("no")).unwrap();
    desk.run(&Command::Retry).unwrap();
    assert_eq!(desk.states(), [T::Succeeded, T::Failed, T::Pending]);
    assert_eq!(desk.state(), State::Processing, "some of it is paid, so it is under way");
    assert_eq!(desk.run(&Command::Cancel { reason: None }).unwrap_err().code(), "wrong_state");
}

#[test]
fn canceling_what_a_retry_asks_details_for_keeps_what_was_paid() {
    let mut desk = Desk::paid(&[("sandbox", "10.00"), ("sandbox", "5.00")]);
    desk.request(amount("15.00")).unwrap();
    for at in [0, 1] {
        desk.start(at).unwrap();
        desk.hear(at, if at == 0 { done() } else { declined("no") }).unwrap();
    }
    let methods = &mut desk.policy.providers.get_mut("sandbox").unwrap();
    methods.methods_needing_information.push("card".to_owned());
    desk.run(&Command::Retry).unwrap();
    assert_eq!(desk.state(), State::RequiresInformation);
    desk.run(&Command::Cancel { reason: None }).unwrap();
    assert_eq!((desk.state(), desk.refund().refunded), (State::Failed, minor(1_000)));
    assert_eq!(desk.book.order.held, minor(0));
}

#[test]
fn news_after_the_end_changes_nothing() {
    let mut desk = Desk::paid(&[("sandbox", "10.00")]);
    desk.request(amount("10.00")).unwrap();
    desk.start(0).unwrap();
    let paid = Outcome::Done { reference: Some("re_1".to_owned()), amount: None };
    desk.hear(0, paid.clone()).unwrap();
    let before = desk.book.clone();
    let renamed = Outcome::Done { reference: Some("re_9".to_owned()), amount: None };
    for late in [waiting(Some("re_9"), "no funds"), lost(), paid, renamed] {
        let changes = desk.hear_from(Reporter::Notification, 0, late).unwrap();
        assert!(changes.is_empty(), "{changes:?}");
    }
    assert_eq!((desk.book.order, desk.book.payments), (before.order, before.payments));
    assert_eq!(desk.book.refund, before.refund);
}

#[test]
fn what_is_learnt_on_the_way_is_an_event_once() {
    let mut desk = Desk::paid(&[("sandbox", "10.00")]);
    desk.request(amount("10.00")).unwrap();
    desk.start(0).unwrap();
    let changes = desk.hear(0, waiting(Some("re_1"), "no funds")).unwrap();
    assert_eq!(names(&changes), ["refund.progressed"]);
    let changes = desk.hear(0, waiting(Some("re_1"), "no funds")).unwrap();
    assert_eq!(names(&changes), [""; 0]);
    desk.hear(0, done()).unwrap();
    assert_eq!(desk.row(0).provider_reference.as_deref(), Some("re_1"));
}

#[test]
fn a_payout_that_we_forgot_having_sent_is_not_sent_again() {
    // Such as after a restored backup: the provider tells of a payout the books call pending.
    let mut desk = Desk::paid(&[("sandbox", "10.00")]);
    desk.request(amount("10.00")).unwrap();
    let changes = desk.hear_from(Reporter::Notification, 0, done()).unwrap();
    assert_eq!(names(&changes), ["refund.processing", "refund.succeeded"]);
    assert_eq!((desk.state(), desk.work.len()), (State::Succeeded, 0));

    let mut desk = Desk::paid(&[("sandbox", "10.00")]);
    desk.request(amount("10.00")).unwrap();
    let other = Outcome::Done { reference: None, amount: Some(minor(999)) };
    desk.hear(0, other).unwrap();
    assert_eq!((desk.state(), desk.work.len()), (State::NeedsAttention, 0));
}

#[test]
fn a_payout_of_what_nobody_decided_is_put_before_a_person() {
    let mut desk = Desk::paid(&[("sandbox", "10.00")]);
    let mut proposal = amount("10.00");
    proposal.confirm = Some(false);
    desk.request(proposal).unwrap();
    let changes = desk.hear_from(Reporter::Notification, 0, done()).unwrap();
    assert_eq!(names(&changes), ["refund.contradicted"]);
    assert_eq!(desk.state(), State::Unconfirmed);
    assert!(desk.hear_from(Reporter::Notification, 0, done()).unwrap().is_empty(), "once");
}

#[test]
fn another_amount_after_the_end_is_put_before_a_person() {
    let mut desk = Desk::paid(&[("sandbox", "10.00")]);
    desk.request(amount("10.00")).unwrap();
    desk.start(0).unwrap();
    desk.hear(0, done()).unwrap();
    let other = Outcome::Done { reference: None, amount: Some(minor(1_001)) };
    let changes = desk.hear(0, other).unwrap();
    assert_eq!(names(&changes), ["refund.contradicted"]);
    assert_eq!(desk.refund().refunded, minor(1_000));
}

#[test]
fn a_decline_after_the_payment_and_a_payment_after_a_decline_are_put_before_a_person() {
    for (first, second) in [(done(), declined("no")), (declined("no"), done())] {
        let mut desk = Desk::paid(&[("sandbox", "10.00")]);
        desk.request(amount("10.00")).unwrap();
        desk.start(0).unwrap();
        desk.hear(0, first).unwrap();
        let state = desk.state();
        assert_eq!(names(&desk.hear(0, second.clone()).unwrap()), ["refund.contradicted"]);
        assert!(desk.hear(0, second).unwrap().is_empty(), "once");
        assert_eq!(desk.state(), state);
    }
}

#[test]
fn a_refund_shows_why_it_failed_last() {
    let mut desk = Desk::paid(&[("sandbox", "10.00"), ("sandbox", "5.00")]);
    desk.request(amount("15.00")).unwrap();
    for (at, outcome) in [(0, done()), (1, declined("no"))] {
        desk.start(at).unwrap();
        desk.hear(at, outcome).unwrap();
    }
    desk.run(&Command::Retry).unwrap();
    desk.start(2).unwrap();
    desk.hear(2, done()).unwrap();
    assert_eq!((desk.state(), desk.refund().failure.clone()), (State::Succeeded, None));
    let settled_at = desk.refund().settled_at;
    desk.hear(0, Outcome::Reversed { message: "bounced".to_owned() }).unwrap();
    assert_eq!((desk.state(), desk.refund().refunded), (State::Reversed, minor(500)));
    assert_eq!(desk.refund().failure.as_ref().unwrap().code, FailureCode::Reversed);
    assert_ne!(desk.refund().settled_at, settled_at);
    let settled_at = desk.refund().settled_at;
    desk.hear(2, Outcome::Reversed { message: "bounced".to_owned() }).unwrap();
    assert_eq!((desk.state(), desk.refund().refunded), (State::Reversed, minor(0)));
    assert_eq!(desk.refund().settled_at, settled_at, "it had settled before");
}

#[test]
fn a_gateway_that_is_gone_takes_no_confirmed_and_no_retried_refund() {
    let mut desk = Desk::paid(&[("sandbox", "10.00")]);
    let mut proposal = amount("10.00");
    proposal.confirm = Some(false);
    desk.request(proposal).unwrap();
    let providers = std::mem::take(&mut desk.policy.providers);
    let confirm = Command::Confirm { may_approve: true };
    assert_eq!(desk.run(&confirm).unwrap_err().code(), "execution_not_available");
    desk.policy.providers = providers;
    desk.run(&confirm).unwrap();
    desk.start(0).unwrap();
    desk.hear(0, declined("no")).unwrap();
    desk.policy.providers.clear();
    assert_eq!(desk.run(&Command::Retry).unwrap_err().code(), "execution_not_available");
}

#[test]
fn a_policy_that_became_strict_asks_at_confirmation() {
    let mut desk = Desk::paid(&[("sandbox", "10.00")]);
    let mut proposal = amount("10.00");
    proposal.confirm = Some(false);
    desk.request(proposal).unwrap();
    desk.policy.approval = Approval::Always;
    let confirm = |may_approve| Command::Confirm { may_approve };
    assert_eq!(desk.run(&confirm(false)).unwrap_err().code(), "approval_required");
    desk.run(&confirm(true)).unwrap();
    assert_eq!(desk.state(), State::Pending);
}

#[test]
fn a_proposal_that_grows_is_carried_out_as_each_payment_allows() {
    let mut desk = Desk::paid(&[("sandbox", "10.00"), ("till", "5.00")]);
    let mut proposal = amount("10.00");
    proposal.confirm = Some(false);
    desk.request(proposal).unwrap();
    desk.run(&raise("12.00")).unwrap();
    let live = desk.refund().transactions.iter().filter(|row| !row.superseded);
    let how: Vec<_> = live.map(|row| row.execution).collect();
    assert_eq!(how, [Execution::Automatic, Execution::Notify]);

    // But money that somebody said to pay by hand is never sent by a gateway for it.
    let mut desk = Desk::paid(&[("sandbox", "10.00"), ("sandbox", "5.00")]);
    let mut proposal = amount("10.00");
    proposal.confirm = Some(false);
    proposal.execution = Some(Execution::Manual);
    desk.request(proposal).unwrap();
    desk.run(&raise("12.00")).unwrap();
    assert!(desk.refund().transactions.iter().all(|row| row.execution == Execution::Manual));
    assert_eq!(desk.refund().execution, Execution::Manual);
}

#[test]
fn a_named_payment_stays_named_when_the_amount_changes() {
    let mut desk = Desk::paid(&[("sandbox", "10.00"), ("sandbox", "12.00")]);
    let mut proposal = amount("4.00");
    proposal.confirm = Some(false);
    proposal.payment = Some(desk.payment_id(0));
    desk.request(proposal).unwrap();
    assert_eq!(desk.run(&raise("10.01")).unwrap_err().code(), "more_than_is_left");
    desk.run(&raise("10.00")).unwrap();
    assert_eq!(desk.book.payments[0].held, minor(1_000));
    assert_eq!(desk.book.payments[1].held, minor(0));
}

#[test]
fn a_person_settles_what_is_in_doubt_once_and_either_way() {
    for (said, state) in [(done(), State::Succeeded), (declined("not paid"), State::Failed)] {
        let mut desk = Desk::paid(&[("sandbox", "10.00")]);
        desk.request(amount("10.00")).unwrap();
        desk.start(0).unwrap();
        let early = desk.hear_from(Reporter::Caller, 0, said.clone()).unwrap_err();
        assert_eq!(early.code(), "not_yours_to_report");
        desk.hear(0, lost()).unwrap();
        assert_eq!((desk.state(), desk.work.len()), (State::NeedsAttention, 0));
        assert_eq!(desk.book.order.held, minor(1_000), "in doubt it stays reserved");
        let other = Outcome::Done { reference: None, amount: Some(minor(1)) };
        let refused = desk.hear_from(Reporter::Caller, 0, other).unwrap_err();
        assert_eq!((refused.code(), refused.field()), ("fields_contradict", Some("amount")));
        desk.hear_from(Reporter::Caller, 0, said.clone()).unwrap();
        assert_eq!(desk.state(), state);
        assert!(desk.hear_from(Reporter::Caller, 0, said).unwrap().is_empty(), "said twice");
        let reversed = Outcome::Reversed { message: String::new() };
        let refused = desk.hear_from(Reporter::Caller, 0, reversed).unwrap_err();
        assert_eq!(refused.code(), "not_yours_to_report");
    }
}

#[test]
fn a_notification_does_not_let_a_second_worker_in() {
    let mut desk = Desk::paid(&[("sandbox", "10.00")]);
    desk.request(amount("10.00")).unwrap();
    desk.start_as(0, 1).unwrap();
    desk.hear_from(Reporter::Notification, 0, waiting(None, "queued")).unwrap();
    assert_eq!(desk.start_as(0, 2).unwrap_err().code(), "being_processed");
    desk.hear(0, waiting(None, "queued")).unwrap();
    desk.start_as(0, 2).unwrap();
    desk.now += 10_000;
    desk.start_as(0, 1).unwrap();
    assert_eq!(desk.row(0).sends, 3, "each may have sent it");
}

#[test]
fn a_replaced_attempt_is_not_sent_again() {
    let mut desk = Desk::paid(&[("sandbox", "10.00")]);
    desk.request(amount("10.00")).unwrap();
    desk.start(0).unwrap();
    desk.hear(0, declined("no")).unwrap();
    desk.run(&Command::Retry).unwrap();
    assert_eq!(desk.start(0).unwrap_err().code(), "wrong_transaction_state");
    assert_ne!(desk.row(0).key, desk.row(1).key);
    assert_eq!(names(&desk.hear(0, done()).unwrap()), ["refund.contradicted"]);
    assert_eq!(desk.state(), State::Pending, "that is no news of the new attempt");
    desk.start(1).unwrap();
    assert_eq!(desk.states(), [T::Failed, T::NeedsAttention], "it would pay twice");
    assert_eq!((desk.row(1).sends, desk.work.len()), (0, 0));
}

#[test]
fn what_is_said_to_be_paid_after_a_no_is_not_tried_again() {
    let mut desk = Desk::paid(&[("sandbox", "10.00")]);
    desk.request(amount("10.00")).unwrap();
    desk.start(0).unwrap();
    desk.hear(0, declined("no")).unwrap();
    desk.hear_from(Reporter::Notification, 0, done()).unwrap();
    assert_eq!(desk.run(&Command::Retry).unwrap_err().code(), "wrong_transaction_state");
    assert_eq!((desk.state(), desk.states()), (State::Failed, vec![T::Failed]));
}

#[test]
fn no_card_number_comes_in_with_a_report() {
    let card = "4111 1111 1111 1111";
    let mut desk = Desk::paid(&[("till", "10.00"), ("sandbox", "5.00")]);
    desk.request(amount("15.00")).unwrap();
    let paid = Outcome::Done { reference: Some(card.to_owned()), amount: None };
    let refused = desk.hear_from(Reporter::Caller, 0, paid).unwrap_err();
    assert_eq!((refused.code(), refused.field()), ("card_number_refused", Some("reference")));
    let refused = desk.hear_from(Reporter::Caller, 0, declined(card)).unwrap_err();
    assert_eq!((refused.code(), refused.field()), ("card_number_refused", Some("message")));

    // A provider cannot be refused, so its words are kept out.
    desk.start(1).unwrap();
    desk.hear(1, waiting(None, card)).unwrap();
    assert!(!format!("{:?}", desk.book).contains(card));
    desk.hear(1, waiting(None, "no\u{1b}[31m\nfunds\u{0}")).unwrap();
    assert_eq!(desk.row(1).message.as_deref(), Some("no\u{fffd}[31m\nfunds\u{fffd}"));
    desk.hear(1, declined(&format!("{card}{}", "é\u{0}".repeat(900)))).unwrap();
    assert!(!format!("{:?}", desk.book).contains(card));
}

#[test]
fn a_command_without_its_refund_is_refused() {
    let mut desk = Desk::paid(&[("sandbox", "10.00")]);
    let confirm = Command::Confirm { may_approve: true };
    for command in [confirm, Command::Retry, Command::Expire, information(), raise("1.00")] {
        assert_eq!(desk.run(&command).unwrap_err().code(), "refund_not_found");
    }
    desk.book.subject = Some(desk.payment_id(0));
    let start = Command::Start { worker: 1, lease_ms: 1 };
    assert_eq!(desk.run(&start).unwrap_err().code(), "transaction_not_found");
}

#[test]
fn nothing_left_of_a_line_is_no_part_of_a_refund() {
    let lines = vec![line(LineKind::Product, "mug", 1, "4.00"), line(LineKind::Fee, "fee", 1, "1")];
    let mut desk = Desk::open(&order(lines, vec![payment("sandbox", "5.00")]));
    desk.request(items(vec![(1, ItemShare::Rest)])).unwrap();
    let both = items(vec![(1, ItemShare::Rest), (2, ItemShare::Rest)]);
    let changes = desk.request(both).unwrap();
    assert_eq!(desk.refund().parts.len(), 1);
    assert_eq!(changes.lines.len(), 1, "the first line is as it was");
}

#[test]
fn a_dispute_takes_what_a_failed_refund_frees() {
    let mut desk = Desk::paid(&[("sandbox", "10.00")]);
    desk.request(amount("6.00")).unwrap();
    let change = dispute(&desk, 0, Some("10.00"));
    desk.run(&change).unwrap();
    assert_eq!(desk.book.order.blocked, minor(400));
    desk.start(0).unwrap();
    desk.hear(0, declined("no")).unwrap();
    assert_eq!(desk.book.order.blocked, minor(1_000));
    let refused = desk.run(&Command::Retry).unwrap_err();
    assert_eq!(refused.code(), "more_than_is_left");
    assert!(refused.to_string().contains("10.00 is in dispute"), "{refused}");
    let change = dispute(&desk, 0, None);
    desk.run(&change).unwrap();
    desk.run(&Command::Retry).unwrap();
    assert_eq!(desk.book.order.held, minor(600));
}

#[test]
fn one_of_two_payouts_taken_back_while_the_other_is_open_fails_the_refund() {
    let mut desk = Desk::paid(&[("sandbox", "10.00"), ("sandbox", "5.00")]);
    desk.request(amount("15.00")).unwrap();
    desk.start(0).unwrap();
    desk.hear(0, done()).unwrap();
    desk.start(1).unwrap();
    desk.hear(0, Outcome::Reversed { message: "bounced".to_owned() }).unwrap();
    assert_eq!((desk.state(), desk.refund().refunded), (State::Processing, minor(0)));
    desk.hear(1, done()).unwrap();
    assert_eq!((desk.state(), desk.refund().refunded), (State::Failed, minor(500)));
    desk.run(&Command::Retry).unwrap();
    desk.start(2).unwrap();
    desk.hear(2, done()).unwrap();
    assert_eq!((desk.state(), desk.refund().refunded), (State::Succeeded, minor(1_500)));
}

#[test]
fn a_payment_that_is_reported_twice_is_recorded_once() {
    let mut desk = Desk::paid(&[("sandbox", "10.00")]);
    let mut again = payment("sandbox", "5.00");
    again.provider_reference = Some("ch_2".to_owned());
    desk.run(&Command::RecordPayment(again.clone())).unwrap();
    let refused = desk.run(&Command::RecordPayment(again.clone())).unwrap_err();
    assert_eq!((refused.code(), refused.field()), ("reference_taken", Some("provider_reference")));
    again.provider_reference = Some("ch_3".to_owned());
    desk.run(&Command::RecordPayment(again)).unwrap();
    assert_eq!(desk.book.order.captured, minor(2_000));
}

#[test]
fn what_was_certainly_not_sent_does_not_count_as_sent() {
    let mut desk = Desk::paid(&[("sandbox", "10.00")]);
    desk.request(amount("10.00")).unwrap();
    let not_taken = || Outcome::NotTaken { message: "no connection".to_owned() };
    for _ in 0..3 {
        desk.start(0).unwrap();
        assert_eq!((desk.row(0).sends, desk.row(0).first_sent_at.is_some()), (1, true));
        desk.hear(0, not_taken()).unwrap();
        assert_eq!((desk.row(0).sends, desk.row(0).first_sent_at), (0, None));
        assert_eq!(desk.states(), [T::Processing], "its amount stays held");
    }
    // After a send that may have arrived, it takes back only its own.
    desk.start(0).unwrap();
    desk.hear(0, Outcome::Unknown { message: "timed out".to_owned(), lost: false }).unwrap();
    desk.start(0).unwrap();
    desk.hear(0, not_taken()).unwrap();
    assert_eq!(desk.row(0).sends, 1);
    // Said again without a start, it takes nothing back.
    desk.hear(0, not_taken()).unwrap();
    desk.hear_from(Reporter::Notification, 0, not_taken()).unwrap();
    assert_eq!(desk.row(0).sends, 1);
    desk.start(0).unwrap();
    desk.hear(0, done()).unwrap();
    assert_eq!(desk.states(), [T::Succeeded]);
}
