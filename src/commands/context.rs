//! What every command starts from: where the project is, what is set, and whom to tell.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clap::{ArgAction, Args};

use shipit_builders::project::output_folder;

use crate::image::Digest;
use crate::image::cache::Cache;
use crate::report::{CommandError, ErrorKind, Mode, Report};
use crate::settings::{
    Given, Origin, Settings, SettingsError, Sources, Variables, environment, find_project_directory,
};

/// The arguments that every command takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The project's folder, in place of the nearest one upwards with a shipit.toml, a pom.xml or a Gradle script.
    #[arg(short = 'C', value_name = "DIR", global = true)]
    directory: Option<PathBuf>,

    /// The environment: what [env.NAME] of shipit.toml sets goes before the rest of the file.
    #[arg(long, value_name = "NAME", global = true)]
    env: Option<String>,

    /// Print the result, and errors, as JSON.
    #[arg(long, global = true)]
    json: bool,

    /// Say nothing but warnings and errors.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,

    /// Say more.
    #[arg(short, long, action = ArgAction::Count, global = true)]
    verbose: u8,
}

impl Global {
    pub fn mode(&self) -> Mode {
        Mode { quiet: self.quiet, verbose: self.verbose, json: self.json }
    }
}

/// What every command starts from.
pub struct Context<'a> {
    pub report: &'a Report,
    /// The project's folder; none where there is none, which is fine for `--jar`.
    pub project: Option<PathBuf>,
    start: PathBuf,
    environment_name: Option<String>,
    variables: Variables,
    cache: OnceLock<Cache>,
}

impl<'a> Context<'a> {
    pub fn new(global: &Global, report: &'a Report) -> Result<Self, CommandError> {
        let start = global.directory.clone().unwrap_or_else(|| PathBuf::from("."));
        let variables = Variables::of_process().map_err(usage)?;
        for warning in crate::settings::unknown_variables(&variables) {
            report.warn(warning);
        }
        let project = match find_project_directory(&start) {
            Ok(project) => Some(project),
            Err(SettingsError::NoProject { .. }) => None,
            Err(error) => return Err(usage(error)),
        };
        Ok(Context { report, project, start, environment_name: global.env.clone(), variables, cache: OnceLock::new() })
    }

    /// What `--env` named.
    pub fn environment_name(&self) -> Option<&str> {
        self.environment_name.as_deref()
    }

    /// Everything that is set, with `flags` before all else.
    pub fn settings(&self, flags: &Given) -> Result<Settings, CommandError> {
        Settings::load(&Sources {
            directory: self.project.as_deref(),
            env: self.environment_name.as_deref(),
            variables: &self.variables,
            flags,
        })
        .map_err(usage)
    }

    /// The project's folder, for what cannot do without one.
    pub fn require_project(&self) -> Result<&Path, CommandError> {
        match &self.project {
            Some(project) => Ok(project),
            // Asked again for its error, which is no value that could be kept and given twice.
            None => Err(usage(match find_project_directory(&self.start) {
                Err(error) => error,
                Ok(_) => SettingsError::NoProject { start: self.start.clone() },
            })),
        }
    }

    /// The folder that the command was started for: `-C DIR`, else the current one.
    pub fn start(&self) -> &Path {
        &self.start
    }

    /// The path that the setting `name` has as its value: what shipit.toml says is meant from its folder, what a flag
    /// or a variable says from the current one.
    pub fn path(&self, settings: &Settings, name: &str, value: &str) -> PathBuf {
        match (settings.origin(name), &self.project) {
            (Some(Origin::File { .. }), Some(project)) => project.join(value),
            _ => PathBuf::from(value),
        }
    }

    /// The folder of the image layout and the release's record.
    pub fn output(&self) -> PathBuf {
        match &self.project {
            Some(project) => project.join(output_folder(project)).join("shipit"),
            None => self.start.join("shipit-out"),
        }
    }

