//! The configuration of Jib, as it stands in a Maven or Gradle project: for those who come over.
//!
//! Nothing is run: what only a running build would know is told as a [`Problem`], and left out.

mod gradle;
mod maven;
mod option;
mod script;
mod tokens;
mod tree;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use option::{ExtraDirectory, Form, JibOption, OPTIONS, Value};

use crate::pom::PomError;
use tree::Tree;

/// What Jib is told in a project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JibConfiguration {
    /// The files that the options were read from.
    pub files: Vec<PathBuf>,
    /// In the order of Jib's documentation, each at most once.
    pub options: Vec<JibOption>,
    /// What was found and could not be read.
    pub problems: Vec<Problem>,
}

/// Something that is there and cannot be taken over as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What it is about: an option (`container.ports`), a line (`build.gradle:12`), a profile.
    pub about: String,
    /// The rest of the sentence: `refers to ${git.commit}, which only a build knows`.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.about, self.text)
    }
}

/// Why no configuration of Jib could be read.
#[derive(Debug, thiserror::Error)]
pub enum JibError {
    #[error(transparent)]
    Pom(#[from] PomError),
    #[error("cannot read '{path}': {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("'{directory}' has neither a pom.xml nor a build.gradle nor a build.gradle.kts")]
    NoBuildFile { directory: PathBuf },
    #[error("nothing in {} configures Jib: {}", .files.join(", "), .sought)]
    NoJib { files: Vec<String>, sought: &'static str },
}

/// Reads the configuration of Jib for the module in `module`, which lies at or below `project`: paths in it that are
/// relative to the module become relative to `project`.
pub fn read(project: &Path, module: &Path) -> Result<JibConfiguration, JibError> {
    let within = module.strip_prefix(project).unwrap_or(Path::new("")).to_string_lossy().into_owned();
    let mut found = match ["build.gradle.kts", "build.gradle"]
        .map(|name| module.join(name))
        .into_iter()
        .find(|path| path.is_file())
    {
        _ if module.join("pom.xml").is_file() => maven::read(&module.join("pom.xml"))?,
        Some(script) => gradle::read(&script)?,
        None => return Err(JibError::NoBuildFile { directory: module.to_owned() }),
    };
    add_default_directory(&mut found, module);
    for option in &mut found.options {
        if let Value::Directories(directories) = &mut option.value {
            for directory in directories {
                directory.from = relative(&directory.from, &within, module);
            }
        }
    }
    Ok(found)
}

/// Jib copies `src/main/jib` into the image unless it is told other directories.
fn add_default_directory(found: &mut JibConfiguration, module: &Path) {
    const DEFAULT: &str = "src/main/jib";
    const NAME: &str = "extraDirectories.paths";
    let has_files = fs::read_dir(module.join(DEFAULT)).is_ok_and(|mut entries| entries.next().is_some());
    if has_files && !found.options.iter().any(|option| option.name == NAME) {
        let value = Value::Directories(vec![ExtraDirectory::plain(DEFAULT)]);
        found.options.push(JibOption { name: NAME.to_owned(), value });
        found.options.sort_by_key(JibOption::rank);
    }
}

/// A path of the module as one of the project.
fn relative(path: &str, within: &str, module: &Path) -> String {
    let path = path.strip_prefix(&*module.to_string_lossy()).map_or(path, |rest| rest.trim_start_matches('/'));
    let path = path.trim_start_matches("./");
    if within.is_empty() || path.starts_with('/') { path.to_owned() } else { format!("{within}/{path}") }
}

/// The options that the tree holds. What Jib does not document is a problem.
fn options_of(tree: &Tree, problems: &mut Vec<Problem>) -> Vec<JibOption> {
    let mut options = Vec::new();
    option::collect(tree, "", &mut options, problems);
    options.sort_by_key(JibOption::rank);
    options
}

#[cfg(test)]
mod tests;
