use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::time::Instant;

use clap::Args;
use jiff::Timestamp;
use shipit_builders::package::{PackageError, PackageOptions, Tests, package};
use shipit_builders::plan::plan;
use shipit_builders::project::{DetectOptions, detect};
use shipit_builders::{Application, Artifact, JavaVersion, Project};

use super::base::{self, PinnedBase};
use super::context::Context;
use crate::git::{self, GitState, NoGit};
use crate::image::assemble::{Image, OwnLayer, assemble};
use crate::image::config::Runtime;
use crate::image::layer::{LayerInput, make_all};
use crate::image::layout::{Layout, REF_NAME};
use crate::image::output::{Name, Output};
use crate::image::{Descriptor, Platform, base as base_image, config};
use crate::release::{Release, ReleasedBase, ReleasedImage};
use crate::report::{CommandError, Elapsed, ErrorKind, Size};
use crate::settings::{BUILD, Flags, IMAGE, REGISTRY, Settings, TestsMode};
use crate::version;

/// The time of every file outside the application's layer, and of everything where no commit is known:
/// 1980-01-01T00:00:00Z, the earliest that a zip archive can name.
const FIXED_TIME: i64 = 315_532_800;

/// Build the image of a Spring Boot project, and print its digest.
///
/// Runs the project's own Maven build, lays the jar out in layers on a JRE base image, and writes an OCI image layout
/// and release.json to target/shipit/. The same commit and shipit.lock give the same digest.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Write the whole image, the base's layers included, for other tools: oci:DIR (an OCI image layout) or
    /// docker-archive:FILE (for `docker load` and `podman load`).
    #[arg(long, value_name = "KIND:PATH")]
    output: Vec<Output>,

    /// Fail where shipit.lock does not pin the base yet, in place of pinning it.
    #[arg(long)]
    locked: bool,

    #[command(flatten)]
    settings: Flags<{ BUILD | IMAGE | REGISTRY }>,
}

impl Arguments {
    pub fn run(self, context: &Context<'_>) -> Result<(), CommandError> {
        let started = Instant::now();
        let settings = context.settings(&self.settings.given)?;
        let platform = one_platform(&settings)?;
        let _lock = context.lock_output(true)?;

        // Before anything is written: what the build itself writes must not make the tree look changed.
        let git = source_state(context)?;
        let modified = match &git {
            Some(git) => git.commit_time,
            None => context.source_date_epoch()?.unwrap_or(FIXED_TIME),
        };

        let bases = base::Bases::new(context, &settings, &platform, self.locked)?;
        let (application, name, base) = match &settings.build.jar {
            Some(jar) => {
                let jar = Path::new(jar);
                let application = plan_archive(&Artifact { path: jar.to_owned() })?;
                let name = jar.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let base = bases.resolve(application.java)?;
                (application, name, base)
            }
            None => package_project(context, &settings, modified, &bases)?,
        };

        let making = Instant::now();
        let own = make_layers(context, &application, modified)?;
        let image = assemble(
            &base.image,
            &own.layers,
            &runtime(&settings, &application, modified)?,
            annotations(&settings, &application, &base.image, git.as_ref(), modified)?,
        )
        .map_err(|error| ErrorKind::Other.error(error))?;
        let made = own.layers.len() - own.reused;
        context.report.step(
            "Assembled",
            format!(
                "{} layers, {} ({made} made, {} as before) in {}",
                own.layers.len(),
                Size(own.layers.iter().map(|layer| layer.size).sum()),
                own.reused,
                Elapsed(making.elapsed())
            ),
        );

        let built_at = match context.source_date_epoch()? {
            Some(seconds) => timestamp(seconds)?,
            None => Timestamp::now(),
        };
        let release = Release::new(
            version::tag(built_at, git.as_ref(), image.manifest.digest),
            git.as_ref().map(|git| git.sha.clone()),
            built_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            vec![ReleasedImage::of(
                name,
                &image,
                ReleasedBase { name: base.image.name.clone(), digest: base.image.digest },
            )],
        );
        write(context, &image, &release)?;
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
        context.report.result(image.manifest.digest, &release)?;
        Ok(())
    }
}

/// The one platform that is built for.
pub fn one_platform(settings: &Settings) -> Result<Platform, CommandError> {
    match settings.image.platforms.as_deref() {
        None | Some([]) => Ok(Platform::linux_amd64()),
        Some([platform]) => Ok(platform.clone()),
        Some(_) => Err(ErrorKind::Usage.error(format!(
            "{} names several platforms; this version of shipit builds for one at a time",
            settings.describe("image.platforms")
        ))),
    }
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
        let base = early.map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        let application = plan_archive(&artifact?)?;
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
    let options = PackageOptions {
        tests: match settings.build.tests.unwrap_or_default() {
            TestsMode::Compile => Tests::Compile,
            TestsMode::Skip => Tests::Skip,
            TestsMode::Run => Tests::Run,
        },
        arguments: settings.build.maven_args.clone().unwrap_or_default(),
        output_timestamp: modified,
        log: context.output().join("build.log"),
    };
    let progress = report.line_progress("Maven");
    let result = package(project, &options, &mut |line| progress.set(line));
    progress.finish();
    let artifact = result.map_err(|error| match error {
        PackageError::BuildFailed { .. } => ErrorKind::ProjectBuild.error(error),
        other => ErrorKind::Other.error(other),
    })?;
    report.step("Packaged", format!("{} in {}", artifact.path.display(), Elapsed(started.elapsed())));
    Ok(artifact)
}

