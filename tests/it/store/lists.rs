//! Lists, compared with a naive model for every filter, every combination and every page.

use std::fmt::Debug;

use refundry::testing::store::{
    Event, EventFilter, Movement, OrderFilter, Page, RefundFilter, ReturnFilter, Search, Slice,
    StoreError, TransactionFilter, TransactionKind, TransactionRow, Within,
};
use refundry_domain::ids::{OrderId, RefundId, Timestamp};
use refundry_domain::order::{Metadata, Order, PaymentKind};
use refundry_domain::refund::{Destination, Execution, Refund, State, TransactionState};
use refundry_domain::returns::{Return, ReturnKind, ReturnState};

use super::{Place, on_every_store, search};
use crate::harness::population::{Model, Population, Random};
use crate::harness::store::*;
use refundry::testing::store::credits::AccountFilter;

on_every_store! {
    super::lists_are_what_a_naive_model_lists as lists_are_what_a_naive_model_lists,
}

async fn lists_are_what_a_naive_model_lists(place: &impl Place) {
    let store = place.open().await;
    let store = &*store;
    let mut population = Population::live(store, Random::seeded(), 600).await;
    for whose in [0, 1] {
        let merchant = population.merchants[whose];
        let model = &population.models[whose];
        for book in model.books.values() {
            let kept = store.order(merchant, refundry_domain::ids::OrderRef::Id(book.order.id));
            assert_eq!(kept.await.unwrap().as_ref(), Some(book));
        }
        // All at once, asked for beside those of others and those that are not there.
        let asked = population.models.iter().flat_map(|model| model.books.keys().copied());
        let asked = asked.map(OrderId).chain([OrderId(i64::MAX)]);
        let mut kept = store.books(merchant, asked.collect()).await.unwrap();
        kept.sort_unstable_by_key(|book| book.order.id);
        assert!(kept.iter().eq(model.books.values()));
        for refund in model.refunds.values() {
            let kept = store.refund(merchant, refund.id).await.unwrap();
            assert_eq!(kept.as_ref(), Some(refund));
        }
        let random = &mut population.random;
        for filter in order_filters(model) {
            let expected = newest_first(model.orders.values(), |row| order_fits(row, &filter));
            let ask = |page| store.orders(merchant, filter.clone(), page);
            pages(random, &filter, &expected, |row: &Order| row.id.0, ask).await;
        }
        for filter in refund_filters(model) {
            let expected = newest_first(model.refunds.values(), |row| refund_fits(row, &filter));
            let ask = |page| store.refunds(merchant, filter.clone(), page);
            pages(random, &filter, &expected, |row: &Refund| row.id.0, ask).await;
        }
        for filter in transaction_filters(model) {
            let rows = model.transactions.values();
            let expected = newest_first(rows, |row| transaction_fits(row, &filter));
            let ask = |page| store.transactions(merchant, filter.clone(), page);
            pages(random, &filter, &expected, TransactionRow::number, ask).await;
        }
        for filter in search::filters(model, random) {
            let rows = model.transactions.values();
            let expected = newest_first(rows, |row| search::fits(row, &filter, model));
            let ask = |page| store.transactions(merchant, filter.clone(), page);
            pages(random, &filter, &expected, TransactionRow::number, ask).await;
        }
        for filter in return_filters(model) {
            let expected = newest_first(model.returns.values(), |row| return_fits(row, &filter));
            let ask = |page| store.returns(merchant, filter.clone(), page);
            pages(random, &filter, &expected, |row: &Return| row.id.0, ask).await;
        }
        let everything = store.events(merchant, EventFilter::default(), all()).await.unwrap().rows;
        let lengths: i64 = model.orders.values().map(|order| order.chain.length).sum();
        let own = store.chain(merchant).await.unwrap().unwrap().length;
        let accounts = store.credit_accounts(merchant, AccountFilter::default(), all()).await;
        let of_accounts: i64 =
            accounts.unwrap().rows.iter().map(|account| account.chain.length).sum();
        assert_eq!(i64::try_from(everything.len()).unwrap(), lengths + own + of_accounts);
        for filter in event_filters(model) {
            let expected = newest_first(everything.iter(), |row| event_fits(row, &filter));
            let ask = |page| store.events(merchant, filter.clone(), page);
            pages(random, &filter, &expected, |row: &Event| row.id.0, ask).await;
        }
    }
}

fn newest_first<'a, T: Clone + 'a>(
    rows: impl Iterator<Item = &'a T>,
    fits: impl Fn(&T) -> bool,
) -> Vec<T> {
    let mut rows: Vec<T> = rows.filter(|row| fits(row)).cloned().collect();
    rows.reverse();
    rows
}

