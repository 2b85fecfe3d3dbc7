//! What `shipit push` says and leaves behind where something fails.

mod support;

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Account, Fault, Lab, Proxy, Registry, Run, Sandbox, Seen, boot_jar, push_base};

/// A sandbox in which an application was built, with a registry that its base comes from.
struct Built {
    sandbox: Sandbox,
    base: String,
    digest: String,
    _registry: Registry,
}

impl Built {
    fn new() -> Built {
        let sandbox = Sandbox::new();
        let registry = Registry::start();
        let (base, _) = push_base(&sandbox, &registry.host());
        sandbox.write("shipit.toml", "");
        let mut built = Built { sandbox, base, digest: String::new(), _registry: registry };
        built.build("one");
        built
    }

    fn build(&mut self, text: &str) {
        self.sandbox.write("app.jar", boot_jar(text));
        let built = self.sandbox.run(["build", "--jar", "app.jar", "--base", &self.base]);
        self.digest = built.success().to_owned();
    }

    fn push(&self, host: &str, further: &[&str]) -> Run {
        let repository = format!("{host}/shop");
        self.sandbox.run(["push", "--repository", &repository].iter().chain(further))
    }

    fn release(&self) -> Value {
        let text = std::fs::read(self.sandbox.dir().join("target/shipit/release.json")).expect("it was built");
        serde_json::from_slice(&text).expect("it is JSON")
    }

    /// The tags of the repository: none where there is no such repository.
    fn tags(&self, host: &str) -> Vec<Value> {
        let page = support::get(host, "/v2/shop/tags/list", &[]).expect("the registry answers");
        let body: Value = serde_json::from_str(&page.body).unwrap_or_default();
        body["tags"].as_array().cloned().unwrap_or_default()
    }
}

fn is_upload(seen: &Seen) -> bool {
    seen.path.contains("/blobs/uploads/") && seen.method != "POST"
}

