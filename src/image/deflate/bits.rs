//! Bits into bytes, lowest bit first (RFC 1951 §3.1.1).

/// Appends bits to a byte buffer.
#[derive(Debug)]
pub struct BitWriter<'a> {
    bytes: &'a mut Vec<u8>,
    pending: u64,
    /// How many bits of `pending` are in use: fewer than 32 between calls.
    count: u32,
}

impl<'a> BitWriter<'a> {
    /// Continues `bytes`, at a byte border.
    pub fn new(bytes: &'a mut Vec<u8>) -> Self {
        BitWriter { bytes, pending: 0, count: 0 }
    }

    /// Appends the lowest `count` bits of `value`, at most 32; the others must be 0.
    pub fn push(&mut self, value: u32, count: u32) {
        self.pending |= u64::from(value) << self.count;
        self.count += count;
        if self.count >= 32 {
            self.bytes.extend_from_slice(&(self.pending as u32).to_le_bytes());
            self.pending >>= 32;
            self.count -= 32;
        }
    }

    /// Fills the current byte with zero bits.
    pub fn align(&mut self) {
        let whole = self.count.div_ceil(8) as usize;
        self.bytes.extend_from_slice(&self.pending.to_le_bytes()[..whole]);
        (self.pending, self.count) = (0, 0);
    }

    /// Whether the next bit begins a byte.
    pub fn aligned(&self) -> bool {
        self.count.is_multiple_of(8)
    }

    /// Appends whole bytes; only at a byte border that [`BitWriter::align`] made.
    pub fn extend(&mut self, bytes: &[u8]) {
        debug_assert_eq!(self.count, 0, "bytes begin at a byte border");
        self.bytes.extend_from_slice(bytes);
    }
}
