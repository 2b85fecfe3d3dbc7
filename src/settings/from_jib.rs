//! The settings that do what a configuration of Jib does. Which setting is whose counterpart stands in the table.

use shipit_builders::jib::{ExtraDirectory, JibConfiguration, Value};

use super::initial::{Initial, Remark, quoted, spellings, table};
use super::setting::{self, Setting};
use super::value::Shape;

/// Chooses the settings that do what `jib` says, and names what has no counterpart.
pub fn from_jib(jib: &JibConfiguration) -> Initial {
    let mut initial = Initial::default();
    for option in &jib.options {
        let why_not = match take(&option.name, &option.value, jib, &mut initial) {
            Ok(()) => continue,
            Err(why_not) => why_not,
        };
        initial.leftovers.push(Remark { about: option.name.clone(), text: why_not.text, matters: why_not.matters });
    }
    for problem in &jib.problems {
        initial.leftovers.push(Remark { about: problem.about.clone(), text: problem.text.clone(), matters: true });
    }
    differences(jib, &mut initial);
    initial
}

/// Why an option is not taken over: a clause whose subject is the option.
struct WhyNot {
    text: String,
    matters: bool,
}

fn lost(text: impl Into<String>) -> WhyNot {
    WhyNot { text: text.into(), matters: true }
}

fn settled(text: impl Into<String>) -> WhyNot {
    WhyNot { text: text.into(), matters: false }
}

/// The setting whose note names Jib's option `name`.
fn counterpart(name: &str) -> Option<&'static Setting> {
    let names = |setting: &&Setting| {
        setting.jib.split(|c: char| c.is_whitespace() || ",`()".contains(c)).any(|named| named == name)
    };
    setting::all().iter().find(names)
}

fn take(name: &str, value: &Value, jib: &JibConfiguration, initial: &mut Initial) -> Result<(), WhyNot> {
    match (name, value) {
        ("from.auth" | "to.auth", _) => Err(settled(
            "is not copied, as passwords belong into no file of a project. shipit reads registry credentials from \
             Docker's config.json (`docker login`, or its folder in DOCKER_CONFIG), and those of ECR from AWS",
        )),
        ("from.credHelper" | "to.credHelper", _) => {
            Err(settled("goes into credHelpers of Docker's config.json, where shipit reads it; for ECR none is needed"))
        }
        ("from.image", Value::Text(image)) => base(image, initial),
        ("to.image", Value::Text(image)) => target(image, initial),
        ("to.tags", Value::List(tags)) => {
            Err(settled(format!("is {}; shipit tags an image with the build's date, time and commit", tags.join(", "))))
        }
        ("allowInsecureRegistries", Value::Text(allowed)) => match &**allowed {
            "true" => insecure(jib, initial),
            _ => Ok(()),
        },
        ("containerizingMode", Value::Text(mode)) => Err(settled(format!(
            "is '{mode}'; shipit runs the application from a jar of its classes beside its libraries, as Jib's \
             'packaged' does"
        ))),
        ("container.entrypoint", Value::List(words)) if words.iter().map(String::as_str).eq(["INHERIT"]) => {
            Err(lost("is INHERIT; shipit always says how the application is started"))
        }
        ("container.creationTime", Value::Text(time)) if time == "EPOCH" => {
            Err(settled("is EPOCH, Jib's default; shipit takes the commit's time, which is as reproducible"))
        }
        ("container.filesModificationTime", Value::Text(time)) if time == "EPOCH_PLUS_SECOND" => Err(settled(
            "is EPOCH_PLUS_SECOND, Jib's default; shipit takes the commit's time in the application's layer",
        )),
        ("container.ports", Value::List(ports)) => {
            let expanded = ports.iter().flat_map(|range| expand(range)).collect::<Vec<_>>();
            let spelled = spellings(Shape::List, ports).into_iter().chain(spellings(Shape::List, &expanded));
            choose(name, &spelled.collect::<Vec<_>>(), initial)
        }
        ("extraDirectories.paths", Value::Directories(directories)) => extra_directories(directories, initial),
        ("extraDirectories.permissions", Value::Table(_)) if counterpart(name).is_none() => {
            Err(lost("has no counterpart in this version of shipit"))
        }
        (_, Value::Text(text)) => choose(name, &spellings(Shape::One, std::slice::from_ref(text)), initial),
        (_, Value::List(values)) => choose(name, &spellings(Shape::List, values), initial),
        (_, Value::Table(entries)) => {
            let entries: Vec<_> = entries.iter().map(|(name, value)| (name.clone(), quoted(value))).collect();
            choose(name, &[table(&entries)], initial)
        }
        (_, Value::Directories(_) | Value::Opaque) => Err(unmatched(name)),
    }
}

/// Gives the counterpart of `name` the first of the spellings that it takes.
fn choose(name: &str, spellings: &[String], initial: &mut Initial) -> Result<(), WhyNot> {
    let Some(setting) = counterpart(name) else { return Err(unmatched(name)) };
    if initial.choose(&setting.path, spellings) {
        initial.remark(&setting.path, format!("Jib: {name}."));
        return Ok(());
    }
    let value = spellings.first().map_or("", String::as_str);
    Err(lost(format!("is {value}, which {} does not take: it wants {}", setting.path, setting.expected)))
}

