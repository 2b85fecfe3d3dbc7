use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use shipit::image::Digest;

use super::{Run, Sandbox};

/// How many bytes the one layer of [`push_base`]'s image has.
pub const BASE_LAYER: usize = 300 * 1024;

/// Puts an image into a registry (`host:port`, plain http) that serves as a base where no JVM has to start: one layer,
/// linux/amd64. Gives its reference and the digest of its layer.
pub fn push_base(sandbox: &Sandbox, registry: &str) -> (String, String) {
    let layout = sandbox.home().join("base");
    let mut index = Vec::new();
    let layer = tar(BASE_LAYER);
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": { "Env": ["PATH=/usr/bin:/bin"] },
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(&layer).to_string()] },
    });
    let describe = |kind: &str, bytes: &[u8]| {
        let digest = put(&layout, bytes);
        json!({ "mediaType": format!("application/vnd.oci.image.{kind}"), "digest": digest, "size": bytes.len() })
    };
    let config = describe("config.v1+json", config.to_string().as_bytes());
    let layer = describe("layer.v1.tar", &layer);
    let digest = layer["digest"].as_str().expect("just made").to_owned();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config, "layers": [layer],
    });
    let mut manifest = describe("manifest.v1+json", manifest.to_string().as_bytes());
    manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": "17" });
    index.push(manifest);
    let index = json!({ "schemaVersion": 2, "manifests": index });
    fs::write(layout.join("index.json"), index.to_string()).expect("the folder is ours");
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("the folder is ours");

    let reference = format!("{registry}/base:17");
    let mut skopeo = sandbox.command("skopeo");
    skopeo.args(["--insecure-policy", "copy", "-q", "--preserve-digests", "--dest-tls-verify=false"]);
    skopeo.arg(format!("oci:{}:17", layout.display())).arg(format!("docker://{reference}"));
    Run::of(&mut skopeo, Duration::from_secs(60)).success();
    (reference, digest)
}

fn put(layout: &Path, bytes: &[u8]) -> String {
    let digest = Digest::of(bytes).to_string();
    let folder = layout.join("blobs/sha256");
    fs::create_dir_all(&folder).expect("the folder is ours");
    fs::write(folder.join(digest.trim_start_matches("sha256:")), bytes).expect("the folder is ours");
    digest
}

/// A tar archive of about `size` bytes that holds one file, which no compression makes small.
fn tar(size: usize) -> Vec<u8> {
    let content = size - 512 * 3;
    let mut header = vec![0; 512];
    for (at, text) in [(0, "base.bin"), (100, "0000644"), (108, "0000000"), (116, "0000000"), (136, "00000000000")] {
        header[at..at + text.len()].copy_from_slice(text.as_bytes());
    }
    header[124..135].copy_from_slice(format!("{content:011o}").as_bytes());
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let mut state = 1_u32;
    header.extend((0..content).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    }));
    header.resize(size, 0);
    header
}
