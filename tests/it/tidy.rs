//! The rules of the house, as far as a program can hold them.

use std::fs;
use std::path::{Path, PathBuf};

/// Who may know whom: a part, and the parts of `src/` it may name. `ARCHITECTURE.md` shows the
/// same table with its reasons; a new row or cell is a decision of its own.
const LAYERS: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("config", &["outbound"]),
    ("telemetry", &["config"]),
    ("outbound", &[]),
    ("store", &["clock"]),
    ("gateways", &["clock", "outbound"]),
    ("access", &["store", "clock"]),
    ("connections", &["access", "clock", "gateways", "outbound", "store"]),
    ("ledger", &["store", "access", "clock"]),
    ("delivery", &["store", "access", "outbound", "clock"]),
    (
        "dialects",
        &[
            "ledger",
            "delivery",
            "access",
            "store",
            "clock",
            "connections",
            "gateways",
            "http",
            "transfers",
        ],
    ),
    (
        "console",
        &["ledger", "delivery", "access", "store", "clock", "connections", "gateways", "dialects"],
    ),
    ("workers", &["ledger", "delivery", "access", "store", "connections", "gateways", "clock"]),
    ("transfers", &["access"]),
    ("customer", &["access", "clock", "dialects", "ledger", "store"]),
    (
        "http",
        &[
            "console",
            "customer",
            "dialects",
            "delivery",
            "ledger",
            "access",
            "store",
            "telemetry",
            "clock",
            "connections",
            "gateways",
        ],
    ),
    (
        "app",
        &[
            "access",
            "clock",
            "config",
            "console",
            "delivery",
            "connections",
            "dialects",
            "gateways",
            "http",
            "ledger",
            "outbound",
            "store",
            "telemetry",
            "workers",
        ],
    ),
    (
        "cli",
        &[
            "access",
            "app",
            "clock",
            "config",
            "connections",
            "dialects",
            "gateways",
            "ledger",
            "store",
            "telemetry",
            "workers",
            "transfers",
        ],
    ),
];

/// Files that only data or generated text make long would stand here; there are none.
const LONGEST_FILE: usize = 500;
const LONGEST_DIALECT: usize = 4_000;
/// `/v1` has every resource that there is.
const LONGEST_NATIVE: usize = 6_500;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

/// The part a file of `src/` belongs to: its folder, or its own name.
fn part_of(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    let first = inside.components().next().unwrap();
    Path::new(&first).file_stem().unwrap().to_str().unwrap().to_owned()
}

/// The parts that a line of code names, as `crate::part`.
fn named_parts(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or_default();
    code.match_indices("crate::")
        .filter(|(at, _)| {
            !code[..*at].ends_with(|before: char| before.is_alphanumeric() || before == '_')
        })
        .map(|(at, found)| {
            let rest = &code[at + found.len()..];
            rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
        })
        .collect()
}

#[test]
fn no_part_knows_what_it_must_not() {
    let mut wrong = Vec::new();
    for path in rust_files(&root().join("src")) {
        let part = part_of(&path);
        if part == "lib" || part == "main" {
            continue;
        }
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == part) else {
            wrong.push(format!("{}: the part {part} is not in the layer table", shown(&path)));
            continue;
        };
        for (number, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            for named in named_parts(line) {
                if named != part && !named.is_empty() && !allowed.contains(&named.as_str()) {
                    let place = format!("{}:{}", shown(&path), number + 1);
                    wrong.push(format!("{place}: {part} must not know {named}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_store_names_a_database() {
    let mut wrong = Vec::new();
    for path in rust_files(&root().join("src")) {
        let place = shown(&path);
        // The bench's yardstick and the sandbox's own record are no books.
        let own_database = ["src/store/", "src/cli/bench/", "src/gateways/sandbox"];
        if own_database.iter().any(|allowed| place.starts_with(allowed)) {
            continue;
        }
        for (number, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            if line.contains("rusqlite") || line.contains("tokio_postgres") {
                wrong.push(format!("{place}:{}", number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "SQL belongs into src/store: {}", wrong.join(", "));
}

#[test]
fn a_file_can_be_read_in_one_go() {
    let mut long = Vec::new();
    for folder in ["src", "domain/src", "domain/tests", "tests"] {
        for path in rust_files(&root().join(folder)) {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            if lines > LONGEST_FILE {
                long.push(format!("{}: {lines} lines", shown(&path)));
            }
        }
    }
    assert!(long.is_empty(), "more than {LONGEST_FILE} lines:\n{}", long.join("\n"));
}

#[test]
fn a_dialect_stays_thin() {
    for entry in fs::read_dir(root().join("src/dialects")).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        let files = rust_files(&folder);
        let lines: usize =
            files.iter().map(|path| fs::read_to_string(path).unwrap().lines().count()).sum();
        let most = if folder.ends_with("native") { LONGEST_NATIVE } else { LONGEST_DIALECT };
        assert!(lines <= most, "{}: {lines} lines", shown(&folder));
    }
}

/// Names that say nothing, and work left for later.
#[test]
fn the_code_says_what_it_means() {
    let banned = ["TODO", "FIXME", "todo!(", "unimplemented!(", "#[ignore", "fn get_"];
    let mut found = Vec::new();
    for folder in ["src", "domain/src", "domain/tests", "tests"] {
        for path in rust_files(&root().join(folder)) {
            if path.ends_with("tidy.rs") {
                continue;
            }
            for (number, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
                for word in banned.iter().filter(|word| line.contains(**word)) {
                    found.push(format!("{}:{}: {word}", shown(&path), number + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// A public name of the domain that neither it nor the service uses is dead; the compiler cannot
/// tell across packages.
#[test]
fn the_domain_has_no_dead_names() {
    let mut everything = String::new();
    for folder in ["src", "domain/src"] {
        for path in rust_files(&root().join(folder)) {
            everything.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
    let mut dead = Vec::new();
    for path in rust_files(&root().join("domain/src")) {
        for line in fs::read_to_string(&path).unwrap().lines() {
            let code = line.trim_start();
            let name = ["pub fn ", "pub const fn ", "pub struct ", "pub enum ", "pub const "]
                .iter()
                .find_map(|start| code.strip_prefix(start))
                .map(|rest| {
                    rest.chars()
                        .take_while(|c| c.is_alphanumeric() || *c == '_')
                        .collect::<String>()
                });
            if let Some(name) = name.filter(|name| !name.is_empty() && name != "fn") {
                let uses = everything
                    .match_indices(&name)
                    .filter(|(at, _)| is_whole_word(&everything, *at, name.len()))
                    .count();
                if uses < 2 {
                    dead.push(format!("{}: {name}", shown(&path)));
                }
            }
        }
    }
    assert!(dead.is_empty(), "used nowhere:\n{}", dead.join("\n"));
}

fn is_whole_word(text: &str, at: usize, length: usize) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    !text[..at].ends_with(part_of_name) && !text[at + length..].starts_with(part_of_name)
}

/// The layer table that people read is the one that is checked.
#[test]
fn the_architecture_shows_the_layer_table() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for (part, allowed) in LAYERS {
        let mut names: Vec<String> = allowed.iter().map(|name| format!("`{name}`")).collect();
        names.sort();
        let cell = if names.is_empty() { "–".to_owned() } else { names.join(", ") };
        let row = format!("| `{part}` | {cell} |");
        assert!(text.contains(&row), "ARCHITECTURE.md lacks the row: {row}");
    }
}
