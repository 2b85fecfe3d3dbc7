//! What `shipit build` says of base images that cannot be used, and of registries that do not answer.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;
use std::time::Duration;

use support::{BaseImage, BootJar, Fault, PACKAGES, Proxy, Registry, Run, Sandbox, ScriptedProject};

/// `shipit build --jar` on a base, with further arguments.
fn build(sandbox: &Sandbox, base: &str, more: &[&str]) -> Run {
    BootJar::new().write(sandbox.dir().join("shop.jar"));
    let arguments = ["build", "--jar", "shop.jar", "--base", base];
    sandbox.run(arguments.iter().chain(more))
}

/// The build was refused by the registry's side; nothing of it is there. Gives what was told.
#[track_caller]
fn refused<'a>(sandbox: &Sandbox, run: &'a Run) -> &'a str {
    let told = run.exits_with(4);
    assert!(run.stdout.is_empty());
    assert!(!sandbox.dir().join("shipit-out").exists(), "nothing is written");
    assert_eq!(fs::read_dir(sandbox.cache().join("tmp")).unwrap().count(), 0, "nothing lies about");
    told
}

/// Puts other bytes of the same length into a registry's blob.
fn spoil(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn a_base_that_does_not_exist() {
    let registry = Registry::start();
    let base = BaseImage::push(&registry);
    for (reference, expected) in [
        (format!("{}/nowhere:1", registry.host()), "NAME_UNKNOWN"),
        (base.reference.replace(":1", ":2"), "MANIFEST_UNKNOWN"),
        (format!("{}/base@sha256:{}", registry.host(), "0".repeat(64)), "MANIFEST_UNKNOWN"),
    ] {
        let sandbox = Sandbox::new();
        let run = build(&sandbox, &reference, &[]);
        let told = refused(&sandbox, &run);
        assert!(told.contains(&reference) && told.contains("answered 404"), "{told}");
        // Registries differ in the name that they give it.
        assert!(told.contains(expected) || told.contains("UNKNOWN"), "{told}");
        assert!(!told.contains("upload"), "nothing was to be uploaded: {told}");
    }
}

#[test]
fn a_name_that_is_no_reference() {
    let sandbox = Sandbox::new();
    for name in ["UPPER/case", "two words", "jre:", "jre@sha256:12", "https://example.org/jre"] {
        let run = build(&sandbox, name, &[]);
        let told = run.exits_with(2);
        assert!(told.contains("--base") && told.contains(name), "{told}");
        assert!(!sandbox.dir().join("shipit-out").exists());
    }
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn a_base_that_lacks_the_platform_lists_what_it_has() {
    let registry = Registry::start();
    let base = BaseImage::of(&registry, &["s390x", "arm64"], "");
    let sandbox = Sandbox::new();
    let run = build(&sandbox, &base.reference, &[]);
    let told = refused(&sandbox, &run);
    assert!(told.contains("has no image for linux/amd64; it has linux/arm64, linux/s390x"), "{told}");
    build(&sandbox, &base.reference, &["--platform", "linux/arm64"]).success();

    // An image of one platform, without an index.
    let registry = Registry::start();
    let base = BaseImage::of(&registry, &["arm64"], "");
    let sandbox = Sandbox::new();
    let run = build(&sandbox, &base.reference, &[]);
    let told = refused(&sandbox, &run);
    assert!(told.contains("has no image for linux/amd64; it has linux/arm64"), "{told}");
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn a_base_whose_configuration_does_not_match_its_digest() {
    let registry = Registry::start();
    let base = BaseImage::push(&registry);
    spoil(&registry.blob(&base.config));
    let sandbox = Sandbox::new();
    let run = build(&sandbox, &base.reference, &[]);
    let told = refused(&sandbox, &run);
    assert!(told.contains(&base.config) && told.contains("damaged"), "{told}");
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn a_base_whose_layer_does_not_match_its_digest() {
    let registry = Registry::start();
    let base = BaseImage::push(&registry);
    spoil(&registry.blob(&base.layer));
    let sandbox = Sandbox::new();
    // Without a complete image, nobody asks for the layer's bytes.
    let digest = build(&sandbox, &base.reference, &[]).success().to_owned();
    for output in ["oci:image", "docker-archive:image.tar"] {
        let run = build(&sandbox, &base.reference, &["--output", output]);
        let told = run.exits_with(4);
        assert!(told.contains(&base.layer) && told.contains("damaged"), "{told}");
        assert!(run.stdout.is_empty());
        let (_, path) = output.split_once(':').unwrap();
        assert!(!sandbox.dir().join(path).exists(), "{output} is not there");
        let hex = base.layer.trim_start_matches("sha256:");
        assert!(!sandbox.cache().join("blobs/sha256").join(hex).exists(), "it is not kept");
    }
    assert_eq!(build(&sandbox, &base.reference, &[]).success(), digest);
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn what_the_lock_pins_is_built_on_though_the_tag_moved() {
    let registry = Registry::start();
    let base = BaseImage::push(&registry);
    let sandbox = Sandbox::new();
    let project = ScriptedProject::new(&sandbox, "app", PACKAGES);
    let arguments = ["build", "--base", &base.reference];
    let run = sandbox.run_in(project.dir(), ["build", "--locked", "--base", &base.reference]);
    let told = run.exits_with(2);
    assert!(told.contains("shipit.lock does not pin the base image") && told.contains("without --locked"), "{told}");
    assert!(!project.output().join("index.json").exists());

    let pinned = sandbox.run_in(project.dir(), arguments).success().to_owned();
    BaseImage::of(&registry, &["amd64"], "1000");
    fs::remove_dir_all(sandbox.cache()).unwrap();
    assert_eq!(sandbox.run_in(project.dir(), ["build", "--locked", "--base", &base.reference]).success(), pinned);
    let update = sandbox.run_in(project.dir(), ["update", "--base", &base.reference]);
    update.success();
    assert_ne!(sandbox.run_in(project.dir(), arguments).success(), pinned);
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn half_a_lock_is_a_usage_error_with_its_place() {
    let sandbox = Sandbox::new();
    let project = ScriptedProject::new(&sandbox, "app", PACKAGES);
    sandbox.write(project.dir().join("shipit.lock"), "layer-format = 1\n\n[[base]]\nrefer");
    let run = sandbox.run_in(project.dir(), ["build", "--base", "127.0.0.1:1/base"]);
    let told = run.exits_with(2);
    assert!(told.contains("shipit.lock"), "{told}");
    assert!(!project.output().exists(), "nothing is written");
}

#[test]
fn a_silent_registry_is_given_up_after_a_bounded_time() {
    let silent = Proxy::before("127.0.0.1:1").with_faults(|_| Fault::Hang).start();
    let sandbox = Sandbox::new();
    let base = format!("{}/base:1", silent.host());
    let run = build(&sandbox, &base, &["--registry-timeout", "1s"]);
    let told = refused(&sandbox, &run);
    assert!(told.contains(&base) && told.contains("was silent for 1 s (tried 6 times)"), "{told}");
    assert_eq!(silent.count("GET"), 6);
    assert!(run.took < Duration::from_secs(60), "{:?}", run.took);
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn a_registry_that_falls_silent_and_wakes_is_asked_again() {
    let registry = Registry::start();
    let base = BaseImage::push(&registry);
    // The first request hangs, the second breaks off, two are refused for now.
    let rule = |seen: &support::Seen| match seen.number {
        0 => Fault::Hang,
        1 => Fault::CutAnswer(40),
        2 | 3 => Fault::Status(503),
        _ => Fault::None,
    };
    let front = Proxy::before(&registry.host()).with_faults(rule).start();
    let sandbox = Sandbox::new();
    let run = build(&sandbox, &base.reference.replace(&registry.host(), &front.host()), &["--registry-timeout", "1s"]);
    run.success();
    assert!(front.count("GET") >= 5, "{:?}", front.seen());
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn a_layer_whose_transfer_breaks_is_resumed() {
    let registry = Registry::start();
    let base = BaseImage::push(&registry);
    let layer = base.layer.clone();
    let cut = std::sync::atomic::AtomicBool::new(false);
    let front = Proxy::before(&registry.host())
        .with_faults(move |seen| {
            let first = seen.path.contains(&layer) && !cut.swap(true, std::sync::atomic::Ordering::SeqCst);
            // The head has some 400 bytes.
            if first { Fault::CutAnswer(450) } else { Fault::None }
        })
        .start();
    let sandbox = Sandbox::new();
    let reference = base.reference.replace(&registry.host(), &front.host());
    build(&sandbox, &reference, &["--output", "oci:image"]).success();
    let asked = front.seen().iter().filter(|seen| seen.path.contains(&base.layer)).count();
    assert_eq!(asked, 2, "{:?}", front.seen());
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn a_jar_with_a_flipped_bit_is_told_before_anything_is_written() {
    let registry = Registry::start();
    let base = BaseImage::push(&registry);
    let sandbox = Sandbox::new();
    let mut bytes = BootJar::new().bytes();
    let at = bytes.windows(8).position(|window| window == b"greeting").unwrap();
    bytes[at] ^= 1;
    sandbox.write("flipped.jar", &bytes);
    let run = sandbox.run(["build", "--base", &base.reference, "--jar", "flipped.jar"]);
    let told = run.exits_with(1);
    assert!(told.contains("flipped.jar is damaged (CRC-32"), "{told}");
    assert!(!sandbox.dir().join("shipit-out").exists());
    assert_eq!(fs::read_dir(sandbox.cache().join("tmp")).unwrap().count(), 0);
}
