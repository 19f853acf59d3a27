//! What happened to refunds, by day and otherwise: a table, a chart of it, and a CSV file.

use std::collections::BTreeMap;

use askama::Template;
use axum::response::Response;
use jiff::Span;
use jiff::civil::Date;
use refundry_domain::money::Currency;
use refundry_domain::outcome::FailureCode;
use refundry_domain::report::{Figures, REST, Sum, Within};

use super::Filter;
use crate::console::cell::{Cell, Fact, fact};
use crate::console::chart::{Column, Columns, Ranking, Tone, draw, largest, ranks};
use crate::console::list::{self, Pager, Table, choice};
use crate::console::shell::Shell;
use crate::console::visit::{Trouble, Visit, html};
use crate::console::{csv, label, say};
use crate::dialects::shared::reports::{Days, Line, Wish};
use crate::dialects::shared::right::{Reads, Right};
use crate::store::reports::By;

const PATH: &str = "/console/reports";
/// The most columns of a chart and rows of a table, for a page of less than 60 kB; more days are
/// shown by month.
const MOST: usize = 40;
/// The most names of a ranking.
const RANKED: usize = 10;

#[derive(Template)]
#[template(path = "reports.html")]
struct Page<'a> {
    shell: &'a Shell,
    problem: Option<&'static str>,
    /// Much is not counted yet.
    behind: bool,
    filters: Vec<Filter>,
    /// Something else than days is asked for.
    narrowed: bool,
    facts: Vec<Fact>,
    columns: Vec<Columns>,
    rankings: Vec<Ranking>,
    table: Table,
    by_days: bool,
    /// How many rows are not shown.
    cut: usize,
    pager: Pager,
}

/// The overview's charts.
pub struct Month {
    pub columns: Vec<Columns>,
    pub rankings: Vec<Ranking>,
    pub table: Table,
    pub behind: bool,
}

/// What an address asks for.
struct Asked {
    wish: Wish,
    by: By,
    problem: Option<&'static str>,
}

fn asked(visit: &Visit) -> Asked {
    let query = &visit.query;
    let mut problem = None;
    let mut day = |name: &str| {
        let text = query.text(name)?;
        let read: Option<Date> = text.parse().ok();
        if read.is_none() {
            problem = Some("A day is written as 2026-12-01.");
        }
        read
    };
    let (from, to) = (day("from"), day("to"));
    let wish = Wish {
        from,
        to,
        currency: query.text("currency").and_then(|code| Currency::parse(code).ok()),
        provider: query.text("provider").map(str::to_owned),
        reason: query.text("reason").map(str::to_owned),
    };
    Asked { wish, by: query.text("by").and_then(By::parse).unwrap_or(By::Day), problem }
}

pub async fn show(visit: Visit) -> Result<Response, Trouble> {
    let right: Right<Reads> = visit.right()?;
    let Asked { mut wish, mut by, mut problem } = asked(&visit);
    let days = match right.report_days(&wish).await? {
        Ok(days) => days,
        Err(why) => {
            problem = Some(why);
            (wish.from, wish.to) = (None, None);
            right.report_days(&wish).await?.map_err(|why| Trouble::new(400, "No days", why))?
        }
    };
    let counted = right.counted().await?;
    let everything = Wish { currency: None, ..wish.clone() };
    let currencies = right.report(By::Currency, days, &everything).await?;
    let chosen = wish.currency.or(currencies.first().map(|line| line.currency));
    let wants_csv = list::wants_csv(&visit.query);
    if by == By::Day && !wants_csv && each_day(days).count() > MOST {
        by = By::Month;
    }
    let mut lines = if by == By::Currency {
        currencies.clone()
    } else {
        wish.currency = chosen;
        right.report(by, days, &wish).await?
    };
    if wants_csv {
        return Ok(csv::of(&table(by, &lines), "refund-report"));
    }
    let total = currencies.iter().find(|line| Some(line.currency) == chosen);
    let shell = visit.shell("Reports")?;
    let narrowed = ["currency", "provider", "reason"].iter().any(|name| visit.query.has(name));
    let cut = lines.len().saturating_sub(MOST);
    let (columns, rankings) = charts(by, days, &lines);
    lines.truncate(MOST);
    let csv = format!("{PATH}?{}", visit.query.with(&[("format", Some("csv"))]));
    let page = Page {
        shell: &shell,
        problem,
        behind: counted.is_far_behind,
        filters: filters(&visit, by, days, &currencies, chosen),
        narrowed,
        facts: total.filter(|_| by != By::Currency).map(facts).unwrap_or_default(),
        columns,
        rankings,
        table: table(by, &lines),
        by_days: matches!(by, By::Day | By::Month),
        cut,
        pager: Pager { csv, ..Pager::default() },
    };
    html(200, &page)
}

