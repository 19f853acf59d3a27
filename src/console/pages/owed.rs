//! What somebody outside still owes an answer for, and the form to report it.

use askama::Template;
use axum::response::Response;
use refundry_domain::command::{Command, Target};
use refundry_domain::ids::TransactionId;
use refundry_domain::money::{Currency, Exact, Money};
use refundry_domain::outcome::{Failure, FailureCode, Outcome, Report, Reporter};
use refundry_domain::refund::{Execution, RefundTransaction, State};
use refundry_domain::text;

use super::refunds::may_be_reported;
use super::{Filter, ListPage, listed};
use crate::console::ask;
use crate::console::cell::{Cell, Fact, fact, fact_of};
use crate::console::form::{Draft, Wrongs, sentence};
use crate::console::label;
use crate::console::list::{self, Choice, Table, choice, pager};
use crate::console::query::Query;
use crate::console::shell::Shell;
use crate::console::visit::{Trouble, Visit, html, redirect_done};
use crate::dialects::shared::right::{Reads, Right};
use crate::store::{Movement, RefundFilter};

const FIELDS: [&str; 5] = ["state", "amount", "provider_reference", "code", "message"];
const REFERENCE_MOST: usize = 200;
const MESSAGE_MOST: usize = 1_000;

pub async fn list(visit: Visit) -> Result<Response, Trouble> {
    listed(visit, "outside-payouts", part).await
}

/// The part of the list that an address asks for.
async fn part(visit: Visit) -> Result<ListPage, Trouble> {
    let right: Right<Reads> = visit.right()?;
    let who = visit.query.text("who").unwrap_or("notify");
    let (states, execution) = match who {
        "manual" => (vec![State::Processing, State::NeedsAttention], Some(Execution::Manual)),
        "attention" => (vec![State::NeedsAttention], None),
        _ => (vec![State::Processing, State::NeedsAttention], Some(Execution::Notify)),
    };
    let filter = RefundFilter { states, execution, ..RefundFilter::default() };
    let slice = right.refunds(filter, list::page(&visit.query)).await?;
    let titles = [
        "Transaction",
        "State",
        "#Amount",
        "Provider",
        "Method",
        "Told",
        "Refund",
        "Order",
        "-Currency",
    ];
    let mut table = Table::new("Payouts that somebody outside has to report", &titles);
    for refund in &slice.rows {
        for row in refund.transactions.iter().filter(|row| may_be_reported(row)) {
            let id = format!("txn_{}", row.id);
            table.add(vec![
                Cell::code(id.clone()).to(format!("/console/owed/{id}")),
                Cell::pill(label::transaction(row.state)),
                Cell::money(row.amount, refund.currency),
                Cell::text(&row.provider),
                Cell::text(&row.method),
                visit.say.time(row.created_at),
                Cell::code(format!("ref_{}", refund.id))
                    .to(format!("/console/refunds/ref_{}", refund.id)),
                Cell::code(format!("ord_{}", refund.order))
                    .to(format!("/console/orders/ord_{}", refund.order)),
                Cell::text(refund.currency.code()),
            ]);
        }
    }
    let shell = visit.shell("Outside payouts")?;
    let whos = vec![
        choice("notify", "An outside platform", who == "notify"),
        choice("manual", "Somebody by hand", who == "manual"),
        choice("attention", "Anybody: needs attention", who == "attention"),
    ];
    Ok(ListPage {
        shell,
        intro: "Money that is paid outside Refundry. Report each payout once you know what became \
                of it; its amount stays held until then.",
        filters: vec![Filter::select("who", "Who pays", whos)],
        table,
        pager: pager("/console/owed", &visit.query, &slice, |refund| refund.id.0),
        empty: "Nobody owes an answer. Refunds come here that an outside platform or a person \
                pays, and those whose outcome no machine can tell.",
        problem: None,
    })
}

#[derive(Template)]
#[template(path = "owed.html")]
struct Page<'a> {
    shell: &'a Shell,
    path: String,
    id: String,
    state: Cell,
    amount: Cell,
    currency: &'static str,
    facts: Vec<Fact>,
    open: bool,
    states: Vec<Choice>,
    codes: Vec<Choice>,
    draft: Draft,
}

async fn find(visit: &Visit) -> Result<(RefundTransaction, Currency), Trouble> {
    let right: Right<Reads> = visit.right()?;
    let missing = || Trouble::missing("payout");
    let id = visit.id("txn_").map(TransactionId).ok_or_else(missing)?;
    let row = right.transaction(id).await?.ok_or_else(missing)?;
    match row.movement {
        Movement::Back(back) => Ok((back, row.currency)),
        Movement::In(_) => Err(missing()),
    }
}

pub async fn show(visit: Visit) -> Result<Response, Trouble> {
    let (row, currency) = find(&visit).await?;
    page(&visit, &row, currency, Draft::default())
}

