//! One blob into a repository: asked for, mounted, or sent whole in one request.
//!
//! Blobs go up by one POST and one PUT: chunks by PATCH are where registries differ (ECR answers 201 and stale ranges).
//! A try that failed is never continued: ECR answers 416 to a second start in the same session.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::time::Instant;
use url::Url;

use super::auth::{Scope, Session};
use super::push::{PushError, PushEvent};
use super::retry::Backoff;
use super::transport::{Client, Request, connection};
use super::{RegistryError, Repository, redirect};
use crate::image::{Descriptor, Digest};

/// How much of a blob is in memory at once, a few times over.
const CHUNK: usize = 256 * 1024;

/// Where the bytes of one blob come from.
pub enum Bytesource<'a> {
    Memory(&'a [u8]),
    File(&'a PathBuf),
    Repository(&'a Repository),
}

/// What became of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Present,
    Mounted,
    Uploaded,
}

/// The way of one push's blobs.
pub struct Uploader<'a> {
    pub client: &'a Client,
    pub session: &'a Session,
    pub scope: &'a Scope,
    pub repository: &'a Repository,
    pub on: &'a (dyn Fn(PushEvent) + Sync),
}

type Fault = Arc<Mutex<Option<PushError>>>;

impl Uploader<'_> {
    /// Makes sure that the repository has the blob.
    pub async fn ensure(&self, blob: &Descriptor, source: &Bytesource<'_>) -> Result<Outcome, PushError> {
        let digest = blob.digest;
        if blob.size == 0 {
            return Err(PushError::EmptyBlob { digest });
        }
        let asked = format!("upload of blob {digest} to {}", self.repository);
        let mut backoff = Backoff::new(&self.client.options().retry);
        let mut renewed = false;
        loop {
            if self.is_present(blob).await? {
                return Ok(Outcome::Present);
            }
            let error = match self.attempt(blob, source, &asked).await {
                Ok(outcome) => return Ok(outcome),
                Err(PushError::Registry(error)) => error,
                Err(other) => return Err(other),
            };
            (self.on)(PushEvent::BlobRestarted { digest });
            // Credentials that ran out during the upload: opening the next session renews them. A session that the
            // registry no longer knows: it may have been restarted.
            let once = matches!(error.status(), Some(401 | 404 | 416))
                && error.refusal().is_some_and(|refusal| !refusal.is_code("NAME_UNKNOWN") && refusal.asked == asked);
            if once && !renewed {
                renewed = true;
                continue;
            }
            if !error.is_transient() || !backoff.wait(error.retry_after()).await {
                return Err(error.after(backoff.attempt).into());
            }
        }
    }

    async fn is_present(&self, blob: &Descriptor) -> Result<bool, PushError> {
        let asked = format!("question for blob {} of {}", blob.digest, self.repository);
        let path = format!("{}/blobs/{}", self.repository.name(), blob.digest);
        match self.client.ask(self.session, self.scope, &path, &Request::new(Method::HEAD), &asked).await {
            Ok(_) => Ok(true),
            Err(error) if error.status() == Some(404) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn attempt(&self, blob: &Descriptor, source: &Bytesource<'_>, asked: &str) -> Result<Outcome, PushError> {
        let opening = format!("start of the upload of blob {} to {}", blob.digest, self.repository);
        let mut url = self.client.url(self.session, &format!("{}/blobs/uploads/", self.repository.name()), asked)?;
        let plain = url.clone();
        let from = match source {
            Bytesource::Repository(from) if from.registry() == self.repository.registry() => Some(*from),
            _ => None,
        };
        if let Some(from) = from {
            url.query_pairs_mut().append_pair("mount", &blob.digest.to_string()).append_pair("from", from.name());
        }
        let post = Request::new(Method::POST);
        let opened = match self.client.ask_once(self.session, self.scope, &url, &post, &opening).await {
            // Some registries refuse a mount instead of answering it with a session.
            Err(error) if from.is_some() && error.status().is_some_and(|status| status < 429) => {
                self.client.ask_once(self.session, self.scope, &plain, &post, &opening).await
            }
            other => other,
        }?;
        if opened.status().as_u16() == 201 {
            return Ok(Outcome::Mounted);
        }
        let location = opened.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let registry = self.repository.registry();
        let Some(location) = location else {
            let what = "an upload without a Location".to_owned();
            return Err(RegistryError::Unexpected { registry: registry.clone(), asked: opening, what }.into());
        };
        let session_url = redirect::target(registry, self.client.insecure(), &self.session.base, location)?;
        let sent = self.send(blob, source, &session_url, asked).await;
        if sent.is_err() {
            self.abandon(&session_url).await;
        }
        sent.map(|()| Outcome::Uploaded)
    }

    /// Sends the whole blob to an open upload session.
    async fn send(&self, blob: &Descriptor, source: &Bytesource<'_>, url: &Url, asked: &str) -> Result<(), PushError> {
        let registry = self.repository.registry();
        let idle = self.client.options().idle_timeout;
        let (sender, receiver) = mpsc::channel::<Result<Bytes, Stop>>(2);
        let fault: Fault = Arc::default();
        match source {
            Bytesource::Memory(bytes) => {
                let bytes = Bytes::copy_from_slice(bytes);
                // The channel has room for it.
                let _ = sender.send(Ok(bytes)).await;
                drop(sender);
            }
            Bytesource::File(path) => {
                let file =
                    File::open(path).map_err(|source| PushError::Unreadable { path: (*path).clone(), source })?;
                let (blob, path, fault) = (blob.clone(), (*path).clone(), Arc::clone(&fault));
                tokio::task::spawn_blocking(move || read_file(file, &path, &blob, &sender, &fault));
            }
            Bytesource::Repository(from) => {
                let response = self.client.get_blob(from, blob, 0).await.map_err(PushError::Base)?;
                let (client, from, blob, fault) =
                    (self.client.clone(), (*from).clone(), blob.clone(), Arc::clone(&fault));
                tokio::spawn(async move { read_response(&client, response, &from, &blob, &sender, &fault).await });
            }
        }
        let sent = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&sent);
        let body = stream::unfold((receiver, counter), |(mut receiver, counter)| async move {
            let item = receiver.recv().await?;
            if let Ok(bytes) = &item {
                counter.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            }
            Some((item, (receiver, counter)))
        });
        let mut target = url.clone();
        target.query_pairs_mut().append_pair("digest", &blob.digest.to_string());
        let mut request = self.client.http().put(target).header(CONTENT_LENGTH, blob.size);
        request = request.header(CONTENT_TYPE, "application/octet-stream").body(reqwest::Body::wrap_stream(body));
        if redirect::same_origin(url, &self.session.base) {
            let authorization = self.session.authorization(self.client, self.scope).await?;
            if let Some(header) = authorization.header {
                request = request.header(AUTHORIZATION, header);
            }
        }
        // The other side of a stream has its own time-out, which names the right host: this one is a little longer.
        let answer = self.watch(blob.digest, &sent, idle + idle / 4, request.send()).await;
        if let Some(fault) = fault.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(fault);
        }
        let response = match answer {
            None => {
                let (registry, asked) = (registry.clone(), asked.to_owned());
                return Err(RegistryError::Silent { registry, asked, idle }.into());
            }
            Some(Err(error)) => return Err(connection(registry, asked, &error, true).into()),
            Some(Ok(response)) => response,
        };
        if !response.status().is_success() {
            let refusal = self.client.refusal(registry, response, asked).await;
            return Err(RegistryError::Refused(Box::new(refusal)).into());
        }
        let told = response.headers().get(super::pull::DOCKER_CONTENT_DIGEST).and_then(|value| value.to_str().ok());
        match told.and_then(|told| told.parse::<Digest>().ok()) {
            Some(found) if found != blob.digest => {
                Err(PushError::WrongAnswer { repository: self.repository.clone(), wanted: blob.digest, found })
            }
            _ => Ok(()),
        }
    }

    /// Tells of progress, and gives up when there is none for as long as `idle`.
    async fn watch<F: Future>(&self, digest: Digest, sent: &AtomicU64, idle: Duration, future: F) -> Option<F::Output> {
        let mut future = std::pin::pin!(future);
        let (mut last, mut since) = (0, Instant::now());
        loop {
            let result = tokio::time::timeout(Duration::from_millis(100).min(idle / 2), &mut future).await;
            let now = sent.load(Ordering::Relaxed);
            if now > last {
                (self.on)(PushEvent::BlobSent { digest, bytes: now - last });
                (last, since) = (now, Instant::now());
            }
            match result {
                Ok(output) => return Some(output),
                Err(_) if since.elapsed() > idle => return None,
                Err(_) => {}
            }
        }
    }

    /// Tells the registry to forget an upload; it does so by itself in time, so that failing matters to nobody.
    async fn abandon(&self, url: &Url) {
        if redirect::same_origin(url, &self.session.base) {
            let request = Request::new(Method::DELETE);
            let ask = self.client.ask_once(self.session, self.scope, url, &request, "end of an upload");
            let _ = tokio::time::timeout(Duration::from_secs(2), ask).await;
        }
    }
}

