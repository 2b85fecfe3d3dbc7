use std::fs;
use std::io::{Read, Write};

use shipit_builders::{Content, Part};

use super::*;

/// An archive, and the entries of a layer that is made from it.
struct Fixture {
    folder: tempfile::TempDir,
    archive: PathBuf,
    entries: Vec<Entry>,
    /// The bytes of each file, in order.
    contents: Vec<Vec<u8>>,
}

/// Bytes without pattern, the same everywhere.
fn noise(count: usize, mut seed: u64) -> Vec<u8> {
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 56) as u8
    };
    (0..count).map(|_| next()).collect()
}

/// Deflate data that no library makes, so that the archive's bytes are the same for ever: stored blocks.
fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut deflated = Vec::new();
    for chunk in bytes.chunks(60_000) {
        let length = chunk.len() as u16;
        deflated.push(0);
        deflated.extend([length.to_le_bytes(), (!length).to_le_bytes()].concat());
        deflated.extend(chunk);
    }
    deflated.extend([3, 0]);
    deflated
}

/// A zip archive with one entry that is said to be deflated.
fn nested(body: &[u8]) -> Vec<u8> {
    let name = b"org/example/Library.class";
    let (size, more) = ((body.len() as u32).to_le_bytes(), (body.len() as u32 * 2).to_le_bytes());
    let local = [b"PK\x03\x04\x14\0\0\0\x08\0", &[0; 8][..], &size, &more, &[25, 0, 0, 0], name, body].concat();
    let central = [b"PK\x01\x02\x14\0\x14\0\0\0\x08\0", &[0; 8][..], &size, &more, &[25, 0], &[0; 16], name].concat();
    let (length, offset) = ((central.len() as u32).to_le_bytes(), (local.len() as u32).to_le_bytes());
    [&local[..], &central, b"PK\x05\x06\0\0\0\0\x01\0\x01\0", &length, &offset, &[0, 0]].concat()
}

impl Fixture {
    /// Directories, an empty file, nested jars, deflated entries and bytes of the plan's own, 1.5 MB in all.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut fixture = Fixture {
            archive: folder.path().join("application.jar"),
            folder,
            entries: Vec::new(),
            contents: Vec::new(),
        };
        let mut file = b"an archive's beginning".to_vec();
        let mut stored = |bytes: &[u8]| {
            file.extend(bytes);
            let offset = (file.len() - bytes.len()) as u64;
            Part::Stored { offset, size: bytes.len() as u64, crc32: crc32fast::hash(bytes) }
        };
        let jars = [nested(&noise(700_000, 1)), nested(&noise(30, 2)), nested(&noise(60_000, 3))];
        let stored_jars = jars.each_ref().map(|jar| stored(jar));
        let text = "public class Owner extends Person { }\n".repeat(17_000).into_bytes();
        let deflated = deflate(&text);
        let Part::Stored { offset, size, .. } = stored(&deflated) else { unreachable!() };
        let crc32 = crc32fast::hash(&text);
        let text_part = Part::Deflated { offset, compressed_size: size, size: text.len() as u64, crc32 };
        fs::write(&fixture.archive, &file).unwrap();

        let directory = |path: &str| Entry { path: path.to_owned(), content: Content::Directory };
        fixture.entries.extend([directory("app"), directory("app/lib")]);
        for (index, (part, jar)) in stored_jars.into_iter().zip(&jars).enumerate() {
            fixture.file(&format!("app/lib/library-{index}.jar"), vec![part], jar);
        }
        fixture.file("app/empty", Vec::new(), b"");
        let parts = vec![Part::Bytes(b"before ".to_vec()), text_part, Part::Bytes(b"after".to_vec())];
        fixture.file("app/application.jar", parts, &[b"before ", &text[..], b"after"].concat());
        fixture
    }

    fn file(&mut self, path: &str, parts: Vec<Part>, content: &[u8]) {
        self.entries.push(Entry { path: path.to_owned(), content: Content::File { parts } });
        self.contents.push(content.to_vec());
    }

    fn input(&self) -> LayerInput<'_> {
        LayerInput { archive: &self.archive, entries: &self.entries, modified: 315_532_800 }
    }

    fn cache(&self, name: &str) -> Cache {
        Cache::open(&self.folder.path().join(name)).unwrap()
    }

    /// The tar as it should be.
    fn tar(&self) -> Vec<u8> {
        let mut tar = Vec::new();
        let mut contents = self.contents.iter();
        for entry in &self.entries {
            let kind = match &entry.content {
                Content::Directory => crate::image::tar::Kind::Directory,
                content => crate::image::tar::Kind::File { size: content.size() },
            };
            tar.extend(crate::image::tar::header(&entry.path, kind, 315_532_800));
            if let Content::File { .. } = entry.content {
                tar.extend(contents.next().unwrap());
                tar.resize(tar.len().next_multiple_of(512), 0);
            }
        }
        tar.extend([0; 1024]);
        tar
    }

    /// Overwrites a byte of the archive.
    fn damage(&self, at: u64) {
        use std::os::unix::fs::FileExt;
        let file = File::options().read(true).write(true).open(&self.archive).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 4], at).unwrap();
    }
}

