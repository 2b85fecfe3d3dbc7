//! What an image tells of the application inside: its Spring Boot, its Java.

use std::io::Read;

use serde_json::Value;

use super::opened::{OpenError, OpenedImage};
use super::tar_reader::{EntryKind, TarReader};

/// The largest thin jar whose manifest is looked for.
const MAX_JAR: u64 = 64 * 1024 * 1024;
/// How much of an entry of it is read.
const MAX_ENTRY: u64 = 1024 * 1024;

/// What is known of the application.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The version, by the name of Spring Boot's own jar.
    pub spring_boot: Option<String>,
    /// The class whose `main` runs.
    pub start_class: Option<String>,
    /// The version of the JRE in the image, where its environment tells.
    pub java: Option<String>,
    /// The Java release that the start class is compiled for.
    pub java_target: Option<u16>,
    /// How many jars the application brings.
    pub libraries: Option<usize>,
}

/// Looks into the layers that shipit made; those of the base, and layers that are not here, are not read.
pub fn facts(image: &OpenedImage) -> Result<Facts, OpenError> {
    let mut facts = Facts { java: java(image), ..Facts::default() };
    for layer in image.layers.iter().filter(|layer| layer.name.is_some()) {
        let Some(tar) = image.tar(&layer.descriptor)? else { continue };
        let failed = |error: super::tar_reader::TarError| OpenError::Layer {
            layer: layer.descriptor.digest,
            reason: error.to_string(),
        };
        let mut reader = TarReader::new(tar);
        while let Some(entry) = reader.next_entry().map_err(failed)? {
            let name = entry.path.rsplit('/').next().unwrap_or_default();
            if entry.kind != EntryKind::File || !name.ends_with(".jar") {
                continue;
            }
            if entry.path.contains("/lib/") {
                *facts.libraries.get_or_insert(0) += 1;
            }
            let version = name.strip_prefix("spring-boot-").and_then(|rest| rest.strip_suffix(".jar"));
            // Its modules are called spring-boot-NAME-VERSION.jar.
            if let Some(version) = version.filter(|version| version.starts_with(|c: char| c.is_ascii_digit())) {
                facts.spring_boot = Some(version.to_owned());
            }
            if name == "application.jar" && entry.size <= MAX_JAR {
                let mut jar = Vec::new();
                reader.read_to_end(&mut jar).map_err(|error| failed(error.into()))?;
                facts.start_class = main_class(&jar);
                facts.java_target = facts.start_class.as_deref().and_then(|class| target(&jar, class));
            }
        }
        reader.drain().map_err(failed)?;
    }
    Ok(facts)
}

/// JAVA_VERSION, as the images of Eclipse Temurin, Corretto's and others have it.
fn java(image: &OpenedImage) -> Option<String> {
    let env = image.runtime("Env")?.as_array()?;
    env.iter().filter_map(Value::as_str).find_map(|entry| entry.strip_prefix("JAVA_VERSION=")).map(str::to_owned)
}

/// The class that the manifest names.
fn main_class(jar: &[u8]) -> Option<String> {
    let manifest = String::from_utf8(entry(jar, "META-INF/MANIFEST.MF")?).ok()?;
    // Long lines go on after a line end and a space.
    let manifest = manifest.replace("\r\n ", "").replace("\n ", "");
    manifest.lines().find_map(|line| Some(line.strip_prefix("Main-Class:")?.trim().to_owned()))
}

/// The Java release that a class is compiled for: the major version of its format less 44 (Java Virtual Machine
/// Specification, 4.1).
fn target(jar: &[u8], class: &str) -> Option<u16> {
    let class = entry(jar, &format!("{}.class", class.replace('.', "/")))?;
    let major = u16::from_be_bytes(class.get(6..8)?.try_into().ok()?);
    major.checked_sub(44).filter(|_| class.starts_with(&[0xca, 0xfe, 0xba, 0xbe]))
}

/// The beginning, at least, of an entry.
fn entry(jar: &[u8], name: &str) -> Option<Vec<u8>> {
    let archive = rawzip::ZipArchive::from_slice(jar).ok()?;
    let mut records = archive.entries();
    while let Some(record) = records.next_entry().ok()? {
        if record.file_path().as_bytes() != name.as_bytes() {
            continue;
        }
        let found = archive.get_entry(record.wayfinder()).ok()?;
        let mut content = Vec::new();
        match record.compression_method().as_u16() {
            0 => found.data().take(MAX_ENTRY).read_to_end(&mut content).ok()?,
            8 => flate2::read::DeflateDecoder::new(found.data()).take(MAX_ENTRY).read_to_end(&mut content).ok()?,
            _ => return None,
        };
        return Some(content);
    }
    None
}
