//! `shipit build --explain`: what a build would do, without doing it.

use serde_json::{Map, Value, json};
use shipit_builders::explain::{Finding, explain, explain_archive};
use shipit_builders::plan::plan;
use shipit_builders::project::{DetectOptions, detect};
use shipit_builders::{Artifact, JavaVersion};

use super::build::package_options;
use super::context::Context;
use crate::image::base::default_name;
use crate::report::{CommandError, ErrorKind};
use crate::settings::{Lock, Settings, lock};

/// Prints what was found, why, and what would be run. Writes nothing, runs no build, and asks no registry.
pub fn run(context: &Context<'_>, settings: &Settings, modified: i64) -> Result<(), CommandError> {
    let (mut findings, java) = match &settings.build.jar {
        Some(jar) => {
            let application = plan(
                &Artifact { path: context.path(settings, "build.jar", jar) },
                settings.image.layout.unwrap_or_default(),
            )
            .map_err(|error| ErrorKind::Other.error(error))?;
            (explain_archive(&application), application.java)
        }
        None => {
            let project = detect(context.require_project()?, &DetectOptions { module: settings.build.module.clone() })
                .map_err(|error| ErrorKind::Usage.error(error))?;
            let options = package_options(context, settings, modified, &project);
            (explain(&project, &options).map_err(|error| ErrorKind::Other.error(error))?, project.java)
        }
    };
    findings.push(base(context, settings, java)?);
    findings.push(Finding::new(
        "output",
        context.output().display().to_string(),
        "an OCI image layout, and release.json",
    ));

    let mut text = Vec::new();
    let mut object = Map::new();
    for finding in &findings {
        text.push(format!("{:<8} {}\n{:8} {}", finding.what, finding.value, "", finding.why));
        object.insert(finding.what.to_owned(), json!({ "value": finding.value, "why": finding.why }));
    }
    Ok(context.report.result(text.join("\n"), &Value::Object(object))?)
}

/// The base image, and what shipit.lock says of it.
fn base(context: &Context<'_>, settings: &Settings, java: Option<JavaVersion>) -> Result<Finding, CommandError> {
    let (name, why) = match (&settings.image.base, java) {
        (Some(name), _) => (name.clone(), settings.describe("image.base")),
        (None, Some(java)) => (default_name(java), format!("the default for Java {java}")),
        (None, None) => return Ok(Finding::new("base", "unknown", "the default for the Java that the classes need")),
    };
    let lock = match &context.project {
        Some(project) => Lock::read(&project.join(lock::FILE_NAME))
            .map_err(|error| ErrorKind::Usage.error(error))?
            .unwrap_or_default(),
        None => Lock::default(),
    };
    let pinned = match lock.base(&name) {
        Some(digest) => format!("pinned to {digest} in shipit.lock"),
        None => "not pinned in shipit.lock yet".to_owned(),
    };
    Ok(Finding::new("base", name, format!("{why}; {pinned}")))
}
