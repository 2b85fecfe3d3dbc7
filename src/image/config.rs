//! The image configuration (OCI image-spec 1.1, config.md): what the base says, and what the application adds.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Digest;
use super::base::BaseImage;
use super::health_check::HealthCheck;
use super::stop_signal::StopSignal;

/// Spring Boot's own default port.
pub const DEFAULT_PORT: &str = "8080/tcp";

/// The user that an application runs as where the base's is root: the `nonroot` of many minimal images.
pub const NON_ROOT: &str = "65532:65532";

/// That user has no home of its own; this folder can be written to by anybody.
const NON_ROOT_HOME: &str = "/tmp";

/// What the application and its settings add to the base's configuration.
#[derive(Debug, Clone)]
pub struct Runtime {
    /// The whole command: `java`, flags, `-jar application.jar`.
    pub entrypoint: Vec<String>,
    /// Arguments after it.
    pub args: Vec<String>,
    pub workdir: String,
    /// `None` leaves the base's user, or takes [`NON_ROOT`] where that is root.
    pub user: Option<String>,
    /// `8080/tcp`
    pub ports: Vec<String>,
    /// Beside, or in place of, the base's.
    pub env: BTreeMap<String, String>,
    /// Beside, or in place of, the base's.
    pub labels: BTreeMap<String, String>,
    /// Absolute paths, besides the base's.
    pub volumes: Vec<String>,
    /// `None` leaves the base's.
    pub stop_signal: Option<StopSignal>,
    pub health_check: HealthCheck,
    /// RFC 3339.
    pub created: String,
}

/// Makes the configuration. Keys that shipit does not know pass from the base as they are.
pub fn configure(base: &BaseImage, layers: &[(String, Digest)], runtime: &Runtime) -> Value {
    let mut config = base.config.as_object().cloned().unwrap_or_default();
    // Docker's own, about the container that the base was committed from.
    for stale in ["container", "container_config", "docker_version", "id", "parent"] {
        config.remove(stale);
    }
    config.insert("created".to_owned(), json!(runtime.created));
    config.insert("config".to_owned(), Value::Object(execution(object(&base.config, "config"), runtime)));

    let mut diff_ids: Vec<Value> =
        base.config.pointer("/rootfs/diff_ids").and_then(Value::as_array).cloned().unwrap_or_default();
    diff_ids.extend(layers.iter().map(|(_, diff_id)| json!(diff_id)));
    config.insert("rootfs".to_owned(), json!({ "type": "layers", "diff_ids": diff_ids }));

    let mut history = base_history(base);
    history.extend(layers.iter().map(|(name, _)| {
        json!({ "created": runtime.created, "created_by": "shipit", "comment": format!("{name} of the application") })
    }));
    config.insert("history".to_owned(), Value::Array(history));
    Value::Object(config)
}

/// The base's history, where it tells of as many layers as there are; tools count them. Else one line for each layer.
fn base_history(base: &BaseImage) -> Vec<Value> {
    let layers = base.manifest.layers.len();
    let history = base.config.get("history").and_then(Value::as_array).cloned().unwrap_or_default();
    let empty = |entry: &Value| entry.get("empty_layer").and_then(Value::as_bool).unwrap_or(false);
    if history.iter().filter(|entry| !empty(entry)).count() == layers {
        return history;
    }
    (0..layers).map(|_| json!({ "comment": format!("layer of {}", base.name) })).collect()
}

fn object(parent: &Value, key: &str) -> Map<String, Value> {
    parent.get(key).and_then(Value::as_object).cloned().unwrap_or_default()
}

fn execution(mut base: Map<String, Value>, runtime: &Runtime) -> Map<String, Value> {
    let mut env = runtime.env.clone();
    let base_user = base.get("User").and_then(Value::as_str).unwrap_or_default().to_owned();
    let user = match &runtime.user {
        Some(user) => user.clone(),
        None if is_root(&base_user) => {
            env.entry("HOME".to_owned()).or_insert_with(|| NON_ROOT_HOME.to_owned());
            NON_ROOT.to_owned()
        }
        None => base_user,
    };
    base.insert("User".to_owned(), json!(user));
    base.insert("WorkingDir".to_owned(), json!(runtime.workdir));
    base.insert("Entrypoint".to_owned(), json!(runtime.entrypoint));
    // The base's arguments were meant for the base's entrypoint.
    base.remove("Cmd");
    if !runtime.args.is_empty() {
        base.insert("Cmd".to_owned(), json!(runtime.args));
    }
    let merged = merge_env(base.get("Env"), env);
    base.insert("Env".to_owned(), json!(merged));
    let add = |map: Option<&Value>, more: Map<String, Value>| {
        let mut all = map.and_then(Value::as_object).cloned().unwrap_or_default();
        all.extend(more);
        (!all.is_empty()).then_some(Value::Object(all))
    };
    let ports = runtime.ports.iter().map(|port| (port.clone(), json!({}))).collect();
    let labels = runtime.labels.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    let volumes = runtime.volumes.iter().map(|volume| (volume.clone(), json!({}))).collect();
    let stop_signal = runtime.stop_signal.as_ref().map(|signal| json!(signal.to_string()));
    for (key, value) in [
        ("ExposedPorts", add(base.get("ExposedPorts"), ports)),
        ("Labels", add(base.get("Labels"), labels)),
        ("Volumes", add(base.get("Volumes"), volumes)),
        ("StopSignal", stop_signal.or_else(|| base.get("StopSignal").cloned())),
        ("Healthcheck", runtime.health_check.over(base.get("Healthcheck"))),
    ] {
        match value {
            Some(value) => base.insert(key.to_owned(), value),
            None => base.remove(key),
        };
    }
    base
}

