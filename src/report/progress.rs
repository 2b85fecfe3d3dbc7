//! Progress: live on a terminal, plain lines elsewhere.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anstyle::Style;
use indicatif::{ProgressBar, ProgressStyle};

use super::printer::{Printer, locked};
use super::{Mode, Size};

/// How often a live line moves.
const TICK: Duration = Duration::from_millis(100);

/// How often bytes are told where nothing is live.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Live,
    Plain,
    Not,
}

impl Shown {
    fn on(printer: &Printer, mode: Mode) -> Self {
        match mode.quiet {
            true => Shown::Not,
            false if printer.live().is_hidden() => Shown::Plain,
            false => Shown::Live,
        }
    }
}

fn bar(printer: &Printer, shown: Shown, bar: ProgressBar, template: &str, label: &str) -> ProgressBar {
    if shown != Shown::Live {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = printer.live().add(bar.with_style(style).with_prefix(printer.clean(label)));
    bar.enable_steady_tick(TICK);
    bar
}

/// The last line of something that speaks, such as a build. Gone when it is dropped.
#[derive(Debug)]
pub struct LineProgress {
    printer: Arc<Printer>,
    shown: Shown,
    bar: ProgressBar,
}

impl LineProgress {
    pub(super) fn new(printer: Arc<Printer>, label: &str, mode: Mode) -> Self {
        let shown = Shown::on(&printer, mode);
        let template = "{prefix:>12} {elapsed} {wide_msg}";
        let bar = bar(&printer, shown, ProgressBar::new_spinner(), template, label);
        LineProgress { printer, shown, bar }
    }

    /// Shows `line` in place of the last one; where nothing is live, after it.
    pub fn set(&self, line: &str) {
        match self.shown {
            Shown::Live => self.bar.set_message(self.printer.clean(line).replace('\n', " ")),
            Shown::Plain => self.printer.words(Style::new(), "", "", line.trim_end()),
            Shown::Not => {}
        }
    }

    /// Takes the live line away.
    pub fn finish(self) {}
}

impl Drop for LineProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Bytes done of a total; several threads may add at once. Gone when it is dropped.
#[derive(Debug)]
pub struct BytesProgress {
    printer: Arc<Printer>,
    shown: Shown,
    bar: ProgressBar,
    label: String,
    total: u64,
    done: AtomicU64,
    told: Mutex<Instant>,
}

impl BytesProgress {
    pub(super) fn new(printer: Arc<Printer>, label: &str, total: u64, mode: Mode) -> Self {
        let shown = Shown::on(&printer, mode);
        let template = "{prefix:>12} [{wide_bar}] {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec}";
        let bar = bar(&printer, shown, ProgressBar::new(total), template, label);
        BytesProgress {
            printer,
            shown,
            bar,
            label: label.to_owned(),
            total,
            done: AtomicU64::new(0),
            told: Mutex::new(Instant::now()),
        }
    }

    /// `bytes` more are done.
    pub fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        match self.shown {
            Shown::Live => self.bar.inc(bytes),
            Shown::Plain => {
                let mut told = locked(&self.told);
                if told.elapsed() >= PLAIN_INTERVAL {
                    *told = Instant::now();
                    let text = format!("{} of {}", Size(done), Size(self.total));
                    self.printer.words(Style::new(), &format!("{:>12}", self.label), " ", &text);
                }
            }
            Shown::Not => {}
        }
    }

    /// `bytes` that were counted must be done again, as a transfer broke off.
    pub fn take_back(&self, bytes: u64) {
        let less = |done: u64| Some(done.saturating_sub(bytes));
        let _ = self.done.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        self.bar.dec(bytes);
    }

    /// Bytes done so far.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Takes the live bar away.
    pub fn finish(self) {}
}

impl Drop for BytesProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
