//! The merchants' accounts at providers: their rows with sealed credentials, made into gateways
//! that can be called. Configured for one merchant, found by the provider's name in its payments.

pub mod breaker;
mod heard;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use refundry_domain::ids::{MerchantId, Timestamp};
use refundry_domain::merchant::Connection;
use refundry_domain::refund::Refund;

use crate::access::bank::BankDetails;
use crate::access::seal::{SealError, Sealer};
use crate::clock::Clock;
use crate::gateways::bank::BankAccount;
use crate::gateways::connectors::{self, Account, Texts};
use crate::gateways::{Attempt, Gateway, Gateways};
use crate::outbound::Client;
use crate::store::{Store, StoreError};
use breaker::Breakers;
use heard::Places;
pub use heard::{Heard, meant};

/// How long rows are believed before they are read again, so that a change made through another
/// replica takes effect.
const TTL_MS: i64 = 5_000;

/// What a payment's provider leads to.
pub enum Found {
    Live(Arc<dyn Gateway>),
    /// Switched off: it may be asked about what was sent, and is sent nothing.
    Disabled(Arc<dyn Gateway>),
    /// It is configured and cannot be used; why.
    Broken(String),
    Nothing,
}

/// What connected gateways are made with.
pub struct Means {
    pub store: Arc<dyn Store>,
    pub sealer: Arc<Sealer>,
    pub client: Client,
    pub clock: Arc<dyn Clock>,
    /// How long one call to a provider may take.
    pub timeout: Duration,
}

pub type Opened = Result<Arc<dyn Gateway>, String>;

pub struct Connections {
    built_in: Gateways,
    means: Option<Means>,
    rows: RwLock<Option<(Timestamp, Arc<Vec<Connection>>)>>,
    live: Mutex<HashMap<(MerchantId, String), (Connection, Opened)>>,
    /// Whether any merchant has connected anything, as far as was last seen.
    any: AtomicBool,
    places: Places,
    pub breakers: Breakers,
}

impl Connections {
    pub fn new(built_in: Gateways, means: Means) -> Connections {
        Connections { means: Some(means), ..Connections::built_in_only(built_in) }
    }

    /// Without any that merchants configure.
    pub fn built_in_only(built_in: Gateways) -> Connections {
        Connections {
            built_in,
            means: None,
            rows: RwLock::default(),
            live: Mutex::default(),
            any: AtomicBool::new(false),
            places: Places::default(),
            breakers: Breakers::default(),
        }
    }

    pub fn built_in(&self) -> &Gateways {
        &self.built_in
    }

    /// Whether there may be more than the built-in gateways.
    pub fn may_have_any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// Looks whether there are any.
    pub async fn look(&self) -> Result<(), StoreError> {
        self.all().await.map(|_| ())
    }

    /// The gateway for a merchant's payments of a provider: the merchant's own, else a built-in.
    pub async fn find(&self, merchant: MerchantId, provider: &str) -> Result<Found, StoreError> {
        let rows = self.all().await?;
        let own = rows.iter().find(|row| row.merchant == merchant && row.name == provider);
        if let Some(row) = own {
            return Ok(match self.opened(row) {
                Ok(gateway) if row.enabled => Found::Live(gateway),
                Ok(gateway) => Found::Disabled(gateway),
                Err(why) => Found::Broken(why),
            });
        }
        Ok(match self.built_in.named(provider) {
            Some(gateway) => Found::Live(gateway.clone()),
            None => Found::Nothing,
        })
    }

    /// Gives the attempt what its gateway is to have: the customer's account, opened now and for this
    /// call alone, where the gateway takes one and the method needs it. The error says why it cannot
    /// be opened.
    pub fn address(
        &self,
        gateway: &dyn Gateway,
        attempt: &mut Attempt,
        refund: &Refund,
    ) -> Result<(), String> {
        let envelope = refund.information.as_deref().filter(|_| refund.has_information());
        let (Some(envelope), Some(means)) = (envelope, &self.means) else { return Ok(()) };
        let needed = gateway.takes_bank_accounts()
            && gateway.abilities().methods_needing_information.contains(&attempt.method);
        if !needed {
            return Ok(());
        }
        let details = BankDetails::open(envelope, &means.sealer, attempt.merchant, refund.id)
            .map_err(|_| "the bank details cannot be opened with this master key".to_owned())?;
        let (iban, account_holder, bic) = details.parts();
        attempt.account = Some(BankAccount {
            iban: iban.to_owned(),
            account_holder: account_holder.to_owned(),
            bic: bic.map(str::to_owned),
        });
        Ok(())
    }

