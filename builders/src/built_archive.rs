//! Which file did this build make?
//!
//! A build directory also holds what earlier builds left: jars of older versions, of other names. Time stamps do not
//! tell them apart, as a build with nothing to do leaves its jar untouched. What tells is, in this order, what the
//! Spring Boot plugin printed, what the jar plugin printed, and the name that the poms give the file.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::Project;
use crate::archive::{Archive, ArchiveError};
use crate::boot_archive::BootArchive;
use crate::lineage::Lineage;

/// What the build's output says of files, collected line by line.
#[derive(Debug, Default)]
pub struct BuildEvidence {
    /// The `artifactId` whose plugins are running.
    module: Option<String>,
    files: Vec<NamedFile>,
}

#[derive(Debug)]
struct NamedFile {
    module: Option<String>,
    by: Author,
    path: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Author {
    JarPlugin,
    BootPlugin,
}

/// Why no file can be named as the one that the build made.
#[derive(Debug, thiserror::Error)]
pub enum BuiltArchiveError {
    #[error(
        "the build succeeded, but '{path}' is not a Spring Boot jar. Bind the goal `repackage` of \
         spring-boot-maven-plugin to an execution, or name the file to ship with --jar"
    )]
    NotRepackaged { path: PathBuf },
    #[error(
        "the build succeeded, but what it left cannot be read: {0} (a build that was interrupted leaves such a file; run `clean` once)"
    )]
    Damaged(ArchiveError),
    #[error("the build succeeded, but left no Spring Boot jar or war in '{directory}'. Name the file with --jar")]
    Missing { directory: PathBuf },
    #[error(
        "the build succeeded, but several files in '{directory}' may be what it made: {}. Remove the old ones \
         (`mvn clean`), or name the file with --jar", names(.files)
    )]
    Several { directory: PathBuf, files: Vec<PathBuf> },
}

fn names(files: &[PathBuf]) -> String {
    let name = |file: &PathBuf| file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    files.iter().map(name).collect::<Vec<_>>().join(", ")
}

impl BuildEvidence {
    /// Takes in a line of Maven's output, without colours.
    pub fn read(&mut self, line: &str) {
        let text = line.strip_prefix("[INFO] ").unwrap_or(line).trim();
        if let Some(goal) = text.strip_prefix("--- ").and_then(|rest| rest.strip_suffix(" ---")) {
            self.module = goal.rsplit_once(" @ ").map(|(_, module)| module.trim().to_owned());
            return;
        }
        let between = |start: &str, end: &str| Some(text.strip_prefix(start)?.split_once(end)?.0);
        let repackaged = between("Replacing main artifact ", " with repackaged archive")
            .or_else(|| {
                between("Replacing artifact with classifier ", " with repackaged archive")?
                    .split_once(' ')
                    .map(|(_, path)| path)
            })
            .or_else(|| between("Attaching repackaged archive ", " with classifier "))
            .or_else(|| between("Creating repackaged archive ", " with classifier "))
            .or_else(|| between("Attaching archive: ", ", with classifier: "))
            .or_else(|| between("Updating main artifact ", " to "));
        let built = text.strip_prefix("Building jar: ").or_else(|| text.strip_prefix("Building war: "));
        let (by, path) = match (repackaged, built) {
            (Some(path), _) => (Author::BootPlugin, path),
            (None, Some(path)) => (Author::JarPlugin, path),
            (None, None) => return,
        };
        self.files.push(NamedFile { module: self.module.clone(), by, path: PathBuf::from(path.trim()) });
    }

    /// The last file that each plugin named for the module, and all others before it, without repetition.
    fn named_by(&self, by: Author, project: &Project) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = Vec::new();
        for file in self.files.iter().filter(|file| file.by == by) {
            // With `-T` the sections of modules mix; the directory tells then.
            let ours = file.path.starts_with(&project.module)
                && (project.module != project.root || file.module.as_deref() == Some(&project.name));
            let named = ours || file.module.as_deref() == Some(&project.name);
            if named && may_ship(&file.path) && !paths.contains(&file.path) {
                paths.push(file.path.clone());
            }
        }
        paths
    }
}

