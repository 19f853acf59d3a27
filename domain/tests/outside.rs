//! Refunds that somebody outside carries out or has to say something of: platforms that were told,
//! customers that give bank details, and returns that close by what they got.

#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

mod support;

use refundry_domain::changes::Queue;
use refundry_domain::command::{Command, NewLine, NewReturn, RefundChange};
use refundry_domain::event::Fact;
use refundry_domain::ids::ReturnId;
use refundry_domain::order::{LineKind, Metadata};
use refundry_domain::outcome::{Outcome, Reporter};
use refundry_domain::policy::NotifyOnly;
use refundry_domain::refund::{Destination, Execution, State, TransactionState as T};
use refundry_domain::returns::{ReturnItem, ReturnKind, ReturnState};

use support::{Desk, amount, declined, done, line, minor, names, order, payment, stated, waiting};

const DEADLINE: i64 = 5_000;

fn told(payments: &[(&str, &str)]) -> Desk {
    let mut desk = Desk::paid(payments);
    desk.policy.report_within_ms = DEADLINE;
    desk.policy.notify_only = NotifyOnly { payment_method: true, ..NotifyOnly::default() };
    desk
}

fn due(desk: &Desk) -> Option<i64> {
    let id = desk.refund().id.0;
    desk.work.get(&(Queue::Expire, id)).map(|work| work.due.0)
}

#[test]
fn where_notify_only_is_on_no_gateway_pays_and_the_platform_is_told_all_it_needs() {
    let mut desk = told(&[("sandbox", "10.00")]);
    let changes = desk.request(amount("4.00")).unwrap();
    assert_eq!(names(&changes), ["refund.requested", "transaction.requested"]);
    assert_eq!(desk.refund().execution, Execution::Notify);
    assert_eq!((desk.state(), desk.states()), (State::Processing, vec![T::Requested]));
    assert!(!desk.work.keys().any(|(queue, _)| *queue == Queue::Pay), "no worker pays it");
    let Fact::PayoutRequested(fact) = &changes.facts[1] else { panic!() };
    assert_eq!((fact.transaction, fact.payment), (desk.row(0).id, desk.payment_id(0)));
    assert_eq!((fact.amount, fact.report_by.0), (minor(400), desk.now + DEADLINE));
    let mut ask = amount("1.00");
    ask.execution = Some(Execution::Automatic);
    assert_eq!(desk.request(ask.clone()).unwrap_err().code(), "execution_not_available");
    ask.execution = Some(Execution::Manual);
    desk.request(ask).unwrap();
    assert_eq!(desk.refund().execution, Execution::Manual);
}

#[test]
fn each_kind_of_refund_has_its_own_switch() {
    for (to, on) in [
        (
            Destination::OriginalPayment,
            NotifyOnly { payment_method: true, ..NotifyOnly::default() },
        ),
        (Destination::GiftCard, NotifyOnly { gift_card: true, ..NotifyOnly::default() }),
        (Destination::StoreCredit, NotifyOnly { store_credit: true, ..NotifyOnly::default() }),
    ] {
        for other in Destination::ALL {
            assert_eq!(on.covers(other), other == to, "{other:?} of {on:?}");
        }
        let mut desk = Desk::paid(&[("sandbox", "10.00")]);
        desk.policy.notify_only = on;
        let mut ask = amount("1.00");
        ask.to = to;
        desk.request(ask).unwrap();
        assert_eq!((desk.refund().execution, desk.refund().to), (Execution::Notify, to));
    }
}

#[test]
fn a_switch_that_was_turned_on_since_holds_for_what_is_not_sent_yet() {
    let mut desk = Desk::paid(&[("sandbox", "10.00")]);
    let mut ask = amount("4.00");
    ask.confirm = Some(false);
    desk.request(ask).unwrap();
    desk.policy.notify_only.payment_method = true;
    let confirm = Command::Confirm { may_approve: true };
    assert_eq!(desk.run(&confirm).unwrap_err().code(), "execution_not_available");
    let raise = RefundChange { amount: Some(stated("5.00")), metadata: None };
    desk.run(&Command::ChangeRefund(raise)).unwrap();
    assert_eq!(desk.refund().execution, Execution::Notify, "its amount is split anew");
    let changes = desk.run(&confirm).unwrap();
    assert_eq!(names(&changes), ["refund.processing", "transaction.requested"]);

    let mut desk = Desk::paid(&[("sandbox", "10.00")]);
    desk.request(amount("4.00")).unwrap();
    desk.start(0).unwrap();
    desk.hear(0, declined("no")).unwrap();
    desk.policy.notify_only.payment_method = true;
    let changes = desk.run(&Command::Retry).unwrap();
    assert_eq!(names(&changes), ["refund.processing", "transaction.requested"]);
    assert_eq!(desk.states(), [T::Failed, T::Requested]);
}

