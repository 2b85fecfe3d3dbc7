//! A base image's manifest and configuration, which a registry sends: the two are one text with a line of `=` between.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shipit::image::Digest;
use shipit::image::base::BaseImage;

fuzz_target!(|bytes: &[u8]| {
    let middle = bytes.windows(3).position(|window| window == b"\n=\n");
    let (manifest, config) = match middle {
        Some(at) => (&bytes[..at], &bytes[at + 3..]),
        None => (bytes, bytes),
    };
    if let Ok(base) = BaseImage::parse("base", Digest::of(manifest), manifest, config) {
        let _ = base.platform();
        assert_eq!(base.diff_ids().map(|ids| ids.len()), Some(base.manifest.layers.len()));
    }
});
