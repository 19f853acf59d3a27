//! Every way in which a key is made leaves it able to log in by a key of the day.

use std::path::Path;
use std::sync::Arc;

use refundry::testing::App;
use refundry::testing::clock::ManualClock;
use refundry::testing::config::{Config, Overrides};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::legacy::day_key;
use crate::harness::site::Ask;
use crate::harness::store::NOW;

/// An installation that runs, as operators start it.
struct Installation {
    address: std::net::SocketAddr,
    first_key: Option<String>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Installation {
    async fn start(data: &Path, admin_key: Option<&str>) -> Installation {
        let overrides = Overrides { data: Some(data.to_owned()), ..Overrides::default() };
        let named = |value: &str| ("REFUNDRY_ADMIN_KEY".to_owned(), value.to_owned());
        let variables: Vec<(String, String)> = admin_key.map(named).into_iter().collect();
        let config = Config::layered(None, &variables, &overrides).unwrap();
        let app = App::open(config, Arc::new(ManualClock::at(NOW)), 1).await.unwrap();
        let first_key = app.first_key().map(str::to_owned);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(app.serve(listener, async {
            let _ = stopped.await;
        }));
        Installation { address, first_key, stop, served }
    }

    /// What a login by the key of the tests' day is answered with.
    async fn login(&self, id: &str, secret: &str) -> Value {
        let path = "/api/?gate=refunds/retrieveRefundsList/192/json";
        let authenticate = json!({"userLogin": id, "authenticateKey": day_key("20250615", secret)});
        let body = json!({"authenticate": authenticate, "params": {"sourceType": "all"}});
        let answer = Ask::new(self.address, "POST", path).json(&body).send().await;
        answer.expect(200).json()["errors"]["faultCode"].clone()
    }

    async fn keys(&self, secret: &str) -> Vec<String> {
        let ask = Ask::new(self.address, "GET", "/v1/keys").key(secret);
        let listed = ask.send().await.expect(200).json();
        let rows = listed["data"].as_array().unwrap().iter();
        rows.map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    }

    async fn stop(self) {
        drop(self.stop);
        self.served.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_the_installation_the_operator_and_the_command_log_in() {
    let home = tempfile::tempdir().unwrap();
    let first = Installation::start(home.path(), None).await;
    let secret = first.first_key.clone().expect("a new installation makes a key");
    let id = first.keys(&secret).await.remove(0);
    assert_eq!(first.login(&id, &secret).await, 0);
    assert_eq!(first.login(&id, "another").await, 1);
    first.stop().await;

    let made = std::process::Command::new(env!("CARGO_BIN_EXE_refundry"))
        .args(["keys", "create", "--name", "soap", "--scopes", "read", "--json"])
        .env("REFUNDRY_DATA", home.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&made.stdout);
    assert!(made.status.success(), "{text}{}", String::from_utf8_lossy(&made.stderr));
    let made: Value = serde_json::from_str(&text).unwrap();

    let chosen = "chosen-by-the-operator-0123456789";
    let second = Installation::start(home.path(), Some(chosen)).await;
    let (own, own_secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    assert_eq!(second.login(own, own_secret).await, 0);
    let admin = second.keys(chosen).await.remove(0);
    assert_eq!(second.login(&admin, chosen).await, 0);
    second.stop().await;

    // The operator's key gets another secret, and logs in with that one only.
    let later = "chosen-later-by-the-operator-98765";
    let third = Installation::start(home.path(), Some(later)).await;
    assert_eq!(third.login(&admin, later).await, 0);
    assert_eq!(third.login(&admin, chosen).await, 1);
    third.stop().await;
    // Nothing of the secrets is in the files, and no digest in clear.
    let database = std::fs::read(home.path().join("refundry.db")).unwrap();
    let plain = super::legacy::sha1_hex(&secret);
    for text in [secret.as_str(), own_secret, later, &plain] {
        let found = database.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!found, "a secret is in the database in clear");
    }
}
