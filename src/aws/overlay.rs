//! What a release changes in a task definition: the keys that the settings name, laid over the revision that the
//! service runs. Everything else stays as it is, whether this program knows it or not.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::ecr;
use super::task_definition;
use super::task_size::{Cpu, Memory, TaskSize, TaskSizeError};
use crate::image::Platform;

/// ECS refuses more; Amazon ECS service quotas, "Task definition size".
pub const LARGEST_TASK_DEFINITION: usize = 64 * 1024;

/// The keys that are set; all others are left to the current revision.
#[derive(Debug, Clone, Default)]
pub struct Overlay {
    /// The family to register in. Default: that of the current revision.
    pub family: Option<String>,
    /// The container that runs the image. Default: the only one.
    pub container: Option<String>,
    /// `repository@sha256:…`, by the host that the task pulls from.
    pub image: String,
    /// What the image runs on: one platform, or those of its index.
    pub platforms: Vec<Platform>,
    pub cpu: Option<Cpu>,
    pub memory: Option<Memory>,
    /// Variables to set. Those that the container has besides stay.
    pub environment: BTreeMap<String, String>,
    /// Variables whose values ECS fetches: name → ARN of a secret or parameter.
    pub secrets: BTreeMap<String, String>,
    /// Ports that the container listens on; where any is given, exactly these.
    pub ports: Vec<ContainerPort>,
    pub task_role: Option<String>,
    pub execution_role: Option<String>,
    pub log: Option<LogGroup>,
}

/// A port that a container listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerPort {
    pub number: u16,
    pub transport: Transport,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    Udp,
}

impl Transport {
    /// The `protocol` of a port mapping.
    fn name(self) -> &'static str {
        match self {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        }
    }
}

/// Where a container's output goes, by the awslogs driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogGroup {
    pub group: String,
    pub region: String,
    /// The first part of a stream's name: `prefix/container/task id`.
    pub stream_prefix: String,
}

/// An overlay that does not fit the current revision, or from which no new family can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverlayError {
    #[error("task definition {family} has no container '{name}': it has {}; set [service] container", names.join(", "))]
    UnknownContainer { family: String, name: String, names: Vec<String> },
    #[error(
        "task definition {family} has {} containers ({}): name the one that runs the image in [service] container",
        names.len(),
        names.join(", ")
    )]
    WhichContainer { family: String, names: Vec<String> },
    #[error("task definition {family} has no containers that can be read")]
    NoContainers { family: String },
    #[error("a new task definition needs [service] {}", missing.join(", "))]
    Missing { missing: Vec<&'static str> },
    #[error(
        "the image is for {image}, and task definition {family} runs {task}: build the image for {task} \
         (image.platforms), or change the task's runtimePlatform"
    )]
    Platform { family: String, image: String, task: String },
    #[error("Fargate runs linux/amd64 and linux/arm64; the image is for {image}")]
    NoSuchPlatform { image: String },
    #[error("'{name}' is both in [service] env and in [service] secrets: keep one of the two")]
    Twice { name: String },
    #[error(
        "the task definition would be {bytes} bytes, and ECS takes {LARGEST_TASK_DEFINITION}: move variables into \
         secrets or an environment file"
    )]
    TooLarge { bytes: usize },
    #[error("cpu {cpu} and memory {memory} of task definition {family} cannot be read")]
    UnreadableSize { family: String, cpu: String, memory: String },
    #[error(transparent)]
    Size(#[from] TaskSizeError),
}

/// Lays the overlay over the current revision, or makes a new family of it where there is none. Gives what
/// RegisterTaskDefinition takes, without tags.
///
/// # Errors
/// See [`OverlayError`].
pub fn plan(current: Option<&Value>, overlay: &Overlay) -> Result<Value, OverlayError> {
    if let Some(name) = overlay.secrets.keys().find(|name| overlay.environment.contains_key(*name)) {
        return Err(OverlayError::Twice { name: name.clone() });
    }
    let mut planned = match current {
        Some(current) => task_definition::registrable(current),
        None => new_family(overlay)?,
    };
    if let Some(family) = &overlay.family {
        planned.insert("family".into(), json!(family));
    }
    let family = text(&planned, "family");

    check_platform(&planned, &family, &overlay.platforms)?;
    set_size(&mut planned, &family, overlay)?;
    for (key, role) in [("taskRoleArn", &overlay.task_role), ("executionRoleArn", &overlay.execution_role)] {
        if let Some(role) = role {
            planned.insert(key.into(), json!(role));
        }
    }
    let shares_host = planned.get("networkMode").and_then(Value::as_str) == Some("awsvpc");
    set_container(container(&mut planned, &family, overlay.container.as_deref())?, overlay, shares_host);

    let planned = Value::Object(planned);
    let bytes = planned.to_string().len();
    if bytes > LARGEST_TASK_DEFINITION { Err(OverlayError::TooLarge { bytes }) } else { Ok(planned) }
}

