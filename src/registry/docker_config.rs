//! Credentials from the files that Docker, podman and their credential helpers keep (config.json(5), auth.json(5)).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;

use super::{CredentialError, CredentialSource, Credentials, Registry};

/// How long a credential helper may take; some ask a person.
const HELPER_TIMEOUT: Duration = Duration::from_secs(60);

/// One configuration file. One that does not exist has no credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerConfig {
    path: PathBuf,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ConfigFile {
    auths: BTreeMap<String, Auth>,
    creds_store: Option<String>,
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

impl DockerConfig {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        DockerConfig { path: path.into() }
    }

    /// The files in the order in which they are asked. `variable` reads the environment.
    pub fn usual(variable: impl Fn(&str) -> Option<PathBuf>) -> Vec<Self> {
        let set = |name: &str| variable(name).filter(|path| !path.as_os_str().is_empty());
        let home = set("HOME");
        let below_home = |path: &str| home.as_ref().map(|home| home.join(path));
        let mut files: Vec<PathBuf> = Vec::new();
        files.extend(set("REGISTRY_AUTH_FILE"));
        files.extend(set("XDG_RUNTIME_DIR").map(|folder| folder.join("containers/auth.json")));
        let config = set("XDG_CONFIG_HOME").or_else(|| below_home(".config"));
        files.extend(config.map(|folder| folder.join("containers/auth.json")));
        let docker = set("DOCKER_CONFIG").or_else(|| below_home(".docker"));
        files.extend(docker.map(|folder| folder.join("config.json")));
        files.into_iter().map(DockerConfig::new).collect()
    }

    async fn look(&self, registry: &Registry) -> Result<Option<Credentials>, CredentialError> {
        let text = match std::fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(CredentialError(format!("it cannot be read: {error}"))),
        };
        // serde's message could show a value: only the place is told.
        let file: ConfigFile = serde_json::from_slice(&text).map_err(|error| {
            CredentialError(format!("it is no Docker configuration (line {}, column {})", error.line(), error.column()))
        })?;
        let host = registry.as_str();
        let hub = host == "docker.io";
        let server = if hub { "https://index.docker.io/v1/" } else { host };
        let helper = |key: &str| file.cred_helpers.get(key);
        let helper =
            helper(host).or_else(|| if hub { helper(server).or_else(|| helper("index.docker.io")) } else { None });
        let mut failed = None;
        for program in [helper, file.creds_store.as_ref()].into_iter().flatten() {
            match ask_helper(program, server).await {
                Ok(Some(credentials)) => return Ok(Some(credentials)),
                Ok(None) => {}
                Err(error) => {
                    failed.get_or_insert(error);
                }
            }
        }
        let entry = file.auths.iter().find(|(key, _)| {
            let key = bare(key);
            key == host || (hub && matches!(key, "index.docker.io" | "registry-1.docker.io"))
        });
        match entry.map(|(_, auth)| auth.credentials()).transpose()?.flatten() {
            Some(credentials) => Ok(Some(credentials)),
            None => failed.map_or(Ok(None), Err),
        }
    }
}

/// `https://host/v1/` → `host`.
fn bare(key: &str) -> &str {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let rest = key.trim_end_matches('/');
    rest.strip_suffix("/v1").or_else(|| rest.strip_suffix("/v2")).unwrap_or(rest)
}

impl Auth {
    fn credentials(&self) -> Result<Option<Credentials>, CredentialError> {
        if !self.identitytoken.is_empty() {
            return Ok(Some(Credentials::IdentityToken(self.identitytoken.clone())));
        }
        if !self.registrytoken.is_empty() {
            return Ok(Some(Credentials::RegistryToken(self.registrytoken.clone())));
        }
        if self.auth.is_empty() {
            let basic = Credentials::Basic { username: self.username.clone(), password: self.password.clone() };
            return Ok(Some(basic).filter(|_| !self.username.is_empty()));
        }
        let broken = || CredentialError("an 'auth' in it is not the base64 form of 'user:password'".to_owned());
        let bytes = base64::engine::general_purpose::STANDARD_NO_PAD
            .decode(self.auth.trim_end_matches('='))
            .map_err(|_| broken())?;
        let text = String::from_utf8(bytes).map_err(|_| broken())?;
        let (username, password) = text.split_once(':').ok_or_else(broken)?;
        let password = password.trim_end_matches('\0');
        Ok(Some(Credentials::Basic { username: username.to_owned(), password: password.to_owned() }))
    }
}

