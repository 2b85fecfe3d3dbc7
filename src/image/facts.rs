//! What an image tells of the application inside: its Spring Boot, its Java.

use std::io::Read;

use serde_json::Value;

use super::opened::{OpenError, OpenedImage};
use super::tar_reader::{EntryKind, TarReader};

/// The largest thin jar whose manifest is looked for.
const MAX_JAR: u64 = 64 * 1024 * 1024;
/// The largest manifest of a jar that is read.
const MAX_JAR_MANIFEST: u64 = 1024 * 1024;

/// What is known of the application.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The version, by the name of Spring Boot's own jar.
    pub spring_boot: Option<String>,
    /// The class whose `main` runs.
    pub start_class: Option<String>,
    /// The version of the JRE in the image, where its environment tells.
    pub java: Option<String>,
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

fn main_class(jar: &[u8]) -> Option<String> {
    let archive = rawzip::ZipArchive::from_slice(jar).ok()?;
    let mut records = archive.entries();
    while let Some(record) = records.next_entry().ok()? {
        if record.file_path().as_bytes() != b"META-INF/MANIFEST.MF" {
            continue;
        }
        let data = archive.get_entry(record.wayfinder()).ok()?.data();
        let mut manifest = String::new();
        match record.compression_method().as_u16() {
            0 => data.take(MAX_JAR_MANIFEST).read_to_string(&mut manifest).ok()?,
            8 => flate2::read::DeflateDecoder::new(data).take(MAX_JAR_MANIFEST).read_to_string(&mut manifest).ok()?,
            _ => return None,
        };
        // Long lines go on after a line end and a space.
        let manifest = manifest.replace("\r\n ", "").replace("\n ", "");
        return manifest.lines().find_map(|line| Some(line.strip_prefix("Main-Class:")?.trim().to_owned()));
    }
    None
}
