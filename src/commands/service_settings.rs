//! What [service] of the settings asks for, in the AWS stage's own types.

use crate::aws::ecr::EcrHost;
use crate::aws::overlay::{ContainerPort, LogGroup, Overlay, OverlayError, Transport};
use crate::aws::roll::DeploymentSettings;
use crate::aws::task_size::{Cpu, Memory, TaskSizeError};
use crate::image::Platform;
use crate::registry::{Reference, Registry};
use crate::report::{CommandError, ErrorKind};
use crate::settings::{self, Port, Protocol, Settings};

/// The image's name in the task definition: by the canonical host that Fargate knows, or the one that an emulator
/// wants in its place.
fn image_name(image: &Reference, settings: &Settings) -> Result<String, CommandError> {
    let Ok(ecr) = image.registry().as_str().parse::<EcrHost>() else {
        // Without the tag that it may have been found by: what runs is the digest.
        let pinned = image.digest().map(|digest| image.repository().pinned(digest));
        return Ok(pinned.as_ref().unwrap_or(image).to_string());
    };
    let host = settings.registry.ecr_image_host.clone().unwrap_or_else(|| ecr.canonical());
    let registry: Registry = host.parse().map_err(|error| {
        ErrorKind::Usage.error(format!("{}: {error}", settings.describe("registry.ecr-image-host")))
    })?;
    let digest = image.digest().map(|digest| format!("@{digest}")).unwrap_or_default();
    Ok(format!("{registry}/{}{digest}", image.repository().name()))
}

/// What is wrong with the plan and, for a size, which settings ask for it.
pub fn unplanned(settings: &Settings, error: OverlayError) -> CommandError {
    let OverlayError::Size(size) = &error else { return ErrorKind::Usage.error(error) };
    let set = [
        settings.service.cpu.map(|_| settings.describe("service.cpu")),
        settings.service.memory.map(|_| settings.describe("service.memory")),
    ];
    let set: Vec<String> = set.into_iter().flatten().collect();
    ErrorKind::Usage.error(format!("{}: {size}", set.join(", ")))
}

/// What [service] changes in the task definition.
pub fn overlay(
    settings: &Settings,
    region: &str,
    image: &Reference,
    platforms: Vec<Platform>,
) -> Result<Overlay, CommandError> {
    let wanted = &settings.service;
    let size =
        |path: &str, error: TaskSizeError| ErrorKind::Usage.error(format!("{}: {error}", settings.describe(path)));
    let cpu = wanted.cpu.map(|cpu| cpu.0.to_string().parse::<Cpu>()).transpose();
    let memory = wanted.memory.map(|memory| memory.0.to_string().parse::<Memory>()).transpose();
    Ok(Overlay {
        family: wanted.family.clone(),
        container: wanted.container.clone(),
        image: image_name(image, settings)?,
        platforms,
        cpu: cpu.map_err(|error| size("service.cpu", error))?,
        memory: memory.map_err(|error| size("service.memory", error))?,
        environment: wanted.env.clone(),
        secrets: wanted.secrets.clone(),
        ports: wanted.ports.iter().flatten().map(container_port).collect(),
        task_role: wanted.task_role.clone(),
        execution_role: wanted.execution_role.clone(),
        log: wanted.log_group.clone().map(|group| LogGroup {
            group,
            region: region.to_owned(),
            stream_prefix: "shipit".to_owned(),
        }),
    })
}

fn container_port(port: &Port) -> ContainerPort {
    let transport = match port.protocol {
        Protocol::Tcp => Transport::Tcp,
        Protocol::Udp => Transport::Udp,
    };
    ContainerPort { number: port.number.get(), transport }
}

/// What [service] changes in how the service is rolled.
pub fn deployment(service: &settings::Service) -> DeploymentSettings {
    DeploymentSettings {
        minimum_healthy_percent: service.minimum_healthy_percent,
        maximum_percent: service.maximum_percent,
        circuit_breaker: service.circuit_breaker,
        circuit_breaker_rollback: service.circuit_breaker_rollback,
    }
}
