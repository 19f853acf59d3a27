//! Payouts while something around them is gone, forgotten or damaged.

use std::sync::Arc;
use std::time::Duration;

use refundry::testing::gateways::{Finding, Gateways};
use refundry::testing::workers::{Count, Pay, Rules};
use refundry_domain::outcome::{Failure, FailureCode, Outcome};
use refundry_domain::refund::State;
use tokio::sync::{mpsc, watch};

use crate::harness::liar::{Act, Liar};
use crate::harness::log::Log;
use crate::harness::payouts::Payouts;
use crate::harness::store::Directory;

const HOUR_MS: i64 = 60 * 60 * 1000;

async fn world(deduplicates: bool, can_be_asked: bool) -> (Arc<Liar>, Payouts) {
    let liar = Arc::new(Liar::new(deduplicates, can_be_asked));
    let payouts = Payouts::over(liar.clone()).await;
    (liar, payouts)
}

/// In a file that a test can damage.
async fn on_sqlite() -> (Arc<Liar>, Payouts) {
    let liar = Arc::new(Liar::new(true, true));
    let payouts = Payouts::over_books(Directory::on_sqlite(), liar.clone()).await;
    (liar, payouts)
}

/// A provider that has forgotten the key, and says "not found" of a refund that it paid, would pay
/// it a second time.
#[tokio::test]
async fn what_is_not_found_after_keys_are_forgotten_is_not_sent_again() {
    for (hours, calls, state) in [(19, 2, State::Succeeded), (20, 1, State::NeedsAttention)] {
        let (liar, at) = world(true, true).await;
        liar.will([Act::Hang]);
        liar.will_say([Finding::Missing]);
        let refund = at.refund("liar", "ch_1").await;
        at.pay.tick().await;
        at.after(hours * HOUR_MS).await;
        assert_eq!((liar.calls().len(), at.state(refund).await), (calls, state), "{hours} hours");
        assert_eq!(at.left(refund).await.get(), 9_000, "the amount stays with the refund");
    }
}

/// A provider that refuses the second send because it has paid the first would have the refund
/// fail, and its amount paid again.
#[tokio::test]
async fn a_no_to_the_second_send_proves_nothing_of_the_first() {
    for code in [FailureCode::AlreadyRefunded, FailureCode::InvalidRequest] {
        let (liar, at) = world(true, false).await;
        let no = Outcome::Declined(Failure { code, message: "no".to_owned() });
        liar.will([Act::PayAndHang, Act::Say(no)]);
        let refund = at.refund("liar", "ch_1").await;
        at.pay.tick().await;
        at.after(1_000).await;
        assert_eq!(
            (at.state(refund).await, liar.calls().len()),
            (State::Processing, 2),
            "{code:?}"
        );
        assert_eq!(at.left(refund).await.get(), 9_000, "the amount stays with the refund");
        at.after(4_000).await;
        assert_eq!((at.state(refund).await, liar.payouts()), (State::Succeeded, 1), "{code:?}");
    }
}

/// A call that outlasts its lease would be made by another server too while it goes on.
#[tokio::test]
async fn a_call_is_over_before_its_lease_is() {
    let lease = Duration::from_secs(3);
    for (lease_ms, calls) in [(3_000, 1), (1_000, 0)] {
        let (liar, at) = world(true, true).await;
        liar.will([Act::Hang]);
        let refund = at.refund("liar", "ch_1").await;
        let rules = Rules { timeout: Duration::from_secs(30), lease_ms, concurrency: 0 };
        let (ledger, connections) = (at.ledger.clone(), at.connections.clone());
        let pay = Pay::new(ledger, connections, rules, 9, at.tally.clone());
        let over = tokio::time::timeout(lease, pay.tick()).await;
        assert_eq!(over.expect("the call is given up within its lease"), 1);
        assert_eq!(liar.calls().len(), calls, "a lease of {lease_ms} ms");
        assert_eq!(at.state(refund).await, State::Processing);
    }
}

/// Removing a gateway from the settings would leave its refunds waiting for ever.
#[tokio::test]
async fn a_payout_whose_gateway_is_gone_waits_and_is_then_for_a_person() {
    let (liar, at) = world(true, true).await;
    let refund = at.refund("liar", "ch_1").await;
    let other = Arc::new(Liar::called("other", true, true));
    let at = at.restarted_with(Gateways::of([other.clone() as _]), || ()).await;
    at.pay.tick().await;
    assert_eq!(at.state(refund).await, State::Processing, "its gateway may come back");
    for _ in 0..30 {
        at.after(HOUR_MS).await;
    }
    assert_eq!(at.state(refund).await, State::NeedsAttention);
    assert_eq!(at.left(refund).await.get(), 9_000);
    assert_eq!((liar.calls().len(), other.calls().len()), (0, 0));
}

