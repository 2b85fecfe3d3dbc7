//! shipit.toml and shipit.lock.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use shipit::settings::{Given, Lock, Settings, Sources, Variables};

fuzz_target!(|text: &str| {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let Ok(folder) = tempfile::tempdir_in(parent) else { return };
    for name in ["shipit.toml", "shipit.lock"] {
        if std::fs::write(folder.path().join(name), text).is_err() {
            return;
        }
    }
    let (variables, flags) = (Variables::default(), Given::default());
    for env in [None, Some("production")] {
        let loaded =
            Settings::load(&Sources { directory: Some(folder.path()), env, variables: &variables, flags: &flags });
        if let Err(error) = loaded {
            assert!(!error.to_string().is_empty());
        }
    }
    if let Ok(Some(lock)) = Lock::read(&folder.path().join("shipit.lock")) {
        let copy = folder.path().join("copy");
        assert!(lock.write(&copy).is_ok());
        assert_eq!(Lock::read(&copy).ok().flatten(), Some(lock));
    }
});
