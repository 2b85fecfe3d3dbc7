//! What [image] of the settings does to the image, as other tools see it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use support::{Lab, Registry, Run, Sandbox, jar};

const LIMIT: Duration = Duration::from_secs(120);

/// A sandbox with a registry that holds the lab's base as `jre:17`, for amd64 and, under a copied configuration, arm64.
struct Shop {
    sandbox: Sandbox,
    registry: Registry,
    jar: PathBuf,
}

impl Shop {
    fn new() -> Shop {
        let shop = Shop { sandbox: Sandbox::new(), registry: Registry::start(), jar: jar("hello") };
        let layout = shop.sandbox.dir().join("two");
        for_two_platforms(&Lab::get().base_layout(), &layout);
        let (from, to) = (format!("oci:{}:17", layout.display()), format!("docker://{}", shop.base()));
        shop.tool("skopeo", &["copy", "-q", "--all", "--dest-tls-verify=false", &from, &to]);
        shop
    }

    fn base(&self) -> String {
        format!("{}/jre:17", self.registry.host())
    }

    /// Runs another program, and gives what it printed.
    fn tool(&self, program: &str, arguments: &[&str]) -> String {
        Run::of(self.sandbox.command(program).args(arguments), LIMIT).success().to_owned()
    }

    /// `shipit build` of the jar on the base, with further arguments; gives the digest.
    fn build(&self, arguments: &[&str]) -> String {
        self.try_build(arguments).success().to_owned()
    }

    fn try_build(&self, arguments: &[&str]) -> Run {
        let base = self.base();
        let mut all = vec!["build", "--jar", self.jar.to_str().unwrap()];
        if !arguments.contains(&"--base") {
            all.extend(["--base", &base]);
        }
        self.sandbox.run(all.iter().chain(arguments))
    }

    /// Writes shipit.toml, beside a pom.xml that makes the folder a project.
    fn settings(&self, text: &str) {
        self.sandbox.write("shipit.toml", text);
    }

    /// release.json of the last build.
    fn release(&self) -> Value {
        json_of(&self.output().join("release.json"))
    }

    /// The folder that the last build wrote.
    fn output(&self) -> PathBuf {
        let outputs = ["shipit-out", "target/shipit"].map(|name| self.sandbox.dir().join(name));
        outputs.into_iter().find(|folder| folder.exists()).unwrap()
    }

    /// A manifest, index or configuration of the last build.
    fn document(&self, digest: &str) -> Value {
        json_of(&self.blob(digest))
    }

    fn blob(&self, digest: &str) -> PathBuf {
        self.output().join("blobs/sha256").join(digest.trim_start_matches("sha256:"))
    }

    /// The configuration of the image with this manifest.
    fn config(&self, manifest: &str) -> Value {
        self.document(self.document(manifest)["config"]["digest"].as_str().unwrap())
    }

    /// `shipit push`; gives the reference.
    fn push(&self) -> String {
        let repository = format!("{}/shop", self.registry.host());
        self.sandbox.run(["push", "--repository", &repository]).success().to_owned()
    }
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Copies the image of a layout, and puts beside it the same one for arm64, under an index.
fn for_two_platforms(from: &Path, to: &Path) {
    let blobs = to.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    for blob in fs::read_dir(from.join("blobs/sha256")).unwrap().flatten() {
        fs::hard_link(blob.path(), blobs.join(blob.file_name()))
            .or_else(|_| fs::copy(blob.path(), blobs.join(blob.file_name())).map(drop))
            .unwrap();
    }
    let put = |document: &Value, kind: &str| {
        let bytes = document.to_string().into_bytes();
        let digest = shipit::image::Digest::of(&bytes);
        fs::write(blobs.join(digest.hex()), &bytes).unwrap();
        json!({ "mediaType": kind, "digest": digest, "size": bytes.len() })
    };
    let read = |descriptor: &Value| json_of(&blobs.join(&descriptor["digest"].as_str().unwrap()[7..]));

    let amd64 = json_of(&from.join("index.json"))["manifests"][0].clone();
    let mut manifest = read(&amd64);
    let mut config = read(&manifest["config"]);
    config["architecture"] = json!("arm64");
    manifest["config"] = put(&config, "application/vnd.oci.image.config.v1+json");
    let mut arm64 = put(&manifest, "application/vnd.oci.image.manifest.v1+json");
    arm64["platform"] = json!({ "architecture": "arm64", "os": "linux" });
    let index = json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{ "mediaType": amd64["mediaType"], "digest": amd64["digest"], "size": amd64["size"],
            "platform": { "architecture": "amd64", "os": "linux" } }, arm64] });
    let mut top = put(&index, "application/vnd.oci.image.index.v1+json");
    top["annotations"] = json!({ "org.opencontainers.image.ref.name": "17" });
    fs::write(to.join("index.json"), json!({ "schemaVersion": 2, "manifests": [top] }).to_string()).unwrap();
    fs::copy(from.join("oci-layout"), to.join("oci-layout")).unwrap();
}

