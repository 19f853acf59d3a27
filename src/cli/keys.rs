//! `refundry keys`: API keys, without a server.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use refundry_domain::ids::{KeyId, MerchantId};
use refundry_domain::merchant::{Administration, Key, Scope};
use serde_json::json;

use super::{Common, Ended, Failure, block_on, output};
use crate::access::seal::Sealer;
use crate::access::secret;
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::Overrides;
use crate::store::{Administered, Store};

/// List, create and revoke API keys; with the embedded database, while no server runs
///
/// A running server is asked over its API instead: GET, POST and DELETE /v1/keys.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  refundry keys list
  refundry keys create --name shop --scopes read,write
  refundry keys revoke key_12")]
pub struct Args {
    #[command(flatten)]
    common: Common,
    /// The merchant whose keys they are
    #[arg(long, default_value_t = 1, global = true, value_name = "NUMBER")]
    merchant: i64,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Show the keys; their secrets are not kept and cannot be shown
    List,
    /// Make a key and print its secret, once
    Create {
        /// What it is for
        #[arg(long)]
        name: String,
        /// What it allows: read, write, approve, admin
        #[arg(long, value_delimiter = ',', default_value = "read,write", value_parser = scope)]
        scopes: Vec<Scope>,
        /// How many requests a second it may make
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
        rate: u32,
    },
    /// End a key
    Revoke {
        /// Its name in the list, such as key_12
        #[arg(value_parser = key_id)]
        key: KeyId,
    },
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text).ok_or_else(|| "it is none of read, write, approve, admin".to_owned())
}

fn key_id(text: &str) -> Result<KeyId, String> {
    let digits = text.strip_prefix("key_").unwrap_or(text);
    digits.parse().map(KeyId).map_err(|_| "a key is named like key_12".to_owned())
}

pub fn run(args: Args) -> Ended {
    let config = args.common.configure(Overrides::default())?;
    block_on(async move {
        let store = super::existing_books(&config).await?;
        let merchant = MerchantId(args.merchant);
        let ended = match app::sealer(&config) {
            Ok(sealer) => act(store.as_ref(), &sealer, merchant, args.action, args.json).await,
            Err(error) => Err(failed(&error)),
        };
        store.close().await;
        ended
    })
}

async fn act(
    store: &dyn Store,
    sealer: &Sealer,
    merchant: MerchantId,
    action: Action,
    as_json: bool,
) -> Ended {
    if store.merchant(merchant).await.map_err(|error| failed(&error))?.is_none() {
        return Err(Failure::new(format!("there is no merchant {merchant}")));
    }
    match action {
        Action::List => {
            for key in store.keys(merchant).await.map_err(|error| failed(&error))? {
                output::line(&shown(&key, None, as_json));
            }
        }
        Action::Create { name, scopes, rate } => {
            let text = secret::generate().map_err(|error| failed(&error))?;
            let hash = secret::hash(&text);
            let kept = app::keep_digest(store, sealer, merchant, &text).await;
            kept.map_err(|error| failed(&error))?;
            let change = Administration::CreateKey { name, scopes, hash, rate_per_second: rate };
            let key = administer(store, merchant, change).await?;
            output::line(&shown(&key, Some(&text), as_json));
        }
        Action::Revoke { key } => {
            let key = administer(store, merchant, Administration::RevokeKey { key }).await?;
            output::line(&shown(&key, None, as_json));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn administer(
    store: &dyn Store,
    merchant: MerchantId,
    change: Administration,
) -> Result<Key, Failure> {
    let by: Arc<str> = "cli".into();
    match store.administer(merchant, by, SystemClock.now(), change).await {
        Ok(Administered::Key(key)) => Ok(key),
        Ok(
            Administered::Unknown
            | Administered::Stale
            | Administered::Merchant(_)
            | Administered::Endpoint(_)
            | Administered::Connection(_),
        ) => Err(Failure::new(
            "there is no such key of this merchant; `refundry keys list` shows all",
        )),
        Err(error) => Err(failed(&error)),
    }
}

fn failed(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(error.to_string())
}

fn shown(key: &Key, text: Option<&str>, as_json: bool) -> String {
    let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.name()).collect();
    let id = format!("key_{}", key.id);
    if as_json {
        let mut row = json!({
            "id": id,
            "name": key.name,
            "scopes": scopes,
            "rate_per_second": key.rate_per_second,
            "revoked": key.revoked_at.is_some(),
        });
        if let Some(text) = text {
            row["secret"] = json!(text);
        }
        return row.to_string();
    }
    let revoked = if key.revoked_at.is_some() { "  revoked" } else { "" };
    let mut line =
        format!("{id}  {}  {}  {}/s{revoked}", key.name, scopes.join(","), key.rate_per_second);
    if let Some(text) = text {
        line.push_str(&format!("\nSecret, shown this once: {text}"));
    }
    line
}
