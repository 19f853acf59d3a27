//! Tokens that work once.

use std::sync::Arc;

use futures_util::future::join_all;
use refundry::testing::store::Store;
use refundry::testing::store::postgres::PostgresStore;
use refundry_domain::ids::{MerchantId, Timestamp};

use super::{Place, Postgres, on_every_store};
use crate::harness::store::*;

on_every_store! {
    super::a_token_is_used_up_once as a_token_is_used_up_once,
}

async fn spend(store: &dyn Store, merchant: MerchantId, token: u8, until: i64, now: i64) -> bool {
    let (until, now) = (Timestamp(until), Timestamp(now));
    store.spend_token(merchant, [token; 32], until, now).await.unwrap()
}

async fn a_token_is_used_up_once(place: &impl Place) {
    let store = place.open().await;
    let at_once = join_all((0..20).map(|_| spend(&*store, MERCHANT, 1, 100, 1))).await;
    assert_eq!(at_once.into_iter().filter(|first| *first).count(), 1);
    assert!(spend(&*store, MERCHANT, 2, 200, 1).await);
    assert!(spend(&*store, MerchantId(2), 1, 100, 1).await, "another merchant's is another");
    store.close().await;
    drop(store);
    let store = place.open().await;
    assert!(!spend(&*store, MERCHANT, 1, 100, 50).await);
    // What has expired is refused for that, so that it need not be remembered.
    assert!(!spend(&*store, MERCHANT, 2, 200, 150).await);
    assert!(spend(&*store, MERCHANT, 1, 100, 150).await);
}

#[tokio::test]
async fn of_two_processes_one_uses_a_token() {
    let place = Postgres::new().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let options = place.database.options();
    let other = PostgresStore::open(&options, Some(elsewhere.path())).await.unwrap();
    let stores: [Arc<dyn Store>; 2] = [place.open().await, other];
    for token in 0..20 {
        let tries = (0..6).map(|index| spend(&*stores[index % 2], MERCHANT, token, 100, 1));
        let first = join_all(tries).await.into_iter().filter(|first| *first).count();
        assert_eq!(first, 1, "token {token}");
    }
}