#[test]
#[ignore = "needs the lab: run by make test"]
fn several_platforms_become_an_index_whose_images_share_the_layers_of_the_application() {
    let shop = Shop::new();
    let alone = shop.build(&[]);
    assert_eq!(shop.document(&alone)["mediaType"], "application/vnd.oci.image.manifest.v1+json");

    let digest = shop.build(&["--platform", "linux/arm64", "--platform", "linux/amd64"]);
    assert_eq!(
        shop.build(&["--platform", "linux/amd64", "--platform", "linux/arm64"]),
        digest,
        "the order is no input"
    );
    let image = &shop.release()["images"][0];
    assert_eq!(image["digest"], digest);
    let architectures: Vec<_> = image["platforms"].as_array().unwrap().iter().map(|p| &p["architecture"]).collect();
    assert_eq!(architectures, ["amd64", "arm64"]);
    let index = shop.document(&digest);
    assert_eq!(index["manifests"][0]["digest"], alone, "an image is the same alone and in an index");

    let pushed = shop.push();
    assert!(pushed.ends_with(&format!("/shop@{digest}")), "{pushed}");
    let raw = shop.tool("skopeo", &["inspect", "--raw", "--tls-verify=false", &format!("docker://{pushed}")]);
    assert_eq!(serde_json::from_str::<Value>(&raw).unwrap(), index);
    let layers = |architecture: &str| -> Vec<Value> {
        let of = format!("docker://{pushed}");
        let arguments = ["--override-arch", architecture, "inspect", "--tls-verify=false", &of];
        let found: Value = serde_json::from_str(&shop.tool("skopeo", &arguments)).unwrap();
        assert_eq!(found["Architecture"], architecture);
        found["Layers"].as_array().unwrap().clone()
    };
    assert_eq!(layers("amd64"), layers("arm64"));
}

#[test]
#[ignore = "needs the lab: run by make test"]
fn a_platform_that_the_base_does_not_have_is_named_with_those_that_it_has() {
    let shop = Shop::new();
    let run = shop.try_build(&["--platform", "linux/amd64", "--platform", "linux/s390x"]);
    let error = run.exits_with(4);
    assert!(error.contains("linux/s390x") && error.contains("linux/arm64"), "{error}");
}

