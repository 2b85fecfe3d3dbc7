//! Files that are written whole or not at all.

use std::fs::File;
use std::io;
use std::path::Path;

/// Writes a file through a temporary one beside it, which takes its place when `write` is done and the bytes are on
/// the disk. Killed at any point, the old file is still there. The mode is what the umask leaves of 0666.
pub fn write_atomically(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    through_a_temporary(path, |file| {
        write(file)?;
        file.sync_all()
    })
}

/// [`write_atomically`], without waiting for the disk: for what the next run makes again when a power failure took it.
pub fn write_unsynced(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    through_a_temporary(path, write)
}

fn through_a_temporary(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new().prefix(".shipit-").make_in(folder, |name| File::create_new(name))?;
    write(temporary.as_file_mut())?;
    temporary.persist(path).map_err(|error| error.error)?;
    Ok(())
}
