//! Connections: how many, how long they are waited for, and what is sent over one in one go.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts,
};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{NoTls, Row};

use super::Options;
use super::fail::Fail;
use super::open::OpenError;
use super::reach::Reach;
use super::tls::Target;
use super::watch::Watch;

pub fn open(settings: &Options, watch: &Arc<Watch>) -> Result<Pool, OpenError> {
    let mut target = Target::read(&settings.url)?;
    let config = &mut target.config;
    config.connect_timeout(settings.timeout.min(Duration::from_secs(5)));
    config.tcp_user_timeout(settings.timeout);
    config.keepalives_idle(Duration::from_secs(10));
    // Of several hosts, the one that takes writes.
    config.target_session_attrs(tokio_postgres::config::TargetSessionAttrs::ReadWrite);
    if config.get_application_name().is_none() {
        config.application_name("refundry");
    }
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = if target.is_secret() {
        let tls = target.tls()?;
        Manager::from_connect(target.config, Reach { tls }, recycling)
    } else {
        Manager::from_connect(target.config, Reach { tls: NoTls }, recycling)
    };
    let ms = settings.timeout.as_millis();
    // What this process acknowledges is on the disk, whatever the server's own setting is. A
    // transaction that this process can no longer end must not keep its locks.
    let greeting = format!(
        "SET statement_timeout = {ms}; SET lock_timeout = {ms}; \
         SET idle_in_transaction_session_timeout = {ms}; \
         SELECT set_config('synchronous_commit', 'on', false) \
         WHERE current_setting('synchronous_commit') IN ('off', 'local')"
    );
    let watch = watch.clone();
    let greet = Hook::async_fn(move |client: &mut deadpool_postgres::ClientWrapper, _| {
        let (greeting, watch) = (greeting.clone(), watch.clone());
        Box::pin(async move {
            client.batch_execute(&greeting).await.map_err(HookError::Backend)?;
            watch.compare(client).await.map_err(HookError::Backend)
        })
    });
    let waits = Timeouts {
        wait: Some(settings.timeout),
        create: Some(settings.timeout),
        recycle: Some(settings.timeout),
    };
    Pool::builder(manager)
        .max_size(settings.connections.max(2))
        .timeouts(waits)
        .runtime(Runtime::Tokio1)
        .post_create(greet)
        .build()
        .map_err(|error| OpenError::Database(error.to_string()))
}

/// A connection that goes back to the others only when nothing is left open on it.
pub struct Lent {
    object: Option<Object>,
    clean: bool,
    timeout: Duration,
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(object) = self.object.take()
            && !self.clean
        {
            // Closing it ends whatever is open on it.
            drop(Object::take(object));
        }
    }
}

pub async fn lend(pool: &Pool, timeout: Duration) -> Result<Lent, Fail> {
    Ok(Lent { object: Some(pool.get().await?), clean: true, timeout })
}

pub type Params<'a> = Vec<&'a (dyn ToSql + Sync)>;

/// Something to be sent.
pub enum Step<'a> {
    /// Statements without parameters and without answers, such as `BEGIN`.
    Plain(&'a str),
    /// Prepared once a connection.
    Query(&'a str, Params<'a>),
    /// Not prepared: a text that was put together for this one question.
    Once(&'a str, Vec<(&'a (dyn ToSql + Sync), Type)>),
}

impl Lent {
    /// Sends all steps in one go and answers the rows of each; the first error, if any. The
    /// connection counts as clean again once [`Lent::cleared`] says so.
    pub async fn send(&mut self, steps: &[Step<'_>]) -> Result<Vec<Vec<Row>>, Fail> {
        self.clean = false;
        let gone = || Fail::Unavailable("the connection is gone".to_owned());
        let object = self.object.as_ref().ok_or_else(gone)?;
        let work = async {
            let mut prepared = Vec::with_capacity(steps.len());
            for step in steps {
                prepared.push(match step {
                    Step::Query(sql, _) => Some(object.prepare_cached(sql).await?),
                    Step::Plain(_) | Step::Once(..) => None,
                });
            }
            let mut under_way: Vec<Pin<Box<dyn Future<Output = Answer> + Send + '_>>> = Vec::new();
            for (step, statement) in steps.iter().zip(&prepared) {
                under_way.push(match (step, statement) {
                    (Step::Query(_, params), Some(statement)) => {
                        Box::pin(object.query(statement, params))
                    }
                    (Step::Once(sql, params), _) => Box::pin(object.query_typed(sql, params)),
                    (Step::Plain(sql) | Step::Query(sql, _), _) => Box::pin(async {
                        object.batch_execute(sql).await?;
                        Ok(Vec::new())
                    }),
                });
            }
            let answers = in_order(under_way).await;
            answers.into_iter().collect::<Answers>().map_err(Fail::from)
        };
        match tokio::time::timeout(self.timeout, work).await {
            Ok(answered) => answered,
            Err(_) => Err(Fail::Unavailable(format!(
                "the database did not answer in {} ms",
                self.timeout.as_millis()
            ))),
        }
    }

    /// Nothing is open on it.
    pub fn cleared(&mut self) {
        self.clean = true;
    }

    /// Undoes what is open.
    pub async fn roll_back(&mut self) -> Result<(), Fail> {
        self.send(&[Step::Plain("ROLLBACK")]).await?;
        self.cleared();
        Ok(())
    }
}

type Answer = Result<Vec<Row>, tokio_postgres::Error>;
type Answers = Result<Vec<Vec<Row>>, tokio_postgres::Error>;

/// Runs all at once, each begun in its turn: a statement is sent when its future is first polled,
/// so they arrive in this order.
async fn in_order<T>(mut all: Vec<Pin<Box<dyn Future<Output = T> + Send + '_>>>) -> Vec<T> {
    let mut done: Vec<Option<T>> = all.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, done) in all.iter_mut().zip(&mut done) {
            if done.is_none()
                && let Poll::Ready(value) = future.as_mut().poll(context)
            {
                *done = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

/// A read-only transaction that sees one moment.
pub const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Asks everything in one go, all of one moment.
pub async fn ask(lent: &mut Lent, questions: Vec<Step<'_>>) -> Result<Vec<Vec<Row>>, Fail> {
    let mut steps = Vec::with_capacity(questions.len() + 2);
    steps.push(Step::Plain(SNAPSHOT));
    steps.extend(questions);
    steps.push(Step::Plain("COMMIT"));
    let mut answers = lent.send(&steps).await?;
    lent.cleared();
    answers.pop();
    answers.remove(0);
    Ok(answers)
}
