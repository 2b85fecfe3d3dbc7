//! Register and roll, as push and deploy do it alike.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use super::interrupt::Interrupted;
use super::registry_access::{aws, refused};
use super::service_settings;
use crate::aws::config::Aws;
use crate::aws::deployment::{self, DeploymentEvent, Follow, Outcome};
use crate::aws::error::AwsError;
use crate::aws::overlay;
use crate::aws::roll::{self, Roll};
use crate::aws::rollout::{Phase, Progress};
use crate::aws::service::{self, Service};
use crate::aws::task_definition::{self, Revision};
use crate::aws::task_failure::TaskFailure;
use crate::image::Platform;
use crate::registry::Reference;
use crate::release::{Release, ReleasedImage};
use crate::report::{CommandError, Elapsed, ErrorKind, Report};
use crate::settings::Settings;

/// How long a deployment is followed unless the settings say otherwise.
const TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// How a service is to be rolled; the flags that push and deploy share.
#[derive(Debug, Args)]
pub struct Manner {
    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,

    /// Roll the service even where its percentages leave no room for new tasks.
    #[arg(long)]
    pub force: bool,
}

/// The image that a service is rolled to.
pub struct Deployable {
    /// By digest, as it was pushed.
    pub image: Reference,
    pub platforms: Vec<Platform>,
    /// The tags of the revision that tell what it runs.
    pub tags: BTreeMap<String, String>,
}

impl Deployable {
    /// The image of a release.
    pub fn of(release: &Release, image: &ReleasedImage, pinned: &Reference) -> Self {
        let tags = [
            ("shipit:tag", Some(release.tag.clone())),
            ("shipit:git-sha", release.git_sha.clone()),
            ("shipit:built-at", Some(release.built_at.clone())),
        ];
        Deployable {
            image: pinned.clone(),
            platforms: image.platforms.clone(),
            tags: tags.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect(),
        }
    }
}

/// A roll-out that was planned and checked; nothing has been changed yet.
pub struct Rollout {
    aws: Aws,
    service: Service,
    current: Revision,
    planned: Value,
    tags: BTreeMap<String, String>,
    roll: Roll,
    timeout: Duration,
}

impl Rollout {
    /// Reads the service and its current revision, lays the settings over it, and checks what can be checked.
    pub async fn prepare(
        report: &Report,
        settings: &Settings,
        deployable: Deployable,
        force: bool,
    ) -> Result<Self, CommandError> {
        let wanted = &settings.service;
        let required = |value: &Option<String>, key: &str| {
            value.clone().ok_or_else(|| {
                ErrorKind::Usage
                    .error(format!("{} is not set", settings.describe(&format!("service.{key}"))))
                    .hint(format!("set [service] {key} in shipit.toml"))
            })
        };
        let cluster = required(&wanted.cluster, "cluster")?;
        let name = required(&wanted.name, "name")?;
        let aws = aws(settings).await?;
        let service = service::describe(&aws, &cluster, &name).await.map_err(refused)?;
        let current = task_definition::describe(&aws, &service.task_definition).await.map_err(refused)?;

        // A family of its own has its own past, or none: a new one is made of the settings alone.
        let of_family = match &wanted.family {
            Some(family) if *family != current.family => Some(newest_of(&aws, family).await?),
            _ => None,
        };
        let basis = of_family.as_ref().map_or(Some(&current), Option::as_ref);
        let overlay = service_settings::overlay(settings, aws.region(), &deployable.image, deployable.platforms)?;
        let planned = overlay::plan(basis.map(|basis| &basis.json), &overlay)
            .map_err(|error| service_settings::unplanned(settings, error))?;
        let tags = task_definition::next_tags(basis, &deployable.tags);
        let roll = Roll {
            cluster,
            service: name,
            task_definition: current.arn.clone(),
            desired_count: wanted.desired_count,
            deployment: service_settings::deployment(wanted),
            health_check_grace_period_seconds: wanted
                .health_check_grace_period
                .map(|period| u32::try_from(period.as_secs()).unwrap_or(u32::MAX)),
            platform_version: wanted.platform_version.clone(),
        };
        match roll::check_progress(&service, &roll) {
            Ok(()) => {}
            Err(no_progress) if force => report.warn(no_progress),
            Err(no_progress) => {
                return Err(ErrorKind::Usage.error(no_progress).hint("--force rolls the service all the same"));
            }
        }
        let timeout = wanted.timeout.unwrap_or(TIMEOUT);
        Ok(Rollout { aws, service, current, planned, tags, roll, timeout })
    }

    /// Whether the service already runs, everywhere and completely, what would be registered.
    fn is_live(&self) -> bool {
        roll::is_needless(&self.service, &self.current, &self.planned, &self.roll)
    }

    /// The ARN of the revision that the service runs now.
    pub fn current(&self) -> &str {
        &self.current.arn
    }

    /// Says what [`Rollout::run`] would do, and whether it would roll anything.
    pub fn describe(&self, report: &Report) -> bool {
        let name = &self.service.service_name;
        let live = self.is_live();
        match live {
            true => report.step("Would leave", format!("{name} as it is: it runs this already")),
            false => {
                report.step("Would roll", format!("{name} from {}:{}", self.current.family, self.current.revision))
            }
        }
        !live
    }

