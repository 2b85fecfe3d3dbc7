//! What a client shows a registry of itself, and who knows it.

use std::fmt;

use futures_util::future::BoxFuture;

use super::Registry;

/// Secrets for one registry. Their `Debug` form is redacted.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A user's name and password, for Basic authentication and for fetching bearer tokens.
    Basic { username: String, password: String },
    /// An OAuth 2 refresh token (`identitytoken` in Docker's configuration), to be changed into bearer tokens.
    IdentityToken(String),
    /// A bearer token, sent as it is (`registrytoken` in Docker's configuration).
    RegistryToken(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Credentials::Basic { .. } => "Credentials::Basic(redacted)",
            Credentials::IdentityToken(_) => "Credentials::IdentityToken(redacted)",
            Credentials::RegistryToken(_) => "Credentials::RegistryToken(redacted)",
        })
    }
}

/// Why a source that should have had credentials has none. Must hold no secrets: it is shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CredentialError(pub String);

/// Somebody who may have credentials for a registry. A client asks its sources in order, when the registry asks for
/// authentication; one that fails is told to the user and the next one is asked.
pub trait CredentialSource: Send + Sync {
    /// The credentials for `registry`, or none if it is not this source's. `refresh`: the registry has refused what
    /// was given before, so nothing that was kept may be used.
    fn credentials<'a>(
        &'a self,
        registry: &'a Registry,
        refresh: bool,
    ) -> BoxFuture<'a, Result<Option<Credentials>, CredentialError>>;

    /// What users are told: `ECR`, `/home/me/.docker/config.json`.
    fn name(&self) -> String;

    /// Whether asking again may help where a registry answers 400 or 403, as those of short-lived tokens do.
    fn is_refreshable(&self) -> bool {
        false
    }

    /// Whether this registry serves most readers without credentials, so that these are asked for only when it has
    /// refused a bearer token that was had without any.
    fn is_second_choice_for(&self, _registry: &Registry) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_no_secret() {
        let basic = Credentials::Basic { username: "ann".into(), password: "hush".into() };
        let all = [basic, Credentials::IdentityToken("hush".into()), Credentials::RegistryToken("hush".into())];
        assert!(all.iter().all(|credentials| !format!("{credentials:?}").contains("hush")));
    }
}
