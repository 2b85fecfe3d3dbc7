//! What differs between two layers: which files, and what of them.
//!
//! Each layer is read as a stream, twice at most: once to learn of every file's header and the hash of its content,
//! and once more for the content of those that differ. Nothing is unpacked to the disk.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;

use super::difference::{Change, Findings};
use super::{content, jar};
use crate::image::opened::{OpenError, OpenedImage, OpenedLayer};
use crate::image::tar_reader::{EntryKind, TarEntry, TarError, TarReader};

/// The largest file that is looked into, in bytes.
const MAX_FILE: u64 = 128 * 1024 * 1024;

/// The most bytes of files of one layer that are held for being looked into.
const MAX_HELD: u64 = 256 * 1024 * 1024;

/// A file of a layer.
struct File {
    header: TarEntry,
    /// BLAKE3 of the content.
    content: blake3::Hash,
    /// How many entries came before.
    position: usize,
}

type Files = BTreeMap<String, File>;

/// The same layer of two images.
pub struct Pair<'a> {
    pub a: (&'a OpenedImage, &'a OpenedLayer),
    pub b: (&'a OpenedImage, &'a OpenedLayer),
}

/// Tells how two layers, whose digests differ, do so.
pub fn compare(at: &[String], pair: &Pair<'_>, findings: &mut Findings) -> Result<(), OpenError> {
    let ((image_a, a), (image_b, b)) = (pair.a, pair.b);
    if a.diff_id.is_some() && a.diff_id == b.diff_id {
        findings.add(at, Change::field("size", a.descriptor.size, b.descriptor.size));
        findings.add(at, Change::Compression);
        return Ok(());
    }
    let before = findings.len();
    let (Some(files_a), Some(files_b)) = (files(image_a, a)?, files(image_b, b)?) else {
        findings.add(at, Change::field("digest", a.descriptor.digest, b.descriptor.digest));
        findings.add(at, Change::note("its bytes are not here (the base's layers are left where the base is)"));
        return Ok(());
    };
    let inside = |path: &str| [at, &[path.to_owned()]].concat();
    for path in files_a.keys().filter(|path| !files_b.contains_key(*path)) {
        findings.add(&inside(path), Change::OnlyA);
    }
    for path in files_b.keys().filter(|path| !files_a.contains_key(*path)) {
        findings.add(&inside(path), Change::OnlyB);
    }
    let mut wanted = BTreeSet::new();
    let mut times = Vec::new();
    let mut held = 0u64;
    for (path, a) in &files_a {
        let Some(b) = files_b.get(path) else { continue };
        if a.header.modified != b.header.modified {
            times.push((path, a.header.modified, b.header.modified));
        }
        headers(&inside(path), &a.header, &b.header, findings);
        if a.content != b.content && a.header.kind == b.header.kind {
            let size = a.header.size.max(b.header.size);
            held = held.saturating_add(size);
            if size <= MAX_FILE && held <= MAX_HELD {
                wanted.insert(path.clone());
            } else {
                findings.add(&inside(path), Change::note("the content differs; it is too large to be looked into"));
            }
        }
    }
    self::times(at, &times, files_a.len().min(files_b.len()), findings);
    if !wanted.is_empty() {
        let (contents_a, contents_b) = (contents(image_a, a, &wanted)?, contents(image_b, b, &wanted)?);
        for path in &wanted {
            let (Some(a), Some(b)) = (contents_a.get(path), contents_b.get(path)) else { continue };
            match jar::is_jar(a) && jar::is_jar(b) {
                true => jar::compare(&inside(path), a, b, &mut jar::Budget::default(), findings),
                false => content::compare(&inside(path), a, b, findings),
            }
        }
    }
    order(at, &files_a, &files_b, findings);
    if findings.len() == before {
        findings.add(at, Change::note("the same files with the same properties; the tar is written otherwise"));
    }
    Ok(())
}

fn open_error(layer: &OpenedLayer) -> impl Fn(TarError) -> OpenError {
    let digest = layer.descriptor.digest;
    move |error| OpenError::Layer { layer: digest, reason: error.to_string() }
}

