//! A place that what comes by can be made to wait at.

use std::time::Duration;

use tokio::sync::{RwLock, RwLockWriteGuard, watch};

const BOUND: Duration = Duration::from_secs(30);

pub struct Gate {
    open: RwLock<()>,
    waiting: watch::Sender<usize>,
}

impl Gate {
    pub fn new() -> Gate {
        Gate { open: RwLock::new(()), waiting: watch::Sender::new(0) }
    }

    /// Whatever comes by waits until this is dropped.
    pub async fn hold(&self) -> RwLockWriteGuard<'_, ()> {
        self.open.write().await
    }

    pub async fn pass(&self) {
        self.waiting.send_modify(|waiting| *waiting += 1);
        let open = self.open.read().await;
        self.waiting.send_modify(|waiting| *waiting -= 1);
        drop(open);
    }

    /// Looks until so many wait, bounded.
    pub async fn until_waiting(&self, count: usize) {
        let mut waiting = self.waiting.subscribe();
        let came = tokio::time::timeout(BOUND, waiting.wait_for(|now| *now == count)).await;
        assert!(came.is_ok(), "{} wait, not {count}", *self.waiting.borrow());
    }
}
