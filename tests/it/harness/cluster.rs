//! One throw-away PostgreSQL cluster a test run, and a database of its own for each test.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use refundry::testing::store::postgres::Options;
use rustix::fs::{FlockOperation, flock};
use tokio_postgres::NoTls;

/// Whether the tests of the API, the ledger and the workers run on PostgreSQL:
/// `REFUNDRY_TEST_STORE=postgres`. Those of the stores always run on both.
pub fn chosen() -> bool {
    match std::env::var("REFUNDRY_TEST_STORE").as_deref() {
        Ok("postgres") => true,
        Ok("sqlite") | Err(_) => false,
        Ok(other) => panic!("REFUNDRY_TEST_STORE is {other:?}; it is sqlite or postgres"),
    }
}

struct Cluster {
    folder: PathBuf,
    /// While any test holds it, the cluster stays.
    _use: File,
}

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        // Short, since a socket is in it, and where the server's user may look.
        let checkout = env!("CARGO_MANIFEST_DIR").replace('/', "-");
        let user = rustix::process::getuid().as_raw();
        let folder = std::env::temp_dir().join(format!("refundry-pg-{user}{checkout}"));
        let file = |end: &str| {
            let path = folder.with_extension(end);
            OpenOptions::new().create(true).truncate(false).write(true).open(path).unwrap()
        };
        let (lock, used) = (file("lock"), file("use"));
        flock(&lock, FlockOperation::LockExclusive).unwrap();
        flock(&used, FlockOperation::LockShared).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/postgres/cluster.sh");
        let started = Command::new(&script).arg("share").arg(&folder).output().unwrap();
        let said = String::from_utf8_lossy(&started.stderr);
        assert!(started.status.success(), "the test cluster cannot be started: {said}");
        Cluster { folder, _use: used }
    })
}

fn url_of(name: &str) -> String {
    format!("host={} user=postgres dbname={name}", cluster().folder.display())
}

/// Runs SQL on one of the cluster's databases.
pub async fn execute(name: &str, sql: &str) {
    try_to_execute(name, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// As [`execute`], and the database may refuse it.
pub async fn try_to_execute(name: &str, sql: &str) -> Result<(), String> {
    let (client, connection) = tokio_postgres::connect(&url_of(name), NoTls).await.unwrap();
    let driven = tokio::spawn(connection);
    let done = client.batch_execute(sql).await.map_err(|error| format!("{error:?}"));
    drop(client);
    let _ = driven.await;
    done
}

/// A database that is gone when this is.
pub struct Database {
    pub name: String,
}

impl Database {
    pub async fn new() -> Database {
        Database::made("").await
    }

    /// The same books; nobody may be connected to these.
    pub async fn copy(&self) -> Database {
        Database::made(&format!("TEMPLATE {}", self.name)).await
    }

    async fn made(how: &str) -> Database {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("t{}_{count}", std::process::id());
        // One of a process that had the same number before may still be there.
        execute("postgres", &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        execute("postgres", &format!("CREATE DATABASE {name} {how}")).await;
        Database { name }
    }

    pub fn url(&self) -> String {
        url_of(&self.name)
    }

    pub fn options(&self) -> Options {
        Options { connections: 12, ..Options::of(&self.url()) }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // A test's own runtime may be at its end.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(execute("postgres", &sql));
        });
        let _ = dropping.join();
    }
}
