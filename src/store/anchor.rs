//! What the books looked like when they were last seen, kept outside the database: a database
//! file can lose its tail in silence, and an older copy of it looks as good as a new one.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};

/// The file's name in the data directory.
pub const FILE: &str = "anchor";

const MAGIC: &[u8; 8] = b"rfdanch1";
const SLOT: usize = 136;
/// In different sectors, so that a write that is torn leaves the other one.
const SLOTS: [u64; 2] = [0, 4096];

/// The newest event and the newest seal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Merchant, number, hash.
    pub event: Option<(i64, i64, [u8; 32])>,
    /// Number, digest.
    pub seal: Option<(i64, [u8; 32])>,
}

/// What was found when the anchor was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Nothing,
    /// There is a file, and it says nothing that can be believed.
    Unreadable,
    Mark(Mark),
}

/// Takes the directory for this process alone; `None` when another one has it.
pub fn lock(dir: &Path) -> io::Result<Option<File>> {
    let path = dir.join("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(error) if error == rustix::io::Errno::WOULDBLOCK => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub struct Anchor {
    file: File,
    /// Of the next write; the newest slot has the highest.
    turn: u64,
}

impl Anchor {
    pub fn open(dir: &Path) -> io::Result<(Anchor, Found)> {
        let path = dir.join(FILE);
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let empty = file.metadata()?.len() == 0;
        let newest = SLOTS.iter().filter_map(|at| read(&file, *at)).max_by_key(|(turn, _)| *turn);
        let (turn, found) = match newest {
            Some((turn, mark)) => (turn + 1, Found::Mark(mark)),
            None if empty => (0, Found::Nothing),
            None => (0, Found::Unreadable),
        };
        Ok((Anchor { file, turn }, found))
    }

    /// Keeps the mark; safe against a crash of the process, and after [`Anchor::sync`] against
    /// one of the machine. An older mark than the books' is no harm.
    pub fn write(&mut self, mark: &Mark) -> io::Result<()> {
        let at = SLOTS[usize::from(self.turn % 2 == 1)];
        self.file.write_all_at(&encode(self.turn, mark), at)?;
        self.turn += 1;
        Ok(())
    }

    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// For syncing it from another thread.
    pub fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

fn encode(turn: u64, mark: &Mark) -> [u8; SLOT] {
    let (merchant, event, hash) = mark.event.unwrap_or_default();
    let (seal, digest) = mark.seal.unwrap_or_default();
    let mut bytes = [0; SLOT];
    let mut at = 0;
    for field in [
        &MAGIC[..],
        &turn.to_be_bytes(),
        &merchant.to_be_bytes(),
        &event.to_be_bytes(),
        &hash,
        &seal.to_be_bytes(),
        &digest,
    ] {
        bytes[at..at + field.len()].copy_from_slice(field);
        at += field.len();
    }
    let checksum: [u8; 32] = Sha256::digest(&bytes[..at]).into();
    bytes[at..].copy_from_slice(&checksum);
    bytes
}

fn read(file: &File, at: u64) -> Option<(u64, Mark)> {
    let mut bytes = [0; SLOT];
    file.read_exact_at(&mut bytes, at).ok()?;
    let number = |at: usize| Some(i64::from_be_bytes(bytes[at..at + 8].try_into().ok()?));
    let hash = |at: usize| <[u8; 32]>::try_from(&bytes[at..at + 32]).ok();
    let turn = u64::from_be_bytes(bytes[8..16].try_into().ok()?);
    let event = (number(16)?, number(24)?, hash(32)?);
    let seal = (number(64)?, hash(72)?);
    let mark = Mark { event: (event.1 != 0).then_some(event), seal: (seal.0 != 0).then_some(seal) };
    // Read back the only way that counts: these are the bytes that would be written.
    (encode(turn, &mark) == bytes).then_some((turn, mark))
}
