//! The wiring: the only file that knows every part.

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Config;
use crate::ledger::Ledger;

/// A running server without its socket.
pub struct App {
    config: Config,
    ledger: Arc<Ledger>,
}

/// Why the parts could not be put together: what was wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{0}")]
    Data(String),
}

impl App {
    /// Opens the books of the configured data directory, makes it and its first key when it is
    /// empty, and starts the workers. `seed` is where all randomness of the workers comes from.
    #[expect(clippy::unused_async, reason = "the store opens here")]
    pub async fn open(config: Config, clock: Arc<dyn Clock>, seed: u64) -> Result<App, OpenError> {
        let _ = (config, clock, seed);
        Err(OpenError::Data("not wired yet".to_owned()))
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Everything that answers over HTTP.
    pub fn router(&self) -> axum::Router {
        axum::Router::new()
    }

    /// Takes no more work, lets what is under way finish within a bound, and closes the books.
    #[expect(clippy::unused_async, reason = "the store closes here")]
    pub async fn stop(self) {}
}
