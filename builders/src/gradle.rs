//! A Gradle build: its projects, and the one that makes the Spring Boot archive, found without running Gradle.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::build_tool::{self, System};
use crate::gradle_script::{GradleScript, catalog_aliases};
use crate::project::{BuildTool, DetectError, DetectOptions, ModuleChoice, Project, has_application_class};

const SETTINGS: [&str; 2] = ["settings.gradle", "settings.gradle.kts"];
const SCRIPTS: [&str; 2] = ["build.gradle", "build.gradle.kts"];
const CATALOG: &str = "gradle/libs.versions.toml";
const BOOT_PLUGIN: &str = "org.springframework.boot";
/// Projects are not nested more deeply than this where they are looked for on disk.
const MAX_DEPTH: usize = 4;

/// Whether `directory` holds a script of Gradle's.
pub fn is_project(directory: &Path) -> bool {
    SETTINGS.iter().chain(&SCRIPTS).any(|name| directory.join(name).is_file())
}

/// A project of a Gradle build.
#[derive(Debug, Clone)]
struct Member {
    /// `:` for the root, else `:a:b`.
    path: String,
    name: String,
    directory: PathBuf,
    /// Empty where there is none.
    script: GradleScript,
}

impl Member {
    fn applies_boot(&self, aliases: &[String]) -> bool {
        self.script.applies(&[BOOT_PLUGIN], aliases)
    }
}

/// Finds out how the Gradle build around `directory`, which is canonical, is run.
pub fn detect(directory: &Path, options: &DetectOptions, path: Option<&OsStr>) -> Result<Project, DetectError> {
    let root = root(directory);
    let members = members(&root)?;
    let (chosen, choice) = match &options.module {
        Some(module) => (named(&root, &members, module)?, ModuleChoice::Named),
        None => bootable(directory, &root, &members)?,
    };
    let repository = root.ancestors().position(|above| above.join(".git").exists()).map_or(1, |depth| depth + 1);
    let wrapper = root.ancestors().take(repository).find_map(|above| System::Gradle.wrapper_in(above));
    let tool: BuildTool = match wrapper.or_else(|| System::Gradle.on(path)) {
        Some(tool) => tool,
        None => return Err(DetectError::NoGradle { root }),
    };
    let top = members.first().filter(|top| top.path != chosen.path);
    let java = std::iter::once(chosen).chain(top).find_map(|member| {
        let (java, setting) = member.script.java()?;
        Some((java, format!("{setting} in the build script of '{}'", member.name)))
    });
    let (java, java_source) = java.unzip();
    Ok(Project {
        java,
        java_source,
        name: chosen.name.clone(),
        module: chosen.directory.clone(),
        gradle_path: Some(chosen.path.clone()),
        choice,
        notices: build_tool::notices(&tool, &root),
        tool,
        root,
    })
}

/// The nearest directory upwards with a settings script, as Gradle looks for it; `directory` where there is none, or
/// where the one above belongs to another repository.
fn root(directory: &Path) -> PathBuf {
    let repository = directory.ancestors().position(|above| above.join(".git").exists());
    let within = directory.ancestors().take(repository.map_or(usize::MAX, |depth| depth + 1));
    let mut candidates = within.filter(|above| SETTINGS.iter().any(|name| above.join(name).is_file()));
    candidates.next().unwrap_or(directory).to_owned()
}

/// The root project, then the others in the order of the settings script.
fn members(root: &Path) -> Result<Vec<Member>, DetectError> {
    let settings = script(root, &SETTINGS)?;
    let own_name = |directory: &Path| directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let root_name = settings.root_name().unwrap_or_else(|| own_name(root));
    let mut members =
        vec![Member { path: ":".to_owned(), name: root_name, directory: root.to_owned(), script: build_script(root)? }];
    let elsewhere = settings.project_directories();
    let mut paths = settings.included_projects();
    if paths.is_empty() && SETTINGS.iter().any(|name| root.join(name).is_file()) {
        // Named by a program, if at all: what lies on disk is the best guess, and Gradle itself tells if it is wrong.
        paths = projects_on_disk(root);
    }
    for path in paths {
        let moved = elsewhere.iter().find(|(known, _)| known.trim_start_matches(':') == &path[1..]);
        let directory = match moved {
            Some((_, directory)) => root.join(directory),
            None => root.join(path[1..].replace(':', "/")),
        };
        let Ok(directory) = fs::canonicalize(directory) else { continue };
        let name = path.rsplit(':').next().unwrap_or_default().to_owned();
        members.push(Member { path, name, script: build_script(&directory)?, directory });
    }
    Ok(members)
}

