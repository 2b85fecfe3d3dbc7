//! What can be read of Gradle's scripts, Groovy or Kotlin, without running them: plain statements.
//!
//! Scripts are programs, so this is never complete. What is not written plainly is left unknown, and Gradle itself
//! decides when the build runs.

use crate::JavaVersion;

/// A script without its comments.
#[derive(Debug, Clone, Default)]
pub struct GradleScript {
    text: String,
}

impl GradleScript {
    pub fn parse(text: &str) -> Self {
        GradleScript { text: without_comments(text) }
    }

    /// The paths (`:a:b`) that `include` statements of a settings script name, in their order, parents before children.
    pub fn included_projects(&self) -> Vec<String> {
        let mut paths: Vec<String> = Vec::new();
        for argument in self.arguments_of("include").into_iter().flat_map(string_literals) {
            if argument.contains('$') {
                continue;
            }
            let mut path = String::new();
            for segment in argument.split(':').filter(|segment| !segment.is_empty()) {
                path = format!("{path}:{segment}");
                if !paths.contains(&path) {
                    paths.push(path.clone());
                }
            }
        }
        paths
    }

    /// Directories that a settings script gives to projects by `project(":a").projectDir = file("b")`, or with
    /// `new File(settingsDir, "b")`: pairs of path and directory.
    pub fn project_directories(&self) -> Vec<(String, String)> {
        let statement = |line: &str| {
            let (project, directory) = line.trim().strip_prefix("project")?.split_once(".projectDir")?;
            let literal = |text| string_literals(text).pop().filter(|literal: &String| !literal.contains('$'));
            Some((literal(project)?, literal(directory)?))
        };
        self.text.lines().filter_map(statement).collect()
    }

    /// `rootProject.name` of a settings script.
    pub fn root_name(&self) -> Option<String> {
        let line = self.text.lines().find_map(|line| line.trim().strip_prefix("rootProject.name"))?;
        string_literals(line).into_iter().next().filter(|name| !name.contains('$'))
    }

    /// Whether the script applies a plugin of one of these names to its own project. `aliases` are the version
    /// catalog's names for it, with dots: `spring.boot`.
    pub fn applies(&self, names: &[&str], aliases: &[String]) -> bool {
        self.text.lines().map(str::trim).any(|line| {
            if line.contains("apply false") || line.contains("apply(false)") {
                return false;
            }
            let by_alias = |rest: &str| {
                let name = rest.split([')', ' ']).next().unwrap_or_default();
                aliases.iter().any(|alias| name.trim_end_matches(".get().pluginId") == alias)
            };
            if let Some((_, rest)) = line.split_once("libs.plugins.")
                && line.starts_with("alias")
            {
                return by_alias(rest);
            }
            // `war` alone, as a plugin of Kotlin's plugins block.
            if names.contains(&line) || names.iter().any(|name| line == format!("`{name}`")) {
                return true;
            }
            // In Groovy one line can hold a whole block.
            let line = line.strip_prefix("plugins {").or_else(|| line.strip_prefix("plugins{")).unwrap_or(line).trim();
            let applies = ["id ", "id(", "id'", "id\"", "apply plugin", "apply(plugin", "plugin:"];
            applies.iter().any(|start| line.starts_with(start))
                && string_literals(line).iter().any(|literal| names.contains(&literal.as_str()))
        })
    }

    /// The Java release that the compiler is told to target, where it is written plainly, and which setting tells it.
    pub fn java(&self) -> Option<(JavaVersion, &'static str)> {
        let settings: [(&str, &'static str); 5] = [
            ("options.release", "options.release"),
            ("targetCompatibility", "targetCompatibility"),
            ("sourceCompatibility", "sourceCompatibility"),
            ("JavaLanguageVersion.of", "the toolchain"),
            ("jvmToolchain", "the toolchain"),
        ];
        settings.into_iter().find_map(|(word, setting)| {
            let mut values = self.text.match_indices(word).map(|(at, _)| &self.text[at + word.len()..]);
            Some((values.find_map(plain_version)?, setting))
        })
    }

    /// What follows each statement of this name, as far as the statement goes.
    fn arguments_of(&self, name: &str) -> Vec<&str> {
        let mut found = Vec::new();
        for (at, _) in self.text.match_indices(name) {
            let starts =
                !self.text[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '"' | '\''));
            let rest = &self.text[at + name.len()..];
            if starts && rest.starts_with([' ', '(', '\t', '"', '\'']) {
                found.push(&rest[..statement_end(rest)]);
            }
        }
        found
    }
}

