//! The command line as scripts see it: exit codes, which stream says what, and words for what is wrong.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs::{self, OpenOptions};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use support::{Fault, Proxy, Run, Sandbox, ScriptedProject};

const LIMIT: Duration = Duration::from_secs(60);

/// The one object on standard output.
#[track_caller]
fn object(run: &Run) -> Value {
    assert_eq!(run.stdout.lines().count(), 1, "{:?}", run.stdout);
    serde_json::from_str(&run.stdout).expect("standard output is one JSON object")
}

#[test]
fn help_is_a_result_with_examples_and_exit_codes() {
    let sandbox = Sandbox::new();
    let help = sandbox.run(["--help"]);
    let text = help.success();
    assert!(help.stderr.is_empty(), "{}", help.stderr);
    for expected in ["Examples:", "shipit build --jar", "shipit push", "Exit codes:", "the project's own build failed"]
    {
        assert!(text.contains(expected), "{expected}:\n{text}");
    }
    for code in ["0", "1", "2", "3", "4", "5", "6", "130"] {
        assert!(text.lines().any(|line| line.split_whitespace().next() == Some(code)), "{code}:\n{text}");
    }
    for command in ["build", "push", "deploy", "update", "completions"] {
        let help = sandbox.run([command, "--help"]);
        assert!(help.success().contains("Usage: shipit"), "{}", help.stdout);
        assert!(help.stderr.is_empty(), "{}", help.stderr);
    }
}

#[test]
fn the_version_is_one_line() {
    let run = Sandbox::new().run(["--version"]);
    assert_eq!(run.success(), concat!("shipit ", env!("CARGO_PKG_VERSION")));
    assert_eq!(run.stdout.lines().count(), 1);
    assert!(run.stderr.is_empty());
}

#[test]
fn completions_are_scripts_that_know_the_commands() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = sandbox.run(["completions", shell]);
        let script = run.success();
        for known in ["build", "push", "completions", "repository", "locked"] {
            assert!(script.contains(known), "{shell}: {known}");
        }
    }
    let script = sandbox.write("completions.bash", sandbox.run(["completions", "bash"]).success());
    let complete = format!(
        "source {} && COMP_WORDS=(shipit bu) COMP_CWORD=1 && _shipit shipit bu shipit && echo \"${{COMPREPLY[*]}}\"",
        script.display()
    );
    let run = Run::of(Command::new("bash").arg("-c").arg(complete), LIMIT);
    assert_eq!(run.success(), "build");
}

#[test]
fn wrong_usage_is_exit_code_2_with_the_nearest_word_and_no_result() {
    let sandbox = Sandbox::new();
    for (arguments, expected) in [
        (vec!["bild"], "'build'"),
        (vec![], "Usage: shipit"),
        (vec!["build", "--bse", "x"], "'--base'"),
        (vec!["build", "--output", "zip:x"], "'zip:x' is neither oci:DIR nor docker-archive:FILE"),
        (vec!["build", "-C", "nowhere"], "nowhere"),
        (vec!["build", "--quiet", "--verbose"], "cannot be used with"),
    ] {
        let run = sandbox.run(&arguments);
        let told = run.exits_with(2);
        assert!(told.contains(expected), "{arguments:?}: {told}");
        assert!(run.stdout.is_empty(), "{arguments:?}: {}", run.stdout);
    }
}

#[test]
fn an_unknown_setting_is_told_with_its_place_and_the_nearest_known_one() {
    let sandbox = Sandbox::new();
    sandbox.write("pom.xml", "<project/>");
    sandbox.write("shipit.toml", "# the shop\n[image]\n  bsae = \"example.org/jre\"\n");
    let run = sandbox.run(["build"]);
    let told = run.exits_with(2);
    assert!(told.contains("shipit.toml:3:3: unknown key 'bsae' in [image]; did you mean 'base'?"), "{told}");
    assert!(told.contains("  bsae = \"example.org/jre\""), "the line is shown: {told}");
    assert!(!sandbox.dir().join("target").exists(), "nothing is written");

    let run = sandbox.run(["build", "--json"]);
    run.exits_with(2);
    let error = &object(&run)["error"];
    assert_eq!((&error["kind"], &error["exitCode"]), (&Value::from("usage"), &Value::from(2)));
    assert!(error["message"].as_str().unwrap().contains("did you mean 'base'?"), "{error}");
}

#[test]
fn with_json_wrong_usage_is_an_object_too() {
    let run = Sandbox::new().run(["build", "--json", "--bse", "x"]);
    let told = run.exits_with(2);
    assert!(told.contains("'--base'"), "{told}");
    let error = &object(&run)["error"];
    assert_eq!((&error["kind"], &error["exitCode"]), (&Value::from("usage"), &Value::from(2)));
    assert!(error["message"].as_str().unwrap().contains("--bse"), "{error}");
}

#[test]
fn a_setting_of_the_environment_is_checked_and_an_unknown_variable_is_told() {
    let mut sandbox = Sandbox::new();
    sandbox.write("pom.xml", "<project/>");
    sandbox.env("SHIPIT_IMAGE_BSAE", "x").env("SHIPIT_BUILD_TESTS", "sometimes");
    let told = sandbox.run(["build"]).exits_with(2).to_owned();
    assert!(told.contains("SHIPIT_IMAGE_BSAE") && told.contains("SHIPIT_IMAGE_BASE"), "{told}");
    assert!(told.contains("SHIPIT_BUILD_TESTS") && told.contains("sometimes"), "{told}");
}

#[test]
fn a_failing_build_is_exit_code_3() {
    let sandbox = Sandbox::new();
    let project = ScriptedProject::new(&sandbox, "app", "echo '[ERROR] no'; exit 1");
    let run = sandbox.run_in(project.dir(), ["build", "--json", "--base", "127.0.0.1:1/base"]);
    run.exits_with(3);
    let error = &object(&run)["error"];
    assert_eq!((&error["kind"], &error["exitCode"]), (&Value::from("project-build"), &Value::from(3)));
}

#[test]
fn a_registry_that_refuses_is_exit_code_4() {
    let sandbox = Sandbox::new();
    let jar = support::BootJar::new().write(sandbox.dir().join("app.jar"));
    let registry = Proxy::before("127.0.0.1:1").with_faults(|_| Fault::Status(403)).start();
    let base = format!("{}/base:1", registry.host());
    let run =
        sandbox.run(["build", "--base", &base, "--json", "--jar"].iter().map(AsRef::as_ref).chain([jar.as_os_str()]));
    let told = run.exits_with(4);
    assert!(told.contains("answered 403") && told.contains("credentials"), "{told}");
    assert_eq!(object(&run)["error"]["kind"], "refused");
    assert_eq!(registry.count("GET"), 1, "what cannot pass is not asked again");
}

#[test]
fn a_result_that_cannot_be_written_is_exit_code_1_and_no_panic() {
    let sandbox = Sandbox::new();
    for arguments in [&["completions", "bash"][..], &["--help"], &["--version"]] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = sandbox.shipit().args(arguments).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
        assert!(told.contains("could not be written to standard output") && !told.contains("panicked"), "{told}");

        // A pipe whose reader has gone.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = sandbox.shipit().args(arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
        assert!(!told.contains("panicked"), "{told}");
    }
}

#[test]
fn a_closed_standard_error_changes_nothing() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.dir().join("empty")).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = sandbox.shipit().args(["build", "-C", "empty"]).stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(2));
}
