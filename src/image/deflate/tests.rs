use std::io::{Read, Write};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::image::Digest;

/// Encodes a whole stream, cut into segments of `segment` bytes.
fn encode_in(segment: usize, bytes: &[u8], runs: &[Range<usize>]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    let mut output = Vec::new();
    for from in (0..bytes.len()).step_by(segment) {
        let start = from.saturating_sub(WINDOW);
        let end = bytes.len().min(from + segment);
        let runs: Vec<_> = runs
            .iter()
            .map(|run| run.start.max(start)..run.end.min(end))
            .filter(|run| run.start < run.end)
            .map(|run| run.start - start..run.end - start)
            .collect();
        encoder.encode(&bytes[start..end], from - start, &runs, &mut output);
    }
    output.extend(END);
    output
}

fn encode(bytes: &[u8], runs: &[Range<usize>]) -> Vec<u8> {
    encode_in(SEGMENT, bytes, runs)
}

/// Two decoders that share no code must both give the bytes back.
fn assert_decodes(encoded: &[u8], bytes: &[u8]) {
    let mut decoded = Vec::new();
    let mut decoder = flate2::read::DeflateDecoder::new(encoded);
    decoder.read_to_end(&mut decoded).unwrap();
    assert!(decoded == bytes, "flate2 decodes something else");
    assert_eq!(decoder.total_in(), encoded.len() as u64, "bytes after the end");
    let decoded = miniz_oxide::inflate::decompress_to_vec(encoded).unwrap();
    assert!(decoded == bytes, "miniz_oxide decodes something else");
}

/// Bytes without pattern, the same everywhere.
fn noise(count: usize, mut seed: u64) -> Vec<u8> {
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 56) as u8
    };
    (0..count).map(|_| next()).collect()
}

/// Words in a random order, much like constant pools and directories.
fn words(count: usize, seed: u64) -> Vec<u8> {
    let choice = noise(count, seed);
    let word = |byte: &u8| match byte % 29 {
        0..=9 => format!("java/lang/Object{};", byte % 7),
        10..=19 => format!("org/example/clinic/Owner{}Controller.class\0", byte / 3),
        20..=25 => format!("{byte:02x}"),
        _ => format!("Ljava/util/List<{byte}>;"),
    };
    choice.iter().flat_map(|byte| word(byte).into_bytes()).take(count).collect()
}

#[test]
fn nothing_and_one_byte_are_encoded() {
    assert_decodes(&encode(b"", &[]), b"");
    assert_decodes(&encode(b"x", &[]), b"x");
    assert_decodes(&encode(&[0; 1_000_000], &[]), &[0; 1_000_000]);
}

#[test]
fn sizes_around_the_border_of_a_stored_block_are_encoded() {
    for size in [65_534, 65_535, 65_536, 131_069, 131_070, 131_071] {
        let bytes = noise(size, 3);
        let encoded = encode(&bytes, &[]);
        assert_decodes(&encoded, &bytes);
        assert!(encoded.len() <= size + 5 * size.div_ceil(MAX_STORED) + END.len() + 5);
        assert_eq!(
            encode(&bytes, std::slice::from_ref(&(0..size))).len(),
            size + 5 * size.div_ceil(MAX_STORED) + END.len()
        );
    }
}

#[test]
fn text_is_as_small_as_zlib_makes_it_at_its_usual_level() {
    for seed in 1..4 {
        let bytes = words(700_000, seed);
        let encoded = encode(&bytes, &[]);
        assert_decodes(&encoded, &bytes);
        let mut zlib = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(6));
        zlib.write_all(&bytes).unwrap();
        let zlib = zlib.finish().unwrap().len();
        assert!(encoded.len() * 100 <= zlib * 105, "{} bytes where zlib takes {zlib}", encoded.len());
    }
}

