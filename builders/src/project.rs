//! Stage one, detect: what is in this directory?

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::JavaVersion;
use crate::build_tool::{self, System};
use crate::gradle;
use crate::lineage::{self, BootPlugin, Lineage};
use crate::pom::{Pom, PomError};
use crate::reactor;

/// A project that shipit knows how to build.
#[derive(Debug, Clone)]
pub struct Project {
    /// The directory with the top pom.xml or settings.gradle: where the build is run.
    pub root: PathBuf,
    /// The directory of the module whose archive becomes the image; `root` itself in a project of one module.
    pub module: PathBuf,
    /// `artifactId` of the module; in Gradle the project's name.
    pub name: String,
    /// The module's path in a Gradle build: `:` for the root, else `:a:b`; none in a Maven one.
    pub gradle_path: Option<String>,
    /// How the module came to be chosen.
    pub choice: ModuleChoice,
    /// What runs the build.
    pub tool: BuildTool,
    /// The Java release that the project's compiler settings name, where they can be read without running the build.
    pub java: Option<JavaVersion>,
    /// The setting that names [`Project::java`].
    pub java_source: Option<String>,
    /// What the user should know of how the project will be built; a sentence each.
    pub notices: Vec<String>,
}

/// How a module came to be the one that ships.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModuleChoice {
    /// The caller named it.
    Named,
    /// No other module makes a Spring Boot archive.
    OnlyOne,
    /// Others make one too, but only this one has a class that starts Spring Boot.
    MainClass,
}

impl fmt::Display for ModuleChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ModuleChoice::Named => "named by the setting build.module",
            ModuleChoice::OnlyOne => "the only module with the Spring Boot plugin",
            ModuleChoice::MainClass => "the only module with a class that starts Spring Boot",
        })
    }
}

/// What runs the project's build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildTool {
    /// The project's own `mvnw`; `executable` says whether it has the run bit (it is run with `sh` if not).
    MavenWrapper { script: PathBuf, executable: bool },
    /// `mvn` of the PATH, where the project has no wrapper.
    Maven { program: PathBuf },
    /// The project's own `gradlew`, likewise.
    GradleWrapper { script: PathBuf, executable: bool },
    /// `gradle` of the PATH, where the project has no wrapper.
    Gradle { program: PathBuf },
}

impl fmt::Display for BuildTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildTool::MavenWrapper { .. } => f.write_str("its Maven wrapper"),
            BuildTool::GradleWrapper { .. } => f.write_str("its Gradle wrapper"),
            BuildTool::Maven { program } | BuildTool::Gradle { program } => program.display().fmt(f),
        }
    }
}

/// What the caller may say about the project.
#[derive(Debug, Clone, Default)]
pub struct DetectOptions {
    /// The module to ship (setting `build.module`): its artifactId or Gradle path, or its directory relative to
    /// the root.
    pub module: Option<String>,
}

/// Why there is nothing to build.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    #[error("cannot look into '{directory}': {source}")]
    Directory { directory: PathBuf, source: io::Error },
    #[error(
        "no project in '{directory}': there is no pom.xml and no build.gradle. Run shipit in a Maven or Gradle project, \
         name one with -C, or a finished jar with --jar"
    )]
    NoProject { directory: PathBuf },
    #[error("cannot read '{path}': {source}")]
    Script { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Pom(#[from] PomError),
    #[error(
        "'{root}' has no Maven wrapper, and there is no `mvn` on the PATH. Add a wrapper (`mvn wrapper:wrapper` where \
         Maven is installed) or install Maven"
    )]
    NoMaven { root: PathBuf },
    #[error(
        "'{root}' has no Gradle wrapper, and there is no `gradle` on the PATH. Add a wrapper (`gradle wrapper` where \
         Gradle is installed) or install Gradle"
    )]
    NoGradle { root: PathBuf },
    #[error(
        "nothing in '{directory}' makes a Spring Boot jar: no project of this Gradle build applies the plugin \
         `org.springframework.boot`. Add it to the plugins of the application's build script"
    )]
    NotSpringBootGradle { directory: PathBuf },
    #[error(
        "nothing in '{directory}' makes a Spring Boot jar: no module of packaging jar or war uses \
         spring-boot-maven-plugin. Add it to <build><plugins> of the application's pom.xml"
    )]
    NotSpringBoot { directory: PathBuf },
    #[error(
        "'{directory}' has several Spring Boot modules: {}. Choose one with --module or the setting build.module",
        .modules.join(", ")
    )]
    SeveralModules { directory: PathBuf, modules: Vec<String> },
    #[error("'{root}' has no module '{module}'. It has: {}", .known.join(", "))]
    NoSuchModule { root: PathBuf, module: String, known: Vec<String> },
    #[error("module '{module}' makes no jar or war (its packaging is '{packaging}'), so there is nothing to run")]
    NotAnApplication { module: String, packaging: String },
}

