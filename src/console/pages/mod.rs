//! The pages, one file each.

pub mod audit;
pub mod confirm;
pub mod credits;
pub mod gateways;
pub mod keys;
pub mod live;
pub mod login;
pub mod new_refund;
pub mod new_return;
pub mod orders;
pub mod overview;
pub mod owed;
pub mod refunds;
pub mod reports;
pub mod returns;
pub mod search;
pub mod settings;
pub mod transfers;
pub mod webhooks;

use askama::Template;
use axum::response::Response;

use super::list::{Pager, Table};
use super::shell::Shell;
use super::visit::{Trouble, Visit, html};

/// What is shown when a page cannot be.
#[derive(Template)]
#[template(path = "trouble.html")]
pub struct TroublePage<'a> {
    pub shell: &'a Shell,
    pub trouble: &'a Trouble,
}

/// A field of a list's filter.
pub struct Filter {
    pub name: &'static str,
    pub label: &'static str,
    /// `text`, `date`, `select`, or `choice` for a select that always has a value.
    pub kind: &'static str,
    pub value: String,
    pub choices: Vec<super::list::Choice>,
}

impl Filter {
    pub fn text(visit: &Visit, name: &'static str, label: &'static str) -> Filter {
        let value = visit.query.written(name).to_owned();
        Filter { name, label, kind: "text", value, choices: Vec::new() }
    }

    pub fn date(visit: &Visit, name: &'static str, label: &'static str) -> Filter {
        Filter { kind: "date", ..Filter::text(visit, name, label) }
    }

    pub fn select(
        name: &'static str,
        label: &'static str,
        choices: Vec<super::list::Choice>,
    ) -> Filter {
        Filter { name, label, kind: "select", value: String::new(), choices }
    }

    pub fn choice(
        name: &'static str,
        label: &'static str,
        choices: Vec<super::list::Choice>,
    ) -> Filter {
        Filter { kind: "choice", ..Filter::select(name, label, choices) }
    }
}

/// A list with its filter; most lists are no more than that.
#[derive(Template)]
#[template(path = "list.html")]
pub struct ListPage<'a> {
    pub shell: &'a Shell,
    pub intro: &'a str,
    pub filters: Vec<Filter>,
    pub table: Table,
    pub pager: Pager,
    /// What to do first when there is nothing.
    pub empty: &'a str,
    pub problem: Option<String>,
}

/// Shows a list, or gives it as a CSV file.
pub fn listed(visit: &Visit, page: &ListPage<'_>, file: &'static str) -> Result<Response, Trouble> {
    if super::list::wants_csv(&visit.query) {
        return Ok(super::csv::of(&page.table, file));
    }
    html(200, page)
}
