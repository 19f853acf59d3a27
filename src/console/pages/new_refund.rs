//! A new refund of an order: how much, from which payments, and what will happen then. The split
//! is decided by the code that carries it out, without writing anything.

use askama::Template;
use axum::response::Response;
use refundry_domain::book::Book;
use refundry_domain::command::{Ask, Command, ItemAsk, ItemShare, LineRef, Stated, Target, What};
use refundry_domain::ids::{OrderRef, ReturnId, TransactionId};
use refundry_domain::money::{Exact, Percent};
use refundry_domain::order::Metadata;
use refundry_domain::refund::{Destination, Execution, Refund, State, WaitsFor};

use super::orders::{find, line_name};
use crate::console::ask;
use crate::console::cell::Cell;
use crate::console::form::{Draft, Wrongs};
use crate::console::label;
use crate::console::list::{Choice, choice};
use crate::console::query::Query;
use crate::console::say;
use crate::console::shell::Shell;
use crate::console::visit::{Trouble, Visit, html, id, redirect_done};
use crate::dialects::shared::right::{Reads, Right};

/// The fields of the form, as the rules name them.
const FIELDS: [&str; 9] =
    ["amount", "percent", "items", "payment", "return", "to", "execution", "reason", "note"];

struct Item {
    field: String,
    name: String,
    kind: &'static str,
    left: u32,
    of: u32,
    amount: Cell,
    value: String,
}

/// One share of the split.
struct Share {
    amount: Cell,
    payment: String,
    /// What will happen with it, in words.
    what: String,
}

struct Split {
    amount: Cell,
    shares: Vec<Share>,
    then: &'static str,
}

/// The split of what stands in the form, or what is wrong with it.
#[derive(Template)]
#[template(path = "split.html")]
struct SplitPart {
    split: Option<Split>,
    problem: Option<String>,
}

#[derive(Template)]
#[template(path = "new_refund.html")]
struct Page<'a> {
    shell: &'a Shell,
    path: String,
    order: String,
    reference: &'a str,
    currency: &'static str,
    left: Cell,
    nothing_left: bool,
    by: String,
    items: Vec<Item>,
    payments: Vec<Choice>,
    returns: Vec<Choice>,
    tos: Vec<Choice>,
    executions: Vec<Choice>,
    draft: Draft,
    split: SplitPart,
}

pub async fn show(visit: Visit) -> Result<Response, Trouble> {
    let right: Right<Reads> = visit.right()?;
    let book = find(&visit, &right).await?;
    let fields = visit.query.clone();
    let split = if fields.has("by") {
        split_of(&visit, &book, &fields).await?
    } else {
        SplitPart { split: None, problem: None }
    };
    page(&visit, &book, Draft { fields, wrongs: Wrongs::default() }, split).await
}

/// The split alone, for the script that shows it while one types.
pub async fn split(visit: Visit) -> Result<Response, Trouble> {
    let right: Right<Reads> = visit.right()?;
    let book = find(&visit, &right).await?;
    html(200, &split_of(&visit, &book, &visit.query).await?)
}

pub async fn request(visit: Visit) -> Result<Response, Trouble> {
    let right: Right<Reads> = visit.right()?;
    let book = find(&visit, &right).await?;
    let ask = read(&visit.form, &book, visit.shell("")?.approves);
    let ask = match ask {
        Ok(ask) => ask,
        Err(wrongs) => return refused(&visit, &book, wrongs).await,
    };
    if visit.form.text("do") == Some("preview") {
        let split = split_of(&visit, &book, &visit.form).await?;
        let wrongs = Wrongs::default();
        return page(&visit, &book, Draft { fields: visit.form.clone(), wrongs }, split).await;
    }
    let target = Target::Order(OrderRef::Id(book.order.id));
    match ask::carry_out(&visit, target, Command::RequestRefund(ask)).await? {
        Ok(done) => {
            let Some(refund) = done.refund() else { return Err(Trouble::missing("refund")) };
            let proposed = done.state == Some(State::Unconfirmed);
            let word = if proposed { "proposed" } else { "requested" };
            Ok(redirect_done(&format!("/console/refunds/ref_{refund}"), word))
        }
        Err((field, why)) => {
            let field = if field.starts_with("items") { "items" } else { &field };
            refused(&visit, &book, Wrongs::told(field, &why, &FIELDS)).await
        }
    }
}

