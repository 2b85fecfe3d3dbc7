//! docs/settings.md, made from the table of settings.

use std::fmt::Write as _;

use super::environment;
use super::setting::{self, Setting};
use super::table::Section;
use super::value::{Scalar, Shape};

const INTRODUCTION: &str = "\
# Settings

<!-- Made from src/settings/table.rs: UPDATE_DOCS=1 cargo test --lib settings::documentation -->

A plain Spring Boot project needs none. What is set is taken from the first of these that says something:

1. the flag,
2. the environment variable,
3. `[env.NAME.…]` of shipit.toml, where `--env NAME` is given (in `image`, `registry` and `service`),
4. shipit.toml,
5. what the project says of itself,
6. the default.

Tables (`env`, `labels` …) are merged name by name in this order; everything else is replaced as a whole. A variable that
is empty counts as not set. In a variable, a list is words separated by spaces, or a list in TOML; a table is lines of
`NAME=value`, or an inline table in TOML. A flag that takes a list is given once per value.

Editors that know JSON Schema complete and explain shipit.toml: `shipit schema > shipit.schema.json`, and as the file's
first line `#:schema ./shipit.schema.json`.

Unknown keys are errors. Secrets belong into none of these: `service.secrets` names where ECS finds them.

```toml
[registry]
repository = \"shop\"

[service]
cluster = \"staging\"
name = \"shop\"

[env.production.service]
cluster = \"production\"
memory = \"2 GB\"
```
";

/// The text of docs/settings.md.
pub fn markdown() -> String {
    let mut text = INTRODUCTION.to_owned();
    for section in Section::ALL {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n## [{}]\n\n{}\n\n", section.name(), section.about());
        text.push_str("| setting | what it is | default | flag | variable | in Jib |\n|---|---|---|---|---|---|\n");
        for setting in setting::of(*section) {
            text.push_str(&row(setting));
        }
    }
    text.push_str("\n## Other variables\n\n| variable | what it does |\n|---|---|\n");
    for variable in environment::ALL {
        let _ = writeln!(text, "| `{}` | {} |", variable.name, variable.about);
    }
    text
}

fn row(setting: &Setting) -> String {
    let cell = |text: &str| text.replace('|', "\\|");
    let code = |text: &str| if text.is_empty() { String::new() } else { format!("`{}`", cell(text)) };
    let flag = match (&setting.flag, setting.shape) {
        (Some(flag), Shape::Switch) => format!("`--{flag}`, `--no-{flag}`"),
        (Some(flag), _) => code(&format!("--{flag} {}", setting.placeholder)),
        (None, _) => String::new(),
    };
    // What a text or a table is, the example says better than words.
    let expected = match setting.shape {
        Shape::Table => String::new(),
        _ if setting.expected.ends_with(<String as Scalar>::EXPECTED)
            || setting.expected.ends_with(<String as Scalar>::EXPECTED_MANY) =>
        {
            String::new()
        }
        _ => format!("Takes {}. ", cell(&setting.expected)),
    };
    format!(
        "| `{}` | {} {expected}`{} = {}` | {} | {flag} | `{}` | {} |\n",
        setting.path,
        cell(setting.about),
        setting.key,
        cell(setting.example),
        cell(setting.default),
        setting.variable,
        code(setting.jib),
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_committed_page_is_the_one_made_from_the_table() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, super::markdown()).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == super::markdown(),
            "run UPDATE_DOCS=1 cargo test --lib settings::documentation, and commit"
        );
    }
}
