//! Writing: an image, or an index of several, under tags. Children go before parents, and tags last, so that a push
//! that is killed leaves nothing that can be pulled by halves.

use std::collections::BTreeMap;
use std::path::PathBuf;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::Method;
use http::header::CONTENT_TYPE;

use super::auth::{Scope, Session};
use super::pull::DOCKER_CONTENT_DIGEST;
use super::transport::{Body, Client, Request};
use super::upload::{Bytesource, Outcome, Uploader};
use super::{Reference, ReferenceError, RegistryError, Repository};
use crate::image::{Descriptor, Digest};

/// What to push, and where to.
#[derive(Debug, Clone)]
pub struct PushRequest {
    pub repository: Repository,
    /// Without any, the image is had by its digest alone.
    pub tags: Vec<String>,
    pub if_tag_differs: IfTagDiffers,
    pub images: Vec<PushImage>,
    /// The index over the images. Without one, there must be exactly one image.
    pub index: Option<(Descriptor, Vec<u8>)>,
}

/// What to do where a tag names another digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfTagDiffers {
    Refuse,
    Overwrite,
}

#[derive(Debug, Clone)]
pub struct PushImage {
    pub manifest: Descriptor,
    pub manifest_bytes: Vec<u8>,
    pub config: Descriptor,
    pub config_bytes: Vec<u8>,
    pub layers: Vec<PushLayer>,
}

#[derive(Debug, Clone)]
pub struct PushLayer {
    pub descriptor: Descriptor,
    pub source: BlobSource,
}

/// Where a layer's bytes are.
#[derive(Debug, Clone)]
pub enum BlobSource {
    File(PathBuf),
    /// The base's repository: mounted where it is in the same registry, else streamed straight from there.
    Registry(Repository),
    /// A layer that may not be distributed, or that clients fetch elsewhere: not pushed.
    Foreign,
}

/// What happens during a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushEvent {
    BlobPresent {
        digest: Digest,
        size: u64,
    },
    BlobMounted {
        digest: Digest,
        size: u64,
    },
    /// This many more bytes have gone.
    BlobSent {
        digest: Digest,
        bytes: u64,
    },
    /// What was sent of the blob counts no more.
    BlobRestarted {
        digest: Digest,
    },
    BlobUploaded {
        digest: Digest,
        size: u64,
    },
    Manifest {
        digest: Digest,
    },
    Tagged {
        tag: String,
    },
}

/// What a push came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The index's, else the manifest's.
    pub digest: Digest,
    /// Bytes of blobs that were sent whole.
    pub uploaded_bytes: u64,
    pub uploaded_blobs: usize,
    pub mounted_blobs: usize,
    pub present_blobs: usize,
    /// Every tag named this digest already, and nothing was sent.
    pub tag_existed: bool,
}

/// Why a push failed. Nothing was tagged, unless the error says so.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("a base layer cannot be had: {0}")]
    Base(#[source] RegistryError),
    #[error(
        "{repository}:{tag} exists with another digest, {existing}, and is left as it is: push under another tag (this image is {wanted})"
    )]
    TagTaken { repository: Box<Repository>, tag: String, existing: Digest, wanted: Digest },
    #[error("the cached blob {digest} is damaged: {what}; delete {} and build again", path.display())]
    DamagedBlob { digest: Digest, path: PathBuf, what: String },
    #[error("{} cannot be read: {source}; build again", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{repository} says {found} where {wanted} was sent")]
    WrongAnswer { repository: Repository, wanted: Digest, found: Digest },
    #[error("blob {digest} has no bytes, which registries refuse")]
    EmptyBlob { digest: Digest },
    #[error("the image to push is not whole: {0}")]
    NotWhole(String),
    #[error(transparent)]
    Tag(#[from] ReferenceError),
}

/// One push under way.
struct Push<'a> {
    client: &'a Client,
    session: &'a Session,
    scope: &'a Scope,
    request: &'a PushRequest,
    on: &'a (dyn Fn(PushEvent) + Sync),
}

