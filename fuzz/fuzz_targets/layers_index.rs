//! layers.idx: a file that is read names each layer once, and finds them again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shipit_builders::layers_index::LayersIndex;

fuzz_target!(|text: &str| {
    let Ok(index) = LayersIndex::parse(text) else { return };
    let names: Vec<&str> = index.names().collect();
    assert!(!names.is_empty());
    for entry in text.split('"') {
        assert!(index.layer_of(entry).is_none_or(|layer| layer < names.len()));
    }
});