/// The last thirty days, in the currency that most of them are about; `None` without any refund.
pub async fn month(right: &Right<Reads>) -> Result<Option<Month>, Trouble> {
    let mut wish = Wish::default();
    let days = right.report_days(&wish).await?;
    let days = days.map_err(|why| Trouble::new(500, "No days", why))?;
    let behind = right.counted().await?.is_far_behind;
    let currencies = right.report(By::Currency, days, &wish).await?;
    let Some(first) = currencies.first() else { return Ok(None) };
    wish.currency = Some(first.currency);
    let lines = right.report(By::Day, days, &wish).await?;
    let (mut columns, mut rankings) = charts(By::Day, days, &lines);
    for by in [By::Failure, By::Time, By::Provider] {
        let lines = right.report(by, days, &wish).await?;
        rankings.append(&mut charts(by, days, &lines).1);
    }
    if currencies.len() > 1 {
        for chart in &mut columns {
            chart.note = format!("In {}; other currencies are under Reports.", first.currency);
        }
    }
    Ok(Some(Month { columns, rankings, table: table(By::Day, &lines), behind }))
}

fn each_day(days: Days) -> impl Iterator<Item = Date> {
    days.from.series(Span::new().days(1)).take_while(move |day| *day <= days.to)
}

fn words(by: By) -> (&'static str, &'static str) {
    match by {
        By::Day => ("Day", "Refunds by day"),
        By::Month => ("Month", "Refunds by month"),
        By::Reason => ("Reason", "Refunds by reason"),
        By::Provider => ("Provider", "Refunds by provider"),
        By::Currency => ("Currency", "Refunds by currency"),
        By::Failure => ("Failure", "Failed refunds by why"),
        By::Time => ("Time to settle", "Succeeded refunds by how long they took"),
    }
}

/// A key as people read it.
fn name(by: By, key: &str) -> String {
    match by {
        By::Day => say::day(key),
        By::Month => say::month(key),
        By::Reason if key.is_empty() => "No reason given".to_owned(),
        By::Reason | By::Provider if key == REST => "All others".to_owned(),
        By::Provider if key.is_empty() => "None".to_owned(),
        By::Reason | By::Provider | By::Currency => key.to_owned(),
        By::Failure => match FailureCode::parse(key) {
            Some(code) => label::failure(code).to_owned(),
            None => key.to_owned(),
        },
        By::Time => match Within::parse(key) {
            Some(known) => within(known).to_owned(),
            None => key.to_owned(),
        },
    }
}

fn within(within: Within) -> &'static str {
    match within {
        Within::Minute => "Within a minute",
        Within::Hour => "Within an hour",
        Within::Day => "Within a day",
        Within::ThreeDays => "Within three days",
        Within::Longer => "Longer",
    }
}

