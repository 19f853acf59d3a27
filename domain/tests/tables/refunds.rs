//! Refunds that are there, and news of them.

use refundry_domain::command::{Command, ItemShare, RefundChange};
use refundry_domain::ids::TransactionId;
use refundry_domain::outcome::{Outcome, Report, Reporter};

use crate::support::{Desk, amount, declined, done, items, lost, minor, stated, waiting};
use crate::{CARD, Flaw, check, every_refund_needs_approval, note, place, send, shop};

/// A proposal of 1.00.
fn proposal() -> Desk {
    let mut desk = shop();
    let mut ask = amount("1.00");
    ask.confirm = Some(false);
    desk.request(ask).unwrap();
    desk
}

pub fn changes() -> Vec<usize> {
    check::<RefundChange>(
        "a change of a refund",
        || (proposal(), RefundChange { amount: Some(stated("2.00")), metadata: None }),
        &[
            Flaw("refund_not_found", None, "no such refund", |desk, _| desk.book.refund = None),
            Flaw("card_number_refused", Some("metadata/pan"), "card number", |_, change| {
                change.metadata = Some(note("pan", CARD));
            }),
            Flaw("amount_too_precise", Some("amount"), "USD has 2", |_, change| {
                change.amount = Some(stated("2.001"));
            }),
            Flaw("wrong_state", None, "pending and cannot be changed in its amount", |desk, _| {
                desk.run(&Command::Confirm { may_approve: true }).unwrap();
            }),
            Flaw(
                "more_than_is_left",
                Some("amount"),
                "10.01 USD was asked for, 10.00",
                |_, change| {
                    change.amount = Some(stated("10.01"));
                },
            ),
        ],
        |desk, change| send(desk, &Command::ChangeRefund(change)),
    )
}

pub fn changes_of_lines() -> Vec<usize> {
    let mut desk = shop();
    let mut ask = items(vec![(1, ItemShare::Rest)]);
    ask.confirm = Some(false);
    desk.request(ask).unwrap();
    let change = RefundChange { amount: Some(stated("2.00")), metadata: None };
    let refusal = desk.run(&Command::ChangeRefund(change)).unwrap_err();
    assert_eq!((refusal.code(), refusal.field()), ("fields_contradict", Some("amount")));
    vec![place(&refusal)]
}

pub fn decisions() -> Vec<usize> {
    let mut seen = check(
        "a confirmation",
        || (proposal(), Command::Confirm { may_approve: false }),
        &[
            Flaw("refund_not_found", None, "no such refund", |desk, _| desk.book.refund = None),
            Flaw("wrong_state", None, "canceled and cannot be confirmed", |desk, _| {
                desk.run(&Command::Cancel { reason: None }).unwrap();
            }),
            Flaw("execution_not_available", Some("execution"), "no gateway", |desk, _| {
                desk.policy.providers.clear();
            }),
            Flaw("approval_required", None, "scope approve", |desk, _| {
                every_refund_needs_approval(desk);
            }),
        ],
        |desk, command| send(desk, &command),
    );
    seen.extend(check(
        "a cancellation",
        || (proposal(), Command::Cancel { reason: Some("no".to_owned()) }),
        &[
            Flaw("text_control_character", Some("reason"), "control", |_, command| {
                *command = Command::Cancel { reason: Some("\r".to_owned()) };
            }),
            Flaw("wrong_state", None, "processing and cannot be canceled", |desk, _| {
                desk.run(&Command::Confirm { may_approve: true }).unwrap();
                desk.start(0).unwrap();
            }),
        ],
        |desk, command| send(desk, &command),
    ));
    seen
}

pub fn retries() -> Vec<usize> {
    let base = || {
        let mut desk = shop();
        desk.request(items(vec![(1, ItemShare::Quantity(2))])).unwrap();
        desk.start(0).unwrap();
        desk.hear(0, declined("no")).unwrap();
        (desk, ())
    };
    // What others have taken meanwhile, put into the book as the store would load it.
    check(
        "a retry",
        base,
        &[
            Flaw("more_units_than_left", Some(""), "2 units of line 1", |desk, ()| {
                desk.book.lines[0].taken_quantity = 1;
            }),
            Flaw("more_than_line_has", Some(""), "8.00 USD of line 1", |desk, ()| {
                desk.book.lines[0].taken = minor(1);
            }),
            Flaw("more_than_is_left", Some(""), "(3.00 is in dispute)", |desk, ()| {
                desk.book.payments[0].disputed = minor(300);
                desk.book.block(0);
            }),
            Flaw(
                "execution_not_available",
                Some("execution"),
                "automatic: the payment's",
                |desk, ()| {
                    desk.policy.providers.clear();
                },
            ),
        ],
        |desk, ()| send(desk, &Command::Retry),
    )
}

pub fn work() -> Vec<usize> {
    let base = || {
        let mut desk = shop();
        desk.request(amount("1.00")).unwrap();
        (desk, 2)
    };
    check(
        "a worker's start",
        base,
        &[
            Flaw("transaction_not_found", None, "no such", |desk, _| {
                desk.book.subject = Some(TransactionId(999));
            }),
            Flaw("wrong_transaction_state", None, "succeeded and cannot be handed", |desk, _| {
                desk.hear(0, done()).unwrap();
            }),
            Flaw("being_processed", None, "another worker", |desk, _| {
                desk.start_as(0, 1).unwrap();
            }),
        ],
        |desk, worker| {
            desk.book.subject = desk.book.subject.or(Some(desk.row(0).id));
            send(desk, &Command::Start { worker, lease_ms: 1 })
        },
    )
}

pub fn reports() -> Vec<usize> {
    let report = |outcome| Report { outcome, by: Reporter::Caller, look_again_ms: 0 };
    let mut desk = shop();
    desk.request(amount("1.00")).unwrap();
    desk.start(0).unwrap();
    let mut seen = Vec::new();
    let mut refused = |desk: &mut Desk, outcome, code, field, words: &str| {
        desk.book.subject = Some(desk.row(0).id);
        let refusal = desk.run(&Command::Report(report(outcome))).unwrap_err();
        assert_eq!((refusal.code(), refusal.field()), (code, field));
        assert!(refusal.to_string().contains(words), "{refusal}");
        seen.push(place(&refusal));
    };
    let card = Outcome::Acknowledged { reference: Some(CARD.to_owned()) };
    refused(&mut desk, card, "card_number_refused", Some("reference"), "card number");
    refused(&mut desk, done(), "not_yours_to_report", None, "by a gateway");
    desk.hear(0, lost()).unwrap();
    let waits = waiting(None, "soon");
    refused(&mut desk, waits, "wrong_transaction_state", None, "needs_attention and cannot be");
    let other = Outcome::Done { reference: None, amount: Some(minor(99)) };
    refused(&mut desk, other, "fields_contradict", Some("amount"), "in full");
    desk.hear_from(Reporter::Caller, 0, done()).unwrap();
    seen
}
