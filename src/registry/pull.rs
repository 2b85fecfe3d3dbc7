//! Reading: manifests, the image for a platform, blobs. Digest and size of everything are verified.

use std::io::Write;

use http::header::{ACCEPT, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use http::{HeaderName, Method};
use sha2::{Digest as _, Sha256};

use super::auth::Scope;
use super::retry::Backoff;
use super::transport::{Client, Request};
use super::{Reference, RegistryError, Repository};
use crate::image::manifest::MAX_MANIFEST_BYTES;
use crate::image::media_type::ACCEPT_MANIFESTS;
use crate::image::{Descriptor, Digest, Index, Manifest, MediaType, Platform};

pub(super) const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// How many indexes may stand inside one another.
const MAX_INDEX_DEPTH: usize = 4;
/// The largest image configuration that is read; real ones have some kilobytes.
const MAX_CONFIG_BYTES: u64 = 8 * 1024 * 1024;

/// The image that a reference and a platform lead to.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// Pinned by the digest of what was named: the index's if it is an index.
    pub reference: Reference,
    /// The platform's manifest.
    pub manifest: Descriptor,
    pub manifest_bytes: Vec<u8>,
    pub config_bytes: Vec<u8>,
}

impl Client {
    /// Describes the manifest that `reference` names, or tells that there is none.
    pub async fn head(&self, reference: &Reference) -> Result<Option<Descriptor>, RegistryError> {
        let scope = Scope::pull(reference.repository());
        self.head_manifest(reference, &scope).await
    }

