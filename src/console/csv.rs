//! A list as a CSV file that no spreadsheet takes for formulas.

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::Response;

use super::list::Table;

/// What a cell of a spreadsheet must not begin with.
const FORMULAS: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\n'];

pub fn of(table: &Table, name: &'static str) -> Response {
    let mut writer =
        csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(vec![]);
    // Writing to memory does not fail, and every record has the fields of the head.
    let _ = writer.write_record(table.columns.iter().map(|column| column.title));
    for row in &table.rows {
        let _ = writer.write_record(row.cells.iter().map(|cell| safe(cell.plain())));
    }
    let mut response = Response::new(Body::from(writer.into_inner().unwrap_or_default()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    if let Ok(value) = HeaderValue::try_from(format!("attachment; filename=\"{name}.csv\"")) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    response
}

/// With an apostrophe before what a spreadsheet would take for a formula; a number below zero is none.
fn safe(text: &str) -> String {
    let digits = text.strip_prefix('-').unwrap_or_default();
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if text.starts_with(FORMULAS) && !is_number { format!("'{text}") } else { text.to_owned() }
}
