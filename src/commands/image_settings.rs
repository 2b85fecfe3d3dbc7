//! What [image] of the settings asks for, in the image stage's own types.

use std::collections::BTreeMap;

use shipit_builders::Application;

use crate::git::GitState;
use crate::image::Platform;
use crate::image::annotations::{Provenance, annotations};
use crate::image::base::BaseImage;
use crate::image::command_line::CommandLine;
use crate::image::config::{DEFAULT_PORT, Runtime};
use crate::image::format::Format;
use crate::image::health_check::HealthCheck;
use crate::image::timestamp::{TimeChoice, rfc3339};
use crate::report::{CommandError, ErrorKind};
use crate::settings::{AbsolutePath, Image, Settings};

/// The platforms that are built for, each once, in an order that does not depend on how they are listed.
pub fn platforms(settings: &Settings) -> Vec<Platform> {
    let mut platforms = settings.image.platforms.clone().unwrap_or_default();
    if platforms.is_empty() {
        platforms.push(Platform::linux_amd64());
    }
    platforms.sort();
    platforms.dedup();
    platforms
}

/// The platform whose image is looked at where a name stands for several.
pub fn one_platform(settings: &Settings) -> Platform {
    platforms(settings).into_iter().next().unwrap_or_else(Platform::linux_amd64)
}

/// The times of the files.
pub fn times(image: &Image) -> TimeChoice {
    image.timestamps.unwrap_or_default()
}

/// The family of media types. What a format cannot hold is refused, not left out.
pub fn format(settings: &Settings) -> Result<Format, CommandError> {
    let format = settings.image.format.unwrap_or_default();
    if format == Format::Docker && !settings.image.annotations.is_empty() {
        return Err(ErrorKind::Usage
            .error(format!("{}: Docker's format has no annotations", settings.describe("image.annotations")))
            .hint("use image.labels, or image.format = \"oci\""));
    }
    Ok(format)
}

/// What the image's configuration says. `commit` is the commit's time in seconds since the Unix epoch.
pub fn runtime(settings: &Settings, application: &Application, commit: i64) -> Result<Runtime, CommandError> {
    let image = &settings.image;
    let command = CommandLine {
        entrypoint: image.entrypoint.clone(),
        jvm_flags: image.jvm_flags.clone(),
        main_class: image.main_class.clone(),
        extra_class_path: image.extra_class_path.clone().unwrap_or_default(),
        workdir: image.workdir.as_ref().map(|path| path.as_str().to_owned()),
    };
    let ports = match &image.ports {
        Some(ports) => ports.iter().flat_map(|range| range.ports()).map(|port| port.to_string()).collect(),
        None => vec![DEFAULT_PORT.to_owned()],
    };
    Ok(Runtime {
        entrypoint: command.words(application).map_err(|error| ErrorKind::Usage.error(error))?,
        args: image.args.clone().unwrap_or_default(),
        workdir: image.workdir.as_ref().map_or(application.workdir.as_str(), AbsolutePath::as_str).to_owned(),
        user: image.user.as_ref().map(ToString::to_string),
        ports,
        env: image.env.clone(),
        labels: image.labels.clone(),
        volumes: image.volumes.iter().flatten().map(|path| path.as_str().to_owned()).collect(),
        stop_signal: image.stop_signal.clone(),
        health_check: HealthCheck {
            test: image.health_check.clone(),
            interval: image.health_check_interval,
            timeout: image.health_check_timeout,
            start_period: image.health_check_start_period,
            retries: image.health_check_retries,
        },
        created: created(image, commit)?,
    })
}

/// The annotations of the manifest on `base`, or of the index.
pub fn annotations_of(
    settings: &Settings,
    application: &Application,
    base: &BaseImage,
    git: Option<&GitState>,
    commit: i64,
) -> Result<BTreeMap<String, String>, CommandError> {
    let provenance = Provenance {
        created: created(&settings.image, commit)?,
        revision: git.map(|git| format!("{}{}", git.sha, if git.dirty { "-dirty" } else { "" })),
        source: settings.image.source.as_deref(),
        title: application.title.as_deref(),
        version: application.version.as_deref(),
        base_name: Some(&base.name),
        base_digest: base.digest,
    };
    Ok(annotations(&provenance, &settings.image.annotations))
}

fn created(image: &Image, commit: i64) -> Result<String, CommandError> {
    rfc3339(image.created.unwrap_or_default().seconds(commit)).map_err(|error| ErrorKind::Usage.error(error))
}
