//! Stage two, package: the project's own build makes the archive.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use crate::archive::ArchiveError;
use crate::boot_archive::BootArchiveError;
use crate::build_tool::System;
use crate::built_archive::{self, BuildEvidence, BuiltArchiveError};
use crate::gradle_build;
use crate::lineage::{Lineage, configured_arguments, user_properties};
use crate::pom::PomError;
use crate::running_build::run;
use crate::{Artifact, Project};

const TIMESTAMP: &str = "project.build.outputTimestamp";
/// Lines of a failed build that an error carries; the log has all.
const SHOWN_LINES: usize = 60;
/// Lines before the end that are shown where nothing is marked as an error.
const LAST_LINES: usize = 30;

/// How the build is run.
#[derive(Debug, Clone)]
pub struct PackageOptions {
    /// What happens with the tests (setting `build.tests`).
    pub tests: Tests,
    /// Further arguments for Maven or Gradle, after shipit's own (settings `build.maven-args`, `build.gradle-args`).
    pub arguments: Vec<String>,
    /// Seconds since the Unix epoch for `project.build.outputTimestamp`, where the project sets none.
    pub output_timestamp: i64,
    /// Where the whole output goes: `target/shipit/build.log`. Its directory is made where it is missing, and holds
    /// what else the build needs.
    pub log: PathBuf,
    /// Ends the build, and all that it started, when it becomes true.
    pub stop: Arc<AtomicBool>,
}