/// The plugin's names in a version catalog (`gradle/libs.versions.toml`), with dots: `spring.boot`.
pub fn catalog_aliases(catalog: &str, plugin: &str) -> Vec<String> {
    let plugins = catalog.lines().map(str::trim).skip_while(|line| *line != "[plugins]").skip(1);
    let entries = plugins.take_while(|line| !line.starts_with('[')).filter_map(|line| line.split_once('='));
    let ours = entries
        .filter(|(_, value)| string_literals(value).iter().any(|literal| literal.split(':').next() == Some(plugin)));
    ours.map(|(name, _)| name.trim().trim_matches('"').replace(['-', '_'], ".")).collect()
}

/// `= '17'`, `= JavaVersion.VERSION_1_8`, `.set(11)`, `(21)`; `None` for what refers to something else.
fn plain_version(rest: &str) -> Option<JavaVersion> {
    let line = rest.lines().next()?;
    let value = line.trim_start_matches([' ', '=', '(', '"', '\'', '\t']);
    let value = value.strip_prefix(".set(").map_or(value, |value| value.trim_start_matches(['"', '\'', ' ']));
    let value = value.strip_prefix("JavaVersion.").unwrap_or(value);
    let value = value.strip_prefix("toVersion(").map_or(value, |value| value.trim_start_matches(['"', '\'', ' ']));
    let value = value.strip_prefix("VERSION_").unwrap_or(value);
    let end = value.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(value.len());
    value[..end].replace('_', ".").parse().ok()
}

/// Where a statement ends: at its line's end, unless a comma or an open parenthesis carries it on.
fn statement_end(text: &str) -> usize {
    let (mut depth, mut quote, mut last) = (0_i32, None, ' ');
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '(' | '[') => depth += 1,
            (None, ')' | ']') => {
                depth -= 1;
                if depth <= 0 {
                    return at;
                }
            }
            (None, ';' | '}') => return at,
            (None, '\n') if depth == 0 && last != ',' => return at,
            (None, _) => {}
        }
        if !c.is_whitespace() {
            last = c;
        }
    }
    text.len()
}

/// The contents of the quoted strings of a text.
fn string_literals(text: &str) -> Vec<String> {
    let mut literals = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(['"', '\'']) {
        let quote = if rest[start..].starts_with('"') { '"' } else { '\'' };
        let Some(length) = rest[start + 1..].find(quote) else { break };
        literals.push(rest[start + 1..start + 1 + length].to_owned());
        rest = &rest[start + length + 2..];
    }
    literals
}

