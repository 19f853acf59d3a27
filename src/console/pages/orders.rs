//! Orders: the list, and one with its balances.

use askama::Template;
use axum::response::Response;
use refundry_domain::book::Book;
use refundry_domain::ids::{OrderId, OrderRef};
use refundry_domain::money::{Currency, Minor};
use refundry_domain::order::{Line, Order, Payment};
use refundry_domain::refund::Refund;

use super::{Filter, ListPage, listed};
use crate::console::cell::{Cell, Fact, fact, fact_of};
use crate::console::label;
use crate::console::list::{self, Pager, Table, pager, stretch_pager};
use crate::console::say::Say;
use crate::console::shell::Shell;
use crate::console::visit::{Trouble, Visit, html};
use crate::dialects::shared::right::{Reads, Right};
use crate::store::{OrderFilter, Page, RefundFilter, Slice, Sorted};

pub async fn list(visit: Visit) -> Result<Response, Trouble> {
    listed(visit, "orders", part).await
}

/// The part of the list that an address asks for.
async fn part(visit: Visit) -> Result<ListPage, Trouble> {
    let right: Right<Reads> = visit.right()?;
    let query = &visit.query;
    let (amount, problem) = list::amount(query);
    let text = |name: &str| query.text(name).map(str::to_owned);
    let (from, until) = (query.text("from"), query.text("until"));
    let filter = OrderFilter {
        reference: text("reference"),
        customer: text("customer"),
        person: text("person"),
        created_from: from.and_then(|day| visit.say.start_of(day)),
        created_until: until.and_then(|day| visit.say.end_of(day)),
        amount,
        ..OrderFilter::default()
    };
    let path = "/console/orders";
    let (slice, pager) = if problem.is_some() {
        (Slice { rows: Vec::new(), more: false }, Pager::default())
    } else if amount.is_some() {
        // No index has it.
        let newest = list::newest();
        let newest = right.orders(OrderFilter::default(), newest).await?.rows;
        let end = newest.first().map_or(1, |order| order.id.0 + 1);
        let stretch = list::stretch(query, 1, end);
        let slice = right.orders(filter, stretch.page).await?;
        let pager = stretch_pager(path, query, &stretch, &slice, |order| order.id.0);
        (slice, pager)
    } else {
        let days = filter.created_from.is_some() || filter.created_until.is_some();
        // Those of a name are at hand in the order of their numbers.
        let by_day = days && filter.person.is_none();
        let sorted = if by_day { Sorted::Day } else { Sorted::Number };
        let slice = right.orders(OrderFilter { sorted, ..filter }, list::page(query)).await?;
        let pager = pager(path, query, &slice, |order| order.id.0);
        (slice, pager)
    };
    let empty = if pager.older.is_some() {
        "No order matches among those that were looked through. Go on with Next."
    } else {
        "No order matches. Orders come in through the API: POST /v1/orders registers one."
    };
    let shell = visit.shell("Orders")?;
    Ok(ListPage {
        shell,
        intro: "What customers bought, and what of it was given back.",
        filters: vec![
            Filter::text(&visit, "reference", "Reference"),
            Filter::text(&visit, "person", "Name or email"),
            Filter::text(&visit, "customer", "Customer's number"),
            Filter::text(&visit, "amount", "Amount captured"),
            Filter::date(&visit, "from", "Ordered from"),
            Filter::date(&visit, "until", "Ordered to"),
        ],
        table: table(&visit.say, &slice.rows),
        pager,
        empty,
        problem,
    })
}

pub fn table(say: &Say, orders: &[Order]) -> Table {
    let titles = [
        "Order",
        "Reference",
        "Customer",
        "Ordered",
        "#Captured",
        "#Refunded",
        "#Held",
        "#Disputed",
        "-Currency",
        "-Email",
    ];
    let mut table = Table::new("Orders", &titles);
    for order in orders {
        let href = format!("/console/orders/ord_{}", order.id);
        table.add(vec![
            Cell::code(format!("ord_{}", order.id)).to(&href),
            Cell::link(&order.reference, &href),
            Cell::text(customer(order)),
            say.time(order.created_at),
            Cell::money(order.captured, order.currency),
            Cell::money(order.refunded, order.currency),
            Cell::money(order.held, order.currency),
            Cell::money(order.blocked, order.currency),
            Cell::text(order.currency.code()),
            Cell::of(order.customer.email.as_deref()),
        ]);
    }
    table
}

