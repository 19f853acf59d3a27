//! The file: CSV, plain or gzipped, read row by row into what the plan needs.

use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;
use jiff::civil::DateTime;
use refundry_domain::ids::Timestamp;
use refundry_domain::money::Minor;

/// The columns, in the order in which they must stand.
const COLUMNS: [&str; 8] = [
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
];

/// The most decimals of a price that are read exactly.
const MOST_DECIMALS: usize = 9;

/// What is wrong with the file, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum FileProblem {
    #[error("the file cannot be read: {0}. Check that it is complete, and a CSV or a .gz of one")]
    Unreadable(#[from] io::Error),
    #[error(
        "line 1: the header is not that of the Online Retail data ({0}). Its columns are {columns}",
        columns = COLUMNS.join(",")
    )]
    Header(String),
    #[error("line {line}: {fields} fields where there must be {needed}. Quote a field that has a comma, as CSV does", needed = COLUMNS.len())]
    Fields { line: u64, fields: usize },
    #[error("line {line}: the row is not UTF-8 text. Convert the file to UTF-8 and run this again")]
    NotText { line: u64 },
    #[error("line {line}, {field}: {value:?} is {problem}. Correct it and run this again")]
    Value { line: u64, field: &'static str, value: String, problem: &'static str },
}

/// What an invoice number says of its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    Sale,
    Cancellation,
    Other,
}

/// One row. Texts are shared between the rows that have them.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its place in the file, the header being 1.
    pub number: u32,
    pub kind: RowKind,
    pub invoice: Arc<str>,
    pub sku: Arc<str>,
    pub name: Arc<str>,
    pub quantity: i64,
    pub at: Timestamp,
    pub worth: Worth,
    /// Empty when the row names no customer.
    pub customer: Arc<str>,
}

/// What the row is worth: its quantity times its price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// The price is zero or less.
    NoPrice,
    /// Both are above zero, together less than a penny.
    UnderAPenny,
    /// Half up to the penny; zero where the quantity is not above zero.
    Pence(Minor),
}

/// All rows of the file, in its order.
pub fn read(source: impl Read) -> Result<Vec<Row>, FileProblem> {
    let mut source = BufReader::with_capacity(1 << 16, source);
    let zipped = source.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    if zipped { rows(MultiGzDecoder::new(source)) } else { rows(source) }
}

fn rows(source: impl Read) -> Result<Vec<Row>, FileProblem> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(source);
    let mut record = csv::StringRecord::new();
    check_header(&mut reader, &mut record)?;
    let mut texts = Texts::default();
    let mut rows = Vec::new();
    let mut number = 1;
    while next(&mut reader, &mut record)? {
        number += 1;
        rows.push(row(number, &record, &mut texts)?);
    }
    Ok(rows)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the list is the reader's, and open")]
fn next<R: Read>(
    reader: &mut csv::Reader<R>,
    record: &mut csv::StringRecord,
) -> Result<bool, FileProblem> {
    let line = reader.position().line();
    reader.read_record(record).map_err(|problem| match problem.into_kind() {
        csv::ErrorKind::Io(error) => FileProblem::Unreadable(error),
        csv::ErrorKind::Utf8 { pos, .. } => {
            FileProblem::NotText { line: pos.map_or(line, |pos| pos.line()) }
        }
        other => FileProblem::Unreadable(io::Error::other(format!("{other:?}"))),
    })
}

fn check_header<R: Read>(
    reader: &mut csv::Reader<R>,
    record: &mut csv::StringRecord,
) -> Result<(), FileProblem> {
    if !next(reader, record)? {
        return Err(FileProblem::Header("the file is empty".to_owned()));
    }
    // A byte-order mark is no part of the first name.
    let found = record.iter().map(|name| name.trim_start_matches('\u{feff}'));
    if found.ne(COLUMNS) {
        let start: String = record.iter().collect::<Vec<_>>().join(",").chars().take(80).collect();
        return Err(FileProblem::Header(format!("it says {start:?}")));
    }
    Ok(())
}

fn row(number: u32, record: &csv::StringRecord, texts: &mut Texts) -> Result<Row, FileProblem> {
    let line = record.position().map_or(u64::from(number), csv::Position::line);
    if record.len() != COLUMNS.len() {
        return Err(FileProblem::Fields { line, fields: record.len() });
    }
    let wrong = |column: usize, problem| FileProblem::Value {
        line,
        field: COLUMNS[column],
        value: record[column].chars().take(40).collect(),
        problem,
    };
    let invoice = &record[0];
    let quantity: i64 = record[3].parse().map_err(|_| wrong(3, "not a whole number"))?;
    if u32::try_from(quantity.unsigned_abs()).is_err() {
        return Err(wrong(3, "more units than a line can have"));
    }
    let at: DateTime =
        record[4].parse().map_err(|_| wrong(4, "not a time such as 2010-12-01T08:26:00"))?;
    let at = at
        .to_zoned(jiff::tz::TimeZone::UTC)
        .map_err(|_| wrong(4, "not a time that can be kept"))?
        .timestamp();
    let price = Price::parse(&record[5]).map_err(|problem| wrong(5, problem))?;
    let worth = price.times(quantity).ok_or_else(|| wrong(5, "too large an amount"))?;
    Ok(Row {
        number,
        kind: kind(invoice),
        invoice: texts.shared(invoice),
        sku: texts.shared(&record[1]),
        name: texts.shared(&record[2]),
        quantity,
        at: Timestamp(at.as_millisecond()),
        worth,
        customer: texts.shared(&record[6]),
    })
}

fn kind(invoice: &str) -> RowKind {
    if !invoice.is_empty() && invoice.bytes().all(|byte| byte.is_ascii_digit()) {
        RowKind::Sale
    } else if invoice.starts_with('C') {
        RowKind::Cancellation
    } else {
        RowKind::Other
    }
}

/// A price as it is written: it may have more decimals than a penny has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Price {
    digits: i64,
    decimals: u32,
}

impl Price {
    fn parse(text: &str) -> Result<Price, &'static str> {
        const NO_NUMBER: &str = "not a price such as 2.55";
        let (sign, unsigned) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
        let all_digits =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) {
            return Err(NO_NUMBER);
        }
        if fraction.len() > MOST_DECIMALS {
            return Err("more exact than nine decimals");
        }
        let digits: i64 = format!("{whole}{fraction}").parse().map_err(|_| "too large a price")?;
        let decimals = u32::try_from(fraction.len()).map_err(|_| NO_NUMBER)?;
        Ok(Price { digits: sign * digits, decimals })
    }

    /// `None` when the amount is beyond what an order can have.
    fn times(self, quantity: i64) -> Option<Worth> {
        if self.digits <= 0 {
            return Some(Worth::NoPrice);
        }
        if quantity <= 0 {
            return Some(Worth::Pence(Minor::ZERO));
        }
        let pence = i128::from(self.digits) * i128::from(quantity) * 100;
        let unit = 10_i128.pow(self.decimals);
        if pence < unit {
            return Some(Worth::UnderAPenny);
        }
        let rounded = (2 * pence + unit) / (2 * unit);
        i64::try_from(rounded).ok().and_then(Minor::new).map(Worth::Pence)
    }
}

/// Each text once, however many rows have it.
#[derive(Default)]
struct Texts(HashSet<Arc<str>>);

impl Texts {
    fn shared(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.0.insert(new.clone());
        new
    }
}
