//! Image references: what is written is read as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shipit::registry::Reference;

fuzz_target!(|text: &str| {
    let Ok(reference) = text.parse::<Reference>() else { return };
    let written = reference.to_string();
    assert_eq!(written.parse::<Reference>().as_ref(), Ok(&reference), "{written}");
});
