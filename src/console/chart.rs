//! Charts of bars, drawn as SVG. What they show stands beside them in words and figures; here it is
//! only measured out, and nothing is decided.

use refundry_domain::report::stretch;

/// Widths and heights in the drawing's own units; it is stretched to the place it has.
const SLOT: u32 = 10;
const BAR: u32 = 8;
const HEIGHT: u32 = 100;

/// A colour of the legend, as a class of the styles.
pub type Tone = &'static str;

/// A piece of a column.
pub struct Piece {
    pub tone: Tone,
    pub x: u32,
    pub y: u32,
    pub height: u32,
}

/// Columns as they are drawn, in a box of this width and height.
pub struct Drawn {
    pub width: u32,
    pub height: u32,
    /// How wide a column is, and where zero lies.
    pub bar: u32,
    pub zero: u32,
    pub pieces: Vec<Piece>,
}

/// One column for each day or month: what goes up from zero, piece upon piece, and what goes down.
pub struct Columns {
    pub title: &'static str,
    pub note: String,
    /// What a screen reader is told in place of the drawing.
    pub summary: String,
    pub drawn: Drawn,
    /// The largest column in words.
    pub most: String,
    pub first: String,
    pub last: String,
    pub legend: Vec<(Tone, &'static str, String)>,
}

/// What one column has.
#[derive(Default)]
pub struct Column {
    pub up: Vec<(Tone, i64)>,
    pub down: Vec<(Tone, i64)>,
}

fn total(pieces: &[(Tone, i64)]) -> i64 {
    pieces.iter().fold(0, |sum, (_, value)| sum.saturating_add(*value))
}

/// The largest column above zero.
pub fn largest(columns: &[Column]) -> i64 {
    columns.iter().map(|column| total(&column.up)).max().unwrap_or(0)
}

/// Measures columns out.
pub fn draw(columns: &[Column]) -> Drawn {
    let up = largest(columns);
    let down = columns.iter().map(|column| total(&column.down)).max().unwrap_or(0);
    let whole = up.saturating_add(down);
    let zero = HEIGHT - stretch(down, whole, HEIGHT);
    let mut pieces = Vec::new();
    let mut x = (SLOT - BAR) / 2;
    for column in columns {
        let mut y = zero;
        for (tone, value) in &column.up {
            let height = stretch(*value, whole, HEIGHT).min(y);
            y -= height;
            if height > 0 {
                pieces.push(Piece { tone, x, y, height });
            }
        }
        let mut y = zero;
        for (tone, value) in &column.down {
            let height = stretch(*value, whole, HEIGHT).min(HEIGHT - y);
            if height > 0 {
                pieces.push(Piece { tone, x, y, height });
            }
            y += height;
        }
        x += SLOT;
    }
    let count = u32::try_from(columns.len()).unwrap_or(u32::MAX / SLOT);
    Drawn { width: count.saturating_mul(SLOT), height: HEIGHT, bar: BAR, zero, pieces }
}

/// Names with a bar each, which is its own table.
pub struct Ranking {
    pub title: &'static str,
    pub note: String,
    /// What the names and the values are.
    pub heads: [&'static str; 2],
    pub rows: Vec<Rank>,
    /// How many more there are.
    pub more: usize,
    pub empty: &'static str,
}

pub struct Rank {
    pub name: String,
    pub value: String,
    /// In thousandths of the longest.
    pub long: u32,
    pub tone: Tone,
}

/// The rows of a ranking: a name, its value in words, and what its bar is as long as.
pub fn ranks(rows: Vec<(String, String, i64)>, tone: Tone) -> Vec<Rank> {
    let largest = rows.iter().map(|(_, _, size)| *size).max().unwrap_or(0);
    rows.into_iter()
        .map(|(name, value, size)| Rank { name, value, long: stretch(size, largest, 1_000), tone })
        .collect()
}
