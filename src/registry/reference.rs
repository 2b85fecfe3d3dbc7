//! Names of registries, repositories and images (the grammar of distribution/reference, with Docker's defaults).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use crate::image::Digest;

/// The registry that names without a host belong to, and the host that answers for it.
const DOCKER_HUB: &str = "docker.io";
const DOCKER_HUB_API: &str = "registry-1.docker.io";

/// The longest repository name, host excluded, that registries take.
const MAX_NAME: usize = 255;

/// Text that names no registry, repository or image, and why not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not an image reference: {why}")]
pub struct ReferenceError {
    text: String,
    why: String,
}

impl ReferenceError {
    fn new(text: &str, why: impl Into<String>) -> Self {
        ReferenceError { text: text.chars().take(300).collect(), why: why.into() }
    }
}

/// A registry: `host` or `host:port`, in lower case. Docker Hub is `docker.io`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Registry(String);

impl Registry {
    /// `host` or `host:port`, as it is written in references.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host and port that the registry API answers at.
    pub fn api_host(&self) -> &str {
        if self.0 == DOCKER_HUB { DOCKER_HUB_API } else { &self.0 }
    }

    /// The host without its port; an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        if let Some(rest) = self.0.strip_prefix('[') {
            return rest.split(']').next().unwrap_or(rest);
        }
        self.0.split(':').next().unwrap_or(&self.0)
    }

    /// Whether the host is this machine: `localhost`, 127.0.0.0/8 or ::1.
    pub fn is_loopback(&self) -> bool {
        self.host() == "localhost" || self.host().parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Registry {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |why: String| ReferenceError::new(text, why);
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, after) = rest.split_once(']').ok_or_else(|| error("the '[' has no ']'".to_owned()))?;
                if address.parse::<Ipv6Addr>().is_err() {
                    return Err(error(format!("'{address}' is not an IPv6 address")));
                }
                let port = match after.strip_prefix(':') {
                    Some(port) => Some(port),
                    None if after.is_empty() => None,
                    None => return Err(error(format!("'{after}' after the host is not ':port'"))),
                };
                (format!("[{}]", address.to_ascii_lowercase()), port)
            }
            None => {
                let (host, port) = match text.split_once(':') {
                    Some((host, port)) => (host, Some(port)),
                    None => (text, None),
                };
                let legal = |label: &str| {
                    !label.is_empty()
                        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                        && !label.starts_with('-')
                        && !label.ends_with('-')
                };
                if !host.split('.').all(legal) {
                    return Err(error(format!("'{host}' is not a host name")));
                }
                (host.to_ascii_lowercase(), port)
            }
        };
        match port {
            Some(port)
                if port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|n| n > 0) =>
            {
                Ok(Registry(format!("{host}:{port}")))
            }
            Some(port) => Err(error(format!("'{port}' is not a port (1 to 65535)"))),
            None if host == "index.docker.io" || host == DOCKER_HUB_API => Ok(Registry(DOCKER_HUB.to_owned())),
            None => Ok(Registry(host)),
        }
    }
}

/// A repository in a registry: where images are pushed to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    registry: Registry,
    name: String,
}

impl Repository {
    /// A repository by its parts. Docker Hub's `library/` is not added.
    pub fn new(registry: Registry, name: &str) -> Result<Self, ReferenceError> {
        check_name(name, name)?;
        Ok(Repository { registry, name: name.to_owned() })
    }

    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The name within the registry, such as `library/debian`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The image that `tag` names in this repository.
    pub fn tagged(&self, tag: &str) -> Result<Reference, ReferenceError> {
        check_tag(tag, tag)?;
        Ok(Reference { repository: self.clone(), tag: Some(tag.to_owned()), digest: None })
    }

    /// The image of this digest in this repository.
    pub fn pinned(&self, digest: Digest) -> Reference {
        Reference { repository: self.clone(), tag: None, digest: Some(digest) }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.name)
    }
}

impl FromStr for Repository {
    type Err = ReferenceError;

    /// Parses a repository; a tag or digest after it is refused.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains('@') {
            return Err(ReferenceError::new(text, "a repository is asked for here: leave the digest away"));
        }
        let (repository, tag) = split(text, text)?;
        match tag {
            None => Ok(repository),
            Some(_) => Err(ReferenceError::new(text, "a repository is asked for here: leave the tag away")),
        }
    }
}

/// An image in a repository, by tag, by digest or by both (then the digest counts). With neither, the tag is `latest`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    repository: Repository,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    pub fn registry(&self) -> &Registry {
        &self.repository.registry
    }

    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The same image by its digest; a tag stays for readers.
    pub fn pin(&self, digest: Digest) -> Self {
        Reference { digest: Some(digest), ..self.clone() }
    }

    /// What stands after `manifests/` in the registry API: the digest if there is one, else the tag.
    pub fn identifier(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.repository, f)?;
        self.tag.iter().try_for_each(|tag| write!(f, ":{tag}"))?;
        self.digest.iter().try_for_each(|digest| write!(f, "@{digest}"))
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => {
                (name, Some(digest.parse::<Digest>().map_err(|error| ReferenceError::new(text, error.to_string()))?))
            }
            None => (text, None),
        };
        let (repository, tag) = split(name, text)?;
        let tag = tag.or_else(|| digest.is_none().then(|| "latest".to_owned()));
        Ok(Reference { repository, tag, digest })
    }
}