/// The text with `//` and `/* */` comments blanked, strings left alone.
fn without_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    let mut quote: Option<char> = None;
    while let Some(c) = rest.chars().next() {
        if quote.is_none() && rest.starts_with("//") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
            continue;
        }
        if quote.is_none() && rest.starts_with("/*") {
            let end = rest.find("*/").map_or(rest.len(), |end| end + 2);
            kept.extend(rest[..end].chars().filter(|c| *c == '\n'));
            rest = &rest[end..];
            continue;
        }
        match quote {
            // An apostrophe in a regular expression or a text must not swallow the file.
            Some(open) if c == open || c == '\n' => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            _ => {}
        }
        kept.push(c);
        rest = &rest[c.len_utf8()..];
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn included(text: &str) -> Vec<String> {
        GradleScript::parse(text).included_projects()
    }

    #[test]
    fn included_projects_are_read_in_both_languages() {
        assert_eq!(included("include 'web', \"lib:core\" // include 'no'\n"), [":web", ":lib", ":lib:core"]);
        assert_eq!(included("include(\n  \"a\",\n  \":b:c\"\n)\nincludeBuild(\"x\")\n"), [":a", ":b", ":b:c"]);
        assert_eq!(included("include 'a',\n  'b'\ninclude('c')\n/* include 'd' */"), [":a", ":b", ":c"]);
        assert_eq!(included("settings.include 'x'\nincludeFlat 'y'\ninclude \"$z\""), Vec::<String>::new());
    }

    #[test]
    fn the_root_has_a_name_and_projects_may_lie_elsewhere() {
        let script = GradleScript::parse(
            "rootProject.name = 'shop'\nproject(':web').projectDir = new File(settingsDir, '../web')\n\
             project(\":lib\").projectDir = file(\"libraries/lib\")\n",
        );
        assert_eq!(script.root_name().as_deref(), Some("shop"));
        let pair = |path: &str, directory: &str| (path.to_owned(), directory.to_owned());
        assert_eq!(script.project_directories(), [pair(":web", "../web"), pair(":lib", "libraries/lib")]);
    }

    #[test]
    fn a_plugin_is_applied_in_many_ways() {
        let applies = |text: &str| {
            let aliases = catalog_aliases(
                "[versions]\nb = \"1\"\n[plugins]\nspring-boot = { id = \"org.springframework.boot\", version.ref = \"b\" }\n",
                "org.springframework.boot",
            );
            GradleScript::parse(text).applies(&["org.springframework.boot"], &aliases)
        };
        for text in [
            "plugins {\n  id 'org.springframework.boot' version '3.4.1'\n}",
            "plugins { id 'org.springframework.boot' version '3.4.1' }",
            "plugins {\n  id(\"org.springframework.boot\") version \"3.4.1\"\n}",
            "apply plugin: 'org.springframework.boot'",
            "apply(plugin = \"org.springframework.boot\")",
            "plugins {\n  alias(libs.plugins.spring.boot)\n}",
        ] {
            assert!(applies(text), "{text}");
        }
        for text in [
            "plugins {\n  id 'org.springframework.boot' version '3.4.1' apply false\n}",
            "plugins {\n  alias(libs.plugins.spring.boot) apply false\n}",
            "implementation 'org.springframework.boot:spring-boot-starter-web'",
            "// apply plugin: 'org.springframework.boot'",
            "classpath('org.springframework.boot:spring-boot-gradle-plugin:2.1.18.RELEASE')",
        ] {
            assert!(!applies(text), "{text}");
        }
        assert!(GradleScript::parse("plugins {\n  war\n}").applies(&["war"], &[]));
    }

    #[test]
    fn the_java_release_is_read_where_it_is_plain() {
        let java = |text: &str| GradleScript::parse(text).java().map(|(java, _)| java.0);
        assert_eq!(java("sourceCompatibility = '1.8'"), Some(8));
        assert_eq!(java("sourceCompatibility = 11\ntargetCompatibility = JavaVersion.VERSION_1_8"), Some(8));
        assert_eq!(java("java { toolchain { languageVersion = JavaLanguageVersion.of(21) } }"), Some(21));
        assert_eq!(java("kotlin { jvmToolchain(17) }"), Some(17));
        assert_eq!(
            java("toolchain.languageVersion.set(JavaLanguageVersion.of(25))\noptions.release.set(17)"),
            Some(17)
        );
        assert_eq!(java("java.sourceCompatibility = JavaVersion.toVersion('17')"), Some(17));
        assert_eq!(java("languageVersion = JavaLanguageVersion.of(javaVersion)"), None);
    }

    proptest! {
        #[test]
        fn any_script_is_read_without_a_panic(text in ".*|(?s)(include|project|'|\"|/\\*|//|\\(|\n|é|:){0,40}") {
            let script = GradleScript::parse(&text);
            let _ = (script.included_projects(), script.project_directories(), script.root_name(), script.java());
            script.applies(&["war"], &["a".to_owned()]);
            catalog_aliases(&text, "war");
        }
    }
}
