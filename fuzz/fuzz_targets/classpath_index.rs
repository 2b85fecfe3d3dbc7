//! classpath.idx.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shipit_builders::classpath_index::parse;

fuzz_target!(|text: &str| {
    if let Ok(libraries) = parse(text) {
        assert!(libraries.len() <= text.lines().count());
    }
});
