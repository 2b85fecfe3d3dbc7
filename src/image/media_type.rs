//! The media types of images (OCI image-spec 1.1, media-types.md; Docker image manifest version 2, schema 2).

use std::fmt;

use serde::{Deserialize, Serialize};

/// A media type; the constants below are the ones that shipit reads or writes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MediaType(std::borrow::Cow<'static, str>);

macro_rules! known {
    ($($name:ident = $text:literal;)*) => {
        impl MediaType { $(pub const $name: MediaType = MediaType(std::borrow::Cow::Borrowed($text));)* }
    };
}

known! {
    OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
    OCI_INDEX = "application/vnd.oci.image.index.v1+json";
    OCI_CONFIG = "application/vnd.oci.image.config.v1+json";
    OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip";
    OCI_LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd";
    OCI_LAYER = "application/vnd.oci.image.layer.v1.tar";
    DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
    DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json";
    DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json";
    DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar";
    DOCKER_FOREIGN_LAYER = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
}

/// The value of the `Accept` header that asks for any manifest: the four types in one header, as ECR wants it.
pub const ACCEPT_MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";

impl MediaType {
    pub fn new(text: impl Into<String>) -> Self {
        MediaType(std::borrow::Cow::Owned(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A list of manifests, one per platform.
    pub fn is_index(&self) -> bool {
        *self == Self::OCI_INDEX || *self == Self::DOCKER_INDEX
    }

    /// The manifest of one image.
    pub fn is_manifest(&self) -> bool {
        *self == Self::OCI_MANIFEST || *self == Self::DOCKER_MANIFEST
    }

    /// The OCI name of a Docker type of the same format (the bytes of layers and configs are the same in both).
    pub fn to_oci(&self) -> Self {
        match self {
            docker if *docker == Self::DOCKER_MANIFEST => Self::OCI_MANIFEST,
            docker if *docker == Self::DOCKER_INDEX => Self::OCI_INDEX,
            docker if *docker == Self::DOCKER_CONFIG => Self::OCI_CONFIG,
            docker if *docker == Self::DOCKER_LAYER_GZIP => Self::OCI_LAYER_GZIP,
            docker if *docker == Self::DOCKER_LAYER => Self::OCI_LAYER,
            other => other.clone(),
        }
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
