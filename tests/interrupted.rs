//! Builds that end before they are done, and builds that meet: nothing is left running, nothing half-written.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use support::{BaseImage, BootJar, PACKAGES, Registry, Run, Sandbox, ScriptedProject};

const LIMIT: Duration = Duration::from_secs(60);

/// Waits until `ready`; panics when that takes too long.
#[track_caller]
fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !ready() {
        assert!(begun.elapsed() < LIMIT, "{what} does not come true");
        thread::sleep(Duration::from_millis(10));
    }
}

fn start(sandbox: &Sandbox, dir: &Path, arguments: &[&str]) -> Child {
    // A shell starts what is in the background with SIGINT ignored, as CI services may: these tests are about a
    // program that listens.
    let mut shipit = sandbox.command("/usr/bin/env");
    shipit.args(["--default-signal=INT,TERM", env!("CARGO_BIN_EXE_shipit")]);
    shipit.current_dir(dir).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shipit.spawn().expect("the program is there")
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status();
    assert!(status.expect("kill is there").success());
}

/// Whether a process lives; one that waits to be buried does not.
fn lives(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

/// Every blob of the layout is what its name says, and nothing else lies about.
#[track_caller]
fn assert_whole(output: &Path) {
    for file in fs::read_dir(output.join("blobs/sha256")).expect("there is a layout").flatten() {
        let name = file.file_name().into_string().unwrap();
        let bytes = fs::read(file.path()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(shipit::image::Digest::of(&bytes).hex(), name);
    }
    for file in fs::read_dir(output).unwrap().flatten() {
        let name = file.file_name().into_string().unwrap();
        let known = ["blobs", "index.json", "oci-layout", "release.json", "build.log"].contains(&name.as_str());
        assert!(known, "{name} was left behind");
    }
}

#[test]
fn a_signal_ends_the_build_and_all_that_it_started() {
    for (name, code) in [("INT", 130), ("TERM", 130)] {
        let sandbox = Sandbox::new();
        // As older wrappers do, without exec: a shell, and the build as its child.
        let script = "sleep 300 &\necho $$ $! >pids.new && mv pids.new pids\nwait";
        let project = ScriptedProject::new(&sandbox, "app", script);
        let child = start(&sandbox, project.dir(), &["build", "--base", "127.0.0.1:1/base:1"]);
        let pids = project.dir().join("pids");
        wait_until("that the build runs", || pids.exists());
        let pids = fs::read_to_string(pids).unwrap();
        assert!(pids.split_whitespace().all(lives));

        let begun = Instant::now();
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{name}: {told}");
        assert!(told.contains("error: the project's own build was stopped before it was done"), "{told}");
        assert!(output.stdout.is_empty());
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        for pid in pids.split_whitespace() {
            wait_until("that the build ends with shipit", || !lives(pid));
        }
        assert!(!project.dir().join("shipit.lock").exists() && !project.output().join("release.json").exists());
    }
}

#[test]
fn a_build_that_does_not_listen_is_ended_all_the_same() {
    let sandbox = Sandbox::new();
    let script = "trap '' TERM\necho $$ >pids.new && mv pids.new pids\nwhile :; do sleep 1; done";
    let project = ScriptedProject::new(&sandbox, "app", script);
    let child = start(&sandbox, project.dir(), &["build", "--base", "127.0.0.1:1/base:1"]);
    wait_until("that the build runs", || project.dir().join("pids").exists());
    let pid = fs::read_to_string(project.dir().join("pids")).unwrap();
    signal(&child, "TERM");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    wait_until("that the build ends with shipit", || !lives(pid.trim()));
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn a_killed_build_is_done_by_the_next_one_with_the_same_digest() {
    let registry = Registry::start();
    let base = BaseImage::push(&registry);
    let sandbox = Sandbox::new();
    // Large enough to be met at work.
    let jar = BootJar::new().large(5_000_000).write(sandbox.home().join("shop.jar"));
    let arguments = ["build", "--base", &base.reference, "--jar", jar.to_str().unwrap()];

    let whole = Sandbox::new();
    let run = whole.run(arguments);
    let digest = run.success();
    let step = run.took / 8;
    for moment in 0..8 {
        let mut child = start(&sandbox, &sandbox.dir(), &arguments);
        thread::sleep(step * moment);
        let _ = child.kill();
        child.wait().unwrap();
        let output = sandbox.dir().join("shipit-out");
        if let Ok(record) = fs::read(output.join("release.json")) {
            assert!(serde_json::from_slice::<serde_json::Value>(&record).is_ok(), "half a record");
        }
        let run = sandbox.run(arguments);
        assert_eq!(run.success(), digest, "killed after {:?}", step * moment);
        assert_whole(&output);
        // Every other time the next one begins with nothing again.
        fs::remove_dir_all(if moment % 2 == 0 { output } else { sandbox.cache() }).unwrap();
    }
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn what_a_killed_build_left_is_cleared_away() {
    let registry = Registry::start();
    let base = BaseImage::push(&registry);
    let sandbox = Sandbox::new();
    let project = ScriptedProject::new(&sandbox, "app", PACKAGES);
    let arguments = ["build", "--base", &base.reference];
    let digest = sandbox.run_in(project.dir(), arguments).success().to_owned();
    // As they are between the making of a temporary file and its renaming.
    sandbox.write(project.output().join(".shipit-Ab12Cd"), "half a rec");
    sandbox.write(project.output().join("blobs/sha256/.shipit-Ab12Cd"), "half a manifest");
    sandbox.write(project.output().join("blobs/sha256/.blob-Ab12Cd/blob"), "half a layer");
    assert_eq!(sandbox.run_in(project.dir(), arguments).success(), digest);
    assert_whole(&project.output());
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn of_two_builds_of_one_project_the_second_waits_and_says_so() {
    let registry = Registry::start();
    let base = BaseImage::push(&registry);
    let sandbox = Sandbox::new();
    let script = format!("echo x >>../runs\nwhile ! [ -e ../go ]; do sleep 0.05; done\n{PACKAGES}");
    let project = ScriptedProject::new(&sandbox, "app", &script);
    let arguments = ["build", "--base", &base.reference, "--quiet"];
    let first = start(&sandbox, project.dir(), &arguments);
    let runs = || fs::read_to_string(sandbox.dir().join("runs")).unwrap_or_default();
    wait_until("that the first one builds", || !runs().is_empty());

    // By another name of the same folder.
    let second = start(&sandbox, &sandbox.dir(), &["build", "--base", &base.reference, "-C", "./app/../app"]);
    let pid = second.id().to_string();
    let waits = || fs::read_to_string(format!("/proc/{pid}/wchan")).is_ok_and(|at| at.contains("lock"));
    let begun = Instant::now();
    while !waits() && begun.elapsed() < Duration::from_secs(2) {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(runs(), "x\n", "the second one does not build yet");
    fs::write(sandbox.dir().join("go"), "").unwrap();

    let (first, second) = (first.wait_with_output().unwrap(), second.wait_with_output().unwrap());
    let told = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    assert!(second.status.success(), "{told}");
    assert!(told.starts_with("note: another shipit is at work on ") && told.contains("; waiting"), "{told}");
    assert_eq!(runs(), "x\nx\n");
    assert_eq!(first.stdout, second.stdout);
    assert_whole(&project.output());
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn two_builds_of_two_projects_share_a_cache_without_waiting() {
    let registry = Registry::start();
    let base = BaseImage::push(&registry);
    let sandbox = Sandbox::new();
    // Each waits until the other one is at work, too.
    let script = format!(
        "touch ../$(basename \"$PWD\").runs\nwhile [ $(ls ../*.runs | wc -l) -lt 2 ]; do sleep 0.05; done\n{PACKAGES}"
    );
    let projects = ["one", "two"].map(|name| ScriptedProject::new(&sandbox, name, &script));
    let children =
        projects.each_ref().map(|project| start(&sandbox, project.dir(), &["build", "--base", &base.reference]));
    let outputs = children.map(|child| child.wait_with_output().unwrap());
    for output in &outputs {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(outputs[0].stdout, outputs[1].stdout);
    let run: Run = sandbox.run_in(projects[0].dir(), ["build", "--base", &base.reference]);
    assert!(run.stderr.contains("(0 made, 2 as before)"), "{}", run.stderr);
}