/// The customer in the fewest words that say who.
pub fn customer(order: &Order) -> String {
    let customer = &order.customer;
    let known = [&customer.name, &customer.email, &customer.reference];
    known.into_iter().flatten().next().cloned().unwrap_or_default()
}

/// One piece of a bar: where it begins and how long it is, in thousandths, and what it stands for.
pub struct Piece {
    pub tone: &'static str,
    pub label: &'static str,
    pub amount: Cell,
    pub from: i64,
    pub long: i64,
}

/// A balance as a bar; its pieces are told in words too.
pub struct Bar {
    pub pieces: Vec<Piece>,
}

impl Bar {
    /// The pieces of a whole. This draws, and decides nothing.
    fn of(whole: Minor, currency: Currency, pieces: &[(&'static str, &'static str, Minor)]) -> Bar {
        let scale = |amount: Minor| amount.get().saturating_mul(1_000) / whole.get().max(1);
        let mut drawn = Vec::new();
        let mut from = 0;
        for (tone, label, amount) in pieces {
            let long = scale(*amount).clamp(i64::from(!amount.is_zero()) * 4, 1_000);
            let amount = Cell::money(*amount, currency);
            drawn.push(Piece { tone, label, amount, from: from.min(996), long });
            from += long;
        }
        Bar { pieces: drawn }
    }
}

/// A payment with its balance.
struct PaymentView {
    facts: Vec<Fact>,
    title: String,
    amount: Cell,
    bar: Option<Bar>,
}

struct LineView {
    cells: Vec<(&'static str, Cell)>,
    bar: Bar,
}

#[derive(Template)]
#[template(path = "order.html")]
struct OrderPage<'a> {
    shell: &'a Shell,
    order: &'a Order,
    id: String,
    facts: Vec<Fact>,
    total: Bar,
    left: Cell,
    captured: Cell,
    can_refund: bool,
    payments: Vec<PaymentView>,
    lines: Vec<LineView>,
    refunds: Table,
    returns: Table,
    events: String,
    notes: Vec<(String, String)>,
}

pub async fn find(visit: &Visit, right: &Right<Reads>) -> Result<Book, Trouble> {
    let id = visit.id("ord_").map(OrderId).ok_or_else(|| Trouble::missing("order"))?;
    right.order(OrderRef::Id(id)).await?.ok_or_else(|| Trouble::missing("order"))
}

pub async fn show(visit: Visit) -> Result<Response, Trouble> {
    let right: Right<Reads> = visit.right()?;
    let book = find(&visit, &right).await?;
    let order = &book.order;
    let filter = RefundFilter { order: Some(order.id), ..RefundFilter::default() };
    let page = Page { after: None, before: None, limit: 100, oldest_first: false };
    let refunds = right.refunds(filter, page).await?.rows;
    let id = format!("ord_{}", order.id);
    let shell = visit.shell(&format!("Order {}", order.reference))?;
    let left = book.left();
    let page = OrderPage {
        shell: &shell,
        facts: facts(&visit.say, order),
        total: balance(
            order.currency,
            order.captured,
            order.refunded,
            order.held,
            order.blocked,
            left,
        ),
        left: Cell::money(left, order.currency),
        captured: Cell::money(order.captured, order.currency),
        can_refund: shell.writes && !left.is_zero(),
        payments: book
            .payments
            .iter()
            .map(|row| payment(&visit.say, row, order.currency))
            .collect(),
        lines: book.lines.iter().map(|row| line(row, order.currency)).collect(),
        refunds: refunds_table(&visit.say, &refunds, "Refunds of this order"),
        returns: super::returns::table(&visit.say, &book.returns, "Returns of this order"),
        events: format!("/console/audit?order={id}"),
        notes: order.metadata.clone().into_iter().collect(),
        order,
        id,
    };
    html(200, &page)
}

