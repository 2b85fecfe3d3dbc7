//! Who the client is to one registry: found out when it asks, kept, and renewed when it refuses.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use http::HeaderValue;
use http::header::WWW_AUTHENTICATE;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use super::challenge::{self, Challenge};
use super::transport::{Body, Client, Notice, Request};
use super::{CredentialSource, Credentials, Refusal, Registry, RegistryError, Repository, redirect};

/// How often short-lived credentials are renewed, at most, because of an answer that may have had other reasons.
const RENEWAL_PAUSE: Duration = Duration::from_secs(60);
/// How long a token lives whose answer does not say it (distribution-spec, token authentication).
const TOKEN_LIFE: u64 = 60;

/// What a request needs access to: the scopes of its bearer token, sorted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope(Vec<String>);

impl Scope {
    pub fn pull(repository: &Repository) -> Self {
        Scope(vec![format!("repository:{}:pull", repository.name())])
    }

    /// Pushing to `repository`, with blobs mounted from others of the same registry.
    pub fn push<'a>(repository: &Repository, sources: impl Iterator<Item = &'a Repository>) -> Self {
        let mut scopes = vec![format!("repository:{}:pull,push", repository.name())];
        let others = sources.filter(|other| other.registry() == repository.registry() && *other != repository);
        scopes.extend(others.map(|other| format!("repository:{}:pull", other.name())));
        scopes.sort();
        scopes.dedup();
        Scope(scopes)
    }
}

/// What is known about authentication to one registry.
pub struct Session {
    pub registry: Registry,
    pub base: Url,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Grows with each change, so that of many requests refused at once only the first one renews anything.
    generation: u64,
    challenge: Option<Challenge>,
    found: Option<Found>,
    tokens: HashMap<Scope, (HeaderValue, Instant)>,
    /// Whether the sources that are a second choice are asked too.
    all_sources: bool,
    renewed: Option<Instant>,
}

#[derive(Clone, Default)]
struct Found {
    credentials: Option<Credentials>,
    source: Option<Arc<dyn CredentialSource>>,
    tried: Vec<String>,
}

/// The header for a request, and the state of knowledge that it comes from.
pub struct Authorization {
    pub header: Option<HeaderValue>,
    pub generation: u64,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Session {
    pub fn new(registry: Registry, base: Url) -> Self {
        Session { registry, base, state: Mutex::default() }
    }

    /// What to send with a request for `scope`.
    pub async fn authorization(&self, client: &Client, scope: &Scope) -> Result<Authorization, RegistryError> {
        let mut state = self.state.lock().await;
        let generation = state.generation;
        let header = match state.challenge.clone() {
            None => None,
            Some(Challenge::Basic) => {
                let found = self.find(client, &mut state, false).await;
                match found.credentials {
                    Some(Credentials::Basic { username, password }) => Some(basic(&username, &password)),
                    Some(Credentials::RegistryToken(token)) => bearer(&token),
                    _ => {
                        return Err(RegistryError::NoCredentials {
                            registry: self.registry.clone(),
                            tried: found.tried,
                        });
                    }
                }
            }
            Some(Challenge::Bearer { realm, service }) => {
                let kept = state.tokens.get(scope).filter(|(_, until)| *until > Instant::now());
                match kept {
                    Some((header, _)) => Some(header.clone()),
                    None => {
                        let found = self.find(client, &mut state, false).await;
                        let (header, life) = self.token(client, &found, &realm, service.as_deref(), scope).await?;
                        state.tokens.insert(scope.clone(), (header.clone(), Instant::now() + life));
                        Some(header)
                    }
                }
            }
        };
        Ok(Authorization { header, generation })
    }

    /// Learns from a refusal. True: ask again, something has changed.
    pub async fn refused(
        &self,
        client: &Client,
        sent: &Authorization,
        headers: &http::HeaderMap,
        refusal: &mut Refusal,
    ) -> Result<bool, RegistryError> {
        if !matches!(refusal.status, 400 | 401 | 403) {
            return Ok(false);
        }
        let mut state = self.state.lock().await;
        if state.generation != sent.generation {
            return Ok(true);
        }
        if refusal.status == 401 && state.challenge.is_none() {
            let texts: Vec<&str> =
                headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).collect();
            let Some(challenge) = challenge::parse(texts.iter().copied()) else {
                let challenge = texts.join(", ").chars().take(200).collect();
                return Err(RegistryError::UnknownChallenge { registry: self.registry.clone(), challenge });
            };
            state.challenge = Some(challenge);
            state.generation += 1;
            return Ok(true);
        }
        let second = |source: &&Arc<dyn CredentialSource>| source.is_second_choice_for(&self.registry);
        if !state.all_sources && client.sources().iter().any(|source| second(&source)) && refusal.is_about_credentials()
        {
            state.all_sources = true;
            state.found = None;
            state.tokens.clear();
            state.generation += 1;
            return Ok(true);
        }
        let found = state.found.clone().unwrap_or_default();
        refusal.tried = found.tried.clone();
        let pause_over = state.renewed.is_none_or(|renewed| renewed.elapsed() >= RENEWAL_PAUSE);
        let refreshable = found.source.as_ref().is_some_and(|source| source.is_refreshable());
        // A token may have run out however young it is; other credentials are renewed only once in a while.
        let bearer = matches!(state.challenge, Some(Challenge::Bearer { .. }));
        let renew = match refusal.status {
            401 => found.credentials.is_some() && pause_over || bearer,
            _ => refreshable && pause_over && refusal.is_about_credentials(),
        };
        if renew {
            state.tokens.clear();
            if pause_over && found.credentials.is_some() {
                state.renewed = Some(Instant::now());
                self.find(client, &mut state, true).await;
            }
            state.generation += 1;
        }
        Ok(renew)
    }