/// Splits `[registry/]name[:tag]`; `whole` is what the user wrote, for the error.
fn split(text: &str, whole: &str) -> Result<(Repository, Option<String>), ReferenceError> {
    if text.is_empty() {
        return Err(ReferenceError::new(whole, "the name is empty"));
    }
    if text.contains("://") {
        return Err(ReferenceError::new(whole, "references carry no scheme: leave 'https://' away"));
    }
    let (registry, rest) = match text.split_once('/') {
        Some((first, rest)) if first == "localhost" || first.starts_with('[') || first.contains(['.', ':']) => {
            (first.parse::<Registry>().map_err(|error| ReferenceError::new(whole, error.why))?, rest)
        }
        _ => (Registry(DOCKER_HUB.to_owned()), text),
    };
    let (name, tag) = match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (rest, None),
    };
    if let Some(tag) = tag {
        check_tag(tag, whole)?;
    }
    check_name(name, whole)?;
    let name =
        if registry.0 == DOCKER_HUB && !name.contains('/') { format!("library/{name}") } else { name.to_owned() };
    Ok((Repository { registry, name }, tag.map(str::to_owned)))
}

fn check_name(name: &str, whole: &str) -> Result<(), ReferenceError> {
    let error = |why: String| Err(ReferenceError::new(whole, why));
    if name.is_empty() {
        return error("the repository's name is empty".to_owned());
    }
    if name.len() > MAX_NAME {
        return error(format!("the repository's name is longer than {MAX_NAME} characters"));
    }
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return error(format!("the repository's name must be in lower case: '{}'", name.to_ascii_lowercase()));
    }
    for part in name.split('/') {
        if part.is_empty() {
            return error("two slashes follow each other, or the name starts or ends with one".to_owned());
        }
        if let Some(odd) =
            part.chars().find(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-')))
        {
            return error(format!("'{}' may not stand in a repository's name", odd.escape_debug()));
        }
        let runs = part.split(|c: char| c.is_ascii_alphanumeric()).enumerate();
        let last = part.chars().filter(char::is_ascii_alphanumeric).count();
        for (at, run) in runs {
            let edge = at == 0 || at == last;
            let legal = matches!(run, "" | "." | "_" | "__") || run.bytes().all(|byte| byte == b'-');
            if !legal || (edge && !run.is_empty()) {
                return error(format!("'{run}' may not stand there in '{part}'"));
            }
        }
    }
    Ok(())
}

fn check_tag(tag: &str, whole: &str) -> Result<(), ReferenceError> {
    let legal = !tag.is_empty()
        && tag.len() <= 128
        && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
        && !tag.starts_with(['.', '-']);
    if legal {
        return Ok(());
    }
    let why = "a tag has 1 to 128 letters, digits, '_', '.' and '-', and starts with none of the last two";
    Err(ReferenceError::new(whole, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        text.parse::<Reference>().map_or_else(|error| error.to_string(), |reference| reference.to_string())
    }

    #[test]
    fn names_without_a_host_are_docker_hubs() {
        assert_eq!(shown("debian"), "docker.io/library/debian:latest");
        assert_eq!(shown("bitnami/java:17"), "docker.io/bitnami/java:17");
        assert_eq!(shown("index.docker.io/debian"), "docker.io/library/debian:latest");
        assert_eq!("debian".parse::<Reference>().unwrap().registry().api_host(), "registry-1.docker.io");
    }

    #[test]
    fn hosts_ports_and_addresses_are_told_from_names_and_tags() {
        assert_eq!(shown("localhost/app"), "localhost/app:latest");
        assert_eq!(shown("localhost:5000/team/app:1.0"), "localhost:5000/team/app:1.0");
        assert_eq!(shown("[::1]:5000/app"), "[::1]:5000/app:latest");
        assert_eq!(shown("EXAMPLE.com/app"), "example.com/app:latest");
        let digest = Digest::of(b"");
        assert_eq!(shown(&format!("example.com/app@{digest}")), format!("example.com/app@{digest}"));
        assert_eq!(shown(&format!("example.com/app:1@{digest}")), format!("example.com/app:1@{digest}"));
        let registry = |text: &str| text.parse::<Registry>().unwrap();
        assert!(registry("[::1]:5000").is_loopback() && registry("127.9.0.1").is_loopback());
        assert!(!registry("127.0.0.1.example.com").is_loopback());
    }

    #[test]
    fn errors_say_what_is_wrong() {
        for (text, part) in [
            ("", "empty"),
            ("example.com/App", "lower case: 'app'"),
            ("https://example.com/app", "scheme"),
            ("example.com:99999/app", "'99999' is not a port"),
            ("[::zz]/app", "not an IPv6 address"),
            ("a//b", "slashes"),
            ("a-/b", "'-' may not stand there"),
            ("a..b", "'..' may not stand there"),
            ("a b", "' ' may not"),
            ("app:", "a tag has"),
            ("app:-x", "a tag has"),
            ("app@sha512:00", "not a digest"),
            ("exa_mple.com/app", "not a host name"),
        ] {
            assert!(shown(text).contains(part), "{text}: {}", shown(text));
        }
        assert!("example.com/app:1".parse::<Repository>().is_err());
        assert!(shown("a__b/c--d/e.f_g").starts_with("docker.io/a__b/c--d/e.f_g:"));
    }
}
