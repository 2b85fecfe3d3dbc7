//! The environment variables that shipit reads, by name.
//!
//! Each setting has one besides, made from its path: SHIPIT_IMAGE_BASE is `image.base`. The AWS SDK reads its own
//! (AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL …), and the HTTP client reads HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE and
//! their kin.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::error::SettingsError;

/// What the variables of settings begin with.
pub const PREFIX: &str = "SHIPIT_";

/// A variable that belongs to no setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
}

pub const SHIPIT_ENV: Variable =
    Variable { name: "SHIPIT_ENV", about: "The environment of shipit.toml, where `--env` does not name one." };

pub const SHIPIT_CACHE_DIR: Variable =
    Variable { name: "SHIPIT_CACHE_DIR", about: "The folder of the cache, in place of the user's cache folder." };

pub const SOURCE_DATE_EPOCH: Variable = Variable {
    name: "SOURCE_DATE_EPOCH",
    about: "The build's time in the tag, in seconds since 1970 (reproducible-builds.org/specs/source-date-epoch).",
};

pub const CI: Variable = Variable { name: "CI", about: "Set by CI services: progress is then plain lines." };

pub const NO_COLOR: Variable =
    Variable { name: "NO_COLOR", about: "Any value but an empty one turns colours off (no-color.org)." };

pub const DOCKER_CONFIG: Variable =
    Variable { name: "DOCKER_CONFIG", about: "The folder of Docker's config.json, which has registry credentials." };

/// All of them, in the order of the documentation.
pub const ALL: &[Variable] = &[SHIPIT_ENV, SHIPIT_CACHE_DIR, SOURCE_DATE_EPOCH, CI, NO_COLOR, DOCKER_CONFIG];

impl Variable {
    /// The variable's value in this process; `None` where it is empty, too.
    pub fn value(&self) -> Option<OsString> {
        std::env::var_os(self.name).filter(|value| !value.is_empty())
    }
}

/// The variables with shipit's prefix, read once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// That of this process. A variable that is set to nothing counts as not set, as CI services define their
    /// variables that way.
    pub fn of_process() -> Result<Self, SettingsError> {
        Self::from_variables(std::env::vars_os())
    }

    /// One of the variables given, of which those without the prefix are left out.
    pub fn from_variables(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, SettingsError> {
        let mut ours = BTreeMap::new();
        for (name, value) in variables {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
            let value = value.into_string().map_err(|_| SettingsError::VariableNotText { name: name.to_owned() })?;
            if !value.is_empty() {
                ours.insert(name.to_owned(), value);
            }
        }
        Ok(Variables(ours))
    }

    /// The value of the variable `name`, which begins with the prefix.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
