//! The base image: named by the settings, pinned by shipit.lock, its manifest and configuration in the cache.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use shipit_builders::JavaVersion;
use tokio::sync::Notify;

use super::context::{Context, block_on};
use super::registry_access::{client, refused};
use crate::image::base::{BaseImage, default_name};
use crate::image::{Assembled, Digest, Platform};
use crate::registry::Reference;
use crate::report::{CommandError, ErrorKind, Report, Size};
use crate::settings::{Lock, Settings, lock};

/// Finds base images.
pub struct Bases<'a> {
    context: &'a Context<'a>,
    settings: &'a Settings,
    platforms: &'a [Platform],
    lock: Option<(PathBuf, Lock)>,
    /// Whether what the lock does not pin is an error.
    locked: bool,
    given_up: Notify,
}

/// A base image, and the lock that pins it.
pub struct PinnedBase {
    pub name: String,
    /// The digest that the name is pinned to.
    pub digest: Digest,
    /// The image for each platform that was asked for, in that order.
    pub images: Vec<BaseImage>,
    reference: Reference,
    /// What shipit.lock is to say; none where there is no project to keep one in.
    lock: Option<(PathBuf, Lock)>,
}

impl<'a> Bases<'a> {
    pub fn new(
        context: &'a Context<'a>,
        settings: &'a Settings,
        platforms: &'a [Platform],
        locked: bool,
    ) -> Result<Self, CommandError> {
        let lock = match &context.project {
            Some(project) => {
                let path = project.join(lock::FILE_NAME);
                let present = Lock::read(&path).map_err(|error| ErrorKind::Usage.error(error))?;
                Some((path, present.unwrap_or_default()))
            }
            None => None,
        };
        Ok(Bases { context, settings, platforms, lock, locked, given_up: Notify::new() })
    }

    /// Ends the wait for a registry: nobody needs the base any more.
    pub fn give_up(&self) {
        self.given_up.notify_one();
    }

    /// The name of the base: the setting's, or the default one for `java`.
    fn name(&self, java: Option<JavaVersion>) -> Result<String, CommandError> {
        match (&self.settings.image.base, java) {
            (Some(name), _) => Ok(name.clone()),
            (None, Some(java)) => Ok(default_name(java)),
            (None, None) => Err(ErrorKind::Usage
                .error("neither the project nor the archive tells which Java it needs")
                .hint("name the base image: [image] base in shipit.toml, or --base")),
        }
    }

    /// The base for an application that needs `java`: from the cache where the lock pins it and it has been seen
    /// before, else from its registry.
    pub fn resolve(&self, java: Option<JavaVersion>) -> Result<PinnedBase, CommandError> {
        let name = self.name(java)?;
        let reference: Reference = name
            .parse()
            .map_err(|error| ErrorKind::Usage.error(format!("{}: {error}", self.settings.describe("image.base"))))?;
        let pinned = reference.digest().or_else(|| self.lock.as_ref().and_then(|(_, lock)| lock.base(&name)));
        if pinned.is_none() && self.locked {
            return Err(ErrorKind::Usage
                .error(format!("shipit.lock does not pin the base image {name}, and --locked forbids to pin it now"))
                .hint("run 'shipit build' without --locked and commit shipit.lock"));
        }
        self.find(&name, reference, pinned)
    }

    /// What the name of the base stands for now, whatever the lock says.
    pub fn renew(&self, java: Option<JavaVersion>) -> Result<PinnedBase, CommandError> {
        let name = self.name(java)?;
        let reference: Reference = name
            .parse()
            .map_err(|error| ErrorKind::Usage.error(format!("{}: {error}", self.settings.describe("image.base"))))?;
        self.find(&name, reference, None)
    }

    /// The digest that the lock pins the base to.
    pub fn pinned(&self, name: &str) -> Option<Digest> {
        self.lock.as_ref().and_then(|(_, lock)| lock.base(name))
    }

