//! What was committed and is gone is noticed when the books are opened.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use refundry::testing::store::sqlite::{OpenError, SqliteStore};
use refundry::testing::store::{EventFilter, Standing, Store};
use refundry_domain::ids::Timestamp;
use tempfile::TempDir;

use crate::harness::store::*;

const DATABASE: &str = "refundry.db";
const WAL: &str = "refundry.db-wal";
const ANCHOR: &str = "anchor";

/// The files as they are now, which is how a crash leaves them.
fn image(dir: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in [DATABASE, WAL, ANCHOR] {
        if dir.join(name).exists() {
            fs::copy(dir.join(name), copy.path().join(name)).unwrap();
        }
    }
    copy
}

async fn some(store: &dyn Store, orders: usize) {
    for _ in 0..orders {
        let id = done(store, register(new_order("10.00"))).await.order.id;
        done(store, refund(id, "1.00")).await;
    }
}

/// Books in use: an image of now, and one of somewhat earlier.
async fn images() -> (TempDir, TempDir) {
    let home = Home::on_sqlite();
    some(&*home.store, 5).await;
    home.store.seal(NOW).await.unwrap();
    let earlier = image(home.dir.path());
    some(&*home.store, 5).await;
    (image(home.dir.path()), earlier)
}

fn standing(dir: &Path) -> Standing {
    SqliteStore::open(dir).unwrap().standing()
}

fn assert_behind(dir: &Path) -> String {
    match standing(dir) {
        Standing::Behind(why) => why,
        Standing::Intact => panic!("nothing was noticed"),
    }
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(bytes, at).unwrap();
}

#[tokio::test]
async fn a_crash_loses_nothing() {
    let (now, earlier) = images().await;
    assert_eq!(standing(now.path()), Standing::Intact);
    assert_eq!(standing(earlier.path()), Standing::Intact);
    // A machine that stops may leave an older anchor; the books are ahead of it then.
    fs::copy(earlier.path().join(ANCHOR), now.path().join(ANCHOR)).unwrap();
    assert_eq!(standing(now.path()), Standing::Intact);
    let store = SqliteStore::open(now.path()).unwrap();
    assert_eq!(store.orders(MERCHANT, Default::default(), all()).await.unwrap().rows.len(), 10);
}

#[tokio::test]
async fn a_wal_that_lost_its_end_is_noticed() {
    let (now, _) = images().await;
    let path = now.path().join(WAL);
    let length = fs::metadata(&path).unwrap().len();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 4096).unwrap();
    assert_behind(now.path());
}

#[tokio::test]
async fn a_wal_that_was_damaged_is_noticed() {
    let (now, _) = images().await;
    let path = now.path().join(WAL);
    let middle = fs::metadata(&path).unwrap().len() / 2;
    overwrite(&path, middle, b"damage");
    assert_behind(now.path());
}

#[tokio::test]
async fn a_wal_that_is_gone_is_noticed() {
    let (now, _) = images().await;
    fs::remove_file(now.path().join(WAL)).unwrap();
    assert_behind(now.path());
}

#[tokio::test]
async fn an_older_copy_is_noticed() {
    let (now, earlier) = images().await;
    fs::copy(now.path().join(ANCHOR), earlier.path().join(ANCHOR)).unwrap();
    assert_behind(earlier.path());
}

#[tokio::test]
async fn other_books_are_noticed() {
    let (now, _) = images().await;
    let home = Home::on_sqlite();
    done(&*home.store, register(new_order("2.00"))).await;
    some(&*home.store, 20).await;
    let other = image(home.dir.path());
    fs::copy(now.path().join(ANCHOR), other.path().join(ANCHOR)).unwrap();
    assert_behind(other.path());
}

#[tokio::test]
async fn an_anchor_that_is_gone_is_noticed() {
    let (now, _) = images().await;
    fs::remove_file(now.path().join(ANCHOR)).unwrap();
    assert_behind(now.path());
    // Looking does not make a new one.
    assert_behind(now.path());
}

#[tokio::test]
async fn a_torn_anchor_is_as_good_as_the_one_before() {
    for slot in [0, 4096] {
        let (now, _) = images().await;
        overwrite(&now.path().join(ANCHOR), slot + 40, &[0xff; 60]);
        assert_eq!(standing(now.path()), Standing::Intact);
    }
    let (now, _) = images().await;
    for slot in [0, 4096] {
        overwrite(&now.path().join(ANCHOR), slot + 40, &[0xff; 60]);
    }
    assert_behind(now.path());
}

