//! The thin application jar: the application's own entries, written anew as parts of the archive that they come from.
//!
//! Every entry is stored, at a fixed time and in a fixed order, so that neither the deflate implementation nor the
//! clock of the JDK that built the archive reaches its bytes, and an image layer's own compression sees plain
//! content. Layout after PKWARE's APPNOTE 6.3.10.

use std::collections::BTreeMap;

use crate::Part;

const MANIFEST: &str = "META-INF/MANIFEST.MF";
/// 1980-01-01 in the DOS format (APPNOTE 4.4.6): the earliest day that it can say.
const DOS_DATE: u16 = 0x0021;
const DOS_TIME: u16 = 0;
const VERSION_DEFAULT: u16 = 20;
const VERSION_ZIP64: u16 = 45;
/// General purpose bit 11: the name is UTF-8.
const FLAG_UTF8: u16 = 1 << 11;
const ZIP64_EXTRA: u16 = 0x0001;

/// The entries of a jar that is to be written.
#[derive(Debug, Default)]
pub struct ThinJar {
    entries: BTreeMap<SortKey, Content>,
}

/// The manifest comes first (`JarInputStream` looks for it there), then all others by name.
type SortKey = (u8, String);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Empty,
    Bytes(Vec<u8>),
    /// Content of the source archive.
    Copied(Part),
}

impl Content {
    fn size(&self) -> u64 {
        match self {
            Content::Empty => 0,
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Copied(part) => part.size(),
        }
    }

    fn crc32(&self) -> u32 {
        match self {
            Content::Empty => 0,
            Content::Bytes(bytes) | Content::Copied(Part::Bytes(bytes)) => rawzip::crc32(bytes),
            Content::Copied(Part::Stored { crc32, .. } | Part::Deflated { crc32, .. }) => *crc32,
        }
    }
}

/// The name that is already taken by other content.
#[derive(Debug, PartialEq, Eq)]
pub struct NameTaken(pub String);

impl ThinJar {
    /// Adds a file of the source archive (`None`: without content), and the directories above it.
    ///
    /// The same content under the same name again is no error.
    pub fn add_file(&mut self, name: &str, content: Option<Part>) -> Result<(), NameTaken> {
        self.add(name, content.map_or(Content::Empty, Content::Copied))
    }

    /// Adds a file with these bytes, and the directories above it.
    pub fn add_bytes(&mut self, name: &str, bytes: Vec<u8>) -> Result<(), NameTaken> {
        self.add(name, Content::Bytes(bytes))
    }

    /// Adds a directory (its name ends in `/`) and those above it. Spring's scanning of packages lists them.
    pub fn add_directory(&mut self, name: &str) {
        for (end, _) in name.match_indices('/') {
            self.entries.entry(sort_key(&name[..=end])).or_insert(Content::Empty);
        }
    }

    fn add(&mut self, name: &str, content: Content) -> Result<(), NameTaken> {
        let key = sort_key(name);
        if let Some(known) = self.entries.get(&key) {
            let same = known.size() == content.size() && known.crc32() == content.crc32();
            return if same { Ok(()) } else { Err(NameTaken(name.to_owned())) };
        }
        self.add_directory(&name[..name.rfind('/').map_or(0, |slash| slash + 1)]);
        self.entries.insert(key, content);
        Ok(())
    }

    /// The jar's bytes.
    pub fn into_parts(self) -> Vec<Part> {
        let mut file = PartWriter::default();
        let mut directory = Vec::new();
        let count = self.entries.len() as u64;
        for ((_, name), content) in self.entries {
            let header = Header { name: &name, size: content.size(), crc32: content.crc32(), offset: file.size };
            file.bytes(&header.local());
            directory.extend_from_slice(&header.central());
            match content {
                Content::Empty => {}
                Content::Bytes(bytes) => file.bytes(&bytes),
                Content::Copied(part) => file.part(part),
            }
        }
        let directory_offset = file.size;
        file.bytes(&directory);
        file.bytes(&end_records(count, directory.len() as u64, directory_offset));
        file.parts
    }
}

fn sort_key(name: &str) -> SortKey {
    let group = match name {
        "META-INF/" => 0,
        MANIFEST => 1,
        _ => 2,
    };
    (group, name.to_owned())
}

/// Parts in a row; neighbouring bytes become one part.
#[derive(Default)]
struct PartWriter {
    parts: Vec<Part>,
    size: u64,
}

impl PartWriter {
    fn bytes(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        match self.parts.last_mut() {
            Some(Part::Bytes(last)) => last.extend_from_slice(bytes),
            _ => self.parts.push(Part::Bytes(bytes.to_owned())),
        }
    }

