//! Why tasks of a deployment stopped. Collected while it happens: stopped tasks vanish within the hour, and the log
//! group of a first deployment may be deleted with it.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use super::config::Aws;
use super::error::{AwsError, Call};
use super::json::Exchange;
use super::logs::{self, LogStream};
use super::rollout::Target;
use super::stack_trace;

/// How many lines of a failed container's log are read: a Java stack trace is long.
const LOG_LINES: u16 = 200;

/// How many of them are shown, once stack traces are cut short.
const SHOWN_LINES: usize = 20;

/// How often a log that is still empty is read again: its lines arrive some seconds after the container ended.
const LOG_LOOKS: u32 = 4;

/// Failed tasks beyond these say the same again.
const MOST_TASKS: usize = 5;

/// A task that stopped and should not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFailure {
    /// The ARN.
    pub task: String,
    /// `TaskFailedToStart`, `EssentialContainerExited`, `ServiceSchedulerInitiated`…
    pub stop_code: String,
    pub stopped_reason: String,
    pub containers: Vec<ContainerFailure>,
}

/// A container of such a task that has something to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerFailure {
    pub name: String,
    pub reason: Option<String>,
    pub exit_code: Option<i64>,
    pub log: Option<LogStream>,
    /// The last lines, oldest first.
    pub log_lines: Vec<String>,
}

impl TaskFailure {
    /// The last part of the ARN.
    pub fn task_id(&self) -> &str {
        self.task.rsplit('/').next().unwrap_or_default()
    }

    /// That it failed, and the nearest reason, in one line.
    pub fn headline(&self) -> String {
        let mut line = format!("task {} stopped ({}): {}", self.task_id(), self.stop_code, self.stopped_reason);
        for container in &self.containers {
            line.push_str(&format!("; container {container}"));
        }
        line
    }

    /// Whether another task failed in the same way, so that once is enough to tell.
    pub fn is_like(&self, other: &TaskFailure) -> bool {
        let ways = |failure: &TaskFailure| -> Vec<_> {
            let way =
                |container: &ContainerFailure| (container.name.clone(), container.reason.clone(), container.exit_code);
            failure.containers.iter().map(way).collect()
        };
        (&self.stop_code, &self.stopped_reason) == (&other.stop_code, &other.stopped_reason)
            && ways(self) == ways(other)
    }

    /// What usually helps against such a failure.
    pub fn advice(&self) -> Option<&'static str> {
        let reasons = self.containers.iter().filter_map(|container| container.reason.as_deref());
        let said = reasons.chain([&*self.stopped_reason]).collect::<Vec<_>>().join("\n");
        let says = |words: &str| said.contains(words);
        let exited = |code: i64| self.containers.iter().any(|container| container.exit_code == Some(code));
        if says("CannotPullContainer") {
            Some(
                "does the image exist under that digest, may the execution role pull it (ecr:GetAuthorizationToken, \
                 ecr:BatchGetImage, ecr:GetDownloadUrlForLayer), and does the subnet reach ECR and S3?",
            )
        } else if says("ResourceInitializationError") {
            Some(
                "may the execution role read the secrets and write the log group, does the group exist, and does the \
                 subnet reach Secrets Manager, SSM and CloudWatch Logs?",
            )
        } else if says("OutOfMemory") || exited(137) {
            Some("the container was killed, most often for its memory: give the task more, or the JVM less")
        } else if says("ELB health checks") || says("health checks") {
            Some(
                "does the application answer the health check's path and port in time? \
                 health-check-grace-period-seconds gives it longer to start",
            )
        } else if exited(143) {
            Some("the container was asked to stop (SIGTERM) from outside")
        } else {
            None
        }
    }
}

/// One line, without the log.
impl fmt::Display for ContainerFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(code) = self.exit_code {
            write!(f, " exited with {code}")?;
        }
        match &self.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for TaskFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {} stopped ({}): {}", self.task_id(), self.stop_code, self.stopped_reason)?;
        for container in &self.containers {
            write!(f, "\n  container {container}")?;
            for line in &container.log_lines {
                write!(f, "\n    | {line}")?;
            }
        }
        match self.advice() {
            Some(advice) => write!(f, "\n  {advice}"),
            None => Ok(()),
        }
    }
}

/// A task as DescribeTasks tells it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Task {
    task_arn: String,
    #[serde(default)]
    task_definition_arn: String,
    #[serde(default)]
    started_by: String,
    #[serde(default)]
    last_status: String,
    #[serde(default)]
    stop_code: String,
    #[serde(default)]
    stopped_reason: String,
    created_at: Option<f64>,
    #[serde(default)]
    containers: Vec<TaskContainer>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TaskContainer {
    #[serde(default)]
    name: String,
    reason: Option<String>,
    exit_code: Option<i64>,
}

