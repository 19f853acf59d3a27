//! A master key that changes: nothing may need the old one any more.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::sync::Arc;

use refundry::testing::access::reseal;
use refundry::testing::access::seal::Sealer;
use refundry::testing::store::Store;
use refundry::testing::store::sqlite::SqliteStore;
use refundry::testing::store::vault::Sealed;
use serde_json::json;

use super::transfers::written;
use crate::harness::site::Site;
use crate::harness::store::Home;

fn master_key(data: &std::path::Path, action: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_refundry"));
    command.args(["master-key", "--data"]).arg(data).arg(action).output().unwrap()
}

/// What is not sealed anew would be lost with the old key: webhooks stop, customers' accounts are
/// unknown, and nobody knows why.
#[tokio::test]
async fn everything_opens_with_the_new_key_alone() {
    let home = Home::on_sqlite();
    let store = home.store.clone();
    let site = Site::over(home, store.clone()).await;
    let file = written(&site).await;
    let endpoint = json!({"url": "http://127.0.0.1:1/"});
    site.post("/v1/webhook_endpoints", endpoint).send().await.expect(201);
    site.post("/v1/keys", json!({"name": "k", "scopes": ["read"]})).send().await.expect(201);
    let body = json!({"currency": "EUR", "lines": [{"amount": "20.00"}], "payments": [
        {"provider": "sandbox", "method": "voucher", "amount": "20.00"}]});
    let order = site.post("/v1/orders", body).send().await.expect(201).id();
    let body = json!({"order": order, "amount": "1.00"});
    let refund = site.post("/v1/refunds", body).once().send().await.expect(201).id();
    let link = format!("/v1/refunds/{refund}/information_link");
    let before = site.ask("POST", &link).send().await.expect(200).json();
    let path = format!("/v1/bank_transfer_files/{file}");
    let xml = site.get(&path).send().await.expect(200).body;
    let (_, home) = site.stop().await;
    store.close().await;
    drop(store);
    let Home { store, dir } = home;
    drop(store);

    let rotated = master_key(dir.path(), "rotate");
    let said = String::from_utf8(rotated.stdout.clone()).unwrap();
    assert!(rotated.status.success(), "{rotated:?}");
    for line in [
        "1 refunds' bank details",
        "1 webhook endpoints' secrets",
        "1 digests of keys",
        "1 links for bank details",
        "1 files of bank transfers",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    let key = dir.path().join("master.key");
    let mode = std::fs::metadata(&key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "its owner's alone");
    let both = std::fs::read_to_string(&key).unwrap();
    let (new, old) = both.split_once('\n').unwrap();
    std::fs::write(&key, new).unwrap();
    let again = String::from_utf8(master_key(dir.path(), "reseal").stdout).unwrap();
    assert!(again.contains("0 refunds' bank details") && again.contains("0 files"), "{again}");

    let store: Arc<dyn Store> = SqliteStore::open(dir.path()).unwrap();
    for (kind, sealer) in Sealed::ALL.map(|kind| (kind, Sealer::from_text(old).unwrap())) {
        let rows = store.sealed(kind).await.unwrap();
        assert_eq!(rows.len(), 1, "{kind:?}");
        let left = reseal::kind(&*store, &sealer, kind, refundry::testing::transfer_context).await;
        assert!(left.is_err(), "{kind:?} opens with the old key");
    }
    let site = Site::over(Home { store: store.clone(), dir }, store).await;
    assert_eq!(site.ask("POST", &link).send().await.expect(200).json(), before);
    assert_eq!(site.get(&path).send().await.expect(200).body, xml);
}

/// Who can write to the database could have one merchant's secret used for another.
#[test]
fn what_is_sealed_for_one_place_opens_in_no_other() {
    let sealer = Sealer::new(&[7; 32]);
    let sealed = sealer.seal(b"secret", "gateway/1/stripe").unwrap();
    assert_eq!(sealer.open(&sealed, "gateway/1/stripe").unwrap(), b"secret");
    for other in ["gateway/2/stripe", "gateway/1/paypal", "webhook-secrets/1", ""] {
        assert!(sealer.open(&sealed, other).is_err(), "{other}");
        assert!(!sealer.is_newest(&sealed, other), "{other}");
    }
    assert!(Sealer::new(&[8; 32]).open(&sealed, "gateway/1/stripe").is_err());
}
