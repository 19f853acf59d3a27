//! What the dialects stand on: who is let in, and what the rights are made from.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use refundry_domain::ids::{KeyId, MerchantId, Timestamp};
use refundry_domain::merchant::Merchant;
use tokio::sync::watch;

use super::credential;
use super::problem::{Code, Problem};
use crate::access::Caller;
use crate::access::gate::{Admitted, Denied, Gate};
use crate::access::limits::Standing;
use crate::access::links::Links;
use crate::access::token::{self, Mark};
use crate::connections::Connections;
use crate::delivery::Counter;
use crate::ledger::Ledger;
use crate::store::StoreError;

/// The merchant whose admin keys may create other merchants: the first one, made with the
/// installation.
pub const OPERATOR: MerchantId = MerchantId(1);

/// What the dialects stand on.
#[derive(Clone)]
pub struct Desk(pub(super) Arc<Parts>);

pub(super) struct Parts {
    pub(super) ledger: Arc<Ledger>,
    pub(super) gate: Arc<Gate>,
    pub(super) links: Arc<Links>,
    pub(super) counter: Counter,
    pub(super) connections: Arc<Connections>,
    pub(super) stopping: watch::Receiver<bool>,
    pub(super) streams: Arc<Streams>,
}

/// Requests a second of a key for which nothing else was said.
const USUAL_RATE: u32 = 100;

/// How many event streams may be open over all merchants, and how many of one.
const STREAMS_MOST: usize = 1_000;
const STREAMS_EACH: usize = 200;
/// How long a stream waits between two looks at the feed: so long, and longer the more there are.
const LOOK_GAP: Duration = Duration::from_millis(10);
const LOOK_GAP_EACH: Duration = Duration::from_micros(200);

/// The event streams that are open, each merchant's counted.
#[derive(Default)]
pub struct Streams(Mutex<HashMap<MerchantId, usize>>);

/// A stream's place among them, until it is dropped.
pub struct Place {
    streams: Arc<Streams>,
    merchant: MerchantId,
}

impl Streams {
    fn count(&self) -> usize {
        self.0.lock().values().sum()
    }

    /// None while too many are open, of all merchants or of this one.
    pub(super) fn place(self: &Arc<Self>, merchant: MerchantId) -> Option<Place> {
        let mut open = self.0.lock();
        let all: usize = open.values().sum();
        let own = open.entry(merchant).or_default();
        if all >= STREAMS_MOST || *own >= STREAMS_EACH {
            return None;
        }
        *own += 1;
        Some(Place { streams: self.clone(), merchant })
    }
}

impl Place {
    /// How long to wait before the feed is looked at again, so that commits that come one after the
    /// other cost one look and not one each.
    pub fn gap(&self) -> Duration {
        LOOK_GAP
            + LOOK_GAP_EACH.saturating_mul(u32::try_from(self.streams.count()).unwrap_or(u32::MAX))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.streams.0.lock();
        if let Some(own) = open.get_mut(&self.merchant) {
            *own = own.saturating_sub(1);
        }
    }
}

impl Desk {
    /// `stopping` becomes true when the server drains; streams end then.
    pub fn new(
        ledger: Arc<Ledger>,
        gate: Arc<Gate>,
        links: Arc<Links>,
        connections: Arc<Connections>,
        counter: Counter,
        stopping: watch::Receiver<bool>,
    ) -> Desk {
        let streams = Arc::default();
        let parts = Parts { ledger, gate, links, connections, counter, stopping, streams };
        Desk(Arc::new(parts))
    }

    /// Who asks, and what is left of the key's quota.
    pub async fn admit(
        &self,
        headers: &axum::http::HeaderMap,
    ) -> Result<(Arc<Admitted>, Standing), Problem> {
        let Some(secret) = credential::authorization(headers) else {
            let detail = "Send your API key as Authorization: Bearer rfk_….";
            return Err(Problem::unauthorized(Code::CredentialMissing, detail));
        };
        self.admit_secret(&secret).await.map_err(|denied| match denied {
            Denied::Unknown => Problem::unauthorized(
                Code::CredentialInvalid,
                "There is no such API key, or it was revoked.",
            ),
            Denied::Busy => Problem::new(
                Code::RateLimited,
                "Too many unknown API keys are being tried; try again.",
            )
            .retry_after(1),
            Denied::Store(error) => error.into(),
        })
    }

    /// As [`Desk::admit`], with the key from wherever a dialect carries it.
    pub async fn admit_secret(&self, secret: &str) -> Result<(Arc<Admitted>, Standing), Denied> {
        self.0.gate.admit(secret).await
    }

    /// As [`Desk::admit`], by the number of the key and its key of the day.
    pub async fn admit_by_day(
        &self,
        key: KeyId,
        given: &str,
    ) -> Result<(Arc<Admitted>, Standing), Denied> {
        self.0.gate.admit_by_day(self.0.links.sealer(), key, given).await
    }

    /// As [`Desk::admit`], by a key whose secret was shown when a session at the console began.
    pub async fn admit_session(
        &self,
        merchant: MerchantId,
        key: KeyId,
        mark: Mark,
    ) -> Result<(Arc<Admitted>, Standing), Denied> {
        self.0.gate.admit_session(merchant, key, mark).await
    }

    /// The mark of the secret that the caller's key has now.
    pub async fn mark_of(&self, caller: &Caller) -> Result<Mark, Denied> {
        Ok(token::mark(&self.0.gate.key_of(caller).await?))
    }

    pub fn sealer(&self) -> &crate::access::seal::Sealer {
        self.0.links.sealer()
    }

    pub fn now(&self) -> Timestamp {
        self.0.ledger.now()
    }

    pub async fn merchant(&self, merchant: MerchantId) -> Result<Option<Merchant>, StoreError> {
        self.0.ledger.books().merchant(merchant).await
    }

    /// Counts a request of a key in an API that bounds them by the day: `usual` ones, and more for
    /// a key that may ask faster than usual. When they are used up, in how many seconds the next
    /// day begins.
    pub fn count_today(&self, admitted: &Admitted, usual: u32) -> Result<(), u64> {
        let Some(key) = admitted.caller.key else { return Ok(()) };
        let most = admitted.rate().saturating_mul(usual / USUAL_RATE).max(usual);
        self.0.gate.count_today(key, most)
    }
}
