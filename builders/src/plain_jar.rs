//! A plain executable jar: a Main-Class, and libraries beside it that its Class-Path names (JAR File Specification,
//! "Class-Path Attribute"). One without Class-Path holds its libraries' classes itself.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::archive::Archive;
use crate::boot_archive::{TEXT_LIMIT, manifest_entry};
use crate::layering;
use crate::manifest::Manifest;
use crate::plan::{
    BUILDER_ATTRIBUTES, DIRECTORY, PlanError, THIN_JAR, as_relative_url, belongs_to_the_archive, class_version,
};
use crate::thin_jar::{NameTaken, ThinJar};
use crate::{Application, Content, JavaVersion, Layer};

/// Lays out a plain executable jar; `None` for a file that is none, or that a build made on the way to a Spring Boot jar.
pub fn plan(path: &Path) -> Result<Option<Application>, PlanError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.ends_with(".original") || name.starts_with("original-") || name.ends_with("-plain.jar") {
        return Ok(None);
    }
    let archive = Archive::open(path)?;
    let Some(entry) = manifest_entry(&archive) else { return Ok(None) };
    let manifest = Manifest::parse(&archive.read(entry, TEXT_LIMIT)?);
    let Some(main_class) = manifest.get("Main-Class").map(str::to_owned) else { return Ok(None) };

    let libraries = Libraries::of(path, manifest.get("Class-Path").unwrap_or_default())?;
    let java = class_version(&archive, &format!("{}.class", main_class.replace('.', "/")))?;
    let built = || manifest.get("Build-Jdk-Spec").or_else(|| manifest.get("Build-Jdk"))?.parse::<JavaVersion>().ok();
    let attribute = |name| manifest.get(name).map(str::to_owned);
    let thin_jar = thin_jar(&archive, &manifest, &libraries.class_path)?;
    let application = BTreeMap::from([(THIN_JAR.to_owned(), Content::File { parts: thin_jar.into_parts() })]);
    let layers = [
        ("dependencies", libraries.releases),
        ("snapshot-dependencies", libraries.snapshots),
        ("application", application),
    ];
    Ok(Some(Application {
        archive: path.to_owned(),
        layers: layers
            .into_iter()
            .filter(|(_, files)| !files.is_empty())
            .map(|(name, files)| Layer {
                name: name.to_owned(),
                application: name == "application",
                entries: layering::entries(files),
            })
            .collect(),
        workdir: format!("/{DIRECTORY}"),
        command: vec!["-jar".to_owned(), THIN_JAR.to_owned()],
        start_class: Some(main_class),
        java: java.or_else(built),
        boot_version: None,
        title: attribute("Implementation-Title"),
        version: attribute("Implementation-Version"),
    }))
}

/// What Class-Path names.
#[derive(Default)]
struct Libraries {
    /// By their paths in the application's directory.
    releases: BTreeMap<String, Content>,
    snapshots: BTreeMap<String, Content>,
    /// The new Class-Path, as URLs.
    class_path: Vec<String>,
}

impl Libraries {
    fn of(jar: &Path, class_path: &str) -> Result<Self, PlanError> {
        let mut libraries = Libraries::default();
        let mut sources: BTreeMap<String, PathBuf> = BTreeMap::new();
        let beside = jar.parent().unwrap_or(Path::new(""));
        for url in class_path.split_ascii_whitespace() {
            // Folders are places for configuration, empty in most cases; what is in them is no part of the application.
            if url.ends_with('/') || url == "." {
                libraries.class_path.push(url.to_owned());
                continue;
            }
            let name = decoded(url.strip_prefix("file:").unwrap_or(url));
            let source = beside.join(&name);
            let library = || name.clone();
            let missing = |source| PlanError::ClassPath { path: jar.to_owned(), library: library(), source };
            if !fs::metadata(&source).map_err(missing)?.is_file() {
                return Err(missing(io::Error::other("it is not a regular file")));
            }
            let target = place(&name);
            match sources.get(&target) {
                Some(known) if *known == source => continue,
                Some(known) => {
                    let (first, second) = (known.clone(), source.clone());
                    return Err(PlanError::SameName { path: jar.to_owned(), first, second });
                }
                None => _ = sources.insert(target.clone(), source.clone()),
            }
            libraries.class_path.push(as_relative_url(&target));
            let content = copy(source).map_err(missing)?;
            let snapshot = target.contains("SNAPSHOT");
            let files = if snapshot { &mut libraries.snapshots } else { &mut libraries.releases };
            files.insert(target, content);
        }
        Ok(libraries)
    }
}

/// Where a library goes: where it is beside the jar, in `lib/`; by its name alone where it lies elsewhere.
fn place(name: &str) -> String {
    let relative = name.trim_start_matches("./");
    let inside = !relative.starts_with('/') && relative.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if inside {
        format!("lib/{}", relative.strip_prefix("lib/").unwrap_or(relative))
    } else {
        format!("lib/{}", relative.rsplit('/').next().unwrap_or(relative))
    }
}

/// A file's size and CRC-32.
fn copy(path: PathBuf) -> io::Result<Content> {
    let mut file = File::open(&path)?;
    let mut crc = flate2::Crc::new();
    let (mut size, mut buffer) = (0, vec![0; 64 << 10]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Content::Copy { path, size, crc32: crc.sum() }),
            count => {
                crc.update(&buffer[..count]);
                size += count as u64;
            }
        }
    }
}

