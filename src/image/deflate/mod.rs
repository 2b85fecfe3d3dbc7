//! A deflate encoder (RFC 1951) for data that is mostly deflate data already.
//!
//! Most bytes of a layer of jars cannot shrink: they are the compressed entries of the jars. Such runs are carried as
//! stored blocks, and only what lies between them (headers, directories, entries that are not compressed) goes through
//! a match finder, whose distances reach across the runs. Where the runs are is a hint that is worth bytes and time,
//! never correctness: whatever the hints say, the decoded bytes are the ones that were given.
//!
//! The output is a function of the bytes and hints alone: no instruction set, clock, thread count or library version
//! changes it. Segments are encoded on their own, with the last [`WINDOW`] bytes of the one before to refer to, and
//! end on byte borders, so that any thread can make any of them.

mod bits;
mod block;
mod huffman;
mod matches;
pub mod nested;
mod tokens;

use std::ops::Range;

use bits::BitWriter;
use block::{BlockWriter, Choice};
use matches::{Effort, Match, Matcher};
use tokens::Token;

/// Bytes that are encoded as a segment of their own.
pub const SEGMENT: usize = 512 * 1024;

/// How far back a match may reach (RFC 1951 §2).
pub const WINDOW: usize = 32 * 1024;

/// The end of the stream: an empty last block with fixed codes.
pub const END: [u8; 2] = [3, 0];

/// The most bytes in a stored block.
const MAX_STORED: usize = 65_535;

/// A run shorter than this is not worth a stored block.
const LEAST_RUN: usize = 64;

/// The most tokens in a block: codes of one's own follow the data this closely.
const BLOCK_TOKENS: usize = 16 * 1024;

/// For a segment with runs: what stands between them is much like what stood between the runs before, and most of it
/// is the names in the directories of archives.
const BETWEEN: Effort = Effort { depth: 4, nice: 32 };

/// For a segment without any: an application's own classes and files, not compressed yet.
const PLAIN: Effort = Effort { depth: 40, nice: 96 };

/// After this many bytes without a match, every second byte is searched for, after twice as many every third, and so
/// on: what does not compress passes by quickly.
const FRUITLESS: usize = 256;

/// The most bytes that are passed over at a time, so that what compresses again is soon found.
const LEAP: usize = 32;

/// Encodes segments, one after the other, of any stream.
#[derive(Debug)]
pub struct Encoder {
    matcher: Matcher,
    blocks: BlockWriter,
    tokens: Vec<Token>,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    pub fn new() -> Self {
        Encoder { matcher: Matcher::new(), blocks: BlockWriter::new(), tokens: Vec::with_capacity(BLOCK_TOKENS) }
    }

    /// Appends deflate blocks for `bytes[history..]`, none of them the last, that end on a byte border.
    ///
    /// The first `history` bytes are what the decoder has just written. `runs` are ranges of `bytes` that are said to
    /// be deflate data, in order and disjoint; any others are passed over.
    pub fn encode(&mut self, bytes: &[u8], history: usize, runs: &[Range<usize>], output: &mut Vec<u8>) {
        self.matcher.reset();
        let effort = if runs.is_empty() { PLAIN } else { BETWEEN };
        let mut writer = Writer { bytes, bits: BitWriter::new(output), stored: history..history };
        let mut at = 0;
        let end = bytes.len()..bytes.len();
        for run in runs.iter().filter(|run| run.end.saturating_sub(run.start) >= LEAST_RUN).chain([&end]) {
            if run.start < at || run.end > bytes.len() {
                continue;
            }
            let past = at.max(history).min(run.start);
            (at..past).for_each(|at| self.matcher.insert(bytes, at));
            self.text(past..run.start, effort, &mut writer);
            if run.end > history {
                writer.store(run.start.max(history)..run.end);
            }
            at = run.end;
        }
        writer.finish();
    }

    /// Encodes a stretch that is no run.
    fn text(&mut self, text: Range<usize>, effort: Effort, writer: &mut Writer) {
        let bytes = writer.bytes;
        let (mut block, mut at) = (text.start, text.start);
        // Where the last match ended.
        let mut fruitful = text.start;
        // A match that was found, and not yet taken, as the one at the next position may be better.
        let mut found: Option<Match> = None;
        self.tokens.clear();
        while at < text.end {
            if self.tokens.len() >= BLOCK_TOKENS && found.is_none() {
                self.block(block..at, writer);
                block = at;
            }
            let here = match found.take() {
                Some(found) => found,
                None => self.matcher.find(bytes, at, 0, text.end - at, effort),
            };
            if here.length == 0 {
                let leap = (1 + (at - fruitful) / FRUITLESS).min(LEAP);
                let passed = (at + leap).min(text.end);
                self.tokens.extend(bytes[at..passed].iter().map(|byte| Token::literal(*byte)));
                at = passed;
                continue;
            }
            let mut inserted = at;
            if here.length < effort.nice && at + 1 < text.end {
                let less = Effort { depth: effort.depth.div_ceil(2), ..effort };
                let next = self.matcher.find(bytes, at + 1, here.length - 1, text.end - at - 1, less);
                inserted = at + 1;
                if next.length > 0 && gain(next) > gain(here) + 2 {
                    self.tokens.push(Token::literal(bytes[at]));
                    at += 1;
                    found = Some(next);
                    continue;
                }
            }
            self.tokens.push(Token::matched(here.length, here.distance));
            at += here.length;
            fruitful = at;
            (inserted + 1..at).for_each(|at| self.matcher.insert(bytes, at));
        }
        self.block(block..text.end, writer);
    }

    /// Writes the tokens, which stand for `range`, as a block.
    fn block(&mut self, range: Range<usize>, writer: &mut Writer) {
        if !range.is_empty() {
            match self.blocks.choose(&self.tokens, range.len()) {
                Choice::Stored => writer.store(range),
                choice => {
                    writer.write_stored();
                    self.blocks.write(&choice, &self.tokens, &mut writer.bits);
                    writer.stored = range.end..range.end;
                }
            }
        }
        self.tokens.clear();
    }
}

/// What a match is worth, in quarters of a byte: its length, less what its distance takes.
fn gain(found: Match) -> i64 {
    4 * found.length as i64 - i64::from(found.distance.ilog2())
}

/// The output, and the bytes up to here that are still to be written as stored blocks.
struct Writer<'a> {
    bytes: &'a [u8],
    bits: BitWriter<'a>,
    stored: Range<usize>,
}

impl Writer<'_> {
    /// Adds to the stored bytes what follows on them.
    fn store(&mut self, range: Range<usize>) {
        debug_assert_eq!(range.start, self.stored.end, "every byte is written once");
        self.stored.end = range.end;
    }

    fn write_stored(&mut self) {
        for chunk in self.bytes[self.stored.clone()].chunks(MAX_STORED) {
            self.stored_block(chunk);
        }
        self.stored.start = self.stored.end;
    }

    fn stored_block(&mut self, chunk: &[u8]) {
        let length = chunk.len() as u16;
        self.bits.push(0, 3);
        self.bits.align();
        self.bits.extend(&length.to_le_bytes());
        self.bits.extend(&(!length).to_le_bytes());
        self.bits.extend(chunk);
    }

    /// Writes what is left, up to a byte border: an empty stored block makes one.
    fn finish(&mut self) {
        self.write_stored();
        if self.bits.aligned() {
            self.bits.align();
        } else {
            self.stored_block(&[]);
        }
    }
}

#[cfg(test)]
mod tests;
