//! How much of the machine others took while something was measured: another build on it can slow
//! an fsync twentyfold, and then the figure says nothing of ours.

use std::fs;

/// Counts from here on.
pub struct Watch {
    all: u64,
    busy: u64,
    ours: u64,
    child: Option<u32>,
}

impl Watch {
    /// `child` is a process whose time counts as ours.
    pub fn start(child: Option<u32>) -> Watch {
        let (all, busy) = machine();
        Watch { all, busy, ours: ours(child), child }
    }

    /// The share of all cores' time that went to other processes, in thousandths.
    pub fn others_permille(&self) -> u64 {
        let (all, busy) = machine();
        let all = all.saturating_sub(self.all).max(1);
        let ours = ours(self.child).saturating_sub(self.ours);
        let others = busy.saturating_sub(self.busy).saturating_sub(ours);
        (others * 1000 / all).min(1000)
    }
}

/// The time of a process so far, in microseconds. The kernel counts it in hundredths of a second.
pub fn process_micros(process: u32) -> u64 {
    ticks(&format!("/proc/{process}/stat")) * 10_000
}

fn ours(child: Option<u32>) -> u64 {
    let child = child.map_or(0, |process| ticks(&format!("/proc/{process}/stat")));
    ticks("/proc/self/stat") + child
}

/// All ticks of all cores, and those of them that were not idle.
fn machine() -> (u64, u64) {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields: Vec<u64> = text
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1)
        // Guests are counted in the first two already.
        .take(8)
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    let all: u64 = fields.iter().sum();
    let idle: u64 = fields.iter().skip(3).take(2).sum();
    (all, all.saturating_sub(idle))
}

/// User and system time, without that of its children.
fn ticks(file: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    // The name, in brackets, may have spaces.
    let after = text.rsplit_once(')').map_or("", |(_, after)| after);
    after.split_whitespace().skip(11).take(2).map(|field| field.parse().unwrap_or(0)).sum()
}
