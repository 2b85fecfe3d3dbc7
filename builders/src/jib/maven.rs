//! Jib's configuration in pom.xml: the plugin's own, that of `pluginManagement`, of parents and profiles, and the
//! properties `jib.…`.

use std::fs;
use std::path::Path;

use roxmltree::{Document, Node, ParsingOptions};

use super::option::{OPTIONS, of_property};
use super::tree::{Combine, Item, Tree};
use super::{JibConfiguration, JibError, Problem, options_of};
use crate::lineage::{self, Lineage};
use crate::pom::PomError;

const PLUGIN: &str = "jib-maven-plugin";
/// Deeper elements than this are no configuration that a person wrote.
const MAX_DEPTH: usize = 32;

/// What one pom says.
#[derive(Default)]
struct Found {
    present: bool,
    used: Configuration,
    managed: Configuration,
}

#[derive(Default)]
struct Configuration(Option<Tree>);

impl Configuration {
    /// Lets what is there already win over `other`.
    fn inherit(&mut self, other: Option<Tree>) {
        match (&mut self.0, other) {
            (Some(tree), Some(other)) => tree.inherit(&other, Combine::Merge),
            (own @ None, other) => *own = other,
            (Some(_), None) => {}
        }
    }
}

/// Reads the configuration of the module whose pom.xml is at `path`.
pub(super) fn read(path: &Path) -> Result<JibConfiguration, JibError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let arguments = lineage::configured_arguments(directory);
    let lineage = Lineage::read(path, lineage::user_properties(arguments.iter().map(String::as_str)))?;
    let mut found = Found::default();
    let mut problems = Vec::new();
    for path in lineage.paths() {
        read_pom(path, &mut found, &mut problems)?;
    }
    let mut tree = found.used;
    tree.inherit(found.managed.0);
    let mut tree = tree.0.unwrap_or_else(Tree::empty);
    let mut present = found.present;
    for (name, form) in OPTIONS {
        // A property wins over the plugin's configuration.
        let property = format!("jib.{name}");
        if lineage.sets(&property) {
            present = true;
            let names: Vec<&str> = name.split('.').collect();
            let value = lineage.resolve(&format!("${{{property}}}"));
            let value = value.map_or(Tree::Unreadable(format!("${{{property}}}")), |text| of_property(&text, *form));
            tree.set(&names, value);
        }
    }
    let files: Vec<_> = lineage.paths().map(Path::to_owned).collect();
    if !present {
        let files = files.iter().map(|path| path.display().to_string()).collect();
        return Err(JibError::NoJib { files, sought: "there is no jib-maven-plugin and no property 'jib.…'" });
    }
    resolve(&mut tree, "", &lineage);
    let options = options_of(&tree, &mut problems);
    Ok(JibConfiguration { files, options, problems })
}

fn read_pom(path: &Path, found: &mut Found, problems: &mut Vec<Problem>) -> Result<(), JibError> {
    let bytes = fs::read(path).map_err(|source| JibError::Read { path: path.to_owned(), source })?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options)
        .map_err(|source| PomError::Xml { path: path.to_owned(), source })?;
    let project = document.root_element();
    let mut later = Vec::new();
    for profile in children(project, "profiles", "profile") {
        let Some((present, used, managed)) = configurations(profile) else { continue };
        let id = child(profile, "id").and_then(text_of).unwrap_or_default();
        let default = child(profile, "activation").and_then(|node| child(node, "activeByDefault"));
        if default.and_then(text_of).as_deref() == Some("true") {
            found.present |= present;
            found.used.inherit(used);
            found.managed.inherit(managed);
        } else {
            later.push((id, present, used, managed));
        }
    }
    if let Some((present, used, managed)) = configurations(project) {
        found.present |= present;
        found.used.inherit(used);
        found.managed.inherit(managed);
    }
    let only = !found.present && later.len() == 1;
    for (id, present, used, managed) in later {
        let about = format!("profile '{id}' of {}", path.display());
        if only {
            found.present |= present;
            found.used.inherit(used);
            found.managed.inherit(managed);
            problems.push(Problem { about, text: "is where Jib is configured; it is taken as active".to_owned() });
        } else {
            let mut named = Vec::new();
            for tree in [used, managed].into_iter().flatten() {
                named.extend(options_of(&tree, &mut Vec::new()).into_iter().map(|option| option.name));
            }
            let named = if named.is_empty() { "Jib".to_owned() } else { named.join(", ") };
            let text = format!(
                "sets {named}, which is not taken over: it may or may not be active. What differs per environment \
                 goes into [env.NAME.image] and [env.NAME.registry]"
            );
            problems.push(Problem { about, text });
        }
    }
    Ok(())
}

