//! The disk's own rate: what one durable write of a page costs, whoever makes it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::load::Latencies;
use crate::cli::Failure;

const PAGE: [u8; 4096] = [0x5a; 4096];
/// The file is as long as a database's log becomes, and written over as that is.
const PAGES: u64 = 1_000;

/// Writes a page and waits until it is on disk, over and over.
pub fn fsyncs(directory: &Path, time: Duration) -> Result<Latencies, Failure> {
    let wrong = |problem: std::io::Error| Failure::new(format!("the disk: {problem}"));
    let path = directory.join("fsync");
    let file = File::create(&path).map_err(wrong)?;
    for page in 0..PAGES {
        file.write_all_at(&PAGE, page * 4096).map_err(wrong)?;
    }
    file.sync_all().map_err(wrong)?;
    let mut nanos = Vec::new();
    let began = Instant::now();
    let mut page = 0;
    while began.elapsed() < time {
        let one = Instant::now();
        file.write_all_at(&PAGE, page % PAGES * 4096).map_err(wrong)?;
        file.sync_data().map_err(wrong)?;
        nanos.push(super::load::nanos(one.elapsed()));
        page += 1;
    }
    let took = began.elapsed();
    drop(file);
    std::fs::remove_file(path).map_err(wrong)?;
    Ok(Latencies::of(nanos, took))
}