impl Client {
    /// Pushes what is missing. An image that is there under all its tags costs one question per tag.
    pub async fn push(&self, request: &PushRequest, on: &(dyn Fn(PushEvent) + Sync)) -> Result<Pushed, PushError> {
        let (top, top_bytes) = top_of(request)?;
        let layers = request.images.iter().flat_map(|image| &image.layers);
        let sources = layers.filter_map(|layer| match &layer.source {
            BlobSource::Registry(from) => Some(from),
            _ => None,
        });
        let scope = Scope::push(&request.repository, sources);
        let session = self.session(request.repository.registry())?;
        let push = Push { client: self, session: &session, scope: &scope, request, on };

        let mut pushed = Pushed {
            digest: top.digest,
            uploaded_bytes: 0,
            uploaded_blobs: 0,
            mounted_blobs: 0,
            present_blobs: 0,
            tag_existed: false,
        };
        let mut missing_tags = Vec::new();
        for tag in &request.tags {
            let reference = request.repository.tagged(tag)?;
            match self.head_manifest(&reference, &scope).await? {
                Some(found) if found.digest == top.digest => {}
                Some(found) if request.if_tag_differs == IfTagDiffers::Refuse => {
                    return Err(push.taken(tag, found.digest, top.digest));
                }
                _ => missing_tags.push(reference),
            }
        }
        if !request.tags.is_empty() && missing_tags.is_empty() {
            pushed.tag_existed = true;
            return Ok(pushed);
        }
        let by_digest = request.repository.pinned(top.digest);
        let present = self.head_manifest(&by_digest, &scope).await?.is_some();
        if !present {
            push.blobs(&mut pushed).await?;
            if request.index.is_some() {
                for image in &request.images {
                    let reference = request.repository.pinned(image.manifest.digest);
                    push.manifest(&reference, &image.manifest, &image.manifest_bytes).await?;
                }
            }
            if missing_tags.is_empty() {
                push.manifest(&by_digest, top, top_bytes).await?;
            }
        }
        for reference in &missing_tags {
            push.manifest(reference, top, top_bytes).await?;
            on(PushEvent::Tagged { tag: reference.identifier() });
        }
        Ok(pushed)
    }
}

/// Makes sure of one blob, and tells what became of it.
async fn send_one(
    uploader: &Uploader<'_>,
    blob: &Descriptor,
    source: &Bytesource<'_>,
) -> Result<(Outcome, u64), PushError> {
    let outcome = uploader.ensure(blob, source).await?;
    let (digest, size) = (blob.digest, blob.size);
    (uploader.on)(match outcome {
        Outcome::Present => PushEvent::BlobPresent { digest, size },
        Outcome::Mounted => PushEvent::BlobMounted { digest, size },
        Outcome::Uploaded => PushEvent::BlobUploaded { digest, size },
    });
    Ok((outcome, size))
}

/// The manifest that tags name. Descriptors that do not describe their bytes are refused before anything is sent.
fn top_of(request: &PushRequest) -> Result<(&Descriptor, &[u8]), PushError> {
    let whole = |descriptor: &Descriptor, bytes: &[u8], what: &str| {
        let same = descriptor.digest == Digest::of(bytes) && descriptor.size == bytes.len() as u64;
        let error = || PushError::NotWhole(format!("the {what} does not match its descriptor {}", descriptor.digest));
        same.then_some(()).ok_or_else(error)
    };
    for image in &request.images {
        whole(&image.manifest, &image.manifest_bytes, "manifest")?;
        whole(&image.config, &image.config_bytes, "configuration")?;
    }
    match (&request.index, &*request.images) {
        (Some((descriptor, bytes)), [_, ..]) => whole(descriptor, bytes, "index").map(|()| (descriptor, &**bytes)),
        (None, [image]) => Ok((&image.manifest, &*image.manifest_bytes)),
        (_, []) => Err(PushError::NotWhole("it has no manifest".to_owned())),
        (None, _) => Err(PushError::NotWhole("it has several manifests and no index".to_owned())),
    }
}

