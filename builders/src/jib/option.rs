//! Jib's documented options, and what a value of each looks like.

use super::Problem;
use super::tree::{Item, Tree};

/// An option that a project sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JibOption {
    /// The name in Jib's documentation: `container.jvmFlags`.
    pub name: String,
    pub value: Value,
}

impl JibOption {
    /// Its place in Jib's documentation.
    pub(super) fn rank(&self) -> usize {
        OPTIONS.iter().position(|(name, _)| *name == self.name).unwrap_or(OPTIONS.len())
    }
}

/// What an option is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Text(String),
    List(Vec<String>),
    /// Names with texts.
    Table(Vec<(String, String)>),
    Directories(Vec<ExtraDirectory>),
    /// Something that is not to be copied, or that has no form worth keeping.
    Opaque,
}

/// A directory whose files go into the image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtraDirectory {
    pub from: String,
    /// Where in the image; `/` where it says nothing.
    pub into: Option<String>,
    pub includes: Vec<String>,
    pub excludes: Vec<String>,
}

impl ExtraDirectory {
    pub(super) fn plain(from: &str) -> Self {
        ExtraDirectory { from: from.to_owned(), ..ExtraDirectory::default() }
    }
}

/// What a value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Text,
    List,
    Table,
    /// `<platform><architecture>…</architecture><os>…</os></platform>`.
    Platforms,
    /// `<path>…</path>`, or `<path><from>…</from><into>…</into> …</path>`.
    Directories,
    /// `<permission><file>…</file><mode>…</mode></permission>`: a table from glob to mode.
    Permissions,
    /// A password or user name: its value is not read.
    Secret,
    /// Named or nested values that are known to be there, and not read.
    Opaque,
}

/// Every option of jib-maven-plugin and jib-gradle-plugin, in the order of their documentation
/// (<https://github.com/GoogleContainerTools/jib/tree/master/jib-maven-plugin>, "Extended Usage").
pub const OPTIONS: &[(&str, Form)] = &[
    ("from.image", Form::Text),
    ("from.auth", Form::Secret),
    ("from.credHelper", Form::Opaque),
    ("from.platforms", Form::Platforms),
    ("to.image", Form::Text),
    ("to.auth", Form::Secret),
    ("to.credHelper", Form::Opaque),
    ("to.tags", Form::List),
    ("container.appRoot", Form::Text),
    ("container.args", Form::List),
    ("container.creationTime", Form::Text),
    ("container.useCurrentTimestamp", Form::Text),
    ("container.entrypoint", Form::List),
    ("container.environment", Form::Table),
    ("container.expandClasspathDependencies", Form::Text),
    ("container.extraClasspath", Form::List),
    ("container.filesModificationTime", Form::Text),
    ("container.format", Form::Text),
    ("container.jvmFlags", Form::List),
    ("container.labels", Form::Table),
    ("container.mainClass", Form::Text),
    ("container.ports", Form::List),
    ("container.user", Form::Text),
    ("container.volumes", Form::List),
    ("container.workingDirectory", Form::Text),
    ("extraDirectories.paths", Form::Directories),
    ("extraDirectories.permissions", Form::Permissions),
    ("containerizingMode", Form::Text),
    ("configurationName", Form::Text),
    ("allowInsecureRegistries", Form::Text),
    ("skip", Form::Text),
    ("outputPaths", Form::Opaque),
    ("dockerClient", Form::Opaque),
    ("pluginExtensions", Form::Opaque),
    ("skaffold", Form::Opaque),
];

/// Spellings of old versions, and short ones.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("image", "to.image"),
    ("extraDirectory", "extraDirectories.paths"),
    ("extraDirectory.path", "extraDirectories.paths"),
    ("extraDirectory.permissions", "extraDirectories.permissions"),
];

/// The form of a documented option, whose name may be an old one, and the name of today.
fn documented(name: &str) -> Option<(&'static str, Form)> {
    let name = OTHER_NAMES.iter().find(|(other, _)| *other == name).map_or(name, |(_, now)| now);
    OPTIONS.iter().find(|(known, _)| *known == name).copied()
}

/// Reads the options in `tree`, which stands at `path`.
pub(super) fn collect(tree: &Tree, path: &str, options: &mut Vec<JibOption>, problems: &mut Vec<Problem>) {
    let Tree::Items(items) = tree else { return };
    for Item { name, value, .. } in items {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let nested = matches!(value, Tree::Items(_));
        match documented(&path) {
            // Of a later version, <extraDirectory> is a block with <path>.
            Some(_) if nested && path == "extraDirectory" => collect(value, &path, options, problems),
            Some((name, form)) => match typed(value, form) {
                Ok(value) => {
                    options.retain(|option| option.name != name);
                    options.push(JibOption { name: name.to_owned(), value });
                }
                Err(text) => problems.push(Problem { about: name.to_owned(), text }),
            },
            None if nested && OPTIONS.iter().any(|(known, _)| known.starts_with(&format!("{path}."))) => {
                collect(value, &path, options, problems);
            }
            None if nested && path == "extraDirectory" => collect(value, &path, options, problems),
            None => problems.push(Problem { about: path, text: "is no option of Jib's documentation".to_owned() }),
        }
    }
}

