//! Accounts of credit: credited with the refund, spent by whoever comes first, and never in doubt.

use std::sync::Arc;

use futures_util::future::join_all;
use refundry::testing::ledger::verify::verify;
use refundry::testing::store::credits::{AccountFilter, CreditIntent, EntriesOf};
use refundry::testing::store::{
    Administered, Answer, Claim, EventFilter, Intent, Settlement, Store, StoreError,
};
use refundry_domain::command::{Command, Target, What};
use refundry_domain::credit::{
    Account, AccountKind, Code, CreditBook, CreditCommand, Entry, EntryKind,
};
use refundry_domain::ids::{AccountId, EntryId, MerchantId, OrderId, OrderRef, TransactionId};
use refundry_domain::merchant::Administration;
use refundry_domain::outcome::{Outcome, Report, Reporter};
use refundry_domain::refund::{Destination, Execution, State};
use refundry_domain::refusal::Refusal;

use super::{Place, Sqlite, on_every_store};
use crate::harness::store::*;

on_every_store! {
    super::a_refund_and_its_credit_are_one_commit as a_refund_and_its_credit_are_one_commit,
    super::one_account_whoever_is_first as one_account_whoever_is_first,
    super::many_spends_of_one_balance as many_spends_of_one_balance,
    super::the_same_spend_gets_the_same_answer as the_same_spend_gets_the_same_answer,
    super::credit_and_spend_and_reverse_at_once as credit_and_spend_and_reverse_at_once,
    super::a_spend_is_undone_once_whoever_asks as a_spend_is_undone_once_whoever_asks,
    super::a_card_is_found_by_its_newest_code as a_card_is_found_by_its_newest_code,
    super::lists_of_accounts_and_entries as lists_of_accounts_and_entries,
    super::an_altered_account_is_found as an_altered_account_is_found,
}

pub fn of_customer(customer: &str, amount: &str) -> Intent {
    let mut new = new_order(amount);
    new.customer.reference = Some(customer.to_owned());
    register(new)
}

pub fn credit(order: OrderId, to: Destination, amount: &str) -> Intent {
    let mut ask = ask(What::Amount(stated(amount)));
    ask.to = to;
    intent(Target::Order(OrderRef::Id(order)), Command::RequestRefund(ask))
}

fn reverse(transaction: TransactionId) -> Intent {
    let outcome = Outcome::Reversed { message: "by mistake".to_owned() };
    let report = Report { outcome, by: Reporter::Caller, look_again_ms: 0 };
    intent(Target::Transaction(transaction), Command::Report(report))
}

fn of_account(account: AccountId, command: CreditCommand) -> CreditIntent {
    CreditIntent {
        merchant: MERCHANT,
        by: "key:2".into(),
        at: NOW,
        account,
        command: Arc::new(command),
        claim: None,
        dry_run: false,
    }
}

pub fn spend(account: AccountId, amount: &str) -> CreditIntent {
    let command = CreditCommand::Spend { amount: stated(amount), reference: None };
    of_account(account, command)
}

fn undo(account: AccountId, spend: EntryId) -> CreditIntent {
    of_account(account, CreditCommand::Undo { spend, amount: None, reference: None })
}

fn shown(outcome: Result<&CreditBook, &Refusal>) -> Answer {
    match outcome {
        Ok(book) => Answer { status: 201, body: format!("{book:?}").into_bytes() },
        Err(refusal) => Answer { status: 422, body: refusal.code().as_bytes().to_vec() },
    }
}

pub fn under(mut intent: CreditIntent, key: &str, fingerprint: u8) -> CreditIntent {
    let fingerprint = [fingerprint; 32];
    intent.claim =
        Some(Claim { key: key.to_owned(), fingerprint, done_only: false, render: shown });
    intent
}

/// The entry that it made, or the code of the refusal.
pub async fn moved(store: &dyn Store, intent: CreditIntent) -> Result<Entry, &'static str> {
    match store.move_credit(intent).await.unwrap() {
        Settlement::Done { book, .. } => Ok(book.made.unwrap()),
        Settlement::Refused { refusal, .. } => Err(refusal.code()),
        other => panic!("{other:?}"),
    }
}