#[test]
#[ignore = "needs the lab: run by make test"]
fn what_the_settings_say_of_the_container_stands_in_the_configuration() {
    let shop = Shop::new();
    shop.settings(
        r#"
        [image]
        workdir = "/srv"
        user = "1000:1000"
        ports = [8080, "9000-9002/tcp", "8125/udp"]
        volumes = ["/data/"]
        stop-signal = "SIGINT"
        jvm-flags = ["-Xss512k"]
        main-class = "com.example.Batch"
        extra-class-path = ["/opt/config"]
        args = ["--once"]
        health-check = ["curl", "-f", "http://localhost:8080/"]
        health-check-interval = "10s"
        health-check-retries = 2
        created = "2026-01-02T03:04:05Z"
        env = { TZ = "UTC" }
        labels = { team = "shop" }
        "#,
    );
    let digest = shop.build(&[]);
    let found = shop.config(&digest);
    assert_eq!(found["created"], "2026-01-02T03:04:05Z");
    let config = &found["config"];
    assert_eq!(config["WorkingDir"], "/srv");
    assert_eq!(config["User"], "1000:1000");
    let ports: Vec<&String> = config["ExposedPorts"].as_object().unwrap().keys().collect();
    assert_eq!(ports, ["8080/tcp", "8125/udp", "9000/tcp", "9001/tcp", "9002/tcp"]);
    assert_eq!(config["Volumes"], json!({ "/data": {} }));
    assert_eq!(config["StopSignal"], "SIGINT");
    assert_eq!(
        config["Entrypoint"],
        json!(["java", "-Xss512k", "-cp", "/opt/config:/app/application.jar", "com.example.Batch"])
    );
    assert_eq!(config["Cmd"], json!(["--once"]));
    assert_eq!(
        config["Healthcheck"],
        json!({ "Test": ["CMD", "curl", "-f", "http://localhost:8080/"], "Interval": 10_000_000_000_u64, "Retries": 2 })
    );
    assert_eq!(config["Labels"]["team"], "shop");
    assert!(config["Env"].as_array().unwrap().contains(&json!("TZ=UTC")));
    let inspected =
        shop.tool("skopeo", &["inspect", "--config", "--tls-verify=false", &format!("docker://{}", shop.push())]);
    assert_eq!(serde_json::from_str::<Value>(&inspected).unwrap()["config"]["StopSignal"], "SIGINT");

    let run = shop.try_build(&["--user", "a b"]);
    assert!(run.exits_with(2).contains("user:group"), "{}", run.stderr);
}

#[test]
#[ignore = "needs the lab: run by make test"]
fn every_layout_starts_and_times_are_the_ones_that_were_asked_for() {
    let shop = Shop::new();
    for layout in ["extracted", "loader", "packaged"] {
        let digest = shop.build(&["--layout", layout, "--timestamps", "2026-01-02T03:04:05Z"]);
        let config = shop.config(&digest);
        let root = shop.sandbox.dir().join(layout);
        fs::create_dir(&root).unwrap();
        for layer in shop.release()["images"][0]["layers"].as_array().unwrap() {
            let blob = shop.blob(layer["digest"].as_str().unwrap());
            shop.tool("tar", &["-xf", blob.to_str().unwrap(), "-C", root.to_str().unwrap()]);
        }
        let time = shop.tool("stat", &["-c", "%Y", root.join("app").to_str().unwrap()]);
        assert_eq!(time, "1767323045");

        // The command as the image has it, with the folder of the test for the root, and a context that ends at once.
        let words: Vec<&str> =
            config["config"]["Entrypoint"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let mut java = shop.sandbox.command(words[0]);
        java.current_dir(root.join("app"))
            .args(&words[1..])
            .args(["--server.port=0", "--spring.main.web-application-type=none"]);
        let run = Run::of(&mut java, LIMIT);
        assert!(run.stdout.contains("Started "), "{layout}: {run:?}");
    }
}

#[test]
#[ignore = "needs the lab: run by make test"]
fn dockers_format_has_dockers_types_throughout_and_the_same_layers() {
    let shop = Shop::new();
    shop.build(&[]);
    let layers = |release: Value| release["images"][0]["layers"].clone();
    let oci = layers(shop.release());
    let digest = shop.build(&["--format", "docker", "--platform", "linux/amd64", "--platform", "linux/arm64"]);
    assert_eq!(layers(shop.release()), oci);
    let raw = shop.tool("skopeo", &["inspect", "--raw", "--tls-verify=false", &format!("docker://{}", shop.push())]);
    assert!(!raw.contains("vnd.oci"), "{raw}");
    let index = shop.document(&digest);
    let manifest = shop.document(index["manifests"][0]["digest"].as_str().unwrap());
    assert_eq!(manifest["mediaType"], "application/vnd.docker.distribution.manifest.v2+json");
    assert!(!manifest.to_string().contains("vnd.oci"), "{manifest}");
    assert_eq!(manifest.get("annotations"), None);

    shop.settings("[image]\nannotations = { \"com.example.team\" = \"shop\" }\n");
    let run = shop.try_build(&["--format", "docker"]);
    assert!(run.exits_with(2).contains("image.annotations"), "{}", run.stderr);
}
