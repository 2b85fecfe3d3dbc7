//! A jar from anywhere is planned, or refused in words; no layout leaves the application's folder.

#![no_main]

use std::io::Write;

use libfuzzer_sys::fuzz_target;
use shipit_builders::archive::Archive;
use shipit_builders::plan::plan;
use shipit_builders::{Artifact, Part};

/// More than an entry of a small corpus has; what claims to be larger is cut off there.
const LIMIT: u64 = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut file) = tempfile::Builder::new().suffix(".jar").tempfile_in(shipit_fuzz_folder()) else { return };
    if file.write_all(bytes).is_err() {
        return;
    }
    if let Ok(archive) = Archive::open(file.path()) {
        for entry in archive.entries() {
            if let Ok(content) = archive.read(entry, LIMIT) {
                assert!(content.len() as u64 <= LIMIT);
            }
        }
    }
    let Ok(application) = plan(&Artifact { path: file.path().to_owned() }) else { return };
    for layer in &application.layers {
        for entry in &layer.entries {
            assert!(!entry.path.split('/').any(|segment| matches!(segment, "" | "." | "..")), "{}", entry.path);
            let shipit_builders::Content::File { parts } = &entry.content else { continue };
            for part in parts {
                let end = match part {
                    Part::Bytes(_) => 0,
                    Part::Stored { offset, size, .. } => offset.saturating_add(*size),
                    Part::Deflated { offset, compressed_size, .. } => offset.saturating_add(*compressed_size),
                };
                assert!(end <= bytes.len() as u64, "a part beyond the end of the archive");
            }
        }
    }
});

/// Memory where there is some: the target writes a file each time.
fn shipit_fuzz_folder() -> std::path::PathBuf {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}
