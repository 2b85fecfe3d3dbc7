//! Reads tar archives of any origin as a stream: ustar, PAX (POSIX.1-2001) and GNU long names.
//!
//! Nothing is unpacked. What a hostile archive could make grow (names, extended headers, the number of entries) is
//! bounded.

use std::collections::BTreeMap;
use std::io::{self, Read};

use serde::Serialize;

use super::tar::{BLOCK, padding};

/// The longest path or link target, in bytes: twice what Linux takes.
const MAX_NAME: u64 = 8 * 1024;
/// The most bytes of one extended header.
const MAX_EXTENDED: u64 = 1024 * 1024;
/// The most entries, and the most bytes of all their names and extended records together.
const MAX_ENTRIES: usize = 1_000_000;
const MAX_NAMES: u64 = 128 * 1024 * 1024;

/// What an entry of an archive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    File,
    HardLink,
    SymbolicLink,
    CharacterDevice,
    BlockDevice,
    Directory,
    Fifo,
    /// A type that no reader is bound to know.
    Other(u8),
}

impl std::fmt::Display for EntryKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self {
            EntryKind::File => "file",
            EntryKind::HardLink => "hard link",
            EntryKind::SymbolicLink => "symbolic link",
            EntryKind::CharacterDevice => "character device",
            EntryKind::BlockDevice => "block device",
            EntryKind::Directory => "folder",
            EntryKind::Fifo => "named pipe",
            EntryKind::Other(flag) => return write!(f, "entry of type {flag}"),
        };
        f.write_str(name)
    }
}

/// The header of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TarEntry {
    /// As it is written, without a final slash. Bytes that are not UTF-8 are replaced.
    pub path: String,
    pub kind: EntryKind,
    /// The permission bits, and set-user-id and its kin.
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    /// Names of the owner and the group; empty where there are none.
    pub owner: String,
    pub group: String,
    /// Seconds since the Unix epoch; a fraction is among the `records`.
    pub modified: i64,
    /// Of the content, in bytes.
    pub size: u64,
    /// Where a link leads; empty for what is none.
    pub link: String,
    /// Further PAX records: access time, extended attributes and the like.
    pub records: BTreeMap<String, String>,
    /// Where the content begins, counted from the archive's start.
    pub offset: u64,
}

