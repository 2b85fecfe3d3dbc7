//! The deflate encoder: whatever the hints say and wherever the segments end, what is decoded is what was given.
//! The first bytes are the hints: a segment's size, and pairs of lengths (a gap, a run).

#![no_main]

use std::io::Read;
use std::ops::Range;

use libfuzzer_sys::fuzz_target;
use shipit::image::deflate::{END, Encoder, WINDOW};

fuzz_target!(|input: &[u8]| {
    let [segment, hints, input @ ..] = input else { return };
    let segment = 1 + usize::from(*segment) * 251;
    let Some((hints, rest)) = input.split_at_checked(usize::from(*hints) * 2) else { return };
    // Repeated, so that small inputs reach over windows and blocks.
    let bytes = rest.repeat(if rest.len() < 256 { 300 } else { 3 });
    let mut runs: Vec<Range<usize>> = Vec::new();
    let mut at = 0usize;
    for pair in hints.chunks_exact(2) {
        let start = at + usize::from(pair[0]) * 3;
        at = start + usize::from(pair[1]) * 17;
        runs.push(start..at);
    }
    let mut encoder = Encoder::new();
    let mut output = Vec::new();
    for from in (0..bytes.len()).step_by(segment) {
        let start = from.saturating_sub(WINDOW);
        let end = bytes.len().min(from + segment);
        let inside: Vec<Range<usize>> = runs
            .iter()
            .map(|run| run.start.max(start)..run.end.min(end))
            .filter(|run| run.start < run.end)
            .map(|run| run.start - start..run.end - start)
            .collect();
        encoder.encode(&bytes[start..end], from - start, &inside, &mut output);
    }
    output.extend(END);
    let mut decoded = Vec::new();
    let mut decoder = flate2::read::DeflateDecoder::new(&*output);
    let read = decoder.read_to_end(&mut decoded);
    assert!(read.is_ok(), "{read:?}");
    assert!(decoded == bytes, "something else is decoded");
    assert_eq!(decoder.total_in(), output.len() as u64, "bytes after the end");
});
