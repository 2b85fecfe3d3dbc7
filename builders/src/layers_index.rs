//! `layers.idx`: which layer an entry of the archive belongs to (Spring Boot reference, "Layer Index").

/// The layers of an index, bottom first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayersIndex {
    layers: Vec<(String, Vec<String>)>,
}

/// Why a `layers.idx` cannot be used; reads as the rest of a sentence whose subject is the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayersIndexError {
    #[error("has a line {line} that is neither '- \"LAYER\":' nor '  - \"PATH\"': {text:?}")]
    Line { line: usize, text: String },
    #[error("names no layer")]
    Empty,
    #[error("names the layer {0:?} twice")]
    Repeats(String),
}

impl LayersIndex {
    pub fn parse(text: &str) -> Result<Self, LayersIndexError> {
        let mut layers: Vec<(String, Vec<String>)> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim_end();
            if line.is_empty() {
                continue;
            }
            let malformed = || LayersIndexError::Line { line: number + 1, text: line.to_owned() };
            if let Some(item) = line.strip_prefix("  - ") {
                let path = item.strip_prefix('"').and_then(|item| item.strip_suffix('"')).ok_or_else(malformed)?;
                let (_, paths) = layers.last_mut().ok_or_else(malformed)?;
                paths.push(path.to_owned());
            } else {
                let item = line.strip_prefix("- \"").and_then(|item| item.strip_suffix("\":"));
                let name = item.filter(|name| !name.is_empty()).ok_or_else(malformed)?;
                if layers.iter().any(|(known, _)| known == name) {
                    return Err(LayersIndexError::Repeats(name.to_owned()));
                }
                layers.push((name.to_owned(), Vec::new()));
            }
        }
        if layers.is_empty() { Err(LayersIndexError::Empty) } else { Ok(LayersIndex { layers }) }
    }

    /// The names of the layers, bottom first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.layers.iter().map(|(name, _)| name.as_str())
    }

    /// The place of the first layer that has `entry`: by its name, or by a prefix that ends in `/`.
    pub fn layer_of(&self, entry: &str) -> Option<usize> {
        let holds = |path: &String| path == entry || (path.ends_with('/') && entry.starts_with(path.as_str()));
        self.layers.iter().position(|(_, paths)| paths.iter().any(holds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INDEX: &str = "- \"dependencies\":\n  - \"BOOT-INF/lib/a.jar\"\n- \"empty\":\n- \"application\":\n  - \"BOOT-INF/lib/\"\n  - \"BOOT-INF/classes/\"\n";

    #[test]
    fn the_first_match_wins_and_a_slash_makes_a_prefix() {
        let index = LayersIndex::parse(INDEX).unwrap();
        assert_eq!(index.names().collect::<Vec<_>>(), ["dependencies", "empty", "application"]);
        assert_eq!(index.layer_of("BOOT-INF/lib/a.jar"), Some(0));
        assert_eq!(index.layer_of("BOOT-INF/lib/a.jar.b"), Some(2));
        assert_eq!(index.layer_of("org/x"), None);
    }

    #[test]
    fn an_index_of_windows_is_the_same() {
        assert_eq!(LayersIndex::parse(&INDEX.replace('\n', "\r\n")), LayersIndex::parse(INDEX));
    }

    #[test]
    fn malformed_indexes_are_refused() {
        assert_eq!(LayersIndex::parse("\n"), Err(LayersIndexError::Empty));
        assert_eq!(LayersIndex::parse("- \"a\":\n- \"a\":\n"), Err(LayersIndexError::Repeats("a".into())));
        for text in ["  - \"a\"", "- \"a\"", "a", "- \"a\":\n- b", "- \"\":", "- \":"] {
            assert!(matches!(LayersIndex::parse(text), Err(LayersIndexError::Line { .. })), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in any::<String>(), name in any::<String>()) {
            if let Ok(index) = LayersIndex::parse(&text) {
                let _ = index.layer_of(&name);
            }
        }
    }
}