fn gunzip(path: &Path) -> Vec<u8> {
    let mut tar = Vec::new();
    // Checks the CRC-32 and the size at the end, and reads one member.
    flate2::bufread::GzDecoder::new(&fs::read(path).unwrap()[..]).read_to_end(&mut tar).unwrap();
    tar
}

#[test]
fn a_layer_is_the_tar_of_its_entries_and_its_digests_are_true() {
    let fixture = Fixture::new();
    let layer = make(&fixture.input(), &fixture.cache("cache")).unwrap();
    let tar = gunzip(&layer.path);
    assert!(tar == fixture.tar());
    let bytes = fs::read(&layer.path).unwrap();
    assert_eq!(layer.diff_id, Digest::of(&tar));
    assert_eq!((layer.digest, layer.size), (Digest::of(&bytes), bytes.len() as u64));
    assert!(!layer.reused);
    assert!((760_000..800_000).contains(&bytes.len()), "{}", bytes.len());
}

#[test]
fn the_bytes_do_not_depend_on_the_number_of_threads() {
    let fixture = Fixture::new();
    let digests = [1, 2, 4, 64]
        .map(|threads| make_with(&fixture.input(), &fixture.cache(&threads.to_string()), threads).unwrap().digest);
    assert!(digests.iter().all(|digest| *digest == digests[0]));
}

#[test]
fn the_bytes_are_those_of_layer_format_1() {
    // A change here changes the digest of every image: it is a new layer format, never a repair of this test.
    let fixture = Fixture::new();
    let layer = make(&fixture.input(), &fixture.cache("cache")).unwrap();
    assert_eq!(LAYER_FORMAT, 1);
    assert_eq!(layer.diff_id.hex(), "be6eb3ab06f13a6b534a51cef461a061c16f2665ffcaa55592a4a7fce477f06b");
    assert_eq!(layer.digest.hex(), "cf889e820024556369e259f5db23499f415e83421aa77984cf44085cfd70e1e0");
}

#[test]
fn an_empty_layer_is_the_end_of_a_tar() {
    let fixture = Fixture::new();
    let input = LayerInput { entries: &[], ..fixture.input() };
    let layer = make(&input, &fixture.cache("cache")).unwrap();
    assert_eq!(gunzip(&layer.path), [0; 1024]);
}

#[test]
fn a_second_time_nothing_is_compressed() {
    let fixture = Fixture::new();
    let cache = fixture.cache("cache");
    let first = make(&fixture.input(), &cache).unwrap();
    let second = make(&fixture.input(), &cache).unwrap();
    assert_eq!(second, LayerBlob { reused: true, ..first.clone() });
    // Another time is another layer.
    let other = make(&LayerInput { modified: 0, ..fixture.input() }, &cache).unwrap();
    assert!(!other.reused && other.digest != first.digest);
}

#[test]
fn an_archive_in_another_place_with_the_same_content_is_the_same_layer() {
    let mut fixture = Fixture::new();
    let cache = fixture.cache("cache");
    let first = make(&fixture.input(), &cache).unwrap();
    let copy = fixture.folder.path().join("copy.jar");
    fs::copy(&fixture.archive, &copy).unwrap();
    fixture.archive = copy;
    assert_eq!(make(&fixture.input(), &cache).unwrap(), LayerBlob { reused: true, ..first });
}

