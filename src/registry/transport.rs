//! The client: requests with authentication, redirects, retries and bounded waits.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{AUTHORIZATION, LOCATION, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Method};
use url::Url;

use super::auth::{Scope, Session};
use super::error::MAX_ERROR_BODY;
use super::retry::{Backoff, retry_after};
use super::{CredentialError, CredentialSource, Refusal, Registry, RegistryError, RetryPolicy, redirect};

/// How often one request is sent because of authentication: bare, known, with second-choice credentials, renewed.
const MAX_AUTH_TRIES: usize = 4;

/// Something that users may want to know of.
#[derive(Debug, Clone)]
pub enum Notice {
    CredentialsFrom { registry: Registry, source: String },
    SourceFailed { source: String, error: CredentialError },
}

/// Where the API of a registry is: `host[:port]`, or none where it is at the registry's own host.
pub type Endpoint = dyn Fn(&Registry) -> Option<String> + Send + Sync;

/// Who is told of notices.
pub type Listener = Arc<dyn Fn(&Notice) + Send + Sync>;

/// How a client behaves.
#[derive(Clone)]
pub struct ClientOptions {
    /// Hosts (`host[:port]`, without a port: at any) that are spoken to in plain http, and trusted as targets of redirects. Loopback hosts
    /// are spoken to in plain http in any case.
    pub insecure: Vec<String>,
    /// Tells the `host[:port]` that answers for a registry in the registry API, where that is not its own.
    pub endpoint: Option<Arc<Endpoint>>,
    pub retry: RetryPolicy,
    /// How long the other side may be silent.
    pub idle_timeout: Duration,
    /// Uploads at once.
    pub parallel: usize,
    /// Who is told where credentials came from.
    pub notice: Option<Listener>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        ClientOptions {
            insecure: Vec::new(),
            endpoint: None,
            retry: RetryPolicy::default(),
            idle_timeout: Duration::from_secs(60),
            parallel: 4,
            notice: None,
        }
    }
}

/// A client of any number of registries. Cheap to clone; clones share what they know.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    http: reqwest::Client,
    options: ClientOptions,
    sources: Vec<Arc<dyn CredentialSource>>,
    sessions: Mutex<HashMap<Registry, Arc<Session>>>,
}

/// What is sent, but for its address and credentials.
pub struct Request {
    pub method: Method,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Body,
}

impl Request {
    pub fn new(method: Method) -> Self {
        Request { method, headers: Vec::new(), body: Body::Empty }
    }

    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        // Values come from parsed types; one that is no legal header value is left out.
        self.headers.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
        self
    }
}

pub enum Body {
    Empty,
    Bytes(Bytes),
}

impl Client {
    /// `http` must follow no redirects itself (see [`crate::http::client`]).
    pub fn new(http: reqwest::Client, options: ClientOptions, sources: Vec<Arc<dyn CredentialSource>>) -> Self {
        Client(Arc::new(Inner { http, options, sources, sessions: Mutex::default() }))
    }

    pub(super) fn http(&self) -> &reqwest::Client {
        &self.0.http
    }

    pub(super) fn options(&self) -> &ClientOptions {
        &self.0.options
    }

    pub(super) fn insecure(&self) -> &[String] {
        &self.0.options.insecure
    }

    pub(super) fn sources(&self) -> &[Arc<dyn CredentialSource>] {
        &self.0.sources
    }

    pub(super) fn notify(&self, notice: &Notice) {
        if let Some(tell) = &self.0.options.notice {
            tell(notice);
        }
    }

