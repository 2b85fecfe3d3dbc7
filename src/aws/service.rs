//! A service: what it runs, and by which deployments.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::config::Aws;
use super::error::{AwsError, Call};
use super::json::Exchange;

/// A service as DescribeServices tells it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    pub service_arn: String,
    pub service_name: String,
    #[serde(default)]
    pub cluster_arn: String,
    /// ACTIVE, DRAINING or INACTIVE.
    pub status: String,
    #[serde(default)]
    pub desired_count: u32,
    #[serde(default)]
    pub running_count: u32,
    #[serde(default)]
    pub pending_count: u32,
    /// The ARN of the revision that new tasks run.
    #[serde(default)]
    pub task_definition: String,
    #[serde(default)]
    pub deployments: Vec<Deployment>,
    /// Newest first, the last hundred.
    #[serde(default)]
    pub events: Vec<ServiceEvent>,
    /// As AWS tells it, so that what is newer than this program survives.
    #[serde(default)]
    pub deployment_configuration: Map<String, Value>,
    pub health_check_grace_period_seconds: Option<u32>,
    /// Of Fargate, as it was asked for: `LATEST` where nothing else was.
    pub platform_version: Option<String>,
    deployment_controller: Option<Controller>,
    #[serde(default)]
    load_balancers: Vec<Value>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Controller {
    r#type: Option<String>,
}

/// One deployment of a service. A rolled-back one may stay in the list.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// `ecs-svc/…`
    pub id: String,
    /// PRIMARY, ACTIVE or INACTIVE.
    pub status: String,
    #[serde(default)]
    pub task_definition: String,
    #[serde(default)]
    pub desired_count: u32,
    #[serde(default)]
    pub pending_count: u32,
    #[serde(default)]
    pub running_count: u32,
    #[serde(default)]
    pub failed_tasks: u32,
    /// IN_PROGRESS, COMPLETED or FAILED.
    pub rollout_state: Option<String>,
    pub rollout_state_reason: Option<String>,
    /// Seconds since 1970.
    pub created_at: Option<f64>,
}

/// A line of the service's own log.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceEvent {
    pub id: String,
    /// Seconds since 1970.
    pub created_at: Option<f64>,
    #[serde(default)]
    pub message: String,
}

impl Deployment {
    pub fn is_primary(&self) -> bool {
        self.status == "PRIMARY"
    }

    /// Whether ECS calls it complete and its tasks do run.
    pub fn is_live(&self) -> bool {
        self.rollout_state.as_deref() == Some("COMPLETED") && self.running_count >= self.desired_count
    }
}

impl Service {
    pub fn primary(&self) -> Option<&Deployment> {
        self.deployments.iter().find(|deployment| deployment.is_primary())
    }

    /// The revision that all tasks of the service run by a completed deployment, if there is one: what makes another
    /// roll of the same revision needless.
    pub fn settled(&self) -> Option<&str> {
        let primary = self.primary().filter(|primary| primary.is_live())?;
        let alone = self.deployments.iter().all(|other| other.is_primary() || other.running_count == 0);
        alone.then_some(&*primary.task_definition)
    }

    /// Whether tasks must leave a load balancer, which takes the target group's deregistration delay: 300 s unless
    /// it is set otherwise.
    pub fn drains_slowly(&self) -> bool {
        !self.load_balancers.is_empty()
    }

    /// Whether a failed deployment is undone by ECS itself.
    pub fn rolls_back(&self) -> bool {
        let breaker = self.deployment_configuration.get("deploymentCircuitBreaker");
        let alarms = self.deployment_configuration.get("alarms");
        [breaker, alarms].into_iter().flatten().any(|rule| {
            let on = |key: &str| rule.get(key).and_then(Value::as_bool).unwrap_or(false);
            on("enable") && on("rollback")
        })
    }
}