#[test]
fn content_that_the_directory_does_not_tell_apart_is_told_apart() {
    let fixture = Fixture::new();
    let cache = fixture.cache("cache");
    make(&fixture.input(), &cache).unwrap();
    thread::sleep(std::time::Duration::from_millis(30));
    // Same sizes, same CRC-32 in the entries, another byte: not the cached layer, and not a layer at all.
    fixture.damage(2000);
    let error = make(&fixture.input(), &cache).unwrap_err();
    assert!(matches!(error, LayerError::Damaged { .. }), "{error}");
}

#[test]
fn a_cached_blob_with_a_flipped_bit_is_made_anew() {
    let fixture = Fixture::new();
    let cache = fixture.cache("cache");
    let first = make(&fixture.input(), &cache).unwrap();
    thread::sleep(std::time::Duration::from_millis(30));
    let mut bytes = fs::read(&first.path).unwrap();
    bytes[5000] ^= 1;
    fs::write(&first.path, bytes).unwrap();
    let second = make(&fixture.input(), &cache).unwrap();
    assert_eq!(second, first);
    assert_eq!(Digest::of(&fs::read(second.path).unwrap()), first.digest);
}

#[test]
fn records_that_make_no_sense_are_not_believed() {
    let fixture = Fixture::new();
    let cache = fixture.cache("cache");
    let first = make(&fixture.input(), &cache).unwrap();
    for record in fs::read_dir(cache.root().join("records")).unwrap() {
        let path = record.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 3;
        bytes[last] ^= 1;
        fs::write(&path, bytes).unwrap();
    }
    assert_eq!(make(&fixture.input(), &cache).unwrap(), first);
}