/// The bare family, complete but for what [`plan`] sets in every case.
fn new_family(overlay: &Overlay) -> Result<Map<String, Value>, OverlayError> {
    let pulls_from_ecr = overlay.image.split('/').next().is_some_and(ecr::is_ecr);
    let needs_role = pulls_from_ecr || overlay.log.is_some() || !overlay.secrets.is_empty();
    let missing: Vec<&'static str> = [
        ("family", overlay.family.is_none()),
        ("cpu", overlay.cpu.is_none()),
        ("memory", overlay.memory.is_none()),
        ("execution-role", needs_role && overlay.execution_role.is_none()),
    ]
    .into_iter()
    .filter_map(|(key, missing)| missing.then_some(key))
    .collect();
    let family = match &overlay.family {
        Some(family) if missing.is_empty() => family.clone(),
        _ => return Err(OverlayError::Missing { missing }),
    };
    let mut made = Map::new();
    made.insert("networkMode".into(), json!("awsvpc"));
    made.insert("requiresCompatibilities".into(), json!(["FARGATE"]));
    let architecture = ["amd64", "arm64"].into_iter().find(|architecture| {
        let wanted = Platform { os: "linux".into(), architecture: (*architecture).into(), variant: None };
        overlay.platforms.iter().any(|platform| platform.serves(&wanted))
    });
    match architecture {
        Some(architecture) => {
            let cpu = if architecture == "arm64" { "ARM64" } else { "X86_64" };
            made.insert("runtimePlatform".into(), json!({ "operatingSystemFamily": "LINUX", "cpuArchitecture": cpu }));
        }
        None if overlay.platforms.is_empty() => {}
        None => return Err(OverlayError::NoSuchPlatform { image: list(&overlay.platforms) }),
    }
    let name = overlay.container.as_ref().unwrap_or(&family);
    made.insert("containerDefinitions".into(), json!([{ "name": name, "essential": true }]));
    Ok(made)
}

fn check_platform(planned: &Map<String, Value>, family: &str, platforms: &[Platform]) -> Result<(), OverlayError> {
    let task = task_platform(planned);
    if platforms.is_empty() || platforms.iter().any(|platform| platform.serves(&task)) {
        return Ok(());
    }
    Err(OverlayError::Platform { family: family.to_owned(), image: list(platforms), task: task.to_string() })
}

/// What a task runs on; ECS takes linux/amd64 where nothing is said.
fn task_platform(planned: &Map<String, Value>) -> Platform {
    let runtime = planned.get("runtimePlatform");
    let word = |key: &str| runtime.and_then(|runtime| runtime.get(key)).and_then(Value::as_str);
    let os = match word("operatingSystemFamily") {
        Some(family) if family.starts_with("WINDOWS") => "windows",
        _ => "linux",
    };
    let architecture = match word("cpuArchitecture") {
        Some("ARM64") => "arm64",
        _ => "amd64",
    };
    Platform { os: os.to_owned(), architecture: architecture.to_owned(), variant: None }
}

fn list(platforms: &[Platform]) -> String {
    let list: Vec<String> = platforms.iter().map(Platform::to_string).collect();
    list.join(", ")
}

/// Checks the size only where the overlay touches it: a size that runs already is none of our business.
fn set_size(planned: &mut Map<String, Value>, family: &str, overlay: &Overlay) -> Result<(), OverlayError> {
    if overlay.cpu.is_none() && overlay.memory.is_none() {
        return Ok(());
    }
    let cpu = overlay.cpu.map_or_else(|| text(planned, "cpu"), |cpu| cpu.to_string());
    let memory = overlay.memory.map_or_else(|| text(planned, "memory"), |memory| memory.to_string());
    let (Ok(cpu), Ok(memory)) = (cpu.parse(), memory.parse()) else {
        return Err(OverlayError::UnreadableSize { family: family.to_owned(), cpu, memory });
    };
    let size = TaskSize::new(cpu, memory)?;
    planned.insert("cpu".into(), json!(size.cpu().to_string()));
    planned.insert("memory".into(), json!(size.memory().to_string()));
    Ok(())
}