fn filters(
    visit: &Visit,
    by: By,
    days: Days,
    currencies: &[Line],
    chosen: Option<Currency>,
) -> Vec<Filter> {
    let ways = By::ALL.iter().map(|way| choice(way.name(), words(*way).0, *way == by)).collect();
    let known = currencies.iter().map(|line| line.currency);
    let mut known: Vec<Currency> = known.chain(chosen).collect();
    known.sort_unstable();
    known.dedup();
    let coins = known.iter().map(|it| choice(it.code(), it.code(), Some(*it) == chosen)).collect();
    let day = |name, label, day: Date| {
        let value = day.to_string();
        Filter { value, ..Filter::date(visit, name, label) }
    };
    let mut filters = vec![
        day("from", "From", days.from),
        day("to", "To", days.to),
        Filter::choice("by", "By", ways),
        Filter::choice("currency", "In", coins),
        Filter::text(visit, "provider", "Provider"),
        Filter::text(visit, "reason", "Reason"),
    ];
    // There is nothing to choose among when nothing was counted.
    filters.retain(|filter| filter.name != "currency" || !filter.choices.is_empty());
    filters
}

fn money(units: i64, currency: Currency) -> Cell {
    Cell::sum(Sum { units, currency })
}

fn facts(total: &Line) -> Vec<Fact> {
    let (it, currency) = (&total.figures, total.currency);
    vec![
        fact("Refunded", money(it.refunded(), currency)),
        fact("Paid", money(it.paid.amount, currency)),
        fact("Taken back", money(it.taken_back.amount, currency)),
        fact("Requested", Cell::times(it.requested.times)),
        fact("Succeeded", Cell::times(it.succeeded.times)),
        fact("Failed", Cell::times(it.failed.times)),
        fact("Canceled", Cell::times(it.canceled.times)),
        fact("Reversed", Cell::times(it.reversed.times)),
    ]
}

fn table(by: By, lines: &[Line]) -> Table {
    let (title, caption) = words(by);
    let key = |line: &Line| Cell::shown_as(&line.key, name(by, &line.key));
    let code = |line: &Line| Cell::text(line.currency.code());
    if matches!(by, By::Failure | By::Time) {
        let mut table = Table::new(caption, &[title, "-Currency", "#Refunds", "#Amount"]);
        for line in lines {
            let figures = &line.figures;
            let tally = if by == By::Failure { figures.failed } else { figures.succeeded };
            let amount = money(tally.amount, line.currency);
            table.add(vec![key(line), code(line), Cell::times(tally.times), amount]);
        }
        return table;
    }
    let titles = [
        title,
        "-Currency",
        "#Requested",
        "#Succeeded",
        "#Failed",
        "#Canceled",
        "#Reversed",
        "#Paid",
        "#Taken back",
        "#Refunded",
    ];
    let mut table = Table::new(caption, &titles);
    for line in lines {
        let (it, currency) = (&line.figures, line.currency);
        table.add(vec![
            key(line),
            code(line),
            Cell::times(it.requested.times),
            Cell::times(it.succeeded.times),
            Cell::times(it.failed.times),
            Cell::times(it.canceled.times),
            Cell::times(it.reversed.times),
            money(it.paid.amount, currency),
            money(it.taken_back.amount, currency),
            money(it.refunded(), currency),
        ]);
    }
    table
}

fn charts(by: By, days: Days, lines: &[Line]) -> (Vec<Columns>, Vec<Ranking>) {
    match by {
        By::Day => {
            let keys: Vec<String> = each_day(days).map(|day| day.to_string()).collect();
            (in_time(by, &keys, lines), Vec::new())
        }
        By::Month => {
            let mut keys: Vec<String> =
                each_day(days).map(|day| day.strftime("%Y-%m").to_string()).collect();
            keys.dedup();
            (in_time(by, &keys, lines), Vec::new())
        }
        By::Reason | By::Provider | By::Currency | By::Failure | By::Time => {
            (Vec::new(), vec![ranking(by, lines)])
        }
    }
}

/// The colours of what becomes of refunds.
const STATES: [(Tone, &str); 4] =
    [("paid", "Succeeded"), ("blocked", "Failed"), ("left", "Canceled"), ("held", "Reversed")];

fn states(figures: &Figures) -> [i64; 4] {
    let all = [figures.succeeded, figures.failed, figures.canceled, figures.reversed];
    all.map(|tally| tally.times)
}

