//! ECR as a source of registry credentials.

use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

use super::config::Aws;
use super::ecr::{self, EcrHost};
use crate::registry::{CredentialError, CredentialSource, Credentials, Registry};

/// Gives GetAuthorizationToken's answer for private ECR hosts, and nothing for others. AWS is set up at the first
/// question, so that whoever never meets an ECR host needs no AWS credentials.
pub struct EcrCredentials {
    http: reqwest::Client,
    region: Option<String>,
    profile: Option<String>,
    /// The token lives for 12 hours, longer than any push; by region, as accounts share it.
    kept: Mutex<Vec<(String, Credentials)>>,
}

impl EcrCredentials {
    pub fn new(http: reqwest::Client, region: Option<String>, profile: Option<String>) -> Self {
        EcrCredentials { http, region, profile, kept: Mutex::new(Vec::new()) }
    }
}

impl CredentialSource for EcrCredentials {
    fn credentials<'a>(
        &'a self,
        registry: &'a Registry,
        refresh: bool,
    ) -> BoxFuture<'a, Result<Option<Credentials>, CredentialError>> {
        Box::pin(async move {
            let Ok(host) = registry.as_str().parse::<EcrHost>() else { return Ok(None) };
            // Held while asking, so that uploads in parallel fetch one token.
            let mut kept = self.kept.lock().await;
            if refresh {
                kept.retain(|(region, _)| region != host.region());
            }
            if let Some((_, credentials)) = kept.iter().find(|(region, _)| region == host.region()) {
                return Ok(Some(credentials.clone()));
            }
            let failed = |error: super::error::AwsError| CredentialError(error.to_string());
            let region = self.region.clone().unwrap_or_else(|| host.region().to_owned());
            let aws = Aws::load(self.http.clone(), Some(region), self.profile.clone()).await.map_err(failed)?;
            let token = ecr::authorization_token(&aws, host.region()).await.map_err(failed)?;
            let credentials = Credentials::Basic { username: token.user, password: token.password };
            kept.push((host.region().to_owned(), credentials.clone()));
            Ok(Some(credentials))
        })
    }

    fn name(&self) -> String {
        "ECR (GetAuthorizationToken)".to_owned()
    }

    fn is_refreshable(&self) -> bool {
        true
    }
}
