//! What people and programs read: the only place that writes to the terminal.
//!
//! A command's result goes to standard output, and nothing else does. Words, progress, warnings and errors go to
//! standard error.

mod command_error;
mod printer;
mod progress;
mod quantity;
mod table;

use std::fmt::Display;
use std::sync::Arc;

use serde::Serialize;

pub use command_error::{CommandError, ErrorKind, exit_codes_help};
pub use printer::{Captured, OutputError};
pub use progress::{BytesProgress, LineProgress};
pub use quantity::{Elapsed, Size};
pub use table::Table;

use anstyle::{AnsiColor, Style};
use printer::Printer;

const STEP: Style = AnsiColor::Green.on_default().bold();
const NOTE: Style = AnsiColor::Cyan.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const ERROR: Style = AnsiColor::Red.on_default().bold();

/// How wide the verbs of steps are, so that what follows them is aligned.
const STEP_WIDTH: usize = 12;

/// How much is said, and in what form the result is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mode {
    /// `--quiet`: warnings and errors only.
    pub quiet: bool,
    /// `-v`, counted: details too.
    pub verbose: u8,
    /// `--json`: results and errors as objects on standard output, one per line.
    pub json: bool,
}

/// Tells what happens. Clones share the streams; used from several threads at once, lines never mix.
///
/// Texts may come from anywhere (a registry's answer, a build's output): escape sequences and control characters are
/// taken out of them, and so is what was given to [`Report::conceal`].
#[derive(Debug, Clone)]
pub struct Report {
    mode: Mode,
    printer: Arc<Printer>,
}

impl Report {
    /// Reports on this process's own streams.
    pub fn new(mode: Mode) -> Self {
        Report { mode, printer: Arc::new(Printer::of_process()) }
    }

    /// Reports into memory, without colours or live progress: for tests.
    pub fn captured(mode: Mode) -> (Self, Captured) {
        let (printer, captured) = Printer::captured();
        (Report { mode, printer: Arc::new(printer) }, captured)
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Shows `***` in place of `secret` from now on, wherever it turns up.
    pub fn conceal(&self, secret: &str) {
        self.printer.conceal(secret);
    }

    /// A step of the road begins: `step("Building", "shop with ./mvnw package")`.
    pub fn step(&self, verb: &str, text: impl Display) {
        if !self.mode.quiet {
            self.printer.words(STEP, &format!("{verb:>STEP_WIDTH$}"), " ", &text.to_string());
        }
    }

    /// Something worth knowing that asks for nothing.
    pub fn note(&self, text: impl Display) {
        if !self.mode.quiet {
            self.printer.words(NOTE, "note", ": ", &text.to_string());
        }
    }

    /// Lines as they are: a table, the end of a log.
    pub fn text(&self, text: impl Display) {
        if !self.mode.quiet {
            self.printer.words(Style::new(), "", "", text.to_string().trim_end());
        }
    }

    /// What is told with `-v` only.
    pub fn detail(&self, text: impl Display) {
        if self.mode.verbose > 0 && !self.mode.quiet {
            self.printer.words(Style::new().dimmed(), "", "", &text.to_string());
        }
    }

    /// Something that is probably not meant; said with `--quiet` too.
    pub fn warn(&self, text: impl Display) {
        self.printer.words(WARNING, "warning", ": ", &text.to_string());
    }

    /// Why the command ends without a result; with `--json` as an object on standard output, too.
    pub fn error(&self, error: &CommandError) {
        self.printer.words(ERROR, "error", ": ", &error.text());
        for hint in error.hints() {
            self.printer.words(NOTE, "hint", ": ", hint);
        }
        if self.mode.json {
            self.error_object(error);
        }
    }

    /// Why the command ends without a result, as an object on standard output: for who was told in words already.
    pub fn error_object(&self, error: &CommandError) {
        // Nobody is left to tell that standard output is closed.
        let _ = self.printer.object(&error.object());
    }

    /// The result of the command: `object` with `--json`, `text` without.
    pub fn result(&self, text: impl Display, object: &impl Serialize) -> Result<(), OutputError> {
        if self.mode.json { self.printer.object(object) } else { self.printer.result(&text.to_string()) }
    }

    /// An object on a line of its own with `--json`, nothing without: what happens while a command watches.
    pub fn json(&self, object: &impl Serialize) -> Result<(), OutputError> {
        if self.mode.json { self.printer.object(object) } else { Ok(()) }
    }

    /// Progress that is a line of text, replaced by the next: on a terminal one live line, elsewhere plain lines.
    pub fn line_progress(&self, label: &str) -> LineProgress {
        LineProgress::new(self.printer.clone(), label, self.mode)
    }

    /// Progress in bytes of `total`: on a terminal a live bar, elsewhere a plain line now and then.
    pub fn bytes_progress(&self, label: &str, total: u64) -> BytesProgress {
        BytesProgress::new(self.printer.clone(), label, total, self.mode)
    }
}

#[cfg(test)]
mod tests;