fn facts(say: &Say, order: &Order) -> Vec<Fact> {
    let customer = &order.customer;
    let known = [
        Some(fact("Id", Cell::code(format!("ord_{}", order.id)))),
        Some(fact("Ordered", say.time(order.created_at))),
        fact_of("Customer", customer.name.as_deref()),
        fact_of("Email", customer.email.as_deref()),
        customer.reference.as_deref().map(|reference| {
            let query = [("customer", reference)];
            let href = crate::console::query::href("/console/orders", &query);
            fact("Customer's number", Cell::link(reference, href))
        }),
        Some(fact("Fulfilled", say.time_or(order.fulfilled_at, "not yet"))),
    ];
    known.into_iter().flatten().collect()
}

fn balance(
    currency: Currency,
    captured: Minor,
    refunded: Minor,
    held: Minor,
    blocked: Minor,
    left: Minor,
) -> Bar {
    let pieces = [
        ("paid", "Refunded", refunded),
        ("held", "Held", held),
        ("blocked", "Disputed", blocked),
        ("left", "Left", left),
    ];
    Bar::of(captured, currency, &pieces)
}

fn payment(say: &Say, row: &Payment, currency: Currency) -> PaymentView {
    let facts = [
        Some(fact("Id", Cell::code(format!("txn_{}", row.id)))),
        Some(fact("Provider", Cell::text(&row.provider))),
        fact_of("Method", Some(&row.method)),
        row.provider_reference
            .as_deref()
            .map(|reference| fact("Provider's id", Cell::code(reference))),
        Some(fact("Paid", say.time(row.created_at))),
    ];
    let bar = row
        .kind
        .captures()
        .then(|| balance(currency, row.captured, row.refunded, row.held, row.blocked, row.left()));
    PaymentView {
        facts: facts.into_iter().flatten().collect(),
        title: label::payment(row.kind).to_owned(),
        amount: Cell::money(row.amount, currency),
        bar,
    }
}

/// What a line is called.
pub fn line_name(row: &Line) -> String {
    let known = [&row.name, &row.sku].into_iter().flatten().next();
    known.cloned().unwrap_or_else(|| label::line(row.kind).to_owned())
}

fn line(row: &Line, currency: Currency) -> LineView {
    let units = format!("{} of {} left", row.quantity_left(), row.quantity);
    let cells = vec![
        ("Line", Cell::text(row.position.to_string())),
        ("What", Cell::text(line_name(row))),
        ("Kind", Cell::text(label::line(row.kind))),
        ("Units", Cell::text(units)),
        ("Amount", Cell::money(row.amount, currency)),
        ("Taken", Cell::money(row.taken, currency)),
        ("Left", Cell::money(row.left(), currency)),
    ];
    let pieces = [("paid", "Refunded or held", row.taken), ("left", "Left", row.left())];
    LineView { cells, bar: Bar::of(row.amount, currency, &pieces) }
}

/// Refunds as every list of them has them.
pub fn refunds_table(say: &Say, refunds: &[Refund], caption: &'static str) -> Table {
    let titles = [
        "Refund",
        "State",
        "#Amount",
        "#Refunded",
        "Goes to",
        "How",
        "Requested",
        "Order",
        "-Currency",
        "-Reason",
        "-Failure",
    ];
    let mut table = Table::new(caption, &titles);
    for refund in refunds {
        table.add(refund_cells(say, refund));
    }
    table
}

pub fn refund_cells(say: &Say, refund: &Refund) -> Vec<Cell> {
    let href = format!("/console/refunds/ref_{}", refund.id);
    vec![
        Cell::code(format!("ref_{}", refund.id)).to(href),
        Cell::pill(label::state(refund.state)),
        Cell::money(refund.amount, refund.currency),
        Cell::money(refund.refunded, refund.currency),
        Cell::word(label::destination(refund.to)),
        Cell::text(label::execution(refund.execution)),
        say.time(refund.created_at),
        Cell::code(format!("ord_{}", refund.order))
            .to(format!("/console/orders/ord_{}", refund.order)),
        Cell::text(refund.currency.code()),
        Cell::of(refund.reason.as_deref()),
        Cell::of(refund.failure.as_ref().map(|failure| failure.message.as_str())),
    ]
}
