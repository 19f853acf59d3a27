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
use tokio::task::AbortHandle;

use crate::access::day_key::Digested;
use crate::access::gate::Gate;
use crate::access::links::Links;
use crate::access::seal::{SealError, Sealer};
use crate::access::{Caller, secret};
use crate::clock::Clock;
use crate::config::{Config, Payouts, Webhooks};
use crate::connections::{Connections, Means};
use crate::console;
use crate::delivery::{self, Addresses, Counter, Counts, Deliver, Ground};
use crate::dialects;
use crate::gateways::sandbox::{RecordError, Sandbox};
use crate::gateways::{Gateway, Gateways, connectors};
use crate::http::{self, Site, server};
use crate::ledger::{Fault, Ledger};
use crate::outbound::addresses::{Guarded, Network};
use crate::outbound::{Client, Limits, SystemResolver};
use crate::store::postgres::{self, PostgresStore};
use crate::store::sqlite::{self, SqliteStore};
use crate::store::{Standing, Store, StoreError};
use crate::workers::{Expire, Pace, Pay, Reckon, Rules, Seal, Tally, Workers};

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
    /// What tells other processes of the same books what this one does.
    sharing: Option<AbortHandle>,
    first_key: Option<String>,
}

/// Why the parts could not be put together: what was wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Books(#[from] sqlite::OpenError),
    #[error(transparent)]
    Database(#[from] postgres::OpenError),
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
    /// Opens the configured books, makes them and the first key when there are none, and starts the
    /// workers. `seed` is where all randomness of the workers comes from.
    pub async fn open(config: Config, clock: Arc<dyn Clock>, seed: u64) -> Result<App, OpenError> {
        let store = books(&config).await?;
        let (tell, notices) = mpsc::unbounded_channel();
        let mut gateways: Vec<Arc<dyn Gateway>> = Vec::new();
        if config.sandbox.enabled {
            let own = config.sandbox.directory.as_os_str().is_empty();
            let directory = if own { &config.data } else { &config.sandbox.directory };
            let sandbox = Sandbox::open(directory, clock.clone(), tell)?;
            gateways.push(Arc::new(sandbox));
        }
        let gateways = Gateways::of(gateways);
        let (ledger, hints) = Ledger::new(store.clone(), clock.clone(), gateways.abilities());
        let sealer = Arc::new(sealer(&config)?);
        let first_key = first_key(&ledger, &config, &sealer).await?;
        ledger.wait_at_most(ms(config.answers.wait_ms));
        ledger.count_connections(connectors::abilities);
        let means = Means {
            store: store.clone(),
            sealer: sealer.clone(),
            client: client(config.gateways.networks()),
            clock: clock.clone(),
            // Less than a worker gives it, so that a call that never left is known as such.
            timeout: ms(config.payouts.timeout_ms) * 9 / 10,
        };
        let connections = Arc::new(Connections::new(gateways.clone(), means));
        let links = Arc::new(Links::new(store.clone(), sealer.clone(), &config.public_url));
        let counter = counter(&config, &links);
        let tally = Arc::new(Tally::default());
        let rules = rules(&config.payouts);
        let pay =
            Arc::new(Pay::new(ledger.clone(), connections.clone(), rules, seed, tally.clone()));
        let site = http::site(
            ledger.clone(),
            store.clone(),
            clock.clone(),
            links,
            connections,
            counter.clone(),
            sessions(&config),
            pay.clone(),
        );
        let mut workers = Workers::start(
            pay,
            Expire::new(ledger.clone(), tally),
            Seal::new(ledger.clone(), config.answers.keep_days),
            hints,
            notices,
            pace(&config),
        );
        workers.reckon(Reckon::new(ledger.clone()));
        let ground = Ground { store: store.clone(), clock, sealer, commits: ledger.commits() };
        let (rules, resolver) = (deliveries(&config.webhooks), Arc::new(SystemResolver));
        workers.deliver(Deliver::new(ground, &counter, rules, resolver, worker(seed)));
        if let Standing::Behind(why) = store.standing() {
            tracing::error!(why, "the books are behind their anchor");
        }
        let sharing = postgres_options(&config).map(|_| share(site.gate.clone()));
        Ok(App { config, ledger, store, gateways, site, workers, sharing, first_key })
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
        self.sharing.inspect(AbortHandle::abort);
        close(self.workers, &self.gateways, self.store.as_ref()).await;
    }

    /// Takes no more work, lets what is under way finish within a bound, and closes the books.
    pub async fn stop(self) {
        self.sharing.inspect(AbortHandle::abort);
        close(self.workers, &self.gateways, self.store.as_ref()).await;
    }
}

