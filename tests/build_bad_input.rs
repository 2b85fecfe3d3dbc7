//! What `shipit build` says of projects and jars that cannot become an image: why, what to do, and nothing half-written.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use support::{BootJar, Fault, PACKAGES, Project, Proxy, Run, Sandbox, ScriptedProject, plain_jar};

/// Nobody listens there: what is wrong with the input must be told before, or in spite of that.
const NO_BASE: &str = "127.0.0.1:1/base:1";

/// `shipit build --jar FILE`, which must fail with this exit code and leave nothing.
#[track_caller]
fn refused_jar(sandbox: &Sandbox, jar: &Path) -> String {
    let run = sandbox.run([Path::new("build"), Path::new("--base"), Path::new(NO_BASE), Path::new("--jar"), jar]);
    let told = run.exits_with(1).to_owned();
    assert!(run.stdout.is_empty(), "{}", run.stdout);
    assert!(!sandbox.dir().join("shipit-out").exists(), "nothing is written");
    assert_clean_cache(sandbox);
    told
}

#[track_caller]
fn assert_clean_cache(sandbox: &Sandbox) {
    for folder in ["blobs/sha256", "tmp"] {
        let left = fs::read_dir(sandbox.cache().join(folder)).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{folder} of the cache");
    }
}

/// What a project's failed build leaves: no record, no layout, no pin.
#[track_caller]
fn assert_not_built(project: &ScriptedProject) {
    for file in ["target/shipit/release.json", "target/shipit/index.json", "target/shipit/blobs", "shipit.lock"] {
        assert!(!project.dir().join(file).exists(), "{file} is there");
    }
}

/// `shipit build` of a project whose wrapper runs `script`; must fail with this exit code and leave nothing.
#[track_caller]
fn refused_build(script: &str, code: i32) -> String {
    let sandbox = Sandbox::new();
    let project = ScriptedProject::new(&sandbox, "app", script);
    let run = sandbox.run_in(project.dir(), ["build", "--base", NO_BASE]);
    let told = run.exits_with(code).to_owned();
    assert!(run.stdout.is_empty(), "{}", run.stdout);
    assert_not_built(&project);
    assert_clean_cache(&sandbox);
    told
}

#[test]
fn no_project() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(["build"]);
    let told = run.exits_with(2);
    assert!(told.contains("no project: neither") && told.contains("pom.xml") && told.contains("--jar FILE"), "{told}");
    assert_eq!(fs::read_dir(sandbox.dir()).unwrap().count(), 0, "nothing is written");
}

#[test]
fn a_project_of_another_kind() {
    let sandbox = Sandbox::new();
    let none = "<project><groupId>g</groupId><artifactId>a</artifactId><version>1</version></project>";
    sandbox.write("plain/pom.xml", none);
    sandbox.write("broken/pom.xml", "<project><artifactId>");
    for (folder, expected) in [("plain", "spring-boot-maven-plugin"), ("broken", "pom.xml")] {
        let run = sandbox.run(["build", "-C", folder, "--base", NO_BASE]);
        assert!(run.exits_with(2).contains(expected), "{folder}: {}", run.stderr);
        assert_eq!(fs::read_dir(sandbox.dir().join(folder)).unwrap().count(), 1, "nothing is written");
    }
}

#[test]
fn no_wrapper_and_no_maven() {
    let mut sandbox = Sandbox::new();
    let project = ScriptedProject::new(&sandbox, "app", PACKAGES);
    fs::remove_file(project.dir().join("mvnw")).unwrap();
    sandbox.env("PATH", sandbox.home());
    let run = sandbox.run_in(project.dir(), ["build", "--base", NO_BASE]);
    let told = run.exits_with(2);
    assert!(told.contains("has no Maven wrapper, and there is no `mvn` on the PATH"), "{told}");
    assert!(told.contains("mvn wrapper:wrapper"), "what to do: {told}");
    assert_not_built(&project);
}

#[test]
fn a_failing_build_shows_its_first_error_and_keeps_the_whole_log() {
    let sandbox = Sandbox::new();
    let script = "echo '[INFO] Scanning'; echo '[ERROR] the first reason'; echo '[ERROR] a second one'; exit 1";
    let project = ScriptedProject::new(&sandbox, "app", script);
    let run = sandbox.run_in(project.dir(), ["build", "--base", NO_BASE, "--quiet"]);
    let told = run.exits_with(3);
    assert!(told.starts_with("error: the project's own build failed"), "{told}");
    assert!(told.contains("[ERROR] the first reason\n[ERROR] a second one"), "{told}");
    assert!(!told.contains("Scanning"), "shown from the first error on: {told}");
    assert!(told.contains("target/shipit/build.log"), "{told}");
    let log = fs::read_to_string(project.output().join("build.log")).unwrap();
    assert_eq!(log, "[INFO] Scanning\n[ERROR] the first reason\n[ERROR] a second one\n");
    assert_not_built(&project);
}

