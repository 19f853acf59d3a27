//! What can be connected: every connector, what it has to be told, and what its provider can do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use refundry_domain::money::Currency;
use refundry_domain::policy::Abilities;

use super::connected::{Connected, Provider};
use super::exchange::Link;
use super::{Gateway, adyen, afterpay, begateway, braintree, cybersource, http, paypal, stripe};
use crate::clock::Clock;
use crate::outbound::Client;

/// Something that a connection has to be told, or may be.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub name: &'static str,
    pub what: &'static str,
    pub required: bool,
    /// Whether it says which of the provider's accounts is meant, as every address does too.
    pub names_account: bool,
}

impl Field {
    pub const fn naming_account(self) -> Field {
        Field { names_account: true, ..self }
    }
}

pub const fn required(name: &'static str, what: &'static str) -> Field {
    Field { name, what, required: true, names_account: false }
}

pub const fn optional(name: &'static str, what: &'static str) -> Field {
    Field { name, what, required: false, names_account: false }
}

pub type Texts = BTreeMap<String, String>;

/// One kind of provider.
pub struct Connector {
    pub name: &'static str,
    /// Shown to whoever may administer.
    pub settings: &'static [Field],
    /// Sealed at rest and never shown.
    pub secrets: &'static [Field],
    pub abilities: fn(&Texts) -> Abilities,
    /// Whether it carries out a key at most once, and whether it can be asked about one.
    pub deduplicates: bool,
    pub can_be_asked: bool,
    /// How its notifications are signed; empty when it has none.
    pub notifications: &'static str,
    /// Whether it is handed the customer's account for the methods that need one.
    pub takes_bank_accounts: bool,
    pub open: fn(&Account) -> Result<Box<dyn Provider>, String>,
}

/// Every connector there is.
pub static ALL: &[&Connector] = &[
    &adyen::CONNECTOR,
    &afterpay::CONNECTOR,
    &begateway::CONNECTOR,
    &braintree::CONNECTOR,
    &cybersource::CONNECTOR,
    &http::CONNECTOR,
    &paypal::CONNECTOR,
    &stripe::CONNECTOR,
];

pub fn named(name: &str) -> Option<&'static Connector> {
    ALL.iter().copied().find(|connector| connector.name == name)
}

/// What the rules need to know of a connection.
pub fn abilities(connector: &str, settings: &Texts) -> Option<Abilities> {
    named(connector).map(|known| (known.abilities)(settings))
}

/// A merchant's account at a provider, with what is needed to reach it.
pub struct Account {
    /// The provider's name as the merchant's payments carry it.
    pub name: String,
    pub settings: Texts,
    pub secrets: Texts,
    pub client: Client,
    pub clock: Arc<dyn Clock>,
    pub timeout: Duration,
}

impl Account {
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// A setting that was checked to be there.
    pub fn known(&self, name: &str) -> Result<String, String> {
        self.setting(name)
            .map(str::to_owned)
            .ok_or_else(|| format!("the setting {name} is missing"))
    }

    pub fn secret(&self, name: &str) -> Result<String, String> {
        let found = self.secrets.get(name).filter(|text| !text.is_empty());
        found.cloned().ok_or_else(|| format!("the secret {name} is missing"))
    }

    /// The way to the provider: the setting `base_url`, else the provider's usual address.
    pub fn link(&self, usual: &str) -> Result<Link, String> {
        let base = self.setting("base_url").unwrap_or(usual);
        self.link_to(base)
    }

    pub fn link_to(&self, base: &str) -> Result<Link, String> {
        check_address(base)?;
        let base = base.trim_end_matches('/').to_owned();
        Ok(Link { client: self.client.clone(), base, timeout: self.timeout })
    }
}

/// Whether an address may be given credentials: `https`, or this machine itself.
fn check_address(address: &str) -> Result<(), String> {
    let uri = address.parse::<Uri>().map_err(|_| format!("{address:?} is no address"))?;
    let host = uri.host().unwrap_or_default();
    let here = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    let scheme = uri.scheme_str().unwrap_or_default();
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("an address with a user in it is not called".to_owned());
    }
    if host.is_empty() || uri.query().is_some() {
        return Err(format!("{address:?} is not an address with a host and no query"));
    }
    if scheme == "https" || scheme == "http" && here {
        return Ok(());
    }
    Err(format!("{address:?} has to begin with https:// (http:// only on this machine)"))
}

/// What is wrong with the fields of a connection: where (`settings` or `secrets`), which, and why.
pub type Misfit = (&'static str, String, String);

impl Connector {
    /// The gateway to an account at this kind of provider.
    pub fn connect(&'static self, account: &Account) -> Result<Arc<dyn Gateway>, String> {
        let (name, abilities) = (account.name.clone(), (self.abilities)(&account.settings));
        let provider = (self.open)(account)?;
        Ok(Arc::new(Connected { name, connector: self, abilities, provider }))
    }

    /// Checks what a connection is told. The secrets are checked only when they are given.
    pub fn check(&self, settings: &Texts, secrets: Option<&Texts>) -> Result<(), Misfit> {
        fit("settings", self.settings, settings)?;
        if let Some(secrets) = secrets {
            fit("secrets", self.secrets, secrets)?;
        }
        for (name, value) in settings.iter().filter(|(name, _)| name.ends_with("url")) {
            check_address(value).map_err(|why| ("settings", name.clone(), why))?;
        }
        Ok(())
    }
}

impl Connector {
    /// Whether other settings lead to another account, where what was sent through the first one
    /// is not known.
    pub fn is_another_account(&self, known: &Texts, given: &Texts) -> bool {
        let names = |field: &&Field| field.names_account || field.name.ends_with("url");
        let mut naming = self.settings.iter().filter(names);
        naming.any(|field| known.get(field.name) != given.get(field.name))
    }
}

fn fit(place: &'static str, fields: &[Field], given: &Texts) -> Result<(), Misfit> {
    for (name, value) in given {
        if !fields.iter().any(|field| field.name == name) {
            let known: Vec<&str> = fields.iter().map(|field| field.name).collect();
            let why = format!("there is no such field; there are: {}", known.join(", "));
            return Err((place, name.clone(), why));
        }
        // A value that is put into a header must not begin another one.
        if value.chars().any(|c| c.is_control() && !(c == '\n' && name == "public_key")) {
            return Err((place, name.clone(), "control characters are not taken".to_owned()));
        }
        if value.len() > 4096 {
            return Err((place, name.clone(), "more than 4096 bytes".to_owned()));
        }
    }
    let missing = fields
        .iter()
        .filter(|field| field.required)
        .find(|field| given.get(field.name).is_none_or(String::is_empty));
    match missing {
        Some(field) => Err((place, field.name.to_owned(), format!("it is needed: {}", field.what))),
        None => Ok(()),
    }
}

/// Abilities from settings that say them: `partial` and `repeated` (`no` switches them off),
/// `currencies` and `details_for` (lists with commas).
pub fn stated_abilities(settings: &Texts) -> Abilities {
    let list = |name: &str| -> Vec<String> {
        let text = settings.get(name).map(String::as_str).unwrap_or_default();
        text.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
    };
    let is_on = |name: &str| settings.get(name).is_none_or(|value| value != "no");
    let currencies: BTreeSet<Currency> =
        list("currencies").iter().filter_map(|code| Currency::parse(code).ok()).collect();
    Abilities {
        pays: true,
        methods_needing_information: list("details_for"),
        in_part: is_on("partial"),
        repeatedly: is_on("repeated"),
        currencies: Some(currencies).filter(|known| !known.is_empty()),
    }
}
