//! One box for whatever somebody has at hand: an id, a number of the shop's or a provider's, a
//! customer, an amount. All but amounts are looked up in everything, by an index; amounts in the
//! newest stretch, and the list that a link leads to goes on from there.

use askama::Template;
use axum::response::Response;
use refundry_domain::ids::{OrderId, OrderRef, RefundId, ReturnId, TransactionId};
use refundry_domain::money::Exact;

use super::{credits, orders};
use crate::console::cell::Cell;
use crate::console::label;
use crate::console::list::{self, Table};
use crate::console::query::href;
use crate::console::shell::Shell;
use crate::console::visit::{Trouble, Visit, html, id, redirect};
use crate::dialects::shared::right::{Reads, Right};
use crate::store::credits::AccountFilter;
use crate::store::{
    Bound, Comparison, Measured, Movement, OrderFilter, Page as Part, RefundFilter, RefundSearch,
    ReturnFilter, TransactionFilter, TransactionRow,
};

/// How many rows of a kind are shown, so that the page stays small.
const SHOWN: u32 = 10;

/// What was found of a kind, and where the rest of it is.
struct Found {
    table: Table,
    more: Option<(&'static str, String)>,
}

#[derive(Template)]
#[template(path = "search.html")]
struct Page<'a> {
    shell: &'a Shell,
    asked: &'a str,
    found: Vec<Found>,
    /// Where amounts are looked for further down, when this is one.
    further: Vec<(&'static str, String)>,
}

fn first(limit: u32) -> Part {
    Part { after: None, before: None, limit, oldest_first: false }
}

pub async fn find(visit: Visit) -> Result<Response, Trouble> {
    let right: Right<Reads> = visit.right()?;
    let asked = visit.query.text("q").unwrap_or_default();
    let (mut found, mut further) = (Vec::new(), Vec::new());
    if !asked.is_empty() && asked.len() <= 300 {
        if let Some(place) = by_id(&right, asked).await? {
            return Ok(redirect(&place));
        }
        found.extend(exact(&visit, &right, asked).await?);
        if let [only] = found.as_slice()
            && let [row] = only.table.rows.as_slice()
            && let Some(href) = row.cells.first().and_then(|cell| cell.href.clone())
        {
            return Ok(redirect(&href));
        }
        found.extend(by_person(&visit, &right, asked).await?);
        if let Ok(figure) = Exact::parse(asked) {
            found.extend(by_amount(&visit, &right, asked, figure, &mut further).await?);
        }
    }
    found.retain(|found| !found.table.is_empty());
    let shell = visit.shell("Search")?;
    html(200, &Page { shell: &shell, asked, found, further })
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
    if asked.starts_with("acc_")
        && let Some(place) = credits::place_of(asked)
    {
        return Ok(Some(place));
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

async fn exact(visit: &Visit, right: &Right<Reads>, asked: &str) -> Result<Vec<Found>, Trouble> {
    let text = Some(asked.to_owned());
    let by_reference = OrderFilter { reference: text.clone(), ..Default::default() };
    let mut rows = right.orders(by_reference, first(SHOWN)).await?.rows;
    let by_customer = OrderFilter { customer: text.clone(), ..Default::default() };
    let customers = right.orders(by_customer, first(SHOWN)).await?;
    rows.extend(customers.rows);
    let all = || ("All orders of this customer", href("/console/orders", &[("customer", asked)]));
    let of_customer = AccountFilter { customer: text.clone(), kinds: Vec::new() };
    let accounts = right.credit_accounts(of_customer, first(SHOWN)).await?;
    let all_accounts =
        || ("All accounts of this customer", href("/console/credits", &[("customer", asked)]));
    let returns = ReturnFilter { reference: text.clone(), ..Default::default() };
    let returns = right.returns(returns, first(SHOWN)).await?.rows;
    let filter = TransactionFilter { provider_reference: text, ..Default::default() };
    let transactions = right.transactions(filter, first(SHOWN)).await?.rows;
    let mut found = vec![
        Found { table: orders::table(&visit.say, &rows), more: customers.more.then(all) },
        Found {
            table: credits::table(&visit.say, &accounts.rows),
            more: accounts.more.then(all_accounts),
        },
        Found { table: super::returns::table(&visit.say, &returns, "Returns"), more: None },
        Found { table: transactions_table(visit, &transactions), more: None },
    ];
    found.retain(|found| !found.table.is_empty());
    Ok(found)
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

async fn by_person(
    visit: &Visit,
    right: &Right<Reads>,
    asked: &str,
) -> Result<Option<Found>, Trouble> {
    let filter = OrderFilter { person: Some(asked.to_owned()), ..OrderFilter::default() };
    let slice = right.orders(filter, first(SHOWN)).await?;
    let mut table = orders::table(&visit.say, &slice.rows);
    table.caption = "Orders by name or email";
    let all = || ("All of them", href("/console/orders", &[("person", asked)]));
    Ok(Some(Found { table, more: slice.more.then(all) }))
}

/// What was captured and what was refunded, among the newest rows.
async fn by_amount(
    visit: &Visit,
    right: &Right<Reads>,
    asked: &str,
    figure: Exact,
    further: &mut Vec<(&'static str, String)>,
) -> Result<Vec<Found>, Trouble> {
    let newest = right.refunds(RefundFilter::default(), list::newest()).await?.rows;
    let end = newest.first().map_or(1, |refund| refund.id.0 + 1);
    let stretch = list::newest_stretch(end, SHOWN);
    let bounds = vec![Bound { of: Measured::Amount, is: Comparison::Equal, figure }];
    let search = RefundSearch { bounds, ..RefundSearch::default() };
    let filter = RefundFilter { search, ..RefundFilter::default() };
    let refunds = right.refunds(filter, stretch.page).await?;
    if refunds.more || stretch.goes_on() {
        let place = href("/console/refunds", &[("amount", asked)]);
        further.push(("Look on among all refunds", place));
    }
    let newest = right.orders(OrderFilter::default(), list::newest()).await?.rows;
    let end = newest.first().map_or(1, |order| order.id.0 + 1);
    let stretch = list::newest_stretch(end, SHOWN);
    let filter = OrderFilter { amount: Some(figure), ..OrderFilter::default() };
    let paid = right.orders(filter, stretch.page).await?;
    if paid.more || stretch.goes_on() {
        let place = href("/console/orders", &[("amount", asked)]);
        further.push(("Look on among all orders", place));
    }
    let mut table = orders::table(&visit.say, &paid.rows);
    table.caption = "Orders of this amount";
    let refunds = orders::refunds_table(&visit.say, &refunds.rows, "Refunds of this amount");
    Ok(vec![Found { table: refunds, more: None }, Found { table, more: None }])
}
