//! Rolling a service: what it would change, whether it can make progress, and the one call.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::config::Aws;
use super::error::{AwsError, Call};
use super::json::Exchange;
use super::percentages;
use super::service::{self, Service};
use super::task_definition::{self, Revision};

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
    /// Of Fargate: `1.4.0`, `LATEST`.
    pub platform_version: Option<String>,
}

/// The parts of a deployment configuration that can be set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeploymentSettings {
    pub minimum_healthy_percent: Option<u32>,
    pub maximum_percent: Option<u32>,
    /// Whether ECS gives up a deployment whose tasks keep failing.
    pub circuit_breaker: Option<bool>,
    /// Whether it then brings the last completed one back.
    pub circuit_breaker_rollback: Option<bool>,
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

/// Whether nothing would change: the one, completed deployment of the service runs `current` already, `planned` is the
/// same but for tags, and nothing else of the service would be set.
pub fn is_needless(service: &Service, current: &Revision, planned: &Value, roll: &Roll) -> bool {
    service.settled() == Some(&*current.arn)
        && task_definition::equal_but_for_tags(planned, &current.json)
        && roll
            .health_check_grace_period_seconds
            .is_none_or(|seconds| service.health_check_grace_period_seconds == Some(seconds))
        && roll.platform_version.as_ref().is_none_or(|version| service.platform_version.as_ref() == Some(version))
        && roll.desired_count.is_none_or(|desired| desired == service.desired_count)
        && overlaid(&service.deployment_configuration, &roll.deployment) == service.deployment_configuration
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
pub async fn update(aws: &Aws, current: &Service, roll: &Roll) -> Result<Started, AwsError> {
    let resource = format!("{}/{}", roll.cluster, roll.service);
    let call = Call { action: "ecs:UpdateService", resource: &resource };
    let exchange = Exchange::sending(&update_body(current, roll));
    let operation = aws
        .ecs()
        .update_service()
        .cluster(&roll.cluster)
        .service(&roll.service)
        .customize()
        .interceptor(exchange.clone());
    operation.send().await.map_err(|error| service::missing(call.failed(error), aws, &roll.cluster, &roll.service))?;

    #[derive(Deserialize)]
    struct Answer {
        service: Service,
    }
    let known_events = current.events.iter().map(|event| event.id.clone()).collect();
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
    if let Some(version) = &roll.platform_version {
        body["platformVersion"] = json!(version);
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
    for (key, wanted) in [("enable", settings.circuit_breaker), ("rollback", settings.circuit_breaker_rollback)] {
        if let Some(wanted) = wanted {
            // ECS takes both or none.
            let off = json!({ "enable": false, "rollback": false });
            let breaker = configuration.entry("deploymentCircuitBreaker").or_insert(off);
            breaker[key] = json!(wanted);
        }
    }
    configuration
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
        roll.deployment.circuit_breaker = Some(true);
        roll.desired_count = Some(3);
        roll.platform_version = Some("1.4.0".to_owned());
        assert_eq!(
            update_body(&service(), &roll),
            json!({
                "cluster": "lab", "service": "shop", "taskDefinition": "shop:2", "desiredCount": 3,
                "platformVersion": "1.4.0",
                "deploymentConfiguration": {
                    "maximumPercent": 150, "minimumHealthyPercent": 100, "newer": true,
                    "deploymentCircuitBreaker": { "enable": true, "rollback": false, "threshold": 5 },
                },
            })
        );
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

    #[test]
    fn a_roll_that_changes_nothing_is_needless() {
        let current = Revision {
            arn: "shop:1".into(),
            family: "shop".into(),
            revision: 1,
            json: json!({ "family": "shop", "taskDefinitionArn": "shop:1", "tags": [], "cpu": "256" }),
            tags: Default::default(),
        };
        let needless = |planned: &Value, change: &dyn Fn(&mut Roll)| {
            let mut roll = roll();
            change(&mut roll);
            is_needless(&service(), &current, planned, &roll)
        };
        let same = json!({ "family": "shop", "cpu": "256" });
        assert!(needless(&same, &|_| ()));
        assert!(needless(&same, &|roll| roll.desired_count = Some(2)));
        assert!(needless(&same, &|roll| roll.deployment.maximum_percent = Some(200)));
        assert!(!needless(&same, &|roll| roll.desired_count = Some(3)));
        assert!(!needless(&same, &|roll| roll.deployment.maximum_percent = Some(150)));
        assert!(!needless(&same, &|roll| roll.platform_version = Some("1.4.0".to_owned())));
        assert!(!needless(&json!({ "family": "shop", "cpu": "512" }), &|_| ()));
    }
}
