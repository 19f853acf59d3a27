//! How far long work has come: a bar on a terminal, a line at each tenth anywhere else. On stderr,
//! so that results stay alone on stdout.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;

use super::output;

pub struct Progress {
    shown: Mutex<Shown>,
    on_terminal: bool,
}

/// What is on the screen now.
struct Shown {
    what: &'static str,
    bar: Option<ProgressBar>,
    tenths: u64,
}

impl Progress {
    pub fn new() -> Progress {
        let shown = Mutex::new(Shown { what: "", bar: None, tenths: 0 });
        Progress { shown, on_terminal: stderr().is_terminal() }
    }

    /// So many of so many are done of `what`; another `what` begins a new bar.
    pub fn show(&self, what: &'static str, done: u64, total: u64) {
        let mut shown = self.shown.lock();
        if shown.what != what {
            finish(&mut shown);
            *shown = Shown { what, bar: self.on_terminal.then(|| bar(what, total)), tenths: 0 };
        }
        if let Some(bar) = &shown.bar {
            bar.set_position(done);
            return;
        }
        let tenths = (done * 10).checked_div(total).unwrap_or(10);
        if tenths > shown.tenths {
            shown.tenths = tenths;
            output::complain(&format!("{what}: {done} of {total}"));
        }
    }

    /// Leaves the last bar as it stands.
    pub fn end(&self) {
        finish(&mut self.shown.lock());
    }
}

fn finish(shown: &mut Shown) {
    if let Some(bar) = shown.bar.take() {
        bar.finish();
    }
    shown.what = "";
}

fn bar(what: &'static str, total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    let template = "{msg:<16} {bar:40} {human_pos:>9} of {human_len:<9} {eta:>4}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸ "));
    }
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
