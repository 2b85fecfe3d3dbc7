//! `release.json`: the record of a build that push and deploy read, also in another CI job.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files::write_atomically;
use crate::image::cache::CacheError;
use crate::image::layout::{Layout, LayoutError, REF_NAME};
use crate::image::{Assembled, Cache, Descriptor, Digest, Platform};

/// The file's name, beside the image layout's `index.json`.
pub const FILE: &str = "release.json";

/// The version of the record's form that this program writes.
const VERSION: u32 = 1;

/// What was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Release {
    /// The form of this file; 1.
    pub version: u32,
    /// Date + git SHA, as of [`crate::version::tag`].
    pub tag: String,
    /// The full commit; none where the project is in no git repository.
    pub git_sha: Option<String>,
    /// RFC 3339, UTC.
    pub built_at: String,
    pub images: Vec<ReleasedImage>,
}

/// One image of a [`Release`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleasedImage {
    /// The name of the module, or of the jar, that the image runs.
    pub module: String,
    /// The index's digest where there are several platforms, else the manifest's.
    pub digest: Digest,
    pub platforms: Vec<Platform>,
    pub base: ReleasedBase,
    /// The application's layers, bottom first; the base's are below them.
    pub layers: Vec<ReleasedLayer>,
}

/// The base image under a [`ReleasedImage`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleasedBase {
    pub name: String,
    pub digest: Digest,
}

/// A layer of a [`ReleasedImage`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleasedLayer {
    pub name: String,
    pub digest: Digest,
    /// Bytes, compressed.
    pub size: u64,
}

/// Why there is no usable record.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    #[error("nothing has been built: there is no {}; run 'shipit build' first", .0.display())]
    Missing(PathBuf),
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is not a record that this version of shipit reads: {reason}; run 'shipit build' again", path.display())]
    Invalid { path: PathBuf, reason: String },
}

impl Release {
    /// The record of `image`.
    pub fn new(tag: String, git_sha: Option<String>, built_at: String, images: Vec<ReleasedImage>) -> Self {
        Release { version: VERSION, tag, git_sha, built_at, images }
    }

    /// Reads the record in `folder`.
    pub fn read(folder: &Path) -> Result<Self, ReleaseError> {
        let path = folder.join(FILE);
        let bytes = std::fs::read(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ReleaseError::Missing(path.clone()),
            _ => ReleaseError::Read { path: path.clone(), source },
        })?;
        let invalid = |reason: String| ReleaseError::Invalid { path: path.clone(), reason };
        let release: Release = serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))?;
        if release.version != VERSION {
            return Err(invalid(format!("it has version {}, not {VERSION}", release.version)));
        }
        if release.images.is_empty() {
            return Err(invalid("it lists no image".to_owned()));
        }
        Ok(release)
    }

    /// Writes the record into `folder`.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        write_atomically(&folder.join(FILE), |file| file.write_all(&json))
    }
}

impl ReleasedImage {
    /// The record of an image that was just assembled.
    pub fn of(module: String, assembled: &Assembled, base: ReleasedBase) -> Self {
        let layers = assembled.layers().into_iter().filter_map(|layer| {
            let name = layer.name.clone()?;
            Some(ReleasedLayer { name, digest: layer.descriptor.digest, size: layer.descriptor.size })
        });
        ReleasedImage {
            module,
            digest: assembled.digest(),
            platforms: assembled.platforms(),
            base,
            layers: layers.collect(),
        }
    }
}

/// Why what was built could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    #[error(transparent)]
    Layout(#[from] LayoutError),
    #[error(transparent)]
    Cache(#[from] CacheError),
    #[error("cannot write {}", path.display())]
    Record { path: PathBuf, source: io::Error },
}

impl Release {
    /// Keeps the image and this record of it in `folder`: an OCI image layout, without the base's layers.
    ///
    /// Writes the layout, then the record, then clears what the last build left: killed in between, the last record or
    /// this one is there, with its blobs.
    pub fn keep(&self, folder: &Path, assembled: &Assembled, cache: &Cache) -> Result<(), KeepError> {
        let layout = Layout::create(folder)?;
        let mut keep = HashSet::new();
        for layer in assembled.layers() {
            // Those of the base have no name; their bytes are fetched when somebody needs them.
            if layer.name.is_some() {
                cache.link_blob(&layer.descriptor.digest, &layout.blob_path(&layer.descriptor.digest))?;
                keep.insert(layer.descriptor.digest);
            }
        }
        for bytes in assembled.documents() {
            layout.put(bytes)?;
            keep.insert(Digest::of(bytes));
        }
        let named = BTreeMap::from([(REF_NAME.to_owned(), self.tag.clone())]);
        layout.set_index(vec![Descriptor { annotations: named, ..assembled.top() }])?;
        self.write(folder).map_err(|source| KeepError::Record { path: folder.join(FILE), source })?;
        Ok(layout.sweep(&keep)?)
    }
}
