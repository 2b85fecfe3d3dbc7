//! What differs in the content of a file that is no archive: keys, lines, or bytes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::difference::{Change, Findings};

/// The bytes that are shown where contents begin to differ.
const BYTES_SHOWN: usize = 16;

/// The first bytes of a Java class (Java Virtual Machine Specification, chapter 4).
const CLASS: [u8; 4] = [0xca, 0xfe, 0xba, 0xbe];

/// The largest file that is taken apart into keys or lines, in bytes: bills of materials have some hundred kilobytes.
const MAX_STRUCTURED: usize = 8 * 1024 * 1024;

/// The deepest JSON that is walked.
const MAX_DEPTH: usize = 64;

/// Tells how `a` and `b`, which differ, do so. What is told depends on the name of the file.
pub fn compare(at: &[String], a: &[u8], b: &[u8], findings: &mut Findings) {
    let name = at.last().map(String::as_str).unwrap_or_default().to_ascii_lowercase();
    let before = findings.len();
    if a.starts_with(&CLASS) && b.starts_with(&CLASS) {
        return findings.add(at, Change::Class { a: class_version(a), b: class_version(b) });
    }
    if let (Ok(a), Ok(b)) = (str::from_utf8(a), str::from_utf8(b))
        && a.len().max(b.len()) <= MAX_STRUCTURED
    {
        if name.ends_with(".json") {
            if let (Ok(a), Ok(b)) = (serde_json::from_str(a), serde_json::from_str(b)) {
                json("", &a, &b, at, findings);
            }
        } else if name.ends_with("manifest.mf") {
            keys(&manifest(a), &manifest(b), at, findings);
        } else if name.ends_with(".properties") {
            keys(&properties(a), &properties(b), at, findings);
        }
        if findings.len() == before && !a.contains('\0') && !b.contains('\0') {
            text(a, b, at, findings);
        }
    }
    if findings.len() == before {
        bytes(a, b, at, findings);
    }
}

/// The major version of the class file format.
fn class_version(class: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(class.get(6..8)?.try_into().ok()?))
}

/// Tells of each value that differs between two JSON documents; keys are JSON pointers (RFC 6901).
pub fn json(pointer: &str, a: &Value, b: &Value, at: &[String], findings: &mut Findings) {
    if a == b {
        return;
    }
    let below = |key: &str| format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
    let only = |value: Option<&Value>| value.map(plain);
    match (a, b) {
        (Value::Object(a), Value::Object(b)) if pointer.matches('/').count() < MAX_DEPTH => {
            let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                match (a.get(name), b.get(name)) {
                    (Some(a), Some(b)) => json(&below(name), a, b, at, findings),
                    (a, b) => findings.add(at, Change::Key { key: below(name), a: only(a), b: only(b) }),
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() && pointer.matches('/').count() < MAX_DEPTH => {
            if is_reordered(a, b) {
                let what = format!(
                    "the elements of {} stand in another order",
                    if pointer.is_empty() { "/" } else { pointer }
                );
                return findings.add(at, Change::Form { what });
            }
            for (number, (a, b)) in a.iter().zip(b).enumerate() {
                json(&below(&number.to_string()), a, b, at, findings);
            }
        }
        (a, b) => {
            findings.add(at, Change::Key { key: pointer.to_owned(), a: Some(plain(a)), b: Some(plain(b)) });
        }
    }
}

fn is_reordered(a: &[Value], b: &[Value]) -> bool {
    let sorted = |values: &[Value]| {
        let mut texts: Vec<String> = values.iter().map(Value::to_string).collect();
        texts.sort();
        texts
    };
    sorted(a) == sorted(b)
}

/// A value as people write it: text without quotes.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Tells of each key whose value differs.
pub fn keys(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>, at: &[String], findings: &mut Findings) {
    let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let (a, b) = (a.get(name), b.get(name));
        if a != b {
            findings.add(at, Change::Key { key: name.clone(), a: a.cloned(), b: b.cloned() });
        }
    }
}

/// The keys and values of a properties file (`java.util.Properties`), escapes as they are written.
fn properties(text: &str) -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut line = line.to_owned();
        // An odd number of backslashes at the end joins the next line.
        while line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1 {
            line.pop();
            line.push_str(lines.next().unwrap_or_default().trim_start());
            if line.len() > 1 << 20 {
                break;
            }
        }
        let mut escaped = false;
        let end = line.find(|c: char| {
            let separates = !escaped && (c == '=' || c == ':' || c.is_whitespace());
            escaped = c == '\\' && !escaped;
            separates
        });
        let (key, value) = line.split_at(end.unwrap_or(line.len()));
        let value = value.trim_start();
        let value = value.strip_prefix(['=', ':']).unwrap_or(value).trim_start();
        keys.insert(key.to_owned(), value.replace("\\:", ":").replace("\\=", "="));
    }
    keys
}

/// The attributes of a jar's manifest (JAR File Specification); those of sections with the section's name before.
fn manifest(text: &str) -> BTreeMap<String, String> {
    let mut keys: BTreeMap<String, String> = BTreeMap::new();
    let (mut section, mut last) = (String::new(), None::<String>);
    for line in text.lines() {
        if let (Some(more), Some(key)) = (line.strip_prefix(' '), &last) {
            if let Some(value) = keys.get_mut(key) {
                value.push_str(more);
            }
            continue;
        }
        match line.split_once(':') {
            Some(("Name", name)) => section = format!("{} ", name.trim()),
            Some((key, value)) => {
                let key = format!("{section}{key}");
                keys.insert(key.clone(), value.trim().to_owned());
                last = Some(key);
                continue;
            }
            None => section.clear(),
        }
        last = None;
    }
    keys
}

