//! Refunds: the list, and one with its story and what can be done with it.

use askama::Template;
use axum::response::Response;
use refundry_domain::command::{Command, RefundChange, Stated, Target};
use refundry_domain::ids::{RefundId, Timestamp};
use refundry_domain::money::Exact;
use refundry_domain::refund::{
    AskedBy, Destination, Execution, Refund, RefundTransaction, State, TransactionState, WaitsFor,
};

use super::orders::refunds_table;
use super::{Filter, ListPage, credits, listed};
use crate::access::bank::BankDetails;
use crate::console::ask::{self, Became, Done};
use crate::console::cell::{Cell, Fact, fact, fact_of};
use crate::console::form::{Draft, Wrongs};
use crate::console::label;
use crate::console::list::{self, Pager, choices, pager, stretch_pager};
use crate::console::say::{self, Say};
use crate::console::shell::Shell;
use crate::console::visit::{Trouble, Visit, html, redirect_done};
use crate::dialects::shared::right::{Administers, Reads, Right, Writes};
use crate::store::webhooks::{DeliveryFilter, DeliveryPage};
use crate::store::{
    Bound, Comparison, Event, EventFilter, Measured, Page, RefundFilter, RefundSearch, Slice,
};

/// The events of a refund that are shown; the rest is in the audit.
const EVENTS: u32 = 50;

pub async fn list(visit: Visit) -> Result<Response, Trouble> {
    listed(visit, "refunds", part).await
}

async fn part(visit: Visit) -> Result<ListPage, Trouble> {
    let right: Right<Reads> = visit.right()?;
    let query = &visit.query;
    let (amount, problem) = list::amount(query);
    let is = |figure| Bound { of: Measured::Amount, is: Comparison::Equal, figure };
    let bounds = amount.map(is).into_iter().collect();
    let filter = RefundFilter {
        states: query.all("state").filter_map(State::parse).collect(),
        order: query
            .text("order")
            .and_then(|id| super::super::visit::id(id, "ord_"))
            .map(refundry_domain::ids::OrderId),
        execution: query.text("execution").and_then(Execution::parse),
        to: query.text("to").and_then(Destination::parse),
        created_from: query.text("from").and_then(|day| visit.say.start_of(day)),
        created_until: query.text("until").and_then(|day| visit.say.end_of(day)),
        search: RefundSearch { bounds, ..RefundSearch::default() },
        ..RefundFilter::default()
    };
    let by_index = filter.order.is_some()
        || amount.is_none()
            && filter.execution.is_none()
            && filter.to.is_none()
            && filter.created_from.is_none()
            && filter.created_until.is_none();
    let path = "/console/refunds";
    let (slice, pager) = if problem.is_some() {
        (Slice { rows: Vec::new(), more: false }, Pager::default())
    } else if by_index {
        let slice = right.refunds(filter, list::page(query)).await?;
        let pager = pager(path, query, &slice, |refund| refund.id.0);
        (slice, pager)
    } else {
        let (least, end) = numbers(&right, filter.created_from, filter.created_until).await?;
        let stretch = list::stretch(query, least, end);
        let slice = right.refunds(filter, stretch.page).await?;
        let pager = stretch_pager(path, query, &stretch, &slice, |refund| refund.id.0);
        (slice, pager)
    };
    let empty = if pager.older.is_some() {
        "No refund matches among those that were looked through. Go on with Next."
    } else {
        "No refund matches. Open an order to request one."
    };
    let shell = visit.shell("Refunds")?;
    let states = choices(query, "state", &State::ALL, |it| (it.name(), label::state(it).0));
    let hows = choices(query, "execution", &Execution::ALL, |it| (it.name(), label::execution(it)));
    let tos = choices(query, "to", &Destination::ALL, |it| (it.name(), label::destination(it)));
    Ok(ListPage {
        shell,
        intro: "Every refund that was asked for, newest first.",
        filters: vec![
            Filter::select("state", "State", states),
            Filter::select("execution", "How", hows),
            Filter::select("to", "Goes to", tos),
            Filter::text(&visit, "amount", "Amount"),
            Filter::date(&visit, "from", "From"),
            Filter::date(&visit, "until", "To"),
        ],
        table: refunds_table(&visit.say, &slice.rows, "Refunds"),
        pager,
        empty,
        problem,
    })
}

