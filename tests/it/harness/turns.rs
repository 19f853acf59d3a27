//! Something that is done only as often as a test allows.

use std::time::Duration;

use tokio::sync::{Semaphore, watch};

const BOUND: Duration = Duration::from_secs(30);

/// Without a bound until there is one.
pub struct Turns {
    left: Semaphore,
    waiting: watch::Sender<usize>,
}

impl Default for Turns {
    fn default() -> Turns {
        Turns { left: Semaphore::new(Semaphore::MAX_PERMITS), waiting: watch::Sender::new(0) }
    }
}

/// One who waits, for as long as it is there.
pub struct Turn<'a>(&'a watch::Sender<usize>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Turns {
    /// No more than so many from here on.
    pub fn allow(&self, count: usize) {
        self.left.forget_permits(Semaphore::MAX_PERMITS);
        self.left.add_permits(count);
    }

    pub async fn take(&self) -> Turn<'_> {
        self.waiting.send_modify(|count| *count += 1);
        let turn = Turn(&self.waiting);
        self.left.acquire().await.expect("nobody closes it").forget();
        turn
    }

    /// Looks until so many are at it or wait, bounded.
    pub async fn until(&self, count: usize) {
        let mut waiting = self.waiting.subscribe();
        let came = tokio::time::timeout(BOUND, waiting.wait_for(|now| *now == count)).await;
        assert!(came.is_ok(), "{} are at it or wait, not {count}", *self.waiting.borrow());
    }
}
