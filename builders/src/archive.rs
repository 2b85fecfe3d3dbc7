//! The directory of a jar: which entries there are, and where in the file their bytes lie.
//!
//! The central directory is the truth, as it is for the JVM; local headers must not contradict it. Only the
//! directory is held in memory, never content.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rawzip::{CompressionMethod, ReaderAt, ZipArchive};

use crate::Part;

/// Fixed part of a local file header (APPNOTE 4.3.7).
const LOCAL_HEADER_SIZE: usize = 30;
const LOCAL_HEADER_SIGNATURE: u32 = 0x0403_4b50;
/// Deflate cannot expand a byte to more than this many.
const DEFLATE_MAX_RATIO: u64 = 1032;

/// A jar or war whose directory has been read and checked.
pub struct Archive {
    path: PathBuf,
    reader: rawzip::FileReader,
    entries: Vec<ArchiveEntry>,
    by_name: HashMap<String, usize>,
}

/// One entry of the central directory.
#[derive(Debug, Clone)]
pub struct ArchiveEntry {
    /// Relative, no empty, `.` or `..` segment; a directory's name ends in `/`.
    pub name: String,
    pub encoding: Encoding,
    /// Where the entry's data begins in the file.
    pub offset: u64,
    pub compressed_size: u64,
    pub size: u64,
    pub crc32: u32,
}

/// How an entry's data is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Stored,
    Deflated,
}

/// Why an archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("cannot open '{path}': {source}")]
    Open { path: PathBuf, source: io::Error },
    #[error("'{path}' is not a regular file; name a jar or war")]
    NotAFile { path: PathBuf },
    #[error("cannot read '{path}': {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "'{path}' is not a complete jar or war: it has no zip end record. It may be truncated; build or copy it again"
    )]
    NoEndRecord { path: PathBuf },
    #[error("'{path}' is a native executable, not a jar; shipit packages jars and wars that a JVM runs")]
    NativeExecutable { path: PathBuf },
    #[error("the zip directory of '{path}' is damaged: {reason}. Build or copy the file again")]
    Directory { path: PathBuf, reason: String },
    #[error("entry {entry:?} of '{path}' {fault}")]
    Entry { path: PathBuf, entry: String, fault: EntryFault },
}

/// What is wrong with an entry; reads as the rest of a sentence whose subject is the entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryFault {
    #[error("would be written outside of its directory; the archive is not safe to use")]
    LeavesTheRoot,
    #[error("occurs more than once; remove the duplicate from the build")]
    Repeats,
    #[error("is both a file and a directory")]
    FileAndDirectory,
    #[error("has a name that is not UTF-8, which the JVM does not read either")]
    NotUtf8,
    #[error("is encrypted; the JVM cannot read it")]
    Encrypted,
    #[error("is compressed with method {0}; jars know only stored (0) and deflate (8)")]
    Method(u16),
    #[error("has a local header that contradicts the archive's directory ({0})")]
    LocalHeader(&'static str),
    #[error("reaches past the end of the archive; the file is truncated or damaged")]
    PastTheEnd,
    #[error("overlaps with entry {0:?}")]
    Overlaps(String),
    #[error("states sizes that cannot be true ({compressed} bytes that become {size})")]
    Sizes { compressed: u64, size: u64 },
    #[error("is larger than the {limit} bytes that such a file can reasonably have")]
    TooLarge { limit: u64 },
    #[error("is damaged: its content does not match its checksum")]
    Checksum,
}

