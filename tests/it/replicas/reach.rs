//! Several servers in the URL, of which one takes writes.

use std::time::Duration;

use refundry::testing::store::Store;
use refundry::testing::store::postgres::{Options, PostgresStore};
use tokio::net::TcpListener;
use tokio_postgres::config::Host;

use crate::harness::cluster::Database;
use crate::harness::store::*;

/// A machine that is stuck takes connections and says nothing more. Tried first, it would be waited
/// for until the time is up, by every connection, though another took its place.
#[tokio::test]
async fn a_server_that_is_stuck_keeps_nobody_from_the_next() {
    let database = Database::new().await;
    let config: tokio_postgres::Config = database.url().parse().unwrap();
    let [Host::Unix(socket)] = config.get_hosts() else { panic!("the tests use one socket") };
    let stuck = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = stuck.local_addr().unwrap().port();
    let url = format!(
        "host=127.0.0.1,{} port={port},5432 user=postgres dbname={}",
        socket.display(),
        database.name
    );
    let dir = tempfile::tempdir().unwrap();
    let options = Options { timeout: Duration::from_secs(20), connections: 4, ..Options::of(&url) };
    let opened = PostgresStore::open(&options, Some(dir.path()));
    let held = async {
        // They stay open, unanswered.
        let mut connections = Vec::new();
        loop {
            connections.push(stuck.accept().await.unwrap());
        }
    };
    let used = async {
        let store = tokio::time::timeout(Duration::from_secs(10), opened).await.unwrap().unwrap();
        store.ready().await.unwrap();
        done(&*store, register(new_order("1.00"))).await;
        store
    };
    tokio::select! {
        store = used => drop(store),
        () = held => {}
    }
}