    fn part(&mut self, part: Part) {
        self.size += part.size();
        self.parts.push(part);
    }
}

/// What both headers of an entry say.
struct Header<'a> {
    name: &'a str,
    size: u64,
    crc32: u32,
    /// Of the local header in the jar.
    offset: u64,
}

impl Header<'_> {
    /// Local file header (APPNOTE 4.3.7).
    fn local(&self) -> Vec<u8> {
        let mut extra = Vec::new();
        if needs_zip64(self.size) {
            // Original and compressed size, both of them, as APPNOTE 4.5.3 demands in a local header.
            put_u16(&mut extra, ZIP64_EXTRA);
            put_u16(&mut extra, 16);
            put_u64(&mut extra, self.size);
            put_u64(&mut extra, self.size);
        }
        let mut bytes = Vec::with_capacity(30 + self.name.len() + extra.len());
        put_u32(&mut bytes, 0x0403_4b50);
        self.shared_fields(&mut bytes, !extra.is_empty(), extra.len());
        bytes.extend_from_slice(self.name.as_bytes());
        bytes.extend_from_slice(&extra);
        bytes
    }

    /// Central directory header (APPNOTE 4.3.12).
    fn central(&self) -> Vec<u8> {
        let mut fields = Vec::new();
        if needs_zip64(self.size) {
            put_u64(&mut fields, self.size);
            put_u64(&mut fields, self.size);
        }
        if needs_zip64(self.offset) {
            put_u64(&mut fields, self.offset);
        }
        let mut extra = Vec::new();
        if !fields.is_empty() {
            put_u16(&mut extra, ZIP64_EXTRA);
            put_u16(&mut extra, fields.len() as u16);
            extra.extend_from_slice(&fields);
        }
        let mut bytes = Vec::with_capacity(46 + self.name.len() + extra.len());
        put_u32(&mut bytes, 0x0201_4b50);
        put_u16(&mut bytes, if extra.is_empty() { VERSION_DEFAULT } else { VERSION_ZIP64 });
        self.shared_fields(&mut bytes, !extra.is_empty(), extra.len());
        put_u16(&mut bytes, 0); // comment length
        put_u16(&mut bytes, 0); // disk
        put_u16(&mut bytes, 0); // internal attributes
        put_u32(&mut bytes, 0); // external attributes
        put_u32(&mut bytes, saturated(self.offset));
        bytes.extend_from_slice(self.name.as_bytes());
        bytes.extend_from_slice(&extra);
        bytes
    }

    /// From "version needed" to "extra field length", which stand alike in both headers.
    fn shared_fields(&self, bytes: &mut Vec<u8>, zip64: bool, extra_length: usize) {
        put_u16(bytes, if zip64 { VERSION_ZIP64 } else { VERSION_DEFAULT });
        put_u16(bytes, if self.name.is_ascii() { 0 } else { FLAG_UTF8 });
        put_u16(bytes, 0); // stored
        put_u16(bytes, DOS_TIME);
        put_u16(bytes, DOS_DATE);
        put_u32(bytes, self.crc32);
        put_u32(bytes, saturated(self.size)); // compressed
        put_u32(bytes, saturated(self.size));
        // A name comes out of a zip, and is never longer than it was there.
        put_u16(bytes, self.name.len() as u16);
        put_u16(bytes, extra_length as u16);
    }
}

/// Zip64 end record and locator where they are needed (APPNOTE 4.3.14, 4.3.15), and the end record (4.3.16).
fn end_records(count: u64, directory_size: u64, directory_offset: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if count >= u64::from(u16::MAX) || needs_zip64(directory_size) || needs_zip64(directory_offset) {
        put_u32(&mut bytes, 0x0606_4b50);
        put_u64(&mut bytes, 44); // size of what remains of this record
        put_u16(&mut bytes, VERSION_ZIP64);
        put_u16(&mut bytes, VERSION_ZIP64);
        put_u32(&mut bytes, 0);
        put_u32(&mut bytes, 0);
        put_u64(&mut bytes, count);
        put_u64(&mut bytes, count);
        put_u64(&mut bytes, directory_size);
        put_u64(&mut bytes, directory_offset);
        put_u32(&mut bytes, 0x0706_4b50);
        put_u32(&mut bytes, 0);
        put_u64(&mut bytes, directory_offset + directory_size);
        put_u32(&mut bytes, 1);
    }
    let count = u16::try_from(count).unwrap_or(u16::MAX);
    put_u32(&mut bytes, 0x0605_4b50);
    put_u16(&mut bytes, 0);
    put_u16(&mut bytes, 0);
    put_u16(&mut bytes, count);
    put_u16(&mut bytes, count);
    put_u32(&mut bytes, saturated(directory_size));
    put_u32(&mut bytes, saturated(directory_offset));
    put_u16(&mut bytes, 0);
    bytes
}

