//! `shipit diff`, `shipit inspect` and `shipit build --verify`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use shipit::image::layout::{Layout, REF_NAME};
use shipit::image::{Descriptor, Digest, Manifest, MediaType, tar};
use support::{Lab, Project, Registry, Run, Sandbox};

/// Writes a layout with one image of one uncompressed layer, which has one file.
fn layout(root: &Path, content: &str) -> PathBuf {
    let mut layer = tar::header("app/settings.properties", tar::Kind::File { size: content.len() as u64 }, 0);
    layer.extend(content.as_bytes());
    layer.extend(&[0; tar::BLOCK][..tar::padding(content.len() as u64)]);
    layer.extend(tar::END);
    let config = json!({
        "os": "linux", "architecture": "amd64",
        "config": { "Entrypoint": ["java", "-jar", "application.jar"], "Env": ["JAVA_VERSION=21.0.1"], "User": "app" },
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(&layer)] },
    });
    let config = config.to_string().into_bytes();
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MediaType::OCI_MANIFEST),
        artifact_type: None,
        config: Descriptor::of(MediaType::OCI_CONFIG, &config),
        layers: vec![Descriptor::of(MediaType::OCI_LAYER, &layer)],
        annotations: BTreeMap::new(),
    };
    let layout = Layout::create(root).unwrap();
    layout.put(&layer).unwrap();
    layout.put(&config).unwrap();
    layout.put(&manifest.to_bytes()).unwrap();
    let mut image = Descriptor::of(MediaType::OCI_MANIFEST, &manifest.to_bytes());
    image.annotations.insert(REF_NAME.to_owned(), "v1".to_owned());
    layout.set_index(vec![image]).unwrap();
    root.to_owned()
}

