//! Proof that the books are what their events say, and that no event was altered or is missing.

mod credits;
mod days;
mod live;
mod reports;

use std::collections::BTreeMap;
use std::fmt;

use refundry_domain::book::Book;
use refundry_domain::day::Day;
use refundry_domain::ids::{EventId, MerchantId, OrderId, OrderRef};
use refundry_domain::order::Chain;
use refundry_domain::refund::{Execution, Refund};

use super::compare;
use super::replay::Replay;
use crate::store::facts::{Sealing, Unlinked};
use crate::store::{
    Event, EventFilter, OrderFilter, Page, RefundFilter, ReturnFilter, Store, StoreError,
    TransactionFilter,
};

/// How many rows are asked for at once.
const PAGE: u32 = 500;
/// How many findings are told one by one; books with more are beyond single repairs.
const MOST_FINDINGS: usize = 10_000;

/// What was looked at so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub merchants: u64,
    pub orders: u64,
    pub refunds: u64,
    pub transactions: u64,
    pub returns: u64,
    pub accounts: u64,
    pub entries: u64,
    pub events: u64,
    pub seals: u64,
}

/// Something that is not as it should be, and the row where it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// None when it concerns all merchants.
    pub merchant: Option<MerchantId>,
    /// Such as `refund`; with its number.
    pub kind: &'static str,
    pub number: i64,
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(merchant) = self.merchant {
            write!(f, "merchant {merchant}, ")?;
        }
        write!(f, "{} {}: {}", self.kind, self.number, self.what)
    }
}

#[derive(Debug, Default)]
pub struct Report {
    pub counts: Counts,
    pub findings: Vec<Finding>,
    /// How many there are beyond those that are told.
    pub further_findings: u64,
    /// Orders and accounts that went on changing whenever they were looked at, so that nothing can
    /// be said of them; only while somebody writes.
    pub unsettled: u64,
}

/// Reads everything and reports all that does not fit, in bounded memory. Nothing may write
/// meanwhile. Fails only when the store cannot be asked.
pub async fn verify(
    store: &dyn Store,
    progress: &mut (dyn FnMut(&Counts) + Send),
) -> Result<Report, StoreError> {
    let mut check = Check::new(store, progress, None);
    for merchant in store.merchants().await? {
        check.report.counts.merchants += 1;
        check.merchant(merchant.id).await?;
    }
    check.seals().await?;
    Ok(check.report)
}

/// As [`verify`], of one merchant's books, while they are written to: what is committed after it
/// begins is not looked at, and what does not fit is looked at again when it has changed meanwhile.
/// The seals are over all merchants' events; they are followed only `with_seals`.
pub async fn verify_live(
    store: &dyn Store,
    merchant: MerchantId,
    with_seals: bool,
    progress: &mut (dyn FnMut(&Counts) + Send),
) -> Result<Report, StoreError> {
    let newest = Page { after: None, before: None, limit: 1, oldest_first: false };
    let newest = store.events(merchant, EventFilter::default(), newest).await?;
    let end = newest.rows.first().map_or(0, |event| event.id.0);
    let mut check = Check::new(store, progress, Some(end));
    check.report.counts.merchants = 1;
    check.merchant(merchant).await?;
    if with_seals {
        check.seals().await?;
    }
    Ok(check.report)
}

/// How many rows of each kind were come upon, up to where the look ends: refunds, transactions,
/// returns, events and credit entries.
type Reached = [u64; 5];

struct Check<'a> {
    store: &'a dyn Store,
    progress: &'a mut (dyn FnMut(&Counts) + Send),
    report: Report,
    /// While somebody writes: the last number that is looked at. All up to it is committed.
    end: Option<i64>,
    reached: Reached,
    /// What the merchant's refunds make of its days.
    days: BTreeMap<String, Day>,
}

