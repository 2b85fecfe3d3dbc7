//! Other tools take what shipit makes, and the JVM starts from it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Lab, Run, Sandbox, free_port, get, jar};

const LIMIT: Duration = Duration::from_secs(120);

/// An image of a fixture's jar on the lab's JRE, in both complete forms.
struct Complete {
    sandbox: Sandbox,
    digest: String,
    tag: String,
    layout: PathBuf,
    archive: PathBuf,
}

impl Complete {
    fn of(fixture: &str) -> Complete {
        let sandbox = Sandbox::new();
        let shop = sandbox.dir().join("shop.jar");
        fs::copy(jar(fixture), &shop).unwrap();
        let (layout, archive) = (sandbox.dir().join("image"), sandbox.dir().join("image.tar"));
        let run = sandbox.run([
            "build".to_owned(),
            "--jar=shop.jar".to_owned(),
            format!("--base={}", Lab::get().base()),
            format!("--output=oci:{}", layout.display()),
            format!("--output=docker-archive:{}", archive.display()),
        ]);
        let digest = run.success().to_owned();
        let release: Value =
            serde_json::from_slice(&fs::read(sandbox.dir().join("shipit-out/release.json")).unwrap()).unwrap();
        let tag = release["tag"].as_str().unwrap().to_owned();
        Complete { sandbox, digest, tag, layout, archive }
    }

