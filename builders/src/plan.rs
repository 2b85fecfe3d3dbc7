//! Stage three, plan: which files the image needs, read from the archive itself.
//!
//! The result is the form that `java -Djarmode=tools -jar app.jar extract` makes, without running Java: a thin
//! application jar whose manifest names the libraries, and the libraries beside it, byte for byte as they are. A jar
//! that starts with `PropertiesLauncher` is extracted too; what its `loader.path` would add at run time is not part
//! of the archive, and stays outside.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::archive::{Archive, ArchiveError};
use crate::as_it_is::{self, Planned};
use crate::boot_archive::{BootArchive, BootArchiveError, Packaging};
use crate::classpath_index::{self, ClasspathIndexError};
use crate::layering::Layers;
use crate::layers_index::LayersIndexError;
use crate::plain_jar;
use crate::thin_jar::{NameTaken, ThinJar};
use crate::{Application, Artifact, JavaVersion, Part};

/// The image's directory for the application, without leading slash.
pub const DIRECTORY: &str = "app";
pub const THIN_JAR: &str = "application.jar";
const LOADER: &str = "org/springframework/boot/loader";
/// Present where the loader itself registers a file system provider (3.2 and later).
const LOADER_FILE_SYSTEM: &str = "org/springframework/boot/loader/nio/file/NestedFileSystemProvider.class";
const FILE_SYSTEM_SERVICE: &str = "META-INF/services/java.nio.file.spi.FileSystemProvider";
/// Libraries of a war that a servlet container would provide.
const PROVIDED: &str = "WEB-INF/lib-provided/";
/// One of the directories that Spring Boot takes as the document root when it finds them in the working directory.
const WEB_CONTENT: &str = "public";
/// Attributes that Spring's own extraction drops.
pub(crate) const DROPPED_ATTRIBUTES: [&str; 5] = [
    "Start-Class",
    "Spring-Boot-Classes",
    "Spring-Boot-Lib",
    "Spring-Boot-Classpath-Index",
    "Spring-Boot-Layers-Index",
];
/// Attributes that name whoever built the jar; they differ from machine to machine.
pub(crate) const BUILDER_ATTRIBUTES: [&str; 4] = ["Created-By", "Built-By", "Build-Jdk", "Build-Jdk-Spec"];

/// How the application lies in the image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    /// A thin jar and its libraries beside it, as Spring Boot's own extraction makes it.
    #[default]
    Extracted,
    /// The archive's files and folders, started by Spring Boot's launcher.
    Loader,
    /// The archive, byte for byte.
    Packaged,
}

/// Why an archive cannot be laid out.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    NotSpringBoot(BootArchiveError),
    #[error("'{index}' of '{path}' cannot be read: {source}")]
    ClasspathIndex { path: PathBuf, index: String, source: ClasspathIndexError },
    #[error("'{index}' of '{path}' names '{library}', which the archive does not hold")]
    MissingLibrary { path: PathBuf, index: String, library: String },
    #[error("'{index}' of '{path}' {source}")]
    LayersIndex { path: PathBuf, index: String, source: LayersIndexError },
    #[error("'{index}' of '{path}' has no layer for '{entry}'; add one to the build's layers configuration")]
    NoLayer { path: PathBuf, index: String, entry: String },
    #[error(
        "the Class-Path of '{path}' names '{library}', which cannot be read beside it: {source}. Let the build copy its \
         libraries there (Maven: `dependency:copy-dependencies`), or ship a jar that holds everything"
    )]
    ClassPath { path: PathBuf, library: String, source: std::io::Error },
    #[error("the Class-Path of '{path}' names two libraries of one name, '{first}' and '{second}'; rename one of them")]
    SameName { path: PathBuf, first: PathBuf, second: PathBuf },
    #[error(
        "'{path}' holds '{name}' twice, at its root and among the application's classes, with different content; \
         remove one of them from the build"
    )]
    Twice { path: PathBuf, name: String },
    #[error(
        "'{path}' has no launcher of Spring Boot as its Main-Class, which the loader layout needs; use the extracted or \
         the packaged layout"
    )]
    NoLauncher { path: PathBuf },
}

