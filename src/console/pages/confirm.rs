//! What waits for somebody to confirm it: one or many at once.

use askama::Template;
use axum::response::Response;
use refundry_domain::command::{Command, Target};
use refundry_domain::ids::RefundId;
use refundry_domain::refund::State;

use super::orders::refund_cells;
use crate::console::ask;
use crate::console::cell::Cell;
use crate::console::form::sentence;
use crate::console::list::{self, Pager, Table, pager};
use crate::console::shell::Shell;
use crate::console::visit::{Trouble, Visit, html, id};
use crate::console::{csv, label, say};
use crate::dialects::shared::right::{Reads, Right};
use crate::store::RefundFilter;

/// How many are decided at once: what a page shows.
const MOST: usize = 25;

#[derive(Template)]
#[template(path = "confirm.html")]
struct Page<'a> {
    shell: &'a Shell,
    table: Table,
    pager: Pager,
    did: Option<String>,
    problems: Vec<String>,
}

pub async fn list(visit: Visit) -> Result<Response, Trouble> {
    if list::wants_csv(&visit.query) {
        let part = |visit: Visit| async move {
            let (table, pager) = waiting(&visit).await?;
            Ok::<_, Trouble>(csv::Part::of(table, pager))
        };
        return csv::export(visit, "to-confirm", part).await;
    }
    page(&visit, None, Vec::new()).await
}

/// The part of the list that an address asks for.
async fn waiting(visit: &Visit) -> Result<(Table, Pager), Trouble> {
    let right: Right<Reads> = visit.right()?;
    let filter = RefundFilter { states: vec![State::Unconfirmed], ..RefundFilter::default() };
    let slice = right.refunds(filter, list::page(&visit.query)).await?;
    let titles = [
        "Refund",
        "Waits for",
        "#Amount",
        "-Refunded",
        "Goes to",
        "How",
        "Requested",
        "Order",
        "-Currency",
        "Reason",
        "-Failure",
    ];
    let mut table = Table::new("Refunds to confirm", &titles);
    for refund in &slice.rows {
        let name = format!("ref_{}, {}", refund.id, say::money(refund.amount, refund.currency));
        let mut cells = refund_cells(&visit.say, refund);
        // The state is that of the page; why it waits is not.
        cells[1] = Cell::text(refund.waiting_for().map_or("", label::waits_for));
        table.add_choice(format!("ref_{}", refund.id), name, cells);
    }
    let pager = pager("/console/confirm", &visit.query, &slice, |refund| refund.id.0);
    Ok((table, pager))
}

async fn page(
    visit: &Visit,
    did: Option<String>,
    problems: Vec<String>,
) -> Result<Response, Trouble> {
    let (mut table, pager) = waiting(visit).await?;
    let shell = visit.shell("To confirm")?;
    table.choose = table.choose && (shell.writes || shell.approves);
    let status = if problems.is_empty() { 200 } else { 422 };
    html(status, &Page { shell: &shell, table, pager, did, problems })
}

pub async fn decide(visit: Visit) -> Result<Response, Trouble> {
    let chosen: Vec<RefundId> = visit
        .form
        .all("refund")
        .filter_map(|text| id(text, "ref_"))
        .map(RefundId)
        .take(MOST)
        .collect();
    if chosen.is_empty() {
        return page(&visit, None, vec!["Choose at least one refund.".to_owned()]).await;
    }
    let confirms = visit.form.text("do") == Some("confirm");
    let (mut done, mut problems) = (0, Vec::new());
    for refund in chosen {
        let about = format!("-{refund}");
        let became = if confirms {
            ask::confirm(&visit, &about, refund).await?
        } else {
            let command = Command::Cancel { reason: None };
            ask::carry_out_about(&visit, &about, Target::Refund(refund), command).await?
        };
        match became {
            Ok(_) => done += 1,
            Err((_, why)) => problems.push(format!("ref_{refund}: {}", sentence(&why))),
        }
    }
    let verb = if confirms { "confirmed" } else { "canceled" };
    let did = (done > 0).then(|| format!("{} {verb}.", say::plural(done, "refund")));
    page(&visit, did, problems).await
}
