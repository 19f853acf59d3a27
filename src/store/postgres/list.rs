//! Lists of orders, refunds and returns. Each list is of one moment.

use refundry_domain::ids::{MerchantId, OrderId, RefundId};
use refundry_domain::order::Order;
use refundry_domain::refund::{Refund, RefundTransaction, State};
use refundry_domain::returns::Return;
use tokio_postgres::Row;

use super::fail::{Fail, missing};
use super::page::Query;
use super::pool::{Lent, SNAPSHOT, Step, ask};
use super::rows::{Cells, select};
use crate::store::page::{merged, of_rows};
use crate::store::rows;
use crate::store::search::{OUTSIDE, captured, refund_conditions, waits_outside};
use crate::store::{
    Movement, OrderFilter, Page, RefundFilter, RefundSearch, ReturnFilter, Slice, fits,
};

pub async fn orders(
    lent: &mut Lent,
    merchant: MerchantId,
    filter: &OrderFilter,
    page: Page,
) -> Result<Slice<Order>, Fail> {
    let query = Query::new(rows::ORDER, "orders", merchant);
    let amount = filter.amount.map(captured);
    let query = amount
        .iter()
        .fold(query, Query::of)
        .text("reference =", filter.reference.as_deref())
        .text("customer_reference =", filter.customer.as_deref())
        .tracked(filter.tracking_id.as_deref())
        .of_person(filter.person.as_deref())
        .created(filter.created_from, filter.created_until)
        .sorted(filter.sorted)
        .page(page);
    let found = ask(lent, vec![query.step()]).await?;
    query.slice(&found[0], |cells| Ok(rows::order(cells, merchant)?.order))
}

pub async fn refunds(
    lent: &mut Lent,
    merchant: MerchantId,
    filter: &RefundFilter,
    page: Page,
) -> Result<Slice<Refund>, Fail> {
    let searched = filter.search != RefundSearch::default();
    let mut slice = if let Some(order) = filter.order.filter(|_| !searched) {
        let mut all = refunds_of(lent, merchant, order).await?;
        all.retain(|refund| fits::refund(refund, filter));
        of_rows(all, |refund| refund.id.0, page)
    } else {
        let indexed = filter.return_id.is_none()
            && filter.tracking_id.is_none()
            && !searched
            && !filter.states.is_empty()
            && !filter.states.contains(&State::Succeeded)
            && !waits_outside(filter);
        let wanted = refund_conditions(filter.order, &filter.search);
        let query = || {
            let query = Query::new(rows::REFUND, "refunds", merchant);
            let query = wanted.iter().fold(query, Query::of);
            let query = if waits_outside(filter) { query.also(OUTSIDE) } else { query };
            query
                .when("return_number =", filter.return_id.map(|id| id.0))
                .text("execution =", filter.execution.map(|execution| execution.name()))
                .text("destination =", filter.to.map(|to| to.name()))
                .tracked(filter.tracking_id.as_deref())
                .created(filter.created_from, filter.created_until)
        };
        let names: Vec<&'static str> = filter.states.iter().map(|state| state.name()).collect();
        let queries: Vec<Query> = if indexed {
            let of_state = |name| query().among("state", &[name]).page(page);
            once_each(names).into_iter().map(of_state).collect()
        } else {
            vec![query().among("state", &names).page(page)]
        };
        let found = begun(lent, &queries).await?;
        let read = |(query, rows): (&Query, &Vec<Row>)| {
            query.slice(rows, |cells| Ok(rows::refund(cells)?.0))
        };
        merged(queries.iter().zip(&found).map(read), |refund| refund.id.0, page)?
    };
    let numbers: Vec<i64> = slice.rows.iter().map(|refund| refund.id.0).collect();
    let mut transactions = ended(lent, merchant, &numbers).await?;
    for refund in &mut slice.rows {
        let own = |row: &RefundTransaction| row.refund == refund.id;
        refund.transactions = transactions.extract_if(.., |row| own(row)).collect();
    }
    Ok(slice)
}