fn page(
    visit: &Visit,
    row: &RefundTransaction,
    currency: Currency,
    draft: Draft,
) -> Result<Response, Trouble> {
    let id = format!("txn_{}", row.id);
    let shell = visit.shell(&format!("Payout {id}"))?;
    let refund = format!("ref_{}", row.refund);
    let facts = [
        Some(fact("Refund", Cell::code(refund.clone()).to(format!("/console/refunds/{refund}")))),
        Some(fact("Gives back", Cell::code(format!("txn_{}", row.payment)))),
        Some(fact("Provider", Cell::text(&row.provider))),
        fact_of("Method", Some(&row.method)),
        Some(fact("How", Cell::text(label::execution(row.execution)))),
        row.provider_reference.as_deref().map(|it| fact("Provider's id", Cell::code(it))),
        fact_of("Last word", row.message.as_deref()),
        Some(fact("Told", visit.say.time(row.created_at))),
        row.settled_at.map(|at| fact("Settled", visit.say.time(at))),
    ];
    let states = [
        ("succeeded", "It was paid"),
        ("processing", "It is under way"),
        ("failed", "It was not paid"),
        ("canceled", "It was called off"),
        ("reversed", "It was paid and came back"),
    ];
    let chosen = draft.or("state", "succeeded");
    let code = draft.or("code", "other");
    let codes =
        FailureCode::ALL.iter().map(|it| choice(it.name(), label::failure(*it), code == it.name()));
    let status = if draft.is_wrong() { 422 } else { 200 };
    let page = Page {
        path: format!("/console/owed/{id}"),
        state: Cell::pill(label::transaction(row.state)),
        amount: Cell::money(row.amount, currency),
        currency: currency.code(),
        facts: facts.into_iter().flatten().collect(),
        open: shell.writes,
        states: states.map(|(value, text)| choice(value, text, chosen == value)).into(),
        codes: codes.collect(),
        shell: &shell,
        id,
        draft,
    };
    html(status, &page)
}

pub async fn report(visit: Visit) -> Result<Response, Trouble> {
    let (row, currency) = find(&visit).await?;
    let refused = |wrongs| page(&visit, &row, currency, Draft::refused(&visit.form, wrongs));
    let outcome = match outcome(&visit.form, currency) {
        Ok(outcome) => outcome,
        Err(wrongs) => return refused(wrongs),
    };
    let command = Command::Report(Report { outcome, by: Reporter::Caller, look_again_ms: 0 });
    match ask::carry_out(&visit, Target::Transaction(row.id), command).await? {
        Ok(_) => Ok(redirect_done(&format!("/console/refunds/ref_{}", row.refund), "reported")),
        Err((field, why)) => refused(Wrongs::told(&field, &why, &FIELDS)),
    }
}

/// What is reported. A field that does not go with it is not looked at: the form shows all.
fn outcome(form: &Query, currency: Currency) -> Result<Outcome, Wrongs> {
    let checked = |name: &str, most: usize| -> Result<Option<String>, Wrongs> {
        let Some(given) = form.text(name) else { return Ok(None) };
        text::check(given, most)
            .map_err(|problem| Wrongs::one(name, sentence(&problem.to_string())))?;
        Ok(Some(given.to_owned()))
    };
    let reference = checked("provider_reference", REFERENCE_MOST)?;
    let message = checked("message", MESSAGE_MOST)?;
    let said = |usual: &str| message.clone().unwrap_or_else(|| usual.to_owned());
    Ok(match form.text("state") {
        Some("succeeded") => Outcome::Done { reference, amount: paid(form, currency)? },
        Some("processing") => match message {
            Some(message) => Outcome::Waiting { reference, message },
            None => Outcome::Acknowledged { reference },
        },
        Some("failed") => {
            let code = form.text("code").and_then(FailureCode::parse);
            let code = code.unwrap_or(FailureCode::Other);
            Outcome::Declined(Failure { code, message: said("Reported as failed.") })
        }
        Some("canceled") => Outcome::CalledOff { message: said("Called off by the platform.") },
        Some("reversed") => Outcome::Reversed { message: said("Taken back after it was paid.") },
        Some(_) | None => return Err(Wrongs::one("state", "Choose what became of it.")),
    })
}

fn paid(form: &Query, currency: Currency) -> Result<Option<refundry_domain::money::Minor>, Wrongs> {
    let Some(given) = form.text("amount") else { return Ok(None) };
    let figure = Exact::parse(given)
        .map_err(|_| Wrongs::one("amount", "Write a number such as 27.01, or leave it empty."))?;
    let money = Money::read(figure, currency)
        .map_err(|problem| Wrongs::one("amount", sentence(&problem.to_string())))?;
    Ok(Some(money.minor()))
}
