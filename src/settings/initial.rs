//! The text of a first shipit.toml: what a project sets, and everything else that could be set as comments.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::setting::{self, Setting};
use super::table::Section;
use super::value::{Item, Shape};

/// The width that comments are broken at.
const WIDTH: usize = 100;

/// What a first shipit.toml says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Initial {
    /// What was found out about the project: the first lines of the file, a sentence each.
    pub found: Vec<String>,
    /// Values in TOML, by the path of their setting. [`Initial::choose`] checks them.
    chosen: BTreeMap<String, String>,
    /// Examples that fit the project better than the table's, by path, in TOML.
    examples: BTreeMap<String, String>,
    /// What else there is to say of a setting, by path.
    remarks: BTreeMap<String, Vec<String>>,
    /// What has no place at any setting.
    pub leftovers: Vec<Remark>,
}

/// Something that was not taken over, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The name where it comes from: `container.appRoot`.
    pub about: String,
    /// The rest of the sentence.
    pub text: String,
    /// Whether the image may behave differently for it.
    pub matters: bool,
}

impl Initial {
    /// Sets `path` to the first of `candidates` (in TOML) that the setting takes. Returns whether there is one.
    pub fn choose(&mut self, path: &str, candidates: &[String]) -> bool {
        let Some(setting) = setting::all().iter().find(|setting| setting.path == path) else { return false };
        let accepted = |text: &&String| Item::from_toml(text).is_ok_and(|item| (setting.check)(&item).is_ok());
        match candidates.iter().find(accepted) {
            Some(value) => {
                self.chosen.insert(path.to_owned(), value.clone());
                true
            }
            None => false,
        }
    }

    /// The value in TOML that was chosen for `path`.
    pub fn chosen(&self, path: &str) -> Option<&str> {
        self.chosen.get(path).map(String::as_str)
    }

    /// Whether nothing is set.
    pub fn is_plain(&self) -> bool {
        self.chosen.is_empty()
    }

    /// Shows `value` in place of the table's example for `path`.
    pub fn example(&mut self, path: &str, value: &str) {
        self.examples.insert(path.to_owned(), quoted(value));
    }

    /// Adds a comment at the setting `path`.
    pub fn remark(&mut self, path: &str, text: impl Into<String>) {
        self.remarks.entry(path.to_owned()).or_default().push(text.into());
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.found {
            comment(&mut text, line);
        }
        comment(
            &mut text,
            "Nothing below is needed but the lines without '#': the others show what can be set, with an example each. \
             A variable SHIPIT_SECTION_KEY or a flag goes before this file. Secrets belong into none of them.",
        );
        if !self.leftovers.is_empty() {
            text.push_str("#\n# Not taken over:\n");
            for remark in &self.leftovers {
                comment(&mut text, &format!("- {}: {}", remark.about, remark.text));
            }
        }
        for section in Section::ALL {
            text.push('\n');
            comment(&mut text, section.about());
            let _ = writeln!(text, "[{}]", section.name());
            for setting in setting::of(*section) {
                self.setting(&mut text, setting);
            }
        }
        text.push_str(ENVIRONMENTS);
        text
    }

    fn setting(&self, text: &mut String, setting: &Setting) {
        text.push('\n');
        comment(text, setting.about);
        comment(text, &format!("Default: {}.", setting.default.replace('`', "")));
        for remark in self.remarks.get(&setting.path).into_iter().flatten() {
            comment(text, remark);
        }
        match self.chosen.get(&setting.path) {
            Some(value) => {
                let _ = writeln!(text, "{} = {value}", setting.key);
            }
            None => {
                let example = self.examples.get(&setting.path).map_or(setting.example, String::as_str);
                let _ = writeln!(text, "# {} = {example}", setting.key);
            }
        }
    }
}

const ENVIRONMENTS: &str = "
# What differs in an environment, for `--env production`: [image], [registry] and [service] only.
# [env.production.service]
# cluster = \"production\"
# memory = \"2 GB\"
";

