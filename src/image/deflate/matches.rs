//! Finding earlier copies of the bytes to come.

use super::WINDOW;
use super::tokens::MAX_MATCH;

/// The table's size, in bits of the hash.
const HASH_BITS: u32 = 15;

/// The shortest match that is looked for: copies of three bytes are rarely worth it, and finding them takes a table
/// of their own.
const LEAST_MATCH: usize = 4;

/// How hard to search.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// How many candidates are compared.
    pub depth: usize,
    /// A match of this many bytes is taken without looking further.
    pub nice: usize,
}

/// A copy of earlier bytes; a length of 0 is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Match {
    pub length: usize,
    pub distance: usize,
}

/// Chains of positions whose next four bytes have the same hash.
///
/// Positions are those of one buffer, plus 1, so that 0 is none. Only positions that were inserted are found; their
/// distances are real ones.
#[derive(Debug)]
pub struct Matcher {
    /// For each hash, the last position.
    last: Vec<u32>,
    /// For each position, modulo [`WINDOW`], the one before it in its chain.
    before: Vec<u32>,
}

impl Matcher {
    pub fn new() -> Self {
        Matcher { last: vec![0; 1 << HASH_BITS], before: vec![0; WINDOW] }
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.last.fill(0);
    }

    /// Inserts a position without searching.
    pub fn insert(&mut self, bytes: &[u8], at: usize) {
        let Some(word) = word(bytes, at) else { return };
        let position = at as u32 + 1;
        let head = &mut self.last[hash(word)];
        self.before[at % WINDOW] = *head;
        *head = position;
    }

    /// Inserts a position, and finds the longest match for it that is longer than `least` and at most `most` bytes.
    pub fn find(&mut self, bytes: &[u8], at: usize, least: usize, most: usize, effort: Effort) -> Match {
        let Some(word) = word(bytes, at) else { return Match::default() };
        let position = at as u32 + 1;
        let mut candidate = std::mem::replace(&mut self.last[hash(word)], position);
        self.before[at % WINDOW] = candidate;

        let most = most.min(MAX_MATCH);
        let mut best = Match { length: least, distance: 0 };
        if most < LEAST_MATCH || most <= least {
            return Match::default();
        }
        for _ in 0..effort.depth {
            let distance = (position - candidate) as usize;
            // The slot of a position a whole window back is this one's own.
            if candidate == 0 || distance >= WINDOW || best.length >= most {
                break;
            }
            let from = at - distance;
            if bytes[from + best.length] == bytes[at + best.length] && self::word(bytes, from) == Some(word) {
                let length = common(bytes, from, at, most);
                if length > best.length {
                    best = Match { length, distance };
                    if length >= effort.nice {
                        break;
                    }
                }
            }
            candidate = self.before[from % WINDOW];
        }
        if best.distance == 0 || best.length < LEAST_MATCH { Match::default() } else { best }
    }
}

/// Four bytes as a number; `None` at the end of the buffer.
#[inline]
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[inline]
fn hash(word: u32) -> usize {
    (word.wrapping_mul(0x9e37_79b1) >> (32 - HASH_BITS)) as usize
}

/// How many bytes from `from` and from `at` on are the same, up to `most`, which `bytes` has from `at` on.
#[inline]
fn common(bytes: &[u8], from: usize, at: usize, most: usize) -> usize {
    let (one, other) = (&bytes[from..from + most], &bytes[at..at + most]);
    let mut length = 0;
    for (one, other) in one.chunks_exact(8).zip(other.chunks_exact(8)) {
        let differ = u64::from_le_bytes(one.try_into().unwrap_or_default())
            ^ u64::from_le_bytes(other.try_into().unwrap_or_default());
        if differ != 0 {
            return length + differ.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    length + one[length..].iter().zip(&other[length..]).take_while(|(one, other)| one == other).count()
}