impl Archive {
    /// Reads the directory of the archive at `path` and checks it against the local headers.
    ///
    /// Bytes in front of the zip (a launch script) are allowed.
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        let open_error = |source| ArchiveError::Open { path: path.to_owned(), source };
        // Before it is opened: opening a named pipe would wait for a writer.
        if !fs::metadata(path).map_err(open_error)?.is_file() {
            return Err(ArchiveError::NotAFile { path: path.to_owned() });
        }
        let file = File::open(path).map_err(open_error)?;
        let mut buffer = vec![0; rawzip::MAX_CENTRAL_DIRECTORY_RECORD_SIZE];
        let zip = match ZipArchive::from_file(file, &mut buffer) {
            Ok(zip) => zip,
            Err(error) => return Err(no_archive(path, error)),
        };
        let directory_offset = zip.directory_offset();
        let mut entries = Vec::new();
        let mut spans = Vec::new();
        let mut records = zip.entries(&mut buffer);
        while let Some(record) = records.next_entry().map_err(|error| directory_error(path, error))? {
            let raw = record.file_path();
            let fault = |fault| ArchiveError::Entry {
                path: path.to_owned(),
                entry: String::from_utf8_lossy(raw.as_bytes()).into_owned(),
                fault,
            };
            let name = std::str::from_utf8(raw.as_bytes()).map_err(|_| fault(EntryFault::NotUtf8))?;
            if !stays_inside(name) {
                return Err(fault(EntryFault::LeavesTheRoot));
            }
            let flags = record.flags();
            if flags.is_encrypted() || flags.has_strong_encryption() || flags.is_masked() {
                return Err(fault(EntryFault::Encrypted));
            }
            let encoding = match record.compression_method() {
                CompressionMethod::STORE => Encoding::Stored,
                CompressionMethod::DEFLATE => Encoding::Deflated,
                other => return Err(fault(EntryFault::Method(other.as_u16()))),
            };
            let mut entry = ArchiveEntry {
                name: name.to_owned(),
                encoding,
                offset: 0,
                compressed_size: record.compressed_size_hint(),
                size: record.uncompressed_size_hint(),
                crc32: record.crc32(),
            };
            entry.check_sizes().map_err(fault)?;
            let header_offset = record.local_header_offset();
            entry.offset = data_offset(zip.get_ref(), header_offset, &entry).map_err(|error| match error {
                LocalHeaderError::Fault(found) => fault(found),
                LocalHeaderError::Io(source) => ArchiveError::Read { path: path.to_owned(), source },
            })?;
            match entry.offset.checked_add(entry.compressed_size) {
                Some(end) if end <= directory_offset => spans.push((header_offset, end, entries.len())),
                _ => return Err(fault(EntryFault::PastTheEnd)),
            }
            entries.push(entry);
        }
        // Writers without zip64 let the count run over at 65,536, and the JVM does not mind.
        if zip.entries_hint() % 0x1_0000 != entries.len() as u64 % 0x1_0000 {
            return Err(ArchiveError::Directory {
                path: path.to_owned(),
                reason: format!("it announces {} entries and has {}", zip.entries_hint(), entries.len()),
            });
        }
        check_overlaps(path, &entries, spans)?;
        let (entries, by_name) = index(path, entries)?;
        Ok(Archive { path: path.to_owned(), reader: zip.into_inner(), entries, by_name })
    }

    /// The file that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// In the order of the central directory, no name twice.
    pub fn entries(&self) -> &[ArchiveEntry] {
        &self.entries
    }

    /// The entry of exactly this name.
    pub fn entry(&self, name: &str) -> Option<&ArchiveEntry> {
        self.by_name.get(name).map(|&index| &self.entries[index])
    }

    /// The whole content of a small entry, its checksum verified. An entry of more than `limit` bytes is an error.
    pub fn read(&self, entry: &ArchiveEntry, limit: u64) -> Result<Vec<u8>, ArchiveError> {
        if entry.size > limit {
            return Err(self.fault(entry, EntryFault::TooLarge { limit }));
        }
        let mut content = Vec::new();
        self.content(entry).take(entry.size + 1).read_to_end(&mut content).map_err(|e| self.read_error(entry, e))?;
        if content.len() as u64 != entry.size || rawzip::crc32(&content) != entry.crc32 {
            return Err(self.fault(entry, EntryFault::Checksum));
        }
        Ok(content)
    }

    /// The first `N` bytes of an entry, unverified; `None` where it is shorter.
    pub fn head<const N: usize>(&self, entry: &ArchiveEntry) -> Result<Option<[u8; N]>, ArchiveError> {
        if entry.size < N as u64 {
            return Ok(None);
        }
        let mut head = [0; N];
        self.content(entry).read_exact(&mut head).map_err(|e| self.read_error(entry, e))?;
        Ok(Some(head))
    }

    fn content<'a>(&'a self, entry: &ArchiveEntry) -> Box<dyn Read + 'a> {
        let range = entry.offset..entry.offset + entry.compressed_size;
        let raw = rawzip::RangeReader::new(&self.reader, range);
        match entry.encoding {
            Encoding::Stored => Box::new(raw),
            Encoding::Deflated => Box::new(flate2::read::DeflateDecoder::new(raw)),
        }
    }

    fn fault(&self, entry: &ArchiveEntry, fault: EntryFault) -> ArchiveError {
        ArchiveError::Entry { path: self.path.clone(), entry: entry.name.clone(), fault }
    }

    fn read_error(&self, entry: &ArchiveEntry, source: io::Error) -> ArchiveError {
        match source.kind() {
            // What flate2 says of data that is no deflate stream, or that ends too early.
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                self.fault(entry, EntryFault::Checksum)
            }
            _ => ArchiveError::Read { path: self.path.clone(), source },
        }
    }
}

