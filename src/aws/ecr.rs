//! Amazon ECR: its registry hosts, its credentials, and repositories that exist before they are pushed to.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use aws_sdk_ecr::error::ProvideErrorMetadata;
use aws_sdk_ecr::types::{EncryptionConfiguration, EncryptionType, ImageScanningConfiguration, ImageTagMutability};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::config::Aws;
use super::error::{AwsError, Call};

/// The suffixes of the registry hosts of a partition: first the canonical one, then that of the dual-stack hosts.
const SUFFIXES: [(&str, Option<&str>); 7] = [
    ("amazonaws.com", Some("on.aws")),
    ("amazonaws.com.cn", Some("on.amazonwebservices.com.cn")),
    ("amazonaws.eu", None),
    ("c2s.ic.gov", None),
    ("sc2s.sgov.gov", None),
    ("cloud.adc-e.uk", None),
    ("csp.hci.ic.gov", None),
];

/// The host of a private ECR registry: `<account>.dkr.ecr[-fips].<region>.amazonaws.com`, its like in the other
/// partitions, and the dual-stack `<account>.dkr-ecr[-fips].<region>.on.aws`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EcrHost {
    account: String,
    region: String,
    suffix: &'static str,
    host: String,
}

/// Text that is not the host of a private ECR registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not the host of an ECR registry (example: 123456789012.dkr.ecr.eu-west-1.amazonaws.com)")]
pub struct EcrHostError(String);

impl EcrHost {
    /// The 12 digits of the account that owns the registry.
    pub fn account(&self) -> &str {
        &self.account
    }

    pub fn region(&self) -> &str {
        &self.region
    }

    /// The host by which Fargate knows the registry, whatever endpoint was used to push: neither FIPS nor dual-stack.
    pub fn canonical(&self) -> String {
        format!("{}.dkr.ecr.{}.{}", self.account, self.region, self.suffix)
    }
}

/// Whether a host is that of a private ECR registry.
pub fn is_ecr(host: &str) -> bool {
    host.parse::<EcrHost>().is_ok()
}

impl fmt::Display for EcrHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)
    }
}

impl FromStr for EcrHost {
    type Err = EcrHostError;

    fn from_str(host: &str) -> Result<Self, Self::Err> {
        parse(host).ok_or_else(|| EcrHostError(host.to_owned()))
    }
}

fn parse(host: &str) -> Option<EcrHost> {
    let (account, rest) = host.split_once('.')?;
    if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let one_of = |prefixes: [&str; 2]| prefixes.iter().find_map(|prefix| rest.strip_prefix(prefix));
    let (dual_stack, rest) = match (one_of(["dkr.ecr.", "dkr.ecr-fips."]), one_of(["dkr-ecr.", "dkr-ecr-fips."])) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => return None,
    };
    let (region, suffix) = rest.split_once('.')?;
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if region.is_empty() || !region.bytes().all(legal) {
        return None;
    }
    let (canonical, _) =
        SUFFIXES.iter().find(|(plain, dual)| if dual_stack { *dual == Some(suffix) } else { *plain == suffix })?;
    Some(EcrHost { account: account.to_owned(), region: region.to_owned(), suffix: canonical, host: host.to_owned() })
}

/// What the registry API takes as Basic credentials. Lives for 12 hours.
#[derive(Clone)]
pub struct AuthorizationToken {
    pub user: String,
    pub password: String,
    pub expires_at: Option<SystemTime>,
    /// The registry of the caller's own account, without a scheme.
    pub registry: String,
}

impl fmt::Debug for AuthorizationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationToken").field("registry", &self.registry).finish_non_exhaustive()
    }
}

