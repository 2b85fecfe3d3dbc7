//! The streams: what goes to standard output, what to standard error, and what they are able to show.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anstream::{AutoStream, ColorChoice};
use anstyle::Style;
use indicatif::{MultiProgress, ProgressDrawTarget};
use serde::Serialize;

use crate::settings::environment;

/// A result that could not be delivered: standard output is closed, or the disk behind it is full.
#[derive(Debug, thiserror::Error)]
#[error("the result could not be written to standard output")]
pub struct OutputError(#[from] io::Error);

/// Shorter secrets would hide parts of innocent words.
const SHORTEST_SECRET: usize = 4;

/// Writes to both streams, and keeps live progress out of the way while it does.
pub(super) struct Printer {
    out: Mutex<Box<dyn Write + Send>>,
    err: Mutex<Box<dyn Write + Send>>,
    /// Whether standard error shows colours.
    colours: bool,
    live: MultiProgress,
    secrets: Mutex<Vec<String>>,
}

impl Printer {
    /// The process's own streams. Progress is live where standard error is a terminal that a person looks at.
    pub fn of_process() -> Self {
        let attended = io::stderr().is_terminal() && environment::CI.value().is_none_or(|ci| ci == "false");
        let target = if attended { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Printer {
            out: Mutex::new(Box::new(io::stdout())),
            err: Mutex::new(Box::new(io::stderr())),
            // NO_COLOR, CLICOLOR, CLICOLOR_FORCE and TERM are asked here.
            colours: AutoStream::choice(&io::stderr()) != ColorChoice::Never,
            live: MultiProgress::with_draw_target(target),
            secrets: Mutex::default(),
        }
    }

    pub fn captured() -> (Self, Captured) {
        let captured = Captured::default();
        let printer = Printer {
            out: Mutex::new(Box::new(Buffer(captured.out.clone()))),
            err: Mutex::new(Box::new(Buffer(captured.err.clone()))),
            colours: false,
            live: MultiProgress::with_draw_target(ProgressDrawTarget::hidden()),
            secrets: Mutex::default(),
        };
        (printer, captured)
    }

    /// Where live bars are drawn.
    pub fn live(&self) -> &MultiProgress {
        &self.live
    }

    pub fn conceal(&self, secret: &str) {
        if secret.len() >= SHORTEST_SECRET {
            let mut secrets = locked(&self.secrets);
            secrets.push(secret.to_owned());
            // The longest first: one secret may be a part of another.
            secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        }
    }

    /// A styled label and text on standard error. A standard error that takes nothing is nobody's problem: there is
    /// nowhere left to say so.
    pub fn words(&self, style: Style, label: &str, separator: &str, text: &str) {
        let (text, label) = (self.clean(text), self.clean(label));
        let style = if self.colours { style } else { Style::new() };
        let line = match &*label {
            "" => format!("{style}{text}{style:#}\n"),
            _ => format!("{style}{label}{style:#}{separator}{text}\n"),
        };
        self.live.suspend(|| {
            let mut err = locked(&self.err);
            let _ = err.write_all(line.as_bytes()).and_then(|()| err.flush());
        });
    }

    /// The result on standard output.
    pub fn result(&self, text: &str) -> Result<(), OutputError> {
        self.output(&self.clean(text))
    }

    /// An object on one line of standard output.
    pub fn object(&self, object: &impl Serialize) -> Result<(), OutputError> {
        let text = serde_json::to_string(object).map_err(io::Error::from)?;
        self.output(&self.without_secrets(text))
    }

    fn output(&self, text: &str) -> Result<(), OutputError> {
        let line = format!("{}\n", text.trim_end_matches('\n'));
        Ok(self.live.suspend(|| {
            let mut out = locked(&self.out);
            out.write_all(line.as_bytes()).and_then(|()| out.flush())
        })?)
    }

    /// `text` without secrets, escape sequences, and control characters but line breaks and tabs.
    pub fn clean(&self, text: &str) -> String {
        let stripped = anstream::adapter::strip_str(text).to_string();
        self.without_secrets(stripped.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect())
    }

    fn without_secrets(&self, text: String) -> String {
        locked(&self.secrets).iter().fold(text, |text, secret| text.replace(secret, "***"))
    }
}

impl fmt::Debug for Printer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Printer")
    }
}

/// What was written to each stream of a captured report.
#[derive(Debug, Clone, Default)]
pub struct Captured {
    out: Arc<Mutex<Vec<u8>>>,
    err: Arc<Mutex<Vec<u8>>>,
}

impl Captured {
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&locked(&self.out)).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&locked(&self.err)).into_owned()
    }
}

struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        locked(&self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A thread that panicked while it wrote leaves at worst half a line: no reason to fall silent.
pub(super) fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{CommandError, ErrorKind};

    /// A pipe whose reader has gone.
    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    #[test]
    fn a_closed_standard_output_is_an_error_and_a_closed_standard_error_is_none() {
        let (mut printer, _) = Printer::captured();
        printer.out = Mutex::new(Box::new(Closed));
        printer.err = Mutex::new(Box::new(Closed));
        printer.words(Style::new(), "note", ": ", "nobody reads this");
        let error = CommandError::from(printer.result("sha256:00").unwrap_err());
        assert_eq!(error.kind(), ErrorKind::Other);
        assert!(error.to_string().starts_with("the result could not be written to standard output"), "{error}");
        assert!(printer.object(&1).is_err());
    }

    #[test]
    fn labels_are_coloured_where_colours_are_shown() {
        let (mut printer, captured) = Printer::captured();
        printer.colours = true;
        printer.words(anstyle::AnsiColor::Red.on_default(), "error", ": ", "\u{1b}[32mtext");
        assert_eq!(captured.stderr(), "\u{1b}[31merror\u{1b}[0m: text\n");
    }
}