/// The numbers of refunds made in a time: from the first, up to below the second.
async fn numbers(
    right: &Right<Reads>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
) -> Result<(i64, i64), Trouble> {
    let newest = right.refunds(RefundFilter::default(), list::newest()).await?.rows;
    let end = newest.first().map_or(1, |refund| refund.id.0 + 1);
    tokio::try_join!(first_since(right, from, 1, end), first_since(right, until, end, end))
}

/// Below which number every refund was made earlier; `otherwise` without a time. Numbers grow with
/// time, so it is found by halving.
async fn first_since(
    right: &Right<Reads>,
    at: Option<Timestamp>,
    otherwise: i64,
    end: i64,
) -> Result<i64, Trouble> {
    let Some(at) = at else { return Ok(otherwise) };
    // Everything below `low` is too early; what is at `high` or above is not.
    let (mut low, mut high) = (1, end);
    while low < high {
        let middle = low + (high - low) / 2;
        let page = Page { after: Some(middle - 1), before: None, limit: 1, oldest_first: true };
        match right.refunds(RefundFilter::default(), page).await?.rows.first() {
            Some(refund) if refund.created_at < at => low = refund.id.0 + 1,
            Some(_) | None => high = middle,
        }
    }
    Ok(low)
}

struct Attempt {
    id: String,
    state: Cell,
    amount: Cell,
    facts: Vec<Fact>,
    /// The provider's own words.
    words: Vec<String>,
    report: Option<String>,
    old: bool,
}

struct Step {
    at: Cell,
    id: String,
    name: String,
    by: String,
    data: String,
    deliveries: Vec<Cell>,
}

#[derive(Template)]
#[template(path = "refund.html")]
struct RefundPage<'a> {
    shell: &'a Shell,
    id: String,
    path: String,
    state: Cell,
    amount: Cell,
    decimal: String,
    currency: &'static str,
    next: String,
    failure: Option<String>,
    facts: Vec<Fact>,
    parts: Vec<String>,
    notes: Vec<(String, String)>,
    attempts: Vec<Attempt>,
    steps: Vec<Step>,
    draft: Draft,
    link: Option<LinkView>,
    may_link: bool,
    may_confirm: bool,
    may_change: bool,
    may_cancel: bool,
    may_retry: bool,
}

async fn find(visit: &Visit) -> Result<Refund, Trouble> {
    let right: Right<Reads> = visit.right()?;
    let id = visit.id("ref_").map(RefundId).ok_or_else(|| Trouble::missing("refund"))?;
    right.refund(id).await?.ok_or_else(|| Trouble::missing("refund"))
}

pub async fn show(visit: Visit) -> Result<Response, Trouble> {
    let refund = find(&visit).await?;
    page(&visit, &refund, Draft::default(), None).await
}

/// The address for the customer, and until when it works.
struct LinkView {
    url: String,
    /// Whether it lacks the server's own address, which nobody has configured.
    is_path: bool,
    until: Cell,
}

