//! Books that move from one database to the other kind.

use std::time::Duration;

use refundry::testing::ledger::counting;
use refundry::testing::ledger::verify::verify;
use refundry::testing::store::copy::{CopyError, copy};
use refundry::testing::store::postgres::{PostgresSide, PostgresStore};
use refundry::testing::store::sqlite::{SqliteSide, SqliteStore};
use refundry::testing::store::{Settlement, Standing, Store};
use refundry_domain::ids::OrderRef;

use crate::harness::cluster::{self, Database};
use crate::harness::population::{Population, Random};
use crate::harness::store::*;

/// The books would be others after moving to the other database.
#[tokio::test]
async fn books_are_copied_there_and_back() {
    let home = Home::on_sqlite();
    let mut population = Population::live(&*home.store, Random::seeded(), 300).await;
    home.store.seal(NOW).await.unwrap();
    population.go_on(&*home.store, 50).await;
    let instance = home.store.instance();
    counting::round(&*home.store, None, Duration::from_secs(60)).await.unwrap();
    let id = done(&*home.store, claimed(register(new_order("9.00")), "k", 1)).await.order.id;
    let mut noted = new_order("1.00");
    noted.metadata.insert("note".to_owned(), "by hand".to_owned());
    let noted = done(&*home.store, register(noted)).await;
    home.store.close().await;
    let Home { store, dir } = home;
    drop(store);

    let database = Database::new().await;
    let mut from = SqliteSide::open(dir.path()).unwrap();
    let mut there = PostgresSide::open(&database.options()).await.unwrap();
    let mut steps = 0;
    let copied = copy(&mut from, &mut there, &mut |rows| steps += rows).await.unwrap();
    let rows: u64 = copied.iter().map(|table| table.rows).sum();
    assert_eq!(steps, 2 * rows);
    // A second time would put one installation's books over another's.
    let again = copy(&mut from, &mut there, &mut |_| ()).await;
    assert!(matches!(again, Err(CopyError::NotEmpty(_))));

    let own = tempfile::tempdir().unwrap();
    let store = PostgresStore::open(&database.options(), Some(own.path())).await.unwrap();
    assert_eq!(store.instance(), instance);
    assert_eq!(verify(&*store, &mut |_| {}).await.unwrap().findings, []);
    let replayed = store.commit(claimed(register(new_order("9.00")), "k", 1)).await.unwrap();
    assert!(matches!(replayed, Settlement::Replayed(_)), "{replayed:?}");
    let made = done(&*store, refund(id, "1.00")).await.refund.unwrap();
    assert!(made.id.0 > id.0);
    are_the_same(&*store, &population).await;
    let found = store.order(MERCHANT, OrderRef::Id(noted.order.id)).await.unwrap();
    assert_eq!(found, Some(noted), "with its notes");
    store.close().await;
    drop(store);

    let back = tempfile::tempdir().unwrap();
    drop(SqliteStore::open(back.path()).unwrap());
    let mut here = SqliteSide::open(back.path()).unwrap();
    let mut there = PostgresSide::open(&database.options()).await.unwrap();
    copy(&mut there, &mut here, &mut |_| ()).await.unwrap();
    let again = copy(&mut there, &mut here, &mut |_| ()).await;
    assert!(matches!(again, Err(CopyError::NotEmpty(_))));
    drop(here);
    let store = SqliteStore::open(back.path()).unwrap();
    are_the_same(&*store, &population).await;
    assert_eq!(store.standing(), Standing::Intact);
    assert_eq!(verify(&*store, &mut |_| {}).await.unwrap().findings, []);
    assert_eq!(store.refund(MERCHANT, made.id).await.unwrap(), Some(made.clone()));
    let next = done(&*store, refund(id, "1.00")).await.refund.unwrap();
    assert!(next.id.0 > made.id.0);
}

/// What did not arrive would go unnoticed.
#[tokio::test]
async fn a_copy_that_differs_is_noticed() {
    let home = Home::on_sqlite();
    for _ in 0..5 {
        done(&*home.store, register(new_order("9.00"))).await;
    }
    home.store.close().await;
    let Home { store, dir } = home;
    drop(store);
    let database = Database::new().await;
    let mut from = SqliteSide::open(dir.path()).unwrap();
    let mut there = PostgresSide::open(&database.options()).await.unwrap();
    cluster::execute(
        &database.name,
        "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
        IF NEW.amount = 900 THEN NEW.sku = 'other'; END IF; RETURN NEW; END $$; \
        CREATE TRIGGER lose BEFORE INSERT ON lines FOR EACH ROW EXECUTE FUNCTION lose()",
    )
    .await;
    let copied = copy(&mut from, &mut there, &mut |_| ()).await;
    assert!(matches!(copied, Err(CopyError::Differs { table: "lines" })), "{copied:?}");
}

/// Every order, refund and transaction is what it was answered to be.
async fn are_the_same(store: &dyn Store, population: &Population) {
    for (merchant, model) in population.merchants.iter().zip(&population.models) {
        for book in model.books.values() {
            let found = store.order(*merchant, OrderRef::Id(book.order.id)).await.unwrap();
            assert_eq!(found.as_ref(), Some(book));
        }
        for refund in model.refunds.values() {
            let found = store.refund(*merchant, refund.id).await.unwrap();
            assert_eq!(found.as_ref(), Some(refund));
        }
    }
}
