use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use clap::Args;
use serde_json::json;

use super::context::{Context, block_on};
use super::registry_access::{IfMissing, client, refused, target};
use super::rollout::{Deployable, Manner, Rollout};
use crate::image::layout::{Layout, LayoutError};
use crate::image::{Descriptor, Index, Manifest};
use crate::registry::{
    BlobSource, IfTagDiffers, PushError, PushEvent, PushImage, PushLayer, PushRequest, Pushed, Reference, Repository,
};
use crate::release::{Release, ReleasedImage};
use crate::report::{CommandError, Elapsed, ErrorKind, Report, Size};
use crate::settings::{Flags, REGISTRY, SERVICE, Service, Settings};

/// Push what was built, and roll the service of shipit.toml to it.
///
/// Uploads only what the registry lacks, under the release's tag, and prints repository@digest. Where [service] is set,
/// registers a task definition revision with that image and follows the deployment to its end.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Stop after the push; roll nothing.
    #[arg(long)]
    no_deploy: bool,

    #[command(flatten)]
    manner: Manner,

    #[command(flatten)]
    settings: Flags<{ REGISTRY | SERVICE }>,
}

impl Arguments {
    pub fn run(self, context: &Context<'_>) -> Result<(), CommandError> {
        let started = Instant::now();
        let report = context.report;
        let settings = context.settings(&self.settings.given)?;
        // Let go of once everything is sent: a deployment can take long, and needs nothing from there.
        let lock = context.lock_output(false)?;
        let folder = context.output();
        let release = Release::read(&folder).map_err(|error| ErrorKind::Usage.error(error))?;
        let layout = Layout::open(&folder).map_err(|error| ErrorKind::Other.error(error))?;

        let missing = if self.manner.dry_run { IfMissing::Foresee } else { IfMissing::Create };
        block_on(async {
            let repository = target(report, &settings, missing).await?;
            let request = request(&layout, &release, repository.clone())?;
            let image = release.images.first().ok_or_else(|| ErrorKind::Usage.error("the release has no image"))?;
            let pinned = repository.pinned(image.digest);

            // Whether the service can be rolled is found out before anything is sent.
            let rollout = match settings.service != Service::default() && !self.no_deploy {
                true => {
                    let deployable = Deployable::of(&release, image, &pinned);
                    Some(Rollout::prepare(report, &settings, deployable, self.manner.force).await?)
                }
                false => None,
            };
            if self.manner.dry_run {
                report.step("Would push", format!("{pinned} as {}", release.tag));
                if let Some(rollout) = &rollout {
                    rollout.describe(report);
                }
                return Ok(report.result(&pinned, &json!({ "reference": pinned.to_string(), "tag": release.tag }))?);
            }

            report.step("Pushing", format!("{repository}:{}", release.tag));
            let pushed = send(report, &settings, &request).await?;
            drop(lock);
            report.step("Pushed", format!("{} ({})", told(&pushed), Elapsed(started.elapsed())));
            let deployment = match rollout {
                Some(rollout) => Some(rollout.run(report).await?),
                None => None,
            };
            report.result(
                &pinned,
                &json!({
                    "reference": pinned.to_string(),
                    "tag": release.tag,
                    "digest": image.digest,
                    "uploadedBytes": pushed.uploaded_bytes,
                    "taskDefinition": deployment,
                }),
            )?;
            Ok(())
        })
    }
}

/// Sends what is missing, with progress.
async fn send(report: &Report, settings: &Settings, request: &PushRequest) -> Result<Pushed, CommandError> {
    // Images of several platforms share layers, each of which is sent once.
    let layers = request.images.iter().flat_map(|image| &image.layers);
    let sizes: HashMap<_, _> = layers.map(|layer| (layer.descriptor.digest, layer.descriptor.size)).collect();
    let progress = report.bytes_progress("Pushing", sizes.values().sum());
    // What was sent of each blob, to be taken back when it begins anew.
    let sent = Mutex::new(HashMap::new());
    let sent = || sent.lock().unwrap_or_else(PoisonError::into_inner);
    client(report, settings)?
        .push(request, &|event| match event {
            PushEvent::BlobPresent { size, .. } | PushEvent::BlobMounted { size, .. } => progress.add(size),
            PushEvent::BlobSent { digest, bytes } => {
                *sent().entry(digest).or_insert(0) += bytes;
                progress.add(bytes);
            }
            PushEvent::BlobRestarted { digest } => progress.take_back(sent().remove(&digest).unwrap_or(0)),
            PushEvent::BlobUploaded { .. } | PushEvent::Manifest { .. } | PushEvent::Tagged { .. } => {}
        })
        .await
        .map_err(failed)
}

