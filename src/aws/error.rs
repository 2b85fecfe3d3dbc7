//! What can go wrong between here and AWS: what failed, where, and what to do next.

use std::error::Error;

use aws_sdk_ecs::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use super::overlay::OverlayError;
use super::percentages::NoProgress;

/// A failed call to AWS, or an answer with which the road cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    #[error("no AWS region: set `--region`, AWS_REGION, or `region` in the AWS profile")]
    NoRegion,

    #[error(
        "no AWS credentials: none in the environment (AWS_ACCESS_KEY_ID), in the AWS profile{named}, by web identity, \
         from an ECS container or from an EC2 instance; set them up, for example with `aws configure sso`, and name \
         the profile in AWS_PROFILE",
        named = std::env::var("AWS_PROFILE").map(|name| format!(" (AWS_PROFILE is '{name}')")).unwrap_or_default()
    )]
    NoCredentials,

    #[error("AWS credentials are set up but cannot be used: {reason}; sign in again (`aws sso login`) or set others")]
    CredentialsFailed { reason: String },

    #[error("cannot make an HTTP client")]
    Http(#[source] reqwest::Error),

    #[error("AWS denies {action} on {resource}: allow that action in the caller's IAM policy\n  AWS says: {message}")]
    AccessDenied { action: String, resource: String, message: String },

    #[error("AWS throttles {action} on {resource}, also after several attempts: try again in a minute")]
    Throttled { action: String, resource: String },

    #[error("the AWS credentials are not accepted ({code}) by {action}: renew them\n  AWS says: {message}")]
    CredentialsRefused { action: String, code: String, message: String },

    #[error("{action} on {resource} failed: {code}: {message}")]
    Refused { action: String, resource: String, code: String, message: String },

    #[error(
        "cannot reach AWS for {action} on {resource}: {reason}; look at the network, HTTPS_PROXY and AWS_ENDPOINT_URL"
    )]
    Unreachable { action: String, resource: String, reason: String },

    #[error("{action} answered what cannot be read: {reason}; look at AWS_ENDPOINT_URL: is that AWS?")]
    UnexpectedAnswer { action: String, reason: String },

    #[error("there is no cluster '{cluster}' in {region}: look at [service] cluster, and at the region")]
    ClusterNotFound { cluster: String, region: String },

    #[error(
        "there is no active service '{service}' in cluster '{cluster}' in {region}: look at [service] name and \
         cluster, and at the region, or create the service first"
    )]
    ServiceNotFound { service: String, cluster: String, region: String },

    #[error(
        "service '{service}' is deployed by {controller}: only services with the deployment controller ECS can be rolled"
    )]
    OtherController { service: String, controller: String },

    #[error("there is no task definition '{reference}' in {region}")]
    TaskDefinitionNotFound { reference: String, region: String },

    #[error("the ECR repository '{name}' does not exist in {registry}: create it, or allow shipit to")]
    RepositoryNotFound { name: String, registry: String },

    #[error(
        "the ECR repository '{name}' belongs to account {account}, and these credentials are of account {own}: \
         {reason}; repositories are only created in one's own account"
    )]
    RepositoryInAnotherAccount { name: String, account: String, own: String, reason: String },

    #[error(transparent)]
    Overlay(#[from] OverlayError),

    #[error(transparent)]
    NoProgress(#[from] NoProgress),
}

/// The call that failed: the IAM action (`ecs:UpdateService`) and what it was for.
pub(super) struct Call<'a> {
    pub action: &'a str,
    pub resource: &'a str,
}

