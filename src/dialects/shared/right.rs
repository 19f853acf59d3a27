//! What a caller may do, as a value: a handler that was not given the right to a thing has no way
//! to ask the books for it, and every question is asked as the caller's merchant.

use std::marker::PhantomData;
use std::sync::Arc;

use refundry_domain::book::Book;
use refundry_domain::command::{Command, Target};
use refundry_domain::ids::{
    KeyId, MerchantId, OrderRef, RefundId, ReturnId, Timestamp, TransactionId,
};
use refundry_domain::merchant::{Administration, Connection, Key, Merchant, Scope, Settings};
use refundry_domain::order::Order;
use refundry_domain::policy::Policy;
use refundry_domain::refund::Refund;
use refundry_domain::returns::Return;
use refundry_domain::webhook::{Delivery, Endpoint, EndpointState};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::credential;
use super::problem::{Code, Problem};
use crate::access::Caller;
use crate::access::day_key::Digested;
use crate::access::gate::{Admitted, Denied, Gate};
use crate::access::limits::Standing;
use crate::access::seal::Sealer;
use crate::connections::breaker::Circuit;
use crate::connections::{self, Connections};
use crate::delivery::{Counter, Message};
use crate::gateways::connectors::Texts;
use crate::ledger::{Answered, Fault, Ledger};
use crate::store::Standing as BooksStanding;
use crate::store::webhooks::{DeliveryFilter, DeliveryPage};
use crate::store::{
    Administered, Claim, Event, EventFilter, OrderFilter, Page, RefundFilter, ReturnFilter, Slice,
    Store, StoreError, TransactionFilter, TransactionRow,
};

/// The merchant whose admin keys may create other merchants: the first one, made with the
/// installation.
pub const OPERATOR: MerchantId = MerchantId(1);

/// What the dialects stand on.
#[derive(Clone)]
pub struct Desk(Arc<Parts>);

struct Parts {
    ledger: Arc<Ledger>,
    gate: Arc<Gate>,
    sealer: Arc<Sealer>,
    counter: Counter,
    connections: Arc<Connections>,
    stopping: watch::Receiver<bool>,
    streams: Arc<Semaphore>,
}

/// How many event streams may be open, over all merchants.
const STREAMS_MOST: usize = 1_000;

impl Desk {
    /// `stopping` becomes true when the server drains; streams end then.
    pub fn new(
        ledger: Arc<Ledger>,
        gate: Arc<Gate>,
        sealer: Arc<Sealer>,
        connections: Arc<Connections>,
        counter: Counter,
        stopping: watch::Receiver<bool>,
    ) -> Desk {
        let streams = Arc::new(Semaphore::new(STREAMS_MOST));
        let parts = Parts { ledger, gate, sealer, connections, counter, stopping, streams };
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
        self.0.gate.admit_by_day(&self.0.sealer, key, given).await
    }
}

/// What the console needs besides, which has sessions where the dialects have credentials.
impl Desk {
    /// As [`Desk::admit`], by a key whose secret was shown when the session began.
    pub async fn admit_session(
        &self,
        merchant: MerchantId,
        key: KeyId,
    ) -> Result<(Arc<Admitted>, Standing), Denied> {
        self.0.gate.admit_session(merchant, key).await
    }

    pub fn sealer(&self) -> &Sealer {
        &self.0.sealer
    }

    pub fn now(&self) -> Timestamp {
        self.0.ledger.now()
    }

    pub async fn merchant(&self, merchant: MerchantId) -> Result<Option<Merchant>, StoreError> {
        self.0.ledger.books().merchant(merchant).await
    }
}

/// A right that some scopes give.
pub trait Scoped: Send + Sync + 'static {
    /// Any of these is enough.
    const ANY: &'static [Scope];
}

/// Look at the merchant's rows.
pub enum Reads {}
/// Register, request, cancel, retry, report.
pub enum Writes {}
/// Confirm a refund: by who may write, and for what the policy wants approved, by who may approve.
pub enum Confirms {}
/// Keys, settings, merchants, webhooks.
pub enum Administers {}

