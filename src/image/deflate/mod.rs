//! A deflate encoder (RFC 1951).

pub mod nested;

use std::ops::Range;

/// Bytes of the tar that are encoded on their own.
pub const SEGMENT: usize = 512 * 1024;

/// How far back a match may reach (RFC 1951 §2).
pub const WINDOW: usize = 32 * 1024;

/// The end of the stream: an empty last block with fixed codes.
pub const END: [u8; 2] = [3, 0];

/// Encodes segments.
#[derive(Debug, Default)]
pub struct Encoder {}

impl Encoder {
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends deflate blocks for `bytes[history..]` that end on a byte border.
    pub fn encode(&mut self, bytes: &[u8], history: usize, runs: &[Range<usize>], output: &mut Vec<u8>) {
        let _ = runs;
        for chunk in bytes[history..].chunks(65_535) {
            output.push(0);
            output.extend((chunk.len() as u16).to_le_bytes());
            output.extend((!(chunk.len() as u16)).to_le_bytes());
            output.extend(chunk);
        }
    }
}
