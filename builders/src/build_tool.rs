//! What runs a project's build: its own wrapper, or the `mvn` or `gradle` of this machine.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::project::BuildTool;

/// The build systems that shipit drives, and what each is called on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    Maven,
    Gradle,
}

impl System {
    /// The wrapper's script, beside the build's top file.
    pub fn script(self) -> &'static str {
        match self {
            System::Maven => "mvnw",
            System::Gradle => "gradlew",
        }
    }

    /// What the script cannot run without, relative to it.
    pub fn properties(self) -> &'static str {
        match self {
            System::Maven => ".mvn/wrapper/maven-wrapper.properties",
            System::Gradle => "gradle/wrapper/gradle-wrapper.properties",
        }
    }

    /// The program on the search path.
    pub fn program(self) -> &'static str {
        match self {
            System::Maven => "mvn",
            System::Gradle => "gradle",
        }
    }

    /// What it calls itself.
    pub fn name(self) -> &'static str {
        match self {
            System::Maven => "Maven",
            System::Gradle => "Gradle",
        }
    }

    /// The wrapper in `directory`, if it is whole.
    pub fn wrapper_in(self, directory: &Path) -> Option<BuildTool> {
        let script = directory.join(self.script());
        let metadata = fs::metadata(&script).ok().filter(fs::Metadata::is_file)?;
        if !directory.join(self.properties()).is_file() {
            return None;
        }
        let executable = metadata.permissions().mode() & 0o111 != 0;
        Some(match self {
            System::Maven => BuildTool::MavenWrapper { script, executable },
            System::Gradle => BuildTool::GradleWrapper { script, executable },
        })
    }

    /// The program on the search path `path`.
    pub fn on(self, path: Option<&OsStr>) -> Option<BuildTool> {
        let runs = |program: &PathBuf| {
            fs::metadata(program).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
        };
        let mut programs = std::env::split_paths(path?).map(|directory| directory.join(self.program()));
        let program = programs.find(runs)?;
        Some(match self {
            System::Maven => BuildTool::Maven { program },
            System::Gradle => BuildTool::Gradle { program },
        })
    }
}

/// What the user should know of the tool that was chosen for the build in `root`; a sentence each.
pub fn notices(tool: &BuildTool, root: &Path) -> Vec<String> {
    let system = tool.system();
    let (script, properties) = (system.script(), system.properties());
    match tool {
        // Its other files were left behind, as a .gitignore sometimes does.
        BuildTool::Maven { program } | BuildTool::Gradle { program }
            if root.join(script).is_file() && !root.join(properties).is_file() =>
        {
            vec![format!("{script} lacks its {properties}, so '{}' of the PATH builds the project", program.display())]
        }
        BuildTool::Maven { program } | BuildTool::Gradle { program } => vec![format!(
            "the project has no {} wrapper, so '{}' of the PATH builds it",
            system.name(),
            program.display()
        )],
        BuildTool::MavenWrapper { script: path, .. } | BuildTool::GradleWrapper { script: path, .. }
            if has_windows_line_ends(path) =>
        {
            vec![format!(
                "{script} has Windows line ends, and is handed to the shell without them; the line `{script} text \
                 eol=lf` in .gitattributes mends it"
            )]
        }
        BuildTool::MavenWrapper { .. } | BuildTool::GradleWrapper { .. } => Vec::new(),
    }
}

/// Whether a script's lines end in CRLF, which no shell runs.
pub fn has_windows_line_ends(script: &Path) -> bool {
    fs::read(script).is_ok_and(|text| text.windows(2).any(|pair| pair == b"\r\n"))
}

impl BuildTool {
    /// Whose tool this is.
    pub fn system(&self) -> System {
        match self {
            BuildTool::MavenWrapper { .. } | BuildTool::Maven { .. } => System::Maven,
            BuildTool::GradleWrapper { .. } | BuildTool::Gradle { .. } => System::Gradle,
        }
    }

    /// The command without arguments, to be run in `directory`, which is that of the wrapper or lies below it.
    ///
    /// The shell runs a wrapper by its relative path, as a user would: older scripts run in circles when they are
    /// called by an absolute path with a space in it. A script with CRLF line ends is given to the shell as text with
    /// LF. Its path still becomes `$0`, by which every kind of wrapper finds its other files, and nothing is written
    /// into the project.
    pub fn command(&self, directory: &Path) -> io::Result<Command> {
        let (script, executable) = match self {
            BuildTool::Maven { program } | BuildTool::Gradle { program } => return Ok(Command::new(program)),
            BuildTool::MavenWrapper { script, executable } | BuildTool::GradleWrapper { script, executable } => {
                (script, *executable)
            }
        };
        let path = relative_path(script, directory);
        let mut command = Command::new("sh");
        if has_windows_line_ends(script) {
            let text = fs::read(script)?;
            command.arg("-c").arg(String::from_utf8_lossy(&text).replace("\r\n", "\n")).arg(path);
        } else if executable {
            command.arg("-c").arg("exec \"$0\" \"$@\"").arg(path);
        } else {
            command.arg(path);
        }
        Ok(command)
    }

    /// A command of [`BuildTool::command`] as a user would type it.
    pub fn shown(&self, command: &Command) -> String {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let mut words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
        if matches!(self, BuildTool::MavenWrapper { .. } | BuildTool::GradleWrapper { .. }) {
            // What hands the script to the shell is of no interest.
            let script = format!("/{}", self.system().script());
            words.drain(..words.iter().position(|word| word.ends_with(&script)).unwrap_or(0));
        }
        words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }
}

/// A word for a shell, in quotes where it needs them.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// `./mvnw`, `../mvnw`: the script as seen from a directory at or below its own.
fn relative_path(script: &Path, directory: &Path) -> PathBuf {
    let above = script.parent().and_then(|home| directory.strip_prefix(home).ok());
    match (above, script.file_name()) {
        (Some(below), Some(name)) => {
            let mut path: PathBuf = below.components().map(|_| "..").collect();
            if path.as_os_str().is_empty() {
                path.push(".");
            }
            path.join(name)
        }
        _ => script.to_owned(),
    }
}
