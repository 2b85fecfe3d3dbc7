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

/// The environment of shipit.toml, as `--env` names it.
pub const SHIPIT_ENV: &str = "SHIPIT_ENV";

/// The folder of the cache, in place of the user's cache folder.
pub const SHIPIT_CACHE_DIR: &str = "SHIPIT_CACHE_DIR";

/// The build's time in seconds since 1970 (reproducible-builds.org/specs/source-date-epoch).
pub const SOURCE_DATE_EPOCH: &str = "SOURCE_DATE_EPOCH";

/// Set by CI services: progress is then plain lines.
pub const CI: &str = "CI";

/// Any value but an empty one turns colours off (no-color.org).
pub const NO_COLOR: &str = "NO_COLOR";

/// The folder of Docker's config.json, with registry credentials.
pub const DOCKER_CONFIG: &str = "DOCKER_CONFIG";

/// The variables with shipit's prefix that are no setting.
pub(super) const OWN: &[&str] = &[SHIPIT_ENV, SHIPIT_CACHE_DIR];

/// The variables with shipit's prefix, read once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
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
        Ok(Environment(ours))
    }

    /// The value of the variable `name`, which begins with the prefix.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
