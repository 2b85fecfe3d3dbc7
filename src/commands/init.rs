use std::io::{ErrorKind as IoErrorKind, Write};
use std::path::Path;

use clap::Args;
use serde_json::json;
use shipit_builders::project::{DetectOptions, detect};
use shipit_builders::{Project, boot_version, jib};

use super::context::Context;
use crate::files::create_atomically;
use crate::git;
use crate::report::{CommandError, ErrorKind};
use crate::settings::{FILE_NAME, Initial, from_jib};

/// Look at the project and write a commented shipit.toml.
///
/// What the project needs is set; everything else stands there as a comment with an example. A plain Spring Boot
/// project needs no shipit.toml, so nothing of this must be done before a build.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Take over the configuration of Jib in pom.xml, build.gradle or build.gradle.kts, and say what has no
    /// counterpart. Passwords are not copied.
    #[arg(long)]
    from_jib: bool,

    /// The module to look at, where several are bootable.
    #[arg(long, value_name = "MODULE")]
    module: Option<String>,

    /// Print the file in place of writing it.
    #[arg(long)]
    dry_run: bool,
}

impl Arguments {
    pub fn run(self, context: &Context<'_>) -> Result<(), CommandError> {
        let gradle = ["build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts"];
        let directory = match &context.project {
            Some(project) => project.as_path(),
            None if gradle.iter().any(|name| context.start().join(name).is_file()) => context.start(),
            None => context.require_project()?,
        };
        let path = directory.join(FILE_NAME);
        if path.exists() && !self.dry_run {
            return Err(exists(&path));
        }

        let detected = detect(directory, &DetectOptions { module: self.module.clone() });
        let mut initial = if self.from_jib {
            let canonical = directory.canonicalize().map_err(|error| {
                ErrorKind::Usage.error(format!("cannot look into {}: {error}", directory.display()))
            })?;
            let module = match (&detected, &self.module) {
                (Ok(project), _) => project.module.clone(),
                (Err(_), Some(module)) => canonical.join(module),
                (Err(_), None) => canonical.clone(),
            };
            let configuration = jib::read(&canonical, &module).map_err(|error| ErrorKind::Usage.error(error))?;
            let mut initial = from_jib(&configuration);
            let names = configuration.files.iter().map(|file| file.strip_prefix(&canonical).unwrap_or(file).display());
            let names = names.map(|name| name.to_string()).collect::<Vec<_>>().join(", ");
            initial.found.push(format!("Taken over from Jib's configuration in {names}."));
            initial
        } else {
            Initial::default()
        };
        match &detected {
            Ok(project) => initial.found.insert(0, found(project)),
            Err(error) => context.report.warn(error),
        }
        if let Some(module) = &self.module {
            initial.choose("build.module", &[json!(module).to_string()]);
        }
        if let Some(address) = git::remote_address(directory) {
            initial.example("image.source", &address);
        }

        let text = initial.text();
        for remark in &initial.leftovers {
            let text = format!("{}: {}", remark.about, remark.text);
            if remark.matters { context.report.warn(text) } else { context.report.note(text) }
        }
        if self.dry_run {
            return Ok(context.report.result(text.trim_end(), &json!({ "path": path, "text": text }))?);
        }
        create_atomically(&path, |file| file.write_all(text.as_bytes())).map_err(|error| match error.kind() {
            IoErrorKind::AlreadyExists => exists(&path),
            _ => ErrorKind::Other.error(format!("cannot write {}: {error}", path.display())),
        })?;
        if let Ok(project) = &detected {
            context.report.step("Found", found(project));
        }
        Ok(context.report.result(path.display(), &json!({ "path": path }))?)
    }
}

fn exists(path: &Path) -> CommandError {
    ErrorKind::Usage
        .error(format!("{} exists, and stays as it is", path.display()))
        .hint("--dry-run prints what would be written; to begin anew, move the file away first")
}

/// What was found out about the project, in a sentence.
fn found(project: &Project) -> String {
    let java =
        project.java.map_or("a Java version that the archive will tell".to_owned(), |java| format!("Java {java}"));
    let boot = boot_version(project).map_or(String::new(), |version| format!("Spring Boot {version}, "));
    let place = match project.module.strip_prefix(&project.root) {
        Ok(within) if !within.as_os_str().is_empty() => format!(" (module {})", within.display()),
        _ => String::new(),
    };
    format!("{}{place}: {boot}{java}, built by {}.", project.name, project.tool)
}
