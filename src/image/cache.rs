//! The cache folder: blobs by their digest, and small records beside them.
//!
//! Safe to share: everything is written to a temporary file of its own and renamed into place, so a reader sees a
//! whole file or none, and of two writers of the same content either may win. Safe to delete at any time: everything
//! in it can be made again. A process that is killed leaves only files in `tmp/`, which a later one sweeps.
//!
//! **Flipped bits.** Beside each blob stands what the file system said of it when its digest was last computed: size,
//! both times, inode, and the boot of this machine. While that holds, the blob is taken as it is; any doubt (another
//! tool wrote to it, it was restored from an archive, the machine was restarted) means reading and hashing it again,
//! and a blob that is not what its name says is removed, to be made anew. What decays on the medium itself, unseen by
//! the file system, is caught where the blob is sent: a push hashes what it sends.
//!
//! **fsync.** Nothing here is synced: after a power failure the boot is another one, so every blob is hashed before
//! it is trusted again. That is cheaper than waiting for the disk in each build.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::Digest;

/// Temporary files that nobody wrote to for this long are of a process that died.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// Why the cache could not be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    #[error("cannot write {}: {source}; {}", path.display(), advice(source))]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot write {}: {source}{}", path.display(), if is_full(source) { "; the disk is full: make room" } else { "" })]
    Place { path: PathBuf, source: io::Error },
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot read what was to become the blob {digest}: {source}")]
    Source { digest: Digest, source: io::Error },
    #[error(
        "the content is not what was announced: {expected} of {expected_size} bytes, but got {actual} of {actual_size} bytes; try again, and if it persists the source is damaged"
    )]
    Mismatch { expected: Digest, expected_size: u64, actual: Digest, actual_size: u64 },
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// What to do about a failed write to the cache.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        _ if is_full(error) => {
            "the disk is full: make room (the cache folder may be deleted at any time), or set SHIPIT_CACHE_DIR to a \
             folder on another disk"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "set SHIPIT_CACHE_DIR to a folder that this user may write to"
        }
        _ => "check the cache folder, or set SHIPIT_CACHE_DIR to another one",
    }
}

/// A cache folder.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
    /// Names the time since this machine started; empty where the system does not tell.
    boot: String,
}

/// A blob that was written to the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBlob {
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    pub path: PathBuf,
}

impl Cache {
    /// Opens the cache in `dir`, which is made where it is missing, and sweeps what dead processes left.
    ///
    /// A folder that can be read but not written is fine until something must be stored.
    pub fn open(dir: &Path) -> Result<Cache, CacheError> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
        // Records name files by absolute paths, whatever directory the process is in.
        let root = std::path::absolute(dir).map_err(|source| CacheError::Read { path: dir.to_owned(), source })?;
        let cache = Cache { root, boot };
        for folder in [cache.blobs(), cache.temporary(), cache.root.join("checked"), cache.root.join("records")] {
            if !folder.is_dir() {
                fs::create_dir_all(&folder).map_err(|source| CacheError::Write { path: folder, source })?;
            }
        }
        cache.sweep();
        Ok(cache)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn blobs(&self) -> PathBuf {
        self.root.join("blobs/sha256")
    }

    fn temporary(&self) -> PathBuf {
        self.root.join("tmp")
    }

    fn checked(&self, digest: &Digest) -> PathBuf {
        self.root.join("checked").join(digest.hex())
    }

    /// Removes temporary files that were abandoned. Failing to is no reason to fail.
    fn sweep(&self) {
        let now = SystemTime::now();
        for file in fs::read_dir(self.temporary()).into_iter().flatten().flatten() {
            let modified = file.metadata().and_then(|metadata| metadata.modified());
            if modified.is_ok_and(|then| now.duration_since(then).is_ok_and(|age| age > ABANDONED)) {
                let _ = fs::remove_file(file.path());
            }
        }
    }

    /// Where the blob lies, if it is here and is what its digest says (see the module's notes on flipped bits).
    pub fn blob(&self, digest: &Digest) -> Option<PathBuf> {
        let path = self.blobs().join(digest.hex());
        let mut file = File::open(&path).ok()?;
        let before = file.metadata().ok()?;
        let state = self.state(&before);
        if fs::read_to_string(self.checked(digest)).is_ok_and(|checked| checked == state) {
            return Some(path);
        }
        let mut hash = Sha256::new();
        let size = io::copy(&mut file, &mut HashWriter(&mut hash)).ok()?;
        if Digest::from_hash(hash) != *digest || size != before.len() {
            // Removed so that it is made anew; another process may have done either already.
            let _ = fs::remove_file(&path);
            return None;
        }
        if file.metadata().is_ok_and(|after| self.state(&after) == state) {
            let _ = self.replace(&self.checked(digest), state.as_bytes());
        }
        Some(path)
    }

