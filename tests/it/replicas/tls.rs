//! A database is spoken to in secret, and only when it proves who it is.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use refundry::testing::store::Store;
use refundry::testing::store::postgres::{Options, PostgresStore};
use tempfile::TempDir;

/// Who vouches for servers.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: PathBuf,
}

impl Authority {
    fn new(home: &Path, name: &str) -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let file = home.join(name);
        let own = params.self_signed(&key).unwrap();
        std::fs::write(&file, pem("CERTIFICATE", own.der())).unwrap();
        Authority { issuer: Issuer::new(params, key), file }
    }

    /// Writes a certificate for `localhost` and its key to where the server reads them.
    fn vouch(&self, home: &Path, last_year: i32) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_after = date_time_ymd(last_year, 1, 1);
        let made = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(home.join("server.crt"), pem("CERTIFICATE", made.der())).unwrap();
        std::fs::write(home.join("server.key"), pem("PRIVATE KEY", &key.serialize_der())).unwrap();
        let only_ours = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(home.join("server.key"), only_ours).unwrap();
        if rustix::process::getuid().is_root() {
            let files = ["server.crt", "server.key"].map(|name| home.join(name));
            let given = Command::new("chown").arg("postgres").args(files).status().unwrap();
            assert!(given.success());
        }
    }
}

fn pem(what: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", lines.join("\n"))
}

/// A cluster of its own that listens on loopback with TLS.
struct Server {
    home: TempDir,
    port: u16,
}

impl Server {
    fn start(authority: impl Fn(&Path) -> Authority) -> (Server, Authority) {
        let home = tempfile::tempdir().unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(home.path(), mode).unwrap();
        let authority = authority(home.path());
        authority.vouch(home.path(), 2999);
        // Free a moment ago; nobody else here asks for fixed ports.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Server { home, port };
        let file = |name: &str| server.home.path().join(name).display().to_string();
        server.script(
            "start",
            &[
                "listen_addresses='127.0.0.1'".to_owned(),
                format!("port={port}"),
                "ssl=on".to_owned(),
                format!("ssl_cert_file='{}'", file("server.crt")),
                format!("ssl_key_file='{}'", file("server.key")),
            ],
        );
        (server, authority)
    }

    fn script(&self, action: &str, more: &[String]) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/postgres/cluster.sh");
        let folder = self.home.path().join("pg");
        let done = Command::new(script).arg(action).arg(folder).args(more).output().unwrap();
        assert!(done.status.success(), "{action}: {}", String::from_utf8_lossy(&done.stderr));
    }

    fn url(&self, host: &str, more: &str) -> String {
        format!("postgres://postgres@{host}:{}/postgres?{more}", self.port)
    }

    /// Why the books cannot be opened there.
    async fn refuses(&self, url: &str) -> String {
        let mut options = Options::of(url);
        options.connections = 2;
        match PostgresStore::open(&options, None).await {
            Ok(_) => panic!("{url} was believed"),
            Err(why) => why.to_string(),
        }
    }

    /// On the socket, where nothing is encrypted.
    async fn execute(&self, sql: &str) {
        let folder = self.home.path().join("pg").display().to_string();
        let url = format!("host={folder} port={} user=postgres dbname=postgres", self.port);
        let (client, connection) =
            tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        let driven = tokio::spawn(connection);
        client.batch_execute(sql).await.unwrap();
        drop(client);
        driven.await.unwrap().unwrap();
    }

    /// The server reads its files again, and a new connection sees it.
    async fn reload(&self, sql: &str) {
        self.execute(sql).await;
        self.execute("SELECT pg_reload_conf()").await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.script("stop", &[]);
    }
}

#[tokio::test]
async fn a_database_proves_who_it_is_or_gets_nothing() {
    let (server, ours) = Server::start(|home| Authority::new(home, "ours.pem"));
    let trusted = |authority: &Authority| format!("sslrootcert={}", authority.file.display());
    for mode in ["sslmode=verify-full", "sslmode=require"] {
        let url = server.url("localhost", &format!("{mode}&{}", trusted(&ours)));
        let mut options = Options::of(&url);
        options.connections = 2;
        let store = PostgresStore::open(&options, None).await.unwrap();
        store.ready().await.unwrap();
        // The server's own word for it.
        server
            .execute(
                "DO $$ BEGIN ASSERT (SELECT bool_and(s.ssl) AND count(*) > 0 \
                FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) \
                WHERE a.application_name = 'refundry'), 'not in secret'; END $$",
            )
            .await;
    }

    let theirs = Authority::new(server.home.path(), "theirs.pem");
    for (host, more, why) in [
        ("localhost", trusted(&theirs), "UnknownIssuer"),
        // The system has never heard of our authority.
        ("localhost", String::new(), "UnknownIssuer"),
        // For another name than it is asked by.
        ("127.0.0.1", trusted(&ours), "not valid for name"),
        ("localhost", "sslrootcert=/nowhere.pem".to_owned(), "/nowhere.pem cannot be used"),
    ] {
        for mode in ["sslmode=require", "sslmode=verify-full"] {
            let said = server.refuses(&server.url(host, &format!("{mode}&{more}"))).await;
            assert!(said.contains(why), "{host} {mode} {more}: {said}");
        }
    }
    let said = server.refuses(&server.url("localhost", "sslmode=verify-ca")).await;
    assert!(said.contains("use verify-full"), "{said}");

    ours.vouch(server.home.path(), 2001);
    server.reload("SELECT 1").await;
    let secret = server.url("localhost", &format!("sslmode=verify-full&{}", trusted(&ours)));
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        // It still shows the old one for a moment.
        match PostgresStore::open(&Options::of(&secret), None).await {
            Err(why) if why.to_string().contains("expired") => break,
            Ok(_) => assert!(std::time::Instant::now() < until, "an expired one is believed"),
            Err(why) => panic!("{why}"),
        }
    }

    server.reload("ALTER SYSTEM SET ssl = off").await;
    loop {
        let said = server.refuses(&secret).await;
        if said.contains("does not support TLS") {
            break;
        }
        assert!(said.contains("expired") && std::time::Instant::now() < until, "{said}");
    }
}