    /// `oci:DIR:TAG`, as skopeo names it.
    fn oci(&self) -> String {
        format!("oci:{}:{}", self.layout.display(), self.tag)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Run {
        Run::of(self.sandbox.command(program).args(arguments), LIMIT)
    }
}

/// The page at `/`, as soon as it is there.
#[track_caller]
fn first_page(host: &str, mut still_runs: impl FnMut() -> Result<(), String>) -> String {
    let begun = Instant::now();
    loop {
        if let Ok(page) = get(host, "/", &[])
            && page.status == 200
        {
            return page.body;
        }
        still_runs().unwrap_or_else(|why| panic!("{why}"));
        assert!(begun.elapsed() < LIMIT, "{host} does not answer");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// A container of runc, killed and deleted when dropped.
struct Container {
    name: String,
    root: PathBuf,
    child: std::process::Child,
}

impl Drop for Container {
    fn drop(&mut self) {
        for arguments in [&["kill", &self.name, "KILL"][..], &["delete", "--force", &self.name]] {
            let _ = Command::new("runc").arg("--root").arg(&self.root).args(arguments).output();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a bundle of umoci on this machine's own network, on a port of its own; gives the page.
fn page_of_bundle(bundle: &Path, scratch: &Path) -> String {
    let port = free_port();
    let path = bundle.join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(config["process"]["user"]["uid"], 65532, "not root");
    assert_eq!(config["process"]["cwd"], "/app");
    config["process"]["terminal"] = json!(false);
    config["process"]["env"].as_array_mut().unwrap().push(json!(format!("SERVER_PORT={port}")));
    let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
    namespaces.retain(|namespace| namespace["type"] != "network");
    // The cgroups of this machine need not be ours to write to.
    config["linux"]["resources"] = json!({});
    fs::write(&path, config.to_string()).unwrap();

    let name = format!("shipit-test-{}-{port}", std::process::id());
    let root = scratch.join("runc");
    let log = scratch.join("runc.log");
    let mut runc = Command::new("runc");
    runc.arg("--root").arg(&root).args(["run", "--bundle"]).arg(bundle).arg(&name);
    runc.stdin(Stdio::null())
        .stdout(fs::File::create(&log).unwrap())
        .stderr(fs::File::create(scratch.join("runc.err")).unwrap());
    let child = runc.spawn().expect("runc is installed by lab/install");
    let mut container = Container { name, root, child };
    first_page(&format!("127.0.0.1:{port}"), || match container.child.try_wait() {
        Ok(None) => Ok(()),
        _ => Err(format!(
            "the application ended:\n{}{}",
            fs::read_to_string(&log).unwrap_or_default(),
            fs::read_to_string(scratch.join("runc.err")).unwrap_or_default()
        )),
    })
}

#[test]
#[ignore = "needs the lab: run by make test"]
fn skopeo_reads_and_copies_both_forms() {
    let image = Complete::of("hello");
    let inspected: Value =
        serde_json::from_str(image.run("skopeo", &["inspect", &image.oci()]).success()).expect("skopeo prints JSON");
    assert_eq!(inspected["Digest"], image.digest);
    assert_eq!((&inspected["Os"], &inspected["Architecture"]), (&json!("linux"), &json!("amd64")));
    assert_eq!(inspected["Layers"].as_array().unwrap().len(), 3);

    // A copy checks every blob against its digest, and the configuration's diff ids against the layers.
    image.run("skopeo", &["copy", "--quiet", "--preserve-digests", &image.oci(), "dir:copy"]).success();
    let copied = fs::read(image.sandbox.dir().join("copy/manifest.json")).unwrap();
    assert_eq!(shipit::image::Digest::of(&copied).to_string(), image.digest);

    let archive = format!("docker-archive:{}", image.archive.display());
    let inspected: Value =
        serde_json::from_str(image.run("skopeo", &["inspect", &archive]).success()).expect("skopeo prints JSON");
    assert_eq!(inspected["Layers"].as_array().unwrap().len(), 3);
    image.run("skopeo", &["copy", "--quiet", &archive, "oci:from-archive:1"]).success();
    // The same file is an OCI image layout, too.
    let both = format!("oci-archive:{}", image.archive.display());
    let inspected: Value =
        serde_json::from_str(image.run("skopeo", &["inspect", &both]).success()).expect("skopeo prints JSON");
    assert_eq!(inspected["Digest"], image.digest);
}

#[test]
#[ignore = "needs root and the lab: run by make test"]
fn umoci_unpacks_it_and_runc_runs_it() {
    let image = Complete::of("hello");
    let named = format!("{}:{}", image.layout.display(), image.tag);
    image.run("umoci", &["unpack", "--image", &named, "bundle"]).success();
    let bundle = image.sandbox.dir().join("bundle");
    assert!(bundle.join("rootfs/app/application.jar").is_file());
    assert!(bundle.join("rootfs/app/lib").is_dir());
    assert_eq!(page_of_bundle(&bundle, &image.sandbox.home()), "hello 1");
}

#[test]
#[ignore = "needs root and the lab: run by make test"]
fn an_application_of_spring_boot_2_1_starts() {
    let image = Complete::of("hello-boot21");
    let named = format!("{}:{}", image.layout.display(), image.tag);
    image.run("umoci", &["unpack", "--image", &named, "bundle"]).success();
    let page = page_of_bundle(&image.sandbox.dir().join("bundle"), &image.sandbox.home());
    assert!(page.starts_with("hello"), "{page}");
}

#[test]
#[ignore = "needs the lab: run by make test"]
fn a_container_engine_loads_it_and_the_page_answers() {
    let image = Complete::of("hello");
    let lab = Lab::get();
    let docker = |arguments: &[&str]| Run::of(lab.docker().args(arguments), LIMIT).success().to_owned();
    let loaded = docker(&["load", "--input", image.archive.to_str().unwrap()]);
    let name = format!("shop:{}", image.tag);
    assert!(loaded.contains(&name), "{loaded}");

    let container = docker(&["run", "--detach", "--read-only", "--tmpfs", "/tmp", "--memory", "512m", &name]);
    let address = docker(&["inspect", "--format", "{{.NetworkSettings.IPAddress}}", &container]);
    let page = first_page(&format!("{address}:8080"), || {
        match docker(&["inspect", "--format", "{{.State.Running}}", &container]).as_str() {
            "true" => Ok(()),
            _ => Err(format!("the application ended:\n{}", docker(&["logs", &container]))),
        }
    });
    assert_eq!(page, "hello 1");
    let users = docker(&["top", &container, "-o", "pid,uid"]);
    assert!(users.lines().skip(1).all(|line| line.split_whitespace().nth(1) == Some("65532")), "{users}");
    docker(&["rm", "--force", &container]);
    docker(&["rmi", &name]);
}

#[test]
#[ignore = "needs the lab: run by make test"]
fn a_container_engine_pulls_it_from_a_registry() {
    let image = Complete::of("hello");
    let lab = Lab::get();
    let target = format!("{}/pulled-{}:1", lab.registry(), std::process::id());
    let copy = ["copy", "--quiet", "--dest-tls-verify=false", &image.oci(), &format!("docker://{target}")];
    image.run("skopeo", &copy).success();
    let docker = |arguments: &[&str]| Run::of(lab.docker().args(arguments), LIMIT).success().to_owned();
    let pulled = docker(&["pull", &target]);
    assert!(pulled.contains(&image.digest), "{pulled}");
    let java = docker(&[
        "run",
        "--rm",
        "--entrypoint",
        "java",
        &target,
        "-jar",
        "application.jar",
        "--spring.main.web-application-type=none",
    ]);
    assert!(java.contains("Started HelloApplication"), "{java}");
    docker(&["rmi", &target]);
}
