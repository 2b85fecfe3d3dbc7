//! One row of the table of settings, and the names that follow from its path.

use std::sync::LazyLock;

use super::table::{self, Section};
use super::value::{Field, Item, Shape, Written, Wrong};

/// A setting: what it is called everywhere, what it takes, and what is told about it.
#[derive(Debug)]
pub struct Setting {
    pub section: Section,
    /// The key within its section: `maven-args`.
    pub key: String,
    /// `build.maven-args`.
    pub path: String,
    /// `SHIPIT_BUILD_MAVEN_ARGS`.
    pub variable: String,
    /// The flag's name without dashes, where the setting has one.
    pub flag: Option<String>,
    /// The name of the flag that turns a switch off.
    pub negated_flag: Option<String>,
    pub shape: Shape,
    /// How a file may write one value.
    pub written: &'static [Written],
    /// What it means, in a sentence or two.
    pub about: &'static str,
    /// What holds where nobody sets it, in words or TOML.
    pub default: &'static str,
    /// A value, in TOML.
    pub example: &'static str,
    /// What a value must be: the end of a sentence that starts with 'expected'.
    pub expected: String,
    /// The value's name in `--help`.
    pub placeholder: &'static str,
    /// The name of Jib's counterpart; empty where there is none.
    pub jib: &'static str,
    /// Whether a value is what the setting takes.
    pub check: fn(&Item) -> Result<(), Wrong>,
}

/// What a row says beyond its name, doc comment and type. An empty text means that the type's own is used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Notes {
    pub default: &'static str,
    pub example: &'static str,
    pub flag: &'static str,
    pub placeholder: &'static str,
    pub jib: &'static str,
}

impl Notes {
    pub const NONE: Notes = Notes { default: "", example: "", flag: "", placeholder: "", jib: "" };
}

impl Setting {
    pub(super) fn new<F: Field>(section: Section, field: &str, about: &'static str, notes: Notes) -> Self {
        let or = |text: &'static str, other| if text.is_empty() { other } else { text };
        let key = key(field);
        let flag = match F::SHAPE {
            _ if !notes.flag.is_empty() => Some(notes.flag.to_owned()),
            Shape::One | Shape::Switch => Some(key.clone()),
            Shape::List | Shape::Table => None,
        };
        Setting {
            section,
            path: path(section, field),
            variable: format!("SHIPIT_{}_{field}", section.name()).to_uppercase(),
            negated_flag: flag.as_ref().filter(|_| F::SHAPE == Shape::Switch).map(|flag| format!("no-{flag}")),
            flag,
            shape: F::SHAPE,
            written: F::WRITTEN,
            about,
            default: notes.default,
            example: or(notes.example, F::EXAMPLE),
            expected: F::expected(),
            placeholder: or(notes.placeholder, F::PLACEHOLDER),
            jib: notes.jib,
            check: |item| F::read(item).map(drop),
            key,
        }
    }
}

/// All settings, in the order of the documentation.
pub fn all() -> &'static [Setting] {
    static ALL: LazyLock<Vec<Setting>> = LazyLock::new(table::rows);
    &ALL
}

/// The settings of one section.
pub fn of(section: Section) -> impl Iterator<Item = &'static Setting> {
    all().iter().filter(move |setting| setting.section == section)
}

/// The key that a field has in shipit.toml.
fn key(field: &str) -> String {
    field.replace('_', "-")
}

/// The path of a field's setting.
pub(super) fn path(section: Section, field: &str) -> String {
    format!("{}.{}", section.name(), key(field))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::environment;
    use super::*;

    #[test]
    fn names_follow_from_the_path() {
        let setting = all().iter().find(|setting| setting.path == "build.maven-args").unwrap();
        assert_eq!(setting.variable, "SHIPIT_BUILD_MAVEN_ARGS");
        assert_eq!(setting.flag, None);
        let base = all().iter().find(|setting| setting.path == "image.base").unwrap();
        assert_eq!(base.flag.as_deref(), Some("base"));
    }

    #[test]
    fn no_flag_or_variable_means_two_things() {
        // Flags that commands have of their own.
        let mut flags: BTreeSet<String> = [
            "env",
            "json",
            "quiet",
            "verbose",
            "dry-run",
            "output",
            "no-deploy",
            "help",
            "version",
            "explain",
            "locked",
        ]
        .map(str::to_owned)
        .into();
        let mut variables: BTreeSet<String> =
            environment::ALL.iter().map(|variable| variable.name.to_owned()).collect();
        for setting in all() {
            assert!(variables.insert(setting.variable.clone()), "{} is taken", setting.variable);
            let Some(flag) = &setting.flag else { continue };
            assert!(flags.insert(flag.clone()), "--{flag} is taken");
            if setting.shape == Shape::Switch {
                assert!(flags.insert(format!("no-{flag}")), "--no-{flag} is taken");
            }
        }
    }

    #[test]
    fn every_example_is_accepted_by_its_setting() {
        for setting in all() {
            let item = Item::from_toml(setting.example).unwrap_or_else(|error| panic!("{}: {error}", setting.path));
            assert!((setting.check)(&item).is_ok(), "{} = {}", setting.path, setting.example);
            assert!(!setting.default.is_empty() && !setting.about.is_empty(), "{} lacks a text", setting.path);
        }
    }
}
