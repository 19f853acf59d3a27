//! The shape of the schema: what lets it be sharded by merchant, and the guards that both databases
//! have.

use std::collections::BTreeSet;
use std::path::Path;

use tokio_postgres::{Client, NoTls};

use super::Cast;
use crate::harness::store::*;

/// Of the installation and not of a merchant; docs/scaling.md names them.
const NO_MERCHANTS: [&str; 4] = ["merchants", "migrations", "seals", "state"];
/// Which merchant it is, is what these are asked for.
const LEADING_OTHERWISE: [&str; 3] =
    ["information_links_by_digest", "keys_by_hash", "keys_by_number"];

async fn connected(cast: &Cast) -> Client {
    let (client, connection) = tokio_postgres::connect(&cast.options().url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A shard would have to be asked for what is not its own.
#[tokio::test]
async fn every_table_and_index_leads_with_the_merchant() {
    let (cast, _stores) = Cast::of(1).await;
    let client = connected(&cast).await;
    let sql = "SELECT t.relname, i.relname, a.attname FROM pg_index x \
        JOIN pg_class t ON t.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid \
        JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = x.indkey[0] \
        WHERE t.relnamespace = 'public'::regnamespace";
    let (mut seen, mut others) = (BTreeSet::new(), BTreeSet::new());
    for row in client.query(sql, &[]).await.unwrap() {
        let (table, index, first): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        if NO_MERCHANTS.contains(&table.as_str()) {
            continue;
        }
        if LEADING_OTHERWISE.contains(&index.as_str()) {
            others.insert(index);
        } else {
            assert_eq!(first, "merchant", "{index} of {table} leads with {first}");
            seen.insert(table);
        }
    }
    assert_eq!(others.into_iter().collect::<Vec<_>>(), LEADING_OTHERWISE, "what is left of them");
    let sql = "SELECT relname FROM pg_class WHERE relkind = 'r' \
        AND relnamespace = 'public'::regnamespace";
    let tables = client.query(sql, &[]).await.unwrap();
    let tables: BTreeSet<String> = tables.iter().map(|row| row.get(0)).collect();
    let others = NO_MERCHANTS.iter().map(|name| (*name).to_owned());
    let expected: BTreeSet<String> = seen.into_iter().chain(others).collect();
    assert_eq!(tables, expected, "tables that no index of a merchant leads to");
}

/// The columns that each CHECK is about, by table.
type Checks = BTreeSet<(String, Vec<String>)>;

fn of_sqlite(path: &Path) -> Checks {
    let books = rusqlite::Connection::open(path.join("refundry.db")).unwrap();
    let mut listed =
        books.prepare("SELECT name, sql FROM sqlite_master WHERE type = 'table'").unwrap();
    let tables: Vec<(String, String)> = listed
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let mut checks = Checks::new();
    for (table, sql) in tables {
        let mut columns =
            books.prepare(&format!("SELECT name FROM pragma_table_info('{table}')")).unwrap();
        let columns: BTreeSet<String> =
            columns.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        for check in sql.split("CHECK").skip(1) {
            let inside = expression(check);
            let words = inside.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let words = words.filter(|word| columns.contains(*word)).map(str::to_owned);
            let about: BTreeSet<String> = words.collect();
            checks.insert((table.clone(), about.into_iter().collect()));
        }
    }
    checks
}

/// What stands between the first parenthesis and its end, texts in quotes left out.
fn expression(text: &str) -> String {
    let (mut depth, mut quoted, mut inside) = (0, false, String::new());
    for c in text.chars() {
        match (c, quoted) {
            ('\'', _) => quoted = !quoted,
            ('(', false) => depth += 1,
            (')', false) if depth == 1 => break,
            (')', false) => depth -= 1,
            (other, false) => inside.push(other),
            (_, true) => {}
        }
        inside.push(' ');
        if c.is_ascii_alphanumeric() || c == '_' {
            inside.pop();
        }
    }
    inside
}

/// A guard that one of them lacks would let through there what the rules got wrong.
#[tokio::test]
async fn both_databases_have_the_same_guards() {
    let home = Home::on_sqlite();
    let ours = of_sqlite(home.dir.path());
    let (cast, _stores) = Cast::of(1).await;
    let client = connected(&cast).await;
    // SQLite has no type for flags, and guards them instead.
    let sql = "SELECT t.relname, array_agg(a.attname::text ORDER BY a.attname::text) \
        FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid \
        JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY(c.conkey) \
        WHERE c.contype = 'c' AND c.connamespace = 'public'::regnamespace \
        GROUP BY c.oid, t.relname";
    let theirs: Checks =
        client.query(sql, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
    let sql = "SELECT table_name, column_name FROM information_schema.columns \
        WHERE table_schema = 'public' AND data_type IN ('boolean', 'bytea')";
    let flags: Checks = client
        .query(sql, &[])
        .await
        .unwrap()
        .iter()
        .map(|row| (row.get(0), vec![row.get::<_, String>(1)]))
        .collect();
    assert!(ours.len() > 40, "few were found: {ours:?}");
    let only_sqlite: Vec<_> = ours.difference(&theirs).filter(|it| !flags.contains(it)).collect();
    let only_postgres: Vec<_> = theirs.difference(&ours).collect();
    assert_eq!((only_sqlite, only_postgres), (Vec::new(), Vec::new()));
}

/// A pooler between, or a database of another make, has neither; and a lock that no row stands for is
/// nobody's to see.
#[test]
fn nothing_rests_on_advisory_locks_or_notifications() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store");
    let mut folders = vec![Path::new(folder).to_owned()];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            read += 1;
            let text = std::fs::read_to_string(&path).unwrap();
            for word in ["advisory", "LISTEN ", "NOTIFY ", "pg_notify"] {
                assert!(!text.contains(word), "{word} in {}", path.display());
            }
        }
    }
    assert!(read > 60, "few files were read: {read}");
}
