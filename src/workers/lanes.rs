//! What waits to be paid out, one lane a provider, and one for each that a merchant has connected
//! itself, so that a slow provider holds up nobody else.

use std::collections::{BTreeMap, HashSet, VecDeque};

use refundry_domain::ids::{MerchantId, TransactionId};

use crate::gateways::Gateways;

/// How many hints of one lane wait in memory; what is beyond is found in the store later. As many
/// as one look brings, and few enough that the lanes of slow providers leave room to all others.
const LANE_MOST: usize = 2_048;
/// Below this there is room again. With what is in flight it stays under one look's rows, so that
/// every look finds something new if there is anything.
const ROOM: usize = 256;

/// The lane of payouts whose provider has no gateway here any more: they are few, and each is put
/// before a person in the end.
const NOWHERE_MOST: usize = 16;

/// A payout to be worked on.
pub type Payout = (MerchantId, TransactionId);

/// Which lane: whose, when it is a merchant's own, and the provider's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    BuiltIn(String),
    Own(MerchantId, String),
    Nowhere,
}

pub struct Lanes {
    lanes: BTreeMap<Place, Lane>,
    /// What the operator has set; 0 leaves it to each gateway.
    most: usize,
    /// Where everything belongs while only one gateway is known.
    only: Option<Place>,
    waiting: HashSet<TransactionId>,
    /// Something was dropped: the store has more than we know of.
    overflowed: bool,
}

struct Lane {
    queue: VecDeque<Payout>,
    running: usize,
    most: usize,
}

impl Lanes {
    /// `most` at once a lane; 0 leaves it to each gateway.
    pub fn new(gateways: &Gateways, most: usize) -> Lanes {
        let mut lanes = Lanes {
            lanes: BTreeMap::new(),
            most,
            only: None,
            waiting: HashSet::new(),
            overflowed: false,
        };
        for gateway in gateways.all() {
            let place = Place::BuiltIn(gateway.name().to_owned());
            lanes.open(place.clone(), gateway.concurrency());
            lanes.only = Some(place);
        }
        if lanes.lanes.len() != 1 {
            lanes.only = None;
        }
        lanes.open(Place::Nowhere, NOWHERE_MOST);
        lanes
    }

    fn open(&mut self, place: Place, usual: usize) {
        let most = if self.most == 0 { usual } else { self.most };
        let lane =
            self.lanes.entry(place).or_insert(Lane { queue: VecDeque::new(), running: 0, most });
        lane.most = most;
    }

    /// Where everything belongs, when there is one gateway only.
    pub fn only(&self) -> Option<Place> {
        self.only.clone()
    }

    /// Lets a payout wait its turn, unless it does already. A place that is not known yet takes
    /// `usual` at once.
    pub fn add(&mut self, place: &Place, usual: usize, payout: Payout) {
        if !self.lanes.contains_key(place) {
            self.open(place.clone(), usual);
        }
        let Some(lane) = self.lanes.get_mut(place) else { return };
        if lane.queue.len() >= LANE_MOST {
            self.overflowed |= !self.waiting.contains(&payout.1);
        } else if self.waiting.insert(payout.1) {
            lane.queue.push_back(payout);
        }
    }

    /// The next payout that may begin, with its lane.
    pub fn next(&mut self) -> Option<(Place, Payout)> {
        for (place, lane) in &mut self.lanes {
            if lane.running < lane.most
                && let Some(payout) = lane.queue.pop_front()
            {
                lane.running += 1;
                self.waiting.remove(&payout.1);
                return Some((place.clone(), payout));
            }
        }
        None
    }

    pub fn done(&mut self, place: &Place) {
        if let Some(lane) = self.lanes.get_mut(place) {
            lane.running -= 1;
        }
    }

    /// Drops everything that waits: the store keeps it, and is in trouble.
    pub fn clear(&mut self) {
        self.waiting.clear();
        for lane in self.lanes.values_mut() {
            lane.queue.clear();
        }
    }

    pub fn running(&self) -> usize {
        self.lanes.values().map(|lane| lane.running).sum()
    }

    /// The store has more than was put in here.
    pub fn overflowed(&mut self) {
        self.overflowed = true;
    }

    /// Whether the store should be looked at again at once: it has more, and by now there is room.
    pub fn wants_more(&mut self) -> bool {
        let wants = self.overflowed && self.waiting.len() < ROOM;
        if wants {
            self.overflowed = false;
        }
        wants
    }
}
