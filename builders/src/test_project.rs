//! Maven projects for tests, with a wrapper that only pretends to build.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

pub const BOOT: &str =
    "<build><plugins><plugin><artifactId>spring-boot-maven-plugin</artifactId></plugin></plugins></build>";

pub struct TestProject {
    folder: tempfile::TempDir,
}

impl TestProject {
    pub fn new() -> Self {
        TestProject { folder: tempfile::tempdir().unwrap() }
    }

    pub fn root(&self) -> PathBuf {
        fs::canonicalize(self.folder.path()).unwrap()
    }

    pub fn file(self, path: &str, text: &str) -> Self {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// A pom of version 1 without parent in `directory`.
    pub fn pom(self, directory: &str, artifact_id: &str, rest: &str) -> Self {
        let pom = format!("<project><artifactId>{artifact_id}</artifactId><version>1</version>{rest}</project>");
        self.file(&Path::new(directory).join("pom.xml").to_string_lossy(), &pom)
    }

    /// A wrapper in `directory` with this shell script.
    pub fn wrapper(self, directory: &str, mode: u32, script: &str) -> Self {
        let path = Path::new(directory).join("mvnw").to_string_lossy().into_owned();
        let properties = Path::new(directory).join(".mvn/wrapper/maven-wrapper.properties");
        let project = self.file(&path, script).file(&properties.to_string_lossy(), "");
        fs::set_permissions(project.root().join(path), fs::Permissions::from_mode(mode)).unwrap();
        project
    }
}