#[test]
fn a_failing_build_is_told_at_once_however_silent_the_registry_is() {
    let sandbox = Sandbox::new();
    let project = ScriptedProject::new(&sandbox, "app", "sleep 0.5; echo '[ERROR] no'; exit 1");
    let silent = Proxy::before(NO_BASE).with_faults(|_| Fault::Hang).start();
    let run = sandbox.run_in(project.dir(), ["build", "--base", &format!("{}/base:1", silent.host())]);
    assert!(run.exits_with(3).contains("[ERROR] no"), "{}", run.stderr);
    assert_eq!(silent.count("GET"), 1, "the base was asked for meanwhile");
    assert!(run.took < Duration::from_secs(20), "{:?}", run.took);
}

#[test]
fn a_failing_build_leaves_what_was_built_before() {
    let sandbox = Sandbox::new();
    let project = ScriptedProject::new(&sandbox, "app", "exit 1");
    let record = sandbox.write(project.output().join("release.json"), "{\"of\": \"before\"}");
    sandbox.run_in(project.dir(), ["build", "--base", NO_BASE]).exits_with(3);
    assert_eq!(fs::read_to_string(record).unwrap(), "{\"of\": \"before\"}");
}

#[test]
fn a_build_without_a_jar() {
    let told = refused_build("echo done", 1);
    assert!(told.contains("left no Spring Boot jar or war") && told.contains("--jar"), "{told}");
}

#[test]
fn a_build_with_several_jars() {
    let told = refused_build("mkdir -p target; cp prebuilt.jar target/one.jar; cp prebuilt.jar target/two.jar", 1);
    assert!(told.contains("one.jar, two.jar") && told.contains("--jar"), "{told}");
}

#[test]
fn a_build_whose_jar_was_not_repackaged() {
    let told =
        refused_build("mkdir -p target; base64 -d <<E >target/app-1.jar\nUEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==\nE", 1);
    assert!(told.contains("is not a Spring Boot jar") && told.contains("repackage"), "{told}");
}

#[test]
fn a_jar_that_is_no_file() {
    let sandbox = Sandbox::new();
    let told = refused_jar(&sandbox, Path::new("nowhere.jar"));
    assert!(told.contains("cannot open 'nowhere.jar'") && told.contains("No such file"), "{told}");
    fs::create_dir(sandbox.dir().join("folder.jar")).unwrap();
    let told = refused_jar(&sandbox, Path::new("folder.jar"));
    assert!(told.contains("'folder.jar' is not a regular file"), "{told}");
}

#[test]
fn a_jar_that_is_not_of_spring_boot() {
    let sandbox = Sandbox::new();
    let jar = sandbox.write("plain.jar", plain_jar(&[("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\r\n\r\n")]));
    let told = refused_jar(&sandbox, &jar);
    assert!(told.contains("is not a Spring Boot jar") && told.contains("repackage"), "{told}");
    for (name, content) in [("empty.jar", &b""[..]), ("text.jar", b"not a jar at all\n"), ("zero.jar", &[0; 5000])] {
        let told = refused_jar(&sandbox, &sandbox.write(name, content));
        assert!(told.contains(name) && told.contains("is not a complete jar"), "{told}");
    }
}

#[test]
fn a_truncated_jar() {
    let sandbox = Sandbox::new();
    let whole = BootJar::new().bytes();
    for length in [whole.len() - 1, whole.len() / 2, 30] {
        let jar = sandbox.write("cut.jar", &whole[..length]);
        let told = refused_jar(&sandbox, &jar);
        assert!(told.contains("cut.jar") && told.contains("again"), "{length}: {told}");
    }
    // The beginning is missing: the directory at the end points to what is not there.
    let jar = sandbox.write("tail.jar", &whole[100..]);
    let told = refused_jar(&sandbox, &jar);
    assert!(told.contains("tail.jar"), "{told}");
}

