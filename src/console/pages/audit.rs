//! Every event that was kept, and whether the books stand by them.

use askama::Template;
use axum::response::Response;
use refundry_domain::event::TYPES;
use refundry_domain::ids::{OrderId, OrderRef};
use refundry_domain::order::Chain;

use super::Filter;
use crate::console::cell::Cell;
use crate::console::csv;
use crate::console::list::{self, Pager, Table, choices, pager, stretch_pager};
use crate::console::proof::Ended;
use crate::console::say;
use crate::console::shell::Shell;
use crate::console::visit::{Trouble, Visit, html, id, redirect_done};
use crate::dialects::shared::right::{Administers, Reads, Right};
use crate::store::facts::Unlinked;
use crate::store::{Event, EventFilter, Page as Part, Standing};

/// The longest chain of one order that is followed here; `refundry verify` follows all.
const CHAIN_MOST: u32 = 1_000;

/// What is known of the books, and how good that is.
struct Verdict {
    tone: &'static str,
    text: String,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct Page<'a> {
    shell: &'a Shell,
    verdicts: Vec<Verdict>,
    proof: ProofView,
    filters: Vec<Filter>,
    table: Table,
    pager: Pager,
}

pub async fn list(visit: Visit) -> Result<Response, Trouble> {
    let right: Right<Reads> = visit.right()?;
    let query = &visit.query;
    let order = query.text("order").and_then(|it| id(it, "ord_")).map(OrderId);
    let subject = query.text("subject").and_then(|it| it.rsplit('_').next()?.parse().ok());
    let names: Vec<String> =
        query.all("type").filter(|name| TYPES.contains(name)).map(str::to_owned).collect();
    let names_are_all = names.is_empty();
    let filter = EventFilter { order, subject, names };
    let by_index = order.is_some() || subject.is_some() || names_are_all;
    let path = "/console/audit";
    let (slice, pager) = if by_index {
        let slice = right.events(filter, list::page(query)).await?;
        let pager = pager(path, query, &slice, |event| event.id.0);
        (slice, pager)
    } else {
        let newest = right.events(EventFilter::default(), list::newest()).await?.rows;
        let stretch = list::stretch(query, 1, newest.first().map_or(1, |event| event.id.0 + 1));
        let slice = right.events(filter, stretch.page).await?;
        let pager = stretch_pager(path, query, &stretch, &slice, |event| event.id.0);
        (slice, pager)
    };
    let titles = ["Event", "When", "Type", "About", "By", "Of", "What", "-Hash"];
    let mut table = Table::new("Events", &titles);
    for event in &slice.rows {
        table.add(cells(&visit, event));
    }
    if list::wants_csv(query) {
        return Ok(csv::of(&table, "events"));
    }
    let types = choices(query, "type", TYPES, |name| (name, name));
    let shell = visit.shell("Audit")?;
    let page = Page {
        verdicts: verdicts(&visit, &right, order).await?,
        proof: proof(&visit),
        filters: vec![
            Filter::select("type", "Type", types),
            Filter::text(&visit, "order", "Order"),
            Filter::text(&visit, "subject", "About"),
        ],
        pager,
        shell: &shell,
        table,
    };
    html(200, &page)
}

/// What is known of the last verification.
struct ProofView {
    lines: Vec<Verdict>,
    findings: Vec<String>,
    running: bool,
}