/// Finds out how the project in `directory` is built, without running anything.
pub fn detect(directory: &Path, options: &DetectOptions) -> Result<Project, DetectError> {
    let path = std::env::var_os("PATH");
    let directory = fs::canonicalize(directory)
        .map_err(|source| DetectError::Directory { directory: directory.to_owned(), source })?;
    if directory.join("pom.xml").is_file() {
        maven_project(&directory, options, path.as_deref())
    } else if gradle::is_project(&directory) {
        gradle::detect(&directory, options, path.as_deref())
    } else {
        Err(DetectError::NoProject { directory })
    }
}

/// The folder in `directory` that its build writes to and `clean` removes: `target` or `build`.
pub fn output_folder(directory: &Path) -> &'static str {
    if gradle::is_project(directory) && !directory.join("pom.xml").is_file() { "build" } else { "target" }
}

fn maven_project(directory: &Path, options: &DetectOptions, path: Option<&OsStr>) -> Result<Project, DetectError> {
    let (root, wrapper) = root_and_wrapper(directory);
    let (chosen, choice) = match &options.module {
        Some(module) => (named_module(&root, module)?, ModuleChoice::Named),
        None => bootable_module(directory, &root)?,
    };
    let tool = match wrapper.or_else(|| System::Maven.on(path)) {
        Some(tool) => tool,
        None => return Err(DetectError::NoMaven { root }),
    };
    let notices = build_tool::notices(&tool, &root);
    let (java, java_source) = chosen.java().unzip();
    Ok(Project {
        java,
        java_source,
        name: chosen.module().artifact_id.clone(),
        module: chosen.module().directory.clone(),
        gradle_path: None,
        choice,
        root,
        tool,
        notices,
    })
}

/// The highest directory that aggregates `directory` and has a wrapper; without any wrapper the highest at all, with
/// the wrapper of a directory above it in the same repository.
fn root_and_wrapper(directory: &Path) -> (PathBuf, Option<BuildTool>) {
    let chain = reactor::aggregators(directory);
    for candidate in chain.iter().rev() {
        if let Some(wrapper) = System::Maven.wrapper_in(candidate) {
            return (candidate.clone(), Some(wrapper));
        }
    }
    let root = chain.into_iter().next_back().unwrap_or_else(|| directory.to_owned());
    let repository = root.ancestors().position(|above| above.join(".git").exists());
    let wrapper = root
        .ancestors()
        .take(repository.map_or(0, |depth| depth + 1))
        .find_map(|above| System::Maven.wrapper_in(above));
    (root, wrapper)
}

fn lineage(root: &Path, pom: Pom) -> Lineage {
    let arguments = lineage::configured_arguments(root);
    Lineage::of(pom, lineage::user_properties(arguments.iter().map(String::as_str)))
}

fn named_module(root: &Path, module: &str) -> Result<Lineage, DetectError> {
    let modules = reactor::modules(root)?;
    let wanted = module.strip_prefix(':').unwrap_or(module);
    let path = fs::canonicalize(root.join(wanted)).ok();
    let by_path = modules.iter().find(|pom| Some(&pom.directory) == path.as_ref());
    let Some(pom) = modules.iter().find(|pom| pom.artifact_id == wanted).or(by_path) else {
        let known = modules.iter().map(|pom| pom.artifact_id.clone()).collect();
        return Err(DetectError::NoSuchModule { root: root.to_owned(), module: module.to_owned(), known });
    };
    if !makes_an_archive(pom) {
        return Err(DetectError::NotAnApplication { module: module.to_owned(), packaging: pom.packaging.clone() });
    }
    Ok(lineage(root, pom.clone()))
}

/// The one module at or below `directory` that makes a Spring Boot archive.
fn bootable_module(directory: &Path, root: &Path) -> Result<(Lineage, ModuleChoice), DetectError> {
    let modules = reactor::modules(directory)?;
    let mut candidates: Vec<Lineage> =
        modules.into_iter().filter(makes_an_archive).map(|pom| lineage(root, pom)).collect();
    candidates.retain(|module| module.boot_plugin() != BootPlugin::Absent);
    let seen = |module: &Lineage| matches!(module.boot_plugin(), BootPlugin::Declared | BootPlugin::Inherited);
    if candidates.iter().any(seen) {
        candidates.retain(seen);
    }
    let mut choice = ModuleChoice::OnlyOne;
    // A parent often gives the plugin to libraries too; what sets the application apart is its main class.
    if candidates.len() > 1 && candidates.iter().any(|module| has_application_class(&module.module().directory)) {
        candidates.retain(|module| has_application_class(&module.module().directory));
        choice = ModuleChoice::MainClass;
    }
    if candidates.len() > 1 {
        let modules = candidates.iter().map(|module| module.module().artifact_id.clone()).collect();
        return Err(DetectError::SeveralModules { directory: directory.to_owned(), modules });
    }
    match candidates.pop() {
        Some(module) => Ok((module, choice)),
        None => Err(DetectError::NotSpringBoot { directory: directory.to_owned() }),
    }
}

