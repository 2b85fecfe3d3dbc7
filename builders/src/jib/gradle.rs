//! Jib's configuration in build.gradle and build.gradle.kts.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::script::Script;
use super::tree::Tree;
use super::{JibConfiguration, JibError, options_of};

/// Reads the configuration in the script at `path`.
pub(super) fn read(path: &Path) -> Result<JibConfiguration, JibError> {
    let bytes = fs::read(path).map_err(|source| JibError::Read { path: path.to_owned(), source })?;
    let source = String::from_utf8_lossy(&bytes);
    let directory = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let script = Script::read(&source, &name, known(directory));
    if !script.present {
        let sought = "there is no block 'jib { … }'";
        return Err(JibError::NoJib { files: vec![path.display().to_string()], sought });
    }
    let mut problems = script.problems;
    let options = options_of(&script.jib, &mut problems);
    Ok(JibConfiguration { files: vec![path.to_owned()], options, problems })
}

/// What scripts refer to and other files say: gradle.properties, and the project's name.
fn known(directory: &Path) -> BTreeMap<String, Tree> {
    let mut known = BTreeMap::new();
    let mut set = |name: &str, value: &str| known.insert(name.to_owned(), Tree::Text(value.to_owned()));
    let properties = fs::read_to_string(directory.join("gradle.properties")).unwrap_or_default();
    for line in properties.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if let Some((name, value)) = line.split_once('=') {
            set(name.trim(), value.trim());
        }
    }
    for name in ["projectDir", "layout.projectDirectory"] {
        set(name, ".");
    }
    let settings = ["settings.gradle", "settings.gradle.kts"].map(|name| fs::read_to_string(directory.join(name)));
    let settings = settings.into_iter().find_map(Result::ok);
    if let Some(settings) = &settings {
        // The script is the root project's own.
        set("rootDir", ".");
        let script = Script::read(settings, "settings.gradle", BTreeMap::new());
        if let Some(Tree::Text(name)) = script.variables.get("name") {
            for path in ["name", "rootProject.name"] {
                set(path, name);
            }
        }
    }
    known
}
