//! Several processes over one PostgreSQL database: each store here is what one of them has.

mod busy;
mod copying;
mod credits;
mod daily;
mod reach;
mod reports;
mod schema;
mod tls;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use refundry::testing::ledger::verify::verify;
use refundry::testing::store::postgres::{OpenError, Options, PostgresStore};
use refundry::testing::store::{Event, EventFilter, Page, Settlement, Standing, Store, StoreError};
use refundry_domain::changes::Queue;
use refundry_domain::command::{Command, NewOrder, Target};
use refundry_domain::ids::{OrderId, OrderRef, Timestamp};
use refundry_domain::merchant::Scope;
use refundry_domain::outcome::{Outcome, Report, Reporter};
use refundry_domain::refusal::Refusal;
use tempfile::TempDir;
use tokio_postgres::NoTls;

use crate::harness::cluster::{self, Database};
use crate::harness::site::{Ask, Site};
use crate::harness::store::*;

/// A database, and the data directories of the processes over it.
struct Cast {
    dirs: Vec<TempDir>,
    database: Database,
}

impl Cast {
    async fn of(count: usize) -> (Cast, Vec<Arc<PostgresStore>>) {
        let database = Database::new().await;
        let dirs = (0..count).map(|_| tempfile::tempdir().unwrap()).collect();
        let cast = Cast { dirs, database };
        let stores = join_all((0..count).map(|index| cast.open(index))).await;
        (cast, stores)
    }

    async fn open(&self, index: usize) -> Arc<PostgresStore> {
        let dir = self.dirs[index].path();
        PostgresStore::open(&self.options(), Some(dir)).await.unwrap()
    }

    fn options(&self) -> Options {
        Options { timeout: Duration::from_secs(5), ..self.database.options() }
    }

    async fn execute(&self, sql: &str) {
        cluster::execute(&self.database.name, sql).await;
    }

    /// Nobody is connected, and nobody can connect.
    async fn take_away(&self) {
        let name = &self.database.name;
        let sql = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false");
        cluster::execute("postgres", &sql).await;
        let sql = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        );
        cluster::execute("postgres", &sql).await;
    }

    async fn give_back(&self) {
        let sql = format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", self.database.name);
        cluster::execute("postgres", &sql).await;
    }
}

async fn feed(store: &dyn Store, after: i64, limit: u32) -> Vec<Event> {
    let page = Page { after: Some(after), before: None, limit, oldest_first: true };
    store.events(MERCHANT, EventFilter::default(), page).await.unwrap().rows
}

