//! One pom.xml, as far as it can be read without Maven.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use roxmltree::{Document, Node, ParsingOptions};

/// What shipit reads of a pom.xml. Texts are as they stand there, properties not resolved.
#[derive(Debug, Clone, Default)]
pub struct Pom {
    pub path: PathBuf,
    /// `path` without its file name.
    pub directory: PathBuf,
    pub artifact_id: String,
    pub group_id: Option<String>,
    pub version: Option<String>,
    /// `jar` where the pom says nothing.
    pub packaging: String,
    pub parent: Option<Parent>,
    /// Directories or pom files relative to `directory`; those of profiles too.
    pub modules: Vec<String>,
    /// In the pom's order; those of profiles after them.
    pub properties: Vec<(String, String)>,
    pub final_name: Option<String>,
    /// `build/directory`.
    pub output: Option<String>,
    /// `build/plugins`, then those of profiles.
    pub plugins: Vec<Plugin>,
    /// `build/pluginManagement`.
    pub managed_plugins: Vec<Plugin>,
}

/// The `parent` element.
#[derive(Debug, Clone)]
pub struct Parent {
    pub group_id: String,
    pub artifact_id: String,
    pub version: String,
    /// `../pom.xml` where the pom says nothing; empty where it is to be looked up in repositories only.
    pub relative_path: String,
}

#[derive(Debug, Clone, Default)]
pub struct Plugin {
    pub artifact_id: String,
    /// The simple values of the plugin's own configuration, then those of its executions.
    pub configuration: Vec<(String, String)>,
    /// Whether the plugin stands in a profile, which may or may not be active.
    pub in_profile: bool,
}

/// Why a pom.xml cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PomError {
    #[error("cannot read '{path}': {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("'{path}' is not well-formed XML: {source}")]
    Xml { path: PathBuf, source: roxmltree::Error },
    #[error("'{path}' is not a pom: it has no <{missing}>")]
    NotAPom { path: PathBuf, missing: &'static str },
}

impl Pom {
    pub fn read(path: &Path) -> Result<Self, PomError> {
        let bytes = fs::read(path).map_err(|source| PomError::Read { path: path.to_owned(), source })?;
        Pom::parse(path, &String::from_utf8_lossy(&bytes))
    }

    /// `path` is where the text comes from.
    pub fn parse(path: &Path, text: &str) -> Result<Self, PomError> {
        let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let document = Document::parse_with_options(text, options)
            .map_err(|source| PomError::Xml { path: path.to_owned(), source })?;
        let missing = |missing| PomError::NotAPom { path: path.to_owned(), missing };
        let project = document.root_element();
        if project.tag_name().name() != "project" {
            return Err(missing("project"));
        }
        let mut pom = Pom {
            path: path.to_owned(),
            directory: path.parent().unwrap_or(Path::new("")).to_owned(),
            artifact_id: text_of(project, "artifactId").ok_or_else(|| missing("artifactId"))?,
            group_id: text_of(project, "groupId"),
            version: text_of(project, "version"),
            packaging: text_of(project, "packaging").unwrap_or_else(|| "jar".to_owned()),
            parent: child(project, "parent").map(parent),
            ..Pom::default()
        };
        pom.read_build(project, false);
        for profile in children(project, "profiles", "profile") {
            pom.read_build(profile, true);
        }
        Ok(pom)
    }

    /// Reads what a project and a profile have alike.
    fn read_build(&mut self, node: Node<'_, '_>, in_profile: bool) {
        // Maven 4 calls them subprojects.
        let modules = children(node, "modules", "module").chain(children(node, "subprojects", "subproject"));
        self.modules.extend(modules.filter_map(text));
        if let Some(properties) = child(node, "properties") {
            for property in properties.children().filter(Node::is_element) {
                self.properties.push((property.tag_name().name().to_owned(), text(property).unwrap_or_default()));
            }
        }
        let Some(build) = child(node, "build") else { return };
        self.final_name = self.final_name.take().or_else(|| text_of(build, "finalName"));
        self.output = self.output.take().or_else(|| text_of(build, "directory"));
        self.plugins.extend(children(build, "plugins", "plugin").map(|node| plugin(node, in_profile)));
        if let Some(management) = child(build, "pluginManagement") {
            self.managed_plugins.extend(children(management, "plugins", "plugin").map(|node| plugin(node, in_profile)));
        }
    }

    /// A property that the pom itself sets; the project's own goes before those of its profiles.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Plugin {
    /// A simple value of the configuration.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.configuration.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

fn parent(node: Node<'_, '_>) -> Parent {
    Parent {
        group_id: text_of(node, "groupId").unwrap_or_default(),
        artifact_id: text_of(node, "artifactId").unwrap_or_default(),
        version: text_of(node, "version").unwrap_or_default(),
        relative_path: match child(node, "relativePath") {
            Some(path) => text(path).unwrap_or_default(),
            None => "../pom.xml".to_owned(),
        },
    }
}

fn plugin(node: Node<'_, '_>, in_profile: bool) -> Plugin {
    let executions = children(node, "executions", "execution");
    let configurations = std::iter::once(node).chain(executions).filter_map(|node| child(node, "configuration"));
    let values = configurations.flat_map(|configuration| configuration.children().filter(Node::is_element));
    Plugin {
        artifact_id: text_of(node, "artifactId").unwrap_or_default(),
        configuration: values.filter_map(|node| Some((node.tag_name().name().to_owned(), text(node)?))).collect(),
        in_profile,
    }
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.tag_name().name() == name)
}

fn children<'a, 'input>(
    node: Node<'a, 'input>,
    list: &str,
    item: &'static str,
) -> impl Iterator<Item = Node<'a, 'input>> + use<'a, 'input> {
    let items = child(node, list).into_iter().flat_map(|list| list.children());
    items.filter(move |child| child.tag_name().name() == item)
}

fn text_of(node: Node<'_, '_>, name: &str) -> Option<String> {
    text(child(node, name)?)
}

/// The trimmed text of an element; `None` where it is empty.
fn text(node: Node<'_, '_>) -> Option<String> {
    let text: String = node.children().filter_map(|child| child.is_text().then(|| child.text()).flatten()).collect();
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
