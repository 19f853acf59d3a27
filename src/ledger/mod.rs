//! The verbs that everything else calls: a thin layer over `domain` (the rules) and `store` (the
//! rows). The only caller of [`Store::commit`].

mod compare;
pub mod counting;
mod credits;
mod fitting;
mod outcome;
mod replay;
pub mod verify;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use refundry_domain::book::Book;
use refundry_domain::changes::{Queue, Work};
use refundry_domain::command::{Command, Target};
use refundry_domain::credit::{CreditBook, CreditCommand};
use refundry_domain::ids::{MerchantId, Timestamp};
use refundry_domain::merchant::{Administration, Settings};
use refundry_domain::policy::{Abilities, Policy};
use refundry_domain::refusal::Refusal;
use tokio::sync::{mpsc, oneshot, watch};

pub use self::fitting::Fitting;
pub use self::outcome::{Followed, Following};
use crate::access::Caller;
use crate::clock::Clock;
use crate::store::{Administered, Answer, Claim, Fit, Intent, Settlement, Store, StoreError};

/// How long a merchant's settings are believed before they are read again, so that a change made
/// through another replica takes effect.
const SETTINGS_TTL_MS: i64 = 5_000;

/// Work that a commit has just made, told to the workers so that they need not look for it.
pub type Hint = (MerchantId, Work);

/// What the rules need to know of a merchant's own connection, by its connector and settings.
pub type Able = fn(&str, &BTreeMap<String, String>) -> Option<Abilities>;

