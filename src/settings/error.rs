//! What can be wrong with settings.

use std::io;
use std::path::{Path, PathBuf};

use super::source_line::SourceLine;

#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("{} cannot be read", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },

    #[error("{} cannot be written", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },

    /// A problem at a place of a file.
    #[error("{}:{}:{}: {problem}\n{at}", path.display(), at.line, at.column)]
    File { path: PathBuf, at: SourceLine, problem: String },

    #[error("the variable {name}: {problem}")]
    Variable { name: String, problem: String },

    #[error("the variable {name} is not valid UTF-8")]
    VariableNotText { name: String },

    #[error("the flag {name}: {problem}")]
    Flag { name: String, problem: String },

    #[error("{}", no_environment(name, file.as_deref(), known, nearest.as_deref()))]
    NoSuchEnvironment { name: String, file: Option<PathBuf>, known: Vec<String>, nearest: Option<String> },

    /// A lock file of a newer shipit.
    #[error("{}: layer-format = {found} is newer than this shipit, which knows {known}; update shipit", path.display())]
    LayerFormat { path: PathBuf, found: u32, known: u32 },

    #[error("no project: neither {} nor a folder above it has a shipit.toml, a pom.xml or a Gradle script (-C DIR names the project, --jar FILE needs none)", start.display())]
    NoProject { start: PathBuf },

    #[error("{} is not a directory", path.display())]
    NotADirectory { path: PathBuf },
}

fn no_environment(name: &str, file: Option<&Path>, known: &[String], nearest: Option<&str>) -> String {
    let Some(file) = file else {
        return format!("no environment '{name}': there is no shipit.toml to describe it");
    };
    let mut text = format!("no environment '{name}': {} has ", file.display());
    match (known, nearest) {
        ([], _) => text.push_str(&format!("no [env.{name}.…] table")),
        (_, Some(nearest)) => text.push_str(&format!("'{nearest}'; did you mean that?")),
        (known, None) => text.push_str(&known.join(", ")),
    }
    text
}
