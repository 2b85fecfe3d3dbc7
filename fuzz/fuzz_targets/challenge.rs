//! WWW-Authenticate.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shipit::registry::challenge::parse;

fuzz_target!(|text: &str| {
    let _ = parse(text.lines());
});
