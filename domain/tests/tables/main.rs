//! Every refusal, in the order of precedence. Each table is one command with all its flaws, the
//! first to be named first: the command with all of them is refused for the first, without the
//! first for the second, and so on; without any it is accepted.

#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

mod abilities;
mod orders;
mod refunds;
mod requests;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;

use refundry_domain::command::{Command, NewReturn};
use refundry_domain::money::Currency;
use refundry_domain::order::{LineKind, Metadata, PaymentKind};
use refundry_domain::policy::Approval;
use refundry_domain::refusal::Refusal;
use refundry_domain::returns::{ReturnItem, ReturnKind, ReturnState};

use support::{Desk, line, order, payment};

const CARD: &str = "4111111111111111";

/// What is wrong, the code, the field and the words that say so.
struct Flaw<T>(&'static str, Option<&'static str>, &'static str, fn(&mut Desk, &mut T));

/// Whether a refusal is about what is written in some text or list: of those, the first in the
/// request comes first.
fn is_of_text(place: usize) -> bool {
    (7..=14).contains(&place)
}

/// Where a variant stands; a new one does not compile until it stands here, and a table has it.
fn place(refusal: &Refusal) -> usize {
    match refusal {
        Refusal::UnknownOrder => 0,
        Refusal::UnknownRefund => 1,
        Refusal::UnknownTransaction => 2,
        Refusal::UnknownReturn => 3,
        Refusal::UnknownPayment { .. } => 4,
        Refusal::UnknownLine { .. } => 5,
        Refusal::AmbiguousLine { .. } => 6,
        Refusal::Missing { .. } => 7,
        Refusal::TextTooLong { .. } => 8,
        Refusal::ControlCharacter { .. } => 9,
        Refusal::CardNumber { .. } => 10,
        Refusal::TooMany { .. } => 11,
        Refusal::OutOfRange { .. } => 12,
        Refusal::InTheFuture { .. } => 13,
        Refusal::Contradiction { .. } => 14,
        Refusal::CurrencyDiffers { .. } => 15,
        Refusal::TooPrecise { .. } => 16,
        Refusal::NotPositive { .. } => 17,
        Refusal::AmountTooLarge { .. } => 18,
        Refusal::ReferenceTaken { .. } => 19,
        Refusal::WrongState { .. } => 20,
        Refusal::NotYoursToReport { .. } => 21,
        Refusal::WrongTransactionState { .. } => 22,
        Refusal::Leased { .. } => 23,
        Refusal::WrongParent { .. } => 24,
        Refusal::MoreThanAuthorized { .. } => 25,
        Refusal::ReturnClosed { .. } => 26,
        Refusal::NothingCaptured => 27,
        Refusal::NotRefundable { .. } => 28,
        Refusal::NoLineOfKind { .. } => 29,
        Refusal::MoreUnitsThanLeft { .. } => 30,
        Refusal::MoreThanLineHas { .. } => 31,
        Refusal::NothingToGiveBack { .. } => 32,
        Refusal::MoreThanIsLeft { .. } => 33,
        Refusal::DestinationNotAvailable { .. } => 34,
        Refusal::ExecutionNotAvailable { .. } => 35,
        Refusal::ApprovalRequired { .. } => 36,
        Refusal::Credit(_) => 37,
    }
}

const VARIANTS: usize = 38;

/// Takes the flaws away one after the other; answers with the places of the refusals seen.
fn check<T>(
    table: &str,
    base: fn() -> (Desk, T),
    flaws: &[Flaw<T>],
    run: fn(&mut Desk, T) -> Result<(), Refusal>,
) -> Vec<usize> {
    let mut seen: Vec<usize> = Vec::new();
    for first in 0..=flaws.len() {
        let (mut desk, mut request) = base();
        // The first last, so that it is there whatever the others do.
        for Flaw(_, _, _, make) in flaws[first..].iter().rev() {
            make(&mut desk, &mut request);
        }
        let before = desk.book.clone();
        let answer = run(&mut desk, request);
        let Some(Flaw(code, field, words, _)) = flaws.get(first) else {
            assert!(answer.is_ok(), "{table}: without flaws it is refused: {answer:?}");
            return seen;
        };
        let refusal = match answer {
            Ok(()) => panic!("{table}: {code} is not refused"),
            Err(refusal) => refusal,
        };
        assert_eq!((refusal.code(), refusal.field()), (*code, *field), "{table}: {refusal:?}");
        let text = refusal.to_string();
        assert!(text.contains(words) && text.ends_with('.'), "{table}: {text}");
        assert_eq!(desk.book.order, before.order, "{table}: {code} changed something");
        assert_eq!(desk.book.payments, before.payments, "{table}: {code} changed something");
        let here = place(&refusal);
        if let Some(last) = seen.last() {
            let texts = is_of_text(*last) && is_of_text(here);
            assert!(*last <= here || texts, "{table}: {code} comes before what precedes it");
        }
        seen.push(here);
    }
    seen
}

fn send(desk: &mut Desk, command: &Command) -> Result<(), Refusal> {
    desk.run(command).map(|_| ())
}

fn euro() -> Currency {
    Currency::parse("EUR").unwrap()
}

fn note(key: &str, value: &str) -> Metadata {
    Metadata::from([(key.to_owned(), value.to_owned())])
}

fn shop() -> Desk {
    let lines = vec![
        line(LineKind::Product, "mug", 2, "8.00"),
        line(LineKind::Product, "cap", 1, "2.00"),
        line(LineKind::Product, "cap", 1, "2.00"),
        line(LineKind::Shipping, "post", 1, "0.00"),
    ];
    let mut hold = payment("sandbox", "5.00");
    hold.kind = PaymentKind::Authorization;
    let mut desk = Desk::open(&order(lines, vec![payment("sandbox", "10.00"), hold]));
    desk.run(&Command::OpenReturn(goods(Vec::new()))).unwrap();
    desk
}

fn goods(items: Vec<ReturnItem>) -> NewReturn {
    NewReturn {
        reference: None,
        kind: ReturnKind::Return,
        items,
        reason: String::new(),
        metadata: Metadata::new(),
    }
}

fn close_return(desk: &mut Desk) {
    desk.book.returns[0].state = ReturnState::Rejected;
}

fn every_refund_needs_approval(desk: &mut Desk) {
    desk.policy.approval = Approval::Always;
}

fn registration_is_no_command_of_a_book() -> Vec<usize> {
    let new = order(Vec::new(), Vec::new());
    let refusal = shop().run(&Command::RegisterOrder(new)).unwrap_err();
    assert_eq!(refusal.code(), "order_not_found");
    vec![place(&refusal)]
}

#[test]
fn every_no_is_given_in_its_turn() {
    let tables = [
        requests::requests,
        requests::requests_by_items,
        requests::requests_of_nothing,
        orders::orders,
        orders::orders_of_too_much,
        orders::payments,
        orders::disputes,
        orders::returns,
        refunds::changes,
        refunds::changes_of_lines,
        refunds::decisions,
        refunds::retries,
        refunds::work,
        refunds::reports,
        registration_is_no_command_of_a_book,
    ];
    let seen: BTreeSet<usize> = tables.iter().flat_map(|table| table()).collect();
    let missing: Vec<usize> = (0..VARIANTS).filter(|place| !seen.contains(place)).collect();
    assert!(missing.is_empty(), "no table refuses with the variants at {missing:?}");
}
