//! The hints for the encoder, from jars inside the tar that are not what they claim: ordered, inside, never a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shipit::image::deflate::nested::DeflateRuns;

fuzz_target!(|bytes: &[u8]| {
    let read = |offset: u64, into: &mut [u8]| {
        let start = usize::try_from(offset).ok()?;
        into.copy_from_slice(bytes.get(start..start.checked_add(into.len())?)?);
        Some(())
    };
    let mut runs = DeflateRuns::find(bytes.len() as u64, read);
    runs.visible(bytes.len() as u64, |offset, length| {
        let start = usize::try_from(offset).ok()?;
        bytes.get(start..start.checked_add(length)?)
    });
    let mut last = 0;
    for run in runs.found() {
        assert!(last <= run.start && run.start <= run.end && run.end <= bytes.len() as u64, "{run:?}");
        last = run.end;
    }
});
