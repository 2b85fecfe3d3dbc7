//! What was made before, and from what: the records that let a build skip reading or compressing.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::time::SystemTime;

use shipit_builders::{Content, Part};

use super::pipeline::TreeHash;
use super::{LAYER_FORMAT, LayerInput};
use crate::image::Digest;
use crate::image::cache::{Cache, FileState};

/// How old, in nanoseconds, an archive must be when it is read for its state to be trusted later: longer than the
/// tick of the kernel's clock, so that no write after the reading can leave the same time.
const SETTLED: i128 = 100_000_000;

/// The same where the file system tells times in whole seconds, or in two.
const SETTLED_COARSE: i128 = 2_100_000_000;

/// What the archive's directory says of a layer: the format, the time, and each entry's path, sizes and CRC-32.
///
/// Equal contents have equal keys. The reverse is not sure, so a key is where to look, never what to believe.
pub struct LayerKey(blake3::Hash);

impl LayerKey {
    pub fn of(input: &LayerInput) -> Self {
        let mut hash = blake3::Hasher::new();
        hash.update(&LAYER_FORMAT.to_le_bytes());
        hash.update(&input.modified.to_le_bytes());
        let number = |hash: &mut blake3::Hasher, number: u64| _ = hash.update(&number.to_le_bytes());
        for entry in input.entries {
            number(&mut hash, entry.path.len() as u64);
            hash.update(entry.path.as_bytes());
            let parts = match &entry.content {
                Content::Directory => {
                    number(&mut hash, u64::MAX);
                    continue;
                }
                Content::File { parts } => parts,
                // As a file of one part.
                Content::Copy { size, crc32, .. } => {
                    number(&mut hash, 1);
                    number(&mut hash, *size);
                    hash.update(b"c").update(&crc32.to_le_bytes());
                    continue;
                }
            };
            number(&mut hash, parts.len() as u64);
            for part in parts {
                number(&mut hash, part.size());
                match part {
                    Part::Bytes(bytes) => _ = hash.update(b"b").update(bytes),
                    // How the archive keeps it is all the same.
                    Part::Stored { crc32, .. } | Part::Deflated { crc32, .. } => {
                        _ = hash.update(b"c").update(&crc32.to_le_bytes());
                    }
                }
            }
        }
        LayerKey(hash.finalize())
    }

    fn record(&self) -> String {
        format!("layer-{}", self.0.to_hex())
    }
}

/// A layer that was made, and what its tar was.
pub struct Known {
    pub content: TreeHash,
    pub digest: Digest,
    pub diff_id: Digest,
    /// Of the blob, in bytes.
    pub size: u64,
}

impl Known {
    /// What was made under this key; `None` if nothing was, or the record cannot be made sense of.
    pub fn of_key(cache: &Cache, key: &LayerKey) -> Option<Known> {
        let record = String::from_utf8(cache.record(&key.record())?).ok()?;
        let [content, digest, diff_id, size, sum] = record.lines().collect::<Vec<_>>().try_into().ok()?;
        let body = record.strip_suffix(&format!("{sum}\n"))?;
        if blake3::hash(body.as_bytes()).to_hex().as_str() != sum {
            return None;
        }
        let content = *blake3::Hash::from_hex(content).ok()?.as_bytes();
        Some(Known { content, digest: digest.parse().ok()?, diff_id: diff_id.parse().ok()?, size: size.parse().ok()? })
    }

    pub fn remember(&self, cache: &Cache, key: &LayerKey) {
        let content = blake3::Hash::from_bytes(self.content).to_hex();
        let body = format!("{content}\n{}\n{}\n{}\n", self.digest, self.diff_id, self.size);
        // A sum over the record, so that a flipped bit in it is no other layer.
        let sum = blake3::hash(body.as_bytes()).to_hex();
        cache.set_record(&key.record(), format!("{body}{sum}\n").as_bytes());
    }
}

/// The state of an archive at the start of reading a certain layer from it.
pub struct ArchiveSeen {
    /// Names the archive's path and the very ranges that make up the layer.
    record: String,
    state: FileState,
    /// Whether the state is old enough to be trusted later.
    settled: bool,
}

impl ArchiveSeen {
    pub fn now(input: &LayerInput, state: FileState) -> Self {
        let mut hash = blake3::Hasher::new();
        let path = std::path::absolute(input.archive).unwrap_or_else(|_| input.archive.to_owned());
        hash.update(path.as_os_str().as_bytes()).update(b"\0");
        hash.update(LayerKey::of(input).0.as_bytes());
        let mut copies = false;
        for entry in input.entries {
            let parts = match &entry.content {
                Content::Directory => continue,
                Content::File { parts } => parts,
                // The archive's state says nothing of files beside it: such a layer is read each time.
                Content::Copy { .. } => {
                    hash.update(b"copy");
                    copies = true;
                    continue;
                }
            };
            for part in parts {
                match part {
                    Part::Bytes(_) => {}
                    Part::Stored { offset, .. } => _ = hash.update(&offset.to_le_bytes()),
                    Part::Deflated { offset, compressed_size, .. } => {
                        hash.update(&offset.to_le_bytes()).update(&compressed_size.to_le_bytes());
                    }
                }
            }
        }
        let nanoseconds = |(seconds, rest): (i64, i64)| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        let latest = nanoseconds(state.modified).max(nanoseconds(state.changed));
        let coarse = state.modified.1 == 0 && state.changed.1 == 0;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |age| age.as_nanos() as i128);
        let settled = !copies && now - latest > if coarse { SETTLED_COARSE } else { SETTLED };
        ArchiveSeen { record: format!("seen-{}", hash.finalize().to_hex()), state, settled }
    }

    /// What the layer's tar was when the archive was last read in this state.
    pub fn content(&self, cache: &Cache) -> Option<TreeHash> {
        let record = String::from_utf8(cache.record(&self.record)?).ok()?;
        let (state, content) = record.trim_end().split_once('\n')?;
        (state == self.state.to_string()).then(|| blake3::Hash::from_hex(content).ok().map(|hash| *hash.as_bytes()))?
    }

    /// Whether the archive is still in the state that it was in.
    pub fn still(&self, file: &File) -> bool {
        file.metadata().is_ok_and(|metadata| FileState::of(&metadata) == self.state)
    }

    /// Remembers what was read, if the state is one to be trusted.
    pub fn remember(&self, cache: &Cache, content: &TreeHash) {
        if self.settled {
            let record = format!("{}\n{}\n", self.state, blake3::Hash::from_bytes(*content).to_hex());
            cache.set_record(&self.record, record.as_bytes());
        }
    }
}
