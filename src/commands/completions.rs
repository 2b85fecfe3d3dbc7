use clap::Args;
use clap_complete::Shell;

use crate::report::{CommandError, Report};

/// Print a completion script for a shell.
///
/// For bash, for example: shipit completions bash > ~/.local/share/bash-completion/completions/shipit
#[derive(Debug, Args)]
pub struct Arguments {
    /// The shell.
    shell: Shell,
}

impl Arguments {
    pub fn run(self, mut program: clap::Command, report: &Report) -> Result<(), CommandError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut program, "shipit", &mut script);
        let script = String::from_utf8_lossy(&script);
        report.result(script.trim_end(), &script)?;
        Ok(())
    }
}