/// A failure whose log may still come.
#[derive(Debug)]
struct Waiting {
    failure: TaskFailure,
    looks: u32,
    complete: bool,
}

/// The failures of one deployment, as they come in.
#[derive(Debug)]
pub(super) struct Collector {
    target: Target,
    /// Seconds since 1970: tasks from before are another deployment's.
    since: Option<f64>,
    seen: HashSet<String>,
    found: usize,
    waiting: Vec<Waiting>,
    definition: Option<Value>,
}

impl Collector {
    pub(super) fn new(target: Target, since: Option<f64>) -> Self {
        Collector { target, since, seen: HashSet::new(), found: 0, waiting: Vec::new(), definition: None }
    }

    /// How many tasks have failed, told or not.
    pub(super) fn found(&self) -> usize {
        self.found
    }

    /// Looks for tasks that stopped since the last look. A failure whose log is still empty waits for the next look,
    /// unless this is the `last` one.
    pub(super) async fn look(
        &mut self,
        aws: &Aws,
        cluster: &str,
        service: &str,
        last: bool,
    ) -> Result<Vec<TaskFailure>, AwsError> {
        for task in stopped_tasks(aws, cluster, service, &self.seen).await? {
            if task.last_status != "STOPPED" || !self.seen.insert(task.task_arn.clone()) {
                continue;
            }
            if !is_of(&task, &self.target, self.since) || !is_failure(&task) {
                continue;
            }
            self.found += 1;
            if self.found <= MOST_TASKS {
                let failure = self.read(aws, &task).await;
                self.waiting.push(Waiting { failure, looks: 0, complete: false });
            }
        }
        // In place, as following may end in the middle of it.
        for waiting in &mut self.waiting {
            waiting.complete = fill_logs(aws, &mut waiting.failure).await;
            waiting.looks += 1;
        }
        let ready = |waiting: &mut Waiting| waiting.complete || last || waiting.looks >= LOG_LOOKS;
        Ok(self.waiting.extract_if(.., ready).map(|waiting| waiting.failure).collect())
    }

    async fn read(&mut self, aws: &Aws, task: &Task) -> TaskFailure {
        if self.definition.is_none() {
            // Without it the logs cannot be found; the rest of the story is still worth telling.
            let revision = super::task_definition::describe(aws, &self.target.task_definition).await;
            self.definition = revision.ok().map(|revision| revision.json);
        }
        failure(task, self.definition.as_ref(), aws.region())
    }
}

async fn stopped_tasks(aws: &Aws, cluster: &str, service: &str, seen: &HashSet<String>) -> Result<Vec<Task>, AwsError> {
    let resource = format!("{cluster}/{service}");
    let call = Call { action: "ecs:ListTasks", resource: &resource };
    // By service and status: with startedBy no other filter is allowed.
    let listed = aws
        .ecs()
        .list_tasks()
        .cluster(cluster)
        .service_name(service)
        .desired_status(aws_sdk_ecs::types::DesiredStatus::Stopped)
        .send()
        .await
        .map_err(|error| call.failed(error))?;
    // One call describes at most 100 tasks, which is what one page lists.
    let new: Vec<String> = listed.task_arns().iter().filter(|arn| !seen.contains(*arn)).take(100).cloned().collect();
    if new.is_empty() {
        return Ok(Vec::new());
    }
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        tasks: Vec<Task>,
    }
    let call = Call { action: "ecs:DescribeTasks", resource: &resource };
    let exchange = Exchange::reading();
    aws.ecs()
        .describe_tasks()
        .cluster(cluster)
        .set_tasks(Some(new))
        .customize()
        .interceptor(exchange.clone())
        .send()
        .await
        .map_err(|error| call.failed(error))?;
    exchange.answer::<Answer>(&call).map(|answer| answer.tasks)
}

/// ECS writes the deployment's id into startedBy. Where it is something else (the emulated AWS writes the service's
/// name) the revision and the time decide.
fn is_of(task: &Task, target: &Target, since: Option<f64>) -> bool {
    if task.started_by.starts_with("ecs-svc/") {
        return task.started_by == target.deployment;
    }
    let late_enough = match (task.created_at, since) {
        (Some(created), Some(since)) => created >= since,
        _ => true,
    };
    task.task_definition_arn == target.task_definition && late_enough
}

/// A task that the service's own scaling stopped did nothing wrong.
fn is_failure(task: &Task) -> bool {
    let scaled = ["Scaling activity", "Service scaling down", "Task definition updated", "Deployment capacity limit"];
    !(task.stop_code == "ServiceSchedulerInitiated" || task.stop_code == "UserInitiated")
        || !scaled.iter().any(|words| task.stopped_reason.contains(words))
}

