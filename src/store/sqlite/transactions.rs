//! Lists of transactions, of both directions.

use refundry_domain::ids::{MerchantId, OrderId};
use refundry_domain::refund::TransactionState;
use rusqlite::Connection;

use super::list::refunds_of;
use super::page::Query;
use super::{Fail, load, rows};
use crate::store::fits;
use crate::store::page::{merged, of_rows};
use crate::store::search::conditions;
use crate::store::{Movement, Page, Search, Slice, TransactionFilter, TransactionRow};

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
        all.retain(|row| fits::transaction(row, filter));
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
    conditions(wanted)
        .iter()
        .fold(query, Query::of)
        .except("created_at", wanted.created_except)
        .when("updated_at >=", wanted.updated_from.map(|at| at.0))
        .when("updated_at <", wanted.updated_until.map(|at| at.0))
        .except("updated_at", wanted.updated_except)
}

/// Every condition but those on the order and on states.
fn others(query: Query, filter: &TransactionFilter) -> Query {
    let kinds: Vec<_> = filter.kinds.iter().map(|kind| fits::name(*kind)).collect();
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
