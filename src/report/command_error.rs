//! How a command fails: a kind, which is the exit code, and what is told.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;

use super::printer::OutputError;

/// What stands for an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    Other,
    Usage,
    ProjectBuild,
    Refused,
    DeploymentFailed,
    TimedOut,
    Interrupted,
}

impl ErrorKind {
    /// The table of exit codes: code and meaning. Scripts rely on it; a row is never changed.
    const TABLE: &'static [(ErrorKind, u8, &'static str)] = &[
        (ErrorKind::Other, 1, "anything else"),
        (ErrorKind::Usage, 2, "usage or settings"),
        (ErrorKind::ProjectBuild, 3, "the project's own build failed"),
        (ErrorKind::Refused, 4, "a registry or AWS refused"),
        (ErrorKind::DeploymentFailed, 5, "the deployment failed or was rolled back"),
        (ErrorKind::TimedOut, 6, "timed out; what was started may go on"),
        (ErrorKind::Interrupted, 130, "interrupted"),
    ];

    pub fn exit_code(self) -> u8 {
        Self::TABLE.iter().find(|(kind, ..)| *kind == self).map_or(1, |(_, code, _)| *code)
    }

    /// An error of this kind. `error` may be text, or an error whose sources are told with it.
    pub fn error(self, error: impl Into<Box<dyn Error + Send + Sync>>) -> CommandError {
        CommandError { kind: self, error: error.into(), hints: Vec::new() }
    }
}

/// The exit codes, for the end of `--help`.
pub fn exit_codes_help() -> String {
    let mut text = "Exit codes:\n    0  done\n".to_owned();
    for (_, code, meaning) in ErrorKind::TABLE {
        text.push_str(&format!("  {code:>3}  {meaning}\n"));
    }
    text
}

/// Why a command ends without its result.
#[derive(Debug)]
pub struct CommandError {
    kind: ErrorKind,
    error: Box<dyn Error + Send + Sync>,
    hints: Vec<String>,
}

impl CommandError {
    /// Adds what the reader might do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind.exit_code())
    }

    /// The message and, where they say more, those of its sources.
    fn messages(&self) -> Vec<String> {
        let mut messages = vec![self.error.to_string()];
        let mut source = self.error.source();
        while let Some(error) = source {
            let message = error.to_string();
            // Some errors repeat their source in their own message.
            if !message.is_empty() && !messages.iter().any(|told| told.contains(&message)) {
                messages.push(message);
            }
            source = error.source();
        }
        messages
    }

    /// The message, and its causes below it.
    pub(super) fn text(&self) -> String {
        let mut messages = self.messages().into_iter();
        let mut text = messages.next().unwrap_or_default();
        for message in messages {
            text.push_str("\n  caused by: ");
            text.push_str(&message.trim_end().replace('\n', "\n    "));
        }
        text
    }

    /// The same for programs.
    pub(super) fn object(&self) -> serde_json::Value {
        let messages = self.messages();
        let (message, causes) = messages.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
        json!({
            "error": {
                "kind": self.kind,
                "exitCode": self.kind.exit_code(),
                "message": message,
                "causes": causes,
                "hints": self.hints,
            }
        })
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl From<OutputError> for CommandError {
    fn from(error: OutputError) -> Self {
        ErrorKind::Other.error(error)
    }
}
