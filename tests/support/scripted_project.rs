use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{BootJar, Run, Sandbox};

/// A Maven project whose wrapper is a few lines of shell: for tests of what happens around Maven, at no cost.
/// It is a git repository with one commit, and has the jar that its build is to make as `prebuilt.jar`.
pub struct ScriptedProject {
    dir: PathBuf,
}

/// Does what Maven would in the end.
pub const PACKAGES: &str = "mkdir -p target && cp prebuilt.jar target/app-1.jar && echo '[INFO] BUILD SUCCESS'";

impl ScriptedProject {
    /// In the folder `name` of the sandbox's working directory; the wrapper runs `script`.
    pub fn new(sandbox: &Sandbox, name: &str, script: &str) -> ScriptedProject {
        let dir = sandbox.dir().join(name);
        let pom = "<project><modelVersion>4.0.0</modelVersion><groupId>org.example</groupId>\
                   <artifactId>app</artifactId><version>1</version>\
                   <properties><maven.compiler.release>17</maven.compiler.release></properties>\
                   <build><plugins><plugin><groupId>org.springframework.boot</groupId>\
                   <artifactId>spring-boot-maven-plugin</artifactId></plugin></plugins></build></project>\n";
        sandbox.write(dir.join("pom.xml"), pom);
        sandbox.write(dir.join("mvnw"), format!("#!/bin/sh\n{script}\n"));
        sandbox.write(dir.join(".mvn/wrapper/maven-wrapper.properties"), "");
        sandbox.write(dir.join(".gitignore"), "target/\n");
        BootJar::new().write(dir.join("prebuilt.jar"));
        let project = ScriptedProject { dir };
        project.git(sandbox, &["init", "--quiet"]);
        project.commit(sandbox, "Begin");
        project
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The folder of the image layout and release.json.
    pub fn output(&self) -> PathBuf {
        self.dir.join("target/shipit")
    }

    /// release.json, read.
    pub fn release(&self) -> serde_json::Value {
        let bytes = fs::read(self.output().join("release.json")).expect("it was built");
        serde_json::from_slice(&bytes).expect("the record is JSON")
    }

    /// Commits everything at 2026-01-02T03:04:05Z.
    pub fn commit(&self, sandbox: &Sandbox, message: &str) {
        self.git(sandbox, &["add", "--all"]);
        self.git(sandbox, &["commit", "--quiet", "--message", message]);
    }

    /// Runs git in the project; gives what it prints.
    pub fn git(&self, sandbox: &Sandbox, arguments: &[&str]) -> String {
        let mut git = sandbox.command("git");
        git.current_dir(&self.dir).args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]).args(arguments);
        git.env("GIT_AUTHOR_DATE", "2026-01-02T03:04:05Z").env("GIT_COMMITTER_DATE", "2026-01-02T03:04:05Z");
        Run::of(&mut git, Duration::from_secs(30)).success().to_owned()
    }
}