fn plan_archive(artifact: &Artifact) -> Result<Application, CommandError> {
    plan(artifact).map_err(|error| ErrorKind::Other.error(error))
}

struct OwnLayers {
    layers: Vec<OwnLayer>,
    reused: usize,
}

fn make_layers(context: &Context<'_>, application: &Application, modified: i64) -> Result<OwnLayers, CommandError> {
    let cache = context.cache()?;
    let inputs: Vec<_> = application
        .layers
        .iter()
        .map(|layer| LayerInput {
            archive: &application.archive,
            entries: &layer.entries,
            modified: if layer.application { modified } else { FIXED_TIME },
        })
        .collect();
    let blobs = make_all(&inputs, cache).map_err(|error| ErrorKind::Other.error(error))?;
    let reused = blobs.iter().filter(|blob| blob.reused).count();
    let layers = application.layers.iter().zip(blobs).map(|(layer, blob)| OwnLayer {
        name: layer.name.clone(),
        digest: blob.digest,
        diff_id: blob.diff_id,
        size: blob.size,
    });
    Ok(OwnLayers { layers: layers.collect(), reused })
}

fn runtime(settings: &Settings, application: &Application, modified: i64) -> Result<Runtime, CommandError> {
    let image = &settings.image;
    let flags = image.jvm_flags.clone().unwrap_or_else(|| config::JVM_FLAGS.map(str::to_owned).to_vec());
    let entrypoint =
        std::iter::once("java".to_owned()).chain(flags).chain(application.command.iter().cloned()).collect();
    let ports = match &image.ports {
        Some(ports) => ports.iter().map(ToString::to_string).collect(),
        None => vec![config::DEFAULT_PORT.to_owned()],
    };
    Ok(Runtime {
        entrypoint,
        args: image.args.clone().unwrap_or_default(),
        workdir: application.workdir.clone(),
        user: image.user.clone(),
        ports,
        env: image.env.clone(),
        labels: image.labels.clone(),
        created: timestamp(modified)?.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    })
}

/// The predefined annotations (OCI image-spec 1.1, annotations.md) that are known, and those of the settings.
fn annotations(
    settings: &Settings,
    application: &Application,
    base: &base_image::BaseImage,
    git: Option<&GitState>,
    modified: i64,
) -> Result<BTreeMap<String, String>, CommandError> {
    let known = [
        ("created", Some(timestamp(modified)?.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())),
        ("revision", git.map(|git| format!("{}{}", git.sha, if git.dirty { "-dirty" } else { "" }))),
        ("source", settings.image.source.clone()),
        ("title", application.title.clone()),
        ("version", application.version.clone()),
        ("base.name", Some(base.name.clone())),
        ("base.digest", Some(base.digest.to_string())),
    ];
    let known = known.into_iter().filter_map(|(key, value)| Some((format!("org.opencontainers.image.{key}"), value?)));
    Ok(known.chain(settings.image.annotations.clone()).collect())
}

/// Writes the layout, then the record, then clears what the last build left: killed in between, the last record or
/// this one is there, with its blobs.
fn write(context: &Context<'_>, image: &Image, release: &Release) -> Result<(), CommandError> {
    let other = |error| ErrorKind::Other.error(error);
    let folder = context.output();
    let cache = context.cache()?;
    let layout = Layout::create(&folder).map_err(other)?;
    let mut keep = HashSet::new();
    for layer in &image.layers {
        // Those of the base have no name; their bytes are fetched when somebody needs them.
        if layer.name.is_some() {
            if !layout.has(&layer.descriptor) {
                let path = layout.blob_path(&layer.descriptor.digest);
                cache.link_blob(&layer.descriptor.digest, &path).map_err(|error| ErrorKind::Other.error(error))?;
            }
            keep.insert(layer.descriptor.digest);
        }
    }
    for bytes in [&image.config_bytes, &image.manifest_bytes] {
        layout.put(bytes).map_err(other)?;
    }
    keep.extend([image.config.digest, image.manifest.digest]);
    let descriptor = Descriptor {
        platform: Some(image.platform.clone()),
        annotations: BTreeMap::from([(REF_NAME.to_owned(), release.tag.clone())]),
        ..image.manifest.clone()
    };
    layout.set_index(vec![descriptor]).map_err(other)?;
    release.write(&folder).map_err(|error| {
        ErrorKind::Other.error(format!("cannot write {}: {error}", folder.join(crate::release::FILE).display()))
    })?;
    layout.sweep(&keep).map_err(other)
}

fn timestamp(seconds: i64) -> Result<Timestamp, CommandError> {
    Timestamp::from_second(seconds)
        .map_err(|_| ErrorKind::Usage.error(format!("{seconds} seconds since 1970 is no time that can be written")))
}
