//! From a project directory to an [`Application`]: the first three stages of the road.
//!
//! [`detect`](project::detect) looks at a directory, [`package`](package::package) runs the project's own build,
//! [`plan`](plan::plan) reads the archive that came out and says which files an image needs, layer by layer.
//! Nothing here knows of registries, clouds, async or terminals.

pub mod application;
pub mod archive;
mod as_it_is;
pub mod boot_archive;
mod boot_version;
pub mod build_tool;
mod built_archive;
pub mod classpath_index;
pub mod explain;
mod gradle;
mod gradle_build;
mod gradle_script;
pub mod java;
pub mod jib;
mod layering;
pub mod layers_index;
mod lineage;
pub mod manifest;
pub mod package;
mod plain_jar;
pub mod plan;
pub mod pom;
pub mod project;
mod reactor;
mod running_build;
#[cfg(test)]
mod test_jar;
#[cfg(test)]
mod test_project;
mod thin_jar;

pub use application::{Application, Artifact, Content, Entry, Layer, Part};
pub use boot_version::boot_version;
pub use java::JavaVersion;
pub use plan::Form;
pub use project::Project;
