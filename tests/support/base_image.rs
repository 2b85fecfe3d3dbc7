use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use shipit::image::Digest;

use super::{Registry, Run};

/// A small base image in a registry of a test's own: one layer with one file, variables, labels and a user.
pub struct BaseImage {
    /// `127.0.0.1:PORT/base:1`
    pub reference: String,
    /// The configuration's digest, of the first platform.
    pub config: String,
    /// The layer's digest.
    pub layer: String,
}

impl BaseImage {
    /// For linux/amd64; runs as root.
    pub fn push(registry: &Registry) -> BaseImage {
        BaseImage::of(registry, &["amd64"], "")
    }

    /// For linux on these architectures, as an index where they are several; `user` is the configuration's.
    pub fn of(registry: &Registry, architectures: &[&str], user: &str) -> BaseImage {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let put = |bytes: &[u8]| -> Digest {
            let digest = Digest::of(bytes);
            let blobs = folder.path().join("blobs/sha256");
            fs::create_dir_all(&blobs).expect("the folder is ours");
            fs::write(blobs.join(digest.hex()), bytes).expect("the folder is ours");
            digest
        };
        let tar = tar_of("etc/base-release", b"a small base\n");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&tar).expect("memory takes everything");
        let layer_bytes = gzip.finish().expect("memory takes everything");
        let layer = put(&layer_bytes);
        let mut first_config = None;
        let manifests: Vec<_> = architectures
            .iter()
            .map(|architecture| {
                let config = json!({
                    "architecture": architecture, "os": "linux",
                    "config": {
                        "User": user, "Cmd": ["/bin/sh"], "Env": ["PATH=/opt/java/bin:/bin", "LANG=C.UTF-8"],
                        "Labels": { "org.example.base": "small" },
                    },
                    "rootfs": { "type": "layers", "diff_ids": [Digest::of(&tar)] },
                    "history": [{ "created_by": "a test" }],
                });
                let config_bytes = config.to_string().into_bytes();
                let config = put(&config_bytes);
                first_config.get_or_insert(config);
                let manifest = json!({
                    "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": config_bytes.len() },
                    "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": layer, "size": layer_bytes.len() }],
                });
                let bytes = manifest.to_string().into_bytes();
                json!({
                    "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": put(&bytes), "size": bytes.len(),
                    "platform": { "architecture": architecture, "os": "linux" },
                })
            })
            .collect();
        let index = |manifests: &[serde_json::Value]| json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests });
        let top = match manifests.as_slice() {
            [one] => one.clone(),
            several => {
                let bytes = index(several).to_string().into_bytes();
                json!({ "mediaType": "application/vnd.oci.image.index.v1+json", "digest": put(&bytes), "size": bytes.len() })
            }
        };
        fs::write(folder.path().join("index.json"), index(&[top]).to_string()).expect("the folder is ours");
        fs::write(folder.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("the folder is ours");
        let reference = format!("{}/base:1", registry.host());
        copy(folder.path(), &reference);
        let config = first_config.expect("a base has a platform").to_string();
        BaseImage { reference, config, layer: layer.to_string() }
    }
}

fn copy(layout: &Path, reference: &str) {
    let mut skopeo = Command::new("skopeo");
    skopeo.args(["copy", "--quiet", "--all", "--preserve-digests", "--dest-tls-verify=false"]);
    skopeo.arg(format!("oci:{}", layout.display())).arg(format!("docker://{reference}"));
    Run::of(&mut skopeo, Duration::from_secs(60)).success();
}

/// A tar archive (POSIX ustar) with one file.
fn tar_of(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    for (at, text) in [
        (100, "0000644\0".to_owned()),
        (108, "0000000\0".to_owned()),
        (116, "0000000\0".to_owned()),
        (124, format!("{:011o}\0", content.len())),
        (136, "00000000000\0".to_owned()),
        (148, "        ".to_owned()),
        (156, "0".to_owned()),
        (257, "ustar\x0000".to_owned()),
    ] {
        header[at..at + text.len()].copy_from_slice(text.as_bytes());
    }
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut tar = header.to_vec();
    tar.extend_from_slice(content);
    tar.resize(tar.len().next_multiple_of(512) + 1024, 0);
    tar
}