/// Fetches credentials for the registries of a region. They are good for every registry there that the caller may
/// use, also those of other accounts.
///
/// # Errors
/// Where the call fails; see [`AwsError`].
pub async fn authorization_token(aws: &Aws, region: &str) -> Result<AuthorizationToken, AwsError> {
    let call = Call { action: "ecr:GetAuthorizationToken", resource: "*" };
    let answer = aws.ecr(region).get_authorization_token().send().await.map_err(|error| call.failed(error))?;
    let data = answer.authorization_data().first().ok_or_else(|| call.unexpected("no authorization data"))?;
    let token = data.authorization_token().ok_or_else(|| call.unexpected("no token"))?;
    let token = STANDARD.decode(token).map_err(|error| call.unexpected(error))?;
    let token = String::from_utf8(token).map_err(|_| call.unexpected("a token that is not UTF-8"))?;
    let (user, password) = token.split_once(':').ok_or_else(|| call.unexpected("a token without a colon"))?;
    let endpoint = data.proxy_endpoint().unwrap_or_default();
    Ok(AuthorizationToken {
        user: user.to_owned(),
        password: password.to_owned(),
        expires_at: data.expires_at().and_then(|time| SystemTime::try_from(*time).ok()),
        registry: endpoint.split_once("://").map_or(endpoint, |(_, host)| host).trim_end_matches('/').to_owned(),
    })
}

/// A repository that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// `<host>/<name>`, by the canonical host.
    pub uri: String,
    pub arn: String,
    /// Whether this call made it.
    pub created: bool,
    /// Whether a tag, once put, stays. With exclusions it is `true` too.
    pub immutable: bool,
}

/// Which repository, where. Without a registry it is that of the caller's own account, in the caller's region.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub registry: Option<&'a EcrHost>,
    pub name: &'a str,
}

/// Describes a repository, and makes it where it is missing: tags immutable, images scanned on push, AES-256 at rest.
///
/// # Errors
/// [`AwsError::RepositoryInAnotherAccount`] where it cannot be seen or made because the registry belongs to another
/// account than the credentials.
pub async fn ensure_repository(aws: &Aws, wanted: Wanted<'_>) -> Result<Repository, AwsError> {
    match describe_repository(aws, wanted).await {
        Err(AwsError::RepositoryNotFound { .. }) => create_repository(aws, wanted).await,
        other => other,
    }
}

/// Describes a repository as [`ensure_repository`] would leave it, and makes nothing: `created` says that it is missing.
///
/// # Errors
/// See [`ensure_repository`].
pub async fn foresee_repository(aws: &Aws, wanted: Wanted<'_>) -> Result<Repository, AwsError> {
    let missing = match describe_repository(aws, wanted).await {
        Err(missing @ AwsError::RepositoryNotFound { .. }) => missing,
        other => return other,
    };
    let host = match wanted.registry {
        Some(host) => host.canonical(),
        // The account's own registry is named by nothing but its token.
        None => match authorization_token(aws, aws.region()).await?.registry.parse::<EcrHost>() {
            Ok(own) => own.canonical(),
            Err(_) => return Err(missing),
        },
    };
    let arn = wanted.resource(wanted.registry.map_or(aws.region(), EcrHost::region));
    Ok(Repository { uri: format!("{host}/{}", wanted.name), arn, created: true, immutable: true })
}

/// Describes a repository and makes nothing.
///
/// # Errors
/// [`AwsError::RepositoryNotFound`], [`AwsError::RepositoryInAnotherAccount`], or what else the call meets.
pub async fn describe_repository(aws: &Aws, wanted: Wanted<'_>) -> Result<Repository, AwsError> {
    let region = wanted.registry.map_or(aws.region(), EcrHost::region);
    let resource = wanted.resource(region);
    let call = Call { action: "ecr:DescribeRepositories", resource: &resource };
    let answer = aws
        .ecr(region)
        .describe_repositories()
        .set_registry_id(wanted.registry.map(|host| host.account().to_owned()))
        .repository_names(wanted.name)
        .send()
        .await;
    match answer {
        Ok(answer) => {
            let found = answer.repositories().first().ok_or_else(|| call.unexpected("no repository"))?;
            read(&call, found, false)
        }
        Err(error) => {
            let code = error.as_service_error().and_then(|error| error.code()).unwrap_or_default();
            let missing = code == "RepositoryNotFoundException";
            if missing || code == "AccessDeniedException" {
                foreign(aws, wanted, if missing { "it does not exist there" } else { "access to it is denied" })
                    .await?;
            }
            if missing {
                let registry = wanted.registry.map_or_else(|| format!("this account in {region}"), ToString::to_string);
                return Err(AwsError::RepositoryNotFound { name: wanted.name.to_owned(), registry });
            }
            Err(call.failed(error))
        }
    }
}