/// Why an archive cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    #[error(transparent)]
    Read(#[from] io::Error),
    #[error("the tar archive is damaged at byte {offset}: {what}")]
    Damaged { offset: u64, what: &'static str },
    #[error("the tar archive is not read on at byte {offset}: {what}")]
    TooLarge { offset: u64, what: &'static str },
}

/// A tar archive that passes by.
pub struct TarReader<R> {
    reader: R,
    offset: u64,
    /// What is left of the current entry's content, and the padding after it.
    left: u64,
    padding: u64,
    entries: usize,
    names: u64,
    ended: bool,
}

impl<R: Read> TarReader<R> {
    pub fn new(reader: R) -> Self {
        TarReader { reader, offset: 0, left: 0, padding: 0, entries: 0, names: 0, ended: false }
    }

    /// The next entry, whose content can then be read from this reader; what was not read of the last is passed over.
    pub fn next_entry(&mut self) -> Result<Option<TarEntry>, TarError> {
        let (mut name, mut link): (Option<String>, Option<String>) = (None, None);
        let mut records = BTreeMap::new();
        loop {
            self.skip()?;
            let Some(block) = self.block()? else { return Ok(None) };
            let at = self.offset - BLOCK as u64;
            let flag = block[156];
            let size = match records.get("size").and_then(|size: &String| size.parse().ok()) {
                Some(size) if !matches!(flag, b'x' | b'g' | b'L' | b'K') => size,
                _ => number(&block[124..136]).ok_or(TarError::Damaged { offset: at, what: "an entry has no size" })?,
            };
            match flag {
                // Global records would hold for all entries that follow; images have none that matter here.
                b'g' => drop(self.extended(size)?),
                b'x' => {
                    let bytes = self.extended(size)?;
                    parse_records(&bytes, &mut records)
                        .ok_or(TarError::Damaged { offset: at, what: "an extended header has no records" })?;
                }
                b'L' => name = Some(text(&self.extended(size)?)),
                b'K' => link = Some(text(&self.extended(size)?)),
                _ => {
                    self.entries += 1;
                    let entry = self.entry(&block, flag, size, name, link, records)?;
                    return Ok(Some(entry));
                }
            }
        }
    }

    fn entry(
        &mut self,
        block: &[u8; BLOCK],
        flag: u8,
        size: u64,
        name: Option<String>,
        link: Option<String>,
        mut records: BTreeMap<String, String>,
    ) -> Result<TarEntry, TarError> {
        let at = self.offset - BLOCK as u64;
        let kind = match flag {
            b'0' | 0 | b'7' => EntryKind::File,
            b'1' => EntryKind::HardLink,
            b'2' => EntryKind::SymbolicLink,
            b'3' => EntryKind::CharacterDevice,
            b'4' => EntryKind::BlockDevice,
            b'5' => EntryKind::Directory,
            b'6' => EntryKind::Fifo,
            other => EntryKind::Other(other),
        };
        let path = records.remove("path").or(name).unwrap_or_else(|| {
            let prefix =
                if &block[257..262] == b"ustar" && block[262] == 0 { text(&block[345..500]) } else { String::new() };
            match (&*prefix, text(&block[..100])) {
                ("", name) => name,
                (prefix, name) => format!("{prefix}/{name}"),
            }
        });
        let link = records.remove("linkpath").or(link).unwrap_or_else(|| text(&block[157..257]));
        let taken: usize = records.iter().map(|(key, value)| key.len() + value.len()).sum();
        self.names += (path.len() + link.len() + taken) as u64;
        if path.len() as u64 > MAX_NAME || link.len() as u64 > MAX_NAME {
            return Err(TarError::TooLarge { offset: at, what: "a name is too long" });
        }
        if self.entries > MAX_ENTRIES || self.names > MAX_NAMES {
            return Err(TarError::TooLarge { offset: at, what: "it has too many entries" });
        }
        let given = |records: &mut BTreeMap<String, String>, key: &str, field: &[u8]| {
            records.remove(key).and_then(|text| text.parse().ok()).or_else(|| number(field)).unwrap_or(0)
        };
        let (uid, gid) = (given(&mut records, "uid", &block[108..116]), given(&mut records, "gid", &block[116..124]));
        let modified = match records.get("mtime") {
            None => number(&block[136..148]).and_then(|time| i64::try_from(time).ok()).unwrap_or(0),
            Some(text) => text.split('.').next().and_then(|whole| whole.parse().ok()).unwrap_or(0),
        };
        if records.get("mtime").is_some_and(|text| !text.contains('.')) {
            records.remove("mtime");
        }
        records.remove("size");
        // Only files have content; some writers put a size on folders and links all the same.
        let size = if matches!(kind, EntryKind::File | EntryKind::Other(_)) { size } else { 0 };
        (self.left, self.padding) = (size, padding(size) as u64);
        Ok(TarEntry {
            path: path.trim_end_matches('/').to_owned(),
            kind,
            mode: number(&block[100..108]).unwrap_or(0) as u32 & 0o7777,
            uid,
            gid,
            owner: records.remove("uname").unwrap_or_else(|| text(&block[265..297])),
            group: records.remove("gname").unwrap_or_else(|| text(&block[297..329])),
            modified,
            size,
            link,
            records,
            offset: self.offset,
        })
    }

    /// The next header; none at the end of the archive.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, TarError> {
        let mut block = [0; BLOCK];
        if self.ended || !self.fill(&mut block)? || block.iter().all(|byte| *byte == 0) {
            self.ended = true;
            return Ok(None);
        }
        let sum: u64 = block
            .iter()
            .enumerate()
            .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) })
            .sum();
        if number(&block[148..156]) != Some(sum) {
            return Err(TarError::Damaged { offset: self.offset - BLOCK as u64, what: "a header's checksum is wrong" });
        }
        Ok(Some(block))
    }

    /// Fills a block, or says that the archive ends before it.
    fn fill(&mut self, block: &mut [u8; BLOCK]) -> Result<bool, TarError> {
        let mut filled = 0;
        while filled < BLOCK {
            match self.reader.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(TarError::Damaged { offset: self.offset, what: "it ends in the middle" }),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.offset += BLOCK as u64;
        Ok(true)
    }

    /// The content of an extended header.
    fn extended(&mut self, size: u64) -> Result<Vec<u8>, TarError> {
        if size > MAX_EXTENDED {
            return Err(TarError::TooLarge { offset: self.offset, what: "an extended header is too long" });
        }
        self.names += size / 16 + 1;
        (self.left, self.padding) = (size, padding(size) as u64);
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Passes over what is left of the current entry.
    fn skip(&mut self) -> Result<(), TarError> {
        let all = self.left.saturating_add(self.padding);
        let passed = io::copy(&mut (&mut self.reader).take(all), &mut io::sink())?;
        self.offset = self.offset.saturating_add(passed);
        if passed < all {
            return Err(TarError::Damaged { offset: self.offset, what: "it ends in the middle of an entry" });
        }
        (self.left, self.padding) = (0, 0);
        Ok(())
    }

    /// Reads what follows the archive's end, so that whoever hashes the bytes below has seen all of them.
    pub fn drain(mut self) -> Result<(), TarError> {
        io::copy(&mut self.reader, &mut io::sink())?;
        Ok(())
    }
}

/// The content of the current entry.
impl<R: Read> Read for TarReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.reader.read(&mut buffer[..wanted])?;
        if count == 0 && wanted > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the tar archive ends in the middle of an entry"));
        }
        self.left -= count as u64;
        self.offset += count as u64;
        Ok(count)
    }
}

