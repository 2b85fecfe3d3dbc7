//! Gradle's part of the package stage: the command line, and the archive by Gradle's own answer.
//!
//! What a Gradle build names its archive is decided by programs, so it is not guessed: an init script, given with `-I`,
//! adds one task to the module, which depends on `bootWar` or `bootJar` and writes the archive's path to a file. The
//! script uses only what Gradle 4.4 and every later one have, and nothing that the configuration cache refuses. Both
//! files lie beside the log, at the same place every time, so that the configuration cache is of use.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::archive::Archive;
use crate::boot_archive::BootArchive;
use crate::package::{PackageError, PackageOptions, Tests};
use crate::{Artifact, Project};

const TASK: &str = "shipitArchive";
const INIT_SCRIPT: &str = "shipit.init.gradle";
const ANSWER: &str = "archive.txt";

/// The command line. Only options that every Gradle since 4.4 knows.
pub fn command(project: &Project, options: &PackageOptions) -> Result<Command, PackageError> {
    let mut command = project.tool.command(&project.root).map_err(PackageError::Follow)?;
    command.current_dir(&project.root).env("PWD", &project.root).arg("--console=plain");
    command.arg("-I").arg(beside_log(options, INIT_SCRIPT)).args(&options.arguments);
    match options.tests {
        Tests::Compile => _ = command.arg(task(project, "testClasses")),
        Tests::Skip => {}
        Tests::Run => _ = command.arg(task(project, "test")),
    }
    command.arg(task(project, TASK));
    Ok(command)
}

/// Writes the init script that [`command`] names, and removes what an earlier build answered.
pub fn prepare(project: &Project, options: &PackageOptions) -> Result<(), PackageError> {
    let script = beside_log(options, INIT_SCRIPT);
    let answer = beside_log(options, ANSWER);
    let write = || {
        if let Some(directory) = script.parent() {
            fs::create_dir_all(directory)?;
        }
        match fs::remove_file(&answer) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::write(&script, init_script(project.gradle_path.as_deref().unwrap_or(":"), &answer))
    };
    write().map_err(|source| PackageError::InitScript { path: script.clone(), source })
}

/// The archive that the task named.
pub fn find(options: &PackageOptions) -> Result<Artifact, PackageError> {
    let answer = beside_log(options, ANSWER);
    let path = fs::read_to_string(&answer).map(PathBuf::from).map_err(|_| PackageError::NoAnswer { answer })?;
    // Before it is shipped: a build script can let these tasks make anything.
    BootArchive::of(Archive::open(&path).map_err(PackageError::GradleArchive)?).map_err(PackageError::GradleNotBoot)?;
    Ok(Artifact { path })
}

/// Absolute: the build runs in another directory.
fn beside_log(options: &PackageOptions, name: &str) -> PathBuf {
    let path = options.log.with_file_name(name);
    std::path::absolute(&path).unwrap_or(path)
}

/// `:web:bootJar`, or `:bootJar` in the root project.
fn task(project: &Project, name: &str) -> String {
    let path = project.gradle_path.as_deref().unwrap_or(":").trim_end_matches(':');
    format!("{path}:{name}")
}

fn init_script(module: &str, answer: &Path) -> String {
    INIT_SCRIPT_TEXT.replace("MODULE", &quoted(module)).replace("ANSWER", &quoted(&answer.to_string_lossy()))
}

/// A string of Groovy's, without interpolation.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Archives get fixed times and a fixed order where the build says nothing of them, as the libraries that other modules
/// make go into the image as they are. Builds that this one includes, and buildSrc, have a parent.
const INIT_SCRIPT_TEXT: &str = r#"// Written by shipit for each build; nothing here is kept.
if (gradle.parent == null) {
    def module = MODULE
    def answer = new File(ANSWER)
    allprojects { project ->
        def archives = project.tasks.withType(org.gradle.api.tasks.bundling.AbstractArchiveTask)
        def settle = { archive ->
            archive.preserveFileTimestamps = false
            archive.reproducibleFileOrder = true
        }
        if (archives.metaClass.respondsTo(archives, 'configureEach')) {
            archives.configureEach(settle)
        } else {
            archives.all(settle)
        }
        if (project.path == module) {
            project.afterEvaluate {
                def boot = ['bootWar', 'bootJar'].collect { project.tasks.findByName(it) }.find { it != null && it.enabled }
                if (boot == null) {
                    throw new GradleException("the project '${module}' has no enabled task bootJar or bootWar: " +
                        "apply the plugin org.springframework.boot to it, or name another one with --module")
                }
                def created = project.tasks.metaClass.respondsTo(project.tasks, 'register') ?
                    project.tasks.register('shipitArchive').get() : project.tasks.create('shipitArchive')
                created.dependsOn(boot)
                def file = boot.hasProperty('archiveFile') ? boot.archiveFile : null
                def old = file == null ? boot : null
                created.doLast {
                    answer.parentFile.mkdirs()
                    answer.setText((file != null ? file.get().asFile : old.archivePath).absolutePath, 'UTF-8')
                }
            }
        }
    }
}
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_for_groovy() {
        let script = init_script(":web", Path::new("/tmp/it's\\here/$x"));
        assert!(script.contains("def module = ':web'\n"), "{script}");
        assert!(script.contains("new File('/tmp/it\\'s\\\\here/$x')\n"), "{script}");
    }
}
