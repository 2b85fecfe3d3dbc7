//! How the sources meet, and what is said when they cannot.

use std::ffi::OsString;
use std::fs;
use std::time::Duration;

use clap::{Args, FromArgMatches};
use proptest::strategy::Strategy;
use tempfile::TempDir;

use super::*;
use crate::image::Platform;

/// A project's folder with a shipit.toml, and the rest of the world.
struct World {
    directory: TempDir,
    variables: Variables,
    flags: Given,
    env: Option<&'static str>,
}

impl World {
    fn new(file: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(FILE_NAME), file).unwrap();
        World { directory, variables: Variables::default(), flags: Given::default(), env: None }
    }

    fn variables<const N: usize>(mut self, variables: [(&str, &str); N]) -> Self {
        let variables = variables.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        self.variables = Variables::from_variables(variables).unwrap();
        self
    }

    fn flags<const N: usize>(mut self, flags: [&str; N]) -> Self {
        self.flags = parse(flags).unwrap();
        self
    }

    fn env(mut self, name: &'static str) -> Self {
        self.env = Some(name);
        self
    }

    fn load(&self) -> Result<Settings, SettingsError> {
        let directory = Some(self.directory.path());
        Settings::load(&Sources { directory, env: self.env, variables: &self.variables, flags: &self.flags })
    }

    /// What is said, with the folder's path left out.
    fn error(&self) -> String {
        let folder = format!("{}/", self.directory.path().display());
        self.load().unwrap_err().to_string().replace(&folder, "")
    }

    fn origin(&self, path: &str) -> String {
        let folder = format!("{}/", self.directory.path().display());
        self.load().unwrap().describe(path).replace(&folder, "")
    }
}

fn parse<const N: usize>(flags: [&str; N]) -> Result<Given, clap::Error> {
    type All = Flags<{ BUILD | IMAGE | REGISTRY | SERVICE }>;
    let matches = All::augment_args(clap::Command::new("shipit").no_binary_name(true)).try_get_matches_from(flags)?;
    All::from_arg_matches(&matches).map(|flags| flags.given)
}

#[test]
fn without_a_file_nothing_is_set() {
    let directory = tempfile::tempdir().unwrap();
    let (variables, flags) = (Variables::default(), Given::default());
    let sources = Sources { directory: Some(directory.path()), env: None, variables: &variables, flags: &flags };
    assert_eq!(Settings::load(&sources).unwrap(), Settings::default());
    assert_eq!(Settings::load(&Sources { directory: None, ..sources }).unwrap(), Settings::default());
}

#[test]
fn a_file_sets_every_kind_of_value() {
    let settings = World::new(
        r#"
        [build]
        tests = "run"
        maven-args = ["-Pproduction", "-q"]

        [image]
        platforms = ["linux/arm64"]
        ports = [8080, "8125/udp"]
        env = { TZ = "UTC", SERVER_PORT = 8080, RATIO = 0.50, DEBUG = true, EMPTY = "" }
        jvm-flags = []

        [service]
        cpu = "0.5 vCPU"
        memory = 1024
        desired-count = 2
        circuit-breaker = true
        timeout = "1h30m"

        [service.env]
        SPRING_PROFILES_ACTIVE = "aws"
        "#,
    )
    .load()
    .unwrap();
    assert_eq!(settings.build.tests, Some(TestsMode::Run));
    assert_eq!(settings.build.maven_args.unwrap(), ["-Pproduction", "-q"]);
    assert_eq!(settings.image.platforms.unwrap(), ["linux/arm64".parse::<Platform>().unwrap()]);
    let ports: Vec<String> =
        settings.image.ports.unwrap().iter().flat_map(|range| range.ports()).map(|port| port.to_string()).collect();
    assert_eq!(ports, ["8080/tcp", "8125/udp"]);
    let env: Vec<(&str, &str)> = settings.image.env.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(env, [("DEBUG", "true"), ("EMPTY", ""), ("RATIO", "0.50"), ("SERVER_PORT", "8080"), ("TZ", "UTC")]);
    assert_eq!(settings.image.jvm_flags, Some(Vec::new()));
    assert_eq!(settings.image.args, None);
    assert_eq!((settings.service.cpu, settings.service.memory), (Some(CpuUnits(512)), Some(Mebibytes(1024))));
    assert_eq!((settings.service.desired_count, settings.service.circuit_breaker), (Some(2), Some(true)));
    assert_eq!(settings.service.timeout, Some(Duration::from_secs(5400)));
    assert_eq!(settings.service.env["SPRING_PROFILES_ACTIVE"], "aws");
}