/// Runs `docker-credential-<program> get` (the protocol of docker-credential-helpers).
async fn ask_helper(program: &str, server: &str) -> Result<Option<Credentials>, CredentialError> {
    let name = format!("docker-credential-{program}");
    let failed = |what: String| CredentialError(format!("{name} {what}"));
    if program.is_empty() || Path::new(program).components().count() != 1 || program.contains(['/', '\\']) {
        return Err(failed("is not the name of a helper".to_owned()));
    }
    let mut child = tokio::process::Command::new(&name)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(format!("cannot be run: {error}")))?;
    let run = async {
        if let Some(mut input) = child.stdin.take() {
            // A helper that does not read its input may answer all the same.
            let _ = input.write_all(server.as_bytes()).await;
        }
        child.wait_with_output().await
    };
    let output = tokio::time::timeout(HELPER_TIMEOUT, run)
        .await
        .map_err(|_| failed(format!("did not answer within {} s", HELPER_TIMEOUT.as_secs())))?
        .map_err(|error| failed(format!("failed: {error}")))?;
    if !output.status.success() {
        if String::from_utf8_lossy(&output.stdout).contains("credentials not found") {
            return Ok(None);
        }
        return Err(failed(format!("failed ({})", output.status)));
    }
    let answer: HelperAnswer =
        serde_json::from_slice(&output.stdout).map_err(|_| failed("gave an answer that is none".to_owned()))?;
    Ok(Some(match &*answer.username {
        "<token>" => Credentials::IdentityToken(answer.secret),
        _ => Credentials::Basic { username: answer.username, password: answer.secret },
    }))
}

impl CredentialSource for DockerConfig {
    fn credentials<'a>(
        &'a self,
        registry: &'a Registry,
        _refresh: bool,
    ) -> BoxFuture<'a, Result<Option<Credentials>, CredentialError>> {
        Box::pin(self.look(registry))
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn look(json: &str, registry: &str) -> Result<Option<Credentials>, CredentialError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, json).unwrap();
        DockerConfig::new(path).look(&registry.parse().unwrap()).await
    }

    fn basic(username: &str, password: &str) -> Credentials {
        Credentials::Basic { username: username.into(), password: password.into() }
    }

    #[tokio::test]
    async fn auths_are_found_in_the_forms_that_tools_write() {
        let json = r#"{"auths": {"https://index.docker.io/v1/": {"auth": "YW5uOmh1OnNo"},
            "a.example": {"username": "bob", "password": "x"}, "https://b.example": {"identitytoken": "t"},
            "c.example": {}, "d.example": {"auth": "!!"}}, "other": 1}"#;
        assert_eq!(look(json, "docker.io").await, Ok(Some(basic("ann", "hu:sh"))));
        assert_eq!(look(json, "a.example").await, Ok(Some(basic("bob", "x"))));
        assert_eq!(look(json, "b.example").await, Ok(Some(Credentials::IdentityToken("t".into()))));
        assert_eq!(look(json, "c.example").await, Ok(None));
        assert!(look(json, "d.example").await.is_err());
        assert_eq!(look(json, "b.example:444").await, Ok(None));
    }

    #[tokio::test]
    async fn a_helper_that_cannot_be_run_is_an_error_unless_the_file_itself_knows() {
        let json = r#"{"credsStore": "shipit-test-absent", "auths": {"a.example": {"auth": "YTpi"}}}"#;
        assert_eq!(look(json, "a.example").await, Ok(Some(basic("a", "b"))));
        let error = look(json, "b.example").await.unwrap_err();
        assert!(error.0.contains("docker-credential-shipit-test-absent cannot be run"), "{error}");
    }

    #[tokio::test]
    async fn a_broken_file_is_told_without_its_content() {
        let error = look(r#"{"auths": {"a.example": {"auth": 77secret}}}"#, "a.example").await.unwrap_err();
        assert!(error.0.contains("line 1") && !error.0.contains("secret"), "{error}");
        let absent = DockerConfig::new("/nonexistent/config.json");
        assert_eq!(absent.look(&"a.example".parse().unwrap()).await, Ok(None));
    }

    #[test]
    fn the_usual_files_come_in_the_usual_order() {
        let all = DockerConfig::usual(|name| Some(PathBuf::from(format!("/{name}"))));
        let paths: Vec<_> = all.iter().map(CredentialSource::name).collect();
        let expected = [
            "/REGISTRY_AUTH_FILE",
            "/XDG_RUNTIME_DIR/containers/auth.json",
            "/XDG_CONFIG_HOME/containers/auth.json",
            "/DOCKER_CONFIG/config.json",
        ];
        assert_eq!(paths, expected);
        let home = DockerConfig::usual(|name| (name == "HOME").then(|| PathBuf::from("/h")));
        let paths: Vec<_> = home.iter().map(CredentialSource::name).collect();
        assert_eq!(paths, ["/h/.config/containers/auth.json", "/h/.docker/config.json"]);
    }
}
