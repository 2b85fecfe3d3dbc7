//! What runs a Maven project's build: its own wrapper, or the `mvn` of this machine.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::project::BuildTool;

const SCRIPT: &str = "mvnw";
const PROPERTIES: &str = ".mvn/wrapper/maven-wrapper.properties";

/// The wrapper in `directory`, if it is whole.
pub fn wrapper_in(directory: &Path) -> Option<BuildTool> {
    let script = directory.join(SCRIPT);
    let metadata = fs::metadata(&script).ok().filter(fs::Metadata::is_file)?;
    if !directory.join(PROPERTIES).is_file() {
        return None;
    }
    Some(BuildTool::MavenWrapper { executable: metadata.permissions().mode() & 0o111 != 0, script })
}

/// Whether there is a script whose `.mvn/wrapper` was left behind, as a .gitignore sometimes does.
pub fn wrapper_without_properties(directory: &Path) -> bool {
    directory.join(SCRIPT).is_file() && !directory.join(PROPERTIES).is_file()
}

/// The `mvn` of the search path.
pub fn maven_on(path: Option<&OsStr>) -> Option<BuildTool> {
    let runs = |program: &PathBuf| {
        fs::metadata(program).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    let program = std::env::split_paths(path?).map(|directory| directory.join("mvn")).find(runs)?;
    Some(BuildTool::Maven { program })
}

/// Whether a script's lines end in CRLF, which no shell runs.
pub fn has_windows_line_ends(script: &Path) -> bool {
    fs::read(script).is_ok_and(|text| text.windows(2).any(|pair| pair == b"\r\n"))
}

impl BuildTool {
    /// The command without arguments, to be run in `directory`, which is that of the wrapper or lies below it.
    ///
    /// The shell runs a wrapper by its relative path, as a user would: older scripts run in circles when they are
    /// called by an absolute path with a space in it. A script with CRLF line ends is given to the shell as text with
    /// LF. Its path still becomes `$0`, by which every kind of wrapper finds its `.mvn/wrapper`, and nothing is written
    /// into the project.
    pub fn command(&self, directory: &Path) -> io::Result<Command> {
        let (script, executable) = match self {
            BuildTool::Maven { program } => return Ok(Command::new(program)),
            BuildTool::MavenWrapper { script, executable } => (script, *executable),
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
