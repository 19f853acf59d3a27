//! Lists of events: the feed of all, as far as it is final, or what belongs to one chain.

use refundry_domain::ids::MerchantId;

use super::fail::{Fail, missing};
use super::page::Query;
use super::pool::{Lent, SNAPSHOT, Step, ask};
use super::rows::Cells;
use crate::store::page::of_rows;
use crate::store::rows;
use crate::store::{Event, EventFilter, Page, Slice};

/// All events up to the horizon.
pub async fn feed(
    lent: &mut Lent,
    merchant: MerchantId,
    filter: &EventFilter,
    page: Page,
    horizon: i64,
) -> Result<Slice<Event>, Fail> {
    let query = Query::new(rows::EVENT, "events", merchant)
        .any("name", &filter.names)
        .when("number <=", Some(horizon))
        .page(page);
    let found = ask(lent, vec![query.step()]).await?;
    query.slice(&found[0], |cells| Ok(rows::event(cells)?.0))
}

/// What belongs to one order, or to one row.
pub async fn of_chain(
    lent: &mut Lent,
    merchant: MerchantId,
    filter: &EventFilter,
    page: Page,
) -> Result<Slice<Event>, Fail> {
    let start = start(lent, merchant, filter).await?;
    let mut all = match start {
        Some((order, last_event)) => chain(lent, merchant, order, last_event).await?,
        None => Vec::new(),
    };
    lent.roll_back().await?;
    all.retain(|event| {
        filter.subject.is_none_or(|subject| event.subject == subject)
            && (filter.names.is_empty() || filter.names.contains(&event.name))
    });
    Ok(of_rows(all, |event| event.id.0, page))
}

/// The chain that the events are in: its order, 0 for the merchant's own, and its newest event.
/// The transaction stays open.
async fn start(
    lent: &mut Lent,
    merchant: MerchantId,
    filter: &EventFilter,
) -> Result<Option<(i64, i64)>, Fail> {
    let of_order = "SELECT number, last_event FROM orders WHERE merchant = $1 AND number = $2";
    let of_row = "SELECT number, last_event FROM (SELECT number, last_event, 1 AS rank \
        FROM orders WHERE merchant = $1 AND number = $2 UNION ALL \
        SELECT o.number, o.last_event, 2 FROM refunds r JOIN orders o ON o.merchant = r.merchant \
        AND o.number = r.order_number WHERE r.merchant = $1 AND r.number = $2 UNION ALL \
        SELECT o.number, o.last_event, 3 FROM transactions t JOIN orders o \
        ON o.merchant = t.merchant AND o.number = t.order_number \
        WHERE t.merchant = $1 AND t.number = $2 UNION ALL \
        SELECT o.number, o.last_event, 4 FROM returns q JOIN orders o ON o.merchant = q.merchant \
        AND o.number = q.order_number WHERE q.merchant = $1 AND q.number = $2 UNION ALL \
        SELECT number, last_event, 5 FROM credit_accounts \
        WHERE merchant = $1 AND number = $2 UNION ALL \
        SELECT 0, last_event, 6 FROM merchants WHERE number = $1) AS found ORDER BY rank LIMIT 1";
    let (sql, number) = match (filter.order, filter.subject) {
        (Some(order), _) => (of_order, order.0),
        (None, subject) => (of_row, subject.unwrap_or(0)),
    };
    let steps = [Step::Plain(SNAPSHOT), Step::Query(sql, vec![&merchant.0, &number])];
    let found = lent.send(&steps).await?;
    Ok(found[1].first().map(|row| (row.get(0), row.get(1))))
}

/// Newest first, from its newest event back to its first.
async fn chain(
    lent: &mut Lent,
    merchant: MerchantId,
    order: i64,
    last_event: i64,
) -> Result<Vec<Event>, Fail> {
    static SQL: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        format!(
            "WITH RECURSIVE chain AS (SELECT * FROM events WHERE merchant = $1 AND number = $2 \
            UNION ALL SELECT e.* FROM chain JOIN events e ON e.merchant = $1 \
            AND e.number = chain.previous AND e.number < chain.number) \
            SELECT {} FROM chain ORDER BY number DESC",
            rows::EVENT
        )
    });
    let found = lent.send(&[Step::Query(&SQL, vec![&merchant.0, &last_event])]).await?;
    let (mut events, mut next) = (Vec::new(), last_event);
    for row in &found[0] {
        let (event, previous) = rows::event(&mut Cells::of(row))?;
        if event.order.map_or(0, |order| order.0) != order {
            let why = format!("event {next} is in a chain that is not its own");
            return Err(Fail::Damaged(why));
        }
        events.push(event);
        next = previous;
    }
    if next != 0 { Err(missing("event", next)) } else { Ok(events) }
}