/// The base's variables keep their order; ours take the place of those with the same name, or follow by name.
fn merge_env(base: Option<&Value>, mut ours: BTreeMap<String, String>) -> Vec<String> {
    let base = base.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut merged: Vec<String> = base
        .map(|line| {
            let name = line.split_once('=').map_or(line, |(name, _)| name);
            ours.remove(name).map_or_else(|| line.to_owned(), |value| format!("{name}={value}"))
        })
        .collect();
    merged.extend(ours.into_iter().map(|(name, value)| format!("{name}={value}")));
    merged
}

/// Whether a `User` of a configuration (`user`, `uid`, `user:group`, …) is root; nothing said means root.
fn is_root(user: &str) -> bool {
    matches!(user.split(':').next(), None | Some("" | "root" | "0"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Descriptor, Manifest, MediaType};

    fn base(config: Value) -> BaseImage {
        let layer = Descriptor::of(MediaType::OCI_LAYER_GZIP, b"layer");
        BaseImage {
            name: "example.com/jre:21".to_owned(),
            digest: Digest::of(b"base"),
            manifest: Manifest {
                schema_version: 2,
                media_type: None,
                artifact_type: None,
                config: Descriptor::of(MediaType::OCI_CONFIG, b"{}"),
                layers: vec![layer],
                annotations: BTreeMap::new(),
            },
            config,
        }
    }

    fn runtime() -> Runtime {
        Runtime {
            entrypoint: vec!["java".to_owned(), "-jar".to_owned(), "application.jar".to_owned()],
            args: Vec::new(),
            workdir: "/app".to_owned(),
            user: None,
            ports: vec!["8080/tcp".to_owned()],
            env: BTreeMap::from([("LANG".to_owned(), "C".to_owned()), ("A".to_owned(), "1".to_owned())]),
            labels: BTreeMap::new(),
            volumes: Vec::new(),
            stop_signal: None,
            health_check: HealthCheck::default(),
            created: "1980-01-01T00:00:00Z".to_owned(),
        }
    }

    #[test]
    fn the_base_is_inherited_and_overlaid() {
        let base = base(json!({
            "architecture": "amd64", "os": "linux", "docker_version": "20.10", "container": "abc",
            "config": {
                "Env": ["PATH=/opt/java/bin", "LANG=en_US.UTF-8"], "Cmd": ["jshell"], "Entrypoint": ["/entry.sh"],
                "Labels": {"of": "base"}, "Healthcheck": {"Test": ["NONE"]}, "ExposedPorts": {"9000/tcp": {}},
            },
            "rootfs": {"type": "layers", "diff_ids": [Digest::of(b"tar")]},
            "history": [{"created_by": "a"}, {"created_by": "b", "empty_layer": true}],
        }));
        let config = configure(&base, &[("application".to_owned(), Digest::of(b"own"))], &runtime());

        assert_eq!(config["config"]["Env"], json!(["PATH=/opt/java/bin", "LANG=C", "A=1", "HOME=/tmp"]));
        assert_eq!(config["config"]["User"], "65532:65532");
        assert_eq!(config["config"].get("Cmd"), None, "the base's arguments belong to its entrypoint");
        assert_eq!(config["config"]["Labels"], json!({"of": "base"}));
        assert_eq!(config["config"]["Healthcheck"], json!({"Test": ["NONE"]}), "unknown keys pass");
        assert_eq!(config["config"]["ExposedPorts"], json!({"8080/tcp": {}, "9000/tcp": {}}));
        assert_eq!(config["rootfs"]["diff_ids"], json!([Digest::of(b"tar"), Digest::of(b"own")]));
        assert_eq!(config["history"].as_array().map(Vec::len), Some(3));
        assert_eq!(config.get("docker_version"), None);
    }

    #[test]
    fn a_user_of_the_base_stays_unless_it_is_root() {
        for (user, expected) in
            [("", NON_ROOT), ("root", NON_ROOT), ("0:0", NON_ROOT), ("app", "app"), ("1000", "1000")]
        {
            let config = configure(&base(json!({"config": {"User": user}})), &[], &runtime());
            assert_eq!(config["config"]["User"], expected, "{user}");
        }
        let chosen = Runtime { user: Some("0".to_owned()), ..runtime() };
        assert_eq!(configure(&base(json!({})), &[], &chosen)["config"]["User"], "0");
    }

    #[test]
    fn volumes_and_the_stop_signal_are_added_to_the_bases() {
        let base = base(json!({"config": {"Volumes": {"/of/base": {}}, "StopSignal": "SIGQUIT"}}));
        assert_eq!(configure(&base, &[], &runtime())["config"]["StopSignal"], "SIGQUIT");
        let own = Runtime { volumes: vec!["/data".to_owned()], stop_signal: "SIGINT".parse().ok(), ..runtime() };
        let config = configure(&base, &[], &own);
        assert_eq!(config["config"]["Volumes"], json!({"/data": {}, "/of/base": {}}));
        assert_eq!(config["config"]["StopSignal"], "SIGINT");
    }

    #[test]
    fn a_history_that_does_not_add_up_is_replaced() {
        let config = configure(&base(json!({"history": []})), &[], &runtime());
        assert_eq!(config["history"], json!([{"comment": "layer of example.com/jre:21"}]));
    }
}
