//! Which of several servers is the one that takes writes. All are asked at once and the first that says
//! so is taken: one that takes connections and says nothing more, as a machine that is stuck does, keeps
//! nobody from the one that took its place.

use std::cmp;

use deadpool_postgres::Connect;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, select_ok};
use tokio::task::JoinHandle;
use tokio_postgres::config::Host;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, Config, Error, Socket};

pub struct Reach<T> {
    pub tls: T,
}

impl<T> Connect for Reach<T>
where
    T: MakeTlsConnect<Socket> + Clone + Sync + Send + 'static,
    T::Stream: Sync + Send,
    T::TlsConnect: Sync + Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    fn connect(&self, config: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), Error>> {
        let ways = each(config).into_iter().map(|config| {
            let tls = self.tls.clone();
            async move { config.connect(tls).await }.boxed()
        });
        let ways: Vec<_> = ways.collect();
        async move {
            let ((client, connection), _others) = select_ok(ways).await?;
            let driven = tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::warn!(%error, "a connection to the database ended");
                }
            });
            Ok((client, driven))
        }
        .boxed()
    }
}

/// One for each server.
fn each(config: &Config) -> Vec<Config> {
    let (hosts, addresses) = (config.get_hosts(), config.get_hostaddrs());
    let count = cmp::max(hosts.len(), addresses.len());
    // What contradicts itself is for the library to say.
    let even = |length: usize| length <= 1 || length == count;
    if count <= 1 || !even(config.get_ports().len()) || ![0, count].contains(&hosts.len()) {
        return vec![config.clone()];
    }
    (0..count).map(|index| alone(config, index)).collect()
}

fn alone(config: &Config, index: usize) -> Config {
    let mut alone = Config::new();
    match config.get_hosts().get(index) {
        Some(Host::Tcp(name)) => {
            alone.host(name);
        }
        Some(Host::Unix(path)) => {
            alone.host_path(path);
        }
        None => {}
    }
    if let Some(address) = config.get_hostaddrs().get(index) {
        alone.hostaddr(*address);
    }
    let ports = config.get_ports();
    if let Some(port) = ports.get(index).or(ports.first()) {
        alone.port(*port);
    }
    if let Some(user) = config.get_user() {
        alone.user(user);
    }
    if let Some(password) = config.get_password() {
        alone.password(password);
    }
    if let Some(name) = config.get_dbname() {
        alone.dbname(name);
    }
    if let Some(options) = config.get_options() {
        alone.options(options);
    }
    if let Some(name) = config.get_application_name() {
        alone.application_name(name);
    }
    if let Some(timeout) = config.get_connect_timeout() {
        alone.connect_timeout(*timeout);
    }
    if let Some(timeout) = config.get_tcp_user_timeout() {
        alone.tcp_user_timeout(*timeout);
    }
    if let Some(interval) = config.get_keepalives_interval() {
        alone.keepalives_interval(interval);
    }
    if let Some(retries) = config.get_keepalives_retries() {
        alone.keepalives_retries(retries);
    }
    alone
        .ssl_mode(config.get_ssl_mode())
        .ssl_negotiation(config.get_ssl_negotiation())
        .channel_binding(config.get_channel_binding())
        .target_session_attrs(config.get_target_session_attrs())
        .keepalives(config.get_keepalives())
        .keepalives_idle(config.get_keepalives_idle());
    alone
}