fn proof(visit: &Visit) -> ProofView {
    let mut lines = Vec::new();
    let Some(last) = visit.console.proofs.last(visit.session.merchant) else {
        let text = "No verification was asked for on this server since it was started.";
        lines.push(Verdict { tone: "quiet", text: text.to_owned() });
        return ProofView { lines, findings: Vec::new(), running: false };
    };
    let (whole, many) = (say::whole, say::many);
    let looked = format!(
        "{}, {}, {} and {}",
        many(last.counts.orders, "order"),
        many(last.counts.refunds, "refund"),
        many(last.counts.events, "event"),
        many(last.counts.seals, "seal")
    );
    let asked = format!("asked for by {} on {}", last.by, visit.say.clock(last.began));
    let (tone, text, findings) = match last.ended {
        None if last.waits => {
            ("busy", format!("It waits for those that were asked for before it, {asked}."), vec![])
        }
        None => ("busy", format!("Under way, {asked}. Looked at so far: {looked}."), Vec::new()),
        Some((_, Ended::Failed(why))) => {
            ("bad", format!("It could not look, {asked}: {why}."), Vec::new())
        }
        Some((at, Ended::Looked { findings, further, unsettled })) => {
            let mut text = format!("{}, {asked}. Looked at: {looked}.", visit.say.clock(at));
            let found = further.saturating_add(u64::try_from(findings.len()).unwrap_or(0));
            let tone = if found > 0 { "bad" } else { "good" };
            text.push_str(&match found {
                0 => " The books add up; nothing was altered and nothing is missing.".to_owned(),
                _ => format!(" Found: {}.", whole(found)),
            });
            if unsettled > 0 {
                let unsettled = whole(unsettled);
                text.push_str(&format!(
                    " Changed whenever they were looked at, so that nothing is said of them: \
                    {unsettled} chains. Begin again when less is going on."
                ));
            }
            (tone, text, findings)
        }
    };
    let running = tone == "busy";
    lines.push(Verdict { tone, text });
    ProofView { lines, findings, running }
}

/// Begins a verification; the page tells how it goes.
pub async fn verify(visit: Visit) -> Result<Response, Trouble> {
    let right: Right<Administers> = visit.right()?;
    visit.console.proofs.begin(right);
    Ok(redirect_done("/console/audit", "verifying"))
}

fn cells(visit: &Visit, event: &Event) -> Vec<Cell> {
    let hash: String = event.hash.iter().map(|byte| format!("{byte:02x}")).collect();
    vec![
        Cell::code(format!("evt_{}", event.id)),
        visit.say.time(event.at),
        Cell::word(&event.name),
        Cell::text(format!("{} {}", event.subject_kind, event.subject)),
        Cell::text(&event.by),
        Cell::chain(event.order, &event.name),
        Cell::text(&event.data),
        Cell::text(hash),
    ]
}

async fn verdicts(
    visit: &Visit,
    right: &Right<Reads>,
    order: Option<OrderId>,
) -> Result<Vec<Verdict>, Trouble> {
    let administers: Right<Administers> = visit.right()?;
    let mut verdicts = vec![match administers.standing() {
        Standing::Intact => Verdict {
            tone: "good",
            text: "When they were opened, the books had everything that their anchor outside the \
                   database had seen."
                .to_owned(),
        },
        Standing::Behind(why) => Verdict {
            tone: "bad",
            text: format!("The books are behind their anchor, and no money is sent: {why}"),
        },
    }];
    if let Some(order) = order
        && let Some(book) = right.order(OrderRef::Id(order)).await?
    {
        let filter = EventFilter { order: Some(order), ..EventFilter::default() };
        let part = Part { after: None, before: None, limit: CHAIN_MOST, oldest_first: true };
        let slice = right.events(filter, part).await?;
        verdicts.push(chain(order, &slice.rows, slice.more, book.order.chain));
    }
    Ok(verdicts)
}

/// Follows an order's chain of hashes to where its row says that it ends.
fn chain(order: OrderId, events: &[Event], more: bool, end: Chain) -> Verdict {
    if more {
        let text = format!("The chain of ord_{order} is too long to be followed on a page.");
        return Verdict { tone: "quiet", text };
    }
    let (mut hash, mut position) = ([0; 32], 0);
    for event in events {
        if event.position != position + 1 || Unlinked::of(event).hash(&hash) != event.hash {
            let text = format!("The chain of ord_{order} is broken at evt_{}.", event.id);
            return Verdict { tone: "bad", text };
        }
        (hash, position) = (event.hash, event.position);
    }
    if (Chain { length: position, hash }) != end {
        let text = format!("The chain of ord_{order} does not end where its row says.");
        return Verdict { tone: "bad", text };
    }
    let count = say::plural(events.len(), "event");
    let text = format!(
        "The chain of ord_{order}, {count}, is whole: each event holds the hash of the one before."
    );
    Verdict { tone: "good", text }
}
