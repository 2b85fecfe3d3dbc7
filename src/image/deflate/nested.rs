//! Where deflate data lies in a zip archive (APPNOTE.TXT 6.3.10): hints for the encoder, nothing more.
//!
//! Entries are found by the central directory, as local headers often have no sizes (a data descriptor follows the
//! data). Whatever does not check out is left alone: a wrong hint costs bytes, and a missing one time.

use std::ops::Range;

/// The most bytes of a central directory that are read: more than half a million entries, kept in 16 bytes each.
const MAX_DIRECTORY: u64 = 48 * 1024 * 1024;

/// The bytes of a directory that are held at a time: more than its largest entry has.
const DIRECTORY_CHUNK: u64 = 256 * 1024;

/// The most bytes of a comment after the end record.
const MAX_COMMENT: u64 = 65_535;

const END: [u8; 4] = *b"PK\x05\x06";
const END_SIZE: usize = 22;
const END64: [u8; 4] = *b"PK\x06\x06";
const END64_SIZE: usize = 56;
const LOCATOR64: [u8; 4] = *b"PK\x06\x07";
const LOCATOR64_SIZE: usize = 20;
const DIRECTORY_ENTRY: [u8; 4] = *b"PK\x01\x02";
const DIRECTORY_ENTRY_SIZE: usize = 46;
const LOCAL: [u8; 4] = *b"PK\x03\x04";
const LOCAL_SIZE: usize = 30;
const DEFLATED: u16 = 8;

/// Stands in a field whose value does not fit, and is found in the zip64 records.
const NOT_HERE: u64 = u32::MAX as u64;

/// An entry with deflate data, by the central directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Deflated {
    /// Of the local header, from the start of the file.
    header: u64,
    /// Compressed, in bytes.
    size: u64,
}

/// The runs of deflate data in a file, found one after the other while the file passes by.
#[derive(Debug, Default)]
pub struct DeflateRuns {
    entries: Vec<Deflated>,
    next: usize,
    /// Where the central directory begins: no data lies beyond.
    limit: u64,
    /// Where the last run ended.
    end: u64,
    found: Vec<Range<u64>>,
}

impl DeflateRuns {
    /// For a file in which nothing is looked for.
    pub fn none() -> Self {
        DeflateRuns::default()
    }

    /// Reads the directory of a file of `size` bytes; without one there are no runs.
    ///
    /// `read` fills a buffer from an offset of the file, or says that it cannot.
    pub fn find(size: u64, mut read: impl FnMut(u64, &mut [u8]) -> Option<()>) -> Self {
        Self::directory(size, &mut read).unwrap_or_default()
    }

    fn directory(size: u64, read: &mut dyn FnMut(u64, &mut [u8]) -> Option<()>) -> Option<Self> {
        // Most archives have no comment: the end record is the very end.
        let mut tail = vec![0; END_SIZE];
        let mut tail_at = size.checked_sub(END_SIZE as u64)?;
        read(tail_at, &mut tail)?;
        let mut end = 0;
        if tail[..4] != END {
            tail_at = size.saturating_sub(END_SIZE as u64 + MAX_COMMENT);
            tail = vec![0; (size - tail_at) as usize];
            read(tail_at, &mut tail)?;
            end = (0..=tail.len() - END_SIZE).rev().find(|at| tail[*at..*at + 4] == END)?;
        }
        let record = &tail[end..];
        let (mut length, mut offset) = (u64::from(u32_at(record, 12)?), u64::from(u32_at(record, 16)?));
        let mut directory_end = tail_at + end as u64;
        if length == NOT_HERE || offset == NOT_HERE || u16_at(record, 10)? == u16::MAX {
            let mut locator = [0; LOCATOR64_SIZE];
            let found = directory_end.checked_sub(LOCATOR64_SIZE as u64).and_then(|at| read(at, &mut locator));
            if found.is_some() && locator[..4] == LOCATOR64 {
                // Right before its locator, whatever stands before the archive.
                let at = directory_end.checked_sub((LOCATOR64_SIZE + END64_SIZE) as u64)?;
                let mut record = [0; END64_SIZE];
                read(at, &mut record)?;
                if record[..4] == END64 {
                    (length, offset) = (u64_at(&record, 40)?, u64_at(&record, 48)?);
                    directory_end = at;
                }
            }
        }
        if length > MAX_DIRECTORY {
            return None;
        }
        // Offsets count from the archive's start, which may lie after a script or another file.
        let limit = directory_end.checked_sub(length)?;
        let shift = limit.checked_sub(offset)?;
        let mut entries = Vec::with_capacity(length as usize / 80);
        let mut chunk = vec![0; DIRECTORY_CHUNK.min(length) as usize];
        let mut done = 0;
        while done < length {
            let bytes = &mut chunk[..DIRECTORY_CHUNK.min(length - done) as usize];
            read(limit + done, bytes)?;
            match parse(bytes, shift, &mut entries) {
                // No entry, and no more of them will follow.
                0 => break,
                parsed => done += parsed as u64,
            }
        }
        entries.sort_unstable();
        Some(DeflateRuns { entries, limit, ..DeflateRuns::default() })
    }

