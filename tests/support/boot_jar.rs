use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use rawzip::ZipArchiveWriter;
use rawzip::path::EntryPath;

/// A small jar of Spring Boot's form, written entry by entry, well-formed or not: for tests in which no JVM reads it.
pub struct BootJar {
    entries: Vec<(String, Vec<u8>)>,
}

impl BootJar {
    /// A start class for Java 17, a resource and a library, of Spring Boot 3.5.
    pub fn new() -> BootJar {
        BootJar::of_version("3.5.0")
    }

    /// The same of another version of Spring Boot.
    pub fn of_version(version: &str) -> BootJar {
        let manifest = format!(
            "Manifest-Version: 1.0\r\nMain-Class: org.springframework.boot.loader.launch.JarLauncher\r\n\
             Start-Class: demo.App\r\nSpring-Boot-Version: {version}\r\nSpring-Boot-Classes: \
             BOOT-INF/classes/\r\nSpring-Boot-Lib: BOOT-INF/lib/\r\nImplementation-Title: demo\r\n\
             Implementation-Version: 1.2.3\r\n\r\n"
        );
        let class = [0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 61, 0, 1];
        BootJar { entries: Vec::new() }
            .entry("META-INF/MANIFEST.MF", manifest)
            .entry("BOOT-INF/classes/demo/App.class", class)
            .entry("BOOT-INF/classes/application.properties", "greeting=hello\n")
            .entry("BOOT-INF/lib/library-1.0.jar", plain_jar(&[("library/Book.class", &class)]))
    }

    /// Adds an entry; of a name that is there already a second one.
    pub fn entry(mut self, name: &str, content: impl AsRef<[u8]>) -> BootJar {
        self.entries.push((name.to_owned(), content.as_ref().to_owned()));
        self
    }

    /// Replaces an entry's content.
    pub fn with(mut self, name: &str, content: impl AsRef<[u8]>) -> BootJar {
        self.entries.retain(|(other, _)| other != name);
        self.entry(name, content)
    }

    /// Adds a library of so many bytes that do not shrink, always the same.
    pub fn large(self, size: usize) -> BootJar {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut noise = Vec::with_capacity(size + 8);
        while noise.len() < size {
            // xorshift64
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            noise.extend_from_slice(&state.to_le_bytes());
        }
        noise.truncate(size);
        self.entry("BOOT-INF/lib/large-1.0.jar", noise)
    }

    pub fn bytes(&self) -> Vec<u8> {
        let entries: Vec<(&str, &[u8])> =
            self.entries.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
        plain_jar(&entries)
    }

    pub fn write(&self, path: impl AsRef<Path>) -> PathBuf {
        fs::write(path.as_ref(), self.bytes()).expect("the file can be written");
        path.as_ref().to_owned()
    }
}

/// A zip archive of stored entries.
pub fn plain_jar(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipArchiveWriter::new(Vec::new());
    for (name, content) in entries {
        let (mut entry, config) =
            zip.new_file(EntryPath::verbatim(name.as_bytes())).start().expect("memory takes everything");
        let mut writer = config.wrap(&mut entry);
        writer.write_all(content).expect("memory takes everything");
        let (_, descriptor) = writer.finish().expect("memory takes everything");
        entry.finish(descriptor).expect("memory takes everything");
    }
    zip.finish().expect("memory takes everything")
}

/// The bytes of a small jar whose application layer depends on `text`, and no other layer does.
pub fn boot_jar(text: &str) -> Vec<u8> {
    BootJar::new().with("BOOT-INF/classes/application.properties", text).bytes()
}