    /// What is known of `registry`.
    pub(super) fn session(&self, registry: &Registry) -> Result<Arc<Session>, RegistryError> {
        let mut sessions = self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = sessions.get(registry) {
            return Ok(Arc::clone(session));
        }
        let endpoint = self.0.options.endpoint.as_ref().and_then(|endpoint| endpoint(registry));
        let host = endpoint.as_deref().unwrap_or(registry.api_host());
        let illegal = |what: String| RegistryError::Unexpected {
            registry: registry.clone(),
            asked: "settings for its address".to_owned(),
            what,
        };
        let parsed: Registry = host.parse().map_err(|error| illegal(format!("{error}")))?;
        let plain = parsed.is_loopback() || self.insecure().iter().any(|name| name == host || name == parsed.host());
        let scheme = if plain { "http" } else { "https" };
        let base = Url::parse(&format!("{scheme}://{host}/v2/")).map_err(|error| illegal(error.to_string()))?;
        let session = Arc::new(Session::new(registry.clone(), base));
        sessions.insert(registry.clone(), Arc::clone(&session));
        Ok(session)
    }

    /// Sends until there is an answer that is a success, or one that will not become one.
    pub(super) async fn ask(
        &self,
        session: &Session,
        scope: &Scope,
        path: &str,
        request: &Request,
        asked: &str,
    ) -> Result<reqwest::Response, RegistryError> {
        let url = self.url(session, path, asked)?;
        let mut backoff = Backoff::new(&self.0.options.retry);
        loop {
            match self.ask_once(session, scope, &url, request, asked).await {
                Err(error) if error.is_transient() => {
                    if !backoff.wait(error.retry_after()).await {
                        return Err(error.after(backoff.attempt));
                    }
                }
                result => return result,
            }
        }
    }

    pub(super) fn url(&self, session: &Session, path: &str, asked: &str) -> Result<Url, RegistryError> {
        session.base.join(path).map_err(|error| RegistryError::Unexpected {
            registry: session.registry.clone(),
            asked: asked.to_owned(),
            what: error.to_string(),
        })
    }

    /// Sends once, but for what authentication needs.
    pub(super) async fn ask_once(
        &self,
        session: &Session,
        scope: &Scope,
        url: &Url,
        request: &Request,
        asked: &str,
    ) -> Result<reqwest::Response, RegistryError> {
        let mut tries = 1;
        loop {
            let authorization = session.authorization(self, scope).await?;
            let response = self.follow(&session.registry, url, request, authorization.header.as_ref(), asked).await?;
            if response.status().is_success() {
                return Ok(response);
            }
            let headers = response.headers().clone();
            let mut refusal = self.refusal(&session.registry, response, asked).await;
            if tries < MAX_AUTH_TRIES && session.refused(self, &authorization, &headers, &mut refusal).await? {
                tries += 1;
                continue;
            }
            return Err(RegistryError::Refused(Box::new(refusal)));
        }
    }

    /// Asks a token's realm; it has its own credentials and few bytes to say.
    pub(super) async fn ask_realm(
        &self,
        registry: &Registry,
        url: &Url,
        request: &Request,
        asked: &str,
    ) -> Result<Vec<u8>, RegistryError> {
        let mut backoff = Backoff::new(&self.0.options.retry);
        loop {
            let result = async {
                let response = self.follow(registry, url, request, None, asked).await?;
                if !response.status().is_success() {
                    return Err(RegistryError::Refused(Box::new(self.refusal(registry, response, asked).await)));
                }
                self.read(registry, response, 1 << 20, asked).await
            };
            match result.await {
                Err(error) if error.is_transient() => {
                    if !backoff.wait(error.retry_after()).await {
                        return Err(error.after(backoff.attempt));
                    }
                }
                result => return result,
            }
        }
    }