/// What a push came to, in words.
fn told(pushed: &Pushed) -> String {
    match (pushed.tag_existed, pushed.uploaded_blobs) {
        (true, _) => "nothing: the registry has this image under this tag".to_owned(),
        (false, 0) => "no blobs: the registry had them all".to_owned(),
        (false, blobs) => {
            let before = pushed.present_blobs + pushed.mounted_blobs;
            format!("{} in {blobs} blobs; {before} were there", Size(pushed.uploaded_bytes))
        }
    }
}

/// A damaged image is this machine's; all else was a registry's word.
fn failed(error: PushError) -> CommandError {
    match error {
        PushError::DamagedBlob { .. } | PushError::Unreadable { .. } | PushError::EmptyBlob { .. } => {
            ErrorKind::Other.error(error)
        }
        error => refused(error),
    }
}

/// What is sent: the manifest and configuration of each image, the index over them, and where each layer's bytes are.
fn request(layout: &Layout, release: &Release, repository: Repository) -> Result<PushRequest, CommandError> {
    let damaged = |error: LayoutError| ErrorKind::Other.error(error).hint("run 'shipit build' again");
    let listed = layout.index().map_err(damaged)?.manifests;
    let (mut images, mut index) = (Vec::new(), None);
    for released in &release.images {
        let top = listed.iter().find(|listed| listed.digest == released.digest).ok_or_else(|| {
            ErrorKind::Other
                .error(format!(
                    "release.json names the image {}, which the image layout beside it does not have",
                    released.digest
                ))
                .hint("run 'shipit build' again")
        })?;
        let bytes = layout.read(top).map_err(damaged)?;
        if !top.media_type.is_index() {
            images.push(push_image(layout, released, top, bytes)?);
            continue;
        }
        let over: Index = serde_json::from_slice(&bytes)
            .map_err(|error| ErrorKind::Other.error(format!("the index {} cannot be read: {error}", top.digest)))?;
        for child in &over.manifests {
            images.push(push_image(layout, released, child, layout.read(child).map_err(damaged)?)?);
        }
        index = Some((top.clone(), bytes));
    }
    Ok(PushRequest { repository, tags: vec![release.tag.clone()], images, index, if_tag_differs: IfTagDiffers::Refuse })
}

fn push_image(
    layout: &Layout,
    released: &ReleasedImage,
    manifest: &Descriptor,
    manifest_bytes: Vec<u8>,
) -> Result<PushImage, CommandError> {
    let parsed: Manifest = serde_json::from_slice(&manifest_bytes)
        .map_err(|error| ErrorKind::Other.error(format!("the manifest {} cannot be read: {error}", manifest.digest)))?;
    let config_bytes =
        layout.read(&parsed.config).map_err(|error| ErrorKind::Other.error(error).hint("run 'shipit build' again"))?;
    let layers =
        parsed.layers.into_iter().map(|layer| push_layer(layout, released, layer)).collect::<Result<_, _>>()?;
    Ok(PushImage { manifest: manifest.clone(), manifest_bytes, config: parsed.config, config_bytes, layers })
}

/// Where a layer's bytes are: here, else where the base is.
fn push_layer(layout: &Layout, released: &ReleasedImage, descriptor: Descriptor) -> Result<PushLayer, CommandError> {
    let source = match layout.has(&descriptor) {
        true => BlobSource::File(layout.blob_path(&descriptor.digest)),
        false if !descriptor.urls.is_empty() => BlobSource::Foreign,
        false => {
            let base: Reference = released
                .base
                .name
                .parse()
                .map_err(|error| ErrorKind::Other.error(format!("the base image in release.json: {error}")))?;
            BlobSource::Registry(base.repository().clone())
        }
    };
    Ok(PushLayer { descriptor, source })
}
