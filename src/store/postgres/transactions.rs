//! Movements of money, listed.

use refundry_domain::ids::{MerchantId, OrderId};
use refundry_domain::refund::TransactionState;
use tokio_postgres::Row;

use super::fail::Fail;
use super::list::{ended, once_each, refunds_of};
use super::page::Query;
use super::pool::{Lent, Step, ask};
use super::rows::{Cells, select};
use crate::store::page::{merged, of_rows};
use crate::store::search::conditions;
use crate::store::{Movement, Page, Search, Slice, TransactionFilter, TransactionRow, fits, rows};

const INDEXED_STATES: &str =
    "state <> 'pending' AND state <> 'processing' AND state <> 'succeeded'";

/// A transaction in one of these belongs to a refund in one of these.
const OPEN_REFUNDS: &str = "refund IN (SELECT r.number FROM refunds r WHERE r.merchant = $1 \
    AND r.state IN ('pending', 'processing'))";

pub async fn transactions(
    lent: &mut Lent,
    merchant: MerchantId,
    filter: &TransactionFilter,
    page: Page,
) -> Result<Slice<TransactionRow>, Fail> {
    if filter.search != Search::default() {
        return searched(lent, merchant, filter, page).await;
    }
    if let Some(order) = filter.order {
        let mut all = of_order(lent, merchant, order).await?;
        all.retain(|row| fits::transaction(row, filter));
        return Ok(of_rows(all, TransactionRow::number, page));
    }
    let query = || others(merchant, filter);
    let names: Vec<&'static str> = filter.states.iter().map(|state| state.name()).collect();
    let indexed = filter.refund.is_none()
        && filter.provider_reference.is_none()
        && !filter.states.is_empty()
        && !filter.states.contains(&TransactionState::Succeeded);
    let open = [TransactionState::Pending.name(), TransactionState::Processing.name()];
    let queries: Vec<Query> = if indexed {
        let of_state = |name: &'static str| {
            let among = if open.contains(&name) { OPEN_REFUNDS } else { INDEXED_STATES };
            query().also(among).among("state", &[name]).page(page)
        };
        once_each(names).into_iter().map(of_state).collect()
    } else {
        vec![query().among("state", &names).page(page)]
    };
    let found = ask(lent, queries.iter().map(Query::step).collect()).await?;
    let read =
        |(query, rows): (&Query, &Vec<Row>)| query.slice(rows, |cells| rows::transaction(cells));
    merged(queries.iter().zip(&found).map(read), TransactionRow::number, page)
}

async fn searched(
    lent: &mut Lent,
    merchant: MerchantId,
    filter: &TransactionFilter,
    page: Page,
) -> Result<Slice<TransactionRow>, Fail> {
    let states: Vec<_> = filter.states.iter().map(|state| state.name()).collect();
    let wanted = &filter.search;
    let query = others(merchant, filter)
        .when("order_number =", filter.order.map(|order| order.0))
        .among("state", &states);
    let query = conditions(wanted)
        .iter()
        .fold(query, Query::of)
        .except("created_at", wanted.created_except)
        .when("updated_at >=", wanted.updated_from.map(|at| at.0))
        .when("updated_at <", wanted.updated_until.map(|at| at.0))
        .except("updated_at", wanted.updated_except)
        .page(page);
    let found = ask(lent, vec![query.step()]).await?;
    query.slice(&found[0], |cells| rows::transaction(cells))
}

/// Every condition but those on the order and on states.
fn others(merchant: MerchantId, filter: &TransactionFilter) -> Query {
    let kinds: Vec<_> = filter.kinds.iter().map(|kind| fits::name(*kind)).collect();
    Query::new(rows::TRANSACTION, "transactions", merchant)
        .among("kind", &kinds)
        .when("refund =", filter.refund.map(|refund| refund.0))
        .text("provider =", filter.provider.as_deref())
        .text("provider_reference =", filter.provider_reference.as_deref())
        .created(filter.created_from, filter.created_until)
}

async fn of_order(
    lent: &mut Lent,
    merchant: MerchantId,
    order: OrderId,
) -> Result<Vec<TransactionRow>, Fail> {
    let refunds = refunds_of(lent, merchant, order).await?;
    let sql = select!(
        TRANSACTION,
        "transactions WHERE merchant = $1 AND order_number = $2 AND refund IS NULL"
    );
    let payments = lent.send(&[Step::Query(sql, vec![&merchant.0, &order.0])]).await?;
    let numbers: Vec<i64> = refunds.iter().map(|refund| refund.id.0).collect();
    let backs = ended(lent, merchant, &numbers).await?;
    let mut found = payments[0]
        .iter()
        .map(|row| rows::transaction(&mut Cells::of(row)))
        .collect::<Result<Vec<_>, Fail>>()?;
    if let Some(refund) = refunds.first() {
        let currency = refund.currency;
        found.extend(backs.into_iter().map(|row| TransactionRow {
            order,
            currency,
            movement: Movement::Back(row),
        }));
    }
    Ok(found)
}