    /// Sends, and follows redirects of requests that only read. Credentials stay with the host that they are for.
    async fn follow(
        &self,
        registry: &Registry,
        url: &Url,
        request: &Request,
        authorization: Option<&HeaderValue>,
        asked: &str,
    ) -> Result<reqwest::Response, RegistryError> {
        let mut at = url.clone();
        let mut trusted = true;
        for _ in 0..=redirect::MAX_REDIRECTS {
            let mut builder = self.http().request(request.method.clone(), at.clone());
            for (name, value) in &request.headers {
                if trusted || *name != AUTHORIZATION {
                    builder = builder.header(name, value);
                }
            }
            if let (Some(value), true) = (authorization, trusted) {
                builder = builder.header(AUTHORIZATION, value);
            }
            if let Body::Bytes(bytes) = &request.body {
                builder = builder.body(bytes.clone());
            } else if request.method == Method::POST {
                builder = builder.header(http::header::CONTENT_LENGTH, 0);
            }
            let upload = request.method == Method::POST || request.method == Method::PUT;
            let response = self.bounded(registry, asked, builder.send()).await?;
            let response = response.map_err(|error| connection(registry, asked, &error, upload))?;
            let reads = request.method == Method::GET || request.method == Method::HEAD;
            if !reads || !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            let Some(location) = response.headers().get(LOCATION).and_then(|value| value.to_str().ok()) else {
                return Ok(response);
            };
            let next = redirect::target(registry, self.insecure(), &at, location)?;
            // Once away, never trusted again: the other host could send the request back with an address of its own.
            trusted = trusted && redirect::same_origin(&next, url);
            at = next;
        }
        let what = format!("more than {} redirects", redirect::MAX_REDIRECTS);
        Err(RegistryError::Unexpected { registry: registry.clone(), asked: asked.to_owned(), what })
    }

    /// Waits for one sign of life.
    pub(super) async fn bounded<F: Future>(
        &self,
        registry: &Registry,
        asked: &str,
        future: F,
    ) -> Result<F::Output, RegistryError> {
        let idle = self.0.options.idle_timeout;
        tokio::time::timeout(idle, future).await.map_err(|_| RegistryError::Silent {
            registry: registry.clone(),
            asked: asked.to_owned(),
            idle,
        })
    }

    /// The next piece of a body.
    pub(super) async fn chunk(
        &self,
        registry: &Registry,
        response: &mut reqwest::Response,
        asked: &str,
    ) -> Result<Option<Bytes>, RegistryError> {
        let chunk = self.bounded(registry, asked, response.chunk()).await?;
        chunk.map_err(|error| connection(registry, asked, &error, false))
    }

    /// A whole body of at most `limit` bytes.
    pub(super) async fn read(
        &self,
        registry: &Registry,
        mut response: reqwest::Response,
        limit: usize,
        asked: &str,
    ) -> Result<Vec<u8>, RegistryError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk(registry, &mut response, asked).await? {
            if bytes.len() + chunk.len() > limit {
                let what = format!("more than {limit} bytes");
                return Err(RegistryError::Unexpected { registry: registry.clone(), asked: asked.to_owned(), what });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// Reads an answer that is not a success; a body that breaks off is taken as far as it came.
    pub(super) async fn refusal(&self, registry: &Registry, mut response: reqwest::Response, asked: &str) -> Refusal {
        let status = response.status().as_u16();
        let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let wait = header.and_then(|header| retry_after(header, SystemTime::now()));
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = self.chunk(registry, &mut response, asked).await {
            body.extend_from_slice(&chunk[..chunk.len().min(MAX_ERROR_BODY - body.len())]);
            if body.len() == MAX_ERROR_BODY {
                break;
            }
        }
        Refusal::read(registry.clone(), asked.to_owned(), status, &body, wait)
    }
}

/// A failed connection, with the innermost reason and without the address, whose query may hold secrets.
pub(super) fn connection(registry: &Registry, asked: &str, error: &reqwest::Error, upload: bool) -> RegistryError {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let cause = causes.last().map_or_else(|| "the request could not be sent".to_owned(), ToString::to_string);
    // Failing to connect at all says nothing about a repository.
    let upload = upload && !error.is_connect();
    RegistryError::Connection { registry: registry.clone(), asked: asked.to_owned(), cause, upload }
}
