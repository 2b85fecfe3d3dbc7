//! Where a Spring Boot jar or war keeps its classes, libraries and indexes: what its manifest says of it.

use std::path::PathBuf;

use crate::archive::{Archive, ArchiveEntry, ArchiveError};
use crate::manifest::Manifest;

/// No manifest or index comes near this size; more is not read into memory.
pub const TEXT_LIMIT: u64 = 16 << 20;
const MANIFEST: &str = "META-INF/MANIFEST.MF";

/// The form of the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packaging {
    /// Classes and libraries in BOOT-INF.
    Jar,
    /// Classes and libraries in WEB-INF, web content beside it.
    War,
}

/// A Spring Boot archive, and where in it things lie.
pub struct BootArchive {
    pub archive: Archive,
    pub manifest: Manifest,
    pub packaging: Packaging,
    /// The class with the application's `main`.
    pub start_class: String,
    /// Prefix of the application's classes and resources; ends in `/`.
    pub classes: String,
    /// Prefix of the libraries; ends in `/`.
    pub libraries: String,
}

/// Why a file is no Spring Boot archive.
#[derive(Debug, thiserror::Error)]
pub enum BootArchiveError {
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(
        "'{path}' is not a Spring Boot jar: {reason}. Let the project's build make one (Maven: the `repackage` goal \
         of spring-boot-maven-plugin; Gradle: `bootJar`), or name the right file with --jar"
    )]
    NotSpringBoot { path: PathBuf, reason: &'static str },
}

impl BootArchive {
    /// Takes a look at an opened archive's manifest.
    pub fn of(archive: Archive) -> Result<Self, BootArchiveError> {
        let not_boot = |reason| BootArchiveError::NotSpringBoot { path: archive.path().to_owned(), reason };
        let Some(entry) = manifest_entry(&archive) else {
            return Err(not_boot("it has no META-INF/MANIFEST.MF"));
        };
        let manifest = Manifest::parse(&archive.read(entry, TEXT_LIMIT)?);
        let has = |prefix: &str| archive.entries().iter().any(|entry| entry.name.starts_with(prefix));
        let marked = ["Start-Class", "Spring-Boot-Version", "Spring-Boot-Classes"];
        if !marked.iter().any(|attribute| manifest.get(attribute).is_some()) || !(has("BOOT-INF/") || has("WEB-INF/")) {
            return Err(not_boot(match manifest.get("Main-Class") {
                Some(_) => "it is a plain executable jar, without Spring Boot's BOOT-INF or WEB-INF folder",
                None => "it is a plain jar, without Main-Class and without Spring Boot's BOOT-INF or WEB-INF folder",
            }));
        }
        let packaging = match manifest.get("Spring-Boot-Classes") {
            Some(classes) if classes.starts_with("WEB-INF") => Packaging::War,
            Some(_) => Packaging::Jar,
            None if has("BOOT-INF/") => Packaging::Jar,
            None => Packaging::War,
        };
        let (classes, libraries) = match packaging {
            Packaging::Jar => ("BOOT-INF/classes/", "BOOT-INF/lib/"),
            Packaging::War => ("WEB-INF/classes/", "WEB-INF/lib/"),
        };
        // Without a launcher (`layout: NONE`) the application's class is Main-Class itself.
        let Some(start_class) = manifest.get("Start-Class").or_else(|| manifest.get("Main-Class")) else {
            return Err(not_boot("its manifest has neither Start-Class nor Main-Class"));
        };
        Ok(BootArchive {
            packaging,
            start_class: start_class.to_owned(),
            classes: as_prefix(manifest.get("Spring-Boot-Classes").unwrap_or(classes)),
            libraries: as_prefix(manifest.get("Spring-Boot-Lib").unwrap_or(libraries)),
            manifest,
            archive,
        })
    }

    /// Name and text of the index that a manifest attribute points to, where there is one.
    pub fn index(&self, attribute: &str) -> Result<Option<(String, String)>, ArchiveError> {
        let Some(entry) = self.manifest.get(attribute).and_then(|name| self.archive.entry(name)) else {
            return Ok(None);
        };
        let bytes = self.archive.read(entry, TEXT_LIMIT)?;
        Ok(Some((entry.name.clone(), String::from_utf8_lossy(&bytes).into_owned())))
    }
}

/// The JVM finds the manifest without regard to case.
pub fn manifest_entry(archive: &Archive) -> Option<&ArchiveEntry> {
    let by_any_case = || archive.entries().iter().find(|entry| entry.name.eq_ignore_ascii_case(MANIFEST));
    archive.entry(MANIFEST).or_else(by_any_case)
}

fn as_prefix(location: &str) -> String {
    if location.ends_with('/') { location.to_owned() } else { format!("{location}/") }
}
