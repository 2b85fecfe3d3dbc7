//! Why two images have different digests: from the manifest down to the bytes inside a jar inside a layer.
//!
//! Whatever is read may be hostile: sizes, entries and depths are bounded, and nothing is unpacked to the disk.

pub mod causes;
mod content;
pub mod difference;
mod jar;
mod layer;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::opened::{OpenError, OpenedImage, OpenedLayer};
use crate::image::Digest;
pub use causes::{Cause, causes};
pub use difference::{Change, Difference, Findings};

const BASE_NAME: &str = "org.opencontainers.image.base.name";
const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";

/// Tells how two images differ; nothing where they do not.
pub fn compare(a: &OpenedImage, b: &OpenedImage) -> Result<Vec<Difference>, OpenError> {
    let mut findings = Findings::default();
    if a.digest.is_some() && a.digest == b.digest {
        return Ok(Vec::new());
    }
    manifest(a, b, &mut findings);
    let moved = base(a, b, &mut findings);
    config(a, b, &mut findings);
    layers(a, b, moved, &mut findings)?;
    if findings.is_empty() && a.digest.is_some() && b.digest.is_some() {
        findings.add(&["manifest".to_owned()], Change::note("the same fields; its JSON is written otherwise"));
    }
    Ok(findings.finish())
}

fn manifest(a: &OpenedImage, b: &OpenedImage, findings: &mut Findings) {
    let at = ["manifest".to_owned()];
    // An archive of `docker save` has no manifest to compare with.
    if a.digest.is_none() || b.digest.is_none() {
        return;
    }
    let (a, b) = (&a.manifest, &b.manifest);
    let kind = |manifest: &super::Manifest| manifest.media_type.as_ref().map(ToString::to_string).unwrap_or_default();
    if kind(a) != kind(b) {
        findings.add(&at, Change::field("media type", kind(a), kind(b)));
    }
    let annotations = |manifest: &super::Manifest| -> BTreeMap<String, String> {
        let of_base = |key: &str| key == BASE_NAME || key == BASE_DIGEST;
        manifest.annotations.clone().into_iter().filter(|(key, _)| !of_base(key)).collect()
    };
    for (position, (a, b)) in a.layers.iter().zip(&b.layers).enumerate() {
        if a.media_type != b.media_type {
            let at = [at[0].clone(), format!("layer {}", position + 1)];
            findings.add(&at, Change::field("media type", &a.media_type, &b.media_type));
        }
    }
    let at = [at[0].clone(), "annotations".to_owned()];
    content::keys(&annotations(a), &annotations(b), &at, findings);
}

/// Whether both images say on which base they stand, and it is not the same.
fn base(a: &OpenedImage, b: &OpenedImage, findings: &mut Findings) -> bool {
    let at = ["base".to_owned()];
    let mut moved = false;
    for (field, key) in [("name", BASE_NAME), ("digest", BASE_DIGEST)] {
        let (a, b) = (a.manifest.annotations.get(key).cloned(), b.manifest.annotations.get(key).cloned());
        if a != b {
            findings.add(&at, Change::Field { field: field.to_owned(), a, b });
            moved = true;
        }
    }
    moved
}

fn config(a: &OpenedImage, b: &OpenedImage, findings: &mut Findings) {
    let at = ["config".to_owned()];
    content::json("", &readable(&a.config), &readable(&b.config), &at, findings);
}

/// The configuration without what only repeats the layers, and with the environment by name.
fn readable(config: &Value) -> Value {
    let mut config = config.clone();
    if let Some(rootfs) = config.get_mut("rootfs").and_then(Value::as_object_mut) {
        rootfs.remove("diff_ids");
    }
    if let Some(env) = config.pointer_mut("/config/Env")
        && let Some(list) = env.as_array()
    {
        let named: Map<String, Value> = list
            .iter()
            .filter_map(|entry| entry.as_str()?.split_once('='))
            .map(|(name, value)| (name.to_owned(), Value::from(value)))
            .collect();
        // Where a name stands there twice, the list is more exact.
        if named.len() == list.len() {
            *env = Value::Object(named);
        }
    }
    config
}

/// Compares shipit's own layers by name, and the others by their place.
fn layers(a: &OpenedImage, b: &OpenedImage, moved: bool, findings: &mut Findings) -> Result<(), OpenError> {
    let own = |image: &OpenedImage| -> Vec<OpenedLayer> {
        image.layers.iter().filter(|layer| layer.name.is_some()).cloned().collect()
    };
    let below = |image: &OpenedImage| -> Vec<OpenedLayer> {
        image.layers.iter().filter(|layer| layer.name.is_none()).cloned().collect()
    };
    let (below_a, below_b) = (below(a), below(b));
    // Without a manifest on both sides, how a layer was compressed is not to be compared.
    let manifests = a.digest.is_some() && b.digest.is_some();
    let same = |(a, b): (&OpenedLayer, &OpenedLayer)| match manifests {
        true => a.descriptor.digest == b.descriptor.digest,
        false => identity(a) == identity(b),
    };
    let shared = below_a.iter().zip(&below_b).take_while(|(a, b)| same((a, b))).count();
    let most = below_a.len().max(below_b.len());
    if moved && shared < most {
        let text = format!("{} of its {most} layers differ; compare the two bases to see what moved", most - shared);
        findings.add(&["base".to_owned()], Change::note(text));
    } else {
        for position in shared..most {
            let at = [format!("layer {}", position + 1)];
            match (below_a.get(position), below_b.get(position)) {
                (Some(old), Some(new)) if same((old, new)) => {}
                (Some(old), Some(new)) => layer::compare(&at, &layer::Pair { a: (a, old), b: (b, new) }, findings)?,
                (Some(_), None) => findings.add(&at, Change::OnlyA),
                _ => findings.add(&at, Change::OnlyB),
            }
        }
    }
    let (own_a, own_b) = (own(a), own(b));
    let called =
        |layers: &[OpenedLayer], name: &Option<String>| layers.iter().find(|layer| layer.name == *name).cloned();
    let place = |layer: &OpenedLayer| [format!("layer {}", layer.name.as_deref().unwrap_or_default())];
    for old in &own_a {
        match called(&own_b, &old.name) {
            None => findings.add(&place(old), Change::OnlyA),
            Some(new) if same((old, &new)) => {}
            Some(new) => layer::compare(&place(old), &layer::Pair { a: (a, old), b: (b, &new) }, findings)?,
        }
    }
    for new in own_b.iter().filter(|new| called(&own_a, &new.name).is_none()) {
        findings.add(&place(new), Change::OnlyB);
    }
    Ok(())
}

/// What tells layers apart also where one is kept compressed and the other not.
fn identity(layer: &OpenedLayer) -> Digest {
    layer.diff_id.unwrap_or(layer.descriptor.digest)
}
