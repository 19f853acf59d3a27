//! Refunds that are credited here, and what becomes of the credit.

#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

mod support;

use refundry_domain::credit::{AccountKind, Code, CreditCommand, EntryKind};
use refundry_domain::ids::EntryId;
use refundry_domain::money::{Currency, Minor};
use refundry_domain::outcome::{Outcome, Reporter};
use refundry_domain::refund::{Destination, Execution, State, TransactionState as T, Weight};
use refundry_domain::refusal::Refusal;

use support::{Desk, amount, declined, done, minor, names, stated};

fn desk() -> Desk {
    let mut desk = Desk::paid(&[("sandbox", "10.00"), ("till", "5.00")]);
    desk.book.order.customer.reference = Some("c-7".to_owned());
    desk
}

fn to(to: Destination, text: &str) -> refundry_domain::command::Ask {
    refundry_domain::command::Ask { to, ..amount(text) }
}

fn spend(text: &str) -> CreditCommand {
    CreditCommand::Spend { amount: stated(text), reference: Some("1002".to_owned()) }
}

fn undo(spend: EntryId, text: Option<&str>) -> CreditCommand {
    CreditCommand::Undo { spend, amount: text.map(stated), reference: None }
}

fn reversed() -> Outcome {
    Outcome::Reversed { message: "given by mistake".to_owned() }
}

#[test]
fn a_refund_to_store_credit_is_credited_in_the_decision_that_confirms_it() {
    let mut desk = desk();
    let changes = desk.request(to(Destination::StoreCredit, "12.00")).unwrap();
    assert_eq!(names(&changes), ["refund.requested", "refund.succeeded"]);
    assert_eq!((desk.state(), desk.refund().execution), (State::Succeeded, Execution::Internal));
    let told: Vec<_> = changes.credit.facts.iter().map(|fact| fact.name()).collect();
    let credited = "credit_account.credited";
    assert_eq!(told, ["credit_account.opened", credited, credited], "of two payments");
    let account = &desk.accounts[0];
    assert_eq!((account.kind, account.balance), (AccountKind::StoreCredit, minor(1200)));
    assert_eq!(account.customer.as_deref(), Some("c-7"));
    let id = format!("acc_{}", account.id);
    let refund = desk.refund();
    assert!(refund.transactions.iter().all(|row| row.provider_reference.as_ref() == Some(&id)));
    assert!(desk.work.is_empty(), "there is nothing for a worker to do");
    desk.request(to(Destination::StoreCredit, "1.00")).unwrap();
    assert_eq!((desk.accounts.len(), desk.balance(0)), (1, 1300), "the same account");
    desk.request(to(Destination::CustomerBalance, "1.00")).unwrap();
    assert_eq!((desk.accounts.len(), desk.balance(1)), (2, 100), "each kind has its own");
}

#[test]
fn a_proposal_is_credited_when_it_is_confirmed_and_each_gift_card_is_one_refunds() {
    let mut desk = desk();
    let mut ask = to(Destination::GiftCard, "4.00");
    ask.confirm = Some(false);
    desk.request(ask).unwrap();
    assert!(desk.accounts.is_empty(), "a proposal is no credit");
    let command = refundry_domain::command::Command::Confirm { may_approve: false };
    let changes = desk.run(&command).unwrap();
    assert_eq!(names(&changes), ["refund.processing", "refund.succeeded"]);
    assert_eq!((desk.state(), desk.balance(0)), (State::Succeeded, 400));
    assert_eq!(desk.accounts[0].refund, Some(desk.refund().id));
    desk.request(to(Destination::GiftCard, "4.00")).unwrap();
    assert_eq!((desk.accounts.len(), desk.balance(0), desk.balance(1)), (2, 400, 400));
    // Who carries a card needs no name.
    desk.book.order.customer.reference = None;
    desk.request(to(Destination::GiftCard, "1.00")).unwrap();
    assert_eq!(desk.accounts[2].customer, None);
}

#[test]
fn nobody_but_a_caller_has_a_say_in_what_is_kept_here() {
    let mut desk = desk();
    desk.request(to(Destination::StoreCredit, "4.00")).unwrap();
    for by in [Reporter::Gateway, Reporter::Notification] {
        for outcome in [done(), declined("no"), reversed()] {
            let changes = desk.hear_from(by, 0, outcome).unwrap();
            assert!(changes.is_empty() && changes.credit.entries.is_empty());
        }
    }
    let refused = desk.hear_from(Reporter::Caller, 0, declined("no")).unwrap_err();
    assert_eq!(refused.code(), "wrong_transaction_state");
    assert!(desk.hear_from(Reporter::Caller, 0, done()).unwrap().is_empty(), "said before");
    assert_eq!((desk.state(), desk.balance(0)), (State::Succeeded, 400));
}