impl Scoped for Reads {
    const ANY: &'static [Scope] = &[Scope::Read];
}
impl Scoped for Writes {
    const ANY: &'static [Scope] = &[Scope::Write];
}
impl Scoped for Confirms {
    const ANY: &'static [Scope] = &[Scope::Write, Scope::Approve];
}
impl Scoped for Administers {
    const ANY: &'static [Scope] = &[Scope::Admin];
}

/// The right `S`, of one caller.
pub struct Right<S> {
    desk: Desk,
    admitted: Arc<Admitted>,
    of: PhantomData<fn() -> S>,
}

impl<S> Clone for Right<S> {
    fn clone(&self) -> Right<S> {
        Right { desk: self.desk.clone(), admitted: self.admitted.clone(), of: PhantomData }
    }
}

impl<S: Scoped> Right<S> {
    pub fn claim(desk: Desk, admitted: Arc<Admitted>) -> Result<Right<S>, Problem> {
        if S::ANY.iter().any(|scope| admitted.caller.may(*scope)) {
            return Ok(Right { desk, admitted, of: PhantomData });
        }
        let names: Vec<&str> = S::ANY.iter().map(|scope| scope.name()).collect();
        let detail = format!("The API key lacks the scope {}.", names.join(" or "));
        Err(Problem::new(Code::ScopeMissing, detail))
    }

    pub fn caller(&self) -> &Caller {
        &self.admitted.caller
    }

    pub fn now(&self) -> Timestamp {
        self.desk.0.ledger.now()
    }

    fn merchant(&self) -> MerchantId {
        self.admitted.caller.merchant
    }

    fn store(&self) -> &dyn Store {
        self.desk.0.ledger.books()
    }

    /// Carries a command out, to its end even when the client hangs up meanwhile: the task goes
    /// on when whoever waits for it is dropped.
    async fn run(
        &self,
        target: Target,
        command: Command,
        claim: Option<Claim>,
        dry_run: bool,
    ) -> Result<Answered, Fault> {
        let ledger = self.desk.0.ledger.clone();
        let admitted = self.admitted.clone();
        let task = tokio::spawn(async move {
            ledger.carry_out(&admitted.caller, target, command, claim, dry_run).await
        });
        match task.await {
            Ok(answered) => answered,
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(StoreError::Unavailable("the server is stopping".to_owned()).into()),
            },
        }
    }
}

impl Right<Reads> {
    pub async fn order(&self, order: OrderRef) -> Result<Option<Book>, StoreError> {
        self.store().order(self.merchant(), order).await
    }

    pub async fn orders(
        &self,
        filter: OrderFilter,
        page: Page,
    ) -> Result<Slice<Order>, StoreError> {
        self.store().orders(self.merchant(), filter, page).await
    }

    pub async fn refund(&self, refund: RefundId) -> Result<Option<Refund>, StoreError> {
        self.store().refund(self.merchant(), refund).await
    }

    pub async fn refunds(
        &self,
        filter: RefundFilter,
        page: Page,
    ) -> Result<Slice<Refund>, StoreError> {
        self.store().refunds(self.merchant(), filter, page).await
    }

    pub async fn transaction(
        &self,
        transaction: TransactionId,
    ) -> Result<Option<TransactionRow>, StoreError> {
        self.store().transaction(self.merchant(), transaction).await
    }

    pub async fn transactions(
        &self,
        filter: TransactionFilter,
        page: Page,
    ) -> Result<Slice<TransactionRow>, StoreError> {
        self.store().transactions(self.merchant(), filter, page).await
    }

    pub async fn return_of(&self, return_id: ReturnId) -> Result<Option<Return>, StoreError> {
        self.store().return_of(self.merchant(), return_id).await
    }

    pub async fn returns(
        &self,
        filter: ReturnFilter,
        page: Page,
    ) -> Result<Slice<Return>, StoreError> {
        self.store().returns(self.merchant(), filter, page).await
    }

