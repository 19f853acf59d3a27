//! What a provider cannot do is never sent to it: others are told, or the caller is refused.

use std::collections::BTreeSet;

use crate::support::{Desk, amount};
use refundry_domain::money::Currency;
use refundry_domain::policy::Abilities;
use refundry_domain::refund::Execution;

fn desk(abilities: Abilities) -> Desk {
    let mut desk = Desk::paid(&[("sandbox", "10.00")]);
    desk.policy.providers.insert("sandbox".to_owned(), abilities);
    desk
}

fn execution(desk: &mut Desk, part: &str) -> Execution {
    desk.request(amount(part)).unwrap();
    desk.refund().execution
}

fn refusal(desk: &mut Desk, part: &str) -> &'static str {
    let mut ask = amount(part);
    ask.execution = Some(Execution::Automatic);
    desk.request(ask).unwrap_err().code()
}

#[test]
fn a_part_goes_to_others_where_only_the_whole_can_be_given_back() {
    let whole_only = Abilities { in_part: false, ..Abilities::full() };
    assert_eq!(execution(&mut desk(whole_only.clone()), "9.99"), Execution::Notify);
    assert_eq!(execution(&mut desk(whole_only.clone()), "10.00"), Execution::Automatic);
    assert_eq!(refusal(&mut desk(whole_only), "9.99"), "execution_not_available");
}

#[test]
fn a_second_refund_goes_to_others_where_there_can_be_only_one() {
    let mut desk = desk(Abilities { repeatedly: false, ..Abilities::full() });
    assert_eq!(execution(&mut desk, "4.00"), Execution::Automatic);
    assert_eq!(execution(&mut desk, "4.00"), Execution::Notify);
    assert_eq!(refusal(&mut desk, "1.00"), "execution_not_available");
}

#[test]
fn a_currency_that_is_not_paid_goes_to_others() {
    let only = |code: &str| Abilities {
        currencies: Some(BTreeSet::from([Currency::parse(code).unwrap()])),
        ..Abilities::full()
    };
    assert_eq!(execution(&mut desk(only("USD")), "1.00"), Execution::Automatic);
    assert_eq!(execution(&mut desk(only("EUR")), "1.00"), Execution::Notify);
    assert_eq!(refusal(&mut desk(only("EUR")), "1.00"), "execution_not_available");
}
