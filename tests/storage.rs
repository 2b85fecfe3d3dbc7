//! The cache and the disk under a build: full, read-only, deleted, with flipped bits.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use support::{BaseImage, BootJar, PACKAGES, Registry, Run, Sandbox, ScriptedProject};

const LIMIT: Duration = Duration::from_secs(60);

/// A small file system in memory, unmounted when dropped. Needs root.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn at(folder: PathBuf, size: &str) -> SmallDisk {
        fs::create_dir_all(&folder).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "none"]).arg(&folder);
        Run::of(&mut mount, LIMIT).success();
        SmallDisk(folder)
    }

    fn remount(&self, options: &str) {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,{options}")]).arg(&self.0);
        Run::of(&mut mount, LIMIT).success();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path()).collect()
}

/// Every blob of the layout is what its name says.
#[track_caller]
fn assert_whole(output: &Path) {
    let blobs = files(&output.join("blobs/sha256"));
    assert_eq!(blobs.len(), 4, "configuration, manifest and two layers: {blobs:?}");
    for path in blobs {
        assert_eq!(shipit::image::Digest::of(&fs::read(&path).unwrap()).hex().as_str(), path.file_name().unwrap());
    }
}

/// Flips a bit, and leaves the size as it is.
fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

struct Stage {
    _registry: Registry,
    base: BaseImage,
    sandbox: Sandbox,
    project: ScriptedProject,
}

impl Stage {
    fn new(script: &str) -> Stage {
        let registry = Registry::start();
        let base = BaseImage::push(&registry);
        let sandbox = Sandbox::new();
        let project = ScriptedProject::new(&sandbox, "app", script);
        Stage { _registry: registry, base, sandbox, project }
    }

    fn build(&self) -> Run {
        self.sandbox.run_in(self.project.dir(), ["build", "--base", &self.base.reference])
    }
}

#[test]
#[ignore = "needs root and docker-registry: run by make test"]
fn a_full_disk_under_the_cache_is_told_as_that_and_leaves_no_image() {
    let stage = Stage::new(PACKAGES);
    BootJar::new().large(4_000_000).write(stage.project.dir().join("prebuilt.jar"));
    let disk = SmallDisk::at(stage.sandbox.cache(), "1m");
    let run = stage.build();
    let told = run.exits_with(1);
    assert!(told.contains("the disk is full: make room") && told.contains("SHIPIT_CACHE_DIR"), "{told}");
    assert!(run.stdout.is_empty());
    assert!(!stage.project.output().join("index.json").exists() && !stage.project.dir().join("shipit.lock").exists());
    assert!(files(&stage.sandbox.cache().join("tmp")).is_empty(), "what does not fit is not left there");

    disk.remount("size=32m");
    stage.build().success();
    assert_whole(&stage.project.output());
}

#[test]
#[ignore = "needs root and docker-registry: run by make test"]
fn a_full_disk_under_the_project_is_told_as_that_and_the_last_image_stays() {
    let stage = Stage::new(PACKAGES);
    let disk = SmallDisk::at(stage.project.dir().join("target/shipit"), "1m");
    let before = stage.build().success().to_owned();
    let record = fs::read(stage.project.output().join("release.json")).unwrap();
    BootJar::new().large(4_000_000).write(stage.project.dir().join("prebuilt.jar"));

    let run = stage.build();
    let told = run.exits_with(1);
    assert!(told.contains("target/shipit") && told.contains("the disk is full"), "{told}");
    assert!(!told.contains("SHIPIT_CACHE_DIR"), "that is not where room is wanted: {told}");
    assert_eq!(fs::read(stage.project.output().join("release.json")).unwrap(), record);
    assert!(String::from_utf8(record).unwrap().contains(&before));
    assert_whole(&stage.project.output());

    disk.remount("size=32m");
    assert_ne!(stage.build().success(), before);
    assert_whole(&stage.project.output());
}

#[test]
#[ignore = "needs root and docker-registry: run by make test"]
fn a_read_only_cache_is_told_with_what_to_do() {
    let stage = Stage::new(PACKAGES);
    let disk = SmallDisk::at(stage.sandbox.cache(), "32m");
    disk.remount("ro");
    let run = stage.build();
    let told = run.exits_with(1);
    assert!(told.contains(&*stage.sandbox.cache().to_string_lossy()), "{told}");
    assert!(told.contains("set SHIPIT_CACHE_DIR to a folder that this user may write to"), "{told}");
    assert!(!stage.project.dir().join("target").exists(), "nothing is written");

    // One that has everything is of use all the same.
    disk.remount("rw");
    let digest = stage.build().success().to_owned();
    disk.remount("ro");
    let run = stage.build();
    assert_eq!(run.success(), digest);
    assert!(run.stderr.contains("warning: the cache folder"), "{}", run.stderr);
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn a_cache_that_is_deleted_between_builds_or_under_one_is_made_anew() {
    let stage = Stage::new(&format!("if [ -e ../sweep ]; then rm -rf \"$SHIPIT_CACHE_DIR\"; fi\n{PACKAGES}"));
    let digest = stage.build().success().to_owned();
    fs::remove_dir_all(stage.sandbox.cache()).unwrap();
    assert_eq!(stage.build().success(), digest);
    stage.sandbox.write("sweep", "");
    fs::remove_dir_all(stage.project.output()).unwrap();
    assert_eq!(stage.build().success(), digest);
    assert_whole(&stage.project.output());
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn flipped_bits_in_the_cache_are_noticed_and_made_good() {
    let stage = Stage::new(PACKAGES);
    let digest = stage.build().success().to_owned();
    let blobs = files(&stage.sandbox.cache().join("blobs/sha256"));
    assert_eq!(blobs.len(), 4, "manifest and configuration of the base, and two layers: {blobs:?}");
    // The layout shares its files with the cache.
    fs::remove_dir_all(stage.project.output()).unwrap();
    for blob in blobs {
        flip(&blob);
        assert_eq!(stage.build().success(), digest, "{}", blob.display());
        assert_whole(&stage.project.output());
    }
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn flipped_bits_in_the_layout_are_made_good_by_the_next_build() {
    let stage = Stage::new(PACKAGES);
    let digest = stage.build().success().to_owned();
    for blob in files(&stage.project.output().join("blobs/sha256")) {
        flip(&blob);
        assert_eq!(stage.build().success(), digest, "{}", blob.display());
        assert_whole(&stage.project.output());
    }
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn half_a_record_in_the_cache_does_no_harm() {
    let stage = Stage::new(PACKAGES);
    let digest = stage.build().success().to_owned();
    for folder in ["records", "checked"] {
        for record in files(&stage.sandbox.cache().join(folder)) {
            fs::write(record, "{\"half").unwrap();
        }
    }
    assert_eq!(stage.build().success(), digest);
    assert_whole(&stage.project.output());
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn files_are_as_open_as_the_umask_allows() {
    let stage = Stage::new(PACKAGES);
    stage.build().success();
    for file in files(&stage.project.output().join("blobs/sha256")) {
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o644, "{}: another user may push what this one built", file.display());
    }
}