fn makes_an_archive(pom: &Pom) -> bool {
    matches!(pom.packaging.as_str(), "jar" | "war")
}

/// Whether the sources of a module hold a class that starts Spring Boot.
pub(crate) fn has_application_class(module: &Path) -> bool {
    let mut waiting = vec![module.join("src/main")];
    while let Some(directory) = waiting.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            // Links are not followed: they may lead around in a circle.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                waiting.push(path);
            } else if path.extension().is_some_and(|ending| ending == "java" || ending == "kt" || ending == "groovy") {
                let text = fs::read(&path).unwrap_or_default();
                let text = String::from_utf8_lossy(&text);
                if ["@SpringBootApplication", "SpringApplication.run", "SpringApplicationBuilder", "runApplication<"]
                    .iter()
                    .any(|sign| text.contains(sign))
                {
                    return true;
                }
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_project::{BOOT, TestProject};

    fn detected(project: &TestProject, directory: &str, module: Option<&str>) -> Result<Project, DetectError> {
        let options = DetectOptions { module: module.map(str::to_owned) };
        detect(&project.root().join(directory), &options)
    }

    fn modules(names: &str) -> String {
        let modules: String = names.split(' ').map(|name| format!("<module>{name}</module>")).collect();
        format!("<packaging>pom</packaging><modules>{modules}</modules>")
    }

    /// A library, a group with an application in it, and a wrapper at the top.
    fn nested() -> TestProject {
        TestProject::new()
            .pom("", "top", &modules("lib group"))
            .pom("lib", "lib", "")
            .pom("group", "group", &modules("api gone"))
            .pom("group/api", "api", BOOT)
            .wrapper("", 0o644, "")
    }

    #[test]
    fn a_single_module_is_its_own_root() {
        let project = TestProject::new().pom("", "a", BOOT).wrapper("", 0o755, "");
        let found = detected(&project, "", None).unwrap();
        assert_eq!((found.root, found.module), (project.root(), project.root()));
        assert_eq!(found.tool, BuildTool::MavenWrapper { script: project.root().join("mvnw"), executable: true });
        assert_eq!(found.notices, Vec::<String>::new());
    }

    #[test]
    fn the_one_application_among_modules_is_found_from_anywhere() {
        let project = nested();
        for (directory, module) in
            [("", None), ("group", None), ("group/api", None), ("", Some("api")), ("lib", Some("group/api"))]
        {
            let found = detected(&project, directory, module).unwrap();
            assert_eq!(found.root, project.root(), "{directory} {module:?}");
            assert_eq!(found.module, project.root().join("group/api"));
            assert_eq!(found.name, "api");
            assert_eq!(found.tool, BuildTool::MavenWrapper { script: project.root().join("mvnw"), executable: false });
        }
    }

    #[test]
    fn a_wrapper_in_the_module_alone_makes_it_the_root() {
        let project =
            TestProject::new().pom("", "top", &modules("api")).pom("api", "api", BOOT).wrapper("api", 0o755, "");
        assert_eq!(detected(&project, "api", None).unwrap().root, project.root().join("api"));
    }

    #[test]
    fn several_applications_are_listed() {
        let project = TestProject::new()
            .pom("", "top", &modules("a b"))
            .pom("a", "one", BOOT)
            .pom("b", "two", BOOT)
            .wrapper("", 0o755, "");
        let error = detected(&project, "", None).unwrap_err().to_string();
        assert!(error.contains("one, two") && error.contains("--module"), "{error}");
        assert_eq!(detected(&project, "", Some("two")).unwrap().name, "two");
        let error = detected(&project, "", Some("three")).unwrap_err().to_string();
        assert!(error.contains("top, one, two"), "{error}");
        assert!(matches!(detected(&project, "", Some("top")), Err(DetectError::NotAnApplication { .. })));
    }

    #[test]
    fn a_main_class_tells_the_application_from_libraries_with_the_same_plugin() {
        let project = TestProject::new()
            .pom("", "top", &modules("a b"))
            .pom("a", "one", BOOT)
            .pom("b", "two", BOOT)
            .file("b/src/main/java/x/App.java", "@SpringBootApplication class App {}")
            .wrapper("", 0o755, "");
        assert_eq!(detected(&project, "", None).unwrap().name, "two");
    }

    #[test]
    fn what_is_no_project_is_told_so() {
        let empty = TestProject::new();
        assert!(matches!(detected(&empty, "", None), Err(DetectError::NoProject { .. })));
        assert!(matches!(detected(&empty, "missing", None), Err(DetectError::Directory { .. })));
        let plain = TestProject::new().pom("", "a", "").wrapper("", 0o755, "");
        assert!(matches!(detected(&plain, "", None), Err(DetectError::NotSpringBoot { .. })));
        for broken in ["", "<project>", "<html/>", "<project/>"] {
            let broken = TestProject::new().file("pom.xml", broken);
            assert!(matches!(detected(&broken, "", None), Err(DetectError::Pom(_))));
        }
    }
}