/// One of them was carried out, and all have the same answer.
fn assert_once<T: std::fmt::Debug>(settled: Vec<Result<Settlement<T>, StoreError>>, round: usize) {
    let mut answers = BTreeSet::new();
    let mut carried_out = 0;
    for settled in settled {
        match settled.unwrap() {
            Settlement::Done { answer, .. } => {
                carried_out += 1;
                answers.insert(answer.unwrap().body);
            }
            Settlement::Replayed(answer) => drop(answers.insert(answer.body)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((carried_out, answers.len()), (1, 1), "round {round}");
}

#[tokio::test]
async fn an_order_is_never_given_back_twice_by_three() {
    let (_cast, stores) = Cast::of(3).await;
    let id = done(&*stores[0], register(new_order("10.00"))).await.order.id;
    let asks = (0..120).map(|index| stores[index % 3].commit(refund(id, "0.30")));
    let settled = join_all(asks).await;
    let carried_out = settled
        .into_iter()
        .filter(|settled| match settled {
            Ok(Settlement::Done { .. }) => true,
            Ok(Settlement::Refused { refusal: Refusal::MoreThanIsLeft { .. }, .. }) => false,
            other => panic!("{other:?}"),
        })
        .count();
    assert_eq!(carried_out, 33);
    for store in &stores {
        let book = store.order(MERCHANT, OrderRef::Id(id)).await.unwrap().unwrap();
        assert_eq!((book.order.held.get(), book.payments[0].held.get()), (990, 990));
    }
    stores[1].seal(NOW).await.unwrap().unwrap();
    assert_eq!(verify(&*stores[2], &mut |_| {}).await.unwrap().findings, []);
}

/// The same request through two replicas would be carried out twice, or fail.
#[tokio::test]
async fn the_same_request_through_all_is_carried_out_once() {
    let (_cast, stores) = Cast::of(3).await;
    let id = done(&*stores[0], register(new_order("900.00"))).await.order.id;
    for round in 0..12 {
        let key = format!("key-{round}");
        let intents = (0..9).map(|_| match round % 2 {
            0 => claimed(refund(id, "1.00"), &key, 1),
            // New orders have no row that would put them in line.
            _ => claimed(register(new_order("1.00")), &key, 1),
        });
        let intents: Vec<_> = intents.collect();
        let asks = intents.into_iter().enumerate().map(|(n, intent)| stores[n % 3].commit(intent));
        assert_once(join_all(asks).await, round);
    }
}

#[tokio::test]
async fn numbers_and_references_are_unique_over_all() {
    let (_cast, stores) = Cast::of(3).await;
    let named = |index: usize| {
        register(NewOrder { reference: Some(format!("R{}", index / 3)), ..new_order("1.00") })
    };
    let asks = (0..60).map(|index| stores[index % 3].commit(named(index)));
    let settled = join_all(asks).await;
    let (mut made, mut taken) = (0, 0);
    for settled in settled {
        match settled.unwrap() {
            Settlement::Done { .. } => made += 1,
            Settlement::Refused { refusal: Refusal::ReferenceTaken { .. }, .. } => taken += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((made, taken), (20, 40));
    let asks = (0..150).map(|index| stores[index % 3].commit(register(new_order("1.00"))));
    let mut numbers = BTreeSet::new();
    for settled in join_all(asks).await {
        let Settlement::Done { book, .. } = settled.unwrap() else { panic!("refused") };
        for number in [book.order.id.0, book.payments[0].id.0] {
            assert!(numbers.insert(number), "{number} was given out twice");
        }
    }
}

/// A follower of the feed would step over an event that was numbered before and committed after
/// the ones that it has seen.
#[tokio::test]
async fn the_feed_shows_nothing_while_something_earlier_may_come() {
    let (cast, stores) = Cast::of(2).await;
    let before = done(&*stores[0], register(new_order("1.00"))).await.order;
    let seen = feed(&*stores[1], 0, 100).await;
    assert_eq!(seen.last().unwrap().order, Some(before.id));

    let (slow, connection) = tokio_postgres::connect(&cast.database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    slow.batch_execute("BEGIN; SELECT nextval('numbers')").await.unwrap();
    let after = done(&*stores[0], register(new_order("2.00"))).await.order;
    let meanwhile = feed(&*stores[1], 0, 100).await;
    assert_eq!(meanwhile, seen, "the slow transaction may still put something before them");
    // What belongs to one order is in line, and shown at once.
    let filter = EventFilter { order: Some(after.id), ..EventFilter::default() };
    assert_eq!(stores[1].events(MERCHANT, filter, all()).await.unwrap().rows.len(), 2);
    // Neither is it sealed.
    let seal = stores[1].seal(NOW).await.unwrap().unwrap();
    assert_eq!(seal.last_event, seen.last().unwrap().id);

    slow.batch_execute("COMMIT").await.unwrap();
    let now = feed(&*stores[1], 0, 100).await;
    assert_eq!(now.last().unwrap().order, Some(after.id));
}

/// One follower, two writers: nothing is skipped, no order's events come out of order.
#[tokio::test]
async fn a_follower_sees_everything_once_and_in_order() {
    const ORDERS: usize = 120;
    let (_cast, stores) = Cast::of(3).await;
    let writers = (0..2).map(|writer| {
        let store = stores[writer].clone();
        tokio::spawn(async move {
            for _ in 0..ORDERS / 8 {
                let made =
                    join_all((0..4).map(|_| done(&*store, register(new_order("5.00"))))).await;
                let asks = made.iter().map(|book| done(&*store, refund(book.order.id, "1.00")));
                join_all(asks).await;
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let follower = stores[2].clone();
    let (mut seen, mut after) = (Vec::new(), 0);
    while seen.len() < ORDERS * 3 {
        let some = feed(&*follower, after, 7).await;
        after = some.last().map_or(after, |event| event.id.0);
        seen.extend(some);
        tokio::task::yield_now().await;
        assert!(
            seen.len() == ORDERS * 3
                || !writers.iter().all(|writer| writer.is_finished())
                || !feed(&*follower, after, 1).await.is_empty(),
            "{} of {} events were seen, and the rest was stepped over",
            seen.len(),
            ORDERS * 3
        );
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let everything = feed(&*follower, 0, 100_000).await;
    assert_eq!(seen, everything);
    let mut positions = std::collections::BTreeMap::<Option<OrderId>, i64>::new();
    for event in &seen {
        let position = positions.entry(event.order).or_default();
        assert_eq!(event.position, *position + 1, "{event:?}");
        *position = event.position;
    }
    stores[0].seal(NOW).await.unwrap().unwrap();
    assert_eq!(verify(&*follower, &mut |_| {}).await.unwrap().findings, []);
}

#[tokio::test]
async fn many_starts_at_once_make_the_schema_once() {
    let (cast, stores) = Cast::of(6).await;
    let instance = stores[0].instance();
    assert!(stores.iter().all(|store| store.instance() == instance));
    assert_eq!(stores[3].merchants().await.unwrap().len(), 1);
    drop(stores);
    let (client, connection) = tokio_postgres::connect(&cast.database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/migrations");
    let steps = std::fs::read_dir(folder).unwrap();
    let steps = steps.filter(|step| step.as_ref().unwrap().path().is_dir()).count();
    let sql = "SELECT count(*) FROM migrations";
    let made: i64 = client.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(usize::try_from(made), Ok(steps));
}

/// While replicas are replaced one by one, the old ones work on, and even start, with the next
/// version's schema; not with one further on, nor with a schema that is not ours.
#[tokio::test]
async fn the_schema_of_the_next_version_is_worked_with() {
    let (cast, stores) = Cast::of(2).await;
    cast.execute(
        "INSERT INTO migrations SELECT max(number) + 1, 'next', decode('00', 'hex') \
        FROM migrations; \
        ALTER TABLE orders ADD COLUMN more TEXT; \
        ALTER TABLE refunds ADD COLUMN more BIGINT NOT NULL DEFAULT 0; \
        ALTER TABLE events ADD COLUMN more BIGINT; CREATE TABLE more (merchant BIGINT)",
    )
    .await;
    let id = done(&*stores[0], register(new_order("9.00"))).await.order.id;
    stores[1].close().await;
    let again = cast.open(1).await;
    done(&*again, refund(id, "1.00")).await;
    assert_eq!(feed(&*again, 0, 100).await.len(), 3);

    let fresh = tempfile::tempdir().unwrap();
    let options = cast.database.options();
    let open = || PostgresStore::open(&options, Some(fresh.path()));
    let far = "INSERT INTO migrations SELECT max(number) + 10, 'far', '' FROM migrations";
    cast.execute(far).await;
    let newer = open().await.err();
    assert!(matches!(newer, Some(OpenError::Newer { found, known }) if found == known + 11));
    cast.execute("DELETE FROM migrations WHERE number > 1; UPDATE migrations SET checksum = ''")
        .await;
    assert!(matches!(open().await.err(), Some(OpenError::Altered(_))));
}

/// Two workers would both be shown the same work, or none after one of them died.
#[tokio::test]
async fn work_is_shown_to_one_and_taken_over() {
    let (_cast, stores) = Cast::of(2).await;
    let id = done(&*stores[0], register(new_order("10.00"))).await.order.id;
    let book = done(&*stores[0], refund(id, "1.00")).await;
    let transaction = book.refund.unwrap().transactions[0].id;
    let offered = async |store: usize, ms: i64| {
        let at = Timestamp(NOW.0 + ms);
        let rows = stores[store].offer(Queue::Pay, at, 9).await.unwrap();
        rows.iter().map(|(_, work)| work.subject).collect::<Vec<_>>()
    };
    let all = [transaction.0];
    assert_eq!(offered(0, 0).await, all);
    assert_eq!(offered(1, 0).await, [0; 0], "the other one was shown it");
    assert_eq!(offered(0, 500).await, all, "it may look again");
    assert_eq!(offered(1, 1_499).await, [0; 0]);
    assert_eq!(offered(1, 1_500).await, all, "it did not take it");
    let start = |worker, ms| {
        let start =
            intent(Target::Transaction(transaction), Command::Start { worker, lease_ms: 9_000 });
        refundry::testing::store::Intent { at: Timestamp(NOW.0 + ms), ..start }
    };
    done(&*stores[1], start(2, 2_000)).await;
    assert!(matches!(refused(&*stores[0], start(1, 2_000)).await, Refusal::Leased { .. }));
    assert_eq!(offered(0, 10_999).await, [0; 0]);
    assert_eq!(offered(0, 11_000).await, all, "taken over at the end of the lease");
    done(&*stores[0], start(1, 11_000)).await;
    let outcome = Outcome::Done { reference: None, amount: None };
    let report = Report { outcome, by: Reporter::Gateway, look_again_ms: 1 };
    done(&*stores[0], intent(Target::Transaction(transaction), Command::Report(report))).await;
    assert_eq!(offered(1, 99_000).await, [0; 0]);
}

/// Who looks at the same moment would be shown the same work.
#[tokio::test]
async fn work_is_shown_to_one_of_those_who_look_at_once() {
    let (_cast, stores) = Cast::of(2).await;
    let id = done(&*stores[0], register(new_order("90.00"))).await.order.id;
    join_all((0..80).map(|_| done(&*stores[0], refund(id, "0.10")))).await;
    for round in 0..20 {
        let at = Timestamp(NOW.0 + round * 10_000);
        let (one, two) = tokio::join!(
            stores[0].offer(Queue::Pay, at, 200),
            stores[1].offer(Queue::Pay, at, 200)
        );
        let shown = one.unwrap().into_iter().chain(two.unwrap()).map(|(_, work)| work.subject);
        let shown: Vec<i64> = shown.collect();
        let once: BTreeSet<i64> = shown.iter().copied().collect();
        assert_eq!((shown.len(), once.len()), (80, 80), "round {round}");
    }
}

#[tokio::test]
async fn what_gives_way_to_others_is_tried_again_and_one_to_blame_fails_alone() {
    let (cast, stores) = Cast::of(1).await;
    let store = &stores[0];
    let mut orders = Vec::new();
    for _ in 0..10 {
        orders.push(done(&**store, register(new_order("10.00"))).await.order.id);
    }
    cast.execute(&format!(
        "CREATE SEQUENCE trouble; CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS $$ \
        BEGIN IF NEW.order_number = {} THEN RAISE EXCEPTION 'in the way' USING ERRCODE = '40001'; \
        ELSIF nextval('trouble') % 7 = 0 THEN RAISE EXCEPTION 'a circle' USING ERRCODE = '40P01'; \
        END IF; RETURN NEW; END $$; CREATE TRIGGER trouble BEFORE INSERT ON events \
        FOR EACH ROW EXECUTE FUNCTION trouble()",
        orders[4]
    ))
    .await;
    let settled = join_all(orders.iter().map(|id| store.commit(refund(*id, "1.00")))).await;
    for (order, settled) in orders.iter().zip(settled) {
        match settled {
            Err(StoreError::Unavailable(why)) if *order == orders[4] => {
                assert!(why.contains("in the way"), "{why}");
            }
            Ok(Settlement::Done { .. }) if *order != orders[4] => {}
            other => panic!("{order}: {other:?}"),
        }
    }
    cast.execute("DROP TRIGGER trouble ON events").await;
    done(&**store, refund(orders[4], "1.00")).await;
    assert_eq!(verify(&**store, &mut |_| {}).await.unwrap().findings, []);
}

/// The server would have to be restarted, or would acknowledge what is nowhere.
#[tokio::test]
async fn the_database_goes_away_and_comes_back() {
    let (cast, stores) = Cast::of(1).await;
    let dir = Directory::new().await;
    let home = Home { store: stores[0].clone(), dir };
    let site = Site::over(home, stores[0].clone()).await;
    let order = site.order("20.00").await;
    cast.take_away().await;
    let body = serde_json::json!({"order": order, "amount": "1.00"});
    let ask = site.post("/v1/refunds", body).under("the-key");
    let answer = ask.clone().send().await.expect_problem(503, "unavailable");
    assert!(!answer.header("retry-after").is_empty());
    let ready = Ask::new(site.address, "GET", "/readyz").send().await.expect(503);
    assert_eq!(ready.json()["ready"], false);
    Ask::new(site.address, "GET", "/healthz").send().await.expect(200);
    site.get(&format!("/v1/orders/{order}")).send().await.expect_problem(503, "unavailable");
    cast.give_back().await;
    Ask::new(site.address, "GET", "/readyz").send().await.expect(200);
    ask.clone().send().await.expect(201);
    let again = ask.send().await.expect(201);
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(stores[0].standing(), Standing::Intact);
}

/// A key would get its rate from each replica.
#[tokio::test]
async fn a_key_has_one_rate_over_all() {
    let (_cast, stores) = Cast::of(2).await;
    let site = async |store: &Arc<PostgresStore>| {
        let home = Home { store: store.clone(), dir: Directory::new().await };
        Site::over(home, store.clone()).await
    };
    let (one, two) = (site(&stores[0]).await, site(&stores[1]).await);
    let key = one.make_key(MERCHANT, &Scope::ALL, 2).await;
    let ask = |site: &Site| site.get("/v1/orders").key(&key);
    // What both can give at once is the accuracy: a burst each.
    ask(&two).send().await.expect(200);
    for _ in 0..4 {
        ask(&one).send().await.expect(200);
    }
    one.gate.share().await.unwrap();
    two.gate.share().await.unwrap();
    ask(&two).send().await.expect(429);
    ask(&one).send().await.expect(429);
    // The other's four and its own one were five; two a second come back.
    for site in [&one, &two] {
        site.clock.advance_ms(500);
    }
    ask(&two).send().await.expect(429);
    two.clock.advance_ms(500);
    ask(&two).send().await.expect(200);
    ask(&two).send().await.expect(429);
}

/// A standby that had not everything took over, and money would be sent on books with a hole.
#[tokio::test]
async fn a_database_that_lost_what_was_acknowledged_is_noticed() {
    let (cast, stores) = Cast::of(2).await;
    let id = done(&*stores[0], register(new_order("10.00"))).await.order.id;
    cast.take_away().await;
    cast.give_back().await;
    done(&*stores[0], refund(id, "1.00")).await;
    assert_eq!(stores[0].standing(), Standing::Intact);
    cast.take_away().await;
    cast.give_back().await;
    cast.execute("DELETE FROM events WHERE number = (SELECT max(number) FROM events)").await;
    stores[0].ready().await.unwrap();
    assert!(matches!(stores[0].standing(), Standing::Behind(_)));
    // The other replica had seen less, and cannot know.
    stores[1].ready().await.unwrap();
    assert_eq!(stores[1].standing(), Standing::Intact);
    // Nor is it forgotten by a restart.
    stores[0].close().await;
    let again = cast.open(0).await;
    let Standing::Behind(why) = again.standing() else { panic!("it was forgotten") };
    let order = done(&*again, register(new_order("1.00"))).await.order;
    assert!(order.id.0 > 10_000_000, "lost numbers may be known outside: {}", order.id);
    again.accept("cli".into(), NOW).await.unwrap();
    assert_eq!(again.standing(), Standing::Intact);
    let filter = EventFilter { names: vec!["books.accepted".to_owned()], ..Default::default() };
    let events = again.events(MERCHANT, filter, all()).await.unwrap().rows;
    assert!(events[0].data.contains(&why));
    again.close().await;
    assert_eq!(cast.open(0).await.standing(), Standing::Intact);
}