    /// Asks the sources in order; the answer is kept.
    async fn find(&self, client: &Client, state: &mut State, refresh: bool) -> Found {
        if let (Some(found), false) = (&state.found, refresh) {
            return found.clone();
        }
        let mut found = Found::default();
        for source in client.sources() {
            if source.is_second_choice_for(&self.registry) && !state.all_sources {
                continue;
            }
            match source.credentials(&self.registry, refresh).await {
                Ok(Some(credentials)) => {
                    client.notify(&Notice::CredentialsFrom { registry: self.registry.clone(), source: source.name() });
                    found.credentials = Some(credentials);
                    found.source = Some(Arc::clone(source));
                    break;
                }
                Ok(None) => found.tried.push(format!("{}: none", source.name())),
                Err(error) => {
                    client.notify(&Notice::SourceFailed { source: source.name(), error: error.clone() });
                    found.tried.push(format!("{}: {error}", source.name()));
                }
            }
        }
        state.found = Some(found.clone());
        found
    }

    /// Fetches a bearer token.
    async fn token(
        &self,
        client: &Client,
        found: &Found,
        realm: &str,
        service: Option<&str>,
        scope: &Scope,
    ) -> Result<(HeaderValue, Duration), RegistryError> {
        let asked = "request for a bearer token".to_owned();
        let unexpected = |what: &str| RegistryError::Unexpected {
            registry: self.registry.clone(),
            asked: asked.clone(),
            what: what.to_owned(),
        };
        if let Some(Credentials::RegistryToken(token)) = &found.credentials {
            return Ok((bearer(token).ok_or_else(|| unexpected("an illegal token"))?, Duration::from_secs(TOKEN_LIFE)));
        }
        let mut url = redirect::target(&self.registry, client.insecure(), &self.base, realm)?;
        let mut request = Request { method: http::Method::GET, headers: Vec::new(), body: Body::Empty };
        let pairs = service.map(|service| ("service", service)).into_iter();
        let pairs: Vec<(&str, &str)> = pairs.chain(scope.0.iter().map(|scope| ("scope", &**scope))).collect();
        match &found.credentials {
            Some(Credentials::IdentityToken(token)) => {
                // OAuth 2 takes all scopes in one parameter, separated by spaces.
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                form.append_pair("grant_type", "refresh_token").append_pair("client_id", "shipit");
                form.append_pair("refresh_token", token).append_pair("scope", &scope.0.join(" "));
                form.extend_pairs(service.map(|service| ("service", service)));
                request.method = http::Method::POST;
                let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
                request.headers.push((http::header::CONTENT_TYPE, kind));
                request.body = Body::Bytes(form.finish().into());
            }
            other => {
                url.query_pairs_mut().extend_pairs(pairs);
                if let Some(Credentials::Basic { username, password }) = other {
                    request.headers.push((http::header::AUTHORIZATION, basic(username, password)));
                }
            }
        }
        let response = client.ask_realm(&self.registry, &url, &request, &asked).await.map_err(|error| match error {
            RegistryError::Refused(mut refusal) => {
                refusal.tried = found.tried.clone();
                RegistryError::Refused(refusal)
            }
            other => other,
        })?;
        let answer: TokenAnswer =
            serde_json::from_slice(&response).map_err(|error| unexpected(&format!("no token ({error})")))?;
        let token = answer.token.or(answer.access_token).filter(|token| !token.is_empty());
        let header = token.and_then(|token| bearer(&token)).ok_or_else(|| unexpected("no token"))?;
        // Not used in its last tenth, for clocks and for requests on their way.
        let life = answer.expires_in.unwrap_or(TOKEN_LIFE).clamp(TOKEN_LIFE, 86_400);
        Ok((header, Duration::from_secs(life) * 9 / 10))
    }
}

fn basic(username: &str, password: &str) -> HeaderValue {
    let text = base64::engine::general_purpose::STANDARD.encode(format!("{username}:{password}"));
    let mut value =
        HeaderValue::try_from(format!("Basic {text}")).unwrap_or_else(|_| HeaderValue::from_static("Basic"));
    value.set_sensitive(true);
    value
}

fn bearer(token: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}
