//! Lists of orders, refunds and returns.

use refundry_domain::ids::{MerchantId, OrderId, OrderRef, RefundId};
use refundry_domain::order::Order;
use refundry_domain::refund::{Refund, State};
use refundry_domain::returns::{Return, ReturnState};
use rusqlite::Connection;

use super::page::Query;
use super::{Fail, load, rows, several};
use crate::store::fits;
use crate::store::page::{merged, of_rows};
use crate::store::search::{OUTSIDE, captured, refund_conditions, waits_outside};
use crate::store::{OrderFilter, Page, RefundFilter, RefundSearch, ReturnFilter, Slice, Sorted};

pub fn orders(
    conn: &Connection,
    merchant: MerchantId,
    filter: &OrderFilter,
    page: Page,
) -> Result<Slice<Order>, Fail> {
    let by_day = filter.sorted == Sorted::Day;
    let named = filter.person.is_some() || filter.tracking_id.is_some();
    let from = match (&filter.reference, &filter.customer) {
        (Some(_), _) => "orders INDEXED BY orders_by_reference",
        (None, Some(_)) => "orders INDEXED BY orders_by_customer",
        (None, None) if by_day && !named => "orders INDEXED BY orders_by_day",
        (None, None) => "orders",
    };
    let query = Query::new(rows::ORDER, from, merchant);
    let amount = filter.amount.map(captured);
    amount
        .iter()
        .fold(query, Query::of)
        .when("reference =", filter.reference.clone())
        .when("customer_reference =", filter.customer.clone())
        .tracked(filter.tracking_id.as_deref())
        .of_person(filter.person.as_deref())
        .created(filter.created_from, filter.created_until)
        .sorted(filter.sorted)
        .page(conn, page, |row| Ok(rows::order(row, merchant)?.order))
}

pub fn refunds(
    conn: &Connection,
    merchant: MerchantId,
    filter: &RefundFilter,
    page: Page,
) -> Result<Slice<Refund>, Fail> {
    let searched = filter.search != RefundSearch::default();
    let mut slice =
        if let Some(order) = filter.order.filter(|_| !searched) {
            let mut all = refunds_of(conn, merchant, order)?;
            all.retain(|refund| fits::refund(refund, filter));
            of_rows(all, |refund| refund.id.0, page)
        } else if searched || filter.tracking_id.is_some() {
            let states: Vec<_> = filter.states.iter().map(|state| state.name()).collect();
            others(Query::new(rows::REFUND, "refunds", merchant), filter)
                .among("state", &states)
                .page(conn, page, |row| Ok(rows::refund(row)?.0))?
        } else if filter.return_id.is_some() {
            let from = "refunds INDEXED BY refunds_by_return";
            let states: Vec<_> = filter.states.iter().map(|state| state.name()).collect();
            others(Query::new(rows::REFUND, from, merchant), filter).among("state", &states).page(
                conn,
                page,
                |row| Ok(rows::refund(row)?.0),
            )?
        } else if waits_outside(filter) {
            let states: Vec<_> = filter.states.iter().map(|state| state.name()).collect();
            let from = "refunds INDEXED BY refunds_by_outside";
            others(Query::new(rows::REFUND, from, merchant), filter)
                .also(OUTSIDE)
                .among("state", &states)
                .page(conn, page, |row| Ok(rows::refund(row)?.0))?
        } else if filter.states.is_empty() || filter.states.contains(&State::Succeeded) {
            let states: Vec<_> = filter.states.iter().map(|state| state.name()).collect();
            others(Query::new(rows::REFUND, "refunds", merchant), filter)
                .among("state", &states)
                .page(conn, page, |row| Ok(rows::refund(row)?.0))?
        } else {
            let mut states = filter.states.clone();
            states.sort_unstable();
            states.dedup();
            let of_state = |state: &State| {
                let from = "refunds INDEXED BY refunds_by_state";
                others(Query::new(rows::REFUND, from, merchant), filter)
                    .also("state <> 'succeeded'")
                    .when("state =", Some(state.name().to_owned()))
                    .page(conn, page, |row| Ok(rows::refund(row)?.0))
            };
            merged(states.iter().map(of_state), |refund| refund.id.0, page)?
        };
    several::fill(conn, merchant, &mut slice.rows)?;
    Ok(slice)
}

/// Every condition but that on states.
fn others(query: Query, filter: &RefundFilter) -> Query {
    let wanted = refund_conditions(filter.order, &filter.search);
    let query = wanted.iter().fold(query, Query::of);
    query
        .when("return_number =", filter.return_id.map(|id| id.0))
        .when("execution =", filter.execution.map(|execution| execution.name().to_owned()))
        .when("destination =", filter.to.map(|to| to.name().to_owned()))
        .tracked(filter.tracking_id.as_deref())
        .created(filter.created_from, filter.created_until)
}

/// The order's refunds without their transactions, newest first.
pub fn refunds_of(
    conn: &Connection,
    merchant: MerchantId,
    order: OrderId,
) -> Result<Vec<Refund>, Fail> {
    let Some(head) = load::head(conn, merchant, &OrderRef::Id(order))? else {
        return Ok(Vec::new());
    };
    let sql = select!(REFUND, "refunds WHERE merchant = ?1 AND number = ?2");
    let (mut found, mut next) = (Vec::new(), head.last_refund);
    while next != 0 {
        let row = load::one(conn, sql, (merchant.0, next), rows::refund)?;
        let (refund, previous) = row.ok_or_else(|| load::missing("refund", next))?;
        if refund.order != order || previous >= next {
            return Err(not_of(RefundId(next), order));
        }
        found.push(refund);
        next = previous;
    }
    Ok(found)
}

fn not_of(refund: RefundId, order: OrderId) -> Fail {
    Fail::Damaged(format!("refund {refund} is in the list of order {order} and not its own"))
}

pub fn returns(
    conn: &Connection,
    merchant: MerchantId,
    filter: &ReturnFilter,
    page: Page,
) -> Result<Slice<Return>, Fail> {
    let query = |from| {
        Query::new(rows::RETURN, from, merchant)
            .when("reference =", filter.reference.clone())
            .when("order_number =", filter.order.map(|order| order.0))
            .when("kind =", filter.kind.map(|kind| kind.name().to_owned()))
            .within("created_at", &filter.created)
            .within("updated_at", &filter.updated)
    };
    let states: Vec<_> = filter.states.iter().map(|state| state.name()).collect();
    let all = |from| query(from).among("state", &states).page(conn, page, rows::return_of);
    if filter.reference.is_some() {
        all("returns INDEXED BY returns_by_reference")
    } else if filter.order.is_some() {
        all("returns INDEXED BY returns_by_order")
    } else if states.is_empty() {
        all("returns")
    } else {
        let mut states: Vec<ReturnState> = filter.states.clone();
        states.sort_unstable();
        states.dedup();
        let of_state = |state: &ReturnState| {
            query("returns INDEXED BY returns_by_state")
                .when("state =", Some(state.name().to_owned()))
                .page(conn, page, rows::return_of)
        };
        merged(states.iter().map(of_state), |row| row.id.0, page)
    }
}