impl From<BootArchiveError> for PlanError {
    fn from(error: BootArchiveError) -> Self {
        match error {
            BootArchiveError::Archive(error) => PlanError::Archive(error),
            other => PlanError::NotSpringBoot(other),
        }
    }
}

/// Reads the archive's directory and indexes and lays the application out in layers.
///
/// Memory grows with the number of entries, never with their content.
pub fn plan(artifact: &Artifact, form: Form) -> Result<Application, PlanError> {
    let boot = match BootArchive::of(Archive::open(&artifact.path)?) {
        Err(error @ BootArchiveError::NotSpringBoot { .. }) => {
            let plain = plain_jar::plan(&artifact.path)?.ok_or(PlanError::NotSpringBoot(error))?;
            return match form {
                Form::Loader => Err(PlanError::NoLauncher { path: artifact.path.clone() }),
                Form::Extracted | Form::Packaged => Ok(plain),
            };
        }
        other => other?,
    };
    let planned = match form {
        Form::Extracted => extracted(&boot)?,
        Form::Loader => as_it_is::exploded(&boot)?,
        Form::Packaged => as_it_is::packaged(&boot)?,
    };
    let attribute = |name| boot.manifest.get(name).map(str::to_owned);
    Ok(Application {
        archive: artifact.path.clone(),
        layers: planned.layers,
        workdir: format!("/{DIRECTORY}"),
        command: planned.command,
        start_class: (form == Form::Extracted).then(|| boot.start_class.clone()),
        java: java_version(&boot)?,
        boot_version: attribute("Spring-Boot-Version"),
        title: attribute("Implementation-Title"),
        version: attribute("Implementation-Version"),
    })
}

fn extracted(boot: &BootArchive) -> Result<Planned, PlanError> {
    let libraries = libraries(boot)?;
    let mut layers = Layers::of(boot)?;
    for library in &libraries {
        layers.add(boot, library.entry, &library.path, library.parts.clone())?;
    }
    for (entry, path, parts) in web_content(boot) {
        layers.add_to_application(&path, parts).map_err(|()| twice(boot, entry))?;
    }
    let thin_jar = thin_jar(boot, &libraries)?;
    layers.add_to_application(THIN_JAR, thin_jar.into_parts()).map_err(|()| twice(boot, THIN_JAR))?;
    Ok(Planned { layers: layers.into_layers(), command: vec!["-jar".to_owned(), THIN_JAR.to_owned()] })
}

fn twice(boot: &BootArchive, name: &str) -> PlanError {
    PlanError::Twice { path: boot.archive.path().to_owned(), name: name.to_owned() }
}

/// A nested library.
struct Library<'a> {
    /// Its name in the archive.
    entry: &'a str,
    /// Its path in the image, relative to the application's directory.
    path: String,
    parts: Vec<Part>,
}

/// All libraries in class-path order: as the index says, then those that it does not name, in the archive's order.
/// Spring Boot's launchers do the same.
fn libraries(boot: &BootArchive) -> Result<Vec<Library<'_>>, PlanError> {
    let found: Vec<Library<'_>> = boot
        .archive
        .entries()
        .iter()
        .filter(|entry| !entry.is_directory())
        .filter_map(|entry| {
            let path = library_path(boot, &entry.name)?;
            Some(Library { entry: &entry.name, path, parts: entry.part().into_iter().collect() })
        })
        .collect();
    let Some((index, text)) = boot.index("Spring-Boot-Classpath-Index")? else {
        return Ok(found);
    };
    let path = || boot.archive.path().to_owned();
    let order = classpath_index::parse(&text).map_err(|source| PlanError::ClasspathIndex {
        path: path(),
        index: index.clone(),
        source,
    })?;
    let mut rank = BTreeMap::new();
    for name in order {
        // The first releases with an index left the directory out.
        let entry = if boot.archive.entry(&name).is_some() { name } else { format!("{}{name}", boot.libraries) };
        if library_path(boot, &entry).is_none() || boot.archive.entry(&entry).is_none() {
            return Err(PlanError::MissingLibrary { path: path(), index, library: entry });
        }
        let next = rank.len();
        rank.entry(entry).or_insert(next);
    }
    let mut sorted = found;
    sorted.sort_by_key(|library| rank.get(library.entry).copied().unwrap_or(usize::MAX));
    Ok(sorted)
}

