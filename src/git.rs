//! What git knows of the source tree: the commit, its time, and whether anything differs from it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The state of a git work tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitState {
    /// The full name of the commit: 40 (SHA-1) or 64 (SHA-256) hexadecimal digits.
    pub sha: String,
    /// Committer time of that commit, seconds since the Unix epoch.
    pub commit_time: i64,
    /// Whether tracked files differ from the commit or untracked ones lie about. What builds write does not count:
    /// `shipit.lock`, and untracked `target` and `build` folders beside a build file.
    pub dirty: bool,
}

/// Why there is no [`GitState`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoGit {
    #[error("git is not installed")]
    NotInstalled,
    #[error("not in a git work tree")]
    NotARepository,
    #[error("the git repository has no commit yet")]
    NoCommit,
    /// git's own protection (CVE-2022-24765): somebody else owns the folder, as in many CI containers.
    #[error(
        "git refuses to read this repository, as another user owns it ('dubious ownership'); \
         allow it with: git config --global --add safe.directory {directory}"
    )]
    DubiousOwnership { directory: String },
    #[error("git failed: {0}")]
    Failed(String),
}

/// Asks git about the tree around `directory`. Reads only; nothing is written, not even git's index.
pub fn state(directory: &Path) -> Result<GitState, NoGit> {
    // Three questions that need none of the others' answers; most of the time that each takes is a process starting.
    let (head, status, top) = std::thread::scope(|scope| {
        let status = scope.spawn(|| {
            let build_lock = ":(exclude,top,glob)**/shipit.lock";
            run(directory, ["status", "--porcelain", "-z", "--untracked-files=normal", "--", ":/", build_lock])
        });
        let top = scope.spawn(|| run(directory, ["rev-parse", "--show-toplevel"]));
        let head = run(directory, ["log", "-1", "--no-show-signature", "--format=%H %ct", "HEAD"]);
        let joined = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        (head, joined(status), joined(top))
    });
    let head = match head {
        // The words differ between versions of git; that HEAD names nothing is certain only from this question.
        Err(NoGit::Failed(_)) if run(directory, ["rev-parse", "--verify", "--quiet", "HEAD"]).is_err() => {
            return Err(NoGit::NoCommit);
        }
        other => other?,
    };
    let unexpected = || NoGit::Failed(format!("'git log' answered '{}'", head.trim()));
    let (sha, time) = head.trim().split_once(' ').ok_or_else(unexpected)?;
    let (status, top) = (status?, top?);
    let top = Path::new(top.trim_end_matches('\n'));
    let dirty = status.split('\0').filter(|line| !line.is_empty()).any(|line| match line.strip_prefix("?? ") {
        Some(untracked) => !is_build_output(&top.join(untracked)),
        None => true,
    });
    Ok(GitState { sha: sha.to_owned(), commit_time: time.parse().map_err(|_| unexpected())?, dirty })
}

/// A work tree, as far as a copy of it needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worktree {
    /// The folder with the work tree's `.git`.
    pub top: PathBuf,
    /// From there to the folder that was asked about; empty where it is the same.
    pub below: PathBuf,
    pub sha: String,
    /// None where a commit, and no branch, is checked out.
    pub branch: Option<String>,
    /// The URL of the remote `origin`, where there is one.
    pub origin: Option<String>,
}

/// The work tree around `directory`, whose commit is `sha`.
pub fn worktree(directory: &Path, sha: String) -> Result<Worktree, NoGit> {
    let line = |text: String| text.trim_end_matches('\n').to_owned();
    let top = line(run(directory, ["rev-parse", "--show-toplevel"])?);
    let below = line(run(directory, ["rev-parse", "--show-prefix"])?);
    let branch = run(directory, ["symbolic-ref", "--quiet", "--short", "HEAD"]).ok().map(line);
    let origin = run(directory, ["remote", "get-url", "origin"]).ok().map(line);
    Ok(Worktree { top: top.into(), below: below.into(), sha, branch, origin })
}

/// Where the tree around `directory` was cloned from, as a web address: that of the remote `origin`, without credentials.
/// `None` where there is no such remote, or it has none.
pub fn remote_address(directory: &Path) -> Option<String> {
    web_address(run(directory, ["config", "--get", "remote.origin.url"]).ok()?.trim())
}

