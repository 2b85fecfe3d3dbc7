//! Files that are written whole or not at all.

use std::fs::File;
use std::io;
use std::path::Path;

/// What the names of temporary files begin with.
pub const TEMPORARY: &str = ".shipit-";

/// Writes a file through a temporary one beside it, which takes its place when `write` is done. Killed at any point,
/// the old file is still there. The mode is what the umask leaves of 0666.
///
/// Nothing waits for the disk, which takes tens of milliseconds where others write to it, too: this is for what a
/// build makes, and what the next one makes again should a power failure have taken it.
pub fn write_atomically(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    temporary(path, write)?.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Writes a file that is not there yet in the same manner; where it is there, `AlreadyExists`, and it stays as it is.
pub fn create_atomically(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    temporary(path, write)?.persist_noclobber(path).map_err(|error| error.error)?;
    Ok(())
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