/// A command that was carried out, or tried to be, and what became of it.
#[derive(Clone, Copy)]
pub enum Seen<'a> {
    OfOrder(&'a Command, Result<&'a Answered, &'a Fault>),
    OfCredit(&'a CreditCommand, Result<&'a Answered<CreditBook>, &'a Fault>),
}

/// Told of every command.
pub type Observer = Box<dyn Fn(Seen<'_>) + Send + Sync>;

pub struct Ledger {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    providers: BTreeMap<String, Abilities>,
    policies: RwLock<HashMap<MerchantId, (Timestamp, Arc<Policy>)>>,
    /// Idempotency keys of requests that are being carried out by this process.
    running: Mutex<HashSet<(MerchantId, String)>>,
    hints: mpsc::UnboundedSender<Hint>,
    /// Changes with every commit that may have made events.
    commits: watch::Sender<u64>,
    observer: OnceLock<Observer>,
    able: OnceLock<Able>,
    /// How long an answer waits for what a provider says of its refund.
    patience: OnceLock<Duration>,
    waiting: outcome::Waiting,
}

/// How a command is carried out, beyond what it is.
struct Terms {
    fit: Option<Fit>,
    /// Who waits for what becomes of the refund that it makes.
    told: Option<oneshot::Sender<Followed>>,
    claim: Option<Claim>,
    dry_run: bool,
}

/// Why a command was neither carried out nor refused by a rule.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Fault {
    /// A request with the same idempotency key is still being carried out.
    #[error("a request with the same idempotency key is still being carried out")]
    InProgress,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What became of a command.
#[derive(Debug)]
pub enum Answered<T = Book> {
    /// Carried out, or decided only, when it was a dry run. With a claim, the kept answer.
    Done {
        book: Box<T>,
        answer: Option<Answer>,
    },
    Refused {
        refusal: Refusal,
        answer: Option<Answer>,
    },
    Replayed(Answer),
    KeyReused,
}

impl Ledger {
    /// A ledger over a store, and where it tells the work that its commits make.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        providers: BTreeMap<String, Abilities>,
    ) -> (Arc<Ledger>, mpsc::UnboundedReceiver<Hint>) {
        let (hints, told) = mpsc::unbounded_channel();
        let ledger = Ledger {
            store,
            clock,
            providers,
            policies: RwLock::default(),
            running: Mutex::default(),
            hints,
            commits: watch::Sender::new(0),
            observer: OnceLock::new(),
            able: OnceLock::new(),
            patience: OnceLock::new(),
            waiting: outcome::Waiting::default(),
        };
        (Arc::new(ledger), told)
    }

    /// The rows, for questions. Everything that changes them goes through the verbs.
    pub fn books(&self) -> &dyn Store {
        self.store.as_ref()
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Has somebody told of every command from now on; the first who asks.
    pub fn observe(&self, observer: Observer) {
        let _ = self.observer.set(observer);
    }

    /// Has the merchants' own connections count, from now on.
    pub fn count_connections(&self, able: Able) {
        let _ = self.able.set(able);
    }

    /// Has [`Ledger::outcome`] wait so long; it does not wait before.
    pub fn wait_at_most(&self, patience: Duration) {
        let _ = self.patience.set(patience);
    }

    /// Lets a name have one holder at a time in this process; none while somebody else has it.
    pub fn hold(self: &Arc<Self>, merchant: MerchantId, name: &str) -> Result<Held, Fault> {
        let name = (merchant, name.to_owned());
        if self.running.lock().insert(name.clone()) {
            Ok(Held { ledger: self.clone(), name })
        } else {
            Err(Fault::InProgress)
        }
    }

    /// Ticks with every commit, for those who follow the events.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.commits.subscribe()
    }

    /// Carries a command out on behalf of a caller; whether the caller may is checked before.
    /// With `dry_run`, says what would become of it and writes nothing.
    pub async fn carry_out(
        &self,
        caller: &Caller,
        target: Target,
        command: Command,
        claim: Option<Claim>,
        dry_run: bool,
    ) -> Result<Answered, Fault> {
        let terms = Terms { fit: None, told: None, claim, dry_run };
        let answered = self.carry_out_on(caller, target, command, terms).await?;
        answered.ok_or_else(|| {
            StoreError::Damaged("a command without a fit was said not to fit".to_owned()).into()
        })
    }

    /// `None` when the command's fit says that it does not go with its book.
    async fn carry_out_on(
        &self,
        caller: &Caller,
        target: Target,
        command: Command,
        terms: Terms,
    ) -> Result<Option<Answered>, Fault> {
        let (command, dry_run) = (Arc::new(command), terms.dry_run);
        let answered = self.settle(caller, target, command.clone(), terms).await;
        if let Some(observer) = self.observer.get()
            && let Some(answered) = answered.as_ref().map(Option::as_ref).transpose()
            && !dry_run
        {
            observer(Seen::OfOrder(&command, answered));
        }
        answered
    }

    async fn settle(
        &self,
        caller: &Caller,
        target: Target,
        command: Arc<Command>,
        terms: Terms,
    ) -> Result<Option<Answered>, Fault> {
        let Terms { fit, told, claim, dry_run } = terms;
        let _running = self.enter(caller.merchant, claim.as_ref())?;
        let intent = Intent {
            merchant: caller.merchant,
            by: caller.by.clone(),
            at: self.clock.now(),
            target,
            command,
            fit,
            policy: self.policy(caller.merchant).await?,
            claim,
            dry_run,
        };
        let settled = self.store.commit(intent).await?;
        if let Settlement::Done { book, .. } = &settled
            && !dry_run
        {
            // Before the workers hear of it: they may be quick.
            told.into_iter().for_each(|told| self.waiting.begin(book, told));
            self.waiting.tell(book);
        }
        Ok(self.tell(caller.merchant, settled, dry_run))
    }

    fn tell<T>(
        &self,
        merchant: MerchantId,
        settled: Settlement<T>,
        dry_run: bool,
    ) -> Option<Answered<T>> {
        Some(match settled {
            Settlement::Done { book, answer, work } => {
                if !dry_run {
                    for work in work.into_iter().filter(|work| work.queue == Queue::Pay) {
                        // Without workers nobody listens; the row in the store waits for one.
                        let _ = self.hints.send((merchant, work));
                    }
                    self.commits.send_modify(|count| *count += 1);
                }
                Answered::Done { book, answer }
            }
            Settlement::Refused { refusal, answer } => Answered::Refused { refusal, answer },
            Settlement::Replayed(answer) => Answered::Replayed(answer),
            Settlement::KeyReused => Answered::KeyReused,
            Settlement::Unfit => return None,
        })
    }

    fn enter<T>(
        &self,
        merchant: MerchantId,
        claim: Option<&Claim<T>>,
    ) -> Result<Option<Running<'_>>, Fault> {
        let Some(claim) = claim else { return Ok(None) };
        let name = (merchant, claim.key.clone());
        if self.running.lock().insert(name.clone()) {
            Ok(Some(Running { ledger: self, name }))
        } else {
            Err(Fault::InProgress)
        }
    }

    /// What the merchant has settled, and what the connected providers can do.
    pub async fn policy(&self, merchant: MerchantId) -> Result<Arc<Policy>, StoreError> {
        let now = self.clock.now();
        if let Some((read_at, policy)) = self.policies.read().get(&merchant)
            // A clock that was set back makes what is kept old, not young.
            && (0..SETTINGS_TTL_MS).contains(&(now.0 - read_at.0))
        {
            return Ok(policy.clone());
        }
        let row = self.store.merchant(merchant).await?;
        let settings = row.map_or_else(Settings::default, |merchant| merchant.settings);
        let mut providers = self.providers.clone();
        if let Some(able) = self.able.get() {
            let own = self.store.connections(merchant).await?;
            for row in own.into_iter().filter(|row| row.enabled) {
                if let Some(abilities) = able(&row.connector, &row.settings) {
                    providers.insert(row.name, abilities);
                }
            }
        }
        let policy = Arc::new(Policy {
            approval: settings.approval,
            daily: settings.daily,
            time_zone: settings.time_zone,
            providers,
            information_expiry_ms: settings.information_expiry_ms,
            notify_only: settings.notify_only,
            report_within_ms: settings.report_within_ms,
            auto_close: settings.auto_close,
            ask_bank_details: settings.ask_bank_details,
        });
        self.policies.write().insert(merchant, (now, policy.clone()));
        Ok(policy)
    }

    /// Creates or changes a merchant or a key.
    pub async fn administer(
        &self,
        caller: &Caller,
        change: Administration,
    ) -> Result<Administered, Fault> {
        let now = self.clock.now();
        let done = self.store.administer(caller.merchant, caller.by.clone(), now, change).await?;
        self.policies.write().remove(&caller.merchant);
        self.commits.send_modify(|count| *count += 1);
        Ok(done)
    }
}

/// A name that somebody has; see [`Ledger::hold`].
pub struct Held {
    ledger: Arc<Ledger>,
    name: (MerchantId, String),
}

impl Drop for Held {
    fn drop(&mut self) {
        self.ledger.running.lock().remove(&self.name);
    }
}

/// Holds an idempotency key while its request is carried out.
struct Running<'a> {
    ledger: &'a Ledger,
    name: (MerchantId, String),
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.ledger.running.lock().remove(&self.name);
    }
}
