//! The forms of an application that keep Spring Boot's launcher: exploded, and the archive as it is.

use std::fs::File;
use std::io::Read;

use crate::archive::ArchiveError;
use crate::boot_archive::{BootArchive, Packaging};
use crate::layering::Layers;
use crate::plan::{BUILDER_ATTRIBUTES, DIRECTORY, PlanError};
use crate::{Content, Entry, Layer, Part};

/// The name of a manifest, as launchers look for it in a folder.
const MANIFEST: &str = "META-INF/MANIFEST.MF";
/// Where every launcher of Spring Boot lives: directly below before 3.2, in `launch` since.
const LAUNCHERS: &str = "org.springframework.boot.loader.";

/// Layers, and the command that follows `java` and its flags.
pub struct Planned {
    pub layers: Vec<Layer>,
    pub command: Vec<String>,
}

/// The archive's files as they stand in it, started by the launcher that its manifest names: `PropertiesLauncher` finds
/// its loader.path this way.
pub fn exploded(boot: &BootArchive) -> Result<Planned, PlanError> {
    let launcher = boot.manifest.get("Main-Class").filter(|class| class.starts_with(LAUNCHERS));
    let launcher = launcher.ok_or_else(|| PlanError::NoLauncher { path: boot.archive.path().to_owned() })?;
    let mut layers = Layers::of(boot)?;
    let mut manifest = boot.manifest.clone();
    for attribute in BUILDER_ATTRIBUTES {
        manifest.remove(attribute);
    }
    let twice = |name: &str| PlanError::Twice { path: boot.archive.path().to_owned(), name: name.to_owned() };
    let parts = vec![Part::Bytes(manifest.to_bytes())];
    layers.add_to_application(MANIFEST, parts).map_err(|()| twice(MANIFEST))?;
    for entry in boot.archive.entries() {
        if entry.is_directory() || entry.name.eq_ignore_ascii_case(MANIFEST) {
            continue;
        }
        let parts = entry.part().into_iter().collect();
        let library = entry.name.starts_with(&boot.libraries) || entry.name.starts_with("WEB-INF/lib-provided/");
        if library || entry.name.starts_with("org/springframework/boot/loader/") {
            layers.add(boot, &entry.name, &entry.name, parts)?;
        } else {
            layers.add_to_application(&entry.name, parts).map_err(|()| twice(&entry.name))?;
        }
    }
    Ok(Planned { layers: layers.into_layers(), command: vec![launcher.to_owned()] })
}

/// The archive, byte for byte, in one layer.
pub fn packaged(boot: &BootArchive) -> Result<Planned, PlanError> {
    let path = boot.archive.path();
    let failed = |source| PlanError::Archive(ArchiveError::Read { path: path.to_owned(), source });
    let (mut size, mut crc32) = (0, flate2::Crc::new());
    let mut file = File::open(path).map_err(failed)?;
    let mut chunk = vec![0; 256 * 1024];
    loop {
        let count = file.read(&mut chunk).map_err(failed)?;
        if count == 0 {
            break;
        }
        crc32.update(&chunk[..count]);
        size += count as u64;
    }
    let name = match boot.packaging {
        Packaging::Jar => "application.jar",
        Packaging::War => "application.war",
    };
    let parts = vec![Part::Stored { offset: 0, size, crc32: crc32.sum() }];
    let layer = Layer {
        name: "application".to_owned(),
        application: true,
        entries: vec![
            Entry { path: DIRECTORY.to_owned(), content: Content::Directory },
            Entry { path: format!("{DIRECTORY}/{name}"), content: Content::File { parts } },
        ],
    };
    Ok(Planned { layers: vec![layer], command: vec!["-jar".to_owned(), name.to_owned()] })
}

#[cfg(test)]
mod tests {
    use crate::plan::{Form, plan};
    use crate::test_jar::TestJar;
    use crate::{Application, Artifact, Content, Part};

    fn planned(jar: TestJar, form: Form) -> Application {
        let folder = tempfile::tempdir().unwrap();
        plan(&Artifact { path: jar.write(folder.path(), "app.jar") }, form).unwrap()
    }

    fn jar(builder: &str) -> TestJar {
        TestJar::boot(&format!("Built-By: {builder}\r\n"))
            .deflated("org/springframework/boot/loader/launch/JarLauncher.class", b"launcher")
            .stored("BOOT-INF/lib/a.jar", b"a")
    }

    #[test]
    fn the_exploded_form_keeps_the_archives_folders_and_its_launcher() {
        let application = planned(jar("ada"), Form::Loader);
        assert_eq!(application.command, ["org.springframework.boot.loader.launch.JarLauncher"]);
        let paths = |layer: usize| -> Vec<&str> {
            let entries = application.layers[layer].entries.iter();
            entries.filter(|e| e.content.size() > 0).map(|e| e.path.as_str()).collect()
        };
        assert_eq!(
            paths(0),
            ["app/BOOT-INF/lib/a.jar", "app/org/springframework/boot/loader/launch/JarLauncher.class"]
        );
        assert_eq!(paths(1), ["app/BOOT-INF/classes/demo/App.class", "app/META-INF/MANIFEST.MF"]);
        let manifest = |application: &Application| format!("{:?}", application.layers[1].entries);
        assert!(manifest(&application).contains("MANIFEST.MF"));
        let other = planned(jar("grace"), Form::Loader);
        let bytes = |application: &Application| {
            let entries = application.layers[1].entries.iter();
            entries.map(|entry| entry.content.size()).collect::<Vec<_>>()
        };
        assert_eq!(bytes(&application), bytes(&other), "who built the jar does not show");
    }

    #[test]
    fn the_packaged_form_is_one_file() {
        let application = planned(jar("ada"), Form::Packaged);
        assert_eq!(application.command, ["-jar", "application.jar"]);
        assert_eq!(application.start_class, None);
        let Content::File { parts } = &application.layers[0].entries[1].content else { panic!("no file") };
        assert!(matches!(parts[..], [Part::Stored { offset: 0, size: 1.., .. }]), "{parts:?}");
    }
}