/// What the build does with the project's tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tests {
    /// Compiled, not run (`-DskipTests`; Gradle: `testClasses`): a `test-jar` that another module needs is still made.
    #[default]
    Compile,
    /// Neither compiled nor run (`-Dmaven.test.skip=true`).
    Skip,
    /// Compiled and run.
    Run,
}

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The project's own build ended without success.
    #[error("the project's own build failed ({status}). {}\nThe whole output is in '{log}'", as_text(.lines))]
    BuildFailed {
        status: ExitStatus,
        /// From the first line that the build marks as an error, or the last lines; bounded.
        lines: Vec<String>,
        log: PathBuf,
    },
    #[error("cannot start the build with '{program}': {source}")]
    Start { program: String, source: io::Error },
    #[error("the project's own build was stopped before it was done")]
    Stopped,
    #[error("cannot follow the build: {0}")]
    Follow(io::Error),
    #[error("cannot write the build's log '{log}': {source}")]
    Log { log: PathBuf, source: io::Error },
    #[error(transparent)]
    Pom(#[from] PomError),
    #[error(transparent)]
    Archive(#[from] BuiltArchiveError),
    #[error("cannot write '{path}', which asks Gradle for its archive: {source}")]
    InitScript { path: PathBuf, source: io::Error },
    #[error(
        "the Gradle build succeeded, but did not say which archive it made: there is no '{answer}'. Look for options \
         in build.gradle-args that keep tasks from running (--dry-run, --exclude-task)"
    )]
    NoAnswer { answer: PathBuf },
    #[error("the Gradle build succeeded, but what it made cannot be read: {0}")]
    GradleArchive(#[source] ArchiveError),
    #[error("the Gradle build succeeded, but {0}")]
    GradleNotBoot(#[source] BootArchiveError),
}

fn as_text(lines: &[String]) -> String {
    if lines.is_empty() { "It printed nothing".to_owned() } else { format!("Its last words:\n{}", lines.join("\n")) }
}

/// Runs the build and finds the archive that it made. `on_line` is called with each line that the build prints,
/// without colours; the log has them as they came.
///
/// The build runs in a process group of its own: who is told to end, by Ctrl-C for example, sets `options.stop`.
///
/// # Errors
/// [`PackageError::BuildFailed`] where the build itself fails; the others are about running it and finding its result.
pub fn package(
    project: &Project,
    options: &PackageOptions,
    on_line: &mut dyn FnMut(&str),
) -> Result<Artifact, PackageError> {
    match project.tool.system() {
        System::Maven => {
            let lineage = lineage(project, options)?;
            let started = SystemTime::now();
            let mut evidence = BuildEvidence::default();
            let command = maven(project, options, &lineage)?;
            follow(command, options, &mut |line| {
                evidence.read(line);
                on_line(line);
            })?;
            Ok(Artifact { path: built_archive::find(project, &lineage, &evidence, started)? })
        }
        System::Gradle => {
            gradle_build::prepare(project, options)?;
            follow(gradle_build::command(project, options)?, options, on_line)?;
            gradle_build::find(options)
        }
    }
}

/// The command that [`package`] runs, in [`Project::root`].
pub fn command(project: &Project, options: &PackageOptions) -> Result<Command, PackageError> {
    match project.tool.system() {
        System::Maven => maven(project, options, &lineage(project, options)?),
        System::Gradle => gradle_build::command(project, options),
    }
}

/// The module's pom, with what `.mvn/maven.config` and the caller's arguments set.
pub(crate) fn lineage(project: &Project, options: &PackageOptions) -> Result<Lineage, PackageError> {
    let mut arguments = configured_arguments(&project.root);
    arguments.extend(options.arguments.iter().cloned());
    let properties = user_properties(arguments.iter().map(String::as_str));
    Ok(Lineage::read(&project.module.join("pom.xml"), properties)?)
}

/// Runs the build to its end, with its output in the log and, without colours, in `on_line`.
fn follow(command: Command, options: &PackageOptions, on_line: &mut dyn FnMut(&str)) -> Result<(), PackageError> {
    let mut complaint = Complaint::default();
    let mut log = Log::create(&options.log)?;
    let status = run(command, &options.stop, &mut |line| {
        let plain = without_colours(line);
        complaint.read(&plain);
        on_line(&plain);
        log.write(line)
    })?;
    log.finish()?;
    if !status.success() {
        return Err(PackageError::BuildFailed { status, lines: complaint.lines(), log: options.log.clone() });
    }
    Ok(())
}

/// The command line. Only options that every Maven since 3.5 knows: an unknown one fails the build.
fn maven(project: &Project, options: &PackageOptions, lineage: &Lineage) -> Result<Command, PackageError> {
    let mut command = project.tool.command(&project.root).map_err(PackageError::Follow)?;
    // A shell believes an inherited PWD that leads here through a link, and Maven's paths would follow it.
    command.current_dir(&project.root).env("PWD", &project.root).arg("-B");
    match options.tests {
        Tests::Compile => _ = command.arg("-DskipTests"),
        Tests::Skip => _ = command.arg("-Dmaven.test.skip=true"),
        Tests::Run => {}
    }
    let sets_timestamp = |pom: &Path| Lineage::read(pom, Vec::new()).is_ok_and(|lineage| lineage.sets(TIMESTAMP));
    if !lineage.sets(TIMESTAMP) && !sets_timestamp(&project.root.join("pom.xml")) {
        command.arg(format!("-D{TIMESTAMP}={}", as_timestamp(options.output_timestamp)));
    }
    if let Ok(module) = project.module.strip_prefix(&project.root)
        && !module.as_os_str().is_empty()
    {
        command.arg("-pl").arg(module).arg("-am");
    }
    command.args(&options.arguments).arg("package");
    Ok(command)
}

/// ISO 8601 in UTC, which every plugin that knows the property reads; not before 1980-01-01T00:00:02Z, which is the
/// earliest that Maven's archiver takes.
fn as_timestamp(epoch_seconds: i64) -> String {
    let seconds = epoch_seconds.max(315_532_802);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days since 0000-03-01 in eras of 400 years (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Leaves out the escape sequences that set colours; some Mavens print a few even with `-B`.
fn without_colours(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, sequence)) = rest.split_once("\u{1b}[") {
        text.push_str(before);
        rest = sequence.split_once('m').map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    text
}

/// The whole output, written as it comes.
struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    fn create(path: &Path) -> Result<Self, PackageError> {
        let error = |source| PackageError::Log { log: path.to_owned(), source };
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).map_err(error)?;
        }
        let file = File::options().read(true).write(true).create(true).truncate(true).open(path).map_err(error)?;
        Ok(Log { path: path.to_owned(), file })
    }

    fn write(&mut self, line: &str) -> Result<(), PackageError> {
        let written = self.file.write_all(format!("{line}\n").as_bytes());
        written.map_err(|source| PackageError::Log { log: self.path.clone(), source })
    }

    /// Puts the log back where the build's `clean` took it away.
    fn finish(mut self) -> Result<(), PackageError> {
        if self.path.exists() {
            return Ok(());
        }
        let path = self.path.clone();
        let mut restore = || {
            if let Some(directory) = path.parent() {
                std::fs::create_dir_all(directory)?;
            }
            self.file.rewind()?;
            io::copy(&mut self.file, &mut File::create(&path)?)
        };
        restore().map(drop).map_err(|source| PackageError::Log { log: self.path.clone(), source })
    }
}

/// What a failed build says of its reason.
#[derive(Default)]
struct Complaint {
    errors: Vec<String>,
    last: std::collections::VecDeque<String>,
}

