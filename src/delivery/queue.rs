//! What one endpoint still has to be told, and in which order: the events of one order one after
//! the other, everything else beside each other. Knows no network and no books.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use refundry_domain::ids::{EndpointId, EventId, OrderId, Timestamp};
use refundry_domain::webhook::{Delivery, DeliveryState};

use crate::store::Event;

/// What must be sent in order: an order's events, or one event that belongs to none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Chain {
    Order(OrderId),
    Alone(i64),
}

enum Entry {
    /// Read from the feed and nowhere else yet.
    Fresh(Event),
    /// Has a row of its own, which is pending.
    Held(Delivery),
}

/// Something to send now.
pub enum Job {
    First(Event),
    Again(Delivery),
}

pub struct Queue {
    endpoint: EndpointId,
    /// Every event up to this one was read.
    read: i64,
    chains: HashMap<Chain, BTreeMap<i64, Entry>>,
    /// Which chain an event is in.
    places: HashMap<i64, Chain>,
    flying: HashSet<i64>,
    /// Heads of chains that may go: never tried, and due again.
    first: BTreeSet<i64>,
    again: BTreeSet<(Timestamp, i64)>,
    /// Events that were read and that a crash would make us read again.
    open: BTreeSet<i64>,
    /// Events beyond the cursor that have a row from before the last crash.
    ahead: HashSet<i64>,
    held: usize,
}

impl Queue {
    /// From the rows that are pending, and the events beyond the cursor that have rows already.
    pub fn resume(
        endpoint: EndpointId,
        cursor: EventId,
        pending: Vec<Delivery>,
        ahead: HashSet<i64>,
    ) -> Queue {
        let mut queue = Queue {
            endpoint,
            read: cursor.0,
            chains: HashMap::new(),
            places: HashMap::new(),
            flying: HashSet::new(),
            first: BTreeSet::new(),
            again: BTreeSet::new(),
            open: BTreeSet::new(),
            ahead,
            held: 0,
        };
        queue.reload(pending);
        queue
    }

    /// Takes pending rows up that somebody else has made or changed.
    pub fn reload(&mut self, pending: Vec<Delivery>) {
        for row in pending {
            let event = row.event.0;
            let is_fresh = self.places.get(&event).is_some_and(|chain| {
                matches!(self.chains[chain].get(&event), Some(Entry::Fresh(_)))
            });
            if !is_fresh && !self.flying.contains(&event) {
                if event > self.read {
                    self.ahead.insert(event);
                }
                self.hold(row);
            }
        }
    }

    /// Where the feed is read on from.
    pub fn read(&self) -> i64 {
        self.read
    }

    /// Every event up to this one needs no reading again.
    pub fn cursor(&self) -> EventId {
        EventId(self.open.first().map_or(self.read, |event| event - 1))
    }

    /// How much was read and not yet sent or written down.
    pub fn waiting(&self) -> usize {
        self.open.len()
    }

    /// How much has failed and is tried again, with all that waits behind it.
    pub fn held(&self) -> usize {
        self.held
    }

    pub fn flying(&self) -> usize {
        self.flying.len()
    }

