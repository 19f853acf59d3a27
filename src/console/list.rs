//! Lists: what is asked of them stands in the address, and so do the pages before and after.

use refundry_domain::money::Exact;

use crate::store::{Page, Slice};

use super::cell::Cell;
use super::query::Query;

/// Rows on a page, and in each piece of a CSV file.
const ROWS: u32 = 25;
const ROWS_CSV: u32 = 1_000;

pub struct Column {
    pub title: &'static str,
    /// Only a CSV file has it.
    pub hidden: bool,
    pub number: bool,
}

pub struct Row {
    pub cells: Vec<Cell>,
    /// What stands for the row when it is chosen, and what it is called then.
    pub value: String,
    pub name: String,
}

/// A table. Each row has a cell for each column.
pub struct Table {
    pub caption: &'static str,
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
    /// Whether rows can be chosen for what stands below.
    pub choose: bool,
}

impl Table {
    /// Columns by their titles: `#` before one of numbers, `-` before one that only CSV has.
    pub fn new(caption: &'static str, titles: &[&'static str]) -> Table {
        let columns = titles.iter().map(|title| Column {
            title: title.trim_start_matches(['#', '-']),
            hidden: title.starts_with('-'),
            number: title.starts_with('#'),
        });
        Table { caption, columns: columns.collect(), rows: Vec::new(), choose: false }
    }

    pub fn add(&mut self, cells: Vec<Cell>) {
        self.rows.push(Row { cells, value: String::new(), name: String::new() });
    }

    pub fn add_choice(&mut self, value: String, name: String, cells: Vec<Cell>) {
        self.choose = true;
        self.rows.push(Row { cells, value, name });
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A row's cells that are shown, with their columns.
    pub fn shown<'a>(&'a self, row: &'a Row) -> impl Iterator<Item = (&'a Column, &'a Cell)> {
        self.columns.iter().zip(&row.cells).filter(|(column, _)| !column.hidden)
    }
}

