//! The flags of settings, made from the table.
//!
//! A command says which sections it takes: `#[command(flatten)] settings: Flags<{ BUILD | IMAGE }>`.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::setting::{self, Setting};
use super::table::Section;
use super::value::{Data, Item, Shape};

/// The sections that a command takes flags of, as bits.
pub const BUILD: u8 = bit(Section::Build);
pub const IMAGE: u8 = bit(Section::Image);
pub const REGISTRY: u8 = bit(Section::Registry);
pub const SERVICE: u8 = bit(Section::Service);

const fn bit(section: Section) -> u8 {
    1 << section as u8
}

/// The settings that were given as flags, by path: the flag's name and its value.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Given(BTreeMap<String, (String, Item)>);

impl Given {
    pub(super) fn get(&self, path: &str) -> Option<&(String, Item)> {
        self.0.get(path)
    }

    /// The flags as another process of this program takes them.
    pub fn to_arguments(&self) -> Vec<OsString> {
        let mut arguments = Vec::new();
        for (path, (flag, item)) in &self.0 {
            let switch = setting::all().iter().any(|setting| setting.path == *path && setting.shape == Shape::Switch);
            let items = match &item.data {
                Data::List(items) => items.as_slice(),
                _ => std::slice::from_ref(item),
            };
            for item in items {
                match &item.data {
                    _ if switch => arguments.push(format!("--{flag}").into()),
                    // One word, so that a value may begin with a dash.
                    Data::Raw(text) => arguments.push(format!("--{flag}={text}").into()),
                    _ => {}
                }
            }
        }
        arguments
    }

    /// Both sets of flags, of which a command line has each at most once.
    pub fn and(mut self, other: &Given) -> Self {
        self.0.extend(other.0.clone());
        self
    }
}

/// The flags of the sections whose bits are set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Flags<const SECTIONS: u8> {
    pub given: Given,
}

impl<const SECTIONS: u8> Flags<SECTIONS> {
    fn settings() -> impl Iterator<Item = (&'static Setting, &'static str)> {
        setting::all()
            .iter()
            .filter(|setting| SECTIONS & bit(setting.section) != 0)
            .filter_map(|setting| Some((setting, setting.flag.as_deref()?)))
    }
}

impl<const SECTIONS: u8> clap::Args for Flags<SECTIONS> {
    fn augment_args(command: Command) -> Command {
        Self::settings().fold(command, |command, (setting, flag)| command.args(arguments(setting, flag)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<const SECTIONS: u8> clap::FromArgMatches for Flags<SECTIONS> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Flags::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for (setting, flag) in Self::settings() {
            let found = match setting.shape {
                Shape::Switch if matches.get_flag(no(setting)) => Some((format!("no-{flag}"), Item::raw("false"))),
                Shape::Switch => matches.get_flag(&setting.path).then(|| (flag.to_owned(), Item::raw("true"))),
                Shape::List | Shape::Table => matches.get_many::<String>(&setting.path).map(|values| {
                    let items = values.map(|text| Item::raw(text)).collect();
                    (flag.to_owned(), Item { data: Data::List(items), span: None })
                }),
                Shape::One => matches.get_one::<String>(&setting.path).map(|text| (flag.to_owned(), Item::raw(text))),
            };
            if let Some(found) = found {
                self.given.0.insert(setting.path.clone(), found);
            }
        }
        Ok(())
    }
}

/// The name by which clap knows the flag that turns a switch off: its variable's, as that is no path.
fn no(setting: &'static Setting) -> &'static str {
    &setting.variable
}

fn arguments(setting: &'static Setting, flag: &'static str) -> Vec<Arg> {
    let argument = Arg::new(&*setting.path)
        .long(flag)
        .help(setting.about.trim_end_matches('.'))
        .long_help(format!(
            "{}\n\n[setting: {}] [variable: {}] [default: {}]",
            setting.about, setting.path, setting.variable, setting.default
        ))
        .help_heading(setting.section.heading());
    match setting.shape {
        Shape::Switch => {
            let negated = Arg::new(no(setting))
                .long(setting.negated_flag.as_deref())
                .action(ArgAction::SetTrue)
                .overrides_with_all([no(setting), &setting.path])
                .help(format!("Turn --{flag} off"))
                .help_heading(setting.section.heading());
            vec![argument.action(ArgAction::SetTrue).overrides_with_all([&*setting.path, no(setting)]), negated]
        }
        Shape::One => vec![argument.value_name(setting.placeholder).value_parser(parser(setting))],
        Shape::List | Shape::Table => {
            vec![argument.value_name(setting.placeholder).action(ArgAction::Append).value_parser(parser(setting))]
        }
    }
}

/// Checks the value while clap still knows the flag that it belongs to.
fn parser(setting: &'static Setting) -> ValueParser {
    ValueParser::new(move |text: &str| {
        let item = Item::raw(text);
        let item = match setting.shape {
            Shape::List => Item { data: Data::List(vec![item]), span: None },
            Shape::One | Shape::Switch | Shape::Table => item,
        };
        match (setting.check)(&item) {
            Ok(()) => Ok(text.to_owned()),
            Err(wrong) => {
                Err(format!("expected {}, {}; example: {}", setting.expected, wrong.problem, setting.example))
            }
        }
    })
}