/// What was refunded, and what became of refunds, a column for each key. Nothing without lines,
/// which are of one currency.
fn in_time(by: By, keys: &[String], lines: &[Line]) -> Vec<Columns> {
    let (Some(currency), Some(first), Some(last)) =
        (lines.first().map(|line| line.currency), keys.first(), keys.last())
    else {
        return Vec::new();
    };
    let (first, last) = (name(by, first), name(by, last));
    let mut total = Figures::default();
    lines.iter().for_each(|line| total.join(&line.figures));
    let of: BTreeMap<&str, &Figures> =
        lines.iter().map(|line| (line.key.as_str(), &line.figures)).collect();
    let each = |column: &dyn Fn(&Figures) -> Column| -> Vec<Column> {
        let one = |key: &String| of.get(key.as_str()).map(|it| column(it)).unwrap_or_default();
        keys.iter().map(one).collect()
    };
    let said = |units| say::sum(Sum { units, currency });
    let money = each(&|it| Column {
        up: vec![("paid", it.paid.amount)],
        down: vec![("blocked", it.taken_back.amount)],
    });
    let outcomes = each(&|it| {
        let up = STATES.iter().zip(states(it)).map(|((tone, _), times)| (*tone, times));
        Column { up: up.collect(), down: Vec::new() }
    });
    let refunded = Columns {
        title: "Refunded",
        note: String::new(),
        summary: format!(
            "Paid {} and taken back {} from {first} to {last}; the table has each {}.",
            said(total.paid.amount),
            said(total.taken_back.amount),
            words(by).0.to_lowercase(),
        ),
        most: said(largest(&money)),
        drawn: draw(&money),
        first: first.clone(),
        last: last.clone(),
        legend: vec![
            ("paid", "Paid", said(total.paid.amount)),
            ("blocked", "Taken back", said(total.taken_back.amount)),
        ],
    };
    let legend: Vec<_> = STATES
        .iter()
        .zip(states(&total))
        .map(|((tone, label), times)| (*tone, *label, say::times(times)))
        .collect();
    let summed: Vec<String> =
        legend.iter().map(|(_, label, times)| format!("{label} {times}")).collect();
    let became = Columns {
        title: "What became of refunds",
        note: String::new(),
        summary: format!("{} from {first} to {last}.", summed.join(", ")),
        most: say::times(largest(&outcomes)),
        drawn: draw(&outcomes),
        first,
        last,
        legend,
    };
    vec![refunded, became]
}

fn ranking(by: By, lines: &[Line]) -> Ranking {
    let row = |line: &Line| {
        let (it, currency) = (&line.figures, line.currency);
        let refunded = || say::sum(Sum { units: it.refunded(), currency });
        let (value, size) = match by {
            By::Failure => (say::times(it.failed.times), it.failed.times),
            By::Time => (say::times(it.succeeded.times), it.succeeded.times),
            // Amounts of several currencies are not of one length.
            By::Currency => (refunded(), it.paid.times),
            By::Day | By::Month | By::Reason | By::Provider => (refunded(), it.paid.amount),
        };
        (name(by, &line.key), value, size)
    };
    let (title, note, value, tone, empty) = match by {
        By::Failure => ("Why refunds failed", "", "Refunds", "blocked", "None failed."),
        By::Time => {
            let note = "From the request until it was paid.";
            ("Time to settle", note, "Refunds", "paid", "None succeeded.")
        }
        By::Currency => {
            let note = "Bars are as long as there are payouts.";
            ("Refunded by currency", note, "Refunded", "paid", "")
        }
        By::Reason => ("Refunded by reason", "", "Refunded", "paid", ""),
        By::Day | By::Month | By::Provider => {
            ("Refunded by provider", "", "Refunded", "paid", "Nothing was paid.")
        }
    };
    Ranking {
        title,
        note: note.to_owned(),
        heads: [words(by).0, value],
        rows: ranks(lines.iter().take(RANKED).map(row).collect(), tone),
        more: lines.len().saturating_sub(RANKED),
        empty,
    }
}