#[test]
fn silence_beyond_the_deadline_needs_a_person_and_any_word_is_none() {
    let mut desk = told(&[("sandbox", "10.00")]);
    desk.request(amount("4.00")).unwrap();
    assert_eq!(due(&desk), Some(desk.now + DEADLINE));
    desk.now += DEADLINE - 20;
    let changes = desk.run(&Command::Expire).unwrap();
    assert!(changes.facts.is_empty(), "not yet");
    desk.hear_from(Reporter::Caller, 0, Outcome::Acknowledged { reference: None }).unwrap();
    assert_eq!((desk.state(), due(&desk)), (State::Processing, Some(desk.now + DEADLINE)));
    desk.now += DEADLINE - 100;
    let again = Outcome::Acknowledged { reference: None };
    let changes = desk.hear_from(Reporter::Caller, 0, again).unwrap();
    assert!(changes.facts.is_empty(), "the same word is no news, but it is a word");
    assert_eq!(due(&desk), Some(desk.now + DEADLINE));
    desk.hear_from(Reporter::Caller, 0, waiting(Some("pay_7"), "tomorrow")).unwrap();
    desk.now += DEADLINE;
    let changes = desk.run(&Command::Expire).unwrap();
    assert_eq!(names(&changes), ["refund.needs_attention"]);
    assert_eq!((desk.state(), due(&desk)), (State::NeedsAttention, None));
    assert_eq!(desk.book.order.held, minor(400), "its amount stays reserved");
    assert!(desk.row(0).message.as_ref().unwrap().contains("has not said"));
    desk.hear_from(Reporter::Caller, 0, done()).unwrap();
    assert_eq!((desk.state(), desk.refund().refunded), (State::Succeeded, minor(400)));
}

#[test]
fn only_the_platform_that_is_silent_is_given_up_on() {
    let mut desk = Desk::paid(&[("sandbox", "10.00"), ("till", "5.00"), ("shop", "3.00")]);
    desk.policy.report_within_ms = DEADLINE;
    desk.request(amount("18.00")).unwrap();
    desk.start(0).unwrap();
    desk.hear(0, waiting(None, "no funds yet")).unwrap();
    desk.now += DEADLINE - 100;
    desk.hear_from(Reporter::Caller, 1, waiting(None, "on its way")).unwrap();
    desk.now += 200;
    desk.run(&Command::Expire).unwrap();
    assert_eq!(desk.states(), [T::Processing, T::Processing, T::NeedsAttention]);
    assert_eq!(desk.state(), State::Processing, "the rest is still under way");
    assert_eq!(due(&desk), Some(desk.row(1).updated_at.0 + DEADLINE));
    desk.hear_from(Reporter::Caller, 1, done()).unwrap();
    assert_eq!(due(&desk), None);
}

fn information() -> Command {
    Command::GiveInformation { sealed: b"v3000sealed".to_vec(), answers: None }
}

#[test]
fn bank_details_go_once_they_are_not_needed_and_their_last_four_stay() {
    let mut desk = Desk::paid(&[("bank", "10.00")]);
    desk.request(amount("10.00")).unwrap();
    assert_eq!(desk.refund().information_due.unwrap().0, desk.now + 1_000);
    desk.run(&information()).unwrap();
    assert!(desk.refund().has_information() && desk.refund().information_due.is_none());
    desk.start(0).unwrap();
    let changes = desk.hear(0, done()).unwrap();
    assert_eq!(names(&changes), ["refund.succeeded", "refund.details_purged"]);
    assert_eq!(desk.refund().information.as_deref(), Some(&b"v3000"[..]));
}

#[test]
fn a_wait_is_answered_once_and_not_by_an_answer_to_another_one() {
    let of = |answers| Command::GiveInformation { sealed: b"v3000sealed".to_vec(), answers };
    let mut ask = amount("2.00");
    ask.to = Destination::BankTransfer;
    let mut desk = Desk::paid(&[("sandbox", "10.00")]);
    desk.policy.ask_bank_details = true;
    desk.request(ask).unwrap();
    let due = desk.refund().information_due.unwrap();
    let other = desk.run(&of(Some(due.after_ms(1)))).unwrap_err();
    assert_eq!((other.code(), desk.state()), ("wrong_state", State::RequiresInformation));
    desk.run(&of(Some(due))).unwrap();
    assert_eq!(desk.state(), State::Processing);
    assert_eq!(desk.run(&of(Some(due))).unwrap_err().code(), "wrong_state");
    assert_eq!(names(&desk.run(&of(None)).unwrap()), ["refund.updated"], "a correction");
}