/// Where a list goes on.
#[derive(Default)]
pub struct Pager {
    pub newer: Option<String>,
    pub older: Option<String>,
    /// The cursor that the older page begins after.
    pub next: Option<String>,
    pub csv: String,
    /// The address of the list the other way round, if it can be turned.
    pub turned: Option<(&'static str, String)>,
}

pub fn wants_csv(query: &Query) -> bool {
    query.text("format") == Some("csv")
}

/// The part of a list that an address asks for.
pub fn page(query: &Query) -> Page {
    let after = query.number("after");
    let before = query.number("before").filter(|_| after.is_none());
    let limit = if wants_csv(query) { ROWS_CSV } else { ROWS };
    Page { after, before, limit, oldest_first: query.text("order") == Some("oldest") }
}

/// Where a list begins: its newest row.
pub fn newest() -> Page {
    Page { after: None, before: None, limit: 1, oldest_first: false }
}

/// The amount that a list is asked for, or what is wrong with it.
pub fn amount(query: &Query) -> (Option<Exact>, Option<String>) {
    match query.text("amount").map(Exact::parse) {
        None => (None, None),
        Some(Ok(figure)) => (Some(figure), None),
        Some(Err(_)) => {
            (None, Some("Write the amount as a number such as 27.01, without currency.".to_owned()))
        }
    }
}

/// The ways on from a part of a list whose cursors are the rows' numbers.
pub fn pager<T>(path: &str, query: &Query, slice: &Slice<T>, number: impl Fn(&T) -> i64) -> Pager {
    let page = page(query);
    let (first, last) = (slice.rows.first().map(&number), slice.rows.last().map(&number));
    let mut pager =
        ways(path, query, page.before.is_some(), page.after.is_some(), slice.more, |end| {
            let row = if end { last } else { first };
            row.map(|number| number.to_string())
        });
    let other = if page.oldest_first { None } else { Some("oldest") };
    let label = if page.oldest_first { "Newest first" } else { "Oldest first" };
    let fields = [("order", other), ("after", None), ("before", None), ("format", None)];
    pager.turned = Some((label, format!("{path}?{}", query.with(&fields))));
    pager
}

/// How many numbers a page looks through for what no index answers. Numbers are of one sequence over
/// all rows, so this is a bound on the rows of any kind.
const LOOKED_THROUGH: i64 = 250_000;

/// A piece of a list that is searched row by row, newest first, from one number down to another.
pub struct Stretch {
    pub page: Page,
    /// The number to go on below when nothing more is found in this piece; `None` at the end.
    further: Option<i64>,
}

impl Stretch {
    /// Whether there is more to search below it.
    pub fn goes_on(&self) -> bool {
        self.further.is_some()
    }
}

/// The first piece, of the numbers below `end`, with some of what it holds.
pub fn newest_stretch(end: i64, limit: u32) -> Stretch {
    let stretch = stretch(&Query::default(), 1, end);
    Stretch { page: Page { limit, ..stretch.page }, ..stretch }
}

/// The next piece to be searched, of the numbers from `least` up to below `end`.
pub fn stretch(query: &Query, least: i64, end: i64) -> Stretch {
    let start = query.number("after").unwrap_or(i64::MAX).min(end);
    let floor = least.saturating_sub(1).max(0);
    let low = start.saturating_sub(LOOKED_THROUGH).max(floor);
    let page = Page { after: Some(start), before: Some(low), ..page(query) };
    Stretch {
        page: Page { oldest_first: false, ..page },
        further: (low > floor).then_some(low + 1),
    }
}

/// The way on from such a piece. There is none back but the browser's own.
pub fn stretch_pager<T>(
    path: &str,
    query: &Query,
    stretch: &Stretch,
    slice: &Slice<T>,
    number: impl Fn(&T) -> i64,
) -> Pager {
    let last = slice.rows.last().map(number).filter(|_| slice.more);
    let next = last.or(stretch.further).map(|number| number.to_string());
    let more = next.is_some();
    ways(path, query, false, false, more, |_| next.clone())
}

/// The ways on, by the cursor of the last row (`true`) or the first.
pub fn ways(
    path: &str,
    query: &Query,
    backward: bool,
    begun: bool,
    more: bool,
    cursor: impl Fn(bool) -> Option<String>,
) -> Pager {
    let way = |name: &str, cursor: Option<String>| {
        let cursor = cursor?;
        let mut fields = vec![("after", None), ("before", None), ("format", None)];
        for field in &mut fields {
            if field.0 == name {
                field.1 = Some(cursor.as_str());
            }
        }
        Some(format!("{path}?{}", query.with(&fields)))
    };
    // A CSV file has all of the list, wherever the page stands.
    let whole = [("format", Some("csv")), ("after", None), ("before", None)];
    let (has_older, has_newer) = if backward { (true, more) } else { (more, begun) };
    Pager {
        newer: has_newer.then(|| way("before", cursor(false))).flatten(),
        older: has_older.then(|| way("after", cursor(true))).flatten(),
        next: has_older.then(|| cursor(true)).flatten(),
        csv: format!("{path}?{}", query.with(&whole)),
        turned: None,
    }
}

/// A choice of a filter or a form.
pub struct Choice {
    pub value: String,
    pub text: String,
    pub chosen: bool,
}

pub fn choice(value: &str, text: &str, chosen: bool) -> Choice {
    Choice { value: value.to_owned(), text: text.to_owned(), chosen }
}

/// One choice for each of `all`, with the one of the query chosen.
pub fn choices<T: Copy>(
    query: &Query,
    field: &str,
    all: &[T],
    words: impl Fn(T) -> (&'static str, &'static str),
) -> Vec<Choice> {
    let chosen = query.text(field);
    let one = |item: &T| {
        let (value, text) = words(*item);
        choice(value, text, chosen == Some(value))
    };
    all.iter().map(one).collect()
}
