//! shipit.toml: parsed, and held against the table of settings.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::error::SettingsError;
use super::nearest::nearest;
use super::setting::{self, Setting};
use super::source_line::{SourceLine, line_of};
use super::table::Section;
use super::value::{Data, Entry, Item};

/// The file's name.
pub const FILE_NAME: &str = "shipit.toml";

/// The table that holds what differs per environment.
const ENVIRONMENTS: &str = "env";

/// Sections that an environment may override: it is the same artifact everywhere.
pub(super) const PER_ENVIRONMENT: &[Section] = &[Section::Image, Section::Registry, Section::Service];

/// A file whose every key is known and whose every value is of its setting's type.
#[derive(Debug)]
pub(super) struct File {
    pub path: PathBuf,
    source: String,
    /// What holds in every environment.
    pub base: Layer,
    pub environments: BTreeMap<String, Layer>,
}

/// Values by path, each with the bytes that its key stands in.
pub(super) type Layer = BTreeMap<String, (Range<usize>, Item)>;

impl File {
    /// Reads `path`; `None` where there is no such file.
    pub fn read(path: &Path) -> Result<Option<Self>, SettingsError> {
        match std::fs::read_to_string(path) {
            Ok(source) => Self::parse(path, source).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(SettingsError::Read { path: path.to_owned(), source }),
        }
    }

    pub fn parse(path: &Path, source: String) -> Result<Self, SettingsError> {
        let failed = |span: &Range<usize>, problem: String| SettingsError::File {
            path: path.to_owned(),
            at: SourceLine::at(&source, span),
            problem,
        };
        let document = DeTable::parse(&source)
            .map_err(|error| failed(&error.span().unwrap_or(0..0), error.message().to_owned()))?;
        let root = Item::from(&toml::Spanned::new(0..0, toml::de::DeValue::Table(document.into_inner())));
        let (base, environments) = read_root(&root).map_err(|Problem { span, text }| failed(&span, text))?;
        Ok(File { path: path.to_owned(), base, environments, source })
    }

    /// The number of the line that the byte `offset` is in.
    pub fn line(&self, offset: usize) -> usize {
        line_of(&self.source, offset)
    }
}

/// What is wrong, and where.
struct Problem {
    span: Range<usize>,
    text: String,
}

fn read_root(root: &Item) -> Result<(Layer, BTreeMap<String, Layer>), Problem> {
    let (mut base, mut environments) = (Layer::new(), BTreeMap::new());
    for (name, key, value) in entries(root, "shipit.toml", &(0..0))? {
        if name == ENVIRONMENTS {
            for (environment, key, value) in entries(value, ENVIRONMENTS, key)? {
                let table = format!("env.{environment}");
                let mut layer = Layer::new();
                for (name, key, value) in entries(value, &table, key)? {
                    read_section(section(name, key, &table, PER_ENVIRONMENT)?, &table, key, value, &mut layer)?;
                }
                environments.insert(environment.clone(), layer);
            }
        } else {
            read_section(section(name, key, "", Section::ALL)?, "", key, value, &mut base)?;
        }
    }
    Ok((base, environments))
}

/// The section `name` of `allowed`, in the table `parent` (the top where that is empty).
fn section(name: &str, key: &Range<usize>, parent: &str, allowed: &[Section]) -> Result<Section, Problem> {
    if let Some(section) = allowed.iter().find(|section| section.name() == name) {
        return Ok(*section);
    }
    let mut names: Vec<&str> = allowed.iter().map(|section| section.name()).collect();
    if parent.is_empty() {
        names.push(ENVIRONMENTS);
    }
    let text = if Section::ALL.iter().any(|section| section.name() == name) {
        format!("[{name}] cannot differ per environment; [{parent}] may have {}", names.join(", "))
    } else {
        let (place, prefix) = match parent {
            "" => (String::new(), String::new()),
            _ => (format!(" in [{parent}]"), format!("{parent}.")),
        };
        let home = allowed.iter().find(|section| setting::of(**section).any(|setting| setting.key == name));
        if let Some(home) = home {
            let text = format!("unknown key '{name}'{place}; '{name}' is a setting of [{prefix}{}]", home.name());
            return Err(Problem { span: key.clone(), text });
        }
        match nearest(name, names.iter().copied()) {
            Some(near) => format!("unknown key '{name}'{place}; did you mean '{near}'?"),
            None => format!("unknown key '{name}'{place}; known are {}", names.join(", ")),
        }
    };
    Err(Problem { span: key.clone(), text })
}

fn read_section(
    section: Section,
    parent: &str,
    key: &Range<usize>,
    value: &Item,
    layer: &mut Layer,
) -> Result<(), Problem> {
    let table = if parent.is_empty() { section.name().to_owned() } else { format!("{parent}.{}", section.name()) };
    for (name, key, value) in entries(value, &table, key)? {
        let setting = setting::of(section)
            .find(|setting| setting.key == *name)
            .ok_or_else(|| Problem { span: key.clone(), text: unknown_key(section, &table, name) })?;
        (setting.check)(value).map_err(|wrong| Problem {
            span: wrong.span.or(value.span.clone()).unwrap_or_else(|| key.clone()),
            text: wrong_value(setting, &format!("{table}.{name}"), &wrong.problem),
        })?;
        layer.insert(setting.path.clone(), (key.clone(), value.clone()));
    }
    Ok(())
}

fn unknown_key(section: Section, table: &str, name: &str) -> String {
    let elsewhere = setting::all().iter().find(|setting| setting.key == name);
    let near = nearest(name, setting::of(section).map(|setting| &*setting.key));
    match (near, elsewhere) {
        (Some(near), _) => format!("unknown key '{name}' in [{table}]; did you mean '{near}'?"),
        (None, Some(setting)) => {
            format!("unknown key '{name}' in [{table}]; '{name}' is a setting of [{}]", setting.section.name())
        }
        (None, None) => {
            let known: Vec<&str> = setting::of(section).map(|setting| &*setting.key).collect();
            format!("unknown key '{name}' in [{table}]; known are {}", known.join(", "))
        }
    }
}

/// What to say of a value that is not what `setting` takes.
pub(super) fn wrong_value(setting: &Setting, name: &str, problem: &str) -> String {
    format!("{name}: expected {}, {problem}; example: {} = {}", setting.expected, setting.key, setting.example)
}

/// The entries of a table, which `value` must be.
fn entries<'a>(value: &'a Item, name: &str, key: &Range<usize>) -> Result<&'a [Entry], Problem> {
    match &value.data {
        Data::Table(entries) => Ok(entries),
        _ => Err(Problem { span: key.clone(), text: format!("'{name}' must be a table: [{name}]") }),
    }
}
