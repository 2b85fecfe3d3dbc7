use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;

use super::context::{Context, block_on};
use super::registry_access::{IfMissing, client, refused, target};
use super::rollout::{Deployable, Manner, Rollout};
use crate::image::Platform;
use crate::registry::Reference;
use crate::release::Release;
use crate::report::{CommandError, ErrorKind};
use crate::settings::{Flags, REGISTRY, SERVICE};

/// Register a task definition revision and roll the service to it, without a build.
///
/// Prints the ARN of the revision that the service then runs; with --dry-run, of the one that it runs now.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The image: a full reference, or a tag or digest in [registry] repository. Default: the last one built here.
    #[arg(value_name = "REFERENCE")]
    reference: Option<String>,

    #[command(flatten)]
    manner: Manner,

    #[command(flatten)]
    settings: Flags<{ REGISTRY | SERVICE }>,
}

impl Arguments {
    pub fn run(self, context: &Context<'_>) -> Result<(), CommandError> {
        let report = context.report;
        let settings = context.settings(&self.settings.given)?;
        block_on(async {
            let deployable = match &self.reference {
                Some(reference) => {
                    let reference = match reference.contains('/') {
                        true => reference.parse::<Reference>(),
                        false => in_repository(&target(report, &settings, IfMissing::Fail).await?, reference),
                    }
                    .map_err(|error| ErrorKind::Usage.error(error))?;
                    resolve(context, &settings, &reference).await?
                }
                None => {
                    let release = Release::read(&context.output()).map_err(|error| ErrorKind::Usage.error(error))?;
                    let image =
                        release.images.first().ok_or_else(|| ErrorKind::Usage.error("the release has no image"))?;
                    let pinned = target(report, &settings, IfMissing::Fail).await?.pinned(image.digest);
                    if client(report, &settings)?.head(&pinned).await.map_err(refused)?.is_none() {
                        return Err(ErrorKind::Usage
                            .error(format!("the image that was built last is not in the registry: {pinned}"))
                            .hint("run 'shipit push', or name another image"));
                    }
                    Deployable::of(&release, image, &pinned)
                }
            };
            let rollout = Rollout::prepare(report, &settings, deployable, self.manner.force).await?;
            if self.manner.dry_run {
                let rolls = rollout.describe(report);
                let current = rollout.current();
                return Ok(report.result(current, &json!({ "taskDefinition": current, "wouldRoll": rolls }))?);
            }
            let revision = rollout.run(report).await?;
            report.result(&revision, &json!({ "taskDefinition": revision }))?;
            Ok(())
        })
    }
}

/// A tag or a digest in a repository.
fn in_repository(
    repository: &crate::registry::Repository,
    identifier: &str,
) -> Result<Reference, crate::registry::ReferenceError> {
    match identifier.parse() {
        Ok(digest) => Ok(repository.pinned(digest)),
        Err(_) => repository.tagged(identifier),
    }
}

/// Finds out what a reference stands for: its digest, and the platforms that it runs on.
async fn resolve(
    context: &Context<'_>,
    settings: &crate::settings::Settings,
    reference: &Reference,
) -> Result<Deployable, CommandError> {
    let client = client(context.report, settings)?;
    let (descriptor, platforms) = client.platforms(reference).await.map_err(refused)?;
    let platforms: Vec<Platform> = platforms;
    let tags = reference.tag().map(|tag| ("shipit:tag".to_owned(), tag.to_owned()));
    Ok(Deployable { image: reference.pin(descriptor.digest), platforms, tags: BTreeMap::from_iter(tags) })
}
