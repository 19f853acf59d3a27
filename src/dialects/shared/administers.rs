//! What an administrator may do besides.

use refundry_domain::ids::{KeyId, MerchantId, TransactionId};
use refundry_domain::merchant::{Administration, Connection, Key, Merchant};
use refundry_domain::refund::TransactionState;
use refundry_domain::webhook::{Delivery, Endpoint, EndpointState};

use super::problem::{Code, Problem};
use crate::access::Caller;
use crate::access::day_key::Digested;
use crate::access::seal::Sealer;
use crate::connections::breaker::Circuit;
use crate::connections::{self};
use crate::delivery::{Counter, Message};
use crate::gateways::connectors::Texts;
use crate::ledger::Fault;
use crate::ledger::verify::{Counts, Report, verify_live};
use crate::store::webhooks::{DeliveryFilter, DeliveryPage};
use crate::store::{
    Administered, Event, Movement, Page, Slice, Standing, StoreError, TransactionFilter,
    TransactionKind, TransactionRow,
};

use super::desk::OPERATOR;
use super::right::{Administers, Right};

/// Why a gateway is not pointed at another account.
pub const IN_DOUBT: &str = "was sent through this account and is not settled yet: only this \
                            account can say what became of it. Change to another one when no \
                            refund sent through it is processing.";

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

    /// A refund that was sent through a gateway and is not settled: only the account that it was
    /// sent to can say what became of it.
    pub async fn in_doubt(&self, gateway: &str) -> Result<Option<TransactionId>, StoreError> {
        let filter = TransactionFilter {
            kinds: vec![TransactionKind::Refund],
            states: vec![TransactionState::Processing],
            provider: Some(gateway.to_owned()),
            ..TransactionFilter::default()
        };
        let mut page = Page { after: None, before: None, limit: 1_000, oldest_first: true };
        loop {
            let slice = self.store().transactions(self.merchant(), filter.clone(), page).await?;
            for row in &slice.rows {
                if let Movement::Back(row) = &row.movement
                    && row.sends > 0
                {
                    return Ok(Some(row.id));
                }
            }
            page.after = slice.rows.last().map(TransactionRow::number);
            if !slice.more || page.after.is_none() {
                return Ok(None);
            }
        }
    }

    /// Credentials as they are kept.
    pub fn seal(&self, gateway: &str, secrets: &Texts) -> Result<Vec<u8>, Problem> {
        connections::sealed(self.desk.0.links.sealer(), self.merchant(), gateway, secrets)
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
        let digested = Digested::of(self.desk.0.links.sealer(), merchant, secret)
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

    /// What an endpoint is sent about an event, as it is made now.
    pub async fn message(
        &self,
        endpoint: &Endpoint,
        event: &Event,
    ) -> Result<Option<Message>, StoreError> {
        match self.counter().formats.named(&endpoint.format) {
            Some(format) => format.message_to(endpoint, self.store(), event).await,
            None => Ok(None),
        }
    }

    /// How the books compared with their anchor when they were opened.
    pub fn standing(&self) -> Standing {
        self.store().standing()
    }

    /// Proves the merchant's books right, while they are written to; the operator's with the seals,
    /// which are over all merchants' events. Ends when the server drains.
    pub async fn verify(
        &self,
        progress: &mut (dyn FnMut(&Counts) + Send),
    ) -> Result<Report, StoreError> {
        let mut stopping = self.desk.0.stopping.clone();
        let store = self.store();
        tokio::select! {
            report = verify_live(store, self.merchant(), self.is_operator(), progress) => report,
            _ = stopping.wait_for(|stopping| *stopping) => {
                Err(StoreError::Unavailable("the server is stopping".to_owned()))
            }
        }
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
        self.desk.0.links.sealer()
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
