//! How the command line names an image: a layout, an archive, a reference, or a project that was built.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::context::{Context, block_on};
use super::registry_access::{IfMissing, client, refused, target};
use crate::image::layout::LAYOUT_FILE;
use crate::image::opened::{LayerSource, OpenError, OpenedImage, open_archive, open_layout};
use crate::image::{Cache, Descriptor, Platform};
use crate::registry::{Client, Reference};
use crate::report::{CommandError, ErrorKind};
use crate::settings::Settings;

/// What a reader may write, for `--help`.
pub const FORMS: &str = "\
An image is named by one of:
  oci:DIR[:TAG], or a folder        an OCI image layout; a project's folder stands for its target/shipit
  oci-archive:FILE[:TAG]            a layout in a tar; docker-archive:FILE[:TAG] what 'docker save' writes; or a file
  HOST/NAME[:TAG][@sha256:DIGEST]   an image in a registry; a tag or digest alone: in [registry] repository";

/// An image as the command line names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageArgument {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Layout(PathBuf, Option<String>),
    Archive(PathBuf, Option<String>),
    /// A path where there is one, else a reference.
    Either,
}

/// Text that names no image.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' names no image: a path is expected after the colon")]
pub struct NoPath(String);

impl FromStr for ImageArgument {
    type Err = NoPath;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        let parts = || {
            // A colon may also be a part of the path.
            let whole = (PathBuf::from(rest), None);
            match rest.rsplit_once(':') {
                Some((path, tag)) if !Path::new(rest).exists() && !path.is_empty() && !tag.contains('/') => {
                    (PathBuf::from(path), Some(tag.to_owned()))
                }
                _ => whole,
            }
        };
        let kind = match scheme {
            "oci" | "oci-archive" | "docker-archive" if text.contains(':') => {
                if rest.is_empty() {
                    return Err(NoPath(text.to_owned()));
                }
                let (path, tag) = parts();
                if scheme == "oci" { Kind::Layout(path, tag) } else { Kind::Archive(path, tag) }
            }
            _ => Kind::Either,
        };
        Ok(ImageArgument { text: text.to_owned(), kind })
    }
}

impl ImageArgument {
    /// The image that was built last in this project.
    pub fn built(context: &Context<'_>) -> Self {
        let folder = context.output();
        ImageArgument { text: folder.display().to_string(), kind: Kind::Layout(folder, None) }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Opens the image; of several, the one for `platform`.
    pub fn open(
        &self,
        context: &Context<'_>,
        settings: &Settings,
        platform: &Platform,
    ) -> Result<OpenedImage, CommandError> {
        let opened = match &self.kind {
            Kind::Layout(path, tag) => open_layout(&layout_in(path), tag.as_deref(), platform),
            Kind::Archive(path, tag) => open_archive(path, tag.as_deref(), platform),
            Kind::Either => {
                let path = Path::new(&self.text);
                if path.is_dir() {
                    open_layout(&layout_in(path), None, platform)
                } else if path.is_file() {
                    open_archive(path, None, platform)
                } else {
                    return self.pull(context, settings, platform);
                }
            }
        };
        opened.map_err(unreadable)
    }

    fn pull(
        &self,
        context: &Context<'_>,
        settings: &Settings,
        platform: &Platform,
    ) -> Result<OpenedImage, CommandError> {
        let usage = |error: crate::registry::ReferenceError| {
            ErrorKind::Usage.error(error).hint("no folder and no file of this name is here either")
        };
        let client = client(context.report, settings)?;
        let cache = context.cache()?;
        let resolved = block_on(async {
            // A name without a slash is a tag or a digest in the repository of the settings, as for deploy.
            let reference = if self.text.contains('/') {
                self.text.parse::<Reference>().map_err(usage)?
            } else {
                if settings.registry.repository.is_none() {
                    return Err(ErrorKind::Usage.error(format!(
                        "there is no folder and no file '{}', and no [registry] repository in which it could be a tag",
                        self.text
                    )));
                }
                let repository = target(context.report, settings, IfMissing::Fail).await?;
                match self.text.parse() {
                    Ok(digest) => repository.pinned(digest),
                    Err(_) => repository.tagged(&self.text).map_err(usage)?,
                }
            };
            client.resolve(&reference, platform).await.map_err(refused)
        })?;
        let name = resolved.reference.to_string();
        let layers = PulledLayers { client, reference: resolved.reference, cache: cache.clone() };
        let digest = Some(resolved.manifest.digest);
        OpenedImage::new(&name, digest, &resolved.manifest_bytes, &resolved.config_bytes, Box::new(layers))
            .map_err(unreadable)
    }
}

/// The platform to look at, of several.
pub fn wanted_platform(flag: Option<&Platform>, settings: &Settings) -> Platform {
    let first = settings.image.platforms.as_ref().and_then(|platforms| platforms.first());
    flag.or(first).cloned().unwrap_or_else(Platform::linux_amd64)
}

/// A layout, or that of a project that was built.
fn layout_in(folder: &Path) -> PathBuf {
    for built in ["target/shipit", "build/shipit", "shipit-out"] {
        let below = folder.join(built);
        if !folder.join(LAYOUT_FILE).exists() && below.join(LAYOUT_FILE).exists() {
            return below;
        }
    }
    folder.to_owned()
}

/// An image that cannot be read was wrongly named, or is damaged: either way not 'different', which is exit code 1.
pub fn unreadable(error: OpenError) -> CommandError {
    ErrorKind::Usage.error(error)
}

/// Layers in a registry, fetched into the cache when somebody reads them.
struct PulledLayers {
    client: Client,
    reference: Reference,
    cache: Cache,
}

impl std::fmt::Debug for PulledLayers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PulledLayers({})", self.reference)
    }
}

impl LayerSource for PulledLayers {
    fn open(&self, layer: &Descriptor) -> Result<Option<Box<dyn Read + '_>>, OpenError> {
        let failed = |reason: String| OpenError::Layer { layer: layer.digest, reason };
        let path = match self.cache.blob(&layer.digest) {
            Some(path) => path,
            None => {
                let mut blob = self.cache.blob_writer().map_err(|error| failed(error.to_string()))?;
                block_on(async {
                    let repository = self.reference.repository();
                    self.client.pull_blob(repository, layer, &mut blob, &|_| {}).await.map_err(refused)
                })
                .map_err(|error| failed(error.to_string()))?;
                blob.finish_as(&layer.digest, layer.size).map_err(|error| failed(error.to_string()))?.path
            }
        };
        let file = std::fs::File::open(&path).map_err(|source| OpenError::Read { path, source })?;
        Ok(Some(Box::new(file)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_are_told_apart() {
        let kind = |text: &str| text.parse::<ImageArgument>().unwrap().kind;
        assert_eq!(kind("oci:some/where:v1"), Kind::Layout("some/where".into(), Some("v1".to_owned())));
        assert_eq!(kind("oci:some/where"), Kind::Layout("some/where".into(), None));
        assert_eq!(kind("oci:/a:b/c"), Kind::Layout("/a:b/c".into(), None));
        assert_eq!(kind("docker-archive:x.tar"), Kind::Archive("x.tar".into(), None));
        assert_eq!(kind("registry.example:5000/shop:v1"), Kind::Either);
        assert_eq!(kind("oci"), Kind::Either);
        assert!("oci:".parse::<ImageArgument>().is_err());
    }
}