/// The paths of the folders below `root` that hold a build script.
fn projects_on_disk(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![(root.to_owned(), String::new(), 0)];
    while let Some((directory, path, depth)) = waiting.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let other = name.starts_with('.') || matches!(name.as_str(), "build" | "src" | "buildSrc" | "node_modules");
            // Links are not followed: they may lead around in a circle.
            if other || depth == MAX_DEPTH || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let path = format!("{path}:{name}");
            // A settings script makes it a build of its own.
            if SETTINGS.iter().any(|name| entry.path().join(name).is_file()) {
                continue;
            }
            if SCRIPTS.iter().any(|name| entry.path().join(name).is_file()) {
                found.push(path.clone());
            }
            waiting.push((entry.path(), path, depth + 1));
        }
    }
    found.sort();
    found
}

/// `build.gradle`, or the script named after its folder, as larger builds like to have it.
fn build_script(directory: &Path) -> Result<GradleScript, DetectError> {
    let own = directory.file_name().unwrap_or_default().to_string_lossy();
    script(directory, &[SCRIPTS[0], SCRIPTS[1], &format!("{own}.gradle"), &format!("{own}.gradle.kts")])
}

/// The first of these scripts that is there.
fn script(directory: &Path, names: &[&str]) -> Result<GradleScript, DetectError> {
    let Some(path) = names.iter().map(|name| directory.join(name)).find(|path| path.is_file()) else {
        return Ok(GradleScript::default());
    };
    let bytes = fs::read(&path).map_err(|source| DetectError::Script { path, source })?;
    Ok(GradleScript::parse(&String::from_utf8_lossy(&bytes)))
}

fn named<'a>(root: &Path, members: &'a [Member], module: &str) -> Result<&'a Member, DetectError> {
    let path = format!(":{}", module.trim_start_matches(':'));
    let directory = fs::canonicalize(root.join(module)).ok();
    let found = members
        .iter()
        .find(|member| member.path == path)
        .or_else(|| members.iter().find(|member| member.name == module))
        .or_else(|| members.iter().find(|member| Some(&member.directory) == directory.as_ref()));
    found.ok_or_else(|| DetectError::NoSuchModule {
        root: root.to_owned(),
        module: module.to_owned(),
        known: members.iter().map(shown).collect(),
    })
}

/// The root by its name, the others by their path.
fn shown(member: &Member) -> String {
    if member.path == ":" { member.name.clone() } else { member.path.clone() }
}

