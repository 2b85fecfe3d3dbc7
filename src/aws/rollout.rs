//! What has become of one deployment, judged from what AWS tells: pure, so that recorded answers can test it.
//!
//! It goes by the deployment's id and never by whether the service looks stable: a rolled-back service is stable too.

use super::service::{Deployment, Service};
use super::service_deployment::ServiceDeployment;

/// The deployment that is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `ecs-svc/…`
    pub deployment: String,
    /// The ARN of the revision that it runs.
    pub task_definition: String,
}

/// Where a deployment stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    pub phase: Phase,
    /// Of this deployment's tasks.
    pub desired: u32,
    pub pending: u32,
    pub running: u32,
    pub failed: u32,
    /// Tasks of other deployments that still run.
    pub old: u32,
    /// The circuit breaker's count of failures and its threshold, where AWS tells it.
    pub breaker: Option<(u32, u32)>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Phase {
    /// ECS has not shown the deployment yet.
    #[default]
    Waiting,
    /// New tasks start.
    Starting,
    /// All new tasks run; old ones leave.
    Draining,
    /// The deployment failed, and ECS brings the one before back.
    RollingBack,
}

/// A judgement: go on, or the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Going(Progress),
    /// Failed, and a roll-back may or may not follow: ECS shows it a moment later.
    FailedSoFar {
        reason: String,
    },
    Succeeded(Progress),
    Failed {
        reason: String,
    },
    /// Failed and undone: the service runs `to` again, the ARN of a revision.
    RolledBack {
        reason: String,
        to: String,
    },
    /// Another deployment took its place.
    Superseded {
        by: String,
    },
    /// ECS does not list it: not yet, or no longer.
    Unlisted,
}

/// Judges by DescribeServices and, where it could be had, the service deployments API, whose word is final.
pub fn judge(target: &Target, service: &Service, reported: Option<&ServiceDeployment>) -> Verdict {
    let own = service.deployments.iter().find(|deployment| deployment.id == target.deployment);
    let newer = service.primary().filter(|primary| primary.id != target.deployment);
    let progress = |phase| progress(target, service, reported, phase);

    if let Some(reported) = reported {
        let reason = || {
            let rollback = reported.rollback.as_ref().and_then(|rollback| rollback.reason.clone());
            let reason = rollback.or_else(|| reported.status_reason.clone());
            reason.or_else(|| own.and_then(reason_of)).unwrap_or_else(|| "ECS gives no reason".to_owned())
        };
        match &*reported.status {
            "SUCCESSFUL" => return Verdict::Succeeded(progress(Phase::Draining)),
            "ROLLBACK_SUCCESSFUL" => {
                return Verdict::RolledBack { reason: reason(), to: service.task_definition.clone() };
            }
            "ROLLBACK_FAILED" => {
                return Verdict::Failed { reason: format!("{}; and the roll-back failed too", reason()) };
            }
            "STOPPED" => {
                return match newer {
                    Some(newer) => Verdict::Superseded { by: newer.id.clone() },
                    None => Verdict::Failed { reason: format!("the deployment was stopped: {}", reason()) },
                };
            }
            "ROLLBACK_REQUESTED" | "ROLLBACK_IN_PROGRESS" => return Verdict::Going(progress(Phase::RollingBack)),
            // Whatever is not an end goes on, and what DescribeServices says may be one.
            _ => {}
        }
    }

    let Some(own) = own else {
        return match newer {
            Some(newer) if rolls_back(newer) => rolled_back(newer, reason_of(newer), progress(Phase::RollingBack)),
            // Right after the call the answer may still be that of before it; the caller knows how long it has been.
            _ => Verdict::Unlisted,
        };
    };
    match (own.rollout_state.as_deref(), newer) {
        // A deployment that ECS calls failed, and the one that it started instead.
        (Some("FAILED"), Some(newer)) if service.rolls_back() || rolls_back(newer) => {
            rolled_back(newer, reason_of(own), progress(Phase::RollingBack))
        }
        (Some("FAILED"), Some(newer)) => {
            let reason = reason_of(own).unwrap_or_else(|| "ECS gives no reason".to_owned());
            Verdict::Failed { reason: format!("{reason}; {} has taken its place", newer.id) }
        }
        (Some("FAILED"), None) => {
            let reason = reason_of(own).unwrap_or_else(|| "ECS gives no reason".to_owned());
            if service.rolls_back() { Verdict::FailedSoFar { reason } } else { Verdict::Failed { reason } }
        }
        (_, Some(newer)) if rolls_back(newer) => rolled_back(newer, reason_of(newer), progress(Phase::RollingBack)),
        (_, Some(newer)) => Verdict::Superseded { by: newer.id.clone() },
        // The emulated AWS, and a service scaled up meanwhile, say COMPLETED before the tasks run.
        (Some("COMPLETED"), None) if own.running_count >= own.desired_count => {
            Verdict::Succeeded(progress(Phase::Draining))
        }
        (_, None) if own.running_count >= own.desired_count && own.desired_count > 0 => {
            Verdict::Going(progress(Phase::Draining))
        }
        (_, None) => Verdict::Going(progress(Phase::Starting)),
    }
}

