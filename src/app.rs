//! The wiring: the only file that knows every part.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use refundry_domain::ids::MerchantId;
use refundry_domain::merchant::{Administration, Scope};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::access::seal::{SealError, Sealer};
use crate::access::{Caller, secret};
use crate::clock::Clock;
use crate::config::{Config, Payouts};
use crate::gateways::sandbox::{RecordError, Sandbox};
use crate::gateways::{Gateway, Gateways};
use crate::http::{self, Site, server};
use crate::ledger::{Fault, Ledger};
use crate::store::sqlite::{self, SqliteStore};
use crate::store::{Standing, Store, StoreError};
use crate::workers::{Expire, Pace, Pay, Rules, Seal, Tally, Workers};

/// Where the first admin key is kept, in the data directory.
pub const KEY_FILE: &str = "admin.key";
/// The merchant that every installation begins with.
const FIRST_MERCHANT: MerchantId = MerchantId(1);
/// Requests a second of the first key.
const FIRST_KEY_RATE: u32 = 100_000;

/// A running server without its socket.
pub struct App {
    config: Config,
    ledger: Arc<Ledger>,
    store: Arc<dyn Store>,
    gateways: Gateways,
    site: Site,
    workers: Workers,
    first_key: Option<String>,
}

/// Why the parts could not be put together: what was wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Books(#[from] sqlite::OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Ledger(#[from] Fault),
    #[error(transparent)]
    Sandbox(#[from] RecordError),
    #[error(transparent)]
    Secrets(#[from] SealError),
    #[error("the file {}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("the system has no randomness to give")]
    NoRandomness,
    #[error("{} holds no key that this program made; remove it, and a new one is made", .0.display())]
    ForeignKeyFile(PathBuf),
}

impl App {
    /// Opens the books of the configured data directory, makes them and the first key when it is
    /// empty, and starts the workers. `seed` is where all randomness of the workers comes from.
    pub async fn open(config: Config, clock: Arc<dyn Clock>, seed: u64) -> Result<App, OpenError> {
        let store: Arc<dyn Store> = SqliteStore::open(&config.data)?;
        let (tell, notices) = mpsc::unbounded_channel();
        let mut gateways: Vec<Arc<dyn Gateway>> = Vec::new();
        if config.sandbox.enabled {
            gateways.push(Arc::new(Sandbox::open(&config.data, clock.clone(), tell)?));
        }
        let gateways = Gateways::of(gateways);
        let (ledger, hints) = Ledger::new(store.clone(), clock.clone(), gateways.abilities());
        ledger.wait_at_most(ms(config.answers.wait_ms));
        let first_key = first_key(&ledger, &config).await?;
        let sealer = Arc::new(match &config.master_key {
            Some(text) => Sealer::from_text(text.reveal())?,
            None => Sealer::from_directory(&config.data)?,
        });
        let site = http::site(ledger.clone(), store.clone(), clock, sealer);
        let tally = Arc::new(Tally::default());
        let rules = rules(&config.payouts);
        let pay = Pay::new(ledger.clone(), gateways.clone(), rules, seed, tally.clone());
        let workers = Workers::start(
            Arc::new(pay),
            Expire::new(ledger.clone(), tally),
            Seal::new(ledger.clone(), config.answers.keep_days),
            hints,
            notices,
            pace(&config),
        );
        if let Standing::Behind(why) = store.standing() {
            tracing::error!(why, "the books are behind their anchor");
        }
        Ok(App { config, ledger, store, gateways, site, workers, first_key })
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// The first admin key, when this start has made it: to be shown this once.
    pub fn first_key(&self) -> Option<&str> {
        self.first_key.as_deref()
    }

    /// Everything that answers over HTTP.
    pub fn router(&self) -> axum::Router {
        self.site.router.clone()
    }

    /// Serves until `shutdown`, lets the requests that are under way finish, and stops.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        server::serve(listener, self.site, shutdown).await;
        close(self.workers, &self.gateways, self.store.as_ref()).await;
    }

    /// Takes no more work, lets what is under way finish within a bound, and closes the books.
    pub async fn stop(self) {
        close(self.workers, &self.gateways, self.store.as_ref()).await;
    }
}

async fn close(workers: Workers, gateways: &Gateways, store: &dyn Store) {
    workers.stop().await;
    for gateway in gateways.all() {
        gateway.close().await;
    }
    store.close().await;
}

fn rules(payouts: &Payouts) -> Rules {
    Rules {
        timeout: ms(payouts.timeout_ms),
        lease_ms: i64::from(payouts.lease_ms),
        concurrency: payouts.concurrency,
    }
}

fn pace(config: &Config) -> Pace {
    Pace {
        pay: ms(config.payouts.look_ms),
        expire: ms(config.expiry.look_ms),
        seal: ms(config.seal.every_ms),
        drain: ms(config.payouts.drain_ms),
    }
}

fn ms(count: u32) -> Duration {
    Duration::from_millis(u64::from(count))
}

/// Sees to it that somebody can administer this installation: the key that the operator has set,
/// else one that is made when there is none yet. Answers the one that was made.
async fn first_key(ledger: &Ledger, config: &Config) -> Result<Option<String>, OpenError> {
    let caller = Caller::internal(FIRST_MERCHANT, "start");
    if let Some(given) = &config.admin_key {
        let hash = secret::hash(given.reveal());
        let known = ledger.books().key_by_hash(hash).await?;
        if known.is_none_or(|key| key.revoked_at.is_some()) {
            ledger.administer(&caller, Administration::SetAdminKey { hash }).await?;
        }
        return Ok(None);
    }
    if !ledger.books().keys(FIRST_MERCHANT).await?.is_empty() {
        return Ok(None);
    }
    // The file comes first: a crash in between leaves a key that the next start puts in.
    let text = key_in_file(&config.data.join(KEY_FILE))?;
    let change = Administration::CreateKey {
        name: "first admin key".to_owned(),
        scopes: Scope::ALL.to_vec(),
        hash: secret::hash(&text),
        rate_per_second: FIRST_KEY_RATE,
    };
    ledger.administer(&caller, change).await?;
    Ok(Some(text))
}

/// The key in the file, which is made, for its owner only, when there is none.
fn key_in_file(path: &Path) -> Result<String, OpenError> {
    let failed = |error| OpenError::File { path: path.to_owned(), error };
    match fs::read_to_string(path) {
        Ok(text) => {
            let text = text.trim();
            if text.starts_with(secret::PREFIX) && text.len() >= secret::SECRET_LEAST {
                return Ok(text.to_owned());
            }
            return Err(OpenError::ForeignKeyFile(path.to_owned()));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let text = secret::generate().map_err(|_| OpenError::NoRandomness)?;
    // Under another name first, so that a crash never leaves half a key.
    let draft = path.with_extension("key.new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&draft).map_err(failed)?;
    writeln!(file, "{text}").and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&draft, path).map_err(failed)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    Ok(text)
}
