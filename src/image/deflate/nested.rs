//! Where deflate data lies in a zip archive: hints, nothing more.

use std::ops::Range;

/// stub
pub struct DeflateRuns;

impl DeflateRuns {
    pub fn none() -> Self {
        DeflateRuns
    }

    pub fn find(size: u64, read: impl FnMut(u64, &mut [u8]) -> Option<()>) -> Self {
        let _ = (size, read);
        DeflateRuns
    }

    pub fn visible<'a>(&mut self, end: u64, bytes: impl Fn(u64, usize) -> Option<&'a [u8]>) {
        let _ = (end, bytes);
    }

    pub fn found(&mut self) -> impl Iterator<Item = Range<u64>> {
        std::iter::empty()
    }
}