    fn find(&self, name: &str, reference: Reference, pinned: Option<Digest>) -> Result<PinnedBase, CommandError> {
        let mut lock = self.lock.clone();
        let (mut images, mut digest) = (Vec::new(), pinned);
        for platform in self.platforms {
            // Where nothing pins the name, what it stood for at the first platform holds for the others.
            let (image, manifest) = self.find_one(name, &reference, platform, digest)?;
            digest = Some(image.digest);
            if let Some((_, lock)) = &mut lock {
                lock.pin(name, image.digest);
                lock.pin_manifest(name, platform, manifest);
            }
            images.push(image);
        }
        let digest = digest.ok_or_else(|| ErrorKind::Usage.error("no platform is named"))?;
        Ok(PinnedBase { name: name.to_owned(), digest, images, reference, lock })
    }

    /// The base for one platform, and its manifest's digest.
    fn find_one(
        &self,
        name: &str,
        reference: &Reference,
        platform: &Platform,
        pinned: Option<Digest>,
    ) -> Result<(BaseImage, Digest), CommandError> {
        let cache = self.context.cache()?;
        if let Some(cached) = pinned.and_then(|digest| BaseImage::cached(cache, name, digest, platform)) {
            return Ok(cached);
        }
        let reference = pinned.map_or_else(|| reference.clone(), |digest| reference.pin(digest));
        self.context.report.step("Resolving", format!("{reference} for {platform}"));
        let client = client(self.context.report, self.settings)?;
        let resolved = block_on(async {
            tokio::select! {
                resolved = client.resolve(&reference, platform) => resolved.map_err(refused),
                () = self.given_up.notified() => Err(refused(format!("{reference} was not waited for"))),
            }
        })?;
        let digest = resolved.reference.digest().unwrap_or(resolved.manifest.digest);
        let image = BaseImage::parse(name, digest, &resolved.manifest_bytes, &resolved.config_bytes)
            .map_err(|error| ErrorKind::Other.error(error))?;
        BaseImage::keep(cache, digest, platform, &resolved.manifest_bytes, &resolved.config_bytes)
            .map_err(|error| ErrorKind::Other.error(error))?;
        Ok((image, resolved.manifest.digest))
    }
}

impl PinnedBase {
    /// Writes shipit.lock, where it says something new.
    pub fn lock(&self, report: &Report) -> Result<(), CommandError> {
        let Some((path, lock)) = &self.lock else { return Ok(()) };
        if lock.write(path).map_err(|error| ErrorKind::Other.error(error))? {
            report.step("Pinned", format!("{} to {} in {}", self.name, self.digest, path.display()));
        }
        Ok(())
    }

    /// Fetches those of the image's layers that are not in the cache: the base's.
    pub fn fetch_layers(
        &self,
        context: &Context<'_>,
        settings: &Settings,
        image: &Assembled,
    ) -> Result<(), CommandError> {
        let cache = context.cache()?;
        let missing: Vec<_> =
            image.layers().into_iter().filter(|layer| cache.blob(&layer.descriptor.digest).is_none()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let total = missing.iter().map(|layer| layer.descriptor.size).sum();
        context.report.step("Fetching", format!("{} of the layers of {}, {}", missing.len(), self.name, Size(total)));
        let client = client(context.report, settings)?;
        let progress = context.report.bytes_progress("Fetching", total);
        block_on(async {
            for layer in missing {
                let told = AtomicU64::new(0);
                let mut blob = cache.blob_writer().map_err(|error| ErrorKind::Other.error(error))?;
                client
                    .pull_blob(self.reference.repository(), &layer.descriptor, &mut blob, &|written| {
                        progress.add(written.saturating_sub(told.swap(written, Ordering::Relaxed)));
                    })
                    .await
                    .map_err(refused)?;
                blob.finish_as(&layer.descriptor.digest, layer.descriptor.size)
                    .map_err(|error| ErrorKind::Other.error(error))?;
            }
            Ok(())
        })
    }
}