async fn refused(visit: &Visit, book: &Book, wrongs: Wrongs) -> Result<Response, Trouble> {
    let split = SplitPart { split: None, problem: None };
    page(visit, book, Draft::refused(&visit.form, wrongs), split).await
}

async fn split_of(visit: &Visit, book: &Book, fields: &Query) -> Result<SplitPart, Trouble> {
    let shell = visit.shell("")?;
    let ask = match read(fields, book, shell.approves) {
        Ok(ask) => ask,
        Err(wrongs) => return Ok(problem(&wrongs)),
    };
    let target = Target::Order(OrderRef::Id(book.order.id));
    let previewed = ask::preview(visit, target, Command::RequestRefund(ask), &[]).await?;
    Ok(match previewed {
        Ok(after) => SplitPart { split: after.refund.as_ref().map(shares), problem: None },
        Err(wrongs) => problem(&wrongs),
    })
}

fn problem(wrongs: &Wrongs) -> SplitPart {
    let problem = wrongs.0.first().map(|wrong| wrong.why.clone());
    SplitPart { split: None, problem }
}

fn shares(refund: &Refund) -> Split {
    let shares = refund.transactions.iter().map(|row| Share {
        amount: Cell::money(row.amount, refund.currency),
        payment: format!("{} at {} (txn_{})", row.method, row.provider, row.payment),
        what: match row.execution {
            Execution::Automatic => format!("The gateway {} pays it back.", row.provider),
            Execution::Notify => {
                format!("{} is told to pay it back, and reports what became of it.", row.provider)
            }
            Execution::Manual => "Somebody pays it by hand and reports it here.".to_owned(),
            Execution::Internal => "It is credited to the customer's account here.".to_owned(),
        },
    });
    let then = match refund.state {
        State::Unconfirmed => match refund.waiting_for() {
            Some(WaitsFor::DailyLimit) => {
                "It is more than may be given back in a day. The amount is held until somebody \
                who may approve confirms the refund."
            }
            Some(WaitsFor::Approval) => {
                "The settings want it approved. The amount is held until somebody who may \
                approve confirms the refund."
            }
            Some(WaitsFor::Confirmation) | None => {
                "The amount is held now. Nothing moves until somebody confirms the refund."
            }
        },
        State::RequiresInformation => {
            "The customer has to give bank details first; the amount is held until then."
        }
        State::Pending | State::Processing => "It begins as soon as you request it.",
        State::Succeeded => "It is recorded as paid.",
        State::NeedsAttention | State::Failed | State::Canceled | State::Reversed => "",
    };
    let amount = Cell::money(refund.amount, refund.currency);
    Split { amount, shares: shares.collect(), then }
}

fn figure(fields: &Query, name: &str) -> Result<Exact, Wrongs> {
    let text = fields.text(name).ok_or_else(|| Wrongs::one(name, "Say how much."))?;
    Exact::parse(text).map_err(|_| Wrongs::one(name, "Write a number such as 27.01."))
}

