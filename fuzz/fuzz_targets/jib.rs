//! The configuration of Jib in pom.xml and build.gradle, and the shipit.toml that becomes of it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shipit::settings::{Given, Settings, Sources, Variables, from_jib};
use shipit_builders::jib;

fuzz_target!(|text: &str| {
    let memory = std::path::Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let Ok(folder) = tempfile::tempdir_in(parent) else { return };
    let name = if text.trim_start().starts_with('<') { "pom.xml" } else { "build.gradle" };
    if std::fs::write(folder.path().join(name), text).is_err() {
        return;
    }
    let Ok(configuration) = jib::read(folder.path(), folder.path()) else { return };
    let initial = from_jib(&configuration).text();
    if std::fs::write(folder.path().join("shipit.toml"), &initial).is_err() {
        return;
    }
    let (variables, flags) = (Variables::default(), Given::default());
    let sources = Sources { directory: Some(folder.path()), env: None, variables: &variables, flags: &flags };
    if let Err(error) = Settings::load(&sources) {
        panic!("{error}\n{initial}");
    }
});
