//! The same commit and lock give the same digest, wherever, whenever and by whomever they are built.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use support::{BaseImage, BootJar, Lab, PACKAGES, Project, Registry, Run, Sandbox, ScriptedProject};

const LIMIT: Duration = Duration::from_secs(120);

/// Copies a folder with everything in it; the times become new ones.
fn copy(from: &Path, to: &Path) {
    let mut cp = Command::new("cp");
    cp.arg("-R").arg(from).arg(to);
    Run::of(&mut cp, LIMIT).success();
}

/// Gives a folder and everything in it to another user.
fn give(path: &Path, user: u32) {
    chown(path, Some(user), Some(user)).unwrap();
    let is_folder = fs::symlink_metadata(path).unwrap().is_dir();
    for entry in fs::read_dir(path).into_iter().filter(|_| is_folder).flatten().flatten() {
        give(&entry.path(), user);
    }
}

/// A project with its lock, built once; and a sandbox, a cache and a folder of its own for each further build.
struct Origin {
    _registry: Registry,
    sandbox: Sandbox,
    project: ScriptedProject,
    digest: String,
}

impl Origin {
    fn built() -> Origin {
        let registry = Registry::start();
        let base = BaseImage::push(&registry);
        let sandbox = Sandbox::new();
        let project = ScriptedProject::new(&sandbox, "app", PACKAGES);
        sandbox.write(project.dir().join("shipit.toml"), format!("[image]\nbase = \"{}\"\n", base.reference));
        // Large enough to be made by several threads.
        BootJar::new().large(3_000_000).write(project.dir().join("prebuilt.jar"));
        let build = || sandbox.run_in(project.dir(), ["build"]).success().to_owned();
        project.commit(&sandbox, "Name the base");
        build();
        project.commit(&sandbox, "Pin the base");
        let digest = build();
        Origin { _registry: registry, sandbox, project, digest }
    }

    /// A copy at another path, in a sandbox with an empty cache, without what was built.
    fn elsewhere(&self) -> (Sandbox, std::path::PathBuf) {
        let sandbox = Sandbox::new();
        let dir = sandbox.dir().join("a path with spaces/and-a-longer-name");
        fs::create_dir_all(dir.parent().unwrap()).unwrap();
        copy(self.project.dir(), &dir);
        fs::remove_dir_all(dir.join("target")).unwrap();
        (sandbox, dir)
    }

    /// Builds a copy as `change` says, and holds the digest against the first one's.
    #[track_caller]
    fn holds(&self, what: &str, change: impl FnOnce(&mut Sandbox, &Path) -> Command) {
        let (mut sandbox, dir) = self.elsewhere();
        let mut command = change(&mut sandbox, &dir);
        command.current_dir(&dir);
        let run = Run::of(&mut command, LIMIT);
        assert_eq!(run.success(), self.digest, "{what}");
    }
}

