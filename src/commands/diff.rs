use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::context::Context;
use super::image_argument::{FORMS, ImageArgument, unreadable, wanted_platform};
use crate::image::Platform;
use crate::image::compare::{Cause, Change, Difference, causes, compare};
use crate::image::opened::OpenedImage;
use crate::report::CommandError;
use crate::settings::{Flags, REGISTRY};

/// What the exit codes of this command mean, for its help.
const EXIT_CODES: &str = "\
Exit codes, as those of diff(1):
  0  the images are equal
  1  they differ
  2  one of them cannot be read
  4  a registry refused";

/// The exit code of images that differ.
const DIFFERENT: u8 = 1;

/// Tell why two images have different digests.
///
/// Says which part differs: a field of the manifest or the configuration, the base, or a file in a layer and what of
/// it, also inside jars; and where a cause is known, the lines of the build file that mend it. Nothing is unpacked to
/// the disk.
#[derive(Debug, Args)]
#[command(after_help = format!("{FORMS}\n\n{EXIT_CODES}"))]
pub struct Arguments {
    /// The one image
    a: ImageArgument,

    /// The other one
    b: ImageArgument,

    /// The platform, where an image is there for several. Default: the first of image.platforms, else linux/amd64.
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,

    #[command(flatten)]
    settings: Flags<REGISTRY>,
}

impl Arguments {
    pub fn run(self, context: &Context<'_>) -> Result<ExitCode, CommandError> {
        let settings = context.settings(&self.settings.given)?;
        let platform = wanted_platform(self.platform.as_ref(), &settings);
        let a = self.a.open(context, &settings, &platform)?;
        let b = self.b.open(context, &settings, &platform)?;
        let differences = compare(&a, &b).map_err(unreadable)?;
        let causes = causes(&differences);
        let side = |argument: &ImageArgument, image: &OpenedImage| json!({ "image": argument.text(), "digest": image.digest, "imageId": image.config_digest });
        let object = json!({
            "equal": differences.is_empty(),
            "a": side(&self.a, &a),
            "b": side(&self.b, &b),
            "differences": differences,
            "causes": causes,
        });
        if differences.is_empty() {
            context.report.result(format!("equal: {}", identity(&a)), &object)?;
            return Ok(ExitCode::SUCCESS);
        }
        let heading = format!("A  {}  {}\nB  {}  {}", identity(&a), self.a.text(), identity(&b), self.b.text());
        context.report.result(format!("{heading}\n\n{}", describe(&differences, &causes)), &object)?;
        Ok(ExitCode::from(DIFFERENT))
    }
}

fn identity(image: &OpenedImage) -> String {
    match image.digest {
        Some(digest) => digest.to_string(),
        None => format!("image id {}", image.config_digest),
    }
}

/// The differences as an indented list, what they have in common once, and then the causes.
pub fn describe(differences: &[Difference], causes: &[Cause]) -> String {
    let mut text = String::new();
    let mut last: &[String] = &[];
    for difference in differences {
        let shared = last.iter().zip(&difference.at).take_while(|(a, b)| a == b).count();
        for (depth, part) in difference.at.iter().enumerate().skip(shared) {
            text.push_str(&format!("{}{part}\n", "  ".repeat(depth)));
        }
        last = &difference.at;
        let indent = "  ".repeat(difference.at.len());
        for line in change(&difference.change).lines() {
            text.push_str(&format!("{indent}{line}\n"));
        }
    }
    for cause in causes {
        text.push_str(&format!("\ncause: {}\n  seen in: {}\n", cause.why, cause.shown_by.join(", ")));
        text.push_str("  what mends it:\n");
        for line in cause.mend.lines() {
            text.push_str(&format!("    {line}\n"));
        }
    }
    text
}

fn change(change: &Change) -> String {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "(none)".to_owned());
    match change {
        Change::OnlyA => "only in A".to_owned(),
        Change::OnlyB => "only in B".to_owned(),
        Change::Field { field, a, b } => format!("{field}: {} → {}", value(a), value(b)),
        Change::Key { key, a, b } => format!("{key}: {} → {}", value(a), value(b)),
        Change::Line { number, a, b } => format!("line {number}:\n  A {}\n  B {}", value(a), value(b)),
        Change::Bytes { offset, a, b } => format!("from byte {offset} on:\n  A {a}\n  B {b}"),
        Change::Class { a, b } if a == b => "another class file (compiled from other sources, or otherwise)".to_owned(),
        Change::Class { a, b } => {
            let version = |version: &Option<u16>| version.map_or("unknown".to_owned(), |version| version.to_string());
            format!("another class file: version {} → {}", version(a), version(b))
        }
        Change::Form { what } => what.clone(),
        Change::Order { a, b } => format!("the entries stand in another order: first\n  A {a}\n  B {b}"),
        Change::Compression => "the same content, compressed otherwise".to_owned(),
        Change::Note { text } => text.clone(),
        Change::More { count } => format!("and {count} more"),
    }
}