const PROMOTED: &str = r#"
[service]
cluster = "staging"
memory = 1024
env = { A = "file", B = "file", C = "file" }

[env.production.service]
cluster = "production"
memory = 2048
env.B = "production"
env.C = "production"
"#;

#[test]
fn each_source_wins_over_those_after_it() {
    let world = World::new(PROMOTED);
    assert_eq!(world.load().unwrap().service.cluster.as_deref(), Some("staging"));
    assert_eq!(world.origin("service.cluster"), "service.cluster (shipit.toml:3)");

    let world = world.env("production");
    assert_eq!(world.load().unwrap().service.cluster.as_deref(), Some("production"));
    assert_eq!(world.origin("service.cluster"), "service.cluster (shipit.toml:8)");

    let world = world.variables([("SHIPIT_SERVICE_CLUSTER", "variable"), ("SHIPIT_SERVICE_NAME", "")]);
    assert_eq!(world.load().unwrap().service.cluster.as_deref(), Some("variable"));
    assert_eq!(world.origin("service.cluster"), "service.cluster (SHIPIT_SERVICE_CLUSTER)");
    assert_eq!(world.load().unwrap().service.name, None, "an empty variable counts as not set");

    let world = world.flags(["--cluster", "flag"]);
    assert_eq!(world.load().unwrap().service.cluster.as_deref(), Some("flag"));
    assert_eq!(world.origin("service.cluster"), "service.cluster (--cluster)");
    assert_eq!(world.origin("service.memory"), "service.memory (shipit.toml:9)");
    assert_eq!(world.origin("service.cpu"), "service.cpu (default)");
}

#[test]
fn tables_are_merged_name_by_name() {
    let world = World::new(PROMOTED).env("production").variables([("SHIPIT_SERVICE_ENV", "C=variable\nD=a=b c\n")]);
    let settings = world.load().unwrap();
    let env: Vec<String> = settings.service.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(env, ["A=file", "B=production", "C=variable", "D=a=b c"]);
    assert_eq!(world.origin("service.env.A"), "service.env.A (shipit.toml:5)");
    assert_eq!(world.origin("service.env.B"), "service.env.B (shipit.toml:10)");
    assert_eq!(world.origin("service.env.D"), "service.env.D (SHIPIT_SERVICE_ENV)");
}

