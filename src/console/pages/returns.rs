//! Returns and complaints: the list, and one whose state is moved on.

use askama::Template;
use axum::response::Response;
use refundry_domain::command::{Command, ReturnChange, Target};
use refundry_domain::ids::{OrderId, OrderRef, ReturnId};
use refundry_domain::returns::{Return, ReturnState};

use super::orders::{line_name, refunds_table};
use super::{Filter, ListPage, listed};
use crate::console::ask;
use crate::console::cell::{Cell, Fact, fact, fact_of};
use crate::console::form::{Draft, Wrongs, sentence};
use crate::console::label;
use crate::console::list::{self, Choice, Table, choice, choices, pager};
use crate::console::say::Say;
use crate::console::shell::Shell;
use crate::console::visit::{Trouble, Visit, html, id, redirect_done};
use crate::dialects::shared::right::{Reads, Right};
use crate::store::{Page as Part, RefundFilter, ReturnFilter};

pub async fn list(visit: Visit) -> Result<Response, Trouble> {
    listed(visit, "returns", part).await
}

/// The part of the list that an address asks for.
async fn part(visit: Visit) -> Result<ListPage, Trouble> {
    let right: Right<Reads> = visit.right()?;
    let query = &visit.query;
    let filter = ReturnFilter {
        // No index has it.
        kind: None,
        states: query.all("state").filter_map(ReturnState::parse).collect(),
        order: query.text("order").and_then(|it| id(it, "ord_")).map(OrderId),
        reference: query.text("reference").map(str::to_owned),
        ..ReturnFilter::default()
    };
    let slice = right.returns(filter, list::page(query)).await?;
    let shell = visit.shell("Returns")?;
    let states =
        choices(query, "state", &ReturnState::ALL, |it| (it.name(), label::return_state(it).0));
    Ok(ListPage {
        shell,
        intro: "Goods that come back, and claims about goods.",
        filters: vec![
            Filter::text(&visit, "reference", "Reference"),
            Filter::select("state", "State", states),
        ],
        table: table(&visit.say, &slice.rows, "Returns"),
        pager: pager("/console/returns", query, &slice, |row| row.id.0),
        empty: "No return matches. Open one on the page of its order; POST /v1/returns does the same.",
        problem: None,
    })
}

pub fn table(say: &Say, returns: &[Return], caption: &'static str) -> Table {
    let titles = ["Return", "Reference", "Kind", "State", "Order", "Reason", "Opened", "Closed"];
    let mut table = Table::new(caption, &titles);
    for row in returns {
        let href = format!("/console/returns/ret_{}", row.id);
        table.add(vec![
            Cell::code(format!("ret_{}", row.id)).to(&href),
            Cell::link(&row.reference, &href),
            Cell::text(label::return_kind(row.kind)),
            Cell::pill(label::return_state(row.state)),
            Cell::code(format!("ord_{}", row.order))
                .to(format!("/console/orders/ord_{}", row.order)),
            Cell::text(&row.reason),
            say.time(row.created_at),
            say.time_or(row.closed_at, ""),
        ]);
    }
    table
}

#[derive(Template)]
#[template(path = "return.html")]
struct Page<'a> {
    shell: &'a Shell,
    path: String,
    title: String,
    state: Cell,
    facts: Vec<Fact>,
    items: Table,
    refunds: Table,
    notes: Vec<(String, String)>,
    open: bool,
    states: Vec<Choice>,
    reason: String,
    draft: Draft,
}

async fn find(visit: &Visit) -> Result<Return, Trouble> {
    let right: Right<Reads> = visit.right()?;
    let id = visit.id("ret_").map(ReturnId).ok_or_else(|| Trouble::missing("return"))?;
    right.return_of(id).await?.ok_or_else(|| Trouble::missing("return"))
}

pub async fn show(visit: Visit) -> Result<Response, Trouble> {
    let row = find(&visit).await?;
    page(&visit, &row, Draft::default()).await
}