#[test]
fn nothing_built_yet_and_nowhere_to_push_are_errors_of_usage() {
    let sandbox = Sandbox::new();
    sandbox.write("shipit.toml", "");
    let nothing = sandbox.run(["push", "--repository", "127.0.0.1:1/shop"]);
    let told = nothing.exits_with(2);
    assert!(told.contains("shipit build"), "{told}");
    assert_eq!(nothing.stdout, "");
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn no_repository_and_a_repository_with_a_tag_are_errors_of_usage() {
    let built = Built::new();
    let told = built.sandbox.run(["push"]);
    assert!(told.exits_with(2).contains("[registry] repository"), "{}", told.stderr);
    let tagged = built.sandbox.run(["push", "--repository", "registry.example/shop:1"]);
    assert!(tagged.exits_with(2).contains("tag"), "{}", tagged.stderr);
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn no_region_is_an_error_of_usage_and_no_credentials_a_refusal() {
    let mut built = Built::new();
    let no_region = built.sandbox.run(["push", "--repository", "shop"]);
    assert!(no_region.exits_with(2).contains("no AWS region: set `--region`, AWS_REGION"), "{}", no_region.stderr);
    built.sandbox.env("AWS_REGION", "eu-west-1");
    let no_credentials = built.sandbox.run(["push", "--repository", "shop"]);
    let told = no_credentials.exits_with(4);
    assert!(told.contains("no AWS credentials") && told.contains("AWS_PROFILE"), "{told}");
    assert!(no_credentials.took < Duration::from_secs(20), "{:?}", no_credentials.took);
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn a_tag_that_is_taken_by_another_image_is_told_before_anything_is_sent() {
    let mut built = Built::new();
    built.sandbox.env("SOURCE_DATE_EPOCH", "1767323045");
    let target = Registry::start();
    let proxy = Proxy::before(&target.host()).start();
    built.push(&proxy.host(), &[]).success();
    let first = built.digest.clone();
    let tag = built.release()["tag"].as_str().expect("a tag").to_owned();
    built.build("two");
    // Without git each image has a tag of its own: the record is made to claim the first one's.
    let mut release = built.release();
    release["tag"] = json!(tag);
    built.sandbox.write("target/shipit/release.json", release.to_string());

    let before = proxy.count("POST");
    let taken = built.push(&proxy.host(), &[]);
    let told = taken.exits_with(4);
    assert!(told.contains(&tag) && told.contains(&first) && told.contains("another digest"), "{told}");
    assert_eq!(proxy.count("POST"), before, "no upload began");
    assert_eq!(taken.stdout, "");
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn a_registry_that_is_busy_twice_is_asked_again() {
    let built = Built::new();
    let target = Registry::start();
    let busy = |seen: &Seen| if seen.number < 2 { Fault::Status(503) } else { Fault::None };
    let proxy = Proxy::before(&target.host()).with_faults(busy).start();
    assert_eq!(built.push(&proxy.host(), &[]).success(), format!("{}/shop@{}", proxy.host(), built.digest));
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn an_upload_that_is_cut_is_begun_anew() {
    let built = Built::new();
    let target = Registry::start();
    let cut = std::sync::atomic::AtomicUsize::new(0);
    let proxy = Proxy::before(&target.host())
        .with_faults(move |seen| {
            let length = seen.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0_usize);
            let early = || cut.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 2;
            if is_upload(seen) && length > 100 && early() { Fault::CutRequest(50) } else { Fault::None }
        })
        .start();
    built.push(&proxy.host(), &[]).success();
    assert_eq!(built.tags(&target.host()).len(), 1);
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn a_registry_that_hangs_is_given_up() {
    let built = Built::new();
    let target = Registry::start();
    let proxy = Proxy::before(&target.host()).with_faults(|_| Fault::Hang).start();
    let begun = Instant::now();
    let hung = built.push(&proxy.host(), &["--registry-timeout", "1s"]);
    let told = hung.exits_with(4);
    assert!(told.contains("was silent for 1 s"), "{told}");
    assert!(begun.elapsed() < Duration::from_secs(45), "{:?}", begun.elapsed());
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn a_push_that_is_killed_leaves_no_tag_and_the_next_one_works() {
    let built = Built::new();
    let target = Registry::start();
    // The manifest never gets there.
    let hang =
        |seen: &Seen| if seen.method == "PUT" && seen.path.contains("/manifests/") { Fault::Hang } else { Fault::None };
    let proxy = Proxy::before(&target.host()).with_faults(hang).start();
    let mut child = built
        .sandbox
        .shipit()
        .args(["push", "--repository", &format!("{}/shop", proxy.host())])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let begun = Instant::now();
    while !proxy.seen().iter().any(|seen| hang(seen) == Fault::Hang) {
        assert!(begun.elapsed() < Duration::from_secs(60), "the manifest is never sent");
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    assert_eq!(built.tags(&target.host()), Vec::<Value>::new());

    let again = built.push(&target.host(), &[]);
    again.success();
    assert!(again.stderr.contains("no blobs: the registry had them all"), "{}", again.stderr);
    assert_eq!(built.tags(&target.host()), [built.release()["tag"].clone()]);
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn a_damaged_layer_is_told_and_building_again_mends_it() {
    let built = Built::new();
    let target = Registry::start();
    let layers = built.release()["images"][0]["layers"].as_array().cloned().expect("there are layers");
    let blobs = built.sandbox.dir().join("target/shipit/blobs/sha256");
    let own = layers.iter().rev().filter_map(|layer| layer["digest"].as_str());
    let own = own.map(|digest| blobs.join(digest.trim_start_matches("sha256:"))).find(|path| path.is_file());
    let path = own.expect("a layer of its own");
    let mut bytes = std::fs::read(&path).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    // Its own file: the cache's may be the same one.
    std::fs::remove_file(&path).expect("the folder is ours");
    std::fs::write(&path, &bytes).expect("the folder is ours");

    let damaged = built.push(&target.host(), &[]);
    let told = damaged.exits_with(1);
    assert!(told.contains("is damaged") && told.contains("build again"), "{told}");
    assert_eq!(built.tags(&target.host()), Vec::<Value>::new());

    // As the message says.
    assert!(
        told.contains(&format!("delete ./{}", path.strip_prefix(built.sandbox.dir()).unwrap_or(&path).display())),
        "{told}"
    );
    std::fs::remove_file(&path).expect("the folder is ours");
    let rebuilt = built.sandbox.run(["build", "--jar", "app.jar", "--base", &built.base]);
    assert_eq!(rebuilt.success(), built.digest);
    built.push(&target.host(), &[]).success();
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn a_full_standard_output_is_an_error_after_the_push() {
    let built = Built::new();
    let target = Registry::start();
    let script = format!("'{}' push --repository {}/shop > /dev/full", env!("CARGO_BIN_EXE_shipit"), target.host());
    let full = Run::of(built.sandbox.command("sh").args(["-c", &script]), Duration::from_secs(60));
    assert!(full.exits_with(1).contains("standard output"), "{}", full.stderr);
    assert_eq!(built.tags(&target.host()).len(), 1);
}

#[test]
#[ignore = "needs the lab: run by make test"]
fn a_repository_in_another_account_is_named_and_never_made() {
    let account = Account::fresh();
    let api = Proxy::before(Lab::get().emulator()).start();
    let mut built = Built::new();
    built.sandbox.aws(&account).env("AWS_ENDPOINT_URL", format!("http://{}", api.host()));
    let other = format!("999999999999.dkr.ecr.{}.amazonaws.com", Lab::get().region());
    let failed = built.push(&other, &[]);
    let told = failed.exits_with(4);
    assert!(told.contains("belongs to account 999999999999") && told.contains(account.id()), "{told}");
    assert!(!api.actions().contains(&"ecr.CreateRepository".to_owned()));
}
