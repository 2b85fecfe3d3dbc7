//! OCI image layouts on disk (OCI image-spec 1.1, image-layout.md).

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::manifest::MAX_MANIFEST_BYTES;
use super::{Descriptor, Digest, Index, MediaType};
use crate::files::TEMPORARY;

/// The annotation in `index.json` that names an image (OCI image-spec 1.1, annotations.md).
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The file that marks a folder as a layout.
pub const LAYOUT_FILE: &str = "oci-layout";
pub(super) const LAYOUT_VERSION: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// A folder with `oci-layout`, `index.json` and `blobs/`.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

/// What went wrong with a file or folder of a layout.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    #[error("cannot {action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("{} is not an OCI image layout: {reason}", path.display())]
    NotALayout { path: PathBuf, reason: String },
}

impl Layout {
    /// Makes a layout at `root`, or takes up the one that is there. The index is left as it is.
    pub fn create(root: &Path) -> Result<Self, LayoutError> {
        let layout = Layout { root: root.to_owned() };
        let blobs = layout.blobs();
        fs::create_dir_all(&blobs).map_err(failed("create the folder", &blobs))?;
        layout.write(LAYOUT_FILE, LAYOUT_VERSION.as_bytes())?;
        Ok(layout)
    }

    /// Opens the layout at `root`.
    pub fn open(root: &Path) -> Result<Self, LayoutError> {
        let layout = Layout { root: root.to_owned() };
        let marker = root.join(LAYOUT_FILE);
        match fs::metadata(&marker) {
            Ok(_) => Ok(layout),
            Err(_) => Err(LayoutError::NotALayout {
                path: root.to_owned(),
                reason: format!("it has no file '{LAYOUT_FILE}'"),
            }),
        }
    }

    /// Where a blob lies, or would.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.blobs().join(digest.hex())
    }

    /// Whether a blob is there with the size that its descriptor names. Its bytes are checked when they are read.
    pub fn has(&self, blob: &Descriptor) -> bool {
        fs::metadata(self.blob_path(&blob.digest)).is_ok_and(|file| file.len() == blob.size)
    }

    /// Reads a manifest, index or configuration of at most 4 MiB, and checks its digest.
    pub fn read(&self, blob: &Descriptor) -> Result<Vec<u8>, LayoutError> {
        let path = self.blob_path(&blob.digest);
        let not = |reason: String| LayoutError::NotALayout { path: self.root.clone(), reason };
        if blob.size > MAX_MANIFEST_BYTES {
            return Err(not(format!("{} of {} bytes is too large to be a manifest", blob.digest, blob.size)));
        }
        let bytes = fs::read(&path).map_err(failed("read", &path))?;
        if Digest::of(&bytes) != blob.digest {
            return Err(not(format!("the blob {} has other bytes than its name says", blob.digest)));
        }
        Ok(bytes)
    }

    /// Writes a blob from memory.
    pub fn put(&self, bytes: &[u8]) -> Result<(), LayoutError> {
        let path = self.blob_path(&Digest::of(bytes));
        if fs::read(&path).is_ok_and(|there| there == bytes) {
            return Ok(());
        }
        self.write_at(&path, bytes)
    }

    /// The images of the layout.
    pub fn index(&self) -> Result<Index, LayoutError> {
        let path = self.root.join("index.json");
        let bytes = fs::read(&path).map_err(failed("read", &path))?;
        serde_json::from_slice(&bytes).map_err(|error| LayoutError::NotALayout {
            path: self.root.clone(),
            reason: format!("index.json: {error}"),
        })
    }

    /// Makes `images` the layout's images. Whoever reads meanwhile sees the old ones or the new ones, never a mixture.
    pub fn set_index(&self, images: Vec<Descriptor>) -> Result<(), LayoutError> {
        let index = Index {
            schema_version: 2,
            media_type: Some(MediaType::OCI_INDEX),
            manifests: images,
            annotations: BTreeMap::new(),
        };
        self.write("index.json", &index.to_bytes())
    }

    /// Removes every blob that is not in `keep`, and what a killed process left half written.
    pub fn sweep(&self, keep: &HashSet<Digest>) -> Result<(), LayoutError> {
        let keep: HashSet<String> = keep.iter().map(Digest::hex).collect();
        let blobs = self.blobs();
        let entries = fs::read_dir(&blobs).map_err(failed("read", &blobs))?;
        for entry in entries.flatten() {
            if !entry.file_name().to_str().is_some_and(|name| keep.contains(name)) {
                remove(&entry)?;
            }
        }
        let beside = fs::read_dir(&self.root).map_err(failed("read", &self.root))?;
        for entry in beside.flatten() {
            if entry.file_name().to_str().is_some_and(|name| name.starts_with(TEMPORARY)) {
                remove(&entry)?;
            }
        }
        Ok(())
    }

    fn blobs(&self) -> PathBuf {
        self.root.join("blobs/sha256")
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), LayoutError> {
        self.write_at(&self.root.join(name), bytes)
    }

    /// Writes a small file, unless it says that already.
    fn write_at(&self, path: &Path, bytes: &[u8]) -> Result<(), LayoutError> {
        if fs::read(path).is_ok_and(|present| present == bytes) {
            return Ok(());
        }
        crate::files::write_atomically(path, |file| file.write_all(bytes)).map_err(failed("write", path))
    }
}

/// Removes a file, or a folder in which one was being made.
fn remove(entry: &fs::DirEntry) -> Result<(), LayoutError> {
    let path = entry.path();
    let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
    if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }.map_err(failed("remove", &path))
}

fn failed<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> LayoutError + 'a {
    move |source| LayoutError::Io { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_are_put_read_and_swept() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::create(&folder.path().join("layout")).unwrap();
        layout.put(b"put").unwrap();
        layout.put(b"of an earlier build").unwrap();
        let descriptor = Descriptor::of(MediaType::OCI_CONFIG, b"put");
        layout.set_index(vec![descriptor.clone()]).unwrap();

        let opened = Layout::open(&folder.path().join("layout")).unwrap();
        assert_eq!(opened.read(&opened.index().unwrap().manifests[0]).unwrap(), b"put");
        opened.sweep(&HashSet::from([descriptor.digest])).unwrap();
        assert!(opened.has(&descriptor));
        assert!(!opened.blob_path(&Digest::of(b"linked")).exists());
    }

    #[test]
    fn a_blob_with_flipped_bits_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::create(folder.path()).unwrap();
        let descriptor = Descriptor::of(MediaType::OCI_CONFIG, b"right");
        fs::write(layout.blob_path(&descriptor.digest), b"wrong").unwrap();
        assert!(matches!(layout.read(&descriptor), Err(LayoutError::NotALayout { .. })));
    }
}
