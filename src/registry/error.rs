//! What can go wrong between here and a registry.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use super::{Registry, Repository, retry};
use crate::image::Digest;

/// The most that is read of an error's body.
pub const MAX_ERROR_BODY: usize = 64 * 1024;

/// A registry's answer that is not a success.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub registry: Registry,
    /// What was asked: `upload of blob sha256:… to example.com/app`.
    pub asked: String,
    pub status: u16,
    /// The first error's code (distribution-spec, "Error Codes"): `NAME_UNKNOWN`.
    pub code: Option<String>,
    /// The registry's own words, control characters removed.
    pub message: String,
    pub retry_after: Option<Duration>,
    /// Where credentials were looked for in vain.
    pub tried: Vec<String>,
}

#[derive(Deserialize)]
struct Body {
    errors: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl Refusal {
    /// Reads the body of an error, whatever it is.
    pub fn read(registry: Registry, asked: String, status: u16, body: &[u8], retry_after: Option<Duration>) -> Self {
        let clean = |text: &str| -> String {
            text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect::<String>().trim().to_owned()
        };
        let (code, message) =
            match serde_json::from_slice::<Body>(body).ok().and_then(|body| body.errors.into_iter().next()) {
                Some(entry) => (Some(clean(&entry.code)).filter(|code| !code.is_empty()), clean(&entry.message)),
                None => (None, clean(&String::from_utf8_lossy(body))),
            };
        Refusal { registry, asked, status, code, message, retry_after, tried: Vec::new() }
    }

    pub fn is_code(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// Whether it speaks of who asks, rather than of what is asked for.
    pub(super) fn is_about_credentials(&self) -> bool {
        matches!(self.code.as_deref(), None | Some("UNAUTHORIZED" | "DENIED"))
    }

    /// What the user may do about it.
    fn hint(&self) -> Option<&'static str> {
        match (self.status, self.code.as_deref()) {
            (_, Some("NAME_UNKNOWN")) => Some(NO_REPOSITORY),
            (401 | 403, _) => Some("the credentials are missing, expired, or lack the permission for this repository"),
            (413, _) => Some("a limit of the registry, or of a proxy before it, is too low for this blob"),
            (429, _) => Some("the registry limits the rate of requests: log in, or use a mirror"),
            _ => None,
        }
    }
}

/// What registries mean when they close a connection instead of naming the reason.
pub(super) const NO_REPOSITORY: &str = "the repository may not exist, or the credentials may lack the permission to \
    upload to it (ECR: ecr:InitiateLayerUpload)";

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answered {} to the {}", self.registry, self.status, self.asked)?;
        self.code.iter().try_for_each(|code| write!(f, ": {code}"))?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        self.hint().iter().try_for_each(|hint| write!(f, "; {hint}"))?;
        if !self.tried.is_empty() {
            write!(f, " (credentials: {})", self.tried.join("; "))?;
        }
        Ok(())
    }
}

/// Why a registry did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("{0}")]
    Refused(Box<Refusal>),
    #[error("{registry} asks for credentials, and there are none for it{}", tried_in(tried))]
    NoCredentials { registry: Registry, tried: Vec<String> },
    #[error("{registry} does not speak a kind of authentication that shipit knows: '{challenge}'")]
    UnknownChallenge { registry: Registry, challenge: String },
    #[error("the {asked}: the connection to {registry} failed: {cause}{}", if *upload { format!("; {NO_REPOSITORY}") } else { String::new() })]
    Connection { registry: Registry, asked: String, cause: String, upload: bool },
    #[error("the {asked}: {registry} was silent for {} s", idle.as_secs_f32())]
    Silent { registry: Registry, asked: String, idle: Duration },
    #[error("{registry} names '{location}' as the next address, which is refused: {why}")]
    Misdirected { registry: Registry, location: String, why: &'static str },
    #[error("{registry} answered the {asked} with something else than the protocol says: {what}")]
    Unexpected { registry: Registry, asked: String, what: String },
    #[error("{repository}: the content of {wanted} does not match: {what}; the registry's copy is damaged")]
    Damaged { repository: Repository, wanted: Digest, what: String },
    #[error("{reference} has no image for {wanted}; it has {}", if available.is_empty() { "none for any platform".to_owned() } else { available.join(", ") })]
    MissingPlatform { reference: String, wanted: String, available: Vec<String> },
    #[error("{reference} is not a container image: {what}")]
    NotAnImage { reference: String, what: String },
    #[error("what was pulled cannot be written: {0}")]
    Write(#[source] std::io::Error),
    #[error("{source} (tried {attempts} times)")]
    GaveUp { attempts: u32, source: Box<RegistryError> },
}

fn tried_in(tried: &[String]) -> String {
    if tried.is_empty() { String::new() } else { format!(" ({})", tried.join("; ")) }
}

impl RegistryError {
    /// The registry's answer, if there was one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            RegistryError::Refused(refusal) => Some(refusal),
            RegistryError::GaveUp { source, .. } => source.refusal(),
            _ => None,
        }
    }

    pub fn status(&self) -> Option<u16> {
        self.refusal().map(|refusal| refusal.status)
    }

    /// Whether the same may succeed a moment later.
    pub fn is_transient(&self) -> bool {
        match self {
            RegistryError::Refused(refusal) => retry::RETRYABLE.contains(&refusal.status),
            RegistryError::Connection { .. } | RegistryError::Silent { .. } => true,
            _ => false,
        }
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.refusal().and_then(|refusal| refusal.retry_after)
    }

    /// The error as it is told after the last try.
    pub(super) fn after(self, attempts: u32) -> Self {
        if attempts < 2 { self } else { RegistryError::GaveUp { attempts, source: Box::new(self) } }
    }
}