    /// Says that the file has passed by up to `end`. `bytes` gives bytes of it by offset and length, if they are at
    /// hand: those that passed since the last call, and the window before.
    pub fn visible<'a>(&mut self, end: u64, bytes: impl Fn(u64, usize) -> Option<&'a [u8]>) {
        while let Some(entry) = self.entries.get(self.next).filter(|entry| entry.header + LOCAL_SIZE as u64 <= end) {
            self.next += 1;
            let next = self.entries.get(self.next).map_or(self.limit, |next| next.header);
            let Some(run) = bytes(entry.header, LOCAL_SIZE).and_then(|local| entry.data(local)) else { continue };
            // Data that overlaps other data is no structure to rely on.
            if entry.header < self.end || run.end > next.min(self.limit) {
                continue;
            }
            self.end = run.end;
            self.found.push(run);
        }
    }

    /// The runs that were found since the last call.
    pub fn found(&mut self) -> impl Iterator<Item = Range<u64>> {
        self.found.drain(..)
    }
}

impl Deflated {
    /// Where the data lies, by the local header.
    fn data(&self, local: &[u8]) -> Option<Range<u64>> {
        if local[..4] != LOCAL || u16_at(local, 8)? != DEFLATED {
            return None;
        }
        let names = u64::from(u16_at(local, 26)?) + u64::from(u16_at(local, 28)?);
        let start = self.header + LOCAL_SIZE as u64 + names;
        Some(start..start.checked_add(self.size)?)
    }
}

/// Adds the deflated entries of a piece of a central directory, up to the first that is cut off or is none.
/// Gives how many bytes they took.
fn parse(directory: &[u8], shift: u64, entries: &mut Vec<Deflated>) -> usize {
    let mut rest = directory;
    while let Some(next) = entry(rest, shift, entries) {
        rest = next;
    }
    directory.len() - rest.len()
}

fn entry<'a>(bytes: &'a [u8], shift: u64, entries: &mut Vec<Deflated>) -> Option<&'a [u8]> {
    let (fixed, rest) = bytes.split_at_checked(DIRECTORY_ENTRY_SIZE)?;
    if fixed[..4] != DIRECTORY_ENTRY {
        return None;
    }
    let [name, extra, comment] = [u16_at(fixed, 28)?, u16_at(fixed, 30)?, u16_at(fixed, 32)?].map(usize::from);
    let rest = rest.get(name..)?;
    let (fields, rest) = rest.split_at_checked(extra)?;
    let rest = rest.get(comment..)?;
    let [compressed, size, header] = [u32_at(fixed, 20)?, u32_at(fixed, 24)?, u32_at(fixed, 42)?];
    let (compressed, size, header) = wide(fields, compressed, size, header);
    // Data that did not shrink is stored blocks all over, as zlib's level 0 writes them: what is deflate data by name
    // only may shrink.
    if u16_at(fixed, 10)? == DEFLATED && compressed < size {
        // Within what an offset can be in a file.
        if let Some(header) = header.checked_add(shift).filter(|header| *header < 1 << 62) {
            entries.push(Deflated { header, size: compressed });
        }
    }
    Some(rest)
}

/// The sizes and the offset, from the zip64 extra field where the narrow ones say so (APPNOTE 4.5.3).
fn wide(mut fields: &[u8], compressed: u32, size: u32, header: u32) -> (u64, u64, u64) {
    let mut values = [size, compressed, header].map(u64::from);
    if values.contains(&NOT_HERE) {
        while let (Some(id), Some(length)) = (u16_at(fields, 0), u16_at(fields, 2)) {
            let end = 4 + usize::from(length);
            let Some(mut body) = fields.get(4..end) else { break };
            if id == 1 {
                for value in values.iter_mut().filter(|value| **value == NOT_HERE) {
                    let Some(wide) = u64_at(body, 0) else { break };
                    *value = wide;
                    body = &body[8..];
                }
            }
            fields = &fields[end..];
        }
    }
    (values[1], values[0], values[2])
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests;