/// Every file of a layer; none where its bytes are not there. Of several entries with one path the last counts, as it
/// does when the layer is unpacked.
fn files(image: &OpenedImage, layer: &OpenedLayer) -> Result<Option<Files>, OpenError> {
    let failed = open_error(layer);
    let Some(tar) = image.tar(&layer.descriptor)? else { return Ok(None) };
    let mut reader = TarReader::new(tar);
    let mut files = Files::new();
    let mut position = 0;
    while let Some(header) = reader.next_entry().map_err(&failed)? {
        let mut hash = blake3::Hasher::new();
        hash.update_reader(&mut reader).map_err(|error| failed(error.into()))?;
        let path = header.path.trim_start_matches("./").to_owned();
        files.insert(path, File { header, content: hash.finalize(), position });
        position += 1;
    }
    reader.drain().map_err(&failed)?;
    Ok(Some(files))
}

/// The contents of some files, none larger than [`MAX_FILE`].
fn contents(
    image: &OpenedImage,
    layer: &OpenedLayer,
    wanted: &BTreeSet<String>,
) -> Result<HashMap<String, Vec<u8>>, OpenError> {
    let failed = open_error(layer);
    let mut contents = HashMap::new();
    let Some(tar) = image.tar(&layer.descriptor)? else { return Ok(contents) };
    let mut reader = TarReader::new(tar);
    let mut held = 0u64;
    while let Some(header) = reader.next_entry().map_err(&failed)? {
        let path = header.path.trim_start_matches("./");
        // A path that stands there twice could be held twice: what is held is counted by what is read.
        held = held.saturating_add(if wanted.contains(path) { header.size } else { 0 });
        if wanted.contains(path) && header.size <= MAX_FILE && held <= 2 * MAX_HELD {
            let mut content = Vec::new();
            reader.read_to_end(&mut content).map_err(|error| failed(error.into()))?;
            contents.insert(path.to_owned(), content);
        }
    }
    Ok(contents)
}

/// Tells of each property that differs, the time apart.
fn headers(at: &[String], a: &TarEntry, b: &TarEntry, findings: &mut Findings) {
    let mut field = |name: &str, a: String, b: String| {
        if a != b {
            findings.add(at, Change::field(name, a, b));
        }
    };
    field("kind", a.kind.to_string(), b.kind.to_string());
    field("mode", format!("{:04o}", a.mode), format!("{:04o}", b.mode));
    field("owner", format!("{}:{}", a.uid, a.gid), format!("{}:{}", b.uid, b.gid));
    field("owner's name", format!("{}:{}", a.owner, a.group), format!("{}:{}", b.owner, b.group));
    field("link", a.link.clone(), b.link.clone());
    if a.kind == EntryKind::File && b.kind == EntryKind::File {
        field("size", a.size.to_string(), b.size.to_string());
    }
    let names: BTreeSet<&String> = a.records.keys().chain(b.records.keys()).collect();
    for name in names {
        let value = |entry: &TarEntry| entry.records.get(name).cloned();
        if value(a) != value(b) {
            let change = Change::Field { field: format!("PAX record {name}"), a: value(a), b: value(b) };
            findings.add(at, change);
        }
    }
}

/// Tells of times: once for all files, where they all moved alike.
fn times(at: &[String], times: &[(&String, i64, i64)], files: usize, findings: &mut Findings) {
    let Some((_, first_a, first_b)) = times.first() else { return };
    if times.len() > 1 && times.len() == files && times.iter().all(|(_, a, b)| (a, b) == (first_a, first_b)) {
        findings.add(at, Change::field("time of every file", time(*first_a), time(*first_b)));
        return;
    }
    for (path, a, b) in times {
        findings.add(&[at, &[(*path).clone()]].concat(), Change::field("time", time(*a), time(*b)));
    }
}

/// `2026-01-02T03:04:05Z`
fn time(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| format!("{seconds} s since 1970"), |time| time.to_string())
}

fn order(at: &[String], a: &Files, b: &Files, findings: &mut Findings) {
    let ordered = |one: &Files, other: &Files| {
        let mut paths: Vec<(usize, String)> = one
            .iter()
            .filter(|(path, _)| other.contains_key(*path))
            .map(|(path, file)| (file.position, path.clone()))
            .collect();
        paths.sort();
        paths
    };
    let (a, b) = (ordered(a, b), ordered(b, a));
    if let Some(((_, a), (_, b))) = a.into_iter().zip(b).find(|((_, a), (_, b))| a != b) {
        findings.add(at, Change::Order { a, b });
    }
}
