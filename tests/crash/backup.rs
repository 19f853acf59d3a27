//! A copy of the books that is taken under load, and what going back to it comes to.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::{
    Client, Server, admin_key, all_refunds, refund_body, register, run, until, until_settled,
};
use crate::storm::HASTE;

/// Asks for refunds, one after the other, and remembers what was acknowledged.
fn load(mut client: Client, order: &str, name: usize, stop: &AtomicBool, all: &Mutex<Vec<String>>) {
    for index in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let key = format!("r-{name}-{index}");
        let made = client.post("/v1/refunds", &key, &refund_body(order, 1)).unwrap().good();
        all.lock().push(made["id"].as_str().unwrap().to_owned());
    }
}

fn verified(data: &Path, more: &[&str]) -> Value {
    let arguments: Vec<&str> = ["verify", "--json"].iter().chain(more).copied().collect();
    serde_json::from_slice(&run(&arguments, data).stdout).unwrap()
}

/// A backup of a busy server would be torn, or would lack what was acknowledged before it; and
/// books from yesterday would pay out again what was paid today.
#[test]
fn a_backup_under_load_is_whole_and_sends_nothing_until_somebody_decides() {
    let home = TempDir::new().unwrap();
    let data = home.path().join("data");
    let server = Server::start_with(&data, HASTE);
    let key = admin_key(&data);
    let order = register(&mut server.client(&key), "1", 100_000_000, "sandbox_succeed");
    let (stop, all) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let file = home.path().join("books.db");
    let before = std::thread::scope(|scope| {
        for name in 0..4 {
            let (client, order, stop, all) = (server.client(&key), &order, &stop, &all);
            scope.spawn(move || load(client, order, name, stop, all));
        }
        until("some refunds are acknowledged", || all.lock().len() > 200);
        let before = all.lock().clone();
        let made = run(&["backup", "--to", file.to_str().unwrap()], &data);
        let after = all.lock().len();
        until("they go on being acknowledged", || all.lock().len() > after + 50);
        stop.store(true, Ordering::Relaxed);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        before
    });
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let again = run(&["backup", "--to", file.to_str().unwrap()], &data);
    let said = String::from_utf8(again.stderr).unwrap();
    assert!(again.status.code() == Some(2) && said.contains("is there already"), "{said}");
    until_settled(&mut server.client(&key));
    assert!(server.terminate().success());

    let restored = home.path().join("restored");
    std::fs::create_dir(&restored).unwrap();
    std::fs::rename(&file, restored.join("refundry.db")).unwrap();
    let found = verified(&restored, &[]);
    assert_eq!(found["findings"], json!([]), "{found}");
    assert!(found["behind"].as_str().unwrap().contains("anchor"), "{found}");
    let server = Server::start_with(&restored, HASTE);
    let mut client = server.client(&key);
    let kept: BTreeSet<String> = all_refunds(&mut client)
        .iter()
        .map(|refund| refund["id"].as_str().unwrap().to_owned())
        .collect();
    let lost: Vec<&String> = before.iter().filter(|id| !kept.contains(*id)).collect();
    assert_eq!(lost, Vec::<&String>::new(), "acknowledged before the backup began");
    assert_eq!(client.get("/readyz").unwrap().good()["sending"], "stopped");
    let asked = client.post("/v1/refunds", "after", &refund_body(&order, 1)).unwrap().good();
    assert_eq!(asked["state"], "pending");
    assert!(server.terminate().success());
    let second = home.path().join("second");
    std::fs::create_dir(&second).unwrap();
    let file = second.join("refundry.db");
    assert!(run(&["backup", "--to", file.to_str().unwrap()], &restored).status.success());

    let path = format!("/v1/refunds/{}", asked["id"].as_str().unwrap());
    for (books, becomes) in [(&restored, "succeeded"), (&second, "needs_attention")] {
        // In the second books it is old, and may have been paid after they were copied.
        assert_eq!(verified(books, &["--accept"])["clean"], true);
        let server = Server::start_with(books, HASTE);
        let mut client = server.client(&key);
        until_settled(&mut client);
        assert_eq!(client.get(&path).unwrap().good()["state"], becomes);
        assert!(server.terminate().success());
        assert_eq!(verified(books, &[])["clean"], true);
    }
}

/// An older copy beside the anchor would look as good as the books that were lost.
#[test]
fn going_back_beside_the_anchor_is_noticed_only_when_something_is_missing() {
    let home = TempDir::new().unwrap();
    let data = home.path().join("data");
    let server = Server::start(&data);
    let key = admin_key(&data);
    let mut client = server.client(&key);
    let order = register(&mut client, "1", 10_000, "sandbox_succeed");
    client.post("/v1/refunds", "first", &refund_body(&order, 100)).unwrap().good();
    until_settled(&mut client);
    assert!(server.terminate().success());
    let backup = |name: &str| {
        let file = home.path().join(name);
        let made = run(&["backup", "--to", file.to_str().unwrap()], &data);
        assert!(made.status.success(), "without a server, too");
        file
    };
    let put_back = |file: &Path| {
        for name in ["refundry.db-wal", "refundry.db-shm"] {
            let _ = std::fs::remove_file(data.join(name));
        }
        std::fs::copy(file, data.join("refundry.db")).unwrap();
    };
    let newest = backup("newest");
    put_back(&newest);
    assert_eq!(verified(&data, &[])["clean"], true, "nothing was missing");
    let server = Server::start(&data);
    let mut client = server.client(&key);
    client.post("/v1/refunds", "second", &refund_body(&order, 100)).unwrap().good();
    until_settled(&mut client);
    assert!(server.terminate().success());
    put_back(&newest);
    assert!(verified(&data, &[])["behind"].is_string(), "the second refund is not in it");
}