/// `PREFIX… shipit build`.
fn under(sandbox: &Sandbox, prefix: &[&str]) -> Command {
    let mut command = sandbox.command(prefix[0]);
    command.args(&prefix[1..]).arg(env!("CARGO_BIN_EXE_shipit")).arg("build");
    command
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn neither_path_nor_day_nor_environment_move_the_digest() {
    let origin = Origin::built();
    origin.holds("another path", |sandbox, _| under(sandbox, &["env"]));
    origin.holds("another time zone, locale, terminal and day of the tag", |sandbox, _| {
        sandbox.env("TZ", "Pacific/Kiritimati").env("LC_ALL", "tr_TR.UTF-8").env("LANG", "de_DE.UTF-8");
        sandbox.env("SOURCE_DATE_EPOCH", "1000000000").env("CLICOLOR_FORCE", "1").env("CI", "true");
        under(sandbox, &["env"])
    });
    origin.holds("another umask", |sandbox, _| under(sandbox, &["sh", "-c", "umask 077; exec \"$@\"", "sh"]));
    origin.holds("one processor", |sandbox, _| under(sandbox, &["taskset", "-c", "0"]));
    origin.holds("modes of the checkout", |sandbox, dir| {
        fs::set_permissions(dir.join("prebuilt.jar"), fs::Permissions::from_mode(0o600)).unwrap();
        Run::of(Command::new("git").arg("-C").arg(dir).args(["config", "core.fileMode", "false"]), LIMIT).success();
        under(sandbox, &["env"])
    });
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn neither_clone_nor_remote_nor_branch_move_the_digest() {
    let origin = Origin::built();
    for (what, arguments) in [
        ("a remote", vec!["remote", "add", "origin", "https://example.org/shop.git"]),
        ("a branch", vec!["checkout", "--quiet", "-b", "feature"]),
        ("no branch", vec!["checkout", "--quiet", "--detach"]),
        ("a tag", vec!["tag", "v1"]),
    ] {
        origin.holds(what, |sandbox, dir| {
            Run::of(Command::new("git").arg("-C").arg(dir).args(&arguments), LIMIT).success();
            under(sandbox, &["env"])
        });
    }
    origin.holds("a shallow clone", |sandbox, dir| {
        fs::remove_dir_all(dir).unwrap();
        let from = format!("file://{}", origin.project.dir().display());
        Run::of(sandbox.command("git").args(["clone", "--quiet", "--depth", "1", &from]).arg(dir), LIMIT).success();
        under(sandbox, &["env"])
    });
}

#[test]
#[ignore = "needs root and docker-registry: run by make test"]
fn another_user_does_not_move_the_digest() {
    let origin = Origin::built();
    origin.holds("nobody", |sandbox, _| {
        let root = sandbox.dir().parent().unwrap().to_owned();
        // The program lies where another user may not look.
        let program = root.join("shipit");
        fs::copy(env!("CARGO_BIN_EXE_shipit"), &program).unwrap();
        give(&root, 65534);
        let mut command = sandbox.command("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program).arg("build");
        command
    });
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn a_changed_class_moves_only_the_applications_layer() {
    let origin = Origin::built();
    let layers = || origin.project.release()["images"][0]["layers"].clone();
    let before = layers();
    let class = [0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 61, 0, 2];
    let jar = BootJar::new().large(3_000_000).with("BOOT-INF/classes/demo/App.class", class);
    jar.write(origin.project.dir().join("prebuilt.jar"));
    origin.project.commit(&origin.sandbox, "Change a class");
    let run = origin.sandbox.run_in(origin.project.dir(), ["build"]);
    assert_ne!(run.success(), origin.digest);
    let after = layers();
    assert_eq!(before[0], after[0]);
    assert_eq!(after[1]["name"], "application");
    assert_ne!(before[1]["digest"], after[1]["digest"]);
    assert!(run.stderr.contains("(1 made, 1 as before)"), "{}", run.stderr);
    assert!(after[1]["size"].as_u64().unwrap() < 4_000, "{after}");
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn a_jar_by_itself_gives_the_same_digest_from_any_folder() {
    let registry = Registry::start();
    let base = BaseImage::push(&registry);
    let digests = [("shop.jar", "1000000000"), ("elsewhere/renamed.jar", "1700000000")].map(|(name, day)| {
        let mut sandbox = Sandbox::new();
        sandbox.env("SOURCE_DATE_EPOCH", day);
        let jar = sandbox.write(name, BootJar::new().bytes());
        let folder = jar.parent().unwrap();
        let arguments = ["build", "--base", &base.reference, "--jar", name.rsplit('/').next().unwrap()];
        sandbox.run_in(folder, arguments).success().to_owned()
    });
    assert_eq!(digests[0], digests[1]);
}

#[test]
#[ignore = "needs the lab and Maven: run by make test"]
fn what_maven_makes_twice_is_one_image() {
    let digests =
        [("C.UTF-8", "UTC", "022"), ("tr_TR.UTF-8", "America/St_Johns", "077")].map(|(locale, zone, umask)| {
            let mut sandbox = Sandbox::new();
            let project = Project::of("hello", &sandbox.dir());
            sandbox.env("LC_ALL", locale).env("TZ", zone).env("USER", locale);
            let mut shipit = under(&sandbox, &["sh", "-c", &format!("umask {umask}; exec \"$@\""), "sh"]);
            shipit.current_dir(project.dir()).args(["--base", Lab::get().base()]);
            Run::of(&mut shipit, LIMIT).success().to_owned()
        });
    assert_eq!(digests[0], digests[1]);
}
