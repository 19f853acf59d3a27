//! Orders that others have locked, and plans that do not know how many rows there are.

use futures_util::future::join_all;
use refundry::testing::store::postgres::{Options, PostgresStore};
use refundry::testing::store::{Settlement, Store};
use refundry_domain::ids::OrderId;
use refundry_domain::refund::Destination;
use refundry_domain::refusal::Refusal;
use std::time::Duration;
use tokio_postgres::NoTls;

use crate::harness::store::*;
use crate::store::credits::{account as read, credit, credited, is_sound, of_customer};

use super::Cast;

/// One busy order would hold up all that shares a batch with it, and what waits for that in turn.
#[tokio::test]
async fn a_busy_order_holds_up_no_other() {
    let (cast, _) = Cast::of(0).await;
    // One lane: what is asked at once is one batch.
    let options = Options { connections: 4, ..cast.options() };
    let store = PostgresStore::open(&options, None).await.unwrap();
    let mut orders = Vec::new();
    for _ in 0..5 {
        orders.push(done(&*store, register(new_order("10.00"))).await.order.id);
    }
    let (busy, free) = (orders[2], [orders[0], orders[1], orders[3], orders[4]]);
    let (other, connection) = tokio_postgres::connect(&cast.database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let lock = format!("BEGIN; SELECT 1 FROM orders WHERE number = {} FOR UPDATE", busy.0);
    other.batch_execute(&lock).await.unwrap();

    let waits = {
        let store = store.clone();
        tokio::spawn(async move { store.commit(refund(busy, "4.00")).await })
    };
    let settled = join_all(free.map(|id| store.commit(refund(id, "1.00")))).await;
    assert!(settled.iter().all(|one| matches!(one, Ok(Settlement::Done { .. }))), "{settled:?}");
    let nobody = store.commit(refund(OrderId(1), "1.00")).await.unwrap();
    assert!(matches!(nobody, Settlement::Refused { refusal: Refusal::UnknownOrder, .. }));
    assert!(!waits.is_finished());

    // What the other did meanwhile is seen: nothing is decided on an order as it was before.
    let spend = "UPDATE orders SET held = held + 700; UPDATE transactions SET held = held + 700";
    let spend = spend.replace("held + 700;", &format!("held + 700 WHERE number = {};", busy.0));
    let spend = format!("{spend} WHERE order_number = {}; COMMIT", busy.0);
    other.batch_execute(&spend).await.unwrap();
    let settled = waits.await.unwrap().unwrap();
    assert!(
        matches!(settled, Settlement::Refused { refusal: Refusal::MoreThanIsLeft { .. }, .. }),
        "{settled:?}"
    );
}

/// An order that somebody else works on would hold up others by the account of its customer, which
/// that one has too.
#[tokio::test]
async fn the_account_of_a_busy_order_holds_up_no_other() {
    let (cast, _) = Cast::of(0).await;
    // One lane: what is asked at once is one batch.
    let options = Options { connections: 4, ..cast.options() };
    let store = PostgresStore::open(&options, None).await.unwrap();
    let account = credited(&*store, "1.00").await;
    let busy = done(&*store, of_customer("c-7", "9.00")).await.order.id;
    let free = done(&*store, of_customer("c-8", "9.00")).await.order.id;
    let (other, connection) = tokio_postgres::connect(&cast.database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let lock = format!(
        "BEGIN; SELECT 1 FROM orders WHERE number = {} FOR UPDATE; \
        SELECT 1 FROM credit_accounts WHERE number = {} FOR UPDATE",
        busy.0, account.0
    );
    other.batch_execute(&lock).await.unwrap();
    let ask = |order| {
        let store = store.clone();
        let ask = credit(order, Destination::StoreCredit, "2.00");
        tokio::spawn(async move { store.commit(ask).await })
    };
    let (waits, goes) = (ask(busy), ask(free));
    let went = tokio::time::timeout(Duration::from_secs(4), goes).await;
    let went = went.expect("it waits for nobody").unwrap().unwrap();
    assert!(matches!(went, Settlement::Done { .. }), "{went:?}");
    assert!(!waits.is_finished());
    other.batch_execute("COMMIT").await.unwrap();
    let settled = waits.await.unwrap().unwrap();
    assert!(matches!(settled, Settlement::Done { .. }), "{settled:?}");
    assert_eq!(read(&*store, account).await.balance.get(), 300);
    is_sound(&*store).await;
}

/// Tables that grew since the database last looked would be read whole for every refund.
#[tokio::test]
async fn a_database_that_never_counted_its_rows_is_told_to() {
    let (cast, stores) = Cast::of(1).await;
    let sql = "INSERT INTO claims (merchant, digest, answer) \
        SELECT -1, decode(md5(g::text), 'hex'), g FROM generate_series(1, 20000) g";
    cast.execute(sql).await;
    let (other, connection) = tokio_postgres::connect(&cast.database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    stores[0].seal(NOW).await.unwrap();
    let sql = "SELECT relname::text, reltuples::bigint FROM pg_class \
        WHERE relname IN ('claims', 'returns') ORDER BY relname";
    let rows = other.query(sql, &[]).await.unwrap();
    let counted: Vec<(&str, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(counted, [("claims", 20_000), ("returns", -1)]);
}

/// What comes later would wait for whatever a batch waits for, although there are other lanes.
#[tokio::test]
async fn a_batch_that_is_held_up_holds_up_no_other() {
    let (cast, stores) = Cast::of(1).await;
    let store = &stores[0];
    let account = credited(&**store, "1.00").await;
    let held = done(&**store, of_customer("c-7", "9.00")).await.order.id;
    let free = done(&**store, of_customer("c-8", "9.00")).await.order.id;
    let (other, connection) = tokio_postgres::connect(&cast.database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let lock =
        format!("BEGIN; SELECT 1 FROM credit_accounts WHERE number = {} FOR UPDATE", account.0);
    other.batch_execute(&lock).await.unwrap();
    let waits = {
        let (store, ask) = (store.clone(), credit(held, Destination::StoreCredit, "2.00"));
        tokio::spawn(async move { store.commit(ask).await })
    };
    let waiting = "SELECT 1 FROM pg_stat_activity \
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let begun = async { while other.query(waiting, &[]).await.unwrap().is_empty() {} };
    tokio::time::timeout(Duration::from_secs(4), begun).await.expect("the batch waits");
    let goes = tokio::time::timeout(Duration::from_secs(3), store.commit(refund(free, "1.00")));
    let went = goes.await.expect("it waits for nobody").unwrap();
    assert!(matches!(went, Settlement::Done { .. }), "{went:?}");
    assert!(!waits.is_finished());
    other.batch_execute("COMMIT").await.unwrap();
    assert!(matches!(waits.await.unwrap().unwrap(), Settlement::Done { .. }));
}