fn progress(target: &Target, service: &Service, reported: Option<&ServiceDeployment>, phase: Phase) -> Progress {
    let (own, others): (Vec<&Deployment>, Vec<&Deployment>) =
        service.deployments.iter().partition(|deployment| deployment.id == target.deployment);
    let breaker = reported.and_then(|reported| reported.deployment_circuit_breaker.as_ref());
    let mut progress = Progress {
        phase,
        old: others.iter().map(|deployment| deployment.running_count).sum(),
        breaker: breaker.map(|breaker| (breaker.failure_count, breaker.threshold)),
        ..Progress::default()
    };
    if let Some(own) = own.first() {
        progress.desired = own.desired_count;
        progress.pending = own.pending_count;
        progress.running = own.running_count;
        progress.failed = own.failed_tasks;
    }
    progress
}

/// The roll-back itself is a deployment: over when it is complete.
fn rolled_back(newer: &Deployment, reason: Option<String>, progress: Progress) -> Verdict {
    let reason = reason.unwrap_or_else(|| "ECS gives no reason".to_owned());
    match newer.rollout_state.as_deref() {
        Some("COMPLETED") if newer.running_count >= newer.desired_count => {
            Verdict::RolledBack { reason, to: newer.task_definition.clone() }
        }
        Some("FAILED") => Verdict::Failed { reason: format!("{reason}; and the roll-back failed too") },
        _ => Verdict::Going(progress),
    }
}

/// 'ECS deployment circuit breaker: rolling back to deploymentId …', and the like for alarms.
fn rolls_back(deployment: &Deployment) -> bool {
    let reason = deployment.rollout_state_reason.as_deref().unwrap_or_default().to_lowercase();
    reason.contains("rolling back") || reason.contains("rollback")
}