impl<'a> Check<'a> {
    fn new(
        store: &'a dyn Store,
        progress: &'a mut (dyn FnMut(&Counts) + Send),
        end: Option<i64>,
    ) -> Check<'a> {
        let (reached, days) = (Reached::default(), BTreeMap::new());
        Check { store, progress, report: Report::default(), end, reached, days }
    }

    fn is_within(&self, number: i64) -> bool {
        self.end.is_none_or(|end| number <= end)
    }

    /// Has come upon rows of a kind.
    fn reach(&mut self, kind: usize, numbers: impl Iterator<Item = i64>) {
        let end = self.end;
        let within = numbers.filter(|number| end.is_none_or(|end| *number <= end));
        self.reached[kind] += count(within.count());
    }

    fn find(&mut self, merchant: MerchantId, kind: &'static str, number: i64, what: String) {
        self.finding(Finding { merchant: Some(merchant), kind, number, what });
    }

    fn finding(&mut self, finding: Finding) {
        if self.report.findings.len() < MOST_FINDINGS {
            self.report.findings.push(finding);
        } else {
            self.report.further_findings += 1;
        }
    }

    /// What was read, or a finding when the row is damaged.
    fn readable<T>(
        &mut self,
        read: Result<T, StoreError>,
        merchant: MerchantId,
        kind: &'static str,
        number: i64,
    ) -> Result<Option<T>, StoreError> {
        match read {
            Ok(value) => Ok(Some(value)),
            Err(StoreError::Damaged(what)) => {
                self.find(merchant, kind, number, what);
                Ok(None)
            }
            Err(
                error @ (StoreError::Broken(_)
                | StoreError::Doubtful(_)
                | StoreError::Unavailable(_)),
            ) => Err(error),
        }
    }

    async fn merchant(&mut self, merchant: MerchantId) -> Result<(), StoreError> {
        self.reached = Reached::default();
        self.days.clear();
        self.own_chain(merchant).await?;
        let mut after = None;
        let mut refunded = BTreeMap::new();
        loop {
            let page = Page { after, before: None, limit: PAGE, oldest_first: true };
            let read = self.store.orders(merchant, OrderFilter::default(), page).await;
            let number = after.unwrap_or(0);
            let Some(slice) = self.readable(read, merchant, "orders after", number)? else {
                return Ok(());
            };
            for order in &slice.rows {
                if self.is_within(order.id.0) {
                    self.order(merchant, order.id).await?;
                    let sum: &mut i64 = refunded.entry(order.currency).or_default();
                    *sum = sum.saturating_add(order.refunded.get());
                }
            }
            (self.progress)(&self.report.counts);
            after = slice.rows.last().map(|order| order.id.0);
            if !slice.more {
                break;
            }
        }
        // While somebody writes, the counts and the orders are not of one moment.
        if self.end.is_none() {
            self.counted(merchant, refunded).await?;
            self.daily_totals(merchant).await?;
        }
        self.accounts(merchant).await?;
        // What could not be followed would be missing here.
        if self.report.unsettled == 0 { self.strays(merchant).await } else { Ok(()) }
    }

    /// The events of the merchant itself, of its keys and of its webhook endpoints.
    async fn look_at_own_chain(&mut self, merchant: MerchantId) -> Result<(), StoreError> {
        let mut subjects = vec![merchant.0];
        subjects.extend(self.store.keys(merchant).await?.iter().map(|key| key.id.0));
        let endpoints = self.store.endpoints(merchant).await?;
        subjects.extend(endpoints.iter().map(|endpoint| endpoint.id.0));
        let connections = self.store.connections(merchant).await?;
        subjects.extend(connections.iter().map(|connection| connection.id.0));
        let mut events = Vec::new();
        for subject in subjects {
            let filter = EventFilter { subject: Some(subject), ..EventFilter::default() };
            events.extend(self.events(merchant, filter).await?);
        }
        events.retain(|event| event.order.is_none());
        events.sort_unstable_by_key(|event| event.position);
        let end = self.store.chain(merchant).await?.unwrap_or_default();
        self.chain(merchant, ("merchant", merchant.0), end, &events);
        self.reach(3, events.iter().map(|event| event.id.0));
        Ok(())
    }

    async fn events(
        &mut self,
        merchant: MerchantId,
        filter: EventFilter,
    ) -> Result<Vec<Event>, StoreError> {
        let mut events = Vec::new();
        let (kind, number) = match (filter.order, filter.subject) {
            (Some(order), _) => ("order", order.0),
            (None, subject) => ("the events of", subject.unwrap_or(0)),
        };
        loop {
            let after = events.last().map(|event: &Event| event.id.0);
            let page = Page { after, before: None, limit: u32::MAX - 1, oldest_first: true };
            let read = self.store.events(merchant, filter.clone(), page).await;
            let Some(slice) = self.readable(read, merchant, kind, number)? else { break };
            events.extend(slice.rows);
            if !slice.more {
                break;
            }
        }
        Ok(events)
    }

    /// Follows a chain from its beginning to where its owner says that it ends.
    fn chain(
        &mut self,
        merchant: MerchantId,
        owner: (&'static str, i64),
        end: Chain,
        events: &[Event],
    ) {
        let (mut hash, mut position, mut number) = ([0; 32], 0, 0);
        for event in events {
            self.report.counts.events += 1;
            if event.position != position + 1 {
                let what = format!("it is number {} after {position}", event.position);
                self.find(merchant, "event", event.id.0, format!("events are missing: {what}"));
            } else if Unlinked::of(event).hash(&hash) != event.hash {
                let what = "its hash does not follow from it and the event before it";
                self.find(merchant, "event", event.id.0, what.to_owned());
            }
            if event.id.0 <= number {
                let what = format!("it follows event {number}");
                self.find(merchant, "event", event.id.0, what);
            }
            (hash, position, number) = (event.hash, event.position, event.id.0);
        }
        if (Chain { length: position, hash }) != end {
            let what = format!(
                "its chain of events ends at {position} and should end at {}, or ends otherwise",
                end.length
            );
            self.find(merchant, owner.0, owner.1, what);
        }
    }

    async fn look_at_order(&mut self, merchant: MerchantId, id: OrderId) -> Result<(), StoreError> {
        self.report.counts.orders += 1;
        let read = self.store.order(merchant, OrderRef::Id(id)).await;
        let Some(found) = self.readable(read, merchant, "order", id.0)? else { return Ok(()) };
        let Some(book) = found else {
            self.find(merchant, "order", id.0, "it is listed and cannot be found".to_owned());
            return Ok(());
        };
        let filter = EventFilter { order: Some(id), ..EventFilter::default() };
        let events = self.events(merchant, filter).await?;
        self.chain(merchant, ("order", id.0), book.order.chain, &events);
        let refunds = self.refunds(merchant, id).await?;
        self.report.counts.refunds += count(refunds.len());
        self.report.counts.returns += count(book.returns.len());
        let rows = refunds.iter().map(|refund| refund.transactions.len()).sum::<usize>();
        self.report.counts.transactions += count(book.payments.len() + rows);
        self.reach(0, refunds.iter().map(|refund| refund.id.0));
        let back = refunds.iter().flat_map(|refund| &refund.transactions).map(|row| row.id.0);
        self.reach(1, back.chain(book.payments.iter().map(|row| row.id.0)));
        self.reach(2, book.returns.iter().map(|row| row.id.0));
        self.reach(3, events.iter().map(|event| event.id.0));
        self.balances(merchant, &book, &refunds, &events);
        self.count_on_days(&refunds);
        for refund in &refunds {
            self.credited(merchant, refund).await?;
        }
        Ok(())
    }

    fn balances(
        &mut self,
        merchant: MerchantId,
        book: &Book,
        refunds: &[Refund],
        events: &[Event],
    ) {
        let execution = |number: i64| -> Option<Execution> {
            let mut rows = refunds.iter().flat_map(|refund| &refund.transactions);
            rows.find(|row| row.id.0 == number).map(|row| row.execution)
        };
        let mut replay = Replay::default();
        for event in events {
            if let Err(what) = replay.apply(event, &execution) {
                self.find(merchant, "event", event.id.0, what);
            }
        }
        for (kind, number, what) in compare::differences(book, refunds, &replay) {
            self.find(merchant, kind, number, what);
        }
    }

    async fn refunds(
        &mut self,
        merchant: MerchantId,
        order: OrderId,
    ) -> Result<Vec<Refund>, StoreError> {
        let mut refunds: Vec<Refund> = Vec::new();
        loop {
            let after = refunds.last().map(|refund| refund.id.0);
            let page = Page { after, before: None, limit: u32::MAX - 1, oldest_first: true };
            let filter = RefundFilter { order: Some(order), ..RefundFilter::default() };
            let read = self.store.refunds(merchant, filter, page).await;
            let Some(slice) = self.readable(read, merchant, "order", order.0)? else { break };
            refunds.extend(slice.rows);
            if !slice.more {
                break;
            }
        }
        Ok(refunds)
    }

    /// Rows that no order leads to would not have been looked at.
    async fn strays(&mut self, merchant: MerchantId) -> Result<(), StoreError> {
        let store = self.store;
        let mut found = [0; 4];
        for (index, found) in found.iter_mut().enumerate() {
            let mut after = None;
            loop {
                let page = Page { after, before: None, limit: PAGE, oldest_first: true };
                let read = numbers(store, merchant, index, page).await;
                let at = after.unwrap_or(0);
                let Some((numbers, more)) = self.readable(read, merchant, "rows after", at)? else {
                    return Ok(());
                };
                *found += count(numbers.iter().filter(|it| self.is_within(**it)).count());
                after = numbers.last().copied();
                if !more || after.is_some_and(|after| !self.is_within(after)) {
                    break;
                }
            }
        }
        let kinds = ["refunds", "transactions", "returns", "events"];
        for ((kind, expected), found) in kinds.into_iter().zip(self.reached).zip(found) {
            if expected != found {
                let what = format!("there are {found} {kind}, and {expected} belong to something");
                self.find(merchant, "merchant", merchant.0, what);
            }
        }
        Ok(())
    }

    async fn seals(&mut self) -> Result<(), StoreError> {
        let mut hashes = Hashes { store: self.store, read: Vec::new().into_iter(), last: 0 };
        let mut predecessor = [0; 32];
        for seal in self.store.seals().await? {
            self.report.counts.seals += 1;
            let (mut sealing, mut events) = (Sealing::after(&predecessor), 0);
            while let Some((event, hash)) = hashes.upto(seal.last_event).await? {
                sealing.add(event.0, &hash);
                events += 1;
            }
            if events != seal.events || sealing.digest() != seal.digest {
                let what = format!(
                    "the {events} events it covers, up to {}, are not the {} that were sealed",
                    seal.last_event, seal.events
                );
                let (merchant, kind, number) = (None, "seal", seal.number);
                self.finding(Finding { merchant, kind, number, what });
            }
            predecessor = seal.digest;
            (self.progress)(&self.report.counts);
        }
        Ok(())
    }
}