#[test]
fn a_damaged_archive_is_refused_by_entry() {
    let fixture = Fixture::new();
    fixture.damage(500_000);
    let cache = fixture.cache("cache");
    let error = make(&fixture.input(), &cache).unwrap_err().to_string();
    assert!(error.contains("application.jar") && error.contains("app/lib/library-0.jar"), "{error}");
    assert_eq!(fs::read_dir(cache.root().join("tmp")).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn a_truncated_archive_is_refused_by_entry() {
    let fixture = Fixture::new();
    let file = File::options().write(true).open(&fixture.archive).unwrap();
    for (size, entry) in
        [(900_000, "app/application.jar"), (100, "app/lib/library-0.jar"), (0, "app/lib/library-0.jar")]
    {
        file.set_len(size).unwrap();
        match make(&fixture.input(), &fixture.cache("cache")).unwrap_err() {
            LayerError::Truncated { entry: found, .. } => assert_eq!(found, entry),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn parts_that_are_not_what_they_claim_are_refused() {
    let fixture = Fixture::new();
    let Content::File { parts } = &fixture.entries.last().unwrap().content else { panic!() };
    let Part::Deflated { offset, compressed_size, size, crc32 } = parts[1] else { panic!() };
    let part = |offset, compressed_size, size, crc32| Part::Deflated { offset, compressed_size, size, crc32 };
    for (wrong, what) in [
        (part(offset, compressed_size, size + 1, crc32), "bytes where the archive says"),
        (part(offset, compressed_size, size - 1, crc32), "longer than"),
        (part(offset, compressed_size, 0, crc32), "longer than"),
        (part(offset, compressed_size - 2, size, crc32), "ends early"),
        (part(offset, 0, size, crc32), "ends early"),
        (part(offset, compressed_size, size, crc32 ^ 1), "CRC-32"),
        (part(offset + 1, compressed_size - 1, size, crc32), "not valid"),
        (part(u64::MAX - 3, compressed_size, size, crc32), "truncated"),
        (part(offset, u64::MAX, size, crc32), "truncated"),
        (Part::Stored { offset: u64::MAX, size: 5, crc32 }, "truncated"),
        (Part::Stored { offset: 5, size: 1 << 40, crc32 }, "truncated"),
    ] {
        let entries = [Entry { path: "app/file".to_owned(), content: Content::File { parts: vec![wrong.clone()] } }];
        let input = LayerInput { entries: &entries, ..fixture.input() };
        let error = make(&input, &fixture.cache("cache")).unwrap_err().to_string();
        assert!(error.contains(what) && error.contains("app/file"), "{wrong:?}: {error}");
    }
}

#[test]
fn an_archive_that_is_written_to_while_it_is_read_is_refused() {
    let fixture = Fixture::new();
    let file = File::open(&fixture.archive).unwrap();
    let seen = ArchiveSeen::now(&fixture.input(), FileState::of(&file.metadata().unwrap()));
    assert!(seen.still(&file));
    File::options().append(true).open(&fixture.archive).unwrap().write_all(b"more").unwrap();
    assert!(!seen.still(&file));
}

#[test]
fn an_archive_that_has_just_been_written_is_read_again_next_time() {
    let fixture = Fixture::new();
    let cache = fixture.cache("cache");
    let state = FileState::of(&fs::metadata(&fixture.archive).unwrap());
    let content = [7; 32];
    let soon = || ArchiveSeen::now(&fixture.input(), FileState { modified: (i64::MAX, 1), ..state });
    soon().remember(&cache, &content);
    assert_eq!(soon().content(&cache), None);
    let long_ago = || ArchiveSeen::now(&fixture.input(), FileState { modified: (5, 1), changed: (5, 1), ..state });
    long_ago().remember(&cache, &content);
    assert_eq!(long_ago().content(&cache), Some(content));
    assert_eq!(soon().content(&cache), None);
}

#[test]
fn a_missing_archive_is_named() {
    let fixture = Fixture::new();
    fs::remove_file(&fixture.archive).unwrap();
    let error = make(&fixture.input(), &fixture.cache("cache")).unwrap_err().to_string();
    assert!(error.starts_with("cannot read ") && error.contains("application.jar"), "{error}");
}

#[test]
fn a_copy_of_a_file_is_like_an_entry_of_the_archive_and_is_read_each_time() {
    let fixture = Fixture::new();
    let cache = fixture.cache("cache");
    let library = nested(&noise(100_000, 5));
    let path = fixture.folder.path().join("library.jar");
    fs::write(&path, &library).unwrap();
    let entry = |content| [Entry { path: "app/lib/library.jar".to_owned(), content }];
    let crc32 = crc32fast::hash(&library);
    let copy = entry(Content::Copy { path: path.clone(), size: library.len() as u64, crc32 });
    let stored = Part::Stored { offset: 0, size: library.len() as u64, crc32 };
    let same = entry(Content::File { parts: vec![stored] });
    let input = LayerInput { entries: &copy, ..fixture.input() };
    let made = make(&input, &cache).unwrap();
    let as_archive = LayerInput { archive: &path, entries: &same, ..input };
    let of_archive = make(&as_archive, &fixture.cache("other")).unwrap();
    assert_eq!(made.digest, of_archive.digest);
    assert!(make(&input, &cache).unwrap().reused);

    // The same size and, as far as the plan knows, the same sum: only reading tells.
    fs::write(&path, noise(library.len(), 6)).unwrap();
    let error = make(&input, &cache).unwrap_err().to_string();
    assert!(error.contains("library.jar") && error.contains("CRC-32"), "{error}");
    fs::write(&path, &library[1..]).unwrap();
    assert!(matches!(make(&input, &cache), Err(LayerError::Truncated { .. })));
    fs::remove_file(&path).unwrap();
    assert!(make(&input, &cache).unwrap_err().to_string().starts_with("cannot read "));
}

#[test]
fn layers_made_at_the_same_time_come_in_their_order() {
    let fixture = Fixture::new();
    let entries: Vec<_> = fixture.entries.iter().map(std::slice::from_ref).collect();
    let inputs: Vec<_> = entries.iter().map(|entries| LayerInput { entries, ..fixture.input() }).collect();
    let one_by_one = fixture.cache("one by one");
    let expected: Vec<_> = inputs.iter().map(|input| make(input, &one_by_one).unwrap().digest).collect();
    let made = make_all(&inputs, &fixture.cache("together")).unwrap();
    assert_eq!(made.iter().map(|blob| blob.digest).collect::<Vec<_>>(), expected);

    fs::remove_file(&fixture.archive).unwrap();
    let error = make_all(&inputs, &fixture.cache("another")).unwrap_err();
    assert!(matches!(error, LayerError::Read { .. }), "{error}");
}
