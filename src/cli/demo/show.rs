//! Requests and answers as a person reads them: JSON on as few lines as are clear, colours on a
//! terminal only.

use std::io::{IsTerminal, stdout};

use crate::cli::client::{Ask, Reply};
use crate::cli::output;

/// How wide a value may be to stay on one line, and how many lines an answer gets.
const WIDTH: usize = 92;
const MOST_LINES: usize = 60;
/// Fields of answers that say nothing new to somebody who looks at one for the first time.
const LEFT_OUT: &[&str] = &[
    "asked_by",
    "confirmed_by",
    "created_at",
    "disputed",
    "execution",
    "hash",
    "moves",
    "previous",
    "released_amount",
    "released_quantity",
    "requested_by",
    "settled_at",
    "shares",
    "superseded",
    "taken",
    "taken_quantity",
    "updated_at",
];

pub struct Show {
    colours: bool,
}

#[derive(Clone, Copy)]
enum Paint {
    Title,
    Asked,
    Good,
    Bad,
    Faint,
}

impl Show {
    pub fn new() -> Show {
        Show { colours: stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() }
    }

    pub fn title(&self, number: usize, text: &str) {
        output::line(&format!("\n{}", self.paint(Paint::Title, &format!("{number}. {text}"))));
    }

    pub fn request(&self, ask: &Ask<'_>) {
        let line = format!("{} {}", ask.method, ask.path);
        output::line(&format!("\n   {}", self.paint(Paint::Asked, &line)));
        if let Some(key) = ask.idempotency_key {
            output::line(&self.paint(Paint::Faint, &format!("   Idempotency-Key: {key}")));
        }
        if let Some(body) = ask.body {
            output::line(&indented(&pretty(body), usize::MAX));
        }
    }

    pub fn answer(&self, reply: &Reply) {
        let paint = if reply.status < 300 { Paint::Good } else { Paint::Bad };
        output::line(&format!("   {}", self.paint(paint, &format!("→ {}", reply.status))));
        if let Some(replayed) = reply.headers.get("idempotent-replayed") {
            let value = replayed.to_str().unwrap_or_default();
            output::line(&self.paint(Paint::Faint, &format!("   Idempotent-Replayed: {value}")));
        }
        let body = shortened(&compact(&String::from_utf8_lossy(&reply.body)));
        output::line(&indented(&pretty(&body), MOST_LINES));
    }

    pub fn note(&self, text: &str) {
        output::line(&format!("   {}", self.paint(Paint::Good, &format!("✓ {text}"))));
    }

    pub fn aside(&self, text: &str) {
        output::line(&format!("\n{}", self.paint(Paint::Faint, text)));
    }

    fn paint(&self, paint: Paint, text: &str) -> String {
        let code = match paint {
            Paint::Title => "1",
            Paint::Asked => "36",
            Paint::Good => "32",
            Paint::Bad => "33",
            Paint::Faint => "2",
        };
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn indented(text: &str, most: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut shown: Vec<String> =
        lines.iter().take(most).map(|line| format!("     {line}")).collect();
    if lines.len() > most {
        shown.push(format!("     … {} more lines", lines.len() - most));
    }
    shown.join("\n")
}

/// JSON with its fields as they came, broken into lines where it is too wide for one.
pub fn pretty(json: &str) -> String {
    let mut out = String::new();
    lay_out(&compact(json), 0, &mut out);
    out
}

/// One line, with a space after each comma and colon.
fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut in_text = false;
    let mut escaped = false;
    for c in json.chars() {
        if in_text {
            out.push(c);
            in_text = escaped || c != '"';
            escaped = c == '\\' && !escaped;
        } else if !c.is_whitespace() {
            out.push(c);
            in_text = c == '"';
            if matches!(c, ',' | ':') {
                out.push(' ');
            }
        }
    }
    out
}

/// Fills lines with what is short, and breaks what is not.
fn lay_out(value: &str, depth: usize, out: &mut String) {
    let bracketed = value.starts_with(['{', '[']) && value.len() > 2;
    if !bracketed || value.chars().count() + 2 * depth <= WIDTH {
        out.push_str(value);
        return;
    }
    let (open, rest) = value.split_at(1);
    let (inside, close) = rest.split_at(rest.len() - 1);
    out.push_str(open);
    let mut width = WIDTH;
    for (index, part) in parts(inside).into_iter().enumerate() {
        let length = part.chars().count() + 2;
        if index > 0 {
            out.push(',');
        }
        // A list of objects has one a line.
        if width + length <= WIDTH && !part.starts_with('{') {
            out.push(' ');
            width += length;
        } else {
            out.push('\n');
            out.push_str(&"  ".repeat(depth + 1));
            width = 2 * (depth + 1) + length;
        }
        let value_at = value_start(part);
        out.push_str(&part[..value_at]);
        lay_out(&part[value_at..], depth + 1, out);
    }
    out.push('\n');
    out.push_str(&"  ".repeat(depth));
    out.push_str(close);
}

/// Without the fields that are null, empty or in [`LEFT_OUT`].
fn shortened(value: &str) -> String {
    if !value.starts_with(['{', '[']) || value.len() < 3 {
        return value.to_owned();
    }
    let (open, rest) = value.split_at(1);
    let (inside, close) = rest.split_at(rest.len() - 1);
    let kept: Vec<String> = parts(inside)
        .into_iter()
        .filter_map(|part| {
            let (name, value) = part.split_at(value_start(part));
            let name_only = name.trim_end_matches(": ").trim_matches('"');
            let empty = !name.is_empty() && matches!(value, "null" | "[]" | "{}");
            let said = !empty && !LEFT_OUT.contains(&name_only);
            said.then(|| format!("{name}{}", shortened(value)))
        })
        .collect();
    format!("{open}{}{close}", kept.join(", "))
}

/// The members of an object or a list, in one line each.
fn parts(inside: &str) -> Vec<&str> {
    let (mut depth, mut in_text, mut escaped, mut start) = (0_usize, false, false, 0);
    let mut found = Vec::new();
    for (at, c) in inside.char_indices() {
        if in_text {
            in_text = escaped || c != '"';
            escaped = c == '\\' && !escaped;
            continue;
        }
        match c {
            '"' => in_text = true,
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                found.push(inside[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(inside[start..].trim());
    found
}

/// Where the value of a member begins: after its name, when it has one.
fn value_start(part: &str) -> usize {
    let Some(rest) = part.strip_prefix('"') else { return 0 };
    let mut escaped = false;
    for (at, c) in rest.char_indices() {
        if c == '"' && !escaped {
            let after = &part[at + 2..];
            return if after.starts_with(": ") { at + 4 } else { 0 };
        }
        escaped = c == '\\' && !escaped;
    }
    0
}
