//! Three servers over one PostgreSQL, and everything is killed in turn: a server, a backend, the
//! whole database, the network in between.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::server::{Server, all_refunds, run, until, until_settled};
use crate::storm::{
    ASKS, HASTE, Place, Storm, Told, check_acknowledged, check_counts, check_payments,
    check_record, orders,
};

const CLIENTS: u64 = 32;
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

/// The network between one server and the database: when it is cut, nothing comes through and
/// nobody is told.
struct Network {
    port: u16,
    cut: Arc<AtomicBool>,
}

impl Network {
    fn to(socket: PathBuf) -> Network {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = Arc::new(AtomicBool::new(false));
        let seen = cut.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = UnixStream::connect(&socket) else { continue };
                let (near_too, far_too) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                let (one, two) = (seen.clone(), seen.clone());
                std::thread::spawn(move || {
                    carry(near, &far, &one);
                    let _ = far.shutdown(std::net::Shutdown::Both);
                });
                std::thread::spawn(move || {
                    carry(far_too, &near_too, &two);
                    let _ = near_too.shutdown(std::net::Shutdown::Both);
                });
            }
        });
        Network { port, cut }
    }

    fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::SeqCst);
    }
}

fn carry(mut from: impl Read, mut to: impl Write, cut: &AtomicBool) {
    let mut bytes = [0; 16_384];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        while cut.load(Ordering::SeqCst) {
            std::thread::park_timeout(Duration::from_millis(20));
        }
        if to.write_all(&bytes[..count]).is_err() {
            return;
        }
    }
}

/// What the servers share, and what each has.
struct Cast {
    home: TempDir,
    urls: [String; 3],
    sandbox: PathBuf,
}

impl Cast {
    fn start(&self, index: usize) -> Server {
        let mut variables: Vec<(&str, &str)> = HASTE.to_vec();
        variables.extend([
            ("REFUNDRY_DATABASE_URL", self.urls[index].as_str()),
            ("REFUNDRY_DATABASE_CONNECTIONS", "8"),
            ("REFUNDRY_DATABASE_TIMEOUT_MS", "2000"),
            ("REFUNDRY_ADMIN_KEY", KEY),
            ("REFUNDRY_SANDBOX_DIRECTORY", self.sandbox.to_str().unwrap()),
        ]);
        Server::start_with(&self.data(index), &variables)
    }

    fn data(&self, index: usize) -> PathBuf {
        self.home.path().join(index.to_string())
    }
}

/// Two servers would pay the same refund, or what one of them acknowledged would be gone.
#[test]
fn clients_storm_three_replicas_while_everything_is_killed() {
    let cluster = Cluster::start();
    let network = Network::to(cluster.socket());
    let home = TempDir::new().unwrap();
    let sandbox = home.path().join("sandbox");
    std::fs::create_dir(&sandbox).unwrap();
    let through = format!("host=127.0.0.1 port={} user=postgres dbname=postgres", network.port);
    let cast = Cast { home, urls: [cluster.url(), cluster.url(), through], sandbox };
    let mut servers: Vec<Server> = (0..3).map(|index| cast.start(index)).collect();
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
    network.cut(true);
    at(4);
    network.cut(false);
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
