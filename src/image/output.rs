//! Complete images for other tools: an OCI image layout, or an archive that `docker load` takes.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::{Value, json};

use super::cache::CacheError;
use super::layout::{LAYOUT_FILE, LAYOUT_VERSION, Layout, LayoutError, REF_NAME};
use super::{Assembled, Cache, Descriptor, Digest, Index, MediaType, tar};
use crate::files::write_atomically;

/// Where a complete image goes, and in which form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// `oci:DIR`: an OCI image layout; images that are there already stay.
    Oci(PathBuf),
    /// `docker-archive:FILE`: a tar with Docker's `manifest.json`, and an OCI image layout in one.
    DockerArchive(PathBuf),
}

/// How an image is called where it goes.
#[derive(Debug, Clone, Copy)]
pub struct Name<'a> {
    /// The project or jar.
    pub name: &'a str,
    /// The release's tag.
    pub tag: &'a str,
}

/// Why a complete image could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    #[error(transparent)]
    Layout(#[from] LayoutError),
    #[error(transparent)]
    Cache(#[from] CacheError),
    #[error("the layer {0} is no longer in the cache; build again")]
    Missing(Digest),
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl Output {
    /// Writes the image, or the index and its images, each of whose layers is in the cache.
    pub fn write(&self, assembled: &Assembled, name: Name<'_>, cache: &Cache) -> Result<(), OutputError> {
        match self {
            Output::Oci(folder) => write_layout(folder, assembled, name, cache),
            Output::DockerArchive(path) => write_archive(path, assembled, name, cache),
        }
    }
}

fn described(assembled: &Assembled, name: Name<'_>) -> Descriptor {
    Descriptor { annotations: BTreeMap::from([(REF_NAME.to_owned(), name.tag.to_owned())]), ..assembled.top() }
}

fn write_layout(folder: &Path, assembled: &Assembled, name: Name<'_>, cache: &Cache) -> Result<(), OutputError> {
    let layout = Layout::create(folder)?;
    for layer in assembled.layers() {
        cache.link_blob(&layer.descriptor.digest, &layout.blob_path(&layer.descriptor.digest))?;
    }
    for bytes in assembled.documents() {
        layout.put(bytes)?;
    }
    // Other images of a layout that was there stay; one of the same name is replaced.
    let mut images = layout.index().map(|index| index.manifests).unwrap_or_default();
    images.retain(|other| other.annotations.get(REF_NAME).is_none_or(|other| other != name.tag));
    images.push(described(assembled, name));
    layout.set_index(images)?;
    Ok(())
}

fn write_archive(path: &Path, assembled: &Assembled, name: Name<'_>, cache: &Cache) -> Result<(), OutputError> {
    let mut layers = Vec::new();
    for layer in assembled.layers() {
        let digest = layer.descriptor.digest;
        layers.push((cache.blob(&digest).ok_or(OutputError::Missing(digest))?, &layer.descriptor));
    }
    write_atomically(path, |file| {
        let mut archive = BufWriter::with_capacity(256 * 1024, file);
        for (file, layer) in &layers {
            let mut content = File::open(file)?.take(layer.size);
            entry(&mut archive, &blob_name(&layer.digest), layer.size, &mut content)?;
        }
        let index = Index {
            schema_version: 2,
            media_type: Some(MediaType::OCI_INDEX),
            manifests: vec![described(assembled, name)],
            annotations: BTreeMap::new(),
        };
        // Docker's list has no platforms: of several images it names the first, and the index beside it has all.
        let first = assembled.images().first();
        let manifest: Vec<Value> = first
            .iter()
            .map(|image| {
                json!({
                    "Config": blob_name(&image.config.digest),
                    "Layers": image.layers.iter().map(|layer| blob_name(&layer.descriptor.digest)).collect::<Vec<_>>(),
                    "RepoTags": repository_tags(name),
                })
            })
            .collect();
        for bytes in assembled.documents() {
            entry(&mut archive, &blob_name(&Digest::of(bytes)), bytes.len() as u64, &mut &*bytes)?;
        }
        for (path, bytes) in [
            ("index.json", index.to_bytes()),
            ("manifest.json", json!(manifest).to_string().into_bytes()),
            (LAYOUT_FILE, LAYOUT_VERSION.as_bytes().to_vec()),
        ] {
            entry(&mut archive, path, bytes.len() as u64, &mut &*bytes)?;
        }
        archive.write_all(&tar::END)?;
        archive.flush()
    })
    .map_err(|source| OutputError::Write { path: path.to_owned(), source })
}

fn entry(archive: &mut impl Write, path: &str, size: u64, content: &mut impl Read) -> io::Result<()> {
    archive.write_all(&tar::header(path, tar::Kind::File { size }, 0))?;
    let copied = io::copy(content, archive)?;
    if copied != size {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("{path} has {copied} bytes, not {size}")));
    }
    archive.write_all(&[0; tar::BLOCK][..tar::padding(size)])
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// `name:tag`, in a form that Docker takes as a repository; none where the name has characters that it does not.
fn repository_tags(name: Name<'_>) -> Vec<String> {
    let repository = name.name.to_ascii_lowercase();
    let legal = repository.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && repository.starts_with(|c: char| c.is_ascii_alphanumeric())
        && repository.ends_with(|c: char| c.is_ascii_alphanumeric());
    if legal { vec![format!("{repository}:{}", name.tag)] } else { Vec::new() }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Output::Oci(path) => write!(f, "oci:{}", path.display()),
            Output::DockerArchive(path) => write!(f, "docker-archive:{}", path.display()),
        }
    }
}

/// Text that names no output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is neither oci:DIR nor docker-archive:FILE")]
pub struct UnknownOutput(String);

impl FromStr for Output {
    type Err = UnknownOutput;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("oci", path)) if !path.is_empty() => Ok(Output::Oci(path.into())),
            Some(("docker-archive", path)) if !path.is_empty() => Ok(Output::DockerArchive(path.into())),
            _ => Err(UnknownOutput(text.to_owned())),
        }
    }
}
