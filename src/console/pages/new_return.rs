//! A return of an order is opened: which units come back, and why.

use askama::Template;
use axum::response::Response;
use refundry_domain::book::Book;
use refundry_domain::command::{Command, NewReturn, Target};
use refundry_domain::ids::OrderRef;
use refundry_domain::order::Metadata;
use refundry_domain::returns::{ReturnItem, ReturnKind};

use super::orders::{find, line_name};
use crate::console::ask;
use crate::console::cell::Cell;
use crate::console::form::{Draft, Wrongs};
use crate::console::label;
use crate::console::list::{Choice, choice};
use crate::console::query::Query;
use crate::console::shell::Shell;
use crate::console::visit::{Trouble, Visit, html, redirect_done};
use crate::dialects::shared::right::{Reads, Right};

/// The fields of the form, as the rules name them.
const FIELDS: [&str; 4] = ["kind", "items", "reference", "reason"];

struct Item {
    position: u32,
    name: String,
    kind: &'static str,
    of: u32,
    amount: Cell,
    units: String,
    why: String,
}

#[derive(Template)]
#[template(path = "new_return.html")]
struct Page<'a> {
    shell: &'a Shell,
    order: String,
    reference: &'a str,
    kinds: Vec<Choice>,
    items: Vec<Item>,
    draft: Draft,
}

pub async fn show(visit: Visit) -> Result<Response, Trouble> {
    let right: Right<Reads> = visit.right()?;
    let book = find(&visit, &right).await?;
    page(&visit, &book, Draft::default())
}

pub async fn open(visit: Visit) -> Result<Response, Trouble> {
    let right: Right<Reads> = visit.right()?;
    let book = find(&visit, &right).await?;
    let new = match read(&visit.form, &book) {
        Ok(new) => new,
        Err(wrongs) => return page(&visit, &book, Draft::refused(&visit.form, wrongs)),
    };
    let target = Target::Order(OrderRef::Id(book.order.id));
    match ask::carry_out(&visit, target, Command::OpenReturn(new)).await? {
        Ok(done) => {
            let Some(id) = done.opened() else { return Err(Trouble::missing("return")) };
            Ok(redirect_done(&format!("/console/returns/ret_{id}"), "opened"))
        }
        Err((field, why)) => {
            let field = if field.starts_with("items") { "items" } else { &field };
            let wrongs = Wrongs::told(field, &why, &FIELDS);
            page(&visit, &book, Draft::refused(&visit.form, wrongs))
        }
    }
}

fn read(form: &Query, book: &Book) -> Result<NewReturn, Wrongs> {
    let kind = form.text("kind").and_then(ReturnKind::parse);
    let kind = kind.ok_or_else(|| Wrongs::one("kind", "Choose one of the list."))?;
    let mut items = Vec::new();
    for line in &book.lines {
        let units = form.text(&format!("units_{}", line.position)).unwrap_or("0");
        if units == "0" {
            continue;
        }
        let wrong = || {
            let (line, most) = (line.position, line.quantity);
            let why = format!("Line {line}: write a whole number of units, at most {most}.");
            Wrongs::one("items", why)
        };
        let quantity: u32 = units.parse().map_err(|_| wrong())?;
        if quantity > line.quantity {
            return Err(wrong());
        }
        let why = form.text(&format!("why_{}", line.position)).unwrap_or_default();
        items.push(ReturnItem { line: line.position, quantity, reason: why.to_owned() });
    }
    Ok(NewReturn {
        reference: form.text("reference").map(str::to_owned),
        kind,
        items,
        reason: form.text("reason").unwrap_or_default().to_owned(),
        metadata: Metadata::new(),
    })
}

fn page(visit: &Visit, book: &Book, draft: Draft) -> Result<Response, Trouble> {
    let order = &book.order;
    let shell = visit.shell(&format!("New return of order {}", order.reference))?;
    let chosen = draft.or("kind", ReturnKind::Return.name());
    let kinds = ReturnKind::ALL.iter();
    let kinds =
        kinds.map(|kind| choice(kind.name(), label::return_kind(*kind), chosen == kind.name()));
    let items = book.lines.iter().map(|line| Item {
        position: line.position,
        name: line_name(line),
        kind: label::line(line.kind),
        of: line.quantity,
        amount: Cell::money(line.amount, order.currency),
        units: draft.or(&format!("units_{}", line.position), "0"),
        why: draft.value(&format!("why_{}", line.position)).to_owned(),
    });
    let status = if draft.is_wrong() { 422 } else { 200 };
    let page = Page {
        order: format!("ord_{}", order.id),
        reference: &order.reference,
        kinds: kinds.collect(),
        items: items.collect(),
        shell: &shell,
        draft,
    };
    html(status, &page)
}
