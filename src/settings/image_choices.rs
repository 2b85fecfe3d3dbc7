//! The settings of [image] that are one of a few words, or a word and a value.

use shipit_builders::Form;

use super::value::{Scalar, Written};
use crate::image::format::Format;
use crate::image::stop_signal::StopSignal;
use crate::image::timestamp::{TimeChoice, parse_rfc3339};

impl Scalar for TimeChoice {
    const EXPECTED: &'static str = "\"commit\", \"fixed\" or a time as 2026-01-02T03:04:05Z (RFC 3339)";
    const EXPECTED_MANY: &'static str = "times";
    const EXAMPLE: &'static str = "\"fixed\"";
    const EXAMPLE_MANY: &'static str = "[\"fixed\"]";
    const PLACEHOLDER: &'static str = "commit|fixed|TIME";
    const WRITTEN: &'static [Written] = &[Written::Quoted];

    fn parse(text: &str) -> Option<Self> {
        match text {
            "commit" => Some(TimeChoice::Commit),
            "fixed" => Some(TimeChoice::Fixed),
            time => parse_rfc3339(time).map(TimeChoice::At),
        }
    }
}

impl Scalar for StopSignal {
    const EXPECTED: &'static str = "a signal's name or number, as SIGTERM, SIGRTMIN+3 or 15";
    const EXPECTED_MANY: &'static str = "signals";
    const EXAMPLE: &'static str = "\"SIGINT\"";
    const EXAMPLE_MANY: &'static str = "[\"SIGINT\"]";
    const PLACEHOLDER: &'static str = "SIGNAL";
    const WRITTEN: &'static [Written] = &[Written::Quoted, Written::Number];

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Scalar for Form {
    const EXPECTED: &'static str = "\"extracted\", \"loader\" or \"packaged\"";
    const EXPECTED_MANY: &'static str = "layouts";
    const EXAMPLE: &'static str = "\"loader\"";
    const EXAMPLE_MANY: &'static str = "[\"loader\"]";
    const PLACEHOLDER: &'static str = "extracted|loader|packaged";
    const WRITTEN: &'static [Written] = &[Written::Quoted];

    fn parse(text: &str) -> Option<Self> {
        match text {
            "extracted" => Some(Form::Extracted),
            "loader" => Some(Form::Loader),
            "packaged" => Some(Form::Packaged),
            _ => None,
        }
    }
}

impl Scalar for Format {
    const EXPECTED: &'static str = "\"oci\" or \"docker\"";
    const EXPECTED_MANY: &'static str = "formats";
    const EXAMPLE: &'static str = "\"docker\"";
    const EXAMPLE_MANY: &'static str = "[\"docker\"]";
    const PLACEHOLDER: &'static str = "oci|docker";
    const WRITTEN: &'static [Written] = &[Written::Quoted];

    fn parse(text: &str) -> Option<Self> {
        match text {
            "oci" => Some(Format::Oci),
            "docker" => Some(Format::Docker),
            _ => None,
        }
    }
}