/// Reads an active service that ECS itself deploys.
///
/// # Errors
/// [`AwsError::ClusterNotFound`], [`AwsError::ServiceNotFound`] (also for one that was deleted),
/// [`AwsError::OtherController`], or what else the call meets.
pub async fn describe(aws: &Aws, cluster: &str, service: &str) -> Result<Service, AwsError> {
    let resource = format!("{cluster}/{service}");
    let call = Call { action: "ecs:DescribeServices", resource: &resource };
    let exchange = Exchange::reading();
    aws.ecs()
        .describe_services()
        .cluster(cluster)
        .services(service)
        .customize()
        .interceptor(exchange.clone())
        .send()
        .await
        .map_err(|error| missing(call.failed(error), aws, cluster, service))?;

    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        services: Vec<Service>,
    }
    let answer: Answer = exchange.answer(&call)?;
    match answer.services.into_iter().next() {
        Some(found) if found.status == "ACTIVE" => match found.deployment_controller.as_ref() {
            Some(Controller { r#type: Some(controller) }) if controller != "ECS" => {
                Err(AwsError::OtherController { service: service.to_owned(), controller: controller.clone() })
            }
            _ => Ok(found),
        },
        _ => Err(not_found(aws, cluster, service)),
    }
}

/// Tells a missing cluster or service as such.
pub(super) fn missing(error: AwsError, aws: &Aws, cluster: &str, service: &str) -> AwsError {
    match error {
        AwsError::Refused { code, .. } if code == "ClusterNotFoundException" => {
            AwsError::ClusterNotFound { cluster: cluster.to_owned(), region: aws.region().to_owned() }
        }
        AwsError::Refused { code, .. } if code == "ServiceNotFoundException" || code == "ServiceNotActiveException" => {
            not_found(aws, cluster, service)
        }
        other => other,
    }
}

fn not_found(aws: &Aws, cluster: &str, service: &str) -> AwsError {
    AwsError::ServiceNotFound {
        service: service.to_owned(),
        cluster: cluster.to_owned(),
        region: aws.region().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::aws::canned::Canned;

    fn described() -> Value {
        json!({
            "serviceArn": "arn:s", "serviceName": "shop", "status": "ACTIVE", "desiredCount": 2, "runningCount": 2,
            "taskDefinition": "shop:1", "deploymentController": { "type": "ECS" },
            "deploymentConfiguration": {
                "maximumPercent": 200, "minimumHealthyPercent": 100, "newer": true,
                "deploymentCircuitBreaker": { "enable": false, "rollback": false, "threshold": 5 },
            },
            "deployments": [{
                "id": "ecs-svc/1", "status": "PRIMARY", "taskDefinition": "shop:1", "desiredCount": 2, "runningCount": 2,
                "rolloutState": "COMPLETED",
            }],
        })
    }

    fn service() -> Service {
        serde_json::from_value(described()).unwrap()
    }

    #[tokio::test]
    async fn a_missing_service_cluster_or_controller_is_told() {
        let with = |key: &str, value: Value| {
            let mut service = described();
            service[key] = value;
            (200, json!({ "services": [service] }))
        };
        let no_cluster = (400, json!({ "__type": "ClusterNotFoundException", "message": "Cluster not found." }));
        let missing = (200, json!({ "services": [], "failures": [{ "arn": "arn:s", "reason": "MISSING" }] }));
        for (answer, words) in [
            (no_cluster, "no cluster 'lab' in eu-west-1"),
            (missing, "no active service 'shop' in cluster 'lab'"),
            (with("status", json!("INACTIVE")), "no active service 'shop'"),
            (with("deploymentController", json!({ "type": "CODE_DEPLOY" })), "deployed by CODE_DEPLOY"),
        ] {
            let error = describe(&Canned::new([answer]).aws(), "lab", "shop").await.unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_service_is_settled_only_with_one_complete_deployment() {
        assert_eq!(service().settled(), Some("shop:1"));
        let with = |change: &dyn Fn(&mut Service)| {
            let mut service = service();
            change(&mut service);
            service.settled().is_some()
        };
        assert!(!with(&|service| service.deployments[0].running_count = 1));
        assert!(!with(&|service| service.deployments[0].rollout_state = Some("IN_PROGRESS".into())));
        assert!(!with(&|service| service.deployments[0].status = "ACTIVE".into()));
        let other = Deployment { status: "ACTIVE".into(), ..service().deployments[0].clone() };
        assert!(!with(&|service| service.deployments.push(other.clone())));
        // A rolled-back deployment may stay in the list, with nothing running.
        assert!(with(&|service| service.deployments.push(Deployment { running_count: 0, ..other.clone() })));
    }
}
