use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A zip archive of entries with these names, methods and compressed bytes; and where each one's data lies.
fn archive(before: &[u8], entries: &[(&str, u16, &[u8])], comment: &[u8]) -> (Vec<u8>, Vec<Range<u64>>) {
    let (mut file, mut directory, mut data) = (before.to_vec(), Vec::new(), Vec::new());
    for (name, method, body) in entries {
        let header = (file.len() - before.len()) as u32;
        file.extend(LOCAL);
        // As jar tools do: sizes follow in a descriptor, and are zero here.
        file.extend([20, 0, 8, 0]);
        file.extend(method.to_le_bytes());
        file.extend([0; 16]);
        file.extend((name.len() as u16).to_le_bytes());
        file.extend([0, 0]);
        file.extend(name.as_bytes());
        data.push(file.len() as u64..(file.len() + body.len()) as u64);
        file.extend(*body);
        file.extend(b"PK\x07\x08............");
        directory.extend(DIRECTORY_ENTRY);
        directory.extend([20, 0, 20, 0, 8, 0]);
        directory.extend(method.to_le_bytes());
        directory.extend([0; 8]);
        directory.extend((body.len() as u32).to_le_bytes());
        directory.extend((body.len() as u32 * 2 + 1).to_le_bytes());
        directory.extend((name.len() as u16).to_le_bytes());
        directory.extend([0; 12]);
        directory.extend(header.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let start = (file.len() - before.len()) as u32;
    file.extend(&directory);
    file.extend(END);
    file.extend([0; 4]);
    file.extend([entries.len() as u16; 2].map(u16::to_le_bytes).concat());
    file.extend((directory.len() as u32).to_le_bytes());
    file.extend(start.to_le_bytes());
    file.extend((comment.len() as u16).to_le_bytes());
    file.extend(comment);
    (file, data)
}

/// The runs of a file that passes by in chunks.
fn runs(file: &[u8], chunk: usize) -> Vec<Range<u64>> {
    let at = |from: u64, length: usize| file.get(usize::try_from(from).ok()?..)?.get(..length);
    let mut nested = DeflateRuns::find(file.len() as u64, |from, bytes| {
        bytes.copy_from_slice(at(from, bytes.len())?);
        Some(())
    });
    let mut all = Vec::new();
    for end in (chunk..file.len() + chunk).step_by(chunk) {
        let end = end.min(file.len()) as u64;
        nested.visible(end, |from, length| at(from, length).filter(|_| from + length as u64 <= end));
        all.extend(nested.found());
    }
    all
}

const BODY: &[u8] = &[0x4d; 100];

#[test]
fn deflated_entries_are_runs_and_stored_ones_are_not() {
    let (file, data) = archive(b"", &[("a", 8, BODY), ("dir/", 0, b""), ("b", 0, BODY), ("c.class", 8, BODY)], b"");
    for chunk in [1, 7, 100, 10_000] {
        assert_eq!(runs(&file, chunk), [data[0].clone(), data[3].clone()]);
    }
}

#[test]
fn bytes_before_the_archive_and_a_comment_after_it_do_not_matter() {
    let (file, data) = archive(b"#!/bin/sh\nexec java -jar $0\n", &[("a", 8, BODY), ("b", 8, BODY)], b"a comment");
    assert_eq!(runs(&file, 64), data);
}

#[test]
fn deflate_data_that_is_no_smaller_than_what_it_stands_for_is_no_run() {
    let (mut file, _) = archive(b"", &[("a", 8, BODY)], b"");
    let directory = file.windows(4).position(|bytes| bytes == DIRECTORY_ENTRY).unwrap();
    file[directory + 24..directory + 28].copy_from_slice(&95u32.to_le_bytes());
    assert_eq!(runs(&file, 1000), []);
}

#[test]
fn overlapping_entries_and_wrong_sizes_are_left_alone() {
    let (mut file, data) = archive(b"", &[("a", 8, BODY), ("b", 8, BODY), ("c", 8, BODY)], b"");
    let directory = file.windows(4).position(|bytes| bytes == DIRECTORY_ENTRY).unwrap();
    // The first entry says that it reaches into the second.
    file[directory + 20] = 150;
    assert_eq!(runs(&file, 1000), data[1..]);
    // And the second's local header is none.
    let second = file.windows(4).rposition(|bytes| bytes == LOCAL).unwrap();
    file[second] = b'Q';
    assert_eq!(runs(&file, 1000), data[1..2]);
}

#[test]
fn what_is_no_archive_has_no_runs() {
    for file in [&b""[..], b"PK\x05\x06", b"a text", &[0; 70_000], &END.repeat(40)] {
        assert_eq!(runs(file, 1000), []);
    }
    let (file, _) = archive(b"", &[("a", 8, BODY)], b"");
    for end in 0..file.len() {
        assert_eq!(runs(&file[..end], 1000), [], "truncated to {end}");
    }
}

#[test]
fn a_directory_larger_than_what_is_held_of_it_is_read() {
    let name = "n".repeat(20_000);
    let (file, data) = archive(b"", &vec![(name.as_str(), 8, BODY); 40], b"");
    assert_eq!(runs(&file, 100_000), data);
}

proptest! {
    #[test]
    fn whatever_is_broken_runs_stay_in_the_file_in_order_and_apart(
        sizes in vec(0..500usize, 0..20),
        broken in vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
        kept in any::<prop::sample::Index>(),
        cut in any::<bool>(),
        chunk in 1..3000usize,
    ) {
        let body = [0x4d; 500];
        let entries: Vec<_> = sizes.iter().map(|size| ("name", 8, &body[..*size])).collect();
        let (mut file, _) = archive(b"", &entries, b"");
        for (at, byte) in broken {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if cut {
            file.truncate(kept.index(file.len()));
        }
        let runs = runs(&file, chunk);
        prop_assert!(runs.iter().all(|run| run.start <= run.end && run.end <= file.len() as u64));
        prop_assert!(runs.windows(2).all(|pair| pair[0].end <= pair[1].start));
    }
}
