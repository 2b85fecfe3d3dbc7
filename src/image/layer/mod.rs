//! How the entries of a layer become a blob: tar, deflate, and both digests in one pass.
//!
//! **What is known already.** A layer is looked for twice before it is made:
//! 1. An index like git's: for an archive whose state in the file system (size, both times, inode, device) is the one
//!    that was seen when this layer was made from it, the blob is known without reading the archive. A state that is
//!    so young that the archive could have changed again without it showing is not trusted: doubt means reading.
//! 2. By content: a record is found by what the archive's directory says of the entries (paths, sizes, CRC-32, time),
//!    and believed if a BLAKE3 hash over the layer's tar, which any number of threads compute, is the recorded one.
//!    Where the directory says something new, there is nothing to compare, and the layer is made in a single pass.

mod identity;
mod pipeline;
mod source;

use std::fs::File;
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;

use shipit_builders::Entry;

use super::cache::{Cache, CacheError, FileState};
use super::{Digest, deflate, gzip};
use identity::{ArchiveSeen, Known, LayerKey};
use pipeline::{Segment, TreeHash};

/// How bytes are laid out and encoded. A change of any byte that [`make`] writes for the same input is a new format,
/// and the old one stays, as locks name it.
///
/// Format 1: a ustar archive (see [`tar`](super::tar)) in the order of the entries, as one gzip member (see
/// [`gzip`]) whose deflate data is what [`deflate`] makes of segments of [`deflate::SEGMENT`] bytes of
/// the tar, each ending on a byte border, with the deflate runs of files that are zip archives as hints.
pub const LAYER_FORMAT: u32 = 1;

/// What a layer is made from.
#[derive(Debug, Clone, Copy)]
pub struct LayerInput<'a> {
    /// The archive that the entries' parts are ranges of.
    pub archive: &'a Path,
    /// In the order in which they stand in the tar.
    pub entries: &'a [Entry],
    /// The modification time of every entry, in seconds since the Unix epoch.
    pub modified: i64,
}

/// A finished layer: a gzip-compressed tar in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerBlob {
    /// Of the compressed bytes.
    pub digest: Digest,
    /// Of the tar.
    pub diff_id: Digest,
    /// Compressed, in bytes.
    pub size: u64,
    /// Where the blob lies in the cache.
    pub path: PathBuf,
    /// Whether it was there already, and nothing was compressed.
    pub reused: bool,
}

/// Why a layer could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    #[error("cannot read {}: {source}", archive.display())]
    Read { archive: PathBuf, source: io::Error },
    #[error("{} ends in the middle of '{entry}': it is truncated, or changed while it was read; build it again", archive.display())]
    Truncated { archive: PathBuf, entry: String },
    #[error("'{entry}' in {} is damaged ({what}): the archive is broken, or changed while it was read; build it again", archive.display())]
    Damaged { archive: PathBuf, entry: String, what: String },
    #[error("{} changed while it was read; build again when nothing else writes to it", archive.display())]
    Changed { archive: PathBuf },
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    #[error("making the layer was stopped by another error")]
    Stopped,
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// Makes a layer, or finds it in the cache.
///
/// Memory is bounded by the number of threads, not by the archive. Every part of the archive that is encoded is
/// checked against its size and CRC-32.
pub fn make(input: &LayerInput, cache: &Cache) -> Result<LayerBlob, LayerError> {
    make_with(input, cache, thread::available_parallelism().map_or(1, NonZero::get))
}

/// How many layers are made at a time: while a large one keeps the reader or the digests busy, the small ones pass by
/// on the cores that are left, and memory stays bounded whatever their number.
const AT_A_TIME: usize = 2;