    pub async fn events(
        &self,
        filter: EventFilter,
        page: Page,
    ) -> Result<Slice<Event>, StoreError> {
        self.store().events(self.merchant(), filter, page).await
    }

    /// What would become of a command; writes nothing.
    pub async fn preview(&self, target: Target, command: Command) -> Result<Answered, Fault> {
        self.run(target, command, None, true).await
    }

    /// What the merchant has settled, and what the connected providers can do.
    pub async fn policy(&self) -> Result<Arc<Policy>, StoreError> {
        self.desk.0.ledger.policy(self.merchant()).await
    }

    /// The IANA name of the merchant's time zone.
    pub async fn time_zone(&self) -> Result<String, StoreError> {
        let row = self.store().merchant(self.merchant()).await?;
        let settings = row.map_or_else(Settings::default, |merchant| merchant.settings);
        Ok(settings.time_zone)
    }

    /// Ticks with every commit of this process.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.desk.0.ledger.commits()
    }

    /// A place for one more stream; `None` when there is none.
    pub fn place_for_stream(&self) -> Option<OwnedSemaphorePermit> {
        self.desk.0.streams.clone().try_acquire_owned().ok()
    }

    /// True once the server drains.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.desk.0.stopping.clone()
    }
}

impl Right<Writes> {
    pub async fn carry_out(
        &self,
        target: Target,
        command: Command,
        claim: Option<Claim>,
        dry_run: bool,
    ) -> Result<Answered, Fault> {
        self.run(target, command, claim, dry_run).await
    }

    /// The transaction that a report is about.
    pub async fn transaction(
        &self,
        transaction: TransactionId,
    ) -> Result<Option<TransactionRow>, StoreError> {
        self.store().transaction(self.merchant(), transaction).await
    }

    pub fn sealer(&self) -> &Sealer {
        &self.desk.0.sealer
    }

    pub fn may_approve(&self) -> bool {
        self.caller().may(Scope::Approve)
    }
}

impl Right<Confirms> {
    pub async fn confirm(
        &self,
        refund: RefundId,
        claim: Option<Claim>,
        dry_run: bool,
    ) -> Result<Answered, Fault> {
        let may_approve = self.caller().may(Scope::Approve);
        let command = Command::Confirm { may_approve };
        self.run(Target::Refund(refund), command, claim, dry_run).await
    }
}

impl Right<Administers> {
    /// Changes the caller's own merchant.
    pub async fn administer(&self, change: Administration) -> Result<Administered, Fault> {
        self.administer_as(self.caller().clone(), change).await
    }

    /// Changes another merchant, on behalf of the operator; `None` when the caller is not that.
    pub async fn administer_for(
        &self,
        merchant: MerchantId,
        change: Administration,
    ) -> Option<Result<Administered, Fault>> {
        if merchant != self.merchant() && !self.is_operator() {
            return None;
        }
        let caller = Caller { merchant, ..self.caller().clone() };
        Some(self.administer_as(caller, change).await)
    }

    async fn administer_as(
        &self,
        caller: Caller,
        change: Administration,
    ) -> Result<Administered, Fault> {
        let desk = self.desk.clone();
        let task = tokio::spawn(async move {
            let done = desk.0.ledger.administer(&caller, change).await;
            desk.0.gate.forget();
            desk.0.connections.forget();
            done
        });
        task.await.unwrap_or_else(|_| {
            Err(StoreError::Unavailable("the change was broken off".to_owned()).into())
        })
    }

    pub async fn connections(&self) -> Result<Vec<Connection>, StoreError> {
        self.store().connections(self.merchant()).await
    }

    /// Credentials as they are kept.
    pub fn seal(&self, gateway: &str, secrets: &Texts) -> Result<Vec<u8>, Problem> {
        connections::sealed(&self.desk.0.sealer, self.merchant(), gateway, secrets)
            .map_err(|error| Problem::new(Code::Internal, format!("Nothing was kept: {error}.")))
    }

