//! A list as a CSV file that no spreadsheet takes for formulas.

use std::io;

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::cell::Cell;
use super::list::{Pager, Table};
use super::visit::{Trouble, Visit};

/// What a cell of a spreadsheet must not begin with.
const FORMULAS: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\n'];

/// A piece of a list, and the cursor that the next one begins after.
pub struct Part {
    table: Table,
    next: Option<String>,
}

impl Part {
    pub fn of(table: Table, pager: Pager) -> Part {
        Part { table, next: pager.next }
    }
}

/// A table that is a whole list.
pub fn of(table: &Table, name: &'static str) -> Response {
    let mut text = titles(table).to_vec();
    text.extend_from_slice(&lines(table));
    file(Body::from(text), name)
}

/// All that a list's filter shows, from its first row. It is read piece by piece as the client takes
/// it: no more than a piece is ever kept here, and nothing is read for a client that went away.
pub async fn export<F, H>(visit: Visit, name: &'static str, part: F) -> Result<Response, Trouble>
where
    F: Fn(Visit) -> H + Send + Sync + 'static,
    H: Future<Output = Result<Part, Trouble>> + Send + 'static,
{
    // What cannot be listed at all is told on a page.
    let first = part(visit.beginning_at(None)).await?;
    let head = [titles(&first.table), lines(&first.table)];
    let head = stream::iter(head.map(Ok::<_, io::Error>));
    let state = (first.next, visit, part);
    let rest = stream::try_unfold(state, move |(next, mut visit, part)| async move {
        let Some(cursor) = next else { return Ok(None) };
        let may = visit.look_again().await;
        let read = match may {
            Ok(()) => part(visit.beginning_at(Some(&cursor))).await,
            Err(trouble) => Err(trouble),
        };
        let read = read.map_err(|trouble| cut_off(name, &trouble))?;
        Ok::<_, io::Error>(Some((lines(&read.table), (read.next, visit, part))))
    });
    Ok(file(Body::from_stream(head.chain(rest)), name))
}

/// Breaks the connection off, so that nobody takes a part for the whole.
fn cut_off(name: &str, trouble: &Trouble) -> io::Error {
    let Trouble { title, detail, .. } = trouble;
    tracing::warn!(file = name, title, detail, "a CSV file was not given to its end");
    io::Error::other(format!("{title}. {detail}"))
}

fn file(body: Body, name: &str) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    if let Ok(value) = HeaderValue::try_from(format!("attachment; filename=\"{name}.csv\"")) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    response
}

fn titles(table: &Table) -> Bytes {
    written([table.columns.iter().map(|column| column.title.to_owned())])
}

fn lines(table: &Table) -> Bytes {
    written(table.rows.iter().map(|row| row.cells.iter().map(Cell::plain).map(safe)))
}

fn written(records: impl IntoIterator<Item = impl Iterator<Item = String>>) -> Bytes {
    let mut writer =
        csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(vec![]);
    for record in records {
        // Writing to memory does not fail, and every record has the fields of the head.
        let _ = writer.write_record(record);
    }
    writer.into_inner().unwrap_or_default().into()
}

/// With an apostrophe before what a spreadsheet would take for a formula; a number below zero is none.
fn safe(text: &str) -> String {
    let digits = text.strip_prefix('-').unwrap_or_default();
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if text.starts_with(FORMULAS) && !is_number { format!("'{text}") } else { text.to_owned() }
}
