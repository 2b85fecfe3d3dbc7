//! Stage one, detect: what is in this directory?

use std::path::{Path, PathBuf};

use crate::JavaVersion;

/// A project that shipit knows how to build.
#[derive(Debug, Clone)]
pub struct Project {
    /// The directory with the top pom.xml: where the build is run.
    pub root: PathBuf,
    /// The directory of the module whose archive becomes the image; `root` itself in a project of one module.
    pub module: PathBuf,
    /// `artifactId` of the module.
    pub name: String,
    /// What runs the build.
    pub tool: BuildTool,
    /// The Java release that the project's compiler settings name, where they can be read without running Maven.
    pub java: Option<JavaVersion>,
}

/// What runs the project's build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildTool {
    /// The project's own `mvnw`; `executable` says whether it has the run bit (it is run with `sh` if not).
    MavenWrapper { script: PathBuf, executable: bool },
    /// `mvn` of the PATH, where the project has no wrapper.
    Maven { program: PathBuf },
}

/// What the caller may say about the project.
#[derive(Debug, Clone, Default)]
pub struct DetectOptions {
    /// The module to ship (setting `build.module`): its artifactId or its directory relative to the root.
    pub module: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum DetectError {}

/// Finds out how the project in `directory` is built, without running anything.
pub fn detect(directory: &Path, options: &DetectOptions) -> Result<Project, DetectError> {
    let _ = (directory, options);
    todo!()
}