/// Jib's configuration in a project or profile: whether the plugin is there, what it is told, what `pluginManagement` says.
fn configurations(node: Node<'_, '_>) -> Option<(bool, Option<Tree>, Option<Tree>)> {
    let build = child(node, "build")?;
    let used = children(build, "plugins", "plugin").find(is_jib);
    let managed =
        child(build, "pluginManagement").and_then(|management| children(management, "plugins", "plugin").find(is_jib));
    if used.is_none() && managed.is_none() {
        return None;
    }
    Some((true, used.and_then(configuration), managed.and_then(configuration)))
}

fn is_jib(plugin: &Node<'_, '_>) -> bool {
    child(*plugin, "artifactId").and_then(text_of).as_deref() == Some(PLUGIN)
}

/// The configurations of the plugin's executions win over its own.
fn configuration(plugin: Node<'_, '_>) -> Option<Tree> {
    let mut found = Configuration::default();
    for node in children(plugin, "executions", "execution").chain([plugin]) {
        found.inherit(child(node, "configuration").map(|node| tree(node, 0)));
    }
    found.0
}

fn tree(node: Node<'_, '_>, depth: usize) -> Tree {
    let elements: Vec<_> = node.children().filter(Node::is_element).collect();
    if elements.is_empty() || depth > MAX_DEPTH {
        return text_of(node).map_or_else(Tree::empty, Tree::Text);
    }
    Tree::Items(
        elements
            .into_iter()
            .map(|node| Item {
                name: node.tag_name().name().to_owned(),
                value: tree(node, depth + 1),
                combine: match (node.attribute("combine.self"), node.attribute("combine.children")) {
                    (Some("override"), _) => Combine::Override,
                    (_, Some("append")) => Combine::Append,
                    _ => Combine::Merge,
                },
            })
            .collect(),
    )
}

/// Replaces the references to properties in what stands at `path`. A path below the module's own folder becomes
/// relative to it.
fn resolve(tree: &mut Tree, path: &str, lineage: &Lineage) {
    match tree {
        Tree::Items(items) => {
            for item in items {
                resolve(&mut item.value, &format!("{path}.{}", item.name), lineage);
            }
        }
        Tree::Unreadable(_) => {}
        Tree::Text(text) => {
            let mut raw = text.clone();
            for folder in ["${project.basedir}", "${basedir}", "${pom.basedir}"] {
                raw = raw.strip_prefix(folder).map(|rest| format!(".{rest}")).unwrap_or(raw);
            }
            // What the machine's environment says today is no fact of the project.
            let known = |raw: &str| if raw.contains("${env.") { None } else { lineage.resolve(raw) };
            // The tag is shipit's own business, whatever it refers to.
            let name =
                raw.rsplit_once(':').map(|(name, _)| name).filter(|name| path == ".to.image" && name.contains('/'));
            let resolved = known(&raw).or_else(|| name.and_then(known));
            *tree = resolved.map_or(Tree::Unreadable(raw), Tree::Text);
        }
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

fn text_of(node: Node<'_, '_>) -> Option<String> {
    let text: String = node.children().filter(Node::is_text).filter_map(|child| child.text()).collect();
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
