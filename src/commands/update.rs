use clap::Args;
use shipit_builders::project::{DetectOptions, detect};

use super::base::Bases;
use super::context::Context;
use super::image_settings::platforms;
use crate::report::{CommandError, ErrorKind};
use crate::settings::{BUILD, Flags, IMAGE, REGISTRY};

/// Pin the base image anew: what its name stands for now, in shipit.lock.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    settings: Flags<{ BUILD | IMAGE | REGISTRY }>,
}

impl Arguments {
    pub fn run(self, context: &Context<'_>) -> Result<(), CommandError> {
        let settings = context.settings(&self.settings.given)?;
        let platforms = platforms(&settings);
        let directory = context.require_project()?;
        let bases = Bases::new(context, &settings, &platforms, false)?;
        let java = match &settings.image.base {
            Some(_) => None,
            None => {
                detect(directory, &DetectOptions { module: settings.build.module.clone() })
                    .map_err(|error| ErrorKind::Usage.error(error))?
                    .java
            }
        };
        let base = bases.renew(java)?;
        match bases.pinned(&base.name) {
            Some(before) if before == base.digest => {
                context.report.step("Unchanged", format!("{} is still {before}", base.name));
            }
            Some(before) => context.report.step("Moved", format!("{} from {before}", base.name)),
            None => {}
        }
        base.lock(context.report)?;
        context.report.result(base.digest, &serde_json::json!({ "base": base.name, "digest": base.digest }))?;
        Ok(())
    }
}
