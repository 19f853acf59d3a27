//! What a day may have, over several processes.

use futures_util::future::join_all;
use refundry::testing::ledger::verify::verify;
use refundry::testing::store::reports::Reports;
use refundry::testing::store::{Intent, Settlement, Store};
use refundry_domain::merchant::Scope;
use refundry_domain::policy::{DailyLimit, Policy};
use refundry_domain::refund::State;

use super::Cast;
use crate::harness::site::Site;
use crate::harness::store::*;

fn at_most(refunds: u32, mut intent: Intent) -> Intent {
    let daily = DailyLimit { refunds: Some(refunds), ..DailyLimit::default() };
    intent.policy = std::sync::Arc::new(Policy { daily, ..(*policy()).clone() });
    intent
}

/// Each would let the whole day through.
#[tokio::test]
async fn a_day_is_used_up_exactly_over_all() {
    let (_cast, stores) = Cast::of(3).await;
    let orders = (0..30).map(|_| done(&*stores[0], register(new_order("9.00"))));
    let orders: Vec<_> = join_all(orders).await.iter().map(|book| book.order.id).collect();
    // More than one batch, on days that have begun: what makes a day puts others in line already.
    for round in 0..4 {
        let on = |order, amount| {
            let mut asked = at_most(41, refund(order, amount));
            asked.at = asked.at.after_ms(round * 86_400_000);
            asked
        };
        done(&*stores[0], on(orders[0], "0.01")).await;
        let asks =
            (0..90).map(|index| stores[index % 3].commit(on(orders[index % orders.len()], "0.10")));
        let mut decided = 0;
        for settled in join_all(asks).await {
            let Settlement::Done { book, .. } = settled.unwrap() else { panic!("refused") };
            decided += usize::from(book.refund.unwrap().state == State::Pending);
        }
        assert_eq!(decided, 40, "round {round}");
    }
    let days = stores[2].days(MERCHANT).await.unwrap();
    let counted: Vec<_> = days.iter().map(|day| (day.refunds, day.of(usd()))).collect();
    assert_eq!(counted, [(41, 401); 4]);
    assert_eq!(verify(&*stores[1], &mut |_| {}).await.unwrap().findings, []);
}

/// Who has a limit stands in line behind nobody but themselves.
#[tokio::test]
async fn who_has_no_limit_waits_for_nobodys_day() {
    let (cast, stores) = Cast::of(2).await;
    let id = done(&*stores[0], register(new_order("9.00"))).await.order.id;
    done(&*stores[0], at_most(9, refund(id, "1.00"))).await;
    let (client, connection) =
        tokio_postgres::connect(&cast.options().url, tokio_postgres::NoTls).await.unwrap();
    let holder = tokio::spawn(connection);
    client.batch_execute("BEGIN; SELECT 1 FROM daily_totals FOR UPDATE").await.unwrap();
    done(&*stores[1], refund(id, "1.00")).await;
    let other = done(&*stores[1], register(new_order("9.00"))).await.order.id;
    let waits = stores[1].commit(at_most(9, refund(other, "1.00")));
    tokio::pin!(waits);
    let blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
        AND datname = current_database()";
    while client.query_one(blocked, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::select! {
            settled = &mut waits => panic!("the day was not locked: {settled:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    client.batch_execute("COMMIT").await.unwrap();
    assert!(matches!(waits.await.unwrap(), Settlement::Done { .. }));
    drop(client);
    holder.await.unwrap().unwrap();
}

/// Each would let a key's whole day through, and once more after a restart.
#[tokio::test]
async fn a_keys_calls_a_day_are_counted_over_all_and_over_restarts() {
    let (cast, stores) = Cast::of(3).await;
    let site = async |index: usize| {
        let store = stores[index].clone();
        Site::over(Home { store: store.clone(), dir: Directory::new().await }, store).await
    };
    let (one, two) = (site(0).await, site(1).await);
    let secret = one.make_key(MERCHANT, &Scope::ALL, 100).await;
    let known = async |site: &Site| {
        site.get("/v1/orders").key(&secret).send().await.expect(200);
    };
    let keys = stores[0].keys(MERCHANT).await.unwrap();
    let key = keys.iter().max_by_key(|key| key.id).unwrap().id;
    for site in [&one, &two] {
        known(site).await;
        for _ in 0..4 {
            site.gate.count_today(key, 10).unwrap();
        }
    }
    for site in [&one, &two, &one] {
        site.gate.share().await.unwrap();
    }
    one.gate.count_today(key, 10).unwrap();
    one.gate.share().await.unwrap();
    two.gate.share().await.unwrap();
    two.gate.count_today(key, 10).unwrap();
    two.gate.count_today(key, 10).unwrap_err();

    // Who begins anew hears what those have let through who are gone, long after.
    for site in [&one, &two] {
        site.gate.share().await.unwrap();
    }
    let three = site(2).await;
    three.clock.advance_ms(600_000);
    known(&three).await;
    three.gate.share().await.unwrap();
    three.gate.count_today(key, 10).unwrap_err();
    // What they had asked in their last seconds is no debt any more.
    for _ in 0..50 {
        known(&three).await;
    }
    three.clock.advance_ms(86_400_000);
    three.gate.share().await.unwrap();
    three.gate.count_today(key, 10).unwrap();
    drop(cast);
}
