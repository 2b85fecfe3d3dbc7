//! Ports of an image, one or several in a row.

use std::str::FromStr;

use super::port::{Port, PortError};
use super::value::{Scalar, Written};

/// Ports from the first to the last, of one protocol: `8080`, `8000-8010/tcp`, `53/udp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    first: Port,
    last: Port,
}

impl PortRange {
    /// Each port, in order.
    pub fn ports(self) -> impl Iterator<Item = Port> {
        let numbers = self.first.number.get()..=self.last.number.get();
        numbers.filter_map(std::num::NonZeroU16::new).map(move |number| Port { number, protocol: self.first.protocol })
    }
}

impl FromStr for PortRange {
    type Err = PortError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((first, last)) = text.split_once('-') else {
            let port = text.parse()?;
            return Ok(PortRange { first: port, last: port });
        };
        let last: Port = last.parse()?;
        let first = Port { protocol: last.protocol, number: first.parse().map_err(|_| PortError::of(text))? };
        match first.number <= last.number {
            true => Ok(PortRange { first, last }),
            false => Err(PortError::of(text)),
        }
    }
}

impl Scalar for PortRange {
    const EXPECTED: &'static str = "a port from 1 to 65535 or a range of them, with or without /tcp or /udp";
    const EXPECTED_MANY: &'static str = "ports from 1 to 65535 or ranges of them, with or without /tcp or /udp";
    const EXAMPLE: &'static str = "8080";
    const EXAMPLE_MANY: &'static str = "[8080, \"8000-8010/tcp\", \"8125/udp\"]";
    const PLACEHOLDER: &'static str = "PORT";
    const WRITTEN: &'static [Written] = &[Written::Quoted, Written::Number];

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<Vec<String>> {
        Some(text.parse::<PortRange>().ok()?.ports().map(|port| port.to_string()).collect())
    }

    #[test]
    fn a_range_has_both_of_its_ends() {
        assert_eq!(shown("8080").unwrap(), ["8080/tcp"]);
        assert_eq!(shown("8000-8002").unwrap(), ["8000/tcp", "8001/tcp", "8002/tcp"]);
        assert_eq!(shown("53-54/udp").unwrap(), ["53/udp", "54/udp"]);
        assert_eq!(shown("65535-65535").unwrap(), ["65535/tcp"]);
    }

    #[test]
    fn a_range_that_is_none_is_refused() {
        for text in ["2-1", "-1", "1-", "0-2", "1-65536", "1-2-3", "1/tcp-2/tcp", "a-b", "1-2/sctp"] {
            assert_eq!(shown(text), None, "{text}");
        }
    }
}