/// A URL's path with its `%XX` resolved.
fn decoded(url: &str) -> String {
    let mut bytes = Vec::with_capacity(url.len());
    let mut rest = url.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = (byte == b'%').then(|| std::str::from_utf8(after.get(..2)?).ok()).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(decoded) => {
                bytes.push(decoded);
                rest = &after[2..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The jar's own entries, with the manifest that fits the image.
fn thin_jar(archive: &Archive, manifest: &Manifest, class_path: &[String]) -> Result<ThinJar, PlanError> {
    let mut manifest = manifest.clone();
    for attribute in BUILDER_ATTRIBUTES {
        manifest.remove(attribute);
    }
    manifest.remove_digests();
    match class_path {
        [] => manifest.remove("Class-Path"),
        _ => manifest.set("Class-Path", &class_path.join(" ")),
    }
    let taken = |NameTaken(name)| PlanError::Twice { path: archive.path().to_owned(), name };
    let mut jar = ThinJar::default();
    jar.add_bytes("META-INF/MANIFEST.MF", manifest.to_bytes()).map_err(taken)?;
    for entry in archive.entries() {
        if entry.is_directory() {
            jar.add_directory(&entry.name);
        } else if !belongs_to_the_archive(&entry.name) {
            jar.add_file(&entry.name, entry.part()).map_err(taken)?;
        }
    }
    Ok(jar)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_jar::TestJar;
    use crate::{Artifact, Entry};

    const CLASS: [u8; 8] = [0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 65];

    fn jar(folder: &Path, name: &str, manifest: &str) -> PathBuf {
        let jar = TestJar::new().deflated("META-INF/MANIFEST.MF", manifest.as_bytes()).deflated("a/B.class", &CLASS);
        jar.write(folder, name)
    }

    fn paths(entries: &[Entry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.path.as_str()).collect()
    }

    #[test]
    fn the_libraries_of_class_path_go_into_layers_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        fs::create_dir_all(target.join("lib")).unwrap();
        for name in ["target/lib/a b.jar", "target/c-1-SNAPSHOT.jar", "d.jar"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let class_path = "lib/a%20b.jar c-1-SNAPSHOT.jar ../d.jar conf/ lib/a%20b.jar";
        let path = jar(&target, "app.jar", &format!("Main-Class: a.B\nCreated-By: me\nClass-Path: {class_path}\n"));
        let application = crate::plan::plan(&Artifact { path: path.clone() }, crate::Form::Extracted).unwrap();
        let layers: Vec<(&str, Vec<&str>)> =
            application.layers.iter().map(|layer| (layer.name.as_str(), paths(&layer.entries))).collect();
        assert_eq!(
            layers,
            [
                ("dependencies", vec!["app", "app/lib", "app/lib/a b.jar", "app/lib/d.jar"]),
                ("snapshot-dependencies", vec!["app", "app/lib", "app/lib/c-1-SNAPSHOT.jar"]),
                ("application", vec!["app", "app/application.jar"]),
            ]
        );
        assert_eq!((application.java, application.boot_version), (Some(JavaVersion(21)), None));
        let Content::Copy { path: copied, size: 5, .. } = &application.layers[0].entries[3].content else { panic!() };
        assert_eq!(fs::canonicalize(copied).unwrap(), fs::canonicalize(folder.path().join("d.jar")).unwrap());
        let Content::File { parts } = &application.layers[2].entries[1].content else { panic!() };
        let crate::Part::Bytes(head) = &parts[0] else { panic!() };
        let head = String::from_utf8_lossy(head);
        let expected = "Main-Class: a.B\r\nClass-Path: lib/a%20b.jar lib/c-1-SNAPSHOT.jar lib/d.jar conf/\r\n\r\n";
        assert!(head.contains(expected), "{head}");
    }

    #[test]
    fn a_jar_that_holds_everything_is_one_layer() {
        let folder = tempfile::tempdir().unwrap();
        let application = plan(&jar(folder.path(), "all.jar", "Main-Class: a.B\n")).unwrap().unwrap();
        assert_eq!(application.layers.len(), 1);
        assert!(application.layers[0].application);
    }

    #[test]
    fn libraries_that_are_missing_or_share_a_name_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = jar(folder.path(), "app.jar", "Main-Class: a.B\nClass-Path: lib/gone.jar\n");
        let error = plan(&path).unwrap_err().to_string();
        assert!(error.contains("'lib/gone.jar'") && error.contains("Class-Path"), "{error}");
        for name in ["x", "y"] {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join("a.jar"), name).unwrap();
        }
        let inner = folder.path().join("x");
        let path = jar(&inner, "app.jar", "Main-Class: a.B\nClass-Path: a.jar ../y/a.jar\n");
        assert!(matches!(plan(&path), Err(PlanError::SameName { .. })));
    }

    #[test]
    fn what_a_build_made_on_the_way_is_no_application() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["app.jar.original", "app-plain.jar", "original-app.jar"] {
            assert!(plan(&jar(folder.path(), name, "Main-Class: a.B\n")).unwrap().is_none(), "{name}");
        }
        assert!(plan(&jar(folder.path(), "library.jar", "Created-By: x\n")).unwrap().is_none());
    }
}