fn container<'a>(
    planned: &'a mut Map<String, Value>,
    family: &str,
    name: Option<&str>,
) -> Result<&'a mut Map<String, Value>, OverlayError> {
    let family = || family.to_owned();
    let containers = planned
        .get_mut("containerDefinitions")
        .and_then(Value::as_array_mut)
        .ok_or_else(|| OverlayError::NoContainers { family: family() })?;
    let named = |container: &Value| container.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let names: Vec<String> = containers.iter().map(named).collect();
    let at =
        match name {
            Some(name) => names.iter().position(|known| known == name).ok_or_else(|| {
                OverlayError::UnknownContainer { family: family(), name: name.to_owned(), names: names.clone() }
            })?,
            None if names.len() > 1 => return Err(OverlayError::WhichContainer { family: family(), names }),
            None => 0,
        };
    containers.get_mut(at).and_then(Value::as_object_mut).ok_or_else(|| OverlayError::NoContainers { family: family() })
}

fn set_container(container: &mut Map<String, Value>, overlay: &Overlay, awsvpc: bool) {
    container.insert("image".into(), json!(overlay.image));
    // ECS refuses a name that is in both lists, so a variable moves from one to the other.
    set_named(container, "environment", "value", &overlay.environment, &overlay.secrets);
    set_named(container, "secrets", "valueFrom", &overlay.secrets, &overlay.environment);
    if !overlay.ports.is_empty() {
        let old = container.get("portMappings").and_then(Value::as_array).cloned().unwrap_or_default();
        let mapping = |port: &ContainerPort| {
            let same = |mapping: &&Value| {
                // ECS takes TCP where nothing is said.
                let transport = mapping.get("protocol").and_then(Value::as_str).unwrap_or(Transport::Tcp.name());
                let number = mapping.get("containerPort").and_then(Value::as_u64);
                number == Some(u64::from(port.number)) && transport == port.transport.name()
            };
            old.iter().find(same).cloned().unwrap_or_else(|| {
                let mut mapping = json!({ "containerPort": port.number, "protocol": port.transport.name() });
                if awsvpc {
                    mapping["hostPort"] = json!(port.number);
                }
                mapping
            })
        };
        container.insert("portMappings".into(), overlay.ports.iter().map(mapping).collect());
    }
    if let Some(log) = &overlay.log {
        set_log(container, log);
    }
}

/// Sets entries of a list of `{name, …}`: those that exist in their place, new ones at the end, in order of name.
fn set_named(
    container: &mut Map<String, Value>,
    list: &str,
    key: &str,
    set: &BTreeMap<String, String>,
    moved_away: &BTreeMap<String, String>,
) {
    let mut entries = container.get(list).and_then(Value::as_array).cloned().unwrap_or_default();
    let name = |entry: &Value| entry.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    entries.retain(|entry| !moved_away.contains_key(&name(entry)));
    for (variable, value) in set {
        match entries.iter_mut().find(|entry| name(entry) == *variable) {
            Some(entry) => entry[key] = json!(value),
            None => entries.push(json!({ "name": variable, key: value })),
        }
    }
    if !entries.is_empty() || container.contains_key(list) {
        container.insert(list.to_owned(), Value::Array(entries));
    }
}

/// Points the awslogs driver to the group and keeps its other options; another driver gives way.
fn set_log(container: &mut Map<String, Value>, log: &LogGroup) {
    let old = container.get("logConfiguration");
    let mut configuration = match old {
        Some(old) if old.get("logDriver").and_then(Value::as_str) == Some("awslogs") => old.clone(),
        _ => json!({ "logDriver": "awslogs" }),
    };
    if !configuration["options"].is_object() {
        configuration["options"] = json!({});
    }
    let options = &mut configuration["options"];
    options["awslogs-group"] = json!(log.group);
    options["awslogs-region"] = json!(log.region);
    options["awslogs-stream-prefix"] = json!(log.stream_prefix);
    container.insert("logConfiguration".into(), configuration);
}