fn what(fields: &Query, book: &Book) -> Result<What, Wrongs> {
    match fields.text("by") {
        Some("percent") => {
            let percent = Percent::read(figure(fields, "percent")?);
            let wrong = |problem: refundry_domain::money::PercentProblem| {
                Wrongs::told("percent", &problem.to_string(), &FIELDS)
            };
            percent.map(What::Percent).map_err(wrong)
        }
        Some("items") => {
            let mut items = Vec::new();
            for line in &book.lines {
                let field = format!("units_{}", line.position);
                let Some(text) = fields.text(&field).filter(|text| *text != "0") else { continue };
                let units = text.parse().map_err(|_| {
                    let why = format!("Line {}: write a whole number of units.", line.position);
                    Wrongs::one("items", why)
                })?;
                let line = LineRef::Position(line.position);
                items.push(ItemAsk { line, share: ItemShare::Quantity(units) });
            }
            if items.is_empty() {
                return Err(Wrongs::one("items", "Choose at least one unit of a line."));
            }
            Ok(What::Items(items))
        }
        Some(_) | None => {
            let figure = figure(fields, "amount")?;
            Ok(What::Amount(Stated { figure, currency: None }))
        }
    }
}

fn read(fields: &Query, book: &Book, may_approve: bool) -> Result<Ask, Wrongs> {
    let text = |name: &str| fields.text(name).map(str::to_owned);
    let to = match fields.text("to") {
        None => Destination::OriginalPayment,
        Some(name) => {
            Destination::parse(name).ok_or_else(|| Wrongs::one("to", "Choose one of the list."))?
        }
    };
    Ok(Ask {
        what: what(fields, book)?,
        kind: None,
        payment: fields.text("payment").and_then(|it| id(it, "txn_")).map(TransactionId),
        return_id: fields.text("return").and_then(|it| id(it, "ret_")).map(ReturnId),
        to,
        execution: fields.text("execution").and_then(Execution::parse),
        paid: None,
        confirm: fields.has("propose").then_some(false),
        may_approve,
        reason: text("reason"),
        note: text("note"),
        metadata: Metadata::new(),
    })
}

fn items(book: &Book, draft: &Draft) -> Vec<Item> {
    let item = |line: &refundry_domain::order::Line| {
        let field = format!("units_{}", line.position);
        Item {
            name: line_name(line),
            kind: label::line(line.kind),
            left: line.quantity_left(),
            of: line.quantity,
            amount: Cell::money(line.left(), book.order.currency),
            value: draft.or(&field, "0"),
            field,
        }
    };
    book.lines.iter().map(item).collect()
}

async fn page(
    visit: &Visit,
    book: &Book,
    draft: Draft,
    split: SplitPart,
) -> Result<Response, Trouble> {
    let currency = book.order.currency;
    let shell = visit.shell(&format!("New refund of order {}", book.order.reference))?;
    let payments = book.payments.iter().filter(|row| row.kind.captures()).map(|row| {
        let value = format!("txn_{}", row.id);
        let left = say::money(row.left(), currency);
        let text = format!("{} at {}, {left} left ({value})", row.method, row.provider);
        choice(&value, &text, draft.is("payment", &value))
    });
    let returns = book.returns.iter().map(|row| {
        let value = format!("ret_{}", row.id);
        let text = format!("{} {}", label::return_kind(row.kind), row.reference);
        choice(&value, &text, draft.is("return", &value))
    });
    let tos = Destination::ALL.iter();
    let tos = tos.map(|to| choice(to.name(), label::destination(*to), draft.is("to", to.name())));
    let hows = Execution::ALL.iter();
    let hows = hows
        .map(|how| choice(how.name(), label::execution(*how), draft.is("execution", how.name())));
    let order = format!("ord_{}", book.order.id);
    let status = if draft.is_wrong() { 422 } else { 200 };
    let page = Page {
        path: format!("/console/orders/{order}/refund"),
        reference: &book.order.reference,
        currency: currency.code(),
        left: Cell::money(book.left(), currency),
        nothing_left: book.left().is_zero(),
        by: draft.or("by", "amount"),
        items: items(book, &draft),
        payments: payments.collect(),
        returns: returns.collect(),
        tos: tos.collect(),
        executions: hows.collect(),
        shell: &shell,
        order,
        draft,
        split,
    };
    html(status, &page)
}