#[test]
fn matches_reach_across_runs() {
    let header = b"PK\x03\x04 a header that comes again and again, much the same each time";
    let (mut bytes, mut runs) = (Vec::new(), Vec::new());
    for index in 0..100 {
        bytes.extend(header);
        runs.push(bytes.len()..bytes.len() + 1000);
        bytes.extend(noise(1000, index));
    }
    let encoded = encode(&bytes, &runs);
    assert_decodes(&encoded, &bytes);
    assert!(encoded.len() < 100 * 1014 + 200, "{}", encoded.len());
}

#[test]
fn a_run_across_segments_and_their_windows_is_encoded() {
    let bytes = [words(3000, 1), noise(90_000, 2), words(3000, 1)].concat();
    assert_decodes(&encode_in(20_000, &bytes, std::slice::from_ref(&(3000..93_000))), &bytes);
    let twice = [words(9_000, 5), words(9_000, 5)].concat();
    let encoded = encode_in(9_000, &twice, &[]);
    assert_decodes(&encoded, &twice);
    // The second segment is one long match with the first.
    assert!(encoded.len() < encode_in(9_000, &twice[..9_000], &[]).len() + 200);
}

#[test]
fn hints_that_make_no_sense_are_passed_over() {
    let bytes = words(5000, 9);
    let backwards = Range { start: 900, end: 100 };
    assert_decodes(&encode(&bytes, &[0..9000, backwards, 1000..2000, 1500..1600, 500..900, 4990..5001]), &bytes);
}

#[test]
fn an_encoder_forgets_what_it_encoded_before() {
    let (one, other) = (words(5000, 1), words(5000, 2));
    let mut used = Encoder::new();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    used.encode(&one, 0, &[], &mut Vec::new());
    used.encode(&other, 0, &[], &mut first);
    Encoder::new().encode(&other, 0, &[], &mut second);
    assert_eq!(first, second);
}

#[test]
fn the_encoding_is_the_one_of_layer_format_1() {
    // A change here changes the digest of every image: it is a new layer format, never a repair of this test.
    let digest = |bytes: &[u8], runs: &[Range<usize>]| Digest::of(&encode_in(100_000, bytes, runs)).hex();
    assert_eq!(digest(&words(300_000, 7), &[]), "fff453bb51127310a6cd8bc38852d28038dfd9167abf9e419ff2045b0cde9f10");
    let mixed = [words(20_000, 1), noise(70_000, 2), words(900, 3), noise(500, 4), noise(3000, 5)].concat();
    assert_eq!(
        digest(&mixed, &[20_000..90_000, 90_900..91_400]),
        "87a8ef7775050bc628599a18f952fe5f965280c00af124c1096ac889954738a7"
    );
    assert_eq!(digest(&[0; 250_000], &[]), "760518ff43061fb5e5e738ad4bd4db5b32448e4ed14970e055c8f80b8935aad9");
}

/// Bytes with runs of the same, pieces of words, and noise.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        vec(any::<u8>(), 0..300),
        (any::<u8>(), 0..2000usize).prop_map(|(byte, count)| vec![byte; count]),
        (0..3000usize, 0..5u64).prop_map(|(count, seed)| words(count, seed)),
        (0..3000usize, 0..5u64).prop_map(|(count, seed)| noise(count, seed)),
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_hints_the_bytes_come_back(
        bytes in bytes(),
        runs in vec((0..30_000usize, 0..4000usize), 0..30),
        segment in prop_oneof![Just(700usize), Just(5000), Just(SEGMENT)],
    ) {
        let runs: Vec<_> = runs.into_iter().map(|(start, count)| start..start + count).collect();
        assert_decodes(&encode_in(segment, &bytes, &runs), &bytes);
        let mut sorted = runs;
        sorted.sort_by_key(|run| run.start);
        let encoded = encode_in(segment, &bytes, &sorted);
        assert_decodes(&encoded, &bytes);
        // Stored data around short pieces is the worst case: a header for 64 bytes.
        prop_assert!(encoded.len() <= bytes.len() + bytes.len() / 10 + 10 * (bytes.len() / segment + 2));
    }
}