impl Call<'_> {
    /// Names a failure. The message of a denial names the action and resource that AWS missed, which may be others
    /// than the call's own: registering a task definition needs iam:PassRole.
    pub(super) fn failed<E>(&self, error: SdkError<E, HttpResponse>) -> AwsError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let action = self.action.to_owned();
        let resource = self.resource.to_owned();
        if let Some(service) = error.as_service_error() {
            let code = service.code().unwrap_or("an error without a code").to_owned();
            let message = service.message().unwrap_or("no message").to_owned();
            return match &*code {
                "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" => self.denied(message),
                "ThrottlingException" | "Throttling" | "TooManyRequestsException" | "RequestLimitExceeded" => {
                    AwsError::Throttled { action, resource }
                }
                "ExpiredTokenException"
                | "ExpiredToken"
                | "UnrecognizedClientException"
                | "InvalidClientTokenId"
                | "InvalidSignatureException"
                | "SignatureDoesNotMatch"
                | "IncompleteSignature" => AwsError::CredentialsRefused { action, code, message },
                _ if message.contains("is not authorized to perform") => self.denied(message),
                _ => AwsError::Refused { action, resource, code, message },
            };
        }
        if let Some(credentials) = credentials_error(&error) {
            return credentials;
        }
        let reason = innermost(&error);
        match error {
            SdkError::ResponseError(_) => AwsError::UnexpectedAnswer { action, reason },
            _ => AwsError::Unreachable { action, resource, reason },
        }
    }

    fn denied(&self, message: String) -> AwsError {
        let (action, resource) = denied(&message).unwrap_or((self.action, None));
        let (action, resource) = (action.to_owned(), resource.unwrap_or(self.resource).to_owned());
        AwsError::AccessDenied { action, resource, message }
    }

    pub(super) fn unexpected(&self, reason: impl ToString) -> AwsError {
        AwsError::UnexpectedAnswer { action: self.action.to_owned(), reason: reason.to_string() }
    }
}

impl AwsError {
    /// Whether trying again later may help.
    pub fn is_passing(&self) -> bool {
        match self {
            AwsError::Throttled { .. } | AwsError::Unreachable { .. } => true,
            AwsError::Refused { code, .. } => {
                matches!(&**code, "ServerException" | "InternalFailure" | "ServiceUnavailable" | "InternalServerError")
            }
            _ => false,
        }
    }

    /// The instance's metadata service comes last, so where that fails nothing else was set up.
    pub(super) fn from_credentials(error: &(dyn Error + 'static)) -> Self {
        let says = |words: &str| causes(error).any(|cause| cause.to_string().contains(words));
        if says("no credentials found in chain") || says("IMDS") || says("instance metadata") {
            AwsError::NoCredentials
        } else {
            AwsError::CredentialsFailed { reason: innermost(error).trim().to_owned() }
        }
    }
}

fn credentials_error(error: &(dyn Error + 'static)) -> Option<AwsError> {
    causes(error)
        .find(|cause| cause.is::<aws_credential_types::provider::error::CredentialsError>())
        .map(AwsError::from_credentials)
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map_or_else(String::new, ToString::to_string)
}

/// Reads action and resource from 'User: … is not authorized to perform: ACTION on resource: RESOURCE because …'.
fn denied(message: &str) -> Option<(&str, Option<&str>)> {
    let (_, rest) = message.split_once("is not authorized to perform: ")?;
    Some((first_word(rest)?, rest.split_once("on resource: ").and_then(|(_, after)| first_word(after))))
}

fn first_word(text: &str) -> Option<&str> {
    Some(text.split_whitespace().next()?.trim_matches(|c| matches!(c, '"' | '\'' | ',' | '.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_names_the_missing_action_and_resource() {
        let message = "User: arn:aws:sts::1:assumed-role/ci/x is not authorized to perform: iam:PassRole on resource: \
                       arn:aws:iam::1:role/task because no identity-based policy allows the iam:PassRole action";
        assert_eq!(denied(message), Some(("iam:PassRole", Some("arn:aws:iam::1:role/task"))));
        assert_eq!(denied("User: x is not authorized to perform: ecr:GetAuthorizationToken"), {
            Some(("ecr:GetAuthorizationToken", None))
        });
        assert_eq!(denied("Access denied"), None);
    }
}