pub async fn account(store: &dyn Store, id: AccountId) -> Account {
    store.credit_account(MERCHANT, id).await.unwrap().unwrap()
}

pub async fn entries(store: &dyn Store, id: AccountId) -> Vec<Entry> {
    store.credit_entries(MERCHANT, EntriesOf::Account(id), all()).await.unwrap().rows
}

pub async fn is_sound(store: &dyn Store) {
    assert_eq!(verify(store, &mut |_| {}).await.unwrap().findings, []);
}

/// The customer's store credit of so much.
pub async fn credited(store: &dyn Store, amount: &str) -> AccountId {
    let order = done(store, of_customer("c-7", amount)).await.order.id;
    done(store, credit(order, Destination::StoreCredit, amount)).await.account.unwrap().id
}

/// A customer would have a refund without its credit, or credit without a refund.
async fn a_refund_and_its_credit_are_one_commit(place: &impl Place) {
    let store = place.open().await;
    let order = done(&*store, of_customer("c-7", "10.00")).await.order.id;
    let ask = credit(order, Destination::StoreCredit, "4.00");
    let mut dry = ask.clone();
    dry.dry_run = true;
    done(&*store, dry).await;
    let listed = store.credit_accounts(MERCHANT, AccountFilter::default(), all()).await.unwrap();
    assert_eq!(listed.rows, [], "a dry run credits nothing");

    let book = done(&*store, ask).await;
    let (refund, made) = (book.refund.unwrap(), book.account.unwrap());
    assert_eq!((refund.state, refund.execution), (State::Succeeded, Execution::Internal));
    assert_eq!(account(&*store, made.id).await, made);
    let entry = &entries(&*store, made.id).await[0];
    assert_eq!(
        (entry.kind, entry.amount, entry.refund),
        (EntryKind::Credit, refund.amount, Some(refund.id))
    );
    assert_eq!(entry.transaction, Some(refund.transactions[0].id));
    store.close().await;
    drop(store);

    let store = place.open().await;
    assert_eq!(account(&*store, made.id).await, made);
    let filter = EventFilter { subject: Some(made.id.0), ..EventFilter::default() };
    let events = store.events(MERCHANT, filter, all()).await.unwrap().rows;
    let names: Vec<_> = events.iter().rev().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["credit_account.opened", "credit_account.credited"]);
    assert_eq!((events[0].hash, events[0].of_order()), (made.chain.hash, None));
    // What the order's own events are, they stay.
    let filter = EventFilter { order: Some(order), ..EventFilter::default() };
    let events = store.events(MERCHANT, filter, all()).await.unwrap().rows;
    assert_eq!(events[0].name, "refund.succeeded");
    is_sound(&*store).await;
}

/// Two first refunds of one customer would open two accounts.
async fn one_account_whoever_is_first(place: &impl Place) {
    let store = place.open().await;
    let mut orders = Vec::new();
    for _ in 0..24 {
        orders.push(done(&*store, of_customer("c-7", "3.00")).await.order.id);
    }
    let asks = orders.iter().map(|order| credit(*order, Destination::StoreCredit, "3.00"));
    let made = join_all(asks.map(|ask| done(&*store, ask))).await;
    let id = made[0].account.as_ref().unwrap().id;
    assert!(made.iter().all(|book| book.account.as_ref().unwrap().id == id));
    assert_eq!(account(&*store, id).await.balance.get(), 24 * 300);
    // Other kinds, customers and cards have their own.
    let order = done(&*store, of_customer("c-7", "9.00")).await.order.id;
    let other = done(&*store, of_customer("c-8", "9.00")).await.order.id;
    let mut ids = vec![id];
    for (order, to) in [
        (order, Destination::CustomerBalance),
        (other, Destination::StoreCredit),
        (order, Destination::GiftCard),
        (order, Destination::GiftCard),
    ] {
        ids.push(done(&*store, credit(order, to, "1.00")).await.account.unwrap().id);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 5);
    is_sound(&*store).await;
}

