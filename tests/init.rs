//! `shipit init`: a first shipit.toml, also from Jib's configuration.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;

use shipit::settings::{Given, Settings, Sources, Variables};
use support::Sandbox;

const POM: &str = "<project><parent><groupId>org.springframework.boot</groupId>\
    <artifactId>spring-boot-starter-parent</artifactId><version>3.4.1</version><relativePath/></parent>\
    <artifactId>shop</artifactId><version>1</version><properties><java.version>21</java.version></properties>\
    <build><plugins><plugin><artifactId>spring-boot-maven-plugin</artifactId></plugin>JIB</plugins></build></project>";

const JIB: &str = "<plugin><artifactId>jib-maven-plugin</artifactId><configuration>\
    <from><auth><username>me</username><password>hunter2</password></auth></from>\
    <to><image>registry.example.com/${project.artifactId}:v1</image></to>\
    <container><ports><port>9090</port></ports><environment><TZ>UTC</TZ></environment><appRoot>/srv</appRoot></container>\
    </configuration></plugin>";

fn project(jib: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("pom.xml", POM.replace("JIB", jib));
    sandbox.write("mvnw", "#!/bin/sh\nexit 1\n");
    sandbox.write(".mvn/wrapper/maven-wrapper.properties", "");
    sandbox
}

fn settings(sandbox: &Sandbox) -> Settings {
    let (variables, flags) = (Variables::default(), Given::default());
    let directory = sandbox.dir();
    let sources = Sources { directory: Some(&directory), env: None, variables: &variables, flags: &flags };
    Settings::load(&sources).unwrap()
}

#[test]
fn a_plain_project_gets_a_file_that_sets_nothing() {
    let sandbox = project("");
    let run = sandbox.run(["init"]);
    assert!(run.success().ends_with("shipit.toml"), "{}", run.stdout);
    let text = fs::read_to_string(sandbox.dir().join("shipit.toml")).unwrap();
    assert!(text.starts_with("# shop: Spring Boot 3.4.1, Java 21, built by its Maven wrapper.\n"), "{text}");
    assert!(text.contains("\n# cluster = \"production\"\n"), "{text}");
    assert_eq!(settings(&sandbox), Settings::default());
    let left: Vec<_> = fs::read_dir(sandbox.dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 4, "{left:?}");
}

#[test]
fn a_file_that_is_there_is_never_overwritten() {
    let sandbox = project("");
    sandbox.write("shipit.toml", "# ours\n");
    let run = sandbox.run(["init"]);
    assert!(run.exits_with(2).contains("shipit.toml exists, and stays as it is"), "{}", run.stderr);
    assert_eq!(fs::read_to_string(sandbox.dir().join("shipit.toml")).unwrap(), "# ours\n");
    assert!(sandbox.run(["init", "--dry-run"]).success().contains("[service]"));
    assert_eq!(fs::read_to_string(sandbox.dir().join("shipit.toml")).unwrap(), "# ours\n");
}

#[test]
fn the_source_is_suggested_from_the_git_remote_and_not_set() {
    let sandbox = project("");
    for arguments in [&["init", "-q"][..], &["remote", "add", "origin", "https://ada:pw@git.example.com/team/shop.git"]]
    {
        assert!(sandbox.command("git").args(arguments).status().unwrap().success());
    }
    sandbox.run(["init"]).success();
    let text = fs::read_to_string(sandbox.dir().join("shipit.toml")).unwrap();
    assert!(text.contains("\n# source = \"https://git.example.com/team/shop\"\n"), "{text}");
    assert_eq!(settings(&sandbox).image.source, None);
}

#[test]
fn a_configuration_of_jib_is_taken_over_and_what_is_not_is_named() {
    let sandbox = project(JIB);
    let run = sandbox.run(["init", "--from-jib"]);
    run.success();
    assert!(run.stderr.contains("warning: container.appRoot: has no counterpart"), "{}", run.stderr);
    let text = fs::read_to_string(sandbox.dir().join("shipit.toml")).unwrap();
    assert!(text.contains("# - from.auth: is not copied"), "{text}");
    assert!(!text.contains("hunter2") && !run.stderr.contains("hunter2"));
    let settings = settings(&sandbox);
    assert_eq!(settings.registry.repository.as_deref(), Some("registry.example.com/shop"));
    let ports: Vec<_> = settings.image.ports.unwrap()[0].ports().map(|port| port.to_string()).collect();
    assert_eq!(ports, ["9090/tcp"]);
    assert_eq!(settings.image.env["TZ"], "UTC");
}

#[test]
fn a_gradle_script_with_jib_is_taken_over() {
    let sandbox = Sandbox::new();
    sandbox.write("build.gradle.kts", "jib { to { image = \"r.example/shop\" }\n container { user = \"7\" } }");
    sandbox.run(["init", "--from-jib"]).success();
    let settings = settings(&sandbox);
    assert_eq!(settings.registry.repository.as_deref(), Some("r.example/shop"));
    assert_eq!(settings.image.user.map(|user| user.to_string()).as_deref(), Some("7"));
}

#[test]
fn without_jib_there_is_nothing_to_take_over() {
    let run = project("").run(["init", "--from-jib"]);
    assert!(run.exits_with(2).contains("no jib-maven-plugin"), "{}", run.stderr);
}

#[test]
fn without_a_project_there_is_nothing_to_look_at() {
    let run = Sandbox::new().run(["init"]);
    assert!(run.exits_with(2).contains("no project"), "{}", run.stderr);
}
