//! Values before and after they have their type.
//!
//! A file gives booleans, numbers, lists and tables; a variable or a flag gives text only. Both become an `Item`, and
//! a setting's type says what items it is made from.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// How many values a setting holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    One,
    /// One boolean: flags `--x` and `--no-x`.
    Switch,
    List,
    /// Names with texts. What shipit.toml, an environment and a variable say is merged, name by name.
    Table,
}

/// A value as it was found, with its place if it came from a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    pub data: Data,
    /// The bytes of the file that it stands in.
    pub span: Option<Range<usize>>,
}

/// A table's entry: its name, the bytes of the file that the name stands in, and its value.
pub type Entry = (String, Range<usize>, Item);

#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// Of a variable or a flag: the type says what it means.
    Raw(String),
    Text(String),
    /// An integer or a float, as it is written.
    Number(String),
    Boolean(bool),
    List(Vec<Item>),
    /// In the order of the file.
    Table(Vec<Entry>),
    Date(String),
}

impl Item {
    /// Text of a variable or a flag.
    pub fn raw(text: &str) -> Self {
        Item { data: Data::Raw(text.to_owned()), span: None }
    }

    /// A value written in TOML.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let document = format!("value = {text}");
        let table = DeTable::parse(&document).map_err(|error| error.message().to_owned())?;
        match table.get_ref().get("value") {
            Some(value) if table.get_ref().len() == 1 => Ok(Item { span: None, ..Item::from(value) }),
            _ => Err("more than one value".to_owned()),
        }
    }

    fn kind(&self) -> &'static str {
        match self.data {
            Data::Raw(_) | Data::Text(_) => "text",
            Data::Number(_) => "a number",
            Data::Boolean(_) => "a boolean",
            Data::List(_) => "a list",
            Data::Table(_) => "a table",
            Data::Date(_) => "a date or time",
        }
    }

    fn wrong(&self, problem: impl Into<String>) -> Wrong {
        Wrong { problem: problem.into(), span: self.span.clone() }
    }

    fn wrong_kind(&self) -> Wrong {
        self.wrong(format!("found {}", self.kind()))
    }
}

impl From<&Spanned<DeValue<'_>>> for Item {
    fn from(value: &Spanned<DeValue<'_>>) -> Self {
        let data = match value.get_ref() {
            DeValue::String(text) => Data::Text(text.to_string()),
            DeValue::Integer(integer) if integer.radix() == 10 => Data::Number(integer.as_str().to_owned()),
            // Too long ones stay as they are written, and are no number for any type.
            DeValue::Integer(integer) => Data::Number(
                u64::from_str_radix(integer.as_str(), integer.radix())
                    .map_or_else(|_| integer.as_str().to_owned(), |value| value.to_string()),
            ),
            DeValue::Float(float) => Data::Number(float.as_str().to_owned()),
            DeValue::Boolean(boolean) => Data::Boolean(*boolean),
            DeValue::Datetime(date) => Data::Date(date.to_string()),
            DeValue::Array(array) => Data::List(array.iter().map(Item::from).collect()),
            DeValue::Table(table) => {
                let mut entries: Vec<_> =
                    table.iter().map(|(key, value)| (key.get_ref().to_string(), key.span(), value.into())).collect();
                entries.sort_by_key(|(_, span, _)| span.start);
                Data::Table(entries)
            }
        };
        Item { data, span: Some(value.span()) }
    }
}

/// Why a value is not what its setting takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Wrong {
    /// What was found, or what is wrong with it.
    pub problem: String,
    pub span: Option<Range<usize>>,
}

/// What a setting's field can be: one value, a list of them, or a table of texts.
pub trait Field: Default {
    const SHAPE: Shape;
    const EXAMPLE: &'static str;
    const PLACEHOLDER: &'static str;
    /// How a file may write one value.
    const WRITTEN: &'static [Written];
    fn expected() -> String;
    fn read(item: &Item) -> Result<Self, Wrong>;
}

/// A type of one value.
pub trait Scalar: Sized {
    /// What a text must be, after 'expected'.
    const EXPECTED: &'static str;
    /// The same in the plural, after 'a list of'.
    const EXPECTED_MANY: &'static str;
    /// One in TOML.
    const EXAMPLE: &'static str;
    /// Several in TOML.
    const EXAMPLE_MANY: &'static str;
    /// Its name in `--help`.
    const PLACEHOLDER: &'static str;
    /// How a file may write it.
    const WRITTEN: &'static [Written];

    /// `None` where `text` is none.
    fn parse(text: &str) -> Option<Self>;

