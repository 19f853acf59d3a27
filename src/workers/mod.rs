//! Work that goes on without anybody asking. Each worker is a struct whose `tick` does one round;
//! the loops here only repeat it, and stop clean.

mod attempt;
mod expire;
mod heed;
mod lanes;
mod learn;
mod pay;
mod reckon;
mod seal;
mod tally;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::delivery::Deliver;
use crate::gateways::Notice;
use crate::ledger::Hint;

pub use expire::Expire;
pub use pay::{Inbox, Pay, Rules};
pub use reckon::Reckon;
pub use seal::Seal;
pub use tally::{Count, Tally};

/// How often each worker looks for work, and how long a stop waits.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub pay: Duration,
    pub expire: Duration,
    pub seal: Duration,
    pub drain: Duration,
}

/// The workers of this process, at work.
pub struct Workers {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    drain: Duration,
}

impl Workers {
    pub fn start(
        pay: Arc<Pay>,
        expire: Expire,
        seal: Seal,
        hints: mpsc::UnboundedReceiver<Hint>,
        notices: mpsc::UnboundedReceiver<Notice>,
        pace: Pace,
    ) -> Workers {
        let stop = watch::Sender::new(false);
        let mut tasks = JoinSet::new();
        let stopped = stop.subscribe();
        tasks.spawn(async move {
            let mut inbox = pay::Inbox { hints, notices };
            // A mistake of ours in one payout must not end all payouts: what was under way is
            // found again by its work row, and looked up before anything is sent.
            while let Err(panic) =
                AssertUnwindSafe(pay.run(&mut inbox, pace.pay, pace.drain, stopped.clone()))
                    .catch_unwind()
                    .await
            {
                tracing::error!(panic = said(&*panic), "payouts broke off and start again");
            }
        });
        let expire = Arc::new(expire);
        tasks.spawn(every(pace.expire, stop.subscribe(), move || {
            let expire = Arc::clone(&expire);
            async move { expire.tick().await }
        }));
        let seal = Arc::new(seal);
        tasks.spawn(every(pace.seal, stop.subscribe(), move || {
            let seal = Arc::clone(&seal);
            async move { seal.tick().await }
        }));
        Workers { stop, tasks, drain: pace.drain }
    }

    /// Has refunds counted for the reports too, until the stop.
    pub fn reckon(&mut self, reckon: Reckon) {
        let reckon = Arc::new(reckon);
        self.tasks.spawn(every(reckon::EVERY, self.stop.subscribe(), move || {
            let reckon = Arc::clone(&reckon);
            async move { reckon.tick().await }
        }));
    }

    /// Has webhooks delivered too, until the stop.
    pub fn deliver(&mut self, deliver: Deliver) {
        let stopped = self.stop.subscribe();
        self.drain = self.drain.max(deliver.drain());
        self.tasks.spawn(async move {
            while let Err(panic) =
                AssertUnwindSafe(deliver.run(stopped.clone())).catch_unwind().await
            {
                tracing::error!(panic = said(&*panic), "webhooks broke off and start again");
            }
        });
    }

    /// Takes no more work and waits for what is under way, but not for ever: what does not finish
    /// in time goes on under its lease after the next start.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let patience = self.drain + Duration::from_secs(1);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, all).await.is_err() {
            tracing::warn!("the workers did not stop in time and are left behind");
        }
        self.tasks.shutdown().await;
    }
}

/// Repeats a worker's round until the stop. A round that is under way is finished.
async fn every<F: Future<Output = ()>>(
    period: Duration,
    mut stop: watch::Receiver<bool>,
    round: impl Fn() -> F,
) {
    let mut beat = tokio::time::interval(period);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let stopped = tokio::select! {
            _ = stop.wait_for(|stopped| *stopped) => true,
            _ = beat.tick() => false,
        };
        if stopped {
            return;
        }
        let round = pin!(round());
        if let Err(panic) = AssertUnwindSafe(round).catch_unwind().await {
            tracing::error!(panic = said(&*panic), "a worker's round broke off");
        }
    }
}

/// The words of a panic, if it had any.
fn said(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without words")
}