fn needs_zip64(value: u64) -> bool {
    value >= u64::from(u32::MAX)
}

fn saturated(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn put_u16(bytes: &mut Vec<u8>, value: u16) {
    bytes.extend_from_slice(&value.to_le_bytes());
}

fn put_u32(bytes: &mut Vec<u8>, value: u32) {
    bytes.extend_from_slice(&value.to_le_bytes());
}

fn put_u64(bytes: &mut Vec<u8>, value: u64) {
    bytes.extend_from_slice(&value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Archive;
    use proptest::prelude::*;
    use std::fs;

    fn written(jar: ThinJar) -> Vec<u8> {
        let parts = jar.into_parts();
        parts
            .into_iter()
            .flat_map(|part| match part {
                Part::Bytes(bytes) => bytes,
                _ => panic!("the tests add bytes only"),
            })
            .collect()
    }

    fn read_back(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("thin.jar");
        fs::write(&path, bytes).unwrap();
        let archive = Archive::open(&path).unwrap();
        let entries = archive.entries().iter();
        entries.map(|entry| (entry.name.clone(), archive.read(entry, 1 << 20).unwrap())).collect()
    }

    #[test]
    fn the_manifest_comes_first_and_parents_before_children() {
        let mut jar = ThinJar::default();
        jar.add_bytes("A/b/c.txt", b"c".to_vec()).unwrap();
        jar.add_bytes("META-INF/a", Vec::new()).unwrap();
        jar.add_bytes("META-INF/MANIFEST.MF", b"m".to_vec()).unwrap();
        let names: Vec<String> = read_back(&written(jar)).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["META-INF/", "META-INF/MANIFEST.MF", "A/", "A/b/", "A/b/c.txt", "META-INF/a"]);
    }

    #[test]
    fn the_order_of_adding_does_not_matter() {
        let names = ["b", "a/x", "\u{e9}", "META-INF/MANIFEST.MF"];
        let build = |names: &[&str]| {
            let mut jar = ThinJar::default();
            for name in names {
                jar.add_bytes(name, name.as_bytes().to_vec()).unwrap();
            }
            written(jar)
        };
        let reversed: Vec<&str> = names.iter().rev().copied().collect();
        assert_eq!(build(&names), build(&reversed));
    }

    #[test]
    fn a_name_is_taken_once_by_other_content() {
        let mut jar = ThinJar::default();
        jar.add_bytes("a", b"1".to_vec()).unwrap();
        jar.add_bytes("a", b"1".to_vec()).unwrap();
        assert_eq!(jar.add_bytes("a", b"2".to_vec()), Err(NameTaken("a".to_owned())));
    }

    #[test]
    fn more_than_65534_entries_need_the_zip64_records() {
        let mut jar = ThinJar::default();
        for number in 0..65_540 {
            jar.add_file(&number.to_string(), None).unwrap();
        }
        assert_eq!(read_back(&written(jar)).len(), 65_540);
    }

    #[test]
    fn sizes_and_offsets_beyond_4_gib_stand_in_zip64_fields() {
        let mut jar = ThinJar::default();
        let size = 5 << 30;
        jar.add_file("a", Some(Part::Stored { offset: 0, size, crc32: 1 })).unwrap();
        jar.add_file("b", Some(Part::Stored { offset: 0, size: 1, crc32: 2 })).unwrap();
        let parts = jar.into_parts();
        let [Part::Bytes(first), _, Part::Bytes(second), _, Part::Bytes(end)] = parts.as_slice() else {
            panic!("{parts:?}")
        };
        assert_eq!(first.len(), 30 + 1 + 20);
        assert_eq!(first[18..26], [0xff; 8]);
        assert_eq!(first[35..43], size.to_le_bytes());
        assert_eq!(second.len(), 30 + 1);
        let offset = (first.len() as u64 + size).to_le_bytes();
        assert!(end.windows(8).any(|window| window == offset), "b's local header");
        assert!(end.windows(4).any(|window| window == b"PK\x06\x06"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            files in prop::collection::btree_map("[a-z\u{e9}]{1,8}(/[a-z]{1,8}){0,3}[.]x", prop::collection::vec(any::<u8>(), 0..50), 0..20)
        ) {
            let mut jar = ThinJar::default();
            for (name, content) in &files {
                jar.add_bytes(name, content.clone()).unwrap();
            }
            let mut read: BTreeMap<_, _> = read_back(&written(jar)).into_iter().collect();
            read.retain(|name, _| !name.ends_with('/'));
            prop_assert_eq!(read, files);
        }
    }
}