/// Tells of the first line that differs, or of what else it is.
fn text(a: &str, b: &str, at: &[String], findings: &mut Findings) {
    let ends = |text: &str| text.contains("\r\n");
    if ends(a) != ends(b) && a.replace("\r\n", "\n") == b.replace("\r\n", "\n") {
        let what = match ends(a) {
            true => "A has the line ends of Windows (CR LF), B those of Unix (LF)",
            false => "A has the line ends of Unix (LF), B those of Windows (CR LF)",
        };
        return findings.add(at, Change::Form { what: what.to_owned() });
    }
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    if sorted(a) == sorted(b) {
        let what = "the same lines in another order, or other line ends".to_owned();
        return findings.add(at, Change::Form { what });
    }
    let (mut of_a, mut of_b) = (a.lines(), b.lines());
    for number in 1.. {
        match (of_a.next(), of_b.next()) {
            (None, None) => return,
            (a, b) if a == b => {}
            (a, b) => {
                let (a, b) = (a.map(str::to_owned), b.map(str::to_owned));
                return findings.add(at, Change::Line { number, a, b });
            }
        }
    }
}

fn bytes(a: &[u8], b: &[u8], at: &[String], findings: &mut Findings) {
    let offset = a.iter().zip(b).position(|(a, b)| a != b).unwrap_or(a.len().min(b.len()));
    let shown = |bytes: &[u8]| {
        let end = bytes.len().min(offset + BYTES_SHOWN);
        bytes[offset.min(end)..end].iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
    };
    findings.add(at, Change::Bytes { offset, a: shown(a), b: shown(b) });
}

#[cfg(test)]
mod tests {
    use super::super::difference::Difference;
    use super::*;

    fn changes(name: &str, a: &[u8], b: &[u8]) -> Vec<Change> {
        let mut findings = Findings::default();
        compare(&[name.to_owned()], a, b, &mut findings);
        findings.finish().into_iter().map(|Difference { change, .. }| change).collect()
    }

    fn key(key: &str, a: Option<&str>, b: Option<&str>) -> Change {
        Change::Key { key: key.to_owned(), a: a.map(str::to_owned), b: b.map(str::to_owned) }
    }

    #[test]
    fn properties_differ_by_key_and_their_comments_by_line() {
        let a = b"#one\nbuild.time=2026-01-01T00\\:00\\:00Z\nname = x\nold:1\nlong=a\\\n  b\n";
        let b = b"#one\nbuild.time=2026-01-02T00\\:00\\:00Z\nname=x\nlong=ab\n";
        let expected = [
            key("build.time", Some("2026-01-01T00:00:00Z"), Some("2026-01-02T00:00:00Z")),
            key("old", Some("1"), None),
        ];
        assert_eq!(changes("build-info.properties", a, b), expected);
        let line = |text: &str| Some(text.to_owned());
        let expected = [Change::Line { number: 1, a: line("#Mon"), b: line("#Tue") }];
        assert_eq!(changes("pom.properties", b"#Mon\na=1\n", b"#Tue\na=1\n"), expected);
    }

    #[test]
    fn json_differs_by_pointer() {
        let a = br#"{"serialNumber":"urn:1","metadata":{"timestamp":"x"},"c":[1,2]}"#;
        let b = br#"{"serialNumber":"urn:2","metadata":{"timestamp":"y"},"c":[2,1]}"#;
        let expected = [
            Change::Form { what: "the elements of /c stand in another order".to_owned() },
            key("/metadata/timestamp", Some("x"), Some("y")),
            key("/serialNumber", Some("urn:1"), Some("urn:2")),
        ];
        assert_eq!(changes("application.cdx.json", a, b), expected);
    }

    #[test]
    fn manifests_differ_by_attribute_also_where_lines_are_broken() {
        let a = b"Manifest-Version: 1.0\r\nBuild-Jdk-Spec: 17\r\nX: ab\r\n c\r\n\r\nName: p/\r\nSealed: true\r\n";
        let b = b"Manifest-Version: 1.0\r\nBuild-Jdk-Spec: 21\r\nX: abc\r\n\r\nName: p/\r\nSealed: false\r\n";
        let expected = [key("Build-Jdk-Spec", Some("17"), Some("21")), key("p/ Sealed", Some("true"), Some("false"))];
        assert_eq!(changes("META-INF/MANIFEST.MF", a, b), expected);
    }

    #[test]
    fn classes_lines_line_ends_and_bytes_are_told_apart() {
        let class = |version: u8, rest: &[u8]| [&CLASS[..], &[0, 0, 0, version], rest].concat();
        let expected = [Change::Class { a: Some(61), b: Some(65) }];
        assert_eq!(changes("A.class", &class(61, b"x"), &class(65, b"y")), expected);
        assert!(
            matches!(&*changes("a.txt", b"a\r\nb\r\n", b"a\nb\n"), [Change::Form { what }] if what.contains("CR LF"))
        );
        assert!(matches!(&*changes("a.txt", b"a\nb\n", b"b\na\n"), [Change::Form { .. }]));
        assert_eq!(
            changes("a.bin", b"\xff\xfe", b"\xff\xfe\x01"),
            [Change::Bytes { offset: 2, a: String::new(), b: "01".to_owned() }]
        );
    }

    #[test]
    fn deep_json_ends() {
        let deep = |end: &str| format!("{}{end}{}", "[".repeat(100), "]".repeat(100));
        assert_eq!(changes("a.json", deep("1").as_bytes(), deep("2").as_bytes()).len(), 1);
    }
}
