use clap::Args;

use crate::report::{CommandError, Report};
use crate::settings::schema;

/// Print the JSON Schema of shipit.toml, for editors.
///
/// `shipit schema > shipit.schema.json`, and `#:schema ./shipit.schema.json` as the first line of shipit.toml.
#[derive(Debug, Args)]
pub struct Arguments {}

impl Arguments {
    pub fn run(self, report: &Report) -> Result<(), CommandError> {
        let schema = schema();
        report.result(format!("{schema:#}"), &schema)?;
        Ok(())
    }
}