async fn create_repository(aws: &Aws, wanted: Wanted<'_>) -> Result<Repository, AwsError> {
    let region = wanted.registry.map_or(aws.region(), EcrHost::region);
    let resource = wanted.resource(region);
    let call = Call { action: "ecr:CreateRepository", resource: &resource };
    let encryption = EncryptionConfiguration::builder()
        .encryption_type(EncryptionType::Aes256)
        .build()
        .map_err(|error| call.unexpected(error))?;
    let answer = aws
        .ecr(region)
        .create_repository()
        .set_registry_id(wanted.registry.map(|host| host.account().to_owned()))
        .repository_name(wanted.name)
        .image_tag_mutability(ImageTagMutability::Immutable)
        .image_scanning_configuration(ImageScanningConfiguration::builder().scan_on_push(true).build())
        .encryption_configuration(encryption)
        .send()
        .await;
    match answer {
        Ok(answer) => {
            let made = answer.repository().ok_or_else(|| call.unexpected("no repository"))?;
            read(&call, made, true)
        }
        // Another run was quicker.
        Err(error)
            if error.as_service_error().and_then(|error| error.code()) == Some("RepositoryAlreadyExistsException") =>
        {
            describe_repository(aws, wanted).await
        }
        Err(error) => Err(call.failed(error)),
    }
}

impl Wanted<'_> {
    fn resource(&self, region: &str) -> String {
        format!("arn:aws:ecr:{region}:{}:repository/{}", self.registry.map_or("*", EcrHost::account), self.name)
    }
}

/// Fails where the registry is not that of the caller's account. The account is read from the token's registry, as a
/// build role may fetch tokens anyway, and sts:GetCallerIdentity would be one service more.
async fn foreign(aws: &Aws, wanted: Wanted<'_>, reason: &str) -> Result<(), AwsError> {
    let Some(host) = wanted.registry else { return Ok(()) };
    let own = authorization_token(aws, host.region()).await?.registry;
    match own.parse::<EcrHost>() {
        Ok(own) if own.account() != host.account() => Err(AwsError::RepositoryInAnotherAccount {
            name: wanted.name.to_owned(),
            account: host.account().to_owned(),
            own: own.account().to_owned(),
            reason: reason.to_owned(),
        }),
        _ => Ok(()),
    }
}

