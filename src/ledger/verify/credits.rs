//! Accounts of credit: their balances and entries are what their events say, every entry of a
//! refund belongs to one, and every refund that was credited has its entries.

use refundry_domain::credit::{Account, Entry, EntryKind};
use refundry_domain::ids::{MerchantId, RefundId};
use refundry_domain::money::Minor;
use refundry_domain::refund::{Execution, Refund};
use serde::de::DeserializeOwned;

use super::{Check, PAGE, count};
use crate::store::credits::{AccountFilter, CodeIssued, Entered, EntriesOf, Opened, SUBJECT};
use crate::store::{Event, EventFilter, Page, StoreError};

/// A name of an event, and the kind of entry that it tells of.
const ENTERED: [(&str, EntryKind); 4] = [
    ("credit_account.credited", EntryKind::Credit),
    ("credit_account.reversed", EntryKind::Reversal),
    ("credit_account.spent", EntryKind::Spend),
    ("credit_account.spend_undone", EntryKind::Undo),
];

impl Check<'_> {
    pub(super) async fn accounts(&mut self, merchant: MerchantId) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = Page { after, before: None, limit: PAGE, oldest_first: true };
            let read = self.store.credit_accounts(merchant, AccountFilter::default(), page).await;
            let at = after.unwrap_or(0);
            let Some(slice) = self.readable(read, merchant, "credit accounts after", at)? else {
                return Ok(());
            };
            for account in &slice.rows {
                if self.is_within(account.id.0) {
                    self.account(merchant, account).await?;
                }
            }
            (self.progress)(&self.report.counts);
            after = slice.rows.last().map(|account| account.id.0);
            if !slice.more {
                break;
            }
        }
        if self.report.unsettled == 0 { self.stray_entries(merchant).await } else { Ok(()) }
    }

    pub(super) async fn look_at_account(
        &mut self,
        merchant: MerchantId,
        row: &Account,
    ) -> Result<(), StoreError> {
        self.report.counts.accounts += 1;
        let number = row.id.0;
        let filter = EventFilter { subject: Some(number), ..EventFilter::default() };
        let events = self.events(merchant, filter).await?;
        self.chain(merchant, (SUBJECT, number), row.chain, &events);
        let entries = self.entries(merchant, EntriesOf::Account(row.id)).await?;
        self.report.counts.entries += count(entries.len());
        self.reach(3, events.iter().map(|event| event.id.0));
        self.reach(4, entries.iter().map(|entry| entry.id.0));
        let mut replay = Replay::of(&entries);
        for event in &events {
            if let Err(what) = replay.apply(row, event) {
                self.find(merchant, "event", event.id.0, what);
            }
        }
        for what in replay.ended(row) {
            self.find(merchant, SUBJECT, number, what);
        }
        for entry in entries.iter().filter(|entry| entry.refund.is_some()) {
            self.origin(merchant, entry).await?;
        }
        Ok(())
    }

    /// An entry of a refund has a refund that was credited, with that transaction.
    async fn origin(&mut self, merchant: MerchantId, entry: &Entry) -> Result<(), StoreError> {
        let Some(id) = entry.refund else { return Ok(()) };
        let read = self.store.refund(merchant, id).await;
        let Some(found) = self.readable(read, merchant, "refund", id.0)? else { return Ok(()) };
        let credited = found.is_some_and(|refund| {
            let mut rows = refund.transactions.iter();
            refund.execution == Execution::Internal
                && rows.any(|row| Some(row.id) == entry.transaction)
        });
        if !credited {
            let what = format!("its refund {id} was not credited");
            self.find(merchant, "credit entry", entry.id.0, what);
        }
        Ok(())
    }

    /// A refund that is credited has entries that come to what it has given back.
    pub(super) async fn credited(
        &mut self,
        merchant: MerchantId,
        refund: &Refund,
    ) -> Result<(), StoreError> {
        if refund.execution != Execution::Internal {
            return Ok(());
        }
        let entries = self.entries(merchant, EntriesOf::Refund(refund.id)).await?;
        let sum: i64 = entries.iter().map(signed).sum();
        let told = refund.refunded.get();
        if sum != told {
            let RefundId(number) = refund.id;
            let what = format!("its account was credited {sum}, and it has given back {told}");
            self.find(merchant, "refund", number, what);
        }
        Ok(())
    }

    async fn entries(
        &mut self,
        merchant: MerchantId,
        of: EntriesOf,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let after = entries.last().map(|entry| entry.id.0);
            let page = Page { after, before: None, limit: PAGE, oldest_first: true };
            let read = self.store.credit_entries(merchant, of, page).await;
            let at = after.unwrap_or(0);
            let Some(slice) = self.readable(read, merchant, "credit entries after", at)? else {
                break;
            };
            entries.extend(slice.rows);
            if !slice.more {
                break;
            }
        }
        Ok(entries)
    }

    /// Entries that no account leads to would not have been looked at.
    async fn stray_entries(&mut self, merchant: MerchantId) -> Result<(), StoreError> {
        let reached = self.reached[4];
        let (mut after, mut found) = (None, 0);
        loop {
            let page = Page { after, before: None, limit: PAGE, oldest_first: true };
            let read = self.store.credit_entries(merchant, EntriesOf::Merchant, page).await;
            let at = after.unwrap_or(0);
            let Some(slice) = self.readable(read, merchant, "credit entries after", at)? else {
                return Ok(());
            };
            let within = slice.rows.iter().filter(|entry| self.is_within(entry.id.0));
            found += count(within.count());
            after = slice.rows.last().map(|entry| entry.id.0);
            if !slice.more {
                break;
            }
        }
        if found != reached {
            let what = format!("there are {found} credit entries, and {reached} have an account");
            self.find(merchant, "merchant", merchant.0, what);
        }
        Ok(())
    }
}

