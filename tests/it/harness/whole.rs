//! The whole program on a socket: workers, sandbox and all, as it is served.

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use refundry::testing::App;
use refundry::testing::clock::SystemClock;
use refundry::testing::config::{Config, Overrides};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::site::Ask;

pub const KEY: &str = "rfk_of_the_whole_program_in_a_test";

pub struct Whole {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
    pub dir: TempDir,
}

impl Whole {
    /// With these settings besides the defaults, as variables name them.
    pub async fn start(settings: &[(&str, &str)]) -> Whole {
        let dir = TempDir::new().unwrap();
        let mut variables = vec![("REFUNDRY_ADMIN_KEY".to_owned(), KEY.to_owned())];
        variables
            .extend(settings.iter().map(|(name, value)| (name.to_string(), value.to_string())));
        let flags = Overrides { data: Some(dir.path().to_owned()), ..Overrides::default() };
        let config = Config::layered(None, &variables, &flags).unwrap();
        let app = App::open(config, Arc::new(SystemClock), 7).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(app.serve(listener, async {
            let _ = stopped.await;
        }));
        Whole { address, stop: Some(stop), served, dir }
    }

    pub fn ask(&self, method: &str, path: &str) -> Ask {
        Ask::new(self.address, method, path)
    }

    pub async fn stop(mut self) {
        drop(self.stop.take());
        self.served.await.unwrap();
    }
}

/// The credential of a shop of beGateway.
pub fn basic(shop: &str, key: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{shop}:{key}")))
}
