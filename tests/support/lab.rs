use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The servers that `lab/start` started: an emulated AWS with a container engine behind it, and a registry that holds
/// a JRE base image.
pub struct Lab {
    addresses: HashMap<String, String>,
}

impl Lab {
    /// The lab whose folder is in SHIPIT_LAB. Panics where there is none: the test needs `make test`.
    pub fn get() -> &'static Lab {
        static LAB: OnceLock<Lab> = OnceLock::new();
        LAB.get_or_init(|| {
            let dir = std::env::var("SHIPIT_LAB").expect("this test needs the lab: run make test");
            let text = std::fs::read_to_string(PathBuf::from(&dir).join("env"))
                .unwrap_or_else(|error| panic!("no lab runs in {dir}: {error}"));
            let addresses = text
                .lines()
                .filter_map(|line| line.split_once('='))
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect();
            Lab { addresses }
        })
    }

    fn value(&self, key: &str) -> &str {
        self.addresses.get(key).unwrap_or_else(|| panic!("the lab does not say its {key}"))
    }

    /// `http://127.0.0.1:PORT`, for AWS_ENDPOINT_URL.
    pub fn endpoint_url(&self) -> &str {
        self.value("AWS_ENDPOINT_URL")
    }

    /// The emulator as `host:port`; its /v2 is the registry of account 000000000000.
    pub fn emulator(&self) -> &str {
        self.value("LAB_EMULATOR")
    }

    pub fn region(&self) -> &str {
        self.value("AWS_REGION")
    }

    /// The registry of the base image as `host:port`: plain http, no password, anybody may push.
    pub fn registry(&self) -> &str {
        self.value("LAB_REGISTRY")
    }

    /// Reference of the base image: a JRE 17, linux/amd64, one gzip layer.
    pub fn base(&self) -> &str {
        self.value("LAB_BASE")
    }

    /// The same base image as an OCI layout, tagged 17.
    pub fn base_layout(&self) -> PathBuf {
        PathBuf::from(self.value("LAB_BASE_LAYOUT"))
    }

    /// The `docker` client, pointed to the engine that the emulator uses.
    pub fn docker(&self) -> Command {
        let mut command = Command::new("docker");
        command.env("DOCKER_HOST", self.value("LAB_ENGINE"));
        command
    }

    /// A script of the lab's folder, such as `service`.
    pub fn script(&self, name: &str) -> Command {
        script(name)
    }
}

pub(super) fn script(name: &str) -> Command {
    Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/lab").to_owned() + "/" + name)
}