/// The Spring Boot jar or war that this build made, or found up to date.
pub fn find(
    project: &Project,
    lineage: &Lineage,
    evidence: &BuildEvidence,
    started: SystemTime,
) -> Result<PathBuf, BuiltArchiveError> {
    let output = project.module.join(lineage.output().unwrap_or_else(|| "target".to_owned()));
    let directory = match lineage.boot_setting("outputDirectory") {
        Some(directory) => project.module.join(directory),
        None => output.clone(),
    };
    let expected = expected_names(lineage);
    let repackaged: Vec<PathBuf> =
        evidence.named_by(Author::BootPlugin, project).into_iter().filter(|path| is_boot_archive(path)).collect();
    match repackaged.as_slice() {
        [] => {}
        [one] => return Ok(one.clone()),
        several => {
            let named = |name: &String| several.iter().find(|path| path.ends_with(name));
            return expected
                .iter()
                .find_map(named)
                .cloned()
                .ok_or_else(|| BuiltArchiveError::Several { directory, files: several.to_vec() });
        }
    }
    // The main artifact: what the jar plugin wrote now, else what it would be called.
    let mut main: Vec<PathBuf> = Vec::new();
    if lineage.boot_setting("finalName").is_some() {
        main.extend(expected.first().map(|name| directory.join(name)));
    }
    let built = evidence.named_by(Author::JarPlugin, project);
    for path in &built {
        main.extend(lineage.boot_setting("classifier").and_then(|classifier| with_classifier(path, &classifier)));
        main.extend(path.file_name().map(|name| directory.join(name)));
        main.push(path.clone());
    }
    // The poms' name counts unless the build just wrote a main artifact of another name.
    if built.iter().all(|path| lineage.final_name().is_some_and(|stem| is_beside(path, &stem))) {
        main.extend(expected.iter().map(|name| directory.join(name)));
    }
    if let Some(path) = main.iter().find(|path| is_boot_archive(path)) {
        return Ok(path.clone());
    }
    let mut candidates: Vec<PathBuf> =
        archives_in([&directory, &output]).into_iter().filter(|path| is_boot_archive(path)).collect();
    // A classifier that is set out of sight.
    if let Some(known) = main.iter().find(|path| path.is_file()) {
        let stem = known.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        candidates.retain(|path| is_beside(path, &stem));
        if candidates.is_empty() {
            return Err(match Archive::open(known) {
                Ok(_) => BuiltArchiveError::NotRepackaged { path: known.clone() },
                Err(error) => BuiltArchiveError::Damaged(error),
            });
        }
    }
    if candidates.len() > 1 {
        let new =
            |path: &PathBuf| fs::metadata(path).and_then(|data| data.modified()).is_ok_and(|time| time >= started);
        if candidates.iter().filter(|path| new(path)).count() == 1 {
            candidates.retain(new);
        }
    }
    match candidates.len() {
        0 => Err(BuiltArchiveError::Missing { directory }),
        1 => Ok(candidates.remove(0)),
        _ => Err(BuiltArchiveError::Several { directory, files: candidates }),
    }
}

/// Where the poms say that the archive will be; `None` where a property hides it.
pub fn expected(project: &Project, lineage: &Lineage) -> Option<PathBuf> {
    let directory = lineage.boot_setting("outputDirectory").or_else(|| lineage.output())?;
    Some(project.module.join(directory).join(expected_names(lineage).into_iter().next()?))
}

/// Whether a file's name is that of the artifact `stem` with a classifier.
fn is_beside(path: &Path, stem: &str) -> bool {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    name.strip_prefix(stem).is_some_and(|rest| rest.starts_with('-'))
}

/// The file's possible names after the poms: with the plugin's classifier first.
fn expected_names(lineage: &Lineage) -> Vec<String> {
    let ending = &lineage.module().packaging;
    let stems = [lineage.boot_setting("finalName"), lineage.final_name()];
    let classifier = lineage.boot_setting("classifier");
    let mut names = Vec::new();
    for stem in stems.into_iter().flatten() {
        names.extend(classifier.as_ref().map(|classifier| format!("{stem}-{classifier}.{ending}")));
        names.push(format!("{stem}.{ending}"));
    }
    names
}

fn with_classifier(path: &Path, classifier: &str) -> Option<PathBuf> {
    let (stem, ending) = (path.file_stem()?.to_str()?, path.extension()?.to_str()?);
    Some(path.with_file_name(format!("{stem}-{classifier}.{ending}")))
}

/// Whether the name is that of an application, not of what is published beside it.
fn may_ship(path: &Path) -> bool {
    let ending = path.extension().is_some_and(|ending| ending == "jar" || ending == "war");
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let beside = ["-sources", "-test-sources", "-tests", "-javadoc", "-plain"];
    ending && !stem.starts_with("original-") && !beside.iter().any(|suffix| stem.ends_with(suffix))
}

fn archives_in(directories: [&Path; 2]) -> BTreeSet<PathBuf> {
    let entries = directories.into_iter().filter_map(|directory| fs::read_dir(directory).ok()).flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| may_ship(path) && path.is_file()).collect()
}

fn is_boot_archive(path: &Path) -> bool {
    path.is_file() && Archive::open(path).is_ok_and(|archive| BootArchive::of(archive).is_ok())
}