/// [`make`] for each of `inputs`, several at a time. The blobs are in the order of the inputs.
pub fn make_all(inputs: &[LayerInput], cache: &Cache) -> Result<Vec<LayerBlob>, LayerError> {
    let left = Mutex::new(inputs.iter().enumerate());
    let take = || -> Result<Vec<(usize, LayerBlob)>, LayerError> {
        let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
        std::iter::from_fn(next).map(|(index, input)| Ok((index, make(input, cache)?))).collect()
    };
    let mut made = thread::scope(|scope| {
        let others = (1..AT_A_TIME.min(inputs.len()))
            .map(|_| thread::Builder::new().name("layer".to_owned()).spawn_scoped(scope, take))
            .collect::<Result<Vec<_>, _>>()
            .map_err(LayerError::Thread)?;
        let mut made = take()?;
        for other in others {
            made.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok::<_, LayerError>(made)
    })?;
    made.sort_unstable_by_key(|(index, _)| *index);
    Ok(made.into_iter().map(|(_, blob)| blob).collect())
}

/// [`make`] with a given number of encoding threads. The bytes do not depend on it.
pub fn make_with(input: &LayerInput, cache: &Cache, threads: usize) -> Result<LayerBlob, LayerError> {
    let failed = |source| LayerError::Read { archive: input.archive.to_owned(), source };
    let file = File::open(input.archive).map_err(failed)?;
    let seen = ArchiveSeen::now(input, FileState::of(&file.metadata().map_err(failed)?));
    let key = LayerKey::of(input);

    if let Some(known) = Known::of_key(cache, &key) {
        let unchanged = seen.content(cache) == Some(known.content);
        if let Some(path) = cache.blob(&known.digest)
            && (unchanged || content(input, &file, threads)? == known.content)
        {
            if !unchanged && seen.still(&file) {
                seen.remember(cache, &known.content);
            }
            let Known { digest, diff_id, size, .. } = known;
            return Ok(LayerBlob { digest, diff_id, size, path, reused: true });
        }
    }

    let (known, path) = encode(input, &file, cache, threads)?;
    if !seen.still(&file) {
        return Err(LayerError::Changed { archive: input.archive.to_owned() });
    }
    known.remember(cache, &key);
    seen.remember(cache, &known.content);
    Ok(LayerBlob { digest: known.digest, diff_id: known.diff_id, size: known.size, path, reused: false })
}

/// The identity of the layer's tar, without encoding it.
fn content(input: &LayerInput, file: &File, threads: usize) -> Result<TreeHash, LayerError> {
    let mut tree = pipeline::TreeHasher::default();
    pipeline::run(
        threads,
        |segments| source::read(input, file, source::Check::Nothing, segments),
        || |segment: &Segment, hash: &mut [u8; 32]| *hash = *blake3::hash(segment.fresh()).as_bytes(),
        |hash: &mut [u8; 32]| {
            tree.add(hash);
            Ok(())
        },
    )?;
    Ok(tree.finish())
}

/// What a thread makes of one segment.
#[derive(Default)]
struct Encoded {
    deflated: Vec<u8>,
    crc32: crc32fast::Hasher,
    size: u64,
    hash: [u8; 32],
}

/// Reads, encodes, hashes and writes the layer in one pass.
fn encode(input: &LayerInput, file: &File, cache: &Cache, threads: usize) -> Result<(Known, PathBuf), LayerError> {
    let mut blob = cache.blob_writer()?;
    blob.append(&gzip::HEADER)?;
    let (mut tree, mut crc32, mut size) = (pipeline::TreeHasher::default(), crc32fast::Hasher::new(), 0);
    let diff_id = pipeline::run(
        threads,
        |segments| {
            let mut hash = sha2::Sha256::default();
            source::read(input, file, source::Check::Crc32, &mut |segment: &mut Segment| {
                sha2::Digest::update(&mut hash, segment.fresh());
                segments(segment)
            })?;
            Ok(Digest::from_hash(hash))
        },
        || {
            let mut encoder = deflate::Encoder::new();
            move |segment: &Segment, encoded: &mut Encoded| {
                encoded.deflated.clear();
                encoder.encode(segment.bytes(), segment.history(), segment.runs(), &mut encoded.deflated);
                encoded.crc32 = crc32fast::Hasher::new();
                encoded.crc32.update(segment.fresh());
                encoded.size = segment.fresh().len() as u64;
                encoded.hash = *blake3::hash(segment.fresh()).as_bytes();
            }
        },
        |encoded| {
            tree.add(&encoded.hash);
            crc32.combine(&encoded.crc32);
            size += encoded.size;
            Ok(blob.append(&encoded.deflated)?)
        },
    )?;
    blob.append(&deflate::END)?;
    blob.append(&gzip::trailer(crc32.finalize(), size))?;
    let stored = blob.finish()?;
    let known = Known { content: tree.finish(), digest: stored.digest, diff_id, size: stored.size };
    Ok((known, stored.path))
}

#[cfg(test)]
mod tests;
