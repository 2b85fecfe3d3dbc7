//! Region, profile and credentials, found where every AWS tool looks for them.

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::imds;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{Region, SdkConfig};

use super::connector::Connector;
use super::error::AwsError;

/// A machine that is no EC2 instance has no metadata service, and often a network that swallows the question.
const METADATA_TIMEOUT: Duration = Duration::from_millis(800);

/// Bounds one attempt of one call; AWS answers these calls within a few seconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(60);

/// How often a throttled or failed call is tried, unless AWS_MAX_ATTEMPTS says otherwise. More than the SDK's three:
/// RegisterTaskDefinition refills at one a second for the whole account.
const ATTEMPTS: u32 = 6;

/// An account in a region, with credentials. Cheap to clone.
///
/// AWS_ENDPOINT_URL, and AWS_ENDPOINT_URL_ECR, _ECS and _CLOUDWATCH_LOGS, redirect the calls, as `endpoint_url` in a
/// profile does.
#[derive(Debug, Clone)]
pub struct Aws {
    config: SdkConfig,
    region: String,
}

impl Aws {
    /// Finds region and credentials. Region: `region`, AWS_REGION, AWS_DEFAULT_REGION, the profile, the EC2 instance.
    /// Credentials: environment, profile (keys, roles, SSO, a process), web identity, ECS container, EC2 instance;
    /// they are fetched by the first call that needs them, see [`Aws::check_credentials`].
    ///
    /// # Errors
    /// [`AwsError::NoRegion`] where none is set; [`AwsError::Http`] where no HTTP client can be made.
    pub async fn load(
        http: reqwest::Client,
        region: Option<String>,
        profile: Option<String>,
    ) -> Result<Self, AwsError> {
        let connector = Connector::new(http).map_err(AwsError::Http)?;
        let provider = ProviderConfig::without_region().with_http_client(connector.clone());
        let metadata = imds::Client::builder()
            .configure(&provider)
            .max_attempts(1)
            .connect_timeout(METADATA_TIMEOUT)
            .read_timeout(METADATA_TIMEOUT)
            .operation_timeout(METADATA_TIMEOUT * 2)
            .operation_attempt_timeout(METADATA_TIMEOUT * 2)
            .build();

        let region = find_region(&provider, &metadata, region, profile.as_deref()).await.ok_or(AwsError::NoRegion)?;
        let mut chain =
            DefaultCredentialsChain::builder().configure(provider).region(region.clone()).imds_client(metadata);
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(connector)
            .region(region.clone())
            .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build());
        if let Some(profile) = &profile {
            chain = chain.profile_name(profile);
            loader = loader.profile_name(profile);
        }
        if std::env::var_os("AWS_MAX_ATTEMPTS").is_none() {
            loader = loader.retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS));
        }
        let config = loader.credentials_provider(chain.build().await).load().await;
        Ok(Aws { config, region: region.to_string() })
    }

    #[cfg(test)]
    pub(super) fn from_config(config: SdkConfig) -> Self {
        let region = config.region().map(Region::to_string).unwrap_or_default();
        Aws { config, region }
    }

    /// The region that calls go to unless they name another.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Fetches credentials, so that their absence is told before any work is done.
    ///
    /// # Errors
    /// [`AwsError::NoCredentials`] where no source has any, [`AwsError::CredentialsFailed`] where one is set up but
    /// fails (an expired SSO session, a process that ends with an error).
    pub async fn check_credentials(&self) -> Result<(), AwsError> {
        use aws_sdk_ecs::config::ProvideCredentials;
        let Some(provider) = self.config.credentials_provider() else {
            return Err(AwsError::NoCredentials);
        };
        provider.provide_credentials().await.map(|_| ()).map_err(|error| AwsError::from_credentials(&error))
    }

    pub(super) fn ecs(&self) -> aws_sdk_ecs::Client {
        aws_sdk_ecs::Client::new(&self.config)
    }

    /// ECR, in the region of the registry.
    pub(super) fn ecr(&self, region: &str) -> aws_sdk_ecr::Client {
        let config = aws_sdk_ecr::config::Builder::from(&self.config).region(Region::new(region.to_owned())).build();
        aws_sdk_ecr::Client::from_conf(config)
    }

    /// CloudWatch Logs, in the region that the log configuration names.
    pub(super) fn logs(&self, region: &str) -> aws_sdk_cloudwatchlogs::Client {
        let config =
            aws_sdk_cloudwatchlogs::config::Builder::from(&self.config).region(Region::new(region.to_owned())).build();
        aws_sdk_cloudwatchlogs::Client::from_conf(config)
    }
}

async fn find_region(
    provider: &ProviderConfig,
    metadata: &imds::Client,
    region: Option<String>,
    profile: Option<&str>,
) -> Option<Region> {
    let mut from_profile = ProfileFileRegionProvider::builder().configure(provider);
    if let Some(profile) = profile {
        from_profile = from_profile.profile_name(profile);
    }
    RegionProviderChain::first_try(region.map(Region::new))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(from_profile.build())
        .or_else(ImdsRegionProvider::builder().configure(provider).imds_client(metadata.clone()).build())
        .region()
        .await
}