#[test]
fn variables_hold_lists_as_words_or_as_toml() {
    let world = World::new("").variables([
        ("SHIPIT_IMAGE_JVM_FLAGS", "-Xss512k -Xlog:gc,safepoint"),
        ("SHIPIT_IMAGE_ARGS", r#"["--greeting=good morning"]"#),
        ("SHIPIT_IMAGE_PORTS", "8080 53/udp"),
        ("SHIPIT_IMAGE_LABELS", r#"{ team = "shop" }"#),
        ("SHIPIT_SERVICE_CIRCUIT_BREAKER", "false"),
        ("SHIPIT_SERVICE_MEMORY", "2 GB"),
    ]);
    let settings = world.load().unwrap();
    assert_eq!(settings.image.jvm_flags.unwrap(), ["-Xss512k", "-Xlog:gc,safepoint"]);
    assert_eq!(settings.image.args.unwrap(), ["--greeting=good morning"]);
    assert_eq!(settings.image.ports.unwrap().len(), 2);
    assert_eq!(settings.image.labels["team"], "shop");
    assert_eq!(settings.service.circuit_breaker, Some(false));
    assert_eq!(settings.service.memory, Some(Mebibytes(2048)));
}

#[test]
fn flags_turn_switches_on_and_off_and_the_last_one_holds() {
    let switch = |flags: [&str; 2]| World::new("").flags(flags).load().unwrap().service.circuit_breaker;
    assert_eq!(switch(["--circuit-breaker", "--no-circuit-breaker"]), Some(false));
    assert_eq!(switch(["--no-circuit-breaker", "--circuit-breaker"]), Some(true));
    let world = World::new("[service]\ncircuit-breaker = true\n").flags(["--no-circuit-breaker"]);
    assert_eq!(world.load().unwrap().service.circuit_breaker, Some(false));
    assert_eq!(world.origin("service.circuit-breaker"), "service.circuit-breaker (--no-circuit-breaker)");
}

#[test]
fn a_flag_that_takes_a_list_is_given_once_per_value() {
    let settings = World::new("[image]\nplatforms = [\"linux/386\"]\n")
        .flags(["--platform", "linux/amd64", "--platform=linux/arm64", "--service-name", "shop"])
        .load()
        .unwrap();
    let platforms: Vec<String> = settings.image.platforms.unwrap().iter().map(Platform::to_string).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
    assert_eq!(settings.service.name.as_deref(), Some("shop"));
}

#[test]
fn a_bad_flag_is_told_with_its_name_and_an_example() {
    let text = parse(["--timeout", "15"]).unwrap_err().to_string();
    insta::assert_snapshot!(text.lines().next().unwrap(), @r#"error: invalid value '15' for '--timeout <DURATION>': expected a duration in hours (h), minutes (m) and seconds (s), found '15'; example: "30m""#);
    assert!(parse(["--tests", "maybe"]).is_err());
    assert!(parse(["--platform", "amd64"]).is_err());
}

#[test]
fn a_command_takes_the_flags_of_its_sections_alone() {
    let command = Flags::<{ BUILD | IMAGE }>::augment_args(clap::Command::new("build"));
    command.clone().debug_assert();
    let names: Vec<&str> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
    assert_eq!(names[..6], ["module", "jar", "tests", "base", "platform", "user"]);
    assert!(names.contains(&"source") && !names.contains(&"repository") && !names.contains(&"cluster"), "{names:?}");
    Flags::<{ BUILD | IMAGE | REGISTRY | SERVICE }>::augment_args(clap::Command::new("all")).debug_assert();
}

#[test]
fn a_bad_variable_is_told_with_its_name() {
    let error = |name, value| World::new("").variables([(name, value)]).error();
    insta::assert_snapshot!(error("SHIPIT_SERVICE_MEMORY", "much"), @r#"the variable SHIPIT_SERVICE_MEMORY: service.memory: expected MiB, or a number with MB or GB, found 'much'; example: memory = "2 GB""#);
    insta::assert_snapshot!(error("SHIPIT_SERVICE_CIRCUIT_BREAKER", "yes"), @"the variable SHIPIT_SERVICE_CIRCUIT_BREAKER: service.circuit-breaker: expected true or false, found 'yes'; example: circuit-breaker = true");
    insta::assert_snapshot!(error("SHIPIT_IMAGE_ARGS", "[\"open"), @r#"the variable SHIPIT_IMAGE_ARGS: image.args: expected a list of texts in quotes, unclosed array, expected `]`; example: args = ["--spring.profiles.active=aws"]"#);
    let told = error("SHIPIT_SERVICE_ENV", "DB_PASSWORD: hunter2");
    assert!(told.starts_with("the variable SHIPIT_SERVICE_ENV") && !told.contains("hunter2"), "{told}");
}

#[test]
fn variables_that_are_nearly_settings_are_noticed() {
    let world = World::new("").variables([
        ("SHIPIT_IMAGE_BSAE", "x"),
        ("SHIPIT_ENV", "production"),
        ("SHIPIT_IMAGE_BASE", "x"),
        ("SHIPIT_SOMETHING_ELSE", "x"),
        ("SHIPPING", "x"),
    ]);
    assert_eq!(
        unknown_variables(&world.variables),
        [
            "the variable SHIPIT_IMAGE_BSAE is no setting; did you mean SHIPIT_IMAGE_BASE?",
            "the variable SHIPIT_SOMETHING_ELSE is no setting",
        ]
    );
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_text_is_an_error() {
    use std::os::unix::ffi::OsStringExt;
    let value = OsString::from_vec(vec![0xff]);
    let error = Variables::from_variables([("SHIPIT_IMAGE_BASE".into(), value.clone())]).unwrap_err();
    assert_eq!(error.to_string(), "the variable SHIPIT_IMAGE_BASE is not valid UTF-8");
    assert!(Variables::from_variables([("OTHER".into(), value)]).is_ok());
}

#[test]
fn an_unknown_environment_is_an_error() {
    let error = |file, env| World::new(file).env(env).error();
    assert_eq!(
        error(PROMOTED, "prodution"),
        "no environment 'prodution': shipit.toml has 'production'; did you mean that?"
    );
    assert_eq!(error(PROMOTED, "qa"), "no environment 'qa': shipit.toml has production");
    assert_eq!(error("", "qa"), "no environment 'qa': shipit.toml has no [env.qa.…] table");
}

#[test]
fn unknown_keys_are_shown_with_their_place_and_the_nearest_known_one() {
    insta::assert_snapshot!(World::new("[image]\nuser = \"1000\"\nbsae = \"x\"\n").error(), @r#"
    shipit.toml:3:1: unknown key 'bsae' in [image]; did you mean 'base'?
       |
     3 | bsae = "x"
       | ^^^^
    "#);
    insta::assert_snapshot!(World::new("[serivce]\n").error(), @r"
    shipit.toml:1:2: unknown key 'serivce'; did you mean 'service'?
       |
     1 | [serivce]
       |  ^^^^^^^
    ");
    insta::assert_snapshot!(World::new("repository = \"shop\"\n").error(), @r#"
    shipit.toml:1:1: unknown key 'repository'; 'repository' is a setting of [registry]
       |
     1 | repository = "shop"
       | ^^^^^^^^^^
    "#);
    insta::assert_snapshot!(World::new("[image]\ncluster = \"x\"\n").error(), @r#"
    shipit.toml:2:1: unknown key 'cluster' in [image]; 'cluster' is a setting of [service]
       |
     2 | cluster = "x"
       | ^^^^^^^
    "#);
    insta::assert_snapshot!(World::new("[registry]\nwheels = []\n").error(), @r"
    shipit.toml:2:1: unknown key 'wheels' in [registry]; known are repository, ecr-endpoint, ecr-image-host, insecure, timeout, region, profile
       |
     2 | wheels = []
       | ^^^^^^
    ");
    insta::assert_snapshot!(World::new("[env.prod.service]\nmemroy = 1\n").error(), @r"
    shipit.toml:2:1: unknown key 'memroy' in [env.prod.service]; did you mean 'memory'?
       |
     2 | memroy = 1
       | ^^^^^^
    ");
    insta::assert_snapshot!(World::new("[env.prod.build]\njar = \"x\"\n").error(), @r"
    shipit.toml:1:11: [build] cannot differ per environment; [env.prod] may have image, registry, service
       |
     1 | [env.prod.build]
       |           ^^^^^
    ");
    insta::assert_snapshot!(World::new("[env.prod]\ncluster = \"x\"\n").error(), @r#"
    shipit.toml:2:1: unknown key 'cluster' in [env.prod]; 'cluster' is a setting of [env.prod.service]
       |
     2 | cluster = "x"
       | ^^^^^^^
    "#);
}

#[test]
fn values_of_another_type_are_shown_with_what_was_expected() {
    insta::assert_snapshot!(World::new("[service]\nmemory = true\n").error(), @r#"
    shipit.toml:2:10: service.memory: expected MiB, or a number with MB or GB, found a boolean; example: memory = "2 GB"
       |
     2 | memory = true
       |          ^^^^
    "#);
    insta::assert_snapshot!(World::new("[service]\n\n  desired-count = \"2\"\n").error(), @r#"
    shipit.toml:3:19: service.desired-count: expected a whole number from 0 on, found text; example: desired-count = 2
       |
     3 |   desired-count = "2"
       |                   ^^^
    "#);
    insta::assert_snapshot!(World::new("[image]\nports = [\n  8080,\n  70000,\n]\n").error(), @r#"
    shipit.toml:4:3: image.ports: expected a list of ports from 1 to 65535 or ranges of them, with or without /tcp or /udp, found 70000; example: ports = [8080, "8000-8010/tcp", "8125/udp"]
       |
     4 |   70000,
       |   ^^^^^
    "#);
    insta::assert_snapshot!(World::new("[image]\nplatforms = \"linux/amd64\"\n").error(), @r#"
    shipit.toml:2:13: image.platforms: expected a list of platforms, as linux/amd64, found text; example: platforms = ["linux/arm64"]
       |
     2 | platforms = "linux/amd64"
       |             ^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(World::new("[image.env]\nA = [1]\n").error(), @r#"
    shipit.toml:2:5: image.env: expected a table of names and texts, found a list; example: env = { TZ = "UTC" }
       |
     2 | A = [1]
       |     ^^^
    "#);
    insta::assert_snapshot!(World::new("[env.a.service]\ntimeout = 15\n").error(), @r#"
    shipit.toml:2:11: env.a.service.timeout: expected a duration in hours (h), minutes (m) and seconds (s), found a number; example: timeout = "30m"
       |
     2 | timeout = 15
       |           ^^
    "#);
    insta::assert_snapshot!(World::new("image = 5\n").error(), @r"
    shipit.toml:1:1: 'image' must be a table: [image]
       |
     1 | image = 5
       | ^^^^^
    ");
    insta::assert_snapshot!(World::new("[service]\ndesired-count = 99999999999999999999\n").error(), @r"
    shipit.toml:2:17: service.desired-count: expected a whole number from 0 on, found 99999999999999999999; example: desired-count = 2
       |
     2 | desired-count = 99999999999999999999
       |                 ^^^^^^^^^^^^^^^^^^^^
    ");
    insta::assert_snapshot!(World::new("[image]\nbase = 1979-05-27\n").error(), @r#"
    shipit.toml:2:8: image.base: expected text in quotes, found a date or time; example: base = "public.ecr.aws/docker/library/eclipse-temurin:21-jre"
       |
     2 | base = 1979-05-27
       |        ^^^^^^^^^^
    "#);
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_no_problem() {
    let world = World::new("\u{feff}[image]\r\nbase = \"a\"\r\n\r\n[service]\r\nname = \"b\"\r\n");
    assert_eq!(world.load().unwrap().image.base.as_deref(), Some("a"));
    assert_eq!(world.origin("service.name"), "service.name (shipit.toml:5)");
}

#[test]
fn the_environment_may_be_named_by_a_variable() {
    let world = World::new(PROMOTED).variables([("SHIPIT_ENV", "production")]);
    assert_eq!(world.load().unwrap().service.cluster.as_deref(), Some("production"));
    assert!(world.env("qa").load().is_err(), "the flag wins");
}

#[test]
fn toml_that_is_none_is_shown_with_its_place() {
    insta::assert_snapshot!(World::new("[image]\nbase = eclipse-temurin:21\n").error(), @r"
    shipit.toml:2:8: string values must be quoted, expected literal string
       |
     2 | base = eclipse-temurin:21
       |        ^^^^^^^^^^^^^^^^^^
    ");
    insta::assert_snapshot!(World::new("[image]\nbase = \"a\"\nbase = \"b\"\n").error(), @r#"
    shipit.toml:3:1: duplicate key
       |
     3 | base = "b"
       | ^^^^
    "#);
    let world = World::new("");
    fs::write(world.directory.path().join(FILE_NAME), [0xff, 0xfe]).unwrap();
    assert_eq!(world.error(), "shipit.toml cannot be read");
}

proptest::proptest! {
    #[test]
    fn no_file_makes_the_parser_panic(
        lines in proptest::collection::vec(
            proptest::prop_oneof![
                proptest::sample::select(&[
                    "[image]", "[service]", "[env.a.service]", "[env]", "[[image]]", "ports = [80, \"x\"", "]", "env.A = 1",
                    "cpu = 0x1_0", "timeout = \"9h\"", "memory = 1e3", "\"ü\" = '''", "env = { A = [ { } ] }", "'''",
                ]).prop_map(str::to_owned),
                ".{0,20}",
            ],
            0..12,
        ),
        ends in proptest::sample::select(&["\n", "\r\n", "\r", " "]),
    ) {
        match file::File::parse(Path::new(FILE_NAME), lines.join(ends)) {
            Ok(_) => {}
            Err(error) => assert!(error.to_string().starts_with("shipit.toml:"), "{error}"),
        }
    }

    #[test]
    fn no_variable_makes_a_setting_panic(text in "[\\[{]?.{0,30}") {
        for setting in setting::all() {
            let _ = (setting.check)(&value::Item::raw(&text));
        }
    }
}

#[test]
fn deep_nesting_does_not_overflow_the_stack() {
    for source in [format!("a = {}{}", "[".repeat(20_000), "]".repeat(20_000)), format!("{}a = 1", "a.".repeat(20_000))]
    {
        assert!(file::File::parse(Path::new(FILE_NAME), source).is_err());
    }
}
