//! shipit.lock: what keeps a commit's image the same on another day.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::SettingsError;
use super::source_line::SourceLine;
use crate::image::layer::LAYER_FORMAT;
use crate::image::{Digest, Platform};

/// The file's name.
pub const FILE_NAME: &str = "shipit.lock";

const HEADER: &str =
    "# Written by shipit, to be committed: it pins what the image is built on. `shipit update` moves it.\n";

/// The base images pinned by digest, and how layers are laid out and encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    layer_format: u32,
    bases: BTreeMap<String, Base>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Base {
    /// What the reference named: an index, or a manifest.
    digest: Option<Digest>,
    /// The manifest of each platform.
    platforms: BTreeMap<String, Digest>,
}

/// The file's form. Unknown keys are errors: a newer shipit wrote them, and they mean something.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Document {
    layer_format: u32,
    #[serde(default, rename = "base", skip_serializing_if = "Vec::is_empty")]
    bases: Vec<BaseDocument>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BaseDocument {
    reference: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    platforms: BTreeMap<String, Digest>,
}

impl Default for Lock {
    fn default() -> Self {
        Lock { layer_format: LAYER_FORMAT, bases: BTreeMap::new() }
    }
}

impl Lock {
    /// Reads the lock at `path`; `None` where there is none.
    pub fn read(path: &Path) -> Result<Option<Self>, SettingsError> {
        let source = match std::fs::read_to_string(path) {
            Ok(source) => source,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(SettingsError::Read { path: path.to_owned(), source }),
        };
        Self::parse(path, &source).map(Some)
    }

    fn parse(path: &Path, source: &str) -> Result<Self, SettingsError> {
        let document: Document = toml::from_str(source).map_err(|error| SettingsError::File {
            path: path.to_owned(),
            at: SourceLine::at(source, &error.span().unwrap_or(0..0)),
            problem: error.message().to_owned(),
        })?;
        if document.layer_format > LAYER_FORMAT {
            let found = document.layer_format;
            return Err(SettingsError::LayerFormat { path: path.to_owned(), found, known: LAYER_FORMAT });
        }
        let bases = document
            .bases
            .into_iter()
            .map(|base| (base.reference, Base { digest: base.digest, platforms: base.platforms }))
            .collect();
        Ok(Lock { layer_format: document.layer_format, bases })
    }

    /// The layer format that the project's layers are written in.
    pub fn layer_format(&self) -> u32 {
        self.layer_format
    }

    /// The digest that `reference`, as shipit.toml or the default names it, is pinned to: of an index or a manifest.
    pub fn base(&self, reference: &str) -> Option<Digest> {
        self.bases.get(reference)?.digest
    }

    /// The digest of the manifest for `platform` that `reference` is pinned to.
    pub fn manifest(&self, reference: &str, platform: &Platform) -> Option<Digest> {
        self.bases.get(reference)?.platforms.get(&platform.to_string()).copied()
    }

    /// Pins `reference` to `digest`. Manifests of another digest are forgotten.
    pub fn pin(&mut self, reference: &str, digest: Digest) {
        let base = self.bases.entry(reference.to_owned()).or_default();
        if base.digest != Some(digest) {
            *base = Base { digest: Some(digest), platforms: BTreeMap::new() };
        }
    }

    /// Pins the manifest for `platform` of `reference`.
    pub fn pin_manifest(&mut self, reference: &str, platform: &Platform, manifest: Digest) {
        self.bases.entry(reference.to_owned()).or_default().platforms.insert(platform.to_string(), manifest);
    }