async fn page(
    visit: &Visit,
    refund: &Refund,
    draft: Draft,
    link: Option<LinkView>,
) -> Result<Response, Trouble> {
    let id = format!("ref_{}", refund.id);
    let shell = visit.shell(&format!("Refund {id}"))?;
    let steps = steps(visit, refund).await?;
    let state = refund.state;
    let cancelable = state.may_become(State::Canceled);
    let status = if draft.is_wrong() { 422 } else { 200 };
    let page = RefundPage {
        path: format!("/console/refunds/{id}"),
        state: Cell::pill(label::state(state)),
        amount: Cell::money(refund.amount, refund.currency),
        decimal: say::decimal(refund.amount, refund.currency),
        currency: refund.currency.code(),
        next: what_next(refund),
        failure: refund
            .failure
            .as_ref()
            .map(|it| format!("{}: {}", label::failure(it.code), it.message)),
        facts: facts(&visit.say, refund),
        parts: refund.parts.iter().map(|part| part_of(part, refund)).collect(),
        notes: refund.metadata.clone().into_iter().collect(),
        attempts: refund.transactions.iter().map(|row| attempt(&visit.say, refund, row)).collect(),
        steps,
        draft,
        may_link: state == State::RequiresInformation && shell.writes && link.is_none(),
        link,
        may_confirm: state == State::Unconfirmed && (shell.writes || shell.approves),
        may_change: state == State::Unconfirmed && shell.writes,
        may_cancel: cancelable && shell.writes,
        may_retry: state == State::Failed && shell.writes,
        shell: &shell,
        id,
    };
    html(status, &page)
}

fn part_of(part: &refundry_domain::refund::Part, refund: &Refund) -> String {
    let amount = say::money(part.amount, refund.currency);
    match part.quantity {
        0 => format!("Line {}: {amount}", part.line),
        units => {
            format!("Line {}: {} for {amount}", part.line, say::plural(units as usize, "unit"))
        }
    }
}

/// Why it waits for somebody to confirm it.
fn waits(refund: &Refund) -> String {
    let why = match refund.waiting_for() {
        Some(WaitsFor::DailyLimit) => {
            "It is more than may be given back in a day, so somebody who may approve has to \
            confirm it."
        }
        Some(WaitsFor::Approval) => {
            "The settings want refunds like it approved, so somebody who may approve has to \
            confirm it."
        }
        Some(WaitsFor::Confirmation) | None => "Nothing moves until somebody confirms it.",
    };
    format!("Its amount is held. {why}")
}

/// What happens to it without anybody doing something, or who has to.
fn what_next(refund: &Refund) -> String {
    let outside = refund.execution != Execution::Automatic;
    let text = match refund.state {
        State::Unconfirmed => return waits(refund),
        State::RequiresInformation => {
            "It goes on once the customer has given bank details, at a page of their own."
        }
        State::Pending => "It is about to be handed to its provider.",
        State::Processing if outside => {
            "Somebody outside has to pay it and report here what became of it."
        }
        State::Processing => "Its provider has it and has not answered for good.",
        State::NeedsAttention => {
            "Nobody can tell by machine what became of it. Find out, and report it below."
        }
        State::Succeeded => "Paid. Nothing is left to do.",
        State::Failed => "Not paid, and its amount is free again. It can be tried again.",
        State::Canceled => "Called off before it was paid. Its amount is free again.",
        State::Reversed => "It was paid and taken back later. Its amount is free again.",
    };
    text.to_owned()
}

fn facts(say: &Say, refund: &Refund) -> Vec<Fact> {
    let order = format!("ord_{}", refund.order);
    let asked = match &refund.asked_by {
        AskedBy::Amount => "An amount".to_owned(),
        AskedBy::Percent(percent) => format!("{percent} %"),
        AskedBy::Items => "Items".to_owned(),
    };
    let known = [
        Some(fact("Order", Cell::code(order.clone()).to(format!("/console/orders/{order}")))),
        refund.return_id.map(|id| {
            let id = format!("ret_{id}");
            fact("Return", Cell::code(id.clone()).to(format!("/console/returns/{id}")))
        }),
        Some(fact("Paid so far", Cell::money(refund.refunded, refund.currency))),
        Some(fact("Goes to", goes_to(refund))),
        refund
            .information
            .as_deref()
            .and_then(BankDetails::last4)
            .map(|digits| fact("Customer's account", Cell::text(format!("ends in {digits}")))),
        refund.information_due.map(|at| fact("Bank details until", say.time(at))),
        Some(fact("How", Cell::text(label::execution(refund.execution)))),
        Some(fact("Asked for", Cell::text(asked))),
        refund.kind.map(|kind| fact("Only of", Cell::text(label::line(kind)))),
        fact_of("Reason", refund.reason.as_deref()),
        fact_of("Note", refund.note.as_deref()),
        Some(fact("Requested by", Cell::text(&refund.requested_by))),
        fact_of("Confirmed by", refund.confirmed_by.as_deref()),
        Some(fact("Requested", say.time(refund.created_at))),
        refund.settled_at.map(|at| fact("Settled", say.time(at))),
    ];
    known.into_iter().flatten().collect()
}

