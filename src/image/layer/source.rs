//! The tar of a layer as a stream of segments, read from the archive.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use flate2::{Decompress, FlushDecompress, Status};
use shipit_builders::{Content, Part};

use super::pipeline::{Segment, Sink};
use super::{LayerError, LayerInput};
use crate::image::deflate::WINDOW;
use crate::image::deflate::nested::DeflateRuns;
use crate::image::tar;

/// Compressed bytes that are read at a time.
const CHUNK: usize = 64 * 1024;

/// What is checked while reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The CRC-32 of every part.
    Crc32,
    /// Nothing but sizes: the caller compares a stronger hash.
    Nothing,
}

/// Passes the tar to `sink`, segment after segment.
pub fn read(input: &LayerInput, file: &File, check: Check, sink: &mut Sink) -> Result<(), LayerError> {
    let inflate = Decompress::new(false);
    let mut stream =
        Stream { input, file, check, segment: Segment::allocate(), start: 0, runs: Vec::new(), sink, inflate };
    for entry in input.entries {
        match &entry.content {
            Content::Directory => {
                stream.bytes(&tar::header(&entry.path, tar::Kind::Directory, input.modified))?;
            }
            Content::File { parts } => {
                let size = entry.content.size();
                stream.bytes(&tar::header(&entry.path, tar::Kind::File { size }, input.modified))?;
                for part in parts {
                    stream.part(&entry.path, part)?;
                }
                stream.bytes(&[0; tar::BLOCK][..tar::padding(size)])?;
            }
            Content::Copy { path, size, crc32 } => {
                stream.bytes(&tar::header(&entry.path, tar::Kind::File { size: *size }, input.modified))?;
                let read = |source| LayerError::Read { archive: path.clone(), source };
                let copied = Stored { file: &File::open(path).map_err(read)?, path, offset: 0 };
                stream.stored(&entry.path, copied, *size, *crc32)?;
                stream.bytes(&[0; tar::BLOCK][..tar::padding(*size)])?;
            }
        }
    }
    stream.bytes(&tar::END)?;
    stream.pass_on()
}

struct Stream<'a, 'b> {
    input: &'a LayerInput<'a>,
    file: &'a File,
    check: Check,
    segment: Segment,
    /// Where the bytes of the segment, with its history, start in the tar.
    start: u64,
    /// Deflate data in the tar, as far as the segment and what follows are concerned.
    runs: Vec<std::ops::Range<u64>>,
    sink: &'a mut Sink<'b>,
    inflate: Decompress,
}

/// Where bytes lie as they are.
struct Stored<'a> {
    file: &'a File,
    path: &'a Path,
    offset: u64,
}

impl Stream<'_, '_> {
    /// The offset in the tar of the next byte.
    fn position(&self) -> u64 {
        self.start + self.segment.bytes().len() as u64
    }

    /// Gives the segment to the sink and begins the next.
    fn pass_on(&mut self) -> Result<(), LayerError> {
        let bytes = self.segment.bytes();
        let (start, length) = (self.start, bytes.len());
        let mut end = [0; WINDOW];
        let kept = length.min(WINDOW);
        end[..kept].copy_from_slice(&bytes[length - kept..]);
        self.segment.hints = self
            .runs
            .iter()
            .map(|run| run.start.saturating_sub(start) as usize..((run.end - start) as usize).min(length))
            .filter(|run| run.start < run.end)
            .collect();
        (self.sink)(&mut self.segment)?;
        self.start += (length - kept) as u64;
        self.segment.begin(&end[..kept]);
        let start = self.start;
        self.runs.retain(|run| run.end > start);
        Ok(())
    }

    fn bytes(&mut self, mut bytes: &[u8]) -> Result<(), LayerError> {
        while !bytes.is_empty() {
            let space = self.space()?;
            let count = space.len().min(bytes.len());
            space[..count].copy_from_slice(&bytes[..count]);
            self.segment.advance(count);
            bytes = &bytes[count..];
        }
        Ok(())
    }

    /// Room in the current segment, which is never empty.
    fn space(&mut self) -> Result<&mut [u8], LayerError> {
        if self.segment.space().is_empty() {
            self.pass_on()?;
        }
        Ok(self.segment.space())
    }

    fn part(&mut self, entry: &str, part: &Part) -> Result<(), LayerError> {
        match part {
            Part::Bytes(bytes) => self.bytes(bytes),
            Part::Stored { offset, size, crc32 } => {
                let from = Stored { file: self.file, path: self.input.archive, offset: *offset };
                self.stored(entry, from, *size, *crc32)
            }
            Part::Deflated { offset, compressed_size, size, crc32 } => {
                self.deflated(entry, *offset, *compressed_size, *size, *crc32)
            }
        }
    }