fn library_path(boot: &BootArchive, entry: &str) -> Option<String> {
    if let Some(name) = entry.strip_prefix(&boot.libraries) {
        return Some(format!("lib/{name}"));
    }
    let provided = entry.strip_prefix(PROVIDED).filter(|_| boot.packaging == Packaging::War)?;
    Some(format!("lib-provided/{provided}"))
}

/// A war's files outside of WEB-INF's classes and libraries, JSPs among them: the document root.
fn web_content(boot: &BootArchive) -> impl Iterator<Item = (&str, String, Vec<Part>)> {
    let outside = |name: &str| {
        name.starts_with(&boot.classes)
            || name.starts_with("META-INF/")
            || name.starts_with(LOADER)
            || name.ends_with(".idx")
            || library_path(boot, name).is_some()
    };
    let entries = if boot.packaging == Packaging::War { boot.archive.entries() } else { &[] };
    entries
        .iter()
        .filter(move |entry| !entry.is_directory() && !outside(&entry.name))
        .map(|entry| (entry.name.as_str(), format!("{WEB_CONTENT}/{}", entry.name), entry.part().into_iter().collect()))
}

/// The application's own classes and resources, and META-INF.
fn thin_jar(boot: &BootArchive, libraries: &[Library<'_>]) -> Result<ThinJar, PlanError> {
    let mut manifest = boot.manifest.clone();
    for attribute in DROPPED_ATTRIBUTES.into_iter().chain(BUILDER_ATTRIBUTES) {
        manifest.remove(attribute);
    }
    manifest.remove_digests();
    manifest.set("Main-Class", &boot.start_class);
    manifest.remove("Class-Path");
    if !libraries.is_empty() {
        let paths: Vec<String> = libraries.iter().map(|library| as_relative_url(&library.path)).collect();
        manifest.set("Class-Path", &paths.join(" "));
    }
    let mut jar = ThinJar::default();
    let taken = |NameTaken(name)| twice(boot, &name);
    jar.add_bytes("META-INF/MANIFEST.MF", manifest.to_bytes()).map_err(taken)?;
    let loader_registers = boot.archive.entry(LOADER_FILE_SYSTEM).is_some();
    for entry in boot.archive.entries() {
        let name = match entry.name.strip_prefix(&boot.classes) {
            Some(name) => name,
            None if entry.name == FILE_SYSTEM_SERVICE && loader_registers => continue,
            None if entry.name.starts_with("META-INF/") && !belongs_to_the_archive(&entry.name) => &entry.name,
            None => continue,
        };
        // IDEs leave a manifest among the classes; the archive's own is the one that counts.
        if name.is_empty() || name.eq_ignore_ascii_case("META-INF/MANIFEST.MF") {
            continue;
        }
        if entry.is_directory() {
            jar.add_directory(name);
        } else {
            jar.add_file(name, entry.part()).map_err(taken)?;
        }
    }
    Ok(jar)
}

/// Files in META-INF that describe the archive as it was: signatures of its entries, the list of its packages.
pub fn belongs_to_the_archive(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let Some(file) = name.strip_prefix("META-INF/").filter(|file| !file.contains('/')) else { return false };
    let signature = [".SF", ".RSA", ".DSA", ".EC"].iter().any(|ending| file.ends_with(ending));
    signature || file.starts_with("SIG-") || file == "INDEX.LIST" || file == "MANIFEST.MF"
}

/// Class-Path holds URLs separated by spaces (JAR File Specification, "Class-Path Attribute").
pub fn as_relative_url(path: &str) -> String {
    let mut url = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z'
            | b'a'..=b'z'
            | b'0'..=b'9'
            | b'/'
            | b'-'
            | b'.'
            | b'_'
            | b'~'
            | b'+'
            | b'@'
            | b'$'
            | b'!'
            | b'('
            | b')'
            | b'='
            | b','
            | b'&'
            | b'*'
            | b'\'' => url.push(char::from(byte)),
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    url
}

/// What the start class was compiled for; else the JDK that built the archive. Spring Boot 3 and later itself needs 17,
/// whatever the application's own classes say.
fn java_version(boot: &BootArchive) -> Result<Option<JavaVersion>, ArchiveError> {
    let class = format!("{}{}.class", boot.classes, boot.start_class.replace('.', "/"));
    let compiled = class_version(&boot.archive, &class)?;
    let built = || boot.manifest.get("Build-Jdk-Spec").or_else(|| boot.manifest.get("Build-Jdk"))?.parse().ok();
    let major =
        boot.manifest.get("Spring-Boot-Version").and_then(|version| version.split('.').next()?.parse::<u16>().ok());
    let floor = major.map(|major| JavaVersion(if major >= 3 { 17 } else { 8 }));
    Ok(compiled.or_else(built).max(floor))
}

/// What the class of this name in the archive was compiled for.
pub fn class_version(archive: &Archive, class: &str) -> Result<Option<JavaVersion>, ArchiveError> {
    let head = match archive.entry(class) {
        Some(entry) => archive.head::<8>(entry)?,
        None => None,
    };
    // JVMS §4.1: magic, minor_version, major_version, big-endian.
    let head = head.filter(|head| head.starts_with(&[0xca, 0xfe, 0xba, 0xbe]));
    Ok(head.and_then(|head| JavaVersion::from_class_file_major(u16::from_be_bytes([head[6], head[7]]))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Content;
    use crate::test_jar::TestJar;
    use std::fs;
    use std::io::Read;

    const INDEXES: &str =
        "Spring-Boot-Classpath-Index: BOOT-INF/classpath.idx\r\nSpring-Boot-Layers-Index: BOOT-INF/layers.idx\r\n";

    fn planned(jar: TestJar) -> Result<Application, PlanError> {
        let folder = tempfile::tempdir().unwrap();
        plan(&Artifact { path: jar.write(folder.path(), "app.jar") }, Form::Extracted)
    }

    /// Every layer's name with the paths of its entries.
    fn layout(application: &Application) -> Vec<(&str, Vec<&str>)> {
        let layers = application.layers.iter();
        layers.map(|layer| (layer.name.as_str(), layer.entries.iter().map(|e| e.path.as_str()).collect())).collect()
    }

    /// The names and contents of the thin jar.
    fn thin_jar_of(jar: TestJar) -> Vec<(String, String)> {
        let folder = tempfile::tempdir().unwrap();
        let path = jar.write(folder.path(), "app.jar");
        let application = plan(&Artifact { path: path.clone() }, Form::Extracted).unwrap();
        let source = fs::read(&path).unwrap();
        let mut entries = application.layers.iter().flat_map(|layer| &layer.entries);
        let thin = entries.find(|entry| entry.path == "app/application.jar").unwrap();
        let Content::File { parts } = &thin.content else { panic!("no file") };
        let mut bytes = Vec::new();
        for part in parts {
            match part {
                Part::Bytes(own) => bytes.extend_from_slice(own),
                Part::Stored { offset, size, .. } => {
                    bytes.extend_from_slice(&source[*offset as usize..][..*size as usize])
                }
                Part::Deflated { offset, compressed_size, .. } => {
                    let deflated = &source[*offset as usize..][..*compressed_size as usize];
                    flate2::read::DeflateDecoder::new(deflated).read_to_end(&mut bytes).unwrap();
                }
            }
        }
        assert_eq!(bytes.len() as u64, thin.content.size());
        let path = folder.path().join("thin.jar");
        fs::write(&path, bytes).unwrap();
        let archive = Archive::open(&path).unwrap();
        let text = |entry| String::from_utf8_lossy(&archive.read(entry, 1 << 20).unwrap()).into_owned();
        archive.entries().iter().map(|entry| (entry.name.clone(), text(entry))).collect()
    }

    #[test]
    fn without_indexes_snapshots_get_a_layer_of_their_own() {
        let application = planned(
            TestJar::boot("Implementation-Title: demo\r\n")
                .stored("BOOT-INF/lib/b.jar", b"b")
                .stored("BOOT-INF/lib/a-1-SNAPSHOT.jar", b"a")
                .deflated("BOOT-INF/lib/c.jar", b"c"),
        )
        .unwrap();
        assert_eq!(
            layout(&application),
            [
                ("dependencies", vec!["app", "app/lib", "app/lib/b.jar", "app/lib/c.jar"]),
                ("snapshot-dependencies", vec!["app", "app/lib", "app/lib/a-1-SNAPSHOT.jar"]),
                ("application", vec!["app", "app/application.jar"]),
            ]
        );
        assert_eq!(application.java, Some(JavaVersion(17)));
        assert_eq!(application.title.as_deref(), Some("demo"));
        assert_eq!(application.layers.iter().map(|layer| layer.application).collect::<Vec<_>>(), [false, false, true]);
    }

    #[test]
    fn the_indexes_decide_layers_and_class_path() {
        let jar = || {
            TestJar::boot(INDEXES)
                .stored("BOOT-INF/lib/a.jar", b"a")
                .stored("BOOT-INF/lib/b c.jar", b"b")
                .stored("BOOT-INF/lib/unlisted.jar", b"u")
                .stored("BOOT-INF/classpath.idx", b"- \"BOOT-INF/lib/b c.jar\"\n- \"BOOT-INF/lib/a.jar\"\n")
                .stored(
                    "BOOT-INF/layers.idx",
                    b"- \"base\":\n  - \"BOOT-INF/lib/a.jar\"\n- \"none\":\n- \"own\":\n  - \"BOOT-INF/\"\n  - \"META-INF/\"\n",
                )
        };
        let application = planned(jar()).unwrap();
        assert_eq!(
            layout(&application),
            [
                ("base", vec!["app", "app/lib", "app/lib/a.jar"]),
                ("own", vec!["app", "app/application.jar", "app/lib", "app/lib/b c.jar", "app/lib/unlisted.jar"]),
            ]
        );
        let thin = thin_jar_of(jar());
        let manifest = &thin.iter().find(|(name, _)| name == "META-INF/MANIFEST.MF").unwrap().1;
        assert_eq!(
            manifest,
            "Manifest-Version: 1.0\r\nMain-Class: demo.App\r\nSpring-Boot-Version: 3.5.0\r\nClass-Path: \
             lib/b%20c.jar lib/a.jar lib/unlisted.jar\r\n\r\n"
        );
    }

    #[test]
    fn the_thin_jar_has_what_belongs_to_the_application() {
        let thin = thin_jar_of(
            TestJar::boot("")
                .stored("META-INF/services/java.nio.file.spi.FileSystemProvider", b"loader")
                .stored(LOADER_FILE_SYSTEM, b"class")
                .stored("META-INF/APP.SF", b"signature")
                .stored("META-INF/build-info.properties", b"info")
                .stored("BOOT-INF/classes/META-INF/services/java.nio.file.spi.FileSystemProvider", b"own")
                .stored("BOOT-INF/classes/META-INF/MANIFEST.MF", b"of an IDE")
                .directory("BOOT-INF/classes/empty/"),
        );
        let names: Vec<&str> = thin.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "META-INF/",
                "META-INF/MANIFEST.MF",
                "META-INF/build-info.properties",
                "META-INF/services/",
                "META-INF/services/java.nio.file.spi.FileSystemProvider",
                "demo/",
                "demo/App.class",
                "empty/",
            ]
        );
        assert_eq!(thin[4].1, "own");
    }

    #[test]
    fn the_builders_of_a_jar_leave_no_trace_in_the_image() {
        let by =
            |builder: &str| thin_jar_of(TestJar::boot(&format!("Built-By: {builder}\r\nBuild-Jdk: {builder}\r\n")));
        assert_eq!(by("17.0.1"), by("25"));
    }

    #[test]
    fn a_war_keeps_its_web_content_in_the_document_root() {
        let manifest = "Main-Class: org.springframework.boot.loader.WarLauncher\nStart-Class: demo.App\n";
        let application = planned(
            TestJar::new()
                .stored("META-INF/MANIFEST.MF", manifest.as_bytes())
                .stored("index.html", b"<p>")
                .stored("WEB-INF/jsp/a.jsp", b"jsp")
                .stored("WEB-INF/classes/demo/App.class", &[0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 52])
                .stored("WEB-INF/lib/a.jar", b"a")
                .stored("WEB-INF/lib-provided/a.jar", b"p"),
        )
        .unwrap();
        assert_eq!(
            layout(&application),
            [
                ("dependencies", vec!["app", "app/lib-provided", "app/lib-provided/a.jar", "app/lib", "app/lib/a.jar"]),
                (
                    "application",
                    vec![
                        "app",
                        "app/application.jar",
                        "app/public",
                        "app/public/WEB-INF",
                        "app/public/WEB-INF/jsp",
                        "app/public/WEB-INF/jsp/a.jsp",
                        "app/public/index.html",
                    ]
                ),
            ]
        );
        assert_eq!(application.java, Some(JavaVersion(8)));
    }

    #[test]
    fn archives_that_are_not_spring_boots_are_told_so() {
        let plain = TestJar::new().stored("META-INF/MANIFEST.MF", b"Created-By: x\n").stored("a/B.class", b"");
        let error = planned(plain).unwrap_err().to_string();
        assert!(error.contains("plain jar, without Main-Class") && error.contains("--jar"), "{error}");
        assert!(planned(TestJar::new().stored("a", b"")).unwrap_err().to_string().contains("no META-INF/MANIFEST.MF"));
    }

    #[test]
    fn indexes_that_do_not_fit_are_refused() {
        let with = |classpath: &str, layers: &str| {
            let jar = TestJar::boot(INDEXES).stored("BOOT-INF/lib/a.jar", b"a");
            planned(
                jar.stored("BOOT-INF/classpath.idx", classpath.as_bytes())
                    .stored("BOOT-INF/layers.idx", layers.as_bytes()),
            )
            .unwrap_err()
        };
        let layers = "- \"all\":\n  - \"BOOT-INF/\"\n";
        assert!(matches!(with("- \"BOOT-INF/lib/x.jar\"", layers), PlanError::MissingLibrary { .. }));
        assert!(matches!(with("- \"BOOT-INF/layers.idx\"", layers), PlanError::MissingLibrary { .. }));
        assert!(matches!(with("lib/a.jar", layers), PlanError::ClasspathIndex { .. }));
        assert!(matches!(with("", "all"), PlanError::LayersIndex { .. }));
        assert!(matches!(with("", "- \"all\":\n"), PlanError::NoLayer { .. }));
    }

    #[test]
    fn the_same_file_at_the_root_and_among_the_classes_must_be_the_same() {
        let with = |other: &[u8]| {
            planned(TestJar::boot("").stored("META-INF/a", b"1").stored("BOOT-INF/classes/META-INF/a", other))
        };
        assert!(with(b"1").is_ok());
        assert!(matches!(with(b"2"), Err(PlanError::Twice { .. })));
    }
}
