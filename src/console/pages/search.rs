//! One box for whatever somebody has at hand: an id, a number of the shop's or a provider's, a
//! customer, an amount. What an index answers is searched in everything; names and amounts are
//! looked for among the newest rows only, and the page says so.

use askama::Template;
use axum::response::Response;
use refundry_domain::ids::{OrderId, OrderRef, RefundId, ReturnId, TransactionId};
use refundry_domain::money::{Exact, Money};
use refundry_domain::order::Order;
use refundry_domain::refund::Refund;

use super::orders;
use crate::console::cell::Cell;
use crate::console::label;
use crate::console::list::Table;
use crate::console::shell::Shell;
use crate::console::visit::{Trouble, Visit, html, id, redirect};
use crate::dialects::shared::right::{Reads, Right};
use crate::store::{
    Movement, OrderFilter, Page as Part, RefundFilter, ReturnFilter, TransactionFilter,
    TransactionRow,
};

/// How many rows of an exact answer are shown, and how many of the newest are looked through.
const SHOWN: u32 = 25;
const LOOK: u32 = 200;
/// How many of those that fit are shown.
const FIT: usize = 20;

#[derive(Template)]
#[template(path = "search.html")]
struct Page<'a> {
    shell: &'a Shell,
    asked: &'a str,
    tables: Vec<Table>,
    looked: u32,
}

fn first(limit: u32) -> Part {
    Part { after: None, before: None, limit, oldest_first: false }
}

pub async fn find(visit: Visit) -> Result<Response, Trouble> {
    let right: Right<Reads> = visit.right()?;
    let asked = visit.query.text("q").unwrap_or_default();
    let mut tables = Vec::new();
    if !asked.is_empty() && asked.len() <= 300 {
        if let Some(place) = by_id(&right, asked).await? {
            return Ok(redirect(&place));
        }
        tables.extend(exact(&visit, &right, asked).await?);
        if let [only] = tables.as_slice()
            && let [row] = only.rows.as_slice()
            && let Some(href) = row.cells.first().and_then(|cell| cell.href.clone())
        {
            return Ok(redirect(&href));
        }
        if tables.is_empty() {
            tables.extend(newest(&visit, &right, asked).await?);
        }
    }
    let shell = visit.shell("Search")?;
    html(200, &Page { shell: &shell, asked, tables, looked: LOOK })
}

/// Where the row of this id or bare number is shown; numbers are of one sequence.
async fn by_id(right: &Right<Reads>, asked: &str) -> Result<Option<String>, Trouble> {
    let bare = asked.bytes().all(|byte| byte.is_ascii_digit());
    let is = |prefix: &str| bare || asked.starts_with(prefix);
    let number = |prefix: &str| id(asked, prefix).filter(|_| is(prefix));
    if let Some(number) = number("ord_")
        && right.order(OrderRef::Id(OrderId(number))).await?.is_some()
    {
        // A shop's own number is meant more often than ours, when both are known.
        let same = bare && right.order(OrderRef::Reference(asked.to_owned())).await?.is_some();
        return Ok((!same).then(|| format!("/console/orders/ord_{number}")));
    }
    if let Some(number) = number("ref_")
        && right.refund(RefundId(number)).await?.is_some()
    {
        return Ok(Some(format!("/console/refunds/ref_{number}")));
    }
    if let Some(number) = number("ret_")
        && right.return_of(ReturnId(number)).await?.is_some()
    {
        return Ok(Some(format!("/console/returns/ret_{number}")));
    }
    if let Some(number) = number("txn_")
        && let Some(row) = right.transaction(TransactionId(number)).await?
    {
        return Ok(Some(place_of(&row)));
    }
    Ok(None)
}

fn place_of(row: &TransactionRow) -> String {
    match &row.movement {
        Movement::In(_) => format!("/console/orders/ord_{}", row.order),
        Movement::Back(back) => format!("/console/refunds/ref_{}", back.refund),
    }
}

async fn exact(visit: &Visit, right: &Right<Reads>, asked: &str) -> Result<Vec<Table>, Trouble> {
    let text = Some(asked.to_owned());
    let mut found = right
        .orders(OrderFilter { reference: text.clone(), ..Default::default() }, first(SHOWN))
        .await?
        .rows;
    let by_customer = OrderFilter { customer: text.clone(), ..Default::default() };
    found.extend(right.orders(by_customer, first(SHOWN)).await?.rows);
    let returns = ReturnFilter { reference: text.clone(), ..Default::default() };
    let returns = right.returns(returns, first(SHOWN)).await?.rows;
    let filter = TransactionFilter { provider_reference: text, ..Default::default() };
    let transactions = right.transactions(filter, first(SHOWN)).await?.rows;
    let mut tables = vec![
        orders::table(&visit.say, &found),
        super::returns::table(&visit.say, &returns, "Returns"),
        transactions_table(visit, &transactions),
    ];
    tables.retain(|table| !table.is_empty());
    Ok(tables)
}

fn transactions_table(visit: &Visit, rows: &[TransactionRow]) -> Table {
    let titles = ["Transaction", "Kind", "#Amount", "Provider", "Provider's id", "Made"];
    let mut table = Table::new("Payments and payouts", &titles);
    for row in rows {
        let (kind, amount, provider, reference, at) = match &row.movement {
            Movement::In(it) => (
                label::payment(it.kind),
                it.amount,
                &it.provider,
                &it.provider_reference,
                it.created_at,
            ),
            Movement::Back(it) => {
                ("Payout", it.amount, &it.provider, &it.provider_reference, it.created_at)
            }
        };
        table.add(vec![
            Cell::code(format!("txn_{}", row.number())).to(place_of(row)),
            Cell::text(kind),
            Cell::money(amount, row.currency),
            Cell::text(provider),
            Cell::of(reference.as_deref()),
            visit.say.time(at),
        ]);
    }
    table
}

async fn newest(visit: &Visit, right: &Right<Reads>, asked: &str) -> Result<Vec<Table>, Trouble> {
    let mut orders = right.orders(OrderFilter::default(), first(LOOK)).await?.rows;
    let amount = Exact::parse(asked).ok();
    orders.retain(|order| is_named(order, asked) || costs(order, amount));
    orders.truncate(FIT);
    let mut refunds = right.refunds(RefundFilter::default(), first(LOOK)).await?.rows;
    refunds.retain(|refund| is_of(refund, amount));
    refunds.truncate(FIT);
    let mut tables = vec![
        orders::table(&visit.say, &orders),
        orders::refunds_table(&visit.say, &refunds, "Refunds"),
    ];
    tables.retain(|table| !table.is_empty());
    Ok(tables)
}

fn is_named(order: &Order, asked: &str) -> bool {
    let asked = asked.to_lowercase();
    let known = [&order.customer.name, &order.customer.email];
    known.into_iter().flatten().any(|text| text.to_lowercase().contains(&asked))
}

fn costs(order: &Order, amount: Option<Exact>) -> bool {
    let asked = amount.and_then(|figure| Money::read(figure, order.currency).ok());
    asked.is_some_and(|money| money.minor() == order.captured)
}

fn is_of(refund: &Refund, amount: Option<Exact>) -> bool {
    let asked = amount.and_then(|figure| Money::read(figure, refund.currency).ok());
    asked.is_some_and(|money| money.minor() == refund.amount)
}