impl ArchiveEntry {
    pub fn is_directory(&self) -> bool {
        self.name.ends_with('/')
    }

    /// The entry's content as a part of a file; `None` for an entry without content.
    pub fn part(&self) -> Option<Part> {
        if self.size == 0 {
            return None;
        }
        Some(match self.encoding {
            Encoding::Stored => Part::Stored { offset: self.offset, size: self.size, crc32: self.crc32 },
            Encoding::Deflated => Part::Deflated {
                offset: self.offset,
                compressed_size: self.compressed_size,
                size: self.size,
                crc32: self.crc32,
            },
        })
    }

    fn check_sizes(&self) -> Result<(), EntryFault> {
        let possible = match self.encoding {
            Encoding::Stored => self.size == self.compressed_size,
            Encoding::Deflated => self.size <= self.compressed_size.saturating_mul(DEFLATE_MAX_RATIO),
        };
        if possible && !(self.is_directory() && self.size > 0) {
            Ok(())
        } else {
            Err(EntryFault::Sizes { compressed: self.compressed_size, size: self.size })
        }
    }
}

/// Whether a name stays below the directory it is unpacked to, on every system.
fn stays_inside(name: &str) -> bool {
    let path = name.strip_suffix('/').unwrap_or(name);
    !name.contains(['\\', '\0']) && path.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
}

enum LocalHeaderError {
    Fault(EntryFault),
    Io(io::Error),
}

/// Reads the local header at `header_offset` (APPNOTE 4.3.7), holds it against the directory's entry, and gives the
/// offset of the data behind it.
fn data_offset(reader: &rawzip::FileReader, header_offset: u64, entry: &ArchiveEntry) -> Result<u64, LocalHeaderError> {
    let contradiction = |what| LocalHeaderError::Fault(EntryFault::LocalHeader(what));
    let mut header = vec![0; LOCAL_HEADER_SIZE + entry.name.len()];
    reader.read_exact_at(&mut header, header_offset).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => LocalHeaderError::Fault(EntryFault::PastTheEnd),
        _ => LocalHeaderError::Io(error),
    })?;
    let u16_at = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    let u32_at = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if u32_at(0) != LOCAL_HEADER_SIGNATURE {
        return Err(contradiction("no header where the directory says"));
    }
    let flags = u16_at(6);
    if flags & 1 != 0 {
        return Err(LocalHeaderError::Fault(EntryFault::Encrypted));
    }
    let method = match entry.encoding {
        Encoding::Stored => 0,
        Encoding::Deflated => 8,
    };
    if u16_at(8) != method {
        return Err(contradiction("another compression method"));
    }
    // With bit 3 the values stand in a data descriptor behind the data, and zeros here.
    if flags & 8 == 0 {
        let differs = |at: usize, size: u64| u32_at(at) != u32::MAX && u64::from(u32_at(at)) != size;
        if u32_at(14) != entry.crc32 {
            return Err(contradiction("another checksum"));
        }
        if differs(18, entry.compressed_size) || differs(22, entry.size) {
            return Err(contradiction("another size"));
        }
    }
    if usize::from(u16_at(26)) != entry.name.len() || header[LOCAL_HEADER_SIZE..] != *entry.name.as_bytes() {
        return Err(contradiction("another name"));
    }
    let length = (header.len() + usize::from(u16_at(28))) as u64;
    header_offset.checked_add(length).ok_or(LocalHeaderError::Fault(EntryFault::PastTheEnd))
}

/// `spans`: where each entry begins and ends in the file, and its index.
fn check_overlaps(
    path: &Path,
    entries: &[ArchiveEntry],
    mut spans: Vec<(u64, u64, usize)>,
) -> Result<(), ArchiveError> {
    spans.sort_unstable();
    for pair in spans.windows(2) {
        let [(_, end, first), (start, _, second)] = [pair[0], pair[1]];
        if start < end {
            return Err(ArchiveError::Entry {
                path: path.to_owned(),
                entry: entries[second].name.clone(),
                fault: EntryFault::Overlaps(entries[first].name.clone()),
            });
        }
    }
    Ok(())
}