/// Walks the list in both orders and both directions, and between two random rows.
async fn pages<T, F, A>(
    random: &mut Random,
    filter: &F,
    newest_first: &[T],
    number: impl Fn(&T) -> i64,
    ask: impl Fn(Page) -> A,
) where
    T: Clone + PartialEq + Debug,
    F: Debug,
    A: Future<Output = Result<Slice<T>, StoreError>>,
{
    let mut expected = newest_first.to_vec();
    expected.sort_by_key(|row| std::cmp::Reverse(number(row)));
    for oldest_first in [false, true] {
        if oldest_first {
            expected.reverse();
        }
        let limit = u32::try_from(*random.pick(&[1, 2, 3, 7, 25, 100, 1_000])).unwrap();
        // A walk of hundreds of single rows shows no more than one of ten.
        let limit = limit.max(u32::try_from(expected.len() / 10).unwrap()).max(1);
        let page = Page { after: None, before: None, limit, oldest_first };
        let forth = walk(page, true, &number, &ask).await;
        assert_eq!(forth, expected, "{filter:?} {page:?}");
        let back = walk(page, false, &number, &ask).await;
        assert_eq!(back, expected, "{filter:?} {page:?} backwards");
        if !expected.is_empty() {
            let (one, two) = (random.below(expected.len()), random.below(expected.len()));
            let (after, before) = (one.min(two), one.max(two));
            let bound = |at: usize| Some(number(&expected[at]));
            let page = Page { after: bound(after), before: bound(before), limit, oldest_first };
            let slice = ask(page).await.unwrap();
            let between = expected.get(after + 1..before).unwrap_or_default();
            let wanted = &between[..between.len().min(usize::try_from(limit).unwrap())];
            assert_eq!(slice.rows, wanted, "{filter:?} {page:?}");
            assert_eq!(slice.more, wanted.len() < between.len(), "{filter:?} {page:?}");
        }
    }
}

async fn walk<T: Clone, A>(
    mut page: Page,
    forth: bool,
    number: &impl Fn(&T) -> i64,
    ask: &impl Fn(Page) -> A,
) -> Vec<T>
where
    A: Future<Output = Result<Slice<T>, StoreError>>,
{
    if !forth {
        page.before = Some(if page.oldest_first { i64::MAX } else { 0 });
    }
    let mut found: Vec<T> = Vec::new();
    loop {
        let slice = ask(page).await.unwrap();
        let full = slice.rows.len() == usize::try_from(page.limit).unwrap();
        assert!(full || !slice.more, "a page is short and the list goes on");
        if forth {
            page.after = slice.rows.last().map(number);
            found.extend(slice.rows);
        } else {
            page.before = slice.rows.first().map(number);
            found.splice(0..0, slice.rows);
        }
        if !slice.more {
            return found;
        }
    }
}

/// Two times in the middle of the population's life.
fn times(model: &Model) -> [Option<Timestamp>; 3] {
    let mut times = model.orders.values().map(|order| order.created_at).collect::<Vec<_>>();
    times.sort_unstable();
    [None, Some(times[times.len() / 4]), Some(times[times.len() * 3 / 4])]
}

/// A row that says something, from the middle.
fn middle<T>(all: impl Iterator<Item = T>) -> Option<T> {
    let mut all: Vec<T> = all.collect();
    let at = all.len() / 2;
    (at < all.len()).then(|| all.swap_remove(at))
}

fn order_filters(model: &Model) -> Vec<OrderFilter> {
    let mut filters = Vec::new();
    let references = model.orders.values().map(|order| order.reference.clone());
    for reference in [None, middle(references), Some("nobody's".to_owned())] {
        for (customer, tracked) in [
            (None, None),
            (Some("c-1"), None),
            (Some("c-9"), None),
            (None, Some("t-1")),
            (None, Some("t-1;t-2")),
            (Some("c-1"), Some("t-2")),
            (None, Some("t")),
        ] {
            for created_from in times(model) {
                for created_until in times(model) {
                    filters.push(OrderFilter {
                        reference: reference.clone(),
                        customer: customer.map(str::to_owned),
                        tracking_id: tracked.map(str::to_owned),
                        created_from,
                        created_until,
                        ..OrderFilter::default()
                    });
                }
            }
        }
    }
    filters
}

fn tracked(metadata: &Metadata, wanted: Option<&str>) -> bool {
    let Some(wanted) = wanted else { return true };
    let all = metadata.get("tracking_id").map_or("", String::as_str);
    all == wanted || all.split(';').any(|part| part == wanted)
}

