//! Durations as people write them: `90s`, `15m`, `1h30m`.

use std::time::Duration;

/// Text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a duration (examples: 90s, 15m, 1h30m)")]
pub struct DurationError(String);

/// Parses whole numbers with the units `h`, `m` and `s`, each at most once and in this order. A bare number is
/// refused: it does not say what it counts.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let error = || DurationError(text.chars().take(100).collect());
    let mut rest = text.trim();
    let mut seconds: u64 = 0;
    for (unit, length) in [('h', 3600), ('m', 60), ('s', 1)] {
        let Some((number, after)) = rest.split_once(unit) else { continue };
        let number: u64 = Some(number)
            .filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|number| number.parse().ok())
            .ok_or_else(error)?;
        seconds = number.checked_mul(length).and_then(|more| seconds.checked_add(more)).ok_or_else(error)?;
        rest = after.trim_start();
    }
    if text.trim().is_empty() || !rest.is_empty() { Err(error()) } else { Ok(Duration::from_secs(seconds)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_minutes_and_seconds_add_up() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("1h30m", 5400), ("1h 5s", 3605), ("0s", 0)] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn what_says_no_unit_or_an_unknown_one_is_refused() {
        for text in
            ["", " ", "15", "s", "m", "15 min", "1.5h", "-3s", "+3s", "5s3m", "3m3m", "99999999999999999999h", "ä"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
