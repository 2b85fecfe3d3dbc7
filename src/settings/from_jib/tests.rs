use super::*;
use shipit_builders::jib::{JibOption, OPTIONS, Problem};

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn list(words: &[&str]) -> Value {
    Value::List(words.iter().map(|word| (*word).to_owned()).collect())
}

fn taken(options: &[(&str, Value)]) -> Initial {
    let options = options.iter().map(|(name, value)| JibOption { name: (*name).to_owned(), value: value.clone() });
    from_jib(&JibConfiguration { options: options.collect(), ..JibConfiguration::default() })
}

fn chosen(name: &str, value: Value, path: &str) -> Option<String> {
    taken(&[(name, value)]).chosen(path).map(str::to_owned)
}

#[test]
fn every_name_in_the_table_is_an_option_of_jib() {
    for setting in setting::all().iter().filter(|setting| !setting.jib.is_empty()) {
        let known = |name: &&str| OPTIONS.iter().any(|(option, _)| option == name);
        let names =
            setting.jib.split(|c: char| c.is_whitespace() || ",`()".contains(c)).filter(|name| name.contains('.'));
        for name in names {
            assert!(known(&name), "{}: Jib has no {name}", setting.path);
        }
        assert!(OPTIONS.iter().any(|(option, _)| counterpart(option).is_some_and(|found| found.path == setting.path)));
    }
}

#[test]
fn every_option_is_set_or_named() {
    use shipit_builders::jib::Form;
    for (name, form) in OPTIONS {
        let value = match form {
            Form::Text => text("true"),
            Form::List | Form::Platforms => list(&["linux/arm64"]),
            Form::Table | Form::Permissions => Value::Table(vec![("/a".to_owned(), "755".to_owned())]),
            Form::Directories => {
                Value::Directories(vec![ExtraDirectory { from: "x".to_owned(), ..ExtraDirectory::default() }])
            }
            Form::Secret | Form::Opaque => Value::Opaque,
        };
        let initial = taken(&[(name, value)]);
        assert!(!initial.is_plain() || initial.leftovers.iter().any(|remark| remark.about == *name), "{name} got lost");
    }
}

#[test]
fn values_are_set_in_the_form_that_their_setting_takes() {
    let env = Value::Table(vec![("TZ".to_owned(), "UTC".to_owned()), ("a.b".to_owned(), "\"".to_owned())]);
    assert_eq!(chosen("container.environment", env, "image.env").unwrap(), r#"{ TZ = "UTC", "a.b" = "\"" }"#);
    assert_eq!(chosen("container.ports", list(&["8080", "53/udp"]), "image.ports").unwrap(), r#"[8080, "53/udp"]"#);
    assert_eq!(chosen("container.user", text("1000"), "image.user").unwrap(), "\"1000\"");
    assert_eq!(chosen("from.platforms", list(&["linux/arm64"]), "image.platforms").unwrap(), r#"["linux/arm64"]"#);
    assert_eq!(chosen("container.jvmFlags", list(&[]), "image.jvm-flags").unwrap(), "[]");
}

#[test]
fn an_image_without_a_registry_is_one_of_docker_hub() {
    let repository = |image: &str| chosen("to.image", text(image), "registry.repository").unwrap();
    assert_eq!(repository("team/shop"), "\"docker.io/team/shop\"");
    assert_eq!(repository("shop:1"), "\"docker.io/library/shop\"");
    assert_eq!(repository("localhost:5000/shop:1"), "\"localhost:5000/shop\"");
    let ecr = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop";
    assert_eq!(repository(ecr), format!("\"{ecr}\""));
    let tagged = taken(&[("to.image", text("r.example/shop:v1"))]);
    assert!(tagged.text().contains("Without Jib's tag 'v1'"), "{}", tagged.text());
}

#[test]
fn registries_without_tls_are_named() {
    let initial = taken(&[("to.image", text("r.example:5000/shop")), ("allowInsecureRegistries", text("true"))]);
    assert_eq!(initial.chosen("registry.insecure"), Some(r#"["r.example:5000"]"#));
    let initial = taken(&[("allowInsecureRegistries", text("false"))]);
    assert!(initial.is_plain() && initial.leftovers.is_empty());
}

#[test]
fn what_cannot_be_taken_over_is_in_the_file_and_says_whether_it_matters() {
    let jib = JibConfiguration {
        options: vec![
            JibOption { name: "to.auth".to_owned(), value: Value::Opaque },
            JibOption { name: "container.appRoot".to_owned(), value: text("/srv") },
        ],
        problems: vec![Problem {
            about: "build.gradle:3".to_owned(),
            text: "'if (x)\n[bad]' is not followed".to_owned(),
        }],
        ..JibConfiguration::default()
    };
    let initial = from_jib(&jib);
    let matters: Vec<_> = initial.leftovers.iter().map(|remark| (&*remark.about, remark.matters)).collect();
    assert_eq!(matters, [("to.auth", false), ("container.appRoot", true), ("build.gradle:3", true)]);
    let text = initial.text();
    assert!(text.contains("# - container.appRoot: has no counterpart"), "{text}");
    assert!(text.lines().all(|line| !line.starts_with("[bad]")), "{text}");
    assert!(text.contains("Docker's config.json"), "{text}");
}
