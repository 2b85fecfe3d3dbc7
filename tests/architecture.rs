//! The map of the house, and the check that the house is as the map says.
//!
//! Arrows point one way: commands → stages → foundations.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module of `src/`, and the modules that it may use.
const MODULES: &[(&str, &[&str])] = &[
    // Foundations.
    ("files", &[]),
    ("git", &[]),
    ("http", &[]),
    ("report", &["settings"]),
    ("settings", &["files", "image"]),
    // Stages, and the plain types that pass between them.
    ("image", &["files"]),
    ("version", &["git", "image"]),
    ("release", &["files", "image"]),
    ("registry", &["files", "http", "image"]),
    ("aws", &["http", "image", "registry"]),
    // What joins them.
    ("commands", &["aws", "files", "git", "http", "image", "registry", "release", "report", "settings", "version"]),
    ("main", &["commands"]),
    ("lib", &[]),
];

/// Crates that only some modules may know, so that a change of library stays in one place.
const CRATES: &[(&str, &[&str])] = &[
    ("aws_config", &["aws"]),
    ("aws_sdk_", &["aws"]),
    ("aws_smithy_", &["aws"]),
    ("reqwest", &["aws", "http", "registry"]),
    ("signal_hook", &["commands"]),
    ("anstream", &["report"]),
    ("indicatif", &["report"]),
    ("clap", &["commands", "main", "settings"]),
    ("toml", &["settings"]),
    ("rawzip", &["image"]),
    ("shipit_builders", &["commands", "image", "settings"]),
];

/// Names of crates and modules whose presence in `builders/Cargo.toml` would bring in network, async, AWS or a terminal.
const FOREIGN_TO_BUILDERS: &[&str] =
    &["shipit =", "tokio", "reqwest", "hyper", "aws-", "futures", "indicatif", "anstream", "clap"];

#[test]
fn modules_use_only_what_the_map_allows() {
    let mut wrong = Vec::new();
    for (module, path, text) in sources() {
        let Some((_, allowed)) = MODULES.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!("{}: the module '{module}' is not on the map", path.display()));
            continue;
        };
        for used in paths_after(&text, &["crate::", "shipit::"]) {
            if used != module && !allowed.contains(&&*used) && MODULES.iter().any(|(name, _)| *name == used) {
                wrong.push(format!("{}: '{module}' may not use '{used}'", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn crates_stay_where_they_belong() {
    let mut wrong = Vec::new();
    for (module, path, text) in sources() {
        for (name, allowed) in CRATES {
            let used = code_lines(&text).any(|line| mentions(line, name));
            if used && !allowed.contains(&&*module) {
                wrong.push(format!("{}: '{module}' may not use the crate '{name}'", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn builders_know_no_network_no_async_no_cloud_and_no_terminal() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("builders/Cargo.toml")).unwrap();
    let wrong: Vec<&str> =
        manifest.lines().filter(|line| FOREIGN_TO_BUILDERS.iter().any(|foreign| line.starts_with(foreign))).collect();
    assert!(wrong.is_empty(), "builders/Cargo.toml: {wrong:?}");
}

#[test]
fn every_module_on_the_map_exists() {
    let found: BTreeSet<String> = sources().into_iter().map(|(module, ..)| module).collect();
    let mapped: BTreeSet<String> = MODULES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(found, mapped);
}

/// The module, path and text of each file under `src/`.
fn sources() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(&root).unwrap();
                let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
                let module = first.strip_suffix(".rs").unwrap_or(first).to_owned();
                let text = fs::read_to_string(&path).unwrap();
                found.push((module, relative.to_owned(), text));
            }
        }
    }
    assert!(found.len() > 10, "the sources were not found");
    found
}

fn code_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// The names that follow one of `prefixes` in code, also those in braces: `crate::{git, http::client}`.
fn paths_after(text: &str, prefixes: &[&str]) -> BTreeSet<String> {
    let code = code_lines(text).collect::<Vec<_>>().join(" ");
    let mut names = BTreeSet::new();
    for prefix in prefixes {
        for (at, _) in code.match_indices(prefix) {
            let rest = &code[at + prefix.len()..];
            let group = rest.strip_prefix('{').map_or_else(|| first_name(rest), top_level);
            names.extend(group.split(',').map(|name| first_name(name.trim())).filter(|name| !name.is_empty()));
        }
    }
    names
}

/// The inside of a brace group without what stands in inner braces.
fn top_level(group: &str) -> String {
    let mut depth = 0;
    let mut flat = String::new();
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            c if depth == 0 => flat.push(c),
            _ => {}
        }
    }
    flat
}

fn first_name(path: &str) -> String {
    path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Whether a line has `name` as a path's beginning: not as a part of another word.
fn mentions(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = &line[at + name.len()..];
        let starts = !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '"');
        starts && (name.ends_with('_') || after.starts_with("::") || after.starts_with(';'))
    })
}
