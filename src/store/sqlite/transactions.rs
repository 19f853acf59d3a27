//! Lists of transactions, of both directions.

use refundry_domain::ids::{MerchantId, OrderId};
use refundry_domain::refund::TransactionState;
use rusqlite::Connection;

use super::list::refunds_of;
use super::page::{Query, merged, of_rows};
use super::{Fail, load, rows};
use crate::store::{
    Movement, Page, Search, Slice, TransactionFilter, TransactionKind, TransactionRow,
};

const INDEXED_STATES: &str =
    "state <> 'pending' AND state <> 'processing' AND state <> 'succeeded'";

/// A transaction in one of these belongs to a refund in one of these.
const OPEN_REFUNDS: &str = "refund IN (SELECT refunds.number FROM refunds INDEXED BY \
    refunds_by_state WHERE refunds.merchant = ?1 AND refunds.state IN ('pending', 'processing') \
    AND refunds.state <> 'succeeded')";

pub fn transactions(
    conn: &Connection,
    merchant: MerchantId,
    filter: &TransactionFilter,
    page: Page,
) -> Result<Slice<TransactionRow>, Fail> {
    if filter.search != Search::default() {
        let states: Vec<_> = filter.states.iter().map(|state| state.name()).collect();
        let query = Query::new(rows::TRANSACTION, "transactions", merchant)
            .when("order_number =", filter.order.map(|order| order.0))
            .among("state", &states);
        let query = search(others(query, filter), &filter.search);
        return query.page(conn, page, rows::transaction);
    }
    if let Some(order) = filter.order {
        let mut all = of_order(conn, merchant, order)?;
        all.retain(|row| fits(row, filter));
        return Ok(of_rows(all, TransactionRow::number, page));
    }
    let states: Vec<_> = filter.states.iter().map(|state| state.name()).collect();
    let all =
        |from| {
            others(Query::new(rows::TRANSACTION, from, merchant), filter)
                .among("state", &states)
                .page(conn, page, rows::transaction)
        };
    if filter.refund.is_some() {
        all("transactions INDEXED BY transactions_by_refund")
    } else if filter.provider_reference.is_some() {
        all("transactions INDEXED BY transactions_by_provider_reference")
    } else if states.is_empty() || filter.states.contains(&TransactionState::Succeeded) {
        all("transactions")
    } else {
        let mut states = filter.states.clone();
        states.sort_unstable();
        states.dedup();
        let of_state = |state: &TransactionState| of_state(conn, merchant, filter, *state, page);
        merged(states.iter().map(of_state), TransactionRow::number, page)
    }
}

fn of_state(
    conn: &Connection,
    merchant: MerchantId,
    filter: &TransactionFilter,
    state: TransactionState,
    page: Page,
) -> Result<Slice<TransactionRow>, Fail> {
    let query = match state {
        TransactionState::Pending | TransactionState::Processing => {
            let from = "transactions INDEXED BY transactions_by_refund";
            Query::new(rows::TRANSACTION, from, merchant).also(OPEN_REFUNDS)
        }
        TransactionState::Unconfirmed
        | TransactionState::RequiresInformation
        | TransactionState::Requested
        | TransactionState::NeedsAttention
        | TransactionState::Succeeded
        | TransactionState::Failed
        | TransactionState::Canceled
        | TransactionState::Reversed => {
            let from = "transactions INDEXED BY transactions_by_state";
            Query::new(rows::TRANSACTION, from, merchant).also(INDEXED_STATES)
        }
    };
    others(query, filter).when("state =", Some(state.name().to_owned())).page(
        conn,
        page,
        rows::transaction,
    )
}