#[tokio::test]
async fn a_newest_event_that_was_altered_is_noticed() {
    let (now, _) = images().await;
    let books = rusqlite::Connection::open(now.path().join(DATABASE)).unwrap();
    let sql = "UPDATE events SET done_by = 'nobody' WHERE number = (SELECT max(number) - 9 \
        FROM events) OR number = (SELECT max(number) - 10 FROM events)";
    books.execute(sql, []).unwrap();
    let sql = "UPDATE events SET done_by = 'nobody' WHERE number = (SELECT max(previous) FROM \
        events)";
    assert_eq!(books.execute(sql, []).unwrap(), 1);
    drop(books);
    assert_behind(now.path());
}

#[tokio::test]
async fn an_operator_decides() {
    let (now, earlier) = images().await;
    fs::copy(now.path().join(ANCHOR), earlier.path().join(ANCHOR)).unwrap();
    let lost = {
        let store = SqliteStore::open(now.path()).unwrap();
        store.events(MERCHANT, EventFilter::default(), first(1)).await.unwrap().rows[0].id
    };
    let why = assert_behind(earlier.path());
    let store = SqliteStore::open(earlier.path()).unwrap();
    // Numbers that were lost may be known to providers and are not given out again.
    let order = done(&*store, register(new_order("1.00"))).await.order;
    assert!(order.id.0 > lost.0, "{} may have been told to somebody before", order.id);
    drop(store);
    assert_behind(earlier.path());
    let store = SqliteStore::open(earlier.path()).unwrap();
    store.accept("cli".into(), Timestamp(NOW.0 + 1)).await.unwrap();
    assert_eq!(store.standing(), Standing::Intact);
    let filter = EventFilter { names: vec!["books.accepted".to_owned()], ..Default::default() };
    let event = store.events(MERCHANT, filter, all()).await.unwrap().rows.remove(0);
    assert!(event.data.contains(&why), "{}", event.data);
    assert_eq!(&*event.by, "cli");
    some(&*store, 1).await;
    drop(store);
    assert_eq!(standing(earlier.path()), Standing::Intact);
    let store: Arc<dyn Store> = SqliteStore::open(earlier.path()).unwrap();
    let report = refundry::testing::ledger::verify::verify(&*store, &mut |_| {}).await.unwrap();
    assert_eq!(report.findings, []);
}

#[tokio::test]
async fn one_process_has_the_directory() {
    let home = Home::on_sqlite();
    match SqliteStore::open(home.dir.path()) {
        Err(error @ OpenError::InUse(_)) => {
            assert!(error.to_string().contains("stop it"), "{error}");
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("two have it"),
    }
    home.store.close().await;
    drop(home.store);
    SqliteStore::open(home.dir.path()).unwrap();
}

#[tokio::test]
async fn a_schema_that_is_not_ours_is_left_alone() {
    let tampered = |sql: &str| {
        let dir = tempfile::tempdir().unwrap();
        drop(SqliteStore::open(dir.path()).unwrap());
        let books = rusqlite::Connection::open(dir.path().join(DATABASE)).unwrap();
        books.execute_batch(sql).unwrap();
        drop(books);
        let opened = SqliteStore::open(dir.path());
        (opened.err().expect("it was opened"), dir)
    };
    let sql = "INSERT INTO migrations VALUES (99, '0099_future', zeroblob(32))";
    let (error, _dir) = tampered(sql);
    assert!(matches!(error, OpenError::Newer { found: 99, .. }), "{error}");
    let (error, _dir) = tampered("UPDATE migrations SET checksum = zeroblob(32)");
    assert!(matches!(error, OpenError::Altered(_)), "{error}");
    let (error, _dir) = tampered("DELETE FROM migrations");
    assert!(matches!(error, OpenError::Database(_)), "{error}");
}

/// Opening reads every event that no seal covers: a server that never rests would take ever longer to
/// start, and nothing but the chains would cover what it did.
#[tokio::test]
async fn books_are_sealed_in_time_although_nobody_asks() {
    let home = Home::on_sqlite();
    let orders = (0..2_600).map(|_| done(&*home.store, register(new_order("1.00"))));
    futures_util::future::join_all(orders).await;
    done(&*home.store, register(new_order("1.00"))).await;
    let seals = home.store.seals().await.unwrap();
    assert_eq!(seals.len(), 1, "{seals:?}");
    assert!((5_000..5_600).contains(&seals[0].events), "{seals:?}");
}
