//! What the first two stages found and would do, in words.

use std::path::Path;

use crate::build_tool::System;
use crate::package::{self, PackageError, PackageOptions, Tests};
use crate::project::BuildTool;
use crate::{Application, Project, built_archive};

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is about, in one word: `module`.
    pub what: &'static str,
    pub value: String,
    /// How it was found, or what decides it.
    pub why: String,
}

impl Finding {
    pub fn new(what: &'static str, value: impl Into<String>, why: impl Into<String>) -> Self {
        Finding { what, value: value.into(), why: why.into() }
    }
}

/// How the project would be built, without running anything.
pub fn explain(project: &Project, options: &PackageOptions) -> Result<Vec<Finding>, PackageError> {
    let system = project.tool.system();
    let mut findings = vec![
        Finding::new(
            "project",
            path(&project.root),
            match system {
                System::Maven if crate::gradle::is_project(&project.root) => {
                    "Maven: the top of the modules; it has a Gradle build too, which is not used"
                }
                System::Maven => "Maven: the top of the modules",
                System::Gradle => "Gradle: the folder of the settings script, or of the build script without one",
            },
        ),
        Finding::new(
            "module",
            match &project.gradle_path {
                Some(gradle_path) if gradle_path != ":" => format!("{gradle_path} in {}", path(&project.module)),
                _ => format!("{} in {}", project.name, path(&project.module)),
            },
            project.choice.to_string(),
        ),
        tool(project),
        java(project),
        tests(system, options.tests),
    ];
    let command = package::command(project, options)?;
    findings.push(Finding::new("command", project.tool.shown(&command), format!("run in {}", path(&project.root))));
    findings.push(archive(project, options)?);
    findings.push(Finding::new(
        "layers",
        "those of the archive's layers.idx",
        "without one: dependencies, snapshot-dependencies, application",
    ));
    Ok(findings)
}

/// What a finished archive is, which the user named with `--jar`.
pub fn explain_archive(application: &Application) -> Vec<Finding> {
    let names: Vec<&str> = application.layers.iter().map(|layer| layer.name.as_str()).collect();
    let spring = match &application.boot_version {
        Some(version) => format!("Spring Boot {version}"),
        None => "its manifest names no version of Spring Boot".to_owned(),
    };
    vec![
        Finding::new("archive", path(&application.archive), spring),
        match application.java {
            Some(java) => {
                Finding::new("java", java.to_string(), "the class with the main method, and Spring Boot's version")
            }
            None => Finding::new("java", "unknown", "no class tells it: name a base image"),
        },
        Finding::new("layers", names.join(", "), "the archive's layers.idx, or the default layers without one"),
    ]
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

fn tool(project: &Project) -> Finding {
    match &project.tool {
        BuildTool::MavenWrapper { script, executable } | BuildTool::GradleWrapper { script, executable } => {
            let why = if *executable {
                "the project's wrapper"
            } else {
                "the project's wrapper; it has no run bit, so sh runs it"
            };
            Finding::new("tool", path(script), why)
        }
        BuildTool::Maven { program } | BuildTool::Gradle { program } => {
            Finding::new("tool", path(program), "found on the PATH, as the project has no wrapper that is whole")
        }
    }
}

fn java(project: &Project) -> Finding {
    match (project.java, &project.java_source) {
        (Some(java), Some(source)) => Finding::new(
            "java",
            java.to_string(),
            format!("{source}; the archive's classes count if they need a newer one"),
        ),
        (Some(java), None) => Finding::new("java", java.to_string(), "the build files"),
        (None, _) => {
            Finding::new("java", "unknown", "the build files do not say it plainly; the archive's classes will")
        }
    }
}

fn tests(system: System, tests: Tests) -> Finding {
    let (value, why) = match (tests, system) {
        (Tests::Compile, System::Maven) => ("compile", "compiled, not run (-DskipTests)"),
        (Tests::Compile, System::Gradle) => ("compile", "compiled, not run (testClasses)"),
        (Tests::Skip, System::Maven) => ("skip", "neither compiled nor run (-Dmaven.test.skip=true)"),
        (Tests::Skip, System::Gradle) => ("skip", "neither compiled nor run"),
        (Tests::Run, System::Maven) => ("run", "run by the build"),
        (Tests::Run, System::Gradle) => ("run", "run by the module's task test"),
    };
    Finding::new("tests", value, why)
}

fn archive(project: &Project, options: &PackageOptions) -> Result<Finding, PackageError> {
    if let Some(gradle_path) = &project.gradle_path {
        return Ok(Finding::new(
            "archive",
            "what Gradle says",
            format!("its answer for bootWar or bootJar of the project {gradle_path}"),
        ));
    }
    let lineage = package::lineage(project, options)?;
    Ok(match built_archive::expected(project, &lineage) {
        Some(expected) => {
            Finding::new("archive", path(&expected), "the name in the poms; what Maven prints goes before it")
        }
        None => Finding::new("archive", "what Maven says", "the poms name it by a property that only Maven knows"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::{DetectOptions, detect};
    use crate::test_project::{BOOT, TestProject};

    fn explained(project: &TestProject, tests: Tests) -> Vec<Finding> {
        let options = PackageOptions {
            tests,
            arguments: vec!["-Pa b".to_owned()],
            output_timestamp: 1_700_000_000,
            log: project.root().join("out/build.log"),
            stop: std::sync::Arc::default(),
        };
        explain(&detect(&project.root(), &DetectOptions::default()).unwrap(), &options).unwrap()
    }

    fn value<'a>(findings: &'a [Finding], what: &str) -> &'a str {
        &findings.iter().find(|finding| finding.what == what).unwrap().value
    }

    #[test]
    fn a_maven_module_is_explained_and_nothing_is_run() {
        let java = "<properties><java.version>21</java.version></properties>";
        let project = TestProject::new()
            .pom("", "top", "<packaging>pom</packaging><modules><module>web</module></modules>")
            .pom("web", "shop", &format!("{java}{BOOT}"))
            .wrapper("", 0o755, "touch ran");
        let findings = explained(&project, Tests::Compile);
        let root = project.root().display().to_string();
        assert_eq!(value(&findings, "module"), format!("shop in {root}/web"));
        assert_eq!(value(&findings, "tool"), format!("{root}/mvnw"));
        assert_eq!(value(&findings, "java"), "21");
        assert_eq!(
            value(&findings, "command"),
            "./mvnw -B -DskipTests -Dproject.build.outputTimestamp=2023-11-14T22:13:20Z -pl web -am '-Pa b' package"
        );
        assert_eq!(value(&findings, "archive"), format!("{root}/web/target/shop-1.jar"));
        assert!(!project.root().join("ran").exists());
    }

    #[test]
    fn a_gradle_project_is_explained_and_nothing_is_written() {
        let project = TestProject::new()
            .file("settings.gradle", "include 'web'")
            .file("web/build.gradle", "apply plugin: 'org.springframework.boot'")
            .file("gradlew", "touch ran\r\n")
            .file("gradle/wrapper/gradle-wrapper.properties", "");
        let findings = explained(&project, Tests::Run);
        let root = project.root().display().to_string();
        assert_eq!(value(&findings, "module"), format!(":web in {root}/web"));
        assert_eq!(
            value(&findings, "command"),
            format!("./gradlew --console=plain -I {root}/out/shipit.init.gradle '-Pa b' :web:test :web:shipitArchive")
        );
        assert!(!project.root().join("ran").exists() && !project.root().join("out").exists());
    }
}