fn read(call: &Call<'_>, found: &aws_sdk_ecr::types::Repository, created: bool) -> Result<Repository, AwsError> {
    let uri = found.repository_uri().ok_or_else(|| call.unexpected("a repository without a URI"))?;
    Ok(Repository {
        uri: uri.to_owned(),
        arn: found.repository_arn().unwrap_or_default().to_owned(),
        created,
        immutable: found.image_tag_mutability().is_some_and(|mutability| mutability.as_str().starts_with("IMMUTABLE")),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::aws::canned::Canned;

    const HOST: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

    #[test]
    fn hosts_of_every_partition_are_read() {
        for (host, region, canonical) in [
            (HOST, "eu-west-1", HOST),
            (
                "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
                "us-gov-west-1",
                "123456789012.dkr.ecr.us-gov-west-1.amazonaws.com",
            ),
            ("123456789012.dkr-ecr.us-east-1.on.aws", "us-east-1", "123456789012.dkr.ecr.us-east-1.amazonaws.com"),
            ("123456789012.dkr-ecr-fips.us-east-1.on.aws", "us-east-1", "123456789012.dkr.ecr.us-east-1.amazonaws.com"),
            (
                "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
                "cn-north-1",
                "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
            ),
            (
                "123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn",
                "cn-north-1",
                "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
            ),
            (
                "123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu",
                "eusc-de-east-1",
                "123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu",
            ),
            (
                "123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov",
                "us-iso-east-1",
                "123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov",
            ),
            (
                "123456789012.dkr.ecr.us-isob-east-1.sc2s.sgov.gov",
                "us-isob-east-1",
                "123456789012.dkr.ecr.us-isob-east-1.sc2s.sgov.gov",
            ),
        ] {
            let parsed: EcrHost = host.parse().unwrap();
            assert_eq!((parsed.account(), parsed.region()), ("123456789012", region), "{host}");
            assert_eq!(parsed.canonical(), canonical);
            assert_eq!(parsed.to_string(), host);
        }
    }

    #[test]
    fn other_hosts_are_not_ecr() {
        for host in [
            "",
            "public.ecr.aws",
            "docker.io",
            "12345678901.dkr.ecr.eu-west-1.amazonaws.com",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example",
            "123456789012.dkr.ecr.eu-west-1.evil.com",
            "123456789012.dkr.ecr..amazonaws.com",
            "123456789012.dkr-ecr.eu-west-1.amazonaws.com",
            "123456789012.dkr.ecr.eu-west-1.on.aws",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com:443",
        ] {
            assert!(!is_ecr(host), "{host}");
        }
    }

    fn token(account: &str) -> (u16, serde_json::Value) {
        let endpoint = format!("https://{account}.dkr.ecr.eu-west-1.amazonaws.com");
        let data = json!({ "authorizationToken": STANDARD.encode("AWS:pass:word"), "expiresAt": 1.7e9, "proxyEndpoint": endpoint });
        (200, json!({ "authorizationData": [data] }))
    }

    fn missing() -> (u16, serde_json::Value) {
        (400, json!({ "__type": "RepositoryNotFoundException", "message": "no" }))
    }

    fn described(mutability: &str) -> serde_json::Value {
        json!({
            "repositoryUri": format!("{HOST}/shop"), "repositoryArn": "arn:aws:ecr:eu-west-1:123456789012:repository/shop",
            "repositoryName": "shop", "imageTagMutability": mutability,
        })
    }

    #[tokio::test]
    async fn a_token_is_split_at_its_first_colon() {
        let token = authorization_token(&Canned::new([token("123456789012")]).aws(), "eu-west-1").await.unwrap();
        assert_eq!((&*token.user, &*token.password, &*token.registry), ("AWS", "pass:word", HOST));
        assert!(token.expires_at.is_some());
        assert!(!format!("{token:?}").contains("pass"));
    }

    #[tokio::test]
    async fn a_missing_repository_is_made_immutable_scanned_and_encrypted() {
        let canned = Canned::new([missing(), (200, json!({ "repository": described("IMMUTABLE") }))]);
        let made = ensure_repository(&canned.aws(), Wanted { registry: None, name: "shop" }).await.unwrap();
        assert!(made.created && made.immutable);
        assert_eq!(made.uri, format!("{HOST}/shop"));
        assert_eq!(
            canned.bodies()[1],
            json!({
                "repositoryName": "shop", "imageTagMutability": "IMMUTABLE",
                "imageScanningConfiguration": { "scanOnPush": true }, "encryptionConfiguration": { "encryptionType": "AES256" },
            })
        );
    }

    #[tokio::test]
    async fn an_existing_repository_is_left_as_it_is() {
        let canned = Canned::new([(200, json!({ "repositories": [described("MUTABLE")] }))]);
        let host: EcrHost = HOST.parse().unwrap();
        let found = ensure_repository(&canned.aws(), Wanted { registry: Some(&host), name: "shop" }).await.unwrap();
        assert!(!found.created && !found.immutable);
        assert_eq!(canned.bodies()[0], json!({ "registryId": "123456789012", "repositoryNames": ["shop"] }));
    }

    #[tokio::test]
    async fn a_repository_in_another_account_is_never_made() {
        let host: EcrHost = HOST.parse().unwrap();
        let denied = (400, json!({ "__type": "AccessDeniedException", "message": "no" }));
        for answer in [missing(), denied] {
            let canned = Canned::new([answer, token("999999999999")]);
            let error =
                ensure_repository(&canned.aws(), Wanted { registry: Some(&host), name: "shop" }).await.unwrap_err();
            let AwsError::RepositoryInAnotherAccount { account, own, .. } = error else { panic!("{error}") };
            assert_eq!((&*account, &*own), ("123456789012", "999999999999"));
        }
    }
}