/// What calls providers: on the public internet, and where the operator has allowed more.
pub fn client(allowed: Vec<Network>) -> Client {
    let guarded = Guarded::over(Arc::new(SystemResolver), allowed);
    Client::new(&Limits::default(), Arc::new(guarded))
}

/// What seals secrets at rest: the key that the operator has set, else the one in the data
/// directory.
pub fn sealer(config: &Config) -> Result<Sealer, SealError> {
    match &config.master_key {
        Some(text) => Sealer::from_text(text.reveal()),
        None => Sealer::from_directory(&config.data),
    }
}

/// The books as configured; begins new ones when there are none.
async fn books(config: &Config) -> Result<Arc<dyn Store>, OpenError> {
    Ok(match postgres_options(config) {
        Some(options) => PostgresStore::open(&options, Some(&config.data)).await?,
        None => SqliteStore::open(&config.data)?,
    })
}

/// How to reach PostgreSQL, when the books are there.
pub fn postgres_options(config: &Config) -> Option<postgres::Options> {
    let url = config.database.url.reveal();
    (!url.is_empty()).then(|| postgres::Options {
        connections: config.database.connections,
        timeout: ms(config.database.timeout_ms),
        ..postgres::Options::of(url)
    })
}

/// Shares the use of keys every second.
fn share(gate: Arc<Gate>) -> AbortHandle {
    let work = async move {
        let mut beat = tokio::time::interval(Duration::from_secs(1));
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            if let Err(error) = gate.share().await {
                tracing::debug!(%error, "the use of keys cannot be shared now");
            }
        }
    };
    tokio::spawn(work).abort_handle()
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

/// Which webhooks there may be.
fn counter(config: &Config, links: &Arc<Links>) -> Counter {
    Counter {
        formats: dialects::formats(links),
        addresses: Addresses {
            allow_http: config.webhooks.allow_http,
            allowed: config.webhooks.networks(),
        },
        counts: Counts::default(),
    }
}

fn deliveries(webhooks: &Webhooks) -> delivery::Rules {
    const DAY_MS: i64 = 24 * 60 * 60 * 1000;
    delivery::Rules {
        timeout: ms(webhooks.timeout_ms),
        concurrency: webhooks.concurrency,
        look: ms(webhooks.look_ms),
        lease_ms: i64::from(webhooks.lease_ms),
        keep_ms: i64::from(webhooks.keep_days) * DAY_MS,
        drain: ms(webhooks.drain_ms),
    }
}

/// This process, as leases name it.
fn worker(seed: u64) -> i64 {
    i64::try_from(seed >> 1).unwrap_or(i64::MAX)
}

/// How long somebody stays signed in at the console.
fn sessions(config: &Config) -> console::Rules {
    console::Rules {
        idle_ms: i64::from(config.console.idle_ms),
        life_ms: i64::from(config.console.session_ms),
        secure: config.public_url.starts_with("https://"),
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

/// Keeps of a secret what logins by a key of the day are checked against. It comes before the key,
/// so that no key is without it.
pub async fn keep_digest(
    store: &dyn Store,
    sealer: &Sealer,
    merchant: MerchantId,
    text: &str,
) -> Result<(), OpenError> {
    let digested = Digested::of(sealer, merchant, text)?;
    Ok(store.keep_digest(merchant, digested.hash, digested.sealed).await?)
}

/// Sees to it that somebody can administer this installation: the key that the operator has set,
/// else one that is made when there is none yet. Answers the one that was made.
async fn first_key(
    ledger: &Ledger,
    config: &Config,
    sealer: &Sealer,
) -> Result<Option<String>, OpenError> {
    let caller = Caller::internal(FIRST_MERCHANT, "start");
    if let Some(given) = &config.admin_key {
        let hash = secret::hash(given.reveal());
        keep_digest(ledger.books(), sealer, FIRST_MERCHANT, given.reveal()).await?;
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
    keep_digest(ledger.books(), sealer, FIRST_MERCHANT, &text).await?;
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
