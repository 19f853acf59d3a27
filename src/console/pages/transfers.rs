//! Bank transfers that somebody is to make, and the files of them that a bank takes.

use askama::Template;
use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::Response;
use refundry_domain::ids::TransferFileId;

use crate::access::bank::BankDetails;
use crate::console::cell::Cell;
use crate::console::csv;
use crate::console::form::{Draft, Wrongs};
use crate::console::list::{self, Pager, Table, pager};
use crate::console::say;
use crate::console::shell::Shell;
use crate::console::visit::{Trouble, Visit, html, redirect_done};
use crate::dialects::shared::right::{Administers, Right};
use crate::dialects::shared::transfers::{Open, Wish};
use crate::store::vault::TransferFile;

const PATH: &str = "/console/transfers";
/// The most open transfers that are shown, for a page of less than 60 kB; a CSV file has all.
const SHOWN: usize = 40;

#[derive(Template)]
#[template(path = "transfers.html")]
struct Page<'a> {
    shell: &'a Shell,
    /// Whether it is set whose account the money leaves.
    has_debtor: bool,
    /// How many would stand in a file, in words; nothing when there are none.
    ready: Option<String>,
    open: Table,
    csv: String,
    /// How many are not shown.
    cut: usize,
    files: Table,
    pager: Pager,
    draft: Draft,
}

pub async fn list(visit: Visit) -> Result<Response, Trouble> {
    page(&visit, Draft::default()).await
}

async fn page(visit: &Visit, draft: Draft) -> Result<Response, Trouble> {
    let right: Right<Administers> = visit.right()?;
    let query = &visit.query;
    let found = right.open_transfers().await?;
    if list::wants_csv(query) {
        return Ok(csv::of(&open_table(visit, &found), "bank-transfers"));
    }
    let own = right.own().await?.ok_or_else(|| Trouble::missing("merchant"))?;
    let slice = right.transfer_files(list::page(query)).await?;
    let ways = pager(PATH, query, &slice, |file| file.number);
    let ready = found.iter().filter(|one| one.lacks().is_none() && one.file.is_none()).count();
    let shown = &found[..found.len().min(SHOWN)];
    let shell = visit.shell("Bank transfers")?;
    let status = if draft.is_wrong() { 422 } else { 200 };
    let page = Page {
        has_debtor: own.settings.debtor.is_some(),
        ready: (ready > 0).then(|| say::plural(ready, "transfer")),
        open: open_table(visit, shown),
        csv: format!("{PATH}?format=csv"),
        cut: found.len() - shown.len(),
        files: files_table(visit, &slice.rows),
        pager: Pager { csv: String::new(), ..ways },
        shell: &shell,
        draft,
    };
    html(status, &page)
}

/// Where a transfer stands: in a file, ready for the next one, or why it cannot be in any.
fn standing(open: &Open) -> Cell {
    let lack = |text| Cell::pill((text, "bad"));
    match (open.file, open.lacks()) {
        (Some(file), _) => file_cell(file),
        (None, None) => Cell::pill(("Ready for a file", "look")),
        (None, Some("bank_details")) => lack("Lacks bank details"),
        (None, Some("currency")) => lack("Not in euros"),
        (None, Some("account_holder")) => lack("The holder's name has no letter that banks take"),
        (None, Some(_)) => lack("More than banks take at once"),
    }
}

fn file_cell(number: i64) -> Cell {
    let id = format!("btf_{}", TransferFileId(number));
    Cell::code(id.clone()).to(format!("{PATH}/{id}"))
}

fn open_table(visit: &Visit, rows: &[Open]) -> Table {
    let titles = [
        "Transfer",
        "State or file",
        "#Amount",
        "Account",
        "Refund",
        "Order",
        "Since",
        "-Currency",
    ];
    let mut table = Table::new("Open bank transfers", &titles);
    for open in rows {
        let (refund, row) = (&open.refund, open.row());
        let last4 = refund.information.as_deref().and_then(BankDetails::last4);
        let [transfer, of, order] = [
            (format!("txn_{}", row.id), "owed"),
            (format!("ref_{}", refund.id), "refunds"),
            (format!("ord_{}", refund.order), "orders"),
        ]
        .map(|(id, page)| Cell::code(id.clone()).to(format!("/console/{page}/{id}")));
        table.add(vec![
            transfer,
            standing(open),
            Cell::money(row.amount, refund.currency),
            Cell::text(last4.map(|digits| format!("ends in {digits}")).unwrap_or_default()),
            of,
            order,
            visit.say.time(row.created_at),
            Cell::text(refund.currency.code()),
        ]);
    }
    table
}

fn files_table(visit: &Visit, rows: &[TransferFile]) -> Table {
    let titles = ["File", "Made", "#Transfers", "#Total", "Made by", "Named to the bank"];
    let mut table = Table::new("Files of bank transfers", &titles);
    for file in rows {
        table.add(vec![
            file_cell(file.number),
            visit.say.time(file.created_at),
            Cell::times(i64::from(file.transfers)),
            Cell::money(file.total, file.currency),
            Cell::text(&file.made_by),
            Cell::text(&file.message_id),
        ]);
    }
    table
}

/// Writes a file of all that is ready. What stands in a file is not ready any more, so the same form
/// sent twice makes one.
pub async fn make(visit: Visit) -> Result<Response, Trouble> {
    let right: Right<Administers> = visit.right()?;
    let wrong = |field: &str, why: &str| Draft::refused(&visit.form, Wrongs::one(field, why));
    let execution = match visit.form.text("execution").map(str::parse) {
        None => None,
        Some(Ok(day)) => Some(day),
        Some(Err(_)) => {
            return page(&visit, wrong("execution", "Write a day such as 2026-12-01.")).await;
        }
    };
    let wish = Wish { again: false, execution, dry_run: false };
    let drawn = match right.draw_transfers(wish).await {
        Ok(drawn) => drawn,
        Err(problem) if problem.status < 500 => {
            let about_day = execution.is_some() && problem.at.is_some();
            let field = if about_day { "execution" } else { "" };
            return page(&visit, wrong(field, &problem.detail)).await;
        }
        Err(problem) => return Err(problem.into()),
    };
    let Some(drawn) = drawn else {
        let why = "No transfer waits for a file. Those in a file are listed with it.";
        return page(&visit, wrong("", why)).await;
    };
    match right.keep_transfers(drawn).await? {
        Some(_) => Ok(redirect_done(PATH, "written")),
        None => {
            let why = "Somebody else has made a file of these transfers meanwhile. Look below, and \
                       make one of the others.";
            page(&visit, wrong("", why)).await
        }
    }
}

/// The file itself, the same bytes each time.
pub async fn file(visit: Visit) -> Result<Response, Trouble> {
    let right: Right<Administers> = visit.right()?;
    let missing = || Trouble::missing("file of bank transfers");
    let number = visit.id("btf_").ok_or_else(missing)?;
    let bytes = right.transfer_file(number).await?.ok_or_else(missing)?;
    if bytes.is_empty() {
        let detail = "It had full account numbers, so it is kept for some weeks only. Which \
                      transfers stood in it is still known.";
        return Err(Trouble::new(404, "This file was deleted", detail));
    }
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    if let Ok(name) = HeaderValue::try_from(format!("attachment; filename=\"btf_{number}.xml\"")) {
        headers.insert(CONTENT_DISPOSITION, name);
    }
    Ok(response)
}
