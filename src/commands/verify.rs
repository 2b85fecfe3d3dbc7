//! `shipit build --verify`: the same commit, built twice under conditions that differ, must give one digest.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use super::context::{Context, block_on};
use super::diff::describe;
use super::image_argument::unreadable;
use super::image_settings::one_platform;
use crate::git::{self, Worktree};
use crate::image::compare::{causes, compare};
use crate::image::opened::{OpenedImage, open_layout};
use crate::release::Release;
use crate::report::{CommandError, ErrorKind};
use crate::settings::{Given, Settings, environment, lock};

/// How long what was started may take to end when it is told to.
const PATIENCE: Duration = Duration::from_secs(5);

/// The circumstances of one of the two builds.
struct Circumstances {
    /// Where the copy lies below its temporary folder: paths of different lengths.
    place: &'static str,
    umask: &'static str,
    time_zone: &'static str,
    /// Added to Maven's own: the language of messages, dates and numbers.
    maven_opts: &'static str,
    /// As in a checkout of CI: no branch, and no remote.
    detached: bool,
}

const FIRST: Circumstances = Circumstances {
    place: "project",
    umask: "022",
    time_zone: "UTC",
    maven_opts: "-Duser.language=en -Duser.country=US",
    detached: false,
};

const SECOND: Circumstances = Circumstances {
    place: "another/place/with-a-longer-path/project",
    umask: "077",
    time_zone: "Pacific/Kiritimati",
    maven_opts: "-Duser.language=de -Duser.country=DE",
    detached: true,
};

/// A clean copy of the commit, and a cache of its own. Removed when dropped.
struct Copy {
    folder: TempDir,
    circumstances: &'static Circumstances,
    /// The project's folder below the top of the git work tree.
    below: PathBuf,
}

/// Builds HEAD twice, with the flags that were given, and compares.
pub fn verify(context: &Context<'_>, settings: &Settings, given: &Given, locked: bool) -> Result<(), CommandError> {
    if settings.build.jar.is_some() {
        return Err(ErrorKind::Usage.error(format!(
            "nothing to verify: {} names a jar that is not built here",
            settings.describe("build.jar")
        )));
    }
    let platform = one_platform(settings);
    let project = context.require_project()?;
    let worktree = clean(project)?;
    let mut flags = given.to_arguments();
    flags.extend(locked.then(|| OsString::from("--locked")));
    if context.report.mode().quiet {
        flags.push("--quiet".into());
    }
    if let Some(name) = context.environment_name() {
        flags.extend([OsString::from("--env"), name.into()]);
    }
    let copies = [Copy::new(&worktree, &FIRST)?, Copy::new(&worktree, &SECOND)?];
    let pinned = project.join(lock::FILE_NAME);
    let mut images = Vec::new();
    for (number, copy) in copies.iter().enumerate() {
        context.report.step("Verifying", format!("build {} of 2, in {}", number + 1, copy.project().display()));
        copy.check_out(&worktree)?;
        // Also where it is not committed: a base that moves between the two builds is no fault of the project.
        let lock = if pinned.exists() { pinned.clone() } else { copies[0].project().join(lock::FILE_NAME) };
        let to = copy.project().join(lock::FILE_NAME);
        if lock != to && lock.exists() {
            std::fs::copy(&lock, &to).map_err(|error| ErrorKind::Other.error(error))?;
        }
        copy.build(&flags)?;
        let output = copy.project().join("target/shipit");
        images.push(open_layout(&output, None, &platform).map_err(unreadable)?);
    }
    tell(context, &images[0], &images[1])
}

/// The work tree, if what is in it is what is committed.
fn clean(project: &Path) -> Result<Worktree, CommandError> {
    let refuse = |why: String| {
        ErrorKind::Usage
            .error(format!("nothing to verify: {why}"))
            .hint("--verify builds clean copies of the commit that is checked out; run it in a clean git work tree")
    };
    let state = git::state(project).map_err(|why| refuse(why.to_string()))?;
    if state.dirty {
        return Err(refuse("the tree has changes that are not committed".to_owned())
            .hint("commit or stash them: 'git status' lists them"));
    }
    git::worktree(project, state.sha).map_err(|why| refuse(why.to_string()))
}

fn tell(context: &Context<'_>, a: &OpenedImage, b: &OpenedImage) -> Result<(), CommandError> {
    let differences = compare(a, b).map_err(unreadable)?;
    let causes = causes(&differences);
    let object = json!({
        "reproducible": differences.is_empty(),
        "a": a.digest,
        "b": b.digest,
        "differences": differences,
        "causes": causes,
    });
    let shown = |image: &OpenedImage| image.digest.map(|digest| digest.to_string()).unwrap_or_default();
    if differences.is_empty() {
        context.report.step("Verified", "both builds have the same digest");
        context.report.result(shown(a), &object)?;
        return Ok(());
    }
    // The result is what differs; that it does is the error.
    context.report.result(
        format!(
            "A  {}  ({})\nB  {}  ({})\n\n{}",
            shown(a),
            FIRST.told(),
            shown(b),
            SECOND.told(),
            describe(&differences, &causes)
        ),
        &object,
    )?;
    Err(ErrorKind::Other.error("two builds of the same commit gave different digests"))
}

impl Circumstances {
    fn told(&self) -> String {
        let checkout = if self.detached { "no branch, no remote" } else { "branch and remote as here" };
        format!("umask {}, {}, {checkout}", self.umask, self.time_zone)
    }
}