/// The one project at or below `directory` that makes a Spring Boot archive.
fn bootable<'a>(
    directory: &Path,
    root: &Path,
    members: &'a [Member],
) -> Result<(&'a Member, ModuleChoice), DetectError> {
    let catalog = fs::read_to_string(root.join(CATALOG)).unwrap_or_default();
    let aliases = catalog_aliases(&catalog, BOOT_PLUGIN);
    let mut candidates: Vec<&Member> =
        members.iter().filter(|member| member.directory.starts_with(directory)).collect();
    let mut choice = ModuleChoice::OnlyOne;
    if candidates.iter().any(|member| member.applies_boot(&aliases)) {
        candidates.retain(|member| member.applies_boot(&aliases));
    } else {
        // A plugin of the project's own, or the root's `subprojects`, may apply it where no script says so.
        candidates.retain(|member| has_application_class(&member.directory));
        choice = ModuleChoice::MainClass;
    }
    if candidates.len() > 1 && candidates.iter().any(|member| has_application_class(&member.directory)) {
        candidates.retain(|member| has_application_class(&member.directory));
        choice = ModuleChoice::MainClass;
    }
    if candidates.len() > 1 {
        let modules = candidates.into_iter().map(shown).collect();
        return Err(DetectError::SeveralModules { directory: directory.to_owned(), modules });
    }
    match candidates.pop() {
        Some(member) => Ok((member, choice)),
        None => Err(DetectError::NotSpringBootGradle { directory: directory.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::JavaVersion;
    use crate::test_project::TestProject;

    const BOOT: &str = "plugins {\n    id(\"org.springframework.boot\") version \"3.5.0\"\n}\n";
    const APPLICATION: &str = "@SpringBootApplication class App {}";

    fn detected(project: &TestProject, directory: &str, module: Option<&str>) -> Result<Project, DetectError> {
        let options = DetectOptions { module: module.map(str::to_owned) };
        crate::project::detect(&project.root().join(directory), &options)
    }

    fn with_wrapper(project: TestProject) -> TestProject {
        project.file("gradlew", "#!/bin/sh\n").file("gradle/wrapper/gradle-wrapper.properties", "")
    }

    /// A library and an application in Kotlin scripts, with a wrapper at the top.
    fn two() -> TestProject {
        with_wrapper(TestProject::new())
            .file("settings.gradle.kts", "rootProject.name = \"shop\"\ninclude(\"lib\", \"apps:web\")\n")
            .file(
                "build.gradle.kts",
                "subprojects { java { toolchain { languageVersion = JavaLanguageVersion.of(21) } } }",
            )
            .file("lib/build.gradle.kts", "plugins { `java-library` }")
            .file("apps/web/build.gradle.kts", BOOT)
    }

    #[test]
    fn a_project_of_its_own_is_its_own_root() {
        let project = with_wrapper(TestProject::new()).file("build.gradle", "apply plugin: 'org.springframework.boot'");
        let found = detected(&project, "", None).unwrap();
        assert_eq!((&found.root, &found.module), (&project.root(), &project.root()));
        assert_eq!(found.gradle_path.as_deref(), Some(":"));
        assert_eq!(found.tool, BuildTool::GradleWrapper { script: project.root().join("gradlew"), executable: false });
        assert_eq!((found.java, found.notices), (None, Vec::new()));
    }

    #[test]
    fn the_one_application_is_found_from_anywhere_in_the_build() {
        let project = two();
        for (directory, module) in [
            ("", None),
            ("apps/web", None),
            ("", Some("web")),
            ("", Some(":apps:web")),
            ("", Some("apps/web")),
            ("lib", Some("apps:web")),
        ] {
            let found = detected(&project, directory, module).unwrap();
            assert_eq!(found.root, project.root(), "{directory} {module:?}");
            assert_eq!(found.module, project.root().join("apps/web"));
            assert_eq!((found.gradle_path.as_deref(), found.name.as_str()), (Some(":apps:web"), "web"));
            assert_eq!(found.java, Some(JavaVersion(21)));
        }
        let error = detected(&project, "", Some("shoe")).unwrap_err().to_string();
        assert!(error.contains("shop, :lib, :apps, :apps:web"), "{error}");
        assert!(matches!(detected(&project, "lib", None), Err(DetectError::NotSpringBootGradle { .. })));
    }

    #[test]
    fn several_applications_are_listed_by_their_paths() {
        let project = two().file("lib/build.gradle.kts", BOOT);
        let error = detected(&project, "", None).unwrap_err().to_string();
        assert!(error.contains(":lib, :apps:web") && error.contains("--module"), "{error}");
        let project = project.file("lib/src/main/kotlin/App.kt", APPLICATION);
        assert_eq!(detected(&project, "", None).unwrap().name, "lib");
    }

    #[test]
    fn a_plugin_that_no_script_names_is_found_by_the_main_class() {
        let project = with_wrapper(TestProject::new())
            .file("settings.gradle", "file('apps').eachDir { include \"apps:${it.name}\" }")
            .file("apps/web/build.gradle", "plugins { id 'shop.conventions' }")
            .file("apps/lib/build.gradle", "plugins { id 'shop.conventions' }")
            .file("apps/web/src/main/java/App.java", APPLICATION);
        let found = detected(&project, "", None).unwrap();
        assert_eq!((found.gradle_path.as_deref(), found.choice), (Some(":apps:web"), ModuleChoice::MainClass));
    }

    #[test]
    fn maven_goes_before_gradle_where_a_project_has_both() {
        let project = two().pom("", "app", crate::test_project::BOOT).wrapper("", 0o755, "");
        assert_eq!(detected(&project, "", None).unwrap().gradle_path, None);
        assert_eq!(crate::project::output_folder(&project.root()), "target");
        assert_eq!(crate::project::output_folder(&project.root().join("lib")), "build");
    }
}
