//! `refundry serve`: the server.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::{Common, Ended, Failure, block_on, output, seed};
use crate::app::{App, KEY_FILE};
use crate::clock::SystemClock;
use crate::config::{Config, Overrides};

/// Serve the API, the books in the data directory
///
/// On an empty data directory it makes merchant number 1 and its first admin key, shows the key
/// once and keeps it in the file admin.key of that directory, readable by its owner only.
/// REFUNDRY_ADMIN_KEY sets the key instead (at least 24 characters).
///
/// SIGTERM and SIGINT stop it: it takes no more connections, answers what was asked, lets payouts
/// that are under way finish, and closes the books.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  refundry serve
  refundry serve --listen 0.0.0.0:8080 --data /var/lib/refundry
  refundry serve --database postgres://refundry@db.example/refundry?sslmode=require
  REFUNDRY_ADMIN_KEY=$(openssl rand -hex 24) refundry serve --config /etc/refundry.toml")]
pub struct Args {
    #[command(flatten)]
    common: Common,
    /// The address and port to serve on [default: 127.0.0.1:8080; env: REFUNDRY_LISTEN]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
}

pub fn run(args: Args) -> Ended {
    let overrides = Overrides { listen: args.listen, ..Overrides::default() };
    let config = args.common.configure(overrides)?;
    block_on(serve(config))
}

async fn serve(config: Config) -> Ended {
    let stop = stop_signal()?;
    let listener = bind(config.listen).await?;
    let address = listener.local_addr().map_err(|error| Failure::new(error.to_string()))?;
    let key_file = config.data.join(KEY_FILE);
    let app = App::open(config, Arc::new(SystemClock), seed()?)
        .await
        .map_err(|error| Failure::new(error.to_string()))?;
    if let Some(key) = app.first_key() {
        output::line(&format!("First admin key, shown this once: {key}"));
        output::line(&format!("It is kept in {}.", key_file.display()));
    }
    output::line(&format!("Refundry is ready at http://{address}"));
    app.serve(listener, stop).await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let kind = error.kind();
        let todo = if kind == io::ErrorKind::AddrInUse {
            "another program uses the port; stop it, or choose another"
        } else if kind == io::ErrorKind::PermissionDenied {
            "ports below 1024 need a right; choose a higher one"
        } else if kind == io::ErrorKind::AddrNotAvailable {
            "this machine has no such address; choose another"
        } else {
            "choose another"
        };
        Failure::new(format!("{address} cannot be served: {error}; {todo} with --listen"))
    })
}

/// Becomes ready with the first SIGTERM or SIGINT.
fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    let failed = |error| Failure::new(format!("signals cannot be caught: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
            _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
        }
    })
}