#[test]
fn a_jar_with_entries_that_leave_the_root() {
    let sandbox = Sandbox::new();
    for name in ["../../etc/cron.d/evil", "/etc/passwd", "BOOT-INF/classes/../../../x", "BOOT-INF\\..\\..\\x", "a//b"] {
        let jar = BootJar::new().entry(name, "evil").write(sandbox.dir().join("evil.jar"));
        let told = refused_jar(&sandbox, &jar);
        assert!(told.contains("would be written outside of its directory"), "{name}: {told}");
        assert!(told.contains("evil.jar"), "{name}: {told}");
    }
}

#[test]
fn a_jar_with_entries_that_repeat() {
    let sandbox = Sandbox::new();
    let jar = BootJar::new().entry("BOOT-INF/classes/application.properties", "greeting=other\n");
    let told = refused_jar(&sandbox, &jar.write(sandbox.dir().join("twice.jar")));
    assert!(told.contains("application.properties") && told.contains("occurs more than once"), "{told}");
}

#[test]
#[ignore = "needs root: run by make test"]
fn a_repository_that_git_refuses_is_told_as_what_it_is() {
    let sandbox = Sandbox::new();
    let project = ScriptedProject::new(&sandbox, "app", PACKAGES);
    std::os::unix::fs::chown(project.dir(), Some(65534), Some(65534)).unwrap();
    std::os::unix::fs::chown(project.dir().join(".git"), Some(65534), Some(65534)).unwrap();
    let run = sandbox.run_in(project.dir(), ["build", "--base", NO_BASE]);
    let told = run.exits_with(1);
    assert!(told.contains("'dubious ownership'") && told.contains("another user owns it"), "{told}");
    let top = project.dir().canonicalize().unwrap();
    assert!(told.contains(&format!("git config --global --add safe.directory {}", top.display())), "{told}");
    assert!(!project.dir().join("target").exists(), "nothing is written");
}

#[test]
fn a_wrapper_that_cannot_be_run() {
    let told = refused_build("exec /nowhere/java", 3);
    assert!(told.contains("/nowhere/java"), "{told}");
    let sandbox = Sandbox::new();
    let project = ScriptedProject::new(&sandbox, "app", "");
    // A script with the run bit, for an interpreter that is not there.
    fs::write(project.dir().join("mvnw"), "#!/nowhere/sh\n").unwrap();
    fs::set_permissions(project.dir().join("mvnw"), fs::Permissions::from_mode(0o755)).unwrap();
    let run = sandbox.run_in(project.dir(), ["build", "--base", NO_BASE]);
    assert!(run.exits_with(3).contains("mvnw"), "{}", run.stderr);
    assert_not_built(&project);
}

#[test]
fn a_folder_that_cannot_be_written_to() {
    let sandbox = Sandbox::new();
    let project = ScriptedProject::new(&sandbox, "app", PACKAGES);
    // In the place of the folder that would be made.
    sandbox.write(project.dir().join("target"), "a file");
    let run = sandbox.run_in(project.dir(), ["build", "--base", NO_BASE]);
    let told = run.exits_with(1);
    assert!(told.contains("cannot write the build's log") && told.contains("target/shipit"), "{told}");
    // Links that lead around in a circle.
    fs::remove_file(project.dir().join("target")).unwrap();
    symlink("target", project.dir().join("target")).unwrap();
    sandbox.run_in(project.dir(), ["build", "--base", NO_BASE]).exits_with(1);
}

#[test]
#[ignore = "needs Maven: run by make test"]
fn a_class_that_does_not_compile() {
    let sandbox = Sandbox::new();
    let project = Project::of("hello", &sandbox.dir());
    project.edit(
        "src/main/java/org/example/hello/HelloController.java",
        "class HelloController",
        "klass HelloController",
    );
    let run: Run = sandbox.run_in(project.dir(), ["build", "--base", NO_BASE]);
    let told = run.exits_with(3);
    let (_, shown) = told.split_once("error: the project's own build failed").expect("the reason is told");
    assert!(shown.contains("COMPILATION ERROR") && shown.contains("HelloController.java"), "{shown}");
    assert!(!shown.contains("[INFO] Scanning"), "shown from the first error on: {shown}");
    let log = fs::read_to_string(project.dir().join("target/shipit/build.log")).unwrap();
    assert!(log.contains("[INFO] Scanning for projects") && log.contains("BUILD FAILURE"), "{log}");
    assert!(!project.dir().join("target/shipit/release.json").exists());
    assert!(!project.dir().join("shipit.lock").exists());
}
