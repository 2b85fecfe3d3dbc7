//! Images in a tar: `oci-archive` (an OCI image layout in a tar) and `docker-archive` (what `docker save` writes).

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{LayerSource, MAX_INDEX_DEPTH, OpenError, OpenedImage, choose, open_file};
use crate::image::manifest::MAX_MANIFEST_BYTES;
use crate::image::tar_reader::{EntryKind, TarError, TarReader};
use crate::image::{Descriptor, Digest, Index, Manifest, MediaType, Platform};

/// Where each file of an archive lies.
#[derive(Debug)]
struct Archive {
    path: PathBuf,
    files: HashMap<String, Place>,
    /// The file of each layer that an archive of `docker save` names, by the layer's digest.
    layers: HashMap<Digest, String>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    offset: u64,
    size: u64,
}

impl LayerSource for Archive {
    fn open(&self, layer: &Descriptor) -> Result<Option<Box<dyn Read + '_>>, OpenError> {
        let in_layout = format!("blobs/sha256/{}", layer.digest.hex());
        let name = self.layers.get(&layer.digest).unwrap_or(&in_layout);
        match self.files.get(name) {
            Some(place) => Ok(Some(Box::new(self.at(*place)?))),
            None => Ok(None),
        }
    }
}

/// `manifest.json` of `docker save`, one element for each image.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    layers: Vec<String>,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
}

/// Opens the image that `tag` names, or the one for `platform`, in the archive at `path`.
pub fn open(path: &Path, tag: Option<&str>, platform: &Platform) -> Result<OpenedImage, OpenError> {
    let archive = Archive::index(path)?;
    match archive.files.contains_key("index.json") {
        true => archive.open_layout(tag, platform),
        false => archive.open_saved(tag),
    }
}

impl Archive {
    fn index(path: &Path) -> Result<Self, OpenError> {
        let mut reader = TarReader::new(BufReader::with_capacity(256 * 1024, open_file(path)?));
        let mut files = HashMap::new();
        let failed = |error: TarError| OpenError::NotAnImage {
            name: path.display().to_string(),
            reason: format!("{error} (a layout's folder, or a tar that is not compressed, is expected)"),
        };
        while let Some(entry) = reader.next_entry().map_err(failed)? {
            if entry.kind == EntryKind::File {
                let name = entry.path.trim_start_matches("./").to_owned();
                files.insert(name, Place { offset: entry.offset, size: entry.size });
            }
        }
        Ok(Archive { path: path.to_owned(), files, layers: HashMap::new() })
    }

    fn at(&self, place: Place) -> Result<io::Take<File>, OpenError> {
        let mut file = open_file(&self.path)?;
        file.seek(SeekFrom::Start(place.offset))
            .map_err(|source| OpenError::Read { path: self.path.clone(), source })?;
        Ok(file.take(place.size))
    }

    fn not(&self, reason: impl Into<String>) -> OpenError {
        OpenError::NotAnImage { name: self.path.display().to_string(), reason: reason.into() }
    }

    /// A manifest, index or configuration.
    fn read(&self, name: &str) -> Result<Vec<u8>, OpenError> {
        let place = *self.files.get(name).ok_or_else(|| self.not(format!("it has no file '{name}'")))?;
        if place.size > MAX_MANIFEST_BYTES {
            return Err(self.not(format!("'{name}' has {} bytes, too many for what it should be", place.size)));
        }
        let mut bytes = Vec::new();
        self.at(place)?
            .read_to_end(&mut bytes)
            .map_err(|source| OpenError::Read { path: self.path.clone(), source })?;
        Ok(bytes)
    }

    fn blob(&self, digest: &Digest) -> Result<Vec<u8>, OpenError> {
        let bytes = self.read(&format!("blobs/sha256/{}", digest.hex()))?;
        match Digest::of(&bytes) == *digest {
            true => Ok(bytes),
            false => Err(self.not(format!("the blob {digest} has other bytes than its name says"))),
        }
    }

    fn open_layout(self, tag: Option<&str>, platform: &Platform) -> Result<OpenedImage, OpenError> {
        let name = self.path.display().to_string();
        let mut index: Index =
            serde_json::from_slice(&self.read("index.json")?).map_err(|error| self.not(error.to_string()))?;
        let mut tag = tag;
        for _ in 0..=MAX_INDEX_DEPTH {
            let chosen = choose(&name, &index.manifests, tag.take(), platform)?.clone();
            let bytes = self.blob(&chosen.digest)?;
            if chosen.media_type.is_index() {
                index = serde_json::from_slice(&bytes).map_err(|error| self.not(error.to_string()))?;
                continue;
            }
            let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| self.not(error.to_string()))?;
            let config = self.blob(&manifest.config.digest)?;
            return OpenedImage::new(&name, Some(chosen.digest), &bytes, &config, Box::new(self));
        }
        Err(self.not("its indexes stand inside one another without end"))
    }

    /// An archive without a manifest of the registry's kind: one is made up from what `manifest.json` lists.
    fn open_saved(mut self, tag: Option<&str>) -> Result<OpenedImage, OpenError> {
        let name = self.path.display().to_string();
        let saved: Vec<Saved> =
            serde_json::from_slice(&self.read("manifest.json")?).map_err(|error| self.not(error.to_string()))?;
        let tags = |image: &Saved| image.repo_tags.clone().unwrap_or_default();
        let mut fitting =
            saved.iter().filter(|image| tag.is_none_or(|tag| tags(image).iter().any(|found| found == tag)));
        let image = match (fitting.next(), fitting.next()) {
            (Some(image), None) => image,
            (None, _) => return Err(self.not("it has no such image")),
            _ => return Err(OpenError::Several { name, choices: saved.iter().flat_map(tags).collect() }),
        };
        let config = self.read(&image.config)?;
        let mut layers = Vec::new();
        for layer in &image.layers {
            let place = *self.files.get(layer).ok_or_else(|| self.not(format!("it has no file '{layer}'")))?;
            let mut content = self.at(place)?;
            let mut hash = Sha256::new();
            let mut buffer = vec![0; 128 * 1024];
            loop {
                let count =
                    content.read(&mut buffer).map_err(|source| OpenError::Read { path: self.path.clone(), source })?;
                if count == 0 {
                    break;
                }
                hash.update(&buffer[..count]);
            }
            let digest = Digest::from_hash(hash);
            self.layers.insert(digest, layer.clone());
            layers.push(Descriptor::new(MediaType::DOCKER_LAYER, digest, place.size));
        }
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(MediaType::DOCKER_MANIFEST),
            artifact_type: None,
            config: Descriptor::of(MediaType::DOCKER_CONFIG, &config),
            layers,
            annotations: BTreeMap::new(),
        };
        OpenedImage::new(&name, None, &manifest.to_bytes(), &config, Box::new(self))
    }
}
