//! The settings: flags, then `REFUNDRY_*`, then `refundry.toml`, then the defaults. The defaults are
//! the file `refundry.toml` of the repository, compiled in, so what is documented is what is done.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;
use toml::{Table, Value};

use crate::outbound::addresses::Network;

/// Every setting and its default.
pub const DEFAULTS: &str = include_str!("../refundry.toml");

/// The file that is read when none is named, if it is there.
const USUAL_FILE: &str = "refundry.toml";
const PREFIX: &str = "REFUNDRY_";
/// Variables with our prefix that are not settings of the file.
const FILE_VARIABLE: &str = "REFUNDRY_CONFIG";
const MASTER_VARIABLE: &str = "REFUNDRY_MASTER_KEY";
const KEY_VARIABLE: &str = "REFUNDRY_ADMIN_KEY";

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub data: PathBuf,
    pub listen: SocketAddr,
    /// What customers reach this server under; empty when links are to be paths alone.
    pub public_url: String,
    pub database: Database,
    pub log: Log,
    pub payouts: Payouts,
    pub expiry: Expiry,
    pub seal: Seal,
    pub answers: Answers,
    pub gateways: Gateways,
    pub webhooks: Webhooks,
    pub sandbox: Sandbox,
    /// The first admin key's secret, from the environment only: a file would keep it.
    #[serde(skip)]
    pub admin_key: Option<Secret>,
    /// What seals secrets at rest, from the environment only; a file in the data directory else.
    #[serde(skip)]
    pub master_key: Option<Secret>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Empty: the embedded database in the data directory. It may hold a password.
    pub url: Secret,
    pub connections: usize,
    pub timeout_ms: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub level: String,
    pub format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payouts {
    pub timeout_ms: u32,
    pub lease_ms: u32,
    pub concurrency: usize,
    pub look_ms: u32,
    pub drain_ms: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expiry {
    pub look_ms: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    pub every_ms: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    pub keep_days: u32,
    pub wait_ms: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhooks {
    pub timeout_ms: u32,
    pub concurrency: usize,
    pub look_ms: u32,
    pub lease_ms: u32,
    pub drain_ms: u32,
    pub keep_days: u32,
    pub allow_http: bool,
    pub allow_addresses: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sandbox {
    pub enabled: bool,
    /// Empty: the data directory.
    pub directory: PathBuf,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateways {
    pub allow_addresses: String,
}

impl Gateways {
    /// What gateways may call besides the public internet.
    pub fn networks(&self) -> Vec<Network> {
        networks(&self.allow_addresses).flatten().collect()
    }
}

impl Webhooks {
    /// What is told of events besides the public internet.
    pub fn networks(&self) -> Vec<Network> {
        networks(&self.allow_addresses).flatten().collect()
    }
}

/// Each of the networks of a list; nothing for what is none.
fn networks(list: &str) -> impl Iterator<Item = Option<Network>> {
    let texts = list.split(',').map(str::trim).filter(|text| !text.is_empty());
    texts.map(Network::parse)
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Secret(String);

impl Secret {
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What flags say.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    pub data: Option<PathBuf>,
    pub listen: Option<String>,
    pub database: Option<String>,
}

/// What is wrong with a setting, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("the settings file {} cannot be read: {error}; name another with --config", file.display())]
    Unreadable { file: PathBuf, error: io::Error },
    #[error("the settings in {origin} cannot be read: {error}")]
    Malformed { origin: String, error: Box<toml::de::Error> },
    #[error(
        "{origin} has an unknown setting {name:?}; refundry.toml in the documentation lists all"
    )]
    Unknown { origin: String, name: String },
    #[error("{name} is {value:?}, which is not {wanted}")]
    Value { name: String, value: String, wanted: &'static str },
    #[error("the setting {name} is {value}: {rule}")]
    Rule { name: &'static str, value: String, rule: &'static str },
    #[error(
        "REFUNDRY_ADMIN_KEY has {length} characters and needs at least {least}; \
         make one with `openssl rand -hex 24`"
    )]
    ShortKey { length: usize, least: usize },
}

/// An admin key that the operator chose must not be guessable.
const KEY_CHARACTERS_LEAST: usize = 24;

impl Config {
    /// The defaults alone.
    pub fn defaults() -> Config {
        Config::layered(None, &[], &Overrides::default())
            .expect("the compiled-in defaults are right")
    }

    /// The settings of this process: `file` if given, else the usual one if it is there.
    pub fn load(file: Option<&Path>, flags: &Overrides) -> Result<Config, Problem> {
        let variables: Vec<(String, String)> =
            std::env::vars().filter(|(name, _)| name.starts_with(PREFIX)).collect();
        let named = file.map(Path::to_owned).or_else(|| {
            let found = variables.iter().find(|(name, _)| name == FILE_VARIABLE);
            found.map(|(_, value)| PathBuf::from(value))
        });
        let must_be_there = named.is_some();
        let path = named.unwrap_or_else(|| USUAL_FILE.into());
        let text = match fs::read_to_string(&path) {
            Ok(text) => Some((path.display().to_string(), text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !must_be_there => None,
            Err(error) => return Err(Problem::Unreadable { file: path, error }),
        };
        let file = text.as_ref().map(|(origin, text)| (origin.as_str(), text.as_str()));
        Config::layered(file, &variables, flags)
    }

    /// The defaults under a file's text (with its name), variables, and flags.
    pub fn layered(
        file: Option<(&str, &str)>,
        variables: &[(String, String)],
        flags: &Overrides,
    ) -> Result<Config, Problem> {
        let mut settings = read("the defaults", DEFAULTS)?;
        if let Some((origin, text)) = file {
            lay_over(&mut settings, read(origin, text)?, origin, "")?;
        }
        take_variables(&mut settings, variables, "")?;
        if let Some(data) = &flags.data {
            settings.insert("data".to_owned(), data.to_string_lossy().into_owned().into());
        }
        if let Some(listen) = &flags.listen {
            settings.insert("listen".to_owned(), listen.clone().into());
        }
        if let Some(url) = &flags.database
            && let Some(Value::Table(database)) = settings.get_mut("database")
        {
            database.insert("url".to_owned(), url.clone().into());
        }
        let listen = settings.get("listen").and_then(Value::as_str).unwrap_or_default().to_owned();
        if listen.parse::<SocketAddr>().is_err() {
            let wanted = "an address and a port such as 127.0.0.1:8080 or [::]:8080";
            return Err(Problem::Value { name: "listen".to_owned(), value: listen, wanted });
        }
        let mut config: Config = settings.try_into().map_err(|error| Problem::Malformed {
            origin: file.map_or("the environment", |(origin, _)| origin).to_owned(),
            error: Box::new(error),
        })?;
        config.admin_key = admin_key(variables)?;
        let master = variables.iter().find(|(name, _)| name == MASTER_VARIABLE);
        config.master_key = master.map(|(_, value)| Secret(value.clone()));
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), Problem> {
        let payouts = &self.payouts;
        let rule =
            |name, value: u32, rule| Err(Problem::Rule { name, value: value.to_string(), rule });
        if payouts.timeout_ms == 0 {
            return rule("payouts.timeout_ms", 0, "a provider needs some time to answer");
        }
        if u64::from(payouts.lease_ms) < 2 * u64::from(payouts.timeout_ms) {
            let text = "it must be at least twice payouts.timeout_ms, or another process may take \
                        over what is still being sent";
            return rule("payouts.lease_ms", payouts.lease_ms, text);
        }
        if self.database.connections < 2 {
            let text = "it must be at least 2, one to write and one to read";
            return rule("database.connections", 1, text);
        }
        if self.answers.wait_ms > 10_000 {
            let text = "clients give up before; it is at most 10000";
            return rule("answers.wait_ms", self.answers.wait_ms, text);
        }
        for (name, value) in [
            ("database.timeout_ms", self.database.timeout_ms),
            ("payouts.look_ms", payouts.look_ms),
            ("expiry.look_ms", self.expiry.look_ms),
            ("seal.every_ms", self.seal.every_ms),
            ("webhooks.look_ms", self.webhooks.look_ms),
        ] {
            if value < 10 {
                return rule(name, value, "it must be at least 10");
            }
        }
        self.check_webhooks()
    }

    fn check_webhooks(&self) -> Result<(), Problem> {
        let webhooks = &self.webhooks;
        let rule = |name, value: String, rule| Err(Problem::Rule { name, value, rule });
        if webhooks.timeout_ms == 0 {
            let text = "an endpoint needs some time to answer";
            return rule("webhooks.timeout_ms", "0".to_owned(), text);
        }
        if webhooks.concurrency == 0 {
            return rule("webhooks.concurrency", "0".to_owned(), "it must be at least 1");
        }
        if u64::from(webhooks.lease_ms) < 2 * u64::from(webhooks.timeout_ms) {
            let text = "it must be at least twice webhooks.timeout_ms";
            return rule("webhooks.lease_ms", webhooks.lease_ms.to_string(), text);
        }
        for (name, list) in [
            ("webhooks.allow_addresses", &webhooks.allow_addresses),
            ("gateways.allow_addresses", &self.gateways.allow_addresses),
        ] {
            if networks(list).any(|network| network.is_none()) {
                let text = "expected addresses or networks such as 10.0.0.0/8, with commas between";
                return rule(name, list.clone(), text);
            }
        }
        let url = &self.public_url;
        let web = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        if !url.is_empty() && web.is_none_or(str::is_empty) {
            let text = "expected an address such as https://refunds.example.com, or nothing";
            return rule("public_url", url.clone(), text);
        }
        Ok(())
    }
}

fn read(origin: &str, text: &str) -> Result<Table, Problem> {
    text.parse::<Table>()
        .map_err(|error| Problem::Malformed { origin: origin.to_owned(), error: Box::new(error) })
}

/// Puts a file's settings over the defaults; only what the defaults name exists.
fn lay_over(under: &mut Table, over: Table, origin: &str, path: &str) -> Result<(), Problem> {
    for (name, value) in over {
        let full = format!("{path}{name}");
        match (under.get_mut(&name), value) {
            (None, _) => {
                return Err(Problem::Unknown { origin: origin.to_owned(), name: full });
            }
            (Some(Value::Table(inner)), Value::Table(table)) => {
                lay_over(inner, table, origin, &format!("{full}."))?;
            }
            (Some(kept), value) if kept.same_type(&value) => *kept = value,
            (Some(kept), value) => {
                let wanted = kind(kept);
                return Err(Problem::Value { name: full, value: value.to_string(), wanted });
            }
        }
    }
    Ok(())
}

/// Reads the variable of every setting. Other variables with our prefix are left alone: a cluster
/// makes some of its own, such as `REFUNDRY_SERVICE_HOST`.
fn take_variables(
    settings: &mut Table,
    variables: &[(String, String)],
    path: &str,
) -> Result<(), Problem> {
    for (name, kept) in settings.iter_mut() {
        let full = format!("{path}{name}");
        if let Value::Table(inner) = kept {
            take_variables(inner, variables, &format!("{full}."))?;
            continue;
        }
        let variable = format!("{PREFIX}{}", full.to_uppercase().replace('.', "_"));
        let Some((_, text)) = variables.iter().find(|(known, _)| *known == variable) else {
            continue;
        };
        let parsed = match kept {
            Value::Integer(_) => text.parse().ok().map(Value::Integer),
            Value::Boolean(_) => text.parse().ok().map(Value::Boolean),
            Value::String(_)
            | Value::Float(_)
            | Value::Datetime(_)
            | Value::Array(_)
            | Value::Table(_) => Some(Value::String(text.clone())),
        };
        *kept = parsed.ok_or_else(|| Problem::Value {
            name: variable,
            value: text.clone(),
            wanted: kind(kept),
        })?;
    }
    Ok(())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Boolean(_) => "true or false",
        Value::Table(_) => "a section",
        Value::Float(_) | Value::Datetime(_) | Value::Array(_) => "a value of its kind",
    }
}

fn admin_key(variables: &[(String, String)]) -> Result<Option<Secret>, Problem> {
    let Some((_, value)) = variables.iter().find(|(name, _)| name == KEY_VARIABLE) else {
        return Ok(None);
    };
    let length = value.chars().count();
    if length < KEY_CHARACTERS_LEAST {
        return Err(Problem::ShortKey { length, least: KEY_CHARACTERS_LEAST });
    }
    Ok(Some(Secret(value.clone())))
}