fn search(query: Query, wanted: &Search) -> Query {
    let names = |names: Vec<&str>| names.into_iter().map(|name| name.to_owned().into()).collect();
    let kinds = names(wanted.kinds.iter().map(|kind| kind.name()).collect());
    let places = names(wanted.destinations.iter().map(|to| to.name()).collect());
    let states = names(wanted.states.iter().map(|state| state.name()).collect());
    let providers = names(wanted.providers.iter().map(String::as_str).collect());
    let returns: Vec<_> = wanted.returns.iter().map(|id| id.0.into()).collect();
    let truth = |whether: bool| if whether { "TRUE" } else { "FALSE" };
    query
        .of("number IN {1}", [wanted.numbers.iter().map(|number| (*number).into()).collect()])
        .of("order_number IN {1}", [wanted.orders.iter().map(|id| id.0.into()).collect()])
        .of(
            "(return_number IN {1} OR refund IN (SELECT refunds.number FROM refunds \
            WHERE refunds.merchant = ?1 AND refunds.return_number IN {1}))",
            [returns],
        )
        .of(
            "(kind IN {1} OR (SELECT refunds.destination FROM refunds \
            WHERE refunds.merchant = ?1 AND refunds.number = transactions.refund) IN {2})",
            [kinds, places],
        )
        .if_any(
            wanted.payments_too,
            &format!("(state IN {{1}} OR ({} AND refund IS NULL))", truth(wanted.payments_too)),
            [states],
        )
        .if_any(
            wanted.outside_too,
            &format!(
                "((ifnull(execution, 'automatic') = 'automatic' AND provider IN {{1}}) \
                OR ({} AND ifnull(execution, 'automatic') <> 'automatic'))",
                truth(wanted.outside_too)
            ),
            [providers],
        )
        .except("created_at", wanted.created_except)
        .when("updated_at >=", wanted.updated_from.map(|at| at.0))
        .when("updated_at <", wanted.updated_until.map(|at| at.0))
        .except("updated_at", wanted.updated_except)
}

/// Every condition but those on the order and on states.
fn others(query: Query, filter: &TransactionFilter) -> Query {
    let kinds: Vec<_> = filter.kinds.iter().map(|kind| name(*kind)).collect();
    query
        .among("kind", &kinds)
        .when("refund =", filter.refund.map(|refund| refund.0))
        .when("provider =", filter.provider.clone())
        .when("provider_reference =", filter.provider_reference.clone())
        .created(filter.created_from, filter.created_until)
}

fn of_order(
    conn: &Connection,
    merchant: MerchantId,
    order: OrderId,
) -> Result<Vec<TransactionRow>, Fail> {
    let sql = select!(
        TRANSACTION,
        "transactions INDEXED BY payments_by_order \
        WHERE merchant = ?1 AND order_number = ?2 AND refund IS NULL"
    );
    let mut found = load::many(conn, sql, (merchant.0, order.0), rows::transaction)?;
    for refund in refunds_of(conn, merchant, order)? {
        let currency = refund.currency;
        let rows = load::transactions_of(conn, merchant, refund.id)?.into_iter();
        found.extend(rows.map(|row| TransactionRow {
            order,
            currency,
            movement: Movement::Back(row),
        }));
    }
    Ok(found)
}

fn name(kind: TransactionKind) -> &'static str {
    match kind {
        TransactionKind::In(kind) => kind.name(),
        TransactionKind::Refund => "refund",
    }
}

fn fits(row: &TransactionRow, filter: &TransactionFilter) -> bool {
    let (kind, provider, reference, created_at) = match &row.movement {
        Movement::In(row) => {
            (TransactionKind::In(row.kind), &row.provider, &row.provider_reference, row.created_at)
        }
        Movement::Back(row) => {
            (TransactionKind::Refund, &row.provider, &row.provider_reference, row.created_at)
        }
    };
    let (refund, state) = match &row.movement {
        Movement::In(_) => (None, None),
        Movement::Back(row) => (Some(row.refund), Some(row.state)),
    };
    (filter.kinds.is_empty() || filter.kinds.contains(&kind))
        && (filter.states.is_empty() || state.is_some_and(|state| filter.states.contains(&state)))
        && (filter.refund.is_none() || filter.refund == refund)
        && filter.provider.as_ref().is_none_or(|wanted| wanted == provider)
        && (filter.provider_reference.is_none() || filter.provider_reference == *reference)
        && filter.created_from.is_none_or(|from| created_at >= from)
        && filter.created_until.is_none_or(|until| created_at < until)
}