fn reason_of(deployment: &Deployment) -> Option<String> {
    deployment.rollout_state_reason.clone().filter(|reason| !reason.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const OWN: &str = "arn:aws:ecs:eu-west-1:1:task-definition/shop:2";
    const OLD: &str = "arn:aws:ecs:eu-west-1:1:task-definition/shop:1";

    fn target() -> Target {
        Target { deployment: "ecs-svc/2".into(), task_definition: OWN.into() }
    }

    /// A deployment as DescribeServices tells it, with its rollout state and reason, and running of desired tasks.
    fn deployment(id: u32, status: &str, state: &str, reason: &str, running: u32, desired: u32) -> Value {
        json!({
            "id": format!("ecs-svc/{id}"), "status": status, "taskDefinition": if id == 2 { OWN } else { OLD },
            "desiredCount": desired, "pendingCount": 0, "runningCount": running, "failedTasks": 0, "createdAt": 1.7e9,
            "launchType": "FARGATE", "rolloutState": state, "rolloutStateReason": reason,
        })
    }

    fn service(rollback: bool, deployments: &[Value]) -> Service {
        serde_json::from_value(json!({
            "serviceArn": "arn:aws:ecs:eu-west-1:1:service/lab/shop", "serviceName": "shop", "status": "ACTIVE",
            "taskDefinition": deployments.first().map_or(json!(""), |first| first["taskDefinition"].clone()),
            "desiredCount": 2, "runningCount": 2, "deployments": deployments,
            "deploymentConfiguration": { "deploymentCircuitBreaker": { "enable": true, "rollback": rollback } },
        }))
        .unwrap()
    }

    fn reported(status: &str) -> ServiceDeployment {
        serde_json::from_value(json!({
            "serviceDeploymentArn": "arn:d", "status": status, "statusReason": "said so",
            "deploymentCircuitBreaker": { "status": "MONITORING", "failureCount": 1, "threshold": 3 },
        }))
        .unwrap()
    }

    fn phase(verdict: &Verdict) -> Option<Phase> {
        match verdict {
            Verdict::Going(progress) => Some(progress.phase),
            _ => None,
        }
    }

    #[test]
    fn tasks_start_then_old_ones_drain_then_it_is_done() {
        let old = deployment(1, "ACTIVE", "COMPLETED", "", 2, 2);
        let judged = |running, state, others: &[Value]| {
            let mut deployments = vec![deployment(2, "PRIMARY", state, "in progress", running, 2)];
            deployments.extend_from_slice(others);
            judge(&target(), &service(true, &deployments), None)
        };
        assert_eq!(phase(&judged(0, "IN_PROGRESS", std::slice::from_ref(&old))), Some(Phase::Starting));
        assert_eq!(phase(&judged(2, "IN_PROGRESS", std::slice::from_ref(&old))), Some(Phase::Draining));
        assert!(matches!(judged(2, "COMPLETED", &[]), Verdict::Succeeded(progress) if progress.running == 2));
    }

    #[test]
    fn completed_without_running_tasks_is_not_yet_success() {
        let verdict = judge(&target(), &service(true, &[deployment(2, "PRIMARY", "COMPLETED", "", 0, 2)]), None);
        assert_eq!(phase(&verdict), Some(Phase::Starting));
        let scaled_to_none = judge(&target(), &service(true, &[deployment(2, "PRIMARY", "COMPLETED", "", 0, 0)]), None);
        assert!(matches!(scaled_to_none, Verdict::Succeeded(_)));
    }

    #[test]
    fn a_roll_back_is_followed_to_its_end_and_is_no_success() {
        let failed = deployment(2, "ACTIVE", "FAILED", "circuit breaker: tasks failed to start.", 0, 0);
        let rolling = "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/1.";
        let verdict = judge(
            &target(),
            &service(true, &[deployment(3, "PRIMARY", "IN_PROGRESS", rolling, 1, 2), failed.clone()]),
            None,
        );
        assert_eq!(phase(&verdict), Some(Phase::RollingBack));
        let verdict = judge(
            &target(),
            &service(true, &[deployment(3, "PRIMARY", "COMPLETED", "completed.", 2, 2), failed]),
            None,
        );
        let reason = "circuit breaker: tasks failed to start.".to_owned();
        assert_eq!(verdict, Verdict::RolledBack { reason, to: OLD.into() });
    }

    #[test]
    fn a_roll_back_is_recognised_when_the_failed_deployment_is_gone_from_the_list() {
        let rolling = "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/1.";
        let verdict = judge(&target(), &service(true, &[deployment(3, "PRIMARY", "COMPLETED", rolling, 2, 2)]), None);
        assert_eq!(verdict, Verdict::RolledBack { reason: rolling.into(), to: OLD.into() });
    }

    #[test]
    fn a_failure_ends_at_once_only_where_nothing_is_undone() {
        let failed = [deployment(2, "PRIMARY", "FAILED", "why", 0, 2)];
        assert_eq!(judge(&target(), &service(false, &failed), None), Verdict::Failed { reason: "why".into() });
        assert_eq!(judge(&target(), &service(true, &failed), None), Verdict::FailedSoFar { reason: "why".into() });
    }

    #[test]
    fn another_deployment_supersedes() {
        let deployments = [
            deployment(3, "PRIMARY", "IN_PROGRESS", "in progress", 0, 2),
            deployment(2, "ACTIVE", "IN_PROGRESS", "", 1, 2),
        ];
        let verdict = judge(&target(), &service(true, &deployments), None);
        assert_eq!(verdict, Verdict::Superseded { by: "ecs-svc/3".into() });
        assert_eq!(judge(&target(), &service(true, &deployments[..1]), None), Verdict::Unlisted);
        assert_eq!(judge(&target(), &service(true, &[]), None), Verdict::Unlisted);
    }

    #[test]
    fn the_word_of_the_service_deployments_api_is_final() {
        let own = service(true, &[deployment(2, "PRIMARY", "IN_PROGRESS", "", 2, 2)]);
        let judged = |status: &str| judge(&target(), &own, Some(&reported(status)));
        assert!(matches!(judged("SUCCESSFUL"), Verdict::Succeeded(_)));
        assert_eq!(judged("ROLLBACK_SUCCESSFUL"), Verdict::RolledBack { reason: "said so".into(), to: OWN.into() });
        assert!(matches!(judged("ROLLBACK_FAILED"), Verdict::Failed { .. }));
        assert!(matches!(judged("STOPPED"), Verdict::Failed { .. }));
        assert_eq!(phase(&judged("ROLLBACK_IN_PROGRESS")), Some(Phase::RollingBack));
        for going in ["PENDING", "IN_PROGRESS", "STOP_REQUESTED", "SOMETHING_NEW"] {
            assert!(matches!(judged(going), Verdict::Going(progress) if progress.breaker == Some((1, 3))), "{going}");
        }
        let replaced = service(true, &[deployment(3, "PRIMARY", "IN_PROGRESS", "", 0, 2)]);
        let verdict = judge(&target(), &replaced, Some(&reported("STOPPED")));
        assert_eq!(verdict, Verdict::Superseded { by: "ecs-svc/3".into() });
    }
}
