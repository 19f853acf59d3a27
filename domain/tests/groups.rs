//! Lines that are given back together with the tax that is for them.

#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

mod support;

use refundry_domain::command::{Ask, GroupAsk, GroupOf, GroupShare, LineRef, NewLine, What};
use refundry_domain::group;
use refundry_domain::money::{Minor, Percent};
use refundry_domain::order::LineKind;
use refundry_domain::refund::AskedBy;
use support::{Desk, ask, exact, line, minor, order, payment};

fn of(kind: LineKind, product: u32, amount: &str) -> NewLine {
    NewLine { for_line: Some(product), sku: None, ..line(kind, "", 1, amount) }
}

/// Three hats for 10.00 with 1.00 tax, shipping for 5.00 with 0.33 tax, a duty and a fee on hats,
/// and a tax that is for nothing.
fn shop() -> Desk {
    let lines = vec![
        line(LineKind::Product, "hat", 3, "10.00"),
        of(LineKind::Tax, 1, "1.00"),
        line(LineKind::Shipping, "post", 1, "5.00"),
        of(LineKind::Tax, 3, "0.33"),
        of(LineKind::Duty, 1, "2.00"),
        of(LineKind::Fee, 1, "0.50"),
        NewLine { sku: None, ..line(LineKind::Tax, "", 1, "0.17") },
    ];
    Desk::open(&order(lines, vec![payment("sandbox", "19.00")]))
}

fn percent(text: &str) -> Percent {
    Percent::read(exact(text)).unwrap()
}

fn hat() -> GroupOf {
    GroupOf::Line(LineRef::Position(1))
}

fn groups(all: Vec<(GroupOf, Option<u32>, GroupShare)>) -> Ask {
    let one = |(of, units, share)| GroupAsk { of, units, share };
    ask(What::Groups(all.into_iter().map(one).collect()))
}

/// What was taken of each line, in order.
fn taken(desk: &Desk) -> Vec<i64> {
    desk.book.lines.iter().map(|line| line.taken.get()).collect()
}

#[test]
fn a_line_comes_with_its_own_tax_and_nothing_else() {
    let mut desk = shop();
    desk.request(groups(vec![(hat(), None, GroupShare::Rest)])).unwrap();
    assert_eq!(taken(&desk), [1_000, 100, 0, 0, 0, 0, 0]);
    assert_eq!((desk.refund().amount, &desk.refund().asked_by), (minor(1_100), &AskedBy::Items));
    assert_eq!(desk.refund().parts[0].quantity, 3);
    assert_eq!(group::left(&desk.book.lines, 0), Minor::ZERO);
}

#[test]
fn units_one_by_one_take_exactly_all() {
    let mut desk = shop();
    let mut amounts = Vec::new();
    for _ in 0..3 {
        desk.request(groups(vec![(hat(), Some(1), GroupShare::Rest)])).unwrap();
        amounts.push(desk.refund().amount.get());
    }
    assert_eq!(
        (amounts.iter().sum::<i64>(), taken(&desk)[..2].to_vec()),
        (1_100, vec![1_000, 100])
    );
    let more = desk.request(groups(vec![(hat(), Some(1), GroupShare::Rest)])).unwrap_err();
    assert_eq!((more.code(), more.field()), ("more_units_than_left", Some("items/0/quantity")));
}

#[test]
fn an_amount_is_divided_by_what_is_left_of_each() {
    let mut desk = shop();
    desk.request(groups(vec![(hat(), Some(2), GroupShare::Amount(exact("5.50")))])).unwrap();
    assert_eq!(taken(&desk)[..2], [500, 50]);
    assert_eq!(desk.book.lines[0].taken_quantity, 0, "an amount takes no units");
    let more = desk.request(groups(vec![(hat(), None, GroupShare::Amount(exact("5.51")))]));
    assert_eq!(more.unwrap_err().code(), "more_than_line_has");
    let half = groups(vec![(hat(), None, GroupShare::Percent(percent("50")))]);
    desk.request(half).unwrap();
    assert_eq!(desk.refund().amount, minor(275), "of what is left");
}

#[test]
fn a_share_of_units_is_a_share_of_what_they_cost() {
    let mut desk = shop();
    desk.request(groups(vec![(hat(), Some(1), GroupShare::Percent(percent("50")))])).unwrap();
    // One hat is 3.33 and 0.33 of tax.
    assert_eq!(desk.refund().amount, minor(183));
}

