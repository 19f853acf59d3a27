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

use super::csv;
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
pub struct ListPage {
    pub shell: Shell,
    pub intro: &'static str,
    pub filters: Vec<Filter>,
    pub table: Table,
    pub pager: Pager,
    /// What to do first when there is nothing.
    pub empty: &'static str,
    pub problem: Option<String>,
}

/// Shows a page of a list, or gives all of it as a CSV file.
pub async fn listed<F, H>(visit: Visit, file: &'static str, page: F) -> Result<Response, Trouble>
where
    F: Fn(Visit) -> H + Copy + Send + Sync + 'static,
    H: Future<Output = Result<ListPage, Trouble>> + Send + 'static,
{
    if !super::list::wants_csv(&visit.query) {
        return html(200, &page(visit).await?);
    }
    let part = move |visit: Visit| async move {
        let page = page(visit).await?;
        Ok::<_, Trouble>(csv::Part::of(page.table, page.pager))
    };
    csv::export(visit, file, part).await
}
