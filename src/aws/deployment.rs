//! Following one deployment to its end.

use std::collections::HashSet;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::time::{Duration, Instant};

use super::config::Aws;
use super::error::AwsError;
use super::roll::{Roll, Started};
use super::rollout::{self, Phase, Progress, Target, Verdict};
use super::service::{self, Service};
use super::service_deployment::{self, ServiceDeployment};
use super::task_failure::{Collector, TaskFailure};

/// How long ECS may take to show a deployment that it has accepted, and to show the roll-back of one that failed.
const GRACE: Duration = Duration::from_secs(45);

/// How long a look may go on failing (throttled, unreachable) before following is given up.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often the service deployments API is asked for a deployment that it does not list.
const REPORT_TRIES: u32 = 5;

/// How many looks must show success where tasks have failed, or where the deployment was complete from the start: the
/// emulated AWS calls a first deployment COMPLETED before any task runs.
const CALM_LOOKS: u32 = 3;

/// How long the last look for reasons may take when the time is up.
const LAST_LOOK: Duration = Duration::from_secs(10);

/// Which deployment to follow, and how.
#[derive(Debug, Clone)]
pub struct Follow {
    pub cluster: String,
    pub service: String,
    /// As [`roll::update`](super::roll::update) gave it.
    pub deployment: String,
    /// The ARN of the revision that it runs.
    pub task_definition: String,
    /// When it was made, by the clock of ECS: seconds since 1970. Tasks from before are not its own.
    pub created_at: Option<f64>,
    /// The ids of the lines in the service's log that were there before.
    pub known_events: HashSet<String>,
    pub time_out: Duration,
    pub pace: Pace,
}

/// Between two looks: quick at first and after something happened, slower while nothing does.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    pub quickest: Duration,
    pub slowest: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { quickest: Duration::from_secs(2), slowest: Duration::from_secs(10) }
    }
}

impl Follow {
    pub fn new(started: &Started, roll: &Roll, time_out: Duration) -> Self {
        Follow {
            cluster: roll.cluster.clone(),
            service: roll.service.clone(),
            deployment: started.deployment.clone(),
            task_definition: roll.task_definition.clone(),
            created_at: started.service.primary().and_then(|primary| primary.created_at),
            known_events: started.known_events.clone(),
            time_out,
            pace: Pace::default(),
        }
    }
}

/// What happens meanwhile.
#[derive(Debug, Clone, PartialEq)]
pub enum DeploymentEvent {
    /// Numbers or phase changed.
    Progress(Progress),
    /// A line of the service's own log.
    Message(String),
    /// All new tasks run, and old ones leave a load balancer, which takes the target group's deregistration delay
    /// (300 s unless it is set otherwise). Told once.
    DrainsSlowly,
    TaskFailed(TaskFailure),
    /// A look failed and is tried again.
    Retrying(String),
}

/// How it ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Succeeded(Progress),
    /// And stays as it is.
    Failed {
        reason: String,
        tasks: Vec<TaskFailure>,
    },
    /// And was undone: the service runs `to` again, the ARN of a revision.
    RolledBack {
        reason: String,
        to: String,
        tasks: Vec<TaskFailure>,
    },
    /// Another deployment took its place.
    Superseded {
        by: String,
    },
    /// The deployment goes on.
    TimedOut {
        state: Progress,
        tasks: Vec<TaskFailure>,
    },
    /// `stop` was ready first; the deployment goes on.
    Interrupted {
        state: Progress,
        tasks: Vec<TaskFailure>,
    },
}

/// Follows a deployment until it ends, the time is up, or `stop` is ready (Ctrl-C).
///
/// # Errors
/// Where AWS cannot be asked, for longer than two minutes if that may pass. The deployment goes on then, too.
pub async fn follow(
    aws: &Aws,
    follow: &Follow,
    stop: impl Future<Output = ()>,
    on: &mut dyn FnMut(DeploymentEvent),
) -> Result<Outcome, AwsError> {
    let mut watch = Watch::new(follow);
    let mut stop = pin!(stop);
    let deadline = tokio::time::sleep(follow.time_out);
    let mut deadline = pin!(deadline);
    let end = loop {
        let step = tokio::select! {
            biased;
            () = &mut stop => End::Interrupted,
            () = &mut deadline => End::TimedOut,
            ended = watch.step(aws, on) => match ended? {
                Some(verdict) => End::Verdict(verdict),
                None => continue,
            },
        };
        break step;
    };
    match end {
        End::Interrupted => Ok(Outcome::Interrupted { state: watch.state, tasks: watch.failures }),
        End::TimedOut => {
            // What failed is the best hint why it takes so long.
            let _ = tokio::time::timeout(LAST_LOOK, watch.collect(aws, true, on)).await;
            Ok(Outcome::TimedOut { state: watch.state, tasks: watch.failures })
        }
        End::Verdict(verdict) => {
            if !matches!(verdict, Verdict::Succeeded(_) | Verdict::Superseded { .. }) {
                watch.collect(aws, true, on).await;
            }
            Ok(outcome(verdict, watch.failures))
        }
    }
}

