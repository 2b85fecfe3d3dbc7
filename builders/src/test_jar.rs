//! Small jars for tests, written entry by entry, well-formed or not.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use rawzip::path::EntryPath;
use rawzip::{CompressionMethod, ZipArchiveWriter};

pub struct TestJar {
    zip: ZipArchiveWriter<Vec<u8>>,
}

impl TestJar {
    pub fn new() -> Self {
        TestJar { zip: ZipArchiveWriter::new(Vec::new()) }
    }

    /// A jar of Spring Boot's form: a manifest with these further lines, and a start class for Java 17.
    pub fn boot(manifest: &str) -> Self {
        let manifest = format!(
            "Manifest-Version: 1.0\r\nCreated-By: Maven JAR Plugin 3.4.2\r\nMain-Class: \
             org.springframework.boot.loader.launch.JarLauncher\r\nStart-Class: demo.App\r\nSpring-Boot-Version: \
             3.5.0\r\nSpring-Boot-Classes: BOOT-INF/classes/\r\nSpring-Boot-Lib: BOOT-INF/lib/\r\n{manifest}\r\n"
        );
        let class = [0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 61, 0, 1];
        TestJar::new()
            .deflated("META-INF/MANIFEST.MF", manifest.as_bytes())
            .deflated("BOOT-INF/classes/demo/App.class", &class)
    }

    pub fn stored(self, name: &str, content: &[u8]) -> Self {
        self.raw(name.as_bytes(), content)
    }

    pub fn raw(mut self, name: &[u8], content: &[u8]) -> Self {
        let (mut entry, config) = self.zip.new_file(EntryPath::verbatim(name)).start().unwrap();
        let mut writer = config.wrap(&mut entry);
        writer.write_all(content).unwrap();
        let (_, descriptor) = writer.finish().unwrap();
        entry.finish(descriptor).unwrap();
        self
    }

    pub fn deflated(mut self, name: &str, content: &[u8]) -> Self {
        let file = self.zip.new_file(EntryPath::verbatim(name.as_bytes()));
        let (mut entry, config) = file.compression_method(CompressionMethod::DEFLATE).start().unwrap();
        let encoder = flate2::write::DeflateEncoder::new(&mut entry, flate2::Compression::default());
        let mut writer = config.wrap(encoder);
        writer.write_all(content).unwrap();
        let (encoder, descriptor) = writer.finish().unwrap();
        encoder.finish().unwrap();
        entry.finish(descriptor).unwrap();
        self
    }

    pub fn directory(mut self, name: &str) -> Self {
        self.zip.new_dir(EntryPath::verbatim(name.as_bytes())).create().unwrap();
        self
    }

    pub fn bytes(self) -> Vec<u8> {
        self.zip.finish().unwrap()
    }

    pub fn write(self, directory: &Path, name: &str) -> PathBuf {
        let path = directory.join(name);
        fs::write(&path, self.bytes()).unwrap();
        path
    }
}