    /// Whether a connection can be used, as far as can be told without its provider.
    pub fn open(&self, row: &Connection) -> Result<(), String> {
        self.desk.0.connections.open(row).map(|_| ())
    }

    /// Whether the provider takes the credentials. A client that hangs up does not break it off.
    pub async fn try_out(&self, row: Connection) -> Result<(), String> {
        let connections = self.desk.0.connections.clone();
        let task = tokio::spawn(async move { connections.test(&row).await });
        task.await.unwrap_or_else(|_| Err("the test was broken off".to_owned()))
    }

    /// Keeps of a new key's secret what logins by a key of the day are checked against.
    pub async fn keep_digest(&self, merchant: MerchantId, secret: &str) -> Result<(), StoreError> {
        let digested = Digested::of(&self.desk.0.sealer, merchant, secret)
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        self.store().keep_digest(merchant, digested.hash, digested.sealed).await
    }

    pub fn is_operator(&self) -> bool {
        self.merchant() == OPERATOR
    }

    pub async fn keys(&self) -> Result<Vec<Key>, StoreError> {
        self.store().keys(self.merchant()).await
    }

    pub async fn key(&self, key: KeyId) -> Result<Option<Key>, StoreError> {
        self.store().key(self.merchant(), key).await
    }

    /// The merchant's webhook endpoints that are not deleted, oldest first.
    pub async fn endpoints(&self) -> Result<Vec<Endpoint>, StoreError> {
        let mut endpoints = self.store().endpoints(self.merchant()).await?;
        endpoints.retain(|endpoint| endpoint.state != EndpointState::Deleted);
        Ok(endpoints)
    }

    pub async fn deliveries(
        &self,
        filter: DeliveryFilter,
        page: DeliveryPage,
    ) -> Result<Slice<Delivery>, StoreError> {
        self.store().deliveries(self.merchant(), filter, page).await
    }

    pub async fn events(
        &self,
        filter: EventFilter,
        page: Page,
    ) -> Result<Slice<Event>, StoreError> {
        self.store().events(self.merchant(), filter, page).await
    }

    /// What an endpoint is sent about an event, as it is made now.
    pub async fn message(
        &self,
        endpoint: &Endpoint,
        event: &Event,
    ) -> Result<Option<Message>, StoreError> {
        match self.counter().formats.named(&endpoint.format) {
            Some(format) => format.message(self.store(), event).await,
            None => Ok(None),
        }
    }

    /// How the books compared with their anchor when they were opened.
    pub fn standing(&self) -> BooksStanding {
        self.store().standing()
    }

    /// Whether a gateway is sent nothing for a while because it does not answer.
    pub fn is_left_alone(&self, gateway: &str) -> bool {
        let mine = |(merchant, name, circuit): &(MerchantId, String, Circuit)| {
            *merchant == self.merchant() && name == gateway && *circuit != Circuit::Closed
        };
        self.desk.0.connections.breakers.all().iter().any(mine)
    }

    /// Which formats and addresses webhook endpoints may have.
    pub fn counter(&self) -> &Counter {
        &self.desk.0.counter
    }

    pub fn sealer(&self) -> &Sealer {
        &self.desk.0.sealer
    }

    /// The caller's own merchant, or for the operator any.
    pub async fn merchant_row(&self, id: MerchantId) -> Result<Option<Merchant>, StoreError> {
        if id != self.merchant() && !self.is_operator() {
            return Ok(None);
        }
        self.store().merchant(id).await
    }

    pub async fn own(&self) -> Result<Option<Merchant>, StoreError> {
        self.store().merchant(self.merchant()).await
    }

    /// Every merchant, for the operator.
    pub async fn merchants(&self) -> Option<Result<Vec<Merchant>, StoreError>> {
        if !self.is_operator() {
            return None;
        }
        Some(self.store().merchants().await)
    }
}
