//! The image that an application is put on: its manifest and configuration, without its layers' bytes.

use serde_json::Value;
use shipit_builders::JavaVersion;

use super::cache::CacheError;
use super::{Cache, Digest, Manifest, Platform};

/// A base image for one platform, as its registry or layout gave it.
#[derive(Debug, Clone)]
pub struct BaseImage {
    /// The name it was asked for by: `public.ecr.aws/docker/library/eclipse-temurin:21-jre`.
    pub name: String,
    /// The digest that the name is pinned to: an index's where the name stands for several platforms.
    pub digest: Digest,
    pub manifest: Manifest,
    pub config: Value,
}

/// The base image by default: a JRE of the smallest long-term support release that runs `java`'s classes.
pub fn default_name(java: JavaVersion) -> String {
    format!("public.ecr.aws/docker/library/eclipse-temurin:{}-jre", java.long_term_support())
}

/// A base image that no application can be put on.
#[derive(Debug, thiserror::Error)]
#[error("the base image {name} cannot be used: {reason}")]
pub struct BaseImageError {
    pub name: String,
    pub reason: String,
}

/// containerd, and so Fargate, refuses images with more layers than this.
pub const MAX_LAYERS: usize = 127;

impl BaseImage {
    /// Reads the manifest and configuration of a base image, and checks what assembling relies on.
    pub fn parse(name: &str, digest: Digest, manifest: &[u8], config: &[u8]) -> Result<Self, BaseImageError> {
        let fail = |reason: String| BaseImageError { name: name.to_owned(), reason };
        let manifest: Manifest =
            serde_json::from_slice(manifest).map_err(|error| fail(format!("its manifest is not one: {error}")))?;
        let config: Value =
            serde_json::from_slice(config).map_err(|error| fail(format!("its configuration is not JSON: {error}")))?;
        let base = BaseImage { name: name.to_owned(), digest, manifest, config };
        let diff_ids = base.diff_ids().ok_or_else(|| fail("its configuration lists no rootfs.diff_ids".to_owned()))?;
        if diff_ids.len() != base.manifest.layers.len() {
            return Err(fail(format!(
                "its manifest has {} layers and its configuration {}",
                base.manifest.layers.len(),
                diff_ids.len()
            )));
        }
        if !base
            .manifest
            .layers
            .iter()
            .all(|layer| layer.media_type.as_str().contains(".layer.") || layer.media_type.as_str().contains("rootfs."))
        {
            return Err(fail("its layers are no file systems: this is an artifact, not a container image".to_owned()));
        }
        Ok(base)
    }

    /// The base that `digest` stands for on `platform`, and its manifest's digest, as far as the cache has seen it.
    pub fn cached(cache: &Cache, name: &str, digest: Digest, platform: &Platform) -> Option<(Self, Digest)> {
        let record = cache.record(&record_name(&digest, platform))?;
        let manifest: Digest = str::from_utf8(&record).ok()?.trim().parse().ok()?;
        let manifest_bytes = std::fs::read(cache.blob(&manifest)?).ok()?;
        let config = serde_json::from_slice::<Manifest>(&manifest_bytes).ok()?.config.digest;
        let config_bytes = std::fs::read(cache.blob(&config)?).ok()?;
        Some((Self::parse(name, digest, &manifest_bytes, &config_bytes).ok()?, manifest))
    }

    /// Keeps manifest and configuration in the cache, for [`BaseImage::cached`].
    pub fn keep(
        cache: &Cache,
        digest: Digest,
        platform: &Platform,
        manifest: &[u8],
        config: &[u8],
    ) -> Result<(), CacheError> {
        for bytes in [manifest, config] {
            cache.store_blob(&Digest::of(bytes), bytes.len() as u64, bytes)?;
        }
        cache.set_record(&record_name(&digest, platform), Digest::of(manifest).to_string().as_bytes());
        Ok(())
    }

    /// The platform that the configuration names.
    pub fn platform(&self) -> Platform {
        let text = |key: &str| self.config.get(key).and_then(Value::as_str).map(str::to_owned);
        Platform {
            os: text("os").unwrap_or_else(|| "linux".to_owned()),
            architecture: text("architecture").unwrap_or_else(|| "amd64".to_owned()),
            variant: text("variant").filter(|variant| !variant.is_empty()),
        }
    }

    /// The digests of the layers' tars, bottom first.
    pub fn diff_ids(&self) -> Option<Vec<Digest>> {
        let ids = self.config.pointer("/rootfs/diff_ids")?.as_array()?;
        ids.iter().map(|id| id.as_str()?.parse().ok()).collect()
    }
}

fn record_name(digest: &Digest, platform: &Platform) -> String {
    format!("base-{}-{}", digest.hex(), platform.to_string().replace('/', "-"))
}