/// The value that a property (`jib.container.ports`) gives: lists and tables have commas.
pub(super) fn of_property(text: &str, form: Form) -> Tree {
    let words = || text.split(',').map(str::trim).filter(|word| !word.is_empty());
    let pairs = |between: char| {
        let pair = |word: &str| {
            let (name, value) = word.split_once(between).unwrap_or((word, ""));
            Item::new(name, Tree::Text(value.to_owned()))
        };
        Tree::Items(words().map(pair).collect())
    };
    match form {
        Form::Text | Form::Secret | Form::Opaque => Tree::Text(text.to_owned()),
        Form::List | Form::Platforms | Form::Directories => {
            Tree::Items(words().map(|word| Item::new("", Tree::Text(word.to_owned()))).collect())
        }
        Form::Table => pairs('='),
        Form::Permissions => pairs(':'),
    }
}

/// The value with its form; the error is the rest of a sentence whose subject is the option.
fn typed(tree: &Tree, form: Form) -> Result<Value, String> {
    match form {
        Form::Secret | Form::Opaque => Ok(Value::Opaque),
        Form::Text => text(tree).map(Value::Text),
        Form::List => list(tree).map(Value::List),
        Form::Table => entries(tree)?
            .iter()
            .map(|item| Ok((item.name.clone(), text(&item.value)?)))
            .collect::<Result<_, String>>()
            .map(Value::Table),
        Form::Platforms => entries(tree)?.iter().map(platform).collect::<Result<_, _>>().map(Value::List),
        Form::Directories => match tree {
            Tree::Text(path) => Ok(vec![ExtraDirectory::plain(path)]),
            _ => entries(tree)?.iter().map(directory).collect(),
        }
        .map(Value::Directories),
        Form::Permissions => entries(tree)?.iter().map(permission).collect::<Result<_, _>>().map(Value::Table),
    }
}

fn text(tree: &Tree) -> Result<String, String> {
    match tree {
        Tree::Text(text) => Ok(text.clone()),
        // `<entry/>` is an empty text.
        Tree::Items(items) if items.is_empty() => Ok(String::new()),
        Tree::Items(_) => Err("has values below it where a text belongs".to_owned()),
        Tree::Unreadable(source) => Err(format!("is '{source}', which only the project's build knows")),
    }
}

fn list(tree: &Tree) -> Result<Vec<String>, String> {
    match tree {
        // A text is a list with commas, as Maven reads it.
        Tree::Text(text) => {
            Ok(text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect())
        }
        _ => entries(tree)?.iter().map(|item| text(&item.value)).collect(),
    }
}

fn entries(tree: &Tree) -> Result<&[Item], String> {
    match tree {
        Tree::Items(items) => Ok(items),
        Tree::Text(text) => Err(format!("is the text '{text}' where several values belong")),
        Tree::Unreadable(_) => text(tree).map(|_| &[][..]),
    }
}

fn part<'a>(items: &'a [Item], name: &str) -> Option<&'a Tree> {
    items.iter().find(|item| item.name == name).map(|item| &item.value)
}

fn platform(item: &Item) -> Result<String, String> {
    let Tree::Items(parts) = &item.value else { return text(&item.value) };
    let part = |name| part(parts, name).map(text).transpose();
    let os = part("os")?.unwrap_or_else(|| "linux".to_owned());
    let architecture = part("architecture")?.unwrap_or_else(|| "amd64".to_owned());
    Ok(format!("{os}/{architecture}"))
}

fn directory(item: &Item) -> Result<ExtraDirectory, String> {
    let Tree::Items(parts) = &item.value else { return Ok(ExtraDirectory::plain(&text(&item.value)?)) };
    let globs = |name| part(parts, name).map_or(Ok(Vec::new()), list);
    Ok(ExtraDirectory {
        from: part(parts, "from").map_or(Err("has a path without <from>".to_owned()), text)?,
        into: part(parts, "into").map(text).transpose()?,
        includes: globs("includes")?,
        excludes: globs("excludes")?,
    })
}

fn permission(item: &Item) -> Result<(String, String), String> {
    let Tree::Items(parts) = &item.value else { return Ok((item.name.clone(), text(&item.value)?)) };
    match (part(parts, "file"), part(parts, "mode")) {
        (Some(file), Some(mode)) => Ok((text(file)?, text(mode)?)),
        _ => Err("has a permission without <file> and <mode>".to_owned()),
    }
}