    /// Forgets the bases that `keep` refuses: those that no setting names any longer.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.bases.retain(|reference, _| keep(reference));
    }

    /// Writes the lock to `path` through a temporary file, unless that is what the file says already. Returns whether
    /// it was written. A file that cannot be read as a lock is an error, and stays as it is.
    pub fn write(&self, path: &Path) -> Result<bool, SettingsError> {
        if Self::read(path)?.as_ref() == Some(self) {
            return Ok(false);
        }
        let failed = |source| SettingsError::Write { path: path.to_owned(), source };
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let text = self.to_text().map_err(|error| failed(io::Error::other(error)))?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".shipit.lock.");
        // A committed file is as readable as its neighbours: the umask decides, not the temporary file's 0600.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(directory).map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(path).map_err(|error| failed(error.error))?;
        Ok(true)
    }

    fn to_text(&self) -> Result<String, toml::ser::Error> {
        let bases = self.bases.iter().map(|(reference, base)| BaseDocument {
            reference: reference.clone(),
            digest: base.digest,
            platforms: base.platforms.clone(),
        });
        let document = Document { layer_format: self.layer_format, bases: bases.collect() };
        Ok(format!("{HEADER}{}", toml::to_string(&document)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFERENCE: &str = "public.ecr.aws/docker/library/eclipse-temurin:21-jre";

    fn pinned() -> Lock {
        let mut lock = Lock::default();
        lock.pin(REFERENCE, Digest::of(b"index"));
        lock.pin_manifest(REFERENCE, &Platform::linux_amd64(), Digest::of(b"manifest"));
        lock
    }

    #[test]
    fn what_is_written_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE_NAME);
        assert_eq!(Lock::read(&path).unwrap(), None);
        assert!(pinned().write(&path).unwrap());
        let read = Lock::read(&path).unwrap().unwrap();
        assert_eq!(read, pinned());
        assert_eq!(read.base(REFERENCE), Some(Digest::of(b"index")));
        assert_eq!(read.manifest(REFERENCE, &Platform::linux_amd64()), Some(Digest::of(b"manifest")));
        assert_eq!(read.base("another"), None);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "a temporary file was left");
    }

    #[test]
    fn the_same_content_is_not_written_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE_NAME);
        pinned().write(&path).unwrap();
        let ours = format!("# a note of ours\n{}", std::fs::read_to_string(&path).unwrap());
        std::fs::write(&path, &ours).unwrap();
        assert!(!pinned().write(&path).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), ours);
    }

    #[test]
    fn the_file_is_in_a_fixed_order() {
        let mut lock = pinned();
        lock.pin("a.example/base:1", Digest::of(b"a"));
        insta::assert_snapshot!(lock.to_text().unwrap(), @r#"
        # Written by shipit, to be committed: it pins what the image is built on. `shipit update` moves it.
        layer-format = 1

        [[base]]
        reference = "a.example/base:1"
        digest = "sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"

        [[base]]
        reference = "public.ecr.aws/docker/library/eclipse-temurin:21-jre"
        digest = "sha256:1bc04b5291c26a46d918139138b992d2de976d6851d0893b0476b85bfbdfc6e6"

        [base.platforms]
        "linux/amd64" = "sha256:05b3abf2579a5eb66403cd78be557fd860633a1fe2103c7642030defe32c657f"
        "#);
    }

    #[test]
    fn another_digest_forgets_the_manifests_of_the_last() {
        let mut lock = pinned();
        lock.pin(REFERENCE, Digest::of(b"next"));
        assert_eq!(lock.manifest(REFERENCE, &Platform::linux_amd64()), None);
    }

    #[test]
    fn a_damaged_lock_is_an_error_that_shows_where() {
        let error =
            Lock::parse(Path::new(FILE_NAME), "layer-format = 1\n[[base]]\nreference = \"a\"\ndigest = \"sha256:0\"\n");
        insta::assert_snapshot!(error.unwrap_err(), @r#"
        shipit.lock:4:10: 'sha256:0' is not a digest of the form sha256:<64 lower-case hex digits>
           |
         4 | digest = "sha256:0"
           |          ^^^^^^^^^^
        "#);
        let error = Lock::parse(Path::new(FILE_NAME), "layer-format = 1\nsomething = 2\n").unwrap_err();
        assert!(error.to_string().starts_with("shipit.lock:2:1: unknown field `something`"), "{error}");
    }

    #[test]
    fn what_is_no_lock_is_not_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE_NAME);
        std::fs::write(&path, "layer-format = 2\n").unwrap();
        assert!(pinned().write(&path).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "layer-format = 2\n");
    }

    #[test]
    fn a_newer_layer_format_is_refused() {
        let error = Lock::parse(Path::new(FILE_NAME), "layer-format = 2\n").unwrap_err();
        insta::assert_snapshot!(error, @"shipit.lock: layer-format = 2 is newer than this shipit, which knows 1; update shipit");
    }
}