fn text(map: &Map<String, Value>, key: &str) -> String {
    map.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop@sha256:aa";

    fn current() -> Value {
        json!({
            "taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/shop:7", "family": "shop", "revision": 7,
            "status": "ACTIVE", "requiresAttributes": [{ "name": "a" }], "compatibilities": ["EC2", "FARGATE"],
            "registeredAt": 1.5e9, "registeredBy": "arn:x", "deregisteredAt": 1, "deleteRequestedAt": 2,
            "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "512", "memory": "1024",
            "taskRoleArn": "arn:aws:iam::123456789012:role/old", "fromTheFuture": { "deep": [1, { "b": null }] },
            "containerDefinitions": [{
                "name": "app", "image": "old", "essential": true, "cpu": 0, "newer": "kept",
                "environment": [{ "name": "B", "value": "1" }, { "name": "A", "value": "1" }],
                "secrets": [{ "name": "S", "valueFrom": "arn:s" }],
                "portMappings": [{ "containerPort": 8080, "hostPort": 8080, "protocol": "tcp", "name": "http", "appProtocol": "http" }],
                "logConfiguration": { "logDriver": "awslogs", "options": { "awslogs-group": "old", "mode": "blocking" } },
            }],
        })
    }

    fn overlay() -> Overlay {
        Overlay { image: IMAGE.into(), platforms: vec![Platform::linux_amd64()], ..Overlay::default() }
    }

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn an_image_alone_changes_nothing_else() {
        let planned = plan(Some(&current()), &overlay()).unwrap();
        let mut expected = current();
        let read_only = "taskDefinitionArn revision status requiresAttributes compatibilities registeredAt registeredBy \
                         deregisteredAt deleteRequestedAt";
        read_only.split_whitespace().for_each(|key| {
            expected.as_object_mut().unwrap().remove(key).unwrap();
        });
        expected["containerDefinitions"][0]["image"] = json!(IMAGE);
        assert_eq!(planned, expected);
    }

    fn tcp(number: u16) -> ContainerPort {
        ContainerPort { number, transport: Transport::Tcp }
    }

    #[test]
    fn planning_upon_what_was_planned_changes_nothing() {
        let overlay = Overlay {
            environment: map(&[("A", "2"), ("NEW", "x"), ("S", "plain")]),
            secrets: map(&[("B", "arn:b")]),
            ports: vec![tcp(8080), tcp(9090)],
            ..overlay()
        };
        let planned = plan(Some(&current()), &overlay).unwrap();
        assert!(!task_definition::equal_but_for_tags(&planned, &current()));
        let again = plan(Some(&planned), &overlay).unwrap();
        assert_eq!(again, planned);
        assert!(task_definition::equal_but_for_tags(&again, &planned));
    }

    #[test]
    fn variables_are_set_by_name_and_move_between_env_and_secrets() {
        let overlay = Overlay {
            environment: map(&[("A", "2"), ("NEW", "x"), ("S", "plain")]),
            secrets: map(&[("B", "arn:b")]),
            ..overlay()
        };
        let planned = plan(Some(&current()), &overlay).unwrap();
        let container = &planned["containerDefinitions"][0];
        let variable = |name: &str, value: &str| json!({ "name": name, "value": value });
        assert_eq!(container["environment"], json!([variable("A", "2"), variable("NEW", "x"), variable("S", "plain")]));
        assert_eq!(container["secrets"], json!([{ "name": "B", "valueFrom": "arn:b" }]));

        let twice = Overlay { environment: map(&[("A", "1")]), secrets: map(&[("A", "arn")]), ..overlay };
        assert_eq!(plan(Some(&current()), &twice), Err(OverlayError::Twice { name: "A".into() }));
    }

    #[test]
    fn ports_keep_what_is_said_of_them() {
        let udp = ContainerPort { number: 8080, transport: Transport::Udp };
        let planned = plan(Some(&current()), &Overlay { ports: vec![tcp(9090), tcp(8080), udp], ..overlay() }).unwrap();
        let container = &planned["containerDefinitions"][0];
        assert_eq!(container["portMappings"][0], json!({ "containerPort": 9090, "hostPort": 9090, "protocol": "tcp" }));
        assert_eq!(container["portMappings"][1], current()["containerDefinitions"][0]["portMappings"][0]);
        assert_eq!(container["portMappings"][2], json!({ "containerPort": 8080, "hostPort": 8080, "protocol": "udp" }));
    }

    #[test]
    fn a_log_group_keeps_the_other_options_of_the_driver() {
        let log = LogGroup { group: "/shop".into(), region: "eu-west-1".into(), stream_prefix: "app".into() };
        let planned = plan(Some(&current()), &Overlay { log: Some(log), ..overlay() }).unwrap();
        assert_eq!(
            planned["containerDefinitions"][0]["logConfiguration"]["options"],
            json!({ "awslogs-group": "/shop", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "app", "mode": "blocking" })
        );
    }

    #[test]
    fn a_size_is_checked_together_with_the_half_that_stays() {
        let memory = |memory: &str| Overlay { memory: Some(memory.parse().unwrap()), ..overlay() };
        assert_eq!(plan(Some(&current()), &memory("4gb")).unwrap()["memory"], json!("4096"));
        let error = plan(Some(&current()), &memory("8gb")).unwrap_err();
        assert_eq!(error, OverlayError::Size(TaskSizeError::Pair { cpu: 512, memory: 8192 }));
    }

    #[test]
    fn the_container_is_found_or_the_names_are_told() {
        let named = |name: &str| Overlay { container: Some(name.into()), ..overlay() };
        let error = plan(Some(&current()), &named("web")).unwrap_err().to_string();
        assert!(error.contains("no container 'web': it has app"), "{error}");

        let mut two = current();
        two["containerDefinitions"].as_array_mut().unwrap().push(json!({ "name": "sidecar", "image": "envoy" }));
        let error = plan(Some(&two), &overlay()).unwrap_err().to_string();
        assert!(error.contains("2 containers (app, sidecar)"), "{error}");
        let planned = plan(Some(&two), &named("sidecar")).unwrap();
        assert_eq!(planned["containerDefinitions"][0]["image"], json!("old"));
        assert_eq!(planned["containerDefinitions"][1]["image"], json!(IMAGE));

        for odd in [
            json!({ "family": "f" }),
            json!({ "family": "f", "containerDefinitions": [] }),
            json!([]),
            json!({ "containerDefinitions": [3] }),
        ] {
            assert!(matches!(plan(Some(&odd), &overlay()), Err(OverlayError::NoContainers { .. })), "{odd}");
        }
    }

    #[test]
    fn an_image_for_another_platform_is_refused() {
        let arm = Platform { architecture: "arm64".into(), ..Platform::linux_amd64() };
        let for_arm = Overlay { platforms: vec![arm.clone()], ..overlay() };
        let error = plan(Some(&current()), &for_arm).unwrap_err().to_string();
        assert!(error.contains("for linux/arm64, and task definition shop runs linux/amd64"), "{error}");
        let mut task = current();
        task["runtimePlatform"] = json!({ "cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX" });
        assert!(plan(Some(&task), &for_arm).is_ok());
        assert!(plan(Some(&task), &overlay()).is_err());
        assert!(plan(Some(&task), &Overlay { platforms: vec![Platform::linux_amd64(), arm], ..overlay() }).is_ok());
    }

    #[test]
    fn a_new_family_is_made_of_the_keys_alone() {
        let error = plan(None, &overlay()).unwrap_err();
        assert_eq!(error, OverlayError::Missing { missing: vec!["family", "cpu", "memory", "execution-role"] });
        let complete = Overlay {
            family: Some("shop".into()),
            cpu: Some("256".parse().unwrap()),
            memory: Some("512".parse().unwrap()),
            execution_role: Some("arn:role".into()),
            ports: vec![tcp(8080)],
            ..overlay()
        };
        assert_eq!(
            plan(None, &complete).unwrap(),
            json!({
                "family": "shop", "cpu": "256", "memory": "512", "networkMode": "awsvpc", "executionRoleArn": "arn:role",
                "requiresCompatibilities": ["FARGATE"],
                "runtimePlatform": { "cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX" },
                "containerDefinitions": [{
                    "name": "shop", "essential": true, "image": IMAGE,
                    "portMappings": [{ "containerPort": 8080, "hostPort": 8080, "protocol": "tcp" }],
                }],
            })
        );
    }

    #[test]
    fn a_task_definition_beyond_64_kb_is_refused_here() {
        let huge = Overlay { environment: map(&[("A", &"x".repeat(70_000))]), ..overlay() };
        assert!(matches!(plan(Some(&current()), &huge), Err(OverlayError::TooLarge { bytes }) if bytes > 70_000));
    }
}
