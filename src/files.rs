//! Files that are written whole or not at all.

use std::fs::File;
use std::io;
use std::path::Path;

/// What the names of temporary files begin with.
pub const TEMPORARY: &str = ".shipit-";

/// Writes a file through a temporary one beside it, which takes its place when `write` is done and the bytes are on
/// the disk. Killed at any point, the old file is still there. The mode is what the umask leaves of 0666.
pub fn write_atomically(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    temporary(path, synced(write))?.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// [`write_atomically`], without waiting for the disk: for what the next run makes again when a power failure took it.
pub fn write_unsynced(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    temporary(path, write)?.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Writes a file that is not there yet in the same manner; where it is there, `AlreadyExists`, and it stays as it is.
pub fn create_atomically(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    temporary(path, synced(write))?.persist_noclobber(path).map_err(|error| error.error)?;
    Ok(())
}

fn synced(write: impl FnOnce(&mut File) -> io::Result<()>) -> impl FnOnce(&mut File) -> io::Result<()> {
    |file| {
        write(file)?;
        file.sync_all()
    }
}

fn temporary(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<tempfile::NamedTempFile<File>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new().prefix(TEMPORARY).make_in(folder, |name| File::create_new(name))?;
    write(temporary.as_file_mut())?;
    Ok(temporary)
}