/// Maps names to places. A directory may be listed again (several tools do that); a file may not.
fn index(path: &Path, entries: Vec<ArchiveEntry>) -> Result<(Vec<ArchiveEntry>, HashMap<String, usize>), ArchiveError> {
    let fault = |entry: &str, fault| ArchiveError::Entry { path: path.to_owned(), entry: entry.to_owned(), fault };
    let mut kept: Vec<ArchiveEntry> = Vec::with_capacity(entries.len());
    let mut by_name = HashMap::with_capacity(entries.len());
    for entry in entries {
        if by_name.contains_key(&entry.name) {
            if entry.is_directory() {
                continue;
            }
            return Err(fault(&entry.name, EntryFault::Repeats));
        }
        by_name.insert(entry.name.clone(), kept.len());
        kept.push(entry);
    }
    let mut checked = HashSet::new();
    for entry in &kept {
        let mut parent = entry.name.trim_end_matches('/');
        if entry.is_directory() && by_name.contains_key(parent) {
            return Err(fault(parent, EntryFault::FileAndDirectory));
        }
        while let Some((above, _)) = parent.rsplit_once('/') {
            if !checked.insert(above) {
                break;
            }
            if by_name.contains_key(above) {
                return Err(fault(above, EntryFault::FileAndDirectory));
            }
            parent = above;
        }
    }
    Ok((kept, by_name))
}

fn no_archive(path: &Path, error: rawzip::Error) -> ArchiveError {
    match error.into_kind() {
        rawzip::ErrorKind::IO(source) if source.kind() != io::ErrorKind::UnexpectedEof => {
            ArchiveError::Read { path: path.to_owned(), source }
        }
        rawzip::ErrorKind::MissingEndOfCentralDirectory if is_native_executable(path) => {
            ArchiveError::NativeExecutable { path: path.to_owned() }
        }
        rawzip::ErrorKind::MissingEndOfCentralDirectory => ArchiveError::NoEndRecord { path: path.to_owned() },
        kind => ArchiveError::Directory { path: path.to_owned(), reason: kind.to_string() },
    }
}

fn directory_error(path: &Path, error: rawzip::Error) -> ArchiveError {
    ArchiveError::Directory { path: path.to_owned(), reason: error.to_string() }
}

