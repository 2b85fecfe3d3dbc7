//! Stage two, package: the project's own build makes the archive.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::built_archive::{self, BuildEvidence, BuiltArchiveError};
use crate::lineage::{Lineage, configured_arguments, user_properties};
use crate::pom::PomError;
use crate::{Artifact, Project};

const TIMESTAMP: &str = "project.build.outputTimestamp";
/// Lines of a failed build that an error carries; the log has all.
const SHOWN_LINES: usize = 60;
/// Lines before the end that are shown where nothing is marked as an error.
const LAST_LINES: usize = 30;
/// How long a process that the build left behind may hold its output open after the build has ended.
const LINGER: Duration = Duration::from_secs(2);
/// A line without an end is cut into pieces of this size.
const LINE_LIMIT: u64 = 64 << 10;

/// How the build is run.
#[derive(Debug, Clone)]
pub struct PackageOptions {
    /// What happens with the tests (setting `build.tests`).
    pub tests: Tests,
    /// Further arguments for Maven, after shipit's own (setting `build.maven-args`).
    pub arguments: Vec<String>,
    /// Seconds since the Unix epoch for `project.build.outputTimestamp`, where the project sets none.
    pub output_timestamp: i64,
    /// Where the whole output goes: `target/shipit/build.log`. Its directory is made where it is missing.
    pub log: PathBuf,
}

/// What the build does with the project's tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tests {
    /// Compiled, not run (`-DskipTests`): a `test-jar` that another module needs is still made.
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
        /// From the first line that Maven marks as an error, or the last lines; bounded.
        lines: Vec<String>,
        log: PathBuf,
    },
    #[error("cannot start the build with '{program}': {source}")]
    Start { program: String, source: io::Error },
    #[error("cannot follow the build: {0}")]
    Follow(io::Error),
    #[error("cannot write the build's log '{log}': {source}")]
    Log { log: PathBuf, source: io::Error },
    #[error(transparent)]
    Pom(#[from] PomError),
    #[error(transparent)]
    Archive(#[from] BuiltArchiveError),
}

fn as_text(lines: &[String]) -> String {
    if lines.is_empty() { "It printed nothing".to_owned() } else { format!("Its last words:\n{}", lines.join("\n")) }
}

/// Runs the build and finds the archive that it made. `on_line` is called with each line that the build prints.
///
/// The build runs in the caller's process group, so that Ctrl-C ends it too.
///
/// # Errors
/// [`PackageError::BuildFailed`] where the build itself fails; the others are about running it and finding its result.
pub fn package(
    project: &Project,
    options: &PackageOptions,
    on_line: &mut dyn FnMut(&str),
) -> Result<Artifact, PackageError> {
    let mut arguments = configured_arguments(&project.root);
    arguments.extend(options.arguments.iter().cloned());
    let properties = user_properties(arguments.iter().map(String::as_str));
    let lineage = Lineage::read(&project.module.join("pom.xml"), properties)?;
    let started = SystemTime::now();
    let mut evidence = BuildEvidence::default();
    let mut complaint = Complaint::default();
    let mut log = Log::create(&options.log)?;
    let command = maven(project, options, &lineage)?;
    let status = run(command, &mut |line| {
        evidence.read(line);
        complaint.read(line);
        on_line(line);
        log.write(line)
    })?;
    log.finish()?;
    if !status.success() {
        return Err(PackageError::BuildFailed { status, lines: complaint.lines(), log: options.log.clone() });
    }
    Ok(Artifact { path: built_archive::find(project, &lineage, &evidence, started)? })
}

/// The command line. Only options that every Maven since 3.5 knows: an unknown one fails the build.
fn maven(project: &Project, options: &PackageOptions, lineage: &Lineage) -> Result<Command, PackageError> {
    let mut command = project.tool.command(&project.root).map_err(PackageError::Follow)?;
    command.current_dir(&project.root).arg("-B");
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

/// Runs the command without standard input, and gives its lines (standard output and error as they come) to `on_line`.
fn run(
    mut command: Command,
    on_line: &mut dyn FnMut(&str) -> Result<(), PackageError>,
) -> Result<ExitStatus, PackageError> {
    let (reader, writer) = io::pipe().map_err(PackageError::Follow)?;
    let errors = writer.try_clone().map_err(PackageError::Follow)?;
    command.stdin(Stdio::null()).stdout(writer).stderr(errors);
    let program = command.get_program().to_string_lossy().into_owned();
    let child = command.spawn().map_err(|source| PackageError::Start { program, source })?;
    // The command holds the pipe's write end; without this its end is never seen.
    drop(command);
    let mut build = RunningBuild(child);
    let (sender, lines) = mpsc::sync_channel::<String>(1_024);
    thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        while matches!((&mut reader).take(LINE_LIMIT).read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line);
            if sender.send(text.trim_end_matches(['\n', '\r']).to_owned()).is_err() {
                break;
            }
            line.clear();
        }
    });
    let mut ended: Option<(ExitStatus, SystemTime)> = None;
    loop {
        match lines.recv_timeout(Duration::from_millis(200)) {
            Ok(line) => on_line(&line)?,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        // A daemon that the build started may hold the pipe open long after the build itself.
        match ended {
            None => {
                let status = build.0.try_wait().map_err(PackageError::Follow)?;
                ended = status.map(|status| (status, SystemTime::now()));
            }
            Some((_, since)) if since.elapsed().is_ok_and(|time| time > LINGER) => break,
            Some(_) => {}
        }
    }
    match ended {
        Some((status, _)) => Ok(status),
        None => build.0.wait().map_err(PackageError::Follow),
    }
}

/// A build that does not outlive the interest in it.
struct RunningBuild(Child);

impl Drop for RunningBuild {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
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
        if self.errors.is_empty() && !line.contains("[ERROR]") && !line.contains("[\u{1b}[1;31mERROR") {
            if self.last.len() == LAST_LINES {
                self.last.pop_front();
            }
            self.last.push_back(line.to_owned());
        } else if self.errors.len() < SHOWN_LINES {
            self.errors.push(line.to_owned());
        }
    }

    fn lines(self) -> Vec<String> {
        if self.errors.is_empty() { self.last.into() } else { self.errors }
    }
}
