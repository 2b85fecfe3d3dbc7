//! Images in an OCI image layout on disk.

use std::io::{ErrorKind, Read};
use std::path::Path;

use super::{LayerSource, MAX_INDEX_DEPTH, OpenError, OpenedImage, choose};
use crate::image::layout::Layout;
use crate::image::{Descriptor, Index, Manifest, Platform};

/// The layout's layers; those of the base may be missing.
#[derive(Debug)]
struct InLayout(Layout);

impl LayerSource for InLayout {
    fn open(&self, layer: &Descriptor) -> Result<Option<Box<dyn Read + '_>>, OpenError> {
        let path = self.0.blob_path(&layer.digest);
        match std::fs::File::open(&path) {
            Ok(file) => Ok(Some(Box::new(file))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(OpenError::Read { path, source }),
        }
    }
}

/// Opens the image that `tag` names, or the one for `platform`, in the layout at `root`.
pub fn open(root: &Path, tag: Option<&str>, platform: &Platform) -> Result<OpenedImage, OpenError> {
    let name = root.display().to_string();
    let layout = Layout::open(root)?;
    let index = layout.index()?;
    let mut descriptor = choose(&name, &index.manifests, tag, platform)?.clone();
    for _ in 0..=MAX_INDEX_DEPTH {
        let bytes = layout.read(&descriptor)?;
        let not = |error: serde_json::Error| OpenError::NotAnImage { name: name.clone(), reason: error.to_string() };
        if descriptor.media_type.is_index() {
            let index: Index = serde_json::from_slice(&bytes).map_err(not)?;
            descriptor = choose(&name, &index.manifests, None, platform)?.clone();
            continue;
        }
        let manifest: Manifest = serde_json::from_slice(&bytes).map_err(not)?;
        let config = layout.read(&manifest.config)?;
        return OpenedImage::new(&name, Some(descriptor.digest), &bytes, &config, Box::new(InLayout(layout)));
    }
    Err(OpenError::NotAnImage { name, reason: "its indexes stand inside one another without end".to_owned() })
}
