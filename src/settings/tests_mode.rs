//! What the build does with the project's tests.

use super::value::{Scalar, Written};

/// The setting `build.tests`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TestsMode {
    /// Compile them, as other modules may depend on them, and do not run them.
    #[default]
    Compile,
    /// Neither compile nor run them.
    Skip,
    /// Run them.
    Run,
}

impl Scalar for TestsMode {
    const EXPECTED: &'static str = "\"compile\", \"skip\" or \"run\"";
    const EXPECTED_MANY: &'static str = "\"compile\", \"skip\" or \"run\"";
    const EXAMPLE: &'static str = "\"run\"";
    const EXAMPLE_MANY: &'static str = "[\"run\"]";
    const PLACEHOLDER: &'static str = "compile|skip|run";
    const WRITTEN: &'static [Written] = &[Written::Quoted];

    fn parse(text: &str) -> Option<Self> {
        match text {
            "compile" => Some(TestsMode::Compile),
            "skip" => Some(TestsMode::Skip),
            "run" => Some(TestsMode::Run),
            _ => None,
        }
    }
}
