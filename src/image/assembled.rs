//! What a build makes: one image, or an index over one image for each platform.

use std::collections::{BTreeMap, HashSet};

use super::assemble::{Image, ImageLayer};
use super::{Descriptor, Digest, Index, MediaType, Platform};

/// An image for one platform, or several of them under one digest.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "a build has one, and hands it on by reference")]
pub enum Assembled {
    Image(Image),
    Index {
        /// In the order of the index; at least two.
        images: Vec<Image>,
        descriptor: Descriptor,
        bytes: Vec<u8>,
    },
}

impl Assembled {
    /// One image as it is; several under an index with `annotations`, whose media type is that of their format.
    ///
    /// `None` where there is no image at all.
    pub fn of(mut images: Vec<Image>, annotations: BTreeMap<String, String>) -> Option<Self> {
        if images.len() < 2 {
            return images.pop().map(Assembled::Image);
        }
        let docker = images.iter().any(|image| image.manifest.media_type == MediaType::DOCKER_MANIFEST);
        let (media_type, annotations) = match docker {
            true => (MediaType::DOCKER_INDEX, BTreeMap::new()),
            false => (MediaType::OCI_INDEX, annotations),
        };
        let manifests = images.iter().map(Image::described).collect();
        let index = Index { schema_version: 2, media_type: Some(media_type.clone()), manifests, annotations };
        let bytes = index.to_bytes();
        Some(Assembled::Index { images, descriptor: Descriptor::of(media_type, &bytes), bytes })
    }

    /// What names the whole: the index, or the one manifest with its platform.
    pub fn top(&self) -> Descriptor {
        match self {
            Assembled::Image(image) => image.described(),
            Assembled::Index { descriptor, .. } => descriptor.clone(),
        }
    }

    /// The digest that names the whole.
    pub fn digest(&self) -> Digest {
        match self {
            Assembled::Image(image) => image.manifest.digest,
            Assembled::Index { descriptor, .. } => descriptor.digest,
        }
    }

    pub fn images(&self) -> &[Image] {
        match self {
            Assembled::Image(image) => std::slice::from_ref(image),
            Assembled::Index { images, .. } => images,
        }
    }

    pub fn platforms(&self) -> Vec<Platform> {
        self.images().iter().map(|image| image.platform.clone()).collect()
    }

    /// Each layer once, however many images share it.
    pub fn layers(&self) -> Vec<&ImageLayer> {
        let mut seen = HashSet::new();
        let layers = self.images().iter().flat_map(|image| &image.layers);
        layers.filter(|layer| seen.insert(layer.descriptor.digest)).collect()
    }

    /// Every blob that is not a layer: configurations, manifests, and then the index over them.
    pub fn documents(&self) -> Vec<&[u8]> {
        let mut documents: Vec<&[u8]> =
            self.images().iter().flat_map(|image| [&*image.config_bytes, &*image.manifest_bytes]).collect();
        if let Assembled::Index { bytes, .. } = self {
            documents.push(bytes);
        }
        documents
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(architecture: &str) -> Image {
        let (config, manifest) = (format!("config of {architecture}"), format!("manifest of {architecture}"));
        let layer = |bytes: &[u8], name: Option<&str>| ImageLayer {
            descriptor: Descriptor::of(MediaType::OCI_LAYER_GZIP, bytes),
            name: name.map(str::to_owned),
        };
        Image {
            platform: Platform { architecture: architecture.to_owned(), ..Platform::linux_amd64() },
            manifest: Descriptor::of(MediaType::OCI_MANIFEST, manifest.as_bytes()),
            manifest_bytes: manifest.into_bytes(),
            config: Descriptor::of(MediaType::OCI_CONFIG, config.as_bytes()),
            config_bytes: config.into_bytes(),
            layers: vec![layer(architecture.as_bytes(), None), layer(b"application", Some("application"))],
        }
    }

    #[test]
    fn one_image_needs_no_index() {
        let assembled = Assembled::of(vec![image("amd64")], BTreeMap::new()).unwrap();
        assert_eq!(assembled.digest(), image("amd64").manifest.digest);
        assert_eq!(assembled.documents().len(), 2);
        assert!(Assembled::of(Vec::new(), BTreeMap::new()).is_none());
    }

    #[test]
    fn the_images_of_an_index_share_the_layers_of_the_application() {
        let annotations = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let assembled = Assembled::of(vec![image("amd64"), image("arm64")], annotations).unwrap();
        assert_eq!(assembled.layers().len(), 3);
        let Assembled::Index { bytes, descriptor, .. } = &assembled else { panic!("no index") };
        assert_eq!((descriptor.digest, assembled.documents().last().copied()), (Digest::of(bytes), Some(&**bytes)));
        let index: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        assert_eq!(index["mediaType"], "application/vnd.oci.image.index.v1+json");
        assert_eq!(index["annotations"]["a"], "b");
        assert_eq!(index["manifests"][1]["platform"]["architecture"], "arm64");
        assert_eq!(assembled.platforms().len(), 2);
    }
}
