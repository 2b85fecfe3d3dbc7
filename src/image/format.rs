//! The family of media types that a manifest speaks.

use super::MediaType;

/// OCI's types, or Docker's of image manifest version 2, schema 2. The bytes of layers are the same in both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Oci,
    Docker,
}

/// A layer whose compression the format has no type for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Docker's format has no layers of the type {0}, which the base has; use image.format = \"oci\"")]
pub struct NoSuchType(pub MediaType);

impl Format {
    pub fn manifest(self) -> MediaType {
        match self {
            Format::Oci => MediaType::OCI_MANIFEST,
            Format::Docker => MediaType::DOCKER_MANIFEST,
        }
    }

    pub fn config(self) -> MediaType {
        match self {
            Format::Oci => MediaType::OCI_CONFIG,
            Format::Docker => MediaType::DOCKER_CONFIG,
        }
    }

    /// The type of a layer of the application.
    pub fn own_layer(self) -> MediaType {
        match self {
            Format::Oci => MediaType::OCI_LAYER_GZIP,
            Format::Docker => MediaType::DOCKER_LAYER_GZIP,
        }
    }

    /// The type of a base's layer, which may be of the other family.
    pub fn layer(self, found: &MediaType) -> Result<MediaType, NoSuchType> {
        match self {
            Format::Oci => Ok(found.to_oci()),
            Format::Docker => match found {
                known if *known == MediaType::OCI_LAYER_GZIP => Ok(MediaType::DOCKER_LAYER_GZIP),
                known if *known == MediaType::OCI_LAYER => Ok(MediaType::DOCKER_LAYER),
                known if known.as_str().starts_with("application/vnd.docker.") => Ok(known.clone()),
                other => Err(NoSuchType(other.clone())),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_take_the_type_of_their_manifests_family() {
        assert_eq!(Format::Docker.layer(&MediaType::OCI_LAYER_GZIP), Ok(MediaType::DOCKER_LAYER_GZIP));
        assert_eq!(Format::Docker.layer(&MediaType::DOCKER_FOREIGN_LAYER), Ok(MediaType::DOCKER_FOREIGN_LAYER));
        assert_eq!(Format::Oci.layer(&MediaType::DOCKER_LAYER_GZIP), Ok(MediaType::OCI_LAYER_GZIP));
        assert!(Format::Docker.layer(&MediaType::OCI_LAYER_ZSTD).is_err());
    }
}
