//! The times that an image shows: none is ever the clock's.

use jiff::Timestamp;

/// The time of everything that no commit dates: 1980-01-01T00:00:00Z, the earliest that a zip archive can name. In
/// seconds since the Unix epoch.
pub const FIXED: i64 = 315_532_800;

/// Which time to show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TimeChoice {
    /// The commit's.
    #[default]
    Commit,
    /// [`FIXED`].
    Fixed,
    /// Seconds since the Unix epoch.
    At(i64),
}

impl TimeChoice {
    /// The time in seconds since the Unix epoch, where the commit's is `commit`.
    pub fn seconds(self, commit: i64) -> i64 {
        match self {
            TimeChoice::Commit => commit,
            TimeChoice::Fixed => FIXED,
            TimeChoice::At(seconds) => seconds,
        }
    }

    /// The time of files that no commit changes.
    pub fn of_dependencies(self) -> i64 {
        match self {
            TimeChoice::Commit | TimeChoice::Fixed => FIXED,
            TimeChoice::At(seconds) => seconds,
        }
    }
}

/// A number of seconds that RFC 3339 has no year for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} seconds since 1970 is no time that can be written")]
pub struct TimeError(i64);

/// `2026-01-02T03:04:05Z`.
pub fn rfc3339(seconds: i64) -> Result<String, TimeError> {
    let time = Timestamp::from_second(seconds).map_err(|_| TimeError(seconds))?;
    Ok(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// Seconds since the Unix epoch of an RFC 3339 time, whose fraction of a second is cut off.
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc_and_read_in_any_zone() {
        assert_eq!(rfc3339(FIXED).unwrap(), "1980-01-01T00:00:00Z");
        assert_eq!(parse_rfc3339("1980-01-01T02:00:00+02:00"), Some(FIXED));
        assert_eq!(parse_rfc3339("yesterday"), None);
        assert!(rfc3339(i64::MAX).is_err());
    }

    #[test]
    fn a_commit_dates_only_what_it_changes() {
        assert_eq!((TimeChoice::Commit.seconds(7), TimeChoice::Commit.of_dependencies()), (7, FIXED));
        assert_eq!((TimeChoice::Fixed.seconds(7), TimeChoice::At(9).of_dependencies()), (FIXED, 9));
    }
}