/// `https://host/path` of a remote in any of git's spellings (gitprotocol URLs: git-clone(1), "GIT URLS").
fn web_address(remote: &str) -> Option<String> {
    let rest = match remote.split_once("://") {
        Some(("https" | "http" | "ssh" | "git", rest)) => rest.to_owned(),
        Some(_) => return None,
        // user@host:path
        None => {
            let (host, path) = remote.split_once(':').filter(|(host, _)| !host.contains('/') && host.len() > 1)?;
            format!("{host}/{}", path.trim_start_matches('/'))
        }
    };
    let (host, path) = rest.split_once('/')?;
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    // A port of ssh is none of the web's.
    let host = if remote.starts_with("http") { host } else { host.split(':').next().unwrap_or(host) };
    let path = path.trim_end_matches('/').trim_end_matches(".git");
    (!host.is_empty() && !path.is_empty()).then(|| format!("https://{host}/{path}"))
}

/// Whether `path` is the folder that a build beside it writes: Maven's `target`, Gradle's `build` and `.gradle`.
/// A folder of that name elsewhere, such as a package `build` among the sources, is not.
fn is_build_output(path: &Path) -> bool {
    let Some((parent, name)) = path.parent().zip(path.file_name()) else { return false };
    let has = |file: &str| parent.join(file).is_file();
    match name.to_str() {
        Some("target") => has("pom.xml"),
        Some("build" | ".gradle") => {
            ["build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts"].into_iter().any(has)
        }
        _ => false,
    }
}

fn run<const N: usize>(directory: &Path, arguments: [&str; N]) -> Result<String, NoGit> {
    // The messages are read below, so they must not be translated; and a status must not rewrite the index,
    // which another git may be using.
    let output = Command::new("git")
        .arg("--no-optional-locks")
        .arg("-C")
        .arg(directory)
        .args(arguments.map(OsStr::new))
        .env("LC_ALL", "C")
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => NoGit::NotInstalled,
            _ => NoGit::Failed(error.to_string()),
        })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let message = String::from_utf8_lossy(&output.stderr);
    let first = message.lines().next().unwrap_or_default().trim().to_owned();
    Err(if message.contains("dubious ownership") || message.contains("unsafe repository") {
        let directory = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
        NoGit::DubiousOwnership { directory: directory.display().to_string() }
    } else if message.contains("not a git repository") {
        NoGit::NotARepository
    } else {
        NoGit::Failed(first)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(directory: &Path, arguments: &[&str]) {
        let status = Command::new("git")
            .arg("-C")
            .arg(directory)
            .args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"])
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_COMMITTER_DATE", "2024-05-06T07:08:09Z")
            .output()
            .unwrap();
        assert!(status.status.success(), "{status:?}");
    }

    #[test]
    fn a_remote_in_any_spelling_has_a_web_address_without_credentials() {
        let shop = Some("https://git.example.com/team/shop".to_owned());
        for remote in [
            "https://git.example.com/team/shop.git",
            "https://ada:secret@git.example.com/team/shop.git/",
            "git@git.example.com:team/shop.git",
            "ssh://git@git.example.com:2222/team/shop.git",
        ] {
            assert_eq!(web_address(remote), shop, "{remote}");
        }
        for remote in ["/srv/git/shop.git", "../shop", "file:///srv/shop", "C:/shop", ""] {
            assert_eq!(web_address(remote), None, "{remote}");
        }
    }

    #[test]
    fn a_tree_is_followed_from_no_repository_to_a_dirty_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        assert_eq!(state(path), Err(NoGit::NotARepository));

        git(path, &["init", "-q"]);
        assert_eq!(state(path), Err(NoGit::NoCommit));

        std::fs::write(path.join("pom.xml"), "<project/>").unwrap();
        git(path, &["add", "."]);
        git(path, &["commit", "-q", "-m", "first"]);
        let clean = state(path).unwrap();
        assert_eq!(clean.commit_time, 1_714_979_289);
        assert_eq!(clean.sha.len(), 40);
        assert!(!clean.dirty);

        std::fs::write(path.join("shipit.lock"), "").unwrap();
        std::fs::create_dir_all(path.join("target/shipit")).unwrap();
        std::fs::write(path.join("target/shipit/release.json"), "").unwrap();
        assert!(!state(path).unwrap().dirty, "what a build writes does not make the tree dirty");

        std::fs::create_dir_all(path.join("src/build")).unwrap();
        std::fs::write(path.join("src/build/New.java"), "").unwrap();
        assert!(state(path).unwrap().dirty, "a new source file does, also in a package named build");
    }
}