    fn from_item(item: &Item) -> Result<Self, Wrong> {
        let allowed = |written| if Self::WRITTEN.contains(&written) { Ok(()) } else { Err(item.wrong_kind()) };
        let text = match &item.data {
            Data::Raw(text) => text.clone(),
            Data::Text(text) => allowed(Written::Quoted).map(|()| text.clone())?,
            Data::Number(number) => allowed(Written::Number).map(|()| number.clone())?,
            Data::Boolean(boolean) => allowed(Written::Boolean).map(|()| boolean.to_string())?,
            Data::List(_) | Data::Table(_) | Data::Date(_) => return Err(item.wrong_kind()),
        };
        Self::parse(&text).ok_or_else(|| match &item.data {
            _ if text.trim().is_empty() => item.wrong("found an empty text"),
            Data::Number(number) => item.wrong(format!("found {number}")),
            _ => item.wrong(format!("found '{text}'")),
        })
    }
}

/// A way to write a value in TOML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    Quoted,
    Number,
    Boolean,
}

impl<S: Scalar> Field for Option<S> {
    const SHAPE: Shape = match S::WRITTEN {
        [Written::Boolean] => Shape::Switch,
        _ => Shape::One,
    };
    const EXAMPLE: &'static str = S::EXAMPLE;
    const PLACEHOLDER: &'static str = S::PLACEHOLDER;
    const WRITTEN: &'static [Written] = S::WRITTEN;

    fn expected() -> String {
        S::EXPECTED.to_owned()
    }

    fn read(item: &Item) -> Result<Self, Wrong> {
        S::from_item(item).map(Some)
    }
}

impl<S: Scalar> Field for Option<Vec<S>> {
    const SHAPE: Shape = Shape::List;
    const EXAMPLE: &'static str = S::EXAMPLE_MANY;
    const PLACEHOLDER: &'static str = S::PLACEHOLDER;
    const WRITTEN: &'static [Written] = S::WRITTEN;

    fn expected() -> String {
        format!("a list of {}", S::EXPECTED_MANY)
    }

    fn read(item: &Item) -> Result<Self, Wrong> {
        match &item.data {
            Data::List(items) => items.iter().map(S::from_item).collect::<Result<_, _>>().map(Some),
            // A variable holds a list as words, or as TOML where a word has spaces.
            Data::Raw(text) if text.trim_start().starts_with('[') => {
                Self::read(&Item::from_toml(text.trim()).map_err(|problem| item.wrong(problem))?)
            }
            Data::Raw(text) => {
                text.split_whitespace().map(|word| S::from_item(&Item::raw(word))).collect::<Result<_, _>>().map(Some)
            }
            _ => Err(item.wrong_kind()),
        }
    }
}

impl Field for BTreeMap<String, String> {
    const SHAPE: Shape = Shape::Table;
    const EXAMPLE: &'static str = "{ NAME = \"value\" }";
    const PLACEHOLDER: &'static str = "NAME=VALUE";
    const WRITTEN: &'static [Written] = &[Written::Quoted, Written::Number, Written::Boolean];

    fn expected() -> String {
        "a table of names and texts".to_owned()
    }

    fn read(item: &Item) -> Result<Self, Wrong> {
        match &item.data {
            Data::Table(entries) => entries
                .iter()
                .map(|(name, _, value)| match &value.data {
                    _ if name.is_empty() => Err(value.wrong("found an empty name")),
                    Data::Raw(text) | Data::Text(text) | Data::Number(text) => Ok((name.clone(), text.clone())),
                    Data::Boolean(boolean) => Ok((name.clone(), boolean.to_string())),
                    Data::List(_) | Data::Table(_) | Data::Date(_) => Err(value.wrong_kind()),
                })
                .collect(),
            Data::Raw(text) => Self::read(&table_of_text(text).map_err(|problem| item.wrong(problem))?),
            _ => Err(item.wrong_kind()),
        }
    }
}

/// A variable holds a table as lines of NAME=value, or as an inline table of TOML.
pub(super) fn table_of_text(text: &str) -> Result<Item, String> {
    if text.trim_start().starts_with('{') {
        return Item::from_toml(text.trim());
    }
    let entries = text.lines().filter(|line| !line.trim().is_empty()).map(|line| match line.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), 0..0, Item::raw(value))),
        // The line itself is not repeated: half of it may be a value that nobody should see.
        _ => Err("found a line that is not NAME=value".to_owned()),
    });
    Ok(Item { data: Data::Table(entries.collect::<Result<_, _>>()?), span: None })
}
