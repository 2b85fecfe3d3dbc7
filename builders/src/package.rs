//! Stage two, package: the project's own build makes the archive.

use std::path::PathBuf;

use crate::{Artifact, Project};

/// How the build is run.
#[derive(Debug, Clone)]
pub struct PackageOptions {
    /// What happens with the tests (setting `build.tests`).
    pub tests: Tests,
    /// Further arguments for Maven, after shipit's own (setting `build.maven-args`).
    pub arguments: Vec<String>,
    /// Seconds since the Unix epoch for `project.build.outputTimestamp`, where the project sets none.
    pub output_timestamp: i64,
    /// Where the whole output goes: `target/shipit/build.log`. Its directory is made where it is missing.
    pub log: PathBuf,
}

/// What the build does with the project's tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tests {
    /// Compiled, not run (`-DskipTests`): a `test-jar` that another module needs is still made.
    #[default]
    Compile,
    /// Neither compiled nor run (`-Dmaven.test.skip=true`).
    Skip,
    /// Compiled and run.
    Run,
}

#[derive(Debug, thiserror::Error)]
pub enum PackageError {}

/// Runs the build and finds the archive that it made. `on_line` is called with each line that the build prints.
pub fn package(
    project: &Project,
    options: &PackageOptions,
    on_line: &mut dyn FnMut(&str),
) -> Result<Artifact, PackageError> {
    let _ = (project, options, on_line);
    todo!()
}
