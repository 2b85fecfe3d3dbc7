//! Java feature releases: 8, 11, 17, 21, 25, …

use std::fmt;
use std::str::FromStr;

/// A Java feature release: 8 for `1.8`, 17 for `17.0.15`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JavaVersion(pub u16);

/// The releases with long-term support that JRE images are published for.
const LONG_TERM_SUPPORT: [JavaVersion; 5] =
    [JavaVersion(8), JavaVersion(11), JavaVersion(17), JavaVersion(21), JavaVersion(25)];

impl JavaVersion {
    /// The version of the class-file format (JVMS §4.1, table 4.1-A) that this release writes is `44 + release`.
    pub fn from_class_file_major(major: u16) -> Option<Self> {
        (major >= 45).then(|| JavaVersion(major - 44))
    }

    /// The smallest long-term support release that runs this one's classes; the release itself beyond the newest.
    pub fn long_term_support(self) -> Self {
        LONG_TERM_SUPPORT.into_iter().find(|lts| *lts >= self).unwrap_or(self)
    }
}

impl fmt::Display for JavaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Text that names no Java release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a Java version (examples: 17, 1.8, 21.0.4)")]
pub struct JavaVersionError(String);

impl FromStr for JavaVersion {
    type Err = JavaVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let modern = text.strip_prefix("1.").unwrap_or(text);
        let digits = modern.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        match digits.parse::<u16>() {
            Ok(release) if release > 0 => Ok(JavaVersion(release)),
            _ => Err(JavaVersionError(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_version_are_read() {
        assert_eq!("1.8".parse(), Ok(JavaVersion(8)));
        assert_eq!("1.8.0_392".parse(), Ok(JavaVersion(8)));
        assert_eq!("17".parse(), Ok(JavaVersion(17)));
        assert_eq!("21.0.4+7".parse(), Ok(JavaVersion(21)));
        assert!("${java.version}".parse::<JavaVersion>().is_err());
    }

    #[test]
    fn a_release_between_two_long_term_ones_takes_the_later() {
        assert_eq!(JavaVersion(19).long_term_support(), JavaVersion(21));
        assert_eq!(JavaVersion(8).long_term_support(), JavaVersion(8));
        assert_eq!(JavaVersion(26).long_term_support(), JavaVersion(26));
    }
}
