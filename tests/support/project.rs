use std::fs;
use std::path::{Path, PathBuf};

use super::lab::script;

/// A fixture as its developer has it: sources, generated wrapper, a git repository with one commit.
pub struct Project {
    dir: PathBuf,
}

impl Project {
    /// Puts `fixtures/NAME` into a new folder `NAME` below `parent`.
    pub fn of(fixture: &str, parent: &Path) -> Project {
        let dir = parent.join(fixture);
        let output = script("project").arg(fixture).arg(&dir).output().expect("lab/project runs");
        assert!(output.status.success(), "lab/project: {}", String::from_utf8_lossy(&output.stderr));
        Project { dir }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Replaces text in a file, which must hold it.
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.dir.join(file);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(text.contains(from), "{file} does not hold {from:?}");
        fs::write(path, text.replace(from, to)).expect("the file can be written");
    }

    /// Commits everything. The dates are fixed.
    pub fn commit(&self, message: &str) {
        for arguments in [vec!["add", "--all"], vec!["commit", "--quiet", "--message", message]] {
            let output = std::process::Command::new("git")
                .arg("-C")
                .arg(&self.dir)
                .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"])
                .args(arguments)
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .env("GIT_AUTHOR_DATE", "2026-01-03T03:04:05Z")
                .env("GIT_COMMITTER_DATE", "2026-01-03T03:04:05Z")
                .output()
                .expect("git is installed");
            assert!(output.status.success(), "git: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

/// The jar of a fixture, built once for all tests.
pub fn jar(fixture: &str) -> PathBuf {
    let output = script("jar").arg(fixture).output().expect("lab/jar runs");
    assert!(output.status.success(), "lab/jar: {}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8(output.stdout).expect("a path in UTF-8").trim_end())
}
