//! Notifications: whose signature they have, and whom they may be shown to.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use refundry_domain::ids::{MerchantId, TransactionId};
use refundry_domain::merchant::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Connections;
use crate::gateways::{Notice, Raw, Unheard};
use crate::store::{Movement, Page, Store, StoreError, TransactionFilter, TransactionKind};

/// How many notifications of one connection are looked into at once.
const AT_ONCE: usize = 64;

/// The places that each connection has: one whose provider is slow holds up no other.
#[derive(Default)]
pub(super) struct Places(Mutex<HashMap<(MerchantId, String), Arc<Semaphore>>>);

impl Places {
    fn take(&self, row: &Connection) -> Option<OwnedSemaphorePermit> {
        let mut all = self.0.lock();
        let own = all.entry((row.merchant, row.name.clone()));
        own.or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))).clone().try_acquire_owned().ok()
    }
}

/// What came of reading a notification.
#[derive(Default)]
pub struct Heard {
    /// What it says, of every connection whose signature it has.
    pub notices: Vec<Notice>,
    /// Whether a connection has its signature.
    believed: bool,
    /// Whether a connection did not have it checked, since it is about nothing of its own.
    passed_by: bool,
    refusal: Option<Unheard>,
    /// Why a connection that it is about could not check it.
    unchecked: Option<String>,
    /// Why a connection that it may be about was not tried.
    untried: Option<String>,
    /// Held until all is taken up.
    places: Vec<OwnedSemaphorePermit>,
}

impl Heard {
    /// Whether the provider may forget about it, once all is taken up; `known` is whether any of it
    /// was about something that is known here.
    pub fn end(self, known: bool) -> Result<(), Unheard> {
        if let Some(why) = self.unchecked {
            return Err(Unheard::NotNow(why));
        }
        if known {
            return Ok(());
        }
        if let Some(why) = self.untried {
            return Err(Unheard::NotNow(why));
        }
        match self.refusal {
            None if self.believed || self.passed_by => Ok(()),
            None => Err(Unheard::Forged("there is no gateway of this name")),
            Some(_) if self.believed => Ok(()),
            Some(refusal) => Err(refusal),
        }
    }
}

impl Connections {
    /// Reads a notification that came in for the gateways of a name. Whose it is, its signature
    /// tells: of all that it fits, since merchants may share an account at the provider. One that
    /// the provider checks itself is shown to the address that the merchant has set, so only whose
    /// transaction it is about has it checked.
    pub async fn hear(&self, name: &str, raw: &Raw) -> Result<Heard, StoreError> {
        let mut heard = Heard::default();
        for row in self.all().await?.iter().filter(|row| row.name == name) {
            self.hear_of(row, raw, &mut heard).await?;
        }
        Ok(heard)
    }

    async fn hear_of(
        &self,
        row: &Connection,
        raw: &Raw,
        heard: &mut Heard,
    ) -> Result<(), StoreError> {
        let gateway = match self.opened(row) {
            Ok(gateway) => gateway,
            Err(why) => {
                heard.untried = Some(why);
                return Ok(());
            }
        };
        let Some(place) = self.places.take(row) else {
            heard.untried = Some("too many come in at once".to_owned());
            return Ok(());
        };
        let through = Some((row.merchant, row.name.clone()));
        if let (Some(claimed), Some(means)) = (gateway.claimed(raw), &self.means) {
            let claimed = Notice { through: through.clone(), ..claimed };
            if meant(means.store.as_ref(), &claimed).await?.is_none() {
                heard.passed_by = true;
                return Ok(());
            }
        }
        match gateway.hear(raw).await {
            Ok(notices) => {
                heard.believed = true;
                heard.places.push(place);
                let own = notices.into_iter();
                let own = own.map(|notice| Notice { through: through.clone(), ..notice });
                heard.notices.extend(own);
            }
            Err(Unheard::NotNow(why)) => heard.unchecked = Some(why),
            Err(forged @ Unheard::Forged(_)) => heard.refusal = Some(forged),
        }
        Ok(())
    }
}

/// Which transaction a notification is about: by our own key first, then by the provider's name of
/// it; of the connection that it came in by and no other.
pub async fn meant(
    books: &dyn Store,
    notice: &Notice,
) -> Result<Option<(MerchantId, TransactionId)>, StoreError> {
    let by_key = match &notice.key {
        Some(key) => books.transaction_by_key(key.clone()).await?,
        None => None,
    };
    let Some((merchant, provider)) = &notice.through else { return Ok(by_key) };
    if let Some((owner, transaction)) = by_key {
        let row = books.transaction(owner, transaction).await?;
        let fits = row.is_some_and(|row| match row.movement {
            Movement::Back(row) => owner == *merchant && row.provider == *provider,
            Movement::In(_) => false,
        });
        return Ok(fits.then_some((owner, transaction)));
    }
    let Some(reference) = notice.reference.clone() else { return Ok(None) };
    let filter = TransactionFilter {
        kinds: vec![TransactionKind::Refund],
        provider: Some(provider.clone()),
        provider_reference: Some(reference),
        ..TransactionFilter::default()
    };
    let page = Page { after: None, before: None, limit: 1, oldest_first: false };
    let found = books.transactions(*merchant, filter, page).await?;
    Ok(found.rows.first().map(|row| (*merchant, TransactionId(row.number()))))
}