pub fn once_each(mut names: Vec<&'static str>) -> Vec<&'static str> {
    names.sort_unstable();
    names.dedup();
    names
}

/// Begins a moment that [`ended`] ends, with the answers to the queries.
async fn begun(lent: &mut Lent, queries: &[Query]) -> Result<Vec<Vec<Row>>, Fail> {
    let mut steps = vec![Step::Plain(SNAPSHOT)];
    steps.extend(queries.iter().map(Query::step));
    let mut found = lent.send(&steps).await?;
    found.remove(0);
    Ok(found)
}

/// The transactions of the refunds, in order of number.
pub async fn ended(
    lent: &mut Lent,
    merchant: MerchantId,
    refunds: &[i64],
) -> Result<Vec<RefundTransaction>, Fail> {
    let sql = select!(
        TRANSACTION,
        "transactions WHERE merchant = $1 AND refund = ANY($2) ORDER BY number"
    );
    let steps = [Step::Query(sql, vec![&merchant.0, &refunds]), Step::Plain("COMMIT")];
    let found = lent.send(&steps).await?;
    lent.cleared();
    found[0].iter().map(back).collect()
}

pub fn back(row: &Row) -> Result<RefundTransaction, Fail> {
    match rows::transaction(&mut Cells::of(row))?.movement {
        Movement::Back(row) => Ok(row),
        Movement::In(payment) => Err(Fail::Damaged(format!("payment {} has a refund", payment.id))),
    }
}

/// The order's refunds without their transactions, newest first, following each to the one before
/// it. The transaction stays open.
pub async fn refunds_of(
    lent: &mut Lent,
    merchant: MerchantId,
    order: OrderId,
) -> Result<Vec<Refund>, Fail> {
    static SQL: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        format!(
            "WITH RECURSIVE list AS (SELECT r.* FROM orders o JOIN refunds r \
            ON r.merchant = o.merchant AND r.number = o.last_refund \
            WHERE o.merchant = $1 AND o.number = $2 UNION ALL \
            SELECT r.* FROM list JOIN refunds r ON r.merchant = $1 AND r.number = list.previous \
            AND r.number < list.number) SELECT {} FROM list ORDER BY number DESC",
            rows::REFUND
        )
    });
    let first = "SELECT last_refund FROM orders WHERE merchant = $1 AND number = $2";
    let steps = [
        Step::Plain(SNAPSHOT),
        Step::Query(first, vec![&merchant.0, &order.0]),
        Step::Query(&SQL, vec![&merchant.0, &order.0]),
    ];
    let found = lent.send(&steps).await?;
    let mut next: i64 = found[1].first().map_or(0, |row| row.get(0));
    let mut refunds = Vec::new();
    for row in &found[2] {
        let (refund, previous) = rows::refund(&mut Cells::of(row))?;
        if refund.order != order {
            return Err(not_of(RefundId(next), order));
        }
        refunds.push(refund);
        next = previous;
    }
    if next != 0 { Err(missing("refund", next)) } else { Ok(refunds) }
}

fn not_of(refund: RefundId, order: OrderId) -> Fail {
    Fail::Damaged(format!("refund {refund} is in the list of order {order} and not its own"))
}

pub async fn returns(
    lent: &mut Lent,
    merchant: MerchantId,
    filter: &ReturnFilter,
    page: Page,
) -> Result<Slice<Return>, Fail> {
    let query = || {
        Query::new(rows::RETURN, "returns", merchant)
            .text("reference =", filter.reference.as_deref())
            .when("order_number =", filter.order.map(|order| order.0))
            .text("kind =", filter.kind.map(|kind| kind.name()))
            .within("created_at", &filter.created)
            .within("updated_at", &filter.updated)
    };
    let names: Vec<&'static str> = filter.states.iter().map(|state| state.name()).collect();
    let queries: Vec<Query> = if filter.reference.is_some() || filter.order.is_some() {
        vec![query().among("state", &names).page(page)]
    } else if names.is_empty() {
        vec![query().page(page)]
    } else {
        let of_state = |name| query().among("state", &[name]).page(page);
        once_each(names).into_iter().map(of_state).collect()
    };
    let found = ask(lent, queries.iter().map(Query::step).collect()).await?;
    let read =
        |(query, rows): (&Query, &Vec<Row>)| query.slice(rows, |cells| rows::return_of(cells));
    merged(queries.iter().zip(&found).map(read), |row| row.id.0, page)
}