    /// Registers the revision, rolls the service to it, and follows that deployment to its end. Gives the ARN of the
    /// revision that the service runs.
    pub async fn run(mut self, report: &Report) -> Result<String, CommandError> {
        let name = self.service.service_name.clone();
        if self.is_live() {
            report.step("Unchanged", format!("{name} runs {}:{} already", self.current.family, self.current.revision));
            return Ok(self.current.arn);
        }
        let started = Instant::now();
        // From here on something is under way, and whoever interrupts is told of it.
        let mut interrupted = Interrupted::watch()?;
        let revision = task_definition::register(&self.aws, &self.planned, &self.tags).await.map_err(refused)?;
        report.step("Registered", format!("{}:{}", revision.family, revision.revision));
        self.roll.task_definition = revision.arn.clone();
        let deployed = roll::update(&self.aws, &self.service, &self.roll).await.map_err(refused)?;
        report
            .step("Rolling", format!("{name} to {}:{} ({})", revision.family, revision.revision, deployed.deployment));

        let follow = Follow::new(&deployed, &self.roll, self.timeout);
        let progress = report.line_progress("Rolling");
        let outcome = deployment::follow(&self.aws, &follow, interrupted.wished(), &mut |event| match event {
            DeploymentEvent::Progress(state) => {
                progress.set(&words(&state));
                // A closed standard output must not end the watch; the result tells of it.
                let _ = report.json(&json!({ "event": "progress", "state": words(&state) }));
            }
            DeploymentEvent::Message(message) => report.detail(message),
            DeploymentEvent::DrainsSlowly => report.note(
                "all new tasks run; once they are healthy the old ones leave the load balancer, which takes the target \
                 group's deregistration delay (300 s unless it is set otherwise)",
            ),
            // Its log is told at the end, once for all tasks that fail alike.
            DeploymentEvent::TaskFailed(failure) => report.warn(failure.headline()),
            DeploymentEvent::Retrying(why) => report.detail(why),
        })
        .await
        .map_err(|error| refused(error).hint("the deployment goes on; `aws ecs describe-services` shows it"))?;
        progress.finish();
        conclude(report, &name, revision, outcome, started)
    }
}

/// The newest revision of a family, if it has one.
async fn newest_of(aws: &Aws, family: &str) -> Result<Option<Revision>, CommandError> {
    match task_definition::describe(aws, family).await {
        Ok(revision) => Ok(Some(revision)),
        Err(AwsError::TaskDefinitionNotFound { .. }) => Ok(None),
        Err(error) => Err(refused(error)),
    }
}

fn conclude(
    report: &Report,
    service: &str,
    revision: Revision,
    outcome: Outcome,
    started: Instant,
) -> Result<String, CommandError> {
    let shown = format!("{}:{}", revision.family, revision.revision);
    let goes_on = |state: &Progress| {
        format!("{service} goes on rolling to {shown} without being watched; as of now: {}", words(state))
    };
    match outcome {
        Outcome::Succeeded(state) => {
            let tasks = if state.running == 1 { "1 task".to_owned() } else { format!("{} tasks", state.running) };
            report.step("Live", format!("{service} runs {shown}: {tasks}, after {}", Elapsed(started.elapsed())));
            Ok(revision.arn)
        }
        Outcome::Failed { reason, tasks } => Err(ErrorKind::DeploymentFailed.error(format!(
            "the deployment of {shown} to {service} failed: {reason}{}\nNothing was rolled back: the service is still \
             asked to run {shown}",
            reasons(&tasks)
        ))),
        Outcome::RolledBack { reason, to, tasks } => Err(ErrorKind::DeploymentFailed.error(format!(
            "the deployment of {shown} to {service} failed and was rolled back: {reason}{}\nThe service runs {} again",
            reasons(&tasks),
            to.rsplit('/').next().unwrap_or(&to)
        ))),
        Outcome::Superseded { by } => Err(ErrorKind::DeploymentFailed.error(format!(
            "the deployment of {shown} to {service} was replaced by another one, {by}, before it was complete"
        ))),
        Outcome::TimedOut { state, tasks } => Err(ErrorKind::TimedOut
            .error(format!("timed out after {}: {}{}", Elapsed(started.elapsed()), goes_on(&state), reasons(&tasks)))
            .hint("[service] timeout, or --timeout, gives it longer")),
        Outcome::Interrupted { state, tasks } => {
            Err(ErrorKind::Interrupted.error(format!("interrupted: {}{}", goes_on(&state), reasons(&tasks))))
        }
    }
}

/// Tasks that failed alike are told once.
fn reasons(tasks: &[TaskFailure]) -> String {
    let mut text = String::new();
    for (position, task) in tasks.iter().enumerate() {
        if tasks[..position].iter().any(|earlier| earlier.is_like(task)) {
            continue;
        }
        text.push_str(&format!("\n{task}"));
        match tasks[position + 1..].iter().filter(|later| later.is_like(task)).count() {
            0 => {}
            1 => text.push_str("\n  and another task in the same way"),
            more => text.push_str(&format!("\n  and {more} more tasks in the same way")),
        }
    }
    text
}

fn words(state: &Progress) -> String {
    let phase = match state.phase {
        Phase::Waiting => "waiting for ECS",
        Phase::Starting => "starting",
        Phase::Draining if state.old > 0 => "health checks, and old tasks leave",
        Phase::Draining => "health checks",
        Phase::RollingBack => "rolling back",
    };
    let mut text = format!("{phase}, {} of {} new tasks run", state.running, state.desired);
    let old = if state.old == 1 { "old one still runs" } else { "old ones still run" };
    for (count, what) in [(state.pending, "start"), (state.failed, "failed"), (state.old, old)] {
        if count > 0 {
            text.push_str(&format!(", {count} {what}"));
        }
    }
    if let Some((failures @ 1.., threshold)) = state.breaker {
        text.push_str(&format!("; the circuit breaker counts {failures} of {threshold} failures"));
    }
    text
}