/// A layout as a tar: an `oci-archive`.
fn archive(layout: &Path) -> PathBuf {
    let mut bytes = Vec::new();
    for folder in ["", "blobs/sha256"] {
        for file in fs::read_dir(layout.join(folder)).unwrap().map(|entry| entry.unwrap().path()) {
            if file.is_file() {
                let content = fs::read(&file).unwrap();
                let name = file.strip_prefix(layout).unwrap().to_str().unwrap();
                bytes.extend(tar::header(name, tar::Kind::File { size: content.len() as u64 }, 0));
                bytes.extend(&content);
                bytes.extend(&[0; tar::BLOCK][..tar::padding(content.len() as u64)]);
            }
        }
    }
    bytes.extend(tar::END);
    let path = layout.with_extension("tar");
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn exit_codes_are_those_of_diff() {
    let sandbox = Sandbox::new();
    let a = layout(&sandbox.dir().join("a"), "color=red\n");
    layout(&sandbox.dir().join("b"), "color=blue\n");
    let archive = archive(&a);

    let equal = sandbox.run(["diff", "a", &format!("oci-archive:{}:v1", archive.display())]);
    assert!(equal.success().starts_with("equal: sha256:"), "{}", equal.stdout);

    let different = sandbox.run(["diff", "oci:a:v1", "b"]);
    different.exits_with(1);
    assert!(
        different.stdout.contains("app/settings.properties\n    size: 10 → 11\n    color: red → blue"),
        "{}",
        different.stdout
    );
    assert_eq!(different.stderr, "", "that images differ is an answer, not an error");

    for wrong in ["missing", "oci:missing", "oci:a:v2", "oci:"] {
        sandbox.run(["diff", "a", wrong]).exits_with(2);
    }
    sandbox.write("truncated.tar", &fs::read(&archive).unwrap()[..3000]);
    sandbox.run(["diff", "a", "truncated.tar"]).exits_with(2);
}

#[test]
fn json_has_each_difference_with_its_place() {
    let sandbox = Sandbox::new();
    layout(&sandbox.dir().join("a"), "#one\ncolor=red\n");
    layout(&sandbox.dir().join("b"), "#two\ncolor=red\n");
    let run = sandbox.run(["diff", "--json", "a", "b"]);
    run.exits_with(1);
    let object: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(object["equal"], false);
    assert_eq!(
        object["differences"],
        json!([{
            "at": ["layer 1", "app/settings.properties"], "change": "line", "number": 1, "a": "#one", "b": "#two"
        }])
    );
    assert_eq!(object["causes"][0]["id"], "properties-comment");
}

#[test]
fn a_layer_with_flipped_bits_is_told_as_damaged() {
    let sandbox = Sandbox::new();
    let a = layout(&sandbox.dir().join("a"), "color=red\n");
    layout(&sandbox.dir().join("b"), "color=blue\n");
    let manifest = Layout::open(&a).unwrap();
    let image = manifest.index().unwrap().manifests.remove(0);
    let image: Manifest = serde_json::from_slice(&manifest.read(&image).unwrap()).unwrap();
    let blob = manifest.blob_path(&image.layers[0].digest);
    let mut bytes = fs::read(&blob).unwrap();
    bytes[tar::BLOCK] ^= 1;
    fs::write(&blob, bytes).unwrap();
    let run = sandbox.run(["diff", "a", "b"]);
    assert!(run.exits_with(2).contains("its bytes are not those that its digest names"), "{}", run.stderr);
}

#[test]
fn inspect_shows_a_layout_and_says_where_nothing_was_built() {
    let sandbox = Sandbox::new();
    layout(&sandbox.dir().join("a"), "color=red\n");
    let run = sandbox.run(["inspect", "a"]);
    for line in ["platform     linux/amd64", "entrypoint   java -jar application.jar", "Java         21.0.1"] {
        assert!(run.success().contains(line), "{line} in\n{}", run.stdout);
    }
    let object: Value = serde_json::from_str(sandbox.run(["inspect", "--json", "a"]).success()).unwrap();
    assert_eq!(object["layers"].as_array().unwrap().len(), 1);
    assert_eq!(object["user"], "app");
    assert!(sandbox.run(["inspect"]).exits_with(2).contains("nothing has been built"));
}

#[test]
fn verify_refuses_where_there_is_no_commit_to_build() {
    let sandbox = Sandbox::new();
    sandbox.write("pom.xml", "<project/>");
    let run = sandbox.run(["build", "--verify"]);
    assert!(run.exits_with(2).contains("nothing to verify: not in a git work tree"), "{}", run.stderr);
    git(&sandbox, &["init", "--quiet"]);
    assert!(sandbox.run(["build", "--verify"]).exits_with(2).contains("no commit yet"));
    git(&sandbox, &["add", "."]);
    git(&sandbox, &["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "--quiet", "-m", "first"]);
    sandbox.write("new.txt", "");
    assert!(sandbox.run(["build", "--verify"]).exits_with(2).contains("not committed"));
    assert!(!sandbox.dir().join("target").exists());
}

fn git(sandbox: &Sandbox, arguments: &[&str]) {
    let limit = std::time::Duration::from_secs(20);
    Run::of(sandbox.command("git").args(arguments), limit).success();
}

/// The hello with Spring Boot's build-info goal, configured by `configuration`.
fn hello_with_build_info(parent: &Path, configuration: &str) -> Project {
    fs::create_dir_all(parent).unwrap();
    let project = Project::of("hello", parent);
    let execution = format!(
        "<artifactId>spring-boot-maven-plugin</artifactId>\n        <executions><execution><goals><goal>build-info\
         </goal></goals><configuration>{configuration}</configuration></execution></executions>"
    );
    project.edit("pom.xml", "<artifactId>spring-boot-maven-plugin</artifactId>", &execution);
    project.commit("Tell of the build");
    project
}

#[test]
#[ignore = "needs the lab: run by make test"]
fn two_clones_that_tell_two_times_differ_in_build_info_and_a_registry_shows_the_same() {
    let sandbox = Sandbox::new();
    let base = Lab::get().base();
    let time = |day: u8| format!("<time>2026-01-0{day}T00:00:00Z</time>");
    let one = hello_with_build_info(&sandbox.dir().join("one"), &time(1));
    let two = hello_with_build_info(&sandbox.dir().join("elsewhere/two"), &time(2));
    for project in [&one, &two] {
        sandbox.run_in(project.dir(), ["build", "--base", base]).success();
    }
    let (a, b) = (one.dir().to_str().unwrap(), two.dir().to_str().unwrap());
    let run = sandbox.run(["diff", a, b]);
    run.exits_with(1);
    let place = "META-INF/build-info.properties\n      build.time: 2026-01-01T00:00:00Z → 2026-01-02T00:00:00Z";
    assert!(run.stdout.contains(place), "{}", run.stdout);
    assert!(run.stdout.contains("<project.build.outputTimestamp>"), "{}", run.stdout);

    let registry = Registry::start();
    let repository = format!("{}/hello", registry.host());
    let pushed = sandbox.run_in(two.dir(), ["push", "--no-deploy", "--repository", &repository]);
    let reference = pushed.success();
    sandbox.run(["diff", b, reference]).success();
    let run = sandbox.run(["diff", a, reference]);
    run.exits_with(1);
    assert!(run.stdout.contains(place), "{}", run.stdout);
    let inspected: Value = serde_json::from_str(sandbox.run(["inspect", "--json", reference]).success()).unwrap();
    assert_eq!((&inspected["springBoot"], &inspected["javaTarget"]), (&json!("4.1.2"), &json!(17)));
}

#[test]
#[ignore = "needs the lab: run by make test"]
fn a_commit_that_builds_the_same_everywhere_is_verified_and_one_that_does_not_is_told_why() {
    let sandbox = Sandbox::new();
    let base = Lab::get().base();
    let project = hello_with_build_info(&sandbox.dir(), "");
    let built = sandbox.run_in(project.dir(), ["build", "--base", base]);
    let verified = sandbox.run_in(project.dir(), ["build", "--verify", "--base", base]);
    assert_eq!(verified.success(), built.success());

    project.edit(
        "pom.xml",
        "<configuration>",
        "<configuration><additionalProperties><at>${project.basedir}</at></additionalProperties>",
    );
    project.commit("Tell where it was built");
    let run = sandbox.run_in(project.dir(), ["build", "--verify", "--base", base]);
    assert!(run.exits_with(1).contains("two builds of the same commit gave different digests"));
    assert!(run.stdout.contains("META-INF/build-info.properties\n      build.at: "), "{}", run.stdout);
    let left = fs::read_dir(sandbox.dir().join("../tmp")).unwrap().count();
    assert_eq!(left, 0, "nothing is left behind");
}