enum End {
    Interrupted,
    TimedOut,
    Verdict(Verdict),
}

fn outcome(verdict: Verdict, tasks: Vec<TaskFailure>) -> Outcome {
    match verdict {
        Verdict::Succeeded(progress) => Outcome::Succeeded(progress),
        Verdict::RolledBack { reason, to } => Outcome::RolledBack { reason, to, tasks },
        Verdict::Superseded { by } => Outcome::Superseded { by },
        Verdict::Failed { reason } | Verdict::FailedSoFar { reason } => Outcome::Failed { reason, tasks },
        Verdict::Unlisted => {
            Outcome::Failed { reason: "ECS does not list the deployment, nor what took its place".to_owned(), tasks }
        }
        Verdict::Going(state) => Outcome::TimedOut { state, tasks },
    }
}

/// What following remembers between two looks.
struct Watch<'a> {
    follow: &'a Follow,
    target: Target,
    state: Progress,
    failures: Vec<TaskFailure>,
    collector: Collector,
    told: HashSet<String>,
    pause: Duration,
    /// Since when the deployment is unlisted, or failed without a roll-back.
    unsettled: Option<Instant>,
    failing: Option<Instant>,
    told_draining: bool,
    listed: bool,
    /// Whether ECS was seen at work on it.
    in_progress: bool,
    /// How many looks in a row showed success, and no task that failed.
    calm: u32,
    /// Why ECS calls the deployment failed.
    reason: Option<String>,
    reported: Reported,
}

/// What is known of the service deployments API.
enum Reported {
    /// Not found yet, after this many tries.
    Sought(u32),
    Arn(String),
    /// Missing or denied, here.
    Never,
}

impl<'a> Watch<'a> {
    fn new(follow: &'a Follow) -> Self {
        let target = Target { deployment: follow.deployment.clone(), task_definition: follow.task_definition.clone() };
        Watch {
            follow,
            collector: Collector::new(target.clone(), follow.created_at),
            target,
            state: Progress::default(),
            failures: Vec::new(),
            told: follow.known_events.clone(),
            pause: Duration::ZERO,
            unsettled: None,
            failing: None,
            told_draining: false,
            listed: false,
            in_progress: false,
            calm: 0,
            reason: None,
            reported: Reported::Sought(0),
        }
    }

