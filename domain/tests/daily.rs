//! What may be given back in a day before somebody has to approve more.

#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

mod support;

use std::collections::BTreeMap;

use refundry_domain::command::Command;
use refundry_domain::day::Day;
use refundry_domain::policy::DailyLimit;
use refundry_domain::refund::{State, WaitsFor};

use support::{Desk, amount, declined, minor, usd};

fn limited(refunds: Option<u32>, amounts: &[i64]) -> Desk {
    let mut desk = Desk::paid(&[("sandbox", "100.00")]);
    let amounts: BTreeMap<_, _> = amounts.iter().map(|most| (usd(), minor(*most))).collect();
    desk.policy.daily = DailyLimit { refunds, amounts };
    desk.book.day = Some(Day::new("2026-02-28".to_owned()));
    desk
}

fn counted(desk: &Desk) -> (u32, i64) {
    let day = desk.book.day.as_ref().unwrap();
    (day.refunds, day.of(usd()))
}

const CANCEL: Command = Command::Cancel { reason: None };

#[test]
fn more_refunds_than_a_day_may_have_wait_for_somebody() {
    let mut desk = limited(Some(2), &[]);
    desk.request(amount("1.00")).unwrap();
    desk.request(amount("2.00")).unwrap();
    assert_eq!((desk.state(), counted(&desk)), (State::Pending, (2, 300)));
    desk.request(amount("3.00")).unwrap();
    assert_eq!((desk.state(), counted(&desk)), (State::Unconfirmed, (2, 300)));
    assert_eq!(desk.refund().waits_for, Some(WaitsFor::DailyLimit));
    assert_eq!(desk.refund().counted_on, None);

    let refusal = desk.run(&Command::Confirm { may_approve: false }).unwrap_err();
    assert_eq!(refusal.code(), "approval_required");
    assert!(refusal.to_string().contains("in a day"), "{refusal}");
    desk.run(&Command::Confirm { may_approve: true }).unwrap();
    assert_eq!((desk.state(), counted(&desk)), (State::Pending, (3, 600)));
    assert_eq!(desk.refund().counted_on.as_deref(), Some("2026-02-28"));
}

#[test]
fn an_amount_of_a_currency_is_reached_to_the_cent() {
    let mut desk = limited(None, &[1_000]);
    desk.request(amount("4.00")).unwrap();
    desk.request(amount("6.01")).unwrap();
    assert_eq!((desk.state(), counted(&desk)), (State::Unconfirmed, (1, 400)));
    desk.request(amount("6.00")).unwrap();
    assert_eq!((desk.state(), counted(&desk)), (State::Pending, (2, 1_000)));
}

#[test]
fn only_who_may_approve_asks_for_more_at_once() {
    let mut desk = limited(Some(0), &[]);
    let mut ask = amount("1.00");
    ask.confirm = Some(true);
    assert_eq!(desk.request(ask.clone()).unwrap_err().code(), "approval_required");
    ask.may_approve = true;
    desk.request(ask).unwrap();
    assert_eq!((desk.state(), counted(&desk)), (State::Pending, (1, 100)));
}

#[test]
fn what_is_canceled_on_its_day_makes_room_again() {
    let mut desk = limited(Some(1), &[]);
    desk.request(amount("1.00")).unwrap();
    desk.run(&CANCEL).unwrap();
    assert_eq!((counted(&desk), desk.refund().counted_on.clone()), ((0, 0), None));

    // A day that is over has no use for it.
    desk.request(amount("1.00")).unwrap();
    desk.book.day = Some(Day::new("2026-03-01".to_owned()));
    desk.run(&CANCEL).unwrap();
    assert_eq!(counted(&desk), (0, 0));
    assert_eq!(desk.refund().counted_on.as_deref(), Some("2026-02-28"));

    // What only waited has not counted.
    let mut proposal = amount("1.00");
    proposal.confirm = Some(false);
    desk.request(proposal).unwrap();
    assert_eq!(desk.refund().waits_for, Some(WaitsFor::Confirmation));
    desk.run(&CANCEL).unwrap();
    assert_eq!(counted(&desk), (0, 0));
}

#[test]
fn a_decision_counts_once_however_often_it_is_tried() {
    let mut desk = limited(Some(1), &[]);
    desk.request(amount("1.00")).unwrap();
    desk.start(0).unwrap();
    desk.hear(0, declined("no")).unwrap();
    assert_eq!((desk.state(), counted(&desk)), (State::Failed, (1, 100)));
    desk.run(&Command::Retry).unwrap();
    assert_eq!((desk.state(), counted(&desk)), (State::Pending, (1, 100)));
}
