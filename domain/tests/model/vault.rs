//! Accounts of credit beside a naive count of what came in and went out: refunds pay into them as
//! the order's history goes on, and somebody spends of them meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use refundry_domain::changes::{CreditChanges, Mark};
use refundry_domain::command::Stated;
use refundry_domain::credit::{
    Account, AccountKind, Code, CreditBook, CreditCommand, Entry, EntryKind, Fact, Wanted,
};
use refundry_domain::decide::{Context, decide_credit};
use refundry_domain::ids::{EntryId, Numbers, Timestamp};
use refundry_domain::money::{Currency, Minor};
use refundry_domain::refund::Execution;

use crate::random::{Random, figure};
use crate::store::Shop;

#[derive(Default)]
pub struct Vault {
    pub accounts: BTreeMap<i64, Account>,
    pub entries: Vec<Entry>,
    /// Of each account, by its facts.
    balances: BTreeMap<i64, i128>,
}

fn units(amount: Minor) -> i128 {
    i128::from(amount.get())
}

fn signed(entry: &Entry) -> i128 {
    match entry.kind {
        EntryKind::Credit | EntryKind::Undo => units(entry.amount),
        EntryKind::Spend | EntryKind::Reversal => -units(entry.amount),
    }
}

impl Vault {
    pub fn find(&self, wanted: &Wanted) -> Option<&Account> {
        self.accounts.values().find(|account| match wanted {
            Wanted::OfRefund(refund) => account.refund == Some(*refund),
            Wanted::OfCustomer { kind, customer, currency } => {
                account.kind == *kind
                    && account.customer.as_ref() == Some(customer)
                    && account.currency == *currency
            }
        })
    }

    /// What the account that a refund to there goes to holds already.
    pub fn balance(&self, kind: AccountKind) -> i128 {
        let is_it = |account: &&Account| account.kind == kind && account.refund.is_none();
        self.accounts.values().find(is_it).map_or(0, |account| units(account.balance))
    }

    /// Writes what is marked, having seen that it is what differs.
    pub fn write(
        &mut self,
        before: Option<&Account>,
        after: Option<&Account>,
        changes: &CreditChanges,
    ) {
        let mark = match (before, after) {
            (None, None) => None,
            (None, Some(_)) => Some(Mark::New),
            (Some(before), Some(after)) => (before != after).then_some(Mark::Changed),
            (Some(_), None) => panic!("an account was lost"),
        };
        assert_eq!(changes.account, mark, "the account's mark");
        let Some(account) = after else {
            assert!(changes.entries.is_empty() && changes.facts.is_empty());
            return;
        };
        assert_eq!(mark.is_some(), !changes.facts.is_empty(), "a fact for every change");
        let mut told = Vec::new();
        for fact in &changes.facts {
            match fact {
                Fact::Opened { .. } => {
                    let twice = self.balances.insert(account.id.0, 0);
                    assert_eq!(twice, None, "opened twice");
                }
                Fact::Entered(entry) => {
                    let balance = self.balances.get_mut(&entry.account.0).unwrap();
                    *balance += signed(entry);
                    assert!((0..=units(Minor::MAX)).contains(balance), "{entry:?}");
                    assert_eq!(*balance, units(entry.balance), "{entry:?}");
                    told.push(entry.clone());
                }
                Fact::CodeIssued { last_four } => {
                    assert_eq!(account.code.as_ref().map(|code| &code.last_four), Some(last_four));
                }
            }
        }
        assert_eq!(changes.entries, told, "an entry for every fact");
        self.entries.extend(told);
        self.accounts.insert(account.id.0, account.clone());
    }
}

/// What must hold of the accounts after every command.
pub fn hold(shop: &Shop) {
    let vault = &shop.vault;
    for account in vault.accounts.values() {
        let of = vault.entries.iter().filter(|entry| entry.account == account.id);
        let sum: i128 = of.map(signed).sum();
        assert_eq!(units(account.balance), sum, "{account:?}");
        assert_eq!(vault.balances[&account.id.0], sum, "{account:?}");
    }
    let mut seen = BTreeSet::new();
    for entry in &vault.entries {
        if let Some(transaction) = entry.transaction {
            assert!(seen.insert((entry.kind, transaction.0)), "twice: {entry:?}");
        }
        if let Some(spend) = entry.undoes {
            assert!(seen.insert((entry.kind, spend.0)), "undone twice: {entry:?}");
            let spent = vault.entries.iter().find(|entry| entry.id == spend).unwrap();
            assert!(entry.amount <= spent.amount && spent.kind == EntryKind::Spend, "{entry:?}");
        }
    }
    for refund in shop.refunds.values() {
        let of = vault.entries.iter().filter(|entry| entry.refund == Some(refund.id));
        let credited: i128 = of.map(signed).sum();
        let internal = refund.execution == Execution::Internal;
        let given = if internal { units(refund.refunded) } else { 0 };
        assert_eq!(credited, given, "what is credited is what was given back: {refund:?}");
    }
}