impl Copy {
    fn new(worktree: &Worktree, circumstances: &'static Circumstances) -> Result<Self, CommandError> {
        let folder = tempfile::Builder::new()
            .prefix("shipit-verify-")
            .tempdir()
            .map_err(|error| ErrorKind::Other.error(format!("cannot make a temporary folder: {error}")))?;
        Ok(Copy { folder, circumstances, below: worktree.below.clone() })
    }

    fn top(&self) -> PathBuf {
        self.folder.path().join(self.circumstances.place)
    }

    fn project(&self) -> PathBuf {
        self.top().join(&self.below)
    }

    /// Clones the work tree's repository, without links to its objects, and checks its commit out.
    fn check_out(&self, worktree: &Worktree) -> Result<(), CommandError> {
        let top = self.top();
        let git = |arguments: &[&OsStr]| -> Result<(), CommandError> {
            let mut command = self.command(OsStr::new("git"));
            command.args(arguments);
            self.run(command, "git").map(|_| ())
        };
        let text = OsStr::new;
        let inside = [text("-C"), top.as_os_str()];
        git(&[
            text("clone"),
            text("--quiet"),
            text("--no-hardlinks"),
            text("--no-checkout"),
            worktree.top.as_os_str(),
            top.as_os_str(),
        ])?;
        let commit = text(&worktree.sha);
        match (self.circumstances.detached, &worktree.branch) {
            (false, Some(branch)) => {
                git(&[&inside[..], &[text("checkout"), text("--quiet"), text("-B"), text(branch), commit]].concat())?
            }
            _ => git(&[&inside[..], &[text("checkout"), text("--quiet"), text("--detach"), commit]].concat())?,
        }
        match (self.circumstances.detached, &worktree.origin) {
            (false, Some(origin)) => {
                git(&[&inside[..], &[text("remote"), text("set-url"), text("origin"), text(origin)]].concat())
            }
            _ => git(&[&inside[..], &[text("remote"), text("remove"), text("origin")]].concat()),
        }
    }

    fn build(&self, flags: &[OsString]) -> Result<Release, CommandError> {
        let program = std::env::current_exe().map_err(|error| ErrorKind::Other.error(error))?;
        let mut command = self.command(program.as_os_str());
        command.args(["build", "--json", "-C"]).arg(self.project()).args(flags);
        let output = self.run(command, "shipit build")?;
        serde_json::from_slice(&output.stdout)
            .map_err(|error| ErrorKind::Other.error(format!("'shipit build' gave no release: {error}")))
    }

    /// A program in this copy's circumstances. It says what it has to say on this process's standard error.
    fn command(&self, program: &OsStr) -> Command {
        let Circumstances { umask, time_zone, maven_opts, .. } = self.circumstances;
        let set = std::env::var_os("MAVEN_OPTS").unwrap_or_default();
        let mut opts = set;
        opts.push(format!(" {maven_opts}"));
        let mut command = Command::new("sh");
        command
            .args(["-c", "umask \"$1\"; shift; exec \"$@\"", "sh", umask])
            .arg(program)
            .env("TZ", time_zone)
            .env("MAVEN_OPTS", opts)
            .env(environment::SHIPIT_CACHE_DIR.name, self.folder.path().join("cache"))
            // Set where this runs in a hook, and then they name the repository that is copied.
            .env_remove("GIT_DIR")
            .env_remove("GIT_WORK_TREE")
            .env_remove("GIT_INDEX_FILE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // A group of its own, so that all of it can be ended.
            .process_group(0);
        command
    }

    /// Runs a command to its end. Interrupted, all that it started is ended first, so that the copies can be removed.
    fn run(&self, mut command: Command, what: &str) -> Result<Output, CommandError> {
        let failed = |error: std::io::Error| ErrorKind::Other.error(format!("cannot run {what}: {error}"));
        block_on(async {
            let mut terminated = signal(SignalKind::terminate()).map_err(failed)?;
            let child = command.spawn().map_err(failed)?;
            let group = child.id();
            let mut output = Box::pin(child.wait_with_output());
            let output = tokio::select! {
                output = &mut output => output.map_err(failed)?,
                _ = tokio::signal::ctrl_c() => return Err(end(group, output).await),
                _ = terminated.recv() => return Err(end(group, output).await),
            };
            match output.status.code() {
                Some(0) => Ok(output),
                Some(3) => Err(ErrorKind::ProjectBuild.error("the build of a clean copy of the commit failed")),
                Some(2) => Err(ErrorKind::Usage.error(format!("{what} refused in a clean copy of the commit"))),
                Some(4) => Err(ErrorKind::Refused.error(format!("{what} failed in a clean copy of the commit"))),
                _ => Err(ErrorKind::Other.error(format!("{what} failed in a clean copy of the commit"))),
            }
        })
    }
}

/// Ends a group of processes, first politely.
async fn end(group: Option<u32>, output: impl Future<Output = std::io::Result<Output>>) -> CommandError {
    let tell = |signal: &'static str| {
        let group = group.map(|id| format!("-{id}"));
        async move {
            if let Some(group) = group {
                let _ = Command::new("kill").args([signal, "--", &group]).stderr(Stdio::null()).status().await;
            }
        }
    };
    tell("-TERM").await;
    if tokio::time::timeout(PATIENCE, output).await.is_err() {
        tell("-KILL").await;
    }
    ErrorKind::Interrupted.error("interrupted; the copies are removed")
}