/// Its destination, and where its account is when it was credited here.
fn goes_to(refund: &Refund) -> Cell {
    let cell = Cell::text(label::destination(refund.to));
    let internal = refund.execution == Execution::Internal;
    let mut names = refund.transactions.iter().filter_map(|row| row.provider_reference.as_deref());
    match names.find_map(credits::place_of).filter(|_| internal) {
        Some(place) => cell.to(place),
        None => cell,
    }
}

/// What the provider calls a movement; of a credit, the account.
fn named(row: &RefundTransaction, reference: &str) -> Fact {
    let cell = Cell::code(reference);
    match credits::place_of(reference).filter(|_| row.execution == Execution::Internal) {
        Some(place) => fact("Account", cell.to(place)),
        None => fact("Provider's id", cell),
    }
}

fn attempt(say: &Say, refund: &Refund, row: &RefundTransaction) -> Attempt {
    let id = format!("txn_{}", row.id);
    let known = [
        Some(fact("Gives back", Cell::code(format!("txn_{}", row.payment)))),
        Some(fact("Provider", Cell::text(&row.provider))),
        fact_of("Method", Some(&row.method)),
        Some(fact("How", Cell::text(label::execution(row.execution)))),
        row.provider_reference.as_deref().map(|it| named(row, it)),
        (row.execution == Execution::Automatic)
            .then(|| fact("Handed over", Cell::text(say::plural(row.sends as usize, "time")))),
        row.first_sent_at.map(|at| fact("First handed over", say.time(at))),
        row.settled_at.map(|at| fact("Settled", say.time(at))),
    ];
    let failure =
        row.failure.as_ref().map(|it| format!("{}: {}", label::failure(it.code), it.message));
    let contradiction = row.contradicted.then(|| {
        "The provider has said something that contradicts this; look at its own records.".to_owned()
    });
    let words = [failure, row.message.clone(), contradiction];
    Attempt {
        state: Cell::pill(label::transaction(row.state)),
        amount: Cell::money(row.amount, refund.currency),
        facts: known.into_iter().flatten().collect(),
        words: words.into_iter().flatten().collect(),
        report: may_be_reported(row).then(|| format!("/console/owed/{id}")),
        old: row.superseded,
        id,
    }
}

/// Whether somebody outside may say what became of it.
pub fn may_be_reported(row: &RefundTransaction) -> bool {
    let open = match row.state {
        TransactionState::Requested | TransactionState::Processing => {
            row.execution != Execution::Automatic
        }
        TransactionState::NeedsAttention => true,
        TransactionState::Unconfirmed
        | TransactionState::RequiresInformation
        | TransactionState::Pending
        | TransactionState::Succeeded
        | TransactionState::Failed
        | TransactionState::Canceled
        | TransactionState::Reversed => false,
    };
    open && !row.superseded
}

async fn steps(visit: &Visit, refund: &Refund) -> Result<Vec<Step>, Trouble> {
    let right: Right<Reads> = visit.right()?;
    let filter =
        EventFilter { order: Some(refund.order), subject: Some(refund.id.0), names: Vec::new() };
    let page = Page { after: None, before: None, limit: EVENTS, oldest_first: false };
    let events = right.events(filter, page).await?.rows;
    let administers: Option<Right<Administers>> = visit.right().ok();
    let told = match &administers {
        Some(right) => !right.endpoints().await?.is_empty(),
        None => false,
    };
    let mut steps = Vec::with_capacity(events.len());
    for event in &events {
        let deliveries = match &administers {
            Some(right) if told => deliveries(right, event).await?,
            Some(_) | None => Vec::new(),
        };
        steps.push(Step {
            at: visit.say.time(event.at),
            id: format!("evt_{}", event.id),
            name: event.name.clone(),
            by: event.by.clone(),
            data: event.data.clone(),
            deliveries,
        });
    }
    Ok(steps)
}