impl Push<'_> {
    fn taken(&self, tag: &str, existing: Digest, wanted: Digest) -> PushError {
        PushError::TagTaken {
            repository: Box::new(self.request.repository.clone()),
            tag: tag.to_owned(),
            existing,
            wanted,
        }
    }

    /// Layers and configurations; each blob once, however many images share it.
    async fn blobs(&self, pushed: &mut Pushed) -> Result<(), PushError> {
        let mut blobs: BTreeMap<Digest, (&Descriptor, Bytesource<'_>)> = BTreeMap::new();
        for image in &self.request.images {
            for layer in &image.layers {
                let source = match &layer.source {
                    BlobSource::File(path) => Bytesource::File(path),
                    BlobSource::Registry(from) => Bytesource::Repository(from),
                    BlobSource::Foreign => continue,
                };
                blobs.entry(layer.descriptor.digest).or_insert((&layer.descriptor, source));
            }
            blobs.insert(image.config.digest, (&image.config, Bytesource::Memory(&image.config_bytes)));
        }
        // The largest first: the last one to end should be a small one.
        let mut blobs: Vec<_> = blobs.into_values().collect();
        blobs.sort_by_key(|(descriptor, _)| std::cmp::Reverse(descriptor.size));
        self.send_all(blobs, pushed).await
    }

    async fn send_all(&self, blobs: Vec<(&Descriptor, Bytesource<'_>)>, pushed: &mut Pushed) -> Result<(), PushError> {
        let uploader = Uploader {
            client: self.client,
            session: self.session,
            scope: self.scope,
            repository: &self.request.repository,
            on: self.on,
        };
        // Boxed one by one: a closure over borrowed blobs would keep the whole push from moving between threads.
        let mut each: Vec<BoxFuture<'_, Result<(Outcome, u64), PushError>>> = Vec::new();
        for (blob, source) in &blobs {
            each.push(Box::pin(send_one(&uploader, blob, source)));
        }
        let parallel = self.client.options().parallel.max(1);
        let mut running = stream::iter(each).buffer_unordered(parallel);
        while let Some((outcome, size)) = running.try_next().await? {
            match outcome {
                Outcome::Present => pushed.present_blobs += 1,
                Outcome::Mounted => pushed.mounted_blobs += 1,
                Outcome::Uploaded => {
                    pushed.uploaded_blobs += 1;
                    pushed.uploaded_bytes += size;
                }
            }
        }
        Ok(())
    }

    /// Puts a manifest, and makes sure that the registry has taken it for what it is.
    async fn manifest(&self, reference: &Reference, what: &Descriptor, bytes: &[u8]) -> Result<(), PushError> {
        let asked = format!("upload of manifest {reference}");
        let path = format!("{}/manifests/{}", self.request.repository.name(), reference.identifier());
        let mut request = Request::new(Method::PUT).header(CONTENT_TYPE, what.media_type.as_str());
        request.body = Body::Bytes(bytes.to_vec().into());
        let response = match self.client.ask(self.session, self.scope, &path, &request, &asked).await {
            Ok(response) => response,
            Err(error) => return self.refused_manifest(reference, what, error).await,
        };
        let told = response.headers().get(DOCKER_CONTENT_DIGEST).and_then(|value| value.to_str().ok());
        let told = match told.and_then(|told| told.parse().ok()) {
            Some(told) => Some(told),
            None => self.client.head_manifest(reference, self.scope).await?.map(|found| found.digest),
        };
        match told {
            Some(found) if found != what.digest => {
                Err(PushError::WrongAnswer { repository: self.request.repository.clone(), wanted: what.digest, found })
            }
            Some(_) => {
                (self.on)(PushEvent::Manifest { digest: what.digest });
                Ok(())
            }
            None => Err(PushError::NotWhole(format!("the registry took {reference}, and does not have it"))),
        }
    }

    /// A tag that may not be moved: putting what it names already is refused too, and is the success that was wanted
    /// (another run was faster, or the answer to an earlier try was lost).
    async fn refused_manifest(
        &self,
        reference: &Reference,
        what: &Descriptor,
        error: RegistryError,
    ) -> Result<(), PushError> {
        let (Some(tag), Some(refusal)) = (reference.tag(), error.refusal()) else {
            return Err(error.into());
        };
        let immutable = ["TAG_INVALID", "ImageTagAlreadyExistsException", "TAG_ALREADY_EXISTS"]
            .iter()
            .any(|code| refusal.is_code(code))
            || refusal.message.contains("immutable")
            || refusal.message.contains("ImageTagAlreadyExists")
            || matches!(refusal.status, 409 | 412);
        if !immutable {
            return Err(error.into());
        }
        match self.client.head_manifest(reference, self.scope).await? {
            Some(found) if found.digest == what.digest => Ok(()),
            Some(found) => Err(self.taken(tag, found.digest, what.digest)),
            None => Err(error.into()),
        }
    }
}
