//! Random searches of transactions, and what a naive model finds by them.

use refundry::testing::store::{Movement, Search, TransactionFilter, TransactionRow};
use refundry_domain::ids::{OrderId, ReturnId, Timestamp};
use refundry_domain::order::PaymentKind;
use refundry_domain::refund::{Destination, Execution, TransactionState};

use crate::harness::population::{Model, Random};

const SEARCHES: usize = 250;

/// Of each kind of condition some, alone and together, and sometimes beside other filters.
pub fn filters(model: &Model, random: &mut Random) -> Vec<TransactionFilter> {
    let mut filters = Vec::new();
    while filters.len() < SEARCHES {
        let search = search(model, random);
        if search == Search::default() {
            continue;
        }
        let order = random.one_in(6).then(|| *random.pick(&orders(model)));
        let states = match random.below(6) {
            0 => vec![TransactionState::Succeeded, TransactionState::Failed],
            _ => vec![],
        };
        filters.push(TransactionFilter { order, states, search, ..TransactionFilter::default() });
    }
    filters
}

fn search(model: &Model, random: &mut Random) -> Search {
    use TransactionState as T;
    let mut search = Search::default();
    let numbers: Vec<i64> = model.transactions.keys().copied().collect();
    let returns: Vec<i64> = model.returns.keys().copied().collect();
    if random.one_in(5) {
        search.numbers = (0..1 + random.below(5)).map(|_| *random.pick(&numbers)).collect();
    }
    if random.one_in(4) {
        search.orders = (0..1 + random.below(4)).map(|_| *random.pick(&orders(model))).collect();
    }
    if random.one_in(4) && !returns.is_empty() {
        search.returns =
            (0..1 + random.below(4)).map(|_| ReturnId(*random.pick(&returns))).collect();
    }
    if random.one_in(5) {
        search.kinds = vec![*random.pick(&[PaymentKind::Payment, PaymentKind::Capture])];
    }
    if random.one_in(5) {
        search.destinations = vec![*random.pick(&[
            Destination::OriginalPayment,
            Destination::StoreCredit,
            Destination::BankTransfer,
        ])];
    }
    if random.one_in(5) {
        search.states = vec![*random.pick(&[T::Succeeded, T::Pending, T::Requested]), T::Failed];
    }
    search.payments_too = random.one_in(6);
    if random.one_in(5) {
        search.providers = vec![(*random.pick(&["sandbox", "acme"])).to_owned()];
    }
    search.outside_too = random.one_in(6);
    search.created_except = random.one_in(6).then(|| span(model, random));
    search.updated_from = random.one_in(6).then(|| span(model, random).0);
    search.updated_until = random.one_in(6).then(|| span(model, random).1);
    search.updated_except = random.one_in(6).then(|| span(model, random));
    search
}

fn orders(model: &Model) -> Vec<OrderId> {
    model.orders.keys().map(|number| OrderId(*number)).collect()
}

/// Two moments at which something was done.
fn span(model: &Model, random: &mut Random) -> (Timestamp, Timestamp) {
    let times: Vec<_> = model.transactions.values().map(|row| moments(row).1).collect();
    let (one, other) = (*random.pick(&times), *random.pick(&times));
    (one.min(other), one.max(other))
}

fn moments(row: &TransactionRow) -> (Timestamp, Timestamp) {
    match &row.movement {
        Movement::In(row) => (row.created_at, row.updated_at),
        Movement::Back(row) => (row.created_at, row.updated_at),
    }
}

fn any<T: PartialEq>(wanted: &[T], has: Option<&T>) -> bool {
    has.is_some_and(|has| wanted.contains(has))
}

pub fn fits(row: &TransactionRow, filter: &TransactionFilter, model: &Model) -> bool {
    let wanted = &filter.search;
    let (created_at, updated_at) = moments(row);
    let (kind, back) = match &row.movement {
        Movement::In(row) => (Some(row.kind), None),
        Movement::Back(row) => (None, Some(row)),
    };
    let refund = back.map(|back| &model.refunds[&back.refund.0]);
    let return_of = match &row.movement {
        Movement::In(row) => row.return_id,
        Movement::Back(_) => refund.and_then(|refund| refund.return_id),
    };
    let provider = match &row.movement {
        Movement::In(row) => &row.provider,
        Movement::Back(row) => &row.provider,
    };
    let state = back.map(|back| back.state);
    let outside = back.is_some_and(|back| back.execution != Execution::Automatic);
    let within = |at: Timestamp, span: Option<(Timestamp, Timestamp)>| {
        span.is_some_and(|(from, until)| from <= at && at < until)
    };
    filter.order.is_none_or(|order| row.order == order)
        && (filter.states.is_empty() || any(&filter.states, state.as_ref()))
        && (wanted.numbers.is_empty() || wanted.numbers.contains(&row.number()))
        && (wanted.orders.is_empty() || wanted.orders.contains(&row.order))
        && (wanted.returns.is_empty() || any(&wanted.returns, return_of.as_ref()))
        && (wanted.kinds.is_empty() && wanted.destinations.is_empty()
            || any(&wanted.kinds, kind.as_ref())
            || any(&wanted.destinations, refund.map(|refund| &refund.to)))
        && (wanted.states.is_empty() && !wanted.payments_too
            || any(&wanted.states, state.as_ref())
            || wanted.payments_too && back.is_none())
        && (wanted.providers.is_empty() && !wanted.outside_too
            || if outside { wanted.outside_too } else { wanted.providers.contains(provider) })
        && !within(created_at, wanted.created_except)
        && wanted.updated_from.is_none_or(|from| updated_at >= from)
        && wanted.updated_until.is_none_or(|until| updated_at < until)
        && !within(updated_at, wanted.updated_except)
}
