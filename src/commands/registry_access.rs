//! The registry client as the settings say: which hosts, which credentials.

use std::path::PathBuf;
use std::sync::Arc;

use crate::aws::config::Aws;
use crate::aws::ecr::{self, EcrHost, Wanted};
use crate::aws::ecr_credentials::EcrCredentials;
use crate::aws::error::AwsError;
use crate::registry::{Client, ClientOptions, CredentialSource, DockerConfig, Endpoint, Notice, Reference, Repository};
use crate::report::{CommandError, ErrorKind, Report};
use crate::settings::Settings;

/// A client for every registry that the road touches: the base's, and the one that is pushed to.
pub fn client(report: &Report, settings: &Settings) -> Result<Client, CommandError> {
    let http = http_client()?;
    let registry = &settings.registry;
    let endpoint = registry.ecr_endpoint.clone().map(|endpoint| -> Arc<Endpoint> {
        Arc::new(move |registry| ecr::is_ecr(registry.as_str()).then(|| endpoint.clone()))
    });
    let told = report.clone();
    let usual = ClientOptions::default();
    let options = ClientOptions {
        idle_timeout: registry.timeout.unwrap_or(usual.idle_timeout),
        insecure: registry.insecure.clone().unwrap_or_default(),
        endpoint,
        notice: Some(Arc::new(move |notice| match notice {
            Notice::CredentialsFrom { registry, source } => {
                told.detail(format!("credentials for {registry}: {source}"))
            }
            Notice::SourceFailed { source, error } => told.warn(format!("no credentials from {source}: {error}")),
        })),
        ..usual
    };
    let ecr = EcrCredentials::new(http.clone(), registry.region.clone(), registry.profile.clone());
    let mut sources: Vec<Arc<dyn CredentialSource>> = vec![Arc::new(ecr)];
    for file in DockerConfig::usual(|name| std::env::var_os(name).map(PathBuf::from)) {
        sources.push(Arc::new(file));
    }
    Ok(Client::new(http, options, sources))
}

/// AWS, as the settings say.
pub async fn aws(settings: &Settings) -> Result<Aws, CommandError> {
    let registry = &settings.registry;
    Aws::load(http_client()?, registry.region.clone(), registry.profile.clone()).await.map_err(|error| match error {
        AwsError::NoRegion => ErrorKind::Usage.error(error),
        error => refused(error),
    })
}

fn http_client() -> Result<crate::http::Client, CommandError> {
    crate::http::client().map_err(|error| ErrorKind::Other.error(error))
}

/// An error of a stage that asked a registry or AWS.
pub fn refused(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> CommandError {
    ErrorKind::Refused.error(error)
}

/// What to do where a repository is missing in ECR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfMissing {
    Create,
    /// Say that it would be created.
    Foresee,
    Fail,
}

/// The repository of the setting `registry.repository`.
pub async fn target(report: &Report, settings: &Settings, missing: IfMissing) -> Result<Repository, CommandError> {
    let Some(name) = &settings.registry.repository else {
        return Err(ErrorKind::Usage
            .error("no repository is set, so there is nowhere to push to")
            .hint("set [registry] repository in shipit.toml, or --repository: the name of an ECR repository, or a full reference"));
    };
    let usage = |error| ErrorKind::Usage.error(format!("{}: {error}", settings.describe("registry.repository")));
    // A reference without a tag is read as one with the tag `latest`, so the text itself tells.
    if name.rsplit('/').next().is_some_and(|last| last.contains([':', '@'])) {
        return Err(usage(format!("'{name}' has a tag or digest; the tag is made by shipit")));
    }
    // A first part with a dot or a colon, or localhost, is a host (distribution's reference grammar); anything else
    // is a repository of the account's own registry.
    let host =
        name.split_once('/').map(|(host, _)| host).filter(|host| host.contains(['.', ':']) || *host == "localhost");
    let (registry, path) = match host {
        Some(host) => match host.parse::<EcrHost>() {
            Ok(ecr) => (Some(ecr), &name[host.len() + 1..]),
            Err(_) => {
                // A tag or digest is refused: the tag is made by shipit.
                return name.parse().map_err(|error| usage(format!("{error}")));
            }
        },
        None => (None, name.as_str()),
    };
    let aws = aws(settings).await?;
    let wanted = Wanted { registry: registry.as_ref(), name: path };
    let found = match missing {
        IfMissing::Create => ecr::ensure_repository(&aws, wanted).await,
        IfMissing::Foresee => ecr::foresee_repository(&aws, wanted).await,
        IfMissing::Fail => ecr::describe_repository(&aws, wanted).await,
    }
    .map_err(refused)?;
    if found.created {
        let verb = if missing == IfMissing::Create { "Created" } else { "Would create" };
        report.step(verb, format!("the repository {} (immutable tags, scan on push)", found.uri));
    }
    let reference: Reference = found.uri.parse().map_err(|error| usage(format!("{error}")))?;
    Ok(reference.repository().clone())
}
