//! An image that lies somewhere, ready to be looked into: its manifest, its configuration, and the way to its layers.

mod archive;
mod from_layout;

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::layout::LayoutError;
use super::{Descriptor, Digest, Manifest, Platform};

pub use archive::open as open_archive;
pub use from_layout::open as open_layout;

/// The most bytes of an unpacked layer that are read: what decompresses to more is taken for a bomb.
const MAX_LAYER: u64 = 16 * 1024 * 1024 * 1024;

/// How deep indexes may stand inside one another.
const MAX_INDEX_DEPTH: usize = 4;

/// Where the bytes of an image's layers are.
pub trait LayerSource: fmt::Debug {
    /// The layer as it is stored, compressed or not; none where it is not there, as a base's layers are not in
    /// `target/shipit`.
    fn open(&self, layer: &Descriptor) -> Result<Option<Box<dyn Read + '_>>, OpenError>;
}

/// An image, and the way to its layers.
#[derive(Debug)]
pub struct OpenedImage {
    /// The manifest's digest. None in an archive of `docker save` that has no manifest.
    pub digest: Option<Digest>,
    pub manifest: Manifest,
    pub config_digest: Digest,
    pub config: Value,
    pub layers: Vec<OpenedLayer>,
    source: Box<dyn LayerSource>,
}

/// A layer of an [`OpenedImage`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedLayer {
    pub descriptor: Descriptor,
    /// Of the tar inside.
    pub diff_id: Option<Digest>,
    /// What shipit called it; none for a layer that it did not make.
    pub name: Option<String>,
    /// What the configuration's history says of it.
    pub created_by: Option<String>,
}

/// Why an image cannot be looked into.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Layout(#[from] LayoutError),
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{name} is no image that can be read: {reason}")]
    NotAnImage { name: String, reason: String },
    #[error("{name} has several images; name one of them: {}", choices.join(", "))]
    Several { name: String, choices: Vec<String> },
    #[error("{name} has no image for {wanted}; it has: {}", available.join(", "))]
    MissingPlatform { name: String, wanted: Platform, available: Vec<String> },
    #[error("{name} has no image called '{wanted}'; it has: {}", available.join(", "))]
    MissingTag { name: String, wanted: String, available: Vec<String> },
    #[error("the layer {layer} cannot be read: {reason}")]
    Layer { layer: Digest, reason: String },
}

impl OpenedImage {
    /// An image by the bytes of its manifest and configuration, whose digests were checked.
    pub fn new(
        name: &str,
        digest: Option<Digest>,
        manifest: &[u8],
        config: &[u8],
        source: Box<dyn LayerSource>,
    ) -> Result<Self, OpenError> {
        let not = |reason: String| OpenError::NotAnImage { name: name.to_owned(), reason };
        let manifest: Manifest =
            serde_json::from_slice(manifest).map_err(|error| not(format!("its manifest: {error}")))?;
        let config_digest = manifest.config.digest;
        let config: Value =
            serde_json::from_slice(config).map_err(|error| not(format!("its configuration: {error}")))?;
        let layers = layers(&manifest, &config);
        Ok(OpenedImage { digest, manifest, config_digest, config, layers, source })
    }

    /// A value of the configuration's `config` object.
    pub fn runtime(&self, key: &str) -> Option<&Value> {
        self.config.get("config")?.get(key)
    }

    /// The platform that the configuration names.
    pub fn platform(&self) -> Option<Platform> {
        serde_json::from_value(self.config.clone()).ok()
    }

    /// The tar of a layer, decompressed. When it is read to its end, the layer's size and digest have been checked,
    /// and an error has told of a mismatch. None where the layer's bytes are not there.
    pub fn tar(&self, layer: &Descriptor) -> Result<Option<Box<dyn Read + '_>>, OpenError> {
        let Some(stored) = self.source.open(layer)? else { return Ok(None) };
        let failed = |error: io::Error| OpenError::Layer { layer: layer.digest, reason: error.to_string() };
        let mut stored = BufReader::with_capacity(128 * 1024, Verified::new(stored, layer));
        let head = io::BufRead::fill_buf(&mut stored).map_err(failed)?;
        let tar: Box<dyn Read + '_> = match head {
            [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(stored)),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                let reason = "it is compressed by zstd, which this version does not look into".to_owned();
                return Err(OpenError::Layer { layer: layer.digest, reason });
            }
            _ => Box::new(stored),
        };
        Ok(Some(Box::new(Bounded { reader: tar, left: MAX_LAYER })))
    }
}

