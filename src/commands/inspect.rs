use clap::Args;
use serde_json::{Value, json};

use super::context::Context;
use super::image_argument::{FORMS, ImageArgument, unreadable, wanted_platform};
use crate::image::Platform;
use crate::image::facts::{Facts, facts};
use crate::image::opened::OpenedImage;
use crate::release::Release;
use crate::report::{CommandError, ErrorKind, Size, Table};
use crate::settings::{Flags, REGISTRY};

/// Show what is in an image: platform, base, layers, command, and the Spring Boot and Java that it has.
#[derive(Debug, Args)]
#[command(after_help = FORMS)]
pub struct Arguments {
    /// The image. Default: the one that was built last in this project.
    image: Option<ImageArgument>,

    /// The platform, where an image is there for several. Default: the first of image.platforms, else linux/amd64.
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,

    #[command(flatten)]
    settings: Flags<REGISTRY>,
}

impl Arguments {
    pub fn run(self, context: &Context<'_>) -> Result<(), CommandError> {
        let settings = context.settings(&self.settings.given)?;
        let platform = wanted_platform(self.platform.as_ref(), &settings);
        let argument = match self.image {
            Some(image) => image,
            None => {
                // For its words where nothing has been built.
                Release::read(&context.output()).map_err(|error| ErrorKind::Usage.error(error))?;
                ImageArgument::built(context)
            }
        };
        let image = argument.open(context, &settings, &platform)?;
        let facts = facts(&image).map_err(unreadable)?;
        context.report.result(describe(&image, &facts), &object(&image, &facts))?;
        Ok(())
    }
}

fn object(image: &OpenedImage, facts: &Facts) -> Value {
    let layers: Vec<Value> = image
        .layers
        .iter()
        .map(|layer| {
            json!({
                "name": layer.name,
                "digest": layer.descriptor.digest,
                "diffId": layer.diff_id,
                "size": layer.descriptor.size,
                "mediaType": layer.descriptor.media_type,
                "createdBy": layer.created_by,
            })
        })
        .collect();
    json!({
        "digest": image.digest,
        "imageId": image.config_digest,
        "platform": image.platform().map(|platform| platform.to_string()),
        "created": image.config.get("created"),
        "annotations": image.manifest.annotations,
        "layers": layers,
        "entrypoint": image.runtime("Entrypoint"),
        "cmd": image.runtime("Cmd"),
        "workdir": image.runtime("WorkingDir"),
        "user": image.runtime("User"),
        "env": image.runtime("Env"),
        "ports": image.runtime("ExposedPorts").and_then(Value::as_object).map(|ports| ports.keys().collect::<Vec<_>>()),
        "labels": image.runtime("Labels"),
        "springBoot": facts.spring_boot,
        "startClass": facts.start_class,
        "java": facts.java,
        "javaTarget": facts.java_target,
        "libraries": facts.libraries,
    })
}

fn describe(image: &OpenedImage, facts: &Facts) -> String {
    let text = |value: Option<&Value>| match value {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.is_empty() => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Array(list)) => Some(list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")),
        Some(Value::Object(object)) => Some(object.keys().cloned().collect::<Vec<_>>().join(" ")),
        Some(other) => Some(other.to_string()),
    };
    let annotation = |key: &str| image.manifest.annotations.get(&format!("org.opencontainers.image.{key}")).cloned();
    let base = annotation("base.name").map(|name| match annotation("base.digest") {
        Some(digest) => format!("{name}@{digest}"),
        None => name,
    });
    let facts = [
        ("digest", image.digest.map(|digest| digest.to_string())),
        ("image id", Some(image.config_digest.to_string())),
        ("platform", image.platform().map(|platform| platform.to_string())),
        ("base", base),
        ("created", text(image.config.get("created"))),
        ("entrypoint", text(image.runtime("Entrypoint"))),
        ("arguments", text(image.runtime("Cmd"))),
        ("workdir", text(image.runtime("WorkingDir"))),
        ("user", text(image.runtime("User"))),
        ("ports", text(image.runtime("ExposedPorts"))),
        ("Spring Boot", facts.spring_boot.clone()),
        ("start class", facts.start_class.clone()),
        ("Java", facts.java.clone()),
        ("compiled for", facts.java_target.map(|release| format!("Java {release}"))),
        ("libraries", facts.libraries.map(|count| count.to_string())),
    ];
    let mut lines: Vec<String> =
        facts.into_iter().filter_map(|(name, value)| Some(format!("{name:<12} {}", value?))).collect();
    let list = |title: &str, entries: Vec<String>, lines: &mut Vec<String>| {
        if !entries.is_empty() {
            lines.push(String::new());
            lines.push(title.to_owned());
            lines.extend(entries.into_iter().map(|entry| format!("  {entry}")));
        }
    };
    let env = image.runtime("Env").and_then(Value::as_array);
    list("environment", env.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect(), &mut lines);
    let annotations = image.manifest.annotations.iter().map(|(key, value)| format!("{key}={value}")).collect();
    list("annotations", annotations, &mut lines);

    let mut table = Table::new(["LAYER", "SIZE", "DIGEST"]).right(1);
    for layer in &image.layers {
        let called = match (&layer.name, &layer.created_by) {
            (Some(name), _) => name.clone(),
            (None, Some(by)) => by.chars().take(40).collect(),
            (None, None) => "base".to_owned(),
        };
        table.row([called, Size(layer.descriptor.size).to_string(), layer.descriptor.digest.to_string()]);
    }
    let total = image.layers.iter().map(|layer| layer.descriptor.size).sum();
    format!("{}\n\n{table}\n\n{} in {} layers", lines.join("\n"), Size(total), image.layers.len())
}
