//! Ports that a container listens on.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use super::value::{Scalar, Written};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    Tcp,
    Udp,
}

/// A port number from 1 to 65535 and its protocol, written as in an image's configuration: `8080/tcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    pub number: NonZeroU16,
    pub protocol: Protocol,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        write!(f, "{}/{protocol}", self.number)
    }
}

/// Text that names no port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a port from 1 to 65535, with or without /tcp or /udp")]
pub struct PortError(String);

impl PortError {
    pub(super) fn of(text: &str) -> Self {
        PortError(text.chars().take(100).collect())
    }
}

impl FromStr for Port {
    type Err = PortError;

    /// Parses `8080`, `8080/tcp` or `53/udp`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || PortError::of(text);
        let (number, protocol) = match text.split_once('/') {
            None | Some((_, "tcp")) => (text.trim_end_matches("/tcp"), Protocol::Tcp),
            Some((number, "udp")) => (number, Protocol::Udp),
            Some(_) => return Err(error()),
        };
        Ok(Port { number: number.parse().map_err(|_| error())?, protocol })
    }
}

impl Scalar for Port {
    const EXPECTED: &'static str = "a port from 1 to 65535, with or without /tcp or /udp";
    const EXPECTED_MANY: &'static str = "ports from 1 to 65535, with or without /tcp or /udp";
    const EXAMPLE: &'static str = "8080";
    const EXAMPLE_MANY: &'static str = "[8080, \"8125/udp\"]";
    const PLACEHOLDER: &'static str = "PORT";
    const WRITTEN: &'static [Written] = &[Written::Quoted, Written::Number];

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_tcp_unless_it_says_udp() {
        for (text, written) in [("8080", "8080/tcp"), ("8080/tcp", "8080/tcp"), ("53/udp", "53/udp")] {
            assert_eq!(text.parse::<Port>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn zero_large_numbers_and_other_protocols_are_refused() {
        for text in ["", "0", "65536", "-1", "http", "80/sctp", "80/", "/tcp", "80/tcp/tcp"] {
            assert!(text.parse::<Port>().is_err(), "{text}");
        }
    }
}