#[test]
fn what_belongs_to_a_line_is_found_by_its_kind() {
    let mut desk = shop();
    let hat = || LineRef::Sku("hat".to_owned());
    let fees = (GroupOf::For(hat(), LineKind::Fee), None, GroupShare::Rest);
    let duty = (GroupOf::For(hat(), LineKind::Duty), None, GroupShare::Amount(exact("1.25")));
    let post = (GroupOf::For(LineRef::Position(3), LineKind::Shipping), None, GroupShare::Rest);
    desk.request(groups(vec![fees, duty, post])).unwrap();
    assert_eq!(taken(&desk), [0, 0, 500, 33, 125, 50, 0]);
    let seen = group::taken(&desk.book.lines, desk.book.refund.as_ref().unwrap());
    let seen: Vec<_> = seen.iter().map(|one| (one.line.position, one.amount.get())).collect();
    assert_eq!(seen, [(6, 50), (5, 125), (3, 533)], "tax with the line that it is for");
    let none = (GroupOf::For(hat(), LineKind::Shipping), None, GroupShare::Rest);
    let none = desk.request(groups(vec![none])).unwrap_err();
    assert_eq!((none.code(), none.field()), ("no_line_of_kind", Some("items/0/type")));
}

#[test]
fn a_kind_is_given_back_with_the_tax_on_it() {
    let mut desk = shop();
    let half = (GroupOf::Kind(LineKind::Shipping), None, GroupShare::Percent(percent("50")));
    desk.request(groups(vec![half])).unwrap();
    assert_eq!((desk.refund().amount, &desk.refund().asked_by), (minor(267), &AskedBy::Amount));
    let rest = (GroupOf::Kind(LineKind::Shipping), None, GroupShare::Rest);
    desk.request(groups(vec![rest])).unwrap();
    assert_eq!(taken(&desk)[2..4], [500, 33]);
}

#[test]
fn a_whole_is_everything_that_is_left_or_nothing() {
    let mut desk = shop();
    let tax = |amount: &str| {
        groups(vec![(GroupOf::Kind(LineKind::Tax), None, GroupShare::Whole(exact(amount)))])
    };
    for part in ["0.01", "1.49"] {
        let refusal = desk.request(tax(part)).unwrap_err();
        assert_eq!((refusal.code(), refusal.field()), ("fields_contradict", Some("amount")));
    }
    assert_eq!(desk.request(tax("1.51")).unwrap_err().code(), "more_than_line_has");
    desk.request(tax("1.50")).unwrap();
    assert_eq!(taken(&desk), [0, 100, 0, 33, 0, 0, 17]);
}

#[test]
fn a_line_in_two_groups_is_taken_once() {
    let mut desk = shop();
    let both =
        vec![(hat(), None, GroupShare::Amount(exact("10.00"))), (hat(), None, GroupShare::Rest)];
    desk.request(groups(both)).unwrap();
    assert_eq!(
        (desk.refund().amount, taken(&desk)[..2].to_vec()),
        (minor(1_100), vec![1_000, 100])
    );
    let over = vec![
        (GroupOf::Kind(LineKind::Fee), None, GroupShare::Rest),
        (GroupOf::Kind(LineKind::Fee), None, GroupShare::Amount(exact("0.01"))),
    ];
    assert_eq!(desk.request(groups(over)).unwrap_err().code(), "more_than_line_has");
}

#[test]
fn a_share_of_the_rest_shrinks_with_it() {
    let mut desk = shop();
    for expected in [950, 475, 238] {
        desk.request(ask(What::PercentOfRest(percent("50")))).unwrap();
        assert_eq!(desk.refund().amount, minor(expected), "half up");
    }
    desk.request(ask(What::PercentOfRest(percent("100")))).unwrap();
    assert_eq!(desk.book.left(), Minor::ZERO);
    let none = desk.request(ask(What::PercentOfRest(percent("100")))).unwrap_err();
    assert_eq!((none.code(), none.field()), ("nothing_to_give_back", Some("percent")));
}

#[test]
fn what_is_given_is_known_when_it_is_paid() {
    let mut desk = shop();
    desk.request(groups(vec![(hat(), Some(1), GroupShare::Rest)])).unwrap();
    let given = |desk: &Desk| {
        let refund = desk.book.refund.as_ref().unwrap();
        group::taken(&desk.book.lines, refund)[0].given.get()
    };
    assert_eq!(given(&desk), 0);
    desk.start(0).unwrap();
    desk.hear(0, support::done()).unwrap();
    assert_eq!(given(&desk), 366);
}
