//! A service: what it runs, how it is rolled, and the one call that rolls it.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::config::Aws;
use super::error::{AwsError, Call};
use super::json::Exchange;
use super::percentages;

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

/// How to roll a service. What is `None` stays as the service has it.
#[derive(Debug, Clone, Default)]
pub struct Roll {
    pub cluster: String,
    pub service: String,
    /// The ARN of the revision to run.
    pub task_definition: String,
    /// Leave it alone unless the user gives one: autoscaling owns it.
    pub desired_count: Option<u32>,
    pub deployment: DeploymentSettings,
    pub health_check_grace_period_seconds: Option<u32>,
    /// Starts new tasks also where the revision is the same.
    pub force_new_deployment: bool,
}

/// The parts of a deployment configuration that can be set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeploymentSettings {
    pub minimum_healthy_percent: Option<u32>,
    pub maximum_percent: Option<u32>,
    pub circuit_breaker: Option<CircuitBreaker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitBreaker {
    pub enable: bool,
    pub rollback: bool,
}

/// The deployment that a call of [`update`] started.
#[derive(Debug, Clone, PartialEq)]
pub struct Started {
    pub deployment: String,
    /// The service as it was right after the call.
    pub service: Service,
    /// The ids of the lines in the service's log from before the call.
    pub known_events: HashSet<String>,
}

/// Whether the deployment could make progress with the percentages that it would have.
///
/// # Errors
/// [`percentages::NoProgress`]; a way to insist is to not ask.
pub fn check_progress(service: &Service, roll: &Roll) -> Result<(), percentages::NoProgress> {
    let configuration = overlaid(&service.deployment_configuration, &roll.deployment);
    // Blue/green, linear and canary deployments bring up a whole second set.
    if !matches!(configuration.get("strategy").and_then(Value::as_str), None | Some("ROLLING")) {
        return Ok(());
    }
    let percent = |key: &str, default: u32| {
        configuration
            .get(key)
            .and_then(Value::as_u64)
            .and_then(|percent| u32::try_from(percent).ok())
            .unwrap_or(default)
    };
    percentages::check(
        roll.desired_count.unwrap_or(service.desired_count),
        service.running_count,
        percent("minimumHealthyPercent", percentages::DEFAULT_MINIMUM_HEALTHY_PERCENT),
        percent("maximumPercent", percentages::DEFAULT_MAXIMUM_PERCENT),
    )
}

/// Rolls the service by one UpdateService call; a second one would stop the deployment of the first.
///
/// # Errors
/// Where the call fails, see [`AwsError`].
pub async fn update(aws: &Aws, service: &Service, roll: &Roll) -> Result<Started, AwsError> {
    let resource = format!("{}/{}", roll.cluster, roll.service);
    let call = Call { action: "ecs:UpdateService", resource: &resource };
    let exchange = Exchange::sending(&update_body(service, roll));
    let mut operation = aws
        .ecs()
        .update_service()
        .cluster(&roll.cluster)
        .service(&roll.service)
        .customize()
        .interceptor(exchange.clone());
    if roll.force_new_deployment {
        // Sent twice after a lost answer, it would make two deployments.
        let once =
            aws_sdk_ecs::config::Builder::new().retry_config(aws_sdk_ecs::config::retry::RetryConfig::disabled());
        operation = operation.config_override(once);
    }
    operation.send().await.map_err(|error| missing(call.failed(error), aws, &roll.cluster, &roll.service))?;

    #[derive(Deserialize)]
    struct Answer {
        service: Service,
    }
    let known_events = service.events.iter().map(|event| event.id.clone()).collect();
    let Answer { service } = exchange.answer(&call)?;
    let deployment = service.primary().ok_or_else(|| call.unexpected("a service without a primary deployment"))?;
    Ok(Started { deployment: deployment.id.clone(), service, known_events })
}