fn signed(entry: &Entry) -> i64 {
    let amount = entry.amount.get();
    if entry.kind.adds() { amount } else { -amount }
}

/// An account as its events make it, beside its entries.
struct Replay<'a> {
    /// Those that no event has told of yet.
    entries: std::slice::Iter<'a, Entry>,
    all: &'a [Entry],
    opened: bool,
    balance: i64,
    last_four: Option<String>,
}

impl<'a> Replay<'a> {
    fn of(all: &'a [Entry]) -> Replay<'a> {
        Replay { entries: all.iter(), all, opened: false, balance: 0, last_four: None }
    }

    fn apply(&mut self, row: &Account, event: &Event) -> Result<(), String> {
        if self.opened == (event.name == "credit_account.opened") {
            return Err(format!("{} is not where it should be", event.name));
        }
        if let Some((_, kind)) = ENTERED.iter().find(|(name, _)| *name == event.name) {
            return self.entered(*kind, event);
        }
        match event.name.as_str() {
            "credit_account.opened" => {
                self.opened = true;
                let opened = Opened {
                    kind: row.kind.name().to_owned(),
                    currency: row.currency.code().to_owned(),
                    customer: row.customer.clone(),
                    refund: row.refund.map(|refund| refund.0),
                };
                same("the account", &opened, &read(event)?)
            }
            "credit_account.code_issued" => {
                self.last_four = Some(read::<CodeIssued>(event)?.last_four);
                Ok(())
            }
            name => Err(format!("{name} is no event of a credit account")),
        }
    }

    fn entered(&mut self, kind: EntryKind, event: &Event) -> Result<(), String> {
        let told: Entered = read(event)?;
        let amount = if kind.adds() { told.amount } else { -told.amount };
        self.balance += amount;
        if self.balance != told.balance || Minor::new(self.balance).is_none() {
            return Err(format!("the balance follows as {}, it says {told:?}", self.balance));
        }
        let entry = self.entries.next().ok_or("the entry that it tells of is not there")?;
        same("the entry", &Entered::of(entry), &told)?;
        same(
            "the entry's kind, time and maker",
            &(entry.kind, entry.at, entry.by.as_str()),
            &(kind, event.at, event.by.as_str()),
        )?;
        match entry.undoes {
            Some(spend) => self.undoes(entry, spend.0),
            None => Ok(()),
        }
    }

    /// An undo gives back a spend before it, once, and not more than that.
    fn undoes(&self, undo: &Entry, spend: i64) -> Result<(), String> {
        let spent = self.all.iter().find(|entry| entry.id.0 == spend);
        let fits = spent.is_some_and(|entry| {
            entry.kind == EntryKind::Spend && entry.id < undo.id && undo.amount <= entry.amount
        });
        let again = self.all.iter().filter(|entry| entry.undoes == undo.undoes).count() > 1;
        if fits && !again {
            return Ok(());
        }
        Err(format!("the undo does not fit the spend {spend}"))
    }

    /// What does not agree once all events were taken in.
    fn ended(mut self, row: &Account) -> Vec<String> {
        let mut found = Vec::new();
        if self.balance != row.balance.get() {
            let (is, made) = (row.balance.get(), self.balance);
            found.push(format!("its balance is {is}, and its events make it {made}"));
        }
        let sum: i64 = self.all.iter().map(signed).sum();
        if sum != row.balance.get() {
            found.push(format!(
                "its balance is {}, and its entries come to {sum}",
                row.balance.get()
            ));
        }
        let last_four = row.code.as_ref().map(|code| code.last_four.clone());
        if last_four != self.last_four {
            found.push("its code is not the one that was issued last".to_owned());
        }
        if let Some(entry) = self.entries.next() {
            found.push(format!("no event tells of its entry {}", entry.id));
        }
        found
    }
}

fn read<T: DeserializeOwned>(event: &Event) -> Result<T, String> {
    serde_json::from_str(&event.data).map_err(|error| format!("its data cannot be read: {error}"))
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, row: &T, told: &T) -> Result<(), String> {
    if row == told {
        return Ok(());
    }
    Err(format!("{what} is {row:?}, it says {told:?}"))
}
