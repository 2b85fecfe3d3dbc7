//! The service deployments API: a deployment's own record, which knows the circuit breaker's count and calls a roll-back
//! by its name. It may be missing or denied, and then DescribeServices must do.

use serde::Deserialize;

use super::config::Aws;
use super::error::{AwsError, Call};
use super::json::Exchange;
use super::service::Service;

/// A deployment as the service deployments API tells it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceDeployment {
    pub service_deployment_arn: String,
    /// PENDING, IN_PROGRESS, STOP_REQUESTED, ROLLBACK_REQUESTED, ROLLBACK_IN_PROGRESS, then SUCCESSFUL, STOPPED,
    /// ROLLBACK_SUCCESSFUL or ROLLBACK_FAILED.
    pub status: String,
    pub status_reason: Option<String>,
    pub deployment_circuit_breaker: Option<BreakerState>,
    pub rollback: Option<Rollback>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BreakerState {
    #[serde(default)]
    pub failure_count: u32,
    #[serde(default)]
    pub threshold: u32,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollback {
    pub reason: Option<String>,
}

/// Finds the service deployment whose revision carries the number of the deployment's id:
/// `ecs-svc/123` and `arn:…:service-revision/cluster/service/123`.
pub(super) async fn find(aws: &Aws, service: &Service, deployment: &str) -> Result<Option<String>, AwsError> {
    let call = Call { action: "ecs:ListServiceDeployments", resource: &service.service_arn };
    let listed = aws
        .ecs()
        .list_service_deployments()
        .cluster(&service.cluster_arn)
        .service(&service.service_arn)
        .max_results(10)
        .send()
        .await
        .map_err(|error| call.failed(error))?;
    let number = deployment.rsplit('/').next().unwrap_or_default();
    let ours = listed
        .service_deployments()
        .iter()
        .find(|brief| brief.target_service_revision_arn().and_then(|arn| arn.rsplit('/').next()) == Some(number));
    Ok(ours.and_then(|brief| brief.service_deployment_arn()).map(str::to_owned))
}

/// `None` where ECS no longer has it.
pub(super) async fn describe(aws: &Aws, arn: &str) -> Result<Option<ServiceDeployment>, AwsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        #[serde(default)]
        service_deployments: Vec<ServiceDeployment>,
    }
    let call = Call { action: "ecs:DescribeServiceDeployments", resource: arn };
    let exchange = Exchange::reading();
    aws.ecs()
        .describe_service_deployments()
        .service_deployment_arns(arn)
        .customize()
        .interceptor(exchange.clone())
        .send()
        .await
        .map_err(|error| call.failed(error))?;
    exchange.answer::<Answer>(&call).map(|answer| answer.service_deployments.into_iter().next())
}