#[test]
fn what_failed_keeps_bank_details_for_a_retry_and_no_longer() {
    let mut desk = Desk::paid(&[("bank", "10.00")]);
    desk.request(amount("10.00")).unwrap();
    desk.run(&information()).unwrap();
    desk.start(0).unwrap();
    desk.hear(0, declined("closed")).unwrap();
    assert!(desk.refund().has_information());
    assert_eq!(due(&desk), Some(desk.now + 1_000));
    desk.run(&Command::Expire).unwrap();
    assert!(desk.refund().has_information(), "not yet");
    desk.now += 1_000;
    assert_eq!(names(&desk.run(&Command::Expire).unwrap()), ["refund.details_purged"]);
    assert!(!desk.refund().has_information() && due(&desk).is_none());
    desk.run(&Command::Retry).unwrap();
    assert_eq!(desk.state(), State::RequiresInformation, "so they are asked for again");
    let changes = desk.run(&Command::Expire).unwrap();
    assert!(changes.facts.is_empty(), "an old look does not end a new wait");
}

#[test]
fn a_bank_transfer_asks_for_the_account_where_that_is_wanted() {
    let mut ask = amount("2.00");
    ask.to = Destination::BankTransfer;
    let mut desk = Desk::paid(&[("sandbox", "10.00")]);
    desk.request(ask.clone()).unwrap();
    assert_eq!((desk.state(), desk.states()), (State::Processing, vec![T::Requested]));
    assert_eq!(names(&desk.run(&information()).unwrap()), ["refund.updated"]);
    assert!(desk.refund().has_information(), "given beforehand");

    desk.policy.ask_bank_details = true;
    desk.request(ask.clone()).unwrap();
    assert_eq!(
        (desk.state(), desk.states()),
        (State::RequiresInformation, vec![T::RequiresInformation])
    );
    desk.run(&information()).unwrap();
    assert_eq!((desk.state(), desk.states()), (State::Processing, vec![T::Requested]));
    ask.paid = Some(refundry_domain::command::Paid::default());
    desk.request(ask.clone()).unwrap();
    assert_eq!(desk.state(), State::Succeeded, "paid already, so there is nothing to ask");
    (ask.paid, ask.to) = (None, Destination::Cash);
    desk.request(ask).unwrap();
    assert_eq!(desk.state(), State::Processing);
    assert_eq!(desk.run(&information()).unwrap_err().code(), "wrong_state");
}

/// Two shirts of 10.00 each with 2.00 tax each, shipping of 5.00, all paid.
fn with_return(quantity: u32) -> Desk {
    let tax = NewLine { for_line: Some(1), ..line(LineKind::Tax, "vat", 1, "4.00") };
    let lines = vec![
        line(LineKind::Product, "shirt", 2, "20.00"),
        tax,
        line(LineKind::Shipping, "post", 1, "5.00"),
    ];
    let mut desk = Desk::open(&order(lines, vec![payment("sandbox", "29.00")]));
    desk.policy.auto_close = true;
    let items = vec![ReturnItem { line: 1, quantity, reason: String::new() }];
    let new = NewReturn {
        reference: None,
        kind: ReturnKind::Return,
        items: if quantity == 0 { Vec::new() } else { items },
        reason: String::new(),
        metadata: Metadata::new(),
    };
    desk.run(&Command::OpenReturn(new)).unwrap();
    desk
}

fn of_return(desk: &mut Desk, figure: &str, execution: Option<Execution>) -> Vec<&'static str> {
    let mut ask = amount(figure);
    (ask.return_id, ask.execution) = (Some(returned(desk)), execution);
    desk.request(ask).unwrap();
    if desk.refund().execution == Execution::Automatic {
        desk.start(0).unwrap();
        return names(&desk.hear(0, done()).unwrap());
    }
    names(&desk.hear_from(Reporter::Caller, 0, done()).unwrap())
}

fn returned(desk: &Desk) -> ReturnId {
    desk.book.returns[0].id
}