/// A number in octal digits, or in GNU's base 256.
fn number(field: &[u8]) -> Option<u64> {
    if field.first()? & 0x80 != 0 {
        let bytes = field.iter().enumerate().map(|(at, byte)| if at == 0 { byte & 0x7f } else { *byte });
        return bytes.into_iter().try_fold(0u64, |value, byte| value.checked_mul(256)?.checked_add(u64::from(byte)));
    }
    let digits = str::from_utf8(field).ok()?.trim_matches([' ', '\0']);
    if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, 8).ok() }
}

/// The text before the first NUL.
fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

/// Records `LENGTH KEY=VALUE\n` (POSIX pax, "Extended Header").
fn parse_records(mut bytes: &[u8], records: &mut BTreeMap<String, String>) -> Option<()> {
    while !bytes.is_empty() && bytes[0] != 0 {
        let space = bytes.iter().take(20).position(|byte| *byte == b' ')?;
        let length: usize = str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
        let record = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|byte| *byte == b'=')?;
        let key = String::from_utf8_lossy(&record[..equals]).into_owned();
        records.insert(key, String::from_utf8_lossy(&record[equals + 1..]).into_owned());
        bytes = &bytes[length..];
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::tar;

    fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (path, content) in entries {
            bytes.extend(tar::header(path, tar::Kind::File { size: content.len() as u64 }, 42));
            bytes.extend(*content);
            bytes.extend(&[0; BLOCK][..padding(content.len() as u64)]);
        }
        bytes.extend(tar::END);
        bytes
    }

    #[test]
    fn what_this_program_writes_is_read_back() {
        let long = format!("app/{}/ü.txt", "x".repeat(300));
        let bytes = archive(&[("app/a.txt", b"first"), (&long, b"second"), ("empty", b"")]);
        let mut reader = TarReader::new(&*bytes);
        let first = reader.next_entry().unwrap().unwrap();
        assert_eq!(
            (first.path.as_str(), first.kind, first.mode, first.modified),
            ("app/a.txt", EntryKind::File, 0o644, 42)
        );
        // The first content is left unread on purpose.
        let second = reader.next_entry().unwrap().unwrap();
        assert_eq!(second.path, long);
        let mut content = String::new();
        reader.read_to_string(&mut content).unwrap();
        assert_eq!(content, "second");
        let offset = second.offset as usize;
        assert_eq!(&bytes[offset..offset + 6], b"second");
        assert_eq!(reader.next_entry().unwrap().unwrap().size, 0);
        assert_eq!(reader.next_entry().unwrap(), None);
    }

    #[test]
    fn damage_is_an_error_wherever_it_is() {
        let bytes = archive(&[("a", &[7; 1000])]);
        for end in [100, 600, 1400] {
            let mut reader = TarReader::new(&bytes[..end]);
            let mut read = || -> Result<(), TarError> {
                while reader.next_entry()?.is_some() {}
                Ok(())
            };
            assert!(read().is_err(), "{end}");
        }
        let mut flipped = bytes;
        flipped[0] ^= 1;
        assert!(matches!(TarReader::new(&*flipped).next_entry(), Err(TarError::Damaged { offset: 0, .. })));
    }

    #[test]
    fn an_extended_header_without_end_is_refused_and_not_read() {
        let mut header = tar::header("x", tar::Kind::File { size: 1 << 32 }, 0);
        header[156] = b'x';
        header[148..156].fill(b' ');
        let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:07o}\0").as_bytes());
        let error = TarReader::new(header.chain(io::repeat(b'1'))).next_entry().unwrap_err();
        assert!(matches!(error, TarError::TooLarge { .. }), "{error}");
    }

    #[test]
    fn numbers_are_octal_or_base_256() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"  644 \0\0"), Some(0o644));
        assert_eq!(number(&[0x80, 0, 0, 1, 0]), Some(256));
        assert_eq!(number(&[0xff; 12]), None);
        assert_eq!(number(b"8"), None);
    }
}
