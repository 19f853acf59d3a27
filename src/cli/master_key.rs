//! `refundry master-key`: what secrets are sealed under, changed.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use refundry_domain::merchant::{Administration, Connection, ConnectionChange};

use super::{Common, Ended, Failure, block_on, output};
use crate::access::reseal;
use crate::access::seal::Sealer;
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Overrides};
use crate::connections;
use crate::store::Store;
use crate::store::vault::Sealed;
use crate::transfers;

/// Change the master key, which seals credentials at rest, while no server runs
///
/// It is in the file master.key of the data directory, the newest key first, or in
/// REFUNDRY_MASTER_KEY, with commas between them. Older keys stay until you delete them; once
/// everything is sealed anew, nothing needs them.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  refundry master-key rotate
  REFUNDRY_MASTER_KEY=NEW,OLD refundry master-key reseal")]
pub struct Args {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Make a new key in the file, and seal everything that is sealed with it
    Rotate,
    /// Seal everything that is sealed with the first of the keys that are given
    Reseal,
}

pub fn run(args: &Args) -> Ended {
    let config = args.common.configure(Overrides::default())?;
    let rotates = matches!(args.action, Action::Rotate);
    if rotates && config.master_key.is_some() {
        return Err(Failure::new(
            "REFUNDRY_MASTER_KEY is set, so the file is not used; put a new key before the old \
             one there (NEW,OLD) and run `refundry master-key reseal`",
        ));
    }
    block_on(async move {
        let store = super::existing_books(&config).await?;
        let ended = seal_all(store.as_ref(), &config, rotates).await;
        store.close().await;
        ended
    })
}

async fn seal_all(store: &dyn Store, config: &Config, rotates: bool) -> Ended {
    let failed = |error: &dyn std::fmt::Display| Failure::new(error.to_string());
    let sealer = if rotates { Sealer::rotate(&config.data) } else { app::sealer(config) };
    let sealer = sealer.map_err(|error| failed(&error))?;
    let rows = store.all_connections().await.map_err(|error| failed(&error))?;
    let mut count = 0;
    for row in rows.into_iter().filter(|row| !connections::is_sealed_anew(&sealer, row)) {
        seal_anew(store, &sealer, row).await?;
        count += 1;
    }
    output::line(&format!("{count} gateways' credentials were sealed with the newest master key."));
    for (kind, what) in [
        (Sealed::Information, "refunds' bank details"),
        (Sealed::Endpoints, "webhook endpoints' secrets"),
        (Sealed::Digests, "digests of keys"),
        (Sealed::Links, "links for bank details"),
        (Sealed::Files, "files of bank transfers"),
    ] {
        let done = reseal::kind(store, &sealer, kind, transfers::context).await;
        let count = done.map_err(|error| failed(&error))?;
        output::line(&format!("{count} {what} were sealed with the newest master key."));
    }
    output::line("Nothing needs the older master keys any more; they may be deleted.");
    Ok(ExitCode::SUCCESS)
}

async fn seal_anew(store: &dyn Store, sealer: &Sealer, row: Connection) -> Result<(), Failure> {
    let whose = format!("gateway {} of merchant {}", row.name, row.merchant);
    let failed = |why: String| Failure::new(format!("{whose}: {why}"));
    let secrets = connections::unsealed(sealer, &row).map_err(failed)?;
    let sealed = connections::sealed(sealer, row.merchant, &row.name, &secrets)
        .map_err(|error| failed(error.to_string()))?;
    let change = ConnectionChange {
        name: row.name,
        connector: row.connector,
        settings: row.settings,
        sealed: Some(sealed),
        enabled: row.enabled,
    };
    let (by, now): (Arc<str>, _) = ("cli".into(), SystemClock.now());
    let change = Administration::SetConnection(change);
    let done = store.administer(row.merchant, by, now, change).await;
    done.map(|_| ()).map_err(|error| failed(error.to_string()))
}