    /// Seconds since the Unix epoch that SOURCE_DATE_EPOCH names, where it is set.
    pub fn source_date_epoch(&self) -> Result<Option<i64>, CommandError> {
        let Some(text) = environment::SOURCE_DATE_EPOCH.value() else { return Ok(None) };
        match text.to_str().and_then(|text| text.parse().ok()).filter(|seconds| *seconds >= 0) {
            Some(seconds) => Ok(Some(seconds)),
            None => Err(ErrorKind::Usage.error(format!(
                "the variable {} is '{}', not a number of seconds since 1970",
                environment::SOURCE_DATE_EPOCH.name,
                text.display()
            ))),
        }
    }

    pub fn cache(&self) -> Result<&Cache, CommandError> {
        if let Some(cache) = self.cache.get() {
            return Ok(cache);
        }
        let opened = Cache::open(&cache_directory()?).map_err(|error| ErrorKind::Other.error(error))?;
        Ok(self.cache.get_or_init(|| opened))
    }

    /// Holds the project's output for this process: `exclusive` to write it, shared to read it. Whoever comes second
    /// waits, and says so. The lock's file is in the cache, as `mvn clean` removes `target/`.
    pub fn lock_output(&self, exclusive: bool) -> Result<OutputLock, CommandError> {
        // target/ may not be there yet; the folder around it is what tells projects apart.
        let project = self.project.as_deref().unwrap_or(&self.start);
        let key = project.canonicalize().unwrap_or_else(|_| project.to_owned());
        let folder = self.cache()?.root().join("locks");
        let path = folder.join(Digest::of(key.as_os_str().as_encoded_bytes()).hex());
        let failed = |error: io::Error| {
            ErrorKind::Other.error(format!("cannot lock the project through {}: {error}", path.display()))
        };
        let opened =
            std::fs::create_dir_all(&folder).and_then(|()| File::options().create(true).append(true).open(&path));
        let file = match opened {
            Ok(file) => file,
            // A cache that can only be read is of use all the same, as long as nothing must be stored.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied) =>
            {
                self.report.warn(format!(
                    "the cache folder {} cannot be written to: do not run two builds of one project at once",
                    self.cache()?.root().display()
                ));
                return Ok(OutputLock { _file: None });
            }
            Err(error) => return Err(failed(error)),
        };
        let attempt = if exclusive { file.try_lock() } else { file.try_lock_shared() };
        match attempt {
            Ok(()) => Ok(OutputLock { _file: Some(file) }),
            Err(TryLockError::WouldBlock) => {
                self.report
                    .note(format!("another shipit is at work on {}; waiting for it to finish", project.display()));
                if exclusive { file.lock() } else { file.lock_shared() }.map_err(failed)?;
                Ok(OutputLock { _file: Some(file) })
            }
            // Some network file systems know no locks. Two builds at once are rare; no build at all would be worse.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                self.report.warn(format!(
                    "the file system of {} has no locks: do not run two builds of one project at once",
                    path.display()
                ));
                Ok(OutputLock { _file: None })
            }
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

fn usage(error: SettingsError) -> CommandError {
    ErrorKind::Usage.error(error)
}

/// Held while the project's output is read or written.
pub struct OutputLock {
    _file: Option<File>,
}

/// SHIPIT_CACHE_DIR, else `shipit` in the user's cache folder (XDG base directory specification).
fn cache_directory() -> Result<PathBuf, CommandError> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    environment::SHIPIT_CACHE_DIR
        .value()
        .map(PathBuf::from)
        .or_else(|| set("XDG_CACHE_HOME").map(|folder| folder.join("shipit")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/shipit")))
        .ok_or_else(|| {
            ErrorKind::Usage.error(format!(
                "there is no cache folder, as HOME is not set; set {} to a folder that can be written to",
                environment::SHIPIT_CACHE_DIR.name
            ))
        })
}

/// Runs what waits for the network.
pub fn block_on<T>(future: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| ErrorKind::Other.error(format!("cannot start the threads of the network: {error}")))?;
    let result = runtime.block_on(future);
    // What is still under way (a name look-up that hangs, say) must not keep the process.
    runtime.shutdown_background();
    result
}
