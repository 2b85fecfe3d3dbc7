//! Stage four, assemble: a base image and the application's layers become one image.

use std::collections::BTreeMap;

use super::base::{BaseImage, MAX_LAYERS};
use super::config::{Runtime, configure};
use super::format::{Format, NoSuchType};
use super::{Descriptor, Digest, Manifest, Platform};

/// An image: its manifest and configuration. The layers' bytes are in the cache, or still where the base is.
#[derive(Debug, Clone)]
pub struct Image {
    pub platform: Platform,
    pub manifest: Descriptor,
    pub manifest_bytes: Vec<u8>,
    pub config: Descriptor,
    pub config_bytes: Vec<u8>,
    /// Bottom first: the base's, then the application's.
    pub layers: Vec<ImageLayer>,
}

impl Image {
    /// The manifest, with the platform that an index tells of it.
    pub fn described(&self) -> Descriptor {
        Descriptor { platform: Some(self.platform.clone()), ..self.manifest.clone() }
    }
}

/// A layer of an [`Image`].
#[derive(Debug, Clone)]
pub struct ImageLayer {
    pub descriptor: Descriptor,
    /// What the layer is called in `layers.idx`; none for the base's.
    pub name: Option<String>,
}

/// A layer of the application, made.
#[derive(Debug, Clone)]
pub struct OwnLayer {
    pub name: String,
    pub digest: Digest,
    pub diff_id: Digest,
    /// Bytes, compressed.
    pub size: u64,
}

/// Layers that cannot make an image together.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    #[error(
        "the image would have {layers} layers, {base} of them the base's; container engines take at most {MAX_LAYERS}: \
         name fewer layers in the Spring Boot plugin's layers configuration, or choose a base with fewer"
    )]
    TooManyLayers { layers: usize, base: usize },
    #[error(transparent)]
    NoSuchType(#[from] NoSuchType),
}

/// Puts the application's layers on the base.
///
/// The bytes depend on the arguments alone; JSON objects are written with sorted keys and no final newline.
pub fn assemble(
    base: &BaseImage,
    own: &[OwnLayer],
    runtime: &Runtime,
    annotations: BTreeMap<String, String>,
    format: Format,
) -> Result<Image, AssembleError> {
    let count = base.manifest.layers.len() + own.len();
    if count > MAX_LAYERS {
        return Err(AssembleError::TooManyLayers { layers: count, base: base.manifest.layers.len() });
    }
    let diff_ids: Vec<(String, Digest)> = own.iter().map(|layer| (layer.name.clone(), layer.diff_id)).collect();
    let config_bytes = configure(base, &diff_ids, runtime).to_string().into_bytes();
    let config = Descriptor::of(format.config(), &config_bytes);

    let mut layers = Vec::with_capacity(count);
    for layer in &base.manifest.layers {
        // A manifest has one family of types; the bytes behind the names are the same.
        let media_type = format.layer(&layer.media_type)?;
        layers.push(ImageLayer { descriptor: Descriptor { media_type, ..layer.clone() }, name: None });
    }
    layers.extend(own.iter().map(|layer| ImageLayer {
        descriptor: Descriptor::new(format.own_layer(), layer.digest, layer.size),
        name: Some(layer.name.clone()),
    }));

    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(format.manifest()),
        artifact_type: None,
        config: config.clone(),
        layers: layers.iter().map(|layer| layer.descriptor.clone()).collect(),
        annotations: if format == Format::Docker { BTreeMap::new() } else { annotations },
    };
    let manifest_bytes = manifest.to_bytes();
    Ok(Image {
        platform: base.platform(),
        manifest: Descriptor::of(format.manifest(), &manifest_bytes),
        manifest_bytes,
        config,
        config_bytes,
        layers,
    })
}
