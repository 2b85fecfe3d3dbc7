//! The modules of a Maven build, and the directory that it is run in.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::pom::{Pom, PomError};

const POM: &str = "pom.xml";
/// More modules than this are a cycle that file links hide.
const MAX_MODULES: usize = 2_000;

/// `directory` and those above it that list it as a module, itself or through one another; the nearest first.
///
/// `directory` is canonical.
pub fn aggregators(directory: &Path) -> Vec<PathBuf> {
    let mut chain = vec![directory.to_owned()];
    let mut current = directory;
    for above in directory.ancestors().skip(1) {
        let path = above.join(POM);
        if !path.is_file() {
            continue;
        }
        let Ok(pom) = Pom::read(&path) else { continue };
        if pom.modules.iter().any(|module| module_directory(&pom, module).as_deref() == Some(current)) {
            chain.push(above.to_owned());
            current = above;
        }
    }
    chain
}

/// The pom in `directory` and those of its modules, in the poms' order, each directory once.
///
/// A module that is not there is left out: it may belong to a profile that is not active. Maven tells if it is.
pub fn modules(directory: &Path) -> Result<Vec<Pom>, PomError> {
    let top = Pom::read(&directory.join(POM))?;
    let mut seen = HashSet::from([directory.to_owned()]);
    let mut found = Vec::new();
    let mut waiting = vec![top];
    while let Some(pom) = waiting.pop() {
        let mut children = Vec::new();
        for module in &pom.modules {
            let Some(directory) = module_directory(&pom, module) else { continue };
            if seen.len() < MAX_MODULES && seen.insert(directory.clone()) {
                children.push(Pom::read(&directory.join(POM))?);
            }
        }
        waiting.extend(children.into_iter().rev());
        found.push(pom);
    }
    Ok(found)
}

/// A module is named by its directory, or by its pom.xml.
fn module_directory(pom: &Pom, module: &str) -> Option<PathBuf> {
    let path = fs::canonicalize(pom.directory.join(module)).ok()?;
    if path.is_dir() {
        return path.join(POM).is_file().then_some(path);
    }
    (path.file_name()? == POM).then(|| path.parent().map(Path::to_owned))?
}
