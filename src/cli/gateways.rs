//! `refundry gateways`: the merchants' accounts at providers, without a server.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Subcommand;
use refundry_domain::ids::MerchantId;
use refundry_domain::merchant::Connection;
use serde_json::json;

use super::{Common, Ended, Failure, block_on, output};
use crate::app;
use crate::clock::SystemClock;
use crate::config::Overrides;
use crate::connections::{Connections, Means};
use crate::gateways::Gateways;
use crate::store::Store;

/// List the connected gateways and try their credentials, while no server runs
///
/// A running server is asked over its API instead: GET /v1/gateways, POST /v1/gateways/NAME/test.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  refundry gateways list
  refundry gateways test stripe")]
pub struct Args {
    #[command(flatten)]
    common: Common,
    /// The merchant whose gateways they are
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
    /// Show them; their credentials are never shown
    List,
    /// Ask the provider whether the credentials work; moves no money. Exit code 1: they do not
    Test {
        /// Its name in the list
        name: String,
    },
}

const PATIENCE: Duration = Duration::from_secs(30);

pub fn run(args: Args) -> Ended {
    let config = args.common.configure(Overrides::default())?;
    block_on(async move {
        let store: Arc<dyn Store> = super::existing_books(&config).await?;
        let sealer = app::sealer(&config).map_err(|error| Failure::new(error.to_string()))?;
        let means = Means {
            store: store.clone(),
            sealer: Arc::new(sealer),
            client: app::client(config.gateways.networks()),
            clock: Arc::new(SystemClock),
            timeout: PATIENCE,
        };
        let connections = Connections::new(Gateways::default(), means);
        let ended = act(store.as_ref(), &connections, &args).await;
        store.close().await;
        ended
    })
}

async fn act(store: &dyn Store, connections: &Connections, args: &Args) -> Ended {
    let rows = store.connections(MerchantId(args.merchant)).await;
    let rows = rows.map_err(|error| Failure::new(error.to_string()))?;
    match &args.action {
        Action::List => {
            for row in &rows {
                output::line(&shown(row, args.json));
            }
            Ok(ExitCode::SUCCESS)
        }
        Action::Test { name } => {
            let row = rows.iter().find(|row| row.name == *name).ok_or_else(|| {
                Failure::new(format!(
                    "merchant {} has no gateway {name:?}; `refundry gateways list` shows all",
                    args.merchant
                ))
            })?;
            let tried = connections.test(row).await;
            let (works, why) = (tried.is_ok(), tried.err());
            output::line(&if args.json {
                json!({ "name": name, "works": works, "detail": why }).to_string()
            } else {
                match why {
                    None => format!("{name}: the provider takes the credentials."),
                    Some(why) => format!("{name}: it does not work: {why}"),
                }
            });
            Ok(if works { ExitCode::SUCCESS } else { ExitCode::from(1) })
        }
    }
}

fn shown(row: &Connection, as_json: bool) -> String {
    let id = format!("gw_{}", row.id);
    if as_json {
        return json!({
            "id": id,
            "name": row.name,
            "connector": row.connector,
            "settings": row.settings,
            "enabled": row.enabled,
        })
        .to_string();
    }
    let off = if row.enabled { "" } else { "  switched off" };
    format!("{id}  {}  {}{off}", row.name, row.connector)
}
