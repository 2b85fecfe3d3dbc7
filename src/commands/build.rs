use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use jiff::Timestamp;
use shipit_builders::build_tool::System;
use shipit_builders::package::{PackageError, PackageOptions, Tests, package};
use shipit_builders::plan::plan;
use shipit_builders::project::{DetectOptions, detect};
use shipit_builders::{Application, Artifact, JavaVersion, Project};

use super::base::{self, PinnedBase};
use super::context::Context;
use super::explain;
use super::image_settings::{self, platforms};
use super::interrupt::Interrupt;
use super::verify::verify;
use crate::git::{self, GitState, NoGit};
use crate::image::application_layers::make_layers;
use crate::image::assemble::assemble as assemble_on;
use crate::image::output::{Name, Output};
use crate::image::{Assembled, timestamp};
use crate::release::{Release, ReleasedBase, ReleasedImage};
use crate::report::{CommandError, Elapsed, ErrorKind, Size};
use crate::settings::{BUILD, Flags, IMAGE, REGISTRY, Settings, TestsMode};
use crate::version;

/// Build the image of a Spring Boot project, and print its digest.
///
/// Runs the project's own Maven or Gradle build, lays the jar out in layers on a JRE base image, and writes an OCI image layout
/// and release.json to target/shipit/ (Gradle: build/shipit/; with --jar beside no project: shipit-out/). The same commit and shipit.lock give the same digest.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Write the whole image, the base's layers included, for other tools: oci:DIR (an OCI image layout) or
    /// docker-archive:FILE (for `docker load` and `podman load`).
    #[arg(long, value_name = "KIND:PATH")]
    output: Vec<Output>,

    /// Fail where shipit.lock does not pin the base yet, in place of pinning it.
    #[arg(long)]
    locked: bool,

    /// Build the commit that is checked out twice, from two clean copies: other path, umask, time zone and language,
    /// one without branch and remote, each with a cache of its own. Where the digests differ, say why and exit with 1.
    /// Nothing is written to this project.
    #[arg(long, conflicts_with = "output")]
    verify: bool,
    /// Say what was found, why, and what would be run; run nothing, write nothing, ask no registry.
    #[arg(long, conflicts_with_all = ["output", "locked"])]
    explain: bool,

    #[command(flatten)]
    settings: Flags<{ BUILD | IMAGE | REGISTRY }>,
}

impl Arguments {
    pub fn run(self, context: &Context<'_>) -> Result<(), CommandError> {
        let started = Instant::now();
        let settings = context.settings(&self.settings.given)?;
        let platforms = platforms(&settings);
        if self.verify {
            return verify(context, &settings, &self.settings.given, self.locked);
        }
        if self.explain {
            let modified = modified(source_state(context)?.as_ref());
            return explain::run(context, &settings, modified);
        }
        let _lock = context.lock_output(true)?;

        // Before anything is written: what the build itself writes must not make the tree look changed.
        let git = source_state(context)?;
        let modified = modified(git.as_ref());

        let bases = base::Bases::new(context, &settings, &platforms, self.locked)?;
        let (application, name, base) = match &settings.build.jar {
            Some(jar) => {
                let jar = context.path(&settings, "build.jar", jar);
                let application = plan_archive(&settings, &Artifact { path: jar.to_owned() })?;
                let name = jar.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let base = bases.resolve(application.java)?;
                (application, name, base)
            }
            None => package_project(context, &settings, modified, &bases)?,
        };

        let image = assemble(context, &settings, &application, &base, git.as_ref(), modified)?;
        let built_at = match context.source_date_epoch()? {
            Some(seconds) => Timestamp::from_second(seconds)
                .map_err(|error| ErrorKind::Usage.error(format!("SOURCE_DATE_EPOCH: {error}")))?,
            None => Timestamp::now(),
        };
        let release = Release::new(
            version::tag(built_at, git.as_ref(), image.digest()),
            git.as_ref().map(|git| git.sha.clone()),
            built_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            vec![ReleasedImage::of(name, &image, ReleasedBase { name: base.name.clone(), digest: base.digest })],
        );
        release.keep(&context.output(), &image, context.cache()?).map_err(|error| ErrorKind::Other.error(error))?;
        base.lock(context.report)?;
        if !self.output.is_empty() {
            base.fetch_layers(context, &settings, &image)?;
        }
        for output in &self.output {
            let name = Name { name: &release.images[0].module, tag: &release.tag };
            output.write(&image, name, context.cache()?).map_err(|error| ErrorKind::Other.error(error))?;
            context.report.step("Wrote", output);
        }
        context.report.step("Built", format!("{} in {}", release.tag, Elapsed(started.elapsed())));
        context.report.result(image.digest(), &release)?;
        Ok(())
    }
}

/// The commit's time in seconds since the Unix epoch; a fixed one where no commit is known, so that nothing of the
/// machine or the day reaches the image.
fn modified(git: Option<&GitState>) -> i64 {
    git.map_or(timestamp::FIXED, |git| git.commit_time)
}