/// Whether the file begins like a program for Linux (ELF), macOS (Mach-O) or Windows (PE).
fn is_native_executable(path: &Path) -> bool {
    let mut magic = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && (magic == *b"\x7fELF" || magic == [0xcf, 0xfa, 0xed, 0xfe] || magic.starts_with(b"MZ"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_jar::TestJar;
    use proptest::prelude::*;

    fn open(bytes: &[u8]) -> Result<Archive, ArchiveError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jar");
        fs::write(&path, bytes).unwrap();
        Archive::open(&path)
    }

    fn fault(bytes: &[u8]) -> EntryFault {
        match open(bytes) {
            Err(ArchiveError::Entry { fault, .. }) => fault,
            Err(other) => panic!("another error: {other}"),
            Ok(_) => panic!("no error"),
        }
    }

    fn small() -> Vec<u8> {
        TestJar::new().directory("a/").stored("a/b", b"stored").deflated("c", &[7; 5000]).bytes()
    }

    /// Replaces the only occurrences of `from` behind `start`.
    fn patched(mut bytes: Vec<u8>, signature: &[u8], field: usize, value: &[u8]) -> Vec<u8> {
        let at = bytes.windows(4).rposition(|window| window == signature).unwrap() + field;
        bytes[at..at + value.len()].copy_from_slice(value);
        bytes
    }

    #[test]
    fn entries_are_found_and_read() {
        let archive = open(&small()).unwrap();
        let names: Vec<&str> = archive.entries().iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["a/", "a/b", "c"]);
        let entry = archive.entry("c").unwrap();
        assert_eq!(archive.read(entry, 5000).unwrap(), [7; 5000]);
        assert_eq!(archive.head::<3>(entry).unwrap(), Some([7; 3]));
        assert!(archive.read(entry, 4999).is_err());
        assert_eq!(archive.head::<7>(archive.entry("a/b").unwrap()).unwrap(), None);
    }

    #[test]
    fn a_script_in_front_of_the_zip_shifts_every_offset() {
        let mut bytes = b"#!/bin/bash\nexec java -jar $0\nexit 0\n".to_vec();
        bytes.extend_from_slice(&small());
        let archive = open(&bytes).unwrap();
        assert_eq!(archive.read(archive.entry("a/b").unwrap(), 100).unwrap(), b"stored");
    }

    #[test]
    fn names_that_leave_the_root_are_refused() {
        for name in ["../x", "a/../../x", "/etc/passwd", "a//b", "./x", "a\\..\\x", "..", "a/.."] {
            assert_eq!(fault(&TestJar::new().stored(name, b"x").bytes()), EntryFault::LeavesTheRoot, "{name}");
        }
        assert_eq!(fault(&TestJar::new().raw(b"caf\xe9", b"x").bytes()), EntryFault::NotUtf8);
    }

    #[test]
    fn a_file_may_not_repeat_and_a_directory_may() {
        assert_eq!(fault(&TestJar::new().stored("a", b"1").stored("a", b"2").bytes()), EntryFault::Repeats);
        let archive = open(&TestJar::new().directory("a/").directory("a/").bytes()).unwrap();
        assert_eq!(archive.entries().len(), 1);
        assert_eq!(fault(&TestJar::new().stored("a", b"1").directory("a/").bytes()), EntryFault::FileAndDirectory);
        assert_eq!(
            fault(&TestJar::new().stored("a", b"1").stored("a/b/c", b"2").bytes()),
            EntryFault::FileAndDirectory
        );
    }

    #[test]
    fn entries_that_no_jvm_reads_are_refused() {
        let central = b"PK\x01\x02";
        assert_eq!(fault(&patched(small(), central, 8, &[9])), EntryFault::Encrypted);
        assert_eq!(fault(&patched(small(), central, 10, &[93])), EntryFault::Method(93));
        assert!(matches!(fault(&patched(small(), central, 10, &[0])), EntryFault::Sizes { .. }));
        assert!(matches!(fault(&patched(small(), central, 24, &[0, 0, 0, 0x7f])), EntryFault::Sizes { .. }));
    }

    #[test]
    fn a_local_header_may_not_contradict_the_directory() {
        let local = b"PK\x03\x04";
        assert_eq!(fault(&patched(small(), local, 8, &[0])), EntryFault::LocalHeader("another compression method"));
        assert_eq!(fault(&patched(small(), local, 30, b"d")), EntryFault::LocalHeader("another name"));
        assert_eq!(fault(&patched(small(), local, 26, &[9])), EntryFault::LocalHeader("another name"));
        assert!(matches!(fault(&patched(small(), local, 0, b"XX")), EntryFault::LocalHeader(_)));
        assert_eq!(fault(&patched(small(), local, 28, &[0xff, 0xff])), EntryFault::PastTheEnd);
    }

    #[test]
    fn two_directory_entries_may_not_share_bytes() {
        // The second entry's header offset is set to the first's: 0.
        let bytes = TestJar::new().stored("a", b"same").stored("a", b"same").bytes();
        let bytes = patched(bytes, b"PK\x01\x02", 42, &[0, 0, 0, 0]);
        assert_eq!(fault(&bytes), EntryFault::Overlaps("a".to_owned()));
    }

    #[test]
    fn what_is_no_zip_is_told_apart() {
        assert!(matches!(open(b""), Err(ArchiveError::NoEndRecord { .. })));
        assert!(matches!(open(b"\x7fELF and more"), Err(ArchiveError::NativeExecutable { .. })));
        let mut truncated = small();
        truncated.truncate(truncated.len() / 2);
        assert!(matches!(open(&truncated), Err(ArchiveError::NoEndRecord { .. })));
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Archive::open(folder.path()), Err(ArchiveError::NotAFile { .. })));
        assert!(matches!(Archive::open(&folder.path().join("no.jar")), Err(ArchiveError::Open { .. })));
    }

    #[test]
    fn damaged_content_is_noticed() {
        let bytes = TestJar::new().stored("a", b"content").bytes();
        let at = bytes.windows(7).position(|window| window == b"content").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jar");
        fs::write(&path, [&bytes[..at], b"C", &bytes[at + 1..]].concat()).unwrap();
        let archive = Archive::open(&path).unwrap();
        let error = archive.read(&archive.entries()[0], 100).unwrap_err();
        assert!(matches!(error, ArchiveError::Entry { fault: EntryFault::Checksum, .. }), "{error}");
    }

    #[test]
    fn more_than_65535_entries_are_read() {
        let mut jar = TestJar::new();
        for number in 0..65_600 {
            jar = jar.stored(&number.to_string(), b"");
        }
        assert_eq!(open(&jar.bytes()).unwrap().entries().len(), 65_600);
    }

    proptest! {
        #[test]
        fn damage_anywhere_is_an_error_or_harmless_but_no_panic(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = TestJar::boot("").stored("BOOT-INF/lib/a.jar", b"jar").bytes();
            for (index, value) in changes {
                let at = index.index(bytes.len());
                bytes[at] = value;
            }
            let cut = if cut.index(4) == 0 { cut.index(bytes.len()) } else { bytes.len() };
            if let Ok(archive) = open(&bytes[..cut]) {
                for entry in archive.entries() {
                    prop_assert!(entry.offset + entry.compressed_size <= cut as u64);
                    let _ = archive.read(entry, 1 << 20);
                }
            }
        }
    }
}
