//! Sizes and durations as people read them.

use std::fmt;
use std::time::Duration;

/// A number of bytes, in decimal units: `61.9 MB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1000 {
            return f.pad(&format!("{} B", self.0));
        }
        // In tenths of the unit, rounded; 999,950 bytes are 1.0 MB and not 1000.0 kB.
        let mut unit: u128 = 1000;
        for name in ["kB", "MB", "GB", "TB", "PB", "EB"] {
            let tenths = (u128::from(self.0) * 10 + unit / 2) / unit;
            if tenths < 10_000 {
                return f.pad(&format!("{}.{} {name}", tenths / 10, tenths % 10));
            }
            unit *= 1000;
        }
        f.pad(&format!("{} B", self.0))
    }
}

/// How long something took: `850 ms`, `1.2 s`, `2 min 5 s`, `1 h 2 min`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Elapsed(pub Duration);

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.as_millis();
        let tenths = (milliseconds + 50) / 100;
        let seconds = (milliseconds + 500) / 1000;
        let text = match (milliseconds, seconds) {
            (0..1000, _) => format!("{milliseconds} ms"),
            _ if tenths < 600 => format!("{}.{} s", tenths / 10, tenths % 10),
            (_, 0..3600) => format!("{} min {} s", seconds / 60, seconds % 60),
            _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_decimal_of_the_largest_unit() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (61_937_152, "61.9 MB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(Size(bytes).to_string(), text);
        }
        assert_eq!(format!("{:>8}|", Size(1)), "     1 B|");
    }

    #[test]
    fn durations_are_as_exact_as_anybody_cares() {
        for (milliseconds, text) in [
            (0, "0 ms"),
            (850, "850 ms"),
            (1249, "1.2 s"),
            (59_949, "59.9 s"),
            (59_950, "1 min 0 s"),
            (125_000, "2 min 5 s"),
            (3_599_700, "1 h 0 min"),
            (3_720_000, "1 h 2 min"),
        ] {
            assert_eq!(Elapsed(Duration::from_millis(milliseconds)).to_string(), text);
        }
    }
}