fn order_fits(row: &Order, filter: &OrderFilter) -> bool {
    filter.reference.as_ref().is_none_or(|wanted| row.reference == *wanted)
        && (filter.customer.is_none() || row.customer.reference == filter.customer)
        && tracked(&row.metadata, filter.tracking_id.as_deref())
        && filter.created_from.is_none_or(|from| row.created_at >= from)
        && filter.created_until.is_none_or(|until| row.created_at < until)
}

fn refund_filters(model: &Model) -> Vec<RefundFilter> {
    let states = [
        vec![],
        vec![State::Succeeded],
        vec![State::Pending, State::Failed, State::Pending],
        vec![State::Canceled, State::Succeeded, State::Unconfirmed],
        vec![State::Processing, State::Reversed, State::NeedsAttention, State::RequiresInformation],
        vec![State::NeedsAttention, State::Processing],
        vec![State::Processing],
    ];
    let orders = [None, middle(model.refunds.values().map(|row| row.order)), Some(OrderId(1))];
    let returns = [None, middle(model.refunds.values().filter_map(|row| row.return_id))];
    let mut filters = Vec::new();
    for states in &states {
        for order in orders {
            for return_id in returns {
                for execution in [
                    None,
                    Some(Execution::Automatic),
                    Some(Execution::Manual),
                    Some(Execution::Notify),
                ] {
                    for to in [None, Some(Destination::Cash)] {
                        let created_from = times(model)[filters.len() % 3];
                        let created_until = times(model)[filters.len() % 5 % 3];
                        filters.push(RefundFilter {
                            states: states.clone(),
                            order,
                            return_id,
                            execution,
                            to,
                            tracking_id: [None, None, Some("t-1"), Some("t-9"), Some("t-8;t-9")]
                                [filters.len() / 2 % 5]
                                .map(str::to_owned),
                            created_from,
                            created_until,
                            ..RefundFilter::default()
                        });
                        filters.push(RefundFilter {
                            created_from: None,
                            created_until: None,
                            ..filters[filters.len() - 1].clone()
                        });
                    }
                }
            }
        }
    }
    filters
}

fn refund_fits(row: &Refund, filter: &RefundFilter) -> bool {
    (filter.states.is_empty() || filter.states.contains(&row.state))
        && filter.order.is_none_or(|order| row.order == order)
        && filter.return_id.is_none_or(|id| row.return_id == Some(id))
        && filter.execution.is_none_or(|execution| row.execution == execution)
        && filter.to.is_none_or(|to| row.to == to)
        && tracked(&row.metadata, filter.tracking_id.as_deref())
        && filter.created_from.is_none_or(|from| row.created_at >= from)
        && filter.created_until.is_none_or(|until| row.created_at < until)
}

fn transaction_filters(model: &Model) -> Vec<TransactionFilter> {
    use TransactionState as T;
    let kinds = [
        vec![],
        vec![TransactionKind::Refund],
        vec![TransactionKind::In(PaymentKind::Payment)],
        vec![TransactionKind::In(PaymentKind::Capture), TransactionKind::Refund],
    ];
    let states = [
        vec![],
        vec![T::Succeeded, T::Failed],
        vec![T::Pending],
        vec![T::Processing, T::Requested, T::Pending],
        vec![T::Canceled, T::Unconfirmed, T::NeedsAttention, T::Reversed],
    ];
    let orders = [None, middle(model.refunds.values().map(|row| row.order)), Some(OrderId(1))];
    let refunds = [None, middle(model.refunds.values().map(|row| row.id)), Some(RefundId(1))];
    let references = [None, Some("re_2".to_owned()), Some("ch_1".to_owned())];
    let mut filters = Vec::new();
    for kinds in &kinds {
        for states in &states {
            for order in orders {
                for refund in refunds {
                    for provider_reference in &references {
                        let all = filters.len();
                        filters.push(TransactionFilter {
                            kinds: kinds.clone(),
                            states: states.clone(),
                            order,
                            refund,
                            provider: (all % 3 == 1).then(|| "acme".to_owned()),
                            provider_reference: provider_reference.clone(),
                            created_from: times(model)[all % 5 % 3],
                            created_until: times(model)[all % 4 % 3],
                            search: Search::default(),
                        });
                    }
                }
            }
        }
    }
    filters
}

