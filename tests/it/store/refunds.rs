//! What refunds can be searched by, beside the filters that lists are made for.

use refundry::testing::store::{Bound, Comparison, Measured, RefundFilter, RefundSearch, Store};
use refundry_domain::command::{Command, Target, What};
use refundry_domain::ids::{MerchantId, OrderId, OrderRef, RefundId, TransactionId};
use refundry_domain::money::{Currency, Exact};
use refundry_domain::outcome::{Failure, FailureCode, Outcome, Report, Reporter};
use refundry_domain::refund::State;

use super::{Place, on_every_store};
use crate::harness::store::{MERCHANT, all, ask, done, first, intent, new_order, register, stated};

on_every_store! {
    super::a_search_finds_what_it_names as a_search_finds_what_it_names,
    super::amounts_are_compared_in_their_own_currency as amounts_are_compared_in_their_own_currency,
}

async fn order(store: &dyn Store, currency: &str, sku: &str, amount: &str) -> OrderId {
    let mut new = new_order(amount);
    new.currency = Currency::parse(currency).unwrap();
    new.lines[0].sku = Some(sku.to_owned());
    done(store, register(new)).await.order.id
}

async fn refund(store: &dyn Store, order: OrderId, amount: &str, reason: &str) -> RefundId {
    let mut ask = ask(What::Amount(stated(amount)));
    ask.reason = Some(reason.to_owned());
    let book = done(store, intent(Target::Order(OrderRef::Id(order)), Command::RequestRefund(ask)));
    book.await.refund.unwrap().id
}

async fn transaction(store: &dyn Store, refund: RefundId) -> TransactionId {
    store.refund(MERCHANT, refund).await.unwrap().unwrap().transactions[0].id
}

/// Handed over, and this is what became of it.
async fn learn(store: &dyn Store, refund: RefundId, outcome: Outcome) {
    let target = Target::Transaction(transaction(store, refund).await);
    let start = Command::Start { worker: 1, lease_ms: 60_000 };
    done(store, intent(target.clone(), start)).await;
    let report = Report { outcome, by: Reporter::Gateway, look_again_ms: 1_000 };
    done(store, intent(target, Command::Report(report))).await;
}

async fn found(store: &dyn Store, filter: RefundFilter) -> Vec<RefundId> {
    let slice = store.refunds(MERCHANT, filter, all()).await.unwrap();
    slice.rows.iter().map(|refund| refund.id).collect()
}

fn by(search: RefundSearch) -> RefundFilter {
    RefundFilter { search, ..RefundFilter::default() }
}

async fn a_search_finds_what_it_names(place: &impl Place) {
    let store = place.open().await;
    let store = store.as_ref();
    let hats = order(store, "USD", "hat", "10.00").await;
    let caps = order(store, "USD", "cap", "10.00").await;
    let one = refund(store, hats, "1.00", "late").await;
    let two = refund(store, hats, "2.00", "broken").await;
    let three = refund(store, caps, "3.00", "late").await;
    let message = "gone".to_owned();
    let code = FailureCode::ExpiredOrCanceledCard;
    learn(store, two, Outcome::Declined(Failure { code, message })).await;
    let default = RefundSearch::default;
    let late = || RefundSearch { reason: Some("late".to_owned()), ..default() };
    let hat = || RefundSearch { sku: Some("hat".to_owned()), ..default() };
    let cases = [
        (
            by(RefundSearch { numbers: vec![one.0, three.0, 999_999], ..default() }),
            vec![three, one],
        ),
        (by(hat()), vec![two, one]),
        (by(RefundSearch { sku: Some("\0".to_owned()), ..default() }), vec![]),
        (by(late()), vec![three, one]),
        (by(RefundSearch { reason: Some("Late".to_owned()), ..default() }), vec![]),
        (by(RefundSearch { reason: Some("late".to_owned()), ..hat() }), vec![one]),
        (by(RefundSearch { failures: vec![code, FailureCode::Declined], ..default() }), vec![two]),
        (by(RefundSearch { failures: vec![FailureCode::Declined], ..default() }), vec![]),
        (by(RefundSearch { except_failure: Some(code), ..default() }), vec![three, one]),
        (RefundFilter { order: Some(hats), ..by(late()) }, vec![one]),
        (RefundFilter { order: Some(caps), ..by(hat()) }, vec![]),
        (RefundFilter { states: vec![State::Failed], ..by(hat()) }, vec![two]),
        (RefundFilter { states: vec![State::Pending], ..by(late()) }, vec![three, one]),
    ];
    for (filter, expected) in cases {
        let seen = found(store, filter.clone()).await;
        assert_eq!(seen, expected, "{filter:?}");
        let slice = store.refunds(MERCHANT, filter.clone(), first(1)).await.unwrap();
        assert_eq!(slice.more, expected.len() > 1, "{filter:?}");
        let others = store.refunds(MerchantId(2), filter.clone(), all()).await.unwrap();
        assert!(others.rows.is_empty(), "another merchant's: {filter:?}");
    }
    let whole = store.refunds(MERCHANT, by(hat()), all()).await.unwrap();
    assert_eq!(whole.rows[0].transactions.len(), 1, "each with its transactions");
}

async fn amounts_are_compared_in_their_own_currency(place: &impl Place) {
    let store = place.open().await;
    let store = store.as_ref();
    let mut refunds = Vec::new();
    for (currency, amount) in [("USD", "2.00"), ("JPY", "200"), ("KWD", "2.001"), ("CLF", "1.9999")]
    {
        let order = order(store, currency, "hat", "999").await;
        refunds.push(refund(store, order, amount, "any").await);
    }
    learn(store, refunds[0], Outcome::Done { reference: None, amount: None }).await;
    let [usd, jpy, kwd, clf] = refunds[..] else { panic!() };
    use Comparison::{Above, AtLeast, AtMost, Below, Equal};
    let cases = [
        (Equal, "2", vec![usd]),
        (Equal, "2.0010", vec![kwd]),
        (Equal, "2.00001", vec![]),
        (Equal, "2e2", vec![jpy]),
        (Above, "2", vec![kwd, jpy]),
        (Above, "1.99999", vec![kwd, jpy, usd]),
        (AtLeast, "2", vec![kwd, jpy, usd]),
        (AtLeast, "1.99985", vec![clf, kwd, jpy, usd]),
        (AtLeast, "1e30", vec![]),
        (Below, "2", vec![clf]),
        (Below, "2.0001", vec![clf, usd]),
        (Below, "1.9999", vec![]),
        (Below, "-1", vec![]),
        (AtMost, "2", vec![clf, usd]),
        (AtMost, "2.001", vec![clf, kwd, usd]),
        (AtMost, "1e-30", vec![]),
        (Above, "-1e30", vec![clf, kwd, jpy, usd]),
    ];
    for (is, figure, expected) in cases {
        let figure = Exact::parse(figure).unwrap();
        let bounds = vec![Bound { of: Measured::Amount, is, figure }];
        let seen = found(store, by(RefundSearch { bounds, ..RefundSearch::default() })).await;
        assert_eq!(seen, expected, "{is:?} {figure}");
    }
    let paid = Bound { of: Measured::Refunded, is: Above, figure: Exact::parse("0").unwrap() };
    let small = Bound { of: Measured::Amount, is: Below, figure: Exact::parse("2").unwrap() };
    let of = |bounds| by(RefundSearch { bounds, ..RefundSearch::default() });
    assert_eq!(found(store, of(vec![paid])).await, [usd]);
    assert_eq!(found(store, of(vec![paid, small])).await, []);
}