/// A balance would go below zero in a race.
async fn many_spends_of_one_balance(place: &impl Place) {
    let store = place.open().await;
    let id = credited(&*store, "10.00").await;
    let spends = (0..64).map(|_| moved(&*store, spend(id, "0.45")));
    let told = join_all(spends).await;
    let paid = told.iter().filter(|told| told.is_ok()).count();
    assert_eq!(paid, 22, "as often as 0.45 is in 10.00");
    assert!(told.iter().all(|told| told.is_ok() || told == &Err("insufficient_balance")));
    assert_eq!(account(&*store, id).await.balance.get(), 10);
    let entries = entries(&*store, id).await;
    assert_eq!(entries.len(), 23);
    let balances: Vec<_> = entries.iter().rev().map(|entry| entry.balance.get()).collect();
    let expected: Vec<_> = (0..23).map(|spent| 1000 - 45 * spent).collect();
    assert_eq!(balances, expected, "one after the other");
    is_sound(&*store).await;
}

/// A shop that asks again after a time-out would pay twice.
async fn the_same_spend_gets_the_same_answer(place: &impl Place) {
    let store = place.open().await;
    let id = credited(&*store, "10.00").await;
    let asks = (0..16).map(|_| store.move_credit(under(spend(id, "4.00"), "k", 1)));
    let mut answers = Vec::new();
    let mut first = 0;
    for told in join_all(asks).await {
        match told.unwrap() {
            Settlement::Done { answer, .. } => {
                first += 1;
                answers.push(answer.unwrap());
            }
            Settlement::Replayed(answer) => answers.push(answer),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(first, 1);
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(account(&*store, id).await.balance.get(), 600);
    let other = store.move_credit(under(spend(id, "4.01"), "k", 2)).await.unwrap();
    assert!(matches!(other, Settlement::KeyReused), "{other:?}");
    // A refusal is an answer too, and keys are one list with those of refunds.
    let refused = store.move_credit(under(spend(id, "9.00"), "k2", 1)).await.unwrap();
    assert!(matches!(refused, Settlement::Refused { answer: Some(_), .. }), "{refused:?}");
    let again = store.move_credit(under(spend(id, "9.00"), "k2", 1)).await.unwrap();
    assert!(matches!(again, Settlement::Replayed(Answer { status: 422, .. })), "{again:?}");
    let order = done(&*store, of_customer("c-7", "5.00")).await.order.id;
    let refund = claimed(refund(order, "1.00"), "k", 9);
    assert!(matches!(store.commit(refund).await.unwrap(), Settlement::KeyReused));
    let mut dry = spend(id, "6.00");
    dry.dry_run = true;
    assert_eq!(moved(&*store, dry).await.unwrap().balance.get(), 0);
    assert_eq!(account(&*store, id).await.balance.get(), 600, "a dry run spends nothing");
    is_sound(&*store).await;
}

async fn credit_and_spend_and_reverse_at_once(place: &impl Place) {
    let store = place.open().await;
    let id = credited(&*store, "10.00").await;
    let mut orders = Vec::new();
    for _ in 0..12 {
        orders.push(done(&*store, of_customer("c-7", "2.00")).await.order.id);
    }
    let credit_and_reverse = async |order: OrderId| {
        let book = done(&*store, credit(order, Destination::StoreCredit, "2.00")).await;
        let paid = book.refund.unwrap().transactions[0].id;
        match store.commit(reverse(paid)).await.unwrap() {
            Settlement::Done { book, .. } => {
                let refund = book.refund.unwrap();
                assert_eq!(refund.state, State::Reversed);
                refund.refunded.get()
            }
            // Everything was spent meanwhile, so it stays given.
            Settlement::Refused { refusal, .. } => {
                assert_eq!(refusal.code(), "insufficient_balance");
                200
            }
            other => panic!("{other:?}"),
        }
    };
    let kept = join_all(orders.iter().map(|order| credit_and_reverse(*order)));
    let spent = join_all((0..24).map(|_| moved(&*store, spend(id, "0.90"))));
    let (kept, spent) = futures_util::future::join(kept, spent).await;
    let paid: i64 = spent.iter().flatten().map(|entry| entry.amount.get()).sum();
    let left = account(&*store, id).await.balance.get();
    assert_eq!(left, 1000 + kept.iter().sum::<i64>() - paid, "to the cent");
    is_sound(&*store).await;
}

async fn a_spend_is_undone_once_whoever_asks(place: &impl Place) {
    let store = place.open().await;
    let id = credited(&*store, "10.00").await;
    let spent = moved(&*store, spend(id, "4.00")).await.unwrap();
    let told = join_all((0..16).map(|_| moved(&*store, undo(id, spent.id)))).await;
    assert_eq!(told.iter().filter(|told| told.is_ok()).count(), 1);
    assert!(told.iter().all(|told| told.is_ok() || told == &Err("already_undone")));
    assert_eq!(account(&*store, id).await.balance.get(), 1000);
    // Another merchant's account is not there, and neither is its entry.
    let change = Administration::CreateMerchant { name: "Another".to_owned() };
    let Administered::Merchant(other) =
        store.administer(MERCHANT, "test".into(), NOW, change).await.unwrap()
    else {
        panic!("no merchant was made")
    };
    let theirs = CreditIntent { merchant: other.id, ..spend(id, "1.00") };
    assert_eq!(moved(&*store, theirs).await, Err("credit_account_not_found"));
    assert_eq!(store.credit_account(other.id, id).await.unwrap(), None);
    let none = store.credit_entries(other.id, EntriesOf::Account(id), all()).await.unwrap();
    assert_eq!(none.rows, []);
    is_sound(&*store).await;
}

async fn a_card_is_found_by_its_newest_code(place: &impl Place) {
    let store = place.open().await;
    let order = done(&*store, register(new_order("9.00"))).await.order.id;
    let card = done(&*store, credit(order, Destination::GiftCard, "4.00")).await.account.unwrap();
    assert_eq!((card.kind, card.customer, card.code), (AccountKind::GiftCard, None, None));
    for digest in [[1; 32], [2; 32]] {
        let code = Code { digest, last_four: "ZE6W".to_owned() };
        let issued = store.move_credit(of_account(card.id, CreditCommand::IssueCode(code)));
        assert!(matches!(issued.await.unwrap(), Settlement::Done { .. }));
    }
    let by = async |merchant: MerchantId, digest: [u8; 32]| {
        let found = store.credit_account_by_code(merchant, digest).await.unwrap();
        found.map(|account| account.id)
    };
    assert_eq!(by(MERCHANT, [2; 32]).await, Some(card.id));
    assert_eq!(by(MERCHANT, [1; 32]).await, None, "the code before is void");
    assert_eq!(by(MerchantId(99), [2; 32]).await, None);
    is_sound(&*store).await;
}

async fn lists_of_accounts_and_entries(place: &impl Place) {
    let store = place.open().await;
    let mut ids = Vec::new();
    for (customer, to) in [
        ("c-7", Destination::StoreCredit),
        ("c-8", Destination::StoreCredit),
        ("c-7", Destination::CustomerBalance),
        ("c-7", Destination::GiftCard),
    ] {
        let order = done(&*store, of_customer(customer, "9.00")).await.order.id;
        ids.push(done(&*store, credit(order, to, "5.00")).await.account.unwrap().id);
    }
    let listed = async |customer: Option<&str>, kinds: &[AccountKind]| {
        let filter = AccountFilter { customer: customer.map(str::to_owned), kinds: kinds.to_vec() };
        let found = store.credit_accounts(MERCHANT, filter, all()).await.unwrap().rows;
        found.iter().map(|account| account.id).collect::<Vec<_>>()
    };
    let [first, second, third, fourth] = ids[..] else { panic!("four") };
    assert_eq!(listed(None, &[]).await, [fourth, third, second, first]);
    assert_eq!(listed(Some("c-7"), &[]).await, [fourth, third, first]);
    let kinds = [AccountKind::StoreCredit, AccountKind::GiftCard];
    assert_eq!(listed(None, &kinds).await, [fourth, second, first]);
    assert_eq!(listed(Some("c-8"), &kinds[1..]).await, []);
    assert_eq!(listed(Some("\0"), &[]).await, []);
    for _ in 0..4 {
        moved(&*store, spend(first, "1.00")).await.unwrap();
    }
    let page = refundry::testing::store::Page { limit: 2, ..all() };
    let slice = store.credit_entries(MERCHANT, EntriesOf::Account(first), page).await.unwrap();
    let balances: Vec<_> = slice.rows.iter().map(|entry| entry.balance.get()).collect();
    assert_eq!((balances, slice.more), (vec![100, 200], true));
}

/// What is done to the books, and the kind of row that a finding has to name.
fn tamperings(account: i64) -> Vec<(String, &'static str)> {
    let row =
        |change: &str| format!("UPDATE credit_accounts SET {change} WHERE number = {account}");
    let entry = |kind: &str, change: &str| {
        format!("UPDATE credit_entries SET {change} WHERE account = {account} AND kind = '{kind}'")
    };
    let whole = "credit_account";
    vec![
        (row("balance = balance + 1"), whole),
        (row("currency = 'EUR'"), "event"),
        (row("customer = 'c-9'"), "event"),
        (row("chain_length = chain_length - 1"), whole),
        (entry("spend", "amount = amount - 1"), "event"),
        (entry("credit", "balance = balance + 5"), "event"),
        (entry("spend", "reference = 'mine'"), "event"),
        (entry("spend", "done_by = 'nobody'"), "event"),
        (entry("credit", "refund = 1"), "event"),
        (
            format!("DELETE FROM credit_entries WHERE account = {account} AND kind = 'spend'"),
            "event",
        ),
        (
            format!(
                "DELETE FROM credit_entries WHERE account = {account} AND kind = 'credit'; \
                UPDATE credit_accounts SET balance = 0 WHERE number = {account}"
            ),
            "refund",
        ),
        (format!("UPDATE credit_entries SET account = 1 WHERE account = {account}"), "merchant"),
        (format!("DELETE FROM credit_accounts WHERE number = {account}"), "merchant"),
        (
            format!(
                "UPDATE events SET data = replace(data, '400', '399') WHERE order_number = \
                {account} AND name = 'credit_account.spent'"
            ),
            "event",
        ),
        (format!("DELETE FROM events WHERE order_number = {account} AND position = 2"), whole),
        (
            format!(
                "INSERT INTO credit_entries SELECT merchant, 999999999, account, 'spend', amount, \
                balance, NULL, NULL, NULL, reference, done_by, happened_at FROM credit_entries \
                WHERE account = {account} AND kind = 'spend'"
            ),
            whole,
        ),
    ]
}

async fn an_altered_account_is_found(place: &impl Place) {
    let store = place.open().await;
    let id = credited(&*store, "10.00").await;
    moved(&*store, spend(id, "4.00")).await.unwrap();
    store.seal(NOW).await.unwrap().unwrap();
    let report = verify(&*store, &mut |_| {}).await.unwrap();
    assert_eq!(report.findings, []);
    assert_eq!((report.counts.accounts, report.counts.entries), (1, 2));
    store.close().await;
    drop(store);
    for (sql, kind) in tamperings(id.0) {
        let other = place.copy().await;
        other.tamper(&sql).await;
        let store = other.open().await;
        let report = verify(&*store, &mut |_| {}).await.unwrap();
        let kinds: Vec<_> = report.findings.iter().map(|finding| finding.kind).collect();
        assert!(kinds.contains(&kind), "{sql}\nmade {:#?}", report.findings);
    }
}

/// Who spends in the moment in which the server stops would wait for an answer for ever.
#[tokio::test]
async fn a_command_behind_the_end_is_answered() {
    for _ in 0..20 {
        let place = Sqlite::new().await;
        let store = place.open().await;
        let id = credited(&*store, "10.00").await;
        let closing = tokio::spawn({
            let store = store.clone();
            async move { store.close().await }
        });
        // From here on the writer has been told to stop, and takes a moment to be gone.
        while store.ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
        let spends = [spend(id, "1.00"), spend(id, "2.00")].map(|intent| {
            let store = store.clone();
            tokio::spawn(async move { store.move_credit(intent).await })
        });
        for spent in spends {
            let answer = tokio::time::timeout(std::time::Duration::from_secs(10), spent).await;
            let answer = answer.expect("it is answered").unwrap();
            assert!(matches!(answer, Err(StoreError::Broken(_))), "{answer:?}");
        }
        closing.await.unwrap();
        let late = store.move_credit(spend(id, "3.00")).await;
        assert!(matches!(late, Err(StoreError::Broken(_))), "{late:?}");
        drop(store);
        let store = place.open().await;
        assert_eq!(account(&*store, id).await.balance.get(), 1000);
    }
}