/// Somebody spends of an account, undoes a spend, or asks for a code.
pub fn visit(random: &mut Random, shop: &mut Shop) {
    let accounts: Vec<_> = shop.vault.accounts.values().cloned().collect();
    if accounts.is_empty() {
        return;
    }
    let account = accounts[random.below(accounts.len())].clone();
    let command = command(random, shop, &account);
    let spend = match &command {
        CreditCommand::Undo { spend, .. } => Some(*spend),
        CreditCommand::Spend { .. } | CreditCommand::IssueCode(_) => None,
    };
    let entries = || shop.vault.entries.iter();
    let book = CreditBook {
        account: account.clone(),
        named: entries().find(|entry| Some(entry.id) == spend).cloned(),
        undone_by: entries()
            .find(|entry| spend.is_some() && entry.undoes == spend)
            .map(|entry| entry.id),
        made: None,
    };
    let expected = accepted(shop, &book, &command);
    let mut numbers = Numbers::starting_at(shop.next);
    let mut context = Context {
        now: Timestamp(shop.now),
        by: "key:1",
        policy: &shop.policy,
        numbers: &mut numbers,
        instance: "test",
        reference_taken: None,
    };
    match decide_credit(book, &command, &mut context) {
        Ok((after, changes)) => {
            assert_eq!(expected, Some(balance_after(&account, &after)), "{command:?}");
            shop.vault.write(Some(&account), Some(&after.account), &changes);
            shop.next = numbers.peek();
        }
        Err(refusal) => assert_eq!(expected, None, "{command:?} is refused: {refusal}"),
    }
    hold(shop);
}

fn balance_after(before: &Account, after: &CreditBook) -> i128 {
    let moved = after.made.as_ref().map_or(0, signed);
    assert_eq!(units(before.balance) + moved, units(after.account.balance));
    units(after.account.balance)
}

fn stated(random: &mut Random, account: &Account, most: i64) -> Stated {
    let units = match random.below(12) {
        0 => 0,
        1 => most + 1,
        2 | 3 => most,
        _ => random.up_to(most.max(1)),
    };
    let other = Currency::parse("EUR").unwrap();
    let currency = random.maybe(10, |random| random.pick(&[other, account.currency]));
    Stated { figure: figure(units, account.currency), currency }
}

fn command(random: &mut Random, shop: &Shop, account: &Account) -> CreditCommand {
    let entries = &shop.vault.entries;
    match random.below(10) {
        0 => CreditCommand::IssueCode(Code { digest: [7; 32], last_four: "ZE6W".to_owned() }),
        1..=4 if !entries.is_empty() => {
            let entry = &entries[random.below(entries.len())];
            let spend = if random.one_in(20) { EntryId(-1) } else { entry.id };
            let amount = random.maybe(2, |random| stated(random, account, entry.amount.get()));
            CreditCommand::Undo { spend, amount, reference: None }
        }
        _ => {
            let amount = stated(random, account, account.balance.get());
            CreditCommand::Spend { amount, reference: random.maybe(2, |_| "1002".to_owned()) }
        }
    }
}

/// The balance that the command leaves; nothing when it must be refused.
fn accepted(shop: &Shop, book: &CreditBook, command: &CreditCommand) -> Option<i128> {
    let account = &book.account;
    let balance = units(account.balance);
    let read = |stated: &Stated| -> Option<i128> {
        if stated.currency.is_some_and(|currency| currency != account.currency) {
            return None;
        }
        let money = refundry_domain::money::Money::read(stated.figure, account.currency).ok()?;
        Some(units(money.minor()))
    };
    let after = match command {
        CreditCommand::Spend { amount, .. } => balance - read(amount)?,
        CreditCommand::Undo { spend, amount, .. } => {
            let mut entries = shop.vault.entries.iter();
            let spent = entries.find(|entry| entry.id == *spend)?;
            let known = spent.account == account.id && spent.kind == EntryKind::Spend;
            let undone = shop.vault.entries.iter().any(|entry| entry.undoes == Some(*spend));
            let whole = units(spent.amount);
            let back = amount.as_ref().map_or(Some(whole), read)?;
            (known && !undone && back <= whole).then_some(balance + back)?
        }
        CreditCommand::IssueCode(_) => {
            (account.kind == AccountKind::GiftCard).then_some(balance)?
        }
    };
    (0..=units(Minor::MAX)).contains(&after).then_some(after)
}