/// The layers, with what the configuration tells of them.
fn layers(manifest: &Manifest, config: &Value) -> Vec<OpenedLayer> {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let empty = |entry: &&Value| entry.get("empty_layer").and_then(Value::as_bool).unwrap_or(false);
    let history: Vec<&Value> =
        config.get("history").and_then(Value::as_array).into_iter().flatten().filter(|entry| !empty(entry)).collect();
    // A history that tells of other layers than there are says nothing of any.
    let history = if history.len() == manifest.layers.len() { history } else { Vec::new() };
    let diff_ids = config.pointer("/rootfs/diff_ids").and_then(Value::as_array);
    let layer = |(position, descriptor): (usize, &Descriptor)| {
        let told = history.get(position);
        let created_by = told.and_then(|entry| text(entry, "created_by"));
        let name = match created_by.as_deref() {
            Some("shipit") => {
                told.and_then(|entry| text(entry, "comment")?.strip_suffix(" of the application").map(str::to_owned))
            }
            _ => None,
        };
        let diff_id = diff_ids.and_then(|ids| ids.get(position)?.as_str()?.parse().ok());
        OpenedLayer { descriptor: descriptor.clone(), diff_id, name, created_by }
    };
    manifest.layers.iter().enumerate().map(layer).collect()
}

/// The image for `platform` among the descriptors of an index, or the one that `tag` names.
fn choose<'a>(
    name: &str,
    images: &'a [Descriptor],
    tag: Option<&str>,
    platform: &Platform,
) -> Result<&'a Descriptor, OpenError> {
    let called = |image: &Descriptor| {
        image.annotations.get(super::layout::REF_NAME).cloned().unwrap_or_else(|| image.digest.to_string())
    };
    let named = |image: &&Descriptor| tag.is_none_or(|tag| called(image) == tag || image.digest.to_string() == tag);
    let candidates: Vec<&Descriptor> = images.iter().filter(named).collect();
    let several = || candidates.iter().map(|image| called(image)).collect::<Vec<_>>();
    match (&*candidates, tag) {
        ([only], _) => return Ok(only),
        ([], Some(tag)) => {
            let available = images.iter().map(called).collect();
            return Err(OpenError::MissingTag { name: name.to_owned(), wanted: tag.to_owned(), available });
        }
        ([], None) => {
            return Err(OpenError::NotAnImage { name: name.to_owned(), reason: "it lists no image".to_owned() });
        }
        _ => {}
    }
    let serving: Vec<&&Descriptor> =
        candidates.iter().filter(|image| image.platform.as_ref().is_some_and(|found| found.serves(platform))).collect();
    match *serving {
        [only] => Ok(only),
        [] if candidates.iter().any(|image| image.platform.is_some()) => Err(OpenError::MissingPlatform {
            name: name.to_owned(),
            wanted: platform.clone(),
            available: candidates.iter().filter_map(|image| Some(image.platform.as_ref()?.to_string())).collect(),
        }),
        _ => Err(OpenError::Several { name: name.to_owned(), choices: several() }),
    }
}

/// Hashes what passes, and turns an end at the wrong place or with the wrong digest into an error.
struct Verified<'a> {
    reader: Box<dyn Read + 'a>,
    hash: Sha256,
    seen: u64,
    digest: Digest,
    size: u64,
}

impl<'a> Verified<'a> {
    fn new(reader: Box<dyn Read + 'a>, layer: &Descriptor) -> Self {
        Verified { reader, hash: Sha256::new(), seen: 0, digest: layer.digest, size: layer.size }
    }
}

impl Read for Verified<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.seen += count as u64;
        self.hash.update(&buffer[..count]);
        let ended = count == 0 && !buffer.is_empty();
        if ended && (self.seen < self.size || Digest::from_hash(self.hash.clone()) != self.digest) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its bytes are not those that its digest names"));
        }
        if self.seen > self.size {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it has more bytes than the manifest says"));
        }
        Ok(count)
    }
}

/// An error in place of the byte after the last that is allowed.
struct Bounded<'a> {
    reader: Box<dyn Read + 'a>,
    left: u64,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("it unpacks to more than {MAX_LAYER} bytes"))
        })?;
        Ok(count)
    }
}

fn open_file(path: &Path) -> Result<File, OpenError> {
    File::open(path).map_err(|source| OpenError::Read { path: path.to_owned(), source })
}