impl Complaint {
    fn read(&mut self, line: &str) {
        if self.errors.is_empty() && !begins_complaint(line) {
            if self.last.len() == LAST_LINES {
                self.last.pop_front();
            }
            self.last.push_back(line.to_owned());
        } else if self.errors.len() < SHOWN_LINES && !line.is_empty() {
            self.errors.push(line.to_owned());
        }
    }

    fn lines(self) -> Vec<String> {
        if self.errors.is_empty() { self.last.into() } else { self.errors }
    }
}

/// Whether a build says from here on what is wrong: Maven's mark, that of the compilers in a Gradle build, Gradle's own.
fn begins_complaint(line: &str) -> bool {
    line.contains("[ERROR]")
        || line.contains(": error: ")
        || line.starts_with("e: ")
        || line.starts_with("FAILURE: ")
        || (line.starts_with("> Task ") && line.ends_with(" FAILED"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::{DetectOptions, detect};
    use crate::test_jar::TestJar;
    use crate::test_project::{BOOT, TestProject};
    use std::fs;
    use std::thread;
    use std::time::Duration;

    /// Runs the pretended build; gives the result, the lines that were shown, and the log.
    fn packaged(project: &TestProject, arguments: &[&str]) -> (Result<Artifact, PackageError>, Vec<String>, String) {
        let found = detect(&project.root(), &DetectOptions::default()).unwrap();
        let options = PackageOptions {
            tests: Tests::Compile,
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            output_timestamp: 1_700_000_000,
            log: project.root().join("target/shipit/build.log"),
            stop: Arc::default(),
        };
        let mut lines = Vec::new();
        let result = package(&found, &options, &mut |line| lines.push(line.to_owned()));
        (result, lines, fs::read_to_string(&options.log).unwrap())
    }

    /// A project whose wrapper echoes its arguments and then does this; `target` holds the jars named.
    fn project(script: &str, rest: &str, jars: &[&str]) -> TestProject {
        let script = format!("#!/bin/sh\necho \"arguments: $*\"\n{script}\n");
        let project = TestProject::new().pom("", "app", &format!("{BOOT}{rest}")).wrapper("", 0o755, &script);
        fs::create_dir_all(project.root().join("target")).unwrap();
        for jar in jars {
            TestJar::boot("").write(&project.root().join("target"), jar);
        }
        project
    }

    fn file_name(result: Result<Artifact, PackageError>) -> String {
        result.unwrap().path.file_name().unwrap().to_string_lossy().into_owned()
    }

    #[test]
    fn the_build_gets_only_options_that_every_maven_knows() {
        let (result, lines, log) = packaged(&project("", "", &["app-1.jar"]), &["-Pprod"]);
        assert_eq!(file_name(result), "app-1.jar");
        let arguments = "arguments: -B -DskipTests -Dproject.build.outputTimestamp=2023-11-14T22:13:20Z -Pprod package";
        assert_eq!(lines, [arguments]);
        assert_eq!(log, format!("{arguments}\n"));
    }

    #[test]
    fn a_time_stamp_that_the_project_sets_is_left_alone() {
        let own = "<properties><project.build.outputTimestamp>1</project.build.outputTimestamp></properties>";
        let (_, lines, _) = packaged(&project("", own, &["app-1.jar"]), &[]);
        assert_eq!(lines, ["arguments: -B -DskipTests package"]);
    }

    #[test]
    fn a_stale_jar_is_never_taken_for_the_one_that_was_built() {
        let stale = ["app-0.jar", "app-1.jar", "app-1-sources.jar", "other.jar", "original-app-1.jar"];
        assert_eq!(file_name(packaged(&project("", "", &stale), &[]).0), "app-1.jar");
        let says = "echo \"[INFO] Replacing main artifact $PWD/target/other.jar with repackaged archive, adding\"";
        let named = format!("echo '[INFO] --- spring-boot:3.5.0:repackage (repackage) @ app ---'\n{says}");
        assert_eq!(file_name(packaged(&project(&named, "", &stale), &[]).0), "other.jar");
        let classifier =
            BOOT.replace("</plugin>", "<configuration><classifier>exec</classifier></configuration></plugin>");
        let project = project("", "", &["app-1.jar", "app-1-exec.jar"]).pom("", "app", &classifier);
        assert_eq!(file_name(packaged(&project, &[]).0), "app-1-exec.jar");
    }

    #[test]
    fn a_jar_that_was_not_repackaged_is_not_shipped() {
        let project = project(
            "echo '[INFO] --- jar:3.4.1:jar (default-jar) @ app ---'\necho \"[INFO] Building jar: $PWD/target/new-2.jar\"",
            "",
            &["app-1.jar"],
        );
        TestJar::new().stored("a", b"").write(&project.root().join("target"), "new-2.jar");
        let (result, ..) = packaged(&project, &[]);
        assert!(matches!(result, Err(PackageError::Archive(BuiltArchiveError::NotRepackaged { .. }))), "{result:?}");
    }

    #[test]
    fn a_second_jar_of_the_same_build_does_not_hide_the_application() {
        let says = "echo '[INFO] --- jar:3.4.1:jar (client) @ app ---'\necho \"[INFO] Building jar: $PWD/target/app-1-client.jar\"";
        let project = project(says, "", &["app-1.jar", "app-0.jar"]);
        TestJar::new().stored("a", b"").write(&project.root().join("target"), "app-1-client.jar");
        assert_eq!(file_name(packaged(&project, &[]).0), "app-1.jar");
    }

    #[test]
    fn a_jar_that_an_interrupted_build_left_is_told_so() {
        let project = project("", "", &[]);
        fs::write(project.root().join("target/app-1.jar"), b"PK").unwrap();
        let (result, ..) = packaged(&project, &[]);
        assert!(matches!(result, Err(PackageError::Archive(BuiltArchiveError::Damaged(_)))), "{result:?}");
    }

    #[test]
    fn colours_are_left_out_of_what_is_shown() {
        assert_eq!(without_colours("[\u{1b}[1;31mERROR\u{1b}[m] x\u{1b}[0m\u{1b}[0m"), "[ERROR] x");
        assert_eq!(without_colours("a\u{1b}[1"), "a");
    }

    #[test]
    fn several_jars_or_none_are_an_error() {
        let pom = format!(
            "<project><artifactId>app</artifactId>{}</project>",
            BOOT.replace("<build>", "<build><finalName>${nobody.knows}</finalName>")
        );
        let two = project("", "", &["a.jar", "b.jar"]).file("pom.xml", &pom);
        // Both were there before the build began.
        thread::sleep(Duration::from_millis(20));
        let error = packaged(&two, &[]).0.unwrap_err().to_string();
        assert!(error.contains("a.jar, b.jar") && error.contains("--jar"), "{error}");
        let error = packaged(&project("", "", &[]), &[]).0.unwrap_err().to_string();
        assert!(error.contains("left no Spring Boot jar"), "{error}");
    }

    #[test]
    fn a_failing_build_shows_its_errors_and_keeps_its_log() {
        let script = "echo fine; printf '[ERROR] caf\\351\\n' >&2; echo more; exit 7";
        let (result, lines, log) = packaged(&project(script, "", &["app-1.jar"]), &[]);
        let Err(PackageError::BuildFailed { status, lines: shown, .. }) = result else { panic!("{result:?}") };
        assert_eq!(status.code(), Some(7));
        assert_eq!(shown, ["[ERROR] caf\u{fffd}", "more"]);
        assert_eq!(lines.len(), 4);
        assert_eq!(log.lines().count(), 4);
    }

    #[test]
    fn a_process_that_the_build_leaves_behind_does_not_hold_it_up() {
        let started = SystemTime::now();
        let (result, ..) = packaged(&project("sleep 8 & echo done", "", &["app-1.jar"]), &[]);
        assert!(result.is_ok());
        assert!(started.elapsed().unwrap() < Duration::from_secs(7));
    }

    #[test]
    fn a_wrapper_without_run_bit_or_with_windows_line_ends_runs() {
        let script = "#!/bin/sh\r\nif true; then\r\n  echo \"$0 $1\"\r\nfi\r\n";
        for (mode, script) in
            [(0o755, script.to_owned()), (0o644, script.to_owned()), (0o644, script.replace('\r', ""))]
        {
            let project = project("", "", &["app-1.jar"]).wrapper("", mode, &script);
            let (result, lines, _) = packaged(&project, &[]);
            assert!(result.is_ok(), "{result:?}");
            assert_eq!(lines, ["./mvnw -B"]);
        }
    }

    #[test]
    fn a_log_that_clean_removes_is_put_back() {
        let (_, _, log) = packaged(&project("rm -rf target/shipit; echo after", "", &["app-1.jar"]), &["clean"]);
        assert!(log.ends_with("after\n"), "{log}");
    }

    #[test]
    fn time_stamps_are_written_in_utc() {
        assert_eq!(as_timestamp(0), "1980-01-01T00:00:02Z");
        assert_eq!(as_timestamp(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(as_timestamp(1_798_761_599), "2026-12-31T23:59:59Z");
    }
}
