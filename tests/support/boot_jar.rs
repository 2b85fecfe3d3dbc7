/// A jar that looks like Spring Boot's to a packager, of a few hundred bytes: one class, one library. No JVM can start
/// it. `text` is the content of the class, so that another text makes another application layer and no other.
pub fn boot_jar(text: &str) -> Vec<u8> {
    let manifest = "Manifest-Version: 1.0\r\nMain-Class: org.springframework.boot.loader.launch.JarLauncher\r\n\
                    Start-Class: a.A\r\nSpring-Boot-Version: 3.5.0\r\nSpring-Boot-Classes: BOOT-INF/classes/\r\n\
                    Spring-Boot-Lib: BOOT-INF/lib/\r\nBuild-Jdk-Spec: 17\r\n\r\n";
    zip(&[
        ("META-INF/MANIFEST.MF", manifest.as_bytes()),
        ("BOOT-INF/classes/a/A.class", text.as_bytes()),
        ("BOOT-INF/lib/library-1.jar", &zip(&[("library.txt", b"a library")])),
    ])
}

/// A zip archive of stored entries (APPNOTE.TXT 4.3).
fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in entries {
        let offset = u32::try_from(bytes.len()).expect("the archive is small");
        let size = u32::try_from(content.len()).expect("the entry is small").to_le_bytes();
        let name_length = u16::try_from(name.len()).expect("the name is short").to_le_bytes();
        // Version 1.0, no flags, stored, 1980-01-01; then checksum, both sizes, and the lengths of name and extra.
        let mut common = vec![10, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
        common.extend(crc32(content).to_le_bytes());
        common.extend(size);
        common.extend(size);
        common.extend(name_length);
        common.extend([0, 0]);
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&common);
        bytes.extend(name.as_bytes());
        bytes.extend(*content);
        directory.extend(b"PK\x01\x02\x0a\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (at, length) = (bytes.len(), directory.len());
    bytes.extend(directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    let count = u16::try_from(entries.len()).expect("few entries").to_le_bytes();
    bytes.extend(count);
    bytes.extend(count);
    bytes.extend(u32::try_from(length).expect("the archive is small").to_le_bytes());
    bytes.extend(u32::try_from(at).expect("the archive is small").to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc: u32, _| (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 })
    })
}
