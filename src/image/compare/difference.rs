//! One difference between two images: where it is, and what it is.

use std::collections::BTreeMap;

use serde::Serialize;

/// How many differences are told of one place; of the rest only the number.
const MOST_AT_ONE_PLACE: usize = 50;

/// How many differences are told at all.
const MOST: usize = 2000;

/// How much of a value is told, in characters.
const LONGEST_VALUE: usize = 300;

/// A difference between A and B.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Where, from the outside in: `layer application`, `app/application.jar`, `META-INF/build-info.properties`.
    pub at: Vec<String>,
    #[serde(flatten)]
    pub change: Change,
}

/// What differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// Only A has it.
    OnlyA,
    /// Only B has it.
    OnlyB,
    /// A property of a file or entry: mode, owner, time, size.
    Field { field: String, a: Option<String>, b: Option<String> },
    /// A key of a properties, manifest or JSON file.
    Key { key: String, a: Option<String>, b: Option<String> },
    /// The first line that differs in a text, counted from 1.
    Line { number: usize, a: Option<String>, b: Option<String> },
    /// The first byte that differs, counted from 0, and some that follow, in hexadecimal digits.
    Bytes { offset: usize, a: String, b: String },
    /// Java classes; the versions are those of the class file format (61 is Java 17).
    Class { a: Option<u16>, b: Option<u16> },
    /// The same lines or keys in another order, other blanks, or other line ends.
    Form { what: String },
    /// The same entries in another order; the first place where it differs.
    Order { a: String, b: String },
    /// The same content, compressed otherwise.
    Compression,
    /// Something that could not be looked into, or is told in words.
    Note { text: String },
    /// So many more differences at this place.
    More { count: usize },
}

/// Collects differences, within bounds.
#[derive(Debug, Default)]
pub struct Findings {
    found: Vec<Difference>,
    /// How many there are at each place.
    counted: BTreeMap<Vec<String>, usize>,
    /// How many came when [`MOST`] had been told.
    beyond: usize,
}

impl Findings {
    /// Adds a difference at `at`. Control characters, as hostile names have them, are shown as escapes.
    pub fn add(&mut self, at: &[String], change: Change) {
        if self.found.len() >= MOST {
            self.beyond += 1;
            return;
        }
        let at: Vec<String> = at.iter().map(|part| shown(part)).collect();
        // A folder full of files is one place, as is a file full of keys.
        let of_the_folder = match &change {
            Change::OnlyA | Change::OnlyB | Change::Class { .. } | Change::Compression => true,
            Change::Field { field, .. } => field == "time",
            _ => false,
        };
        let place = if of_the_folder { &at[..at.len().saturating_sub(1)] } else { &at[..] };
        let count = self.counted.entry(place.to_vec()).or_default();
        *count += 1;
        if *count <= MOST_AT_ONE_PLACE {
            self.found.push(Difference { at, change: change.shown() });
        }
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// How many differences there are so far.
    pub fn len(&self) -> usize {
        self.found.len() + self.beyond
    }

    pub fn finish(mut self) -> Vec<Difference> {
        for (at, count) in self.counted.into_iter().filter(|(_, count)| *count > MOST_AT_ONE_PLACE) {
            let last = self.found.iter().rposition(|found| found.at.starts_with(&at));
            let change = Change::More { count: count - MOST_AT_ONE_PLACE };
            self.found.insert(last.map_or(self.found.len(), |last| last + 1), Difference { at, change });
        }
        if self.beyond > 0 {
            self.found.push(Difference { at: Vec::new(), change: Change::More { count: self.beyond } });
        }
        self.found
    }
}

impl Change {
    /// A field that differs.
    pub fn field(field: &str, a: impl ToString, b: impl ToString) -> Self {
        Change::Field { field: field.to_owned(), a: Some(a.to_string()), b: Some(b.to_string()) }
    }

    pub fn note(text: impl Into<String>) -> Self {
        Change::Note { text: text.into() }
    }

    fn shown(self) -> Self {
        let value = |value: Option<String>| value.map(|value| shown(&value));
        match self {
            Change::Field { field, a, b } => Change::Field { field: shown(&field), a: value(a), b: value(b) },
            Change::Key { key, a, b } => Change::Key { key: shown(&key), a: value(a), b: value(b) },
            Change::Line { number, a, b } => Change::Line { number, a: value(a), b: value(b) },
            Change::Order { a, b } => Change::Order { a: shown(&a), b: shown(&b) },
            Change::Note { text } => Change::Note { text: shown(&text) },
            other => other,
        }
    }
}

/// Text that stays on its line and is not too long.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == LONGEST_VALUE {
            shown.push('…');
            break;
        }
        match c {
            c if c.is_control() => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_with_many_differences_is_told_with_a_number() {
        let mut findings = Findings::default();
        for number in 0..MOST_AT_ONE_PLACE + 7 {
            findings.add(&["layer".to_owned(), format!("file {number}")], Change::OnlyA);
        }
        findings.add(&["other".to_owned()], Change::Compression);
        let found = findings.finish();
        assert_eq!(found.len(), MOST_AT_ONE_PLACE + 2);
        let more = Difference { at: vec!["layer".to_owned()], change: Change::More { count: 7 } };
        assert_eq!(found[MOST_AT_ONE_PLACE], more);
    }

    #[test]
    fn names_cannot_pretend_to_be_other_lines() {
        let mut findings = Findings::default();
        findings.add(&["a\nequal: yes".to_owned()], Change::OnlyA);
        assert_eq!(findings.finish()[0].at, ["a\\nequal: yes"]);
    }
}
