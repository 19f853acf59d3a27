//! What a fuzzer sends (`./test fuzz`), without the fuzzer: every seed of each of its targets, among
//! them whatever it once found something with.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

#[path = "../../fuzz/src/lib.rs"]
mod targets;

use targets::server::Server;

/// Each file of the target's seeds.
fn replay(target: &str, check: impl Fn(&[u8])) {
    let folder = format!("{}/fuzz/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let input = fs::read(&path).unwrap();
        let fine = catch_unwind(AssertUnwindSafe(|| check(&input))).is_ok();
        assert!(fine, "with {}", path.display());
        count += 1;
    }
    assert!(count > 5, "{folder} has the seeds");
}

#[test]
fn amounts_mean_what_they_say() {
    replay("amount", targets::amount::check);
}

#[test]
fn no_body_finds_the_server_at_fault() {
    let folder = tempfile::TempDir::new().unwrap();
    let server = Server::start(folder.path());
    replay("json", |input| targets::json::check(&server, input));
}

#[test]
fn no_envelope_finds_the_server_at_fault() {
    let folder = tempfile::TempDir::new().unwrap();
    let server = Server::start(folder.path());
    replay("xml", |input| targets::xml::check(&server, input));
}
