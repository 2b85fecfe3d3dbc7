//! The signal that asks a container to stop.

use std::fmt;
use std::str::FromStr;

/// A signal by name or number: `SIGTERM`, `SIGRTMIN+3`, `15`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopSignal(String);

/// Text that names no signal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a signal")]
pub struct StopSignalError(String);

/// The signals of Linux that a process can be sent to stop it.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];

impl FromStr for StopSignal {
    type Err = StopSignalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || StopSignalError(text.chars().take(100).collect());
        let legal = match text.strip_prefix("SIG") {
            Some(name) => NAMES.contains(&name) || is_real_time(name),
            None => text.parse::<u8>().is_ok_and(|number| (1..=64).contains(&number)),
        };
        if legal { Ok(StopSignal(text.to_owned())) } else { Err(error()) }
    }
}

fn is_real_time(name: &str) -> bool {
    let offset = |text: &str, sign| {
        text.is_empty() || text.strip_prefix(sign).is_some_and(|n| n.parse::<u8>().is_ok_and(|n| (1..=30).contains(&n)))
    };
    name.strip_prefix("RTMIN").is_some_and(|rest| offset(rest, '+'))
        || name.strip_prefix("RTMAX").is_some_and(|rest| offset(rest, '-'))
}

impl fmt::Display for StopSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_of_signals_are_taken() {
        for text in ["SIGTERM", "SIGRTMIN", "SIGRTMIN+3", "SIGRTMAX-1", "15", "64"] {
            assert_eq!(text.parse::<StopSignal>().unwrap().to_string(), text);
        }
        for text in ["", "TERM", "SIG", "SIGTREM", "0", "65", "SIGRTMIN+", "SIGRTMIN-1", "sigterm"] {
            assert!(text.parse::<StopSignal>().is_err(), "{text}");
        }
    }
}