fn failure(task: &Task, definition: Option<&Value>, region: &str) -> TaskFailure {
    let id = task.task_arn.rsplit('/').next().unwrap_or_default();
    let definitions = definition.and_then(|json| json.get("containerDefinitions")).and_then(Value::as_array);
    let log = |name: &str| {
        let named = |container: &&Value| container.get("name").and_then(Value::as_str) == Some(name);
        definitions.and_then(|list| list.iter().find(named)).and_then(|found| LogStream::of(found, id, region))
    };
    let containers = task.containers.iter().filter(|container| {
        let reason = container.reason.as_deref().is_some_and(|reason| !reason.is_empty());
        // One that ended well tells something only where there is no other.
        reason || container.exit_code.is_some_and(|code| code != 0 || task.containers.len() == 1)
    });
    TaskFailure {
        task: task.task_arn.clone(),
        stop_code: task.stop_code.clone(),
        stopped_reason: task.stopped_reason.clone(),
        containers: containers
            .map(|container| ContainerFailure {
                name: container.name.clone(),
                reason: container.reason.clone().filter(|reason| !reason.is_empty()),
                exit_code: container.exit_code,
                log: log(&container.name),
                log_lines: Vec::new(),
            })
            .collect(),
    }
}

/// Reads the logs that are still empty; tells whether nothing is left to wait for. A container that never started
/// has no log.
async fn fill_logs(aws: &Aws, failure: &mut TaskFailure) -> bool {
    let mut complete = true;
    for container in failure.containers.iter_mut().filter(|container| container.log_lines.is_empty()) {
        let (Some(stream), Some(_)) = (&container.log, container.exit_code) else { continue };
        // Without the right to read logs the rest of the story is still worth telling.
        container.log_lines = match logs::last_lines(aws, stream, LOG_LINES).await {
            Ok(lines) => stack_trace::shortened(lines, SHOWN_LINES),
            Err(AwsError::AccessDenied { action, .. }) => vec![format!("(the log cannot be read: {action} is denied)")],
            Err(_) => Vec::new(),
        };
        complete &= !container.log_lines.is_empty();
    }
    complete
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn task(started_by: &str, revision: &str, stop_code: &str, reason: &str, exit_code: Option<i64>) -> Task {
        serde_json::from_value(json!({
            "taskArn": "arn:aws:ecs:eu-west-1:1:task/lab/abc", "taskDefinitionArn": revision, "startedBy": started_by,
            "lastStatus": "STOPPED", "stopCode": stop_code, "stoppedReason": reason, "createdAt": 100.0,
            "containers": [{ "name": "app", "exitCode": exit_code, "reason": null }],
        }))
        .unwrap()
    }

    fn target() -> Target {
        Target { deployment: "ecs-svc/2".into(), task_definition: "shop:2".into() }
    }

    #[test]
    fn only_tasks_of_the_deployment_count() {
        let of = |started_by: &str, revision: &str, since| {
            is_of(&task(started_by, revision, "", "", None), &target(), since)
        };
        assert!(of("ecs-svc/2", "shop:2", None));
        assert!(!of("ecs-svc/1", "shop:2", None), "another deployment of the same revision");
        assert!(of("shop", "shop:2", Some(100.0)));
        assert!(!of("shop", "shop:2", Some(101.0)), "an earlier deployment of the same revision");
        assert!(!of("shop", "shop:1", None));
    }

    #[test]
    fn a_task_that_scaling_stopped_is_no_failure() {
        let failed = |code, reason| is_failure(&task("", "", code, reason, None));
        assert!(!failed("ServiceSchedulerInitiated", "Scaling activity initiated by deployment ecs-svc/3"));
        assert!(failed("ServiceSchedulerInitiated", "Task failed ELB health checks in (target-group arn:x)"));
        assert!(failed("EssentialContainerExited", "Essential container in task exited"));
        assert!(failed("TaskFailedToStart", "CannotPullContainerError: pull image manifest has been retried"));
    }

    #[test]
    fn a_failure_tells_reason_exit_code_log_and_advice() {
        let definition = json!({ "containerDefinitions": [{
            "name": "app",
            "logConfiguration": { "logDriver": "awslogs", "options": { "awslogs-group": "/shop", "awslogs-stream-prefix": "ecs" } },
        }] });
        let task = task("", "", "EssentialContainerExited", "Essential container in task exited", Some(137));
        let mut failure = failure(&task, Some(&definition), "eu-west-1");
        let stream = failure.containers[0].log.clone().unwrap();
        assert_eq!((&*stream.region, &*stream.group, &*stream.stream), ("eu-west-1", "/shop", "ecs/app/abc"));
        failure.containers[0].log_lines = vec!["last words".into()];
        assert_eq!(
            failure.to_string(),
            "task abc stopped (EssentialContainerExited): Essential container in task exited\n  container app exited \
             with 137\n    | last words\n  the container was killed, most often for its memory: give the task more, or \
             the JVM less"
        );
    }
}
