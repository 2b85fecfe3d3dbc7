//! The order of precedence: flag, environment variable, `[env.NAME]` of shipit.toml, shipit.toml.

use std::collections::BTreeMap;
use std::ops::Range;

use super::environment::{self, Variables};
use super::error::SettingsError;
use super::file::{File, Layer, wrong_value};
use super::flags::Given;
use super::nearest::nearest;
use super::origin::{Origin, Origins};
use super::setting::{self, Setting};
use super::table::Section;
use super::value::{Data, Field, Item, Shape, table_of_text};

/// The value that won for each path, and who set it.
pub(super) struct Found {
    values: BTreeMap<String, Item>,
    origins: Origins,
}

impl Found {
    /// Takes the value of a field, or the field's own nothing.
    pub fn take<F: Field>(&mut self, section: Section, field: &str) -> Result<F, SettingsError> {
        let path = setting::path(section, field);
        let Some(item) = self.values.remove(&path) else { return Ok(F::default()) };
        F::read(&item).map_err(|wrong| {
            let problem = match setting::all().iter().find(|setting| setting.path == path) {
                Some(setting) => wrong_value(setting, &path, &wrong.problem),
                None => wrong.problem,
            };
            match self.origins.get(&path) {
                Some(Origin::Flag(name)) => SettingsError::Flag { name: name.clone(), problem },
                origin => SettingsError::Variable { name: origin.map_or(path.clone(), Origin::to_string), problem },
            }
        })
    }

    pub fn into_origins(self) -> Origins {
        self.origins
    }

    /// Lets `item` win over what is there; a table wins name by name.
    fn set(&mut self, setting: &Setting, item: Item, origin: impl Fn(&Range<usize>) -> Origin, key: &Range<usize>) {
        let path = &setting.path;
        self.origins.insert(path.clone(), origin(key));
        let (Shape::Table, Data::Table(entries)) = (setting.shape, &item.data) else {
            self.values.insert(path.clone(), item);
            return;
        };
        for (name, key, _) in entries {
            self.origins.insert(format!("{path}.{name}"), origin(key));
        }
        let mut merged = match self.values.remove(path) {
            Some(Item { data: Data::Table(entries), .. }) => entries,
            _ => Vec::new(),
        };
        merged.retain(|(name, ..)| !entries.iter().any(|(other, ..)| other == name));
        merged.extend(entries.iter().cloned());
        self.values.insert(path.clone(), Item { data: Data::Table(merged), span: None });
    }

    fn set_layer(&mut self, file: &File, layer: &Layer) {
        for setting in setting::all() {
            if let Some((key, item)) = layer.get(&setting.path) {
                let origin = |key: &Range<usize>| Origin::File { path: file.path.clone(), line: file.line(key.start) };
                self.set(setting, item.clone(), origin, key);
            }
        }
    }
}

/// Finds the value of every setting. `name` is the environment that `--env` names.
pub(super) fn resolve(
    file: Option<&File>,
    name: Option<&str>,
    variables: &Variables,
    flags: &Given,
) -> Result<Found, SettingsError> {
    let mut found = Found { values: BTreeMap::new(), origins: Origins::new() };
    if let Some(file) = file {
        found.set_layer(file, &file.base);
    }
    if let Some(name) = name {
        let known: Vec<String> = file.into_iter().flat_map(|file| file.environments.keys().cloned()).collect();
        match file.and_then(|file| Some((file, file.environments.get(name)?))) {
            Some((file, layer)) => found.set_layer(file, layer),
            None => {
                return Err(SettingsError::NoSuchEnvironment {
                    name: name.to_owned(),
                    file: file.map(|file| file.path.clone()),
                    nearest: nearest(name, known.iter().map(String::as_str)).map(str::to_owned),
                    known,
                });
            }
        }
    }
    for setting in setting::all() {
        if let Some(text) = variables.get(&setting.variable) {
            let failed = |problem| SettingsError::Variable { name: setting.variable.clone(), problem };
            let item = match setting.shape {
                Shape::Table => {
                    table_of_text(text).map_err(|problem| failed(wrong_value(setting, &setting.path, &problem)))?
                }
                Shape::One | Shape::Switch | Shape::List => Item::raw(text),
            };
            found.set(setting, item, |_| Origin::Variable(setting.variable.clone()), &(0..0));
        }
        if let Some((flag, item)) = flags.get(&setting.path) {
            found.set(setting, item.clone(), |_| Origin::Flag(format!("--{flag}")), &(0..0));
        }
    }
    Ok(found)
}

/// Variables that begin as shipit's do and are none: probably slips.
pub(super) fn unknown_variables(variables: &Variables) -> Vec<String> {
    let known = || {
        setting::all()
            .iter()
            .map(|setting| &*setting.variable)
            .chain(environment::ALL.iter().map(|variable| variable.name))
    };
    variables
        .names()
        .filter(|name| !known().any(|known| known == *name))
        .map(|name| match nearest(name, known()) {
            Some(near) => format!("the variable {name} is no setting; did you mean {near}?"),
            None => format!("the variable {name} is no setting"),
        })
        .collect()
}