fn state(desk: &Desk) -> ReturnState {
    desk.book.returns[0].state
}

#[test]
fn a_return_closes_with_the_refund_that_reaches_what_it_is_worth() {
    let mut desk = with_return(1);
    assert_eq!(desk.book.worth(&desk.book.returns[0]), minor(1_200), "a shirt and its tax");
    assert_eq!(of_return(&mut desk, "10.00", None), ["refund.succeeded"]);
    assert_eq!(state(&desk), ReturnState::Pending);
    assert_eq!(of_return(&mut desk, "2.00", None), ["refund.succeeded", "return.updated"]);
    assert_eq!(state(&desk), ReturnState::Done);
    assert_eq!(desk.book.returns[0].closed_at.unwrap().0, desk.now);
}

#[test]
fn a_return_stays_open_without_the_setting_without_goods_and_by_other_refunds() {
    let mut off = with_return(1);
    off.policy.auto_close = false;
    of_return(&mut off, "12.00", None);
    assert_eq!(state(&off), ReturnState::Pending);
    let mut nothing = with_return(0);
    of_return(&mut nothing, "29.00", None);
    assert_eq!(state(&nothing), ReturnState::Pending);
    let mut other = with_return(1);
    other.request(amount("29.00")).unwrap();
    other.start(0).unwrap();
    other.hear(0, done()).unwrap();
    assert_eq!(state(&other), ReturnState::Pending);
}

#[test]
fn one_manual_item_keeps_a_return_open_until_it_is_gone() {
    let mut desk = with_return(1);
    let mut by_hand = amount("3.00");
    (by_hand.return_id, by_hand.execution) = (Some(returned(&desk)), Some(Execution::Manual));
    desk.request(by_hand).unwrap();
    let manual = desk.book.refund.clone();
    assert_eq!(of_return(&mut desk, "12.00", None), ["refund.succeeded"]);
    assert_eq!((state(&desk), desk.book.returns[0].by_hand), (ReturnState::Pending, 1));
    desk.book.refund = manual;
    let changes = desk.run(&Command::Cancel { reason: None }).unwrap();
    assert_eq!(names(&changes), ["refund.canceled", "return.updated"]);
    assert_eq!(state(&desk), ReturnState::Done);

    let mut paid = with_return(1);
    of_return(&mut paid, "12.00", Some(Execution::Manual));
    assert_eq!(state(&paid), ReturnState::Pending, "all of it went by hand");
    let mut told = with_return(1);
    of_return(&mut told, "12.00", Some(Execution::Notify));
    assert_eq!(state(&told), ReturnState::Done, "a platform's report counts");
}

#[test]
fn what_is_taken_back_no_longer_counts() {
    let mut desk = with_return(2);
    of_return(&mut desk, "12.00", None);
    let back = Outcome::Reversed { message: "account closed".to_owned() };
    desk.hear_from(Reporter::Notification, 0, back).unwrap();
    assert_eq!(desk.book.returns[0].refunded, minor(0));
    of_return(&mut desk, "23.99", None);
    assert_eq!(state(&desk), ReturnState::Pending);
    of_return(&mut desk, "0.01", None);
    assert_eq!(state(&desk), ReturnState::Done);
}

/// Its amount would be held for ever once its provider is gone.
#[test]
fn what_certainly_never_left_can_be_canceled() {
    let mut desk = Desk::paid(&[("sandbox", "10.00")]);
    desk.request(amount("10.00")).unwrap();
    let cancel = Command::Cancel { reason: None };
    desk.start(0).unwrap();
    assert_eq!(desk.run(&cancel).unwrap_err().code(), "wrong_state", "it may be on its way");
    desk.hear(0, Outcome::NotTaken { message: "no such gateway".to_owned() }).unwrap();
    desk.run(&cancel).unwrap();
    assert_eq!((desk.state(), desk.book.order.held), (State::Canceled, minor(0)));
    assert!(desk.work.is_empty() && desk.start(0).is_err());
}

/// Books that were restored count it as sent: it may have been paid after they were copied.
#[test]
fn what_may_have_been_sent_is_not_canceled_even_while_it_looks_new() {
    let mut desk = Desk::paid(&[("sandbox", "10.00")]);
    desk.request(amount("10.00")).unwrap();
    desk.book.refund.as_mut().unwrap().transactions[0].sends = 1;
    let refused = desk.run(&Command::Cancel { reason: None }).unwrap_err();
    assert_eq!((refused.code(), desk.state()), ("wrong_state", State::Pending));
}