/// Adds a paragraph as comment lines. Whatever the text has in it, each line stays a comment.
fn comment(text: &mut String, paragraph: &str) {
    let mut line = String::new();
    for word in paragraph.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !line.is_empty() && line.chars().count() + word.chars().count() + 3 > WIDTH {
            let _ = writeln!(text, "#{line}");
            line.clear();
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(text, "#{line}");
}

/// A text in TOML, on one line.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A list in TOML, of values in TOML; long ones over several lines.
pub(super) fn list(values: &[String]) -> String {
    let line = format!("[{}]", values.join(", "));
    if line.chars().count() <= WIDTH - 20 {
        return line;
    }
    format!("[\n{}]", values.iter().map(|value| format!("    {value},\n")).collect::<String>())
}

/// A table in TOML, of values in TOML.
pub(super) fn table(entries: &[(String, String)]) -> String {
    let bare = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    let entry = |(name, value): &(String, String)| {
        let name = if bare(name) { name.clone() } else { quoted(name) };
        format!("{name} = {value}")
    };
    match entries {
        [] => "{}".to_owned(),
        entries => format!("{{ {} }}", entries.iter().map(entry).collect::<Vec<_>>().join(", ")),
    }
}

/// Values of one shape in the spellings that a setting may take: as a text, and as it stands.
pub(super) fn spellings(shape: Shape, values: &[String]) -> Vec<String> {
    let bare = |value: &String| {
        let number = !value.is_empty() && value.len() < 10 && value.chars().all(|c| c.is_ascii_digit());
        if number || value == "true" || value == "false" { value.clone() } else { quoted(value) }
    };
    match (shape, values) {
        (Shape::List, values) => vec![
            list(&values.iter().map(bare).collect::<Vec<_>>()),
            list(&values.iter().map(|value| quoted(value)).collect::<Vec<_>>()),
        ],
        (_, [value]) => vec![quoted(value), bare(value), quoted(&value.to_lowercase())],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Given, Settings, Sources, Variables};
    use super::*;

    pub fn load(directory: &Path) -> Settings {
        let (variables, flags) = (Variables::default(), Given::default());
        let sources = Sources { directory: Some(directory), env: None, variables: &variables, flags: &flags };
        Settings::load(&sources).unwrap()
    }

    fn written(initial: &Initial) -> Settings {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(super::super::FILE_NAME), initial.text()).unwrap();
        load(folder.path())
    }

    #[test]
    fn a_file_without_choices_sets_nothing() {
        let mut initial = Initial { found: vec!["Found: a shop\nmodule = 1".to_owned()], ..Initial::default() };
        initial.example("image.source", "https://git.example.com/shop\"\nx = 1");
        initial.remark("image.user", "mind\r\nthis");
        assert_eq!(written(&initial), Settings::default());
    }

    #[test]
    fn every_setting_is_in_the_file_and_works_when_its_line_is_uncommented() {
        let text = Initial::default().text();
        for setting in setting::all() {
            let line = format!("# {} = {}", setting.key, setting.example);
            assert!(text.contains(&format!("\n{line}\n")), "{} is not shown", setting.path);
        }
        let folder = tempfile::tempdir().unwrap();
        let uncommented: String = text
            .lines()
            .map(|line| {
                let setting = setting::all().iter().any(|setting| line.starts_with(&format!("# {} = ", setting.key)));
                format!("{}\n", if setting { &line[2..] } else { line })
            })
            .collect();
        // The example of [env.production.service] stays with its keys in [service]: once is enough.
        let uncommented = uncommented.split("# What differs in an environment").next().unwrap();
        std::fs::write(folder.path().join(super::super::FILE_NAME), uncommented).unwrap();
        assert!(load(folder.path()).image.base.is_some());
    }

    #[test]
    fn only_values_that_a_setting_takes_are_chosen() {
        let mut initial = Initial::default();
        assert!(initial.choose("image.ports", &["[\"x\"]".to_owned(), "[80]".to_owned()]));
        assert!(!initial.choose("image.ports", &["\"x\"".to_owned()]));
        assert!(!initial.choose("image.nothing", &["1".to_owned()]));
        assert_eq!(written(&initial).image.ports.unwrap().len(), 1);
    }

    #[test]
    fn texts_are_quoted_so_that_they_are_read_as_they_were() {
        let flags = ["-Da=\"b\\c\"", "-Dd=e\tf\ng\u{7f}'", "ü"].map(str::to_owned);
        let mut initial = Initial::default();
        assert!(initial.choose("image.jvm-flags", &spellings(Shape::List, &flags)));
        assert!(initial.choose("image.env", &[table(&[("a.b c".to_owned(), quoted("x\ny"))])]));
        let settings = written(&initial);
        assert_eq!(settings.image.jvm_flags.unwrap(), flags);
        assert_eq!(settings.image.env["a.b c"], "x\ny");
    }
}