/// A running worker would never look at such a payout: it belongs into no gateway's lane.
#[tokio::test]
async fn the_running_worker_takes_up_a_payout_whose_gateway_is_gone() {
    let (_, at) = world(true, true).await;
    let refund = at.refund("liar", "ch_1").await;
    let others = ["one", "two"].map(|name| Arc::new(Liar::called(name, true, true)) as _);
    let at = at.restarted_with(Gateways::of(others), || ()).await;
    at.running_until(|| async { at.state(refund).await == State::Processing }).await;
}

/// One damaged row would hold up the payouts of all merchants.
#[tokio::test]
async fn a_damaged_book_stops_no_other_payout() {
    let (liar, at) = on_sqlite().await;
    let damaged = at.refund("liar", "ch_1").await;
    let sound = at.refund("liar", "ch_2").await;
    let order = at.read(damaged).await.order;
    let sql = format!("UPDATE orders SET currency = 'QQQ' WHERE number = {}", order.0);
    let at = damage(at, &sql).await;
    at.pay.tick().await;
    assert_eq!(at.state(sound).await, State::Succeeded);
    assert_eq!(at.tally.of(Count::Troubled), 0, "it is not the store that is in trouble");
    assert_eq!(liar.calls().len(), 1);
}

/// And so would the end of waiting for bank details.
#[tokio::test]
async fn a_damaged_book_stops_no_other_expiry() {
    let (_, at) = on_sqlite().await;
    let mut refunds = Vec::new();
    for reference in ["ch_1", "ch_2"] {
        let order = at.order(&[("liar", "bank_transfer", reference, "100.00")]).await;
        refunds.push((order, at.request(order, "10.00").await.unwrap()));
    }
    at.pay.tick().await;
    let sql = format!("UPDATE orders SET currency = 'QQQ' WHERE number = {}", refunds[0].0.0);
    let at = damage(at, &sql).await;
    at.clock.advance_ms(31 * 24 * HOUR_MS);
    at.expire.tick().await;
    assert_eq!(at.state(refunds[1].1).await, State::Failed);
}

/// A card number in a provider's words would stand in the log.
#[tokio::test]
async fn what_a_provider_says_is_cleaned_before_it_is_logged() {
    let log = Log::default();
    let _here = log.listen();
    let (liar, at) = world(true, true).await;
    let message = "cannot reach issuer of 4111 1111 1111 1111\u{1b}[31m now".to_owned();
    liar.will([Act::Say(Outcome::Unknown { message, lost: false })]);
    let refund = at.refund("liar", "ch_1").await;
    at.pay.tick().await;
    assert_eq!(at.state(refund).await, State::Processing);
    let said = log.text();
    assert!(said.contains("a payout's outcome is not known yet"), "{said}");
    assert!(!said.contains("4111") && !said.contains('\u{1b}'), "{said}");
}

/// Closes the books, changes a row behind their back, and opens them again.
async fn damage(at: Payouts, sql: &str) -> Payouts {
    let database = at.home().join("refundry.db");
    at.restarted_after(|| {
        let books = rusqlite::Connection::open(database).unwrap();
        books.execute_batch(sql).unwrap();
        assert_eq!(books.changes(), 1, "nothing was damaged by {sql}");
    })
    .await
}

impl Payouts {
    /// Has the worker run, as a server does, until the condition holds.
    async fn running_until<F: Future<Output = bool>>(&self, condition: impl Fn() -> F) {
        let (_hints, hints) = mpsc::unbounded_channel();
        let (_notices, notices) = mpsc::unbounded_channel();
        let stop = watch::Sender::new(false);
        let mut inbox = refundry::testing::workers::Inbox { hints, notices };
        let (beat, drain) = (Duration::from_millis(10), Duration::from_secs(5));
        let work = self.pay.run(&mut inbox, beat, drain, stop.subscribe());
        let wait = async {
            let mut pause = tokio::time::interval(Duration::from_millis(5));
            while !condition().await {
                pause.tick().await;
            }
            stop.send_replace(true);
        };
        let both = async { tokio::join!(work, wait) };
        tokio::time::timeout(Duration::from_secs(20), both).await.expect("within 20 s");
    }
}