    /// Whether the provider takes the connection's credentials; the error says why not.
    pub async fn test(&self, row: &Connection) -> Result<(), String> {
        self.opened(row)?.test().await
    }

    /// Has the next look read the rows again.
    pub fn forget(&self) {
        *self.rows.write() = None;
        self.any.store(true, Ordering::Relaxed);
    }

    async fn all(&self) -> Result<Arc<Vec<Connection>>, StoreError> {
        let Some(means) = &self.means else { return Ok(Arc::default()) };
        let now = means.clock.now();
        if let Some((read_at, rows)) = &*self.rows.read()
            // A clock that was set back makes what is kept old, not young.
            && (0..TTL_MS).contains(&(now.0 - read_at.0))
        {
            return Ok(rows.clone());
        }
        let rows = Arc::new(means.store.all_connections().await?);
        self.any.store(!rows.is_empty(), Ordering::Relaxed);
        *self.rows.write() = Some((now, rows.clone()));
        Ok(rows)
    }

    /// A gateway of a row that may not be kept yet.
    pub fn open(&self, row: &Connection) -> Opened {
        let means = self.means.as_ref().ok_or("nothing can be connected")?;
        open(row, means)
    }

    /// The gateway of a row, made anew when the row has changed.
    fn opened(&self, row: &Connection) -> Opened {
        let Some(means) = &self.means else { return Err("nothing can be connected".to_owned()) };
        let mut live = self.live.lock();
        let place = (row.merchant, row.name.clone());
        if let Some((made_of, opened)) = live.get(&place)
            && made_of == row
        {
            return opened.clone();
        }
        let opened = open(row, means);
        if let Err(why) = &opened {
            let (merchant, gateway) = (row.merchant, &row.name);
            tracing::error!(%merchant, gateway, why, "a gateway cannot be used");
        }
        live.insert(place, (row.clone(), opened.clone()));
        opened
    }
}

fn open(row: &Connection, means: &Means) -> Opened {
    let connector = connectors::named(&row.connector)
        .ok_or_else(|| format!("this version has no connector {:?}", row.connector))?;
    let account = Account {
        name: row.name.clone(),
        settings: row.settings.clone(),
        secrets: unsealed(&means.sealer, row)?,
        client: means.client.clone(),
        clock: means.clock.clone(),
        timeout: means.timeout,
    };
    connector.connect(&account)
}

/// A connection's credentials, in clear.
pub fn unsealed(sealer: &Sealer, row: &Connection) -> Result<Texts, String> {
    let bytes = sealer.open(&row.sealed, &context(row.merchant, &row.name)).map_err(|_| {
        "its credentials cannot be opened with this master key; configure them again".to_owned()
    })?;
    serde_json::from_slice(&bytes).map_err(|_| "its credentials cannot be read".to_owned())
}

/// Credentials for one connection, sealed; they open for no other.
pub fn sealed(
    sealer: &Sealer,
    merchant: MerchantId,
    name: &str,
    secrets: &Texts,
) -> Result<Vec<u8>, SealError> {
    let text = serde_json::to_vec(secrets).unwrap_or_default();
    sealer.seal(&text, &context(merchant, name))
}

/// Whether a connection's credentials need no key but the newest.
pub fn is_sealed_anew(sealer: &Sealer, row: &Connection) -> bool {
    sealer.is_newest(&row.sealed, &context(row.merchant, &row.name))
}

fn context(merchant: MerchantId, name: &str) -> String {
    format!("gateway/{merchant}/{name}")
}
