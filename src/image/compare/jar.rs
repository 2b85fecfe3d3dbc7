//! What differs between two jars: entries, their order, times and contents, and the jars inside.

use std::collections::HashMap;
use std::io::Read;

use flate2::read::DeflateDecoder;
use rawzip::ZipArchive;

use super::content;
use super::difference::{Change, Findings};

/// How deep archives are looked into: a war has jars, and one of those may have some more.
const MAX_DEPTH: usize = 4;

/// The most entries of a jar that are compared.
const MAX_ENTRIES: usize = 300_000;

/// The largest entry that is looked into, unpacked, in bytes.
const MAX_ENTRY: u64 = 64 * 1024 * 1024;

/// The most bytes that are unpacked in one comparison of two jars and what is inside them.
const MAX_UNPACKED: u64 = 1024 * 1024 * 1024;

/// What may still be unpacked.
#[derive(Debug)]
pub struct Budget {
    bytes: u64,
    depth: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Budget { bytes: MAX_UNPACKED, depth: MAX_DEPTH }
    }
}

/// An entry, as the central directory has it.
struct Entry<'a> {
    method: u16,
    crc32: u32,
    size: u64,
    /// Compressed.
    data: &'a [u8],
    time: String,
    attributes: u32,
    extra: Vec<u8>,
}

/// A directory: entries by name, and the names in their order.
struct Directory<'a> {
    names: Vec<String>,
    entries: HashMap<String, Entry<'a>>,
}

/// Whether the bytes look like a jar.
pub fn is_jar(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
}

/// Tells how two jars, whose bytes differ, do so.
pub fn compare(at: &[String], a: &[u8], b: &[u8], budget: &mut Budget, findings: &mut Findings) {
    let before = findings.len();
    let (old, new) = match (directory(a), directory(b)) {
        (Ok(old), Ok(new)) => (old, new),
        (Err(why), _) | (_, Err(why)) => {
            findings.add(at, Change::note(format!("it is no jar that can be looked into: {why}")));
            return content::compare(at, a, b, findings);
        }
    };
    let inside = |name: &str| [at, &[name.to_owned()]].concat();
    for name in &old.names {
        if !new.entries.contains_key(name) {
            findings.add(&inside(name), Change::OnlyA);
        }
    }
    for name in &new.names {
        match old.entries.get(name).zip(new.entries.get(name)) {
            None => findings.add(&inside(name), Change::OnlyB),
            Some((old, new)) => entry(&inside(name), old, new, budget, findings),
        }
    }
    let of_both = |one: &Directory<'_>, other: &Directory<'_>| -> Vec<String> {
        one.names.iter().filter(|name| other.entries.contains_key(*name)).cloned().collect()
    };
    let (of_a, of_b) = (of_both(&old, &new), of_both(&new, &old));
    if let Some((a, b)) = of_a.iter().zip(&of_b).find(|(a, b)| a != b) {
        findings.add(at, Change::Order { a: a.clone(), b: b.clone() });
    }
    if findings.len() == before {
        findings
            .add(at, Change::note("the same entries; the frame of the archive differs (local headers or comments)"));
        content::compare(at, a, b, findings);
    }
}

fn entry(at: &[String], a: &Entry<'_>, b: &Entry<'_>, budget: &mut Budget, findings: &mut Findings) {
    if a.time != b.time {
        findings.add(at, Change::field("time", &a.time, &b.time));
    }
    if a.attributes != b.attributes {
        findings
            .add(at, Change::field("mode", format!("{:#o}", a.attributes >> 16), format!("{:#o}", b.attributes >> 16)));
    }
    if a.method != b.method {
        findings.add(at, Change::field("method", method(a.method), method(b.method)));
    }
    if a.extra != b.extra && a.time == b.time {
        findings.add(
            at,
            Change::field("extra fields", format!("{} bytes", a.extra.len()), format!("{} bytes", b.extra.len())),
        );
    }
    if a.data == b.data && a.method == b.method {
        return;
    }
    if (a.crc32, a.size) == (b.crc32, b.size) {
        if a.method == b.method {
            findings.add(at, Change::Compression);
        }
        return;
    }
    match (unpack(a, budget), unpack(b, budget)) {
        (Ok(a), Ok(b)) if is_jar(&a) && is_jar(&b) && budget.depth > 0 => {
            budget.depth -= 1;
            compare(at, &a, &b, budget, findings);
            budget.depth += 1;
        }
        (Ok(a), Ok(b)) => content::compare(at, &a, &b, findings),
        (Err(why), _) | (_, Err(why)) => {
            findings.add(at, Change::note(format!("the content differs, and was not looked into: {why}")));
        }
    }
}

fn method(method: u16) -> String {
    match method {
        0 => "stored".to_owned(),
        8 => "deflated".to_owned(),
        other => other.to_string(),
    }
}

/// The content of an entry, within bounds.
fn unpack(entry: &Entry<'_>, budget: &mut Budget) -> Result<Vec<u8>, String> {
    if entry.size > MAX_ENTRY {
        return Err(format!("it has {} bytes", entry.size));
    }
    budget.bytes = budget.bytes.checked_sub(entry.size).ok_or("too much has been unpacked already")?;
    let mut content = Vec::new();
    // What is announced is what is unpacked, and one byte that would show it was a lie.
    let limit = entry.size + 1;
    let read = match entry.method {
        0 => entry.data.take(limit).read_to_end(&mut content),
        8 => DeflateDecoder::new(entry.data).take(limit).read_to_end(&mut content),
        other => return Err(format!("it is compressed by method {other}")),
    };
    read.map_err(|error| format!("it is damaged ({error})"))?;
    if content.len() as u64 != entry.size {
        return Err("it has another size than the archive says".to_owned());
    }
    Ok(content)
}

fn directory(bytes: &[u8]) -> Result<Directory<'_>, String> {
    let failed = |error: rawzip::Error| error.to_string();
    let archive = ZipArchive::from_slice(bytes).map_err(failed)?;
    let mut directory = Directory { names: Vec::new(), entries: HashMap::new() };
    let mut records = archive.entries();
    while let Some(record) = records.next_entry().map_err(failed)? {
        if directory.names.len() == MAX_ENTRIES {
            return Err(format!("it has more than {MAX_ENTRIES} entries"));
        }
        let name = String::from_utf8_lossy(record.file_path().as_bytes()).into_owned();
        let (start, end) = archive.get_entry(record.wayfinder()).map_err(failed)?.compressed_data_range();
        let data = bytes.get(start as usize..end as usize).ok_or("an entry reaches past its end")?;
        let time = record.last_modified_dos();
        let entry = Entry {
            method: record.compression_method().as_u16(),
            crc32: record.crc32(),
            size: record.uncompressed_size_hint(),
            data,
            time: format!(
                "{}-{:02}-{:02} {:02}:{:02}:{:02}",
                time.year(),
                time.month(),
                time.day(),
                time.hour(),
                time.minute(),
                time.second()
            ),
            attributes: record.external_attributes(),
            extra: record.extra_fields().remaining_bytes().to_vec(),
        };
        if directory.entries.insert(name.clone(), entry).is_none() {
            directory.names.push(name);
        }
    }
    Ok(directory)
}
