//! What a caller that may write can do so that it is told of what it asks for.

use refundry_domain::ids::EndpointId;
use refundry_domain::merchant::Administration;
use refundry_domain::webhook::{Endpoint, EndpointChange, EndpointState, NewEndpoint};

use super::right::{Right, Writes};
use crate::delivery::Counter;
use crate::ledger::Fault;
use crate::store::{Administered, StoreError};

impl Right<Writes> {
    /// The merchant's webhook endpoints that are not deleted, oldest first.
    pub async fn endpoints(&self) -> Result<Vec<Endpoint>, StoreError> {
        let mut endpoints = self.store().endpoints(self.merchant()).await?;
        endpoints.retain(|endpoint| endpoint.state != EndpointState::Deleted);
        Ok(endpoints)
    }

    /// Which formats and addresses webhook endpoints may have.
    pub fn counter(&self) -> &Counter {
        &self.desk.0.counter
    }

    pub async fn make_endpoint(&self, new: NewEndpoint) -> Result<Administered, Fault> {
        self.change(Administration::CreateEndpoint(new)).await
    }

    pub async fn change_endpoint(
        &self,
        endpoint: EndpointId,
        change: EndpointChange,
    ) -> Result<Administered, Fault> {
        self.change(Administration::ChangeEndpoint { endpoint, change }).await
    }

    async fn change(&self, change: Administration) -> Result<Administered, Fault> {
        self.desk.0.ledger.administer(self.caller(), change).await
    }
}