/// Ends a body before its end, so that the registry does not take it for whole.
#[derive(Debug, thiserror::Error)]
#[error("the upload was stopped")]
struct Stop;

/// Hashes what goes by, and knows before the last piece is let through whether the whole is what it should be.
struct Check<'a> {
    blob: &'a Descriptor,
    hash: Sha256,
    seen: u64,
}

impl<'a> Check<'a> {
    fn new(blob: &'a Descriptor) -> Self {
        Check { blob, hash: Sha256::new(), seen: 0 }
    }

    /// None: more is to come. Otherwise whether all of it is right.
    fn pass(&mut self, bytes: &[u8]) -> Option<Result<(), String>> {
        self.hash.update(bytes);
        self.seen += bytes.len() as u64;
        if self.seen > self.blob.size {
            return Some(Err(format!("it has more than {} bytes", self.blob.size)));
        }
        (self.seen == self.blob.size).then(|| match Digest::from_hash(self.hash.clone()) {
            found if found == self.blob.digest => Ok(()),
            found => Err(format!("its bytes have the digest {found}")),
        })
    }

    fn short(&self) -> String {
        format!("it has {} bytes instead of {}", self.seen, self.blob.size)
    }
}

fn set(fault: &Fault, error: PushError) {
    *fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
}

/// Feeds a file to an upload, on a thread of its own.
fn read_file(
    mut file: File,
    path: &std::path::Path,
    blob: &Descriptor,
    sender: &mpsc::Sender<Result<Bytes, Stop>>,
    fault: &Fault,
) {
    let mut check = Check::new(blob);
    let stop = |error| {
        set(fault, error);
        let _ = sender.blocking_send(Err(Stop));
    };
    let damaged = |what| PushError::DamagedBlob { digest: blob.digest, path: path.to_owned(), what };
    loop {
        let mut buffer = Vec::with_capacity(CHUNK);
        match file.by_ref().take(CHUNK as u64).read_to_end(&mut buffer) {
            Err(source) => return stop(PushError::Unreadable { path: path.to_owned(), source }),
            Ok(0) => return stop(damaged(check.short())),
            Ok(_) => {}
        }
        // One byte too many is noticed here, before the last right one has gone.
        let mut verdict = check.pass(&buffer);
        if matches!(verdict, Some(Ok(()))) && file.metadata().is_ok_and(|metadata| metadata.len() != blob.size) {
            verdict = Some(Err(format!("it does not have {} bytes", blob.size)));
        }
        match verdict {
            Some(Err(what)) => return stop(damaged(what)),
            verdict => {
                if sender.blocking_send(Ok(buffer.into())).is_err() || verdict.is_some() {
                    return;
                }
            }
        }
    }
}

/// Feeds a blob of another registry to an upload.
async fn read_response(
    client: &Client,
    mut response: reqwest::Response,
    from: &Repository,
    blob: &Descriptor,
    sender: &mpsc::Sender<Result<Bytes, Stop>>,
    fault: &Fault,
) {
    let asked = format!("request for blob {} of {from}", blob.digest);
    let mut check = Check::new(blob);
    let damaged =
        |what| PushError::Base(RegistryError::Damaged { repository: from.clone(), wanted: blob.digest, what });
    let error = loop {
        match client.chunk(from.registry(), &mut response, &asked).await {
            // A transient fault of the source begins the upload anew.
            Err(error) if error.is_transient() => break PushError::Registry(error),
            Err(error) => break PushError::Base(error),
            Ok(None) => break damaged(check.short()),
            Ok(Some(chunk)) => match check.pass(&chunk) {
                Some(Err(what)) => break damaged(what),
                verdict => {
                    if sender.send(Ok(chunk)).await.is_err() || verdict.is_some() {
                        return;
                    }
                }
            },
        }
    };
    set(fault, error);
    let _ = sender.send(Err(Stop)).await;
}
