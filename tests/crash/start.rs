//! Starting and stopping: what an operator meets first.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::server::{
    Server, admin_key, all_refunds, refund_body, refundry, register, run, until_settled,
};

/// The key would be lost, shown in every log, or readable by everybody.
#[test]
fn the_first_start_makes_a_key_shows_it_once_and_keeps_it_for_its_owner() {
    let home = TempDir::new().unwrap();
    let data = home.path().join("data");
    let server = Server::start(&data);
    let key = admin_key(&data);
    assert_eq!(server.said.iter().filter(|line| line.contains(&key)).count(), 1);
    let mode = std::fs::metadata(data.join("admin.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(server.client(&key).get("/v1/keys").unwrap().status, 200);
    assert_eq!(server.client("rfk_wrong").get("/v1/keys").unwrap().status, 401);
    assert!(server.terminate().success());

    let again = Server::start(&data);
    assert!(!again.said.iter().any(|line| line.contains(&key)), "shown once");
    assert_eq!(admin_key(&data), key);
    assert_eq!(again.client(&key).get("/v1/keys").unwrap().status, 200);
    let log = std::fs::read_to_string(data.with_extension("log")).unwrap();
    assert!(!log.contains(&key), "never logged");
}

/// An operator's own key would be ignored, or a weak one taken.
#[test]
fn the_operator_can_set_the_first_key() {
    let home = TempDir::new().unwrap();
    let data = home.path().join("data");
    let key = "an-operators-own-secret-1";
    let server = Server::start_with(&data, &[("REFUNDRY_ADMIN_KEY", key)]);
    assert!(!data.join("admin.key").exists());
    assert!(!server.said.iter().any(|line| line.contains(key)));
    assert_eq!(server.client(key).get("/v1/keys").unwrap().status, 200);
    server.kill();
    let other = "another-secret-of-the-operator";
    let server = Server::start_with(&data, &[("REFUNDRY_ADMIN_KEY", other)]);
    assert_eq!(server.client(other).get("/v1/keys").unwrap().status, 200);
    assert_eq!(server.client(key).get("/v1/keys").unwrap().status, 401, "it was replaced");
    drop(server);

    let weak = refundry()
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(home.path().join("weak"))
        .env("REFUNDRY_ADMIN_KEY", "short")
        .output()
        .unwrap();
    assert_eq!(weak.status.code(), Some(2));
    let said = String::from_utf8(weak.stderr).unwrap();
    assert!(said.contains("5 characters") && said.contains("24"), "{said}");
    assert!(!said.contains("short"), "the key itself is not shown: {said}");
}

/// A mistake at the start would end in a riddle.
#[test]
fn what_stands_in_the_way_is_said() {
    let home = TempDir::new().unwrap();
    let data = home.path().join("data");
    let server = Server::start(&data);
    let serve = |listen: &str, data: &std::path::Path| {
        let output = run(&["serve", "--listen", listen], data);
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    let said = serve("127.0.0.1:0", &data);
    assert!(said.contains("another process uses the data directory"), "{said}");
    let said = serve(&server.address.to_string(), &home.path().join("other"));
    assert!(said.contains(&server.address.to_string()) && said.contains("--listen"), "{said}");
    let said = serve("localhost", &home.path().join("other"));
    assert!(said.contains("\"localhost\"") && said.contains("127.0.0.1:8080"), "{said}");
    let file = home.path().join("file");
    std::fs::write(&file, "").unwrap();
    let said = serve("127.0.0.1:0", &file);
    assert!(said.contains(&file.display().to_string()), "{said}");

    let settings = home.path().join("refundry.toml");
    std::fs::write(&settings, "[payouts]\ntimeout = 5\n").unwrap();
    let config = settings.to_str().unwrap();
    let output = run(&["serve", "--config", config], &home.path().join("other"));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("payouts.timeout"), "{said}");
}

/// A deployment would cut payouts in half and lose requests.
#[test]
fn sigterm_finishes_what_is_under_way() {
    let home = TempDir::new().unwrap();
    let data = home.path().join("data");
    let server = Server::start(&data);
    let key = admin_key(&data);
    let mut client = server.client(&key);
    let order = register(&mut client, "1", 10_000, "sandbox_slow_400ms");
    for index in 0..20 {
        let answer = client.post("/v1/refunds", &format!("r-{index}"), &refund_body(&order, 100));
        answer.unwrap().good();
    }
    assert!(server.terminate().success());
    let began = Instant::now();
    let server = Server::start(&data);
    let mut client = server.client(&key);
    until_settled(&mut client);
    let lease = Duration::from_secs(60);
    assert!(began.elapsed() < lease / 2, "what was under way was left to its lease");
    let refunds = all_refunds(&mut client);
    assert_eq!(refunds.len(), 20);
    assert!(refunds.iter().all(|refund| refund["state"] == "succeeded"));
    let record = String::from_utf8(run(&["sandbox"], &data).stdout).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    assert_eq!((&record["payouts"], &record["calls"]), (&20.into(), &20.into()));
    assert_eq!(record["asks"], 0, "nothing was left in doubt by the stop");
}

/// A key that leaked could not be ended while the server is down, or its secret would be shown again.
#[test]
fn keys_are_made_listed_and_ended_without_a_server() {
    let home = TempDir::new().unwrap();
    let data = home.path().join("data");
    assert!(Server::start(&data).terminate().success());
    let keys = |arguments: &[&str]| -> Vec<Value> {
        let mut command = refundry();
        command.args(["keys", "--json", "--data"]).arg(&data).args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let made = keys(&["create", "--name", "shop", "--scopes", "read", "--rate", "50"]).remove(0);
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    assert_eq!((&made["name"], &made["rate_per_second"]), (&"shop".into(), &50.into()));
    let listed = |revoked: bool| {
        let all = keys(&["list"]);
        let row = all.iter().find(|row| row["id"] == id).unwrap();
        assert_eq!(row["revoked"], revoked, "{row}");
        assert!(!Value::from(all.clone()).to_string().contains(secret), "shown once");
    };
    listed(false);
    let server = Server::start(&data);
    assert_eq!(server.client(secret).get("/v1/orders").unwrap().status, 200);
    assert_eq!(server.client(secret).get("/v1/keys").unwrap().status, 403, "it may only read");
    assert!(server.terminate().success());
    keys(&["revoke", id]);
    listed(true);
    let server = Server::start(&data);
    assert_eq!(server.client(secret).get("/v1/orders").unwrap().status, 401);
    drop(server);
    let mut command = refundry();
    let unknown = command.args(["keys", "--data"]).arg(&data).args(["revoke", "key_1"]).output();
    assert_eq!(unknown.unwrap().status.code(), Some(2));
}

/// A nightly check would say that altered books are right, and books that an operator wants to go on
/// from would never send again.
#[test]
fn verify_says_by_its_exit_code_what_it_found_and_an_operator_decides() {
    let home = TempDir::new().unwrap();
    let data = home.path().join("data");
    let lived = |reference: &str| {
        let server = Server::start(&data);
        let mut client = server.client(&admin_key(&data));
        let order = register(&mut client, reference, 1_000, "ch");
        client.post("/v1/refunds", reference, &refund_body(&order, 100)).unwrap().good();
        until_settled(&mut client);
        assert!(server.terminate().success());
    };
    let verify = |arguments: &[&str]| {
        let output = run(&[&["verify"], arguments].concat(), &data);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    lived("1");
    let (code, said) = verify(&[]);
    assert!(code == Some(0) && said.contains("nothing was altered"), "{code:?}: {said}");
    let (database, older) = (data.join("refundry.db"), home.path().join("older"));
    std::fs::copy(&database, &older).unwrap();
    lived("2");
    std::fs::copy(&older, &database).unwrap();
    let (code, said) = verify(&[]);
    assert!(code == Some(1) && said.contains("--accept"), "{code:?}: {said}");
    assert_eq!(verify(&[]).0, Some(1), "to look is not to decide");
    assert_eq!(verify(&["--accept"]).0, Some(0));
    assert_eq!(verify(&[]).0, Some(0));

    let books = rusqlite::Connection::open(&database).unwrap();
    assert_eq!(books.execute("UPDATE refunds SET amount = amount + 1", []).unwrap(), 1);
    drop(books);
    let (code, said) = verify(&["--json"]);
    let found: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &found["clean"]), (Some(1), &false.into()), "{said}");
    assert_eq!(found["findings"][0]["kind"], "refund", "{said}");
    assert_eq!(verify(&["--accept"]).0, Some(1), "what was altered is not accepted away");
    assert_eq!(run(&["verify"], &home.path().join("nowhere")).status.code(), Some(2));
}
