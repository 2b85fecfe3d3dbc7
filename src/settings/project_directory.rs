//! Where the project is.

use std::path::{Path, PathBuf};

use super::error::SettingsError;
use super::file::FILE_NAME;

/// What marks a project's folder.
const MARKS: [&str; 6] =
    [FILE_NAME, "pom.xml", "build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts"];

/// The nearest folder with a shipit.toml, a pom.xml or a script of Gradle's, from `start` upwards.
///
/// A path that is relative stays so, as long as it need not leave `start`.
pub fn find_project_directory(start: &Path) -> Result<PathBuf, SettingsError> {
    if !start.is_dir() {
        return Err(SettingsError::NotADirectory { path: start.to_owned() });
    }
    let is_project = |directory: &Path| MARKS.iter().any(|mark| directory.join(mark).is_file());
    if is_project(start) {
        return Ok(start.to_owned());
    }
    let absolute = start.canonicalize().map_err(|source| SettingsError::Read { path: start.to_owned(), source })?;
    absolute
        .ancestors()
        .find(|directory| is_project(directory))
        .map(Path::to_owned)
        .ok_or(SettingsError::NoProject { start: absolute.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_folder_upwards_wins() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let module = root.join("web");
        let deep = module.join("src/main");
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::write(root.join("shipit.toml"), "").unwrap();
        assert_eq!(find_project_directory(&deep).unwrap(), root);
        std::fs::write(module.join("pom.xml"), "<project/>").unwrap();
        assert_eq!(find_project_directory(&deep).unwrap(), module);
        std::fs::write(module.join("src/build.gradle.kts"), "").unwrap();
        assert_eq!(find_project_directory(&deep).unwrap(), module.join("src"));
    }

    #[test]
    fn a_folder_that_does_not_exist_is_told_as_such() {
        let root = tempfile::tempdir().unwrap();
        let error = find_project_directory(&root.path().join("nowhere")).unwrap_err();
        assert!(matches!(error, SettingsError::NotADirectory { .. }), "{error}");
    }
}