#[test]
fn a_reversal_takes_back_what_was_not_spent_and_the_rest_stays_given() {
    let mut desk = desk();
    desk.request(to(Destination::StoreCredit, "10.00")).unwrap();
    let spent = desk.credit(0, &spend("4.00")).unwrap().made.unwrap();
    let changes = desk.hear_from(Reporter::Caller, 0, reversed()).unwrap();
    assert_eq!(names(&changes), ["refund.reversed"]);
    assert_eq!((desk.state(), desk.refund().refunded), (State::Reversed, minor(400)));
    assert_eq!(desk.states(), [T::Reversed, T::Succeeded]);
    assert_eq!((desk.balance(0), desk.book.left()), (0, minor(1100)), "4.00 cannot be given twice");
    // Said again, it changes nothing.
    let again = desk.hear_from(Reporter::Caller, 0, reversed()).unwrap();
    assert!(again.is_empty() && again.credit.entries.is_empty());
    // Nothing is left to be taken back.
    let refused = desk.hear_from(Reporter::Caller, 1, reversed()).unwrap_err();
    assert_eq!(refused.code(), "insufficient_balance");
    assert!(refused.to_string().contains("4.00 USD") && refused.to_string().contains("0.00"));
    // The order that it was spent on is called off in part, and then that can be.
    desk.credit(0, &undo(spent.id, Some("3.00"))).unwrap();
    desk.hear_from(Reporter::Caller, 1, reversed()).unwrap();
    assert_eq!(desk.states(), [T::Reversed, T::Reversed, T::Succeeded]);
    assert_eq!((desk.refund().refunded, desk.book.left()), (minor(100), minor(1400)));
    let kinds: Vec<_> = desk.entries.iter().map(|entry| (entry.kind, entry.amount)).collect();
    use EntryKind::{Credit, Reversal, Spend, Undo};
    let expected = [(Credit, 1000), (Spend, 400), (Reversal, 600), (Undo, 300), (Reversal, 300)];
    assert_eq!(kinds, expected.map(|(kind, units)| (kind, minor(units))));
    let held = desk.refund().transactions.iter().filter(|row| row.state.weight() == Weight::Held);
    assert_eq!(held.count(), 0);
}

#[test]
fn a_spend_is_undone_once_and_never_for_more() {
    let mut desk = desk();
    desk.request(to(Destination::StoreCredit, "10.00")).unwrap();
    let spent = desk.credit(0, &spend("4.00")).unwrap().made.unwrap();
    let code = |refusal: Refusal| refusal.code();
    let more = desk.credit(0, &undo(spent.id, Some("4.01"))).unwrap_err();
    assert_eq!(more.to_string(), "4.01 USD was asked back, 4.00 was spent.");
    assert_eq!(code(more), "more_than_was_spent");
    let back = desk.credit(0, &undo(spent.id, None)).unwrap().made.unwrap();
    assert_eq!((back.amount, back.balance, desk.balance(0)), (minor(400), minor(1000), 1000));
    let again = desk.credit(0, &undo(spent.id, Some("0.01"))).unwrap_err();
    assert_eq!(code(again), "already_undone");
    assert_eq!(code(desk.credit(0, &undo(back.id, None)).unwrap_err()), "not_a_spend");
    let unknown = undo(EntryId(999), None);
    assert_eq!(code(desk.credit(0, &unknown).unwrap_err()), "credit_entry_not_found");
    desk.request(to(Destination::CustomerBalance, "1.00")).unwrap();
    let others = desk.credit(1, &undo(spent.id, None)).unwrap_err();
    assert_eq!(code(others), "credit_entry_not_found", "of another account");
}

#[test]
fn each_no_of_an_account_says_what_is_wrong() {
    let mut desk = desk();
    desk.request(to(Destination::StoreCredit, "10.00")).unwrap();
    let mut euros = stated("1");
    euros.currency = Some(Currency::parse("EUR").unwrap());
    let reference = |text: &str| Some(text.to_owned());
    let spend = |amount, reference| CreditCommand::Spend { amount, reference };
    let code = Code { digest: [1; 32], last_four: "ZE6W".to_owned() };
    for (command, name, field, words) in [
        (
            spend(stated("1"), reference("4111111111111111")),
            "card_number_refused",
            "reference",
            "card",
        ),
        (spend(euros, None), "credit_currency_differs", "currency", "in USD, not in EUR"),
        (spend(stated("0"), None), "amount_not_positive", "amount", "above zero"),
        (spend(stated("1.001"), None), "amount_too_precise", "amount", "2 decimals"),
        (
            spend(stated("10.01"), None),
            "insufficient_balance",
            "amount",
            "10.01 USD was asked of the credit account, 10.00 is",
        ),
        (CreditCommand::IssueCode(code.clone()), "not_a_gift_card", "", "no gift card"),
    ] {
        let refusal = desk.credit(0, &command).unwrap_err();
        assert_eq!((refusal.code(), refusal.field().unwrap_or("")), (name, field));
        assert!(refusal.to_string().contains(words), "{refusal}");
        assert_eq!((desk.balance(0), desk.entries.len()), (1000, 1), "nothing was changed");
    }
    // What an account holds has an end, for whoever pays into it.
    let spent = desk.credit(0, &spend(stated("1"), None)).unwrap().made.unwrap();
    desk.accounts[0].balance = Minor::MAX;
    let full = desk.credit(0, &undo(spent.id, None)).unwrap_err();
    assert_eq!(full.code(), "credit_account_full");
    let full = desk.request(to(Destination::StoreCredit, "1.00")).unwrap_err();
    assert_eq!(full.code(), "credit_account_full");
    assert_eq!(desk.book.left(), minor(500), "and the refund is not there");
    desk.request(to(Destination::GiftCard, "1.00")).unwrap();
    let book = desk.credit(1, &CreditCommand::IssueCode(code.clone())).unwrap();
    assert_eq!(book.account.code, Some(code));
}