    pub(super) async fn head_manifest(
        &self,
        reference: &Reference,
        scope: &Scope,
    ) -> Result<Option<Descriptor>, RegistryError> {
        let asked = format!("question for manifest {reference}");
        let session = self.session(reference.registry())?;
        let path = format!("{}/manifests/{}", reference.repository().name(), reference.identifier());
        let request = Request::new(Method::HEAD).header(ACCEPT, ACCEPT_MANIFESTS);
        let response = match self.ask(&session, scope, &path, &request, &asked).await {
            Ok(response) => response,
            Err(error) if error.status() == Some(404) => return Ok(None),
            Err(error) if error.status() == Some(405) => {
                return self.get_manifest(reference, scope).await.map(|(d, _)| Some(d));
            }
            Err(error) => return Err(error),
        };
        let text = |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok());
        let digest = text(DOCKER_CONTENT_DIGEST).and_then(|digest| digest.parse().ok()).or(reference.digest());
        let size = text(http::header::CONTENT_LENGTH).and_then(|size| size.parse().ok());
        match (text(CONTENT_TYPE), digest, size) {
            (Some(kind), Some(digest), Some(size)) => Ok(Some(Descriptor::new(MediaType::new(kind), digest, size))),
            // The headers are optional: what the bytes are tells it too.
            _ => self.get_manifest(reference, scope).await.map(|(descriptor, _)| Some(descriptor)),
        }
    }

    /// Fetches the manifest or index that `reference` names.
    pub async fn manifest(&self, reference: &Reference) -> Result<(Descriptor, Vec<u8>), RegistryError> {
        self.get_manifest(reference, &Scope::pull(reference.repository())).await
    }

    pub(super) async fn get_manifest(
        &self,
        reference: &Reference,
        scope: &Scope,
    ) -> Result<(Descriptor, Vec<u8>), RegistryError> {
        let asked = format!("request for manifest {reference}");
        let session = self.session(reference.registry())?;
        let path = format!("{}/manifests/{}", reference.repository().name(), reference.identifier());
        let request = Request::new(Method::GET).header(ACCEPT, ACCEPT_MANIFESTS);
        let mut backoff = Backoff::new(&self.options().retry);
        let (response_kind, header, bytes) = loop {
            let response = self.ask(&session, scope, &path, &request, &asked).await?;
            let text = |name: HeaderName| response.headers().get(name)?.to_str().ok().map(str::to_owned);
            let (kind, header) = (text(CONTENT_TYPE), text(DOCKER_CONTENT_DIGEST));
            match self.read(reference.registry(), response, MAX_MANIFEST_BYTES as usize, &asked).await {
                Ok(bytes) => break (kind, header, bytes),
                Err(error) if error.is_transient() && backoff.wait(None).await => {}
                Err(error) => return Err(error),
            }
        };
        let digest = Digest::of(&bytes);
        let promised = reference.digest().or_else(|| header.and_then(|text| text.parse().ok()));
        if let Some(wanted) = promised.filter(|wanted| *wanted != digest) {
            let what = format!("it has the digest {digest}");
            return Err(RegistryError::Damaged { repository: reference.repository().clone(), wanted, what });
        }
        let kind = response_kind.unwrap_or_default();
        let kind = MediaType::new(kind.split(';').next().unwrap_or_default().trim());
        Ok((Descriptor::new(kind, digest, bytes.len() as u64), bytes))
    }

    /// Follows `reference`, through indexes where there are any, to the image for `platform`.
    pub async fn resolve(&self, reference: &Reference, platform: &Platform) -> Result<Resolved, RegistryError> {
        let (named, mut bytes) = self.manifest(reference).await?;
        let mut descriptor = named.clone();
        let not_an_image = |what: String| RegistryError::NotAnImage { reference: reference.to_string(), what };
        for _ in 0..=MAX_INDEX_DEPTH {
            if !descriptor.media_type.is_index() {
                return self.image(reference, named.digest, descriptor, bytes, platform).await;
            }
            let index: Index = serde_json::from_slice(&bytes)
                .map_err(|error| not_an_image(format!("its index cannot be read ({error})")))?;
            let fits = |child: &&Descriptor| child.platform.as_ref().is_some_and(|found| found.serves(platform));
            let nested = |child: &&Descriptor| child.platform.is_none() && child.media_type.is_index();
            let chosen = index.manifests.iter().find(fits).or_else(|| index.manifests.iter().find(nested));
            let Some(chosen) = chosen else {
                let known = index.manifests.iter().filter_map(|child| child.platform.as_ref());
                let mut available: Vec<String> =
                    known.filter(|found| found.os != "unknown").map(ToString::to_string).collect();
                available.sort();
                available.dedup();
                let (reference, wanted) = (reference.to_string(), platform.to_string());
                return Err(RegistryError::MissingPlatform { reference, wanted, available });
            };
            let child = reference.repository().pinned(chosen.digest);
            let (found, child_bytes) = self.manifest(&child).await?;
            if found.size != chosen.size {
                let what = format!("it has {} bytes, and {} are promised", found.size, chosen.size);
                let repository = reference.repository().clone();
                return Err(RegistryError::Damaged { repository, wanted: chosen.digest, what });
            }
            (descriptor, bytes) = (found, child_bytes);
        }
        Err(not_an_image(format!("more than {MAX_INDEX_DEPTH} indexes stand inside one another")))
    }

    /// What `reference` stands for, and the platforms that it runs on: those of an index's images, or an image's own.
    pub async fn platforms(&self, reference: &Reference) -> Result<(Descriptor, Vec<Platform>), RegistryError> {
        let (descriptor, bytes) = self.manifest(reference).await?;
        let not_an_image = |what: String| RegistryError::NotAnImage { reference: reference.to_string(), what };
        if descriptor.media_type.is_index() {
            let index: Index = serde_json::from_slice(&bytes)
                .map_err(|error| not_an_image(format!("its index cannot be read ({error})")))?;
            // Attestations stand beside the images, for the platform `unknown/unknown`.
            let platforms = index.manifests.into_iter().filter_map(|child| child.platform);
            return Ok((descriptor, platforms.filter(|platform| platform.os != "unknown").collect()));
        }
        let config = self.config(reference, &descriptor, &bytes).await?;
        let platform = serde_json::from_slice(&config)
            .map_err(|error| not_an_image(format!("its configuration cannot be read ({error})")))?;
        Ok((descriptor, vec![platform]))
    }

    async fn image(
        &self,
        reference: &Reference,
        named: Digest,
        mut descriptor: Descriptor,
        manifest_bytes: Vec<u8>,
        platform: &Platform,
    ) -> Result<Resolved, RegistryError> {
        let not_an_image = |what: String| RegistryError::NotAnImage { reference: reference.to_string(), what };
        let config_bytes = self.config(reference, &descriptor, &manifest_bytes).await?;
        let found: Platform = serde_json::from_slice(&config_bytes)
            .map_err(|error| not_an_image(format!("its configuration cannot be read ({error})")))?;
        if !found.serves(platform) {
            return Err(RegistryError::MissingPlatform {
                reference: reference.to_string(),
                wanted: platform.to_string(),
                available: vec![found.to_string()],
            });
        }
        descriptor.platform = Some(found);
        Ok(Resolved { reference: reference.pin(named), manifest: descriptor, manifest_bytes, config_bytes })
    }

    /// The configuration of the image whose manifest is given.
    async fn config(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        manifest_bytes: &[u8],
    ) -> Result<Vec<u8>, RegistryError> {
        let not_an_image = |what: String| RegistryError::NotAnImage { reference: reference.to_string(), what };
        if !descriptor.media_type.is_manifest() {
            return Err(not_an_image(format!("its type is '{}'", descriptor.media_type)));
        }
        let manifest: Manifest = serde_json::from_slice(manifest_bytes)
            .map_err(|error| not_an_image(format!("its manifest cannot be read ({error})")))?;
        let kind = &manifest.config.media_type;
        if *kind != MediaType::OCI_CONFIG && *kind != MediaType::DOCKER_CONFIG {
            return Err(not_an_image(format!("it is an artifact whose configuration is of type '{kind}'")));
        }
        if manifest.config.size > MAX_CONFIG_BYTES {
            return Err(not_an_image(format!("its configuration has {} bytes", manifest.config.size)));
        }
        let mut config_bytes = Vec::new();
        self.pull_blob(reference.repository(), &manifest.config, &mut config_bytes, &|_| {}).await?;
        Ok(config_bytes)
    }

    /// Writes a blob to `writer`, and verifies its size and digest: on an error, what was written is worthless. A
    /// connection that breaks is resumed where it broke. `on` is told how many bytes have been written so far.
    pub async fn pull_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        writer: &mut (dyn Write + Send),
        on: &(dyn Fn(u64) + Sync),
    ) -> Result<(), RegistryError> {
        let asked = format!("request for blob {} of {repository}", blob.digest);
        let damaged =
            |what: String| RegistryError::Damaged { repository: repository.clone(), wanted: blob.digest, what };
        let mut backoff = Backoff::new(&self.options().retry);
        let mut hash = Sha256::new();
        let mut written = 0;
        while written < blob.size {
            let before = written;
            let mut response = self.get_blob(repository, blob, written).await?;
            // A registry that knows no ranges begins anew; what is here already is passed over.
            let mut pass_over = if starts_at(&response, written) { 0 } else { written };
            let broken = loop {
                let mut chunk = match self.chunk(repository.registry(), &mut response, &asked).await {
                    Ok(Some(chunk)) => chunk,
                    Ok(None) => break None,
                    Err(error) if error.is_transient() => break Some(error),
                    Err(error) => return Err(error),
                };
                let skipped = pass_over.min(chunk.len() as u64);
                pass_over -= skipped;
                let chunk = chunk.split_off(skipped as usize);
                if written + chunk.len() as u64 > blob.size {
                    return Err(damaged(format!("it has more than the promised {} bytes", blob.size)));
                }
                hash.update(&chunk);
                writer.write_all(&chunk).map_err(RegistryError::Write)?;
                written += chunk.len() as u64;
                on(written);
            };
            match broken {
                None if written < blob.size => {
                    return Err(damaged(format!("it has {written} bytes, and {} are promised", blob.size)));
                }
                None => {}
                Some(error) => {
                    if written > before {
                        backoff.progress();
                    }
                    if written < blob.size && !backoff.wait(None).await {
                        return Err(error.after(backoff.attempt));
                    }
                }
            }
        }
        match Digest::from_hash(hash) {
            found if found == blob.digest => Ok(()),
            found => Err(damaged(format!("it has the digest {found}"))),
        }
    }

    /// Asks for a blob from `offset` on.
    pub(super) async fn get_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        offset: u64,
    ) -> Result<reqwest::Response, RegistryError> {
        let asked = format!("request for blob {} of {repository}", blob.digest);
        let session = self.session(repository.registry())?;
        let mut request = Request::new(Method::GET);
        if offset > 0 {
            request = request.header(RANGE, &format!("bytes={offset}-"));
        }
        let path = format!("{}/blobs/{}", repository.name(), blob.digest);
        self.ask(&session, &Scope::pull(repository), &path, &request, &asked).await
    }
}

/// Whether the answer is the rest from `offset` on.
fn starts_at(response: &reqwest::Response, offset: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    response.status().as_u16() == 206 && range.is_some_and(|range| range.starts_with(&format!("bytes {offset}-")))
}