/// The numbers of a page of one kind of row, and whether there are more.
async fn numbers(
    store: &dyn Store,
    merchant: MerchantId,
    kind: usize,
    page: Page,
) -> Result<(Vec<i64>, bool), StoreError> {
    Ok(match kind {
        0 => {
            let slice = store.refunds(merchant, RefundFilter::default(), page).await?;
            (slice.rows.iter().map(|row| row.id.0).collect(), slice.more)
        }
        1 => {
            let slice = store.transactions(merchant, TransactionFilter::default(), page).await?;
            (slice.rows.iter().map(|row| row.number()).collect(), slice.more)
        }
        2 => {
            let slice = store.returns(merchant, ReturnFilter::default(), page).await?;
            (slice.rows.iter().map(|row| row.id.0).collect(), slice.more)
        }
        _ => {
            let slice = store.events(merchant, EventFilter::default(), page).await?;
            (slice.rows.iter().map(|row| row.id.0).collect(), slice.more)
        }
    })
}

/// The hashes of all events, one after the other.
struct Hashes<'a> {
    store: &'a dyn Store,
    read: std::vec::IntoIter<(EventId, [u8; 32])>,
    /// The newest that was read from the store.
    last: i64,
}

impl Hashes<'_> {
    /// The next one, if it is at most `end`.
    async fn upto(&mut self, end: EventId) -> Result<Option<(EventId, [u8; 32])>, StoreError> {
        if self.read.len() == 0 {
            let read = self.store.event_hashes(EventId(self.last), 20 * PAGE).await?;
            self.last = read.last().map_or(self.last, |(event, _)| event.0);
            self.read = read.into_iter();
        }
        match self.read.as_slice().first() {
            Some((event, _)) if *event <= end => Ok(self.read.next()),
            Some(_) | None => Ok(None),
        }
    }
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}