async fn page(visit: &Visit, row: &Return, draft: Draft) -> Result<Response, Trouble> {
    let right: Right<Reads> = visit.right()?;
    let filter = RefundFilter { return_id: Some(row.id), ..RefundFilter::default() };
    let part = Part { after: None, before: None, limit: 100, oldest_first: false };
    let refunds = right.refunds(filter, part).await?.rows;
    let title = format!("{} {}", label::return_kind(row.kind), row.reference);
    let shell = visit.shell(&title)?;
    let book = right.order(OrderRef::Id(row.order)).await?;
    let lines = book.map(|book| book.lines).unwrap_or_default();
    let mut items = Table::new("What comes back", &["Line", "What", "#Units", "Reason"]);
    for item in &row.items {
        let line = lines.iter().find(|line| line.position == item.line);
        items.add(vec![
            Cell::text(item.line.to_string()),
            Cell::text(line.map(line_name).unwrap_or_default()),
            Cell::text(item.quantity.to_string()),
            Cell::text(&item.reason),
        ]);
    }
    let order = format!("ord_{}", row.order);
    let facts = [
        Some(fact("Id", Cell::code(format!("ret_{}", row.id)))),
        Some(fact("Order", Cell::code(order.clone()).to(format!("/console/orders/{order}")))),
        fact_of("Reason", Some(&row.reason)),
        Some(fact("Opened", visit.say.time(row.created_at))),
        row.closed_at.map(|at| fact("Closed", visit.say.time(at))),
    ];
    let chosen = draft.or("state", row.state.name());
    let states = ReturnState::ALL.iter().filter(|it| !it.is_closed());
    let states =
        states.map(|it| choice(it.name(), label::return_state(*it).0, chosen == it.name()));
    let status = if draft.is_wrong() { 422 } else { 200 };
    let page = Page {
        path: format!("/console/returns/ret_{}", row.id),
        title,
        state: Cell::pill(label::return_state(row.state)),
        facts: facts.into_iter().flatten().collect(),
        items,
        refunds: refunds_table(&visit.say, &refunds, "Refunds of this return"),
        notes: row.metadata.clone().into_iter().collect(),
        open: shell.writes && !row.state.is_closed(),
        states: states.collect(),
        reason: draft.or("reason", &row.reason),
        shell: &shell,
        draft,
    };
    html(status, &page)
}

pub async fn change(visit: Visit) -> Result<Response, Trouble> {
    let row = find(&visit).await?;
    let Some(state) = visit.form.text("state").and_then(ReturnState::parse) else {
        let wrongs = Wrongs::one("state", "Choose one of the list.");
        return page(&visit, &row, Draft::refused(&visit.form, wrongs)).await;
    };
    let reason = visit.form.written("reason").trim();
    let change = ReturnChange {
        state: Some(state).filter(|state| *state != row.state),
        reason: Some(reason).filter(|it| *it != row.reason).map(str::to_owned),
        metadata: None,
    };
    let command = Command::ChangeReturn(change);
    match ask::carry_out(&visit, Target::Return(row.id), command).await? {
        Ok(_) => Ok(redirect_done(visit.path(), "changed")),
        Err((field, why)) => {
            let wrongs = Wrongs::told(&field, &why, &["state", "reason"]);
            page(&visit, &row, Draft::refused(&visit.form, wrongs)).await
        }
    }
}

/// Closed for good, as one of the ways to end.
pub async fn close(visit: Visit) -> Result<Response, Trouble> {
    let row = find(&visit).await?;
    let state = visit.form.text("state").and_then(ReturnState::parse);
    let Some(state) = state.filter(|state| state.is_closed()) else {
        let wrongs = Wrongs::one("", "Choose how it ends: done, rejected or canceled.");
        return page(&visit, &row, Draft::refused(&visit.form, wrongs)).await;
    };
    let change = ReturnChange { state: Some(state), ..ReturnChange::default() };
    match ask::carry_out(&visit, Target::Return(row.id), Command::ChangeReturn(change)).await? {
        Ok(_) => Ok(redirect_done(&format!("/console/returns/ret_{}", row.id), "closed")),
        Err((_, why)) => {
            let wrongs = Wrongs::one("", sentence(&why));
            page(&visit, &row, Draft::refused(&visit.form, wrongs)).await
        }
    }
}