fn transaction_fits(row: &TransactionRow, filter: &TransactionFilter) -> bool {
    let (kind, provider, reference, created_at, state, refund) = match &row.movement {
        Movement::In(row) => {
            let kind = TransactionKind::In(row.kind);
            (kind, &row.provider, &row.provider_reference, row.created_at, None, None)
        }
        Movement::Back(row) => {
            let (state, refund) = (Some(row.state), Some(row.refund));
            let reference = &row.provider_reference;
            (TransactionKind::Refund, &row.provider, reference, row.created_at, state, refund)
        }
    };
    (filter.kinds.is_empty() || filter.kinds.contains(&kind))
        && (filter.states.is_empty() || state.is_some_and(|state| filter.states.contains(&state)))
        && filter.order.is_none_or(|order| row.order == order)
        && (filter.refund.is_none() || filter.refund == refund)
        && filter.provider.as_ref().is_none_or(|wanted| provider == wanted)
        && (filter.provider_reference.is_none() || filter.provider_reference == *reference)
        && filter.created_from.is_none_or(|from| created_at >= from)
        && filter.created_until.is_none_or(|until| created_at < until)
}

fn return_filters(model: &Model) -> Vec<ReturnFilter> {
    let states = [
        vec![],
        vec![ReturnState::Pending],
        vec![ReturnState::Done, ReturnState::Rejected, ReturnState::Done],
    ];
    let orders = [None, middle(model.returns.values().map(|row| row.order)), Some(OrderId(1))];
    let references = [None, middle(model.returns.values().map(|row| row.reference.clone()))];
    let mut filters = Vec::new();
    for kind in [None, Some(ReturnKind::Return), Some(ReturnKind::Complaint)] {
        for states in &states {
            for order in orders {
                for reference in &references {
                    let (states, reference) = (states.clone(), reference.clone());
                    let rest = ReturnFilter::default();
                    filters.push(ReturnFilter { kind, states, order, reference, ..rest });
                }
            }
        }
    }
    for created in spans(model.returns.values().map(|row| row.created_at)) {
        for updated in spans(model.returns.values().map(|row| row.updated_at)) {
            filters.push(ReturnFilter { created, updated, ..ReturnFilter::default() });
        }
    }
    let open = vec![ReturnState::Pending, ReturnState::Approved];
    let updated = spans(model.returns.values().map(|row| row.updated_at)).remove(1);
    filters.push(ReturnFilter { states: open, updated, ..ReturnFilter::default() });
    filters
}

/// Spans that begin, end or are left out around the middle one of the moments.
fn spans(moments: impl Iterator<Item = Timestamp> + Clone) -> Vec<Within> {
    let (at, last) = (middle(moments.clone()), moments.max());
    let from = Within { from: at, ..Within::default() };
    let until = Within { until: at, ..Within::default() };
    let except = at.zip(last);
    vec![Within::default(), from, until, Within { except, ..Within::default() }]
}

fn lies(at: Timestamp, span: &Within) -> bool {
    span.from.is_none_or(|from| at >= from)
        && span.until.is_none_or(|until| at < until)
        && span.except.is_none_or(|(from, until)| at < from || at >= until)
}

fn return_fits(row: &Return, filter: &ReturnFilter) -> bool {
    filter.kind.is_none_or(|kind| row.kind == kind)
        && (filter.states.is_empty() || filter.states.contains(&row.state))
        && filter.order.is_none_or(|order| row.order == order)
        && filter.reference.as_ref().is_none_or(|wanted| row.reference == *wanted)
        && lies(row.created_at, &filter.created)
        && lies(row.updated_at, &filter.updated)
}

fn event_filters(model: &Model) -> Vec<EventFilter> {
    let orders = [None, middle(model.refunds.values().map(|row| row.order)), Some(OrderId(1))];
    let subjects = [
        None,
        middle(model.orders.keys().copied()),
        middle(model.refunds.keys().copied()),
        middle(model.transactions.keys().copied()),
        middle(model.returns.values().map(|row| row.id.0)),
        Some(1),
    ];
    let names = [
        vec![],
        vec!["refund.requested".to_owned()],
        vec!["payment.recorded".to_owned(), "merchant.created".to_owned(), "nothing".to_owned()],
    ];
    let mut filters = Vec::new();
    for order in orders {
        for subject in subjects {
            for names in &names {
                filters.push(EventFilter { order, subject, names: names.clone() });
            }
        }
    }
    filters
}

fn event_fits(row: &Event, filter: &EventFilter) -> bool {
    filter.order.is_none_or(|order| row.order == Some(order))
        && filter.subject.is_none_or(|subject| row.subject == subject)
        && (filter.names.is_empty() || filter.names.contains(&row.name))
}