    /// When the next one is due again.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.again.first().map(|(due, _)| *due)
    }

    /// Takes the next event of the feed; when it has to wait behind one that has failed, answers
    /// the row to be written.
    pub fn take(&mut self, event: Event, wanted: bool, now: Timestamp) -> Option<Delivery> {
        let number = event.id.0;
        self.read = self.read.max(number);
        if self.ahead.remove(&number) || !wanted || self.places.contains_key(&number) {
            return None;
        }
        let chain = event.order.map_or(Chain::Alone(number), Chain::Order);
        let entries = self.chains.entry(chain).or_default();
        if let Some(Entry::Held(_)) = entries.values().next() {
            let row = self.waiting_row(&event, now);
            self.hold(row.clone());
            return Some(row);
        }
        if entries.is_empty() {
            self.first.insert(number);
        }
        entries.insert(number, Entry::Fresh(event));
        self.places.insert(number, chain);
        self.open.insert(number);
        None
    }

    /// What is to be sent next: what is due again, and if it may be, what is new.
    pub fn next(&mut self, now: Timestamp, may_begin: bool) -> Option<Job> {
        let due = self.again.first().copied().filter(|(due, _)| *due <= now);
        let number = match due {
            Some(due) => {
                self.again.remove(&due);
                due.1
            }
            None if may_begin => self.first.pop_first()?,
            None => return None,
        };
        self.flying.insert(number);
        let chain = self.places.get(&number)?;
        match self.chains.get(chain)?.get(&number)? {
            Entry::Fresh(event) => Some(Job::First(event.clone())),
            Entry::Held(row) => Some(Job::Again(row.clone())),
        }
    }

    /// It was not tried after all.
    pub fn put_back(&mut self, event: EventId) {
        self.flying.remove(&event.0);
        if let Some(chain) = self.places.get(&event.0).copied() {
            self.wake(chain);
        }
    }

    /// It was tried, and this is its row now. Answers that row, and those of what has to wait
    /// behind it.
    pub fn tried(&mut self, row: Delivery, now: Timestamp) -> Vec<Delivery> {
        let number = row.event.0;
        let mut rows = vec![row.clone()];
        if row.state != DeliveryState::Pending {
            self.passed(row.event);
            return rows;
        }
        self.flying.remove(&number);
        self.hold(row);
        let Some(chain) = self.places.get(&number).copied() else { return rows };
        let behind: Vec<Event> = self.chains[&chain]
            .values()
            .filter_map(|entry| match entry {
                Entry::Fresh(event) => Some(event.clone()),
                Entry::Held(_) => None,
            })
            .collect();
        for event in behind {
            let row = self.waiting_row(&event, now);
            self.hold(row.clone());
            rows.push(row);
        }
        rows
    }

    /// Nothing more is to be sent of it: it is settled, or of no interest after all.
    pub fn passed(&mut self, event: EventId) {
        let number = event.0;
        self.flying.remove(&number);
        self.open.remove(&number);
        let Some(chain) = self.places.remove(&number) else { return };
        let Some(entries) = self.chains.get_mut(&chain) else { return };
        if let Some(Entry::Held(row)) = entries.remove(&number) {
            self.held -= 1;
            self.again.remove(&(row.due, number));
        }
        if entries.is_empty() {
            self.chains.remove(&chain);
        }
        self.wake(chain);
    }

    /// Puts a row in its chain's place, in stead of what is there.
    fn hold(&mut self, row: Delivery) {
        let number = row.event.0;
        let chain = row.order.map_or(Chain::Alone(number), Chain::Order);
        self.open.remove(&number);
        self.first.remove(&number);
        self.places.insert(number, chain);
        let entries = self.chains.entry(chain).or_default();
        let head_before = entries.keys().next().copied();
        match entries.insert(number, Entry::Held(row)) {
            Some(Entry::Held(before)) => {
                self.again.remove(&(before.due, number));
            }
            Some(Entry::Fresh(_)) | None => self.held += 1,
        }
        // One that was asked for again may come before what was at the head.
        if let Some(before) = head_before.filter(|before| *before > number) {
            self.sit(before);
        }
        self.wake(chain);
    }

    /// Lets the head of a chain go, unless one of the chain is under way: that ends first.
    fn wake(&mut self, chain: Chain) {
        let Some(entries) = self.chains.get(&chain) else { return };
        if entries.keys().any(|event| self.flying.contains(event)) {
            return;
        }
        match entries.iter().next() {
            Some((number, Entry::Fresh(_))) => self.first.insert(*number),
            Some((number, Entry::Held(row))) => self.again.insert((row.due, *number)),
            None => false,
        };
    }

    fn sit(&mut self, number: i64) {
        let Some(chain) = self.places.get(&number) else { return };
        let Some(entry) = self.chains.get(chain).and_then(|entries| entries.get(&number)) else {
            return;
        };
        match entry {
            Entry::Fresh(_) => self.first.remove(&number),
            Entry::Held(row) => self.again.remove(&(row.due, number)),
        };
    }

    fn waiting_row(&self, event: &Event, now: Timestamp) -> Delivery {
        Delivery {
            endpoint: self.endpoint,
            event: event.id,
            order: event.order,
            name: event.name.clone(),
            state: DeliveryState::Pending,
            due: now,
            round: 0,
            tries: Vec::new(),
            created_at: now,
            updated_at: now,
        }
    }
}
