//! What needs a person first, and how refunds have gone.

use askama::Template;
use axum::response::Response;
use refundry_domain::refund::{Execution, State};
use refundry_domain::webhook::EndpointState;

use super::orders::refunds_table;
use super::reports::{self, Month};
use crate::console::list::Table;
use crate::console::say;
use crate::console::shell::Shell;
use crate::console::visit::{Trouble, Visit, html};
use crate::dialects::shared::right::{Administers, Reads, Right};
use crate::store::{Page as Part, RefundFilter};

/// Beyond this, a card only says "more than".
const COUNTED: u32 = 25;
const NEWEST: u32 = 10;

/// Something that somebody has to look at, and how much of it there is.
struct Card {
    title: &'static str,
    count: String,
    what: &'static str,
    href: &'static str,
    tone: &'static str,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Page<'a> {
    shell: &'a Shell,
    cards: Vec<Card>,
    calm: bool,
    month: Option<Month>,
    newest: Table,
}

fn first(limit: u32) -> Part {
    Part { after: None, before: None, limit, oldest_first: false }
}

async fn counted(
    right: &Right<Reads>,
    states: &[State],
    execution: Option<Execution>,
) -> Result<(usize, bool), Trouble> {
    let filter = RefundFilter { states: states.to_vec(), execution, ..RefundFilter::default() };
    let slice = right.refunds(filter, first(COUNTED)).await?;
    Ok((slice.rows.len(), slice.more))
}

pub async fn show(visit: Visit) -> Result<Response, Trouble> {
    let right: Right<Reads> = visit.right()?;
    let cards = cards(&visit, &right).await?;
    let newest = right.refunds(RefundFilter::default(), first(NEWEST)).await?.rows;
    let shell = visit.shell("Overview")?;
    let page = Page {
        calm: cards.iter().all(|card| card.count == "0"),
        month: reports::month(&right).await?,
        newest: refunds_table(&visit.say, &newest, "Newest refunds"),
        shell: &shell,
        cards,
    };
    html(200, &page)
}

async fn cards(visit: &Visit, right: &Right<Reads>) -> Result<Vec<Card>, Trouble> {
    let asked = [
        (
            "To confirm",
            "Proposed, and held until somebody decides.",
            "/console/confirm",
            "look",
            &[State::Unconfirmed][..],
            None,
        ),
        (
            "Needs attention",
            "Only a person can find out what became of these.",
            "/console/owed?who=attention",
            "bad",
            &[State::NeedsAttention],
            None,
        ),
        (
            "Outside payouts",
            "Somebody outside pays these and has not reported.",
            "/console/owed",
            "look",
            &[State::Processing],
            Some(Execution::Notify),
        ),
        (
            "Failed",
            "Not paid; the money is still with you.",
            "/console/refunds?state=failed",
            "bad",
            &[State::Failed],
            None,
        ),
    ];
    let mut cards = Vec::new();
    for (title, what, href, tone, states, execution) in asked {
        let (count, more) = counted(right, states, execution).await?;
        let tone = if count == 0 { "quiet" } else { tone };
        let more = if more { "+" } else { "" };
        let count = format!("{}{more}", say::count(count));
        cards.push(Card { title, count, what, href, tone });
    }
    if let Ok(right) = visit.right::<Administers>() {
        let endpoints = right.endpoints().await?;
        let failing = endpoints.iter().filter(|it| {
            it.failing_since.is_some()
                || it.state == EndpointState::Disabled && it.disabled.is_some()
        });
        let count = failing.count();
        cards.push(Card {
            title: "Webhooks",
            count: say::count(count),
            what: "Endpoints that fail or are switched off.",
            href: "/console/webhooks",
            tone: if count == 0 { "quiet" } else { "bad" },
        });
    }
    Ok(cards)
}