/// The state of the project's git tree; without a project, as with a jar of its own, git is not asked.
fn source_state(context: &Context<'_>) -> Result<Option<GitState>, CommandError> {
    let Some(project) = &context.project else { return Ok(None) };
    match git::state(project) {
        Ok(state) => Ok(Some(state)),
        Err(reason @ (NoGit::NotInstalled | NoGit::NotARepository | NoGit::NoCommit)) => {
            context.report.note(format!("{reason}: the tag ends in the image's digest instead of a commit"));
            Ok(None)
        }
        Err(reason) => Err(ErrorKind::Other.error(reason)),
    }
}

/// Runs the project's build while the base is resolved, and plans what came out.
fn package_project(
    context: &Context<'_>,
    settings: &Settings,
    modified: i64,
    bases: &base::Bases<'_>,
) -> Result<(Application, String, PinnedBase), CommandError> {
    let directory = context.require_project()?;
    let project = detect(directory, &DetectOptions { module: settings.build.module.clone() })
        .map_err(|error| ErrorKind::Usage.error(error))?;
    std::thread::scope(|scope| {
        // The base is known early where the project's files name its Java; else the archive does.
        let early = project.java.map(|java| scope.spawn(move || bases.resolve(Some(java))));
        let artifact = run_build(context, settings, modified, &project);
        if artifact.is_err() {
            // It is told now, however long the base's registry is silent.
            bases.give_up();
        }
        let base = early.map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        let application = plan_archive(settings, &artifact?)?;
        let base = match base {
            Some(base) if needs_no_newer(project.java, application.java) => base?,
            _ => bases.resolve(application.java.or(project.java))?,
        };
        Ok((application, project.name, base))
    })
}

/// Whether a base for `early` also runs what the archive says.
fn needs_no_newer(early: Option<JavaVersion>, archive: Option<JavaVersion>) -> bool {
    early.map(JavaVersion::long_term_support) >= archive.map(JavaVersion::long_term_support)
}

fn run_build(
    context: &Context<'_>,
    settings: &Settings,
    modified: i64,
    project: &Project,
) -> Result<Artifact, CommandError> {
    let report = context.report;
    let started = Instant::now();
    report.step("Building", format!("{} with {}", project.name, project.tool));
    for notice in &project.notices {
        report.note(notice);
    }
    let interrupt = Interrupt::watch()
        .map_err(|error| ErrorKind::Other.error(format!("cannot watch for signals to end: {error}")))?;
    let options = PackageOptions { stop: interrupt.wished(), ..package_options(context, settings, modified, project) };
    let progress = report.line_progress(project.tool.system().name());
    let result = package(project, &options, &mut |line| progress.set(line));
    progress.finish();
    let artifact = result.map_err(|error| match error {
        PackageError::BuildFailed { .. } => ErrorKind::ProjectBuild.error(error),
        PackageError::Stopped => ErrorKind::Interrupted.error(error),
        other => ErrorKind::Other.error(other),
    })?;
    report.step("Packaged", format!("{} in {}", artifact.path.display(), Elapsed(started.elapsed())));
    Ok(artifact)
}

/// How the settings want the project to be built.
pub fn package_options(context: &Context<'_>, settings: &Settings, modified: i64, project: &Project) -> PackageOptions {
    PackageOptions {
        tests: match settings.build.tests.unwrap_or_default() {
            TestsMode::Compile => Tests::Compile,
            TestsMode::Skip => Tests::Skip,
            TestsMode::Run => Tests::Run,
        },
        arguments: match project.tool.system() {
            System::Maven => settings.build.maven_args.clone().unwrap_or_default(),
            System::Gradle => settings.build.gradle_args.clone().unwrap_or_default(),
        },
        output_timestamp: modified,
        log: context.output().join("build.log"),
        stop: Arc::default(),
    }
}

fn plan_archive(settings: &Settings, artifact: &Artifact) -> Result<Application, CommandError> {
    plan(artifact, settings.image.layout.unwrap_or_default()).map_err(|error| ErrorKind::Other.error(error))
}

/// Makes the application's layers, and an image of them on each platform's base.
fn assemble(
    context: &Context<'_>,
    settings: &Settings,
    application: &Application,
    base: &PinnedBase,
    git: Option<&GitState>,
    commit: i64,
) -> Result<Assembled, CommandError> {
    let started = Instant::now();
    let own = make_layers(application, image_settings::times(&settings.image), commit, context.cache()?)
        .map_err(|error| ErrorKind::Other.error(error))?;
    let runtime = image_settings::runtime(settings, application, commit)?;
    let format = image_settings::format(settings)?;
    let mut images = Vec::new();
    let mut annotations = BTreeMap::new();
    for base in &base.images {
        annotations = image_settings::annotations_of(settings, application, base, git, commit)?;
        let image = assemble_on(base, &own.layers, &runtime, annotations.clone(), format);
        images.push(image.map_err(|error| ErrorKind::Other.error(error))?);
    }
    let assembled = Assembled::of(images, annotations).ok_or_else(|| ErrorKind::Usage.error("no platform is named"))?;
    context.report.step(
        "Assembled",
        format!(
            "{} layers, {} ({} made, {} as before) in {}",
            own.layers.len(),
            Size(own.size()),
            own.made(),
            own.reused,
            Elapsed(started.elapsed())
        ),
    );
    Ok(assembled)
}