/// What to say of an option that no setting names as its counterpart.
fn unmatched(name: &str) -> WhyNot {
    match name {
        "container.appRoot" => lost("has no counterpart: the application lies in /app"),
        "container.useCurrentTimestamp" => {
            lost("has no counterpart: an image with the clock in it has another digest each time")
        }
        "container.expandClasspathDependencies" => {
            settled("has no counterpart: the class path stands in the jar's manifest")
        }
        "pluginExtensions" => lost("has no counterpart: shipit runs no code of plugins"),
        "skaffold" => settled("has no counterpart"),
        "dockerClient" => settled(
            "has no counterpart: shipit needs no Docker. `shipit build --output docker-archive:FILE` is what `docker load` takes",
        ),
        "outputPaths" => {
            settled("has no counterpart: the image is in target/shipit, and `shipit build` prints its digest")
        }
        "skip" => settled("has no counterpart: shipit builds when it is told to"),
        "configurationName" => lost("has no counterpart: the application is what Spring Boot put into its jar"),
        _ => lost("has no counterpart in this version of shipit"),
    }
}

fn base(image: &str, initial: &mut Initial) -> Result<(), WhyNot> {
    match image.split_once("://") {
        None => choose("from.image", &[quoted(image)], initial),
        Some(("registry", image)) => choose("from.image", &[quoted(image)], initial),
        Some(("tar", path)) => {
            Err(lost(format!("is the archive '{path}'; name the image in its registry as [image] base")))
        }
        Some(_) => Err(lost(format!(
            "is '{image}', in a Docker daemon, which shipit does not ask; name the image in its registry as [image] base"
        ))),
    }
}

/// Without a registry, Jib means Docker Hub, and shipit the account's own ECR.
fn target(image: &str, initial: &mut Initial) -> Result<(), WhyNot> {
    let image = image.strip_prefix("registry://").unwrap_or(image);
    let (name, tag) = match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (image, None),
    };
    let host = name.split_once('/').map(|(host, _)| host);
    let has_host = host.is_some_and(|host| host.contains(['.', ':']) || host == "localhost");
    let repository = match (has_host, name.contains('/')) {
        (true, _) => name.to_owned(),
        (false, true) => format!("docker.io/{name}"),
        (false, false) => format!("docker.io/library/{name}"),
    };
    choose("to.image", &[quoted(&repository)], initial)?;
    if let (Some(tag), Some(setting)) = (tag, counterpart("to.image")) {
        initial.remark(
            &setting.path,
            format!("Without Jib's tag '{tag}': shipit tags an image with the build's date, time and commit."),
        );
    }
    Ok(())
}

/// Jib allows all registries or none; shipit wants them by name.
fn insecure(jib: &JibConfiguration, initial: &mut Initial) -> Result<(), WhyNot> {
    let images = jib.options.iter().filter(|option| matches!(&*option.name, "from.image" | "to.image"));
    let hosts: Vec<String> = images
        .filter_map(|option| match &option.value {
            Value::Text(image) => image.rsplit("://").next()?.split_once('/').map(|(host, _)| host.to_owned()),
            _ => None,
        })
        .filter(|host| host.contains(':') || host.ends_with(".local") || host.ends_with(".internal"))
        .collect();
    if hosts.is_empty() {
        return Err(settled("is true; name the registries without TLS as [registry] insecure"));
    }
    choose("allowInsecureRegistries", &spellings(Shape::List, &hosts), initial)
}

/// `2000-2003/udp` as its ports.
fn expand(range: &str) -> Vec<String> {
    let (numbers, protocol) = range.split_once('/').map_or((range, ""), |(numbers, protocol)| (numbers, protocol));
    let written = |number: u32| if protocol.is_empty() { number.to_string() } else { format!("{number}/{protocol}") };
    let bounds = numbers.split_once('-').and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    match bounds {
        Some((first, last)) if first <= last && last <= 65_535_u32 => (first..=last).map(written).collect(),
        _ => vec![range.to_owned()],
    }
}

fn extra_directories(directories: &[ExtraDirectory], initial: &mut Initial) -> Result<(), WhyNot> {
    const NAME: &str = "extraDirectories.paths";
    let from: Vec<String> = directories.iter().map(|directory| directory.from.clone()).collect();
    let plain = |directory: &ExtraDirectory| {
        directory.into.as_deref().is_none_or(|into| into == "/")
            && directory.includes.is_empty()
            && directory.excludes.is_empty()
    };
    if counterpart(NAME).is_some() && directories.iter().all(plain) {
        return choose(NAME, &spellings(Shape::List, &from), initial);
    }
    Err(lost(format!("is {}, which this version of shipit cannot take over", from.join(", "))))
}

/// Where the two differ as long as nobody says anything.
fn differences(jib: &JibConfiguration, initial: &mut Initial) {
    let says = |name: &str| jib.options.iter().any(|option| option.name == name);
    if !says("container.user") {
        initial
            .remark("image.user", "Jib leaves the base's user, which is root in most; user = \"root\" does the same.");
    }
    if !says("container.jvmFlags") {
        initial.remark("image.jvm-flags", "Jib has no flags by default; jvm-flags = [] does the same.");
    }
    if !says("container.ports") {
        initial
            .remark("image.ports", "Jib names no port by default; ports = [] does the same. It is information only.");
    }
}

#[cfg(test)]
mod tests;
