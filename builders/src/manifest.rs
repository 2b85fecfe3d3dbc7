//! `META-INF/MANIFEST.MF`, as the JAR File Specification describes it ("JAR Manifest").

/// A line has at most this many bytes, without its line end.
const LINE_BYTES: usize = 72;

/// The attributes of a jar's manifest, in the order in which they stand in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    main: Section,
    /// Sections of single entries; the first attribute of each is `Name`.
    named: Vec<Section>,
}

type Section = Vec<(String, String)>;

impl Manifest {
    /// Reads a manifest as tolerantly as the JVM does: any line end, continuation lines, unknown attributes.
    /// Lines without a colon are left out, and bytes that are not UTF-8 replaced.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut sections: Vec<Section> = vec![Vec::new()];
        for line in unfolded_lines(bytes) {
            if line.is_empty() {
                if sections.last().is_some_and(|section| !section.is_empty()) {
                    sections.push(Vec::new());
                }
                continue;
            }
            let text = String::from_utf8_lossy(&line);
            let Some((name, value)) = text.split_once(':') else { continue };
            let value = value.strip_prefix(' ').unwrap_or(value);
            if let Some(section) = sections.last_mut() {
                section.push((name.to_owned(), value.to_owned()));
            }
        }
        let mut sections = sections.into_iter();
        let main = sections.next().unwrap_or_default();
        Manifest { main, named: sections.filter(|section| !section.is_empty()).collect() }
    }

    /// A main attribute. Names are compared without regard to case.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.main.iter().rev().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// Sets a main attribute in its place, or adds it at the end.
    pub fn set(&mut self, name: &str, value: &str) {
        match self.main.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(name)) {
            Some((_, old)) => *old = value.to_owned(),
            None => self.main.push((name.to_owned(), value.to_owned())),
        }
    }

    /// Removes a main attribute.
    pub fn remove(&mut self, name: &str) {
        self.main.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
    }

    /// Removes what jarsigner wrote: the digests of single entries, and the sections that have nothing else.
    pub fn remove_digests(&mut self) {
        for section in &mut self.named {
            section.retain(|(key, _)| !key.to_ascii_lowercase().ends_with("-digest"));
        }
        self.named.retain(|section| section.iter().any(|(key, _)| !key.eq_ignore_ascii_case("Name")));
    }

    /// The file's bytes: `Manifest-Version` first, CRLF, long lines folded.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_attribute(&mut bytes, "Manifest-Version", self.get("Manifest-Version").unwrap_or("1.0"));
        for (name, value) in &self.main {
            if !name.eq_ignore_ascii_case("Manifest-Version") {
                write_attribute(&mut bytes, name, value);
            }
        }
        bytes.extend_from_slice(b"\r\n");
        for section in &self.named {
            for (name, value) in section {
                write_attribute(&mut bytes, name, value);
            }
            bytes.extend_from_slice(b"\r\n");
        }
        bytes
    }
}

/// Lines with their continuations (lines that begin with a space) joined to them.
fn unfolded_lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(rest.len());
        let line = &rest[..end];
        rest = &rest[end..];
        rest = rest.strip_prefix(b"\r\n").or(rest.get(1..)).unwrap_or_default();
        match (line.strip_prefix(b" "), lines.last_mut()) {
            (Some(continuation), Some(last)) if !last.is_empty() => last.extend_from_slice(continuation),
            _ => lines.push(line.to_owned()),
        }
    }
    lines
}

fn write_attribute(bytes: &mut Vec<u8>, name: &str, value: &str) {
    let mut used = 0;
    for character in name.chars().chain(": ".chars()).chain(value.chars()) {
        if used + character.len_utf8() > LINE_BYTES {
            bytes.extend_from_slice(b"\r\n ");
            used = 1;
        }
        let mut buffer = [0; 4];
        bytes.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
        used += character.len_utf8();
    }
    bytes.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn continuation_lines_and_every_line_end_are_read() {
        let manifest =
            Manifest::parse(b"Manifest-Version: 1.0\nStart-Class: com.exa\r\n mple.App\rMain-Class: a.B\n\n");
        assert_eq!(manifest.get("start-class"), Some("com.example.App"));
        assert_eq!(manifest.get("Main-Class"), Some("a.B"));
        assert_eq!(manifest.get("Class-Path"), None);
    }

    #[test]
    fn sections_of_entries_are_no_main_attributes() {
        let manifest = Manifest::parse(b"Manifest-Version: 1.0\r\n\r\nName: a/B.class\r\nMain-Class: evil\r\n\r\n");
        assert_eq!(manifest.get("Main-Class"), None);
        assert!(manifest.to_bytes().ends_with(b"\r\n\r\nName: a/B.class\r\nMain-Class: evil\r\n\r\n"));
    }

    #[test]
    fn digests_of_a_signer_are_removed_and_other_sections_stay() {
        let mut manifest = Manifest::parse(
            b"Manifest-Version: 1.0\n\nName: a\nSHA-256-Digest: x\n\nName: b\nSealed: true\nSHA-256-Digest: y\n\n",
        );
        manifest.remove_digests();
        assert_eq!(manifest.to_bytes(), b"Manifest-Version: 1.0\r\n\r\nName: b\r\nSealed: true\r\n\r\n");
    }

    #[test]
    fn lines_are_folded_at_72_bytes_as_the_jvm_folds_them() {
        let mut manifest = Manifest::default();
        manifest.set("Class-Path", &"x".repeat(150));
        let text = String::from_utf8(manifest.to_bytes()).unwrap();
        let lengths: Vec<usize> = text.split("\r\n").map(str::len).collect();
        assert_eq!(lengths, [21, 72, 72, 1 + 19, 0, 0]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(values in prop::collection::vec("[^\r\n\0]{1,300}", 0..6)) {
            let mut manifest = Manifest::default();
            manifest.set("Manifest-Version", "1.0");
            for (number, value) in values.iter().enumerate() {
                manifest.set(&format!("Key-{number}"), value);
            }
            let bytes = manifest.to_bytes();
            prop_assert_eq!(Manifest::parse(&bytes), manifest);
            prop_assert!(bytes.split(|&byte| byte == b'\n').all(|line| line.len() <= LINE_BYTES + 1));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = Manifest::parse(&bytes).to_bytes();
        }
    }
}
