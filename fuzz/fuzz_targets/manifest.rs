//! META-INF/MANIFEST.MF: what is written is read as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shipit_builders::manifest::Manifest;

fuzz_target!(|bytes: &[u8]| {
    let mut manifest = Manifest::parse(bytes);
    manifest.remove("Build-Jdk");
    manifest.set("Main-Class", "com.example.Main");
    manifest.remove_digests();
    let written = manifest.to_bytes();
    assert!(written.split(|byte| *byte == b'\n').all(|line| line.len() <= 73), "a line of more than 72 bytes");
    let again = Manifest::parse(&written);
    assert_eq!(again.get("Main-Class"), Some("com.example.Main"));
    assert_eq!(again.to_bytes(), written);
});
