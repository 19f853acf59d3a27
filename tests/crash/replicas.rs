//! Three servers over one PostgreSQL, and everything is killed in turn: a server, a backend, the
//! whole database, the network in between.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tempfile::TempDir;

use crate::network::Network;
use crate::server::{LOCAL, Server, all_refunds, refundry, run, until, until_settled};
use crate::storm::{
    ASKS, HASTE, Place, Storm, Told, check_acknowledged, check_counts, check_payments,
    check_record, orders,
};

const CLIENTS: u64 = 32;
/// Of three.
const LAST: usize = 2;
const KEY: &str = "the-key-of-the-storm-over-all";

/// A cluster of its own that syncs what it commits, gone when this is.
struct Cluster {
    folder: PathBuf,
    _home: TempDir,
}

impl Cluster {
    fn start() -> Cluster {
        let home = TempDir::new().unwrap();
        // The server may run as another user.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(home.path(), mode).unwrap();
        let cluster = Cluster { folder: home.path().join("pg"), _home: home };
        cluster.script("start", &["fsync=on", "full_page_writes=on"]);
        cluster
    }

    fn script(&self, action: &str, more: &[&str]) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/postgres/cluster.sh");
        let done = Command::new(script).arg(action).arg(&self.folder).args(more).output().unwrap();
        assert!(done.status.success(), "{action}: {}", String::from_utf8_lossy(&done.stderr));
    }

    fn url(&self) -> String {
        format!("host={} user=postgres dbname=postgres", self.folder.display())
    }

    fn socket(&self) -> PathBuf {
        self.folder.join(".s.PGSQL.5432")
    }

    /// SIGKILL to one backend that is not the database's own; all begin anew then.
    fn kill_a_backend(&self) {
        let pid = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        let parent = pid.lines().next().unwrap().to_owned();
        let mut listed = Command::new("ps");
        listed.args(["-o", "pid=,args=", "--ppid", &parent]);
        let listed = String::from_utf8(listed.output().unwrap().stdout).unwrap();
        let backend = listed.lines().find(|line| line.contains("[local]")).expect("a backend");
        let pid = backend.split_whitespace().next().unwrap();
        assert!(Command::new("kill").args(["-KILL", pid]).status().unwrap().success());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.script("stop", &[]);
    }
}

/// What the servers share, and what each has.
struct Cast {
    home: TempDir,
    url: String,
    /// Of the last of them.
    network: Network,
    sandbox: PathBuf,
}

impl Cast {
    fn start(&self, index: usize) -> Server {
        let apart = index == LAST;
        let url = if apart { self.network.database() } else { self.url.clone() };
        let mut variables: Vec<(&str, &str)> = HASTE.to_vec();
        variables.extend([
            ("REFUNDRY_DATABASE_URL", url.as_str()),
            ("REFUNDRY_DATABASE_CONNECTIONS", "8"),
            ("REFUNDRY_DATABASE_TIMEOUT_MS", "2000"),
            ("REFUNDRY_ADMIN_KEY", KEY),
            ("REFUNDRY_SANDBOX_DIRECTORY", self.sandbox.to_str().unwrap()),
        ]);
        let (program, listen) =
            if apart { self.network.refundry() } else { (refundry(), LOCAL.to_owned()) };
        Server::start_as(program, &listen, &self.data(index), &variables)
    }

    fn data(&self, index: usize) -> PathBuf {
        self.home.path().join(index.to_string())
    }
}

/// Two servers would pay the same refund, or what one of them acknowledged would be gone.
#[test]
fn clients_storm_three_replicas_while_everything_is_killed() {
    let cluster = Cluster::start();
    let home = TempDir::new().unwrap();
    let sandbox = home.path().join("sandbox");
    std::fs::create_dir(&sandbox).unwrap();
    let network = Network::to(cluster.socket());
    let cast = Cast { home, url: cluster.url(), network, sandbox };
    let mut servers: Vec<Server> = (0..=LAST).map(|index| cast.start(index)).collect();
    let orders = orders(&mut servers[0].client(KEY));
    let places = servers.iter().map(|server| Place::at(server.address)).collect();
    let answered = AtomicUsize::new(0);
    let storm = Arc::new(Storm { places, key: KEY.to_owned(), orders, answered });
    let clients: Vec<_> = (0..CLIENTS)
        .map(|seed| {
            let storm = storm.clone();
            std::thread::spawn(move || storm.client(seed))
        })
        .collect();

    let all = ASKS * usize::try_from(CLIENTS).unwrap();
    let at = |eighths: usize| {
        until("the storm goes on", || storm.answered.load(Ordering::Relaxed) >= all * eighths / 8);
    };
    let replace = |index: usize, servers: &mut Vec<Server>| {
        let old = servers.remove(index);
        old.kill();
        let new = cast.start(index);
        storm.places[index].move_to(new.address);
        servers.insert(index, new);
    };
    at(1);
    replace(0, &mut servers);
    at(2);
    cluster.kill_a_backend();
    at(3);
    cast.network.cut(true);
    let mut asker = servers[LAST].client(KEY);
    until("who is cut off says so", || asker.get("/readyz").unwrap().status == 503);
    at(4);
    cast.network.cut(false);
    cluster.script("kill", &[]);
    let gone = Instant::now();
    cluster.script("again", &[]);
    let seen = storm.answered.load(Ordering::Relaxed);
    until("the storm goes on after the database", || storm.answered.load(Ordering::Relaxed) > seen);
    println!("the database was away for {:?} to its clients", gone.elapsed());
    at(5);
    replace(1, &mut servers);
    at(6);
    replace(2, &mut servers);
    let told: Vec<Told> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    assert!(told.iter().any(|told| told.refused > 0), "the payments are used up");

    let mut client = servers[1].client(KEY);
    until("all are ready again", || {
        servers.iter().all(|server| {
            let ready = server.client(KEY).get("/readyz").unwrap();
            ready.status == 200 && ready.json()["sending"] == "running"
        })
    });
    until_settled(&mut client);
    let refunds = all_refunds(&mut client);
    check_acknowledged(&told, &refunds);
    let paid = check_payments(&mut client, &storm.orders, &refunds);
    check_counts(&mut client, &refunds);
    for server in servers {
        assert!(server.terminate().success());
    }
    check_record(&cast.sandbox, &paid, refunds.len());
    let verified = run(&["verify", "--database", &cluster.url()], &cast.data(0));
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}
