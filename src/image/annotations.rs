//! The annotations of manifests and indexes (OCI image-spec 1.1, annotations.md).

use std::collections::BTreeMap;

use super::Digest;

/// What is known of where an image comes from. What is not known is not written.
#[derive(Debug, Clone)]
pub struct Provenance<'a> {
    /// RFC 3339.
    pub created: String,
    /// The commit, with `-dirty` where the tree differs from it.
    pub revision: Option<String>,
    /// Where the source code lives.
    pub source: Option<&'a str>,
    pub title: Option<&'a str>,
    pub version: Option<&'a str>,
    /// The base's name in a registry; a base of this machine has none that means anything elsewhere.
    pub base_name: Option<&'a str>,
    pub base_digest: Digest,
}

/// The predefined annotations that are known, and `own`, which win.
pub fn annotations(provenance: &Provenance<'_>, own: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let text = |text: Option<&str>| text.map(str::to_owned);
    let known = [
        ("created", Some(provenance.created.clone())),
        ("revision", provenance.revision.clone()),
        ("source", text(provenance.source)),
        ("title", text(provenance.title)),
        ("version", text(provenance.version)),
        ("base.name", text(provenance.base_name)),
        ("base.digest", Some(provenance.base_digest.to_string())),
    ];
    let known = known.into_iter().filter_map(|(key, value)| Some((format!("org.opencontainers.image.{key}"), value?)));
    known.chain(own.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_not_written_and_what_is_set_wins() {
        let provenance = Provenance {
            created: "1980-01-01T00:00:00Z".to_owned(),
            revision: None,
            source: None,
            title: Some("shop"),
            version: None,
            base_name: None,
            base_digest: Digest::of(b"base"),
        };
        let own = BTreeMap::from([("org.opencontainers.image.title".to_owned(), "ours".to_owned())]);
        let all = annotations(&provenance, &own);
        let keys: Vec<&str> = all.keys().filter_map(|key| key.strip_prefix("org.opencontainers.image.")).collect();
        assert_eq!(keys, ["base.digest", "created", "title"]);
        assert_eq!(all["org.opencontainers.image.title"], "ours");
    }
}
