//! What was measured, as a table for people and as JSON for programs.

use serde_json::{Map, Value};

use crate::cli::import::report::thousands;
use crate::cli::output;

/// One figure, in the unit that it is counted in.
#[derive(Clone, Debug)]
pub enum Cell {
    Count(u64),
    Nanos(u64),
    /// Thousandths of one.
    Ratio(u64),
    Kib(u64),
    Text(String),
}

impl Cell {
    fn shown(&self) -> String {
        match self {
            Cell::Count(count) => thousands(*count),
            Cell::Nanos(nanos) if *nanos < 10_000_000 => {
                format!("{} µs", thousands(nanos / 1_000))
            }
            Cell::Nanos(nanos) if *nanos < 10_000_000_000 => {
                format!("{} ms", thousands(nanos / 1_000_000))
            }
            Cell::Nanos(nanos) => format!("{} s", thousands(nanos / 1_000_000_000)),
            Cell::Ratio(permille) => format!("{}.{:02}", permille / 1000, permille % 1000 / 10),
            Cell::Kib(kib) => format!("{} MiB", thousands(kib / 1024)),
            Cell::Text(text) => text.clone(),
        }
    }

    /// With its unit in the name.
    fn json(&self, name: &str) -> (String, Value) {
        let name = name.replace(' ', "_");
        match self {
            Cell::Count(count) => (name, (*count).into()),
            Cell::Nanos(nanos) => (format!("{name}_ns"), (*nanos).into()),
            Cell::Ratio(permille) => (format!("{name}_permille"), (*permille).into()),
            Cell::Kib(kib) => (format!("{name}_kib"), (*kib).into()),
            Cell::Text(text) => (name, text.clone().into()),
        }
    }
}

pub type Row = Vec<(&'static str, Cell)>;

/// Rows with the same columns, under a title.
pub struct Table {
    pub name: &'static str,
    pub title: String,
    pub rows: Vec<Row>,
}

impl Table {
    pub fn new(name: &'static str, title: impl Into<String>) -> Table {
        Table { name, title: title.into(), rows: Vec::new() }
    }

    pub fn print(&self) {
        output::line(&format!("\n{}\n", self.title));
        let Some(first) = self.rows.first() else { return };
        let widths: Vec<usize> = (0..first.len())
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                let widest = cells.map(|(_, cell)| cell.shown().chars().count()).max();
                widest.unwrap_or(0).max(first[column].0.chars().count())
            })
            .collect();
        let names = first.iter().map(|(name, _)| (*name).to_owned());
        output::line(&aligned(names, &widths));
        for row in &self.rows {
            output::line(&aligned(row.iter().map(|(_, cell)| cell.shown()), &widths));
        }
    }

    pub fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            let fields = row.iter().map(|(name, cell)| cell.json(name));
            Value::Object(fields.collect::<Map<_, _>>())
        });
        Value::Array(rows.collect())
    }
}

fn aligned(cells: impl Iterator<Item = String>, widths: &[usize]) -> String {
    let cells = cells.zip(widths).map(|(cell, width)| {
        let room = width.saturating_sub(cell.chars().count());
        format!("  {}{cell}", " ".repeat(room))
    });
    cells.collect()
}

/// `part` of `whole`, in thousandths.
pub fn permille(part: u64, whole: u64) -> u64 {
    let permille = u128::from(part) * 1000 / u128::from(whole.max(1));
    u64::try_from(permille).unwrap_or(u64::MAX)
}
