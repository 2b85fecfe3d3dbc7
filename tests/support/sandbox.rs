use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Account, Run};

const LIMIT: Duration = Duration::from_secs(300);

/// A temporary folder with a home and a cache of its own, and an environment in which only what a test says is set.
/// Removed when dropped.
pub struct Sandbox {
    root: tempfile::TempDir,
    variables: Vec<(OsString, OsString)>,
}

impl Sandbox {
    pub fn new() -> Sandbox {
        let root = tempfile::Builder::new().prefix("shipit-test.").tempdir().expect("a temporary folder");
        for name in ["home", "cache", "work", "tmp"] {
            std::fs::create_dir(root.path().join(name)).expect("the folder is new");
        }
        Sandbox { root, variables: Vec::new() }
    }

    /// The working directory of the runs.
    pub fn dir(&self) -> PathBuf {
        self.root.path().join("work")
    }

    pub fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// SHIPIT_CACHE_DIR of the runs.
    pub fn cache(&self) -> PathBuf {
        self.root.path().join("cache")
    }

    /// Writes a file below the working directory, with its folders.
    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir().join(path);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("the folder can be made");
        std::fs::write(&path, content).expect("the file can be written");
        path
    }

    /// Sets a variable for all runs that follow.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Sandbox {
        self.variables.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Gives all runs that follow the credentials, region and endpoint of an account of the emulated AWS.
    pub fn aws(&mut self, account: &Account) -> &mut Sandbox {
        self.variables.extend(account.env().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Any program in this environment. PATH, JAVA_HOME and Maven's downloads are the machine's own.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.dir()).env_clear();
        for name in ["PATH", "JAVA_HOME"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        let maven = std::env::var_os("MAVEN_USER_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::home_dir().map(|home| home.join(".m2")));
        if let Some(maven) = maven {
            command.env("MAVEN_USER_HOME", maven);
        }
        command
            .env("HOME", self.home())
            .env("SHIPIT_CACHE_DIR", self.cache())
            .env("TMPDIR", self.root.path().join("tmp"))
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// The program under test, for a test that needs the child itself (to kill it, to close its output).
    pub fn shipit(&self) -> Command {
        self.command(env!("CARGO_BIN_EXE_shipit"))
    }

    /// Runs `shipit ARGUMENTS` to its end, in the working directory.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Run {
        Run::of(self.shipit().args(arguments), LIMIT)
    }

    /// Runs `shipit ARGUMENTS` to its end, in another directory.
    pub fn run_in<S: AsRef<OsStr>>(&self, dir: &Path, arguments: impl IntoIterator<Item = S>) -> Run {
        Run::of(self.shipit().current_dir(dir).args(arguments), LIMIT)
    }
}