async fn deliveries(right: &Right<Administers>, event: &Event) -> Result<Vec<Cell>, Trouble> {
    let filter = DeliveryFilter { event: Some(event.id), ..DeliveryFilter::default() };
    let page = DeliveryPage { after: None, before: None, limit: 50, oldest_first: false };
    let rows = right.deliveries(filter, page).await?.rows;
    let shown = rows.iter().map(|row| {
        let href = format!("/console/webhooks/whe_{}/evt_{}", row.endpoint, row.event);
        Cell::pill(label::delivery(row.state)).to(href)
    });
    Ok(shown.collect())
}

/// The fields of the forms of this page, as the rules name them.
const FIELDS: [&str; 2] = ["amount", "reason"];

async fn answer(visit: &Visit, became: Became, word: &str) -> Result<Response, Trouble> {
    match became {
        Ok(Done { .. }) => Ok(redirect_done(
            visit.path().trim_end_matches(|c| c != '/').trim_end_matches('/'),
            word,
        )),
        Err((field, why)) => {
            let refund = find(visit).await?;
            let draft = Draft::refused(&visit.form, Wrongs::told(&field, &why, &FIELDS));
            page(visit, &refund, draft, None).await
        }
    }
}

fn target(visit: &Visit) -> Result<RefundId, Trouble> {
    visit.id("ref_").map(RefundId).ok_or_else(|| Trouble::missing("refund"))
}

pub async fn confirm(visit: Visit) -> Result<Response, Trouble> {
    let became = ask::confirm(&visit, "", target(&visit)?).await?;
    answer(&visit, became, "confirmed").await
}

pub async fn change(visit: Visit) -> Result<Response, Trouble> {
    let refund = target(&visit)?;
    let became = match Exact::parse(visit.form.text("amount").unwrap_or_default()) {
        Ok(figure) => {
            let amount = Some(Stated { figure, currency: None });
            let command = Command::ChangeRefund(RefundChange { amount, metadata: None });
            ask::carry_out(&visit, Target::Refund(refund), command).await?
        }
        Err(problem) => Err(("amount".to_owned(), problem.to_string())),
    };
    answer(&visit, became, "changed").await
}

pub async fn cancel(visit: Visit) -> Result<Response, Trouble> {
    let command = Command::Cancel { reason: visit.form.text("reason").map(str::to_owned) };
    let became = ask::carry_out(&visit, Target::Refund(target(&visit)?), command).await?;
    answer(&visit, became, "canceled").await
}

pub async fn retry(visit: Visit) -> Result<Response, Trouble> {
    let target = Target::Refund(target(&visit)?);
    let became = ask::carry_out(&visit, target, Command::Retry).await?;
    answer(&visit, became, "retried").await
}

/// The customer's link, made when it is first asked for. It comes in the answer to a form: it stands
/// in no address, and whoever only reads never gets it.
pub async fn link(visit: Visit) -> Result<Response, Trouble> {
    let right: Right<Writes> = visit.right()?;
    let refund = find(&visit).await?;
    let Some(link) = right.information_link(&refund).await? else {
        let why = "This refund does not wait for bank details any more, so there is no link.";
        return page(&visit, &refund, Draft::refused(&visit.form, Wrongs::one("", why)), None)
            .await;
    };
    let view = LinkView {
        is_path: link.url.starts_with('/'),
        until: visit.say.time(link.expires_at),
        url: link.url,
    };
    page(&visit, &refund, Draft::default(), Some(view)).await
}
