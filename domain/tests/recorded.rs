//! Refunds that were paid before they were asked for.

#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

mod support;

use refundry_domain::command::Paid;
use refundry_domain::policy::Approval;
use refundry_domain::refund::{Execution, State};

use support::{Desk, amount, minor, names};

#[test]
fn what_was_paid_by_hand_already_is_recorded_as_such_at_once() {
    let mut desk = Desk::paid(&[("bank", "10.00"), ("till", "5.00")]);
    let mut ask = amount("12.00");
    ask.paid = Some(Paid { reference: Some("till 7".to_owned()) });
    let changes = desk.request(ask.clone()).unwrap();
    assert_eq!(names(&changes), ["refund.requested", "refund.succeeded"]);
    assert_eq!((desk.state(), desk.refund().execution), (State::Succeeded, Execution::Manual));
    assert_eq!(desk.refund().refunded, minor(1200));
    assert!(desk.refund().transactions.iter().all(|row| {
        row.provider_reference.as_deref() == Some("till 7") && row.settled_at.is_some()
    }));
    assert!(desk.work.is_empty(), "nobody is to pay it again");
    assert_eq!(desk.request(ask.clone()).unwrap_err().code(), "more_than_is_left");
    ask.confirm = Some(false);
    assert_eq!(desk.request(ask.clone()).unwrap_err().field(), Some("confirm"));
    ask.execution = Some(Execution::Notify);
    assert_eq!(desk.request(ask).unwrap_err().field(), Some("execution"));
}

#[test]
fn what_was_paid_by_hand_needs_approval_like_any_other() {
    let mut desk = Desk::paid(&[("till", "10.00")]);
    desk.policy.approval = Approval::Always;
    let mut ask = amount("4.00");
    ask.paid = Some(Paid::default());
    assert_eq!(desk.request(ask.clone()).unwrap_err().code(), "approval_required");
    ask.may_approve = true;
    desk.request(ask).unwrap();
    assert_eq!(desk.state(), State::Succeeded);
}