    /// Stores what `reader` gives under `digest`, if it is that, of `size` bytes; nothing is kept otherwise.
    pub fn store_blob(&self, digest: &Digest, size: u64, reader: impl Read) -> Result<PathBuf, CacheError> {
        let mut writer = self.blob_writer()?;
        let mut reader = reader.take(size.saturating_add(1));
        let mut buffer = vec![0; 128 * 1024];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => writer.append(&buffer[..count])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(CacheError::Source { digest: *digest, source }),
            }
        }
        writer.finish_as(digest, size).map(|blob| blob.path)
    }

    /// A new blob: a temporary file that is hashed while it is written, and named by its digest when it is finished.
    pub fn blob_writer(&self) -> Result<BlobWriter<'_>, CacheError> {
        Ok(BlobWriter { file: self.temporary_file()?, hash: Sha256::new(), size: 0, cache: self })
    }

    /// Puts the blob at `to`, which is replaced unless it is this blob: as a hard link where that is possible, else as
    /// a copy with the same time, by which it is known again.
    ///
    /// Use this rather than linking by hand: a link moves the blob's change time, and the next use would hash it.
    pub fn link_blob(&self, digest: &Digest, to: &Path) -> Result<(), CacheError> {
        let path = self.blobs().join(digest.hex());
        let failed = |source| CacheError::Place { path: to.to_owned(), source };
        let unreadable = |source| CacheError::Read { path: path.clone(), source };
        let blob = fs::metadata(&path).map_err(unreadable)?;
        let modified = blob.modified().map_err(unreadable)?;
        if fs::metadata(to)
            .is_ok_and(|there| there.len() == blob.len() && there.modified().is_ok_and(|at| at == modified))
        {
            return Ok(());
        }
        let sound = fs::read_to_string(self.checked(digest)).is_ok_and(|checked| checked == self.state(&blob));
        // Linked beside the goal and renamed, so that `to` is never half-written nor missing.
        let beside = tempfile::Builder::new()
            .prefix(".blob-")
            .tempdir_in(to.parent().unwrap_or(Path::new(".")))
            .map_err(failed)?;
        let link = beside.path().join("blob");
        if fs::hard_link(&path, &link).is_err() {
            fs::copy(&path, &link).map_err(failed)?;
            File::options().write(true).open(&link).and_then(|file| file.set_modified(modified)).map_err(failed)?;
        }
        fs::rename(&link, to).map_err(failed)?;
        if sound && let Ok(metadata) = fs::metadata(&path) {
            let _ = self.replace(&self.checked(digest), self.state(&metadata).as_bytes());
        }
        Ok(())
    }

    /// A small record by its name, which is a file name; `None` where there is none.
    pub(super) fn record(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.root.join("records").join(name)).ok()
    }

    /// Writes a record; the cache works without it, so that failing to is no reason to fail.
    pub(super) fn set_record(&self, name: &str, content: &[u8]) {
        let _ = self.replace(&self.root.join("records").join(name), content);
    }

    fn replace(&self, path: &Path, content: &[u8]) -> Result<(), CacheError> {
        let mut file = self.temporary_file()?;
        let failed = |source| CacheError::Write { path: path.to_owned(), source };
        file.write_all(content).map_err(failed)?;
        file.persist(path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    fn temporary_file(&self) -> Result<NamedTempFile, CacheError> {
        let make = || {
            // Readable by all as far as the umask goes: what is linked into a layout may be read by others.
            tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o666)).tempfile_in(self.temporary())
        };
        make()
            .or_else(|error| match error.kind() {
                // Somebody deleted the cache while this process ran.
                io::ErrorKind::NotFound => {
                    Cache::open(&self.root).map_err(|_| error)?;
                    make()
                }
                _ => Err(error),
            })
            .map_err(|source| CacheError::Write { path: self.temporary(), source })
    }

    /// What the file system says of a blob, and the boot in which it said so.
    fn state(&self, metadata: &Metadata) -> String {
        format!("{} {}\n", FileState::of(metadata), self.boot)
    }
}

/// What the file system says of a file: as long as this stays the same, so does its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileState {
    pub size: u64,
    pub device: u64,
    pub inode: u64,
    /// Seconds and nanoseconds.
    pub modified: (i64, i64),
    pub changed: (i64, i64),
}

impl FileState {
    pub fn of(metadata: &Metadata) -> Self {
        FileState {
            size: metadata.size(),
            device: metadata.dev(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl std::fmt::Display for FileState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (modified, changed) = (self.modified, self.changed);
        write!(f, "{} {} {} {}.{:09} ", self.size, self.device, self.inode, modified.0, modified.1)?;
        write!(f, "{}.{:09}", changed.0, changed.1)
    }
}

/// A blob that is being written; dropped before it is finished, it leaves nothing.
#[derive(Debug)]
pub struct BlobWriter<'a> {
    cache: &'a Cache,
    file: NamedTempFile,
    hash: Sha256,
    size: u64,
}

impl BlobWriter<'_> {
    /// Appends bytes.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), CacheError> {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        let path = self.file.path();
        self.file.as_file().write_all(bytes).map_err(|source| CacheError::Write { path: path.to_owned(), source })
    }

    /// Names the blob by its digest.
    pub fn finish(self) -> Result<StoredBlob, CacheError> {
        let digest = Digest::from_hash(self.hash);
        let path = self.cache.blobs().join(digest.hex());
        let failed = |source| CacheError::Write { path: path.clone(), source };
        let file = match self.file.persist(&path) {
            Ok(file) => file,
            // Somebody deleted the cache while this process ran.
            Err(error) if error.error.kind() == io::ErrorKind::NotFound && error.file.path().exists() => {
                fs::create_dir_all(self.cache.blobs()).map_err(failed)?;
                error.file.persist(&path).map_err(|error| failed(error.error))?
            }
            Err(error) => return Err(failed(error.error)),
        };
        if let Ok(metadata) = file.metadata() {
            // After the rename, which moves the change time.
            let _ = self.cache.replace(&self.cache.checked(&digest), self.cache.state(&metadata).as_bytes());
        }
        Ok(StoredBlob { digest, size: self.size, path })
    }

    /// Names the blob by its digest if it is the one that was announced.
    pub fn finish_as(self, digest: &Digest, size: u64) -> Result<StoredBlob, CacheError> {
        let actual = Digest::from_hash(self.hash.clone());
        if actual != *digest || self.size != size {
            return Err(CacheError::Mismatch {
                expected: *digest,
                expected_size: size,
                actual,
                actual_size: self.size,
            });
        }
        self.finish()
    }
}

/// A hash as something to write to.
struct HashWriter<'a>(&'a mut Sha256);

impl Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for BlobWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
