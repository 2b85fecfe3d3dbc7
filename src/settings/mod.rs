//! Settings: shipit.toml, its lock file, environment variables and flags, and the one order of precedence in which
//! they meet. What a setting is called, takes and means is in `table`, and nowhere else.

mod absolute_path;
mod declare;
mod documentation;
pub mod duration;
pub mod environment;
mod error;
mod file;
mod flags;
mod from_jib;
mod image_choices;
mod initial;
pub mod lock;
mod nearest;
mod origin;
mod port;
mod port_range;
mod project_directory;
mod resolve;
mod scalar;
mod schema;
pub mod setting;
mod source_line;
mod table;
mod task_size;
mod tests_mode;
mod user;
mod value;

use std::path::{Path, PathBuf};

pub use absolute_path::AbsolutePath;
pub use documentation::markdown;
pub use environment::Variables;
pub use error::SettingsError;
pub use file::FILE_NAME;
pub use flags::{BUILD, Flags, Given, IMAGE, REGISTRY, SERVICE};
pub use from_jib::from_jib;
pub use initial::{Initial, Remark};
pub use lock::Lock;
pub use origin::Origin;
pub use port::{Port, Protocol};
pub use port_range::PortRange;
pub use project_directory::find_project_directory;
pub use schema::schema;
pub use table::{Build, Image, Registry, Section, Service, Settings};
pub use task_size::{CpuUnits, Mebibytes};
pub use tests_mode::TestsMode;
pub use user::User;

/// Where settings come from.
#[derive(Debug)]
pub struct Sources<'a> {
    /// The folder that may have a shipit.toml; `None` where there is no project.
    pub directory: Option<&'a Path>,
    /// The environment whose `[env.NAME]` tables hold: `--env NAME`. The variable SHIPIT_ENV where it is `None`.
    pub env: Option<&'a str>,
    pub variables: &'a Variables,
    pub flags: &'a Given,
}

impl Settings {
    /// Reads all sources and lets, for each setting, the first win of: flag, environment variable, `[env.NAME]`,
    /// shipit.toml. Tables (`env`, `labels` …) are merged name by name in the same order.
    pub fn load(sources: &Sources<'_>) -> Result<Self, SettingsError> {
        let file = match sources.directory {
            Some(directory) => file::File::read(&display_path(directory))?,
            None => None,
        };
        let env = sources.env.or(sources.variables.get(environment::SHIPIT_ENV.name));
        Self::read(resolve::resolve(file.as_ref(), env, sources.variables, sources.flags)?)
    }

    /// Who set the setting `path` (`service.memory`; an entry of a table: `service.env.TZ`). `None` where nobody did.
    pub fn origin(&self, path: &str) -> Option<&Origin> {
        self.origins.get(path)
    }

    /// `path`, and where its value was set, for messages: `service.memory (shipit.toml:12)`.
    pub fn describe(&self, path: &str) -> String {
        match self.origin(path) {
            Some(origin) => format!("{path} ({origin})"),
            None => format!("{path} (default)"),
        }
    }
}

/// Variables that look like a setting's and are none, each as a warning.
pub fn unknown_variables(variables: &Variables) -> Vec<String> {
    resolve::unknown_variables(variables)
}

/// shipit.toml in `directory`, without a leading `./` that messages do not need.
fn display_path(directory: &Path) -> PathBuf {
    let path = directory.join(FILE_NAME);
    path.strip_prefix(".").map(Path::to_owned).unwrap_or(path)
}

#[cfg(test)]
mod tests;