fn update_body(service: &Service, roll: &Roll) -> Value {
    let mut body = json!({ "cluster": roll.cluster, "service": roll.service, "taskDefinition": roll.task_definition });
    if let Some(desired) = roll.desired_count {
        body["desiredCount"] = json!(desired);
    }
    if let Some(seconds) = roll.health_check_grace_period_seconds {
        body["healthCheckGracePeriodSeconds"] = json!(seconds);
    }
    if roll.force_new_deployment {
        body["forceNewDeployment"] = json!(true);
    }
    if roll.deployment != DeploymentSettings::default() {
        body["deploymentConfiguration"] = Value::Object(overlaid(&service.deployment_configuration, &roll.deployment));
    }
    body
}

/// ECS takes a deployment configuration whole, so what is set is laid over what the service has.
fn overlaid(current: &Map<String, Value>, settings: &DeploymentSettings) -> Map<String, Value> {
    let mut configuration = current.clone();
    if let Some(percent) = settings.minimum_healthy_percent {
        configuration.insert("minimumHealthyPercent".into(), json!(percent));
    }
    if let Some(percent) = settings.maximum_percent {
        configuration.insert("maximumPercent".into(), json!(percent));
    }
    if let Some(CircuitBreaker { enable, rollback }) = settings.circuit_breaker {
        let mut breaker = configuration.get("deploymentCircuitBreaker").cloned().unwrap_or_else(|| json!({}));
        breaker["enable"] = json!(enable);
        breaker["rollback"] = json!(rollback);
        configuration.insert("deploymentCircuitBreaker".into(), breaker);
    }
    configuration
}

fn missing(error: AwsError, aws: &Aws, cluster: &str, service: &str) -> AwsError {
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

    fn roll() -> Roll {
        Roll { cluster: "lab".into(), service: "shop".into(), task_definition: "shop:2".into(), ..Roll::default() }
    }

    #[tokio::test]
    async fn an_update_says_nothing_of_what_is_not_set() {
        let canned = Canned::new([(200, json!({ "service": described() }))]);
        let started = update(&canned.aws(), &service(), &roll()).await.unwrap();
        assert_eq!(started.deployment, "ecs-svc/1");
        assert_eq!(canned.bodies(), [json!({ "cluster": "lab", "service": "shop", "taskDefinition": "shop:2" })]);
    }

    #[test]
    fn a_deployment_configuration_is_sent_whole_with_what_is_set_over_it() {
        let mut roll = roll();
        roll.deployment.maximum_percent = Some(150);
        roll.deployment.circuit_breaker = Some(CircuitBreaker { enable: true, rollback: true });
        roll.desired_count = Some(3);
        assert_eq!(
            update_body(&service(), &roll),
            json!({
                "cluster": "lab", "service": "shop", "taskDefinition": "shop:2", "desiredCount": 3,
                "deploymentConfiguration": {
                    "maximumPercent": 150, "minimumHealthyPercent": 100, "newer": true,
                    "deploymentCircuitBreaker": { "enable": true, "rollback": true, "threshold": 5 },
                },
            })
        );
    }

    #[tokio::test]
    async fn a_forced_deployment_is_asked_for_once_only() {
        let busy = || (500, json!({ "__type": "ServerException", "message": "try again" }));
        let canned = Canned::new([busy(), busy(), busy()]);
        let forced = Roll { force_new_deployment: true, ..roll() };
        assert!(update(&canned.aws(), &service(), &forced).await.is_err());
        assert_eq!(canned.bodies().len(), 1);
        assert_eq!(canned.bodies()[0]["forceNewDeployment"], json!(true));
        let canned = Canned::new([busy(), (200, json!({ "service": described() }))]);
        assert!(update(&canned.aws(), &service(), &roll()).await.is_ok());
    }

    #[test]
    fn progress_is_checked_with_the_percentages_that_the_deployment_would_have() {
        assert!(check_progress(&service(), &roll()).is_ok());
        let mut stuck = roll();
        stuck.deployment.maximum_percent = Some(100);
        assert!(check_progress(&service(), &stuck).is_err());
        stuck.deployment.minimum_healthy_percent = Some(50);
        assert!(check_progress(&service(), &stuck).is_ok());
        stuck.desired_count = Some(1);
        assert!(check_progress(&service(), &stuck).is_err());
        let mut blue_green = service();
        blue_green.deployment_configuration.insert("strategy".into(), json!("BLUE_GREEN"));
        assert!(check_progress(&blue_green, &stuck).is_ok());
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
