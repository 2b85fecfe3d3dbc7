//! Where a setting's value came from, for messages about it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Who set a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A flag, with its dashes.
    Flag(String),
    /// An environment variable.
    Variable(String),
    /// A line of shipit.toml, counted from 1.
    File { path: PathBuf, line: usize },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(name) | Origin::Variable(name) => f.write_str(name),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
        }
    }
}

/// Origins by path; the entries of a table have their own (`service.env.TZ`).
pub(super) type Origins = BTreeMap<String, Origin>;
