//! The types of one value that need no file of their own.

use std::time::Duration;

use super::duration;
use super::value::{Scalar, Written};
use crate::image::Platform;

impl Scalar for String {
    const EXPECTED: &'static str = "text in quotes";
    const EXPECTED_MANY: &'static str = "texts in quotes";
    const EXAMPLE: &'static str = "\"text\"";
    const EXAMPLE_MANY: &'static str = "[\"one\", \"two\"]";
    const PLACEHOLDER: &'static str = "TEXT";
    const WRITTEN: &'static [Written] = &[Written::Quoted];

    fn parse(text: &str) -> Option<Self> {
        (!text.trim().is_empty()).then(|| text.to_owned())
    }
}

impl Scalar for bool {
    const EXPECTED: &'static str = "true or false";
    const EXPECTED_MANY: &'static str = "booleans";
    const EXAMPLE: &'static str = "true";
    const EXAMPLE_MANY: &'static str = "[true, false]";
    const PLACEHOLDER: &'static str = "BOOLEAN";
    const WRITTEN: &'static [Written] = &[Written::Boolean];

    fn parse(text: &str) -> Option<Self> {
        match text {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }
    }
}

impl Scalar for u32 {
    const EXPECTED: &'static str = "a whole number from 0 on";
    const EXPECTED_MANY: &'static str = "whole numbers from 0 on";
    const EXAMPLE: &'static str = "2";
    const EXAMPLE_MANY: &'static str = "[1, 2]";
    const PLACEHOLDER: &'static str = "NUMBER";
    const WRITTEN: &'static [Written] = &[Written::Number];

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Scalar for Platform {
    const EXPECTED: &'static str = "a platform, as linux/amd64";
    const EXPECTED_MANY: &'static str = "platforms, as linux/amd64";
    const EXAMPLE: &'static str = "\"linux/amd64\"";
    const EXAMPLE_MANY: &'static str = "[\"linux/arm64\"]";
    const PLACEHOLDER: &'static str = "PLATFORM";
    const WRITTEN: &'static [Written] = &[Written::Quoted];

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Scalar for Duration {
    const EXPECTED: &'static str = "a duration in hours (h), minutes (m) and seconds (s)";
    const EXPECTED_MANY: &'static str = "durations in hours (h), minutes (m) and seconds (s)";
    const EXAMPLE: &'static str = "\"15m\"";
    const EXAMPLE_MANY: &'static str = "[\"90s\", \"1h30m\"]";
    const PLACEHOLDER: &'static str = "DURATION";
    const WRITTEN: &'static [Written] = &[Written::Quoted];

    fn parse(text: &str) -> Option<Self> {
        duration::parse(text).ok()
    }
}