    /// Waits, looks, tells; gives the verdict that ends it.
    async fn step(&mut self, aws: &Aws, on: &mut dyn FnMut(DeploymentEvent)) -> Result<Option<Verdict>, AwsError> {
        tokio::time::sleep(jittered(self.pause)).await;
        let service = match service::describe(aws, &self.follow.cluster, &self.follow.service).await {
            Ok(service) => service,
            Err(error) if error.is_passing() => {
                if self.failing.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                    return Err(error);
                }
                on(DeploymentEvent::Retrying(error.to_string()));
                self.slow_down();
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        self.failing = None;
        let reported = self.report(aws, &service).await;
        let verdict = rollout::judge(&self.target, &service, reported.as_ref());
        let mut news = self.tell_messages(&service, on);
        if let Some(progress) = progress_of(&verdict)
            && *progress != self.state
        {
            self.state = progress.clone();
            on(DeploymentEvent::Progress(self.state.clone()));
            news = true;
        }
        if self.state.phase == Phase::Draining && self.state.old > 0 && service.drains_slowly() && !self.told_draining {
            self.told_draining = true;
            on(DeploymentEvent::DrainsSlowly);
        }
        let found = self.collector.found();
        news |= self.collect(aws, false, on).await;
        let failed = self.collector.found() > found;
        if news {
            self.pause = self.follow.pace.quickest;
        } else {
            self.slow_down();
        }
        let certain = reported.is_some_and(|reported| reported.status == "SUCCESSFUL");
        Ok(self.settle(verdict, &service, certain, failed))
    }

    /// Ends on what is an end, and gives what may only look like one its time.
    fn settle(&mut self, verdict: Verdict, service: &Service, certain: bool, failed: bool) -> Option<Verdict> {
        if let Some(own) = service.deployments.iter().find(|deployment| deployment.id == self.target.deployment) {
            self.in_progress |= own.rollout_state.as_deref() == Some("IN_PROGRESS");
            if own.rollout_state.as_deref() == Some("FAILED") {
                self.reason = own.rollout_state_reason.clone().or_else(|| self.reason.take());
            }
        }
        self.calm = if failed || !matches!(verdict, Verdict::Succeeded(_)) { 0 } else { self.calm + 1 };
        // Once complete, a roll-back looks like any other deployment: what was seen before tells them apart.
        if let (Verdict::Unlisted | Verdict::Superseded { .. }, Phase::RollingBack, Some(primary)) =
            (&verdict, self.state.phase, service.primary())
        {
            let reason = self.reason.clone().unwrap_or_else(|| "ECS gives no reason".to_owned());
            return primary.is_live().then(|| Verdict::RolledBack { reason, to: primary.task_definition.clone() });
        }
        match verdict {
            Verdict::Going(_) => {
                self.listed = true;
                self.unsettled = None;
                None
            }
            // Tasks that run for a moment between two crashes make no success.
            Verdict::Succeeded(_) => {
                let seen_through = self.in_progress && self.collector.found() == 0;
                (certain || seen_through || self.calm >= CALM_LOOKS).then_some(verdict)
            }
            Verdict::FailedSoFar { .. } | Verdict::Unlisted => {
                let waited = self.unsettled.get_or_insert_with(Instant::now).elapsed();
                let gone = verdict == Verdict::Unlisted && self.listed;
                if waited < GRACE && !gone {
                    return None;
                }
                match (verdict, service.primary()) {
                    (Verdict::Unlisted, Some(primary)) => Some(Verdict::Superseded { by: primary.id.clone() }),
                    (verdict, _) => Some(verdict),
                }
            }
            end => Some(end),
        }
    }

    fn slow_down(&mut self) {
        let pace = self.follow.pace;
        self.pause = self.pause.mul_f64(1.4).clamp(pace.quickest, pace.slowest);
    }

    fn tell_messages(&mut self, service: &Service, on: &mut dyn FnMut(DeploymentEvent)) -> bool {
        let mut news = false;
        for event in service.events.iter().rev() {
            if self.told.insert(event.id.clone()) {
                on(DeploymentEvent::Message(event.message.clone()));
                news = true;
            }
        }
        news
    }

    /// Failures are an extra: where they cannot be read, the verdict still stands.
    async fn collect(&mut self, aws: &Aws, last: bool, on: &mut dyn FnMut(DeploymentEvent)) -> bool {
        match self.collector.look(aws, &self.follow.cluster, &self.follow.service, last).await {
            Ok(failures) => {
                let news = !failures.is_empty();
                for failure in failures {
                    on(DeploymentEvent::TaskFailed(failure.clone()));
                    self.failures.push(failure);
                }
                news
            }
            Err(error) => {
                on(DeploymentEvent::Retrying(format!("cannot read the stopped tasks: {error}")));
                false
            }
        }
    }

    /// Asks the service deployments API, once it is known that it answers here.
    async fn report(&mut self, aws: &Aws, service: &Service) -> Option<ServiceDeployment> {
        if let Reported::Sought(tries) = self.reported {
            self.reported = match service_deployment::find(aws, service, &self.target.deployment).await {
                Ok(Some(arn)) => Reported::Arn(arn),
                // It may come a moment after the deployment.
                Ok(None) if tries < REPORT_TRIES => Reported::Sought(tries + 1),
                Err(error) if error.is_passing() => Reported::Sought(tries),
                _ => Reported::Never,
            };
        }
        let Reported::Arn(arn) = &self.reported else { return None };
        match service_deployment::describe(aws, arn).await {
            Ok(reported) => reported,
            Err(error) if error.is_passing() => None,
            Err(_) => {
                self.reported = Reported::Never;
                None
            }
        }
    }
}

fn progress_of(verdict: &Verdict) -> Option<&Progress> {
    match verdict {
        Verdict::Going(progress) | Verdict::Succeeded(progress) => Some(progress),
        _ => None,
    }
}

/// Up to a quarter more, so that many pipelines do not ask in step.
fn jittered(pause: Duration) -> Duration {
    let share = u32::try_from(RandomState::new().hash_one(0_u8) % 250).unwrap_or_default();
    pause + pause * share / 1000
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::aws::canned::Canned;

    const OWN: &str = "arn:aws:ecs:eu-west-1:1:task-definition/shop:2";

    fn deployment(id: u32, status: &str, state: &str, reason: &str, running: u32) -> Value {
        json!({
            "id": format!("ecs-svc/{id}"), "status": status, "runningCount": running, "desiredCount": 1,
            "taskDefinition": if id == 2 { OWN } else { "old" }, "rolloutState": state, "rolloutStateReason": reason,
        })
    }

    fn service(deployments: &[Value]) -> Value {
        json!({ "services": [{
            "serviceArn": "arn:s", "serviceName": "shop", "clusterArn": "arn:c", "status": "ACTIVE", "taskDefinition": "x",
            "desiredCount": 1, "runningCount": 1, "deployments": deployments, "loadBalancers": [{}],
            "deploymentConfiguration": { "deploymentCircuitBreaker": { "enable": true, "rollback": true } },
            "events": [{ "id": "e2", "message": "new" }, { "id": "e1", "message": "old" }],
        }] })
    }

    fn asked(time_out: Duration) -> Follow {
        Follow {
            cluster: "lab".into(),
            service: "shop".into(),
            deployment: "ecs-svc/2".into(),
            task_definition: OWN.into(),
            created_at: Some(100.0),
            known_events: HashSet::from(["e1".to_owned()]),
            time_out,
            pace: Pace { quickest: Duration::from_millis(1), slowest: Duration::from_millis(2) },
        }
    }

    async fn followed(canned: &Canned, time_out: Duration) -> (Outcome, Vec<DeploymentEvent>) {
        let mut events = Vec::new();
        let stop = std::future::pending();
        let outcome = follow(&canned.aws(), &asked(time_out), stop, &mut |event| events.push(event)).await.unwrap();
        (outcome, events)
    }

    fn without_tasks(services: Vec<Value>) -> Canned {
        Canned::by_action([("DescribeServices", services), ("ListTasks", vec![json!({ "taskArns": [] })])])
    }

    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_roll_is_told_step_by_step_to_its_success() {
        let own = |state, running| deployment(2, "PRIMARY", state, "", running);
        let old = deployment(1, "ACTIVE", "COMPLETED", "", 1);
        let canned = without_tasks(vec![
            service(std::slice::from_ref(&old)),
            service(&[own("IN_PROGRESS", 0), old.clone()]),
            service(&[own("IN_PROGRESS", 1), old]),
            service(&[own("COMPLETED", 1)]),
        ]);
        let (outcome, events) = followed(&canned, LONG).await;
        assert!(matches!(&outcome, Outcome::Succeeded(progress) if progress.running == 1), "{outcome:?}");
        let messages: Vec<_> = events.iter().filter(|event| matches!(event, DeploymentEvent::Message(_))).collect();
        assert_eq!(messages, [&DeploymentEvent::Message("new".into())]);
        assert_eq!(events.iter().filter(|event| **event == DeploymentEvent::DrainsSlowly).count(), 1);
        let phases: Vec<Phase> = events
            .iter()
            .filter_map(|event| match event {
                DeploymentEvent::Progress(progress) => Some(progress.phase),
                _ => None,
            })
            .collect();
        assert_eq!(phases, [Phase::Starting, Phase::Draining, Phase::Draining]);
    }

    #[tokio::test]
    async fn a_roll_back_that_leaves_no_trace_is_still_a_failure_with_its_reasons() {
        let canned = Canned::by_action([
            (
                "DescribeServices",
                vec![
                    service(&[deployment(2, "PRIMARY", "IN_PROGRESS", "", 0)]),
                    service(&[
                        deployment(3, "PRIMARY", "IN_PROGRESS", "in progress", 0),
                        deployment(2, "ACTIVE", "FAILED", "tasks failed to start", 0),
                    ]),
                    service(&[deployment(3, "PRIMARY", "IN_PROGRESS", "in progress", 0)]),
                    service(&[deployment(3, "PRIMARY", "COMPLETED", "completed", 1)]),
                ],
            ),
            ("ListTasks", vec![json!({ "taskArns": ["arn:t/1"] })]),
            (
                "DescribeTasks",
                vec![json!({ "tasks": [{
                "taskArn": "arn:t/1", "startedBy": "ecs-svc/2", "lastStatus": "STOPPED", "stopCode": "EssentialContainerExited",
                "stoppedReason": "exited", "containers": [{ "name": "app", "exitCode": 3 }],
            }] })],
            ),
            (
                "DescribeTaskDefinition",
                vec![json!({ "taskDefinition": {
                "taskDefinitionArn": OWN, "family": "shop", "revision": 2, "containerDefinitions": [{
                    "name": "app", "logConfiguration": { "logDriver": "awslogs", "options": { "awslogs-group": "g", "awslogs-stream-prefix": "p" } },
                }],
            } })],
            ),
            ("GetLogEvents", vec![json!({ "events": [] }), json!({ "events": [{ "message": "boom\n" }] })]),
        ]);
        let (outcome, events) = followed(&canned, LONG).await;
        let Outcome::RolledBack { reason, to, tasks } = outcome else { panic!("{outcome:?}") };
        assert_eq!((&*reason, &*to), ("tasks failed to start", "old"));
        assert_eq!(tasks.len(), 1);
        assert_eq!(tasks[0].containers[0].log_lines, ["boom"], "an empty log is read again");
        assert!(events.contains(&DeploymentEvent::TaskFailed(tasks[0].clone())));
    }

    #[tokio::test]
    async fn time_out_and_interruption_end_with_the_state_of_things() {
        let canned = without_tasks(vec![service(&[deployment(2, "PRIMARY", "IN_PROGRESS", "", 0)])]);
        let (outcome, _) = followed(&canned, Duration::from_millis(100)).await;
        assert!(matches!(&outcome, Outcome::TimedOut { state, .. } if state.desired == 1), "{outcome:?}");
        let stop = tokio::time::sleep(Duration::from_millis(100));
        let outcome = follow(&canned.aws(), &asked(LONG), stop, &mut |_| ()).await.unwrap();
        assert!(matches!(&outcome, Outcome::Interrupted { state, .. } if state.desired == 1), "{outcome:?}");
    }

    #[tokio::test]
    async fn tasks_that_run_for_a_moment_between_crashes_make_no_success() {
        let complete = |running| service(&[deployment(2, "PRIMARY", "COMPLETED", "", running)]);
        let flapping = vec![complete(0), complete(1), complete(1), complete(0), complete(1), complete(0)];
        let (outcome, _) = followed(&without_tasks(flapping), Duration::from_millis(300)).await;
        assert!(matches!(outcome, Outcome::TimedOut { .. }), "{outcome:?}");
        let (outcome, _) = followed(&without_tasks(vec![complete(0), complete(1)]), LONG).await;
        assert!(matches!(outcome, Outcome::Succeeded(_)), "{outcome:?}");
    }

    #[tokio::test]
    async fn a_newer_deployment_ends_the_watch() {
        let canned = without_tasks(vec![service(&[
            deployment(3, "PRIMARY", "IN_PROGRESS", "in progress", 0),
            deployment(2, "ACTIVE", "IN_PROGRESS", "", 1),
        ])]);
        assert_eq!(followed(&canned, LONG).await.0, Outcome::Superseded { by: "ecs-svc/3".into() });
    }

    #[tokio::test]
    async fn the_service_deployments_api_is_found_by_the_number_of_the_deployment() {
        let canned = Canned::by_action([
            ("DescribeServices", vec![service(&[deployment(2, "PRIMARY", "IN_PROGRESS", "", 1)])]),
            ("ListTasks", vec![json!({ "taskArns": [] })]),
            (
                "ListServiceDeployments",
                vec![json!({ "serviceDeployments": [
                { "serviceDeploymentArn": "arn:d/new", "targetServiceRevisionArn": "arn:service-revision/lab/shop/2" },
            ] })],
            ),
            (
                "DescribeServiceDeployments",
                vec![json!({ "serviceDeployments": [{
                "serviceDeploymentArn": "arn:d/new", "status": "SUCCESSFUL",
                "deploymentCircuitBreaker": { "failureCount": 1, "threshold": 3 },
            }] })],
            ),
        ]);
        let (outcome, _) = followed(&canned, LONG).await;
        assert!(matches!(&outcome, Outcome::Succeeded(progress) if progress.breaker == Some((1, 3))), "{outcome:?}");
    }

    #[tokio::test]
    async fn a_look_that_fails_in_passing_is_tried_again() {
        let busy = || (500, json!({ "__type": "ServerException", "message": "busy" }));
        let going = (200, service(&[deployment(2, "PRIMARY", "IN_PROGRESS", "", 0)]));
        let done = (200, service(&[deployment(2, "PRIMARY", "COMPLETED", "", 1)]));
        let none = (400, json!({ "__type": "AccessDeniedException", "message": "no" }));
        // Three attempts are the SDK's own; then the next look; the service deployments API and the tasks are denied.
        let canned = Canned::new([busy(), busy(), busy(), going, none.clone(), none.clone(), done, none]);
        let (outcome, events) = followed(&canned, LONG).await;
        assert!(matches!(outcome, Outcome::Succeeded(_)), "{outcome:?}");
        assert!(matches!(&events[0], DeploymentEvent::Retrying(words) if words.contains("busy")), "{events:?}");
    }
}
