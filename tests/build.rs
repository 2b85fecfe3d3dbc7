//! A project becomes an image: what `shipit build` prints, writes and puts into it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use support::{BaseImage, BootJar, Lab, PACKAGES, Project, Registry, Run, Sandbox, ScriptedProject};

const LIMIT: Duration = Duration::from_secs(60);

fn json_of(path: impl AsRef<Path>) -> Value {
    let bytes = fs::read(path.as_ref()).unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()));
    serde_json::from_slice(&bytes).expect("it is JSON")
}

/// The file of a blob in the layout `folder`.
fn blob(folder: &Path, digest: &Value) -> PathBuf {
    folder.join("blobs/sha256").join(digest.as_str().expect("a digest").trim_start_matches("sha256:"))
}

/// Manifest and configuration of the image in the layout `folder`.
fn image(folder: &Path) -> (Value, Value) {
    let index = json_of(folder.join("index.json"));
    let manifest = json_of(blob(folder, &index["manifests"][0]["digest"]));
    let config = json_of(blob(folder, &manifest["config"]["digest"]));
    (manifest, config)
}

/// `tar --list --verbose` of a layer, in UTC with whole times: mode, owner, size, time and name by line.
fn listing(layer: &Path) -> Vec<String> {
    let mut tar = Command::new("tar");
    tar.args(["--list", "--verbose", "--gzip", "--full-time", "--numeric-owner", "--utc", "--file"]).arg(layer);
    let run = Run::of(tar.env("LC_ALL", "C"), LIMIT);
    run.success().lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
#[ignore = "needs the lab and Maven: run by make test"]
fn a_project_becomes_an_image_and_a_changed_class_moves_its_own_layer() {
    let lab = Lab::get();
    let sandbox = Sandbox::new();
    let project = Project::of("hello", &sandbox.dir());
    sandbox.write(project.dir().join("shipit.toml"), format!("[image]\nbase = \"{}\"\n", lab.base()));
    project.commit("Name the base");
    // What other builds left must never be shipped.
    sandbox.write(project.dir().join("target/hello-0.9.0.jar"), BootJar::new().bytes());

    let first = sandbox.run_in(project.dir(), ["build"]);
    let digest = first.success();
    assert_eq!(first.stdout.lines().count(), 1, "{}", first.stdout);
    assert!(digest.starts_with("sha256:") && digest.len() == 71, "{digest}");
    let output = project.dir().join("target/shipit");
    let log = fs::read_to_string(output.join("build.log")).unwrap();
    assert!(log.contains("Scanning for projects") && log.contains("BUILD SUCCESS"), "{log}");
    assert!(first.stderr.contains("BUILD SUCCESS"), "without a terminal, Maven's lines are shown: {}", first.stderr);
    let before = json_of(output.join("release.json"));
    assert_eq!(before["images"][0]["digest"], digest);
    assert_eq!(before["images"][0]["module"], "hello");
    assert!(
        before["images"][0]["layers"][0]["size"].as_u64().unwrap() > 10_000_000,
        "the libraries are in it: {before}"
    );

    // The pin is new, and does not make the tree dirty.
    assert!(project.dir().join("shipit.lock").is_file());
    project.edit("src/main/java/org/example/hello/HelloController.java", "VERSION = \"1\"", "VERSION = \"2\"");
    let second = sandbox.run_in(project.dir(), ["build"]);
    assert_ne!(second.success(), digest);
    let after = json_of(output.join("release.json"));
    assert!(after["tag"].as_str().unwrap().ends_with("-dirty"), "{after}");
    assert!(!before["tag"].as_str().unwrap().ends_with("-dirty"), "{before}");
    let layers = |release: &Value| release["images"][0]["layers"].clone();
    assert_eq!(layers(&before)[0], layers(&after)[0], "the layer of libraries stays");
    assert_ne!(layers(&before)[1]["digest"], layers(&after)[1]["digest"], "the application's layer moves");
    assert!(second.stderr.contains("(1 made, 1 as before)"), "{}", second.stderr);
    for (number, layer) in layers(&before).as_array().unwrap().iter().enumerate() {
        let is_there = blob(&output, &layer["digest"]).exists();
        assert_eq!(is_there, number == 0, "what no image of the layout needs is cleared away");
    }
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn standard_output_is_the_digest_and_the_record_tells_the_rest() {
    let registry = Registry::start();
    let base = BaseImage::push(&registry);
    let mut sandbox = Sandbox::new();
    sandbox.env("SOURCE_DATE_EPOCH", "1700000000");
    let project = ScriptedProject::new(&sandbox, "app", PACKAGES);
    let sha = project.git(&sandbox, &["rev-parse", "HEAD"]);

    let run = sandbox.run_in(project.dir(), ["build", "--base", &base.reference, "--quiet"]);
    let digest = run.success().to_owned();
    assert_eq!((run.stdout.clone(), run.stderr.as_str()), (format!("{digest}\n"), ""));
    let index = json_of(project.output().join("index.json"));
    let manifest_bytes = fs::read(blob(&project.output(), &json!(digest))).unwrap();
    let (manifest, _) = image(&project.output());
    let layers = manifest["layers"].as_array().unwrap();
    let tag = format!("2023-11-14.22.13.20.{}", &sha[..8]);
    assert_eq!(index["manifests"][0]["digest"], digest);
    assert_eq!(index["manifests"][0]["size"], manifest_bytes.len());
    assert_eq!(index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"], tag);

    let release = project.release();
    let lock = fs::read_to_string(project.dir().join("shipit.lock")).unwrap();
    let pinned = release["images"][0]["base"]["digest"].as_str().unwrap();
    assert!(lock.contains(pinned) && lock.contains("layer-format = 1"), "{lock}");
    let expected = json!({
        "version": 1,
        "tag": tag,
        "gitSha": sha,
        "builtAt": "2023-11-14T22:13:20Z",
        "images": [{
            "module": "app",
            "digest": digest,
            "platforms": [{ "os": "linux", "architecture": "amd64" }],
            "base": { "name": base.reference, "digest": pinned },
            "layers": [
                { "name": "dependencies", "digest": layers[1]["digest"], "size": layers[1]["size"] },
                { "name": "application", "digest": layers[2]["digest"], "size": layers[2]["size"] },
            ],
        }],
    });
    assert_eq!(release, expected);
    assert_eq!(layers[0]["digest"], base.layer, "the base's layer is below");
    assert!(!blob(&project.output(), &json!(base.layer)).exists(), "its bytes were not asked for");

    // Nothing changed: nothing is made, and --json has the record in place of the digest.
    let run = sandbox.run_in(project.dir(), ["build", "--base", &base.reference, "--json"]);
    run.success();
    assert!(run.stderr.contains("(0 made, 2 as before)") && !run.stderr.contains("Resolving"), "{}", run.stderr);
    assert_eq!(serde_json::from_str::<Value>(&run.stdout).unwrap(), expected);
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn the_image_runs_as_nobody_special_and_inherits_what_the_base_says() {
    let registry = Registry::start();
    let base = BaseImage::push(&registry);
    let sandbox = Sandbox::new();
    let project = ScriptedProject::new(&sandbox, "app", PACKAGES);
    let sha = project.git(&sandbox, &["rev-parse", "HEAD"]);
    sandbox.run_in(project.dir(), ["build", "--base", &base.reference]).success();
    let (manifest, config) = image(&project.output());
    let run = &config["config"];
    assert_eq!(run["User"], "65532:65532");
    assert_eq!(run["WorkingDir"], "/app");
    let entrypoint = ["java", "-XX:MaxRAMPercentage=75", "-XX:+ExitOnOutOfMemoryError", "-jar", "application.jar"];
    assert_eq!(run["Entrypoint"], json!(entrypoint));
    assert_eq!(run["Cmd"], Value::Null, "the base's arguments were for the base's entrypoint");
    assert_eq!(run["ExposedPorts"], json!({ "8080/tcp": {} }));
    assert_eq!(run["Env"], json!(["PATH=/opt/java/bin:/bin", "LANG=C.UTF-8", "HOME=/tmp"]));
    assert_eq!(run["Labels"], json!({ "org.example.base": "small" }));
    assert_eq!((&config["os"], &config["architecture"]), (&json!("linux"), &json!("amd64")));
    assert_eq!(config["created"], "2026-01-02T03:04:05Z", "the commit's time");
    assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().len(), manifest["layers"].as_array().unwrap().len());
    let pinned = &project.release()["images"][0]["base"]["digest"];
    let annotations: BTreeMap<String, Value> = serde_json::from_value(manifest["annotations"].clone()).unwrap();
    let expected = [
        ("base.digest", pinned.clone()),
        ("base.name", json!(base.reference)),
        ("created", json!("2026-01-02T03:04:05Z")),
        ("revision", json!(sha)),
        ("title", json!("demo")),
        ("version", json!("1.2.3")),
    ];
    let expected = expected.map(|(key, value)| (format!("org.opencontainers.image.{key}"), value));
    assert_eq!(annotations, BTreeMap::from(expected), "source only where it is set");
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn settings_shape_the_image_and_a_user_of_the_base_stays() {
    let registry = Registry::start();
    let base = BaseImage::of(&registry, &["amd64"], "app:app");
    let mut sandbox = Sandbox::new();
    let project = ScriptedProject::new(&sandbox, "app", PACKAGES);
    let settings = format!(
        "[image]\nbase = \"{}\"\nports = [9090, \"8125/udp\"]\nargs = [\"--debug\"]\njvm-flags = [\"-Xss512k\"]\n\
         env = {{ TZ = \"UTC\", LANG = \"de\" }}\nlabels = {{ team = \"shop\" }}\nsource = \"https://example.org/shop\"\n",
        base.reference
    );
    sandbox.write(project.dir().join("shipit.toml"), settings);
    sandbox.env("SHIPIT_IMAGE_LABELS", "team=other\nstage=test");
    sandbox.run_in(project.dir(), ["build"]).success();
    let (manifest, config) = image(&project.output());
    let run = &config["config"];
    assert_eq!(run["User"], "app:app");
    assert_eq!(run["Entrypoint"], json!(["java", "-Xss512k", "-jar", "application.jar"]));
    assert_eq!(run["Cmd"], json!(["--debug"]));
    assert_eq!(run["ExposedPorts"], json!({ "9090/tcp": {}, "8125/udp": {} }));
    assert_eq!(run["Env"], json!(["PATH=/opt/java/bin:/bin", "LANG=de", "TZ=UTC"]));
    assert_eq!(run["Labels"], json!({ "org.example.base": "small", "team": "other", "stage": "test" }));
    assert_eq!(manifest["annotations"]["org.opencontainers.image.source"], "https://example.org/shop");
    assert!(project.release()["tag"].as_str().unwrap().ends_with("-dirty"), "shipit.toml is not committed");
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn the_application_layer_has_the_commits_time_and_all_others_1980() {
    let registry = Registry::start();
    let base = BaseImage::push(&registry);
    let sandbox = Sandbox::new();
    let project = ScriptedProject::new(&sandbox, "app", PACKAGES);
    sandbox.run_in(project.dir(), ["build", "--base", &base.reference]).success();
    let (manifest, _) = image(&project.output());
    let layer = |number: usize| listing(&blob(&project.output(), &manifest["layers"][number]["digest"]));
    for (lines, time, file) in [
        (layer(1), "1980-01-01 00:00:00", "app/lib/library-1.0.jar"),
        (layer(2), "2026-01-02 03:04:05", "app/application.jar"),
    ] {
        assert!(lines.iter().any(|line| line.ends_with(file)), "{lines:#?}");
        for line in &lines {
            let (mode, rest) = line.split_once(' ').unwrap();
            assert_eq!(mode, if line.ends_with('/') { "drwxr-xr-x" } else { "-rw-r--r--" }, "{line}");
            assert!(rest.starts_with("0/0 "), "{line}");
            // A folder that layers share must be the same in all of them.
            let folder_time = rest.contains("1980-01-01 00:00:00") && line.ends_with('/');
            assert!(rest.contains(time) || folder_time, "{line}");
        }
    }
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn without_git_or_a_commit_the_tag_ends_in_the_images_digest() {
    let registry = Registry::start();
    let base = BaseImage::push(&registry);
    for (remains, notice) in [(".git/refs", "the git repository has no commit yet"), (".git", "not in a git work tree")]
    {
        let sandbox = Sandbox::new();
        let project = ScriptedProject::new(&sandbox, "app", PACKAGES);
        fs::remove_dir_all(project.dir().join(".git")).unwrap();
        if remains != ".git" {
            project.git(&sandbox, &["init", "--quiet"]);
        }
        let run = sandbox.run_in(project.dir(), ["build", "--base", &base.reference]);
        let digest = run.success().trim_start_matches("sha256:").to_owned();
        assert!(run.stderr.contains(&format!("note: {notice}: the tag ends in the image's digest")), "{}", run.stderr);
        let release = project.release();
        assert!(release["tag"].as_str().unwrap().ends_with(&format!(".{}", &digest[..8])), "{release}");
        assert_eq!(release["gitSha"], Value::Null);
        let (manifest, config) = image(&project.output());
        assert_eq!(manifest["annotations"]["org.opencontainers.image.revision"], Value::Null);
        assert_eq!(config["created"], "1980-01-01T00:00:00Z");
    }
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn a_project_without_a_wrapper_is_built_by_maven_of_the_path_with_a_notice() {
    let registry = Registry::start();
    let base = BaseImage::push(&registry);
    let mut sandbox = Sandbox::new();
    let project = ScriptedProject::new(&sandbox, "app", PACKAGES);
    // The wrapper is text and works without its run bit; as `mvn` it needs it.
    let bin = sandbox.home().join("bin");
    fs::create_dir(&bin).unwrap();
    fs::rename(project.dir().join("mvnw"), bin.join("mvn")).unwrap();
    Run::of(Command::new("chmod").arg("+x").arg(bin.join("mvn")), LIMIT).success();
    sandbox.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
    let run = sandbox.run_in(project.dir(), ["build", "--base", &base.reference]);
    run.success();
    let notice =
        format!("note: the project has no Maven wrapper, so '{}' of the PATH builds it", bin.join("mvn").display());
    assert!(run.stderr.contains(&notice), "{}", run.stderr);
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn a_jar_needs_no_project_and_no_git() {
    let registry = Registry::start();
    let base = BaseImage::push(&registry);
    let mut sandbox = Sandbox::new();
    let jar = BootJar::new().write(sandbox.home().join("shop.jar"));
    sandbox.env("PATH", "/nowhere");
    let arguments = ["build", "--base", &base.reference, "--jar", jar.to_str().unwrap()];
    let run = sandbox.run(arguments);
    let digest = run.success();
    let release = json_of(sandbox.dir().join("shipit-out/release.json"));
    assert_eq!(release["images"][0]["digest"], digest);
    assert_eq!(release["images"][0]["module"], "shop");
    assert_eq!(fs::read_dir(sandbox.dir()).unwrap().count(), 1, "shipit-out is all that is written");
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn a_digest_that_cannot_be_printed_is_a_failure_and_the_image_is_there() {
    let registry = Registry::start();
    let base = BaseImage::push(&registry);
    let sandbox = Sandbox::new();
    let project = ScriptedProject::new(&sandbox, "app", PACKAGES);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut shipit = sandbox.shipit();
    shipit.current_dir(project.dir()).args(["build", "--base", &base.reference]).stdout(full);
    let output = shipit.stderr(std::process::Stdio::piped()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("error: the result could not be written to standard output"), "{told}");
    let run = sandbox.run_in(project.dir(), ["build", "--base", &base.reference]);
    assert_eq!(project.release()["images"][0]["digest"], run.success());
    assert!(run.stderr.contains("(0 made, 2 as before)"), "{}", run.stderr);
}

#[test]
fn without_a_base_the_name_of_the_default_one_follows_the_java_of_the_jar() {
    // Nothing answers: the name is in the message. A proxy that is not there keeps the question on this machine.
    let mut sandbox = Sandbox::new();
    sandbox.env("HTTPS_PROXY", "http://127.0.0.1:1");
    for (class_version, java) in [(52_u8, "8"), (55, "11"), (61, "17"), (65, "21"), (69, "25")] {
        let class = [0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, class_version, 0, 1];
        let jar = BootJar::of_version("2.1.18.RELEASE").with("BOOT-INF/classes/demo/App.class", class);
        jar.write(sandbox.dir().join("app.jar"));
        let mut shipit = sandbox.shipit();
        let mut child = shipit
            .args(["build", "--jar", "app.jar"])
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("the program is there");
        // The first line is enough; what follows are further tries.
        let mut line = String::new();
        let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
        std::io::BufRead::read_line(&mut stderr, &mut line).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(line.contains(&format!("eclipse-temurin:{java}-jre for linux/amd64")), "Java {class_version}: {line}");
    }
}
