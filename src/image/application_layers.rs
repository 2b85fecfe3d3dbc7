//! The layers of an application, made or found in the cache.

use shipit_builders::Application;

use super::Cache;
use super::assemble::OwnLayer;
use super::layer::{LayerError, LayerInput, make_all};
use super::timestamp::TimeChoice;

/// The layers of an application, bottom first.
#[derive(Debug, Clone, Default)]
pub struct OwnLayers {
    pub layers: Vec<OwnLayer>,
    /// How many of them were in the cache.
    pub reused: usize,
}

impl OwnLayers {
    /// Bytes of all layers, compressed.
    pub fn size(&self) -> u64 {
        self.layers.iter().map(|layer| layer.size).sum()
    }

    /// How many layers were made.
    pub fn made(&self) -> usize {
        self.layers.len() - self.reused
    }
}

/// Makes every layer of the application. `commit` is the commit's time in seconds since the Unix epoch.
pub fn make_layers(
    application: &Application,
    times: TimeChoice,
    commit: i64,
    cache: &Cache,
) -> Result<OwnLayers, LayerError> {
    let inputs: Vec<_> = application
        .layers
        .iter()
        .map(|layer| LayerInput {
            archive: &application.archive,
            entries: &layer.entries,
            // Browsers rely on the time of what the application serves; a commit must not move the other layers.
            modified: if layer.application { times.seconds(commit) } else { times.of_dependencies() },
        })
        .collect();
    let blobs = make_all(&inputs, cache)?;
    let reused = blobs.iter().filter(|blob| blob.reused).count();
    let layers = application.layers.iter().zip(blobs).map(|(layer, blob)| OwnLayer {
        name: layer.name.clone(),
        digest: blob.digest,
        diff_id: blob.diff_id,
        size: blob.size,
    });
    Ok(OwnLayers { layers: layers.collect(), reused })
}