    fn stored(&mut self, entry: &str, from: Stored<'_>, size: u64, crc32: u32) -> Result<(), LayerError> {
        let Stored { file, path, offset } = from;
        let mut nested = match self.check {
            Check::Crc32 => {
                DeflateRuns::find(size, |at, bytes| file.read_exact_at(bytes, offset.checked_add(at)?).ok())
            }
            Check::Nothing => DeflateRuns::none(),
        };
        let base = self.position();
        let mut hash = crc32fast::Hasher::new();
        let mut done = 0;
        while done < size {
            let check = self.check;
            let space = self.space()?;
            let count = (space.len() as u64).min(size - done) as usize;
            let read = offset
                .checked_add(done)
                .map_or(Err(io::ErrorKind::UnexpectedEof.into()), |at| file.read_exact_at(&mut space[..count], at));
            if check == Check::Crc32 {
                hash.update(&space[..count]);
            }
            read.map_err(|error| failed(path, entry, error))?;
            self.segment.advance(count);
            done += count as u64;
            let bytes = self.segment.bytes();
            let start = self.start;
            nested.visible(done, |at, length| {
                let from = usize::try_from((base + at).checked_sub(start)?).ok()?;
                bytes.get(from..from + length)
            });
            self.runs.extend(nested.found().map(|run| base + run.start..base + run.end));
        }
        self.checked(path, entry, hash, crc32)
    }

    fn deflated(&mut self, entry: &str, offset: u64, compressed: u64, size: u64, crc32: u32) -> Result<(), LayerError> {
        self.inflate.reset(false);
        let mut hash = crc32fast::Hasher::new();
        let mut chunk = vec![0; CHUNK.min(usize::try_from(compressed).unwrap_or(CHUNK))];
        let (mut read, mut pending) = (0, 0..0);
        loop {
            if pending.is_empty() && read < compressed {
                let count = (CHUNK as u64).min(compressed - read) as usize;
                let at = offset.checked_add(read);
                at.map_or(Err(io::ErrorKind::UnexpectedEof.into()), |at| {
                    self.file.read_exact_at(&mut chunk[..count], at)
                })
                .map_err(|error| failed(self.input.archive, entry, error))?;
                read += count as u64;
                pending = 0..count;
            }
            let (taken, given) = (self.inflate.total_in(), self.inflate.total_out());
            // One byte more than there should be shows that there is too much.
            let left = size - given;
            let mut beyond = [0];
            if self.segment.space().is_empty() {
                self.pass_on()?;
            }
            let space = match left {
                0 => &mut beyond[..],
                _ => {
                    let space = self.segment.space();
                    let count = (space.len() as u64).min(left) as usize;
                    &mut space[..count]
                }
            };
            let status = self.inflate.decompress(&chunk[pending.clone()], space, FlushDecompress::None);
            pending.start += (self.inflate.total_in() - taken) as usize;
            let count = (self.inflate.total_out() - given) as usize;
            if self.check == Check::Crc32 {
                hash.update(&space[..count]);
            }
            let status = status
                .map_err(|_| damaged(self.input.archive, entry, "its compressed data is not valid".to_owned()))?;
            if left == 0 && count > 0 {
                return Err(damaged(
                    self.input.archive,
                    entry,
                    format!("it is longer than the {size} bytes that the archive says"),
                ));
            }
            if left > 0 {
                self.segment.advance(count);
            }
            if status == Status::StreamEnd {
                break;
            }
            if count == 0 && self.inflate.total_in() == taken && (pending.is_empty() && read == compressed) {
                return Err(damaged(self.input.archive, entry, "its compressed data ends early".to_owned()));
            }
        }
        if self.inflate.total_out() != size {
            let found = self.inflate.total_out();
            return Err(damaged(
                self.input.archive,
                entry,
                format!("it has {found} bytes where the archive says {size}"),
            ));
        }
        self.checked(self.input.archive, entry, hash, crc32)
    }

    fn checked(&self, path: &Path, entry: &str, hash: crc32fast::Hasher, expected: u32) -> Result<(), LayerError> {
        let actual = hash.finalize();
        if self.check == Check::Crc32 && actual != expected {
            return Err(damaged(path, entry, format!("CRC-32 {actual:08x} where the archive says {expected:08x}")));
        }
        Ok(())
    }
}

fn damaged(archive: &Path, entry: &str, what: String) -> LayerError {
    LayerError::Damaged { archive: archive.to_owned(), entry: entry.to_owned(), what }
}

fn failed(archive: &Path, entry: &str, source: io::Error) -> LayerError {
    let archive = archive.to_owned();
    match source.kind() {
        // An offset beyond what a file can have is an invalid one.
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput => {
            LayerError::Truncated { archive, entry: entry.to_owned() }
        }
        _ => LayerError::Read { archive, source },
    }
}
