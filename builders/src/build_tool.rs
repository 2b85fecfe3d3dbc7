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
    /// The command without arguments.
    ///
    /// A script with CRLF line ends is given to the shell as text with LF. The script's path still becomes `$0`, by
    /// which both kinds of wrapper find their `.mvn/wrapper`, and nothing is written into the project.
    pub fn command(&self) -> io::Result<Command> {
        match self {
            BuildTool::Maven { program } => Ok(Command::new(program)),
            BuildTool::MavenWrapper { script, executable } => {
                if has_windows_line_ends(script) {
                    let text = fs::read(script)?;
                    let text = String::from_utf8_lossy(&text).replace("\r\n", "\n");
                    let mut command = Command::new("sh");
                    command.arg("-c").arg(text).arg(script);
                    return Ok(command);
                }
                if *executable {
                    return Ok(Command::new(script));
                }
                let mut command = Command::new("sh");
                command.arg(script);
                Ok(command)
            }
        }
    }
}
