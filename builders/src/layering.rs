//! Which layer each file of the image goes to.

use std::collections::{BTreeMap, HashSet};

use crate::boot_archive::BootArchive;
use crate::layers_index::LayersIndex;
use crate::plan::{DIRECTORY, PlanError};
use crate::{Content, Entry, Layer, Part};

/// The layers while they are filled.
pub struct Layers {
    names: Vec<String>,
    files: Vec<BTreeMap<String, Vec<Part>>>,
    application: usize,
    rule: LayerRule,
}

enum LayerRule {
    /// `layers.idx`, and its name in the archive.
    Index { index: LayersIndex, name: String },
    /// What Spring Boot's builds do by default: snapshots of libraries change more often than releases.
    Default,
}

impl Layers {
    /// The empty layers that the archive's index names, or the default ones.
    pub fn of(boot: &BootArchive) -> Result<Self, PlanError> {
        let Some((name, text)) = boot.index("Spring-Boot-Layers-Index")? else {
            let names = ["dependencies", "snapshot-dependencies", "application"].map(str::to_owned).to_vec();
            return Ok(Layers::new(names, 2, LayerRule::Default));
        };
        let index = LayersIndex::parse(&text).map_err(|source| PlanError::LayersIndex {
            path: boot.archive.path().to_owned(),
            index: name.clone(),
            source,
        })?;
        let names: Vec<String> = index.names().map(str::to_owned).collect();
        // Spring's extraction puts the application's jar where the index itself lies.
        let application = index.layer_of(&name).or_else(|| index.layer_of(&boot.classes)).unwrap_or(names.len() - 1);
        Ok(Layers::new(names, application, LayerRule::Index { index, name }))
    }

    fn new(names: Vec<String>, application: usize, rule: LayerRule) -> Self {
        let files = names.iter().map(|_| BTreeMap::new()).collect();
        Layers { names, files, application, rule }
    }

    /// Adds a library. Names in an archive are unique, so its path is too.
    pub fn add(&mut self, boot: &BootArchive, entry: &str, path: &str, parts: Vec<Part>) -> Result<(), PlanError> {
        let layer = match &self.rule {
            LayerRule::Default => usize::from(entry.contains("SNAPSHOT")),
            LayerRule::Index { index, name } => index.layer_of(entry).ok_or_else(|| PlanError::NoLayer {
                path: boot.archive.path().to_owned(),
                index: name.clone(),
                entry: entry.to_owned(),
            })?,
        };
        self.files[layer].insert(path.to_owned(), parts);
        Ok(())
    }

    /// Adds a file beside the application's classes; an error where the path is taken.
    pub fn add_to_application(&mut self, path: &str, parts: Vec<Part>) -> Result<(), ()> {
        match self.files[self.application].insert(path.to_owned(), parts) {
            None => Ok(()),
            Some(_) => Err(()),
        }
    }

    /// Those that hold something, each with the directories that its files need.
    pub fn into_layers(self) -> Vec<Layer> {
        let application = self.application;
        let named = self.names.into_iter().zip(self.files).enumerate();
        named
            .filter(|(_, (_, files))| !files.is_empty())
            .map(|(number, (name, files))| {
                let files = files.into_iter().map(|(path, parts)| (path, Content::File { parts }));
                Layer { name, application: number == application, entries: entries(files) }
            })
            .collect()
    }
}

/// These files of the application's directory, which come in the order of their paths, each after its directories.
pub fn entries(files: impl IntoIterator<Item = (String, Content)>) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut directories = HashSet::new();
    for (path, content) in files {
        let path = format!("{DIRECTORY}/{path}");
        for (end, _) in path.match_indices('/') {
            if directories.insert(path[..end].to_owned()) {
                entries.push(Entry { path: path[..end].to_owned(), content: Content::Directory });
            }
        }
        entries.push(Entry { path, content });
    }
    entries
}
